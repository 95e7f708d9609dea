//! The rules of the range engine once more, row by row and as slowly as they read, to hold the engine against. Shares no
//! code with it: time is cut at every edge that occurs, and a set of time is the list of pieces that are in it.

use super::{Carried, PartialPeriods, Question, Uncovered, Undated};
use crate::base::time::{DAY, Instant, Span};
use crate::schema::grain::Grain;
use std::collections::BTreeMap;

/// Rows counted by span.
pub type Counts = BTreeMap<Span, u64>;

/// What the oracle says; the names are those of [`super::Decision`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "field by field the lists of Decision")]
pub struct Answer {
    pub actual: Vec<Span>,
    pub delete: Counts,
    pub insert: Counts,
    pub left_out: Counts,
    pub kept: Counts,
    pub uncovered: Counts,
    pub straddling: Counts,
    pub unsettled: Counts,
    pub thinner: Vec<(Span, u64, u64)>,
    pub carried_in: Counts,
    pub carried_left: Counts,
    pub partial: BTreeMap<Span, (u64, u64)>,
    pub undated: Undated,
}

/// Rows of one side, each on its own.
fn rows_of(side: &super::Side) -> Vec<Span> {
    let mut rows = Vec::new();
    for slot in side.slots() {
        for _ in 0..slot.rows {
            rows.push(slot.span);
        }
    }
    rows
}

/// Time cut into pieces, and which of them are in the set.
struct Pieces<'a> {
    cuts: &'a [Instant],
    inside: Vec<bool>,
}

impl<'a> Pieces<'a> {
    fn of(cuts: &'a [Instant], test: impl Fn(Span) -> bool) -> Pieces<'a> {
        let pieces = cuts.iter().zip(cuts.iter().skip(1));
        Pieces { cuts, inside: pieces.map(|(start, stop)| test(Span { start: *start, stop: *stop })).collect() }
    }

    fn inside(&self, span: Span) -> Vec<bool> {
        let pieces = self.cuts.iter().zip(self.cuts.iter().skip(1)).zip(&self.inside);
        pieces
            .filter(|((start, stop), _)| span.start <= **start && **stop <= span.stop)
            .map(|(_, inside)| *inside)
            .collect()
    }

    fn has_all(&self, span: Span) -> bool {
        self.inside(span).iter().all(|inside| *inside)
    }

    fn has_some(&self, span: Span) -> bool {
        self.inside(span).iter().any(|inside| *inside)
    }

    fn spans(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for ((start, stop), inside) in self.cuts.iter().zip(self.cuts.iter().skip(1)).zip(&self.inside) {
            if !inside {
                continue;
            }
            match spans.last_mut() {
                Some(last) if last.stop == *start => last.stop = *stop,
                _ => spans.push(Span { start: *start, stop: *stop }),
            }
        }
        spans
    }
}

/// The answer to a question, or `None` where there is none.
#[must_use]
pub fn answer(question: &Question<'_>) -> Option<Answer> {
    let asked = Span {
        start: question.request.start.unwrap_or(Instant::MIN),
        stop: question.request.stop.unwrap_or(Instant::MAX),
    };
    if asked.start >= asked.stop {
        return None;
    }
    let (volume, target) = (rows_of(question.volume), rows_of(question.target));
    let both: Vec<Span> = volume.iter().chain(&target).copied().collect();
    let widened = widened(question, asked, &both)?;

    let mut cuts: Vec<Instant> = Vec::new();
    for span in both.iter().chain(question.held).chain(&widened).chain([&asked]) {
        cuts.extend([span.start, span.stop]);
    }
    cuts.extend(question.settled_until);
    cuts.sort();
    cuts.dedup();
    let in_widened = Pieces::of(&cuts, |piece| widened.iter().any(|span| within(piece, *span)));
    let in_held = Pieces::of(&cuts, |piece| question.held.iter().any(|span| within(piece, *span)));
    let settled = |span: Span| question.settled_until.is_none_or(|until| span.stop <= until);
    let in_actual = Pieces::of(&cuts, |piece| in_widened.has_all(piece) && in_held.has_all(piece) && settled(piece));

    let mut out = Answer { actual: in_actual.spans(), ..Answer::default() };
    let fates = settle(question, &volume, &target, &in_actual);
    for (row, fate) in target.iter().zip(&fates.target) {
        if fate.straddles {
            count(&mut out.straddling, *row);
        }
        if fate.uncovered {
            count(&mut out.uncovered, *row);
        }
        if fate.kept {
            count(&mut out.kept, *row);
        }
        if fate.in_range && !fate.kept {
            count(&mut out.delete, *row);
        }
    }
    for (row, goes_in) in volume.iter().zip(&fates.volume) {
        if in_actual.has_all(*row) {
            count(if *goes_in { &mut out.insert } else { &mut out.left_out }, *row);
        } else if in_widened.has_all(*row) && in_held.has_all(*row) {
            count(&mut out.unsettled, *row);
        } else if in_widened.has_all(*row) {
            let met = target.iter().any(|other| overlap(*row, *other))
                || volume.iter().zip(&fates.volume).any(|(other, goes_in)| *goes_in && overlap(*row, *other));
            let carried_in = question.policies.carried == Carried::Insert && settled(*row) && !met;
            count(if carried_in { &mut out.carried_in } else { &mut out.carried_left }, *row);
        }
    }
    thinner(question, &volume, &target, &fates, &mut out);
    partial(question, asked, &volume, &target, &mut out);
    out.undated = undated(question);
    Some(out)
}

fn count(counts: &mut Counts, span: Span) {
    let sum = counts.entry(span).or_insert(0);
    *sum = sum.saturating_add(1);
}

fn within(inner: Span, outer: Span) -> bool {
    inner.start >= outer.start && inner.stop <= outer.stop
}

fn overlap(left: Span, right: Span) -> bool {
    !(left.stop <= right.start || right.stop <= left.start)
}

fn widened(question: &Question<'_>, asked: Span, both: &[Span]) -> Option<Vec<Span>> {
    match question.grain {
        Grain::None => None,
        Grain::Event => Some(vec![asked]),
        Grain::Daily | Grain::Weekly | Grain::Monthly => {
            let replace = question.policies.partial_periods == PartialPeriods::Replace;
            let wanted = |row: &&Span| within(**row, asked) || (replace && overlap(**row, asked));
            Some(both.iter().filter(wanted).copied().collect())
        }
        Grain::Interval => {
            let mut now = asked;
            loop {
                let before = now;
                for row in both.iter().filter(|row| overlap(**row, before)) {
                    now = Span { start: now.start.min(row.start), stop: now.stop.max(row.stop) };
                }
                if now == before {
                    break;
                }
            }
            let longest = both.iter().filter(|row| overlap(**row, now)).map(|row| row.stop.0 - row.start.0).max();
            let longest = longest.unwrap_or(0);
            let too_far = asked.start.0 - now.start.0 > longest || now.stop.0 - asked.stop.0 > longest;
            (!too_far).then(|| vec![now])
        }
    }
}

/// What becomes of a target row.
#[derive(Clone, Copy)]
struct Fate {
    in_range: bool,
    straddles: bool,
    uncovered: bool,
    kept: bool,
}

struct Fates {
    target: Vec<Fate>,
    volume: Vec<bool>,
}

fn settle(question: &Question<'_>, volume: &[Span], target: &[Span], actual: &Pieces<'_>) -> Fates {
    let mut goes_in: Vec<bool> = volume.iter().map(|row| actual.has_all(*row)).collect();
    let mut fates: Vec<Fate> = Vec::new();
    for row in target {
        let in_range = actual.has_all(*row);
        let straddles = actual.has_some(*row) && !in_range;
        let uncovered = in_range && !covered(question, *row, volume, &goes_in);
        let kept = straddles || (uncovered && question.policies.uncovered == Uncovered::Keep);
        fates.push(Fate { in_range, straddles, uncovered, kept });
    }
    let mut changed = question.grain != Grain::Event;
    while changed {
        changed = false;
        for (row, goes_in) in volume.iter().zip(&mut goes_in) {
            let pushed_out = target.iter().zip(&fates).any(|(other, fate)| fate.kept && overlap(*row, *other));
            if *goes_in && pushed_out {
                *goes_in = false;
                changed = true;
            }
        }
        for (row, fate) in target.iter().zip(&mut fates) {
            let could_go = fate.in_range && !fate.uncovered && !fate.kept;
            if could_go && !covered(question, *row, volume, &goes_in) {
                fate.kept = true;
                changed = true;
            }
        }
    }
    Fates { target: fates, volume: goes_in }
}

/// The event slot in which a row starts, found by counting from midnight.
fn event_slot(question: &Question<'_>, row: Span) -> Span {
    let seconds = i64::from(question.event_slot_minutes.max(1)) * 60;
    let midnight = row.start.0 - row.start.0.rem_euclid(DAY);
    let mut start = midnight;
    while start + seconds <= row.start.0 {
        start += seconds;
    }
    Span { start: Instant(start), stop: Instant((start + seconds).min(midnight + DAY)) }
}

fn covered(question: &Question<'_>, row: Span, volume: &[Span], goes_in: &[bool]) -> bool {
    let coming = || volume.iter().zip(goes_in).filter(|(_, goes_in)| **goes_in).map(|(row, _)| *row);
    if question.grain == Grain::Event {
        let slot = event_slot(question, row);
        return coming().any(|other| event_slot(question, other) == slot);
    }
    // The row less every row that comes: nothing may be left.
    let mut bare = vec![row];
    for other in coming() {
        let mut rest = Vec::new();
        for piece in bare {
            let before = Span { start: piece.start, stop: piece.stop.min(other.start) };
            let after = Span { start: piece.start.max(other.stop), stop: piece.stop };
            rest.extend([before, after].into_iter().filter(|piece| piece.start < piece.stop));
        }
        bare = rest;
    }
    bare.is_empty()
}

fn thinner(question: &Question<'_>, volume: &[Span], target: &[Span], fates: &Fates, out: &mut Answer) {
    let event = question.grain == Grain::Event;
    let stands_for = |row: Span| if event { event_slot(question, row) } else { row };
    let mut going = Counts::new();
    for (row, fate) in target.iter().zip(&fates.target) {
        if fate.in_range && !fate.kept && !fate.uncovered {
            count(&mut going, stands_for(*row));
        }
    }
    for (span, target_rows) in going {
        let coming = volume.iter().zip(&fates.volume).filter(|(_, goes_in)| **goes_in).map(|(row, _)| *row);
        let volume_rows = coming.filter(|row| overlap(stands_for(*row), span)).count() as u64;
        if volume_rows < target_rows {
            out.thinner.push((span, target_rows, volume_rows));
        }
    }
}

fn partial(question: &Question<'_>, asked: Span, volume: &[Span], target: &[Span], out: &mut Answer) {
    if ![Grain::Daily, Grain::Weekly, Grain::Monthly].contains(&question.grain) {
        return;
    }
    for (rows, is_target) in [(target, true), (volume, false)] {
        for row in rows.iter().filter(|row| overlap(**row, asked) && !within(**row, asked)) {
            let entry = out.partial.entry(*row).or_insert((0, 0));
            let sum = if is_target { &mut entry.0 } else { &mut entry.1 };
            *sum = sum.saturating_add(1);
        }
    }
}

fn undated(question: &Question<'_>) -> Undated {
    let some = question.volume.undated > 0;
    let asked = question.request.start.is_none() && question.request.stop.is_none();
    match (some && asked, question.undated_proven, question.policies.carried, question.target.undated) {
        (false, ..) => Undated::Leave,
        (true, true, ..) => Undated::Replace,
        (true, false, Carried::Insert, 0) => Undated::Insert,
        (true, false, ..) => Undated::Leave,
    }
}

/// Where the engine and the oracle differ on a question, for people; `None` if they agree.
#[must_use]
pub fn disagreement(question: &Question<'_>) -> Option<String> {
    let (decision, answer) = match (super::decide(question), answer(question)) {
        (Err(_), None) => return None,
        (Ok(decision), Some(answer)) => (decision, answer),
        (decision, answer) => return Some(format!("one has an answer: {decision:#?}\n{answer:#?}\n{question:#?}")),
    };
    let counts = |slots: &[super::Slot]| -> Counts { slots.iter().map(|slot| (slot.span, slot.rows)).collect() };
    let periods = matches!(question.grain, Grain::Daily | Grain::Weekly | Grain::Monthly);
    let engine = Answer {
        // Between periods that have rows the engine may count time as replaced in which neither side has any.
        actual: if periods { answer.actual.clone() } else { decision.actual.spans().to_vec() },
        delete: counts(&decision.delete),
        insert: counts(&decision.insert),
        left_out: counts(&decision.left_out),
        kept: counts(&decision.kept),
        uncovered: counts(&decision.uncovered),
        straddling: counts(&decision.straddling),
        unsettled: counts(&decision.unsettled),
        thinner: decision.thinner.iter().map(|thin| (thin.span, thin.target_rows, thin.volume_rows)).collect(),
        carried_in: counts(&decision.carried_in),
        carried_left: counts(&decision.carried_left),
        partial: decision.partial.iter().map(|p| (p.span, (p.target_rows, p.volume_rows))).collect(),
        undated: decision.undated,
    };
    (engine != answer).then(|| format!("engine: {engine:#?}\noracle: {answer:#?}\nquestion: {question:#?}"))
}
