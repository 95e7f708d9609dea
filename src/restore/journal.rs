//! The lines of the restore journal: what a run was asked for, and which ranges its units put in. Where they are kept is the
//! store's affair.

use super::options::{Missing, Options, Proof, Select};
use super::report::{AcdPlan, Source, TableAction};
use super::settled::Settled;
use super::target::UnitRows;
use crate::base::checksum::{Hash, blake3};
use crate::base::time::{Instant, Span};
use crate::error::Error;
use crate::format::block::SetId;
use crate::schema::grain::DataType;
use crate::schema::range::{Carried, PartialPeriods, Policies, Request, SpanSet, Uncovered};
use crate::section::pieces::Acd;
use crate::store::control::{Range, RangeKind, Run};
use serde::{Deserialize, Serialize};

/// A set that a restore draws on, as the journal names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    /// The set.
    pub(super) set: SetId,
    /// The full backup that begins its chain.
    pub(super) chain: SetId,
    /// Its place in the chain.
    pub(super) sequence: u32,
}

/// The ranges that a unit puts in, each from its set.
pub(super) fn ranges(unit: &UnitRows<'_>, members: &[Member]) -> Vec<Range> {
    let mut lines = Vec::new();
    let sources = unit.table.sources();
    let mut add = |source: &Source, acd: Acd, kind: RangeKind, span: Span, sequence: Option<u32>| {
        let Some(member) = members.get(source.member) else { return };
        lines.push(Range {
            run: 0,
            unit: 0,
            table: unit.table.table.clone(),
            acd,
            kind,
            span,
            set: member.set.0,
            chain: member.chain.0,
            sequence: sequence.unwrap_or(member.sequence),
        });
    };
    match &unit.table.action {
        TableAction::Leave(_) => {}
        TableAction::Whole(whole) => add(&whole.source, whole.acd, RangeKind::Whole, Span::ALL, None),
        TableAction::Ranges(plan) => {
            for acd in unit.undated_acds() {
                let gives =
                    |source: &&Source| source.speaks.as_ref().is_none_or(|speaks| speaks.undated.contains(&acd));
                sources.iter().find(gives).into_iter().for_each(|source| {
                    let again = source.speaks.as_ref().and_then(|speaks| speaks.undated_again.get(&acd));
                    add(source, acd, RangeKind::Undated, Span::ALL, again.copied());
                });
            }
            let Some(slice) = unit.part.dated() else { return lines };
            let slice = SpanSet::from(slice);
            for source in sources {
                for plan in &plan.acds {
                    for (kind, spans) in kinds(plan) {
                        let mut spans = spans.intersection(&slice);
                        if let Some(speaks) = &source.speaks {
                            spans = spans.intersection(speaks.dated.get(&plan.acd).unwrap_or(&SpanSet::EMPTY));
                        }
                        let speaks = source.speaks.as_ref().and_then(|speaks| speaks.again.get(&plan.acd));
                        for (sequence, again) in speaks.into_iter().flatten() {
                            let these = spans.intersection(again);
                            spans = spans.minus(again);
                            these.spans().iter().for_each(|span| add(source, plan.acd, kind, *span, Some(*sequence)));
                        }
                        spans.spans().iter().for_each(|span| add(source, plan.acd, kind, *span, None));
                    }
                }
            }
        }
    }
    lines
}

fn kinds(plan: &AcdPlan) -> [(RangeKind, SpanSet); 2] {
    let carried: SpanSet = plan.decision.carried_in.iter().map(|slot| slot.span).collect();
    let carried = carried.minus(&plan.decision.actual);
    [(RangeKind::Held, plan.decision.actual.clone()), (RangeKind::Carried, carried)]
}

/// Options as the journal has them: TOML, for people too.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Version of this text.
    version: u32,
    /// The sets that it draws on, the newest first, if there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sets: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tables: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acd: Option<i64>,
    /// Civil seconds since 1970-01-01 00:00; the stop is the first that is not meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop: Option<i64>,
    uncovered: String,
    partial_periods: String,
    carried: String,
    partial: bool,
    #[serde(default)]
    older_wins: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    collecting: Option<bool>,
    proof: String,
    now: i64,
    /// Up to when each table and ACD was settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    settled: Vec<SettledLine>,
}

/// Up to when an ACD of a table was settled, as the plan of the run had it; without an instant nothing was held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SettledLine {
    pub(super) table: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) acd: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<i64>,
}

const UNCOVERED: [(&str, Uncovered); 3] =
    [("refuse", Uncovered::Refuse), ("delete", Uncovered::Delete), ("keep", Uncovered::Keep)];
const PARTIAL_PERIODS: [(&str, PartialPeriods); 2] =
    [("keep", PartialPeriods::Keep), ("replace", PartialPeriods::Replace)];
const CARRIED: [(&str, Carried); 2] = [("leave", Carried::Leave), ("insert", Carried::Insert)];
const PROOF: [(&str, Proof); 2] = [("full", Proof::Full), ("counts", Proof::Counts)];

fn word<T: PartialEq>(words: &[(&str, T)], value: &T) -> String {
    words.iter().find(|(_, other)| other == value).map(|(word, _)| (*word).to_owned()).unwrap_or_default()
}

fn value<T: Copy>(words: &[(&str, T)], text: &str) -> Option<T> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
}

/// The options of a run as its line has them, and the sets that it draws on.
///
/// # Errors
/// A name cannot be written as TOML; none is known.
pub(super) fn write_options(options: &Options, sets: &[SetId], settled: Option<&Settled>) -> Result<String, Error> {
    let (data, tables) = match &options.select {
        Select::All => (None, None),
        Select::Data(data) => (Some(data.iter().map(|data| data.name().to_owned()).collect()), None),
        Select::Tables(tables) => (None, Some(tables.clone())),
    };
    let written = Written {
        version: 1,
        sets: if sets.len() > 1 { sets.iter().map(SetId::to_string).collect() } else { Vec::new() },
        data,
        tables,
        acd: options.acd,
        start: options.request.start.map(|start| start.0),
        stop: options.request.stop.map(|stop| stop.0),
        uncovered: word(&UNCOVERED, &options.policies.uncovered),
        partial_periods: word(&PARTIAL_PERIODS, &options.policies.partial_periods),
        carried: word(&CARRIED, &options.policies.carried),
        partial: options.missing == Missing::Partial,
        older_wins: options.older_wins,
        collecting: options.collecting,
        proof: word(&PROOF, &options.proof),
        now: options.decided_at.map_or(options.now, |at| at.min(options.now)).0,
        settled: settled.map(Settled::lines).unwrap_or_default(),
    };
    toml::to_string(&written).map_err(|error| {
        Error::refused(format!("what was asked for cannot be written down: {error}"), "name other tables")
    })
}

/// Up to when each table and ACD was settled in the plan of a run.
///
/// # Errors
/// The line is not as this release writes it.
pub(super) fn read_settled(text: &str) -> Result<Settled, Error> {
    Ok(Settled::of_lines(written(text)?.settled))
}

/// What the journal says, in short: a restore, a resume or an undo since, even one that stopped in the middle, changes it.
pub(super) fn state(runs: &[Run], ranges: &[Range]) -> Hash {
    let runs = runs.iter().map(|run| (run.number, run.status.word())).collect::<Vec<_>>();
    blake3(format!("{runs:?} {ranges:?}").as_bytes())
}

/// The sets that a run's line names, the newest first; none if it draws on one only.
///
/// # Errors
/// The line is not as this release writes it.
pub(super) fn read_sets(text: &str) -> Result<Vec<SetId>, Error> {
    let set = |id: &String| SetId::from_hex(id).ok_or_else(|| wrong("it names a set that is none"));
    written(text)?.sets.iter().map(set).collect()
}

fn wrong(what: &str) -> Error {
    Error::refused(
        format!("the journal's line of the restore cannot be read: {what}"),
        "it was written by another release, or changed by hand: undo that restore, or begin anew with --anew",
    )
}

fn written(text: &str) -> Result<Written, Error> {
    let written: Written = toml::from_str(text).map_err(|error| wrong(error.message()))?;
    if written.version == 1 { Ok(written) } else { Err(wrong("its version is not known here")) }
}

/// The options that a run's line has; what it does not say (threads) is as in `base`.
///
/// # Errors
/// The line is not as this release writes it.
pub(super) fn read_options(text: &str, base: &Options) -> Result<Options, Error> {
    let written = written(text)?;
    let select = match (written.data, written.tables) {
        (None, None) => Select::All,
        (None, Some(tables)) => Select::Tables(tables),
        (Some(names), None) => {
            let named = |name: &String| DataType::ALL.iter().find(|data| data.name() == name.as_str()).copied();
            let data: Option<Vec<DataType>> = names.iter().map(named).collect();
            Select::Data(data.ok_or_else(|| wrong("it names a kind of data that is not known here"))?)
        }
        (Some(_), Some(_)) => return Err(wrong("it names both kinds of data and tables")),
    };
    let policies = || {
        Some(Policies {
            uncovered: value(&UNCOVERED, &written.uncovered)?,
            partial_periods: value(&PARTIAL_PERIODS, &written.partial_periods)?,
            carried: value(&CARRIED, &written.carried)?,
        })
    };
    Ok(Options {
        select,
        acd: written.acd,
        request: Request { start: written.start.map(Instant), stop: written.stop.map(Instant) },
        policies: policies().ok_or_else(|| wrong("it names a policy that is not known here"))?,
        missing: if written.partial { Missing::Partial } else { Missing::Refuse },
        older_wins: written.older_wins,
        collecting: written.collecting,
        proof: value(&PROOF, &written.proof).ok_or_else(|| wrong("it names a proof that is not known here"))?,
        now: Instant(written.now),
        ..base.clone()
    })
}
