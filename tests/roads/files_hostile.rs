//! Sets that no backup wrote: their checksums are right, their file trees are not. Nothing of them leaves the folder.

use super::files::tree_of;
use super::support::*;
use intervault::column::digest::RowHasher;
use intervault::column::encode::{EncodeOptions, Encoder};
use intervault::device::memory::MemoryDevice;
use intervault::error::Class;
use intervault::files::entry::{Kind, Meta, State};
use intervault::files::rows::{Row, Rows, table};
use intervault::format::label::LabelRecord;
use intervault::restore::{FilesOptions, FilesRestore};
use intervault::schema::clock::RowTimes;
use intervault::schema::grain::DataType;
use intervault::section::chunks::{self, Bounds, encode_chunks};
use intervault::section::pieces::Cutoffs;
use intervault::section::table::to_record;
use intervault::volume::set_writer::{ChunkContent, SetOptions, SetWriter};
use std::fs;
use std::os::unix::fs::symlink;

pub fn row(kind: Kind, path: &'static str) -> Row<'static> {
    let meta = Meta { mode: 0o644, ..Meta::default() };
    Row { path: path.as_bytes(), kind, meta, ..Row::totals(0, 0, State::Sound) }
}

fn link(path: &'static str, to: &'static str) -> Row<'static> {
    Row { link: to.as_bytes(), ..row(Kind::Link, path) }
}

pub fn other(path: &'static str, to: &'static str) -> Row<'static> {
    Row { link: to.as_bytes(), ..row(Kind::OtherName, path) }
}

pub fn file(path: &'static str) -> Row<'static> {
    Row { data: b"evil", size: 4, ..row(Kind::File, path) }
}

/// A set with one section of just these rows, sound in all that a check looks at.
pub fn set_of(name: &str, given: &[Row<'_>]) -> MemoryDevice {
    let device = MemoryDevice::new();
    let label: LabelRecord =
        LabelRecord { label: "CMS-300101-01-XXXC-00-F-01".to_owned(), ..intervault::testing::records::label() };
    let label = LabelRecord {
        parent_set: None,
        sequence: 0,
        incremental: false,
        predecessor: None,
        volume: 1,
        chain: label.set_id,
        purpose: 0,
        salvaged: None,
        ..label
    };
    let mut set = SetWriter::create(&device, label, &SetOptions::default()).unwrap();
    let table = table(name, DataType::Custom);
    let cutoffs = Cutoffs::default();
    set.begin_section(to_record(&table, false, &cutoffs)).unwrap();
    let mut rows = Rows::default();
    for row in given {
        let fill = |room: &mut [u8]| {
            room.copy_from_slice(row.data);
            Ok::<usize, ()>(row.data.len())
        };
        rows.content(row.data.len(), fill).unwrap();
        rows.push(row);
    }
    let batch = rows.into_batch();
    let when = RowTimes::new(&table).unwrap().all(&batch);
    let mut hashes = Vec::new();
    RowHasher::default().hash(&batch, &table.schema.logical_types(), &mut hashes).unwrap();
    let rows = chunks::Rows { batch, when: &when, hashes: &hashes };
    let mut encoder = Encoder::new(EncodeOptions::default());
    encode_chunks(rows, Bounds { cutoffs: &cutoffs, room: None }, &mut encoder, &mut |mut chunk| {
        chunk.pieces.entries.iter_mut().for_each(|piece| piece.last = 1);
        let (rows, columns, bytes, pieces) = chunk.into_parts();
        set.chunk(ChunkContent { rows, columns, bytes, pieces }).unwrap();
        true
    })
    .unwrap();
    set.end_section(Vec::new()).unwrap();
    set.finish(Vec::new(), Vec::new()).unwrap();
    device
}

#[test]
fn trees_whose_names_lead_elsewhere_are_refused_by_name_and_nothing_is_written() {
    let totals = Row::totals(1, 4, State::Sound);
    let root = || row(Kind::Folder, "");
    let cases: Vec<(&str, Vec<Row<'static>>, &str)> = vec![
        ("./t", vec![root(), file("../evil"), totals], "../evil"),
        ("./t", vec![root(), file("/etc/evil"), totals], "/etc/evil"),
        ("./t", vec![root(), row(Kind::Folder, "a"), file("a/../../evil"), totals], "a/../../evil"),
        ("./t", vec![root(), file("a\0b"), totals], r"a\x00b"),
        ("./t", vec![root(), file("a//b"), totals], "a//b"),
        ("./t", vec![root(), link("a", "../../outside"), file("a/evil"), totals], "a/evil"),
        ("./t", vec![root(), link("a", "/"), row(Kind::Folder, "a"), file("a/evil"), totals], "a: it does not stand"),
        ("./t", vec![root(), row(Kind::Folder, "a"), link("a", "/"), file("a/evil"), totals], "a: it does not stand"),
        ("./t", vec![root(), file("a"), other("b", "../outside/kept"), totals], "b: it names"),
        ("./t", vec![root(), other("b", "z"), totals], "b: it names"),
        ("./t", vec![file("evil"), totals], "evil"),
        ("./t", vec![root(), file("a"), file("a"), totals], "a: it does not stand"),
        ("./t", vec![root(), totals, file("evil")], "rows follow the totals"),
        ("../t", vec![root(), file("evil"), totals], "leads out of the folder"),
        ("/a/../../t", vec![root(), file("evil"), totals], "leads out of the folder"),
    ];
    for (name, rows, part) in cases {
        let device = set_of(name, &rows);
        let set = only_set(&device);
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir(outer.path().join("outside")).unwrap();
        fs::write(outer.path().join("outside/kept"), "kept").unwrap();
        let target = outer.path().join("target");
        for partial in [false, true] {
            let options = FilesOptions { overwrite: true, partial, ..FilesOptions::default() };
            let error = FilesRestore::new(&set, &target, options).plan().unwrap_err();
            assert_eq!(error.class(), Class::NotRestorable, "{name} {part}: {error}");
            assert!(error.to_string().contains(part), "{name}: {error} does not name {part}");
        }
        assert_eq!(tree_of(outer.path()).len(), 2, "{name}: {part}");
    }
}

#[test]
fn a_link_that_stands_in_the_target_is_not_followed() {
    let device = set_of(
        "./t",
        &[row(Kind::Folder, ""), row(Kind::Folder, "a"), file("a/evil"), Row::totals(1, 4, State::Sound)],
    );
    let set = only_set(&device);
    for planted in ["t", "t/a"] {
        let outer = tempfile::tempdir().unwrap();
        let (outside, target) = (outer.path().join("outside"), outer.path().join("target"));
        fs::create_dir(&outside).unwrap();
        fs::create_dir_all(&target).unwrap();
        if planted == "t/a" {
            fs::create_dir(target.join("t")).unwrap();
        }
        symlink(&outside, target.join(planted)).unwrap();
        for overwrite in [false, true] {
            let restore = FilesRestore::new(&set, &target, FilesOptions { overwrite, ..FilesOptions::default() });
            let plan = restore.plan().unwrap();
            assert!(plan.refusals.count > 0, "{planted}");
            assert!(restore.apply(&plan).is_err());
        }
        // Planted between plan and writing.
        fs::remove_file(target.join(planted)).unwrap();
        let restore = FilesRestore::new(&set, &target, FilesOptions { overwrite: true, ..FilesOptions::default() });
        let plan = restore.plan().unwrap();
        assert_eq!(plan.refusals.count, 0);
        symlink(&outside, target.join(planted)).unwrap();
        assert_eq!(restore.apply(&plan).unwrap_err().error.class(), Class::NotRestorable, "{planted}");
        assert!(tree_of(&outside).is_empty(), "{planted}");
    }
}

#[test]
fn a_sound_tree_made_in_the_same_way_is_restored() {
    let rows =
        [row(Kind::Folder, ""), file("a"), link("b", "/no/such"), other("c", "a"), Row::totals(1, 4, State::Sound)];
    let device = set_of("./t", &rows);
    let set = only_set(&device);
    let target = tempfile::tempdir().unwrap();
    let restore = FilesRestore::new(&set, target.path(), FilesOptions::default());
    restore.apply(&restore.plan().unwrap()).unwrap();
    assert_eq!(fs::read(target.path().join("t/c")).unwrap(), b"evil");
    assert_eq!(tree_of(target.path()).len(), 4);
}

/// A set whose further name points at a file that is no row of it: format-spec 6.3 demands one that stands before it.
#[test]
fn a_further_name_of_a_file_that_is_not_in_the_tree_is_refused() {
    let device = set_of("./t", &[row(Kind::Folder, ""), other("b", "a"), Row::totals(0, 0, State::Sound)]);
    let set = only_set(&device);
    let target = tempfile::tempdir().unwrap();
    fs::create_dir(target.path().join("t")).unwrap();
    fs::write(target.path().join("t/a"), "a file of somebody else").unwrap();
    let restore = FilesRestore::new(&set, target.path(), FilesOptions::default());
    let refused = restore.plan().map_or(true, |plan| restore.apply(&plan).is_err());
    let linked = fs::read_to_string(target.path().join("t/b")).ok();
    assert!(refused && linked.is_none(), "refused: {refused}, b is now {linked:?}");
}

#[test]
fn a_further_name_of_a_folder_is_refused_before_anything_is_written() {
    let rows =
        [row(Kind::Folder, ""), file("a"), row(Kind::Folder, "b"), other("c", "b"), Row::totals(1, 4, State::Sound)];
    let device = set_of("./t", &rows);
    let set = only_set(&device);
    let target = tempfile::tempdir().unwrap();
    let restore = FilesRestore::new(&set, target.path(), FilesOptions::default());
    let planned = restore.plan();
    assert!(planned.is_err(), "{planned:?}");
}
