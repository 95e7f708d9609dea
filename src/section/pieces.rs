//! From rows to the pieces of buckets that a chunk's directory lists. Pure.

use crate::base::time::{Day, Instant, Span};
use crate::column::digest::Digest;
use crate::format::chunk::PieceEntry;
use crate::schema::clock::{RowWhen, When, bucket_day};
use std::collections::{BTreeMap, HashMap};

/// The ACD of a row; `None` where the row names none.
pub type Acd = Option<i64>;

/// Per ACD, the instant up to which the set speaks: a dated row is complete exactly if its span ends at or before it.
/// An ACD that is not listed is complete whatever its rows say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cutoffs(BTreeMap<Acd, Instant>);

impl Cutoffs {
    /// The cutoffs of these ACDs.
    #[must_use]
    pub fn new(cutoffs: impl IntoIterator<Item = (Acd, Instant)>) -> Cutoffs {
        Cutoffs(cutoffs.into_iter().collect())
    }

    /// The cutoffs, ascending by ACD.
    pub fn iter(&self) -> impl Iterator<Item = (Acd, Instant)> + '_ {
        self.0.iter().map(|(acd, cutoff)| (*acd, *cutoff))
    }

    /// The cutoff of an ACD; `None` if the set speaks for all of its rows.
    #[must_use]
    pub fn of(&self, acd: Acd) -> Option<Instant> {
        self.0.get(&acd).copied()
    }

    /// Whether the set speaks for a row.
    #[must_use]
    pub fn complete(&self, acd: Acd, span: Span) -> bool {
        complete(self.of(acd), span)
    }
}

/// The pieces of one chunk, and what its complete rows cover per ACD.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pieces {
    /// In order of first appearance. Piece numbers and `last` are the writer's to fill in.
    pub entries: Vec<PieceEntry>,
    /// Per ACD, the start of the earliest and the end of the latest complete row.
    pub complete: BTreeMap<Acd, Span>,
}

impl Pieces {
    /// How many of them have carried rows.
    #[must_use]
    pub fn carrying(&self) -> usize {
        self.entries.iter().filter(|piece| piece.carried > 0).count()
    }
}

/// Sorts the rows of a batch into buckets. `when` has one entry a row; `hashes` one hash a row.
#[must_use]
pub fn pieces(when: &[RowWhen], hashes: &[u128], cutoffs: &Cutoffs) -> Pieces {
    let mut index: HashMap<(Acd, Option<Day>), usize> = HashMap::new();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut last: Option<((Acd, Option<Day>), usize)> = None;
    for (row, hash) in when.iter().zip(hashes) {
        let day = match row.when {
            When::Dated(span) => Some(bucket_day(span)),
            When::Undated => None,
        };
        let key = (row.acd, day);
        // Neighbours are mostly of one bucket.
        let at = match last {
            Some((same, at)) if same == key => at,
            _ => *index.entry(key).or_insert_with(|| {
                let cutoff = cutoffs.of(row.acd);
                pieces.push(Piece {
                    entry: blank(key),
                    cutoff,
                    covered: None,
                    digest: Digest::default(),
                    carried: Digest::default(),
                });
                pieces.len().saturating_sub(1)
            }),
        };
        last = Some((key, at));
        if let Some(piece) = pieces.get_mut(at) {
            piece.take(row.when, *hash);
        }
    }
    let mut out = Pieces::default();
    for piece in pieces {
        if let Some(span) = piece.covered {
            let covered = out.complete.entry(piece.entry.acd).or_insert(span);
            *covered = covered.hull(span);
        }
        let digest = piece.digest.to_bytes();
        let carried_digest = (piece.entry.carried > 0).then(|| piece.carried.to_bytes());
        out.entries.push(PieceEntry { digest, carried_digest, ..piece.entry });
    }
    out
}

/// A piece in the making.
struct Piece {
    entry: PieceEntry,
    /// Up to when the set speaks for the piece's ACD; `None` if always.
    cutoff: Option<Instant>,
    /// From the start of the earliest to the end of the latest complete row.
    covered: Option<Span>,
    digest: Digest,
    carried: Digest,
}

impl Piece {
    fn take(&mut self, when: When, hash: u128) {
        let complete = match when {
            When::Dated(span) => {
                widen(&mut self.entry, span);
                let complete = complete(self.cutoff, span);
                if complete {
                    self.covered = Some(self.covered.map_or(span, |covered| covered.hull(span)));
                }
                complete
            }
            When::Undated => true,
        };
        if complete {
            self.entry.rows = self.entry.rows.saturating_add(1);
            self.digest.add(hash);
        } else {
            self.entry.carried = self.entry.carried.saturating_add(1);
            self.carried.add(hash);
        }
    }
}

fn complete(cutoff: Option<Instant>, span: Span) -> bool {
    cutoff.is_none_or(|cutoff| span.stop <= cutoff)
}

fn blank((acd, day): (Acd, Option<Day>)) -> PieceEntry {
    PieceEntry {
        acd,
        day,
        piece: 0,
        last: 0,
        rows: 0,
        carried: 0,
        first: 0,
        stop: 0,
        digest: [0; 16],
        carried_digest: None,
    }
}

fn widen(entry: &mut PieceEntry, span: Span) {
    if entry.rows == 0 && entry.carried == 0 {
        (entry.first, entry.stop) = (span.start.0, span.stop.0);
    } else {
        entry.first = entry.first.min(span.start.0);
        entry.stop = entry.stop.max(span.stop.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dated(start: i64, stop: i64) -> RowWhen {
        RowWhen { acd: Some(1), when: When::Dated(Span { start: Instant(start), stop: Instant(stop) }) }
    }

    #[test]
    fn a_row_is_carried_where_it_ends_after_the_cutoff() {
        let cutoffs = Cutoffs::new([(Some(1), Instant(200))]);
        let rows = [dated(100, 200), dated(101, 201), dated(50, 60)];
        let Pieces { entries, complete } = pieces(&rows, &[1, 2, 4], &cutoffs);
        let found: Vec<_> = entries.iter().map(|entry| (entry.rows, entry.carried, entry.digest[0])).collect();
        assert_eq!(found, [(2, 1, 5)]);
        assert_eq!(entries[0].carried_digest, Some(Digest::of(&[2]).to_bytes()));
        assert_eq!(
            complete.into_iter().collect::<Vec<_>>(),
            [(Some(1), Span { start: Instant(50), stop: Instant(200) })]
        );
    }

    #[test]
    fn a_piece_reaches_from_its_earliest_to_its_latest_row() {
        let rows = [dated(100, 200), dated(50, 400), dated(120, 130)];
        let entries = pieces(&rows, &[1, 2, 4], &Cutoffs::default()).entries;
        assert_eq!(entries.iter().map(|entry| (entry.first, entry.stop)).collect::<Vec<_>>(), [(50, 400)]);
    }
}
