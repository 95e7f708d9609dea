//! The command line: arguments into typed options, one file per command, text and JSON, progress, exit status. Knows every
//! layer below; holds no rule of the engine.

pub mod args;
pub mod br_check;
pub mod commands;
pub mod config;
pub mod exit;
pub mod failure;
mod help;
pub mod hooks;
pub mod interrupt;
pub mod job;
pub mod metrics;
pub mod output;
pub mod parse;
pub mod place;
pub mod progress;
pub mod prompt;
pub mod render;

use crate::base::monitor::Task;
use crate::history::entry::Kind;
use crate::history::journal::Journal;
use crate::volume::medium::Overwrite;
use args::{
    Against, BackupOptions, BrCheckArgs, CheckWork, Cli, Command, ExportArgs, LogOptions, RebuildArgs, RestoreArgs,
    SalvageArgs, Undo,
};
use clap::{CommandFactory as _, Parser};
use commands::media::Round;
use config::Config;
use exit::Exit;
use failure::Failure;
use interrupt::Left;
use job::Job;
use output::{Output, Style};
use parse::DevicePath;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Lets the allocator keep the memory of one chunk for the next. Columns come and go by the hundred; the GNU allocator gives
/// such memory back to the system each time, and the system clears it each time, until it has once seen a large piece freed
/// (`mallopt(3)`, M_MMAP_THRESHOLD). A verification takes half the time so. Elsewhere this does nothing.
fn settle_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(24 << 20)));
}

/// `intervault`, with the arguments and streams of this process.
#[must_use]
pub fn main() -> ExitCode {
    settle_memory();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let config = Config::of_process(config::given(&arguments));
    let (command, arguments) = match &config {
        Ok(config) => (config.defaults(Cli::command()), config.completed(arguments)),
        Err(_) => (Cli::command(), arguments),
    };
    let (cli, output) = match start::<Cli>(command, arguments, config.as_ref().err(), Cli::style) {
        Ok(started) => started,
        Err(code) => return code,
    };
    interrupt::explain(left_behind(&cli.command));
    let done = config.and_then(|config| {
        let hints = place::Hints::of_process(cli.state_dir.as_deref(), config.state.as_deref());
        dispatch(&cli.command, &Around { history: hints.journal(), config, state_dir: cli.state_dir.clone() }, &output)
    });
    let code = end(&output, done);
    // What asks a backup or a check to stop is an end by a signal for whoever started it; what a check has found by then is not
    // hidden by that. A restore says how to go on, and ends with 1.
    let by_signal = match cli.command {
        Command::Backup(_) => code != Exit::Done.into() && code != Exit::Warnings.into(),
        Command::Check(_) => code == Exit::Failed.into(),
        _ => false,
    };
    if by_signal {
        interrupt::end_as_asked();
    }
    code
}

/// `br_check`, with the arguments and streams of this process.
#[must_use]
pub fn br_check() -> ExitCode {
    settle_memory();
    let arguments = std::env::args_os().collect();
    let (args, output) = match start::<BrCheckArgs>(BrCheckArgs::command(), arguments, None, |args| args.global.style())
    {
        Ok(started) => started,
        Err(code) => return code,
    };
    interrupt::explain(Left::always("nothing was changed"));
    let given = br_check::Given::from(&args);
    let code = end(&output, br_check::run(&given, &mut std::io::stdin().lock(), &output));
    if code == Exit::Failed.into() {
        interrupt::end_as_asked();
    }
    code
}

/// What a command leaves behind that is ended at once.
const fn left_behind(command: &Command) -> Left {
    match command {
        Command::Backup(args) if args.dry_run => Left::always("nothing was changed"),
        Command::Backup(_) => Left::always("what was written so far is no whole set; take the backup again"),
        Command::Restore(_) => Left {
            before: "the database is as it was",
            after: "every unit is wholly as it was or wholly replaced; intervault restore --resume finishes the rest, \
                    intervault undo takes it back",
            changes: Some(Task::Restore),
        },
        Command::Undo(_) => Left {
            before: "the database is as it was",
            after: "every unit is wholly as it was or wholly put back; the same command goes on with the rest",
            changes: Some(Task::Undo),
        },
        Command::Prune(_) => Left::always("sets that were removed are gone; the same command goes on with the rest"),
        Command::Export(_) => Left::always("files that were finished stay, that which was being written does not"),
        Command::Schedule(_) => Left::always("the units that were written so far stay"),
        Command::State(_) => Left::always("the state is as it was, unless the answer says otherwise"),
        Command::Salvage(_) => Left::always("the sources are as they were; what was written so far is no whole set"),
        Command::Check(_)
        | Command::Inspect(_)
        | Command::Rebuild(_)
        | Command::Status(_)
        | Command::Devices(_)
        | Command::Label(_)
        | Command::Catalogue(_)
        | Command::Roles(_)
        | Command::Log(_) => Left::always("nothing was changed"),
        Command::Demo(_) | Command::Gen(_) => Left::always("what was made so far stays where it is"),
    }
}

/// What the commands of one process share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Around {
    /// The history, none if none is kept; or why nobody knows where it is.
    history: Result<Option<Journal>, Failure>,
    /// The configuration.
    config: Config,
    /// `--state-dir`.
    state_dir: Option<PathBuf>,
}

impl Around {
    /// No history is kept, nothing is configured.
    pub(in crate::cli) fn nothing() -> Around {
        Around { history: Ok(None), config: Config::default(), state_dir: None }
    }

    /// The history for work that goes on without one.
    fn journal(&self, output: &Output) -> Option<&Journal> {
        match &self.history {
            Ok(journal) => journal.as_ref(),
            Err(failure) => {
                output.warning(&format!("no history is kept: {failure}; {}", failure.hint));
                None
            }
        }
    }

    /// Writes the figures of the backups in the history.
    fn figures(&self, path: &Path) -> Result<(), Failure> {
        let journal = self.wanted();
        let journal =
            journal.map_err(|failure| Failure::new(failure.exit, format!("no figures are written: {failure}")));
        commands::status::figures(journal?, path)
    }

    /// The history for a command that is about it.
    fn wanted(&self) -> Result<&Journal, Failure> {
        let journal = self.history.as_ref().map_err(Clone::clone)?.as_ref();
        journal.ok_or_else(|| {
            let message = "no history is kept: INTERVAULT_STATE is set and empty";
            Failure::new(Exit::Nothing, message).hint("unset it, or say with --state-dir where the history is")
        })
    }
}

/// Options first, then the work: what is wrong with the command line is said before anything is opened. What changes
/// something, or proves something, is written into the history.
fn dispatch(command: &Command, around: &Around, output: &Output) -> Result<Exit, Failure> {
    let journal = |wanted: bool| if wanted { around.journal(output) } else { None };
    let config = &around.config;
    match command {
        Command::Backup(args) => {
            let mut options = args.options()?;
            config.devices(&mut options.to);
            config.devices(&mut options.base);
            backup(&options, around, output)
        }
        Command::Restore(args) => restore(args, around, output),
        Command::Undo(args) => {
            let mut options = args.options();
            config.devices(&mut options.from);
            let job = Job::new(Kind::Undo).database(&options.database).devices(&options.from);
            job.run(journal(!options.dry_run), output, |job| commands::undo::run(&options, job, output))
        }
        Command::State(args) => commands::state::run(&args.options(), output),
        Command::Status(args) => {
            let mut options = args.options();
            config.devices(&mut options.devices);
            commands::status::run(&options, around.wanted()?, output)
        }
        Command::Log(args) => match args.options() {
            LogOptions::Restores(options) => commands::log::run(&options, output),
            LogOptions::History(options) => commands::log::history(&options, around.wanted()?, output),
        },
        Command::Check(args) => {
            let mut options = args.options()?;
            config.devices(&mut options.devices);
            if let Some(Against::Device(device)) = &mut options.listing.against {
                *device = config.device(device);
            }
            let job = Job::new(Kind::Check).devices(&options.devices);
            let proves = options.work != CheckWork::List;
            job.run(journal(proves), output, |job| commands::check::run(&options, config, job, output))
        }
        Command::Salvage(args) => salvage(args, around, output),
        Command::Rebuild(args) => rebuild(args, around, output),
        Command::Inspect(args) => commands::inspect::run(&args.options()?, config, output),
        Command::Export(args) => export(args, config, output),
        Command::Prune(args) => {
            let mut options = args.options()?;
            config.devices(&mut options.devices);
            let (job, looks) = (Job::new(Kind::Prune).devices(&options.devices), options.dry_run);
            let history = around.journal(output);
            let work = |job: &Job| commands::prune::run(&options, history, job, output);
            job.run(if looks { None } else { history }, output, work)
        }
        Command::Schedule(args) => {
            commands::schedule::run(&args.options(config.backup())?, config, around.state_dir.as_deref(), output)
        }
        Command::Devices(_) => commands::devices::run(config, output),
        Command::Label(args) => {
            let mut options = args.options();
            let named = config.device(&DevicePath::Path(options.subject.clone().into()));
            options.subject = named.to_string();
            commands::label::run(&options, output)
        }
        Command::Roles(args) => commands::roles::run(&args.options(), output),
        Command::Catalogue(args) => commands::catalogue::run(&args.options(), output),
        Command::Demo(args) => commands::demo::run(&args.options(), output),
        Command::Gen(args) => commands::generate::run(&args.dir, output),
    }
}

fn salvage(args: &SalvageArgs, around: &Around, output: &Output) -> Result<Exit, Failure> {
    let (mut options, config) = (args.options(), &around.config);
    config.devices(&mut options.from);
    options.to = options.to.as_ref().map(|to| config.device(to));
    let devices: Vec<DevicePath> = options.from.iter().chain(&options.to).cloned().collect();
    let journal = options.to.as_ref().and_then(|_| around.journal(output));
    let job = Job::new(Kind::Salvage).devices(&devices);
    job.run(journal, output, |job| commands::salvage::run(&options, job, output))
}

fn rebuild(args: &RebuildArgs, around: &Around, output: &Output) -> Result<Exit, Failure> {
    let mut options = args.options();
    around.config.devices(&mut options.devices);
    commands::rebuild::run(&options, around.journal(output), output)
}

fn export(args: &ExportArgs, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let mut options = args.options()?;
    config.devices(&mut options.devices);
    commands::export::run(&options, config, output)
}

/// A restore of tables, or of files.
fn restore(args: &RestoreArgs, around: &Around, output: &Output) -> Result<Exit, Failure> {
    let journal = |looks: bool| if looks { None } else { around.journal(output) };
    let config = &around.config;
    if let Some(mut options) = args.files_options() {
        config.devices(&mut options.from);
        let job = Job::new(Kind::Restore).devices(&options.from);
        return job.run(journal(options.dry_run), output, |job| commands::files::run(&options, config, job, output));
    }
    let mut options = args.options()?;
    config.devices(&mut options.from);
    if let Undo::On(device) = &mut options.undo {
        *device = config.device(device);
    }
    let looks = options.dry_run || options.save_plan.is_some();
    let job = Job::new(Kind::Restore).database(&options.database).devices(&options.from);
    // Where nothing is kept is said when it is missed.
    let state = around.history.as_ref().ok().and_then(Option::as_ref);
    let state = state.and_then(|journal| journal.path().parent().map(Path::to_owned));
    job.run(journal(looks), output, |job| commands::restore::run(&options, (config, state.as_deref()), job, output))
}

/// A backup, or those of several file sets.
fn backup(options: &BackupOptions, around: &Around, output: &Output) -> Result<Exit, Failure> {
    let round = Round::new(&around.config);
    let Some(file) = &options.file_sets else {
        // Names stand for their devices by now.
        if options.overwrite != Overwrite::Never && !options.to.iter().any(|to| matches!(to, DevicePath::Tape(_))) {
            return Err(Failure::usage("--overwrite is for tapes: volumes in a folder are never overwritten"));
        }
        let answer = one_backup(options, None, &round, around, output)?;
        answer.give(output);
        return Ok(answer.exit);
    };
    commands::file_sets::run(options, file, output, |mut options, name| {
        if interrupt::asked() {
            return Err(Failure::new(Exit::Failed, "not begun: the backups were asked to stop"));
        }
        around.config.devices(&mut options.to);
        one_backup(&options, Some(name), &round, around, output)
    })
}

/// A backup, with the hooks around it; `system` begins the label, where the configuration's name for it is not meant.
fn one_backup(
    options: &BackupOptions,
    system: Option<&str>,
    round: &Round<'_>,
    around: &Around,
    output: &Output,
) -> Result<commands::backup::Answer, Failure> {
    let config = &around.config;
    let job = Job::new(Kind::Backup).devices(&options.to);
    let job = job.system(system.or(config.system.as_deref()));
    let job = options.database.iter().fold(job, Job::database).data(&options.kinds(), options.acd);
    let mut answer = None;
    let mut backup = |job: &Job| {
        let done = commands::backup::run_when_free(options, round, job, output)?;
        Ok(answer.insert(done).exit)
    };
    let exit = if options.dry_run {
        job.knowing(around.journal(output)).run(None, output, &mut backup)?
    } else {
        hooked(job, options.metrics.as_deref(), around, output, &mut backup)?
    };
    let mut answer = answer.ok_or_else(|| Failure::new(exit, "the backup gave no answer"))?;
    answer.exit = exit;
    Ok(answer)
}

/// A backup that is written, with its line in the history.
fn hooked(
    job: Job,
    metrics: Option<&Path>,
    around: &Around,
    output: &Output,
    backup: &mut dyn FnMut(&Job) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let config = &around.config;
    let metrics = metrics.or(config.metrics.as_deref());
    let work = |job: &Job| {
        let (metrics, around, programs) = (metrics.map(Path::to_owned), around.clone(), config.after.clone());
        let at_end = job.at_signal(move |entry| {
            let written = metrics.map_or(Ok(()), |path| around.figures(&path));
            let after = hooks::run(&programs, "after", entry);
            // The process ends: nobody else can be told.
            for failure in [written, after].into_iter().filter_map(Result::err) {
                let _said = writeln!(std::io::stderr(), "warning: {failure}");
            }
        });
        // What a hook switches is switched before anything is switched back.
        let before = interrupt::heeded(|| hooks::run(&config.before, "before", &job.entry()));
        let done = before.and_then(|()| match interrupt::asked() {
            true => Err(Failure::new(Exit::Failed, "not begun: the backup was asked to stop")),
            false => backup(job),
        });
        at_end.here();
        done
    };
    let journal = around.journal(output);
    job.run_then(journal, output, work, |entry, done| {
        let written = metrics.map_or(Ok(()), |path| around.figures(path));
        written.unwrap_or_else(|failure| output.warning(&failure.message));
        let after = hooks::run(&config.after, "after", entry);
        interrupt::over();
        match (done, after) {
            (done, Ok(())) => done,
            (Ok(exit), Err(failure)) => {
                output.warning(&failure.message);
                Ok(exit.worst(Exit::Warnings))
            }
            (Err(first), Err(failure)) => {
                output.warning(&failure.message);
                Err(first)
            }
        }
    })
}

/// Reads the arguments. What clap answers itself (help, version, a wrong command line) ends the process; where the
/// configuration is wrong too, that is said, since it may be what is missing.
fn start<A: Parser>(
    command: clap::Command,
    arguments: Vec<OsString>,
    wrong: Option<&Failure>,
    style: impl Fn(&A) -> Style,
) -> Result<(A, Output), ExitCode> {
    let json = arguments.iter().any(|argument| argument == "--json");
    let words: Vec<String> = arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let matches = help::flowing(command).try_get_matches_from(arguments);
    match matches.and_then(|matches| A::from_arg_matches(&matches)) {
        Ok(args) => {
            let output = Output::of_process(style(&args));
            Ok((args, output))
        }
        Err(error) => {
            if let Some(failure) = wrong.filter(|_| error.use_stderr()) {
                let output = Output::of_process(Style { json, ..Style::default() });
                output.failure(failure);
                return Err(output.finish(failure.exit).into());
            }
            let plain = error.to_string();
            let said = parse::without_passwords(&plain, words.iter().map(String::as_str));
            // A reader that went away before it saw the help changes nothing.
            drop(if said == plain { error.print() } else { std::io::stderr().write_all(said.as_bytes()) });
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            if exit == Exit::Usage && json {
                let output = Output::of_process(Style { json, ..Style::default() });
                let failure = Failure::usage(said);
                output.object("intervault/error", exit, &render::json::error_body(&failure));
                return Err(output.finish(exit).into());
            }
            Err(exit.into())
        }
    }
}

fn end(output: &Output, result: Result<Exit, Failure>) -> ExitCode {
    let exit = result.unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.exit
    });
    output.finish(exit).into()
}
