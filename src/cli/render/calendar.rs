//! Periods as a calendar: a line for each month with a sign for each day, for monthly tables a line for each year with a sign for
//! each month. No line is longer than 40 characters.

use crate::base::time::{Day, Instant, civil_of_day, day_of_civil, days_in_month};
use crate::inspect::{Mark, Period};
use crate::schema::grain::Grain;
use std::fmt::Write;

/// A calendar of periods that lie side by side, ascending. Months and years that are like the one before and have no row but one
/// sign are told of together.
#[must_use]
pub fn calendar(grain: Grain, periods: &[Period], paints: bool) -> String {
    let mut lines: Vec<Line> = Vec::new();
    let (Some(first), Some(last)) = (periods.first(), periods.last()) else { return String::new() };
    let (mut at, stop) = (first.span.start.day(), last.span.stop.day());
    let mut left = periods.iter().peekable();
    while at < stop {
        let (year, month, _) = civil_of_day(at);
        let whole_stop = match grain {
            Grain::Monthly => day_of_civil(year.saturating_add(1), 1, 1),
            _ => next_month(year, month),
        };
        let line_stop = whole_stop.unwrap_or(stop).min(stop);
        while left.next_if(|period| period.span.stop.day() <= at).is_some() {}
        let fills = |period: &&&Period| whole_stop.is_some_and(|stop| period.span.stop.day() >= stop);
        let long = left.peek().filter(fills);
        let whole_line = civil_of_day(at).2 == 1 && (grain != Grain::Monthly || month == 1);
        match long.filter(|period| whole_line && period.span.start.day() <= at && alike(period.mark)) {
            // All of it is one: so may be very many that follow.
            Some(period) => {
                let until = period.span.stop.day();
                lines.push(Line::alike(grain, at, period.mark));
                let mut further: u64 = 0;
                at = line_stop;
                while let Some(next) = following(grain, at).filter(|next| *next <= until) {
                    further = further.saturating_add(1);
                    at = next;
                }
                if further > 0 {
                    lines.push(Line::Further(further));
                }
            }
            None => {
                lines.push(Line::signs(grain, at, line_stop, &mut left));
                at = line_stop;
            }
        }
    }
    lines.iter().map(|line| line.text(grain, paints)).collect()
}

/// Whether lines of nothing but this are told of together.
const fn alike(mark: Mark) -> bool {
    matches!(mark, Mark::Empty | Mark::Missing)
}

fn next_month(year: i32, month: u32) -> Option<Day> {
    if month == 12 { day_of_civil(year.checked_add(1)?, 1, 1) } else { day_of_civil(year, month.checked_add(1)?, 1) }
}

/// Where the line that begins here ends.
fn following(grain: Grain, at: Day) -> Option<Day> {
    let (year, month, _) = civil_of_day(at);
    if grain == Grain::Monthly { day_of_civil(year.checked_add(1)?, 1, 1) } else { next_month(year, month) }
}

enum Line {
    /// Year, month, and the sign of each day or month from the first on; none for those that no period has.
    Signs(i32, u32, Vec<Option<Mark>>),
    /// So many lines like the one before.
    Further(u64),
}

impl Line {
    fn alike(grain: Grain, at: Day, mark: Mark) -> Line {
        let (year, month, _) = civil_of_day(at);
        let signs = if grain == Grain::Monthly { 12 } else { days_in_month(year, month) };
        Line::Signs(year, month, vec![Some(mark); signs as usize])
    }

    fn signs<'p>(
        grain: Grain,
        from: Day,
        stop: Day,
        periods: &mut std::iter::Peekable<impl Iterator<Item = &'p Period> + Clone>,
    ) -> Line {
        let (year, month, first) = civil_of_day(from);
        let mut day = from;
        let before = if grain == Grain::Monthly { month } else { first };
        let mut signs: Vec<Option<Mark>> = vec![None; (before as usize).saturating_sub(1)];
        while day < stop {
            while periods.next_if(|period| period.span.stop.day() <= day).is_some() {}
            let here = periods.peek().filter(|period| period.span.start <= Instant::of_day(day));
            signs.push(here.map(|period| period.mark));
            let (year, month, _) = civil_of_day(day);
            let next = if grain == Grain::Monthly { next_month(year, month) } else { day.checked_add(1) };
            day = next.unwrap_or(stop);
        }
        Line::Signs(year, month, signs)
    }

    fn text(&self, grain: Grain, paints: bool) -> String {
        let mut out = String::new();
        match self {
            Line::Further(lines) => {
                let what = if grain == Grain::Monthly { "year" } else { "month" };
                let plural = if *lines == 1 { "" } else { "s" };
                let _written = writeln!(out, "   …    {lines} more {what}{plural} like this");
            }
            Line::Signs(year, month, signs) => {
                let _written = match grain {
                    Grain::Monthly => write!(out, "{year:04}    "),
                    _ => write!(out, "{year:04}-{month:02} "),
                };
                let trimmed = signs.len().saturating_sub(signs.iter().rev().take_while(|sign| sign.is_none()).count());
                let mut painted = None;
                for sign in signs.iter().take(trimmed) {
                    let colour = sign.and_then(colour).filter(|_| paints);
                    if painted != colour {
                        out.push_str(colour.unwrap_or("\u{1b}[0m"));
                        painted = colour;
                    }
                    out.push(sign.map_or(' ', character));
                }
                if painted.is_some() {
                    out.push_str("\u{1b}[0m");
                }
                out.push('\n');
            }
        }
        out
    }
}

const fn character(mark: Mark) -> char {
    match mark {
        Mark::Whole => '#',
        Mark::Gaps => ':',
        Mark::Partial => '+',
        Mark::Empty => '.',
        Mark::Missing => '-',
    }
}

const fn colour(mark: Mark) -> Option<&'static str> {
    match mark {
        Mark::Whole => Some("\u{1b}[32m"),
        Mark::Gaps => Some("\u{1b}[36m"),
        Mark::Partial => Some("\u{1b}[33m"),
        Mark::Empty => None,
        Mark::Missing => Some("\u{1b}[31m"),
    }
}
