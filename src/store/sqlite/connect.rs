//! Connections: how they are opened, and what is set on them.
//!
//! No memory map is asked for: it makes a scan a few percent faster, but a failing disk or a truncated file would then
//! end the process instead of being an error.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::StatVfsMountFlags;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fault::Site;
use crate::store::error::{StoreError, StoreErrorKind};

const OPEN: &str = "open the database";

/// How long a connection waits for a lock of another.
pub(super) const BUSY_WAIT: Duration = Duration::from_millis(if cfg!(test) { 500 } else { 5_000 });

/// The absolute path of an existing database file. Being absolute it can never be taken for a `file:` URI.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    let site = Site::database(path);
    let failed = |error: std::io::Error| {
        site.fail(
            OPEN,
            match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => StoreErrorKind::NotFound,
                ErrorKind::PermissionDenied => StoreErrorKind::NotPermitted(error.to_string()),
                _ => StoreErrorKind::Other { code: error.kind().to_string(), message: error.to_string() },
            },
        )
    };
    let not_one = |reason: &str| site.fail(OPEN, StoreErrorKind::NotADatabase(reason.to_owned()));
    if path.as_os_str().is_empty() {
        return Err(Site::database(Path::new("(an empty path)")).fail(OPEN, StoreErrorKind::NotFound));
    }
    let path = std::path::absolute(path).map_err(failed)?;
    let facts = fs::metadata(&path).map_err(failed)?;
    if facts.is_dir() {
        return Err(not_one("it is a directory"));
    }
    if !facts.is_file() {
        return Err(not_one("it is no regular file"));
    }
    if facts.len() == 0 {
        return Err(not_one("the file is empty"));
    }
    File::open(&path).map_err(failed)?;
    Ok(path)
}

/// A connection that can only read.
///
/// # Errors
/// `NotPermitted` too where SQLite would leave files that lock the database's owner out.
pub(super) fn for_reading(path: &Path) -> Result<Connection, StoreError> {
    if locks_owner_out(path) {
        let reason = "the database is in WAL mode, nobody has it open, and it belongs to another user: to read it SQLite would \
                      leave a -shm and a -wal file that its owner could not write to. Run this as the owner or as root, or \
                      while the application has the database open";
        return Err(Site::database(path).fail(OPEN, StoreErrorKind::NotPermitted(reason.to_owned())));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
        harden(&connection)?;
        touch(&connection)?;
        Ok(connection)
    });
    match opened {
        Ok(connection) => Ok(connection),
        Err(error) => match immutable(path, flags) {
            Some(connection) => Ok(connection),
            None => Err(Site::database(path).during(OPEN)(error)),
        },
    }
}

/// Whether a connection that can only read would leave a `-shm` and a `-wal` file that the database's owner cannot write to: a
/// reader makes them where they are not, with the modes of the database file, and cannot remove them. They are given to
/// the owner by root alone.
fn locks_owner_out(path: &Path) -> bool {
    let Ok(facts) = fs::metadata(path) else { return false };
    let user = rustix::process::geteuid();
    let is_ours = user.is_root() || facts.uid() == user.as_raw();
    !is_ours
        && !may_write(facts.mode(), || owner_is_in(facts.uid(), group_of_new_files(path)))
        && is_in_wal_mode(path)
        && !beside(path, "-shm").exists()
        && !is_read_only_file_system(path)
}

/// Whether somebody may write to files of this mode that are not theirs, being in their group or not.
fn may_write(mode: u32, is_in_group: impl FnOnce() -> bool) -> bool {
    mode & 0o002 != 0 || mode & 0o020 != 0 && is_in_group()
}

/// The group of the files that SQLite makes beside a database: that of the folder if it gives it on, else that of this process.
fn group_of_new_files(path: &Path) -> u32 {
    let folder = path.parent().and_then(|folder| fs::metadata(folder).ok());
    let given = folder.filter(|folder| folder.mode() & 0o2000 != 0).map(|folder| folder.gid());
    given.unwrap_or_else(|| rustix::process::getegid().as_raw())
}

/// Whether the system's own lists say that a user is in a group. Of users and groups that are kept elsewhere nothing is known:
/// they count as not in it.
fn owner_is_in(user: u32, group: u32) -> bool {
    let list =
        |path: &str| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    is_member(&list("/etc/passwd"), &list("/etc/group"), user, group)
}

/// The same by these lists: lines of fields between colons, of users name, password, number and group, of groups name, password,
/// number and members between commas.
fn is_member(users: &str, groups: &str, user: u32, group: u32) -> bool {
    let fields = |line: &'_ str| -> Option<(String, u32, String)> {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let number = fields.nth(1)?.parse().ok()?;
        Some((name, number, fields.next()?.to_owned()))
    };
    let Some((name, _, first)) = users.lines().filter_map(fields).find(|(_, number, _)| *number == user) else {
        return false;
    };
    let mut named = groups.lines().filter_map(fields).filter(|(_, number, _)| *number == group);
    first.parse() == Ok(group) || named.any(|(.., members)| members.split(',').any(|member| member == name))
}

/// Whether the header of a database says that it is written by way of a WAL: bytes 18 and 19 are 2 (SQLite's file format,
/// section 1.3.3).
fn is_in_wal_mode(path: &Path) -> bool {
    let mut header = [0; 20];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header.ends_with(&[2, 2])
}

/// The file that SQLite keeps beside a database under its name and an ending.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

/// A connection that can write.
pub(super) fn for_writing(path: &Path) -> Result<Connection, StoreError> {
    let failed = Site::database(path).during(OPEN);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
    harden(&connection).map_err(&failed)?;
    if connection.is_readonly("main").map_err(&failed)? {
        let reason = "the database file is read-only".to_owned();
        return Err(Site::database(path).fail(OPEN, StoreErrorKind::NotPermitted(reason)));
    }
    // 64 MiB of page cache, so that an index on other columns than the row order stays in memory.
    connection
        .execute_batch("PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA cache_size=-65536")
        .map_err(&failed)?;
    touch(&connection).map_err(&failed)?;
    Ok(connection)
}

/// The number that the application keeps in the database header; empty if it keeps none.
pub(super) fn user_version(connection: &Connection, path: &Path) -> Result<String, StoreError> {
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    let version = version.map_err(Site::database(path).during("read the version of the database"))?;
    Ok(if version == 0 { String::new() } else { version.to_string() })
}

/// A number that changes whenever another connection than this one has committed.
pub(super) fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA data_version", [], |row| row.get(0))
}

/// Nothing that the schema holds may run code that is not SQLite's own, and a misspelt column is no text.
fn harden(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_WAIT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    Ok(())
}

/// Reads the header and the schema, so that a file that is no database shows itself.
fn touch(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

/// Whether nobody can write to the file system that holds the database.
pub(super) fn is_read_only_file_system(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|facts| facts.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// A WAL database on a read-only file system can only be read as immutable. That is safe there as nobody can write to it,
/// as long as its WAL holds nothing: immutable reading ignores the WAL.
fn immutable(path: &Path, flags: OpenFlags) -> Option<Connection> {
    let wal_is_empty = match fs::metadata(beside(path, "-wal")) {
        Ok(facts) => facts.len() == 0,
        Err(error) => error.kind() == ErrorKind::NotFound,
    };
    if !is_read_only_file_system(path) || !wal_is_empty {
        return None;
    }
    let connection = Connection::open_with_flags(uri(path)?, flags | OpenFlags::SQLITE_OPEN_URI).ok()?;
    harden(&connection).ok()?;
    touch(&connection).ok()?;
    Some(connection)
}

/// The path as an SQLite URI that asks for immutable reading.
fn uri(path: &Path) -> Option<String> {
    let path = path.to_str()?;
    Some(format!("file:{}?immutable=1", path.replace('%', "%25").replace('?', "%3f").replace('#', "%23")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_a_reader_leaves_are_for_the_owner_only_where_the_mode_lets_the_owner_write() {
        let users = "root:x:0:0:root:/root:/bin/sh\nodd line\napp:x:7:70::/:\nagent:x:9:90::/:\n";
        let groups = "root:x:0:\napp:x:70:\nkeep:x:80:agent,app\nlike:x:81:apple\nagent:x:90:\n";
        let in_groups = [70, 80, 81, 90, 0].map(|group| is_member(users, groups, 7, group));
        assert_eq!(in_groups, [true, true, false, false, false]);
        assert!(!is_member(users, groups, 8, 80) && !is_member("", "", 7, 70));
        for (mode, in_group, out_of_it) in [(0o644, false, false), (0o664, true, false), (0o666, true, true)] {
            assert_eq!((may_write(mode, || true), may_write(mode, || false)), (in_group, out_of_it), "{mode:o}");
        }
    }

    #[test]
    fn a_path_with_special_signs_makes_a_uri() {
        assert_eq!(uri(Path::new("/a b/50%?#.db")).unwrap(), "file:/a b/50%25%3f%23.db?immutable=1");
    }

    #[test]
    fn an_immutable_connection_reads_a_file_with_special_signs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("50%?#.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES (7)").unwrap();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(uri(&path).unwrap(), flags).unwrap();
        assert_eq!(connection.query_row("SELECT a FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), 7);
    }
}
