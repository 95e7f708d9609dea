//! A change of the database: one session, one transaction, READ COMMITTED.
//!
//! - Each table that is looked at is locked first, SHARE ROW EXCLUSIVE: whoever reads goes on, whoever writes waits. So what
//!   is read inside stays true until the commit.
//! - Foreign keys that can be deferred are looked at in the end. A table whose deletions would change other tables (CASCADE, SET
//!   NULL, SET DEFAULT), or that has triggers or rules, is refused: rows that no volume speaks for would change.
//! - After the first failure of a change nothing more is done, and nothing can be committed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use super::address::Address;
use super::connect::{self, Purpose};
use super::control::Control;
use super::delete::{self, DELETE};
use super::fault::{Site, kind_of};
use super::indexes;
use super::insert::Place;
use super::reader::Scan;
use super::rules;
use super::session::Session;
use super::shape::{self, Shape};
use crate::base::time::Day;
use crate::column::batch::Batch;
use crate::schema::clock::Clock;
use crate::schema::table::TableSchema;
use crate::store::control::{KeyRuns, Range, Run, RunStatus, State, Unit};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::ledger::Ledger;
use crate::store::traits::{KeyedSink, Replacement, Writer};

const BEGIN: &str = "begin to change the database";
const CHANGE: &str = "change the database";
const COMMIT: &str = "commit the change";

/// The sessions of one store that change the database, by the number that the server gives them: they wait for each other
/// as long as it takes.
pub(super) type Colleagues = Arc<Mutex<BTreeSet<i32>>>;

/// Who has a table: the number of the session, what it calls itself, its user.
type Holder = (i32, String, String);

/// A session for several changes, one after the other.
pub(super) struct PostgresWriter {
    place: String,
    schema: String,
    encoding: &'static str,
    client: Session,
    number: i32,
    colleagues: Colleagues,
}

impl PostgresWriter {
    /// Opens the session.
    pub(super) fn open(address: &Address, colleagues: &Colleagues) -> Result<PostgresWriter, StoreError> {
        let place = address.to_string();
        let mut client = connect::open(address, Purpose::Writing)?;
        let site = Site::database(&place);
        let asked = client.query_one(
            "SELECT pg_backend_pid(), current_setting('server_encoding'), current_setting('session_replication_role'), \
             pg_is_in_recovery()",
            &[],
        );
        let said = asked.and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?)));
        let (number, encoding, plays, follows): (i32, String, String, bool) = said.map_err(site.during(BEGIN))?;
        if follows {
            let words = "this server follows another (a standby), and only reads: name the one that it follows";
            return Err(site.fail(BEGIN, StoreErrorKind::NotPermitted(words.to_owned())));
        }
        // A replica looks at no foreign key, and fires other triggers than those that are asked about. Who may not leave that
        // off is told so.
        if plays != "origin" && client.batch_execute("SET session_replication_role = origin").is_err() {
            let words = format!(
                "session_replication_role is {plays} for this role or database, so that foreign keys would not be looked at: let \
                 an administrator set it to origin (ALTER ROLE ... or ALTER DATABASE ... RESET session_replication_role)"
            );
            return Err(site.fail(BEGIN, StoreErrorKind::NotPermitted(words)));
        }
        colleagues.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        // A database that knows no encoding takes bytes as they are.
        let encoding = if encoding == "SQL_ASCII" { "SQL_ASCII" } else { "UTF8" };
        let schema = address.schema().to_owned();
        Ok(PostgresWriter { place, schema, encoding, client, number, colleagues: Arc::clone(colleagues) })
    }
}

impl Drop for PostgresWriter {
    fn drop(&mut self) {
        self.colleagues.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

impl Writer for PostgresWriter {
    fn begin(&mut self) -> Result<Box<dyn Replacement + '_>, StoreError> {
        Ok(Box::new(PostgresReplacement::begin_with(Held::Lent(self))?))
    }
}

/// A session of one's own, or one that is used again afterwards.
enum Held<'a> {
    Own(Box<PostgresWriter>),
    Lent(&'a mut PostgresWriter),
}

impl Deref for Held<'_> {
    type Target = PostgresWriter;

    fn deref(&self) -> &PostgresWriter {
        match self {
            Held::Own(writer) => writer,
            Held::Lent(writer) => writer,
        }
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut PostgresWriter {
        match self {
            Held::Own(writer) => writer,
            Held::Lent(writer) => writer,
        }
    }
}

/// The change; rolled back when it is dropped.
pub(super) struct PostgresReplacement<'a> {
    session: Held<'a>,
    failed: bool,
    committed: bool,
    /// Tables that are locked, by the name in lower case.
    shapes: HashMap<String, Rc<Shape>>,
    /// Those of them, by their numbers, that no rule keeps from being changed.
    checked: HashSet<u32>,
    /// For each table the keys of rows that the journal's lines of applied units name.
    named: HashMap<String, Rc<KeyRuns>>,
    /// For each table those rows of them that were put back under other keys: the old one and the new one.
    moved: HashMap<String, BTreeMap<i64, i64>>,
    control_is_there: bool,
    /// Statements that make anew what was taken away for as long as rows came in.
    put_off: Vec<String>,
}

impl PostgresReplacement<'static> {
    /// Begins, in a session of its own.
    pub(super) fn begin(
        address: &Address,
        colleagues: &Colleagues,
    ) -> Result<PostgresReplacement<'static>, StoreError> {
        PostgresReplacement::begin_with(Held::Own(Box::new(PostgresWriter::open(address, colleagues)?)))
    }
}

impl<'a> PostgresReplacement<'a> {
    fn begin_with(mut session: Held<'a>) -> Result<PostgresReplacement<'a>, StoreError> {
        let begun = session.client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED; SET CONSTRAINTS ALL DEFERRED");
        begun.map_err(Site::database(&session.place).during(BEGIN))?;
        Ok(PostgresReplacement {
            session,
            failed: false,
            committed: false,
            shapes: HashMap::new(),
            checked: HashSet::new(),
            named: HashMap::new(),
            moved: HashMap::new(),
            control_is_there: false,
            put_off: Vec::new(),
        })
    }

    /// Runs what may fail; after a failure nothing more is done.
    fn attempt<T>(
        &mut self,
        table: Option<&str>,
        work: impl FnOnce(&mut PostgresReplacement<'a>, Site<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let place = self.session.place.clone();
        let site = table.map_or(Site::database(&place), |table| Site::table(&place, table));
        if self.failed {
            let message = "the change has failed before and is rolled back".to_owned();
            return Err(site.fail(CHANGE, StoreErrorKind::Other { code: "none".to_owned(), message }));
        }
        let result = work(self, site);
        self.failed = result.is_err();
        result
    }

    /// The table of this name, locked; `None` if there is none.
    fn locked(&mut self, site: Site<'_>, name: &str) -> Result<Option<Rc<Shape>>, StoreError> {
        let key = name.to_ascii_lowercase();
        if let Some(shape) = self.shapes.get(&key) {
            return Ok(Some(Rc::clone(shape)));
        }
        let PostgresWriter { schema, client, colleagues, .. } = &mut *self.session;
        let listing = shape::load(client, site, schema, Some(name))?;
        let Some(shape) = listing.table(name) else { return Ok(None) };
        lock(client, site, shape, colleagues)?;
        // What it was before it was locked may have changed.
        let listing = shape::load(client, site, schema, Some(name))?;
        let shape = listing.table(name).map(|shape| Rc::new(shape.clone()));
        shape.iter().for_each(|shape| drop(self.shapes.insert(key.clone(), Rc::clone(shape))));
        Ok(shape)
    }

    /// As [`PostgresReplacement::locked`], for a table that must be there and have these columns.
    fn same(&mut self, site: Site<'_>, table: &TableSchema) -> Result<Rc<Shape>, StoreError> {
        match self.locked(site, &table.name)? {
            Some(shape) => shape::same_columns(&shape, site, CHANGE, table).map(|()| shape),
            None => Err(site.fail(CHANGE, StoreErrorKind::NoTable(table.name.clone()))),
        }
    }

    /// Reads rows of a locked table.
    fn read<T>(
        &mut self,
        table: &TableSchema,
        work: impl FnOnce(&mut Session, Site<'_>, &Shape) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.attempt(Some(&table.name), |this, site| {
            let shape = this.same(site, table)?;
            work(&mut this.session.client, site, &shape)
        })
    }

    /// Changes rows of a locked table that may be changed.
    fn change<T>(
        &mut self,
        table: &TableSchema,
        work: impl FnOnce(&mut PostgresReplacement<'a>, Site<'_>, &Shape) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.attempt(Some(&table.name), |this, site| {
            let shape = this.same(site, table)?;
            if !this.checked.contains(&shape.oid) {
                rules::writable(&mut this.session.client, site, &shape)?;
                this.checked.insert(shape.oid);
            }
            work(this, site, &shape)
        })
    }

    fn place<'p>(&'p mut self, site: Site<'p>, shape: &'p Shape) -> Place<'p> {
        let PostgresWriter { client, encoding, .. } = &mut *self.session;
        Place { client, site, shape, encoding }
    }

    /// The keys of rows of a table that the journal names.
    fn named(&mut self, site: Site<'_>, table: &str) -> Result<Rc<KeyRuns>, StoreError> {
        if let Some(named) = self.named.get(table) {
            return Ok(Rc::clone(named));
        }
        let named = Rc::new(Control { client: &mut self.session.client, site }.keys_named(table)?);
        self.named.insert(table.to_owned(), Rc::clone(&named));
        Ok(named)
    }

    /// Runs a change of the control tables, which are made if they are not there.
    fn control<T>(&mut self, work: impl FnOnce(&mut Control<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.attempt(None, |this, site| {
            let mut control = Control { client: &mut this.session.client, site };
            if !this.control_is_there {
                control.make()?;
            }
            this.control_is_there = true;
            work(&mut control)
        })
    }
}

/// An error of the commit; where a foreign key is broken, with what to do about it. It is always the table that refers that the
/// server names.
fn with_order(mut error: StoreError, said: &postgres::Error, shapes: &HashMap<String, Rc<Shape>>) -> StoreError {
    let said = said.as_db_error().filter(|said| *said.code() == postgres::error::SqlState::FOREIGN_KEY_VIOLATION);
    if let (StoreErrorKind::Refused(words), Some(child)) = (&mut error.kind, said.and_then(|said| said.table())) {
        words.push_str(&match shapes.contains_key(&child.to_ascii_lowercase()) {
            true => "; what its rows refer to must be there first: restore that table too, before this one. Where tables refer \
                     to each other in a circle, drop one of the foreign keys for the restore and make it again afterwards"
                .to_owned(),
            false => format!(
                "; the rows of table {child} that refer to rows which go here must go first: restore that table by itself \
                 (--tables {child}), then this one"
            ),
        });
    }
    error
}

/// Locks a table against those who write to it. Who has it is waited for as long as the session's settings say; a colleague
/// is waited for as long as it takes.
fn lock(client: &mut Session, site: Site<'_>, shape: &Shape, colleagues: &Colleagues) -> Result<(), StoreError> {
    let op = "lock the table";
    let sql = format!("SAVEPOINT locked; LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE; RELEASE locked", shape.from());
    let mut gone = false;
    loop {
        let Err(error) = client.batch_execute(&sql) else { return Ok(()) };
        if error.code() != Some(&postgres::error::SqlState::LOCK_NOT_AVAILABLE) {
            return Err(site.during(op)(error));
        }
        // A prepared transaction has no session any more: -1 is nobody's number.
        let sql = "SELECT coalesce(l.pid, -1), coalesce(nullif(a.application_name, ''), x.gid, 'unnamed'), \
                   coalesce(a.usename::text, x.owner::text, '?') \
                   FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
                   LEFT JOIN pg_locks t ON l.pid IS NULL AND t.pid IS NULL AND t.locktype = 'transactionid' \
                   AND t.virtualtransaction = l.virtualtransaction \
                   LEFT JOIN pg_prepared_xacts x ON x.transaction = t.transactionid \
                   WHERE l.locktype = 'relation' AND l.relation = ANY($1) AND l.granted \
                   AND l.pid IS DISTINCT FROM pg_backend_pid() \
                   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                   AND l.mode NOT IN ('AccessShareLock', 'RowShareLock') ORDER BY l.pid";
        let oids: Vec<u32> = std::iter::once(shape.oid).chain(shape.leaf_oids()).collect();
        // Whoever has the lock now may have ended when the answer is here, and is a colleague all the same.
        let before = colleagues.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let holders = client
            .batch_execute("ROLLBACK TO locked; RELEASE locked")
            .and_then(|()| client.query(sql, &[&oids]))
            .and_then(|rows| {
                let holder = |row: &postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
                rows.iter().map(holder).collect::<Result<Vec<Holder>, postgres::Error>>()
            })
            .map_err(site.during(op))?;
        let colleagues = colleagues.lock().unwrap_or_else(PoisonError::into_inner);
        let op = match stranger(&holders, &[&before, &colleagues]) {
            Some((-1, name, user)) => {
                format!("lock the table, which the prepared transaction {name:?} of user {user} holds")
            }
            Some((pid, name, user)) => format!("lock the table, which session {pid} ({name}, user {user}) holds"),
            None if gone && holders.is_empty() => "lock the table, for which others wait too".to_owned(),
            None => {
                // Those who had it are colleagues, or have let go by now.
                gone = holders.is_empty();
                continue;
            }
        };
        return Err(site.fail(&op, StoreErrorKind::Busy));
    }
}

/// Who has a table and was no colleague, neither before that was asked nor afterwards.
fn stranger<'h>(holders: &'h [Holder], colleagues: &[&BTreeSet<i32>]) -> Option<&'h Holder> {
    holders.iter().find(|(pid, ..)| !colleagues.iter().any(|some| some.contains(pid)))
}

impl Replacement for PostgresReplacement<'_> {
    fn schema(&mut self, table: &str) -> Result<Option<TableSchema>, StoreError> {
        self.attempt(Some(table), |this, site| {
            let shape = this.locked(site, table)?;
            Ok(shape.map(|shape| shape.schema.clone()))
        })
    }

    fn scan_keyed(
        &mut self,
        table: &TableSchema,
        clock: Option<&Clock>,
        days: (Option<Day>, Option<Day>),
        columns: &[usize],
        sink: &mut KeyedSink<'_>,
    ) -> Result<(), StoreError> {
        self.read(table, |client, site, shape| {
            let scan = Scan::new(shape, columns, true);
            scan.days(client, site, clock, days, &mut |keys, batch| sink(&keys, batch))
        })
    }

    fn delete(&mut self, table: &TableSchema, keys: &[i64]) -> Result<u64, StoreError> {
        self.delete_runs(table, &KeyRuns::of_keys(keys))
    }

    fn delete_all(&mut self, table: &TableSchema) -> Result<u64, StoreError> {
        self.change(table, |this, site, shape| {
            let sql = format!("DELETE FROM {}", shape.from());
            this.session.client.execute(&sql, &[]).map_err(site.during(DELETE))
        })
    }

    fn fill(&mut self, table: &TableSchema) -> Result<(), StoreError> {
        self.change(table, |this, site, shape| {
            let taken = indexes::take_away(&mut this.session.client, shape).map_err(site.during(indexes::TAKE))?;
            this.put_off.extend(taken);
            Ok(())
        })
    }

    fn insert(&mut self, table: &TableSchema, columns: &[usize], batch: &Batch) -> Result<(), StoreError> {
        self.change(table, |this, site, shape| this.place(site, shape).insert(columns, batch))
    }

    fn inserted(
        &mut self,
        table: &TableSchema,
        clock: Option<&Clock>,
        days: (Option<Day>, Option<Day>),
    ) -> Result<KeyRuns, StoreError> {
        self.change(table, |this, site, shape| this.place(site, shape).inserted(clock, days))
    }

    fn insert_keyed(
        &mut self,
        table: &TableSchema,
        columns: &[usize],
        keys: &[i64],
        _above: Option<i64>,
        batch: &Batch,
    ) -> Result<u64, StoreError> {
        self.change(table, |this, site, shape| {
            let named = this.named(site, &shape.schema.name)?;
            let moved = this.place(site, shape).insert_keyed(columns, keys, &named, batch)?;
            this.moved.entry(shape.schema.name.clone()).or_default().extend(moved);
            Ok(0)
        })
    }

    fn scan_runs(
        &mut self,
        table: &TableSchema,
        keys: &KeyRuns,
        columns: &[usize],
        sink: &mut KeyedSink<'_>,
    ) -> Result<(), StoreError> {
        self.read(table, |client, site, shape| {
            let scan = Scan::new(shape, columns, true);
            scan.runs(client, site, keys, &mut |keys, batch| sink(&keys, batch))
        })
    }

    fn delete_runs(&mut self, table: &TableSchema, keys: &KeyRuns) -> Result<u64, StoreError> {
        self.change(table, |this, site, shape| delete::runs(&mut this.session.client, site, shape, keys))
    }

    fn set_state(&mut self, state: &State) -> Result<(), StoreError> {
        self.control(|control| control.set_state(state))
    }

    fn begin_run(&mut self, run: &Run, units: &[Unit]) -> Result<u64, StoreError> {
        self.control(|control| control.begin_run(run, units))
    }

    fn unit_applied(&mut self, unit: &Unit, ranges: &[Range]) -> Result<bool, StoreError> {
        self.control(|control| control.unit_applied(unit, ranges))
    }

    fn unit_undone(&mut self, run: u64, unit: u32) -> Result<bool, StoreError> {
        let moved = std::mem::take(&mut self.moved);
        self.control(|control| {
            moved
                .iter()
                .filter(|(_, moved)| !moved.is_empty())
                .try_for_each(|(table, moved)| control.rename(run, table, moved))?;
            control.unit_undone(run, unit)
        })
    }

    fn end_run(&mut self, run: u64, status: RunStatus, ended_unix: Option<i64>) -> Result<bool, StoreError> {
        self.control(|control| control.end_run(run, status, ended_unix))
    }

    fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        self.attempt(None, |this, site| {
            let client = &mut this.session.client;
            // What was deferred is looked at now, while a refusal still means that nothing was changed. A transaction that the
            // server has given up, which it would end without a word, shows itself here too.
            let checked = client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE");
            checked.map_err(|error| with_order(site.fail(COMMIT, kind_of(&error)), &error, &this.shapes))?;
            // No index is made of a table of which something is still to be looked at.
            for index in &this.put_off {
                let made = client.batch_execute(index);
                made.map_err(|error| site.fail(indexes::MAKE, indexes::not_made(&error)))?;
            }
            client.batch_execute("COMMIT").map_err(site.during(COMMIT))?;
            this.committed = true;
            Ok(())
        })
    }
}

impl Drop for PostgresReplacement<'_> {
    fn drop(&mut self) {
        if !self.committed {
            // An error changes nothing: the server rolls back when the session ends as well.
            let _ = self.session.client.batch_execute("ROLLBACK");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ended_while_it_was_asked_who_has_a_table_was_a_colleague_all_the_same() {
        let holder = |pid: i32| (pid, String::new(), String::new());
        let (before, now) = (BTreeSet::from([1, 2]), BTreeSet::from([2, 3]));
        assert_eq!(stranger(&[holder(1), holder(2), holder(3)], &[&before, &now]), None);
        assert_eq!(stranger(&[holder(1), holder(4), holder(5)], &[&before, &now]), Some(&holder(4)));
    }
}
