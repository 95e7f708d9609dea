//! `intervault check`: lists or verifies volumes.

use super::proving::Proving;
use super::turns::{Of, Turns};
use super::unusable;
use crate::base::monitor::Monitor;
use crate::check::{self, Found, SetOutline};
use crate::cli::args::CheckOptions;
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::interrupt;
use crate::cli::job::Job;
use crate::cli::output::Output;
use crate::cli::progress::Progress;
use crate::cli::render::check as render;
use crate::device::traits::Device;
use crate::verify::Depth;
use crate::verify::chain::judge_chains;
use crate::verify::finding::Level;
use crate::verify::set::Verified;
use crate::volume::set::SetReader;
use serde_json::json;

/// Runs it. What a verification needs of a set that is on several tapes is asked for; a list is of what is there.
///
/// # Errors
/// There is nothing to look at. What is wrong with the volumes is in the answer and in the exit status.
pub fn run(options: &CheckOptions, config: &Config, job: &Job, output: &Output) -> Result<Exit, Failure> {
    if !options.listing.is_plain() {
        return super::listing::run(options, config, output);
    }
    let proving = Proving::new(options, job.state().as_deref())?;
    job.note(|entry| {
        entry.depth = proving.as_ref().map(|proving| proving.depth.name().to_owned());
        entry.part = options.set.is_some() || proving.as_ref().is_some_and(Proving::is_part);
    });
    let turns = Turns::open(&options.devices, true, config, output)?;
    let proves = proving.is_some();
    if proves {
        turns.gather(Of::Set(options.set.as_deref()))?;
    }
    turns.device().remarks().iter().for_each(|remark| output.warning(remark));
    let mut found = check::find(turns.device(), options.set.as_deref())?;
    if proves && turns.expect(&found.sets) {
        found = check::find(turns.device(), options.set.as_deref())?;
    }
    let place = turns.device().place();
    let judging =
        Judging { proving: proving.as_ref(), place: &place, chains: options.set.is_none(), turns: Some(&turns) };
    let exit = judge(&found, &judging, &Progress::new(output), job, output)?;
    if !proves || !turns.may_change() {
        return Ok(exit);
    }
    // Tapes that are gone have it, so that it is not among what was found.
    let passed = turns.passed_over(Of::Set(options.set.as_deref()), &found);
    passed.iter().for_each(|(what, _)| output.warning(what));
    Ok(passed.iter().map(|(_, exit)| *exit).fold(exit, Exit::worst))
}

/// How what was found is judged.
pub(in crate::cli) struct Judging<'j> {
    /// The verification, if one was asked for.
    pub(in crate::cli) proving: Option<&'j Proving>,
    /// Where the volumes lie.
    pub(in crate::cli) place: &'j str,
    /// Whether all sets are there that were found, so that chains can be judged.
    pub(in crate::cli) chains: bool,
    /// Tapes that take their turn.
    pub(in crate::cli) turns: Option<&'j Turns<'j>>,
}

/// Lists or verifies what was found.
pub(in crate::cli) fn judge(
    found: &Found<'_>,
    judging: &Judging<'_>,
    monitor: &dyn Monitor,
    job: &Job,
    output: &Output,
) -> Result<Exit, Failure> {
    let mut exit = unusable::exit_of(found);
    let mut sets = Vec::new();
    for set in &found.sets {
        let outline = found.outline(set);
        let mut value = render::outline_json(&outline);
        if !output.json() {
            output.line(render::outline_text(&outline).trim_end());
        }
        exit = exit.worst(outline_exit(&outline));
        // What is being written is not yet what it will be.
        if let Some(proving) = judging.proving.filter(|_| outline.writer.is_none()) {
            let verified = prove(set, proving, judging, monitor, output)?;
            exit = exit.worst(exit_of(&verified));
            note(set, outline.complete, &verified, job);
            let asked = proving.words();
            if !output.json() {
                output.line(render::verified_text(&verified, &asked, proving.goes_on(set)).trim_end());
            }
            if let Some(object) = value.as_object_mut() {
                let part = (asked, proving.seed(), proving.subset());
                object.insert("verified".to_owned(), render::verified_json(&verified, &part));
            }
        }
        sets.push(value);
    }
    let chained = judging.chains && judging.proving.is_some();
    let chains = if chained { judge_chains(&found.sets) } else { Vec::new() };
    if chains.iter().any(|chain| !chain.findings.is_empty()) {
        exit = exit.worst(Exit::Warnings);
    }
    // Whoever asked it to stop learns that by the signal, by which the process ends, unless damage was found before.
    let stopped = judging.proving.is_some() && interrupt::asked();
    exit = if stopped { exit.worst(Exit::Failed) } else { exit };
    if output.json() {
        let mut body = json!({
            "sets": sets,
            "unreadable": render::unreadable_json(&found.unreadable),
            "further_unreadable": found.further,
        });
        if let Some(object) = body.as_object_mut().filter(|_| chained) {
            object.insert("chains".to_owned(), chains.iter().map(render::chain_json).collect());
        }
        output.object("intervault/check", exit, &body);
    } else if !found.unreadable.is_empty() {
        output.line(render::unreadable_text(found).trim_end());
    }
    if !output.json() {
        chains.iter().for_each(|chain| output.line(render::chain_text(chain).trim_end()));
    }
    unusable::warn(found, "", output);
    Ok(exit)
}

/// Verifies a set, of which media may have to be brought one after the other.
fn prove(
    set: &SetReader<'_>,
    proving: &Proving,
    judging: &Judging<'_>,
    monitor: &dyn Monitor,
    output: &Output,
) -> Result<Verified, Failure> {
    if let Some(turns) = judging.turns.filter(|turns| turns.spans(set)) {
        if proving.is_part() {
            return Err(Failure::usage("a part of a set can be verified only where all of its volumes are at hand")
                .hint("verify it whole, or one tape at a time"));
        }
        if let Some(verified) = turns.verify(set, proving.depth, proving.jobs, monitor) {
            let verified = verified?;
            proving.remember(set, &[], &verified, output);
            return Ok(verified);
        }
    }
    Ok(proving.verify(set, judging.place, monitor, output))
}

/// Writes into the history what was proved or found damaged.
fn note(set: &SetReader<'_>, complete: bool, verified: &Verified, job: &Job) {
    let id = set.set_id().to_string();
    let proved = complete && verified.depth == Depth::Rows && verified.is_whole();
    match exit_of(verified) {
        Exit::Done | Exit::Warnings if proved => job.note(|entry| entry.proved.push(id)),
        Exit::Damage => job.note(|entry| entry.faulty.push(id)),
        // What is not here may be elsewhere, and shows by itself where it is looked for. What was read in part is not proved.
        _ => {}
    }
}

/// What a list of a set says of it.
pub(super) fn outline_exit(outline: &SetOutline) -> Exit {
    match (outline.damage.is_empty(), outline.complete && outline.wrong.is_empty()) {
        _ if !outline.closed.is_empty() => Exit::NotPermitted,
        _ if outline.writer.is_some() => Exit::Busy,
        (false, _) => Exit::Damage,
        (true, false) => Exit::Volume,
        (true, true) => Exit::Done,
    }
}

fn exit_of(verified: &Verified) -> Exit {
    match verified.worst() {
        None => Exit::Done,
        Some(Level::Warning) => Exit::Warnings,
        Some(Level::Incomplete) if verified.refused => Exit::NotPermitted,
        Some(Level::Incomplete) => Exit::Volume,
        Some(Level::Damage) => Exit::Damage,
    }
}
