//! The catalog of a set as payloads of catalog blocks, and back. A catalog that does not fit one block continues in the
//! next; one that does not fit the rest of a volume begins on a new one, and continues there over as many as it takes.

use crate::base::limits::RECORD_ENTRIES_MAX;
use crate::format::catalog::{
    BucketEntry, BucketListRecord, CatalogRecord, CatalogSectionRecord, ChunkEntry, ChunkListRecord, VolumeEntry,
    VolumeListRecord,
};
use crate::format::error::{FormatError, FormatErrorKind};
use crate::format::record::{RawRecord, Record, encode_record, read_records};

/// A whole catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// What heads it.
    pub head: CatalogRecord,
    /// The volumes up to the one on which the catalog begins, that one as it stands before the catalog.
    pub volumes: Vec<VolumeEntry>,
    /// The sections, in order.
    pub sections: Vec<CatalogSection>,
}

/// One section in a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogSection {
    /// Number, header, end mark, bytes.
    pub record: CatalogSectionRecord,
    /// Its chunks, in order.
    pub chunks: Vec<ChunkEntry>,
    /// Its buckets, in order.
    pub buckets: Vec<BucketEntry>,
}

/// Most stored bytes of one entry of each list; a test holds them against the encoder.
const VOLUME_ENTRY_BYTES: usize = 48;
const CHUNK_ENTRY_BYTES: usize = 56;
const BUCKET_ENTRY_BYTES: usize = 83;

/// Whether a catalog block is the first of its catalog.
#[must_use]
pub fn begins_catalog(payload: &[u8]) -> bool {
    payload.get(..2) == Some(&CatalogRecord::KIND.to_le_bytes())
}

impl Catalog {
    /// The payloads of the catalog's blocks. None exceeds `limit` bytes unless a single record does.
    ///
    /// # Errors
    /// A record fails its checks.
    pub fn to_payloads(&self, limit: usize) -> Result<Vec<Vec<u8>>, FormatError> {
        let mut packer = Packer { limit, payloads: Vec::new(), open: Vec::new() };
        packer.push(&self.head)?;
        let mut first = 1u32;
        for volumes in self.volumes.chunks(packer.entries(VOLUME_ENTRY_BYTES)) {
            packer.push(&VolumeListRecord { first_volume: first, volumes: volumes.to_vec() })?;
            first = first.saturating_add(u32::try_from(volumes.len()).unwrap_or(u32::MAX));
        }
        for section in &self.sections {
            let number = section.record.section;
            packer.push(&section.record)?;
            let mut first = 0u64;
            for chunks in section.chunks.chunks(packer.entries(CHUNK_ENTRY_BYTES)) {
                packer.push(&ChunkListRecord { section: number, first_chunk: first, chunks: chunks.to_vec() })?;
                first = first.saturating_add(chunks.len() as u64);
            }
            let mut first = 0u64;
            for buckets in section.buckets.chunks(packer.entries(BUCKET_ENTRY_BYTES)) {
                packer.push(&BucketListRecord { section: number, first_bucket: first, buckets: buckets.to_vec() })?;
                first = first.saturating_add(buckets.len() as u64);
            }
        }
        Ok(packer.finish())
    }

    /// The catalog of all its blocks' payloads, in order. Numbers and totals must agree with each other.
    ///
    /// # Errors
    /// A record cannot be decoded, a list does not continue where the one before it ended, a total differs.
    pub fn from_payloads(payloads: &[Vec<u8>]) -> Result<Catalog, FormatError> {
        let mut records = Vec::new();
        for payload in payloads {
            records.extend(read_records(payload)?);
        }
        let mut records = records.into_iter();
        let head: CatalogRecord = match records.next() {
            Some(record) => record.decode()?,
            None => return Err(mismatch("catalog records", 0, "1 or more", 0)),
        };
        let mut catalog = Catalog { head, volumes: Vec::new(), sections: Vec::new() };
        for record in records {
            catalog.add(&record)?;
        }
        catalog.check_totals()?;
        Ok(catalog)
    }

    fn add(&mut self, record: &RawRecord<'_>) -> Result<(), FormatError> {
        let at = record.offset;
        match record.kind {
            VolumeListRecord::KIND => {
                let list: VolumeListRecord = record.decode()?;
                let next = (self.volumes.len() as u64).saturating_add(1);
                expect("first_volume", u64::from(list.first_volume), next, at)?;
                self.volumes.extend(list.volumes);
            }
            CatalogSectionRecord::KIND => {
                let section: CatalogSectionRecord = record.decode()?;
                let next = (self.sections.len() as u64).saturating_add(1);
                expect("section", u64::from(section.section), next, at)?;
                self.sections.push(CatalogSection { record: section, chunks: Vec::new(), buckets: Vec::new() });
            }
            ChunkListRecord::KIND => {
                let list: ChunkListRecord = record.decode()?;
                let section = self.section(list.section, at)?;
                expect("first_chunk", list.first_chunk, section.chunks.len() as u64, at)?;
                append(&mut section.chunks, list.chunks);
            }
            BucketListRecord::KIND => {
                let list: BucketListRecord = record.decode()?;
                let section = self.section(list.section, at)?;
                expect("first_bucket", list.first_bucket, section.buckets.len() as u64, at)?;
                append(&mut section.buckets, list.buckets);
            }
            // A later release may add kinds.
            _ => {}
        }
        Ok(())
    }

    /// The section that lists belong to: always the one that was begun last.
    fn section(&mut self, number: u32, at: usize) -> Result<&mut CatalogSection, FormatError> {
        let last = self.sections.last_mut().filter(|section| section.record.section == number);
        last.ok_or_else(|| mismatch("section", u64::from(number), "the section listed last", at))
    }

    fn check_totals(&self) -> Result<(), FormatError> {
        expect("volumes listed", self.volumes.len() as u64, u64::from(self.head.volumes), 0)?;
        expect("sections listed", self.sections.len() as u64, u64::from(self.head.sections), 0)?;
        let mut rows = 0u64;
        for section in &self.sections {
            let end = &section.record.end;
            expect("chunks listed", section.chunks.len() as u64, end.chunks, 0)?;
            // A bucket without pieces is one that an incremental set did not write; the end mark does not count it.
            let written = section.buckets.iter().filter(|bucket| bucket.is_written()).count();
            expect("buckets listed", written as u64, end.buckets, 0)?;
            expect("buckets listed", section.buckets.len() as u64, section.record.listed, 0)?;
            let mut next_row = 0u64;
            for chunk in &section.chunks {
                expect("first_row", chunk.first_row, next_row, 0)?;
                next_row = next_row.saturating_add(u64::from(chunk.rows));
                if chunk.volume == 0 || chunk.volume > self.head.volumes {
                    return Err(mismatch("volume", u64::from(chunk.volume), "a volume of the set", 0));
                }
            }
            expect("rows of all chunks", next_row, end.rows, 0)?;
            let ascending = section.buckets.iter().zip(section.buckets.iter().skip(1));
            if let Some((_, bucket)) = ascending.into_iter().find(|(a, b)| (a.acd, a.day) >= (b.acd, b.day)) {
                let day = u64::from(bucket.day.unwrap_or(0).unsigned_abs());
                return Err(mismatch("bucket", day, "ascending by ACD, then by day", 0));
            }
            rows = rows.saturating_add(end.rows);
        }
        expect("rows of all sections", rows, self.head.rows, 0)
    }
}

/// Takes the first list as it is: most sections have only one.
fn append<T>(entries: &mut Vec<T>, mut list: Vec<T>) {
    if entries.is_empty() {
        *entries = list;
    } else {
        entries.append(&mut list);
    }
}

fn mismatch(field: &'static str, found: u64, allowed: &'static str, at: usize) -> FormatError {
    FormatError::new(FormatErrorKind::Field { field, found, allowed }, at)
}

fn expect(field: &'static str, found: u64, expected: u64, at: usize) -> Result<(), FormatError> {
    if found == expected { Ok(()) } else { Err(mismatch(field, found, "what the rest of the catalog says", at)) }
}

struct Packer {
    limit: usize,
    payloads: Vec<Vec<u8>>,
    open: Vec<u8>,
}

impl Packer {
    /// How many entries of a list go into one record: no more than the format allows nor than a block's half holds.
    fn entries(&self, entry_bytes: usize) -> usize {
        let half = self.limit.checked_div(entry_bytes.saturating_mul(2)).unwrap_or(0);
        half.clamp(1, RECORD_ENTRIES_MAX as usize)
    }

    fn push<R: Record>(&mut self, record: &R) -> Result<(), FormatError> {
        let bytes = encode_record(record)?;
        if !self.open.is_empty() && self.open.len().saturating_add(bytes.len()) > self.limit {
            self.payloads.push(std::mem::take(&mut self.open));
        }
        self.open.extend_from_slice(&bytes);
        Ok(())
    }

    fn finish(mut self) -> Vec<Vec<u8>> {
        self.payloads.push(self.open);
        self.payloads
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::records;

    /// A catalog of two volumes and two sections, each of two chunks and two buckets.
    fn sample() -> Catalog {
        let section = |number| {
            let mut record = records::catalog_section();
            record.section = number;
            (record.end.rows, record.end.chunks, record.end.buckets, record.listed) = (131_072, 2, 2, 2);
            CatalogSection { record, chunks: records::chunk_list().chunks, buckets: records::bucket_list().buckets }
        };
        let head = CatalogRecord { volumes: 2, sections: 2, rows: 262_144, ..records::catalog() };
        Catalog { head, volumes: records::volume_list().volumes, sections: vec![section(1), section(2)] }
    }

    fn read(catalog: &Catalog) -> Result<Catalog, String> {
        let payloads = catalog.to_payloads(1 << 20).unwrap();
        Catalog::from_payloads(&payloads).map_err(|error| error.kind.to_string())
    }

    fn unwritten(bucket: &mut BucketEntry) {
        (bucket.pieces, bucket.carried, bucket.carried_digest) = (0, 0, None);
    }

    fn refusal(change: impl Fn(&mut Catalog)) -> String {
        let mut catalog = sample();
        change(&mut catalog);
        read(&catalog).expect_err("a catalog that contradicts itself was read")
    }

    #[test]
    fn a_catalog_reads_back_however_its_records_are_packed() {
        let catalog = sample();
        assert_eq!(read(&catalog), Ok(catalog.clone()));
        let whole = catalog.to_payloads(1 << 20).unwrap();
        let [payload] = whole.as_slice() else { panic!("{} blocks for a small catalog", whole.len()) };
        // Head, volumes, and for each section its record, its chunks, its buckets: a list is no longer than it must be.
        assert_eq!(read_records(payload).unwrap().len(), 2 + 2 * 3);
        assert_eq!(catalog.to_payloads(payload.len()).unwrap(), whole, "a block may be filled to its last byte");
        assert_eq!(catalog.to_payloads(payload.len() - 1).unwrap().len(), 2);
        for limit in [1, 200, 500, 1_000] {
            let payloads = catalog.to_payloads(limit).unwrap();
            assert!(payloads.len() > 1 && payloads.iter().all(|payload| !payload.is_empty()), "{limit}");
            let over = |payload: &&Vec<u8>| payload.len() > limit && read_records(payload).unwrap().len() > 1;
            assert_eq!(payloads.iter().find(over), None, "{limit}");
            assert_eq!(payloads.iter().filter(|payload| begins_catalog(payload)).count(), 1);
            assert_eq!(Catalog::from_payloads(&payloads).as_ref(), Ok(&catalog), "{limit}");
        }
    }

    #[test]
    fn entries_take_no_more_than_is_reckoned_with() {
        let grown = |one: Vec<u8>, two: Vec<u8>| two.len() - one.len();
        let volumes = |count| {
            let record = VolumeListRecord { first_volume: 1, volumes: vec![records::volume_list().volumes[0]; count] };
            encode_record(&record).unwrap()
        };
        assert_eq!(grown(volumes(1), volumes(2)), VOLUME_ENTRY_BYTES);
        let chunks = |count| {
            let chunks = vec![records::chunk_list().chunks[0]; count];
            encode_record(&ChunkListRecord { chunks, ..records::chunk_list() }).unwrap()
        };
        assert_eq!(grown(chunks(1), chunks(2)), CHUNK_ENTRY_BYTES);
        let buckets = |count| {
            let buckets = vec![records::bucket_list().buckets[1]; count];
            encode_record(&BucketListRecord { buckets, ..records::bucket_list() }).unwrap()
        };
        assert_eq!(grown(buckets(1), buckets(2)), BUCKET_ENTRY_BYTES);
    }

    #[test]
    fn totals_that_differ_from_what_is_listed_are_refused() {
        let what = "allowed: what the rest of the catalog says";
        type Case = (&'static str, fn(&mut Catalog));
        let cases: [Case; 11] = [
            ("volumes listed is 1", |catalog| catalog.volumes.truncate(1)),
            ("volumes listed is 2", |catalog| catalog.head.volumes = 3),
            ("sections listed is 1", |catalog| catalog.sections.truncate(1)),
            ("chunks listed is 2", |catalog| catalog.sections[1].record.end.chunks = 3),
            ("buckets listed is 2", |catalog| catalog.sections[0].record.end.buckets = 1),
            ("buckets listed is 2", |catalog| catalog.sections[1].record.listed = 3),
            ("buckets listed is 1", |catalog| unwritten(&mut catalog.sections[0].buckets[0])),
            ("first_row is 65536", |catalog| catalog.sections[0].chunks[0].rows -= 1),
            ("first_row is 1", |catalog| catalog.sections[0].chunks[0].first_row = 1),
            ("rows of all chunks is 131072", |catalog| catalog.sections[1].record.end.rows += 1),
            ("rows of all sections is 262144", |catalog| catalog.head.rows -= 1),
        ];
        for (found, change) in cases {
            assert_eq!(refusal(change), format!("{found}, {what}"));
        }
        let volume = "allowed: a volume of the set";
        assert_eq!(refusal(|catalog| catalog.sections[0].chunks[1].volume = 0), format!("volume is 0, {volume}"));
        assert_eq!(refusal(|catalog| catalog.sections[0].chunks[1].volume = 3), format!("volume is 3, {volume}"));
        let order = "ascending by ACD, then by day";
        assert!(refusal(|catalog| catalog.sections[0].buckets.reverse()).ends_with(order));
        assert!(refusal(|catalog| catalog.sections[1].buckets[1] = catalog.sections[1].buckets[0]).ends_with(order));
    }

    #[test]
    fn a_bucket_without_pieces_is_listed_and_not_counted() {
        let mut catalog = sample();
        unwritten(&mut catalog.sections[0].buckets[1]);
        catalog.sections[0].record.end.buckets = 1;
        assert_eq!(read(&catalog), Ok(catalog.clone()));
        // It has rows at the source, and none that are carried.
        let refused = |change: fn(&mut BucketEntry)| {
            let mut catalog = catalog.clone();
            change(&mut catalog.sections[0].buckets[1]);
            catalog.to_payloads(1 << 20).expect_err("an impossible bucket was written").kind.to_string()
        };
        let allowed = "allowed: 1 or more, and none carried, in a bucket without pieces";
        assert_eq!(refused(|bucket| bucket.rows = 0), format!("rows is 0, {allowed}"));
        assert_eq!(refused(|bucket| bucket.carried = 1), format!("rows is 4000, {allowed}"));
        let allowed = "allowed: 0 exactly if it has no digest of carried rows";
        assert_eq!(refused(|bucket| bucket.carried_digest = Some([1; 16])), format!("carried is 0, {allowed}"));
    }

    #[test]
    fn lists_stand_behind_their_section_and_continue_each_other() {
        let catalog = sample();
        let records = catalog.to_payloads(1).unwrap();
        let refused = |order: &[usize]| {
            let payloads: Vec<Vec<u8>> = order.iter().map(|at| records[*at].clone()).collect();
            Catalog::from_payloads(&payloads).expect_err("a catalog out of order was read").kind.to_string()
        };
        // One record and one entry in each: head, two volumes, then for each section its record, chunks and buckets.
        assert_eq!(records.len(), 1 + 2 + 2 * (1 + 2 + 2));
        let section = "allowed: the section listed last";
        assert_eq!(refused(&[0, 1, 2, 4]), format!("section is 1, {section}"));
        assert_eq!(refused(&[0, 1, 2, 3, 9]), format!("section is 2, {section}"));
        assert_eq!(refused(&[0, 1, 2, 3, 12]), format!("section is 2, {section}"));
        let rest = "allowed: what the rest of the catalog says";
        assert_eq!(refused(&[0, 2, 1]), format!("first_volume is 2, {rest}"));
        assert_eq!(refused(&[0, 1, 2, 8]), format!("section is 2, {rest}"));
        assert_eq!(refused(&[0, 1, 2, 3, 5]), format!("first_chunk is 1, {rest}"));
        assert_eq!(refused(&[0, 1, 2, 3, 4, 4]), format!("first_chunk is 0, {rest}"));
        assert_eq!(refused(&[0, 1, 2, 3, 4, 5, 7]), format!("first_bucket is 1, {rest}"));
        assert!(refused(&[1, 2]).starts_with("catalog record cannot be decoded: record kind 8 found"));
        assert_eq!(refused(&[]), "catalog records is 0, allowed: 1 or more");
    }
}
