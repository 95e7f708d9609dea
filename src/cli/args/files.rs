//! What `intervault backup` and `intervault restore` are told of files.

use crate::backup::FileTree;
use crate::cli::failure::Failure;
use crate::cli::parse::DevicePath;
use crate::files::pattern::CMSADM;
use clap::Args;
use std::path::PathBuf;

/// File trees to back up.
#[derive(Debug, Clone, Default, Args)]
pub struct TreeArgs {
    /// A folder with all that lies in it, or a file, to back up too; may be given more than once, and without --database
    #[arg(long, value_name = "PATH", conflicts_with = "tables")]
    pub files: Vec<String>,
    /// Of these files only those that the pattern matches: a name (*.cfg), a path in the tree (db/*.cfg) or a whole path
    /// (/cms/db/*.cfg); a folder means all in it
    #[arg(long, value_name = "PATTERN", requires = "files")]
    pub include: Vec<String>,
    /// Of these files none that the pattern matches, and nothing in such a folder
    #[arg(long, value_name = "PATTERN", requires = "files")]
    pub exclude: Vec<String>,
    /// Of these files none that a CMSADM backup leaves out: /tmp, /cms/tmp, /cms/db/inf/cms.dbs, ...
    #[arg(long, requires = "files")]
    pub cmsadm: bool,
    /// Back up the file sets of this TOML file that are meant for this server, each as a set of its own, and nothing else
    #[arg(long, value_name = "FILE", conflicts_with_all = ["database", "files"])]
    pub file_sets: Option<PathBuf>,
}

impl TreeArgs {
    /// The trees.
    ///
    /// # Errors
    /// A path cannot be the name of a tree.
    pub fn trees(&self) -> Result<Vec<FileTree>, Failure> {
        trees(&self.files, &self.include, &self.exclude, self.cmsadm)
    }
}

/// Trees with the same patterns.
///
/// # Errors
/// A path cannot be the name of a tree.
pub fn trees(paths: &[String], include: &[String], exclude: &[String], cmsadm: bool) -> Result<Vec<FileTree>, Failure> {
    let listed = CMSADM.iter().filter(|_| cmsadm).map(|path| (*path).to_owned());
    let exclude: Vec<String> = exclude.iter().cloned().chain(listed).collect();
    let tree = |path: &String| {
        let tree = FileTree::new(path)?;
        Ok(FileTree { include: include.to_vec(), exclude: exclude.clone(), ..tree })
    };
    paths.iter().map(tree).collect()
}

/// Files to restore.
#[derive(Debug, Clone, Default, Args)]
pub struct FilesToArgs {
    /// Restore files into this folder, and no tables; nothing leaves it
    #[arg(long, value_name = "FOLDER", conflicts_with_all = [
        "database", "data", "tables", "acd", "older_wins", "start", "stop", "uncovered", "carried", "partial_periods",
        "proof", "save_plan", "plan", "undo", "no_undo", "resume", "anew", "other_version", "now",
    ])]
    pub files_to: Option<PathBuf>,
    /// Of these files only those that the pattern matches: a name (*.cfg), a path in its tree (db/*.cfg) or the whole path
    /// that it had (/cms/db/*.cfg); a folder means all in it; may be given more than once
    #[arg(long, value_name = "PATTERN", requires = "files_to")]
    pub files: Vec<String>,
    /// Replace files that are there already
    #[arg(long, requires = "files_to")]
    pub overwrite_files: bool,
    /// Set the owners that the files had [default: if you are root]
    #[arg(long, requires = "files_to")]
    pub owners: bool,
}

/// What a restore of files is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesToOptions {
    /// Where the volumes are; never empty.
    pub from: Vec<DevicePath>,
    /// The folder that the files go into.
    pub folder: PathBuf,
    /// Patterns of the files that are restored; all if there is none.
    pub choose: Vec<String>,
    /// Whether files that are there are replaced.
    pub overwrite: bool,
    /// Whether owners are set also for who is not root.
    pub owners: bool,
    /// The set's label, or digits of its id.
    pub set: Option<String>,
    /// A set of the same chain up to which it is restored.
    pub stop_at: Option<String>,
    /// Whether to go on with the files that are whole where volumes are missing or damaged.
    pub partial: bool,
    /// Worker threads, from 1.
    pub jobs: usize,
    /// Whether to stop after the plan.
    pub dry_run: bool,
    /// Whether to go on without asking.
    pub yes: bool,
}
