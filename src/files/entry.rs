//! One thing of a tree, and what is known of it.

use rustix::fs::{FileType, Stat};

/// What a row of a tree is about. The ids are frozen: an id never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The totals, in the last row of a tree.
    Totals,
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// Another name of a file that stands earlier in the tree.
    OtherName,
}

impl Kind {
    /// All of them, by id.
    pub const ALL: [Kind; 5] = [Kind::Totals, Kind::File, Kind::Folder, Kind::Link, Kind::OtherName];

    /// The frozen id on the media.
    #[must_use]
    pub const fn id(self) -> i64 {
        match self {
            Kind::Totals => 0,
            Kind::File => 1,
            Kind::Folder => 2,
            Kind::Link => 3,
            Kind::OtherName => 4,
        }
    }

    /// The kind of an id.
    #[must_use]
    pub fn from_id(id: i64) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.id() == id)
    }

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Totals => "totals",
            Kind::File => "file",
            Kind::Folder => "folder",
            Kind::Link => "symbolic link",
            Kind::OtherName => "hard link",
        }
    }
}

/// Permissions, owner and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meta {
    /// Permission bits, with those for set user id, set group id and sticky: at most `0o7777`.
    pub mode: u32,
    /// Number of the owner.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// When the content was last changed: seconds since 1970-01-01 00:00 UTC.
    pub mtime: i64,
    /// Nanoseconds on top, below 10^9.
    pub nanos: u32,
}

impl Meta {
    /// That of a file.
    #[must_use]
    pub fn of(stat: &Stat) -> Meta {
        Meta {
            mode: u32::from(stat.st_mode as u16) & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: stat.st_mtime,
            nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        }
    }
}

/// One thing that a walk met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path in the tree; empty for the root.
    pub path: Vec<u8>,
    /// What it is; never the totals.
    pub kind: Kind,
    /// Permissions, owner and time.
    pub meta: Meta,
    /// Bytes; 0 but for files.
    pub size: u64,
    /// Bytes that the file system set aside for it.
    pub allocated: u64,
    /// Where a symbolic link points, or the file's first name in the tree. Of the tree's root the whole path that it has.
    pub link: Option<Vec<u8>>,
    /// Which file it is at the source: device and number.
    pub identity: (u64, u64),
    /// Whether it is a file with several names, in the tree or elsewhere, and this is the first that was met.
    pub several: bool,
}

/// How much of a file's content a row could be sure of. The ids are frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub enum State {
    /// It was as the walk had found it.
    #[default]
    Sound,
    /// It changed while it was read.
    Changed,
    /// Some of it could not be read.
    Unread,
}

impl State {
    /// The frozen id on the media.
    #[must_use]
    pub const fn id(self) -> i64 {
        match self {
            State::Sound => 0,
            State::Changed => 1,
            State::Unread => 2,
        }
    }

    /// The state of an id.
    #[must_use]
    pub fn from_id(id: i64) -> Option<State> {
        [State::Sound, State::Changed, State::Unread].into_iter().find(|state| state.id() == id)
    }
}

/// What a file of this type is called where it is left out; `None` for those that go into a tree.
#[must_use]
pub fn special(kind: FileType) -> Option<&'static str> {
    match kind {
        FileType::RegularFile | FileType::Directory | FileType::Symlink => None,
        FileType::Socket => Some("a socket"),
        FileType::Fifo => Some("a named pipe"),
        FileType::CharacterDevice => Some("a character device"),
        FileType::BlockDevice => Some("a block device"),
        FileType::Unknown => Some("of a kind that is not known"),
    }
}
