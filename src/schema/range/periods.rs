//! Which days, weeks and months no longer agree with the intervals below them.

use super::{Decision, SpanSet};
use crate::base::time::Span;
use crate::schema::clock::period_span;
use crate::schema::grain::Grain;

/// The periods that meet time in which interval rows were deleted or inserted (`touched`, see [`Decision::touched`])
/// while their own row was not replaced: they are the ones to summarise again. `periods` is the decision for the table of
/// the periods, `None` if it was not restored at all; `known` are the spans of its rows on either side.
///
/// Days and months are listed also where neither side has a row for them, since one will be wanted. Weeks only where some
/// row says when the week starts.
#[must_use]
pub fn periods_touched(
    touched: &SpanSet,
    grain: Grain,
    periods: Option<&Decision>,
    known: impl IntoIterator<Item = Span>,
) -> Vec<Span> {
    let mut all: Vec<Span> = match grain {
        Grain::Daily | Grain::Monthly => calendar_periods(touched, grain),
        Grain::Weekly => Vec::new(),
        Grain::None | Grain::Interval | Grain::Event => return Vec::new(),
    };
    all.extend(known.into_iter().filter(|span| touched.meets(*span)));
    all.sort_unstable();
    all.dedup();
    all.retain(|span| !periods.is_some_and(|decision| decision.inserts(*span)));
    all
}

fn calendar_periods(touched: &SpanSet, grain: Grain) -> Vec<Span> {
    let mut periods: Vec<Span> = Vec::new();
    for span in touched.spans() {
        let mut at = span.start;
        while at < span.stop {
            // Beyond the calendar there are no periods.
            let Some(period) = period_span(grain, at.day()) else { break };
            if periods.last() != Some(&period) {
                periods.push(period);
            }
            at = period.stop;
        }
    }
    periods
}
