//! Backups inside another program: a full one, planned and watched; an incremental one of what changed; one that is stopped,
//! and what that leaves behind.
//!
//!     cargo run --example backup

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use intervault::backup::{Backup, BackupReport, Incremental, Kind, Options, Select};
use intervault::base::monitor::{Monitor, Task};
use intervault::base::time::{Instant, day_of_civil};
use intervault::device::directory::DirectoryDevice;
use intervault::error::ErrorKind;
use intervault::format::block::SetId;
use intervault::schema::catalogue::Catalogue;
use intervault::schema::grain::DataType;
use intervault::store::sqlite::SqliteStore;
use intervault::volume::set::list_sets;
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("history.db");
    change(
        &database,
        "CREATE TABLE hsplit (row_date DATE, starttime SMALLINT, intrvl SMALLINT, acd SMALLINT, split SMALLINT, \
         acdcalls INTEGER);
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 20 * 48 * 5 - 1)
         INSERT INTO hsplit SELECT printf('2024-03-%02d', 1 + i / 240), i / 5 % 48 / 2 * 100 + i / 5 % 2 * 30, 30, 1, \
         i % 5, i FROM n",
    )?;
    let (store, catalogue) = (SqliteStore::open(&database)?, Catalogue::builtin());
    let volumes = DirectoryDevice::for_writing(folder.path().join("volumes"))?;

    // A full backup. The plan is a value; nothing is written by making it.
    let full = Backup::new(&store, &catalogue, &volumes, options(Kind::Full)?);
    for planned in full.plan()?.tables {
        println!("would write {}: about {} rows", planned.table.schema.name, planned.rows);
    }
    let watch = Watch { rows: AtomicU64::new(0), most: u64::MAX };
    let full = full.watched(&watch).run()?;
    show(&full);
    assert!(full.verified && full.parent.is_none());
    assert_eq!((full.set.rows, watch.rows.load(Ordering::Relaxed)), (20 * 240, 20 * 240));

    // A row comes late, and a day is corrected: two days of twenty are written.
    change(
        &database,
        "INSERT INTO hsplit VALUES ('2024-03-03', 1200, 30, 1, 9, 1);
         UPDATE hsplit SET acdcalls = 0 WHERE row_date = '2024-03-17'",
    )?;
    let again = || options(Kind::Incremental(Incremental::default()));
    let incremental = Backup::new(&store, &catalogue, &volumes, again()?).run()?;
    show(&incremental);
    let compared = incremental.tables[0].compared.clone().ok_or("it was compared")?;
    assert_eq!((compared.changed, compared.unchanged), (2, 18));
    assert_eq!(incremental.set.rows, 240 + 1 + 240);
    assert_eq!(incremental.parent.map(|parent| parent.set), Some(full.set.set));

    // Stopped: what was written stays as a set that was never finished, and no later one builds on it.
    change(&database, "DELETE FROM hsplit WHERE row_date = '2024-03-05'")?;
    let watch = Watch { rows: AtomicU64::new(0), most: 0 };
    let stopped = Backup::new(&store, &catalogue, &volumes, again()?).watched(&watch).run();
    assert!(matches!(stopped.as_ref().map_err(|error| error.kind()), Err(ErrorKind::Cancelled)));
    let finished = |set: &&intervault::volume::set::SetReader<'_>| set.is_finished();
    assert_eq!(list_sets(&volumes)?.sets.iter().filter(finished).count(), 2);
    let last = Backup::new(&store, &catalogue, &volumes, again()?).run()?;
    show(&last);
    assert_eq!(last.parent.map(|parent| parent.set), Some(incremental.set.set));
    // A day without rows has nothing to write, and is restored as empty.
    assert_eq!((last.set.rows, last.tables[0].compared.as_ref().map(|compared| compared.vanished)), (0, Some(1)));
    Ok(())
}

/// Somebody who counts the rows, and asks to stop once there are more than were wanted.
struct Watch {
    rows: AtomicU64,
    most: u64,
}

impl Monitor for Watch {
    fn advance(&self, task: Task, rows: u64, _bytes: u64) {
        if task == Task::Backup {
            self.rows.fetch_add(rows, Ordering::Relaxed);
        }
    }

    fn cancelled(&self) -> bool {
        self.rows.load(Ordering::Relaxed) > self.most
    }
}

fn show(report: &BackupReport) {
    println!("{}: {} rows, {} bytes", report.set.label, report.set.rows, report.set.bytes);
}

/// What others do to the database meanwhile.
fn change(database: &Path, statements: &str) -> Result<(), rusqlite::Error> {
    rusqlite::Connection::open(database)?.execute_batch(statements)
}

/// Options of a backup of the historical data. The civil time is that of the switch, long after the rows here; a real program
/// takes it from a clock in the zone of the switch.
fn options(kind: Kind) -> Result<Options, Box<dyn Error>> {
    let now = Instant::of_day(day_of_civil(2024, 3, 25).ok_or("a date")?).plus(12 * 3_600);
    let mut set = [0; 16];
    getrandom::fill(&mut set)?;
    let select = Select::Data(vec![DataType::Historical]);
    Ok(Options { kind, select, jobs: 2, ..Options::new(now, now.0, SetId(set)) })
}
