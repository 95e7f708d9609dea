//! Restores from damaged volumes: whatever is damaged, no row gets into the database that was not backed up.

use super::tiers::apart;
use intervault::base::time::Instant;
use intervault::device::memory::MemoryDevice;
use intervault::format::block::BlockKind;
use intervault::restore::{FilesOptions, FilesRestore, Missing, Options, Restore, Select};
use intervault::schema::grain::DataType;
use intervault::schema::range::{Carried, Policies};
use intervault::store::sqlite::SqliteStore;
use intervault::testing::damage::{Damage, mend_block, places};
use intervault::testing::fixtures::{Fixture, small};
use intervault::testing::tables::{batch, lines};
use intervault::testing::target;
use intervault::testing::whole::Whole;
use intervault::volume::set::list_sets;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A database with the tables of a fixture, empty, a folder for its file tree, and what belongs in them.
pub struct Target {
    folder: tempfile::TempDir,
    path: PathBuf,
    empty: Vec<u8>,
    written: BTreeMap<String, Vec<String>>,
}

/// In memory where the system has a folder for that: what is synced there costs nothing.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

impl Target {
    pub fn new(fixture: &Fixture) -> Target {
        let folder = folder();
        let path = folder.path().join("target.db");
        target::create(&path, &fixture.contents).unwrap();
        let empty = std::fs::read(&path).unwrap();
        let mut written = BTreeMap::new();
        for content in fixture.contents.iter().filter(|content| !content.table.schema.name.contains('/')) {
            let columns = content.table.schema.columns.len();
            let mut rows: Vec<String> = content.chunks.iter().flat_map(|rows| lines(&batch(columns, rows))).collect();
            rows.sort();
            written.insert(content.table.schema.name.clone(), rows);
        }
        Target { folder, path, empty, written }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Restores the files that can be from what is on a device: their paths and what is in them.
    fn files(&self, whole: &Whole, device: &MemoryDevice) -> BTreeMap<PathBuf, Vec<u8>> {
        let to = self.folder.path().join("files");
        let _of_the_one_before = std::fs::remove_dir_all(&to);
        for set in list_sets(device).unwrap().sets.iter().filter(|set| set.set_id() == whole.set) {
            let restore = FilesRestore::new(set, &to, FilesOptions { partial: true, ..FilesOptions::default() });
            // What is refused or fails leaves whole files or none.
            let _ = restore.plan().map(|plan| restore.apply(&plan).map(|_| ()));
        }
        let mut files = BTreeMap::new();
        let mut folders = vec![to.clone()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for path in entries.map(|entry| entry.unwrap().path()) {
                match path.is_dir() {
                    true => folders.push(path),
                    false => {
                        drop(files.insert(path.strip_prefix(&to).unwrap().to_owned(), std::fs::read(&path).unwrap()))
                    }
                }
            }
        }
        files
    }

    /// Restores all that can be from what is on a device into the empty tables: how many rows are there then, and how many
    /// of them were never backed up.
    fn restored(&self, whole: &Whole, device: &MemoryDevice) -> (usize, Vec<String>) {
        for suffix in ["-journal", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", self.path.display()));
        }
        std::fs::write(&self.path, &self.empty).unwrap();
        let listing = list_sets(device).unwrap();
        for set in listing.sets.iter().filter(|set| set.set_id() == whole.set) {
            let store = SqliteStore::open(&self.path).unwrap();
            // Local data belong to another server.
            let data = DataType::ALL.into_iter().filter(|data_type| *data_type != DataType::Local).collect();
            let options = Options {
                select: Select::Data(data),
                missing: Missing::Partial,
                policies: Policies { carried: Carried::Insert, ..Policies::default() },
                ..Options::new(Instant(0), 0)
            };
            let restore = Restore::new(set, &store, options);
            // What is refused or fails leaves rows of whole units or none.
            let _ = restore.plan().map(|plan| restore.apply(&plan, None).map(|_| ()));
        }
        let sql = rusqlite::Connection::open(&self.path).unwrap();
        let (mut count, mut wrong) = (0, Vec::new());
        for (table, written) in &self.written {
            let rows = target::rows(&sql, table).unwrap();
            count += rows.len();
            wrong.extend(left_over(&rows, written).map(|row| format!("{table}: {row}")));
        }
        (count, wrong)
    }
}

/// The rows that are not among those written, or more often; both in order.
fn left_over<'a>(rows: &'a [String], written: &'a [String]) -> impl Iterator<Item = &'a String> {
    let mut rest = written.iter().peekable();
    rows.iter().filter(move |row| {
        while rest.next_if(|other| other < row).is_some() {}
        rest.next_if(|other| other == row).is_none()
    })
}

#[test]
fn rows_that_were_never_written_are_told() {
    let rows = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let wrong = |found: &str| left_over(&rows(found), &rows("a b b d")).cloned().collect::<String>();
    assert_eq!((wrong("a b d"), wrong("b b b"), wrong("a c e")), (String::new(), "b".to_owned(), "ce".to_owned()));
}

#[test]
fn a_byte_turned_over_restores_no_row_that_was_not_written() {
    let whole = Whole::new(small(None));
    let target = Target::new(&whole.fixture);
    let volume = &whole.fixture.volumes[0].1;
    let (all, wrong) = target.restored(&whole, &whole.fixture.device());
    assert_eq!(wrong, [""; 0]);
    let (mut least, mut tried) = (all, 0);
    for at in (0..volume.len()).step_by(apart(151)) {
        let (count, wrong) = target.restored(&whole, &whole.with(0, Damage::Flip { at, mask: 0xFF }.of(volume)));
        assert_eq!(wrong, [""; 0], "byte {at}");
        least = least.min(count);
        tried += 1;
    }
    assert!(all > 500 && least < all && tried > 300, "{all} rows, {least} at least, {tried} restores");
}

#[test]
fn a_byte_of_the_file_tree_s_blocks_turned_over_restores_whole_files_or_none() {
    let whole = Whole::new(small(None));
    let target = Target::new(&whole.fixture);
    let volume = &whole.fixture.volumes[0].1;
    let all = target.files(&whole, &whole.fixture.device());
    assert!(all.len() == 3 && all.values().any(|bytes| bytes.starts_with(b"vdn 4711 Sales\n\0")), "{all:?}");
    let section = whole.fixture.contents.iter().position(|content| content.table.schema.name.contains('/')).unwrap();
    let (mut tried, mut fewer) = (0, 0);
    for place in places(volume).into_iter().filter(|place| place.header.identity.section as usize == section + 1) {
        for at in (place.at..place.end()).step_by(apart(7)) {
            let as_it_is = Damage::Flip { at, mask: 0xFF }.of(volume);
            let mut mended = as_it_is.clone();
            mend_block(&mut mended[place.at..place.end()]);
            for hurt in [as_it_is, mended] {
                let files = target.files(&whole, &whole.with(0, hurt));
                let strange = files.iter().find(|(path, bytes)| all.get(*path) != Some(*bytes));
                assert!(strange.is_none(), "byte {at}: {place:?}: {strange:?}");
                tried += 1;
                fewer += usize::from(files.len() < all.len());
            }
        }
    }
    assert!(tried > 100 && fewer > tried / 3, "{fewer} of {tried} changes cost files");
}

#[test]
fn a_byte_of_a_chunk_turned_over_behind_right_checksums_restores_no_row_that_was_not_written() {
    let whole = Whole::new(small(None));
    let target = Target::new(&whole.fixture);
    let volume = &whole.fixture.volumes[0].1;
    let (mut tried, mut fewer) = (0, 0);
    let (all, _) = target.restored(&whole, &whole.fixture.device());
    for place in places(volume).into_iter().filter(|place| place.header.kind == BlockKind::Chunk) {
        for at in (place.at..place.end()).step_by(apart(199)) {
            let mut hurt = Damage::Flip { at, mask: 0xFF }.of(volume);
            mend_block(&mut hurt[place.at..place.end()]);
            let (count, wrong) = target.restored(&whole, &whole.with(0, hurt));
            assert_eq!(wrong, [""; 0], "byte {at}: {place:?}");
            tried += 1;
            fewer += usize::from(count < all);
        }
    }
    assert!(fewer > tried / 2, "{fewer} of {tried} changes cost rows");
}
