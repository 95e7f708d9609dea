//! Rows as files: what comes with them, what is in the way, and that nothing leads out.

use super::*;
use crate::files::entry::State;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

fn row<'a>(kind: Kind, data: &'a [u8]) -> Row<'a> {
    Row {
        path: b"",
        kind,
        piece: 0,
        last: true,
        state: State::Sound,
        meta: Meta { mode: 0o640, uid: 0, gid: 0, mtime: 1_000_000_000, nanos: 123_456_789 },
        owner: b"",
        group: b"",
        size: data.len() as u64,
        link: b"",
        offset: 0,
        data,
    }
}

fn writer(folder: &Path, overwrite: bool) -> Writer {
    Writer::create(folder, WriteOptions { overwrite, owners: false }).unwrap()
}

/// All that lies in a folder, links not followed.
fn listing(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let entry = entry.unwrap();
            found.push(entry.path().strip_prefix(folder).unwrap().display().to_string());
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn files_folders_and_links_come_with_permissions_and_times() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("new/target");
    let mut writer = writer(&target, false);
    let closed = Row { meta: Meta { mode: 0o550, ..row(Kind::Folder, b"").meta }, ..row(Kind::Folder, b"") };
    writer.row(b"closed", &closed).unwrap();
    [&b"closed/file"[..], b"none"].iter().for_each(|path| writer.expect(path.to_vec()));
    writer.row(b"closed/file", &row(Kind::File, b"content")).unwrap();
    let set_id = Row { meta: Meta { mode: 0o4755, ..row(Kind::File, b"").meta }, ..row(Kind::File, b"") };
    writer.row(b"closed/set-id", &set_id).unwrap();
    writer.row(b"link", &Row { link: b"/no/such\xff", ..row(Kind::Link, b"") }).unwrap();
    assert!(writer.other_name(b"other", b"closed/file").unwrap());
    assert!(!writer.other_name(b"third", b"none").unwrap());
    writer.row(b"led/to/deep", &row(Kind::File, b"")).unwrap();
    let written = writer.finish().unwrap();
    assert_eq!((written.files, written.folders, written.links, written.other_names, written.bytes), (3, 1, 1, 1, 7));
    assert_eq!(written.troubles.count, 1);
    assert!(written.troubles.first[0].1.contains("none, was not restored"), "{:?}", written.troubles);
    let meta = |name: &str| fs::symlink_metadata(target.join(name)).unwrap();
    assert_eq!(fs::read(target.join("other")).unwrap(), b"content");
    assert_eq!(meta("other").ino(), meta("closed/file").ino());
    for (name, mode) in [("closed", 0o550), ("closed/file", 0o640), ("closed/set-id", 0o755), ("led", 0o755)] {
        assert_eq!(meta(name).permissions().mode() & 0o7777, mode, "{name}");
    }
    for name in ["closed", "closed/file", "link"] {
        assert_eq!((meta(name).mtime(), meta(name).mtime_nsec()), (1_000_000_000, 123_456_789), "{name}");
    }
    assert!(meta("link").is_symlink());
}

#[test]
fn pieces_leave_holes_and_the_last_one_says_how_long_the_file_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path(), false);
    let part = |piece, last, offset, data, size| Row { piece, last, offset, size, ..row(Kind::File, data) };
    writer.row(b"sparse", &part(0, false, 0, b"begin", 1)).unwrap();
    writer.row(b"sparse", &part(1, true, 1 << 30, b"end", (1 << 30) + 10)).unwrap();
    writer.row(b"shrunk", &part(0, false, 0, b"long enough", 11)).unwrap();
    writer.row(b"shrunk", &part(1, true, 11, b"", 4)).unwrap();
    let written = writer.finish().unwrap();
    assert_eq!((written.files, written.bytes), (2, (1 << 30) + 14));
    let sparse = fs::metadata(folder.path().join("sparse")).unwrap();
    assert_eq!(sparse.len(), (1 << 30) + 10);
    assert!(sparse.blocks() * 512 < 1 << 20, "{} bytes on disk", sparse.blocks() * 512);
    assert_eq!(fs::read(folder.path().join("shrunk")).unwrap(), b"long");
}

#[test]
fn nothing_leads_out_of_the_folder() {
    let outer = tempfile::tempdir().unwrap();
    let outside = outer.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "kept").unwrap();
    let target = outer.path().join("target");
    fs::create_dir(&target).unwrap();
    // Planted before: links to a folder and to a file outside.
    symlink(&outside, target.join("planted")).unwrap();
    symlink(outside.join("kept"), target.join("to-file")).unwrap();
    for overwrite in [false, true] {
        for path in ["../x", "/x", "a/../../x", "a//x", ".", "a/.", "", "a\0b", "planted/x", "planted/kept"] {
            let mut writer = writer(&target, overwrite);
            let error = writer.row(path.as_bytes(), &row(Kind::File, b"evil")).unwrap_err();
            assert!(matches!(error.kind, FilesErrorKind::Refused(_)), "{path:?}: {error}");
            let mut row_of = |kind, link: &'static [u8]| writer.row(path.as_bytes(), &Row { link, ..row(kind, b"") });
            assert!(row_of(Kind::Link, b"x").is_err(), "{path:?}");
            assert!(path.is_empty() || row_of(Kind::Folder, b"").is_err(), "{path:?}");
        }
        // Planted by the set itself, then written through.
        let mut writer = writer(&target, overwrite);
        let name = format!("own-{overwrite}");
        let through = format!("{name}/x");
        writer.row(name.as_bytes(), &Row { link: b"../outside", ..row(Kind::Link, b"") }).unwrap();
        assert!(writer.row(through.as_bytes(), &row(Kind::File, b"evil")).is_err());
        assert!(writer.row(name.as_bytes(), &row(Kind::Folder, b"")).is_err());
        assert!(!writer.other_name(b"hard", through.as_bytes()).unwrap());
        assert!(writer.other_name(b"hard", b"../outside/kept").is_err());
        let mut writer = self::writer(&target, overwrite);
        let mine = format!("mine-{overwrite}");
        writer.expect(mine.as_bytes().to_vec());
        writer.row(mine.as_bytes(), &row(Kind::File, b"mine")).unwrap();
        assert!(writer.other_name(&[b"planted/", name.as_bytes()].concat(), mine.as_bytes()).is_err());
    }
    // What a link leads to is never written, the link itself may be replaced.
    let mut writer = writer(&target, true);
    writer.row(b"to-file", &row(Kind::File, b"mine")).unwrap();
    writer.finish().unwrap();
    assert_eq!(fs::read(target.join("to-file")).unwrap(), b"mine");
    assert_eq!(listing(&outside), ["kept"]);
    assert_eq!(fs::read(outside.join("kept")).unwrap(), b"kept");
    assert!(!listing(&target).iter().any(|name| name.contains(".part")), "{:?}", listing(&target));
    assert_eq!(listing(outer.path()).iter().filter(|name| !name.starts_with("target")).count(), 2);
}

#[test]
fn links_that_point_to_nothing_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path(), false);
    for link in [&b""[..], b"a\0b", &[b'x'; 5_000]] {
        assert!(writer.row(b"link", &Row { link, ..row(Kind::Link, b"") }).is_err());
    }
    assert!(listing(folder.path()).is_empty());
}

#[test]
fn what_is_there_stays_unless_told_and_until_the_new_one_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "old").unwrap();
    fs::create_dir(at("folder")).unwrap();
    let mut careful = writer(folder.path(), false);
    let mut beneath = Beneath::open(folder.path()).unwrap();
    let mut clash = |path: &[u8], kind, overwrite| conflict(&mut beneath, overwrite, path, kind);
    assert!(clash(b"file", Kind::File, false).unwrap().to_string().contains("there already"));
    assert!(clash(b"folder", Kind::Folder, false).is_none() && clash(b"new", Kind::File, false).is_none());
    assert!(clash(b"folder", Kind::File, false).is_some() && clash(b"file", Kind::Folder, false).is_some());
    assert!(clash(b"../x", Kind::File, false).is_some());
    assert!(careful.row(b"file", &row(Kind::File, b"new")).is_err());
    assert!(careful.row(b"file", &Row { link: b"x", ..row(Kind::Link, b"") }).is_err());
    assert_eq!(fs::read(at("file")).unwrap(), b"old");
    let mut bold = writer(folder.path(), true);
    assert!(clash(b"file", Kind::File, true).is_none() && clash(b"folder", Kind::File, true).is_some());
    bold.row(b"file", &Row { last: false, ..row(Kind::File, b"new") }).unwrap();
    assert_eq!(fs::read(at("file")).unwrap(), b"old");
    bold.row(b"file", &Row { piece: 1, offset: 3, size: 4, ..row(Kind::File, b"!") }).unwrap();
    assert_eq!(fs::read(at("file")).unwrap(), b"new!");
    assert!(bold.row(b"folder", &row(Kind::File, b"x")).is_err());
    bold.finish().unwrap();
    assert_eq!(listing(folder.path()), ["file", "folder"]);
}

#[test]
fn a_folder_that_only_leads_somewhere_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o7777;
    for (overwrite, leading, expected) in
        [(false, true, 0o711), (true, true, 0o711), (false, false, 0o711), (true, false, 0o640)]
    {
        let _there = fs::create_dir(folder.path().join("there"));
        fs::set_permissions(folder.path().join("there"), fs::Permissions::from_mode(0o711)).unwrap();
        let mut writer = writer(folder.path(), overwrite);
        let row = row(Kind::Folder, b"");
        let made = if leading { writer.leading(b"there", &row) } else { writer.row(b"there", &row) };
        made.unwrap();
        writer.leading(b"new", &row).unwrap();
        assert!(writer.leading(b"../new", &row).is_err());
        writer.finish().unwrap();
        assert_eq!((mode("there"), mode("new")), (expected, 0o640), "{overwrite} {leading}");
        fs::remove_dir(folder.path().join("new")).unwrap();
    }
}

#[test]
fn a_file_whose_pieces_are_not_all_there_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let first = Row { last: false, ..row(Kind::File, b"a") };
    for next in [Row { piece: 2, ..row(Kind::File, b"c") }, row(Kind::File, b"a"), row(Kind::Folder, b"")] {
        let mut writer = writer(folder.path(), true);
        writer.row(b"file", &first).unwrap();
        assert!(writer.row(b"file", &next).is_err());
        writer.finish().unwrap();
    }
    let mut other = writer(folder.path(), true);
    other.row(b"file", &first).unwrap();
    assert!(other.row(b"another", &row(Kind::File, b"")).is_err());
    assert!(other.row(b"file", &Row { piece: 1, ..row(Kind::File, b"") }).is_err(), "a piece without its first");
    let mut unfinished = writer(folder.path(), true);
    unfinished.row(b"file", &first).unwrap();
    assert!(unfinished.finish().is_err());
    drop(other);
    assert!(listing(folder.path()).is_empty(), "{:?}", listing(folder.path()));
}

#[test]
fn only_a_file_that_this_writer_wrote_gets_a_further_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("strange"), "somebody else's").unwrap();
    let mut writer = writer(folder.path(), true);
    ["strange", "own", "gone", "moved"].iter().for_each(|path| writer.expect(path.as_bytes().to_vec()));
    for name in ["own", "gone", "moved", "not-said"] {
        writer.row(name.as_bytes(), &row(Kind::File, b"content")).unwrap();
    }
    fs::remove_file(at("gone")).unwrap();
    fs::rename(at("strange"), at("moved")).unwrap();
    fs::write(at("strange"), "another").unwrap();
    for first in ["strange", "gone", "moved", "not-said", "none"] {
        assert!(!writer.other_name(b"further", first.as_bytes()).unwrap(), "{first}");
        assert!(!at("further").exists(), "{first}");
    }
    assert!(writer.other_name(b"further", b"own").unwrap());
    let written = writer.finish().unwrap();
    assert_eq!((written.troubles.count, written.other_names), (5, 1));
    assert_eq!(listing(folder.path()), ["further", "moved", "not-said", "own", "strange"]);
}
