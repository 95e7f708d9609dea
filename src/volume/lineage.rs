//! What is on devices as chains: each full set with all that builds on it, and what of that is missing. For people and for
//! what keeps or removes sets; which chain a restore draws on is [`super::chain`]'s to say. Knows labels, nothing of tables.

use super::set::SetReader;
use crate::format::block::SetId;
use crate::format::label::LabelRecord;
use std::collections::{BTreeMap, BTreeSet};

/// A full set and those that build on it, as far as they are here; or a set that belongs to no chain.
#[derive(Debug)]
pub struct Family<'a> {
    /// The set that begins it.
    pub chain: SetId,
    /// The members that are here, by number; of the same number (somebody went on twice from one set) by time, then id.
    pub members: Vec<&'a SetReader<'a>>,
    /// Numbers of members that are named or must have been and are not here, each range from its first to its last.
    pub missing: Vec<(u32, u32)>,
}

/// Seconds by which the clock of a source may be ahead of another one before it is not believed any more.
const AHEAD_MAX: i64 = 3_600;

/// Whether a set was begun by now, as far as clocks can be believed: a chain that was begun later comes after all others where
/// the one that was begun last is meant.
#[must_use]
pub const fn is_begun_by(label: &LabelRecord, now_unix: i64) -> bool {
    label.created_unix <= now_unix.saturating_add(AHEAD_MAX)
}

/// The sets by chain, that of the oldest first by the time that its first member here was begun.
#[must_use]
pub fn families<'a>(sets: &'a [SetReader<'a>]) -> Vec<Family<'a>> {
    let mut found: BTreeMap<SetId, Vec<&'a SetReader<'a>>> = BTreeMap::new();
    for set in sets {
        let label = set.label();
        let chain = if label.joins_chains() { label.chain() } else { label.set() };
        found.entry(chain).or_default().push(set);
    }
    let family = |(chain, mut members): (SetId, Vec<&'a SetReader<'a>>)| {
        members.sort_by_key(|set| (set.label().sequence, set.label().created_unix, set.set_id()));
        let labels: Vec<&LabelRecord> = members.iter().map(|set| set.label()).collect();
        Family { chain, missing: missing(&labels), members }
    };
    let mut families: Vec<Family<'a>> = found.into_iter().map(family).collect();
    families.sort_by_key(|family| (family.members.first().map(|set| set.label().created_unix), family.chain));
    families
}

/// Ranges of numbers before a member whose parent is not here.
fn missing(labels: &[&LabelRecord]) -> Vec<(u32, u32)> {
    let here: BTreeSet<[u8; 16]> = labels.iter().map(|label| label.member().0).collect();
    let mut ranges = BTreeSet::new();
    for label in labels {
        let (Some(parent), Some(last)) = (label.parent_set, label.sequence.checked_sub(1)) else { continue };
        if !label.joins_chains() || here.contains(&parent) {
            continue;
        }
        let before = labels.iter().map(|other| other.sequence).filter(|number| *number < label.sequence).max();
        // Where one of that number is here it is another than the one that is named.
        ranges.insert((before.map_or(0, |number| number.saturating_add(1)).min(last), last));
    }
    ranges.into_iter().collect()
}
