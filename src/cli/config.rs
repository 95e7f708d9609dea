//! The configuration, `intervault.toml`: names of devices, the one that backups go to, and what else is the same each night.
//! What stands on the command line comes first. A key that is not known is refused with its place, since a misspelt one
//! would be a rule that nobody keeps.

use super::exit::Exit;
use super::failure::Failure;
use super::parse::{self, DatabaseUrl, DevicePath};
use super::render::text::escape;
use clap::Command;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Where it is looked for if nobody says.
const DEFAULT_PATH: &str = "/etc/intervault.toml";
/// Most bytes of a configuration.
const BYTES_MAX: u64 = 1 << 20;

/// What the configuration says; empty if there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The file; none if there is none.
    pub path: Option<PathBuf>,
    /// Name of the system in labels.
    pub system: Option<String>,
    /// The database that is backed up.
    pub database: Option<DatabaseUrl>,
    /// The table catalogue.
    pub catalogue: Option<PathBuf>,
    /// Folder of the history.
    pub state: Option<PathBuf>,
    /// File for the figures of the last backup.
    pub metrics: Option<PathBuf>,
    /// The device that backups go to, one of the names below.
    pub default_device: Option<String>,
    /// Devices by name, each as it would be written on the command line.
    pub devices: BTreeMap<String, DevicePath>,
    /// Programs with their arguments, to be run before each backup.
    pub before: Vec<Vec<String>>,
    /// The same after each backup.
    pub after: Vec<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    system: Option<Spanned<String>>,
    database: Option<Spanned<String>>,
    catalogue: Option<PathBuf>,
    state: Option<PathBuf>,
    metrics: Option<PathBuf>,
    default_device: Option<Spanned<String>>,
    #[serde(default)]
    devices: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    hooks: Hooks,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hooks {
    #[serde(default)]
    before: Vec<Spanned<Vec<String>>>,
    #[serde(default)]
    after: Vec<Spanned<Vec<String>>>,
}

/// The value of `--config` among arguments, before these are read for good.
#[must_use]
pub fn given(arguments: &[OsString]) -> Option<&OsStr> {
    let mut arguments = arguments.iter().skip(1).take_while(|argument| *argument != "--");
    while let Some(argument) = arguments.next() {
        if argument == "--config" {
            return arguments.next().map(OsString::as_os_str);
        }
        let path = argument.to_str().and_then(|argument| argument.strip_prefix("--config="));
        if let Some(path) = path {
            return Some(OsStr::new(path));
        }
    }
    None
}

impl Config {
    /// That of this process: `--config`, else `INTERVAULT_CONFIG`, else `/etc/intervault.toml` if it is there. An empty name
    /// means none.
    ///
    /// # Errors
    /// A file that was named is not there; it cannot be read, or makes no sense.
    pub fn of_process(option: Option<&OsStr>) -> Result<Config, Failure> {
        let variable = std::env::var_os("INTERVAULT_CONFIG");
        match option.or(variable.as_deref()) {
            Some(path) if path.is_empty() => Ok(Config::default()),
            Some(path) => Config::read(Path::new(path)),
            None if Path::new(DEFAULT_PATH).exists() => Config::read(Path::new(DEFAULT_PATH)),
            None => Ok(Config::default()),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`Config::of_process`].
    pub fn read(path: &Path) -> Result<Config, Failure> {
        let name = escape(&path.display().to_string()).into_owned();
        let fail = |error: std::io::Error| {
            let exit = match error.kind() {
                std::io::ErrorKind::NotFound => Exit::Nothing,
                std::io::ErrorKind::PermissionDenied => Exit::NotPermitted,
                _ => Exit::Failed,
            };
            Failure::new(exit, format!("cannot read the configuration {name}: {error}"))
        };
        let found = std::fs::metadata(path).map_err(fail)?;
        if !found.is_file() {
            return Err(Failure::new(Exit::Failed, format!("the configuration {name} is no file")));
        }
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(fail)?;
        file.take(BYTES_MAX.saturating_add(1)).read_to_string(&mut text).map_err(fail)?;
        if text.len() as u64 > BYTES_MAX {
            return Err(Failure::usage(format!("the configuration {name} has more than {BYTES_MAX} bytes")));
        }
        let absolute = std::path::absolute(path).map_err(fail)?;
        let folder = absolute.parent().unwrap_or(Path::new("/")).to_owned();
        let config = parse_text(&text, &folder);
        let config = config.map_err(|wrong| Failure::usage(format!("the configuration {name}: {wrong}")))?;
        let owner = [0, rustix::process::geteuid().as_raw()].contains(&found.uid());
        if !(config.before.is_empty() && config.after.is_empty()) && (!owner || found.mode() & 0o022 != 0) {
            let message = format!("the configuration {name} names programs to run, and others may write to it");
            return Err(Failure::new(Exit::NotPermitted, message)
                .hint("make it belong to root, and take the right to write from others"));
        }
        Ok(Config { path: Some(absolute), ..config })
    }

    /// The device that a name stands for; what is no name of the configuration is as it was.
    #[must_use]
    pub fn device(&self, device: &DevicePath) -> DevicePath {
        let DevicePath::Path(path) = device else { return device.clone() };
        let name = path.to_str().filter(|name| !name.contains('/'));
        name.and_then(|name| self.devices.get(name)).unwrap_or(device).clone()
    }

    /// What is backed up, and where to, if both are configured.
    #[must_use]
    pub fn backup(&self) -> Option<(DatabaseUrl, DevicePath)> {
        let device = self.default_device.as_ref().and_then(|name| self.devices.get(name));
        self.database.clone().zip(device.cloned())
    }

    /// The same for several.
    pub fn devices(&self, devices: &mut [DevicePath]) {
        devices.iter_mut().for_each(|device| *device = self.device(device));
    }

    /// The command line with the table catalogue of the configuration as a default.
    #[must_use]
    pub fn defaults(&self, command: Command) -> Command {
        let Some(catalogue) = &self.catalogue else { return command };
        let commands: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        commands.iter().fold(command, |command, name| {
            command.mut_subcommand(name, |sub| with_default(sub, "catalogue", catalogue.as_os_str().to_owned()))
        })
    }

    /// The arguments with what a backup lacks: the database, unless files are named, and the device. They are added as if they
    /// were typed, since other arguments ask whether they are. What is restored, and onto what, is always typed.
    #[must_use]
    pub fn completed(&self, mut arguments: Vec<OsString>) -> Vec<OsString> {
        let given = |name: &str| arguments.iter().any(|argument| is_option(argument, name));
        let (files, database, to) = (given("--files") || given("--file-sets"), given("--database"), given("--to"));
        if subcommand(&arguments) != Some(OsStr::new("backup")) || given("--") {
            return arguments;
        }
        if let Some(url) = self.database.as_ref().filter(|_| !files && !database) {
            arguments.extend(["--database".into(), url.with_password().into()]);
        }
        if let Some(name) = self.default_device.as_ref().filter(|_| !to) {
            arguments.extend(["--to".into(), name.into()]);
        }
        arguments
    }
}

/// Whether an argument is this option, with or without a value in the same word.
fn is_option(argument: &OsStr, name: &str) -> bool {
    argument == name
        || argument.to_str().and_then(|word| word.strip_prefix(name)).is_some_and(|rest| rest.starts_with('='))
}

/// The first argument that is neither an option nor the value of one that stands before commands.
fn subcommand(arguments: &[OsString]) -> Option<&OsStr> {
    let mut arguments = arguments.iter().skip(1);
    loop {
        let argument = arguments.next()?;
        if ["--config", "--state-dir", "--color"].iter().any(|option| argument == option) {
            arguments.next()?;
        } else if !argument.to_str().is_some_and(|word| word.starts_with('-')) {
            return Some(argument);
        }
    }
}

fn with_default(command: Command, argument: &'static str, value: OsString) -> Command {
    if !command.get_arguments().any(|known| known.get_id() == argument) {
        return command;
    }
    // The definitions live as long as the process.
    let value: &'static OsStr = Box::leak(value.into_boxed_os_str());
    command.mut_arg(argument, |known| known.required(false).default_value(value))
}

/// Line and column, both from 1, of a byte.
fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
    format!("line {line}, column {column}")
}

fn parse_text(text: &str, folder: &Path) -> Result<Config, String> {
    let file: File = toml::from_str(text).map_err(|error| {
        let place = error.span().map_or_else(|| "somewhere".to_owned(), |span| place(text, span.start));
        format!("{place}: {}", error.message().trim())
    })?;
    let at = |spanned: &Spanned<String>, wrong: String| format!("{}: {wrong}", place(text, spanned.span().start));
    let mut devices = BTreeMap::new();
    for (name, device) in &file.devices {
        if !is_name(name) {
            let wrong = format!("{name:?} is no name for a device: 1 to 64 letters, digits, '-', '_' and '.'");
            return Err(at(device, wrong));
        }
        let read = parse::device(device.get_ref()).map_err(|wrong| at(device, wrong))?;
        if read == DevicePath::Pipe {
            return Err(at(device, "a pipe has no place, so it needs no name".to_owned()));
        }
        devices.insert(name.clone(), below(folder, &read));
    }
    if let Some(name) = &file.default_device
        && !devices.contains_key(name.get_ref())
    {
        return Err(at(name, format!("default_device is {:?}, and [devices] has none of that name", name.get_ref())));
    }
    if let Some(system) = &file.system {
        let name = system.get_ref();
        if name.is_empty() || name.len() > 16 || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(at(system, "a system has a name of 1 to 16 letters and digits".to_owned()));
        }
    }
    let database = match &file.database {
        Some(url) => Some(parse::database(url.get_ref()).map_err(|wrong| at(url, wrong))?),
        None => None,
    };
    let path = |path: PathBuf| folder.join(path);
    Ok(Config {
        path: None,
        system: file.system.map(Spanned::into_inner),
        database: database.map(|url| match url {
            DatabaseUrl::Sqlite(file) => DatabaseUrl::Sqlite(folder.join(file)),
            DatabaseUrl::Postgres(_) => url,
        }),
        catalogue: file.catalogue.map(path),
        state: file.state.map(path),
        metrics: file.metrics.map(path),
        default_device: file.default_device.map(Spanned::into_inner),
        devices,
        before: hooks(text, file.hooks.before)?,
        after: hooks(text, file.hooks.after)?,
    })
}

/// A device of the configuration: a path that is not absolute counts from the folder of the file.
fn below(folder: &Path, device: &DevicePath) -> DevicePath {
    device.moved(|path| folder.join(path))
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let dots = name.bytes().all(|byte| byte == b'.');
    (1..=64).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('-') && !dots
}

fn hooks(text: &str, hooks: Vec<Spanned<Vec<String>>>) -> Result<Vec<Vec<String>>, String> {
    let mut programs = Vec::with_capacity(hooks.len());
    for hook in hooks {
        let fail = |wrong: &str| Err(format!("{}: {wrong}", place(text, hook.span().start)));
        match hook.get_ref().first() {
            None => return fail("a hook is a list of a program and its arguments, and this one is empty"),
            Some(program) if !program.starts_with('/') => {
                return fail("the program of a hook is named by its whole path, which begins with /");
            }
            Some(_) if hook.get_ref().iter().any(|word| word.contains('\0')) => {
                return fail("no argument of a program can hold the character 0");
            }
            Some(_) => programs.push(hook.into_inner()),
        }
    }
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::super::args::{Cli, Command as Commands};
    use super::*;
    use clap::{CommandFactory as _, FromArgMatches as _};

    const ALL: &str = r#"
system = "ACME"
database = "sqlite:/var/cms/history.db"
catalogue = "tables.toml"
state = "/var/lib/intervault"
metrics = "/var/lib/node/intervault.prom"
default_device = "nightly"

[devices]
nightly = "/backup/nightly"
monthly = "monthly"

[hooks]
before = [["/usr/bin/touch", "/tmp/a b"]]
after = [["/bin/true"], ["/bin/echo", "done"]]
"#;

    fn read(text: &str) -> Result<Config, String> {
        parse_text(text, Path::new("/etc"))
    }

    #[test]
    fn everything_is_read_and_paths_count_from_the_folder_of_the_file() {
        let config = read(ALL).unwrap();
        assert_eq!(config.system.as_deref(), Some("ACME"));
        assert_eq!(config.database, Some(DatabaseUrl::Sqlite("/var/cms/history.db".into())));
        assert_eq!(config.catalogue, Some("/etc/tables.toml".into()));
        assert_eq!(config.devices["monthly"], DevicePath::Path("/etc/monthly".into()));
        assert_eq!((config.before[0].len(), config.after.len()), (2, 2));
        assert_eq!(read("").unwrap(), Config::default());
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        for (text, wrong) in [
            ("sytem = 'A'", "line 1, column 1: unknown field `sytem`"),
            ("\n[hooks]\nduring = []\n", "line 3, column 1: unknown field `during`"),
            ("system = ", "line 1, column "),
            ("system = 'A-B'", "line 1, column 10: a system has a name"),
            ("system = 3", "line 1, column 10: "),
            ("default_device = 'x'", "line 1, column 18: default_device is \"x\""),
            ("[devices]\n'a/b' = '/x'", "line 2, column 9: \"a/b\" is no name"),
            ("[devices]\n'..' = '/x'", "is no name"),
            ("[devices]\n\"a\\u001b\" = '/x'", "\\u{1b}"),
            ("[devices]\na = 's3:x'", "line 2, column 5: object stores"),
            ("[devices]\na = ''", "the folder is missing"),
            ("[devices]\na = '-'", "line 2, column 5: a pipe has no place"),
            ("database = 'x.db'", "line 1, column 12: no kind of database"),
            ("[hooks]\nbefore = [[]]", "line 2, column 11: a hook is a list"),
            ("[hooks]\nbefore = [['touch']]", "whole path"),
            ("[hooks]\nbefore = ['touch']", "line 2, column 11: "),
            ("[hooks]\nafter = [['/a', \"\\u0000\"]]", "character 0"),
            ("\u{0}\u{1}\u{2}", "line 1, column "),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(wrong), "{text:?}: {said}");
            assert!(!said.contains('\n') && !said.contains('\u{1b}'), "{text:?}: {said}");
        }
    }

    #[test]
    fn files_that_are_none_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let exit = |path: &Path| Config::read(path).unwrap_err().exit;
        assert_eq!(exit(&place.path().join("none")), Exit::Nothing);
        assert_eq!(exit(place.path()), Exit::Failed);
        let file = place.path().join("large");
        std::fs::write(&file, "#".repeat(BYTES_MAX as usize + 1)).unwrap();
        assert_eq!(exit(&file), Exit::Usage);
        std::fs::write(&file, [0xFF]).unwrap();
        assert_eq!(exit(&file), Exit::Failed);
    }

    #[test]
    fn programs_are_run_for_nobody_else() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("own.toml");
        let read = |text: &str, mode| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            Config::read(&file)
        };
        let hooks = "[hooks]\nafter = [['/bin/true']]\n";
        assert_eq!(read(hooks, 0o644).unwrap().after.len(), 1);
        for mode in [0o664, 0o646] {
            let failure = read(hooks, mode).unwrap_err();
            assert!(failure.exit == Exit::NotPermitted && failure.message.contains("others may write"), "{failure}");
        }
        assert!(read("system = 'A'", 0o666).is_ok(), "it runs nothing");
    }

    #[test]
    fn names_stand_for_devices_and_paths_for_themselves() {
        let config = read(ALL).unwrap();
        let path = |path: &str| DevicePath::Path(path.into());
        for (typed, meant) in [
            ("nightly", "/backup/nightly"),
            ("./nightly", "./nightly"),
            ("weekly", "weekly"),
            ("/x/nightly", "/x/nightly"),
        ] {
            assert_eq!(config.device(&path(typed)), path(meant));
        }
    }

    #[test]
    fn defaults_fill_what_a_backup_lacks_and_nothing_of_a_restore() {
        let config = read(ALL).unwrap();
        let parse = |line: &str| {
            let words = config.completed(line.split(' ').map(OsString::from).collect());
            let matches = config.defaults(Cli::command()).try_get_matches_from(words);
            matches.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| error.to_string())
        };
        let Commands::Backup(args) = parse("intervault backup").unwrap().command else { panic!("no backup") };
        let options = args.options().unwrap();
        assert_eq!(options.database, config.database);
        assert_eq!(config.device(&options.to[0]), DevicePath::Path("/backup/nightly".into()));
        assert_eq!(options.catalogue, config.catalogue);
        let Commands::Backup(args) = parse("intervault backup --to /x --database sqlite:y").unwrap().command else {
            panic!("no backup")
        };
        assert_eq!(args.options().unwrap().to, [DevicePath::Path("/x".into())]);
        let database = |line: &str| match parse(line).unwrap().command {
            Commands::Backup(args) => args.options().unwrap().database,
            _ => panic!("no backup"),
        };
        assert_eq!(database("intervault --color never backup --data historical"), config.database.clone());
        assert_eq!(database("intervault backup --files /etc"), None);
        assert!(parse("intervault label backup").is_ok());
        assert!(parse("intervault restore --from /x").unwrap_err().contains("--database"));
        assert!(parse("intervault restore --database sqlite:x").unwrap_err().contains("--from"));
        config.defaults(Cli::command()).debug_assert();
    }

    #[test]
    fn the_file_that_was_named_is_found_among_the_arguments() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let name = |line: &str| given(&words(line)).map(|path| path.to_str().unwrap().to_owned());
        assert_eq!(name("intervault --config a status").as_deref(), Some("a"));
        assert_eq!(name("intervault status --config=b").as_deref(), Some("b"));
        assert_eq!(name("intervault status --config=").as_deref(), Some(""));
        assert_eq!(name("intervault label -- --config c"), None);
        assert_eq!((name("intervault status --config"), name("intervault status")), (None, None));
    }
}
