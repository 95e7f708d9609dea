//! An export of chunks that ask for much, by many threads, in a process of little memory: as much is held at a time as one
//! budget allows, whatever the number of threads.

use super::confined::confined;
use intervault::base::monitor::Silent;
use intervault::column::digest::RowHasher;
use intervault::column::encode::{EncodeOptions, EncodedColumn, encode_batch};
use intervault::column::logical::LogicalType;
use intervault::device::memory::MemoryDevice;
use intervault::export::{Export, Format, Options};
use intervault::format::chunk::ColumnBytesEntry;
use intervault::schema::clock::RowTimes;
use intervault::schema::grain::{DataType, Grain};
use intervault::schema::table::{BoundTable, ColumnSchema, TableSchema};
use intervault::section::pieces::{Cutoffs, pieces};
use intervault::section::table::to_record;
use intervault::testing::sets::sample_label;
use intervault::testing::tables::{batch, blob, int};
use intervault::volume::set::list_sets;
use intervault::volume::set_writer::{ChunkContent, SetOptions, SetWriter};
use std::io::Write;

/// Bytes of each value.
const VALUE: usize = 8 << 20;
/// Chunks, of one row each.
const CHUNKS: usize = 18;

/// A set of one table with a chunk for each long value, written chunk by chunk.
fn written() -> MemoryDevice {
    let column = |name: &str, logical| ColumnSchema {
        name: name.to_owned(),
        logical,
        nullable: true,
        has_default: false,
        declared: String::new(),
        collation: String::new(),
    };
    let columns = vec![column("n", LogicalType::Integer { bits: 64 }), column("what", LogicalType::Blob)];
    let table = BoundTable {
        schema: TableSchema { name: "notes".to_owned(), columns },
        data_type: DataType::Custom,
        grain: Grain::None,
        clock: None,
        acd_column: None,
        event_slot_minutes: 30,
        server_bound: false,
    };
    let device = MemoryDevice::new();
    let mut set = SetWriter::create(&device, sample_label(5), &SetOptions { volume_size: None }).unwrap();
    set.begin_section(to_record(&table, false, &Cutoffs::default())).unwrap();
    for number in 0..CHUNKS {
        let batch = batch(2, &[vec![int(number as i64), blob(&vec![number as u8; VALUE])]]);
        let mut hashes = Vec::new();
        RowHasher::default().hash(&batch, &table.schema.logical_types(), &mut hashes).unwrap();
        let mut pieces = pieces(&RowTimes::new(&table).unwrap().all(&batch), &hashes, &Cutoffs::default()).entries;
        pieces[0].last = if number + 1 == CHUNKS { 1 } else { 2 };
        let columns = encode_batch(&batch, &EncodeOptions::default()).unwrap();
        let entry = |column: &EncodedColumn| ColumnBytesEntry {
            encoding: column.encoding,
            stored: column.bytes.len() as u32,
            decoded: column.decoded,
        };
        let (entries, bytes) = (columns.iter().map(entry).collect(), columns.into_iter().map(|column| column.bytes));
        set.chunk(ChunkContent { rows: 1, columns: entries, bytes: bytes.collect(), pieces }).unwrap();
    }
    set.end_section(Vec::new()).unwrap();
    set.finish(Vec::new(), Vec::new()).unwrap();
    device
}

/// Counts what goes by, and is slower than those who make it.
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        std::thread::yield_now();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_export_by_many_threads_needs_no_more_memory_than_one_by_few() {
    confined("exports::an_export_by_many_threads_needs_no_more_memory_than_one_by_few", 120, || {
        let device = written();
        let set = list_sets(&device).unwrap().sets.remove(0);
        let options = Options { tables: Vec::new(), acd: None, window: None, partial: false, jobs: 16 };
        let export = Export::new(&set, options, &Silent);
        let (plan, mut to) = (export.plan().unwrap(), Count(0));
        let report = export.table(&plan.tables[0], Format::Csv { spreadsheet: false }, &mut to).unwrap();
        assert_eq!(report.rows, CHUNKS as u64);
        assert!(to.0 > (CHUNKS * 2 * VALUE) as u64, "{} bytes", to.0);
    });
}
