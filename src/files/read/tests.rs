//! Trees as rows: files of every length, holes, files that change or vanish meanwhile, odd names.

use super::*;
use crate::column::batch::Batch;
use crate::files::pattern::Filter;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The batches of a tree and what was counted; `between` runs after the parts were cut and before they are read.
fn read_with(root: &Path, piece: usize, between: impl Fn()) -> (Vec<Batch>, Tally) {
    let source = Source::open(root).unwrap();
    let walk = Walk::new(source.clone(), Filter::all().unwrap(), HashSet::new());
    let mut parts = Parts::new(&source, walk, piece);
    let cut: Vec<Part> = std::iter::from_fn(|| parts.step()).collect();
    between();
    let owners = Owners::default();
    let mut reader = Reader::new(&source, &owners, piece);
    let (mut batches, mut tally) = (Vec::new(), Tally::default());
    for part in cut {
        let (rows, more) = reader.read(part);
        batches.push(rows.into_batch());
        tally.add(more);
    }
    (batches, tally)
}

/// Size and content of each file as its rows give it, holes as zeros; refuses rows that are out of order.
fn contents(batches: &[Batch]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut files: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut pieces: BTreeMap<Vec<u8>, (u64, bool)> = BTreeMap::new();
    for (batch, at) in batches.iter().flat_map(|batch| (0..batch.rows).map(move |at| (batch, at))) {
        let row = Row::of(batch, at).unwrap();
        if row.kind != Kind::File {
            continue;
        }
        let (next, ended) = pieces.entry(row.path.to_vec()).or_insert((0, false));
        assert_eq!((*next, *ended), (row.piece, false), "{}", shown(row.path));
        (*next, *ended) = (row.piece + 1, row.last);
        let content = files.entry(row.path.to_vec()).or_default();
        let stop = row.offset as usize + row.data.len();
        if content.len() < stop {
            content.resize(stop, 0);
        }
        content[row.offset as usize..stop].copy_from_slice(row.data);
        if row.last {
            content.resize(row.size as usize, 0);
        }
    }
    assert!(pieces.values().all(|(_, ended)| *ended), "every file has its last row");
    files
}

/// Bytes that are different everywhere.
fn noise(bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes + 64);
    for block in 0u64.. {
        if out.len() >= bytes {
            break;
        }
        out.extend_from_slice(blake3::hash(&block.to_le_bytes()).as_bytes());
    }
    out.truncate(bytes);
    out
}

#[test]
fn files_of_every_length_come_whole_whatever_the_piece() {
    let folder = tempfile::tempdir().unwrap();
    let whole = noise(5 << 20);
    let lengths = [0, 1, 4_095, 4_096, 65_536, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 2 << 20, (2 << 20) + 1, 5 << 20];
    for length in lengths {
        fs::write(folder.path().join(format!("f{length:08}")), &whole[..length]).unwrap();
    }
    for piece in [4_096, 100_000, 1 << 20] {
        let (batches, tally) = read_with(folder.path(), piece, || ());
        assert_eq!((tally.files, tally.folders, tally.troubles.count, tally.state), (11, 1, 0, State::Sound));
        assert_eq!(tally.bytes, lengths.iter().sum::<usize>() as u64);
        for batch in &batches {
            let content: usize = (0..batch.rows).map(|at| Row::of(batch, at).unwrap().data.len()).sum();
            assert!(content <= 4 << 20, "a part of {content} bytes");
        }
        let files = contents(&batches);
        for length in lengths {
            assert!(files[format!("f{length:08}").as_bytes()] == whole[..length], "{length} in pieces of {piece}");
        }
    }
}

#[test]
fn holes_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, size: u64, data: &[(u64, &[u8])]| {
        let mut file = fs::File::create(folder.path().join(name)).unwrap();
        for (at, bytes) in data {
            file.seek(std::io::SeekFrom::Start(*at)).unwrap();
            file.write_all(bytes).unwrap();
        }
        file.set_len(size).unwrap();
    };
    make("all-hole", 1 << 30, &[]);
    make("islands", 1 << 30, &[(0, b"begin"), (512 << 20, b"middle"), ((1 << 30) - 3, b"end")]);
    let (batches, tally) = read_with(folder.path(), PIECE_BYTES_MAX, || ());
    assert_eq!((tally.files, tally.bytes), (2, 2 << 30));
    let rows: Vec<Row<'_>> =
        batches.iter().flat_map(|batch| (0..batch.rows).map(move |at| Row::of(batch, at).unwrap())).collect();
    let stored: usize = rows.iter().map(|row| row.data.len()).sum();
    assert!((14..3 << 20).contains(&stored), "{stored} bytes stored of 2 GiB");
    let of = |name: &[u8]| rows.iter().filter(|row| row.path == name).count();
    assert_eq!((of(b"all-hole"), of(b"islands")), (1, 3));
    assert!(rows.iter().filter(|row| row.kind == Kind::File && row.last).all(|row| row.size == 1 << 30));
    for (at, bytes) in [(0u64, &b"begin"[..]), (512 << 20, b"middle"), ((1 << 30) - 3, b"end")] {
        let row = rows
            .iter()
            .find(|row| row.path == b"islands" && (row.offset..=row.offset + row.data.len() as u64).contains(&at));
        let row = row.unwrap();
        assert_eq!(&row.data[(at - row.offset) as usize..][..bytes.len()], bytes);
    }
}

#[test]
fn files_that_change_vanish_or_cannot_be_read_have_a_clear_end() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let whole = noise(5 << 20);
    for name in ["grows", "shrinks", "vanishes", "stays", "pipe", "touched"] {
        fs::write(at(name), &whole[..5_000]).unwrap();
    }
    for name in ["big-grows", "big-shrinks", "big-vanishes", "big-stays"] {
        fs::write(at(name), &whole).unwrap();
    }
    let change = || {
        for (name, extra) in
            [("grows", 5_001u64), ("big-grows", (5 << 20) + 9), ("shrinks", 100), ("big-shrinks", 3 << 20)]
        {
            fs::File::options().write(true).open(at(name)).unwrap().set_len(extra).unwrap();
        }
        for name in ["vanishes", "big-vanishes", "pipe"] {
            fs::remove_file(at(name)).unwrap();
        }
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let touched = fs::File::options().write(true).open(at("touched")).unwrap();
        touched.set_modified(std::time::UNIX_EPOCH).unwrap();
    };
    let (batches, tally) = read_with(folder.path(), PIECE_BYTES_MAX, change);
    let files = contents(&batches);
    let lengths: Vec<(String, usize)> =
        files.iter().map(|(name, content)| (String::from_utf8(name.clone()).unwrap(), content.len())).collect();
    let expected = [
        ("big-grows", 5 << 20),
        ("big-shrinks", 3 << 20),
        ("big-stays", 5 << 20),
        ("big-vanishes", 5 << 20),
        ("grows", 5_000),
        ("shrinks", 100),
        ("stays", 5_000),
        ("touched", 5_000),
    ];
    assert_eq!(lengths, expected.map(|(name, length)| (name.to_owned(), length)));
    for (name, content) in &files {
        let length = content.len().min(if name.ends_with(b"shrinks") { 100 } else { usize::MAX });
        assert!(content[..length] == whole[..length], "{}", shown(name));
    }
    let told: BTreeMap<&str, &str> = tally.troubles.first.iter().map(|(path, what)| (&path[..], &what[..])).collect();
    assert_eq!(told["grows"], "it grew from 5000 to 5001 bytes while it was read; the first 5000 are kept");
    assert_eq!(told["shrinks"], "it shrank from 5000 to 100 bytes while it was read");
    assert_eq!(told["vanishes"], "cannot open it: it is not there");
    assert_eq!(told["pipe"], "cannot open it: it is no file any more");
    assert_eq!(told["touched"], "it was changed while it was read");
    assert!(told["big-shrinks"].starts_with("it shrank from 5242880 to 3145728"), "{}", told["big-shrinks"]);
    assert!(told["big-grows"].starts_with("it grew from 5242880 to 5242889"));
    assert!(!told.contains_key("stays") && !told.contains_key("big-stays") && !told.contains_key("big-vanishes"));
    assert_eq!((tally.state, tally.files), (State::Changed, 8));
}

#[test]
fn names_that_are_no_text_and_paths_at_the_limit_come_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let odd: &[u8] = b"new\nline \x1b[31m\xff\xfe";
    fs::write(folder.path().join(std::ffi::OsStr::from_bytes(odd)), "odd").unwrap();
    let mut beneath = crate::files::beneath::Beneath::open(folder.path()).unwrap();
    let (mut path, name) = (Vec::new(), [b'n'; 255]);
    // Sixteen components of 255 bytes are 4,095 bytes with what parts them; the seventeenth is too much.
    for _ in 0..17 {
        rustix::fs::mkdirat(beneath.folder(&path).unwrap(), &name[..], rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
        path = crate::files::name::join(&path, &name);
    }
    let (batches, tally) = read_with(folder.path(), 4_096, || ());
    assert_eq!(contents(&batches)[odd], b"odd");
    assert_eq!((tally.folders, tally.troubles.count), (17, 1));
    assert_eq!(tally.troubles.first[0].1, "cannot keep it: it is longer than 4096 bytes");
}

#[test]
fn a_walk_counts_what_the_parts_then_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("d")).unwrap();
    for number in 0..5_000u32 {
        fs::write(folder.path().join(format!("d/{number}")), number.to_le_bytes()).unwrap();
    }
    let source = Source::open(folder.path()).unwrap();
    let walk = || Walk::new(source.clone(), Filter::all().unwrap(), HashSet::new());
    assert_eq!(count(walk()), Count { entries: 5_002, files: 5_000, bytes: 20_000 });
    let (batches, tally) = read_with(folder.path(), 4_096, || ());
    assert_eq!((tally.files, tally.folders, tally.bytes), (5_000, 2, 20_000));
    assert!(batches.len() >= 3, "{} parts", batches.len());
}

/// A file with two names, of which the one met first goes away: before it is looked for, or before it is read.
#[test]
fn a_file_that_loses_one_of_its_names_meanwhile_is_kept_under_the_other() {
    for taken in ["before it is opened", "before it is read", "for another file"] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("log"), "the only copy").unwrap();
        fs::hard_link(at("log"), at("log.1")).unwrap();
        fs::hard_link(at("log"), at("log.2")).unwrap();
        let source = Source::open(folder.path()).unwrap();
        let walk = Walk::new(source.clone(), Filter::all().unwrap(), HashSet::new());
        let mut parts = Parts::new(&source, walk, 1 << 20);
        let take = || match taken {
            "for another file" => {
                fs::write(at("new"), "quite another").unwrap();
                fs::rename(at("new"), at("log")).unwrap();
            }
            _ => fs::remove_file(at("log")).unwrap(),
        };
        if taken != "before it is read" {
            // The walk has met the root, and knows the first name.
            parts.walk.step().unwrap();
            let first = parts.walk.step().unwrap();
            take();
            let Met::Entry(first) = first else { panic!("{first:?}") };
            let opened = parts.open(first);
            assert_eq!(opened.is_ok(), taken == "for another file");
        }
        let cut: Vec<Part> = std::iter::from_fn(|| parts.step()).collect();
        if taken == "before it is read" {
            take();
        }
        let owners = Owners::default();
        let mut reader = Reader::new(&source, &owners, 1 << 20);
        let batches: Vec<Batch> = cut.into_iter().map(|part| reader.read(part).0.into_batch()).collect();
        let found = contents(&batches);
        assert!(found.values().any(|content| content == b"the only copy"), "{taken}: {found:?}");
        let rows = batches.iter().flat_map(|batch| (0..batch.rows).map(move |at| Row::of(batch, at).unwrap()));
        for row in rows.filter(|row| row.kind == Kind::OtherName) {
            assert!(found.contains_key(row.link), "{taken}: {} is no name of a file", shown(row.path));
        }
    }
}

#[test]
fn files_with_several_names_come_whole_however_many_there_are() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..3 * PART_HELD {
        let name = |kind: &str| folder.path().join(format!("{kind}{number:03}"));
        fs::write(name("a"), number.to_string()).unwrap();
        fs::hard_link(name("a"), name("b")).unwrap();
    }
    let (batches, tally) = read_with(folder.path(), 1 << 20, || ());
    assert_eq!((tally.files, tally.other_names, tally.troubles.count), (192, 192, 0));
    let found = contents(&batches);
    assert!((0..192).all(|number| found[format!("a{number:03}").as_bytes()] == number.to_string().as_bytes()));
    assert!(batches.len() >= 3, "a part holds few files open");
}
