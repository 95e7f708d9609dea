//! Kept rows push volume rows out, which leaves other target rows without cover, which are kept in turn: repeated until it
//! settles. A chain may run through the whole history, so each step finds its neighbours by a tree instead of looking at
//! all rows again.

use super::engine::SlotOf;
use super::{Slot, Uncovered};
use crate::base::time::{Instant, Span};

/// What came of it. All lists ascend.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) delete: Vec<Slot>,
    pub(super) insert: Vec<Slot>,
    pub(super) left_out: Vec<Slot>,
    pub(super) kept: Vec<Slot>,
    pub(super) uncovered: Vec<Slot>,
}

/// What becomes of a target row in the actual range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Volume rows take its place.
    Replaced,
    /// The volumes hold nothing in its place, or not enough.
    Uncovered,
    /// The volumes hold what would take its place, but that meets a kept row and stays out.
    Displaced,
}

/// `straddling` and `replaceable` are target rows across and in the actual range, `candidates` the volume rows in it; all
/// ascending.
pub(super) fn settle(
    straddling: &[Slot],
    replaceable: &[Slot],
    candidates: &[Slot],
    slot_of: SlotOf,
    policy: Uncovered,
) -> Settled {
    let mut coming = Tree::new(candidates.iter().map(|slot| slot_of.of(slot.span)));
    let covered = |slot: &Slot| coming.covers(slot_of.of(slot.span));
    let fate = |slot: &Slot| if covered(slot) { Fate::Replaced } else { Fate::Uncovered };
    let mut fates: Vec<Fate> = replaceable.iter().map(fate).collect();

    let mut keepers: Vec<Span> = Vec::new();
    // Events push nothing out: they stood side by side at the source.
    if !slot_of.is_event() {
        keepers.extend(straddling.iter().map(|slot| slot.span));
        let uncovered = replaceable.iter().zip(&fates).filter(|(_, fate)| **fate == Fate::Uncovered);
        keepers.extend(uncovered.filter(|_| policy == Uncovered::Keep).map(|(slot, _)| slot.span));
    }
    if !keepers.is_empty() {
        displace(keepers, &mut coming, replaceable, &mut fates);
    }
    collect(straddling, replaceable, candidates, &coming, &fates, policy)
}

/// Takes away what the keepers push out, and what those push out who lose their cover by it.
fn displace(mut keepers: Vec<Span>, coming: &mut Tree, replaceable: &[Slot], fates: &mut [Fate]) {
    let waiting = Tree::new(replaceable.iter().map(|slot| slot.span));
    let (mut freed, mut in_question) = (Vec::<Span>::new(), Vec::<usize>::new());
    while !keepers.is_empty() {
        for keeper in keepers.drain(..) {
            while let Some(pushed) = coming.first_meeting(keeper) {
                freed.extend(coming.remove(pushed));
            }
        }
        for span in freed.drain(..) {
            waiting.each_meeting(span, &mut in_question);
        }
        in_question.sort_unstable();
        in_question.dedup();
        for index in in_question.drain(..) {
            let (Some(slot), Some(fate)) = (replaceable.get(index), fates.get_mut(index)) else { continue };
            if *fate == Fate::Replaced && !coming.covers(slot.span) {
                *fate = Fate::Displaced;
                keepers.push(slot.span);
            }
        }
    }
}

fn collect(
    straddling: &[Slot],
    replaceable: &[Slot],
    candidates: &[Slot],
    coming: &Tree,
    fates: &[Fate],
    policy: Uncovered,
) -> Settled {
    let mut settled = Settled { kept: straddling.to_vec(), ..Settled::default() };
    for (index, slot) in candidates.iter().enumerate() {
        let list = if coming.span(index).is_some() { &mut settled.insert } else { &mut settled.left_out };
        list.push(*slot);
    }
    for (slot, fate) in replaceable.iter().zip(fates) {
        if *fate == Fate::Uncovered {
            settled.uncovered.push(*slot);
        }
        let kept = match fate {
            Fate::Replaced => false,
            Fate::Uncovered => policy == Uncovered::Keep,
            Fate::Displaced => true,
        };
        if kept { settled.kept.push(*slot) } else { settled.delete.push(*slot) }
    }
    settled.kept.sort_unstable();
    settled
}

/// Spans in order of their start, of which some may be taken away; finds those that meet a span.
struct Tree {
    spans: Vec<Span>,
    /// Node `n` has the children `2n` and `2n + 1`; the leaves begin at `width`. Each holds the latest stop below it.
    stops: Vec<Instant>,
    width: usize,
}

const GONE: Instant = Instant(i64::MIN);

impl Tree {
    /// Starts must not descend.
    fn new(spans: impl Iterator<Item = Span>) -> Tree {
        let spans: Vec<Span> = spans.collect();
        let width = spans.len().next_power_of_two();
        let mut stops = vec![GONE; width.saturating_mul(2)];
        for (leaf, span) in stops.iter_mut().skip(width).zip(&spans) {
            *leaf = span.stop;
        }
        let mut tree = Tree { spans, stops, width };
        for node in (1..width).rev() {
            tree.update(node);
        }
        tree
    }

    fn stop(&self, node: usize) -> Instant {
        self.stops.get(node).copied().unwrap_or(GONE)
    }

    fn update(&mut self, node: usize) {
        let latest = self.stop(node.saturating_mul(2)).max(self.stop(node.saturating_mul(2).saturating_add(1)));
        if let Some(stop) = self.stops.get_mut(node) {
            *stop = latest;
        }
    }

    /// The span of this number, if it is still there.
    fn span(&self, index: usize) -> Option<Span> {
        (self.stop(self.width.saturating_add(index)) != GONE).then(|| self.spans.get(index).copied()).flatten()
    }

    fn remove(&mut self, index: usize) -> Option<Span> {
        let span = self.span(index)?;
        let mut node = self.width.saturating_add(index);
        *self.stops.get_mut(node)? = GONE;
        while node > 1 {
            node /= 2;
            self.update(node);
        }
        Some(span)
    }

    /// How many spans start before `at`, those that are gone included.
    fn starting_before(&self, at: Instant) -> usize {
        self.spans.partition_point(|span| span.start < at)
    }

    fn first_meeting(&self, span: Span) -> Option<usize> {
        self.first_after(0, self.starting_before(span.stop), span.start)
    }

    fn each_meeting(&self, span: Span, found: &mut Vec<usize>) {
        let end = self.starting_before(span.stop);
        let mut from = 0;
        while let Some(index) = self.first_after(from, end, span.start) {
            found.push(index);
            from = index.saturating_add(1);
        }
    }

    /// The first of the spans `from..end` that stops after `bound`.
    fn first_after(&self, from: usize, end: usize, bound: Instant) -> Option<usize> {
        if from >= end {
            return None;
        }
        // Up from the leaf until a subtree to the right holds one, then down to its first.
        let mut node = self.width.saturating_add(from);
        while self.stop(node) <= bound {
            while node % 2 == 1 {
                node /= 2;
            }
            if node == 0 {
                return None;
            }
            node = node.saturating_add(1);
        }
        while node < self.width {
            node = node.saturating_mul(2);
            if self.stop(node) <= bound {
                node = node.saturating_add(1);
            }
        }
        let index = node.saturating_sub(self.width);
        (index < end).then_some(index)
    }

    /// Whether the spans that are still there cover every instant of `need`.
    fn covers(&self, need: Span) -> bool {
        let mut reached = need.start;
        while reached < need.stop {
            let latest = self.latest_stop(self.starting_before(reached.plus(1)));
            if latest <= reached {
                return false;
            }
            reached = latest;
        }
        true
    }

    /// The latest stop of the first `count` spans.
    fn latest_stop(&self, count: usize) -> Instant {
        let mut latest = GONE;
        let (mut from, mut end) = (self.width, self.width.saturating_add(count));
        while from < end {
            if from % 2 == 1 {
                latest = latest.max(self.stop(from));
                from = from.saturating_add(1);
            }
            if end % 2 == 1 {
                end = end.saturating_sub(1);
                latest = latest.max(self.stop(end));
            }
            from /= 2;
            end /= 2;
        }
        latest
    }
}
