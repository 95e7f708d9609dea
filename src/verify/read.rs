//! Reads volumes in one pass, in parallel. Where a volume's index can be read it is cut into spans of blocks, which are read
//! and judged side by side; the index only says where to cut: a span counts if it is exactly the sound blocks that a scan would
//! find there, one after the other, and where one is not, a scan goes on from its beginning until it meets a cut again. A volume
//! without index, or on a medium that is read from its beginning to its end, is scanned by one and judged by all.

use super::judge::{Fact, Judge};
use super::media::{Ending, Pass, Passed, ending};
use crate::base::budget::Lent;
use crate::base::checksum::blake3;
use crate::base::limits::BLOCK_PAYLOAD_MAX;
use crate::base::monitor::{Monitor, Task};
use crate::base::ordered::ordered_from;
use crate::column::digest::RowHasher;
use crate::format::block::{BlockHeader, BlockKind};
use crate::format::catalog::BlockEntry;
use crate::format::record::decode_record;
use crate::volume::error::VolumeError;
use crate::volume::reader::Blocks;
use crate::volume::scanner::{DamagedExtent, ScanItem, ScanPoint, ScannedBlock, Scanner};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that are read at a time, unless a block is larger.
const SPAN: u64 = if cfg!(test) { 4 << 10 } else { 2 << 20 };
/// More threads than these gain nothing and need memory.
const WORKERS: usize = 16;

/// Who takes what was met, in order.
pub(super) trait Taker {
    /// A block of the volume that is being read.
    fn block(&mut self, pass: &mut Pass, fact: Fact);
    /// A volume was read.
    fn volume(&mut self, passed: Passed);
    /// A volume cannot be opened.
    fn unopened(&mut self, number: u32, name: &str, error: VolumeError);
}

/// How volumes are read.
pub(super) struct Reader<'r> {
    pub(super) judge: &'r Judge,
    pub(super) jobs: usize,
    pub(super) task: Task,
    pub(super) monitor: &'r dyn Monitor,
}

/// Some blocks of a volume, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: u64,
    until: u64,
    /// Number of its first block.
    first: u64,
    /// Number of the block behind it.
    next: u64,
}

impl Span {
    const fn start(&self) -> ScanPoint {
        ScanPoint::block(self.from, self.first)
    }
}

/// A volume that is open.
struct Reading {
    blocks: Blocks,
    spans: Vec<Span>,
    ending: Ending,
}

/// What a worker keeps from one item to the next.
#[derive(Default)]
struct Hand {
    hasher: RowHasher,
    bytes: Vec<u8>,
}

enum Item {
    Unopened(u32, String, VolumeError),
    Begin(Arc<Reading>),
    Span(Arc<Reading>, Span),
    /// Whether somebody asked to stop.
    End(Arc<Reading>, bool),
}

enum Outcome {
    Unopened(u32, String, VolumeError),
    Begin(Arc<Reading>),
    /// Its blocks, if they are sound, one after the other.
    Span(Arc<Reading>, Span, Option<Vec<Fact>>),
    End(Arc<Reading>, bool),
}

/// What a scan met.
enum Scanned<'b> {
    Block(ScannedBlock, Lent<'b>),
    /// Damage, and of how many of its bytes was told while they were searched.
    Damaged(DamagedExtent, u64),
}

/// What was made of it.
enum Scan {
    Block(Fact, u64),
    Damaged(DamagedExtent, u64),
}

/// Opens a copy of a volume by number and name.
pub(super) type Open<'o> = dyn Fn(u32, &str) -> Result<Blocks, VolumeError> + Sync + 'o;

impl Reader<'_> {
    /// Reads these copies of volumes, several at a time. Stops between blocks if somebody asks for it.
    pub(super) fn volumes(&self, copies: Vec<(u32, String)>, open: &Open<'_>, taker: &mut dyn Taker) {
        let mut source = Source { reader: self, open, left: copies.into_iter(), at: None, odd: Vec::new() };
        let mut state: Option<State> = None;
        let hands = self.hands();
        let done: Result<(), Infallible> = ordered_from(
            hands.len(),
            1,
            || Ok(source.next()),
            |worker, item, emit| {
                emit(match item {
                    Item::Unopened(number, name, error) => Outcome::Unopened(number, name, error),
                    Item::Begin(volume) => Outcome::Begin(volume),
                    Item::End(volume, stopped) => Outcome::End(volume, stopped),
                    Item::Span(volume, span) => {
                        let lent = self.judge.reading.take(span.until.saturating_sub(span.from));
                        let facts = with(&hands, worker, |hand| {
                            let facts = self.walk(hand, &volume.blocks, span);
                            // A large block leaves no large buffer behind.
                            if hand.bytes.capacity() as u64 > SPAN.saturating_mul(2) {
                                hand.bytes = Vec::new();
                            }
                            facts
                        })
                        .flatten();
                        drop(lent);
                        Outcome::Span(volume, span, facts)
                    }
                });
                Ok(())
            },
            |outcome| {
                self.take(outcome, &mut state, taker);
                Ok(())
            },
        );
        let Ok(()) = done;
        self.one_by_one(std::mem::take(&mut source.odd), open, taker);
    }

    /// Reads these copies of volumes one after the other, each from its first byte to its last.
    pub(super) fn one_by_one(&self, copies: Vec<(u32, String)>, open: &Open<'_>, taker: &mut dyn Taker) {
        for (number, name) in copies {
            if self.monitor.cancelled() {
                return;
            }
            match open(number, &name) {
                Ok(blocks) => self.scan(&blocks, taker),
                Err(error) => taker.unopened(number, &name, error),
            }
        }
    }

    /// One for each worker.
    fn hands(&self) -> Vec<Mutex<Hand>> {
        (0..self.workers()).map(|_| Mutex::default()).collect()
    }

    pub(super) fn workers(&self) -> usize {
        self.jobs.clamp(1, WORKERS)
    }

    /// The blocks of a span, if they are sound and nothing else stands between them.
    fn walk(&self, hand: &mut Hand, volume: &Blocks, span: Span) -> Option<Vec<Fact>> {
        let (set, number) = volume.identity();
        let Hand { hasher, bytes } = hand;
        bytes.resize(usize::try_from(span.until.checked_sub(span.from)?).ok()?, 0);
        volume.source().read_at(span.from, bytes).ok()?;
        let (mut facts, mut left, mut at, mut next) = (Vec::new(), bytes.as_slice(), span.from, span.first);
        while !left.is_empty() {
            let header = BlockHeader::parse(left).ok()?;
            header.expect(set, number, next).ok()?;
            let (block, behind) = left.split_at_checked(header.block_len())?;
            let payload = header.payload(block).ok()?;
            facts.push(self.judge.block(hasher, at, header, payload, blake3(block)));
            at = at.saturating_add(block.len() as u64);
            next = next.checked_add(1)?;
            left = behind;
        }
        (next == span.next).then_some(facts)
    }

    fn take(&self, outcome: Outcome, state: &mut Option<State>, taker: &mut dyn Taker) {
        match outcome {
            Outcome::Unopened(number, name, error) => taker.unopened(number, &name, error),
            Outcome::Begin(volume) => {
                *state = Some(State { pass: Pass::new(&volume.blocks), point: ScanPoint::block(0, 0) });
            }
            Outcome::Span(volume, span, facts) => {
                let Some(state) = state.as_mut().filter(|state| state.point == span.start()) else { return };
                match facts {
                    Some(facts) => {
                        facts.into_iter().for_each(|fact| taker.block(&mut state.pass, fact));
                        self.monitor.advance(self.task, 0, span.until.saturating_sub(span.from));
                        state.point = ScanPoint::block(span.until, span.next);
                    }
                    None => self.mend(&volume, state, taker),
                }
            }
            Outcome::End(volume, stopped) => {
                let Some(mut state) = state.take() else { return };
                if !stopped && state.point.at() < volume.blocks.source().len() {
                    // Where spans end before the volume does.
                    self.mend(&volume, &mut state, taker);
                }
                // Nobody else has it any more.
                let ending =
                    Arc::try_unwrap(volume).map_or_else(|volume| ending(&volume.blocks), |volume| volume.ending);
                taker.volume(state.pass.end(ending, stopped || self.monitor.cancelled()));
            }
        }
    }

    /// Scans from where the pass is to the next place where a span begins, or to the end of the volume.
    fn mend(&self, volume: &Reading, state: &mut State, taker: &mut dyn Taker) {
        let (mut hasher, blocks) = (RowHasher::default(), &volume.blocks);
        let searched = AtomicU64::new(0);
        let searching = |bytes| self.searched(bytes, &searched);
        let scanner = Scanner::new(blocks.source(), blocks.name(), Some(blocks.identity()));
        let mut scanner = scanner.with_hashes().searching(&searching).starting(state.point);
        let begin = state.point;
        while let Some(item) = scanner.next() {
            match item {
                ScanItem::Block(block) => {
                    let (fact, bytes) = self.judged(&mut hasher, &block);
                    self.monitor.advance(self.task, 0, bytes);
                    taker.block(&mut state.pass, fact);
                }
                ScanItem::Damaged(extent) => {
                    let told = searched.swap(0, Ordering::Relaxed);
                    self.monitor.advance(self.task, 0, extent.len.saturating_sub(told));
                    state.pass.damaged(&extent);
                }
            }
            let Some(point) = scanner.point() else { continue };
            state.point = point;
            let place = volume.spans.binary_search_by_key(&point.at(), |span| span.from).ok();
            let meets = place.and_then(|place| volume.spans.get(place)).is_some_and(|span| span.start() == point);
            if (meets && point != begin) || self.monitor.cancelled() {
                return;
            }
        }
    }

    /// Tells of bytes in which a scan found nothing, and says whether it is to go on: damage may be as long as a volume.
    fn searched(&self, bytes: u64, told: &AtomicU64) -> bool {
        self.monitor.advance(self.task, 0, bytes);
        told.fetch_add(bytes, Ordering::Relaxed);
        !self.monitor.cancelled()
    }

    fn judged(&self, hasher: &mut RowHasher, block: &ScannedBlock) -> (Fact, u64) {
        let hash = block.hash.unwrap_or_default();
        let fact = self.judge.block(hasher, block.offset, block.header, &block.payload, hash);
        let bytes = u64::from(fact.entry.bytes);
        (fact, bytes)
    }

    /// Reads a volume from its first byte to its last, each only once and one after the other; the blocks are judged side by
    /// side. Needs no index.
    pub(super) fn scan(&self, volume: &Blocks, taker: &mut dyn Taker) {
        let searched = AtomicU64::new(0);
        let searching = |bytes| self.searched(bytes, &searched);
        let scanner = Scanner::new(volume.source(), volume.name(), Some(volume.identity()));
        let mut scanner = scanner.with_hashes().searching(&searching);
        let (hands, mut pass) = (self.hands(), Pass::new(volume));
        let done: Result<(), Infallible> = ordered_from(
            hands.len(),
            1,
            || {
                let item = if self.monitor.cancelled() { None } else { scanner.next() };
                Ok(item.map(|item| match item {
                    ScanItem::Damaged(extent) => {
                        let told = searched.swap(0, Ordering::Relaxed);
                        Scanned::Damaged(extent, told)
                    }
                    ScanItem::Block(block) => {
                        self.learn(&block);
                        let lent = self.judge.reading.take(block.payload.len() as u64);
                        Scanned::Block(block, lent)
                    }
                }))
            },
            |worker, item, emit| {
                match item {
                    Scanned::Damaged(extent, told) => emit(Scan::Damaged(extent, told)),
                    Scanned::Block(block, lent) => {
                        let judged = with(&hands, worker, |hand| self.judged(&mut hand.hasher, &block));
                        drop((block, lent));
                        judged.is_some_and(|(fact, bytes)| emit(Scan::Block(fact, bytes)))
                    }
                };
                Ok(())
            },
            |met| {
                match met {
                    Scan::Block(fact, bytes) => {
                        self.monitor.advance(self.task, 0, bytes);
                        taker.block(&mut pass, fact);
                    }
                    Scan::Damaged(extent, told) => {
                        self.monitor.advance(self.task, 0, extent.len.saturating_sub(told));
                        pass.damaged(&extent);
                    }
                }
                Ok(())
            },
        );
        let Ok(()) = done;
        let stopped = scanner.point().is_none_or(|point| point.at() < volume.source().len());
        let ending = if stopped { None } else { ending(volume) };
        taker.volume(pass.end(ending, stopped));
    }

    /// Learns from the header of a section how its chunks are read, before any of them is given to a worker.
    fn learn(&self, block: &ScannedBlock) {
        if block.header.kind == BlockKind::SectionHeader
            && let Ok(header) = decode_record(&block.payload)
        {
            self.judge.tables.learn(block.header.identity.section, &header);
        }
    }
}

/// How far the pass over a volume is.
struct State {
    pass: Pass,
    point: ScanPoint,
}

fn with<T>(hands: &[Mutex<Hand>], worker: usize, work: impl FnOnce(&mut Hand) -> T) -> Option<T> {
    // What a panic leaves in a hand is overwritten before it is read.
    hands.get(worker).map(|hand| work(&mut hand.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// Gives what is to be read, volume by volume.
struct Source<'s, 'r> {
    reader: &'s Reader<'r>,
    open: &'s Open<'s>,
    left: std::vec::IntoIter<(u32, String)>,
    /// The volume that is being read, and how many of its spans were given.
    at: Option<(Arc<Reading>, usize)>,
    /// Volumes that cannot be cut into spans.
    odd: Vec<(u32, String)>,
}

impl Source<'_, '_> {
    fn next(&mut self) -> Option<Item> {
        let stopped = self.reader.monitor.cancelled();
        let Some((reading, given)) = self.at.take() else { return if stopped { None } else { self.begin() } };
        match reading.spans.get(given).filter(|_| !stopped) {
            Some(span) => {
                let span = *span;
                self.at = Some((Arc::clone(&reading), given.saturating_add(1)));
                Some(Item::Span(reading, span))
            }
            None => Some(Item::End(reading, stopped)),
        }
    }

    fn begin(&mut self) -> Option<Item> {
        loop {
            let (number, name) = self.left.next()?;
            match (self.open)(number, &name) {
                Err(error) => return Some(Item::Unopened(number, name, error)),
                Ok(blocks) => {
                    let ending = ending(&blocks);
                    let spans = spans(&blocks, &ending, &|section| self.reader.judge.tables.has(section));
                    let Some(spans) = spans else {
                        self.odd.push((number, name));
                        continue;
                    };
                    let reading = Arc::new(Reading { blocks, spans, ending });
                    self.at = Some((Arc::clone(&reading), 0));
                    return Some(Item::Begin(reading));
                }
            }
        }
    }
}

/// Cuts a volume into spans; `None` where it cannot be: it has no index, or a section of which nobody knows yet what its rows
/// are.
fn spans(volume: &Blocks, ending: &Ending, known: &dyn Fn(u32) -> bool) -> Option<Vec<Span>> {
    let Some((end, Ok(index))) = ending else { return None };
    let (mut spans, mut at) = (Vec::new(), 0u64);
    let mut open: Option<Span> = None;
    for (number, entry) in (0u64..).zip(&index.blocks) {
        let BlockEntry { kind, section, offset, bytes, .. } = *entry;
        let fits = offset == at && bytes > 0 && (kind != BlockKind::Chunk.id() || known(section));
        at = offset.checked_add(u64::from(bytes)).filter(|_| fits)?;
        let next = number.checked_add(1)?;
        let span = Span { until: at, next, ..open.unwrap_or(Span { from: offset, until: at, first: number, next }) };
        open = Some(span).filter(|span| at.saturating_sub(span.from) < SPAN);
        if open.is_none() {
            spans.push(span);
        }
    }
    // The index itself and the end mark.
    let (len, next) = (volume.source().len(), end.blocks.checked_add(1)?);
    if at != end.index_offset || at >= len {
        return None;
    }
    let first = index.blocks.len() as u64;
    spans.extend(open);
    // What is longer than any block is scanned.
    if len.saturating_sub(at) <= u64::from(BLOCK_PAYLOAD_MAX) {
        spans.push(Span { from: at, until: len, first, next });
    }
    Some(spans)
}
