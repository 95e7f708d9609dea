//! `intervault check`: lists or verifies volumes.

use super::turns::{Of, Turns};
use crate::base::monitor::Monitor;
use crate::check::{self, Found, SetOutline};
use crate::cli::args::{CheckOptions, CheckWork};
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::job::Job;
use crate::cli::output::Output;
use crate::cli::progress::Progress;
use crate::cli::render::check as render;
use crate::verify::finding::Level;
use crate::verify::set::Verified;
use serde_json::{Value, json};

/// Runs it. What a verification needs of a set that is on several tapes is asked for; a list is of what is there.
///
/// # Errors
/// There is nothing to look at. What is wrong with the volumes is in the answer and in the exit status.
pub fn run(options: &CheckOptions, config: &Config, job: &Job, output: &Output) -> Result<Exit, Failure> {
    if !options.listing.is_plain() {
        return super::listing::run(options, config, output);
    }
    let turns = Turns::open(&options.devices, true, config, output)?;
    let proves = options.work == CheckWork::Verify;
    if proves {
        turns.gather(Of::Set(options.set.as_deref()))?;
    }
    let mut found = check::find(turns.device(), options.set.as_deref())?;
    if proves && turns.expect(&found.sets) {
        found = check::find(turns.device(), options.set.as_deref())?;
    }
    let exit = judge(&found, options.work, options.jobs, &Progress::new(output), job, output, Some(&turns))?;
    if !proves || !turns.may_change() {
        return Ok(exit);
    }
    // Tapes that are gone have it, so that it is not among what was found.
    let passed = turns.passed_over(Of::Set(options.set.as_deref()), &found);
    passed.iter().for_each(|(what, _)| output.warning(what));
    Ok(passed.iter().map(|(_, exit)| *exit).fold(exit, Exit::worst))
}

/// Lists or verifies what was found.
pub(in crate::cli) fn judge(
    found: &Found<'_>,
    work: CheckWork,
    jobs: usize,
    monitor: &dyn Monitor,
    job: &Job,
    output: &Output,
    turns: Option<&Turns<'_>>,
) -> Result<Exit, Failure> {
    let mut exit = found.unreadable.iter().map(|bad| Exit::from(bad.class)).fold(Exit::Done, Exit::worst);
    let mut sets = Vec::new();
    for set in &found.sets {
        let outline = check::outline(set);
        let mut value = render::outline_json(&outline);
        if !output.json() {
            output.line(render::outline_text(&outline).trim_end());
        }
        exit = exit.worst(outline_exit(&outline));
        if work == CheckWork::Verify {
            let in_turn =
                turns.and_then(|turns| turns.verify(set, crate::verify::Depth::Rows, jobs, monitor)).transpose()?;
            let verified = in_turn.unwrap_or_else(|| check::verify(set, jobs, monitor));
            exit = exit.worst(exit_of(&verified));
            let id = set.set_id().to_string();
            match exit_of(&verified) {
                Exit::Done | Exit::Warnings if outline.complete => job.note(|entry| entry.proved.push(id)),
                Exit::Damage => job.note(|entry| entry.faulty.push(id)),
                // What is not here may be elsewhere, and shows by itself where it is looked for.
                _ => {}
            }
            if !output.json() {
                output.line(render::verified_text(&verified).trim_end());
            }
            if let Some(object) = value.as_object_mut() {
                object.insert("verified".to_owned(), render::verified_json(&verified));
            }
        }
        sets.push(value);
    }
    if output.json() {
        let body: Value = json!({"sets": sets, "unreadable": render::unreadable_json(&found.unreadable)});
        output.object("intervault/check", exit, &body);
    } else if !found.unreadable.is_empty() {
        output.line(render::unreadable_text(&found.unreadable).trim_end());
    }
    for bad in &found.unreadable {
        output.warning(&format!("{}: {}", bad.name, bad.reason));
    }
    Ok(exit)
}

/// What a list of a set says of it.
pub(super) fn outline_exit(outline: &SetOutline) -> Exit {
    match (outline.damage.is_empty(), outline.complete && outline.wrong.is_empty()) {
        (false, _) => Exit::Damage,
        (true, false) => Exit::Volume,
        (true, true) => Exit::Done,
    }
}

fn exit_of(verified: &Verified) -> Exit {
    match verified.worst() {
        None => Exit::Done,
        Some(Level::Warning) => Exit::Warnings,
        Some(Level::Incomplete) => Exit::Volume,
        Some(Level::Damage) => Exit::Damage,
    }
}
