//! Which of the chunks that were found of a section are taken. What the catalog lists goes before what the index of a volume
//! lists, that before what most copies say; what none of these knows is not taken, and told.

use super::indexes::{Best, Standing, Volumes, best};
use super::parts::{ChunkAt, Proof};
use super::sources::Place;
use crate::base::limits::RECORD_ENTRIES_MAX;
use crate::error::Error;
use crate::format::catalog::ChunkEntry;
use crate::format::chunk::PieceEntry;
use crate::format::section::SectionEndRecord;
use crate::section::rows::SectionTable;
use std::collections::BTreeMap;

/// Proves chunks of which the header was not known when they passed: says what each is.
pub(super) type Prover<'p> = dyn FnMut(&SectionTable, &[Place]) -> Result<Vec<Proof>, Error> + 'p;

/// What is known of a section from outside its chunks.
pub(super) struct Known<'a> {
    pub(super) table: &'a SectionTable,
    pub(super) end: Option<&'a SectionEndRecord>,
    pub(super) entries: Option<&'a [ChunkEntry]>,
    pub(super) volumes: &'a Volumes,
}

/// Chunks that are not taken, counted by what is wrong with them.
#[derive(Default)]
struct Refused {
    strays: u64,
    unlisted: u64,
    wrong: u64,
    rivals: u64,
    displaced: u64,
    beyond: u64,
}

impl Refused {
    fn tell(&self, known: &Known<'_>, conflicts: &mut Vec<String>) {
        let section = format!("section {} (table {})", known.table.number, known.table.bound.schema.name);
        let mut tell = |count: u64, what: &str| {
            if count > 0 {
                conflicts.push(format!("{section}: {count} chunks {what}"));
            }
        };
        tell(self.strays, "that the index of their volume does not list; they are not taken");
        tell(self.unlisted, "that the catalog or the end of the section does not know; they are not taken");
        tell(self.wrong, "with sound checksums whose rows are not those of their directories; they are not taken");
        tell(self.rivals, "are there in different ones of the same number, as often found; none of these is taken");
        tell(self.displaced, "lie across others; they are not taken");
        tell(self.beyond, "lie behind more gaps than a section can tell of; they are not taken");
    }
}

/// The chunks that are taken: those that are proved, one for each number.
///
/// # Errors
/// The prover's.
pub(super) fn choose(
    known: &Known<'_>,
    found: BTreeMap<u64, Vec<ChunkAt>>,
    prover: &mut Prover<'_>,
    conflicts: &mut Vec<String>,
) -> Result<BTreeMap<u64, ChunkAt>, Error> {
    let mut refused = Refused::default();
    let mut left: Vec<(u64, Standing, ChunkAt)> = Vec::new();
    for (number, at) in found.into_iter().flat_map(|(number, rivals)| rivals.into_iter().map(move |at| (number, at))) {
        let standing = known.volumes.standing(&at.claim);
        if standing == Standing::Stray {
            refused.strays = refused.strays.saturating_add(1);
        } else if known.knows(number, &at) {
            left.push((number, standing, at));
        } else {
            refused.unlisted = refused.unlisted.saturating_add(1);
        }
    }
    prove(known, &mut left, prover)?;
    let mut by_number: BTreeMap<u64, Vec<(Standing, ChunkAt)>> = BTreeMap::new();
    for (number, standing, at) in left {
        if at.proof == Proof::Sound {
            by_number.entry(number).or_default().push((standing, at));
        } else {
            refused.wrong = refused.wrong.saturating_add(1);
        }
    }
    let mut taken = BTreeMap::new();
    for (number, rivals) in by_number {
        match best(rivals, |(standing, at)| (*standing == Standing::Listed, at.claim.copies)) {
            Best::One(one) => drop(taken.insert(number, one)),
            Best::Tie => refused.rivals = refused.rivals.saturating_add(1),
            Best::None => {}
        }
    }
    let taken = with_few_gaps(in_order(taken, &mut refused), &mut refused);
    refused.tell(known, conflicts);
    Ok(taken)
}

impl Known<'_> {
    /// Whether what is known of the section knows of such a chunk.
    fn knows(&self, number: u64, at: &ChunkAt) -> bool {
        let stop = at.first_row.saturating_add(u64::from(at.rows));
        if self.end.is_some_and(|end| number >= end.chunks || stop > end.rows) {
            return false;
        }
        let Some(entries) = self.entries else { return true };
        let entry = usize::try_from(number).ok().and_then(|number| entries.get(number));
        entry.is_some_and(|entry| {
            let dated = || at.pieces.iter().filter(|piece| piece.day.is_some());
            let first = dated().map(|piece| piece.first).min().unwrap_or(0);
            let stop = dated().map(|piece| piece.stop).max().unwrap_or(0);
            let place = (at.claim.volume, at.claim.block, at.claim.place.bytes());
            (entry.volume, entry.block, entry.bytes) == place
                && (entry.first_row, entry.rows) == (at.first_row, at.rows)
                && (entry.first, entry.stop) == (first, stop)
        })
    }
}

fn prove(known: &Known<'_>, left: &mut [(u64, Standing, ChunkAt)], prover: &mut Prover<'_>) -> Result<(), Error> {
    let later: Vec<Place> =
        left.iter().filter(|(_, _, at)| at.proof == Proof::Later).map(|(_, _, at)| at.claim.place).collect();
    if later.is_empty() {
        return Ok(());
    }
    let mut proofs = prover(known.table, &later)?.into_iter();
    for (_, _, at) in left.iter_mut().filter(|(_, _, at)| at.proof == Proof::Later) {
        at.proof = proofs.next().unwrap_or(Proof::Wrong);
    }
    Ok(())
}

/// Leaves out what lies across others: those that an index lists stay, and of the rest as many as fit between them.
fn in_order(taken: BTreeMap<u64, (Standing, ChunkAt)>, refused: &mut Refused) -> BTreeMap<u64, ChunkAt> {
    let before = taken.len();
    let row = |at: &ChunkAt| (at.first_row, at.first_row.saturating_add(u64::from(at.rows)));
    let anchors: Vec<(u64, u64, u64)> = taken
        .iter()
        .filter(|(_, (standing, _))| *standing == Standing::Listed)
        .map(|(number, (_, at))| (*number, row(at).0, row(at).1))
        .collect();
    let fits = |number: u64, at: &ChunkAt| {
        let behind = anchors.partition_point(|(anchor, _, _)| *anchor < number);
        let (start, stop) = row(at);
        let above = behind.checked_sub(1).and_then(|above| anchors.get(above));
        above.is_none_or(|(_, _, end)| *end <= start) && anchors.get(behind).is_none_or(|(_, next, _)| stop <= *next)
    };
    let left: Vec<(u64, ChunkAt)> = taken
        .into_iter()
        .filter(|(number, (standing, at))| *standing == Standing::Listed || fits(*number, at))
        .map(|(number, (_, at))| (number, at))
        .collect();
    let longest = longest(&left.iter().map(|(_, at)| row(at)).collect::<Vec<_>>());
    let mut left: Vec<Option<(u64, ChunkAt)>> = left.into_iter().map(Some).collect();
    let taken: BTreeMap<u64, ChunkAt> =
        longest.into_iter().filter_map(|at| left.get_mut(at).and_then(Option::take)).collect();
    refused.displaced = refused.displaced.saturating_add(before.saturating_sub(taken.len()) as u64);
    taken
}

/// A section tells of so many gaps and no more: what lies behind the last of them is left out, so that nothing is put together
/// that does not belong together.
fn with_few_gaps(mut taken: BTreeMap<u64, ChunkAt>, refused: &mut Refused) -> BTreeMap<u64, ChunkAt> {
    let (mut next, mut gaps) = ((0u64, 0u64), 0u32);
    let too_many = taken.iter().find_map(|(number, at)| {
        gaps = gaps.saturating_add(u32::from((*number, at.first_row) != next));
        next = (number.saturating_add(1), at.first_row.saturating_add(u64::from(at.rows)));
        (gaps >= RECORD_ENTRIES_MAX).then_some(*number)
    });
    let beyond = too_many.map(|number| taken.split_off(&number)).unwrap_or_default();
    refused.beyond = beyond.len() as u64;
    taken
}

/// The most spans of which each begins where the one before it ends or later, in the order given.
fn longest(spans: &[(u64, u64)]) -> Vec<usize> {
    // Of the rows of so many spans the one that ends first, and before each span the one that it follows.
    let (mut ends, mut before): (Vec<usize>, Vec<Option<usize>>) = (Vec::new(), Vec::with_capacity(spans.len()));
    let stop = |at: &usize| spans.get(*at).map_or(u64::MAX, |(_, stop)| *stop);
    for (at, (start, end)) in spans.iter().enumerate() {
        let fits = ends.partition_point(|last| stop(last) <= *start);
        before.push(fits.checked_sub(1).and_then(|last| ends.get(last)).copied());
        match ends.get_mut(fits) {
            Some(last) if stop(last) > *end => *last = at,
            Some(_) => {}
            None => ends.push(at),
        }
    }
    let mut at = ends.last().copied();
    let mut chosen = Vec::with_capacity(ends.len());
    while let Some(one) = at {
        chosen.push(one);
        at = before.get(one).copied().flatten();
    }
    chosen.reverse();
    chosen
}

/// Bytes that judging takes for each piece, at most: the piece, sums of its bucket, what is said of it.
pub(super) const PIECES_MAX: u64 = (96 << 20) / (PIECE_BYTES * 5);
const PIECE_BYTES: u64 = size_of::<PieceEntry>() as u64;

#[cfg(test)]
mod tests {
    use super::longest;

    #[test]
    fn one_that_lies_far_away_costs_no_other() {
        assert_eq!(longest(&[(0, 10), (1 << 50, (1 << 50) + 5), (15, 20), (20, 30)]), [0, 2, 3]);
        assert_eq!(longest(&[(0, 10), (5, 12), (10, 20)]), [0, 2]);
        assert_eq!(longest(&[(0, 100), (10, 20), (20, 30)]), [1, 2]);
        assert_eq!(longest(&[]), [] as [usize; 0]);
    }
}
