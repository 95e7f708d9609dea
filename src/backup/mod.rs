//! Backup: tables of a store and file trees onto the volumes of a new set, all of them or what changed since a set before. A
//! [`Backup`] says what would be written, writes it, reads it back and says what was done. Knows no SQL.

mod base;
mod capacity;
mod changed;
mod compare;
mod cutoff;
mod estimate;
mod files;
mod lost;
mod options;
mod plan;
mod report;
mod run;
mod sink;
mod table;

pub use base::Parent;
pub use changed::ChangedMedia;
pub use estimate::Estimate;
pub use files::{FileTree, PlannedTree, TreeReport};
pub use options::{ChangedSince, Incremental, Kind, Options, ReadBack, Select};
pub use plan::{BackupPlan, Gap, Gaps, PlannedTable};
pub use report::{BackupReport, Compared, TableReport};
pub use run::Backup;
