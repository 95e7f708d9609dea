//! Sets of time: spans that neither meet nor touch, in order. Knows nothing of rows.

use crate::base::time::{Instant, Span};
use std::fmt;

/// A set of instants, kept as the fewest half-open spans, ascending. Spans that touch are one span: what is held from
/// midnight to noon and from noon to midnight is held all day, also for a row that lies across noon.
///
/// ```
/// use intervault::base::time::{Instant, Span};
/// use intervault::schema::range::SpanSet;
/// let span = |start, stop| Span { start: Instant(start), stop: Instant(stop) };
/// let set = SpanSet::from_spans([span(20, 30), span(0, 10), span(10, 15)]);
/// assert_eq!(set.spans(), [span(0, 15), span(20, 30)]);
/// assert!(set.holds(span(5, 15)) && !set.holds(span(14, 21)) && set.meets(span(14, 21)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpanSet {
    spans: Vec<Span>,
}

impl SpanSet {
    /// No time at all.
    pub const EMPTY: SpanSet = SpanSet { spans: Vec::new() };

    /// The instants of all these spans, in any order; empty ones count for nothing.
    #[must_use]
    pub fn from_spans(spans: impl IntoIterator<Item = Span>) -> SpanSet {
        let mut all: Vec<Span> = spans.into_iter().filter(|span| span.start < span.stop).collect();
        // Mostly ascending already, or a few ascending runs: the stable sort is made for these.
        all.sort();
        let mut merged: Vec<Span> = Vec::with_capacity(all.len().min(64));
        for span in all {
            match merged.last_mut() {
                Some(last) if span.start <= last.stop => last.stop = last.stop.max(span.stop),
                _ => merged.push(span),
            }
        }
        SpanSet { spans: merged }
    }

    /// The spans, ascending; none meets or touches another.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Whether there is no instant in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// From the first instant to the last, or `None` if it is empty.
    #[must_use]
    pub fn envelope(&self) -> Option<Span> {
        Span::new(self.spans.first()?.start, self.spans.last()?.stop)
    }

    /// Whether every instant of `span` is in the set. Takes logarithmic time.
    #[must_use]
    pub fn holds(&self, span: Span) -> bool {
        self.reaching(span).is_some_and(|own| own.holds(span))
    }

    /// Whether some instant of `span` is in the set. Takes logarithmic time.
    #[must_use]
    pub fn meets(&self, span: Span) -> bool {
        self.reaching(span).is_some_and(|own| own.meets(span))
    }

    /// The first of the spans that ends after `span` starts.
    fn reaching(&self, span: Span) -> Option<Span> {
        self.spans.get(self.spans.partition_point(|own| own.stop <= span.start)).copied()
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &SpanSet) -> SpanSet {
        SpanSet::from_spans(self.spans.iter().chain(&other.spans).copied())
    }

    /// What is in both. Of the spans before the other's first and behind its last none is looked at.
    #[must_use]
    pub fn intersection(&self, other: &SpanSet) -> SpanSet {
        let mut spans = Vec::new();
        let (mut left, mut right) = (self.met_by(other).iter().peekable(), other.met_by(self).iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            spans.extend(a.meet(**b));
            // The one that ends first can meet nothing further.
            if a.stop <= b.stop {
                left.next();
            } else {
                right.next();
            }
        }
        SpanSet::from_spans(spans)
    }

    /// What is in this set and not in the other: a held range less the buckets that are not proven, for one.
    #[must_use]
    pub fn minus(&self, other: &SpanSet) -> SpanSet {
        let mut spans = Vec::new();
        let mut cuts = other.met_by(self).iter().peekable();
        for span in &self.spans {
            let mut start = span.start;
            while let Some(cut) = cuts.peek().filter(|cut| cut.start < span.stop) {
                spans.extend(Span::new(start, cut.start));
                start = start.max(cut.stop);
                if cut.stop > span.stop {
                    // It may cut the next one too.
                    break;
                }
                cuts.next();
            }
            spans.extend(Span::new(start, span.stop));
        }
        SpanSet { spans }
    }

    /// The spans that do not end before the other set starts.
    fn met_by(&self, other: &SpanSet) -> &[Span] {
        let before = |first: &Span| self.spans.partition_point(|own| own.stop <= first.start);
        self.spans.get(other.spans.first().map_or(self.spans.len(), before)..).unwrap_or_default()
    }

    /// All of time that is not in the set.
    #[must_use]
    pub fn complement(&self) -> SpanSet {
        let mut spans = Vec::with_capacity(self.spans.len().saturating_add(1));
        let mut start = Instant(i64::MIN);
        for span in &self.spans {
            spans.extend(Span::new(start, span.start));
            start = span.stop;
        }
        spans.extend(Span::new(start, Instant(i64::MAX)));
        SpanSet { spans }
    }
}

impl From<Span> for SpanSet {
    fn from(span: Span) -> SpanSet {
        SpanSet::from_spans([span])
    }
}

impl FromIterator<Span> for SpanSet {
    fn from_iter<I: IntoIterator<Item = Span>>(spans: I) -> SpanSet {
        SpanSet::from_spans(spans)
    }
}

/// For people: inclusive minutes, `2024-03-01 05:00 to 05:29`, several divided by commas; `nothing` if it is empty.
impl fmt::Display for SpanSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.spans.is_empty() {
            return f.write_str("nothing");
        }
        for (i, span) in self.spans.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            super::request::write_inclusive(f, *span)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(bits: u16) -> SpanSet {
        (0..16).filter(|i| bits >> i & 1 == 1).map(|i| Span { start: Instant(i), stop: Instant(i + 1) }).collect()
    }

    proptest! {
        /// Sets of 16 instants against the same sets as bits.
        #[test]
        fn sets_of_spans_are_sets_of_instants(a: u16, b: u16, from in 0..16_i64, length in 1..17_i64) {
            let all: SpanSet = Span { start: Instant(0), stop: Instant(16) }.into();
            prop_assert_eq!(set(a).union(&set(b)), set(a | b));
            prop_assert_eq!(set(a).intersection(&set(b)), set(a & b));
            prop_assert_eq!(set(a).minus(&set(b)), set(a & !b));
            prop_assert_eq!(set(a).complement().intersection(&all), set(!a));
            prop_assert_eq!(set(a).is_empty(), a == 0);
            let span = Span { start: Instant(from), stop: Instant((from + length).min(16)) };
            let bits = (span.start.0..span.stop.0).fold(0_u16, |bits, i| bits | 1 << i);
            prop_assert_eq!(set(a).holds(span), a & bits == bits);
            prop_assert_eq!(set(a).meets(span), a & bits != 0);
            let envelope = set(a).envelope().map(|span| (span.start.0 as u32, span.stop.0 as u32));
            prop_assert_eq!(envelope, (a != 0).then(|| (a.trailing_zeros(), 16 - a.leading_zeros())));
        }
    }

    #[test]
    fn empty_spans_count_for_nothing() {
        let nothing = Span { start: Instant(5), stop: Instant(5) };
        assert_eq!(SpanSet::from_spans([nothing]), SpanSet::EMPTY);
        assert_eq!(SpanSet::EMPTY.to_string(), "nothing");
        assert!(SpanSet::EMPTY.complement().holds(Span::ALL));
        let two = SpanSet::from_spans([Span::of_day(0), Span::of_day(2)]);
        assert_eq!(two.to_string(), "1970-01-01 00:00 to 23:59, 1970-01-03 00:00 to 23:59");
    }
}
