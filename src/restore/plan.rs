//! Deciding: volumes and target are read, nothing is changed.

use super::drift;
use super::guards::Guards;
use super::options::{Missing, Options, Select};
use super::report::{AcdPlan, RangesPlan, RestorePlan, Source, TableAction, TablePlan, VolumeNeed, WholePlan};
use super::rules::{Refusal, Rule};
use super::settled::{SettledTable, Settling};
use super::sides::{Cells, Sides};
use crate::base::monitor::{Monitor, Task};
use crate::base::ordered::ordered;
use crate::base::position::Position;
use crate::base::side_by_side::side_by_side;
use crate::base::time::{Day, Instant, Span};
use crate::error::{Class, Error, ErrorKind};
use crate::format::chunk::PieceEntry;
use crate::schema::clock::{Clock, ClockKind, Length, RowTimes};
use crate::schema::grain::{DataType, Grain};
use crate::schema::range::{Carried, Decision, Question, Request, Side, Undated, decide, reach_days};
use crate::schema::table::{BoundTable, TableSchema};
use crate::section::evidence::{Claims, Evidence, weigh};
use crate::section::pieces::Acd;
use crate::section::rows::{RowsError, SectionTable};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::{Snapshot, Store};
use crate::volume::chain::Chain;
use crate::volume::error::VolumeError;
use crate::volume::section::{ChunkRef, SectionSource, SectionView};
use crate::volume::set::SetReader;
use std::collections::{BTreeMap, BTreeSet};

/// As [`super::Restore::plan`].
pub(super) fn plan(
    chain: &Chain<'_>,
    store: &dyn Store,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<RestorePlan, Error> {
    let Some(&set) = chain.members().first() else {
        return Err(Error::nothing("there is no set to restore from", "give a device that holds one"));
    };
    let label = set.label();
    if label.is_undo() {
        return Err(Rule::UndoSet.error(
            format!("set {} is an undo set: it holds what a restore deleted, not what a source had", label.label),
            "put it back with intervault undo, or choose a backup with --set",
        ));
    }
    let jobs = options.jobs.max(1);
    let snapshot = store.snapshot(jobs)?;
    let acd = one_acd(set, options)?;
    let (state, same_server) = (snapshot.state()?, same_server(set, store));
    let settling = Settling::new(options, state);
    let planner = Planner { set, snapshot: snapshot.as_ref(), options, acd, same_server, settling };
    let mut plan = RestorePlan {
        acd,
        set: label.set(),
        label: label.label.clone(),
        request: options.request,
        collecting: settling.collecting,
        tables: Vec::new(),
        volumes: Vec::new(),
        bytes: 0,
        summarise: Vec::new(),
        notices: Vec::new(),
        refusals: Vec::new(),
    };
    let sections = planner.selected()?;
    let rows = sections.iter().filter_map(|section| section.end.as_ref()).map(|end| end.rows);
    monitor.begin(Task::Plan, "comparing volumes and target", rows.fold(0, u64::saturating_add));
    let jobs = jobs.min(snapshot.readers().max(1));
    let blank = plan.clone();
    let planned = side_by_side(jobs, &sections, |reader, section| {
        let mut part = blank.clone();
        planner.table(reader, section, &mut part, monitor).map(|()| part)
    })?;
    for part in planned {
        plan.tables.extend(part.tables);
        plan.notices.extend(part.notices);
        plan.refusals.extend(part.refusals);
    }
    monitor.end(Task::Plan);
    planner.scanned(&mut plan);
    planner.left_alone(&mut plan);
    let runs = snapshot.runs()?;
    let guards = Guards { state, target: store.identity(), label, last: runs.last(), options };
    let refusals = guards.refusals(&plan.tables);
    plan.refusals.extend(refusals);
    let wrong = set.wrong_volumes().iter().map(VolumeError::to_string);
    let other_copy = |what| format!("{what}; its other copy was read, replace the bad one");
    plan.notices.extend(wrong.chain(set.overcome().into_iter().map(other_copy)));
    needs(set, &mut plan);
    super::summarise::list(&mut plan);
    Ok(plan)
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

fn same_server(set: &SetReader<'_>, store: &dyn Store) -> bool {
    let (label, target) = (set.label(), store.identity());
    label.source_server == target.server
}

/// The volumes and bytes that a plan needs.
fn needs(set: &SetReader<'_>, plan: &mut RestorePlan) {
    let mut numbers = BTreeSet::new();
    for table in &plan.tables {
        for chunk in table.sources().iter().flat_map(|source| &source.chunks) {
            numbers.insert(chunk.entry.volume);
            plan.bytes = plan.bytes.saturating_add(u64::from(chunk.entry.bytes));
        }
    }
    let missing = set.missing_volumes();
    plan.volumes = numbers.into_iter().map(|number| VolumeNeed { number, here: !missing.contains(&number) }).collect();
}

struct Planner<'a> {
    set: &'a SetReader<'a>,
    snapshot: &'a dyn Snapshot,
    options: &'a Options,
    acd: Option<i64>,
    same_server: bool,
    settling: Settling,
}

/// What was read of a section's chunks.
struct VolumeSide {
    sides: BTreeMap<Acd, Side>,
    evidence: Evidence,
}

/// What is being planned, and with which connection.
struct At<'a> {
    reader: usize,
    section: &'a SectionView,
    table: &'a SectionTable,
}

impl Planner<'_> {
    fn selected(&self) -> Result<Vec<&SectionView>, Error> {
        let sections = self.set.sections();
        let chosen: Vec<&SectionView> = match &self.options.select {
            Select::All => sections.iter().filter(|section| self.unbounded() || section.header.grain != 0).collect(),
            Select::Data(data) => {
                let bits = data.iter().map(|data_type| data_type.bit()).fold(0, |bits, bit| bits | bit);
                let whole = |section: &&SectionView| self.unbounded() || section.header.grain != 0;
                sections.iter().filter(|section| section.header.data_type & bits != 0).filter(whole).collect()
            }
            Select::Tables(names) => {
                let mut chosen = Vec::new();
                for name in distinct(names) {
                    let found = sections.iter().find(|section| section.header.table.eq_ignore_ascii_case(name));
                    chosen.push(found.ok_or_else(|| {
                        let what = format!("table {name} is not in set {}", self.set.label().label);
                        Error::nothing(what, "list its tables with intervault check DEVICE --list")
                    })?);
                }
                chosen
            }
        };
        if chosen.is_empty() {
            let what = format!("set {} holds none of the data asked for", self.set.label().label);
            return Err(Error::nothing(what, "list its tables with intervault check DEVICE --list"));
        }
        Ok(chosen)
    }

    /// Whether the set speaks for an ACD: it was taken of that one, or has rows of it.
    fn speaks_for(&self, acd: i64) -> bool {
        let mut buckets = self.set.sections().iter().flat_map(|section| &section.buckets);
        self.set.label().acd == Some(acd) || buckets.any(|bucket| bucket.acd == Some(acd))
    }

    fn unbounded(&self) -> bool {
        self.options.request == Request::ALL
    }

    /// Plans one table; `reader` is the connection to use.
    fn table(
        &self,
        reader: usize,
        section: &SectionView,
        plan: &mut RestorePlan,
        monitor: &dyn Monitor,
    ) -> Result<(), Error> {
        let table = SectionTable::new(section.number, &section.header)?;
        let name = table.bound.schema.name.clone();
        let fitting = match self.reason_to_leave(section, &table, plan) {
            Some(reason) => Err(reason),
            None => self.fitting_target(&table, plan)?,
        };
        let at = At { reader, section, table: &table };
        let action = match fitting {
            Err(reason) => TableAction::Leave(reason),
            Ok((target, mapping)) if table.bound.grain == Grain::None => {
                self.whole(&at, target, mapping, plan, monitor)?
            }
            Ok((target, mapping)) => self.ranges(&at, target, mapping, plan, monitor)?,
        };
        plan.tables.push(TablePlan { table: name, section: table, action });
        Ok(())
    }

    /// Why a section is left alone whatever the target looks like.
    fn reason_to_leave(&self, section: &SectionView, table: &SectionTable, plan: &mut RestorePlan) -> Option<String> {
        let (name, data_type) = (&table.bound.schema.name, table.bound.data_type);
        if data_type == DataType::Local && !self.same_server {
            let server = &self.set.label().source_server;
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

    /// The target's table, if the section's rows fit it and it can be written; otherwise why not, in short, with the refusals
    /// in the plan.
    fn fitting_target(
        &self,
        table: &SectionTable,
        plan: &mut RestorePlan,
    ) -> Result<Result<(TableSchema, drift::Mapping), String>, Error> {
        let name = &table.bound.schema.name;
        let mut refuse = |rule: Rule, what: String, advice: &str| plan.refusals.push(rule.refusal(what, advice));
        let Some(target) = self.snapshot.schema(name)? else {
            let advice = "create it first, or choose other tables with --tables";
            refuse(Rule::AbsentTable, format!("the target has no table {name}"), advice);
            return Ok(Err("the target has no such table".to_owned()));
        };
        let advice = "nothing of it is restored until then; choose other tables with --tables";
        let mapping = match drift::map(&table.bound.schema, &target) {
            Ok(mapping) => mapping,
            Err(problems) => {
                problems
                    .into_iter()
                    .for_each(|what| refuse(Rule::SchemaDrift, format!("table {name}: {what}"), advice));
                return Ok(Err("its columns do not fit the target's".to_owned()));
            }
        };
        match self.snapshot.writable(&target) {
            Ok(()) => Ok(Ok((target, mapping))),
            Err(StoreError { kind: StoreErrorKind::Unsupported(why) | StoreErrorKind::Refused(why), .. }) => {
                refuse(Rule::NotWritable, format!("table {name}: {why}"), advice);
                Ok(Err("its rows cannot be replaced".to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn ranges(
        &self,
        at: &At<'_>,
        target: TableSchema,
        mapping: drift::Mapping,
        plan: &mut RestorePlan,
        monitor: &dyn Monitor,
    ) -> Result<TableAction, Error> {
        let (section, table) = (at.section, at.table);
        let window = self.window(table.bound.grain);
        let in_window = |chunk: &&ChunkRef| match window {
            None => true,
            Some(window) => {
                let span = Span::new(Instant(chunk.entry.first), Instant(chunk.entry.stop));
                span.is_some_and(|span| span.meets(window))
            }
        };
        let chunks: Vec<ChunkRef> = section.chunks.iter().filter(in_window).cloned().collect();
        let cells = Cells::new(&table.bound, section, self.options);
        let (volume, unreadable) = self.volume_side(section, table, &chunks, window, &cells, monitor)?;
        self.refuse_unreadable(&table.bound.schema.name, &unreadable, plan);
        let bound_target = bound_target(&table.bound, &target, &mapping);
        let held = volume.evidence.held.values().flatten();
        let days = self.target_days(table.bound.grain, held, window.is_none());
        let target_sides = self.target_sides(at.reader, &bound_target, days, &cells)?;
        let settled = self.settling.table(&table.bound, [&volume.sides, &target_sides]);
        let mut acds = Vec::new();
        let names: BTreeSet<Acd> = volume.sides.keys().chain(target_sides.keys()).copied().collect();
        for acd in names {
            if self.acd.is_some_and(|only| acd != Some(only)) {
                continue;
            }
            let plan = self.acd(&table.bound, acd, &volume, target_sides.get(&acd), &settled)?;
            acds.push(plan);
        }
        plan.notices.extend(settled.notices(&table.bound.schema.name, &acds));
        for acd in &acds {
            if let Some(refusal) = acd.decision.refused() {
                plan.refusals.extend(guard(&table.bound.schema.name, acd, refusal));
            }
        }
        let unread: BTreeSet<u64> = unreadable.iter().map(|(chunk, _)| chunk.number).collect();
        let readable = chunks.into_iter().filter(|chunk| !unread.contains(&chunk.number)).collect();
        let chunks = giving(readable, &acds);
        let unproven = volume.evidence.unproven.into_iter().collect();
        let sources = vec![Source { member: 0, section: table.clone(), mapping, chunks, speaks: None }];
        Ok(TableAction::Ranges(Box::new(RangesPlan { target, bound_target, sources, cells, days, acds, unproven })))
    }

    fn acd(
        &self,
        table: &BoundTable,
        acd: Acd,
        volume: &VolumeSide,
        target: Option<&Side>,
        settled: &SettledTable,
    ) -> Result<AcdPlan, Error> {
        let held = volume.evidence.held.get(&acd).cloned().unwrap_or_default();
        let volume_side = volume.sides.get(&acd).cloned().unwrap_or_default();
        let target = target.cloned().unwrap_or_default();
        let settled_until = settled.until(&volume_side, &target);
        let question = Question {
            grain: table.grain,
            event_slot_minutes: table.event_slot_minutes,
            request: self.options.request,
            held: &held,
            volume: &volume_side,
            target: &target,
            undated_proven: volume.evidence.undated.contains(&acd),
            policies: self.options.policies,
            settled_until,
        };
        let decision: Decision =
            decide(&question).map_err(|error| ErrorKind::Range { table: table.schema.name.clone(), error })?;
        Ok(AcdPlan { acd, held, volume: volume_side, target, settled_until, decision })
    }

    /// The whole days in question: rows outside them cannot matter. `None`: all of time.
    fn window(&self, grain: Grain) -> Option<Span> {
        let Request { start, stop } = self.options.request;
        if start.is_none() && stop.is_none() {
            return None;
        }
        let reach = reach_days(grain);
        let first = start.map_or(Instant::MIN, |start| Instant::of_day(start.day().saturating_sub(reach)));
        let last =
            stop.map_or(Instant::MAX, |stop| Instant::of_day(stop.day().saturating_add(reach).saturating_add(1)));
        Span::new(first, last)
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

    /// Reads the key columns of the chunks; those that cannot be read come back with the reason.
    fn volume_side(
        &self,
        section: &SectionView,
        table: &SectionTable,
        chunks: &[ChunkRef],
        window: Option<Span>,
        cells: &Cells,
        monitor: &dyn Monitor,
    ) -> Result<(VolumeSide, Vec<(ChunkRef, Unread)>), Error> {
        let (mut sides, mut entries) = (Sides::new(cells), Vec::<PieceEntry>::new());
        let mut unreadable = Vec::new();
        ordered(
            self.options.jobs.max(1),
            chunks.len(),
            2,
            |_, item, emit| {
                if let Some(chunk) = chunks.get(item) {
                    emit((item, read_keys(self.set, table, chunk)));
                }
                Ok::<(), Error>(())
            },
            |(item, read)| {
                let Some(chunk) = chunks.get(item) else { return Ok(()) };
                monitor.advance(Task::Plan, u64::from(chunk.entry.rows), u64::from(chunk.entry.bytes));
                match read {
                    Ok(rows) => {
                        sides.add(&rows.when);
                        entries.extend(rows.directory.pieces);
                    }
                    Err(reason) => unreadable.push((*chunk, reason)),
                }
                Ok(())
            },
        )?;
        let whole = unreadable.is_empty() && chunks.len() == section.chunks.len() && section.end.is_some();
        let claims = Claims {
            buckets: (section.source == SectionSource::Catalog).then_some(&section.buckets[..]),
            end: section.end.as_ref(),
            cutoffs: &table.cutoffs,
            grain: table.bound.grain,
            window,
        };
        let evidence = weigh(claims, &entries, whole);
        Ok((VolumeSide { sides: sides.finish(), evidence }, unreadable))
    }

    fn whole(
        &self,
        at: &At<'_>,
        target: TableSchema,
        mapping: drift::Mapping,
        plan: &mut RestorePlan,
        monitor: &dyn Monitor,
    ) -> Result<TableAction, Error> {
        let (section, table) = (at.section, at.table);
        let chunks = section.chunks.clone();
        let (volume, unreadable) = self.volume_side(section, table, &chunks, None, &Cells::default(), monitor)?;
        let name = &table.bound.schema.name;
        // An absent or damaged section never empties a table: all of it, or nothing.
        if !unreadable.is_empty() || !volume.evidence.whole {
            self.refuse_unreadable(name, &unreadable, plan);
            if unreadable.is_empty() {
                let what = format!("table {name}: not all rows of its section are on the volumes that are here");
                self.refuse_or_note(Rule::MissingVolume, what, plan);
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
        let bound_target = bound_target(&table.bound, &target, &mapping);
        let counted = |side: &BTreeMap<Acd, Side>| match self.acd {
            Some(acd) => side.get(&Some(acd)).map_or(0, |side| side.undated),
            None => side.values().map(|side| side.undated).fold(0, u64::saturating_add),
        };
        let insert = counted(&volume.sides);
        let delete = self.count_target(at.reader, &bound_target)?;
        if delete > insert && table.bound.data_type == DataType::Custom {
            let more = delete.saturating_sub(insert);
            plan.notices.push(format!(
                "table {name} has {more} rows more than the set: replaced whole, it loses what was written since"
            ));
        }
        let source = Source { member: 0, section: table.clone(), mapping, chunks, speaks: None };
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

    /// What is known of a set by a scan alone may be less than what it held: chunks, headers and whole sections that are
    /// lost do not show in what was found. Such a set is restored only when told.
    fn scanned(&self, plan: &mut RestorePlan) {
        let sections = self.set.sections();
        if let Some(damage) = self.set.damage().first() {
            let count = self.set.damage().len();
            let what = format!("set {} is damaged in {count} places, first: {}", plan.label, damage.error);
            return self.refuse_or_note(Rule::Damage, what, plan);
        }
        let by_scan = sections.is_empty() || sections.iter().any(|section| section.source == SectionSource::Scan);
        if !by_scan {
            return;
        }
        let gap = sections.iter().zip(1u32..).any(|(section, number)| section.number != number);
        if self.set.is_complete() && !gap && sections.iter().all(SectionView::is_complete) {
            return;
        }
        let missing: Vec<String> = self.set.missing_volumes().iter().map(u32::to_string).collect();
        let (rule, what) = if missing.is_empty() || self.set.is_interrupted() {
            (Rule::IncompleteSet, format!("set {} was never finished, or parts of it are lost", plan.label))
        } else {
            let volumes = missing.join(", ");
            let what = format!("volume {volumes} of set {} is not here, and the catalog is not whole", plan.label);
            (Rule::MissingVolume, what)
        };
        self.refuse_or_note(rule, what, plan);
    }

    fn refuse_or_note(&self, rule: Rule, what: String, plan: &mut RestorePlan) {
        let class = if rule == Rule::Damage { Class::Damage } else { Class::Volume };
        let advice = match class {
            Class::Volume if self.set.is_interrupted() => {
                "the backup was interrupted: use another set, or restore what is proven whole in this one: --partial"
            }
            Class::Volume => "bring the volume, or restore what is proven whole without it: --partial",
            _ => "restore from another copy of the set, or what is proven whole without them: --partial",
        };
        match self.options.missing {
            Missing::Partial => plan.notices.push(what),
            Missing::Refuse => plan.refusals.push(rule.refusal(what, advice).of_class(class)),
        }
    }

    fn refuse_unreadable(&self, table: &str, unreadable: &[(ChunkRef, Unread)], plan: &mut RestorePlan) {
        let Some((_, Unread { reason: first, .. })) = unreadable.first() else { return };
        let missing = unreadable.iter().any(|(_, unread)| unread.absent);
        let rows = unreadable.iter().map(|(chunk, _)| u64::from(chunk.entry.rows)).fold(0, u64::saturating_add);
        let what = format!("table {table}: {rows} rows in {} chunks cannot be read: {first}", unreadable.len());
        self.refuse_or_note(if missing { Rule::MissingVolume } else { Rule::Damage }, what, plan);
    }
}

/// Those chunks that may have rows that go in.
fn giving(chunks: Vec<ChunkRef>, acds: &[AcdPlan]) -> Vec<ChunkRef> {
    if acds.iter().any(|plan| plan.decision.undated != Undated::Leave) {
        return chunks;
    }
    let slots = acds.iter().flat_map(|plan| plan.decision.insert.iter().chain(&plan.decision.carried_in));
    let Some(given) = slots.map(|slot| slot.span).reduce(Span::hull) else { return Vec::new() };
    let span = |chunk: &ChunkRef| Span::new(Instant(chunk.entry.first), Instant(chunk.entry.stop));
    chunks.into_iter().filter(|chunk| span(chunk).is_some_and(|span| span.meets(given))).collect()
}

/// What an ACD's decision refuses, a refusal for each rule.
fn guard(table: &str, acd: &AcdPlan, refusal: crate::schema::range::Refusal) -> impl Iterator<Item = Refusal> {
    let name = acd.acd.map_or_else(|| "no ACD".to_owned(), |acd| format!("ACD {acd}"));
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

fn read_keys(
    set: &SetReader<'_>,
    table: &SectionTable,
    chunk: &ChunkRef,
) -> Result<crate::section::rows::ChunkRows, Unread> {
    let payload = set.read_chunk(chunk).map_err(|error| Unread {
        absent: matches!(error, VolumeError::MissingVolumes { .. } | VolumeError::WrongVolume { .. }),
        reason: error.to_string(),
    })?;
    let damaged = |error: RowsError| Unread { absent: false, reason: error.to_string() };
    table.keys(&payload, position(chunk)).map_err(damaged)
}

/// Why a chunk cannot be read.
struct Unread {
    /// Whether its volume is not here, or another one in its place.
    absent: bool,
    reason: String,
}

/// Names, each once whatever its case.
fn distinct(names: &[String]) -> Vec<&String> {
    let mut seen = BTreeSet::new();
    names.iter().filter(|name| seen.insert(name.to_ascii_lowercase())).collect()
}

/// Where a chunk is.
pub(super) fn position(chunk: &ChunkRef) -> Position {
    Position::volume(chunk.entry.volume)
        .with_block(chunk.entry.block)
        .with_rows(chunk.entry.first_row, u64::from(chunk.entry.rows))
}

/// The section's table, with the columns and column numbers of the target.
fn bound_target(section: &BoundTable, target: &TableSchema, mapping: &drift::Mapping) -> BoundTable {
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
