//! What lies beside a chain and cannot be used, or not whole: whether it may be newer than what would be restored. Of a volume
//! that cannot be used only its name tells. Pure.

use crate::base::time::{Day, Instant};
use crate::format::block::SetId;
use crate::format::label::LabelRecord;
use crate::schema::grain::DataType;
use crate::schema::label_text::LabelText;
use crate::volume::chain::{Chain, is_replaced, never_finished, same_source};
use crate::volume::lineage::is_begun_by;
use crate::volume::name::{label_by_name, short_id};
use crate::volume::set::SetReader;

/// Whether a volume that cannot be used is, by its name, of a set that may have been taken after the newest member of a chain
/// that has data of these kinds (bits of [`data_types`](crate::format::label::data_types)), of any of them that it may have
/// itself: a label of the same system with a later day, or no smaller number of the same day; with any, if that member was
/// begun later than `now` (seconds since 1970-01-01 00:00 UTC), by a clock that was wrong. Of a set that is among `sets` that
/// one tells what is missing, unless it was salvaged without its label. A name that no backup gives says nothing.
#[must_use]
pub fn may_be_newer(name: &str, chain: &Chain<'_>, sets: &[SetReader<'_>], data_types: u32, now: i64) -> bool {
    // A salvaged set stands for the one that its label names.
    let known = sets.iter().filter(|set| !is_undated(set.label()));
    let known: Vec<SetId> = known.flat_map(|set| [set.set_id(), SetId(set.label().member().0)]).collect();
    let Some(named) = Named::parse(name).filter(|named| known.iter().all(|set| short_id(*set) != named.short)) else {
        return false;
    };
    // A set of tables named one by one says no kinds.
    let kinds = if named.kinds == 0 { data_types } else { named.kinds & data_types };
    newest_with(chain, kinds).any(|newest| named.may_follow(&Taken::of(newest.label(), now)))
}

/// The sets that are not whole, or not here whole, and may have been taken after the newest member of a chain that has data of
/// these kinds: a set of the same chain with a higher place in it, or any that was begun no earlier. `now`: seconds since
/// 1970-01-01 00:00 UTC; of what was begun later than that nobody knows when it was, and it may have been. Those that were never
/// finished are in nobody's way, and neither are those in whose place another one was written.
#[must_use]
pub fn newer_torn<'a>(
    chain: &Chain<'_>,
    sets: &'a [SetReader<'a>],
    data_types: u32,
    now: i64,
) -> Vec<&'a SetReader<'a>> {
    let Some(newest) = chain.members().first() else { return Vec::new() };
    let all: Vec<&SetReader<'_>> = sets.iter().collect();
    let is_newer = |set: &&SetReader<'_>| {
        let label = set.label();
        let follows = |other: &SetReader<'_>| {
            let theirs = other.label();
            let further = label.chain() == theirs.chain() && label.sequence > theirs.sequence;
            let believed = is_begun_by(label, now) && is_begun_by(theirs, now);
            further || !believed || label.created_unix >= theirs.created_unix
        };
        let torn = label.joins_chains() && !set.is_complete() && !never_finished(set) && !is_replaced(set, &all);
        let member = chain.members().iter().any(|other| other.label().member() == label.member());
        torn && !member
            && same_source(label, newest.label())
            && newest_with(chain, label.data_types & data_types).any(follows)
    };
    sets.iter().filter(is_newer).collect()
}

/// The sets beside a chain of which nobody knows when they were taken: salvaged without their labels.
#[must_use]
pub fn undated<'a>(chain: &Chain<'_>, sets: &'a [SetReader<'a>]) -> Vec<&'a SetReader<'a>> {
    let member = |set: &SetReader<'_>| chain.members().iter().any(|other| other.set_id() == set.set_id());
    sets.iter().filter(|set| is_undated(set.label()) && !set.label().is_undo() && !member(set)).collect()
}

/// Whether of a set nobody knows when it was taken: it was salvaged without its label.
const fn is_undated(label: &LabelRecord) -> bool {
    label.salvaged.is_some() && label.created_unix == 0
}

/// The whole sets beside a chain that have data of these kinds and were, by their labels, begun later than `now` (seconds since
/// 1970-01-01 00:00 UTC) and than the newest member: the clock of the source was wrong or this one is, and they may be newer.
#[must_use]
pub fn from_the_future<'a>(
    chain: &Chain<'_>,
    sets: &'a [SetReader<'a>],
    data_types: u32,
    now: i64,
) -> Vec<&'a SetReader<'a>> {
    let Some(newest) = chain.members().first().map(|newest| newest.label()) else { return Vec::new() };
    let member = |label: &LabelRecord| chain.members().iter().any(|other| other.label().member() == label.member());
    let is_ahead = |set: &&SetReader<'_>| {
        let label = set.label();
        let whole = label.joins_chains() && set.is_complete() && label.data_types & data_types != 0;
        let later = !is_begun_by(label, now) && label.created_unix >= newest.created_unix;
        whole && later && !member(label) && same_source(label, newest)
    };
    sets.iter().filter(is_ahead).collect()
}

/// For each of these kinds of data the newest member that has it; the newest at all if none has.
fn newest_with<'c>(chain: &'c Chain<'_>, kinds: u32) -> impl Iterator<Item = &'c SetReader<'c>> {
    let newest = move |bit: u32| {
        let has = |member: &&&SetReader<'_>| member.label().data_types & bit != 0;
        chain.members().iter().find(has).or_else(|| chain.members().first()).copied()
    };
    (0..u32::BITS).map(|place| 1 << place).filter(move |bit| kinds & bit != 0).filter_map(newest)
}

/// What the name of a volume says.
struct Named {
    label: LabelText,
    kinds: u32,
    short: String,
}

impl Named {
    fn parse(name: &str) -> Option<Named> {
        let (label, short) = label_by_name(name)?;
        let label: LabelText = label.parse().ok()?;
        let kinds = label.data.iter().map(|kind: &DataType| kind.bit()).fold(0, |bits, bit| bits | bit);
        Some(Named { label, kinds, short })
    }

    /// Whether its set may be one of the same system, and of the same ACD.
    fn is_alike(&self, other: &LabelText) -> bool {
        let others = self.label.acd.is_some() && other.acd.is_some() && self.label.acd != other.acd;
        self.label.system == other.system && !others
    }

    /// Whether its set may have been taken after another one, or nobody knows.
    fn may_follow(&self, other: &Taken) -> bool {
        let Named { label, .. } = self;
        match other {
            Taken::Labelled(other) => self.is_alike(other) && (label.day, label.number) >= (other.day, other.number),
            Taken::On(day) => label.day >= *day,
            Taken::Unknown(None) => true,
            Taken::Unknown(Some(other)) => self.is_alike(other),
        }
    }
}

/// When a set was taken, as far as that is known.
enum Taken {
    /// As the label for people says, that a backup gives.
    Labelled(LabelText),
    /// On this day.
    On(Day),
    /// Nobody knows; the label for people, if a backup gave it.
    Unknown(Option<LabelText>),
}

impl Taken {
    fn of(label: &LabelRecord, now: i64) -> Taken {
        match label.label.parse() {
            Ok(text) if is_begun_by(label, now) => Taken::Labelled(text),
            Ok(text) => Taken::Unknown(Some(text)),
            Err(_) if label.created_unix == 0 || !is_begun_by(label, now) => Taken::Unknown(None),
            Err(_) => Taken::On(Instant(label.created_civil).day()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follows(name: &str, newest: &str) -> bool {
        let newest = Taken::Labelled(newest.parse().unwrap());
        Named::parse(name).is_some_and(|named| named.may_follow(&newest))
    }

    #[test]
    fn a_later_day_or_no_smaller_number_of_the_same_system_may_be_newer() {
        let newest = "CMS-031201-02-LSAX-00-I-01";
        for (name, newer) in [
            ("CMS-031201-03-LSAX-00-I-01.0123abcd.ivv", true),
            ("CMS-031202-01-LSAX-00-F-04.0123abcd.ivv", true),
            ("/backup/a/CMS-031202-01-XXXX-00-F-01.0123abcd.ivv", true),
            ("CMS-031202-01-XXHX-03-I-01.0123abcd.ivv", true),
            // Another one of that number: two states of a history number each for itself.
            ("CMS-031201-02-LSAX-00-I-02.0123abcd.ivv", true),
            ("CMS-031201-01-LSAX-00-F-01.0123abcd.ivv", false),
            ("CMS-031130-09-LSAX-00-F-01.0123abcd.ivv", false),
            ("UNDO-031202-01-LSAX-00-F-01.0123abcd.ivv", false),
            ("CMS-031202-01-LSAX-00-I-01.ivv", false),
            ("spare-01.0123abcd.ivv", false),
            ("notes.ivv", false),
        ] {
            assert_eq!(follows(name, newest), newer, "{name}");
        }
        assert!(!follows("CMS-031202-01-LSAX-04-I-01.0123abcd.ivv", "CMS-031201-01-LSAX-03-F-01"));
    }

    #[test]
    fn of_a_set_that_no_backup_labelled_its_day_counts_and_else_nothing_is_known() {
        let named = |name: &str| Named::parse(name).unwrap();
        let (before, then) = ("CMS-031201-09-LSAX-00-F-01.0123abcd.ivv", "CMS-031202-01-LSAX-00-F-01.0123abcd.ivv");
        let day = named(then).label.day;
        assert!(named(then).may_follow(&Taken::On(day)) && !named(before).may_follow(&Taken::On(day)));
        assert!(named(before).may_follow(&Taken::Unknown(None)));
        // Nobody knows when, but of which system.
        let ahead = Taken::Unknown(Some("CMS-691231-01-LSAX-00-F-01".parse().unwrap()));
        assert!(named(before).may_follow(&ahead));
        assert!(!named("UNDO-031202-01-LSAX-00-F-01.0123abcd.ivv").may_follow(&ahead));
    }
}
