//! Restore: rows of a set, or of a chain of sets, back into a store. [`Restore::plan`] reads what is needed of volumes and
//! target and decides; [`Restore::apply`] saves what goes and changes the target unit by unit, each in a transaction that also
//! proves it. What ended early goes on with [`Restore::resume`] or goes back with [`undo()`]. Knows neither SQL nor files.

mod applied;
mod apply;
mod beside;
mod drift;
mod files;
mod fitting;
mod given;
mod guards;
mod journal;
mod keep;
mod options;
mod overlap;
mod payloads;
mod plan;
mod report;
mod resume;
mod rules;
mod saved;
mod selected;
mod settled;
mod shortfall;
mod sides;
mod summarise;
mod target;
mod undo;
mod undo_rows;
mod units;
mod window;
mod workers;

pub use beside::{from_the_future, may_be_newer, newer_torn, undated};
pub use files::{FilesOptions, FilesPlan, FilesReport, FilesRestore, FilesStopped, TreePlan};
pub use keep::Keep;
pub use options::{Missing, Options, Proof, Select, UNIT_ROWS};
pub use plan::{passed_over, refuse_at_work};
pub use report::{
    AcdPlan, MemberPlan, Outcome, RangesPlan, RestorePlan, RestoreReport, Source, Speaks, Stopped, TableAction,
    TablePlan, TableReport, UndoSet, Unfit, UnitReport, VolumeNeed, WholePlan,
};
pub use resume::{Unfinished, unfinished};
pub use rules::{Refusal, Rule};
pub use saved::SavedPlan;
pub use undo::{UndoOptions, UndoPlan, UndoReport, UndoUnit, undo, undo_plan, undoable};
pub use units::Part;

use crate::base::monitor::{Monitor, Silent};
use crate::error::Error;
use crate::store::traits::Store;
use crate::volume::chain::Chain;
use payloads::{Payloads, Sources};

/// A restore: from where, onto what, how.
///
/// # Example
/// `examples/restore.rs` plans, shows the plan, watches, stops, resumes and undoes one.
pub struct Restore<'a> {
    chain: Chain<'a>,
    store: &'a dyn Store,
    options: Options,
    monitor: &'a dyn Monitor,
    payloads: Payloads,
}

impl<'a> Restore<'a> {
    /// A restore of a set, or of a chain of sets, that nobody watches. Nothing is read yet.
    #[must_use]
    pub fn new(from: impl Into<Chain<'a>>, store: &'a dyn Store, options: Options) -> Restore<'a> {
        let payloads = Payloads::default();
        Restore { chain: from.into(), store, options, monitor: &Silent, payloads }
    }

    /// The same with somebody who is told how far it is and can stop it.
    #[must_use]
    pub fn watched(self, monitor: &'a dyn Monitor) -> Restore<'a> {
        Restore { monitor, ..self }
    }

    /// Says what the restore would do. Every chunk that it would use is read and its checksums are verified; the target is
    /// read in a snapshot. Nothing is changed. What fits stays in memory for [`Restore::apply`]
    /// ([`Restore::remembering`]).
    ///
    /// # Errors
    /// The sets have none of the tables asked for; the range engine cannot answer; the store or a device fails; somebody asked
    /// to stop. What merely forbids applying the plan is in [`RestorePlan::refusals`].
    pub fn plan(&self) -> Result<RestorePlan, Error> {
        self.payloads.clear();
        plan::plan(&self.sources(), self.store, &self.options, None, self.monitor)
    }

    /// The same with so many bytes of chunks kept from [`Restore::plan`] for [`Restore::apply`], so that these are not read
    /// again: 16 MiB unless said otherwise, 0 for none.
    #[must_use]
    pub fn remembering(self, bytes: usize) -> Restore<'a> {
        Restore { payloads: Payloads::new(bytes), ..self }
    }

    fn sources(&self) -> Sources<'_> {
        Sources { chain: &self.chain, payloads: &self.payloads }
    }

    /// The units that [`Restore::apply`] would cut a plan into, in order, none of them begun.
    #[must_use]
    pub fn units(&self, plan: &RestorePlan) -> Vec<UnitReport> {
        apply::units_of(plan, &self.options)
    }

    /// Applies a plan, unit by unit. Each unit is one transaction: under its write lock the rows that the decision rests on
    /// are looked at again, then rows are deleted, inserted, read again and compared with the volumes, and the journal gets
    /// its line. With `keep` the rows that go are first saved on an undo set, which is synced and read back.
    ///
    /// Memory does not grow with the rows but for the keys of those that a unit deletes or inserts. Events are counted by
    /// slots, but one by one where no catalog says what is held, where carried ones go in, and, with these, in a damaged set.
    ///
    /// # Errors
    /// The plan is refused; another backup or restore is at work; rows of a unit are no longer those that the plan saw (plan
    /// again); a chunk cannot be read or is not what its directory says; the target does not hold what was inserted; the
    /// store or the undo device fails; somebody asked to stop. The report says which units are replaced; all others are as
    /// they were.
    pub fn apply(&self, plan: &RestorePlan, keep: Option<Keep<'_>>) -> Result<RestoreReport, Box<Stopped>> {
        apply::apply(plan, &self.sources(), self.store, &self.options, keep, self.monitor)
    }

    /// Plans what [`Restore::resume`] will do, and so reads every chunk that it will use. Nothing is changed, and nothing kept:
    /// for whoever has to know beforehand which volumes are needed.
    ///
    /// # Errors
    /// As [`Restore::plan`]; the run's line in the journal cannot be read.
    pub fn plan_rest(&self, unfinished: &Unfinished) -> Result<RestorePlan, Error> {
        self.payloads.clear();
        resume::plan_rest(&unfinished.run, &self.sources(), self.store, &self.options, self.monitor)
    }

    /// Goes on with a run that ended early, with the options in its line of the journal; of the options given here only
    /// threads and the moment are used. A second time there is nothing left to do, and [`unfinished`] gives none.
    ///
    /// # Errors
    /// As [`Restore::apply`]; the sets are not those of the run; the target's rows of a unit that is still to be replaced are
    /// no longer those that the run saw.
    pub fn resume(&self, unfinished: &Unfinished) -> Result<RestoreReport, Box<Stopped>> {
        resume::resume(unfinished, &self.sources(), self.store, &self.options, self.monitor)
    }
}
