//! `intervault prune`: shows which sets go by the rules, asks, removes them. The plan is made again when nobody else may
//! write to the devices any more; if it is another one then, nothing is removed.

use super::{open, unusable};
use crate::check::{self, Found};
use crate::cli::args::PruneOptions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::job::{Job, civil, device_name};
use crate::cli::output::Output;
use crate::cli::parse::DevicePath;
use crate::cli::prompt::confirm;
use crate::cli::render::prune as render;
use crate::cli::render::text::{bytes, counted};
use crate::device::joined::JoinedDevice;
use crate::device::traits::{Device, WriteLock};
use crate::format::block::SetId;
use crate::history::entry::{Kind, LIST_MAX};
use crate::history::journal::Journal;
use crate::history::runs::{self, Run, State, runs};
use crate::prune::{Known, Plan, Removed, facts, plan, remove};
use crate::volume::set::SetReader;
use std::collections::BTreeSet;

/// Runs it.
///
/// # Errors
/// There is nothing on the devices, nobody said yes, somebody else is writing there, a volume cannot be removed.
pub fn run(options: &PruneOptions, journal: Option<&Journal>, job: &Job, output: &Output) -> Result<Exit, Failure> {
    if let Some(other) = options.devices.iter().find(|device| !matches!(device, DevicePath::Path(_))) {
        return Err(Failure::usage(format!("sets are removed from folders only, and {other} is none")));
    }
    let known = journal.map(|journal| known(journal, &options.devices, output)).transpose()?.unwrap_or_default();
    let (shown, mut exit) = {
        let device = open::all_volumes(&options.devices)?;
        let found = check::find(&device, None)?;
        (planned(options, &found, &device, &known), warn(&found, output))
    };
    if !output.json() {
        output.line(render::plan_text(&shown).trim_end());
    }
    let going = shown.going();
    if options.dry_run || going.is_empty() {
        answer(output, exit, &shown, options.dry_run, None);
        return Ok(exit);
    }
    let size = going.iter().map(|facts| facts.bytes).fold(0, u64::saturating_add);
    let question = format!("Remove {}, {}?", counted(going.len() as u64, "set", "sets"), bytes(size));
    if !options.yes && !confirm(output, &question)? {
        output.notice("Nothing was removed.");
        job.declined();
        return Ok(Exit::Failed);
    }
    let removed = removal(options, &shown, &known, job)?;
    if !removed.left.is_empty() {
        exit = exit.worst(Exit::Warnings);
    }
    for (name, reason) in &removed.left {
        output.warning(&format!("left where it is: {name}: {reason}"));
    }
    if !output.json() {
        output.line(&render::removed_text(&removed));
    }
    answer(output, exit, &shown, false, Some(&removed));
    Ok(exit)
}

/// Removes what was shown, under the locks of the devices.
fn removal(options: &PruneOptions, shown: &Plan, known: &Known, job: &Job) -> Result<Removed, Failure> {
    let devices: Vec<Box<dyn Device>> = options.devices.iter().map(open::volumes).collect::<Result<_, _>>()?;
    let _locks: Vec<Box<dyn WriteLock>> = devices.iter().map(|device| device.lock()).collect::<Result<_, _>>()?;
    let device = JoinedDevice::new(devices);
    let found = check::find(&device, None)?;
    let now = planned(options, &found, &device, known);
    if now.ids() != shown.ids() {
        let message = "the devices have changed since the plan was made: other sets would go now; nothing was removed";
        return Err(Failure::new(Exit::Failed, message).hint("look at the new plan"));
    }
    let mut all = Removed::default();
    for batch in now.going().chunks(LIST_MAX) {
        job.note(|entry| entry.removed = batch.iter().map(|facts| facts.set.to_string()).collect());
        // Sets that are without some of their volumes after a crash are told from those that never had them by this line.
        job.checkpoint()?;
        for facts in batch {
            let Some(set) = found.sets.iter().find(|set| set.set_id() == facts.set) else { continue };
            let removed = remove(&device, set, facts)?;
            all.volumes = all.volumes.saturating_add(removed.volumes);
            all.bytes = all.bytes.saturating_add(removed.bytes);
            all.left.extend(removed.left);
            job.note(|entry| (entry.volumes, entry.bytes) = (Some(all.volumes), Some(all.bytes)));
        }
    }
    Ok(all)
}

fn planned(options: &PruneOptions, found: &Found<'_>, device: &dyn Device, known: &Known) -> Plan {
    let now = jiff::Timestamp::now().as_second();
    let size = |name: &str| device.size(name).unwrap_or(0);
    let sets: &[SetReader<'_>] = &found.sets;
    plan(facts(sets, known, size), &options.rules, now, civil(now).day())
}

/// Volumes that cannot be used are never touched.
fn warn(found: &Found<'_>, output: &Output) -> Exit {
    unusable::warn(found, "left alone: ", output);
    match found.sets.is_empty() {
        true => unusable::exit_of(found),
        false if found.unreadable.is_empty() => Exit::Done,
        false => Exit::Warnings,
    }
}

/// What the history knows of sets.
fn known(journal: &Journal, devices: &[DevicePath], output: &Output) -> Result<Known, Failure> {
    let reading = journal.read()?;
    for words in reading.words() {
        output.warning(&format!("the history {}: {words}", journal.path().display()));
    }
    let runs = runs(&reading.entries, |run| journal.is_at_work(run));
    let ids = |sets: BTreeSet<String>| sets.iter().filter_map(|text| id(text)).collect();
    let here: Vec<String> = devices.iter().map(device_name).collect();
    let (verified, faulty) = (ids(runs::proved(&runs, &here)), ids(runs::faulty(&runs, &here)));
    let mut known = Known { verified, faulty, ..Known::default() };
    for run in &runs {
        let Run { entry, state } = run;
        match (entry.kind, entry.set.as_deref().and_then(id)) {
            (Kind::Backup, Some(set)) if *state != State::AtWork => {
                known.order.insert(set, entry.sequence);
                // A line that was made up knows no more of a set than its volumes do.
                if run.went_wrong() && !entry.rebuilt {
                    known.failed.insert(set);
                }
            }
            _ => {}
        }
    }
    let pruned = reading.entries.iter().filter(|entry| entry.kind == Kind::Prune);
    known.going = pruned.flat_map(|entry| &entry.removed).filter_map(|text| id(text)).collect();
    Ok(known)
}

/// A set's id from its 32 digits.
pub(in crate::cli) fn id(text: &str) -> Option<SetId> {
    let plain = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u128::from_str_radix(text, 16).ok().filter(|_| plain)?;
    let mut id = [0; 16];
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::try_from(number >> (8 * (15 - at)) & 0xFF).ok()?;
    }
    Some(SetId(id))
}

fn answer(output: &Output, exit: Exit, plan: &Plan, dry_run: bool, removed: Option<&Removed>) {
    if output.json() {
        output.object("intervault/prune", exit, &render::json(plan, dry_run, removed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        for set in [SetId([0; 16]), SetId([0xFF; 16]), SetId(*b"0123456789abcdef")] {
            assert_eq!(id(&set.to_string()), Some(set));
        }
        for foreign in ["", "00", "+0000000000000000000000000000000", &"g".repeat(32), &"0".repeat(33)] {
            assert_eq!(id(foreign), None, "{foreign}");
        }
    }
}
