//! Backup: tables of a store onto the volumes of a new set. [`plan()`] says what would be written, [`run()`] writes it, reads
//! it back and says what was done. Knows neither SQL nor files.

mod capacity;
pub(crate) mod cutoff;
mod files;
mod plan;
mod report;
mod run;

pub use files::{FileTree, PlannedTree, TreeReport};
pub use plan::{Gap, Gaps, Options, Plan, PlannedTable, ReadBack, Select, plan};
pub use report::{Report, TableReport};
pub use run::{check_volume_size, run};
