//! Worlds for the range engine: a question with everything that it refers to, made from bytes, so that property tests and
//! fuzzers share one generator. Rows lie within a few days around a leap day and two month borders; edges of requests,
//! held ranges and rows like to fall together or miss by a minute.

use crate::base::time::{DAY, Instant, Span, day_of_civil};
use crate::schema::clock::period_span;
use crate::schema::grain::Grain;
use crate::schema::range::{Carried, PartialPeriods, Policies, Question, Request, Side, Slot, Uncovered, held_by_rows};

/// What a [`Question`] is made of, owned.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "field by field those of Question")]
pub struct World {
    pub grain: Grain,
    pub event_slot_minutes: u32,
    pub request: Request,
    pub held: Vec<Span>,
    pub volume: Side,
    pub target: Side,
    pub undated_proven: bool,
    pub policies: Policies,
    pub settled_until: Option<Instant>,
}

impl World {
    /// The question.
    #[must_use]
    pub fn question(&self) -> Question<'_> {
        Question {
            grain: self.grain,
            event_slot_minutes: self.event_slot_minutes,
            request: self.request,
            held: &self.held,
            volume: &self.volume,
            target: &self.target,
            undated_proven: self.undated_proven,
            policies: self.policies,
            settled_until: self.settled_until,
        }
    }

    /// A world from any bytes; where they end, zeros follow. At most 24 slots a side.
    #[must_use]
    pub fn from_bytes(data: &[u8]) -> World {
        let mut bytes = Bytes { data, at: 0 };
        let grain = [Grain::Interval, Grain::Event, Grain::Daily, Grain::Weekly, Grain::Monthly, Grain::Interval];
        let grain = bytes.pick(&grain).unwrap_or(Grain::Interval);
        let policies = Policies {
            uncovered: bytes.pick(&[Uncovered::Keep, Uncovered::Delete, Uncovered::Refuse]).unwrap_or_default(),
            partial_periods: bytes.pick(&[PartialPeriods::Keep, PartialPeriods::Replace]).unwrap_or_default(),
            carried: bytes.pick(&[Carried::Leave, Carried::Insert]).unwrap_or_default(),
        };
        let event_slot_minutes = bytes.pick(&[30, 15, 60, 7, 1_440, 0]).unwrap_or(30);
        let undated = [0, 0, 1, 2];
        let undated = (bytes.pick(&undated).unwrap_or(0), bytes.pick(&undated).unwrap_or(0));
        let undated_proven = bytes.below(2) == 0;
        let count = bytes.below(25);
        let mut sides: [Vec<Slot>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..count {
            let slot = Slot { span: row_span(&mut bytes, grain), rows: bytes.below(3).saturating_add(1) };
            // Mostly on both sides, sometimes with fewer or more rows.
            let which = bytes.below(6);
            if which != 0 {
                sides[0].push(slot);
            }
            if which != 1 {
                let rows = if which == 2 { slot.rows.saturating_add(1) } else { slot.rows };
                sides[1].push(Slot { rows, ..slot });
            }
        }
        let [volume, target] = sides;
        let (volume, target) = (Side::new(volume, undated.0), Side::new(target, undated.1));
        let edges: Vec<Instant> =
            volume.slots().iter().chain(target.slots()).flat_map(|slot| [slot.span.start, slot.span.stop]).collect();
        let request = request(&mut bytes, &edges);
        let held = held(&mut bytes, &volume, &edges);
        let settled_until = (bytes.below(3) == 0).then(|| edge(&mut bytes, &edges));
        let mut world =
            World { grain, event_slot_minutes, request, held, volume, target, undated_proven, policies, settled_until };
        if bytes.below(16) == 0 {
            // What the target holds already is all there is.
            world.target = world.volume.clone();
        }
        world
    }
}

/// Reads numbers from bytes.
struct Bytes<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let byte = self.data.get(self.at).copied().unwrap_or(0);
        self.at = self.at.saturating_add(1);
        byte
    }

    /// A number below `end`, which is at most 256.
    fn below(&mut self, end: u64) -> u64 {
        u64::from(self.next()).checked_rem(end).unwrap_or(0)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let index = self.below(from.len() as u64);
        from.get(usize::try_from(index).ok()?).copied()
    }
}

fn origin() -> i32 {
    day_of_civil(2024, 2, 28).unwrap_or(0)
}

fn row_span(bytes: &mut Bytes<'_>, grain: Grain) -> Span {
    let some = bytes.below(64) as i64;
    let day = |step: i64| origin().saturating_add(i32::try_from(step).unwrap_or(0));
    let period = match grain {
        Grain::Daily => period_span(grain, day(some % 8)),
        // Weeks mostly start on one day of the week; a changed start day overlaps.
        Grain::Weekly => period_span(grain, day(some / 8 * 7 + if some % 8 == 0 { 3 } else { 0 })),
        Grain::Monthly => period_span(grain, day(some * 5)),
        Grain::None | Grain::Interval | Grain::Event => None,
    };
    if let Some(span) = period {
        return span;
    }
    let evening = Instant::of_day(origin()).plus(DAY - 4 * 3_600);
    if grain == Grain::Event {
        let unit = bytes.pick(&[60, 60, 1]).unwrap_or(60);
        let start = evening.plus(some * 7 * 60 + if unit == 1 { 59 } else { 0 });
        return Span { start, stop: start.plus(unit) };
    }
    let length = bytes.pick(&[30, 30, 15, 15, 60, 1, 45, 1_440]).unwrap_or(30);
    // Mostly where an interval of that length belongs, sometimes off by a few minutes.
    let aligned = bytes.below(8) != 0;
    let minutes = some * 15;
    let minutes = if aligned { minutes - minutes % length } else { minutes + 5 };
    let start = evening.plus(minutes * 60);
    Span { start, stop: start.plus(length * 60) }
}

/// An edge of some row, on it or a minute beside.
fn edge(bytes: &mut Bytes<'_>, edges: &[Instant]) -> Instant {
    let near = bytes.pick(edges).unwrap_or(Instant::of_day(origin()));
    near.plus(bytes.pick(&[0, 60, -60, 780, 1]).unwrap_or(0))
}

fn request(bytes: &mut Bytes<'_>, edges: &[Instant]) -> Request {
    let start = (bytes.below(4) != 0).then(|| edge(bytes, edges));
    let stop = (bytes.below(4) != 0).then(|| edge(bytes, edges));
    match (start, stop) {
        (Some(start), Some(stop)) if start > stop => Request { start: Some(stop), stop: Some(start) },
        _ => Request { start, stop },
    }
}

fn held(bytes: &mut Bytes<'_>, volume: &Side, edges: &[Instant]) -> Vec<Span> {
    let all = || volume.slots().iter().map(|slot| slot.span);
    match bytes.below(4) {
        0 => held_by_rows(all(), Some(edge(bytes, edges))).into_iter().collect(),
        1 => held_by_rows(all(), Some(Instant::MAX)).into_iter().collect(),
        2 => vec![Span::ALL],
        _ => {
            let count = bytes.below(4);
            let spans = (0..count).map(|_| (edge(bytes, edges), edge(bytes, edges)));
            spans.filter_map(|(one, other)| Span::new(one.min(other), one.max(other))).collect()
        }
    }
}
