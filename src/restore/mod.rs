//! Restore: rows of a set back into a store. [`plan()`] reads what is needed of volumes and target and decides, [`apply()`]
//! changes the target in one transaction and proves it before it commits. Knows neither SQL nor files.

mod apply;
mod drift;
mod guards;
mod journal;
mod keep;
mod options;
mod plan;
mod report;
mod resume;
mod saved;
mod sides;
mod summarise;
mod target;
mod undo;
mod units;

pub use apply::{apply, units_of};
pub use keep::Keep;
pub use options::{Missing, Options, Proof, Select, UNIT_ROWS};
pub use plan::plan;
pub use report::{
    AcdPlan, Outcome, Plan, RangesPlan, Refusal, Report, Source, Stopped, TableAction, TablePlan, TableReport, UndoSet,
    UnitReport, VolumeNeed, WholePlan,
};
pub use resume::{Unfinished, resume, unfinished};
pub use saved::SavedPlan;
pub use undo::{UndoOptions, UndoPlan, UndoReport, UndoUnit, undo, undo_plan, undoable};
pub use units::Part;
