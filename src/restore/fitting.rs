//! Which sections of a table fit the target's: the newest one must, an older one that does not gives nothing. Changes nothing.

use super::drift::{self, Mapping, Types};
use super::given::MemberSection;
use super::options::Select;
use super::report::RestorePlan;
use super::rules::Rule;
use crate::error::Error;
use crate::schema::clock::{Clock, ClockKind, Length};
use crate::schema::table::{BoundTable, TableSchema};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::Snapshot;
use crate::volume::chain::Chain;

/// How the columns of a section map to the target's; or why its rows do not fit there.
pub(super) type Fit = Result<Mapping, String>;

/// The target's table, and how the sections fit it.
pub(super) struct Fitting {
    /// The target's table.
    pub(super) target: TableSchema,
    /// The newest section's table, with the columns and column numbers of the target.
    pub(super) bound_target: BoundTable,
    /// How the newest section's columns map to the target's.
    pub(super) newest: Mapping,
    /// How each section fits, the newest first: that one does.
    pub(super) fits: Vec<Fit>,
}

/// Holds sections against the target.
pub(super) struct Fitter<'a> {
    pub(super) chain: &'a Chain<'a>,
    pub(super) snapshot: &'a dyn Snapshot,
    pub(super) select: &'a Select,
    /// The target's kind of store.
    pub(super) kind: &'a str,
}

impl Fitter<'_> {
    /// The target's table, if the rows of the newest section fit it and it can be written; otherwise why not, in short, with
    /// the refusals in the plan.
    ///
    /// # Errors
    /// The store fails.
    pub(super) fn fit(
        &self,
        sections: &[MemberSection<'_>],
        plan: &mut RestorePlan,
    ) -> Result<Result<Fitting, String>, Error> {
        let Some(newest) = sections.first() else { return Ok(Err("no set has it".to_owned())) };
        let name = &newest.table.bound.schema.name;
        let Some(target) = self.snapshot.schema(name)? else { return Ok(Err(self.absent(newest, plan))) };
        let mut refuse = |rule: Rule, what: String, advice: &str| plan.refusals.push(rule.refusal(what, advice));
        let advice = "nothing of it is restored until then; choose other tables with --tables";
        let mapping = match drift::map(&newest.table.bound.schema, &target, self.types(newest)) {
            Ok(mapping) => mapping,
            Err(problems) => {
                let of = match sections {
                    [_] => String::new(),
                    _ => format!(" of set {}", newest.set.label().label),
                };
                let what = |problem| format!("table {name}{of}: {problem}");
                problems.into_iter().for_each(|problem| refuse(Rule::SchemaDrift, what(problem), advice));
                return Ok(Err("its columns do not fit the target's".to_owned()));
            }
        };
        match self.snapshot.writable(&target) {
            Ok(()) => {}
            Err(StoreError { kind: StoreErrorKind::Unsupported(why) | StoreErrorKind::Refused(why), .. }) => {
                refuse(Rule::NotWritable, format!("table {name}: {why}"), advice);
                return Ok(Err("its rows cannot be replaced".to_owned()));
            }
            Err(error) => return Err(error.into()),
        }
        let bound_target = bound_target(&newest.table.bound, &target, &mapping);
        let older = sections
            .iter()
            .skip(1)
            .map(|section| older(&section.table.bound, (&target, self.types(section)), &bound_target));
        let fits = std::iter::once(Ok(mapping.clone())).chain(older).collect();
        Ok(Ok(Fitting { target, bound_target, newest: mapping, fits }))
    }

    fn types(&self, section: &MemberSection<'_>) -> Types {
        Types::between(&section.set.label().source_store, self.kind)
    }

    /// The target lacks the table. Where the source had it no more when the newest set was taken, and nobody asks for it by
    /// its name, it is as it should be.
    fn absent(&self, newest: &MemberSection<'_>, plan: &mut RestorePlan) -> String {
        let name = &newest.table.bound.schema.name;
        let lists = |absent: &String| absent.eq_ignore_ascii_case(name);
        let newer = self.chain.members().iter().take(newest.member);
        let gone = newer.filter_map(|set| set.catalog()).any(|catalog| catalog.absent.iter().any(lists));
        if gone && !matches!(self.select, Select::Tables(_)) {
            let label = &newest.set.label().label;
            plan.notices.push(format!(
                "table {name} is left alone: the source had it no more when the newest set was taken, and the target has \
                 none; set {label} has its rows: create it and choose it with --tables to have them back"
            ));
            return "neither the source nor the target has such a table any more".to_owned();
        }
        let advice = "create it first, or choose other tables with --tables";
        plan.refusals.push(Rule::AbsentTable.refusal(format!("the target has no table {name}"), advice));
        "the target has no such table".to_owned()
    }
}

/// How an older section's rows fit a target that the newest one's are bound to.
fn older(section: &BoundTable, (target, types): (&TableSchema, Types), newest: &BoundTable) -> Fit {
    if section.grain != newest.grain {
        return Err(format!("its rows are of another grain: {}, not {}", section.grain.name(), newest.grain.name()));
    }
    let mapping = drift::map(&section.schema, target, types).map_err(|problems| problems.join("; "))?;
    let bound = bound_target(section, target, &mapping);
    if (&bound.clock, bound.acd_column) != (&newest.clock, newest.acd_column) {
        return Err("other columns say to which time or ACD its rows belong".to_owned());
    }
    Ok(mapping)
}

/// The section's table, with the columns and column numbers of the target.
fn bound_target(section: &BoundTable, target: &TableSchema, mapping: &Mapping) -> BoundTable {
    let at = |column: usize| mapping.columns.get(column).copied().unwrap_or(column);
    BoundTable {
        schema: target.clone(),
        clock: section.clock.as_ref().map(|clock| renumbered(clock, at)),
        acd_column: section.acd_column.map(at),
        ..section.clone()
    }
}

/// The same clock, on columns with other numbers.
fn renumbered(clock: &Clock, at: impl Fn(usize) -> usize) -> Clock {
    let kind = match &clock.kind {
        ClockKind::DateHhmm { date, time } => ClockKind::DateHhmm { date: at(*date), time: at(*time) },
        ClockKind::Date { date } => ClockKind::Date { date: at(*date) },
        ClockKind::Timestamp { at: column } => ClockKind::Timestamp { at: at(*column) },
        ClockKind::EpochSeconds { at: column, zone } => ClockKind::EpochSeconds { at: at(*column), zone: zone.clone() },
    };
    let length = clock.length.map(|length| match length {
        Length::Column(column) => Length::Column(at(column)),
        Length::Minutes(minutes) => Length::Minutes(minutes),
    });
    Clock { kind, length }
}
