//! Gathers what the range engine asks for: the rows of volumes and target, counted by ACD and span.

use crate::base::time::Span;
use crate::schema::clock::{RowWhen, When};
use crate::schema::range::{Side, Slot};
use crate::section::pieces::Acd;
use std::collections::{BTreeMap, HashMap};

/// Counts rows by ACD and span. Memory grows with the number of distinct spans: few for intervals, as many
/// as rows for events stamped to the second.
#[derive(Debug, Default)]
pub(super) struct Sides {
    slots: HashMap<(Acd, Span), u64>,
    undated: BTreeMap<Acd, u64>,
    /// The span counted last and its count, kept out of the map: rows of one span mostly come together.
    run: Option<((Acd, Span), u64)>,
}

impl Sides {
    /// Counts some rows.
    pub(super) fn add(&mut self, when: &[RowWhen]) {
        for row in when {
            match row.when {
                When::Dated(span) => self.count((row.acd, span)),
                When::Undated => {
                    let count = self.undated.entry(row.acd).or_default();
                    *count = count.saturating_add(1);
                }
            }
        }
    }

    fn count(&mut self, key: (Acd, Span)) {
        match &mut self.run {
            Some((same, rows)) if *same == key => *rows = rows.saturating_add(1),
            _ => {
                self.flush();
                self.run = Some((key, 1));
            }
        }
    }

    fn flush(&mut self) {
        if let Some((key, rows)) = self.run.take() {
            let count = self.slots.entry(key).or_default();
            *count = count.saturating_add(rows);
        }
    }

    /// The sides, by ACD.
    pub(super) fn finish(mut self) -> BTreeMap<Acd, Side> {
        self.flush();
        let mut by_acd: BTreeMap<Acd, Vec<Slot>> = BTreeMap::new();
        for ((acd, span), rows) in self.slots {
            by_acd.entry(acd).or_default().push(Slot { span, rows });
        }
        for acd in self.undated.keys() {
            by_acd.entry(*acd).or_default();
        }
        let undated = self.undated;
        let side = |(acd, slots)| (acd, Side::new(slots, undated.get(&acd).copied().unwrap_or(0)));
        by_acd.into_iter().map(side).collect()
    }
}
