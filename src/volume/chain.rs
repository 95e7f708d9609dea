//! Chains: a full set and the incremental ones that build on it, put together from the sets of a device by their labels.
//! Knows ids and numbers, nothing of tables.

use super::set::SetReader;
use crate::format::block::SetId;
use crate::format::label::LabelRecord;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// The members of a chain that are here, the newest first; or a set alone.
#[derive(Debug, Clone)]
pub struct Chain<'a> {
    members: Vec<&'a SetReader<'a>>,
    gaps: Vec<Gap>,
    alone: bool,
    passed_over: Vec<&'a SetReader<'a>>,
    half_replaced: Vec<HalfReplaced<'a>>,
}

/// Members of a chain that are not here: those with numbers from `first` to `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Number of the first, from 0 for the full set.
    pub first: u32,
    /// Number of the last.
    pub last: u32,
    /// The set of that last number.
    pub set: SetId,
}

/// A set on which nobody could build, and in whose place another one was written that has not all kinds of its data. What the
/// members before that one have of the others may be older than what this set had.
#[derive(Debug, Clone, Copy)]
pub struct HalfReplaced<'a> {
    /// The set.
    pub set: &'a SetReader<'a>,
    /// The member that was written in its place.
    pub by: &'a SetReader<'a>,
    /// The kinds of its data of which neither that member nor one that builds on it speaks, as bits of
    /// [`data_types`](crate::format::label::data_types).
    pub data_types: u32,
}

/// Which sets of a device are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted<'a> {
    /// The set whose state is wanted: its id, the first digits of it, or its label. `None`: the newest of the only chain.
    pub set: Option<&'a str>,
    /// A set of the same chain that is not newer than that, named in the same way: its state is wanted instead.
    pub stop_at: Option<&'a str>,
}

/// Why no chain can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// There is no such set.
    #[error("no set {0} here")]
    NoSuchSet(String),
    /// Several sets fit, or there are several chains.
    #[error("there are several to choose from: {}", .0.join("; "))]
    Several(Vec<String>),
    /// The set to stop at belongs to another chain, or is newer than the one asked for.
    #[error("set {0} is no earlier state of the chain that was chosen")]
    NoEarlierState(String),
}

impl<'a> Chain<'a> {
    /// A set, whatever came before it: nothing is missed.
    #[must_use]
    pub fn alone(set: &'a SetReader<'a>) -> Chain<'a> {
        Chain { members: vec![set], gaps: Vec::new(), alone: true, passed_over: Vec::new(), half_replaced: Vec::new() }
    }

    /// The chain of these members, of which the newest comes first. What their labels name and is not among them is missing.
    #[must_use]
    pub fn of(members: &[&'a SetReader<'a>]) -> Chain<'a> {
        let labels: Vec<&LabelRecord> = members.iter().map(|set| set.label()).collect();
        let (passed_over, half_replaced) = (Vec::new(), Vec::new());
        Chain { members: members.to_vec(), gaps: gaps(&labels), alone: false, passed_over, half_replaced }
    }

    /// The chain of just these sets of a device, the newest first.
    ///
    /// # Errors
    /// One of them is not there.
    pub fn exactly(sets: &'a [SetReader<'a>], ids: &[SetId]) -> Result<Chain<'a>, ChainError> {
        let find = |id: &SetId| {
            let set = sets.iter().find(|set| set.set_id() == *id);
            set.ok_or_else(|| ChainError::NoSuchSet(id.to_string()))
        };
        let members = ids.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        Ok(Chain { half_replaced: half_replaced(sets, &members), ..Chain::of(&members) })
    }

    /// The chain that is meant among the sets of a device. A set brings those before it along, never those after it. Undo
    /// sets belong to no chain, and neither do incremental sets that were never finished, unless they are asked for: a set
    /// that failed is no member, the next one was written in its place. A full set that is not whole is passed over where a
    /// whole set of the same source is there ([`Chain::passed_over`]).
    ///
    /// # Errors
    /// As [`ChainError`]. Several chains, or two sets that build on the same one, have to be told apart by
    /// [`Wanted::set`].
    pub fn choose(sets: &'a [SetReader<'a>], wanted: Wanted<'_>) -> Result<Chain<'a>, ChainError> {
        let (newest, mut passed_over) = match wanted.set {
            Some(text) => (one(sets, text)?, Vec::new()),
            None => newest(sets)?,
        };
        let whole = ancestors(sets, newest)?;
        let instead = |set: &&SetReader<'_>| {
            let label = set.label();
            let stands =
                |member: &&SetReader<'_>| member.label().member() == label.member() && member.set_id() != set.set_id();
            label.joins_chains() && set.is_complete() && whole.iter().any(stands)
        };
        passed_over.extend(sets.iter().filter(instead));
        let members = match wanted.stop_at {
            None => whole,
            Some(text) => {
                let at = one(sets, text)?;
                // A salvaged set stands for another one, whichever of them was named.
                let from = whole.iter().position(|member| member.label().member() == at.label().member());
                let kept = from.and_then(|from| whole.get(from..));
                kept.ok_or_else(|| ChainError::NoEarlierState(text.to_owned()))?.to_vec()
            }
        };
        Ok(Chain { passed_over, half_replaced: half_replaced(sets, &members), ..Chain::of(&members) })
    }

    /// The same, with further sets that were passed over.
    #[must_use]
    pub fn passing_over(mut self, sets: impl IntoIterator<Item = &'a SetReader<'a>>) -> Chain<'a> {
        self.passed_over.extend(sets);
        self
    }

    /// The members, the newest first. Never empty, unless it was made of none.
    #[must_use]
    pub fn members(&self) -> &[&'a SetReader<'a>] {
        &self.members
    }

    /// Members that are not here, the newest first. Newer ones than the newest here are not known of.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Sets that were passed over: fulls of which the end is not here and that may be newer than the newest member, and sets on
    /// which nobody could build and in whose place another one was written. Those that were certainly never finished are not
    /// among them.
    #[must_use]
    pub fn passed_over(&self) -> &[&'a SetReader<'a>] {
        &self.passed_over
    }

    /// Sets in whose place a member was written that has not all kinds of their data; those that were written last come first.
    #[must_use]
    pub fn half_replaced(&self) -> &[HalfReplaced<'a>] {
        &self.half_replaced
    }

    /// Whether it is a set by itself, of which nothing is asked that it does not hold.
    #[must_use]
    pub const fn is_alone(&self) -> bool {
        self.alone
    }
}

impl<'a> From<&'a SetReader<'a>> for Chain<'a> {
    fn from(set: &'a SetReader<'a>) -> Chain<'a> {
        Chain::alone(set)
    }
}

impl<'a> From<&Chain<'a>> for Chain<'a> {
    fn from(chain: &Chain<'a>) -> Chain<'a> {
        chain.clone()
    }
}

/// What members name and is not among them; the newest first on both sides.
fn gaps(labels: &[&LabelRecord]) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for (at, label) in labels.iter().enumerate() {
        let next = labels.get(at.saturating_add(1));
        let (Some(last), Some(parent)) = (label.sequence.checked_sub(1), label.parent_set) else { continue };
        if next.is_some_and(|next| next.member().0 == parent) {
            continue;
        }
        let first = next.map_or(0, |next| next.sequence.saturating_add(1)).min(last);
        gaps.push(Gap { first, last, set: SetId(parent) });
    }
    gaps
}

/// How much a set has: no whole tables lost, then rows, then buckets that it lists.
fn has(set: &SetReader<'_>) -> (Reverse<u8>, u64, u64) {
    let rows = set.sections().iter().filter_map(|section| section.end.as_ref()).map(|end| end.rows);
    let listed = set.sections().iter().map(|section| section.buckets.len() as u64);
    let lost = set.label().salvaged.map_or(0, |salvaged| salvaged.lost);
    (Reverse(lost), rows.fold(0, u64::saturating_add), listed.fold(0, u64::saturating_add))
}

/// Whether of two sets that were salvaged from one the first has more than the other.
#[must_use]
pub fn has_more(one: &SetReader<'_>, other: &SetReader<'_>) -> bool {
    has(one) > has(other)
}

/// Of each member of a chain the one set that stands for it: one that was salvaged, unless that lacks something and the one
/// that it was salvaged from has all of its volumes and its catalog, or is otherwise sound. Of several that were salvaged,
/// the one that lacks least: no whole tables, then the one with the most rows, then the one that lists the most buckets.
#[must_use]
pub fn standing<'a>(sets: Vec<&'a SetReader<'a>>) -> Vec<&'a SetReader<'a>> {
    let rank = |set: &SetReader<'_>| {
        let label = set.label();
        let has_all = !label.has_losses() && !set.may_have_more();
        (set.is_complete(), has_all, label.salvaged.is_some(), has(set), set.set_id())
    };
    let beaten = |set: &&SetReader<'a>| {
        let same = |other: &&&SetReader<'a>| other.label().member() == set.label().member();
        sets.iter().filter(same).any(|other| rank(other) > rank(set))
    };
    sets.iter().copied().filter(|set| !beaten(set)).collect()
}

/// Whether a backup ended before its set was finished, or proved if it was to be.
#[must_use]
pub fn never_finished(set: &SetReader<'_>) -> bool {
    set.is_interrupted() || set.total_volumes().is_some() && !set.is_finished()
}

/// Whether two sets come from the same database.
fn same_database(one: &LabelRecord, other: &LabelRecord) -> bool {
    let source = |label: &LabelRecord| {
        let LabelRecord { source_store, source_server, source_database, .. } = label;
        (source_store.clone(), source_server.clone(), source_database.clone())
    };
    source(one) == source(other)
}

/// Whether two sets come from the same database, with the same selection of ACD: a chain has one.
#[must_use]
pub fn same_source(one: &LabelRecord, other: &LabelRecord) -> bool {
    same_database(one, other) && one.acd == other.acd
}

/// Whether all of a set is here and another one can build on it.
fn is_whole(set: &SetReader<'_>) -> bool {
    set.is_complete() && set.can_be_built_on()
}

/// Whether a set on which nobody could build was written again: another one of these sets, begun later, stands in its place, or
/// in that of one before it on which nobody could build either. It may have been cut short between two volumes, which looks as
/// if its next one were elsewhere. That other one need not have all kinds of its data: [`Chain::half_replaced`].
#[must_use]
pub fn is_replaced(set: &SetReader<'_>, members: &[&SetReader<'_>]) -> bool {
    let begun = set.label().created_unix;
    // A set was whole, whatever became of it, if another one builds on it.
    let was_whole = |other: &SetReader<'_>| {
        let built_on = Some(other.label().member().0);
        is_whole(other) || members.iter().any(|next| next.label().incremental && next.label().parent_set == built_on)
    };
    let mut at = set;
    while at.label().incremental && !is_whole(at) {
        let label = at.label();
        let stands_for = |other: &&SetReader<'_>| {
            let theirs = other.label();
            let sibling =
                theirs.incremental && theirs.parent_set == label.parent_set && theirs.member() != label.member();
            let later = theirs.created_unix > begun && was_whole(other);
            sibling && (later || theirs.created_unix == begun && is_whole(other))
        };
        if members.iter().any(stands_for) {
            return true;
        }
        let is_parent = |other: &&&SetReader<'_>| {
            Some(other.label().member().0) == label.parent_set && other.label().sequence < label.sequence
        };
        let Some(parent) = members.iter().find(is_parent) else { break };
        at = parent;
    }
    false
}

/// Sets beside these members of a chain, the newest first, in whose place one of them was written that has, with those that
/// build on it, not all kinds of their data. One that was salvaged since had nobody who could build on it either. Two whole ones
/// that build on the same one are two branches, of which one was chosen.
fn half_replaced<'a>(sets: &'a [SetReader<'a>], members: &[&'a SetReader<'a>]) -> Vec<HalfReplaced<'a>> {
    let Some(newest) = members.first().filter(|newest| newest.label().joins_chains()) else { return Vec::new() };
    let relatives = relatives(sets, newest.label());
    let is_member = |set: &SetReader<'_>| members.iter().any(|other| other.label().member() == set.label().member());
    let fell_out = |set: &&SetReader<'_>| {
        let label = set.label();
        let unfit = !is_whole(set) || label.salvaged.is_some();
        label.incremental && unfit && !never_finished(set) && !is_member(set)
    };
    let of = |set: &'a SetReader<'a>| {
        let after = branches_off(set.label(), &relatives, members);
        let later = |other: &&&SetReader<'_>| after.is_none_or(|after| other.label().sequence > after);
        let by = *members.iter().filter(later).min_by_key(|other| other.label().sequence)?;
        let speaks = members.iter().filter(later).filter(|other| !other.may_have_more());
        let told = speaks.fold(0, |told, other| told | other.label().data_types);
        let data_types = set.label().data_types & !told;
        (data_types != 0).then_some(HalfReplaced { set, by, data_types })
    };
    let mut found: Vec<HalfReplaced<'_>> = relatives.iter().copied().filter(fell_out).filter_map(of).collect();
    found.sort_by_key(|half| Reverse((half.by.label().sequence, half.set.label().sequence)));
    found
}

/// The place in the chain of the last of these members before a set that is not among them; `None` if it comes before all.
fn branches_off(label: &LabelRecord, relatives: &[&SetReader<'_>], members: &[&SetReader<'_>]) -> Option<u32> {
    let mut at = label;
    while let Some(parent) = at.parent_set {
        let is_parent = |set: &&&SetReader<'_>| set.label().member().0 == parent && set.label().sequence < at.sequence;
        if let Some(member) = members.iter().find(is_parent) {
            return Some(member.label().sequence);
        }
        let Some(next) = relatives.iter().find(is_parent) else { break };
        at = next.label();
    }
    // What it builds on is not here: those with lower numbers are before it.
    let before = members.iter().map(|set| set.label().sequence).filter(|sequence| *sequence < at.sequence);
    before.max()
}

/// Whether a full set that is not whole can be done without: a whole set has all that it could have had. One that was
/// certainly never finished need not be of the same kinds of data, nobody can want it.
fn is_spare(set: &SetReader<'_>, tips: &[&SetReader<'_>]) -> bool {
    let label = set.label();
    let stands_for = |other: &&SetReader<'_>| {
        let theirs = other.label();
        let as_much = same_source(label, theirs) && label.data_types & !theirs.data_types == 0;
        other.is_complete() && same_database(label, theirs) && (never_finished(set) || as_much)
    };
    !label.incremental && !set.is_complete() && tips.iter().any(stands_for)
}

/// A set's name for people.
pub(super) fn named(set: &SetReader<'_>) -> String {
    format!("{} ({})", set.label().label, set.set_id())
}

fn one<'a>(sets: &'a [SetReader<'a>], text: &str) -> Result<&'a SetReader<'a>, ChainError> {
    let wanted = text.to_ascii_lowercase();
    let fits = |set: &&SetReader<'_>| {
        !text.is_empty() && (set.set_id().to_string().starts_with(&wanted) || set.label().label == text)
    };
    let found: Vec<&SetReader<'_>> = sets.iter().filter(fits).collect();
    match standing(found).as_slice() {
        [] => Err(ChainError::NoSuchSet(text.to_owned())),
        [set] => Ok(set),
        several => Err(ChainError::Several(several.iter().map(|set| named(set)).collect())),
    }
}

/// The newest member of the only chain, and sets that were passed over and may be newer.
fn newest<'a>(sets: &'a [SetReader<'a>]) -> Result<(&'a SetReader<'a>, Vec<&'a SetReader<'a>>), ChainError> {
    let mut chains: BTreeMap<SetId, Vec<&SetReader<'_>>> = BTreeMap::new();
    let usable = |set: &&SetReader<'_>| !(set.label().is_undo() || set.label().incremental && never_finished(set));
    for set in sets.iter().filter(usable) {
        let label = set.label();
        let chain = if label.joins_chains() { label.chain() } else { label.set() };
        chains.entry(chain).or_default().push(set);
    }
    let (mut tips, mut passed_over) = (Vec::new(), Vec::new());
    for members in chains.values_mut() {
        *members = standing(std::mem::take(members));
        let (replaced, own): (Vec<_>, Vec<_>) = ends(members).into_iter().partition(|tip| is_replaced(tip, members));
        // If clocks contradict each other all may stand for each other: then none does.
        if own.is_empty() {
            tips.extend(replaced);
        } else {
            tips.extend(own);
            passed_over.extend(replaced);
        }
    }
    let (spare, tips): (Vec<&SetReader<'_>>, Vec<_>) = tips.iter().copied().partition(|tip| is_spare(tip, &tips));
    match tips.as_slice() {
        [] => Ok((sets.first().ok_or_else(|| ChainError::NoSuchSet("at all".to_owned()))?, passed_over)),
        [tip] => {
            // Which was taken later only the clock of the source tells: it decides about a word, and about no row.
            let newer = |set: &&SetReader<'_>| set.label().created_unix >= tip.label().created_unix;
            passed_over.extend(spare.into_iter().filter(|set| !never_finished(set)).filter(newer));
            Ok((tip, passed_over))
        }
        several => Err(ChainError::Several(several.iter().map(|tip| with_those_before(tip, &chains)).collect())),
    }
}

/// Those of a chain's members that are no earlier state of another one. A set on which another one builds is; so is one that
/// stands before a gap.
fn ends<'a>(members: &[&'a SetReader<'a>]) -> Vec<&'a SetReader<'a>> {
    let parents: BTreeSet<[u8; 16]> = members.iter().filter_map(|set| set.label().parent_set).collect();
    let last = members.iter().map(|set| set.label().sequence).max();
    let is_end = |set: &&SetReader<'_>| {
        let label = set.label();
        let twin = |other: &&SetReader<'_>| {
            other.label().member() != label.member() && other.label().sequence == label.sequence
        };
        !parents.contains(&label.member().0) && (Some(label.sequence) == last || members.iter().any(twin))
    };
    members.iter().copied().filter(is_end).collect()
}

/// The whole sets of a chain that none of the other ones goes on from, but those in whose place another one was written. One that
/// stands before a gap is no end, unless it was begun later than the one behind the gap.
pub(super) fn whole_ends<'a>(members: Vec<&'a SetReader<'a>>) -> Vec<&'a SetReader<'a>> {
    let all = standing(members);
    let by_id: BTreeMap<[u8; 16], &LabelRecord> = all.iter().map(|set| (set.label().member().0, set.label())).collect();
    let mut whole: Vec<&SetReader<'_>> = all.iter().copied().filter(|set| set.is_complete()).collect();
    let mut before: BTreeSet<SetId> = BTreeSet::new();
    for set in &whole {
        let mut at = set.label();
        while let Some(parent) = at.parent_set {
            match by_id.get(&parent).filter(|parent| parent.sequence < at.sequence) {
                Some(parent) => at = parent,
                None => {
                    let earlier = whole
                        .iter()
                        .map(|other| other.label())
                        .filter(|label| label.sequence < at.sequence && label.created_unix <= at.created_unix);
                    before.extend(earlier.map(LabelRecord::member));
                    break;
                }
            }
            before.insert(at.member());
        }
    }
    whole.retain(|set| !before.contains(&set.label().member()));
    let (replaced, own): (Vec<_>, Vec<_>) = whole.into_iter().partition(|end| is_replaced(end, &all));
    // If clocks contradict each other all may stand for each other: then none does.
    if own.is_empty() { replaced } else { own }
}

/// A set's name for people, with how many of its chain are before it.
fn with_those_before(tip: &SetReader<'_>, chains: &BTreeMap<SetId, Vec<&SetReader<'_>>>) -> String {
    let members = chains.get(&tip.label().chain()).filter(|_| tip.label().joins_chains());
    let earlier = |set: &&&SetReader<'_>| set.label().sequence < tip.label().sequence;
    match members.map_or(0, |members| members.iter().filter(earlier).count()) {
        0 => named(tip),
        before => format!("{} with {before} before it", named(tip)),
    }
}

/// The sets of the same chain, of each member that which stands for it.
fn relatives<'a>(sets: &'a [SetReader<'a>], label: &LabelRecord) -> Vec<&'a SetReader<'a>> {
    let relative = |set: &&SetReader<'_>| {
        let other = set.label();
        other.joins_chains() && other.chain == label.chain && same_source(label, other)
    };
    standing(sets.iter().filter(relative).collect())
}

/// A set and those before it in its chain that are here.
///
/// # Errors
/// [`ChainError::Several`] have the last number before a gap.
pub(super) fn ancestors<'a>(
    sets: &'a [SetReader<'a>],
    newest: &'a SetReader<'a>,
) -> Result<Vec<&'a SetReader<'a>>, ChainError> {
    let label = newest.label();
    let mut members = vec![newest];
    if !label.joins_chains() {
        return Ok(members);
    }
    let relatives = relatives(sets, label);
    let mut at = label;
    while let Some(parent) = at.parent_set {
        let below = |set: &&&SetReader<'_>| set.label().sequence < at.sequence;
        let next = match relatives.iter().filter(below).find(|set| set.label().member().0 == parent) {
            Some(parent) => *parent,
            // It is not here: the chain goes on before the gap, if that is certain.
            None => {
                let finished = |set: &&&SetReader<'_>| {
                    !set.label().incremental || !never_finished(set) && !is_replaced(set, &relatives)
                };
                let mut left: Vec<&SetReader<'_>> = relatives.iter().filter(below).filter(finished).copied().collect();
                // What was begun later than the one behind the gap is of another branch.
                let earlier = |set: &&SetReader<'_>| set.label().created_unix <= at.created_unix;
                if left.iter().any(earlier) {
                    left.retain(earlier);
                }
                let Some(last) = left.iter().map(|set| set.label().sequence).max() else { break };
                let tips: Vec<&SetReader<'_>> = left.into_iter().filter(|set| set.label().sequence == last).collect();
                match tips.as_slice() {
                    [tip] => *tip,
                    several => return Err(ChainError::Several(several.iter().map(|set| named(set)).collect())),
                }
            }
        };
        members.push(next);
        at = next.label();
    }
    Ok(members)
}
