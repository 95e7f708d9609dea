//! Which files are meant: patterns over names and paths.

use super::error::FilesError;
use super::name::split;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// What the file-system backup of a CMS server (CMSADM) leaves out: Appendix B of "Using Avaya CMS High Availability". The
/// printed list runs two of its entries together, `/dev/|usr/dbtemp`; here they stand apart.
pub const CMSADM: [&str; 36] = [
    "/var/tmp",
    "/dump/tmp",
    "/cms/install/bin/restore",
    "/etc/system-release",
    "/etc/mtab",
    "/etc/nologin",
    "/etc/.name_service_door",
    "/var/spool/cups/tmp",
    "/var/spool/cups/temp",
    "/var/spool/cups/requests",
    "/var/spool/mqueue",
    "/var/lock",
    "/var/spool/uucp/dummysch/Z",
    "/dev",
    "/usr/dbtemp",
    "/usr/lib/cms/Aname",
    "/usr/lib/cms/Pname",
    "/usr/lib/cms/Sname",
    "/cms/cmstables",
    "/cms/db/inf/cms.dbs",
    "/cms/db/journal/shortcut",
    "/cms/db/journal/timetable",
    "/cms/pbx/master",
    "/cms/pbx/sim_pbx",
    "/cms/pbx/acd",
    "/cms/tmp",
    "/cms/dc/chr/chr_log",
    "/BI/add_on/data/forwarder",
    "/tmp",
    "/storage",
    "/INFORMIXTMP",
    "/var/spool/postfix/pid",
    // What a running system keeps in no file system on a disk: the list is older than these.
    "/proc",
    "/sys",
    "/run",
    "/var/run",
];

/// Some patterns; a path that any of them matches is meant, with all that lies below it.
///
/// `*` and `?` stand for anything but a slash, `**` for any number of folders, `[a-z]` and `{a,b}` for one of several, `\`
/// takes the meaning from what follows. A pattern without a slash is held against the last component of a path; one that begins
/// with a slash against the whole path, from the root of the file system on; any other against the path in its tree. The root
/// of a tree has the name and the whole path under which it was named.
///
/// ```
/// use intervault::files::pattern::Patterns;
/// let patterns = Patterns::new(["*.tmp", "/cms/tmp", "old/*"])?;
/// assert!(patterns.matches(b"/cms", b"db/work.tmp") && patterns.matches(b"/cms", b"tmp"));
/// assert!(patterns.matches(b"/cms", b"old/a") && !patterns.matches(b"/cms", b"db/old/a"));
/// assert!(Patterns::new(["a[b"]).is_err());
/// # Ok::<(), intervault::files::error::FilesError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Patterns {
    whole: GlobSet,
    in_tree: GlobSet,
    names: GlobSet,
}

impl Patterns {
    /// Reads patterns.
    ///
    /// # Errors
    /// One is none; the text says which, and why.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Patterns, FilesError> {
        let mut sets = [GlobSetBuilder::new(), GlobSetBuilder::new(), GlobSetBuilder::new()];
        for pattern in patterns {
            let refused = |why: String| FilesError::refused("read pattern", pattern.as_bytes(), why);
            let meant = pattern.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(pattern);
            if meant.is_empty() {
                return Err(refused("it is empty".to_owned()));
            }
            let glob = GlobBuilder::new(meant).literal_separator(true).backslash_escape(true).build();
            let glob = glob.map_err(|error| refused(error.kind().to_string()))?;
            let [whole, in_tree, names] = &mut sets;
            match meant.find('/') {
                Some(0) => whole.add(glob),
                Some(_) => in_tree.add(glob),
                None => names.add(glob),
            };
        }
        let [whole, in_tree, names] = sets.map(|set| set.build());
        let read = |set: Result<GlobSet, globset::Error>| {
            set.map_err(|error| FilesError::refused("read", b"patterns", error.kind().to_string()))
        };
        Ok(Patterns { whole: read(whole)?, in_tree: read(in_tree)?, names: read(names)? })
    }

    /// Whether there is no pattern.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.in_tree.is_empty() && self.names.is_empty()
    }

    /// Whether the tree that lies at `root` is matched as a whole: its root, or by its whole path a folder above.
    ///
    /// ```
    /// use intervault::files::pattern::Patterns;
    /// let patterns = Patterns::new(["/cms/tmp", "*.cfg"])?;
    /// assert!(patterns.cover(b"/cms/tmp") && patterns.cover(b"/cms/tmp/a") && patterns.cover(b"/etc/adm.cfg"));
    /// assert!(!patterns.cover(b"/cms") && !patterns.cover(b"/etc/old.cfg/a"));
    /// # Ok::<(), intervault::files::error::FilesError>(())
    /// ```
    #[must_use]
    pub fn cover(&self, root: &[u8]) -> bool {
        let root = root.strip_suffix(b"/").unwrap_or(root);
        let mut above = (0..root.len()).filter(|at| root.get(*at) == Some(&b'/')).map(|at| root.get(..at.max(1)));
        self.matches(root, b"") || above.any(|folder| folder.is_some_and(|folder| is(&self.whole, folder)))
    }

    /// Whether a path of the tree that lies at `root` is matched itself; folders above it are not looked at.
    #[must_use]
    pub fn matches(&self, root: &[u8], path: &[u8]) -> bool {
        if path.is_empty() {
            let root = root.strip_suffix(b"/").unwrap_or(root);
            let name = root.iter().rposition(|byte| *byte == b'/').and_then(|at| root.get(at.saturating_add(1)..));
            return is(&self.names, name.unwrap_or(root)) || is(&self.whole, if root.is_empty() { b"/" } else { root });
        }
        let name = split(path).map_or(path, |(_, name)| name);
        is(&self.names, name)
            || is(&self.in_tree, path)
            || (!self.whole.is_empty() && is(&self.whole, &whole(root, path)))
    }
}

fn is(set: &GlobSet, text: &[u8]) -> bool {
    !set.is_empty() && set.is_match(Path::new(OsStr::from_bytes(text)))
}

fn whole(root: &[u8], path: &[u8]) -> Vec<u8> {
    [root.strip_suffix(b"/").unwrap_or(root), b"/", path].concat()
}

/// What of a tree is meant.
#[derive(Debug, Clone)]
pub struct Filter {
    /// If there is any: only what these match, with all that lies below and the folders above.
    pub include: Patterns,
    /// Never what these match, nor what lies below.
    pub exclude: Patterns,
}

impl Filter {
    /// Reads the patterns of a filter.
    ///
    /// # Errors
    /// As [`Patterns::new`].
    pub fn new(include: &[String], exclude: &[String]) -> Result<Filter, FilesError> {
        let read = |patterns: &[String]| Patterns::new(patterns.iter().map(String::as_str));
        Ok(Filter { include: read(include)?, exclude: read(exclude)? })
    }

    /// Everything is meant.
    ///
    /// # Errors
    /// Never; as [`Patterns::new`].
    pub fn all() -> Result<Filter, FilesError> {
        Filter::new(&[], &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_bytes_at_their_places() {
        let cases: [(&str, &[u8], bool); 14] = [
            ("*.log", b"a/b/x.log", true),
            ("*.log", b"x.log/y", false),
            ("core", b"core", true),
            ("core", b"score", false),
            ("a/*.c", b"a/x.c", true),
            ("a/*.c", b"a/b/x.c", false),
            ("a/**/x.c", b"a/b/c/x.c", true),
            ("/srv/t/a", b"a", true),
            ("/srv/t/a", b"b/a", false),
            ("/srv/**/a", b"b/a", true),
            ("x?", b"x\xff", true),
            ("x*", b"x\n\x1b", true),
            ("\\*", b"*", true),
            ("lock/", b"var/lock", true),
        ];
        for (pattern, path, expected) in cases {
            let found = Patterns::new([pattern]).unwrap().matches(b"/srv/t", path);
            assert_eq!(found, expected, "{pattern} on {}", path.escape_ascii());
        }
    }

    #[test]
    fn a_tree_is_matched_by_its_name_its_whole_path_and_those_of_the_folders_above() {
        let cases: [(&str, &[u8], bool); 14] = [
            ("t", b"/srv/t", true),
            ("t", b"/srv/t/", true),
            ("srv", b"/srv/t", false),
            ("/srv", b"/srv/t", true),
            ("/srv/t", b"/srv/t", true),
            ("/srv/t/", b"/srv/t", true),
            ("/srv/t/a", b"/srv/t", false),
            ("/s", b"/srv/t", false),
            ("/*/t", b"/srv/t/a", true),
            ("/", b"/srv/t", true),
            ("/", b"/", true),
            ("srv/t", b"/srv/t", false),
            ("**/t", b"/srv/t", false),
            ("t", b"t", true),
        ];
        for (pattern, root, expected) in cases {
            let found = Patterns::new([pattern]).unwrap().cover(root);
            assert_eq!(found, expected, "{pattern} on {}", root.escape_ascii());
        }
    }

    #[test]
    fn the_list_of_the_product_is_read_and_matches_from_the_root_on() {
        let patterns = Patterns::new(CMSADM).unwrap();
        assert!(
            patterns.matches(b"/", b"cms/pbx/acd")
                && patterns.matches(b"/cms", b"tmp")
                && patterns.matches(b"/", b"dev")
        );
        assert!(!patterns.matches(b"/", b"home/cms/tmp") && !patterns.matches(b"/cms/db", b"ext"));
    }

    #[test]
    fn what_is_no_pattern_is_refused_by_name() {
        for (bad, part) in [("a[b", "unclosed"), ("", "it is empty"), ("{a", "unclosed")] {
            let error = Patterns::new([bad]).unwrap_err().to_string();
            assert!(error.contains(part), "{bad}: {error}");
        }
    }
}
