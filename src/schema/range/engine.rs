//! The decision itself; the rules and their reasons are in the module above.

use super::settle::{Settled, settle};
use super::{
    Carried, Decision, PartialPeriods, Period, Policies, Question, RangeError, Side, Slot, SpanSet, Thinner, Undated,
    contains,
};
use crate::base::time::{DAY, Instant, Span, civil_of_day, days_in_month};
use crate::schema::grain::Grain;
use std::collections::BTreeMap;

/// Decides what happens to the rows of one table and one ACD. Pure: the same question has the same answer. Takes
/// O(n log n) for n slots, whatever they hold.
///
/// ```
/// use intervault::base::time::{Instant, Span};
/// use intervault::schema::grain::Grain;
/// use intervault::schema::range::{Policies, Question, Request, Side, Slot, decide};
/// // Two half hours on either side; the request meets the first one.
/// let half_hour = |n: i64| Slot { span: Span { start: Instant(n * 1800), stop: Instant((n + 1) * 1800) }, rows: 3 };
/// let (volume, target) = (Side::new([half_hour(0), half_hour(1)], 0), Side::new([half_hour(0), half_hour(1)], 0));
/// let decision = decide(&Question {
///     grain: Grain::Interval,
///     event_slot_minutes: 30,
///     request: Request { start: Some(Instant(780)), stop: Some(Instant(1200)) },
///     held: &[Span { start: Instant(0), stop: Instant(3600) }],
///     volume: &volume,
///     target: &target,
///     undated_proven: true,
///     policies: Policies::default(),
///     settled_until: None,
/// })?;
/// assert!(decision.refused().is_none());
/// assert_eq!(decision.delete, [half_hour(0)]);
/// assert_eq!(decision.insert, [half_hour(0)]);
/// # Ok::<(), intervault::schema::range::RangeError>(())
/// ```
///
/// # Errors
/// [`RangeError::EmptyRequest`], [`RangeError::WidenedTooFar`], or [`RangeError::NoGrain`].
pub fn decide(question: &Question<'_>) -> Result<Decision, RangeError> {
    let asked = question.request.span().ok_or(RangeError::EmptyRequest)?;
    let widened = widen(question, asked)?;
    let held = SpanSet::from_spans(question.held.iter().copied());
    let settled_time = Span { start: Instant(i64::MIN), stop: question.settled_until.unwrap_or(Instant(i64::MAX)) };
    let reachable = widened.intersection(&SpanSet::from(settled_time));
    let actual = reachable.intersection(&held);

    let (target, volume) = (question.target.slots(), question.volume.slots());
    let select = |slots: &[Slot], test: &dyn Fn(Span) -> bool| -> Vec<Slot> {
        slots.iter().copied().filter(|slot| test(slot.span)).collect()
    };
    let straddling = select(target, &|span| actual.meets(span) && !actual.holds(span));
    let replaceable = select(target, &|span| actual.holds(span));
    let candidates = select(volume, &|span| actual.holds(span));
    let unsettled = select(volume, &|span| widened.holds(span) && held.holds(span) && !actual.holds(span));

    let slot_of = SlotOf::new(question);
    let settled = settle(&straddling, &replaceable, &candidates, slot_of, question.policies.uncovered);
    let Settled { delete, insert, left_out, kept, uncovered } = settled;
    let thinner = thinner(&delete, &insert, &uncovered, slot_of);

    let present: SpanSet = target.iter().chain(&insert).map(|slot| slot.span).collect();
    let unheld = select(volume, &|span| widened.holds(span) && !held.holds(span));
    let goes_in = |slot: &Slot| {
        question.policies.carried == Carried::Insert && reachable.holds(slot.span) && !present.meets(slot.span)
    };
    let (carried_in, carried_left) = unheld.into_iter().partition(goes_in);
    Ok(Decision {
        partial: partial_periods(question, asked),
        undated: undated(question),
        uncovered_policy: question.policies.uncovered,
        widened,
        actual,
        delete,
        insert,
        left_out,
        kept,
        uncovered,
        straddling,
        unsettled,
        thinner,
        carried_in,
        carried_left,
    })
}

/// What a row stands for when it is asked whether it is covered: itself, or the event slot in which it starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotOf {
    event_minutes: Option<u32>,
}

impl SlotOf {
    fn new(question: &Question<'_>) -> SlotOf {
        SlotOf { event_minutes: (question.grain == Grain::Event).then_some(question.event_slot_minutes) }
    }

    /// Whether rows are events.
    pub(super) const fn is_event(self) -> bool {
        self.event_minutes.is_some()
    }

    pub(super) fn of(self, span: Span) -> Span {
        self.event_minutes.map_or(span, |minutes| event_slot(minutes, span.start))
    }
}

/// The slot of the day in which an event belongs that starts at this instant: slots of so many minutes (0 counts as 1),
/// counted from midnight, the last of a day perhaps shorter.
///
/// ```
/// use intervault::base::time::{Instant, Span};
/// use intervault::schema::range::event_slot;
/// assert_eq!(event_slot(30, Instant(1_800)), Span { start: Instant(1_800), stop: Instant(3_600) });
/// assert_eq!(event_slot(1_000, Instant(86_399)), Span { start: Instant(60_000), stop: Instant(86_400) });
/// ```
#[must_use]
pub fn event_slot(minutes: u32, at: Instant) -> Span {
    let seconds = i64::from(minutes.max(1)).saturating_mul(60);
    let midnight = at.plus(at.second_of_day().saturating_neg());
    let into_slot = at.second_of_day().checked_rem(seconds).unwrap_or(0);
    let start = at.plus(into_slot.saturating_neg());
    Span { start, stop: start.plus(seconds).min(midnight.plus(DAY)) }
}

fn widen(question: &Question<'_>, asked: Span) -> Result<SpanSet, RangeError> {
    let replace = question.policies.partial_periods == PartialPeriods::Replace;
    let fitted = |floor: fn(Instant) -> Instant, ceiling: fn(Instant) -> Instant| {
        let (start, stop): (fn(_) -> _, fn(_) -> _) = if replace { (floor, ceiling) } else { (ceiling, floor) };
        Span::new(start(asked.start), stop(asked.stop)).map_or(SpanSet::EMPTY, SpanSet::from)
    };
    match question.grain {
        Grain::None => Err(RangeError::NoGrain),
        Grain::Event => Ok(SpanSet::from(asked)),
        Grain::Interval => Ok(SpanSet::from(widen_to_rows(question.volume, question.target, asked)?)),
        Grain::Daily => Ok(fitted(day_floor, day_ceiling)),
        Grain::Monthly => Ok(fitted(month_floor, month_ceiling)),
        Grain::Weekly if question.request.is_unbounded() => Ok(SpanSet::from(asked)),
        Grain::Weekly => {
            let asked_for = |span: &Span| if replace { asked.meets(*span) } else { asked.holds(*span) };
            Ok(both_sides(question).filter(asked_for).collect())
        }
    }
}

fn both_sides<'a>(question: &Question<'a>) -> impl Iterator<Item = Span> + use<'a> {
    question.volume.slots().iter().chain(question.target.slots()).map(|slot| slot.span)
}

/// Rows that overlap, directly or through others, form a heap; heaps do not meet each other. The request grows to the
/// edges of the heaps that it meets and then no row lies across its edges.
fn widen_to_rows(volume: &Side, target: &Side, asked: Span) -> Result<Span, RangeError> {
    let mut spans: Vec<Span> = volume.slots().iter().chain(target.slots()).map(|slot| slot.span).collect();
    // Two ascending runs: the stable sort merges them in one pass.
    spans.sort();
    let mut widened = asked;
    let mut longest = 0;
    let mut heap: Option<(Span, i64)> = None;
    let mut grow = |heap: Option<(Span, i64)>| {
        if let Some((span, longest_in_heap)) = heap.filter(|(span, _)| span.meets(asked)) {
            widened = widened.hull(span);
            longest = longest.max(longest_in_heap);
        }
    };
    for span in spans {
        heap = match heap {
            Some((heap, longest)) if span.start < heap.stop => {
                Some((Span { start: heap.start, stop: heap.stop.max(span.stop) }, longest.max(span.seconds())))
            }
            finished => {
                grow(finished);
                Some((span, span.seconds()))
            }
        };
    }
    grow(heap);
    for (edge, moved) in [(asked.start, widened.start), (asked.stop, widened.stop)] {
        let seconds = moved.0.abs_diff(edge.0).try_into().unwrap_or(i64::MAX);
        if seconds > longest {
            let (minutes, longest) = (seconds / 60, longest / 60);
            return Err(RangeError::WidenedTooFar { edge, widened: moved, minutes, longest });
        }
    }
    Ok(widened)
}

fn day_floor(at: Instant) -> Instant {
    at.plus(at.second_of_day().saturating_neg())
}

fn day_ceiling(at: Instant) -> Instant {
    day_floor(at.plus(DAY - 1))
}

fn month_floor(at: Instant) -> Instant {
    let (_, _, day) = civil_of_day(at.day());
    day_floor(at).plus(i64::from(day.saturating_sub(1)).saturating_mul(-DAY))
}

fn month_ceiling(at: Instant) -> Instant {
    let floor = month_floor(at);
    let (year, month, _) = civil_of_day(at.day());
    if floor == at { at } else { floor.plus(i64::from(days_in_month(year, month)).saturating_mul(DAY)) }
}

fn partial_periods(question: &Question<'_>, asked: Span) -> Vec<Period> {
    if !matches!(question.grain, Grain::Daily | Grain::Weekly | Grain::Monthly) {
        return Vec::new();
    }
    let is_partial = |slot: &&Slot| asked.meets(slot.span) && !asked.holds(slot.span);
    let mut periods: BTreeMap<Span, Period> = BTreeMap::new();
    let entry = |span| Period { span, target_rows: 0, volume_rows: 0 };
    for slot in question.target.slots().iter().filter(is_partial) {
        periods.entry(slot.span).or_insert_with(|| entry(slot.span)).target_rows = slot.rows;
    }
    for slot in question.volume.slots().iter().filter(is_partial) {
        periods.entry(slot.span).or_insert_with(|| entry(slot.span)).volume_rows = slot.rows;
    }
    periods.into_values().collect()
}

fn undated(question: &Question<'_>) -> Undated {
    let Policies { carried, .. } = question.policies;
    if !question.request.is_unbounded() || question.volume.undated == 0 {
        return Undated::Leave;
    }
    if question.undated_proven {
        return Undated::Replace;
    }
    if carried == Carried::Insert && question.target.undated == 0 { Undated::Insert } else { Undated::Leave }
}

/// Where fewer rows come than go. Rows that meet a span are those that start before its end less those that end before
/// its start, so that two sorted lists with running sums answer for any span.
fn thinner(delete: &[Slot], insert: &[Slot], uncovered: &[Slot], slot_of: SlotOf) -> Vec<Thinner> {
    let coming: Vec<Slot> = insert.iter().map(|slot| Slot { span: slot_of.of(slot.span), rows: slot.rows }).collect();
    let by_start = RunningSum::new(coming.iter().map(|slot| (slot.span.start, slot.rows)));
    let by_stop = RunningSum::new(coming.iter().map(|slot| (slot.span.stop, slot.rows)));
    let mut going: Vec<Slot> = Vec::with_capacity(delete.len());
    for slot in delete.iter().filter(|slot| !contains(uncovered, slot.span)) {
        let span = slot_of.of(slot.span);
        match going.last_mut() {
            // Rows ascend, so those of one event slot stand together.
            Some(last) if last.span == span => last.rows = last.rows.saturating_add(slot.rows),
            _ => going.push(Slot { span, rows: slot.rows }),
        }
    }
    let counted = going.into_iter().map(|Slot { span, rows: target_rows }| Thinner {
        span,
        target_rows,
        volume_rows: by_start.before(span.stop).saturating_sub(by_stop.before(span.start.plus(1))),
    });
    counted.filter(|thinner| thinner.volume_rows < thinner.target_rows).collect()
}

/// How many rows there are before any instant.
struct RunningSum {
    sums: Vec<(Instant, u64)>,
}

impl RunningSum {
    fn new(counts: impl Iterator<Item = (Instant, u64)>) -> RunningSum {
        let mut sums: Vec<(Instant, u64)> = counts.collect();
        sums.sort();
        let mut sum = 0_u64;
        for (_, rows) in &mut sums {
            sum = sum.saturating_add(*rows);
            *rows = sum;
        }
        RunningSum { sums }
    }

    fn before(&self, at: Instant) -> u64 {
        let count = self.sums.partition_point(|(instant, _)| *instant < at);
        count.checked_sub(1).and_then(|last| self.sums.get(last)).map_or(0, |(_, sum)| *sum)
    }
}
