//! The first pass: every intact block of every source, sorted by set and place. Rows are decoded and proved while they pass, and
//! let go. What is kept is bounded: where it grows beyond that, sets of which there is nothing but a label or an end go first.

use super::parts::{Proof, SetParts, Taken, Told};
use super::sources::{Place, Sources};
use crate::base::budget::{Budget, Lent};
use crate::base::limits::CHUNK_DECODED_MAX;
use crate::base::monitor::{Monitor, Task};
use crate::base::ordered::ordered_from;
use crate::base::position::Position;
use crate::column::digest::RowHasher;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::error::{Error, ErrorKind};
use crate::format::block::{BlockIdentity, BlockKind, SetId};
use crate::format::chunk::parse_chunk;
use crate::format::label::LabelRecord;
use crate::format::marks::VolumeEndRecord;
use crate::format::record::{decode_record, read_records};
use crate::format::section::{SectionEndRecord, SectionRecord};
use crate::section::rows::{RowsError, SectionTable};
use crate::volume::finder::{Finder, FoundBlock, Sifted};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most bytes that the places of blocks and the directories of chunks may take. Honest volumes of some hundred gigabytes stay
/// far below.
const KEPT_BYTES_MAX: u64 = 80 << 20;

/// Bytes of a set of which one block was found.
const SET_BYTES: u64 = 600;

/// Bytes of the blocks that are on their way at a time, and of rows decoded at a time: with what is kept less than what
/// SECURITY.md promises.
pub(super) const ON_THE_WAY: u64 = 40 << 20;

/// Most bytes of the tables with which chunks are proved while they pass; those of other tables are proved later.
const TABLES_BYTES_MAX: usize = 12 << 20;

/// What proving takes: memory for decoded rows, lent to one chunk after the other.
pub(super) struct Prover {
    decoded: Budget,
}

impl Prover {
    pub(super) const fn new() -> Prover {
        Prover { decoded: Budget::new(CHUNK_DECODED_MAX) }
    }

    /// Whether the rows of a chunk are those of its directory, as rows of this table.
    pub(super) fn prove(&self, table: Option<&SectionTable>, payload: &[u8]) -> Proof {
        let (Some(table), Ok(view)) = (table, parse_chunk(payload)) else { return Proof::Wrong };
        let decoded =
            view.directory.columns.iter().map(|column| u64::from(column.decoded)).fold(0, u64::saturating_add);
        drop(view);
        let _lent = self.decoded.take(decoded);
        match table.prove(&mut RowHasher::default(), payload, Position::UNKNOWN) {
            // Where the rules of a time zone are not at hand nothing speaks against the rows.
            Ok(_) | Err(RowsError::Clock(_)) => Proof::Sound,
            Err(_) => Proof::Wrong,
        }
    }
}

/// What was found in all.
#[derive(Debug, Default)]
pub(super) struct Heap {
    pub(super) sets: BTreeMap<SetId, SetParts>,
    /// Name, bytes, and what these were, of each source with a block in it.
    pub(super) sources: Vec<(String, u64, Sifted)>,
    /// How many others there were, their bytes, and what these were.
    pub(super) others: (u64, u64, Sifted),
    /// Why sources could not be opened.
    pub(super) unopened: Vec<(String, String)>,
    /// How many more could not be opened than are listed.
    pub(super) more_unopened: u64,
    /// Whether some could not since whoever asks is not allowed to.
    pub(super) refused: bool,
    /// Blocks that were let go because there were too many.
    pub(super) let_go: u64,
    kept: u64,
    full: bool,
}

/// Sources that could not be opened, at most listed.
const UNOPENED_MAX: usize = 1_000;

/// A section's table, as chunks that follow are proved with it.
type Met = Arc<Option<SectionTable>>;

/// A block on its way.
struct Item<'b> {
    source: u32,
    block: FoundBlock,
    met: Option<Met>,
    _lent: Lent<'b>,
}

/// Looks through all sources. `only`: sets whose id begins with these digits.
///
/// # Errors
/// Somebody asked to stop.
pub(super) fn collect(
    sources: &Sources<'_>,
    only: Option<&str>,
    jobs: usize,
    monitor: &dyn Monitor,
) -> Result<Heap, Error> {
    let mut heap = Heap::default();
    let (budget, prover) = (Budget::new(ON_THE_WAY), Prover::new());
    let mut walk =
        Walk { sources, next: 0, open: None, only, met: BTreeMap::new(), met_bytes: 0, done: Done::default() };
    let result = {
        let (walk, heap) = (&mut walk, &mut heap);
        ordered_from(
            jobs.max(1),
            2,
            || walk.step(&budget, monitor),
            |_, item, emit| {
                let told = tell(&prover, &item);
                let place = Place::of(item.source, &item.block);
                let identity = item.block.header.identity;
                // The block is let go before anybody waits for the turn of what was made of it.
                drop(item);
                emit((identity, place, told));
                Ok(())
            },
            |(identity, place, told)| {
                monitor.advance(Task::Verify, rows_of(&told), u64::from(place.bytes()));
                heap.take(identity, place, told);
                Ok(())
            },
        )
    };
    let Done { sources, others, unopened, more_unopened, refused } = walk.done;
    result.map(|()| Heap { sources, others, unopened, more_unopened, refused, ..heap })
}

const fn rows_of(told: &Told) -> u64 {
    match told {
        Told::Chunk { rows, .. } => *rows as u64,
        _ => 0,
    }
}

/// Sources that were looked through.
#[derive(Default)]
struct Done {
    sources: Vec<(String, u64, Sifted)>,
    others: (u64, u64, Sifted),
    unopened: Vec<(String, String)>,
    more_unopened: u64,
    refused: bool,
}

impl Done {
    fn add(&mut self, name: impl FnOnce() -> String, sifted: Sifted) {
        let bytes = [sifted.intact, sifted.other, sifted.zeros, sifted.unread].iter().sum();
        if sifted.intact > 0 || sifted.unread > 0 {
            self.sources.push((name(), bytes, sifted));
            return;
        }
        let (count, sum, all) = &mut self.others;
        (*count, *sum) = (count.saturating_add(1), sum.saturating_add(bytes));
        all.other = all.other.saturating_add(sifted.other);
        all.zeros = all.zeros.saturating_add(sifted.zeros);
    }

    fn unopened(&mut self, name: impl FnOnce() -> String, why: DeviceError) {
        self.refused |= matches!(why.kind, DeviceErrorKind::NotPermitted);
        if self.unopened.len() < UNOPENED_MAX {
            self.unopened.push((name(), why.to_string()));
        } else {
            self.more_unopened = self.more_unopened.saturating_add(1);
        }
    }
}

/// The walk over the sources, one block at a time.
struct Walk<'a> {
    sources: &'a Sources<'a>,
    next: u32,
    open: Option<(u32, Finder)>,
    only: Option<&'a str>,
    met: BTreeMap<(SetId, u32), Met>,
    met_bytes: usize,
    done: Done,
}

impl Walk<'_> {
    fn step<'b>(&mut self, budget: &'b Budget, monitor: &dyn Monitor) -> Result<Option<Item<'b>>, Error> {
        loop {
            if monitor.cancelled() {
                return Err(ErrorKind::Cancelled.into());
            }
            let Some((source, finder)) = &mut self.open else {
                if self.next >= self.sources.count() {
                    return Ok(None);
                }
                let number = self.next;
                self.next = number.saturating_add(1);
                match self.sources.open(number) {
                    Ok(opened) => self.open = Some((number, Finder::new(opened))),
                    Err(error) => self.done.unopened(|| self.sources.name(number), error),
                }
                continue;
            };
            let source = *source;
            let Some(block) = finder.next() else {
                self.done.add(|| self.sources.name(source), finder.sifted());
                self.open = None;
                continue;
            };
            let identity = block.header.identity;
            if self.only.is_some_and(|only| !identity.set.to_string().starts_with(only)) {
                continue;
            }
            self.meet(&block);
            let key = (identity.set, identity.section);
            let met = (block.header.kind == BlockKind::Chunk).then(|| self.met.get(&key).cloned()).flatten();
            let lent = budget.take(block.bytes.len() as u64);
            return Ok(Some(Item { source, block, met, _lent: lent }));
        }
    }

    /// Remembers the table of a section, if there is room.
    fn meet(&mut self, block: &FoundBlock) {
        let identity = block.header.identity;
        let key = (identity.set, identity.section);
        if block.header.kind != BlockKind::SectionHeader || self.met.contains_key(&key) {
            return;
        }
        let Ok(header) = decode_record::<SectionRecord>(block.payload()) else { return };
        let bytes = header.columns.len().saturating_mul(300).saturating_add(block.bytes.len().saturating_mul(2));
        let sum = self.met_bytes.saturating_add(bytes);
        if sum <= TABLES_BYTES_MAX {
            self.met_bytes = sum;
            self.met.insert(key, Arc::new(SectionTable::new(identity.section, &header).ok()));
        }
    }
}

/// What a block says.
fn tell(prover: &Prover, item: &Item<'_>) -> Told {
    let (header, payload) = (&item.block.header, item.block.payload());
    // Records may take several times as much when they are read.
    let _lent =
        (header.kind != BlockKind::Chunk).then(|| prover.decoded.take((payload.len() as u64).saturating_mul(4)));
    let usable = match header.kind {
        BlockKind::Label => decode_record::<LabelRecord>(payload).is_ok_and(|label| label.check_block(header).is_ok()),
        BlockKind::SectionHeader => decode_record::<SectionRecord>(payload).is_ok(),
        BlockKind::Chunk => return chunk(prover, item.met.as_ref(), payload),
        BlockKind::SectionEnd => decode_record::<SectionEndRecord>(payload).is_ok(),
        BlockKind::Catalog | BlockKind::VolumeIndex => read_records(payload).is_ok(),
        BlockKind::VolumeEnd => decode_record::<VolumeEndRecord>(payload).is_ok(),
        BlockKind::Optional(_) => return Told::Other,
    };
    if usable { Told::Record(header.kind) } else { Told::Unusable }
}

fn chunk(prover: &Prover, met: Option<&Met>, payload: &[u8]) -> Told {
    let proof = met.map_or(Proof::Later, |table| prover.prove(table.as_ref().as_ref(), payload));
    let Ok(view) = parse_chunk(payload) else { return Told::Unusable };
    let directory = view.directory;
    Told::Chunk {
        number: directory.chunk,
        first_row: directory.first_row,
        rows: directory.rows,
        pieces: directory.pieces.into_boxed_slice(),
        proof,
    }
}

impl Heap {
    fn take(&mut self, identity: BlockIdentity, place: Place, told: Told) {
        let known = self.sets.contains_key(&identity.set);
        if matches!(told, Told::Other | Told::Unusable) && !known {
            return;
        }
        if self.full {
            self.let_go = self.let_go.saturating_add(1);
            return;
        }
        let set = self.sets.entry(identity.set).or_default();
        match set.take(identity, place, told) {
            Taken::New(bytes) => {
                set.blocks = set.blocks.saturating_add(1);
                set.bytes = set.bytes.saturating_add(u64::from(place.bytes()));
                let own = if known { 0 } else { SET_BYTES };
                self.kept = self.kept.saturating_add(bytes).saturating_add(own);
            }
            Taken::Copy => set.copies = set.copies.saturating_add(1),
            Taken::Unusable => set.unusable = set.unusable.saturating_add(1),
        }
        if self.kept > KEPT_BYTES_MAX {
            self.make_room();
        }
    }

    /// Lets go of sets of which nothing can be made. If that does not help nothing is taken any more.
    fn make_room(&mut self) {
        let before = self.kept;
        let (mut gone, mut bytes) = (0u64, 0u64);
        self.sets.retain(|_, set| {
            let stays = set.has_substance();
            if !stays {
                gone = gone.saturating_add(set.blocks);
                bytes = bytes.saturating_add(SET_BYTES).saturating_add(set.blocks.saturating_mul(144));
            }
            stays
        });
        self.let_go = self.let_go.saturating_add(gone);
        self.kept = self.kept.saturating_sub(bytes);
        self.full = bytes < before / 8;
    }
}
