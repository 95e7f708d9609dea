//! What the journal says was restored last: where a later member of the same chain was, an earlier one has nothing to say.
//! So members that are restored one by one end the same in any order. Pure.

use crate::base::time::{Instant, Span};
use crate::schema::range::SpanSet;
use crate::section::pieces::Acd;
use crate::store::control::{Range, RangeKind};
use std::collections::BTreeMap;

/// The ranges in the journal of a table, in the order in which they were applied.
#[derive(Debug, Clone, Default)]
pub(super) struct Applied<'a> {
    lines: Vec<&'a Range>,
    chain: [u8; 16],
}

impl<'a> Applied<'a> {
    /// Those of a table, as members of the chain that begins with the set `chain` see them.
    pub(super) fn new(ranges: &'a [Range], table: &str, chain: [u8; 16]) -> Applied<'a> {
        let lines = ranges.iter().filter(|range| range.table.eq_ignore_ascii_case(table)).collect();
        Applied { lines, chain }
    }

    /// The time of an ACD into which a member with a number above `sequence` was restored last.
    pub(super) fn later(&self, acd: Acd, sequence: u32) -> SpanSet {
        let mut last = Last::default();
        for line in &self.lines {
            if line.acd == acd && matches!(line.kind, RangeKind::Held | RangeKind::Carried) {
                last.set(line.span, self.is_later(line, sequence));
            }
        }
        last.spans()
    }

    /// Whether the undated rows of an ACD come from a member with a number above `sequence`.
    pub(super) fn undated_later(&self, acd: Acd, sequence: u32) -> bool {
        let mut lines = self.lines.iter().rev();
        let last = lines.find(|line| line.kind == RangeKind::Undated && line.acd == acd);
        last.is_some_and(|line| self.is_later(line, sequence))
    }

    /// Whether the whole table, or the rows of the one ACD, come from a member with a number above `sequence`. Of several
    /// ACDs one is enough.
    pub(super) fn whole_later(&self, acd: Acd, sequence: u32) -> bool {
        let meets = |line: &&&Range| line.acd.is_none() || acd.is_none() || line.acd == acd;
        let lines = self.lines.iter().rev().filter(|line| line.kind == RangeKind::Whole).filter(meets);
        let mut told: Vec<Acd> = Vec::new();
        for line in lines {
            if told.contains(&line.acd) {
                continue;
            }
            if self.is_later(line, sequence) {
                return true;
            }
            // What was replaced whole after it hides everything before.
            if line.acd.is_none() || line.acd == acd {
                return false;
            }
            told.push(line.acd);
        }
        false
    }

    /// The instants at which ranges of an ACD begin and end.
    pub(super) fn edges(&self) -> impl Iterator<Item = (Acd, Instant)> + '_ {
        let lines = self.lines.iter().filter(|line| matches!(line.kind, RangeKind::Held | RangeKind::Carried));
        lines.flat_map(|line| [(line.acd, line.span.start), (line.acd, line.span.stop)])
    }

    fn is_later(&self, line: &Range, sequence: u32) -> bool {
        line.chain == self.chain && line.sequence > sequence
    }
}

/// The last mark that each instant was given: from each key to the next.
#[derive(Debug, Default)]
struct Last {
    marks: BTreeMap<Instant, bool>,
}

impl Last {
    fn set(&mut self, span: Span, mark: bool) {
        if span.start >= span.stop {
            return;
        }
        let after = self.marks.range(..=span.stop).next_back().is_some_and(|(_, mark)| *mark);
        let inside: Vec<Instant> = self.marks.range(span.start..span.stop).map(|(at, _)| *at).collect();
        for at in inside {
            self.marks.remove(&at);
        }
        self.marks.insert(span.start, mark);
        self.marks.insert(span.stop, after);
    }

    fn spans(&self) -> SpanSet {
        let stops = self.marks.keys().skip(1);
        let spans = self.marks.iter().zip(stops).filter(|((_, mark), _)| **mark);
        SpanSet::from_spans(spans.map(|((start, _), stop)| Span { start: *start, stop: *stop }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHAIN: [u8; 16] = [1; 16];

    fn line(kind: RangeKind, acd: Acd, span: (i64, i64), chain: u8, sequence: u32) -> Range {
        Range {
            run: 1,
            unit: 0,
            table: "hsplit".to_owned(),
            acd,
            kind,
            span: Span { start: Instant(span.0), stop: Instant(span.1) },
            set: [sequence as u8; 16],
            chain: [chain; 16],
            sequence,
        }
    }

    proptest! {
        /// Beside the plain reading: for each instant, go through the lines and remember the last that holds it.
        #[test]
        fn the_last_line_of_each_instant_decides(
            lines in proptest::collection::vec((0i64..40, 1i64..20, 1u8..3, 0u32..4, 1i64..3), 0..12),
            sequence in 0u32..4,
        ) {
            let ranges: Vec<Range> = lines
                .iter()
                .map(|(start, length, chain, sequence, acd)| {
                    line(RangeKind::Held, Some(*acd), (*start, start + length), *chain, *sequence)
                })
                .collect();
            let later = Applied::new(&ranges, "HSPLIT", CHAIN).later(Some(1), sequence);
            for at in -1..62 {
                let holds = |range: &&Range| {
                    range.acd == Some(1) && range.span.start.0 <= at && at < range.span.stop.0
                };
                let last = ranges.iter().rfind(holds);
                let expected = last.is_some_and(|last| last.chain == CHAIN && last.sequence > sequence);
                let moment = Span { start: Instant(at), stop: Instant(at + 1) };
                prop_assert_eq!(later.meets(moment), expected, "at {}", at);
            }
        }
    }

    #[test]
    fn other_tables_and_kinds_are_not_asked() {
        let ranges = [line(RangeKind::Undated, Some(1), (0, 10), 1, 3)];
        let applied = Applied::new(&ranges, "hsplit", CHAIN);
        assert!(applied.later(Some(1), 0).is_empty());
        assert_eq!((applied.undated_later(Some(1), 2), applied.undated_later(Some(1), 3)), (true, false));
        assert!(!applied.undated_later(Some(2), 0));
        assert!(!Applied::new(&ranges, "hagent", CHAIN).undated_later(Some(1), 0));
        assert!(!Applied::new(&ranges, "hsplit", [2; 16]).undated_later(Some(1), 0));
    }

    #[test]
    fn a_whole_table_is_later_if_one_of_its_acds_is() {
        let whole = |acd, sequence| line(RangeKind::Whole, acd, (0, 10), 1, sequence);
        let later = |ranges: &[Range], acd, sequence| Applied::new(ranges, "hsplit", CHAIN).whole_later(acd, sequence);
        assert!(later(&[whole(None, 2)], None, 1) && later(&[whole(None, 2)], Some(1), 1));
        assert!(later(&[whole(Some(1), 2)], None, 1) && !later(&[whole(Some(1), 2)], Some(2), 1));
        // The full one was put in after it, all of it.
        assert!(!later(&[whole(Some(1), 2), whole(None, 1)], None, 1));
        // Of the one ACD only.
        assert!(later(&[whole(None, 2), whole(Some(1), 1)], None, 1));
        assert!(!later(&[whole(None, 2), whole(Some(1), 1)], Some(1), 1));
    }
}
