//! A restore inside another program: planned, shown, watched, stopped, gone on with, taken back.
//!
//!     cargo run --example restore

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use intervault::backup::{self, Backup};
use intervault::base::monitor::{Monitor, Silent, Task};
use intervault::base::time::{Instant, day_of_civil};
use intervault::check;
use intervault::device::directory::DirectoryDevice;
use intervault::format::block::SetId;
use intervault::restore::{self, Keep, Options, Outcome, Restore, RestorePlan, TablePlan, UndoOptions};
use intervault::schema::catalogue::Catalogue;
use intervault::schema::grain::DataType;
use intervault::schema::range::Request;
use intervault::store::sqlite::SqliteStore;
use intervault::volume::set::{find_set, list_sets};
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Half hours of a day, and splits: the rows of one day.
const ROWS_OF_A_DAY: u64 = 48 * 5;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("history.db");
    make(&database)?;
    let store = SqliteStore::open(&database)?;
    let whole = check::digests(&store)?;

    // A backup onto a folder, read back before it is called done.
    let volumes = DirectoryDevice::for_writing(folder.path().join("volumes"))?;
    let report = Backup::new(&store, &Catalogue::builtin(), &volumes, backup_options()?).run()?;
    println!("backed up {} rows as {}", report.set.rows, report.set.label);

    ruin(&database)?;
    let ruined = check::digests(&store)?;
    assert_ne!(ruined, whole);

    // What a restore of 2 to 4 March would do; nothing is changed by that.
    let sets = list_sets(&volumes)?.sets;
    let set = sets.first().ok_or("there is a set")?;
    let (now, now_unix) = now()?;
    let request = Request::parse(Some("2024-03-02"), Some("2024-03-04 23:59"))?;
    // So few rows to a unit that each day is one, a transaction of its own. For real work leave it as it is.
    let options = Options { request, unit_rows: ROWS_OF_A_DAY, jobs: 2, ..Options::new(now, now_unix) };
    let watch = StopAfter { rows: AtomicU64::new(0), most: ROWS_OF_A_DAY };
    let restore = Restore::new(set, &store, options.clone()).watched(&watch);
    let plan = restore.plan()?;
    show(&plan);
    assert_eq!((plan.refusals.len(), restore.units(&plan).len()), (0, 3));
    assert_eq!(check::digests(&store)?, ruined);

    // Applied, and stopped in the second unit: the first is replaced, the second as it was, the third not begun.
    let undo = DirectoryDevice::for_writing(folder.path().join("undo"))?;
    let stopped = match restore.apply(&plan, Some(Keep { device: &undo, set: random()? })) {
        Ok(_) => return Err("nobody stopped it".into()),
        Err(stopped) => stopped,
    };
    println!("stopped: {stopped}");
    let outcomes: Vec<Outcome> = stopped.report.units.iter().map(|unit| unit.outcome).collect();
    assert_eq!(outcomes, [Outcome::Replaced, Outcome::RolledBack, Outcome::NotBegun]);

    // Gone on with, by what the journal in the database knows of it.
    let unfinished = restore::unfinished(&store)?.ok_or("it is not finished")?;
    let report = Restore::new(set, &store, options).resume(&unfinished)?;
    println!("resumed: {} units more, proved by digest: {}", report.count(Outcome::Replaced), report.proved);
    assert_eq!((report.count(Outcome::ReplacedBefore), report.count(Outcome::Replaced)), (1, 2));
    assert_eq!(check::digests(&store)?, whole);
    assert!(restore::unfinished(&store)?.is_none());

    // Taken back: every row that was deleted stands where it stood.
    let run = restore::undoable(&store, None)?;
    let kept = SetId(run.undo.as_ref().ok_or("what was deleted was kept")?.set);
    let kept = find_set(&undo, kept)?.ok_or("the undo set is there")?;
    let options = UndoOptions { run: Some(run.number), force: false, now_unix };
    let plan = restore::undo_plan(&kept, &store, &options, &Silent)?;
    let report = restore::undo(&plan, &kept, &store, &options, &Silent)?;
    println!("taken back: {} units, {} rows put back", report.units, report.put_back);
    assert_eq!(check::digests(&store)?, ruined);
    Ok(())
}

/// Somebody who watches, and asks to stop once more rows went in than were wanted.
struct StopAfter {
    rows: AtomicU64,
    most: u64,
}

impl Monitor for StopAfter {
    fn begin(&self, task: Task, what: &str, total_rows: u64) {
        println!("{task:?}: {what}, {total_rows} rows");
    }

    fn advance(&self, task: Task, rows: u64, _bytes: u64) {
        if task == Task::Restore {
            self.rows.fetch_add(rows, Ordering::Relaxed);
        }
    }

    fn cancelled(&self) -> bool {
        self.rows.load(Ordering::Relaxed) > self.most
    }
}

/// The plan is a value: here are some of its numbers.
fn show(plan: &RestorePlan) {
    println!("restore from {}: {} to read", plan.label, plan.bytes);
    for table in &plan.tables {
        let (delete, insert) = (TablePlan::rows_deleted(table), TablePlan::rows_inserted(table));
        println!("  {}: delete {delete}, insert {insert}", table.table);
    }
    for (table, acd, period) in &plan.summarise {
        println!("  to summarise again: {table}, ACD {acd:?}, from {} until {}", period.start, period.stop);
    }
}

/// Five days of half hours of five splits.
fn make(database: &Path) -> Result<(), rusqlite::Error> {
    rusqlite::Connection::open(database)?.execute_batch(
        "CREATE TABLE hsplit (row_date DATE, starttime SMALLINT, intrvl SMALLINT, acd SMALLINT, split SMALLINT, \
         acdcalls INTEGER);
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 5 * 48 * 5 - 1)
         INSERT INTO hsplit SELECT printf('2024-03-%02d', 1 + i / 240), i / 5 % 48 / 2 * 100 + i / 5 % 2 * 30, 30, 1, \
         i % 5, i FROM n",
    )
}

/// What an accident did to three of the days.
fn ruin(database: &Path) -> Result<(), rusqlite::Error> {
    rusqlite::Connection::open(database)?.execute_batch(
        "UPDATE hsplit SET acdcalls = 0 WHERE row_date BETWEEN '2024-03-02' AND '2024-03-03';
         DELETE FROM hsplit WHERE row_date = '2024-03-04' AND starttime > 900",
    )
}

fn backup_options() -> Result<backup::Options, Box<dyn Error>> {
    let (now, now_unix) = now()?;
    let select = backup::Select::Data(vec![DataType::Historical]);
    Ok(backup::Options { select, jobs: 2, ..backup::Options::new(now, now_unix, random()?) })
}

/// The civil time of the switch, long after the rows: all of them are settled. A real program takes it from a clock in the
/// zone of the switch.
fn now() -> Result<(Instant, i64), Box<dyn Error>> {
    let noon = Instant::of_day(day_of_civil(2024, 3, 20).ok_or("a date")?).plus(12 * 3_600);
    Ok((noon, noon.0))
}

/// No two sets share an id.
fn random() -> Result<SetId, Box<dyn Error>> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    Ok(SetId(id))
}
