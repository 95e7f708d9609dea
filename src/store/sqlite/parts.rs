//! Cutting a table into parts of about equal size without reading it.
//!
//! Row numbers are mostly dense, as tables are filled by appending. Then equal widths of row numbers are equal numbers of
//! rows. Whether they are dense is judged by short walks at even distances; if not, the cuts are found by walking the
//! whole row order, which costs about a tenth of a scan.

use rusqlite::{Connection, OptionalExtension};

use super::shape::{RowKey, Shape};
use crate::store::name::quoted;
use crate::store::traits::Part;

/// Short walks by which density is judged, and rows in each.
const PROBES: i128 = 64;
const PROBE_ROWS: i64 = 32;
/// From this density on at every probe, parts are cut by arithmetic.
const DENSE: f64 = 0.5;
/// More parts than these are not cut by arithmetic: the probes have missed a wide gap.
const PARTS_MAX: i128 = 1 << 20;

/// The parts, in row order; none for an empty table.
pub(super) fn parts(connection: &Connection, shape: &Shape, rows: u64) -> rusqlite::Result<Vec<Part>> {
    let table = quoted(&shape.schema.name);
    let RowKey::Rowid(key) = &shape.key else {
        return whole(connection, &table);
    };
    let rows = i128::from(rows.max(1));
    // Two statements: SQLite looks up a lone minimum or maximum, but walks the table for both at once.
    let end = |which: &str| {
        connection.query_row(&format!("SELECT {which}({key}) FROM {table}"), [], |row| row.get::<_, Option<i64>>(0))
    };
    let (Some(first), Some(last)) = (end("min")?, end("max")?) else {
        return Ok(Vec::new());
    };
    let span = i128::from(last) - i128::from(first) + 1;
    if span <= rows {
        return Ok(vec![Part { first, last, rows: span as u64 }]);
    }
    let sql = format!("SELECT {key} FROM {table} WHERE {key} >= ?1 ORDER BY {key} LIMIT 1 OFFSET ?2");
    let mut walk = connection.prepare(&sql)?;
    let mut after = |from: i64, rows: i64| walk.query_row([from, rows], |row| row.get::<_, i64>(0)).optional();
    if let Some(density) = density(first, span, &mut after)? {
        let width = (rows as f64 / density) as i128;
        if span / width.max(1) < PARTS_MAX {
            return Ok(by_width(first, last, width.max(1), density));
        }
    }
    by_walk(first, last, i64::try_from(rows).unwrap_or(i64::MAX), &mut after)
}

/// A table whose rows cannot be named is one part.
fn whole(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Part>> {
    let rows: i64 = connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
    let part = Part { first: i64::MIN, last: i64::MAX, rows: u64::try_from(rows).unwrap_or(0) };
    Ok(if rows == 0 { Vec::new() } else { vec![part] })
}

type Walk<'a> = dyn FnMut(i64, i64) -> rusqlite::Result<Option<i64>> + 'a;

/// Rows for each row number on average, if they are dense wherever a probe looked.
fn density(first: i64, span: i128, after: &mut Walk<'_>) -> rusqlite::Result<Option<f64>> {
    let mut sum = 0.0;
    let mut probes = 0.0;
    for probe in 0..PROBES {
        let at = (i128::from(first) + span * probe / PROBES) as i64;
        let Some(reached) = after(at, PROBE_ROWS - 1)? else {
            continue;
        };
        let density = PROBE_ROWS as f64 / (i128::from(reached) - i128::from(at) + 1) as f64;
        if density < DENSE {
            return Ok(None);
        }
        sum += density;
        probes += 1.0;
    }
    Ok((probes > 0.0).then(|| sum / probes))
}

fn by_width(first: i64, last: i64, width: i128, density: f64) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = i128::from(first);
    while at <= i128::from(last) {
        let stop = (at + width - 1).min(i128::from(last));
        let rows = ((stop - at + 1) as f64 * density).ceil() as u64;
        parts.push(Part { first: at as i64, last: stop as i64, rows });
        at = stop + 1;
    }
    parts
}

fn by_walk(first: i64, last: i64, rows: i64, after: &mut Walk<'_>) -> rusqlite::Result<Vec<Part>> {
    let mut parts = Vec::new();
    let mut at = first;
    while let Some(next) = after(at, rows)? {
        parts.push(Part { first: at, last: next - 1, rows: rows as u64 });
        at = next;
    }
    parts.push(Part { first: at, last, rows: rows as u64 });
    Ok(parts)
}
