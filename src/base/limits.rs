//! Every maximum of the format and of the engine, in one place. `format-spec.md` lists the format's own; a test compares.

/// Largest payload of one block, in bytes.
pub const BLOCK_PAYLOAD_MAX: u32 = 16 << 20;
/// Largest number of rows in one chunk.
pub const CHUNK_ROWS_MAX: u32 = 65_536;
/// A writer cuts a chunk before its rows exceed this many bytes in memory.
pub const CHUNK_DECODED_TARGET: u64 = 8 << 20;
/// A reader refuses a chunk whose columns claim to decode to more than this many bytes in all.
pub const CHUNK_DECODED_MAX: u64 = 64 << 20;
/// Largest number of columns of one table.
pub const COLUMNS_MAX: u32 = 4_096;
/// Longest name (table, column, volume, host), in bytes of UTF-8.
pub const NAME_BYTES_MAX: u32 = 1_024;
/// Largest number of sections in one set.
pub const SECTIONS_MAX: u32 = 65_536;
/// Largest number of volumes in one set.
pub const VOLUMES_MAX: u32 = 1_000_000;
/// Largest number of bucket pieces in one chunk.
pub const CHUNK_BUCKETS_MAX: u32 = 65_536;
/// Largest number of entries in one catalog or index record; longer tables continue in the next record.
pub const RECORD_ENTRIES_MAX: u32 = 65_536;
/// Largest record, in bytes.
pub const RECORD_BYTES_MAX: u32 = 8 << 20;
/// Longest interval of an interval row, in minutes; a longer one makes the row undated.
pub const INTERVAL_MINUTES_MAX: i64 = 1_440;

const _: () = assert!(RECORD_BYTES_MAX < BLOCK_PAYLOAD_MAX);
const _: () = assert!(CHUNK_DECODED_TARGET < CHUNK_DECODED_MAX);
