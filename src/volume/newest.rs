//! Which set has the newest state of some kinds of data, of all the chains that are on the devices: by the times on labels, which
//! the clock of the source made. Knows labels, nothing of tables.

use super::chain::{self, ChainError};
use super::lineage::{families, is_begun_by};
use super::set::SetReader;

/// A whole set that none of its chain goes on from, with those before it.
#[derive(Debug, Clone)]
pub struct End<'a> {
    /// The newest first; never empty.
    members: Vec<&'a SetReader<'a>>,
}

/// When a set was begun, as far as clocks can be believed: what was begun later than now comes before all others.
type Begun = (bool, i64);

impl<'a> End<'a> {
    /// The set itself.
    #[must_use]
    pub fn set(&self) -> Option<&'a SetReader<'a>> {
        self.members.first().copied()
    }

    /// Whether it or one before it has any of these kinds of data, as bits of
    /// [`data_types`](crate::format::label::data_types).
    #[must_use]
    pub fn has_any(&self, data_types: u32) -> bool {
        self.members.iter().any(|set| set.label().data_types & data_types != 0)
    }

    /// When the last of its sets that has a kind of data was begun: no earlier than any of those before that one, since it builds
    /// on them, whatever a clock said that was set back in between.
    fn begun(&self, bit: u32, now: i64) -> Option<Begun> {
        let last = self.members.iter().position(|set| set.label().data_types & bit != 0)?;
        let of = |set: &&SetReader<'_>| (is_begun_by(set.label(), now), set.label().created_unix);
        self.members.get(last..)?.iter().map(of).max()
    }
}

/// The ends of all chains of whole databases: those whose sets were begun later come later. Sets that are not all here are no
/// ends, nor are those on which nobody could build and in whose place another one was written.
#[must_use]
pub fn whole_ends<'a>(sets: &'a [SetReader<'a>], now: i64) -> Vec<End<'a>> {
    let mut families = families(sets);
    families.sort_by_key(|family| family.members.first().is_some_and(|first| is_begun_by(first.label(), now)));
    let of_chain = |set: &&SetReader<'_>| set.label().joins_chains() && set.label().acd.is_none();
    families
        .into_iter()
        .flat_map(|family| chain::whole_ends(family.members.into_iter().filter(of_chain).collect()))
        .map(|end| End { members: chain::ancestors(sets, end).unwrap_or_else(|_| vec![end]) })
        .collect()
}

/// The one of these ends that has the newest state of all the kinds of data that it has of those that are wanted (bits of
/// [`data_types`](crate::format::label::data_types)); `None` if none has any. Of several, which have other kinds or are of one
/// second, the last.
///
/// # Errors
/// Each that has any has an older state of one kind than another one: nobody can tell which is meant.
pub fn newest<'a>(ends: &[End<'a>], data_types: u32, now: i64) -> Result<Option<&'a SetReader<'a>>, ChainError> {
    let wanted: Vec<&End<'_>> = ends.iter().filter(|end| end.has_any(data_types)).collect();
    let outdone = |end: &End<'_>| {
        let bits = (0..u32::BITS).map(|place| 1 << place).filter(|bit| data_types & bit != 0);
        bits.filter_map(|bit| end.begun(bit, now).map(|begun| (bit, begun)))
            .any(|(bit, begun)| wanted.iter().any(|other| other.begun(bit, now) > Some(begun)))
    };
    match wanted.iter().rfind(|end| !outdone(end)) {
        Some(end) => Ok(end.set()),
        None if wanted.is_empty() => Ok(None),
        None => Err(ChainError::Several(wanted.iter().filter_map(|end| end.set()).map(chain::named).collect())),
    }
}
