//! What must hold before a restore may begin, whatever its rows: the state of the database, the version of the source, no
//! other restore half done. Pure.

use super::options::{Options, Select};
use super::report::{TableAction, TablePlan};
use super::rules::{Refusal, Rule};
use crate::format::label::LabelRecord;
use crate::schema::grain::DataType;
use crate::store::control::{Collection, Mode, Run, RunStatus, State};
use crate::store::traits::StoreIdentity;

/// What the guards look at.
pub(super) struct Guards<'a> {
    /// The state of the target.
    pub(super) state: State,
    /// The target.
    pub(super) target: &'a StoreIdentity,
    /// The label of the set.
    pub(super) label: &'a LabelRecord,
    /// The last restore in the journal.
    pub(super) last: Option<&'a Run>,
    /// What was asked for.
    pub(super) options: &'a Options,
}

impl Guards<'_> {
    /// The rules that are broken by changing these tables.
    pub(super) fn refusals(&self, tables: &[&TablePlan]) -> Vec<Refusal> {
        let begun = [self.unfinished(), self.version()].into_iter().flatten();
        begun.chain(of_state(&self.options.select, self.state, tables)).collect()
    }

    fn unfinished(&self) -> Option<Refusal> {
        let last = self.last.filter(|last| last.status == RunStatus::Begun && !self.options.anew)?;
        Some(Rule::UnfinishedRestore.refusal(
            format!("restore {} of {} ended early and is neither finished nor undone", last.number, last.label),
            "finish it with --resume, take it back with intervault undo, or set it aside with --anew",
        ))
    }

    fn version(&self) -> Option<Refusal> {
        let (from, to) = (&self.label.source_version, &self.target.version);
        let differ = !from.is_empty() && !to.is_empty() && from != to && self.label.source_store == self.target.kind;
        (differ && !self.options.other_version).then(|| {
            let what = format!("the set is of version {from} of the database's schema, the target has version {to}");
            let advice = "restore onto the version that it came from, or say that both mean the same: --other-version";
            Rule::SchemaVersion.refusal(what, advice)
        })
    }

    /// A plan for a target that stands still does not fit one that has begun to collect: it may touch what is being written.
    pub(super) fn switched_on(&self, planned: bool) -> Option<Refusal> {
        let switched_on = self.state.collection == Collection::On && !planned && self.options.collecting != Some(false);
        switched_on.then(|| {
            let what = "the plan was made while collection was off, and it is on now".to_owned();
            Rule::Collection.refusal(what, "plan again, or switch it off: intervault state --collection off")
        })
    }
}

/// What the state of a database forbids of the tables that are changed, each rule once.
pub(super) fn of_state(select: &Select, state: State, tables: &[&TablePlan]) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> = Vec::new();
    for table in tables.iter().filter(|table| !matches!(table.action, TableAction::Leave(_))) {
        for refusal in state_refusals(select, state, table.section.bound.data_type, &table.table) {
            if !refusals.iter().any(|other| other.rule == refusal.rule) {
                refusals.push(refusal);
            }
        }
    }
    refusals
}

/// What the state of a database forbids of a table: local data needs collection off, all administration data single-user mode.
/// Tables that were named one by one may be changed in any state, as with the product family's own restores.
pub(super) fn state_refusals(select: &Select, state: State, data_type: DataType, table: &str) -> Vec<Refusal> {
    let administration = matches!(data_type, DataType::Local | DataType::System | DataType::Acd);
    if matches!(select, Select::Tables(_)) || !administration {
        return Vec::new();
    }
    let now = format!("collection is {} and mode is {}", state.collection, state.mode);
    let mut refusals = Vec::new();
    if data_type == DataType::Local && state.collection != Collection::Off {
        let what = format!("{table} is local data, which needs collection off; now {now}");
        let advice = "intervault state --collection off; leave it out with --data, or name it with --tables";
        refusals.push(Rule::Collection.refusal(what, advice));
    }
    if state.mode != Mode::SingleUser {
        let what = format!("{table} is administration data, which needs single-user mode; now {now}");
        let advice = "intervault state --mode single-user; leave such data out with --data, or name it with --tables";
        refusals.push(Rule::SingleUser.refusal(what, advice));
    }
    refusals
}
