//! Where the history of this machine is kept.

use super::failure::Failure;
use crate::history::journal::Journal;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What decides where the history is, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// `--state-dir`.
    pub option: Option<PathBuf>,
    /// `INTERVAULT_STATE`.
    pub state: Option<OsString>,
    /// What the configuration says.
    pub configured: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub xdg: Option<OsString>,
    /// `HOME`.
    pub home: Option<OsString>,
    /// Whether the process may do everything.
    pub root: bool,
}

impl Hints {
    /// Those of this process.
    #[must_use]
    pub fn of_process(option: Option<&Path>, configured: Option<&Path>) -> Hints {
        Hints {
            option: option.map(Path::to_owned),
            state: std::env::var_os("INTERVAULT_STATE"),
            configured: configured.map(Path::to_owned),
            xdg: std::env::var_os("XDG_STATE_HOME"),
            home: std::env::var_os("HOME"),
            root: rustix::process::geteuid().is_root(),
        }
    }

    /// The history, or none if none is wanted: `INTERVAULT_STATE` is set and empty.
    ///
    /// # Errors
    /// `--state-dir` is empty; nothing says where it is.
    pub fn journal(&self) -> Result<Option<Journal>, Failure> {
        if let Some(folder) = &self.option {
            let given = !folder.as_os_str().is_empty();
            return if given {
                Ok(Some(Journal::new(folder)))
            } else {
                Err(Failure::usage("--state-dir names no folder"))
            };
        }
        if let Some(folder) = &self.state {
            return Ok((!folder.is_empty()).then(|| Journal::new(folder)));
        }
        if let Some(folder) = &self.configured {
            return Ok(Some(Journal::new(folder)));
        }
        // What is not an absolute path is to be ignored, says who invented these names.
        let absolute = |text: &Option<OsString>| text.as_ref().map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = absolute(&self.xdg).map(|folder| folder.join("intervault"));
        let folder = folder.or_else(|| self.root.then(|| PathBuf::from("/var/lib/intervault")));
        let folder = folder.or_else(|| absolute(&self.home).map(|home| home.join(".local/state/intervault")));
        let missing = || Failure::usage("nothing says where the history is").hint("give --state-dir, or set HOME");
        folder.map(Journal::new).map(Some).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_says_where_counts() {
        let all = Hints {
            option: Some("/o".into()),
            state: Some("/s".into()),
            configured: Some("/c".into()),
            xdg: Some("/x".into()),
            home: Some("/h".into()),
            root: true,
        };
        let at =
            |hints: &Hints| hints.journal().map(|journal| journal.map(|journal| journal.path().display().to_string()));
        let path = |folder: &str| Ok(Some(format!("{folder}/history.jsonl")));
        assert_eq!(at(&all), path("/o"));
        let next = Hints { option: None, ..all };
        assert_eq!(at(&next), path("/s"));
        assert_eq!(at(&Hints { state: Some("".into()), ..next.clone() }), Ok(None));
        let next = Hints { state: None, ..next };
        assert_eq!(at(&next), path("/c"));
        let next = Hints { configured: None, ..next };
        assert_eq!(at(&next), path("/x/intervault"));
        let next = Hints { xdg: Some("relative".into()), ..next };
        assert_eq!(at(&next), path("/var/lib/intervault"));
        let next = Hints { root: false, ..next };
        assert_eq!(at(&next), path("/h/.local/state/intervault"));
        assert!(at(&Hints { home: None, ..next }).is_err());
        assert!(at(&Hints { option: Some("".into()), ..Hints::default() }).is_err());
    }
}
