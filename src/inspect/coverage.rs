//! Of which time a chain of sets has rows, and what is missing between the first and the last of them.
//!
//! A *period* is a day of an interval, daily or event table, seven days from the row's date of a weekly one, a month of a monthly
//! one. Between the first and the last period of a table and ACD with rows each one is
//!
//! - **whole**: there are rows, and the chain speaks for all of its time;
//! - **partial**: there are rows, and the chain does not speak for all of its time (the backup was taken within it, or the first
//!   row is later than midnight); read exactly also: intervals are missing between the first and the last row of the day;
//! - **empty**: the chain speaks for it, and the source had no row;
//! - **missing**: nothing here speaks for it, or what is here of it is older than the newest catalog says.
//!
//! All of that is said by end marks and catalogs, or where there is no catalog by what a scan found. Which intervals are missing
//! within a day only the times of the rows tell: they are read if that is asked for.

use crate::base::position::Position;
use crate::base::time::{Day, Instant, Span};
use crate::schema::clock::{When, bucket_day, bucket_span};
use crate::schema::grain::Grain;
use crate::schema::range::SpanSet;
use crate::section::chain::{Combined, Member, combine};
use crate::section::evidence::Bucket;
use crate::section::pieces::Acd;
use crate::section::rows::SectionTable;
use crate::verify::listed::Listed;
use crate::verify::listed::SetSection;
use std::collections::{BTreeMap, BTreeSet};

/// What a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// There are rows, and all of its time is spoken for.
    Whole,
    /// There are rows, and some of its time is not there.
    Partial,
    /// The source had no row.
    Empty,
    /// Nothing here says anything of it.
    Missing,
}

impl Mark {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Mark::Whole => "whole",
            Mark::Partial => "partial",
            Mark::Empty => "empty",
            Mark::Missing => "missing",
        }
    }
}

/// Periods of one sort, side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// From the start of the first to the end of the last: whole days.
    pub span: Span,
    /// What they are.
    pub mark: Mark,
    /// Of partial ones, each of which stands alone: what of their time is not there.
    pub gaps: Vec<Gap>,
}

/// Time of a partial period that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The time.
    pub span: Span,
    /// Whether it is spoken for all the same, so that the source had no row of these intervals.
    pub held: bool,
}

/// What there is of one ACD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcdCoverage {
    /// The ACD; none for rows that name none.
    pub acd: Acd,
    /// The time for which the chain speaks.
    pub held: Vec<Span>,
    /// The periods from the first with rows to the last, ascending, side by side, none twice.
    pub periods: Vec<Period>,
}

/// What there is of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableCoverage {
    /// The table.
    pub table: String,
    /// Its grain.
    pub grain: Grain,
    /// Its ACDs, ascending; none without dated rows.
    pub acds: Vec<AcdCoverage>,
    /// Chunks of which the times could not be read, with the reasons.
    pub unread: Vec<String>,
}

/// Of which time there are rows, by the sections that the members of a chain have of a table, the newest first. `None` for a
/// table without time. Only periods that meet the `window` are told of; `exact` reads the times of all rows of an interval table.
#[must_use]
pub fn coverage(sections: &[SetSection<'_>], window: Option<Span>, exact: bool) -> Option<TableCoverage> {
    let (_, newest) = sections.first()?;
    let grain = Grain::from_id(newest.header.grain).filter(|grain| *grain != Grain::None)?;
    let listed = Listed::of(grain, sections);
    let members = listed.members();
    let combined = combine(grain, &members, None);
    let givers = givers(&members);
    let (times, unread) =
        if exact && grain == Grain::Interval { times(&listed.sections, &givers) } else { Default::default() };
    let acds = combined.acds.keys().filter_map(|acd| of_acd(grain, *acd, &combined, &members, &times, window));
    Some(TableCoverage { table: newest.header.table.clone(), grain, acds: acds.collect(), unread })
}

/// Which member gives the rows of a bucket: the newest that wrote it.
fn givers(members: &[Member<'_>]) -> BTreeMap<Bucket, usize> {
    let mut givers = BTreeMap::new();
    for (number, member) in members.iter().enumerate() {
        for bucket in member.buckets.iter().filter(|bucket| bucket.is_written()) {
            givers.entry((bucket.acd, bucket.day)).or_insert(number);
        }
    }
    givers
}

/// The times of the rows of each bucket, each once.
type Times = BTreeMap<Bucket, BTreeSet<Span>>;

/// Reads the times of all rows; also the chunks that cannot be read, with the reasons.
fn times(sections: &[SetSection<'_>], givers: &BTreeMap<Bucket, usize>) -> (Times, Vec<String>) {
    let (mut times, mut unread) = (Times::new(), Vec::new());
    for (member, (set, view)) in sections.iter().enumerate() {
        let table = match SectionTable::new(view.number, &view.header) {
            Ok(table) => table,
            Err(error) => {
                unread.push(error.to_string());
                continue;
            }
        };
        for chunk in view.chunks.iter().filter(|chunk| chunk.here) {
            let at = Position::volume(chunk.entry.volume).with_block(chunk.entry.block).with_section(view.number);
            let rows = set.read_chunk(chunk).map_err(|error| error.to_string());
            let rows = rows.and_then(|payload| table.keys(&payload, at).map_err(|error| error.to_string()));
            let when = match rows {
                Ok(rows) => rows.when,
                Err(reason) => {
                    unread.push(reason);
                    continue;
                }
            };
            for row in when {
                if let When::Dated(span) = row.when
                    && let bucket = (row.acd, Some(bucket_day(span)))
                    && givers.get(&bucket) == Some(&member)
                {
                    times.entry(bucket).or_default().insert(span);
                }
            }
        }
    }
    (times, unread)
}

fn of_acd(
    grain: Grain,
    acd: Acd,
    combined: &Combined,
    members: &[Member<'_>],
    times: &Times,
    window: Option<Span>,
) -> Option<AcdCoverage> {
    let held = combined.acds.get(&acd).map(|acd| acd.held.clone()).unwrap_or_default();
    let spoken = SpanSet::from_spans(held.iter().copied());
    let of_acd = members.iter().flat_map(|member| member.buckets).filter(|bucket| bucket.acd == acd);
    let with_rows = of_acd.filter(|bucket| bucket.rows > 0 || bucket.carried > 0);
    let days: BTreeSet<Day> = with_rows.filter_map(|bucket| bucket.day).collect();
    let mut periods: Vec<Period> = Vec::new();
    let mut last: Option<Instant> = None;
    for day in days {
        let span = bucket_span(grain, day, None);
        if let Some(between) = last.and_then(|last| Span::new(last, span.start)) {
            gap(&spoken, between, &mut periods);
        }
        // Weeks may begin on any date, and then overlap.
        let start = last.map_or(span.start, |last| last.max(span.start));
        last = Some(last.map_or(span.stop, |last| last.max(span.stop)));
        let Some(span) = Span::new(start, span.stop) else { continue };
        let bucket = (acd, Some(day));
        let astray = combined.lost.contains(&bucket) || combined.stale.contains(&bucket);
        push(&mut periods, rows(span, astray, &spoken, times.get(&bucket)));
    }
    periods.retain(|period| window.is_none_or(|window| period.span.meets(window)));
    (!periods.is_empty()).then_some(AcdCoverage { acd, held, periods })
}

/// A period of which there are rows somewhere.
fn rows(span: Span, astray: bool, spoken: &SpanSet, times: Option<&BTreeSet<Span>>) -> Period {
    let here = SpanSet::from(span).intersection(spoken);
    if astray || here.is_empty() {
        return Period { span, mark: Mark::Missing, gaps: Vec::new() };
    }
    let not_held = SpanSet::from(span).minus(spoken);
    let mut gaps: Vec<Gap> = not_held.spans().iter().map(|span| Gap { span: *span, held: false }).collect();
    if let Some(times) = times {
        let there = SpanSet::from_spans(times.iter().copied());
        let reach = there.envelope().and_then(|reach| reach.meet(span)).map_or(SpanSet::EMPTY, SpanSet::from);
        let between = reach.minus(&there).intersection(spoken);
        gaps.extend(between.spans().iter().map(|span| Gap { span: *span, held: true }));
        gaps.sort_unstable_by_key(|gap| gap.span);
    }
    let mark = if gaps.is_empty() { Mark::Whole } else { Mark::Partial };
    Period { span, mark, gaps }
}

/// Time between two periods with rows: whole days.
fn gap(spoken: &SpanSet, between: Span, periods: &mut Vec<Period>) {
    let out = |span: &Span| {
        let stop = span.stop.plus(-1).day().saturating_add(1);
        Span { start: Instant::of_day(span.start.day()), stop: Instant::of_day(stop) }
    };
    let unspoken = SpanSet::from(between).minus(spoken);
    let missing = SpanSet::from_spans(unspoken.spans().iter().map(out));
    let empty = SpanSet::from(between).minus(&missing);
    let told = |set: &SpanSet, mark| set.spans().iter().map(move |span| (*span, mark)).collect::<Vec<_>>();
    let mut both = told(&missing, Mark::Missing);
    both.extend(told(&empty, Mark::Empty));
    both.sort_unstable_by_key(|(span, _)| *span);
    both.into_iter().for_each(|(span, mark)| push(periods, Period { span, mark, gaps: Vec::new() }));
}

/// Adds a period, as one with the last if both are of one sort and none is partial.
fn push(periods: &mut Vec<Period>, period: Period) {
    match periods.last_mut() {
        Some(last)
            if last.mark == period.mark && period.mark != Mark::Partial && last.span.stop == period.span.start =>
        {
            last.span.stop = period.span.stop;
        }
        _ => periods.push(period),
    }
}
