//! Restore: rows of a set back into a store. [`plan()`] reads what is needed of volumes and target and decides, [`apply()`]
//! changes the target in one transaction and proves it before it commits. Knows neither SQL nor files.

mod apply;
mod drift;
mod options;
mod plan;
mod report;
mod sides;
mod summarise;

pub use apply::apply;
pub use options::{Missing, Options, Proof, Select};
pub use plan::plan;
pub use report::{
    AcdPlan, Plan, RangesPlan, Refusal, Report, Source, TableAction, TablePlan, TableReport, VolumeNeed, WholePlan,
};
