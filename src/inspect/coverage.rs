//! Of which time a chain of sets has rows, and what is missing between the first and the last of them.
//!
//! A *period* is a day of an interval, daily or event table, seven days from the row's date of a weekly one, a month of a monthly
//! one. Between the first and the last period of a table and ACD with rows each one is
//!
//! - **whole**: there are rows, and the chain speaks for all of its time;
//! - **gaps**: the same, but the source had no row of some of its intervals; only where the times of rows are read;
//! - **partial**: there are rows, and the chain does not speak for all of its time (the backup was taken within it, or the first
//!   row is later than midnight), or some of its rows cannot be read;
//! - **empty**: the chain speaks for it, and the source had no row;
//! - **missing**: nothing here speaks for it, what is here of it is older than the newest catalog says, or none of its rows can
//!   be read.
//!
//! All of that is said by end marks and catalogs, or where there is no catalog by what a scan found. Which intervals have no row
//! only the times of the rows tell: they are read if that is asked for. A gap is any time between the first and the last row of a
//! table and ACD that no row stands for, with two exceptions: the time of day at which no day has a row (the longest stretch of
//! it; a centre is closed at night), and the hour that clocks skip in spring.

use super::Unread;
use crate::base::position::Position;
use crate::base::time::{DAY, Day, Instant, Span, civil_of_day};
use crate::error::Class;
use crate::format::catalog::BucketEntry;
use crate::schema::clock::{When, bucket_day, bucket_span};
use crate::schema::grain::Grain;
use crate::schema::range::SpanSet;
use crate::section::chain::{Combined, CombinedAcd, Member, combine};
use crate::section::evidence::Bucket;
use crate::section::pieces::Acd;
use crate::section::rows::{RowsError, SectionTable};
use crate::verify::listed::Listed;
use crate::verify::listed::SetSection;
use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};
use std::collections::{BTreeMap, BTreeSet};

/// What a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// There are rows, and all of its time is spoken for.
    Whole,
    /// The same, and the source had no row of some of its intervals.
    Gaps,
    /// There are rows, and some of its time is not there or cannot be read.
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
            Mark::Gaps => "gaps",
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
    /// Of partial ones and those with gaps, each of which stands alone: what of their time is not there.
    pub gaps: Vec<Gap>,
}

/// Time of a period of which there is no row here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The time.
    pub span: Span,
    /// Whether it is spoken for and was read all the same, so that the source had no row of these intervals.
    pub held: bool,
}

/// What there is of one ACD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcdCoverage {
    /// The ACD; none for rows that name none.
    pub acd: Acd,
    /// The time for which the chain speaks.
    pub held: Vec<Span>,
    /// Where the times of rows were read: the longest stretch of the time of day at which no day has a row, from and until,
    /// in seconds after midnight. It ends on the next day if it ends before it begins.
    pub closed: Option<(i64, i64)>,
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
    /// Why the times of chunks could not be read.
    pub unread: Vec<Unread>,
}

/// Of which time there are rows, by the sections that the members of a chain have of a table, the newest first. `None` for a
/// table without time. Only periods that meet the `window` are told of. With `exact` the times of all rows of an interval table
/// are read; it is the zone in which they are civil times, unless the table names one itself.
#[must_use]
pub fn coverage(sections: &[SetSection<'_>], window: Option<Span>, exact: Option<&TimeZone>) -> Option<TableCoverage> {
    let (_, newest) = sections.first()?;
    let grain = Grain::from_id(newest.header.grain).filter(|grain| *grain != Grain::None)?;
    let listed = Listed::of(grain, sections);
    let members = listed.members();
    let combined = combine(grain, &members, None);
    let exact = exact.filter(|_| grain == Grain::Interval).map(|zone| {
        let own = TimeZone::get(&newest.header.clock.zone).ok().filter(|_| !newest.header.clock.zone.is_empty());
        Exact::read(&listed.sections, &members, own.unwrap_or_else(|| zone.clone()))
    });
    let mut buckets: BTreeMap<Acd, Vec<&BucketEntry>> = BTreeMap::new();
    for bucket in members.iter().flat_map(|member| member.buckets) {
        buckets.entry(bucket.acd).or_default().push(bucket);
    }
    let of_acd = |(acd, one): (&Acd, &CombinedAcd)| {
        let buckets = buckets.get(acd).map_or(&[][..], Vec::as_slice);
        let rows = exact.as_ref().map(|exact| Rows::new(*acd, exact, buckets));
        of_acd(grain, *acd, one, &combined, buckets, rows, window)
    };
    let acds = combined.acds.iter().filter_map(of_acd).collect();
    let unread = exact.map(|exact| exact.reasons).unwrap_or_default();
    Some(TableCoverage { table: newest.header.table.clone(), grain, acds, unread })
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

/// The times of all rows.
struct Exact {
    /// Of the rows of each bucket that could be read, each once.
    times: BTreeMap<Bucket, BTreeSet<Span>>,
    /// Buckets of which not all rows could be read, with the time from their first row to their last.
    unread: BTreeMap<Bucket, Span>,
    /// Why.
    reasons: Vec<Unread>,
    /// Where clocks skip an hour.
    zone: TimeZone,
}

impl Exact {
    fn read(sections: &[SetSection<'_>], members: &[Member<'_>], zone: TimeZone) -> Exact {
        let givers = givers(members);
        let mut exact = Exact { times: BTreeMap::new(), unread: BTreeMap::new(), reasons: Vec::new(), zone };
        let mut rows: BTreeMap<Bucket, u64> = BTreeMap::new();
        for (member, section) in sections.iter().enumerate() {
            exact.section(section, |bucket| {
                let given = givers.get(&bucket) == Some(&member);
                if given {
                    let rows = rows.entry(bucket).or_default();
                    *rows = rows.saturating_add(1);
                }
                given
            });
        }
        for (number, member) in members.iter().enumerate() {
            for entry in member.buckets {
                let (bucket, all) = ((entry.acd, entry.day), entry.rows.saturating_add(entry.carried));
                if givers.get(&bucket) == Some(&number) && rows.get(&bucket).copied().unwrap_or(0) < all {
                    let span = Span::new(Instant(entry.first), Instant(entry.stop));
                    exact.unread.extend(span.map(|span| (bucket, span)));
                }
            }
        }
        exact
    }

    /// Reads the times of those rows of a section whose bucket is `wanted` from it, and writes down which chunks cannot be read.
    fn section(&mut self, (set, view): &SetSection<'_>, mut wanted: impl FnMut(Bucket) -> bool) {
        let table = match SectionTable::new(view.number, &view.header) {
            Ok(table) => table,
            Err(error) => return self.reasons.push(error.into()),
        };
        for chunk in view.chunks.iter().filter(|chunk| chunk.here) {
            let at = Position::volume(chunk.entry.volume).with_block(chunk.entry.block).with_section(view.number);
            let rows = set.read_chunk(chunk).map_err(Unread::from);
            let damage = |error: RowsError| Unread { reason: error.to_string(), class: Class::Damage };
            let rows = rows.and_then(|payload| table.keys(&payload, at).map_err(damage));
            let when = match rows {
                Ok(rows) => rows.when,
                Err(reason) => {
                    self.reasons.push(reason);
                    continue;
                }
            };
            for row in when {
                if let When::Dated(span) = row.when
                    && let bucket = (row.acd, Some(bucket_day(span)))
                    && wanted(bucket)
                {
                    self.times.entry(bucket).or_default().insert(span);
                }
            }
        }
    }

    /// The time of a day that clocks skip: by quarters of an hour, of which rows are told.
    fn skipped(&self, day: Day) -> SpanSet {
        let quarter = |number: i64| {
            let (year, month, date) = civil_of_day(day);
            let (hour, minute) = (i8::try_from(number / 4).ok()?, i8::try_from(number % 4 * 15).ok()?);
            let date =
                Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(date).ok()?).ok()?;
            let offset = self.zone.to_ambiguous_timestamp(date.at(hour, minute, 0, 0)).offset();
            let start = Instant::of_day(day).plus(number.saturating_mul(900));
            matches!(offset, AmbiguousOffset::Gap { .. }).then(|| Span { start, stop: start.plus(900) })
        };
        SpanSet::from_spans((0..96).filter_map(quarter))
    }
}

/// What is known of the rows of one ACD.
struct Rows<'e> {
    exact: &'e Exact,
    /// From the first row to the last, of all that are listed.
    reach: SpanSet,
    /// The time that rows stand for.
    there: SpanSet,
    closed: Option<(i64, i64)>,
}

impl<'e> Rows<'e> {
    fn new(acd: Acd, exact: &'e Exact, listed: &[&BucketEntry]) -> Rows<'e> {
        let times = exact.times.range((acd, None)..).take_while(|((own, _), _)| *own == acd);
        let there = SpanSet::from_spans(times.flat_map(|(_, spans)| spans).copied());
        let listed = listed.iter().filter(|bucket| bucket.day.is_some());
        let spans = listed.filter_map(|bucket| Span::new(Instant(bucket.first), Instant(bucket.stop)));
        let reach = spans.reduce(Span::hull).map_or(SpanSet::EMPTY, SpanSet::from);
        Rows { exact, reach, closed: closed(&there), there }
    }

    /// The time of a period that no row stands for, though others before and after it do.
    fn gaps(&self, span: Span, bucket: Bucket, spoken: &SpanSet) -> Vec<Gap> {
        let unread = self.exact.unread.get(&bucket).map_or(SpanSet::EMPTY, |span| SpanSet::from(*span));
        let without = SpanSet::from(span).intersection(&self.reach).intersection(spoken).minus(&self.there);
        let day = span.start.day();
        let at = |seconds: i64| Instant::of_day(day).plus(seconds);
        let closed = self.closed.map_or(SpanSet::EMPTY, |(from, until)| match from < until {
            true => SpanSet::from_spans([Span { start: at(from), stop: at(until) }]),
            false => {
                SpanSet::from_spans([Span { start: at(0), stop: at(until) }, Span { start: at(from), stop: at(DAY) }])
            }
        });
        let known = without.minus(&unread).minus(&closed);
        let known = if known.is_empty() { known } else { known.minus(&self.exact.skipped(day)) };
        let unknown = without.intersection(&unread);
        let told =
            |set: &SpanSet, held| set.spans().iter().map(move |span| Gap { span: *span, held }).collect::<Vec<_>>();
        [told(&known, true), told(&unknown, false)].concat()
    }
}

/// The longest stretch of the time of day at which there is no row on any day: from and until, perhaps on the next day.
fn closed(there: &SpanSet) -> Option<(i64, i64)> {
    let mut seen: BTreeSet<(i64, i64)> = BTreeSet::new();
    for span in there.spans() {
        if span.seconds() >= DAY {
            return None;
        }
        let (from, until) = (span.start.0.rem_euclid(DAY), span.stop.0.rem_euclid(DAY));
        if from < until || until == 0 {
            seen.insert((from, if until == 0 { DAY } else { until }));
        } else {
            seen.extend([(from, DAY), (0, until)]);
        }
    }
    let seen = seen.into_iter().filter_map(|(from, until)| Span::new(Instant(from), Instant(until)));
    let free = SpanSet::from(Span { start: Instant(0), stop: Instant(DAY) }).minus(&SpanSet::from_spans(seen));
    let mut free: Vec<(i64, i64)> = free.spans().iter().map(|span| (span.start.0, span.stop.0)).collect();
    if let (Some(&(0, until)), Some(&(from, DAY))) = (free.first(), free.last())
        && free.len() > 1
    {
        // Around midnight it is one.
        free.remove(0);
        free.pop();
        free.push((from, until));
    }
    let length = |(from, until): &(i64, i64)| until.saturating_sub(*from).rem_euclid(DAY);
    free.into_iter().filter(|free| *free != (0, DAY)).max_by_key(length)
}

fn of_acd(
    grain: Grain,
    acd: Acd,
    one: &CombinedAcd,
    combined: &Combined,
    buckets: &[&BucketEntry],
    rows: Option<Rows<'_>>,
    window: Option<Span>,
) -> Option<AcdCoverage> {
    let held = one.held.clone();
    let spoken = SpanSet::from_spans(held.iter().copied());
    let with_rows = buckets.iter().filter(|bucket| bucket.rows > 0 || bucket.carried > 0);
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
        push(&mut periods, of_rows(span, bucket, astray, &spoken, rows.as_ref()));
    }
    periods.retain(|period| window.is_none_or(|window| period.span.meets(window)));
    let closed = rows.and_then(|rows| rows.closed);
    (!periods.is_empty()).then_some(AcdCoverage { acd, held, closed, periods })
}

/// A period of which there are rows somewhere.
fn of_rows(span: Span, bucket: Bucket, astray: bool, spoken: &SpanSet, rows: Option<&Rows<'_>>) -> Period {
    let here = SpanSet::from(span).intersection(spoken);
    let exact = rows.map(|rows| rows.exact);
    let all_unread =
        exact.is_some_and(|exact| exact.unread.contains_key(&bucket) && !exact.times.contains_key(&bucket));
    if astray || here.is_empty() || all_unread {
        return Period { span, mark: Mark::Missing, gaps: Vec::new() };
    }
    let not_held = SpanSet::from(span).minus(spoken);
    let mut gaps: Vec<Gap> = not_held.spans().iter().map(|span| Gap { span: *span, held: false }).collect();
    gaps.extend(rows.iter().flat_map(|rows| rows.gaps(span, bucket, spoken)));
    gaps.sort_unstable_by_key(|gap| gap.span);
    // Where rows cannot be read that may be alike to others in time, the day is not whole either.
    let unread = exact.is_some_and(|exact| exact.unread.contains_key(&bucket));
    let mark = match () {
        () if unread || gaps.iter().any(|gap| !gap.held) => Mark::Partial,
        () if gaps.is_empty() => Mark::Whole,
        () => Mark::Gaps,
    };
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

/// Adds a period, as one with the last if both are of one sort and have no gaps.
fn push(periods: &mut Vec<Period>, period: Period) {
    match periods.last_mut() {
        Some(last)
            if last.mark == period.mark
                && !matches!(period.mark, Mark::Partial | Mark::Gaps)
                && last.span.stop == period.span.start =>
        {
            last.span.stop = period.span.stop;
        }
        _ => periods.push(period),
    }
}
