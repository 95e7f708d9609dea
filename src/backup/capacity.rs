//! How large volumes must be, from what is known before a row is read: labels, columns, rows of ordinary length.

use super::plan::BackupPlan;
use crate::base::limits::VOLUMES_MAX;
use crate::column::logical::LogicalType;
use crate::error::{Error, ErrorKind};
use crate::format::block::block_len;
use crate::format::catalog::CatalogRecord;
use crate::format::error::FormatError;
use crate::format::label::{LabelRecord, Predecessor};
use crate::format::record::encode_record;
use crate::schema::table::{BoundTable, TableSchema};
use crate::section::chunks::directory_bytes;
use crate::section::pieces::Cutoffs;
use crate::section::table::to_record;
use crate::volume::writer::tail_bytes;

/// Room in a section's header and end mark for what only the rows tell: cutoffs and held ranges of some dozens of ACDs.
const ACD_ROOM: u64 = 1_024;
/// Bytes of a value that has no declared length.
const TEXT_BYTES: u64 = 64;
/// Longest declared length that is believed.
const WIDTH_MAX: u32 = 1_024;
/// Blocks of the smallest volume before its index: label, section header, chunk.
const BLOCKS: u64 = 3;

/// What surrounds the chunks on a volume.
pub(super) struct Capacity {
    size: Option<u64>,
    label: u64,
}

impl Capacity {
    /// For volumes of `size` bytes with such a label.
    ///
    /// # Errors
    /// The label fails its checks.
    pub(super) fn new(size: Option<u64>, label: &LabelRecord) -> Result<Capacity, Error> {
        let predecessor = Some(Predecessor { last_block: 0, running_hash: [0; 32] });
        // The longest label of the set: that of its last possible volume.
        let text = crate::volume::name::label_of_volume(&label.label, VOLUMES_MAX);
        let label = LabelRecord { volume: VOLUMES_MAX, label: text, predecessor, ..label.clone() };
        Ok(Capacity { size, label: block_len(encode_record(&label)?.len()) as u64 })
    }

    /// Most payload bytes of a chunk, so that it fits a volume beside the section's header; `None` if volumes are not
    /// bounded. Half a volume at most, so that little of it stays empty.
    pub(super) fn chunk_room(&self, header_bytes: usize) -> Option<u64> {
        let around = self.label.saturating_add(block_len(header_bytes) as u64).saturating_add(tail_bytes(BLOCKS));
        let block = block_len(0) as u64;
        self.size.map(|size| (size / 2).min(size.saturating_sub(around).saturating_sub(block)))
    }

    /// Bytes that label, index and end mark of a volume take, but for what the index lists.
    pub(super) fn around(&self) -> u64 {
        self.label.saturating_add(tail_bytes(1))
    }

    /// Bytes of a volume that sections can fill, if `lost` of them stay empty; `None` if volumes are not bounded.
    pub(super) fn room(&self, lost: u64) -> Option<u64> {
        self.size.map(|size| size.saturating_sub(self.around()).saturating_sub(lost))
    }

    /// Refuses volumes that cannot hold the tables of a plan, each with a row of ordinary length. A longer row may need more:
    /// that shows when it is read.
    ///
    /// # Errors
    /// [`ErrorKind::Options`], with the smallest size; a name is too long for the format.
    pub(super) fn check(&self, plan: &BackupPlan) -> Result<(), Error> {
        let Some(size) = self.size else { return Ok(()) };
        let mut most = ("the list of what is not on the volumes".to_owned(), self.list_bytes(plan)?);
        for planned in &plan.tables {
            let bytes = table_bytes(&planned.table)?;
            if bytes > most.1 {
                most = (format!("the columns and a row of table {}", planned.table.schema.name), bytes);
            }
        }
        for planned in &plan.trees {
            let bytes = super::files::smallest(&planned.tree)?;
            if bytes > most.1 {
                most = (format!("a piece of a file of {}", planned.tree.path), bytes);
            }
        }
        let needed = self.label.saturating_add(most.1).saturating_add(tail_bytes(BLOCKS));
        if size >= needed {
            return Ok(());
        }
        let kib = needed.div_ceil(1_024);
        Err(ErrorKind::Options(format!(
            "volumes of {size} bytes are too small: label, {} and index need {kib} KiB ({} bytes), which is the smallest \
             volume size for these tables",
            most.0,
            kib.saturating_mul(1_024)
        ))
        .into())
    }

    /// The first record of the catalog, which names what is not on the volumes.
    fn list_bytes(&self, plan: &BackupPlan) -> Result<u64, FormatError> {
        let (absent, left_out) = (plan.gaps.absent.clone(), plan.left_out_pairs());
        let head = CatalogRecord { volumes: 1, sections: 0, rows: 0, absent, left_out };
        Ok(block_len(encode_record(&head)?.len()) as u64)
    }
}

/// Bytes of a section's header and of the largest of what stands beside it on a volume: a chunk of one row, or the catalog's
/// record of the section.
fn table_bytes(table: &BoundTable) -> Result<u64, FormatError> {
    let header = encode_record(&to_record(table, true, &Cutoffs::default()))?.len() as u64;
    let block = |payload: u64| block_len(usize::try_from(payload).unwrap_or(usize::MAX)) as u64;
    let header = block(header.saturating_add(ACD_ROOM));
    Ok(header.saturating_add(block(row_bytes(&table.schema)).max(block(ACD_ROOM))))
}

/// Payload bytes of a chunk of one row of ordinary length.
fn row_bytes(schema: &TableSchema) -> u64 {
    let value = |logical: LogicalType| match logical {
        LogicalType::Boolean | LogicalType::Integer { .. } | LogicalType::Float { .. } => 16,
        LogicalType::FixedText { width } if width > 0 => u64::from(width.min(WIDTH_MAX)).saturating_add(16),
        _ => TEXT_BYTES,
    };
    let values = schema.columns.iter().map(|column| value(column.logical)).fold(0, u64::saturating_add);
    directory_bytes(schema.columns.len(), 1, 1).saturating_add(values)
}
