//! The password file, `~/.pgpass`: lines of `host:port:database:user:password`, the first that fits counts.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Most bytes that are read of a file of settings.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Whose password is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Login<'a> {
    /// `localhost` for the usual folder of the socket.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The text of the file; `None` if it is not there.
///
/// # Errors
/// Others than its owner may read it, or it cannot be read: then it is not used, for the reason given.
pub(super) fn read(path: &Path) -> Result<Option<String>, String> {
    let facts = match fs::metadata(path) {
        Ok(facts) => facts,
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
            return Ok(None);
        }
        Err(error) => return Err(error.to_string()),
    };
    if !facts.is_file() {
        return Err("it is no file".to_owned());
    }
    if facts.mode() & 0o077 != 0 {
        return Err("others than its owner may read it: chmod 600".to_owned());
    }
    text(path).map(Some).map_err(|error| error.to_string())
}

/// The text of a small file.
///
/// # Errors
/// It cannot be read, is not small, or is no UTF-8.
pub(super) fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if read as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    Ok(text)
}

/// The password of this login, if a line has it.
pub(super) fn find(text: &str, login: Login<'_>) -> Option<String> {
    let port = login.port.to_string();
    let wanted = [login.host, &port, login.database, login.user];
    let lines = text.lines().map(|line| line.strip_suffix('\r').unwrap_or(line));
    lines.filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for wanted in wanted {
            let (field, after) = field(rest)?;
            if field != "*" && plain(field) != wanted {
                return None;
            }
            rest = after;
        }
        let password = plain(rest.get(..end(rest)).unwrap_or(rest));
        (!password.is_empty()).then_some(password)
    })
}

/// Where a field ends: at the first colon that has no backslash before it.
fn end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            ':' if !escaped => return at,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// The first field as it is written, and what follows its colon.
fn field(text: &str) -> Option<(&str, &str)> {
    let (field, rest) = text.split_at_checked(end(text))?;
    Some((field, rest.strip_prefix(':')?))
}

/// A field without its backslashes.
fn plain(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut signs = field.chars();
    while let Some(c) = signs.next() {
        out.extend(if c == '\\' { signs.next() } else { Some(c) });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_counts() {
        let text = "# h:5432:d:u:comment\nh:5433:d:u:port\n\nnonsense\nh:5432:d:u:one\\:\\\\two\nh:*:*:u:any\n*:*:*:*:all:x\r\n";
        let find = |host, port, database, user| find(text, Login { host, port, database, user });
        assert_eq!(find("h", 5432, "d", "u").as_deref(), Some("one:\\two"));
        assert_eq!(find("h", 5433, "d", "u").as_deref(), Some("port"));
        assert_eq!(find("h", 5432, "e", "u").as_deref(), Some("any"));
        assert_eq!(find("i", 5432, "d", "u").as_deref(), Some("all"));
        let colon = |text: &str| super::find(text, Login { host: "::1", port: 1, database: "a\\b", user: "*" });
        assert_eq!(colon("\\:\\:1:1:a\\\\b:\\*:yes").as_deref(), Some("yes"));
        assert_eq!((colon("::1:1:a\\\\b:*:no"), colon("*:*:*:*:"), colon("*:*:*:*")), (None, None, None));
    }

    #[test]
    fn a_file_that_others_may_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pgpass");
        assert_eq!(read(&path), Ok(None));
        fs::write(&path, "*:*:*:*:p\n").unwrap();
        for (mode, used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let text = read(&path);
            assert_eq!(text.is_ok(), used, "{mode:o}: {text:?}");
        }
        assert!(read(folder.path()).is_err());
    }
}
