//! Deciding: volumes and target are read, nothing is changed.

use super::applied::Applied;
use super::fitting::{Fit, Fitter, Fitting};
use super::given::{Fitted, Given, GivenAcd, MemberSection, Read, given, giving};
use super::guards::Guards;
use super::journal;
use super::options::{Options, Select};
use super::payloads::Sources;
use super::report::{
    AcdPlan, MemberPlan, RangesPlan, RestorePlan, Source, TableAction, TablePlan, Unfit, VolumeNeed, WholePlan,
};
use super::rules::{Refusal, Rule};
use super::selected::{Selected, Selector};
use super::settled::{Settled, SettledTable, Settling};
use super::shortfall::Shortfall;
use super::sides::{Cells, Sides};
use super::units::collide;
use super::window;
use crate::base::checksum::Hash;
use crate::base::monitor::{Monitor, Task};
use crate::base::position::Position;
use crate::base::side_by_side::side_by_side;
use crate::base::time::{Day, Span};
use crate::error::{Class, Error, ErrorKind};
use crate::schema::clock::RowTimes;
use crate::schema::grain::{DataType, Grain};
use crate::schema::range::{Carried, Decision, Question, Request, Side, Uncovered, Undated, decide, reach_days};
use crate::schema::table::BoundTable;
use crate::section::evidence::Bucket;
use crate::section::pieces::Acd;
use crate::section::rows::SectionTable;
use crate::section::table::is_tree;
use crate::store::control::{Range, Run, RunStatus};
use crate::store::traits::{Snapshot, Store};
use crate::volume::chain::{Chain, has_more};
use crate::volume::error::VolumeError;
use crate::volume::section::{ChunkRef, SectionView};
use crate::volume::set::SetReader;
use std::collections::{BTreeMap, BTreeSet};

/// A run that is gone on with. What it put in itself does not count, and its guards are judged by the units that are left,
/// elsewhere.
pub(super) struct GoingOn {
    /// Its number.
    pub(super) run: u64,
    /// Up to when the target was settled in its plan: its own units have changed the rows by which that is judged.
    pub(super) settled: Settled,
}

/// As [`super::Restore::plan`].
pub(super) fn plan(
    sources @ Sources { chain, .. }: &Sources<'_>,
    store: &dyn Store,
    options: &Options,
    going_on: Option<&GoingOn>,
    monitor: &dyn Monitor,
) -> Result<RestorePlan, Error> {
    let Some(&newest) = chain.members().first() else {
        return Err(Error::nothing("there is no set to restore from", "give a device that holds one"));
    };
    let label = newest.label();
    if label.is_undo() {
        return Err(Rule::UndoSet.error(
            format!("set {} is an undo set: it holds what a restore deleted, not what a source had", label.label),
            "put it back with intervault undo, or choose a backup with --set",
        ));
    }
    let jobs = options.decoders();
    let snapshot = store.snapshot(jobs)?;
    let runs = snapshot.runs()?;
    let ranges = snapshot.ranges()?;
    let last = runs.last().filter(|_| going_on.is_none());
    refuse_at_work(store, last)?;
    let state = snapshot.state()?;
    let shortfall = Shortfall { chain, options };
    let planner = Planner {
        chain,
        newest,
        snapshot: snapshot.as_ref(),
        options,
        acd: one_acd(newest, options)?,
        kind: &store.identity().kind,
        same_server: label.source_server == store.identity().server,
        settling: Settling::new(options, state),
        going_on,
        applied: applied_before(&ranges, options, going_on),
        shortfall: &shortfall,
    };
    let mut plan = RestorePlan { journal: journal::state(&runs, &ranges), ..blank(chain, newest, &planner) };
    let selector = Selector { chain, options, payloads: sources.payloads, shortfall: &shortfall };
    let Selected { tables, gaps: costly } = selector.select(&mut plan)?;
    let ends = tables.iter().flatten().filter_map(|section| section.view.end.as_ref());
    let rows = ends.map(|end| end.rows).fold(0, u64::saturating_add);
    monitor.begin(Task::Plan, "comparing volumes and target", rows);
    let jobs = jobs.min(snapshot.readers().max(1));
    // What was said so far stays with the whole: a part says what is to be said of its table.
    let empty = RestorePlan { notices: Vec::new(), refusals: Vec::new(), ..plan.clone() };
    let planned = side_by_side(jobs, &tables, |reader, sections| {
        let mut part = empty.clone();
        planner.table(reader, sections, &mut part, monitor).map(|()| part)
    })?;
    for part in planned {
        plan.tables.extend(part.tables);
        plan.notices.extend(part.notices);
        plan.refusals.extend(part.refusals);
    }
    monitor.end(Task::Plan);
    shortfall.sets(&mut plan);
    shortfall.members(&costly, &mut plan);
    planner.left_alone(&mut plan);
    if going_on.is_none() {
        let guards = Guards { state, target: store.identity(), label, last, options };
        let refusals = guards.refusals(&plan.tables.iter().collect::<Vec<_>>());
        plan.refusals.extend(refusals);
    }
    of_volumes(chain, &mut plan);
    needs(chain, &mut plan);
    super::summarise::list(&mut plan);
    Ok(plan)
}

/// What is to be said of the volumes, and of sets that are there and were not chosen.
fn of_volumes(chain: &Chain<'_>, plan: &mut RestorePlan) {
    plan.notices.extend(passed_over(chain));
    for set in chain.members() {
        let wrong = set.wrong_volumes().iter().map(VolumeError::to_string);
        let other_copy = |what| format!("{what}; its other copy was read, replace the bad one");
        plan.notices.extend(wrong.chain(set.overcome().into_iter().map(other_copy)));
    }
}

/// Sets that were passed over when the chain was chosen and may be newer than it, in words.
pub fn passed_over(chain: &Chain<'_>) -> Vec<String> {
    let words = |set: &&SetReader<'_>| {
        let (label, id, member) = (&set.label().label, set.set_id(), set.label().member());
        let instead = chain.members().iter().find(|other| other.label().member() == member);
        let salvaged = |instead: &&SetReader<'_>| {
            let both = instead.label().salvaged.is_some() && set.label().salvaged.is_some();
            let better = match () {
                () if both && has_more(instead, set) => ", which was salvaged too and lacks less",
                () if both => ", which was salvaged too",
                () => "",
            };
            format!("set {} stands in its place{better}", instead.set_id())
        };
        if let Some(why) = instead.map(salvaged) {
            return format!("set {label} ({id}) is passed over: {why}; --set chooses it all the same");
        }
        let why = match (set.is_complete(), set.label().incremental) {
            (true, _) => "its catalog cannot be read, and another one was written in its place",
            (false, false) if set.lacks_end_only() => "its end is lost",
            (false, true) => {
                "not all of it is here, or its end cannot be read, and another one was written in its place"
            }
            (false, false) => "its end is not here: it failed, or more volumes of it are elsewhere",
        };
        format!("set {label} ({id}) is passed over: {why}; --set chooses it all the same")
    };
    chain.passed_over().iter().map(words).collect()
}

/// A plan that does nothing yet.
fn blank(chain: &Chain<'_>, newest: &SetReader<'_>, planner: &Planner<'_>) -> RestorePlan {
    let member = |set: &&SetReader<'_>| {
        let label = set.label();
        MemberPlan { set: label.set(), label: label.label.clone(), sequence: label.sequence }
    };
    RestorePlan {
        acd: planner.acd,
        set: newest.label().set(),
        label: newest.label().label.clone(),
        members: chain.members().iter().map(member).collect(),
        gaps: if chain.is_alone() { Vec::new() } else { chain.gaps().to_vec() },
        request: planner.options.request,
        collecting: planner.settling.collecting,
        tables: Vec::new(),
        volumes: Vec::new(),
        bytes: 0,
        summarise: Vec::new(),
        journal: Hash::default(),
        notices: Vec::new(),
        refusals: Vec::new(),
    }
}

/// Refuses while a restore is at work: a run without an end is one that ended early only if nobody holds the lock.
///
/// # Errors
/// Somebody holds it.
pub fn refuse_at_work(store: &dyn Store, last: Option<&Run>) -> Result<(), Error> {
    if last.is_some_and(|run| run.status == RunStatus::Begun) {
        drop(store.lock_for_reading()?);
    }
    Ok(())
}

/// What was restored before, as far as it counts: not what a run that is gone on with put in itself.
fn applied_before(ranges: &[Range], options: &Options, own: Option<&GoingOn>) -> Vec<Range> {
    if options.older_wins {
        return Vec::new();
    }
    let own = own.map(|own| own.run);
    ranges.iter().filter(|range| Some(range.run) != own).cloned().collect()
}

/// The one ACD that is restored: as asked, or that of a set which holds no other. Such a set speaks for nobody else.
fn one_acd(set: &SetReader<'_>, options: &Options) -> Result<Option<i64>, Error> {
    let label = set.label();
    match (options.acd, label.acd) {
        (Some(asked), Some(held)) if asked != held => Err(Error::nothing(
            format!("set {} holds ACD {held} only, nothing of ACD {asked}", label.label),
            "use a set of all ACDs, or of that one",
        )),
        (asked, held) => Ok(asked.or(held)),
    }
}

/// The volumes and bytes that a plan needs.
fn needs(chain: &Chain<'_>, plan: &mut RestorePlan) {
    let mut numbers = BTreeSet::new();
    for table in &plan.tables {
        for source in table.sources() {
            for chunk in &source.chunks {
                numbers.insert((source.member, chunk.entry.volume));
                plan.bytes = plan.bytes.saturating_add(u64::from(chunk.entry.bytes));
            }
        }
    }
    let here = |member: usize, number: u32| {
        chain.members().get(member).is_some_and(|set| !set.missing_volumes().contains(&number))
    };
    let need = |(member, number)| VolumeNeed { member, number, here: here(member, number) };
    plan.volumes = numbers.into_iter().map(need).collect();
}

struct Planner<'a> {
    chain: &'a Chain<'a>,
    newest: &'a SetReader<'a>,
    snapshot: &'a dyn Snapshot,
    options: &'a Options,
    acd: Option<i64>,
    /// The target's kind of store.
    kind: &'a str,
    same_server: bool,
    settling: Settling,
    going_on: Option<&'a GoingOn>,
    /// The ranges that were restored before, in their order.
    applied: Vec<Range>,
    shortfall: &'a Shortfall<'a>,
}

/// What is being planned, and with which connection.
struct At<'a> {
    reader: usize,
    /// Of each member that has the table; the newest first.
    sections: &'a [MemberSection<'a>],
    /// The newest section's table.
    table: &'a SectionTable,
}

/// What was read of both sides of a table.
struct Looked {
    reads: Vec<Read>,
    given: Given,
    /// The days of the target that were looked at.
    days: (Option<Day>, Option<Day>),
    target_sides: BTreeMap<Acd, Side>,
}

impl Looked {
    /// Whether not all that the catalogs list could be read and proved.
    fn is_less_than_listed(&self) -> bool {
        let Given { unproven, stale, lost, .. } = &self.given;
        let unread = self.reads.iter().any(|read| !read.unreadable.is_empty() || !read.evidence.unproven.is_empty());
        unread || !(unproven.is_empty() && stale.is_empty() && lost.is_empty())
    }
}

impl<'a> Planner<'a> {
    /// Whether the sets speak for an ACD: one was taken of that one, or has rows of it.
    fn speaks_for(&self, acd: i64) -> bool {
        let of_set = |set: &&SetReader<'_>| {
            let mut buckets = set.sections().iter().flat_map(|section| &section.buckets);
            set.label().acd == Some(acd) || buckets.any(|bucket| bucket.acd == Some(acd))
        };
        self.chain.members().iter().any(of_set)
    }

    /// Plans one table; `reader` is the connection to use.
    fn table(
        &self,
        reader: usize,
        sections: &[MemberSection<'_>],
        plan: &mut RestorePlan,
        monitor: &dyn Monitor,
    ) -> Result<(), Error> {
        let Some(newest) = sections.first() else { return Ok(()) };
        let table = &newest.table;
        let name = table.bound.schema.name.clone();
        let fitting = match self.reason_to_leave(newest.view, table, plan) {
            Some(reason) => Err(reason),
            None => {
                let select = &self.options.select;
                Fitter { chain: self.chain, snapshot: self.snapshot, select, kind: self.kind }.fit(sections, plan)?
            }
        };
        let at = At { reader, sections, table };
        let action = match fitting {
            Err(reason) => TableAction::Leave(reason),
            Ok(fitting) if table.bound.grain == Grain::None => self.whole(&at, fitting, plan, monitor)?,
            Ok(fitting) => self.ranges(&at, fitting, plan, monitor)?,
        };
        plan.tables.push(TablePlan { table: name, section: table.clone(), action });
        Ok(())
    }

    /// Why a section is left alone whatever the target looks like.
    fn reason_to_leave(&self, section: &SectionView, table: &SectionTable, plan: &mut RestorePlan) -> Option<String> {
        let (name, data_type) = (&table.bound.schema.name, table.bound.data_type);
        if is_tree(&section.header) {
            return Some("it is a file tree; its files are restored with --files-to".to_owned());
        }
        if data_type == DataType::Local && !self.same_server {
            let server = &self.newest.label().source_server;
            let what = format!("{name} is local data of {server}, which only that server may have");
            plan.refusals.push(Rule::Server.refusal(what, "leave local data out with --data"));
            return Some("local data of another server".to_owned());
        }
        if section.header.server_bound && !self.same_server {
            return Some("it describes the state of the server that it came from".to_owned());
        }
        // A site's own tables may have grown since: they are emptied and loaded only when somebody says so.
        if self.options.select == Select::All && data_type == DataType::Custom && section.header.grain == 0 {
            let reason = "custom tables are replaced only when named, with --tables or --data custom".to_owned();
            plan.notices.push(format!("table {name} is left alone: {reason}"));
            return Some(reason);
        }
        (self.acd.is_some() && table.bound.acd_column.is_none())
            .then(|| "it has no ACD column, and only one ACD was asked for".to_owned())
    }

    fn ranges(
        &self,
        at: &At<'_>,
        fitting: Fitting,
        plan: &mut RestorePlan,
        monitor: &dyn Monitor,
    ) -> Result<TableAction, Error> {
        let (sections, table) = (at.sections, at.table);
        let name = &table.bound.schema.name;
        let applied = Applied::new(&self.applied, name, self.newest.label().chain);
        let views = sections.iter().map(|section| section.view);
        let mut cells = Cells::new(&table.bound, views, applied.edges(), self.options);
        let Fitting { target, bound_target, fits, .. } = fitting;
        let (request, grain) = (self.options.request, table.bound.grain);
        let mut window = window::needed(request, grain, sections.iter().map(|section| section.view));
        let mut looked = self.look(at, (&bound_target, &fits), &cells, &applied, window, monitor)?;
        if window.is_some_and(|window| window::is_crossed(window, &looked.target_sides)) {
            window = window::reached(request, grain);
            looked = self.look(at, (&bound_target, &fits), &cells, &applied, window, monitor)?;
        }
        // Rows that the catalog holds and that are not proven may go in one by one, wherever they are.
        if self.options.policies.carried == Carried::Insert && cells.counts_by_catalog() && looked.is_less_than_listed()
        {
            cells = Cells::default();
            looked = self.look(at, (&bound_target, &fits), &cells, &applied, window, monitor)?;
        }
        let Looked { reads, mut given, days, target_sides } = looked;
        given.tell_only(sections, self.acd, request);
        self.shortfall.table(sections, &reads, &given, plan);
        let settled =
            self.settling.table(&table.bound, given.acds.values().map(|acd| &acd.side).chain(target_sides.values()));
        let mut acds = Vec::new();
        // Where nobody has a row there is nothing to do, unless a member of a chain says that there is none any more.
        let emptied = |acd: &GivenAcd| self.newest.label().incremental && !acd.held.is_empty();
        let of_interest = |acd: &GivenAcd| acd.side != Side::default() || emptied(acd) || !acd.unfit.is_empty();
        let with_rows = given.acds.iter().filter(|(_, acd)| of_interest(acd));
        let names: BTreeSet<Acd> = with_rows.map(|(acd, _)| acd).chain(target_sides.keys()).copied().collect();
        for acd in names {
            if self.acd.is_some_and(|only| acd != Some(only)) {
                continue;
            }
            let given = given.acds.get(&acd).cloned().unwrap_or_default();
            acds.push(self.acd(&table.bound, acd, given, target_sides.get(&acd), &settled)?);
        }
        plan.notices.extend(settled.notices(name, &acds));
        plan.notices.extend(unfit(name, sections, &fits, &acds));
        for acd in &acds {
            if let Some(refusal) = acd.decision.refused() {
                plan.refusals.extend(guard(name, acd, refusal));
            }
            plan.refusals.extend(undated_guard(name, acd));
        }
        let mut sources = Vec::with_capacity(sections.len());
        for (((section, read), fit), speaks) in sections.iter().zip(reads).zip(fits).zip(given.speaks) {
            let Ok(mapping) = fit else { continue };
            let chunks = giving(read.chunks, speaks.as_ref(), &acds);
            sources.push(Source { member: section.member, section: section.table.clone(), mapping, chunks, speaks });
        }
        let list = |buckets: BTreeSet<Bucket>| buckets.into_iter().collect();
        let (unproven, stale, lost) = (list(given.unproven), list(given.stale), list(given.lost));
        let unique = self.snapshot.unique_columns(&target)?;
        let empty = acds.iter().all(|acd| acd.target == Side::default());
        let (keyed, at_once) = (false, empty && self.snapshot.fills_at_once(&target)?);
        let mut ranges =
            RangesPlan { target, bound_target, keyed, at_once, sources, cells, days, acds, unproven, stale, lost };
        ranges.keyed = collide(&ranges, &unique);
        Ok(TableAction::Ranges(Box::new(ranges)))
    }

    fn acd(
        &self,
        table: &BoundTable,
        acd: Acd,
        given: GivenAcd,
        target: Option<&Side>,
        settled: &SettledTable,
    ) -> Result<AcdPlan, Error> {
        let target = target.cloned().unwrap_or_default();
        let before = self.going_on.and_then(|run| run.settled.until(&table.schema.name, acd));
        let settled_until = before.unwrap_or_else(|| settled.until(&given.side, &target));
        let question = Question {
            grain: table.grain,
            event_slot_minutes: table.event_slot_minutes,
            request: self.options.request,
            held: &given.held,
            volume: &given.side,
            target: &target,
            undated_proven: given.undated_proven,
            policies: self.options.policies,
            settled_until,
        };
        let mut decision: Decision =
            decide(&question).map_err(|error| ErrorKind::Range { table: table.schema.name.clone(), error })?;
        // Rows without a time cannot be told apart by it: those of the target stay all, or go all.
        let fewer = decision.undated == Undated::Replace && target.undated > given.side.undated;
        if fewer && decision.uncovered_policy == Uncovered::Keep {
            decision.undated = Undated::Leave;
        }
        let GivenAcd { held, side, older, later, unfit, .. } = given;
        Ok(AcdPlan { acd, held, volume: side, target, settled_until, decision, older, later, unfit })
    }

    /// Reads the volumes' rows of a window, and the target's rows that can matter for them.
    fn look(
        &self,
        at: &At<'_>,
        (target, fits): (&BoundTable, &[Fit]),
        cells: &Cells,
        applied: &Applied<'_>,
        window: Option<Span>,
        monitor: &dyn Monitor,
    ) -> Result<Looked, Error> {
        let read = |(section, fit): (&MemberSection<'_>, &Fit)| match fit {
            Ok(_) => section.read(window, cells, self.options, monitor),
            Err(_) => section.unread(window, cells, self.options, monitor),
        };
        let reads = at.sections.iter().zip(fits).map(read).collect::<Result<Vec<Read>, Error>>()?;
        let sections = Fitted { sections: at.sections, fits };
        let given = given(sections, &reads, Some(applied), window, self.chain.is_alone());
        let held = given.acds.values().flat_map(|acd| &acd.held);
        let days = self.target_days(target.grain, held, window.is_none());
        let target_sides = self.target_sides(at.reader, target, days, cells)?;
        Ok(Looked { reads, given, days, target_sides })
    }

    /// The days of the target whose rows can matter: those of the request that the set holds, moved apart by the reach.
    fn target_days<'h>(
        &self,
        grain: Grain,
        held: impl Iterator<Item = &'h Span>,
        undated: bool,
    ) -> (Option<Day>, Option<Day>) {
        let Request { start, stop } = self.options.request;
        // Rows without a usable date come only with a scan of everything.
        if undated {
            return (None, None);
        }
        let envelope = held.copied().reduce(Span::hull);
        // Rows that are not held may go in as well, wherever they are in the request.
        let envelope = envelope.filter(|_| self.options.policies.carried == Carried::Leave);
        let first = [start, envelope.map(|span| span.start)].into_iter().flatten().max();
        let last = [stop, envelope.map(|span| span.stop)].into_iter().flatten().min();
        let reach = reach_days(grain);
        (
            first.map(|instant| instant.day().saturating_sub(reach)),
            last.map(|instant| instant.day().saturating_add(reach)),
        )
    }

    fn target_sides(
        &self,
        reader: usize,
        target: &BoundTable,
        days: (Option<Day>, Option<Day>),
        cells: &Cells,
    ) -> Result<BTreeMap<Acd, Side>, Error> {
        let Some(clock) = &target.clock else { return Ok(BTreeMap::new()) };
        let keys = RowTimes::columns(target);
        let mut times = RowTimes::projected(target, &keys)?;
        let mut sides = Sides::new(cells);
        self.snapshot.scan_days(reader, &target.schema, clock, days, &keys, &mut |batch| {
            sides.add(&times.all(&batch));
            Ok(())
        })?;
        Ok(sides.finish())
    }

    /// A table that is replaced whole comes from the newest member that has it.
    fn whole(
        &self,
        at: &At<'_>,
        fitting: Fitting,
        plan: &mut RestorePlan,
        monitor: &dyn Monitor,
    ) -> Result<TableAction, Error> {
        let Some(section) = at.sections.first() else { return Ok(TableAction::Leave("no set has it".to_owned())) };
        let Fitting { target, bound_target, newest: mapping, .. } = fitting;
        let table = at.table;
        let read = section.read(None, &Cells::default(), self.options, monitor)?;
        let name = &table.bound.schema.name;
        // An absent or damaged section never empties a table: all of it, or nothing.
        if !read.unreadable.is_empty() || !read.evidence.whole {
            self.shortfall.unreadable(section, &read, plan);
            if read.unreadable.is_empty() {
                let what = format!("table {name}: not all rows of its section are on the volumes that are here");
                self.shortfall.refuse_or_note(Rule::MissingVolume, what, plan);
            }
            return Ok(TableAction::Leave(
                "its section is not whole, and such a table is replaced whole or not".into(),
            ));
        }
        let acd = self.acd;
        if let Some(only) = acd.filter(|only| !self.speaks_for(*only)) {
            let what = format!("set {} holds nothing of ACD {only}", plan.label);
            let advice = "an ACD that the set does not know is left alone; check the number";
            plan.refusals.push(Rule::UnknownAcd.refusal(what, advice).of_class(Class::Nothing));
            return Ok(TableAction::Leave("the set does not speak for this ACD".to_owned()));
        }
        let label = section.set.label();
        if Applied::new(&self.applied, name, label.chain).whole_later(acd, label.sequence) {
            let reason =
                "a later member of the chain was restored into it before (--older-wins replaces it)".to_owned();
            plan.notices.push(format!("table {name} is left alone: {reason}"));
            return Ok(TableAction::Leave(reason));
        }
        let counted = |side: &BTreeMap<Acd, Side>| match self.acd {
            Some(acd) => side.get(&Some(acd)).map_or(0, |side| side.undated),
            None => side.values().map(|side| side.undated).fold(0, u64::saturating_add),
        };
        let insert = counted(&read.sides);
        let delete = self.count_target(at.reader, &bound_target)?;
        if delete > insert && table.bound.data_type == DataType::Custom {
            let more = delete.saturating_sub(insert);
            plan.notices.push(format!(
                "table {name} has {more} rows more than the set: replaced whole, it loses what was written since"
            ));
        }
        let Read { chunks, .. } = read;
        let source = Source { member: section.member, section: table.clone(), mapping, chunks, speaks: None };
        Ok(TableAction::Whole(Box::new(WholePlan { target, bound_target, acd, source, insert, delete })))
    }

    fn count_target(&self, reader: usize, target: &BoundTable) -> Result<u64, Error> {
        let parts = self.snapshot.parts(&target.schema, u64::MAX)?;
        let mut times = RowTimes::new(target)?;
        let mut count = 0u64;
        for part in &parts {
            self.snapshot.scan(reader, &target.schema, part, 4_096, usize::MAX, &mut |batch| {
                let mine = |acd: Acd| self.acd.is_none_or(|only| acd == Some(only));
                let rows = times.all(&batch).iter().filter(|row| mine(row.acd)).count();
                count = count.saturating_add(rows as u64);
                Ok(())
            })?;
        }
        Ok(count)
    }

    /// Tables that were named and are left alone are said so; if nothing else is left, nothing can be restored as asked.
    fn left_alone(&self, plan: &mut RestorePlan) {
        let left: Vec<String> = plan
            .tables
            .iter()
            .filter_map(|table| match &table.action {
                TableAction::Leave(reason) => Some(format!("table {} is left alone: {reason}", table.table)),
                TableAction::Ranges(_) | TableAction::Whole(_) => None,
            })
            .collect();
        if left.len() == plan.tables.len() && plan.refusals.is_empty() {
            let what = left.first().cloned().unwrap_or_default();
            plan.refusals.push(Rule::LeftAlone.refusal(what, "nothing of what was asked for can be restored"));
        }
        if matches!(self.options.select, Select::Tables(_)) {
            plan.notices.extend(left);
        }
    }
}

/// What an ACD's decision refuses, a refusal for each rule.
fn guard(table: &str, acd: &AcdPlan, refusal: crate::schema::range::Refusal) -> impl Iterator<Item = Refusal> {
    let name = acd_name(acd.acd);
    let advice = "look at the plan, then say --uncovered keep (the target is right) or --uncovered delete (the set is \
                  right; rows across an edge stay even so, with those in whose place nothing can come beside them)";
    let rules = [
        (Rule::Uncovered, refusal.uncovered_rows, "would be deleted for which the set has none"),
        (Rule::Straddling, refusal.straddling_rows, "lie across an edge of the range"),
    ];
    let at = format!("table {table}, {name}");
    let broken = rules.into_iter().filter(|(_, rows, _)| *rows > 0);
    broken.map(move |(rule, rows, how)| rule.refusal(format!("{at}: {rows} rows in the target {how}"), advice))
}

/// Refuses to replace rows without a usable time by fewer ones, unless told to.
fn undated_guard(table: &str, acd: &AcdPlan) -> Option<Refusal> {
    let (decision, here, there) = (&acd.decision, acd.target.undated, acd.volume.undated);
    let guarded = decision.undated == Undated::Replace && decision.uncovered_policy == Uncovered::Refuse;
    (guarded && here > there).then(|| {
        let name = acd_name(acd.acd);
        let what = format!("table {table}, {name}: {here} rows without a usable time would be replaced by {there}");
        let advice = "say --uncovered keep (those of the target stay as they are), --uncovered delete (the set is right), \
                      or choose a range: such rows are left alone then";
        Rule::Uncovered.refusal(what, advice)
    })
}

/// What is left as it is since only sets that do not fit the target have it: a line for each.
fn unfit<'s>(
    table: &'s str,
    sections: &'s [MemberSection<'s>],
    fits: &'s [Fit],
    acds: &'s [AcdPlan],
) -> impl Iterator<Item = String> + 's {
    sections.iter().zip(fits).filter_map(move |(section, fit)| {
        let why = fit.as_ref().err()?;
        let of_set: Vec<(Acd, Unfit)> = acds
            .iter()
            .flat_map(|acd| acd.unfit_rows().map(|unfit| (acd.acd, unfit)))
            .filter(|(_, unfit)| unfit.member == section.member)
            .collect();
        let time = of_set.iter().filter_map(|(_, unfit)| unfit.rows.envelope()).reduce(Span::hull);
        let when = match time {
            Some(time) => format!("in the time from {} up to {}", time.start, time.stop),
            None => "without a usable time".to_owned(),
        };
        let names: Vec<String> = of_set.iter().map(|(acd, _)| acd_name(*acd)).collect();
        let whose = match names.as_slice() {
            [] => return None,
            [one] => one.clone(),
            several => format!("{} ACDs", several.len()),
        };
        let label = &section.set.label().label;
        Some(format!(
            "table {table}: rows of {whose} {when} are left as they are: only set {label} speaks for them, and it \
             does not fit the target ({why})"
        ))
    })
}

fn acd_name(acd: Acd) -> String {
    acd.map_or_else(|| "no ACD".to_owned(), |acd| format!("ACD {acd}"))
}

/// Where a chunk is.
pub(super) fn position(chunk: &ChunkRef) -> Position {
    Position::volume(chunk.entry.volume)
        .with_block(chunk.entry.block)
        .with_rows(chunk.entry.first_row, u64::from(chunk.entry.rows))
}

impl TablePlan {
    /// What the table's plan reads of which sets.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        match &self.action {
            TableAction::Leave(_) => &[],
            TableAction::Ranges(ranges) => &ranges.sources,
            TableAction::Whole(whole) => std::slice::from_ref(&whole.source),
        }
    }
}
