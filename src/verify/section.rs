//! What was proved of one section, and whether it is what the catalog or the section's own marks say.

use super::cost::Cost;
use super::finding::{Finding, Level};
use super::proof::{Around, SetProved};
use super::verified::{END_WANTED, UNFINISHED, Verified};
use crate::base::position::Position;
use crate::base::time::{Instant, Span, civil_of_day};
use crate::format::catalog::{BlockEntry, BucketEntry, ChunkEntry};
use crate::format::chunk::PieceEntry;
use crate::format::section::{SectionEndRecord, SectionRecord};
use crate::volume::catalog::CatalogSection;
use crate::volume::section::SectionView;
use crate::volume::summary::{BucketTable, first_header};
use std::collections::{BTreeMap, BTreeSet};

/// A section as the catalog lists it.
pub(super) struct Known {
    pub(super) number: u32,
    pub(super) header: SectionRecord,
    end: Option<SectionEndRecord>,
    pub(super) chunks: Vec<ChunkEntry>,
    pub(super) buckets: Vec<BucketEntry>,
}

impl Known {
    pub(super) fn of_view(view: &SectionView) -> Known {
        Known {
            number: view.number,
            header: view.header.clone(),
            end: view.end.clone(),
            chunks: view.chunks.iter().map(|chunk| chunk.entry).collect(),
            buckets: view.buckets.clone(),
        }
    }

    pub(super) fn of_catalog(CatalogSection { record, chunks, buckets }: CatalogSection) -> Known {
        Known { number: record.section, header: record.header, end: Some(record.end), chunks, buckets }
    }
}

/// What was proved of a section.
#[derive(Default)]
pub(super) struct SectionProof {
    header: Option<SectionRecord>,
    end: Option<SectionEndRecord>,
    /// Chunks that are proved, by number, volume and block.
    chunks: BTreeMap<(u64, u32, u64), ChunkEntry>,
    /// Chunks of which the bytes are sound and the rows were not looked at, by volume and block: offset and bytes.
    unread: BTreeMap<(u32, u64), (u64, u32)>,
    /// Why others are not, by volume and block.
    bad: BTreeMap<(u32, u64), Finding>,
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

    /// Volumes on which a block is not what it should be.
    pub(super) fn bad_volumes(&self) -> impl Iterator<Item = u32> + '_ {
        self.bad.keys().map(|(volume, _)| *volume)
    }

    pub(super) fn header(&mut self, header: &SectionRecord) {
        // A section that goes on over volumes begins again on each.
        self.header.get_or_insert_with(|| first_header(header));
    }

    pub(super) fn end(&mut self, end: SectionEndRecord) {
        self.end.get_or_insert(end);
    }

    pub(super) fn bad(&mut self, place: (u32, u64), finding: Finding) {
        self.bad.insert(place, finding);
    }

    pub(super) fn sound(&mut self, place: (u32, u64), block: &BlockEntry) {
        self.unread.insert(place, (block.offset, block.bytes));
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

    /// Holds a section against what the catalog lists; `judged` are the volumes that were read.
    pub(super) fn listed(mut self, known: Known, judged: &[u32], proved: &mut SetProved) {
        let name = known.header.table.clone();
        let at = Position::UNKNOWN.with_section(known.number);
        let table = format!("table {name}");
        let findings = &mut proved.verified.findings;
        if self.header.as_ref().is_some_and(|header| *header != known.header) {
            findings.push(Finding::damage(at, "its header is another one in the catalog").about(&table));
        }
        if let Some((met, listed)) = self.end.as_ref().zip(known.end.as_ref()).filter(|(met, listed)| met != listed) {
            let words = |end: &SectionEndRecord| format!("{} rows in {} chunks", end.rows, end.chunks);
            let finding = Finding::damage(at, "its end mark is another one in the catalog").about(&table);
            findings.push(finding.odds(words(listed), words(met)));
        }
        let mut whole = true;
        for (number, entry) in (0u64..).zip(&known.chunks) {
            let place = (entry.volume, entry.block);
            if self.has(number, entry) {
                // What a copy has as it should be makes the other one a finding that costs nothing.
                continue;
            }
            whole = false;
            if self.charged.contains(&place) {
                continue;
            }
            let at = Position::volume(entry.volume).with_block(entry.block).with_section(known.number);
            let found = match self.bad.remove(&place) {
                Some(finding) => finding,
                None => match self.unproven(number, entry, judged) {
                    Some(what) => Finding::damage(at, what),
                    None => continue,
                },
            };
            let costs = Cost::of_chunks(&name, &known.buckets, std::iter::once(entry)).into_iter().collect();
            let at = found.at.within(at).with_rows(entry.first_row, u64::from(entry.rows));
            findings.push(Finding { costs, at, ..found.about(&table) });
        }
        let listed = known.chunks.len() as u64;
        let strays = self.strays(&known);
        if strays > 0 {
            let what = format!("{strays} chunks stand on the volumes that the catalog does not list");
            findings.push(Finding { level: Level::Warning, ..Finding::damage(at, what).about(&table) });
        }
        if whole && self.unread.is_empty() && self.numbers == listed {
            let written: Vec<BucketEntry> =
                known.buckets.iter().filter(|bucket| bucket.is_written()).copied().collect();
            self.totals(&name, at, known.end.as_ref(), Some(&written), &mut proved.verified);
        }
        self.count(known.number, name, proved);
    }

    /// How many chunks were met where the catalog lists none.
    fn strays(&self, known: &Known) -> usize {
        let listed: BTreeSet<(u32, u64)> = known.chunks.iter().map(|entry| (entry.volume, entry.block)).collect();
        let met = self.chunks.keys().map(|(_, volume, block)| (*volume, *block)).chain(self.unread.keys().copied());
        met.filter(|place| !listed.contains(place)).count()
    }

    /// Why a chunk that is listed was not proved; `None` if its volume was not read, so that it may be sound.
    fn unproven(&self, number: u64, entry: &ChunkEntry, judged: &[u32]) -> Option<String> {
        if !judged.contains(&entry.volume) {
            return None;
        }
        let there = self.chunks.range((number, 0, 0)..=(number, u32::MAX, u64::MAX)).next().is_some();
        Some(if there {
            format!("chunk {number} is not what the catalog says of it")
        } else {
            format!("chunk {number} does not stand where the catalog lists it")
        })
    }

    /// A section of which no catalog tells.
    pub(super) fn unlisted(mut self, number: u32, around: Around, proved: &mut SetProved) {
        let at = Position::UNKNOWN.with_section(number);
        let findings = &mut proved.verified.findings;
        let Some(header) = self.header.take() else {
            let rows = self.bad.len().saturating_add(self.unread.len());
            let what = format!("section {number}: no header says what the rows of its {rows} chunks are");
            return findings.push(Finding::damage(at, what));
        };
        let table = header.table;
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

    /// The chunks that are not here, by the numbers of their neighbours.
    fn gaps(&self, table: &str, at: Position, end: &SectionEndRecord, around: Around, verified: &mut Verified) {
        let mut before: (u64, u64, Option<i64>) = (0, 0, None);
        let dated = |entry: &ChunkEntry| entry.first < entry.stop;
        let here = self.chunks.iter().map(|((number, ..), entry)| (*number, Some(*entry)));
        for (number, entry) in here.chain(std::iter::once((end.chunks, None))) {
            let (next, row, from) = before;
            let first_row = entry.map_or(end.rows, |entry| entry.first_row);
            if number > next {
                let until = entry.filter(|entry| dated(entry)).map(|entry| entry.stop);
                let span = from.zip(until).and_then(|(from, until)| Span::new(Instant(from), Instant(until)));
                let rows = first_row.saturating_sub(row);
                let what = format!("table {table}: chunks {next} to {} are not here", number.saturating_sub(1));
                let costs = vec![Cost { table: table.to_owned(), acds: Vec::new(), span, rows }];
                let at = at.with_rows(row, rows);
                let found = if around.all_here {
                    Finding::damage(at, what)
                } else {
                    Finding::incomplete(at, what, "bring the volumes that are not here")
                };
                verified.findings.push(Finding { costs, ..found });
            }
            if let Some(entry) = entry {
                let row = entry.first_row.saturating_add(u64::from(entry.rows));
                before = (number.saturating_add(1), row, dated(&entry).then_some(entry.first));
            }
        }
    }

    /// Compares what the rows gave with what end mark and catalog say of the section.
    fn totals(
        &self,
        name: &str,
        at: Position,
        end: Option<&SectionEndRecord>,
        listed: Option<&[BucketEntry]>,
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
        let Some(listed) = listed else { return };
        let computed: Vec<BucketEntry> = self.buckets.entries().collect();
        if computed == listed {
            return;
        }
        let odd = (0..computed.len().max(listed.len())).find(|at| computed.get(*at) != listed.get(*at)).unwrap_or(0);
        let words = |bucket: Option<&BucketEntry>| bucket.map_or_else(|| "no such bucket".to_owned(), bucket_words);
        let finding = Finding::damage(at, "the catalog does not list the buckets that its chunks give");
        find(finding.odds(words(listed.get(odd)), words(computed.get(odd))));
    }

    /// What was read of it, and what of that no catalog explains.
    fn count(self, number: u32, table: String, proved: &mut SetProved) {
        let verified = &mut proved.verified;
        let subject = format!("table {table}: section {number}");
        verified.findings.extend(self.bad.into_values().map(|finding| finding.about(&subject)));
        verified.sections = verified.sections.saturating_add(1);
        verified.chunks = verified.chunks.saturating_add(self.numbers);
        verified.rows = verified.rows.saturating_add(self.rows);
        verified.buckets = verified.buckets.saturating_add(self.buckets.len() as u64);
        proved.tables.push((table, self.rows));
    }
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
