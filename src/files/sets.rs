//! Named sets of files in a TOML file, so that one run writes several outputs: what every server backs up, and what only one of
//! them does. Pure.

use serde::Deserialize;
use std::collections::BTreeSet;

/// Some named sets of files.
///
/// ```
/// use intervault::files::sets::FileSets;
/// let sets = FileSets::parse(r#"
///     [[file_set]]
///     name = "MASAll"                            # 1 to 16 letters and digits: the first part of the volumes' labels
///     paths = ["/opt/mas/callerapps"]            # folders and files
///     exclude = ["*.tmp"]                        # and include, as --exclude and --include
///
///     [[file_set]]
///     name = "MASSingle"
///     paths = ["/opt/mas/prompts", "/opt/mas/tones"]
///     servers = ["mas1"]                         # on this server only; without, on all
///     to = "/backup/single"                      # where its volumes go; without, where --to says
///     cmsadm = true                              # leave out what a CMSADM backup leaves out
/// "#)?;
/// let names = |server| sets.of_server(server).map(|set| set.name.as_str()).collect::<Vec<_>>();
/// assert_eq!((names("mas1"), names("mas2")), (vec!["MASAll", "MASSingle"], vec!["MASAll"]));
/// # Ok::<(), intervault::files::sets::FileSetsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSets {
    #[serde(default, rename = "file_set")]
    sets: Vec<FileSet>,
}

/// A named set of files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSet {
    /// Its name.
    pub name: String,
    /// The trees.
    pub paths: Vec<String>,
    /// Patterns of what is meant; all if there is none.
    #[serde(default)]
    pub include: Vec<String>,
    /// Patterns of what is not.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Whether what a CMSADM backup leaves out is left out.
    #[serde(default)]
    pub cmsadm: bool,
    /// The servers that back it up, by host name; all if there is none.
    #[serde(default)]
    pub servers: Vec<String>,
    /// Where its volumes go.
    #[serde(default)]
    pub to: Option<String>,
}

/// File sets that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("file sets: {0}")]
pub struct FileSetsError(String);

impl FileSets {
    /// Reads file sets from TOML.
    ///
    /// # Errors
    /// What cannot be read or makes no sense, with its line or its set.
    pub fn parse(text: &str) -> Result<FileSets, FileSetsError> {
        let sets: FileSets =
            toml::from_str(text).map_err(|error| FileSetsError(error.to_string().trim_end().to_owned()))?;
        if sets.sets.is_empty() {
            return Err(FileSetsError("there is none: begin one with [[file_set]]".to_owned()));
        }
        let mut names = BTreeSet::new();
        for set in &sets.sets {
            let wrong = |what: &str| Err(FileSetsError(format!("set {:?}: {what}", set.name)));
            if !(1..=16).contains(&set.name.len()) || !set.name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return wrong("its name must be 1 to 16 letters and digits: the labels of its volumes begin with it");
            }
            if !names.insert(set.name.to_ascii_lowercase()) {
                return wrong("another set has its name");
            }
            if set.paths.is_empty() {
                return wrong("it has no paths");
            }
        }
        Ok(sets)
    }

    /// The sets that a server backs up, in order; host names are compared without regard to ASCII case.
    pub fn of_server<'a>(&'a self, server: &'a str) -> impl Iterator<Item = &'a FileSet> {
        let meant = move |set: &&FileSet| {
            set.servers.is_empty() || set.servers.iter().any(|name| name.eq_ignore_ascii_case(server))
        };
        self.sets.iter().filter(meant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        for (text, part) in [
            ("", "there is none"),
            ("[[file_set]]\nname = \"a\"\n", "paths"),
            ("[[file_set]]\nname = \"a-b\"\npaths = [\"/x\"]", "letters and digits"),
            ("[[file_set]]\nname = \"a\"\npaths = []", "no paths"),
            ("[[file_set]]\nname = \"a\"\npaths = [\"/x\"]\nserver = \"b\"", "unknown field `server`"),
            (
                "[[file_set]]\nname = \"a\"\npaths = [\"/x\"]\n[[file_set]]\nname = \"A\"\npaths = [\"/y\"]",
                "another set",
            ),
        ] {
            let error = FileSets::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
