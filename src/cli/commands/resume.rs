//! `intervault restore --resume`: finishes a restore that was stopped or cut short. A second time there is nothing to do.

use super::restore::{Answer, finish};
use super::turns::{Of, Turns};
use super::unusable::{self, Beside};
use super::{chain, open};
use crate::cli::args::RestoreOptions;
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::job::Job;
use crate::cli::output::Output;
use crate::cli::progress::Progress;
use crate::cli::prompt::confirm;
use crate::cli::render::run::{Kept, to_do, unfinished_json, unfinished_text};
use crate::cli::render::text::{counted, escape};
use crate::device::traits::Device;
use crate::error::Error;
use crate::format::block::SetId;
use crate::restore::{self, Options, Restore, Unfinished};
use crate::store::control::{Run, RunStatus};
use crate::store::traits::Store;
use crate::volume::chain::Chain;
use crate::volume::set::SetReader;
use serde_json::Value;

/// Runs it.
///
/// # Errors
/// The database or the device cannot be used, the set is not there, or nobody said yes.
pub(super) fn run(options: &RestoreOptions, config: &Config, job: &Job, output: &Output) -> Result<Exit, Failure> {
    let now = open::now(None)?;
    let store = open::database(&options.database)?;
    let Some(unfinished) = restore::unfinished(store.as_ref())? else { return nothing_to_do(store.as_ref(), output) };
    restore::refuse_at_work(store.as_ref(), Some(&unfinished.run))?;
    let turns = Turns::open(&options.from, false, config, output)?;
    turns.gather(Of::These(&unfinished.sets))?;
    let base = Options { jobs: options.jobs, ..Options::new(now.civil, now.unix) };
    while !options.dry_run && again(&unfinished, &turns, store.as_ref(), &base)? {}
    let found = turns.found()?;
    let chain = chain_of(&unfinished, &found.sets, turns.device());
    let chain = chain.inspect_err(|_| unusable::warn(&found, "", output))?;
    // It goes on with the sets that it was begun with: what else there is does not count.
    let exit = Beside::of(&found, &chain, (None, true), u32::MAX, output).warn(output)?;
    chain.members().iter().take(1).for_each(|newest| job.set(newest.label()));
    let answer = answer(unfinished_json(&unfinished));
    if !output.json() {
        output.line(unfinished_text(&unfinished, &open::local(unfinished.run.begun_unix)).trim_end());
    }
    if options.dry_run {
        answer.give(output, exit, None);
        return Ok(exit);
    }
    let (delete, insert) = to_do(&unfinished);
    let rows = |rows: u64| counted(rows, "row", "rows");
    if !options.yes && !confirm(output, &format!("Delete {} and insert {}?", rows(delete), rows(insert)))? {
        output.notice("Nothing was changed.");
        job.declined();
        return Ok(Exit::Failed);
    }
    let progress = Progress::new(output);
    let done = Restore::new(&chain, store.as_ref(), base).watched(&progress).resume(&unfinished);
    drop(progress);
    let undo = unfinished.run.undo.as_ref();
    let kept = |_: &_| undo.map(|undo| Kept { set: SetId(undo.set), place: undo.place.clone() });
    Ok(finish(output, job, options, exit, done, kept, answer))
}

/// Has the tapes brought that a plan of the rest wants; whether there were any.
fn again(unfinished: &Unfinished, turns: &Turns<'_>, store: &dyn Store, base: &Options) -> Result<bool, Failure> {
    if !turns.may_change() {
        return Ok(false);
    }
    let found = turns.found()?;
    let chain = chain_of(unfinished, &found.sets, turns.device())?;
    // What else is wrong with it is said when it is gone on with.
    drop(Restore::new(&chain, store, base.clone()).plan_rest(unfinished));
    turns.fetch()
}

fn answer(before: Value) -> Answer {
    Answer { name: "resumed", before, saved: None }
}

fn chain_of<'a>(unfinished: &Unfinished, sets: &'a [SetReader<'a>], device: &dyn Device) -> Result<Chain<'a>, Error> {
    let of = format!("restore {} is from {},", unfinished.run.number, escape(&unfinished.run.label));
    let advice = "give the device that has it too, or take back what was restored so far with intervault undo";
    chain::just(sets, &unfinished.sets, device, &of, advice)
}

fn nothing_to_do(store: &dyn Store, output: &Output) -> Result<Exit, Failure> {
    let last = store.snapshot(1)?.runs()?.pop();
    if output.json() {
        answer(Value::Null).give(output, Exit::Done, None);
    } else {
        output.line(&format!("There is no restore to finish, nothing was changed: {}.", said_of(last.as_ref())));
    }
    Ok(Exit::Done)
}

/// What became of the last restore.
fn said_of(last: Option<&Run>) -> String {
    let Some(last) = last else { return "the database has had none".to_owned() };
    let what = match last.status {
        RunStatus::Begun | RunStatus::Finished => "was finished",
        RunStatus::Undone => "was taken back",
        RunStatus::SetAside => "was set aside",
    };
    let when = last.ended_unix.map_or_else(String::new, |ended| format!(" on {}", open::local(ended)));
    format!("the last one, {} from {}, {what}{when}", last.number, escape(&last.label))
}
