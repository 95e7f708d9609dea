//! Rows out of a table, by their keys.
//!
//! A list of places costs the server several times what a range of places does. Rows that are deleted together mostly lie
//! together: then it is asked first which rows are between the first and the last of them, and what is found to be wanted
//! without a row between that is not goes by ranges. Nobody else changes the table meanwhile: it is locked.

use super::fault::Site;
use super::insert::places;
use super::keys::Tid;
use super::reader::tid_array;
use super::session::Session;
use super::shape::Shape;
use crate::store::control::KeyRuns;
use crate::store::error::StoreError;

/// What is being done.
pub(super) const DELETE: &str = "delete rows";
/// Keys that one statement lists, at most 19 bytes each.
const LISTED_KEYS: usize = 16_384;
/// Blocks in a row, and runs of keys in each of them on average, from which and up to which it is asked what lies there.
const BLOCKS_MIN: u32 = 16;
const RUNS_MAX: u32 = 2;
/// Rows in a row from which they are deleted by a range.
const RANGE_ROWS_MIN: usize = 256;

/// Deletes the rows with these keys, passing over those that name no row; returns how many there were. The table is locked.
pub(super) fn runs(client: &mut Session, site: Site<'_>, shape: &Shape, keys: &KeyRuns) -> Result<u64, StoreError> {
    let (dense, mut listed) = split(keys);
    let mut statements = Vec::new();
    for (first, last) in dense {
        let (Some((number, start)), Some((_, stop))) = (Tid::of_key(first), Tid::of_key(last)) else { continue };
        // A key in a partition that is not there names no row.
        let Some(leaf) = shape.leaves.get(usize::from(number)) else { continue };
        let condition = format!("FROM ONLY {} WHERE ctid >= '{start}' AND ctid <= '{stop}'", leaf.qualified());
        let mut found = places(client, site, shape, DELETE, &format!("SELECT tableoid::oid, ctid {condition}"))?;
        found.sort_unstable();
        let (ranges, rest) = sequences(&found, keys);
        for (first, last) in ranges {
            if let (Some((_, start)), Some((_, stop))) = (Tid::of_key(first), Tid::of_key(last)) {
                let condition = format!("ctid >= '{start}' AND ctid <= '{stop}'");
                statements.push(format!("DELETE FROM ONLY {} WHERE {condition}", leaf.qualified()));
            }
        }
        listed.add(&rest);
    }
    statements.extend(deletions(shape, &listed));
    let mut deleted = 0u64;
    for sql in statements {
        let rows = client.execute(&sql, &[]).map_err(site.during(DELETE))?;
        deleted = deleted.saturating_add(rows);
    }
    Ok(deleted)
}

/// Some runs of keys that follow each other in blocks in a row.
struct Group {
    leaf: u16,
    blocks: (u32, u32),
    runs: Vec<(i64, i64)>,
}

/// First and last key of what lies close together, and all other keys.
fn split(keys: &KeyRuns) -> (Vec<(i64, i64)>, KeyRuns) {
    let mut groups: Vec<Group> = Vec::new();
    let mut listed = KeyRuns::default();
    for (first, last) in keys.iter() {
        let (Some((leaf, start)), Some((end, stop))) = (Tid::of_key(first), Tid::of_key(last)) else {
            listed.add_run(first, last);
            continue;
        };
        if leaf != end || start.block != stop.block {
            listed.add_run(first, last);
            continue;
        }
        match groups.last_mut() {
            Some(group) if group.leaf == leaf && start.block <= group.blocks.1.saturating_add(1) => {
                group.blocks.1 = start.block;
                group.runs.push((first, last));
            }
            _ => groups.push(Group { leaf, blocks: (start.block, start.block), runs: vec![(first, last)] }),
        }
    }
    let mut dense = Vec::new();
    for Group { blocks: (from, to), runs, .. } in groups {
        let blocks = to.saturating_sub(from).saturating_add(1);
        let few = runs.len() <= blocks.saturating_mul(RUNS_MAX) as usize;
        match (runs.first(), runs.last()) {
            (Some((first, _)), Some((_, last))) if few && blocks >= BLOCKS_MIN => dense.push((*first, *last)),
            _ => runs.iter().for_each(|(first, last)| listed.add_run(*first, *last)),
        }
    }
    (dense, listed)
}

/// Of the rows that lie somewhere, ascending, those that are wanted: first and last of such as follow each other with no other
/// row between, where they are many, and the rest.
fn sequences(found: &[i64], wanted: &KeyRuns) -> (Vec<(i64, i64)>, KeyRuns) {
    let mut ranges = Vec::new();
    let mut rest = KeyRuns::default();
    for together in found.chunk_by(|one, next| wanted.holds(*one) == wanted.holds(*next)) {
        match (together.first(), together.last()) {
            (Some(first), _) if !wanted.holds(*first) => {}
            (Some(first), Some(last)) if together.len() >= RANGE_ROWS_MIN => ranges.push((*first, *last)),
            _ => rest.add_keys(together),
        }
    }
    (ranges, rest)
}

/// The statements that delete the rows with these keys. Keys that name no leaf name no row.
fn deletions(shape: &Shape, keys: &KeyRuns) -> Vec<String> {
    let mut statements = Vec::new();
    let mut listed: Vec<Tid> = Vec::new();
    let mut of = 0u16;
    let mut from = |leaf: u16, condition: String| {
        if let Some(leaf) = shape.leaves.get(usize::from(leaf)) {
            statements.push(format!("DELETE FROM ONLY {} WHERE {condition}", leaf.qualified()));
        }
    };
    for (first, last) in keys.iter() {
        let (Some((leaf, start)), Some((end, stop))) = (Tid::of_key(first.max(0)), Tid::of_key(last)) else { continue };
        if start.block != stop.block || leaf != end {
            // No run of keys of rows goes from one block to the next: a block has fewer places than keys have room for.
            for leaf in leaf..=end.min(u16::try_from(shape.leaves.len()).unwrap_or(u16::MAX)) {
                let start = if leaf == (first.max(0) >> 48) as u16 { start } else { Tid { block: 0, offset: 0 } };
                let stop = if leaf == end { stop } else { Tid { block: u32::MAX, offset: u16::MAX } };
                from(leaf, format!("ctid >= '{start}' AND ctid <= '{stop}'"));
            }
            continue;
        }
        if leaf != of || listed.len() >= LISTED_KEYS {
            if !listed.is_empty() {
                from(of, format!("ctid = ANY ({})", tid_array(&listed)));
            }
            listed.clear();
            of = leaf;
        }
        listed.extend((start.offset..=stop.offset).map(|offset| Tid { block: start.block, offset }));
    }
    if !listed.is_empty() {
        from(of, format!("ctid = ANY ({})", tid_array(&listed)));
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::super::shape::tests::shape;
    use super::*;

    #[test]
    fn deletions_list_each_row_and_bound_what_no_rows_have() {
        let shape = shape(&[("a", 23)]);
        let key = |leaf, block, offset| Tid { block, offset }.key(leaf);
        let keys = KeyRuns::of_keys(&[key(0, 1, 1), key(0, 1, 2), key(0, 7, 9), key(1, 0, 1), -5]);
        assert_eq!(
            deletions(&shape, &keys),
            ["DELETE FROM ONLY \"public\".\"t\" WHERE ctid = ANY ('{\"(1,1)\",\"(1,2)\",\"(7,9)\"}'::tid[])"]
        );
        assert_eq!(deletions(&shape, &KeyRuns::default()), [""; 0]);
        let mut all = KeyRuns::default();
        all.add_run(i64::MIN, i64::MAX);
        assert_eq!(
            deletions(&shape, &all),
            ["DELETE FROM ONLY \"public\".\"t\" WHERE ctid >= '(0,0)' AND ctid <= '(4294967295,65535)'"]
        );
        let many: Vec<i64> = (0..40_000).map(|block| key(0, block, 1)).collect();
        assert_eq!(deletions(&shape, &KeyRuns::of_keys(&many)).len(), 3);
    }

    #[test]
    fn what_lies_together_is_told_from_what_is_spread() {
        let key = |block, offset| Tid { block, offset }.key(0);
        let block = |block, rows: u16| (1..=rows).map(move |offset| key(block, offset));
        // Blocks 10 to 40 but for two rows, a lone block, blocks of which each third row is wanted.
        let close: Vec<i64> = (10..=40).flat_map(|at| block(at, 30)).filter(|at| *at != key(20, 5)).collect();
        let spread: Vec<i64> = (100..200).flat_map(|at| block(at, 30).step_by(3)).collect();
        let lone: Vec<i64> = block(60, 30).collect();
        let mut keys = KeyRuns::of_keys(&[close.clone(), spread.clone(), lone.clone()].concat());
        keys.add_run(1 << 30, 1 << 31);
        let (dense, listed) = split(&keys);
        assert_eq!(dense, [(key(10, 1), key(40, 30))]);
        let mut others = KeyRuns::of_keys(&[spread, lone].concat());
        others.add_run(1 << 30, 1 << 31);
        assert_eq!(listed, others);
        // One row between is another's, one that is wanted is not there.
        let found: Vec<i64> = (10..=40).flat_map(|at| block(at, 30)).filter(|at| *at != key(11, 1)).collect();
        let (ranges, rest) = sequences(&found, &keys);
        assert_eq!(ranges, [(key(10, 1), key(20, 4)), (key(20, 6), key(40, 30))]);
        assert_eq!(rest, KeyRuns::default());
        let (ranges, rest) = sequences(&found[..200], &keys);
        assert_eq!((ranges.len(), rest.rows()), (0, 200));
        assert_eq!(sequences(&[key(5, 1)], &keys), (vec![], KeyRuns::default()));
    }
}
