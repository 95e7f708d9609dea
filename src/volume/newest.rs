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

/// When the state of a kind of data was written that a set has, with those before it.
#[derive(Debug, Clone, Copy)]
struct Written {
    /// Not before this; `None` if perhaps it has none.
    from: Option<Begun>,
    /// Not after this.
    until: Begun,
}

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

    /// When its state of a kind of data was written, if it has any or may have.
    fn written(&self, bit: u32, now: i64) -> Option<Written> {
        let of = |set: &&SetReader<'_>| (is_begun_by(set.label(), now), set.label().created_unix);
        let last = self.members.iter().position(|set| set.label().data_types & bit != 0);
        let (above, below) = self.members.split_at_checked(last.unwrap_or(self.members.len()))?;
        // A set is no older than those that it builds on: where clocks say otherwise nobody knows which of them was wrong.
        let latest = below.iter().map(of).max();
        let own = below.first().map(of);
        // Of the sets before one that names another than those that are here nobody knows which kinds they have.
        let next = |at: usize| self.members.get(at.saturating_add(1)).map(|set| set.label().member().0);
        let gap = above.iter().enumerate().find(|(at, set)| {
            let parent = set.label().parent_set;
            parent.is_some() && parent != next(*at)
        });
        let until = gap.map(|(_, set)| of(set)).into_iter().chain(latest).max()?;
        Some(Written { from: own.filter(|(believed, _)| *believed).or(latest), until })
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

/// The one of these ends that has the newest state of all the kinds of data that are wanted and on any of them (bits of
/// [`data_types`](crate::format::label::data_types)); `None` if none has any. Of several of one second the last.
///
/// # Errors
/// None has, or nobody can tell which: each that may have the newest state of one kind has no state of another one, or one that
/// may be older than that of another set.
pub fn newest<'a>(ends: &[End<'a>], data_types: u32, now: i64) -> Result<Option<&'a SetReader<'a>>, ChainError> {
    let bits = (0..u32::BITS).map(|place| 1 << place).filter(|bit| data_types & bit != 0);
    let of_kind = |bit: u32| ends.iter().map(|end| end.written(bit, now)).collect::<Vec<_>>();
    let kinds: Vec<Vec<Option<Written>>> = bits.map(of_kind).filter(|kind| kind.iter().any(Option::is_some)).collect();
    if kinds.is_empty() {
        return Ok(None);
    }
    let others = |kind: &[Option<Written>], own: usize| {
        let others = kind.iter().enumerate().filter(|(other, _)| *other != own);
        others.filter_map(|(_, written)| *written).collect::<Vec<_>>()
    };
    let is_newest = |own: usize| {
        kinds.iter().all(|kind| {
            let from = kind.get(own).copied().flatten().and_then(|written| written.from);
            from.is_some_and(|from| others(kind, own).iter().all(|other| other.until <= from))
        })
    };
    let may_be = |own: usize| {
        kinds.iter().any(|kind| {
            let until = kind.get(own).copied().flatten().map(|written| written.until);
            until.is_some_and(|until| others(kind, own).iter().all(|other| other.from <= Some(until)))
        })
    };
    match (0..ends.len()).rfind(|own| is_newest(*own)).and_then(|own| ends.get(own)) {
        Some(end) => Ok(end.set()),
        None => {
            let several = ends.iter().enumerate().filter(|(own, _)| may_be(*own));
            Err(ChainError::Several(several.filter_map(|(_, end)| end.set()).map(chain::named).collect()))
        }
    }
}
