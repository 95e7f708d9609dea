//! What was proved of one section, and whether it is what the catalog or the section's own marks say.

use super::cost::Cost;
use super::finding::{Finding, Level};
use super::media::{PLACES_TOLD, further as further_blocks};
use super::proof::{Around, SetProved};
use super::verified::{END_WANTED, UNFINISHED, Verified};
use crate::base::position::Position;
use crate::base::time::{Instant, Span, civil_of_day};
use crate::format::catalog::{BlockEntry, BucketEntry, CatalogSectionRecord, ChunkEntry};
use crate::format::chunk::PieceEntry;
use crate::format::section::{SectionEndRecord, SectionRecord};
use crate::schema::range::SpanSet;
use crate::volume::catalog::CatalogSection;
use crate::volume::section::SectionView;
use crate::volume::summary::{BucketKey, BucketTable, first_header};
use std::collections::{BTreeMap, BTreeSet};

/// A section as the catalog lists it.
pub(super) struct Known {
    pub(super) number: u32,
    pub(super) header: SectionRecord,
    end: Option<SectionEndRecord>,
    pub(super) chunks: Vec<ChunkEntry>,
    pub(super) buckets: Vec<BucketEntry>,
    /// Bytes of its blocks on all volumes.
    bytes: u64,
}

impl Known {
    pub(super) fn of_view(view: &SectionView) -> Known {
        Known {
            number: view.number,
            header: view.header.clone(),
            end: view.end.clone(),
            chunks: view.chunks.iter().map(|chunk| chunk.entry).collect(),
            buckets: view.buckets.clone(),
            bytes: view.bytes,
        }
    }

    pub(super) fn of_catalog(CatalogSection { record, chunks, buckets }: CatalogSection) -> Known {
        let CatalogSectionRecord { section, header, end, bytes, .. } = record;
        Known { number: section, header, end: Some(end), chunks, buckets, bytes }
    }
}

/// Numbers of the volumes that were read.
#[derive(Default)]
pub(super) struct Seen {
    /// Those of which every byte was judged: what is not met there is not there.
    pub(super) read: BTreeSet<u32>,
    /// Those of which a sound index was read, and a part of the blocks that it lists.
    pub(super) surveyed: BTreeSet<u32>,
    /// Whether all volumes of the set were read from their first byte to their last, and none is damaged.
    pub(super) all_sound: bool,
}

/// What was proved of a section.
#[derive(Default)]
pub(super) struct SectionProof {
    header: Option<SectionRecord>,
    /// A volume on which it is another one.
    unlike: Option<u32>,
    /// By volume the first chunk and row that the header there names.
    starts: BTreeMap<u32, (u64, u64)>,
    end: Option<SectionEndRecord>,
    /// Bytes of its headers and end marks, by volume and block.
    marks: BTreeMap<(u32, u64), u32>,
    /// Chunks that are proved, by number, volume and block.
    chunks: BTreeMap<(u64, u32, u64), ChunkEntry>,
    /// Chunks of which the bytes are sound and the rows were not looked at, by volume and block: offset and bytes.
    unread: BTreeMap<(u32, u64), (u64, u32)>,
    /// What the indexes of volumes list that were not read whole, as `unread`.
    indexed: BTreeMap<(u32, u64), (u64, u32)>,
    /// Why others are not, by volume and block.
    bad: BTreeMap<(u32, u64), Finding>,
    /// Further ones of which it is not told why, by volume and block.
    further: BTreeSet<(u32, u64)>,
    /// Chunks of which a finding about bytes says what they cost.
    pub(super) charged: BTreeSet<(u32, u64)>,
    numbers: u64,
    buckets: BucketTable,
    rows: u64,
}

impl SectionProof {
    pub(super) fn first(&self) -> Option<Finding> {
        self.bad.values().next().cloned()
    }

    /// Whether it is known what its rows are.
    pub(super) const fn has_header(&self) -> bool {
        self.header.is_some()
    }

    /// Volumes on which a block is not what it should be.
    pub(super) fn bad_volumes(&self) -> impl Iterator<Item = u32> + '_ {
        self.bad.keys().chain(&self.further).map(|(volume, _)| *volume)
    }

    pub(super) fn header(&mut self, place: (u32, u64), bytes: u32, header: &SectionRecord) {
        let (volume, _) = place;
        self.marks.insert(place, bytes);
        // A section that goes on over volumes begins again on each.
        self.starts.entry(volume).or_insert((header.first_chunk, header.first_row));
        let first = first_header(header);
        if *self.header.get_or_insert_with(|| first.clone()) != first {
            self.unlike.get_or_insert(volume);
        }
    }

    pub(super) fn end(&mut self, place: (u32, u64), bytes: u32, end: SectionEndRecord) {
        self.marks.insert(place, bytes);
        self.end.get_or_insert(end);
    }

    /// Takes a block that is not what it should be; why is kept if it is to be told. Whether it is one more to be told of.
    pub(super) fn bad(&mut self, place: (u32, u64), finding: Finding, tell: bool) -> bool {
        if !tell && !self.bad.contains_key(&place) {
            self.further.insert(place);
            return false;
        }
        self.bad.insert(place, finding).is_none()
    }

    pub(super) fn sound(&mut self, place: (u32, u64), block: &BlockEntry) {
        self.unread.insert(place, (block.offset, block.bytes));
    }

    /// Takes what an index lists; nothing of it was read.
    pub(super) fn indexed(&mut self, place: (u32, u64), block: &BlockEntry) {
        self.indexed.insert(place, (block.offset, block.bytes));
    }

    pub(super) fn chunk(&mut self, number: u64, entry: ChunkEntry, pieces: &[PieceEntry]) {
        let new = self.chunks.range((number, 0, 0)..=(number, u32::MAX, u64::MAX)).next().is_none();
        self.chunks.insert((number, entry.volume, entry.block), entry);
        // A chunk that stands on two volumes counts once.
        if new {
            pieces.iter().for_each(|piece| self.buckets.add(piece));
            self.rows = self.rows.saturating_add(u64::from(entry.rows));
            self.numbers = self.numbers.saturating_add(1);
        }
    }

    /// Whether a chunk that the catalog lists was met as it is listed.
    pub(super) fn has(&self, number: u64, entry: &ChunkEntry) -> bool {
        let place = (entry.volume, entry.block);
        self.chunks.get(&(number, entry.volume, entry.block)) == Some(entry)
            || self.unread.get(&place) == Some(&(entry.offset, entry.bytes))
    }

    /// Holds a section against what the catalog lists.
    pub(super) fn listed(mut self, known: Known, seen: &Seen, around: Around, proved: &mut SetProved) {
        let name = known.header.table.clone();
        let at = Position::UNKNOWN.with_section(known.number);
        let findings = &mut proved.verified.findings;
        self.marks(&known, findings);
        if around.full {
            let odd = of_full(at, known.end.as_ref().or(self.end.as_ref()), &known.buckets);
            findings.extend(odd.map(|found| found.about(format_args!("table {name}"))));
        }
        let missed = self.missed(&known, seen, findings);
        let strays = self.strays(&known, findings);
        let met = self.bytes();
        if seen.all_sound && missed.is_empty() && !strays && met != known.bytes {
            let finding = Finding::damage(at, "its blocks have not the bytes that the catalog says")
                .about(format_args!("table {name}"));
            findings.push(finding.odds(format!("{} bytes", known.bytes), format!("{met} bytes")));
        }
        if self.unread.is_empty() {
            let whole = missed.is_empty() && self.numbers == known.chunks.len() as u64;
            let end = known.end.as_ref().filter(|_| whole);
            let written: Vec<BucketEntry> =
                known.buckets.iter().filter(|bucket| bucket.is_written()).copied().collect();
            self.totals(&name, at, end, Some((&written, &Beyond::of(&missed))), &mut proved.verified);
        }
        self.count(known.number, name, proved);
    }

    /// Holds its headers and its end mark against the catalog.
    fn marks(&self, known: &Known, findings: &mut Vec<Finding>) {
        let at = Position::UNKNOWN.with_section(known.number);
        let table = format!("table {}", known.header.table);
        if self.header.as_ref().is_some_and(|header| *header != known.header) || self.unlike.is_some() {
            let at = self.unlike.map_or(at, |volume| Position::volume(volume).with_section(known.number));
            findings.push(Finding::damage(at, "its header is another one in the catalog").about(&table));
        }
        let words = |(chunk, row): (u64, u64)| format!("chunk {chunk} and row {row}");
        for (volume, begins) in &self.starts {
            // The first chunk on that volume or behind it.
            let next = known.chunks.partition_point(|entry| entry.volume < *volume);
            let rows = known.end.as_ref().map_or(begins.1, |end| end.rows);
            let listed = (next as u64, known.chunks.get(next).map_or(rows, |entry| entry.first_row));
            if listed != *begins {
                let at = Position::volume(*volume).with_section(known.number);
                let finding = Finding::damage(at, "its header names another place to go on from than the catalog");
                findings.push(finding.about(&table).odds(words(listed), words(*begins)));
            }
        }
        if let Some((met, listed)) = self.end.as_ref().zip(known.end.as_ref()).filter(|(met, listed)| met != listed) {
            let words = |end: &SectionEndRecord| format!("{} rows in {} chunks", end.rows, end.chunks);
            let finding = Finding::damage(at, "its end mark is another one in the catalog").about(&table);
            findings.push(finding.odds(words(listed), words(met)));
        }
    }

    /// The chunks that the catalog lists and that were not met as it lists them. Says of those that should have been what they
    /// cost, unless another finding does.
    fn missed<'k>(&mut self, known: &'k Known, seen: &Seen, findings: &mut Vec<Finding>) -> Vec<&'k ChunkEntry> {
        let table = format!("table {}", known.header.table);
        let costs = |chunks: &[(u64, &ChunkEntry)]| {
            let chunks = chunks.iter().map(|(_, entry)| *entry);
            Cost::of_chunks(&known.header.table, &known.buckets, chunks).into_iter().collect()
        };
        let (mut missed, mut odd): (Vec<_>, BTreeMap<(u32, &'static str), Vec<_>>) = (Vec::new(), BTreeMap::new());
        // Places with rows that were proved, whatever the chunk says that its number is.
        let met: BTreeSet<(u32, u64)> = self.chunks.keys().map(|(_, volume, block)| (*volume, *block)).collect();
        let mut further = Vec::new();
        for (number, entry) in (0u64..).zip(&known.chunks) {
            let place = (entry.volume, entry.block);
            if self.has(number, entry) {
                // What a copy has as it should be makes the other one a finding that costs nothing.
                continue;
            }
            missed.push(entry);
            if self.charged.contains(&place) {
                continue;
            }
            let at = Position::volume(entry.volume).with_block(entry.block).with_section(known.number);
            if let Some(found) = self.bad.remove(&place) {
                let at = found.at.within(at).with_rows(entry.first_row, u64::from(entry.rows));
                findings.push(Finding { costs: costs(&[(number, entry)]), at, ..found.about(&table) });
            } else if self.further.remove(&place) {
                further.push((number, entry));
            } else if met.contains(&place) {
                odd.entry((entry.volume, "not what the catalog says of")).or_default().push((number, entry));
            } else if seen.read.contains(&entry.volume) || self.is_elsewhere(entry, seen) {
                odd.entry((entry.volume, "not where the catalog lists")).or_default().push((number, entry));
            }
        }
        let of_section = Position::UNKNOWN.with_section(known.number);
        let more = further_blocks(further.len() as u64, of_section);
        findings.extend(more.map(|found| Finding { costs: costs(&further), ..found.about(&table) }));
        for ((volume, why), chunks) in odd {
            let at = Position::volume(volume).with_section(known.number);
            let (at, what) = match chunks.as_slice() {
                [(number, only)] => {
                    let at = at.with_block(only.block).with_rows(only.first_row, u64::from(only.rows));
                    (at, format!("chunk {number} is {why} it"))
                }
                [(first, _), .., (last, _)] => {
                    (at, format!("{} chunks from number {first} to {last} are {why} them", chunks.len()))
                }
                [] => continue,
            };
            findings.push(Finding { costs: costs(&chunks), ..Finding::damage(at, what).about(&table) });
        }
        missed
    }

    /// Whether the index of its volume lists another block, or none, where the catalog lists this chunk.
    fn is_elsewhere(&self, entry: &ChunkEntry, seen: &Seen) -> bool {
        let listed = self.indexed.get(&(entry.volume, entry.block));
        seen.surveyed.contains(&entry.volume) && listed != Some(&(entry.offset, entry.bytes))
    }

    /// Says how many chunks were met where the catalog lists none. Those that were written again after a medium failed cost
    /// nothing; of others nobody knows what they are.
    /// Whether there are any.
    fn strays(&self, known: &Known, findings: &mut Vec<Finding>) -> bool {
        let listed: BTreeSet<(u32, u64)> = known.chunks.iter().map(|entry| (entry.volume, entry.block)).collect();
        let of_chunks = self.chunks.keys().map(|(number, volume, block)| ((*volume, *block), *number));
        let met = of_chunks.chain(self.unread.keys().map(|place| (*place, 0)));
        let strays: Vec<u64> = met.filter(|(place, _)| !listed.contains(place)).map(|(_, number)| number).collect();
        if strays.is_empty() {
            return false;
        }
        let again = strays.iter().all(|number| *number < known.chunks.len() as u64);
        let what = format!("{} chunks stand on the volumes that the catalog does not list", strays.len());
        let found = Finding::damage(Position::UNKNOWN.with_section(known.number), what);
        let level = if again { Level::Warning } else { found.level };
        findings.push(Finding { level, ..found.about(format_args!("table {}", known.header.table)) });
        true
    }

    /// Bytes of all blocks that were met, each once.
    fn bytes(&self) -> u64 {
        let proved = self.chunks.iter().map(|((_, volume, block), entry)| ((*volume, *block), entry.bytes));
        let chunks: BTreeMap<(u32, u64), u32> =
            proved.chain(self.unread.iter().map(|(place, (_, bytes))| (*place, *bytes))).collect();
        chunks.values().chain(self.marks.values()).map(|bytes| u64::from(*bytes)).fold(0, u64::saturating_add)
    }

    /// A section of which no catalog tells.
    pub(super) fn unlisted(mut self, number: u32, around: Around, proved: &mut SetProved) {
        let at = Position::UNKNOWN.with_section(number);
        let findings = &mut proved.verified.findings;
        let Some(header) = self.header.take() else {
            let rows = self.bad.len().saturating_add(self.further.len()).saturating_add(self.unread.len());
            // Of a part the header may not have been asked for.
            if !around.part {
                let what = format!("section {number}: no header says what the rows of its {rows} chunks are");
                findings.push(Finding::damage(at, what));
            }
            return findings.extend(self.bad.into_values().chain(further_blocks(self.further.len() as u64, at)));
        };
        let table = header.table;
        if around.full {
            let odd = of_full(at, self.end.as_ref(), &[]);
            findings.extend(odd.map(|found| found.about(format_args!("table {table}"))));
        }
        match self.end.take() {
            None if around.part => {}
            None => {
                let what = format!("section {number} (table {table}) has no end mark here");
                let advice = if around.interrupted { UNFINISHED } else { END_WANTED };
                findings.push(Finding::incomplete(at, what, advice));
            }
            Some(end) if !self.unread.is_empty() => self.end = Some(end),
            Some(end) if end.chunks == self.numbers => self.totals(&table, at, Some(&end), None, &mut proved.verified),
            // What was not asked for is not missed.
            Some(_) if around.part => {}
            Some(end) => self.gaps(&table, at, &end, around, &mut proved.verified),
        }
        self.count(number, table, proved);
    }

    /// The chunks that are not here, by the numbers of their neighbours. Where there are very many places the last of them are
    /// told of as one.
    fn gaps(&self, table: &str, at: Position, end: &SectionEndRecord, around: Around, verified: &mut Verified) {
        let mut before: (u64, u64, Option<i64>) = (0, 0, None);
        let dated = |entry: &ChunkEntry| entry.first < entry.stop;
        let here = self.chunks.iter().map(|((number, ..), entry)| (*number, Some(*entry)));
        let mut gaps: Vec<Gap> = Vec::new();
        for (number, entry) in here.chain(std::iter::once((end.chunks, None))) {
            let (next, row, from) = before;
            let first_row = entry.map_or(end.rows, |entry| entry.first_row);
            if number > next {
                let until = entry.filter(|entry| dated(entry)).map(|entry| entry.stop);
                let span = from.zip(until).and_then(|(from, until)| Span::new(Instant(from), Instant(until)));
                let rows = first_row.saturating_sub(row);
                let gap = Gap { places: 1, first: next, last: number.saturating_sub(1), row, rows, span };
                match gaps.len() < PLACES_TOLD {
                    true => gaps.push(gap),
                    false => gaps.iter_mut().last().into_iter().for_each(|last| last.join(&gap)),
                }
            }
            if let Some(entry) = entry {
                let row = entry.first_row.saturating_add(u64::from(entry.rows));
                before = (number.saturating_add(1), row, dated(&entry).then_some(entry.first));
            }
        }
        verified.findings.extend(gaps.iter().map(|gap| gap.finding(table, at, around)));
    }

    /// Compares what the rows gave with what end mark and catalog say of the section; of the buckets those that no chunk has a
    /// part of that was not met.
    fn totals(
        &self,
        name: &str,
        at: Position,
        end: Option<&SectionEndRecord>,
        listed: Option<(&[BucketEntry], &Beyond)>,
        verified: &mut Verified,
    ) {
        let mut find = |finding: Finding| verified.findings.push(finding.about(format_args!("table {name}")));
        if let Some(end) = end {
            let words = |rows: u64, buckets: u64, digest: [u8; 16]| {
                let digest: String = digest.iter().rev().map(|byte| format!("{byte:02x}")).collect();
                format!("{rows} rows in {buckets} buckets with digest {digest}")
            };
            let (expected, found) = (
                words(end.rows, end.buckets, end.digest),
                words(self.rows, self.buckets.len() as u64, self.buckets.digest()),
            );
            if expected != found {
                find(Finding::damage(at, "its chunks do not give what its end mark says").odds(expected, found));
            }
        }
        let Some((listed, beyond)) = listed else { return };
        let listed: BTreeMap<BucketKey, &BucketEntry> =
            listed.iter().map(|bucket| ((bucket.acd, bucket.day), bucket)).collect();
        let met: BTreeMap<BucketKey, BucketEntry> =
            self.buckets.entries().map(|bucket| ((bucket.acd, bucket.day), bucket)).collect();
        let keys: BTreeSet<&BucketKey> = listed.keys().chain(met.keys()).collect();
        let odd = keys.into_iter().find(|key| match (listed.get(key), met.get(key)) {
            (Some(listed), met) => met != Some(*listed) && !beyond.has(listed),
            (None, met) => met.is_some(),
        });
        let Some(odd) = odd else { return };
        let words = |bucket: Option<&BucketEntry>| bucket.map_or_else(|| "no such bucket".to_owned(), bucket_words);
        let finding = Finding::damage(at, "the catalog does not list the buckets that its chunks give");
        find(finding.odds(words(listed.get(odd).copied()), words(met.get(odd))));
    }

    /// What was read of it, and what of that no catalog explains.
    fn count(self, number: u32, table: String, proved: &mut SetProved) {
        let verified = &mut proved.verified;
        let subject = format!("table {table}: section {number}");
        let further = further_blocks(self.further.len() as u64, Position::UNKNOWN.with_section(number));
        verified.findings.extend(self.bad.into_values().chain(further).map(|finding| finding.about(&subject)));
        verified.sections = verified.sections.saturating_add(1);
        verified.chunks = verified.chunks.saturating_add(self.numbers);
        verified.rows = verified.rows.saturating_add(self.rows);
        verified.buckets = verified.buckets.saturating_add(self.buckets.len() as u64);
        proved.tables.push((table, self.rows));
    }
}

/// Chunks that are not here.
struct Gap {
    /// In how many places.
    places: u64,
    /// Numbers of the first and the last of them.
    first: u64,
    last: u64,
    /// The first row, and how many rows they have.
    row: u64,
    rows: u64,
    span: Option<Span>,
}

impl Gap {
    /// Takes in chunks behind these.
    fn join(&mut self, other: &Gap) {
        self.places = self.places.saturating_add(1);
        self.last = other.last;
        self.rows = self.rows.saturating_add(other.rows);
        self.span = self.span.zip(other.span).map(|(own, other)| own.hull(other));
    }

    fn finding(&self, table: &str, at: Position, around: Around) -> Finding {
        let Gap { places, first, last, .. } = self;
        let (what, at) = match places {
            1 if first == last => {
                (format!("table {table}: chunk {first} is not here"), at.with_rows(self.row, self.rows))
            }
            1 => (format!("table {table}: chunks {first} to {last} are not here"), at.with_rows(self.row, self.rows)),
            _ => (format!("table {table}: in {places} places between chunks {first} and {last} some are not here"), at),
        };
        let costs = vec![Cost { table: table.to_owned(), acds: Vec::new(), span: self.span, rows: self.rows }];
        let found = if around.all_here {
            Finding::damage(at, what)
        } else {
            Finding::incomplete(at, what, "bring the volumes that are not here")
        };
        Finding { costs, ..found }
    }
}

/// What only a section of an incremental set may say: that it would hold more if it were full, that the source had buckets that
/// it does not write.
fn of_full(
    at: Position,
    end: Option<&SectionEndRecord>,
    buckets: &[BucketEntry],
) -> impl Iterator<Item = Finding> + use<> {
    let wider = end.is_some_and(|end| end.held != end.envelope);
    let wider = wider.then(|| Finding::damage(at, "its envelope is not its held ranges, though its set is a full one"));
    let mut unwritten = buckets.iter().filter(|bucket| !bucket.is_written());
    let unwritten = unwritten.next().map(|bucket| {
        let found =
            Finding::damage(at, "the catalog lists buckets without rows of theirs, though its set is a full one");
        found.odds("buckets that were written", bucket_words(bucket))
    });
    wider.into_iter().chain(unwritten)
}

/// The time of chunks that were not met: of buckets that have rows there not all is known.
struct Beyond {
    time: SpanSet,
    undated: bool,
}

impl Beyond {
    fn of(chunks: &[&ChunkEntry]) -> Beyond {
        let wide = |entry: &&ChunkEntry| around(entry.first, entry.stop);
        let dated = chunks.iter().filter(|entry| (entry.first, entry.stop) != (0, 0)).map(wide);
        Beyond { time: SpanSet::from_spans(dated), undated: chunks.iter().any(|entry| entry.undated > 0) }
    }

    fn has(&self, bucket: &BucketEntry) -> bool {
        match bucket.day {
            Some(_) => self.time.meets(around(bucket.first, bucket.stop)),
            None => self.undated,
        }
    }
}

/// A span and the instants beside it.
const fn around(first: i64, stop: i64) -> Span {
    Span { start: Instant(first.saturating_sub(1)), stop: Instant(stop.saturating_add(1)) }
}

/// A bucket in words.
fn bucket_words(bucket: &BucketEntry) -> String {
    let acd = bucket.acd.map_or_else(|| "no ACD".to_owned(), |acd| format!("ACD {acd}"));
    let day = bucket.day.map_or_else(
        || "undated".to_owned(),
        |day| {
            let (year, month, day) = civil_of_day(day);
            format!("{year:04}-{month:02}-{day:02}")
        },
    );
    let digest: String = bucket.digest.iter().rev().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{acd}, {day}: {} rows, {} carried, in {} pieces, digest {digest}",
        bucket.rows, bucket.carried, bucket.pieces
    )
}
