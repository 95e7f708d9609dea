//! Cutting a table into parts of about equal size without reading it: by blocks, since the place of a row says its block.

use postgres::Error;

use super::keys::Tid;
use super::session::Session;
use super::shape::Shape;
use crate::store::traits::Part;

/// Blocks in each of which the rows are counted to know how many there are in one on average.
const PROBES: i64 = 8;

/// The parts of about `rows` rows each, in the order in which rows lie; none for an empty table.
pub(super) fn parts(client: &mut Session, shape: &Shape, rows: u64) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::new();
    for (number, leaf) in (0u16..).zip(&shape.leaves) {
        let name = leaf.qualified();
        let sql = "SELECT pg_relation_size($1::oid) / current_setting('block_size')::int8";
        let blocks: i64 = client.query_one(sql, &[&leaf.oid])?.try_get(0)?;
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        let Some(last) = blocks.checked_sub(1) else {
            // Nothing to read; but who may not read it is told so.
            client.query(&format!("SELECT FROM ONLY {name} LIMIT 0"), &[])?;
            continue;
        };
        let each = rows_in_a_block(client, &name, last)?;
        let width = u32::try_from((rows.max(1) as f64 / each).ceil() as u64).unwrap_or(u32::MAX).max(1);
        let mut first = 0u32;
        loop {
            let stop = first.saturating_add(width.saturating_sub(1)).min(last);
            let count = u64::from(stop.saturating_sub(first)).saturating_add(1);
            parts.push(Part {
                first: Tid { block: first, offset: 0 }.key(number),
                last: Tid { block: stop, offset: u16::MAX }.key(number),
                rows: (count as f64 * each).ceil() as u64,
            });
            match stop.checked_add(1).filter(|next| *next <= last) {
                Some(next) => first = next,
                None => break,
            }
        }
    }
    Ok(parts)
}

/// Rows in a block on average, by a few blocks at even distances; at least a thousandth.
fn rows_in_a_block(client: &mut Session, name: &str, last: u32) -> Result<f64, Error> {
    let last = i64::from(last);
    let mut blocks: Vec<i64> = (0..PROBES).map(|probe| last.saturating_mul(probe) / (PROBES - 1)).collect();
    blocks.dedup();
    let counts: Vec<String> = blocks
        .iter()
        .map(|block| {
            let after = block.saturating_add(1);
            format!("(SELECT count(*) FROM ONLY {name} WHERE ctid >= '({block},0)' AND ctid < '({after},0)')")
        })
        .collect();
    let sum: i64 = client.query_one(&format!("SELECT {}", counts.join("+")), &[])?.try_get(0)?;
    Ok((sum as f64 / blocks.len() as f64).max(0.001))
}
