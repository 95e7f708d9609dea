//! The command line: arguments into typed options, one file per command, text and JSON, progress, exit status. Knows every
//! layer below; holds no rule of the engine.

pub mod args;
pub mod br_check;
pub mod commands;
pub mod exit;
pub mod failure;
pub mod interrupt;
pub mod output;
pub mod parse;
pub mod progress;
pub mod prompt;
pub mod render;

use crate::base::monitor::Task;
use args::{BrCheckArgs, Cli, Command};
use clap::Parser;
use exit::Exit;
use failure::Failure;
use interrupt::Left;
use output::{Output, Style};
use std::ffi::OsString;
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
    let (cli, output) = match start::<Cli>(std::env::args_os().collect(), Cli::style) {
        Ok(started) => started,
        Err(code) => return code,
    };
    interrupt::explain(left_behind(&cli.command));
    end(&output, dispatch(&cli.command, &output))
}

/// `br_check`, with the arguments and streams of this process.
#[must_use]
pub fn br_check() -> ExitCode {
    settle_memory();
    let (args, output) = match start::<BrCheckArgs>(std::env::args_os().collect(), |args| args.global.style()) {
        Ok(started) => started,
        Err(code) => return code,
    };
    interrupt::explain(Left::always("nothing was changed"));
    let given = br_check::Given::from(&args);
    end(&output, br_check::run(&given, &mut std::io::stdin().lock(), &output))
}

/// What a command leaves behind that is ended at once.
const fn left_behind(command: &Command) -> Left {
    match command {
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
        Command::State(_) => Left::always("the state is as it was, unless the answer says otherwise"),
        Command::Check(_) | Command::Label(_) | Command::Catalogue(_) | Command::Log(_) => {
            Left::always("nothing was changed")
        }
        Command::Demo(_) | Command::Gen(_) => Left::always("what was made so far stays where it is"),
    }
}

/// Options first, then the work: what is wrong with the command line is said before anything is opened.
fn dispatch(command: &Command, output: &Output) -> Result<Exit, Failure> {
    match command {
        Command::Backup(args) => commands::backup::run(&args.options()?, output),
        Command::Restore(args) => commands::restore::run(&args.options()?, output),
        Command::Undo(args) => commands::undo::run(&args.options(), output),
        Command::State(args) => commands::state::run(&args.options(), output),
        Command::Log(args) => commands::log::run(&args.options(), output),
        Command::Check(args) => commands::check::run(&args.options(), output),
        Command::Label(args) => commands::label::run(&args.options(), output),
        Command::Catalogue(args) => commands::catalogue::run(&args.options(), output),
        Command::Demo(args) => commands::demo::run(&args.options(), output),
        Command::Gen(args) => commands::generate::run(&args.dir, output),
    }
}

/// Reads the arguments. What clap answers itself (help, version, a wrong command line) ends the process.
fn start<A: Parser>(arguments: Vec<OsString>, style: impl Fn(&A) -> Style) -> Result<(A, Output), ExitCode> {
    let json = arguments.iter().any(|argument| argument == "--json");
    match A::try_parse_from(arguments) {
        Ok(args) => {
            let output = Output::of_process(style(&args));
            Ok((args, output))
        }
        Err(error) => {
            // A reader that went away before it saw the help changes nothing.
            drop(error.print());
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            if exit == Exit::Usage && json {
                let output = Output::of_process(Style { json, ..Style::default() });
                let failure = Failure::usage(error.to_string());
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
