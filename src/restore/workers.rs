//! Who replaces which unit when: by several writers side by side, where the database lets them.
//!
//! Units of one table are replaced one after the other, since a unit locks its table; so are a table and those that its rows
//! refer to, which come first: a row is put in when what it refers to is there.

use super::apply::{Todo, Work};
use super::report::{Outcome, RestoreReport, cancelled};
use crate::base::monitor::Task;
use crate::error::Error;
use crate::store::control::RunStatus;
use crate::store::traits::{Snapshot, Writer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant as Clock;

/// Which tables wait for which others, those in lower case.
#[derive(Debug, Default)]
pub(super) struct Order(BTreeMap<String, BTreeSet<String>>);

impl Order {
    /// The order among the tables of some units.
    pub(super) fn of(snapshot: &dyn Snapshot, todo: &[Todo<'_>]) -> Result<Order, Error> {
        let mut order = BTreeMap::new();
        for unit in todo {
            let Some(target) = unit.rows.target() else { continue };
            if !order.contains_key(&unit.rows.table.table) {
                let others = snapshot.refers_to(&target.schema)?;
                let others = others.into_iter().map(|table| table.to_ascii_lowercase()).collect();
                order.insert(unit.rows.table.table.clone(), others);
            }
        }
        Ok(Order(order))
    }

    /// Whether units of a table may begin, where units of these tables are not done.
    fn allows(&self, table: &str, left: &BTreeSet<&str>) -> bool {
        let refers =
            |other: &&str| self.0.get(table).is_some_and(|others| others.contains(&other.to_ascii_lowercase()));
        !left.iter().any(refers)
    }
}

/// What the writers share.
struct Shared<'a> {
    report: &'a mut RestoreReport,
    /// Units that nobody has begun, by their place, in order.
    left: Vec<usize>,
    /// Tables of which a unit is at work.
    busy: BTreeSet<&'a str>,
    /// The first that went wrong.
    failed: Option<Error>,
}

/// Units on their way to the writers.
struct Queue<'a> {
    todo: &'a [Todo<'a>],
    order: &'a Order,
    shared: Mutex<Shared<'a>>,
    moved: Condvar,
}

impl<'a> Queue<'a> {
    fn shared(&self) -> MutexGuard<'_, Shared<'a>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next unit for a writer; waits until there is one that may begin. `None` when nothing is left to begin.
    fn next(&self) -> Option<usize> {
        let mut shared = self.shared();
        loop {
            if shared.failed.is_some() || shared.left.is_empty() {
                return None;
            }
            // A unit at work is still to be done; where tables refer to each other in a circle the first one begins.
            let free = self.first(&shared, true);
            let free = if free.is_none() && shared.busy.is_empty() { self.first(&shared, false) } else { free };
            if let Some(at) = free {
                let unit = shared.left.remove(at);
                shared.busy.extend(self.todo.get(unit).map(|unit| unit.rows.table.table.as_str()));
                return Some(unit);
            }
            shared = self.moved.wait(shared).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The place among those left of the first unit whose table is free.
    fn first(&self, shared: &Shared<'_>, in_order: bool) -> Option<usize> {
        let tables =
            shared.left.iter().filter_map(|unit| self.todo.get(*unit)).map(|unit| unit.rows.table.table.as_str());
        let undone: BTreeSet<&str> = tables.chain(shared.busy.iter().copied()).collect();
        shared.left.iter().position(|unit| {
            self.todo.get(*unit).is_some_and(|unit| {
                let table = unit.rows.table.table.as_str();
                !shared.busy.contains(table) && (!in_order || self.order.allows(table, &undone))
            })
        })
    }

    /// One writer, until nothing is left.
    fn work(&self, work: &Work<'_>, run: u64, writer: &mut dyn Writer) {
        while let Some(at) = self.next() {
            let Some(unit) = self.todo.get(at) else { return };
            let (mut part, mut outcome) = (RestoreReport::default(), Outcome::RolledBack);
            let done = match work.monitor.cancelled() {
                true => {
                    outcome = Outcome::NotBegun;
                    Err(cancelled())
                }
                false => work.unit(writer, run, unit, &mut part, &mut outcome),
            };
            let mut shared = self.shared();
            shared.busy.remove(unit.rows.table.table.as_str());
            if let Some(line) = shared.report.units.get_mut(at) {
                line.outcome = outcome;
            }
            shared.report.add(part);
            if let Err(error) = done {
                shared.failed.get_or_insert(error);
            }
            drop(shared);
            self.moved.notify_all();
        }
    }
}

impl Work<'_> {
    /// Replaces the units that are still to be replaced, and ends the run. The writer is used, and as many more of the store's
    /// own as may be at work side by side.
    pub(super) fn replace(
        &self,
        writer: &mut dyn Writer,
        run: u64,
        todo: &[Todo<'_>],
        order: &Order,
        report: &mut RestoreReport,
    ) -> Result<(), Error> {
        let rows = todo.iter().filter(|todo| !todo.done).map(|todo| todo.plan.insert).fold(0, u64::saturating_add);
        self.monitor.begin(Task::Restore, "replacing rows", rows);
        let left: Vec<usize> = todo.iter().enumerate().filter(|(_, unit)| !unit.done).map(|(at, _)| at).collect();
        let tables: BTreeSet<&str> =
            left.iter().filter_map(|at| todo.get(*at)).map(|unit| unit.rows.table.table.as_str()).collect();
        let writers = self.store.writers().min(self.options.jobs).min(tables.len()).max(1);
        let began = Clock::now();
        let shared = Shared { report: &mut *report, left, busy: BTreeSet::new(), failed: None };
        let queue = Queue { todo, order, shared: Mutex::new(shared), moved: Condvar::new() };
        std::thread::scope(|scope| {
            for _ in 1..writers {
                scope.spawn(|| match self.store.writer() {
                    Ok(mut writer) => queue.work(self, run, writer.as_mut()),
                    // Slower, but nothing is lost: the first writer does all.
                    Err(error) => self.monitor.notice(&format!("one writer fewer: {error}")),
                });
            }
            queue.work(self, run, writer);
        });
        let shared = queue.shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        let failed = shared.failed;
        let worked = report.apply_time.saturating_add(report.proof_time).as_secs_f64();
        if writers > 1 && worked > 0.0 {
            // What passed, not what all writers worked together.
            let share = (began.elapsed().as_secs_f64() / worked).min(1.0);
            (report.apply_time, report.proof_time) =
                (report.apply_time.mul_f64(share), report.proof_time.mul_f64(share));
        }
        let place = |table: &str| todo.iter().position(|unit| unit.rows.table.table == table);
        report.tables.sort_by_key(|table| place(&table.table));
        failed.map_or(Ok(()), Err)?;
        self.monitor.end(Task::Restore);
        let mut replacement = writer.begin()?;
        self.still_locked()?;
        replacement.end_run(run, RunStatus::Finished, Some(self.options.now_unix))?;
        replacement.commit()?;
        self.tell_what_is_behind(todo);
        Ok(())
    }

    /// Says which counters of the database are behind the rows that came in. The restore is done: what cannot be asked is not
    /// said.
    fn tell_what_is_behind(&self, todo: &[Todo<'_>]) {
        let Ok(snapshot) = self.store.snapshot(1) else { return };
        let mut asked = BTreeSet::new();
        for unit in todo.iter().filter(|unit| unit.plan.insert > 0) {
            let Some(target) = unit.rows.target().filter(|_| asked.insert(unit.rows.table.table.as_str())) else {
                continue;
            };
            let behind = snapshot.behind(&target.schema).unwrap_or_default();
            behind.iter().for_each(|words| self.monitor.notice(words));
        }
    }
}
