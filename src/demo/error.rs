//! What building the demonstration database can fail with.

use std::path::PathBuf;

/// Building failed: what, where, what to try.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// There is a file of that name already; it is never overwritten.
    #[error("{} is there already: name another folder, or remove it yourself", .0.display())]
    Exists(PathBuf),
    /// The file cannot be created.
    #[error("cannot create {}: {source}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// SQLite fails.
    #[error("cannot {what}: {source}")]
    Sqlite {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: rusqlite::Error,
    },
    /// The embedded counts are not what they should be.
    #[error("line {line} of the embedded call counts cannot be read: this build is damaged, build it again")]
    Counts {
        /// The line, from 1.
        line: usize,
    },
}
