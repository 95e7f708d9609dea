//! For what time a set speaks: held ranges, worked out from rows and buckets.

use super::SpanSet;
use crate::base::time::{Instant, Span};

/// The held range of a full backup for one table and one ACD: from its first complete row's start to its last complete
/// row's end. Rows that end after the cutoff are not complete; without a cutoff none is. `None` if no row is complete.
///
/// ```
/// use intervault::base::time::{Instant, Span};
/// use intervault::schema::range::held_by_rows;
/// let spans = [0, 1, 5, 6].map(|n| Span { start: Instant(n * 1800), stop: Instant((n + 1) * 1800) });
/// let held = held_by_rows(spans, Some(Instant(6 * 1800)));
/// assert_eq!(held, Some(Span { start: Instant(0), stop: Instant(6 * 1800) }));
/// ```
#[must_use]
pub fn held_by_rows(spans: impl IntoIterator<Item = Span>, cutoff: Option<Instant>) -> Option<Span> {
    let cutoff = cutoff?;
    let complete = spans.into_iter().filter(|span| span.stop <= cutoff);
    complete.reduce(Span::hull)
}

/// What an incremental holds for one table and one ACD: of the `envelope` (what a full backup taken now would hold) the
/// buckets that changed or vanished, and all that its parent's envelope does not reach. So a bucket emptied inside the
/// envelope is held and empty, and what retention took at the source lies outside the envelope and is not held.
///
/// A bucket is given by the time that it speaks for: [`crate::schema::clock::bucket_span`].
#[must_use]
pub fn held_incremental(
    envelope: Option<Span>,
    parent: Option<Span>,
    changed: impl IntoIterator<Item = Span>,
) -> SpanSet {
    let Some(envelope) = envelope else { return SpanSet::EMPTY };
    let known = parent.map_or(SpanSet::EMPTY, SpanSet::from);
    let news = known.complement().union(&SpanSet::from_spans(changed));
    news.intersection(&SpanSet::from(envelope))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: i64, stop: i64) -> Span {
        Span { start: Instant(start), stop: Instant(stop) }
    }

    #[test]
    fn a_full_holds_from_its_first_row_to_its_last_complete_one() {
        let rows = [span(20, 30), span(0, 10), span(30, 40)];
        assert_eq!(held_by_rows(rows, Some(Instant(40))), Some(span(0, 40)));
        assert_eq!(held_by_rows(rows, Some(Instant(39))), Some(span(0, 30)));
        assert_eq!(held_by_rows(rows, Some(Instant(10))), Some(span(0, 10)));
        assert_eq!(held_by_rows(rows, Some(Instant(9))), None);
        assert_eq!(held_by_rows(rows, None), None);
    }

    #[test]
    fn an_incremental_holds_changed_buckets_and_what_lies_outside_its_parent() {
        let held = held_incremental(Some(span(10, 100)), Some(span(0, 80)), [span(20, 30), span(0, 15)]);
        assert_eq!(held.spans(), [span(10, 15), span(20, 30), span(80, 100)]);
        assert_eq!(held_incremental(Some(span(10, 100)), None, []).spans(), [span(10, 100)]);
        assert!(held_incremental(None, Some(span(0, 80)), [span(20, 30)]).is_empty());
        let reaching_back = held_incremental(Some(span(0, 100)), Some(span(50, 100)), []);
        assert_eq!(reaching_back.spans(), [span(0, 50)]);
    }
}
