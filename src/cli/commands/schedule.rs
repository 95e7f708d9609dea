//! `intervault schedule`: units and timers for systemd that take the backups of a week, or restore each night.

use super::open;
use crate::cli::args::{NightlyBackup, NightlyRestore, ScheduleOptions, Uncovered};
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::parse::{DatabaseUrl, DevicePath};
use crate::cli::render::text::escape;
use crate::cli::render::units::{MARK, Task, UnitFile, units};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What belongs to the database and is backed up each night; files come once a month.
const NIGHTLY_DATA: &str = "local,system,acd,historical";
/// How long a backup waits for another one that is at work.
const WAIT: &str = "12h";
/// Undo sets of nightly restores that are kept.
const UNDO_SETS: &str = "14";

/// Runs it.
///
/// # Errors
/// A path is none that a unit can name; the folder cannot be written to, or has a file of such a name that this command did
/// not write.
pub fn run(
    options: &ScheduleOptions,
    config: &Config,
    state_dir: Option<&Path>,
    output: &Output,
) -> Result<Exit, Failure> {
    let common = Common::new(options, config, state_dir)?;
    let mut tasks = Vec::new();
    if let Some(backup) = &options.backup {
        tasks.extend(common.backups(backup, config)?);
    }
    if let Some(restore) = &options.restore {
        tasks.push(common.restore(restore, config)?);
    }
    // Each after those before it: all are due at once when a machine was off for days. A full backup comes first.
    for at in 1..tasks.len() {
        let before = tasks.iter().take(at).map(|task| format!("{}.service", task.name)).collect();
        if let Some(task) = tasks.get_mut(at) {
            task.after = before;
        }
    }
    let notices = options.backup.as_ref().map_or_else(Vec::new, |backup| notices(backup, &options.name));
    let files: Vec<UnitFile> = tasks.iter().flat_map(units).collect();
    if let Some(dir) = &options.dir {
        write(dir, &files)?;
    }
    if output.json() {
        let units = files.iter().map(|file| json!({"name": file.name, "text": file.text})).collect::<Vec<_>>();
        let dir = options.dir.as_ref().map(|dir| dir.display().to_string());
        output.object("intervault/schedule", Exit::Done, &json!({"folder": dir, "units": units, "notices": notices}));
        return Ok(Exit::Done);
    }
    match &options.dir {
        None => files.iter().for_each(|file| output.line(&format!("# {}\n{}\n", file.name, file.text))),
        Some(dir) => {
            for file in &files {
                output.line(&escape(&dir.join(&file.name).display().to_string()));
            }
            let timers: Vec<&str> =
                files.iter().map(|file| file.name.as_str()).filter(|name| name.ends_with(".timer")).collect();
            output.notice("Switch them on, where systemd looks for units in that folder:");
            output.notice(&format!("    systemctl daemon-reload && systemctl enable --now {}", timers.join(" ")));
        }
    }
    notices.iter().for_each(|notice| output.notice(notice));
    Ok(Exit::Done)
}

/// What a person should know of scheduled backups.
fn notices(backup: &NightlyBackup, name: &str) -> Vec<String> {
    let mut notices = vec![format!(
        "Until the first full backup is there the incremental ones end with status 9. Take it now: systemctl start \
         {name}-full.service"
    )];
    if backup.files_to.is_none() {
        let text = "No backup of this schedule takes custom data, which are tables that no catalogue lists, and files: \
                    --files-to DEVICE says where they go once a month.";
        notices.push(text.to_owned());
    }
    notices
}

/// What all tasks have in common.
struct Common<'a> {
    options: &'a ScheduleOptions,
    program: String,
    /// Options that say where configuration and history are.
    places: Vec<String>,
    /// Where the history is, if that is said.
    state: Option<PathBuf>,
}

impl<'a> Common<'a> {
    fn new(options: &'a ScheduleOptions, config: &Config, state_dir: Option<&Path>) -> Result<Common<'a>, Failure> {
        let program = match &options.program {
            Some(program) => program.clone(),
            None => std::env::current_exe().map_err(|error| {
                Failure::new(Exit::Failed, format!("cannot tell where this program is: {error}"))
                    .hint("say it with --program")
            })?,
        };
        let program = whole(&program)?;
        // The name of a program is no place for variables, and for nothing that is to be quoted twice.
        if program.contains(['$', '%', '"', '\\', '\'']) || program.chars().any(char::is_whitespace) {
            return Err(Failure::usage(format!("no unit can name the program {}", escape(&program)))
                .hint("put it where its path is plain, and say so with --program"));
        }
        let mut places = Vec::new();
        for (option, path) in [("--config", config.path.as_deref()), ("--state-dir", state_dir)] {
            if let Some(path) = path {
                places.extend([option.to_owned(), whole(path)?]);
            }
        }
        let state = state_dir.or(config.state.as_deref()).map(Path::to_owned);
        Ok(Common { options, program, places, state })
    }

    /// The folder of the history, as the user has it who does the work.
    fn state(&self) -> Result<PathBuf, Failure> {
        let root = self.options.user.as_ref().is_none_or(|user| user == "root");
        let usual = || root.then(|| PathBuf::from("/var/lib/intervault"));
        self.state.clone().or_else(usual).ok_or_else(|| {
            Failure::usage(
                "what a restore deletes is kept in the folder of the history, and nothing says where that is",
            )
            .hint("give --state-dir")
        })
    }

    fn command(&self, words: &[&str], more: Vec<String>) -> Vec<String> {
        let words = words.iter().map(|word| (*word).to_owned());
        std::iter::once(self.program.clone()).chain(words).chain(more).chain(self.places.clone()).collect()
    }

    fn task(&self, kind: &str, description: String, at: &str, command: Vec<String>, folders: Vec<String>) -> Task {
        Task {
            name: format!("{}-{kind}", self.options.name),
            description,
            command,
            afterwards: Vec::new(),
            after: Vec::new(),
            at: at.to_owned(),
            folders,
            user: self.options.user.clone(),
            at_most: self.options.at_most,
        }
    }

    fn backups(&self, backup: &NightlyBackup, config: &Config) -> Result<Vec<Task>, Failure> {
        let (url, file) = database(&backup.database)?;
        let [full, incremental, files, _, prune] = &self.options.times;
        let mut more = vec!["--wait".to_owned(), WAIT.to_owned()];
        if let Some(size) = self.options.volume_size {
            more.extend(["--volume-size".to_owned(), size.to_string()]);
        }
        if let Some(catalogue) = &self.options.catalogue {
            more.extend(["--catalogue".to_owned(), whole(catalogue)?]);
        }
        let one = |kind: &str, at: &str, to: &DevicePath, words: &[&str]| -> Result<Task, Failure> {
            let to = place(&config.device(to))?;
            let words = [&["backup", "--database", &url, "--to", &to], words].concat();
            let command = self.command(&words, more.clone());
            let description = format!("{kind} backup of {url}");
            let folders = std::iter::once(to.clone()).chain(file.clone()).filter(|path| path.starts_with('/'));
            Ok(self.task(kind, description, at, command, folders.collect()))
        };
        let mut tasks = vec![
            one("full", full, &backup.to, &["--data", NIGHTLY_DATA, "--full"])?,
            one("incremental", incremental, &backup.to, &["--data", NIGHTLY_DATA, "--incremental"])?,
        ];
        let devices: Vec<&DevicePath> = std::iter::once(&backup.to).chain(&backup.files_to).collect();
        let devices: Vec<DevicePath> = devices.into_iter().map(|device| config.device(device)).collect();
        if let [to, files_to] = devices.as_slice()
            && same(to, files_to)
        {
            return Err(Failure::usage("files want a device of their own: --files-to is the same as --to"));
        }
        if let Some(to) = &backup.files_to {
            let paths = backup.files.iter().map(|path| whole(path)).collect::<Result<Vec<_>, _>>()?;
            let mut words = vec!["--data", "custom", "--full"];
            words.extend(paths.iter().flat_map(|path| ["--files", path]));
            tasks.push(one("files", files, to, &words)?);
        }
        if !self.options.keep.is_empty() {
            tasks.push(self.prune(&devices, prune)?);
        }
        Ok(tasks)
    }

    fn prune(&self, devices: &[DevicePath], at: &str) -> Result<Task, Failure> {
        if let Some(other) = devices.iter().find(|device| !matches!(device, DevicePath::Path(_))) {
            return Err(Failure::usage(format!("sets are removed from folders only, and {other} is none"))
                .hint("leave out what is kept (--keep-...): on tapes --overwrite expired does its work"));
        }
        let places = devices.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let keep = self.options.keep.iter().flat_map(|(name, number)| [(*name).to_owned(), number.to_string()]);
        let more = places.iter().cloned().chain(keep).chain(["--yes".to_owned()]).collect();
        let description = format!("removal of old sets from {}", places.join(" and "));
        Ok(self.task("prune", description, at, self.command(&["prune"], more), places.clone()))
    }

    fn restore(&self, restore: &NightlyRestore, config: &Config) -> Result<Task, Failure> {
        let (url, file) = database(&restore.onto)?;
        let from = place(&config.device(&restore.from))?;
        let uncovered = match restore.uncovered {
            Uncovered::Refuse => "refuse",
            Uncovered::Delete => "delete",
            Uncovered::Keep => "keep",
        };
        let undo = match &restore.onto {
            DatabaseUrl::Sqlite(path) => format!("{}.undo", whole(path)?),
            DatabaseUrl::Postgres(url) => whole(&open::undo_below(&self.state()?, &open::address(url)?))?,
        };
        let words = ["restore", "--database", &url, "--from", &from, "--data", "historical", "--set", "newest"];
        let words = [&words[..], &["--uncovered", uncovered, "--undo", &undo, "--yes"]].concat();
        let command = self.command(&words, Vec::new());
        let description = format!("restore of {from} onto {url}");
        let [.., at, _] = &self.options.times;
        let folders = std::iter::once(from.clone()).chain(file).filter(|path| path.starts_with('/'));
        let mut task = self.task("restore", description, at, command, folders.collect());
        let prune = ["prune", &undo, "--keep-last", "1", "--undo-sets", UNDO_SETS, "--yes"];
        task.afterwards.push(self.command(&prune, Vec::new()));
        Ok(task)
    }
}

/// A database as it is written in a unit, and its file if it has one.
fn database(url: &DatabaseUrl) -> Result<(String, Option<String>), Failure> {
    match url {
        DatabaseUrl::Sqlite(path) => {
            let path = whole(path)?;
            Ok((format!("sqlite:{path}"), Some(path)))
        }
        DatabaseUrl::Postgres(server) if server.get("password").is_some() => {
            Err(Failure::usage("everybody may read a unit: leave the password out of the address of the database")
                .hint("write it into the file .pgpass in the home of the user who does the work"))
        }
        DatabaseUrl::Postgres(_) => Ok((url.to_string(), None)),
    }
}

/// Whether two devices are one, however they were named.
fn same(one: &DevicePath, other: &DevicePath) -> bool {
    let real = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or(path.to_owned());
    one.moved(real) == other.moved(real)
}

/// A device as it is written in a unit.
fn place(device: &DevicePath) -> Result<String, Failure> {
    match device {
        DevicePath::Path(path) => whole(path),
        DevicePath::Tape(path) => Ok(format!("tape:{}", whole(path)?)),
        DevicePath::Pipe => {
            Err(Failure::usage("nobody is there to take what goes into a pipe at night: name a folder"))
        }
    }
}

/// A path that a unit can name: whole, and UTF-8.
fn whole(path: &Path) -> Result<String, Failure> {
    let wrong = || Failure::usage(format!("no unit can name the path {}", escape(&path.display().to_string())));
    let absolute: PathBuf = std::path::absolute(path).map_err(|_| wrong())?;
    let text = absolute.to_str().filter(|text| !text.contains('\0')).ok_or_else(wrong)?;
    Ok(text.to_owned())
}

/// Writes the files, each as a whole. All are looked at before the first is written.
fn write(dir: &Path, files: &[UnitFile]) -> Result<(), Failure> {
    let folder = std::fs::metadata(dir).and_then(|found| match found.is_dir() {
        true => Ok(()),
        false => Err(std::io::Error::from(std::io::ErrorKind::NotADirectory)),
    });
    folder.map_err(|error| failed(dir, &error))?;
    for file in files {
        let path = dir.join(&file.name);
        match std::fs::read(&path) {
            Ok(bytes) if bytes.starts_with(MARK.as_bytes()) => {}
            Ok(_) => {
                let message = format!("{} is there, and intervault schedule did not write it", path.display());
                return Err(
                    Failure::new(Exit::Failed, message).hint("give the units another --name, or remove it yourself")
                );
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&path, &error)),
        }
    }
    for file in files {
        let path = dir.join(&file.name);
        let written = || {
            use std::os::unix::fs::PermissionsExt as _;
            // The name of a file for the time being is nothing to tell of.
            let new = tempfile::Builder::new().prefix(".intervault").tempfile_in(dir);
            let mut new = new.map_err(|error| std::io::Error::from(error.kind()))?;
            new.write_all(file.text.as_bytes())?;
            new.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
            new.as_file().sync_all()?;
            new.persist(&path)?;
            Ok(())
        };
        written().map_err(|error: std::io::Error| failed(&path, &error))?;
    }
    Ok(())
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    let kind = crate::device::error::DeviceErrorKind::from(std::io::Error::from(error.kind()));
    Failure::new(Exit::from(&kind), format!("cannot write {}: {error}", path.display()))
}
