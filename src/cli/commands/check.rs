//! `intervault check`: lists or verifies volumes.

use super::judged::Places;
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
    let places = proves.then(|| Places::of(&options.devices));
    let judging = Judging {
        proving: proving.as_ref(),
        place: &place,
        places: places.as_ref(),
        chains: options.set.is_none(),
        turns: Some(&turns),
    };
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
    /// Which devices that are, where it goes into a history.
    pub(in crate::cli) places: Option<&'j Places>,
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
            note(set, outline.complete, &verified, judging.places, job);
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

/// Writes into the history what was proved or found damaged, and where.
fn note(set: &SetReader<'_>, complete: bool, verified: &Verified, places: Option<&Places>, job: &Job) {
    let id = set.set_id().to_string();
    let copies = || places.map_or_else(Vec::new, |places| places.copies(set));
    let proved = complete && verified.depth == Depth::Rows && verified.is_whole();
    match exit_of(verified) {
        Exit::Done | Exit::Warnings if proved => job.note(|entry| {
            entry.judge(&id, copies());
            entry.proved.push(id);
        }),
        Exit::Damage => job.note(|entry| {
            entry.judge(&id, copies());
            entry.faulty.push(id);
        }),
        // What is not here may be elsewhere, and shows by itself where it is looked for. What was read in part is not proved.
        _ => {}
    }
}

/// What a list of a set says of it. What one that is being written lacks is yet to come.
pub(super) fn outline_exit(outline: &SetOutline) -> Exit {
    let being_written = outline.writer.is_some();
    let told = [
        (!outline.damage.is_empty(), Exit::Damage),
        (!outline.closed.is_empty(), Exit::NotPermitted),
        (!outline.wrong.is_empty() || !outline.complete && !being_written, Exit::Volume),
        (being_written, Exit::Busy),
    ];
    told.into_iter().filter(|(is_so, _)| *is_so).map(|(_, exit)| exit).fold(Exit::Done, Exit::worst)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::memory::MemoryDevice;
    use crate::testing::fixtures::small;
    use crate::volume::set::list_sets;

    #[test]
    fn what_a_list_says_of_a_set_is_the_worst_of_it() {
        let device = MemoryDevice::new();
        small(None).volumes.into_iter().for_each(|(name, bytes)| device.insert(&name, bytes));
        let whole = check::outline(&list_sets(&device).unwrap().sets[0]);
        let some = |is_so: bool| if is_so { vec!["x".to_owned()] } else { Vec::new() };
        let exit = |damage, closed, wrong, writer: bool, complete| {
            outline_exit(&SetOutline {
                damage: some(damage),
                closed: some(closed),
                wrong: some(wrong),
                writer: writer.then(String::new),
                complete,
                ..whole.clone()
            })
        };
        assert_eq!(outline_exit(&whole), Exit::Done);
        for rest in 0..16u8 {
            let is = |bit: u8| rest & 1 << bit != 0;
            let lacks = !is(2) && !is(3);
            assert_eq!(exit(true, is(0), is(1), is(2), is(3)), Exit::Damage, "damage comes before all else");
            assert_eq!(exit(false, true, is(1), is(2), is(3)), Exit::NotPermitted);
            let wanted = if is(1) || lacks {
                Exit::Volume
            } else if is(2) {
                Exit::Busy
            } else {
                Exit::Done
            };
            assert_eq!(exit(false, false, is(1), is(2), is(3)), wanted, "{rest}");
        }
    }
}
