//! What a restore reads: its cost grows with the range, not with the set. Counted by the device's log.

use super::support::{HSPLIT, backup_options, only_set, restore_options};
use super::world::place;
use intervault::backup::{self, Backup};
use intervault::base::time::{Instant, Span};
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::error::Class;
use intervault::restore::{Options, Restore};
use intervault::schema::catalogue::Catalogue;
use intervault::schema::range::Request;
use intervault::store::sqlite::SqliteStore;
use intervault::testing::fault::{FaultDevice, Op};
use intervault::volume::set::SetReader;
use std::collections::{BTreeMap, BTreeSet};

/// Rows of each day: every half hour of two ACDs.
const DAY_ROWS: u64 = 96;
/// How far from the request rows may matter, in seconds: the longest interval may reach into it, and from there on.
const REACH: i64 = 3 * 86_400;

/// A set of so many days on small volumes, and the database that it is of.
struct Set {
    _folder: tempfile::TempDir,
    store: SqliteStore,
    device: FaultDevice<MemoryDevice>,
}

/// What a restore read once the set had been found.
struct Cost {
    /// Reads of chunks, by what the catalog says of their rows.
    chunks: Vec<Span>,
    /// All other reads: of labels and ends of volumes.
    others: usize,
    bytes: u64,
    /// Volumes that were opened or read.
    volumes: BTreeSet<String>,
    /// Chunks of the set that have rows of the request.
    wanted: usize,
}

impl Set {
    fn of_days(days: u64) -> Set {
        let (folder, path) = place();
        let path = path.join("centre.db");
        let fill = format!(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {})
             INSERT INTO hsplit SELECT date('2024-01-01', (i / 96) || ' days'), i % 96 / 4 * 100 + i / 2 % 2 * 30, 30,
               i % 2 + 1, 1, i * 7919 % 10007, printf('%d', i * 104729 % 99991) FROM n",
            days * DAY_ROWS - 1
        );
        rusqlite::Connection::open(&path).unwrap().execute_batch(&format!("{HSPLIT}; {fill}")).unwrap();
        let store = SqliteStore::open(&path).unwrap();
        let device = MemoryDevice::new();
        let options = backup::Options { volume_size: Some(16 << 10), ..backup_options(1) };
        Backup::new(&store, &Catalogue::builtin(), &device, options).run().unwrap();
        Set { _folder: folder, store, device: FaultDevice::new(device, 1) }
    }

    fn bytes(&self) -> u64 {
        let device = self.device.inner();
        device.list().unwrap().iter().map(|name| device.size(name).unwrap()).sum()
    }

    /// Restores from one minute to another, so many days.
    fn restore(&self, from: &str, to: &str, days: u64) -> Cost {
        let set = only_set(&self.device);
        self.device.clear_log();
        let options = Options { jobs: 1, ..restore_options(Some(from), Some(to)) };
        let restore = Restore::new(&set, &self.store, options);
        let plan = restore.plan().unwrap();
        assert_eq!(plan.refusals, []);
        let report = restore.apply(&plan, None).unwrap();
        let rows: Vec<_> = report.tables.iter().map(|table| (table.deleted, table.inserted)).collect();
        assert_eq!(rows, [(days * DAY_ROWS, days * DAY_ROWS)]);
        let cost = self.cost(&set, Request::parse(Some(from), Some(to)).unwrap().span().unwrap());
        let needed: BTreeSet<String> = plan.volumes.iter().flat_map(|volume| set.copies(volume.number)).collect();
        assert!(!needed.is_empty() && cost.volumes.is_superset(&needed), "{needed:?}, {:?}", cost.volumes);
        cost
    }

    fn cost(&self, set: &SetReader<'_>, request: Span) -> Cost {
        let mut chunks = BTreeMap::new();
        for chunk in &set.sections()[0].chunks {
            let Some(name) = set.copies(chunk.entry.volume).into_iter().next() else { continue };
            let span = Span { start: Instant(chunk.entry.first), stop: Instant(chunk.entry.stop) };
            chunks.insert((name, chunk.entry.offset), span);
        }
        let log = self.device.log();
        let mut cost = Cost {
            chunks: Vec::new(),
            others: 0,
            bytes: 0,
            volumes: log
                .iter()
                .filter(|entry| matches!(entry.op, Op::Open | Op::Read))
                .map(|entry| entry.name.clone())
                .collect(),
            wanted: chunks.values().filter(|span| span.meets(request)).count(),
        };
        for read in log.iter().filter(|entry| entry.op == Op::Read) {
            cost.bytes += read.bytes;
            match chunks.get(&(read.name.clone(), read.at)) {
                Some(span) => cost.chunks.push(*span),
                None => cost.others += 1,
            }
        }
        let near = Span { start: request.start.plus(-REACH), stop: request.stop.plus(REACH) };
        assert!(cost.chunks.iter().all(|span| span.meets(near)), "{:?}", cost.chunks);
        let once = |span: &Span| cost.chunks.iter().filter(|other| *other == span).count() == 1;
        assert!(cost.chunks.iter().all(once), "read once, for the plan: {:?}", cost.chunks);
        assert_eq!(cost.chunks.iter().filter(|span| span.meets(request)).count(), cost.wanted);
        cost
    }
}

#[test]
fn what_is_read_grows_with_the_range_and_not_with_the_set() {
    let (small, large) = (Set::of_days(30), Set::of_days(90));
    assert!(large.bytes() * 10 > small.bytes() * 27);
    let day = |set: &Set| set.restore("2024-01-10 00:00", "2024-01-10 23:59", 1);
    let (of_small, of_large) = (day(&small), day(&large));
    assert_eq!(of_small.chunks, of_large.chunks);
    assert_eq!((of_small.others, of_small.bytes), (of_large.others, of_large.bytes));
    let ten = large.restore("2024-01-10 00:00", "2024-01-19 23:59", 10);
    assert!(of_large.wanted >= 2 && ten.wanted >= 7 * of_large.wanted - 7, "{} {}", of_large.wanted, ten.wanted);
    assert!(ten.bytes > of_large.bytes && ten.bytes < 10 * of_large.bytes, "{} {}", of_large.bytes, ten.bytes);
}

#[test]
fn volumes_outside_the_range_are_not_asked_for() {
    let set = Set::of_days(60);
    let names = set.device.inner().list().unwrap();
    let opened = set.restore("2024-01-10 00:00", "2024-01-10 23:59", 1).volumes;
    assert!(names.len() >= 5 && opened.len() <= 2, "{opened:?} of {names:?}");
    // The last volumes have the catalog; all others but those that were opened may lie in a drawer.
    let outside: Vec<&String> = names[..names.len() - 3].iter().filter(|name| !opened.contains(*name)).collect();
    assert!(outside.len() >= 2, "{opened:?} of {names:?}");
    for name in outside {
        assert!(set.device.inner().remove(name).is_some());
    }
    assert_eq!(set.restore("2024-01-10 00:00", "2024-01-10 23:59", 1).volumes, opened);
    // The test above would see a volume that is wanted: without it there is no restore.
    let wanted = opened.first().unwrap();
    assert!(set.device.inner().remove(wanted).is_some());
    let found = only_set(&set.device);
    let options = restore_options(Some("2024-01-10 00:00"), Some("2024-01-10 23:59"));
    let plan = Restore::new(&found, &set.store, options).plan().unwrap();
    assert!(plan.refusals.iter().any(|refusal| refusal.class == Class::Volume), "{:?}", plan.refusals);
}
