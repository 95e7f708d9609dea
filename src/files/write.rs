//! Rows as files again, below one folder that nothing leaves. Content goes into a file under another name, which gets its own
//! when it is whole; what was there before stays until then.

use super::beneath::Beneath;
use super::entry::{Kind, Meta};
use super::error::{FilesError, FilesErrorKind};
use super::name::{components, fault, join, order, shown, split};
use super::owners::Owners;
use super::read::Noted;
use super::rows::Row;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, Uid, chownat, fchmod, fchown, fstat,
    ftruncate, futimens, linkat, mkdirat, renameat, renameat_with, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::{Errno, pwrite};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// How files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteOptions {
    /// Whether files that are there already are replaced.
    pub overwrite: bool,
    /// Whether owners are set; without, the bits for set user id and set group id stay off.
    pub owners: bool,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Files, further names not counted.
    pub files: u64,
    /// Folders, those that were there already included.
    pub folders: u64,
    /// Symbolic links.
    pub links: u64,
    /// Further names of files.
    pub other_names: u64,
    /// Bytes of the files, holes included.
    pub bytes: u64,
    /// What was written, but not with its owner, permissions or time; and further names whose file is not there.
    pub troubles: Noted,
}

/// Permissions of a folder until all that lies in it is written.
const OWN: u32 = 0o700;
/// Permissions of folders that lead to what is restored and are not restored themselves.
const LEADING: u32 = 0o755;

/// Writes files below a folder.
pub struct Writer {
    beneath: Beneath,
    /// For the first name of a file while a further one is made.
    other: Beneath,
    options: WriteOptions,
    owners: Owners,
    open: Option<Filling>,
    /// Files that get further names, once they are written with their device and number.
    expected: HashMap<Vec<u8>, Option<(u64, u64)>>,
    /// Folders that were made because something lies in them; their own row may follow.
    led: HashSet<Vec<u8>>,
    /// Folders whose permissions and times are still to be set, in order.
    folders: Vec<(Vec<u8>, Meta, [u32; 2])>,
    temporary: u64,
    written: Written,
}

/// A file that is being written.
struct Filling {
    path: Vec<u8>,
    temporary: Vec<u8>,
    file: OwnedFd,
    /// The piece that comes next.
    piece: u64,
}

impl Writer {
    /// For files below `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be made, or is no folder.
    pub fn create(folder: &Path, options: WriteOptions) -> Result<Writer, FilesError> {
        std::fs::create_dir_all(folder).map_err(|error| {
            let name = folder.as_os_str().as_encoded_bytes();
            match error.raw_os_error() {
                Some(code) => FilesError::system("make folder", name, Errno::from_raw_os_error(code)),
                None => FilesError::refused("make folder", name, error.to_string()),
            }
        })?;
        let beneath = Beneath::open(folder)?;
        Ok(Writer {
            other: beneath.clone(),
            beneath,
            options,
            owners: Owners::of_this_system(),
            open: None,
            expected: HashMap::new(),
            led: HashSet::new(),
            folders: Vec::new(),
            temporary: 0,
            written: Written::default(),
        })
    }

    /// A file of this path will get further names: to be said before it is written. No other file gets any.
    pub fn expect(&mut self, path: Vec<u8>) {
        self.expected.insert(path, None);
    }

    /// Writes one row under this path below the folder. The rows of a file come one after the other.
    ///
    /// # Errors
    /// The path leads elsewhere, something is in its way, the disk is full, or the rows of a file are not in order. What was
    /// begun of the file is taken away.
    pub fn row(&mut self, path: &[u8], row: &Row<'_>) -> Result<(), FilesError> {
        let written = self.one(path, row);
        if written.is_err() {
            self.give_up();
        }
        written
    }

    fn one(&mut self, path: &[u8], row: &Row<'_>) -> Result<(), FilesError> {
        if let Some(fault) = fault(path) {
            return Err(FilesError::refused("write", path, fault));
        }
        let goes_on = self.open.as_ref().is_some_and(|open| open.path == path && open.piece == row.piece);
        if !goes_on && (self.open.is_some() || row.piece > 0) {
            return Err(FilesError::refused("write", path, "the pieces of a file are not all there"));
        }
        if path.is_empty() && row.kind != Kind::Folder {
            return Err(FilesError::refused("write", path, "the folder itself is meant"));
        }
        match row.kind {
            Kind::File => self.piece(path, row),
            Kind::Folder => self.folder(path, row, self.options.overwrite),
            Kind::Link => self.link(path, row),
            Kind::OtherName => Err(FilesError::refused("write", path, "the first name of the file is not given")),
            Kind::Totals => Ok(()),
        }
    }

    /// Makes a folder that leads to something that is restored, and is not restored itself: one that is there keeps what it has.
    ///
    /// # Errors
    /// As [`Writer::row`].
    pub fn leading(&mut self, path: &[u8], row: &Row<'_>) -> Result<(), FilesError> {
        match fault(path) {
            Some(fault) => Err(FilesError::refused("write", path, fault)),
            None => self.folder(path, row, false),
        }
    }

    /// `mend`: whether a folder that is there already gets the permissions and the time of the row.
    fn folder(&mut self, path: &[u8], row: &Row<'_>, mend: bool) -> Result<(), FilesError> {
        let Some((folder, name)) = split(path) else { return Ok(()) };
        self.lead(folder)?;
        let made = match mkdirat(self.beneath.folder(folder)?, name, Mode::from_raw_mode(OWN)) {
            Ok(()) => true,
            Err(Errno::EXIST) => {
                // It must be a real one; a link to one is refused here.
                self.beneath.folder(path)?;
                self.led.remove(path)
            }
            Err(error) => return Err(FilesError::system("make folder", path, error)),
        };
        self.written.folders = self.written.folders.saturating_add(1);
        if made || mend {
            self.folders.push((path.to_vec(), row.meta, self.here(row)));
        }
        Ok(())
    }

    /// Makes the folders that lead to a path, where they are not there.
    fn lead(&mut self, folder: &[u8]) -> Result<(), FilesError> {
        if let Err(FilesError { kind: FilesErrorKind::NotFound, .. }) = self.beneath.folder(folder).map(|_| ()) {
            let mut path = Vec::new();
            for name in components(folder) {
                let made = mkdirat(self.beneath.folder(&path)?, name, Mode::from_raw_mode(LEADING));
                path = join(&path, name);
                match made {
                    Ok(()) => drop(self.led.insert(path.clone())),
                    Err(Errno::EXIST) => {}
                    Err(error) => return Err(FilesError::system("make folder", &path, error)),
                }
            }
        }
        self.beneath.folder(folder).map(|_| ())
    }

    /// A name that nothing in the folder has: not even what a restore left that was killed, by a process of this number.
    fn temporary(&mut self, folder: &[u8]) -> Result<Vec<u8>, FilesError> {
        let at = self.beneath.folder(folder)?;
        loop {
            self.temporary = self.temporary.saturating_add(1);
            let process = rustix::process::getpid().as_raw_nonzero();
            let name = format!(".intervault-{process}-{}.part", self.temporary).into_bytes();
            match statat(at, &name[..], AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => {}
                Err(Errno::NOENT) => return Ok(name),
                Err(error) => return Err(FilesError::system("look at", folder, error)),
            }
        }
    }

    fn piece(&mut self, path: &[u8], row: &Row<'_>) -> Result<(), FilesError> {
        let (folder, name) = split(path).unwrap_or_default();
        let mut filling = match self.open.take() {
            Some(filling) => filling,
            None => {
                self.lead(folder)?;
                let temporary = self.temporary(folder)?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
                let file = self.beneath.file(&join(folder, &temporary), flags, Mode::from_raw_mode(0o600));
                let file = file.map_err(|error| FilesError { place: shown(path), op: "create", ..error })?;
                Filling { path: path.to_vec(), temporary, file, piece: 0 }
            }
        };
        filling.piece = filling.piece.saturating_add(1);
        let filling = self.open.insert(filling);
        fill(&filling.file, row.offset, row.data).map_err(|error| FilesError::system("write", path, error))?;
        if !row.last {
            return Ok(());
        }
        ftruncate(&filling.file, row.size).map_err(|error| FilesError::system("write", path, error))?;
        let here = self.here(row);
        let Some(filling) = &self.open else { return Ok(()) };
        let set = set_meta(&filling.file, &row.meta, self.options.owners.then_some(here));
        let temporary = filling.temporary.clone();
        let identity = match self.expected.contains_key(path) {
            true => fstat(&filling.file).ok().map(|stat| (stat.st_dev, stat.st_ino)),
            false => None,
        };
        self.note(path, set);
        self.rename(folder, &temporary, name, path)?;
        self.open = None;
        self.is_written(path, identity);
        self.written.files = self.written.files.saturating_add(1);
        self.written.bytes = self.written.bytes.saturating_add(row.size);
        Ok(())
    }

    fn link(&mut self, path: &[u8], row: &Row<'_>) -> Result<(), FilesError> {
        let (folder, name) = split(path).unwrap_or_default();
        if row.link.is_empty() || row.link.contains(&0) || row.link.len() > super::name::PATH_BYTES_MAX {
            return Err(FilesError::refused("write", path, "it is a symbolic link that points to no path"));
        }
        self.lead(folder)?;
        let temporary = self.temporary(folder)?;
        let at = self.beneath.folder(folder)?;
        symlinkat(row.link, at, &temporary[..]).map_err(|error| FilesError::system("make link", path, error))?;
        let mut set = utimensat(at, &temporary[..], &times(&row.meta), AtFlags::SYMLINK_NOFOLLOW);
        if self.options.owners {
            let [uid, gid] = self.here(row);
            let at = self.beneath.folder(folder)?;
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            set = set.and(chownat(at, &temporary[..], Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW));
        }
        self.note(path, set);
        self.rename(folder, &temporary, name, path)?;
        self.written.links = self.written.links.saturating_add(1);
        Ok(())
    }

    fn is_written(&mut self, path: &[u8], identity: Option<(u64, u64)>) {
        if let Some(known) = self.expected.get_mut(path) {
            *known = identity;
        }
    }

    /// Gives a file that was written by this writer, and expected, a further name. False if there is none, which is noted:
    /// whatever else has the first name by now is none of the tree.
    ///
    /// # Errors
    /// As [`Writer::row`].
    pub fn other_name(&mut self, path: &[u8], first: &[u8]) -> Result<bool, FilesError> {
        if let Some(fault) = fault(path).or_else(|| fault(first)) {
            return Err(FilesError::refused("write", path, fault));
        }
        let (Some((folder, name)), Some((first_folder, first_name))) = (split(path), split(first)) else {
            return Err(FilesError::refused("write", path, "the folder itself is meant"));
        };
        let Some(identity) = self.expected.get(first).copied().flatten() else {
            let why = format!("the file whose other name it is, {}, was not restored", shown(first));
            self.written.troubles.add(shown(path), why);
            return Ok(false);
        };
        self.lead(folder)?;
        let temporary = self.temporary(folder)?;
        self.other.forget();
        let linked = match self.other.folder(first_folder) {
            Ok(from) => {
                let to = self.beneath.folder(folder)?;
                let linked = linkat(from, first_name, to, &temporary[..], AtFlags::empty());
                linked.map_err(|error| FilesError::system("link", path, error)).and_then(|()| {
                    let stat = statat(to, &temporary[..], AtFlags::SYMLINK_NOFOLLOW);
                    let stat = stat.map_err(|error| FilesError::system("look at", path, error))?;
                    if (stat.st_dev, stat.st_ino) == identity {
                        return Ok(());
                    }
                    let _gone = unlinkat(to, &temporary[..], AtFlags::empty());
                    Err(FilesError { op: "link", place: shown(first), kind: FilesErrorKind::NotFound })
                })
            }
            Err(error) => Err(error),
        };
        match linked {
            Err(FilesError { kind: FilesErrorKind::NotFound, .. }) => {
                let why = format!("the file whose other name it is, {}, is not there any more", shown(first));
                self.written.troubles.add(shown(path), why);
                Ok(false)
            }
            Err(error) => Err(error),
            Ok(()) => {
                self.rename(folder, &temporary, name, path)?;
                self.is_written(path, Some(identity));
                self.written.other_names = self.written.other_names.saturating_add(1);
                Ok(true)
            }
        }
    }

    /// Gives what was written its own name.
    fn rename(&mut self, folder: &[u8], temporary: &[u8], name: &[u8], path: &[u8]) -> Result<(), FilesError> {
        let at = self.beneath.folder(folder)?;
        let renamed = match self.options.overwrite {
            true => renameat(at, temporary, at, name),
            false => match renameat_with(at, temporary, at, name, RenameFlags::NOREPLACE) {
                // Not every file system can: a link is refused as well where the name is taken.
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                    linkat(at, temporary, at, name, AtFlags::empty())
                }
                renamed => renamed,
            },
        };
        // Of two names of one file, and where a link was made, the first is still there.
        let _gone = unlinkat(at, temporary, AtFlags::empty());
        renamed.map_err(|error| match error {
            Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY => FilesError::refused("write", path, "it is there already"),
            error => FilesError::system("name", path, error),
        })
    }

    /// The owner and group of a row on this system.
    fn here(&self, row: &Row<'_>) -> [u32; 2] {
        [self.owners.user_here(row.owner, row.meta.uid), self.owners.group_here(row.group, row.meta.gid)]
    }

    fn note(&mut self, path: &[u8], set: Result<(), Errno>) {
        if let Err(error) = set {
            let what = format!("its owner, permissions or time cannot be set: {}", std::io::Error::from(error));
            self.written.troubles.add(shown(path), what);
        }
    }

    /// What was written so far.
    #[must_use]
    pub const fn written(&self) -> &Written {
        &self.written
    }

    /// Sets permissions and times of the folders, and makes all permanent.
    ///
    /// # Errors
    /// A file is not whole, or the disk fails.
    pub fn finish(mut self) -> Result<Written, FilesError> {
        if let Some(open) = &self.open {
            let error = FilesError::refused("write", &open.path, "the pieces of a file are not all there");
            self.give_up();
            return Err(error);
        }
        // Trees that lie in each other come in any order.
        self.folders.sort_by(|a, b| order(&a.0, &b.0));
        // The deepest first: what is set of a folder must not lock out, nor its time change with what it holds.
        while let Some((path, meta, here)) = self.folders.pop() {
            match self.beneath.folder(&path).and_then(|fd| {
                let fd = fd.try_clone_to_owned();
                fd.map_err(|_| FilesError::refused("open folder", &path, "too many files are open"))
            }) {
                Ok(fd) => {
                    let set = set_meta(&fd, &meta, self.options.owners.then_some(here));
                    self.note(&path, set);
                }
                Err(error) => self.written.troubles.add(error.place.clone(), error.kind.to_string()),
            }
        }
        let root = self.beneath.folder(b"")?;
        rustix::fs::syncfs(root).map_err(|error| FilesError::system("sync", b"", error))?;
        Ok(std::mem::take(&mut self.written))
    }

    /// Takes away what was begun of a file.
    fn give_up(&mut self) {
        let Some(open) = self.open.take() else { return };
        let (folder, _) = split(&open.path).unwrap_or_default();
        if let Ok(at) = self.beneath.folder(folder) {
            let _gone = unlinkat(at, &open.temporary[..], AtFlags::empty());
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Why something of this kind cannot be written under this path below a folder, as far as can be told beforehand.
#[must_use]
pub fn conflict(beneath: &mut Beneath, overwrite: bool, path: &[u8], kind: Kind) -> Option<FilesError> {
    let refused = |why: &str| Some(FilesError::refused("write", path, why));
    if let Some(fault) = fault(path) {
        return refused(fault);
    }
    let there = match beneath.stat(path) {
        Ok(None) => return None,
        Ok(Some(stat)) => FileType::from_raw_mode(stat.st_mode),
        Err(error) => return Some(error),
    };
    match (kind, there) {
        (Kind::Folder, FileType::Directory) => None,
        (Kind::Folder, _) => refused("something that is no folder has its name"),
        (_, FileType::Directory) => refused("a folder has its name"),
        _ if overwrite => None,
        _ => refused("it is there already"),
    }
}

fn fill(file: &OwnedFd, offset: u64, mut data: &[u8]) -> Result<(), Errno> {
    let mut at = offset;
    while !data.is_empty() {
        match pwrite(file, data, at) {
            Ok(0) => return Err(Errno::NOSPC),
            Ok(done) => {
                data = data.get(done..).unwrap_or_default();
                at = at.saturating_add(done as u64);
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn times(meta: &Meta) -> Timestamps {
    let changed = Timespec { tv_sec: meta.mtime, tv_nsec: i64::from(meta.nanos) };
    Timestamps { last_access: changed, last_modification: changed }
}

/// Sets owner (if given), permissions and times, in this order: a change of owner takes permissions away. All is tried.
fn set_meta(file: &OwnedFd, meta: &Meta, owner: Option<[u32; 2]>) -> Result<(), Errno> {
    let owned = owner.map(|[uid, gid]| fchown(file.as_fd(), Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))));
    // Whoever may not set the owner must not hand out its powers.
    let kept = if owned == Some(Ok(())) { 0o7777 } else { 0o1777 };
    let permitted = fchmod(file, Mode::from_raw_mode(meta.mode & kept));
    let timed = futimens(file, &times(meta));
    owned.unwrap_or(Ok(())).and(permitted).and(timed)
}

#[cfg(test)]
mod tests;
