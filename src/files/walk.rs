//! A tree, entry by entry: folders before what lies in them, names in the order of their bytes. Follows no link, and does not
//! go into what is left out.

use super::beneath::Beneath;
use super::entry::{Entry, Kind, Meta, special};
use super::error::{FilesError, FilesErrorKind};
use super::name::{fault, join};
use super::pattern::Filter;
use rustix::fd::OwnedFd;
use rustix::fs::{Dir, FileType, Mode, OFlags, Stat};
use std::collections::{HashMap, HashSet, VecDeque};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A tree as it lies on a disk: a folder, or a single file.
#[derive(Debug, Clone)]
pub struct Source {
    /// The folder, or the one that the file lies in.
    beneath: Beneath,
    /// Name of the single file.
    single: Option<Vec<u8>>,
    /// The path from the root of the file system on.
    at: PathBuf,
}

impl Source {
    /// Opens a tree. Its root may be reached through symbolic links: it was named. Nothing below is.
    ///
    /// # Errors
    /// It is not there, or may not be read.
    pub fn open(root: &Path) -> Result<Source, FilesError> {
        let name = root.as_os_str().as_bytes();
        let failed = |error: std::io::Error| match error.raw_os_error() {
            Some(code) => FilesError::system("open", name, rustix::io::Errno::from_raw_os_error(code)),
            None => FilesError::refused("open", name, error.to_string()),
        };
        let at = std::path::absolute(root).map_err(failed)?;
        let real = std::fs::canonicalize(root).map_err(failed)?;
        if real.is_dir() {
            return Ok(Source { beneath: Beneath::open(&real)?, single: None, at });
        }
        let (folder, file) = (real.parent().unwrap_or(&real), real.file_name().map(|name| name.as_bytes()));
        Ok(Source { beneath: Beneath::open(folder)?, single: Some(file.unwrap_or_default().to_vec()), at })
    }

    /// Where it lies, from the root of the file system on.
    #[must_use]
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// The path below the folder that is open.
    fn real<'a>(&'a self, path: &'a [u8]) -> &'a [u8] {
        self.single.as_deref().unwrap_or(path)
    }

    fn stat(&mut self, path: &[u8]) -> Result<Option<Stat>, FilesError> {
        let real = self.real(path).to_vec();
        self.beneath.stat(&real)
    }

    /// Opens a file for reading, if it is one.
    ///
    /// # Errors
    /// It is not there any more, may not be read, or is something else by now.
    pub fn file(&mut self, path: &[u8]) -> Result<OwnedFd, FilesError> {
        let real = self.real(path).to_vec();
        // A pipe in the file's place must not make anybody wait.
        let opened = self.beneath.file(&real, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty());
        let file = match opened {
            Err(FilesError { kind: FilesErrorKind::NotFound, .. }) => {
                // A folder on the way may have been replaced since it was opened.
                self.beneath.forget();
                self.beneath.file(&real, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?
            }
            opened => opened?,
        };
        let stat = rustix::fs::fstat(&file).map_err(|error| FilesError::system("look at", path, error))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(file),
            _ => Err(FilesError::refused("open", path, "it is no file any more")),
        }
    }

    fn names(&mut self, path: &[u8]) -> Result<Vec<Vec<u8>>, FilesError> {
        let failed = |error| FilesError::system("list", path, error);
        let folder = self.beneath.folder(path)?;
        let mut names = Vec::new();
        for entry in Dir::read_from(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            match entry.file_name().to_bytes() {
                b"." | b".." => {}
                name => names.push(name.to_vec()),
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// What a walk comes upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Met {
    /// Something that goes into the tree.
    Entry(Entry),
    /// Something that is no file, folder or link, with the reason why it stays out.
    LeftOut(Vec<u8>, String),
    /// Something that cannot be looked at.
    Trouble(FilesError),
}

struct Frame {
    path: Vec<u8>,
    names: std::vec::IntoIter<Vec<u8>>,
    /// Whether all that lies in the folder is meant.
    included: bool,
}

/// What two names of one file have in common, beside device and number: these are given again when a file is gone. Size, time
/// of the content, time of the rest.
type Same = (i64, (i64, i128), (i64, i128));

fn same(stat: &Stat) -> Same {
    let changed = (stat.st_mtime, i128::from(stat.st_mtime_nsec));
    (stat.st_size, changed, (stat.st_ctime, i128::from(stat.st_ctime_nsec)))
}

/// A walk through a tree. Keeps the names in the folders that it is in, and one path for each file with several names.
pub struct Walk {
    source: Source,
    filter: Filter,
    root: Vec<u8>,
    /// Folders that stay out, by device and number: where the backup is written.
    skip: HashSet<(u64, u64)>,
    stack: Vec<Frame>,
    /// What was met and not given yet.
    ready: VecDeque<Met>,
    /// Folders that are given as soon as something in them is.
    pending: Vec<Entry>,
    /// Files with several names: the first one met, by device and number.
    first_names: HashMap<(u64, u64), (Vec<u8>, Same)>,
    begun: bool,
    /// Entries that the filter left out; what lies in a folder that was left out is not counted.
    pub filtered: u64,
}

impl Walk {
    /// Begins a walk. `skip`: folders, by device and number, that it does not go into.
    #[must_use]
    pub fn new(source: Source, filter: Filter, skip: HashSet<(u64, u64)>) -> Walk {
        let root = source.at().as_os_str().as_bytes().to_vec();
        Walk {
            source,
            filter,
            root,
            skip,
            stack: Vec::new(),
            ready: VecDeque::new(),
            pending: Vec::new(),
            first_names: HashMap::new(),
            begun: false,
            filtered: 0,
        }
    }

    /// The next entry; `None` after the last.
    pub fn step(&mut self) -> Option<Met> {
        if !self.begun {
            self.begun = true;
            // The root was named, so that it is meant although it is not included.
            let all = self.filter.include.is_empty() || self.filter.include.cover(&self.root);
            match self.filter.exclude.cover(&self.root) {
                true => self.ready.push_back(Met::LeftOut(Vec::new(), "a pattern leaves all of it out".to_owned())),
                false => self.meet(Vec::new(), all, true),
            }
        }
        loop {
            if let Some(met) = self.ready.pop_front() {
                return Some(met);
            }
            let frame = self.stack.last_mut()?;
            match frame.names.next() {
                Some(name) => {
                    let (path, included) = (join(&frame.path, &name), frame.included);
                    if self.filter.exclude.matches(&self.root, &path) {
                        self.filtered = self.filtered.saturating_add(1);
                    } else {
                        let included = included || self.filter.include.matches(&self.root, &path);
                        self.meet(path, included, false);
                    }
                }
                None => {
                    let left = self.stack.pop();
                    if self.pending.last().map(|entry| &entry.path) == left.as_ref().map(|frame| &frame.path) {
                        self.pending.pop();
                    }
                }
            }
        }
    }

    fn meet(&mut self, path: Vec<u8>, included: bool, root: bool) {
        if let Some(fault) = fault(&path) {
            return self.ready.push_back(Met::Trouble(FilesError::refused("keep", &path, fault)));
        }
        let stat = match self.source.stat(&path) {
            Ok(Some(stat)) => stat,
            Ok(None) => {
                let gone =
                    FilesError { op: "look at", place: super::name::shown(&path), kind: FilesErrorKind::NotFound };
                return self.ready.push_back(Met::Trouble(gone));
            }
            Err(error) => return self.ready.push_back(Met::Trouble(error)),
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let identity = (stat.st_dev, stat.st_ino);
        if kind == FileType::Directory {
            return self.folder(path, &stat, included, root);
        }
        if !included && !root {
            self.filtered = self.filtered.saturating_add(1);
            return;
        }
        if let Some(what) = special(kind) {
            return self.ready.push_back(Met::LeftOut(path, what.to_owned()));
        }
        let mut entry = Entry {
            path,
            kind: Kind::File,
            meta: Meta::of(&stat),
            size: 0,
            allocated: (stat.st_blocks as u64).saturating_mul(512),
            link: root.then(|| self.root.clone()),
            identity,
            several: false,
        };
        if kind == FileType::Symlink {
            match self.source.beneath.link(&entry.path) {
                Ok(link) => (entry.kind, entry.link) = (Kind::Link, Some(link)),
                Err(error) => return self.ready.push_back(Met::Trouble(error)),
            }
        } else if let Some(first) = self.first_name(&stat) {
            (entry.kind, entry.link) = (Kind::OtherName, Some(first));
        } else {
            entry.size = u64::try_from(stat.st_size).unwrap_or(0);
            entry.several = stat.st_nlink > 1;
            if entry.several {
                self.first_names.insert(identity, (entry.path.clone(), same(&stat)));
            }
        }
        self.give(entry);
    }

    /// The first name of a file, if this is a further one. A file that was changed in between is kept under each name.
    fn first_name(&self, stat: &Stat) -> Option<Vec<u8>> {
        let (first, met) = self.first_names.get(&(stat.st_dev, stat.st_ino))?;
        (stat.st_nlink > 1 && *met == same(stat)).then(|| first.clone())
    }

    /// A file with several names cannot be read under the one that was met first: the next one that is met is the first.
    pub fn forget(&mut self, entry: &Entry) {
        self.first_names.remove(&entry.identity);
    }

    fn folder(&mut self, path: Vec<u8>, stat: &Stat, included: bool, root: bool) {
        let identity = (stat.st_dev, stat.st_ino);
        if self.skip.contains(&identity) {
            return self.ready.push_back(Met::LeftOut(path, "this backup is written there".to_owned()));
        }
        let names = self.source.names(&path);
        let entry = Entry {
            path: path.clone(),
            kind: Kind::Folder,
            meta: Meta::of(stat),
            size: 0,
            allocated: 0,
            link: root.then(|| self.root.clone()),
            identity,
            several: false,
        };
        match included || root {
            true => self.give(entry),
            false => self.pending.push(entry),
        }
        match names {
            Ok(names) => self.stack.push(Frame { path, names: names.into_iter(), included }),
            Err(error) => {
                if !included && !root {
                    self.pending.pop();
                }
                self.ready.push_back(Met::Trouble(error));
            }
        }
    }

    /// Gives an entry, after the folders that lead to it.
    fn give(&mut self, entry: Entry) {
        self.ready.extend(self.pending.drain(..).map(Met::Entry));
        self.ready.push_back(Met::Entry(entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    fn walk(root: &Path, include: &[&str], exclude: &[&str], skip: &[&Path]) -> (Vec<Met>, u64) {
        let owned = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>();
        let filter = Filter::new(&owned(include), &owned(exclude)).unwrap();
        let skip = skip.iter().map(|path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).unwrap()).collect();
        let mut walk = Walk::new(Source::open(root).unwrap(), filter, skip);
        let met = std::iter::from_fn(|| walk.step()).collect();
        (met, walk.filtered)
    }

    fn paths(met: &[Met]) -> Vec<String> {
        let path = |met: &Met| match met {
            Met::Entry(entry) => String::from_utf8_lossy(&entry.path).into_owned(),
            Met::LeftOut(path, why) => format!("!{} {why}", String::from_utf8_lossy(path)),
            Met::Trouble(error) => format!("?{error}"),
        };
        met.iter().map(path).collect()
    }

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("a/deep/deeper")).unwrap();
        fs::create_dir(at("empty")).unwrap();
        fs::write(at("a/deep/deeper/x.log"), "x").unwrap();
        fs::write(at("a/y.txt"), "y").unwrap();
        fs::write(at("a-b"), "z").unwrap();
        fs::hard_link(at("a/y.txt"), at("z-other")).unwrap();
        symlink("a", at("link")).unwrap();
        std::os::unix::net::UnixListener::bind(at("sock")).unwrap();
        folder
    }

    #[test]
    fn a_walk_is_in_order_and_follows_no_link() {
        let folder = tree();
        let (met, filtered) = walk(folder.path(), &[], &[], &[]);
        let expected = [
            "",
            "a",
            "a/deep",
            "a/deep/deeper",
            "a/deep/deeper/x.log",
            "a/y.txt",
            "a-b",
            "empty",
            "link",
            "!sock a socket",
            "z-other",
        ];
        assert_eq!((paths(&met), filtered), (expected.map(str::to_owned).to_vec(), 0));
        let find = |name: &str| {
            met.iter().find_map(|met| match met {
                Met::Entry(entry) if entry.path == name.as_bytes() => Some(entry.clone()),
                _ => None,
            })
        };
        assert_eq!(find("link").unwrap().link.as_deref(), Some(&b"a"[..]));
        let other = find("z-other").unwrap();
        assert_eq!((other.kind, other.link.as_deref(), other.size), (Kind::OtherName, Some(&b"a/y.txt"[..]), 0));
        assert_eq!((find("a/y.txt").unwrap().kind, find("a/y.txt").unwrap().size), (Kind::File, 1));
    }

    #[test]
    fn patterns_take_out_folders_with_all_in_them_and_bring_the_folders_above_along() {
        let folder = tree();
        let (met, filtered) = walk(folder.path(), &[], &["deep", "*-other", "sock"], &[]);
        assert_eq!((paths(&met).join(" "), filtered), (" a a/y.txt a-b empty link".to_owned(), 3));
        let (met, _) = walk(folder.path(), &["*.log"], &[], &[]);
        assert_eq!(paths(&met).join(" "), " a a/deep a/deep/deeper a/deep/deeper/x.log");
        let (met, _) = walk(folder.path(), &["a/deep", "empty"], &["*.log"], &[]);
        assert_eq!(paths(&met).join(" "), " a a/deep a/deep/deeper empty");
        let own = folder.path().display().to_string();
        let above = folder.path().parent().unwrap().display().to_string();
        let name = folder.path().file_name().unwrap().to_str().unwrap();
        let all = walk(folder.path(), &[], &[], &[]).0;
        for pattern in [&own[..], &above, name] {
            assert_eq!(walk(folder.path(), &[pattern], &[], &[]).0, all, "{pattern}");
            let none = walk(folder.path(), &[], &[pattern], &[]).0;
            assert_eq!(paths(&none), ["! a pattern leaves all of it out"], "{pattern}");
        }
        let own = folder.path().join("a");
        let (met, _) = walk(folder.path(), &[], &[], &[&own]);
        assert_eq!(paths(&met)[1], "!a this backup is written there");
        assert!(!paths(&met).contains(&"a/y.txt".to_owned()));
    }

    #[test]
    fn a_single_file_and_a_named_link_are_trees() {
        let folder = tree();
        let at = |name: &str| folder.path().join(name);
        let (met, _) = walk(&at("a/y.txt"), &["nothing"], &[], &[]);
        assert!(matches!(&met[..], [Met::Entry(entry)] if entry.path.is_empty() && entry.size == 1), "{met:?}");
        let (met, _) = walk(&at("link"), &[], &[], &[]);
        assert_eq!(paths(&met).join(" "), " deep deep/deeper deep/deeper/x.log y.txt");
        let gone = Source::open(&at("none")).unwrap_err();
        assert_eq!(gone.kind, FilesErrorKind::NotFound);
    }

    /// A new file has the number of one that is gone, on most file systems at once: it is no further name of that one.
    #[test]
    fn a_file_that_is_not_as_it_was_under_its_first_name_is_no_further_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("z")).unwrap();
        for name in ["a", "b", "c"] {
            fs::write(at(name), "one").unwrap();
            fs::hard_link(at(name), at(&format!("z/{name}"))).unwrap();
        }
        let mut walk = Walk::new(Source::open(folder.path()).unwrap(), Filter::all().unwrap(), HashSet::new());
        let begin: Vec<Met> = (0..4).map(|_| walk.step().unwrap()).collect();
        assert_eq!(paths(&begin).join(" "), " a b c");
        fs::write(at("a"), "another size").unwrap();
        fs::write(at("b"), "two").unwrap();
        let number = fs::metadata(at("c")).unwrap().ino();
        fs::remove_file(at("c")).unwrap();
        fs::remove_file(at("z/c")).unwrap();
        // Where the file system gives no number again, the last of these is just one more file.
        let name = |count| format!("z/d{count:04}");
        let again = (0..2_000).map(name).find(|name| {
            fs::write(at(name), "one").unwrap();
            fs::metadata(at(name)).unwrap().ino() == number
        });
        fs::hard_link(at(&again.unwrap_or_else(|| name(0))), at("z/e")).unwrap();
        let met: Vec<Met> = std::iter::from_fn(|| walk.step()).collect();
        let others = met.iter().filter_map(|met| match met {
            Met::Entry(entry) if entry.kind == Kind::OtherName => Some((entry.path.clone(), entry.link.clone())),
            _ => None,
        });
        let others: Vec<(Vec<u8>, Option<Vec<u8>>)> = others.collect();
        let [(path, Some(link))] = &others[..] else { panic!("{others:?}") };
        assert!(path == b"z/e" && link.starts_with(b"z/d"), "{others:?}");
    }
}
