//! `intervault export`: rows of a set in files that other tools read.

use super::chain::{self, PassedOver};
use super::turns::{Of, Turns};
use super::unusable::{self, Beside};
use crate::check::Found;
use crate::cli::args::{ExportFormat, ExportOptions, ExportTo};
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::interrupt;
use crate::cli::output::Output;
use crate::cli::parse::NEWEST;
use crate::cli::progress::Progress;
use crate::cli::render::export as render;
use crate::cli::render::harmless::Harmless;
use crate::cli::render::text::escape;
use crate::error::Error;
use crate::export::{
    self, Export, Failed, Format, Options, Plan, Short, TablePlan, TableReport, Target, Unknown, file_name,
};
use crate::volume::set::SetReader;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

/// A table that was written, with the file and its bytes if it went to one.
pub struct Written {
    /// What was done with it.
    pub report: TableReport,
    /// Its file.
    pub file: Option<(PathBuf, u64)>,
    /// Whether who read it went away before its end, so that nobody knows how many rows went out.
    pub cut: bool,
}

/// Runs it.
///
/// # Errors
/// There is no such set or table; the set is damaged or not all there, and the rest is not wanted without that; a file is there
/// already or cannot be written. Files that were finished before stay.
pub fn run(options: &ExportOptions, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let turns = Turns::open(&options.devices, options.partial, config, output)?;
    turns.gather(Of::Chain(options.set.as_deref().filter(|set| *set != NEWEST)))?;
    // What is on other tapes is known when it was wanted in vain: then it is brought, and all is looked at again.
    loop {
        let found = turns.found()?;
        let bits = unusable::bits_of(&options.tables, &found.sets);
        let chain = chain::wanted(&found.sets, turns.device(), options.set.as_deref(), None, bits);
        let chain = chain.inspect_err(|_| unusable::warn(&found, "", output))?;
        let Some(set) = chain.members().first() else {
            return Err(Error::nothing("there is no set", "list them with intervault check DEVICE --list").into());
        };
        let answers = options.to == ExportTo::Output && io::stdout().is_terminal();
        let progress = if answers { Progress::beside_answer(output) } else { Progress::new(output) };
        let asked = Options {
            tables: options.tables.clone(),
            acd: options.acd,
            window: options.request.span().filter(|_| !options.request.is_unbounded()),
            partial: options.partial,
            jobs: options.jobs,
        };
        let export = Export::new(set, asked, &progress);
        let plan = export.plan()?;
        if turns.spans(set) {
            want(set, &plan);
            if turns.fetch()? {
                continue;
            }
        }
        let passed_over = PassedOver::of(&chain);
        passed_over.warn(output);
        let wanted = (options.set.as_deref(), options.partial);
        let beside = Beside::of(&found, &chain, wanted, bits, output).warn(output)?;
        warn_of_plan(options, set, &plan, output)?;
        let in_part = warn_of_part(options, set, output);
        let written = write_all(options, &export, &plan, output)?;
        let nothing = warn_of_nothing(options, &written, output).worst(warn_of_end(set, output));
        let exit = exit_of(&plan, &written).worst(passed_over.exit()).worst(in_part).worst(nothing).worst(beside);
        answer(options, &Answer { set, plan: &plan, written, passed_over, found: &found }, exit, output);
        return Ok(exit);
    }
}

/// Asks for the chunks of volumes that are elsewhere, so that their tapes are brought.
fn want(set: &SetReader<'_>, plan: &Plan) {
    for chunk in plan.tables.iter().flat_map(|table| &table.chunks) {
        drop(set.read_chunk(chunk));
    }
}

/// Says what is left out, what a salvaged set lacks, and what nobody knows of the set: the last is refused unless the rest is
/// wanted without that.
fn warn_of_plan(options: &ExportOptions, set: &SetReader<'_>, plan: &Plan, output: &Output) -> Result<(), Failure> {
    for left_out in &plan.left_out {
        output.notice(&format!("Table {} is left out: it {}.", escape(&left_out.table), left_out.reason));
    }
    let worst = plan.unknown.iter().find(|unknown| unknown.damaged).or_else(|| plan.unknown.first());
    if let Some(unknown) = worst.filter(|_| !options.partial) {
        return Err(unknown.refusal().into());
    }
    plan.unknown.iter().for_each(|unknown| output.warning(&unknown.what));
    for short in &plan.short {
        let what = match short {
            Short::Rows(table) => format!("table {table}: some of its rows were lost before"),
            Short::Tables => "whole tables were lost before, nobody knows which".to_owned(),
        };
        output.warning(&format!("set {} was salvaged; {what}", set.label().label));
    }
    Ok(())
}

/// Says of an incremental set that it has changes alone. Whoever did not choose it may take them for all.
fn warn_of_part(options: &ExportOptions, set: &SetReader<'_>, output: &Output) -> Exit {
    if !set.label().incremental {
        return Exit::Done;
    }
    let what = format!(
        "set {} is incremental: only rows of days that changed are on it, the others on the sets before it",
        set.label().label
    );
    if options.set.as_deref().is_some_and(|wanted| wanted != NEWEST) {
        output.notice(&what);
        return Exit::Done;
    }
    output.warning(&format!("{what}; choose one with --set"));
    Exit::Warnings
}

fn exit_of(plan: &Plan, written: &[Written]) -> Exit {
    let absent = |unknown: &Unknown| match unknown {
        Unknown { damaged: true, .. } => Exit::Damage,
        Unknown { being_written: true, .. } => Exit::Busy,
        _ => Exit::Volume,
    };
    let unknown = plan.unknown.iter().map(absent);
    let lost = written.iter().flat_map(|one| &one.report.lost).map(|lost| Exit::of_unread(lost.class));
    let short = plan.short.iter().map(|_| Exit::Warnings);
    unknown.chain(lost).chain(short).fold(Exit::Done, Exit::worst)
}

/// Says that the end of the set is lost, or was never written, where its catalog says that no row is missing.
fn warn_of_end(set: &SetReader<'_>, output: &Output) -> Exit {
    let label = &set.label().label;
    let what = match (set.catalog().is_some(), set.lacks_end_only()) {
        (true, true) => format!("the end of set {label} is lost; its catalog is here, and says what there is"),
        (true, false) if !set.is_finished() && set.missing_volumes().is_empty() && set.writer().is_none() => {
            format!("set {label} was never finished; its catalog is here, and says what there is")
        }
        _ => return Exit::Done,
    };
    output.warning(&what);
    Exit::Warnings
}

/// Says that no row is of the ACD, or of the time, that was asked for: a number that was mistyped looks like that.
fn warn_of_nothing(options: &ExportOptions, written: &[Written], output: &Output) -> Exit {
    let any = |one: &Written| one.report.rows > 0 || one.cut || !one.report.lost.is_empty();
    let acd = options.acd.map(|acd| format!("of ACD {acd}"));
    let time = (!options.request.is_unbounded()).then(|| "in the range that was asked for".to_owned());
    let words: Vec<String> = acd.into_iter().chain(time).collect();
    if words.is_empty() || written.is_empty() || written.iter().any(any) {
        return Exit::Done;
    }
    let tables = if written.len() == 1 { "the table has" } else { "the tables have" };
    output.warning(&format!("{tables} no row {}: nothing but names of columns was written", words.join(" ")));
    Exit::Warnings
}

fn write_all(
    options: &ExportOptions,
    export: &Export<'_>,
    plan: &Plan,
    output: &Output,
) -> Result<Vec<Written>, Failure> {
    let mut written = Vec::new();
    for table in &plan.tables {
        let one = match &options.to {
            ExportTo::Output => to_output(export, table, options)?,
            ExportTo::File(path) => to_file(export, table, options, path)?,
            ExportTo::Folder(folder) => to_file(export, table, options, &in_folder(folder, table, options)?)?,
        };
        for lost in &one.report.lost {
            output.warning(&render::lost_text(&one.report.table, lost));
        }
        written.push(one);
    }
    Ok(written)
}

/// What is to be told of an export.
pub struct Answer<'a> {
    /// The set.
    pub set: &'a SetReader<'a>,
    /// What was to be read.
    pub plan: &'a Plan,
    /// The tables that were written.
    pub written: Vec<Written>,
    /// Sets in whose place this one was taken.
    pub passed_over: PassedOver,
    /// What is on the devices.
    pub found: &'a Found<'a>,
}

fn answer(options: &ExportOptions, answer: &Answer<'_>, exit: Exit, output: &Output) {
    if output.json() {
        output.object("intervault/export", exit, &render::json(answer));
    } else if options.to != ExportTo::Output {
        output.line(render::text(answer).trim_end());
    }
    // Else the rows were the answer.
}

fn format(options: &ExportOptions) -> Format {
    match options.format {
        ExportFormat::Csv => Format::Csv { spreadsheet: options.spreadsheet },
        #[cfg(feature = "parquet")]
        ExportFormat::Parquet => Format::Parquet,
    }
}

/// The file of a table in a folder, which is made if it is not there.
fn in_folder(folder: &Path, table: &TablePlan, options: &ExportOptions) -> Result<PathBuf, Failure> {
    if folder.metadata().is_ok_and(|there| !there.is_dir()) {
        let what = format!("{} is no folder", escape(&folder.display().to_string()));
        let hint = "without .csv or .parquet at its end --to names a folder; for standard output write --to -";
        return Err(Failure::usage(what).hint(hint));
    }
    std::fs::create_dir_all(folder).map_err(|error| export::failed("create", folder, &error))?;
    let name = file_name(table.name(), format(options).ending()).ok_or_else(|| {
        let what = format!("the name of table {} is too long for a file", escape(table.name()));
        Failure::usage(what).hint("export it alone, with --tables and a file for --to")
    })?;
    Ok(folder.join(name))
}

fn to_file(export: &Export<'_>, table: &TablePlan, options: &ExportOptions, path: &Path) -> Result<Written, Failure> {
    let target = Target::create(path, options.overwrite)?;
    let unfinished = target.until_then().to_owned();
    // There is nothing to be done about a file that cannot be removed.
    let armed = interrupt::at_end(move || drop(std::fs::remove_file(unfinished)));
    let written = fill(export, table, options, path, target);
    armed.off();
    written
}

fn fill(
    export: &Export<'_>,
    table: &TablePlan,
    options: &ExportOptions,
    path: &Path,
    mut target: Target,
) -> Result<Written, Failure> {
    let report = {
        let mut to = io::BufWriter::with_capacity(1 << 20, target.writer());
        let report = export.table(table, format(options), &mut to);
        let flushed = to.flush();
        match (report, flushed) {
            (Ok(report), Ok(())) => report,
            (Err(Failed::Set(error)), _) => return Err(error.into()),
            (Err(Failed::File(error)), _) | (Ok(_), Err(error)) => {
                return Err(export::failed("write", path, &error).into());
            }
        }
    };
    let bytes = target.finish()?;
    Ok(Written { report, file: Some((path.to_owned(), bytes)), cut: false })
}

/// A reader that goes away, as `head` does, has seen enough.
fn to_output(export: &Export<'_>, table: &TablePlan, options: &ExportOptions) -> Result<Written, Failure> {
    let output = io::stdout();
    let seen = output.is_terminal();
    if seen && !matches!(format(options), Format::Csv { .. }) {
        return Err(Failure::usage("Parquet is not written to a terminal").hint("name a file with --to"));
    }
    let mut to = io::BufWriter::with_capacity(1 << 18, output);
    let exported = match seen {
        true => export.table(table, format(options), &mut Harmless::new(&mut to)),
        false => export.table(table, format(options), &mut to),
    };
    match exported {
        Ok(report) => Ok(Written { report, file: None, cut: false }),
        Err(Failed::Set(error)) => Err(error.into()),
        Err(Failed::File(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            // What is left in the buffer has nowhere to go.
            drop(to.into_parts());
            let report = TableReport { table: table.name().to_owned(), rows: 0, columns: Vec::new(), lost: Vec::new() };
            Ok(Written { report, file: None, cut: true })
        }
        Err(Failed::File(error)) => Err(export::failed("write to", Path::new("standard output"), &error).into()),
    }
}
