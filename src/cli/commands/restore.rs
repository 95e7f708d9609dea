//! `intervault restore`: plans, shows the plan, asks, saves what goes, replaces unit by unit, proves; says how to finish it
//! or to take it back. A plan may be saved in between, and applied another day.

use super::turns::{Of, Turns};
use super::unusable::{self, Beside};
use super::{chain, open, saved};
use crate::base::monitor::{Monitor as _, Task};
use crate::check::Found;
use crate::cli::args::{Carried, PartialPeriods, ProofLevel, RestoreOptions, Uncovered, Undo};
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::interrupt;
use crate::cli::job::Job;
use crate::cli::output::Output;
use crate::cli::parse::{DatabaseUrl, DevicePath, NEWEST};
use crate::cli::progress::Progress;
use crate::cli::prompt::confirm;
use crate::cli::render::restore as render;
use crate::cli::render::restore::Prospect;
use crate::cli::render::run::{self, Ending, Kept};
use crate::cli::render::text::counted;
use crate::device::directory::DirectoryDevice;
use crate::restore::{Keep, Missing, Options, Proof, Restore, RestorePlan, RestoreReport, SavedPlan, Stopped};
use crate::schema::range;
use crate::store::traits::Store;
use crate::volume::chain::Chain;
use crate::volume::set::SetReader;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Runs it; `state` is the folder of the history, where one is kept.
///
/// # Errors
/// The set or the database cannot be used, the plan is refused, nobody said yes, or the result is not as it should be.
pub fn run(
    options: &RestoreOptions,
    (config, state): (&Config, Option<&Path>),
    job: &Job,
    output: &Output,
) -> Result<Exit, Failure> {
    if options.resume {
        return super::resume::run(options, config, job, output);
    }
    let saved = options.plan.as_deref().map(saved::read).transpose()?;
    options.save_plan.as_deref().map_or(Ok(()), saved::check_free)?;
    let now = open::now(options.now)?;
    now.doubt().iter().for_each(|doubt| output.warning(doubt));
    let store = open::database(&options.database)?;
    let turns = Turns::open(&options.from, options.partial, config, output)?;
    let named = saved.as_ref().map(SavedPlan::sets).transpose()?;
    let set = options.set.as_deref().filter(|set| *set != NEWEST);
    turns.gather(named.as_deref().map_or(Of::Chain(set), Of::These))?;
    let work = saved.as_ref().map_or_else(|| Ok(work(options, &now)), |saved| saved.options(&work(options, &now)))?;
    let asked = Asked { options, work, saved, store: store.as_ref(), state, job, output };
    // What is on other tapes is known when it was wanted in vain: then it is brought, and all is planned again.
    loop {
        if let Some(exit) = asked.round(&turns)? {
            return Ok(exit);
        }
    }
}

/// A restore as it was asked for.
struct Asked<'a> {
    options: &'a RestoreOptions,
    work: Options,
    saved: Option<SavedPlan>,
    store: &'a dyn Store,
    /// Where what this machine keeps is, if it is known.
    state: Option<&'a Path>,
    job: &'a Job,
    output: &'a Output,
}

impl Asked<'_> {
    /// Plans, and does what was asked for; `None` if tapes were brought for the plan, which is to be made again.
    fn round(&self, turns: &Turns<'_>) -> Result<Option<Exit>, Failure> {
        let (options, device) = (self.options, turns.device());
        let found = turns.found()?;
        let sets = &found.sets;
        let chain = match &self.saved {
            Some(saved) => {
                chain::just(sets, &saved.sets()?, device, "the saved plan is of", "give the device that has it")
            }
            None => chain::chosen(sets, device, options),
        };
        // What could not be used may be what is missing.
        let chain = chain.inspect_err(|_| unusable::warn(&found, "", self.output))?;
        if turns.members(&chain)? {
            return Ok(None);
        }
        chain.members().iter().take(1).for_each(|newest| self.job.set(newest.label()));
        let progress = Progress::new(self.output);
        let restore = Restore::new(&chain, self.store, self.work.clone()).watched(&progress);
        let plan = restore.plan();
        progress.end(Task::Plan);
        if turns.fetch()? {
            return Ok(None);
        }
        let plan = plan.inspect_err(|_| unusable::warn(&found, "", self.output))?;
        self.decide(&restore, &self.beside(plan, &found, &chain), chain.members(), &progress).map(Some)
    }

    /// The plan, with what is to be said of files that cannot be used.
    fn beside(&self, plan: RestorePlan, found: &Found<'_>, chain: &Chain<'_>) -> RestorePlan {
        let Asked { options, output, .. } = *self;
        let named = self.saved.is_some() || options.stop_at.is_some();
        // Who names an older state means it.
        let older = chain.members().first().map(|set| set.set_id().to_string()).filter(|_| named);
        let set = older.as_deref().or(options.set.as_deref());
        let bits = unusable::bits(options, &found.sets);
        let Beside { notes, newer } = Beside::of(found, chain, (set, options.partial), bits, output);
        let mut plan = plan;
        plan.notices.extend(notes);
        plan.refusals.extend(newer);
        plan
    }

    /// Shows a plan, and applies it if that is what was asked for.
    fn decide(
        &self,
        restore: &Restore<'_>,
        plan: &RestorePlan,
        members: &[&SetReader<'_>],
        progress: &Progress<'_>,
    ) -> Result<Exit, Failure> {
        let Asked { options, output, job, .. } = *self;
        let undo = undo_folder(options, self.state)?;
        let prospect = Prospect {
            units: restore.units(plan).len() as u64,
            undo: undo.as_ref().map(|folder| folder.display().to_string()),
            proved: self.work.proof == Proof::Full,
        };
        if !output.json() {
            output.line(render::plan_text(plan, &prospect).trim_end());
        }
        let mut answer = Answer { name: "plan", before: render::plan_json(plan, &prospect), saved: None };
        let refused = plan.refusals.iter().map(|refusal| Exit::from(refusal.class)).reduce(Exit::worst);
        // What is missing or damaged explains a difference; a rule that is broken now may come of one.
        if let Some(saved) = self.saved.as_ref().filter(|_| refused.is_none_or(|exit| exit == Exit::NotRestorable)) {
            saved.check(plan, members, self.store, &self.work)?;
        }
        if let Some(exit) = refused {
            // With --json there is one object, and the refusals stand in it.
            if output.json() {
                answer.give(output, exit, None);
                return Ok(exit);
            }
            return Err(refusal(plan, exit));
        }
        let exit = if plan.notices.is_empty() { Exit::Done } else { Exit::Warnings };
        if let Some(file) = &options.save_plan {
            let saved = SavedPlan::of(plan, members, self.store, &self.work)?;
            answer.saved = Some(save(options, file, &saved, output)?);
        }
        if options.dry_run || options.save_plan.is_some() {
            answer.give(output, exit, None);
            return Ok(exit);
        }
        let (delete, insert) = render::changes(plan);
        let rows = |rows: u64| counted(rows, "row", "rows");
        let question = format!("Delete {} and insert {}?", rows(delete), rows(insert));
        if !options.yes && !confirm(output, &question)? {
            output.notice("Nothing was changed.");
            job.declined();
            return Ok(Exit::Failed);
        }
        let device = undo.map(DirectoryDevice::for_writing).transpose()?;
        let keep = device.as_ref().map(|device| open::new_set().map(|set| Keep { device, set })).transpose()?;
        let done = restore.apply(plan, keep);
        progress.end(Task::Restore);
        interrupt::over();
        Ok(finish(output, job, options, exit, done, kept, answer))
    }
}

/// Saves a plan and says so; the same as JSON.
fn save(options: &RestoreOptions, file: &Path, plan: &SavedPlan, output: &Output) -> Result<Value, Failure> {
    saved::write(file, plan)?;
    let command = run::apply_command(options, file);
    if !output.json() {
        output.line(&run::plan_saved_text(file, &command));
    }
    Ok(json!({"file": file.display().to_string(), "command": command}))
}

/// Where a restore kept what it deleted.
fn kept(report: &RestoreReport) -> Option<Kept> {
    report.undo.as_ref().map(|undo| Kept { set: undo.set, place: undo.place.clone() })
}

/// Says how a restore ended, and gives its exit status: `exit` if it did not end early.
pub(super) fn finish(
    output: &Output,
    job: &Job,
    options: &RestoreOptions,
    exit: Exit,
    done: Result<RestoreReport, Box<Stopped>>,
    kept: impl Fn(&RestoreReport) -> Option<Kept>,
    answer: Answer,
) -> Exit {
    let (report, stopped) = match done {
        Ok(report) => (report, None),
        Err(stopped) => (stopped.report, Some(Failure::from(stopped.error))),
    };
    let exit = stopped.as_ref().map_or(exit, |failure| failure.exit);
    let rows = report.tables.iter().map(|table| table.deleted.saturating_add(table.inserted));
    job.note(|entry| entry.rows = Some(rows.fold(0, u64::saturating_add)));
    stopped.iter().for_each(|failure| job.failed(failure));
    let ending = Ending {
        report: &report,
        stopped: stopped.as_ref(),
        kept: kept(&report),
        database: &options.database,
        from: &options.from,
    };
    if output.json() {
        answer.give(output, exit, Some(run::report_json(&ending)));
    } else {
        output.line(&format!("\n{}", run::report_text(&ending).trim_end()));
    }
    if let Some(failure) = &stopped {
        output.error(failure);
    }
    exit
}

/// The folder for the undo set, as an absolute path: the journal keeps it, and an undo may be typed in another folder.
fn undo_folder(options: &RestoreOptions, state: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    let folder = match (&options.undo, &options.database) {
        (Undo::Declined, _) => return Ok(None),
        (Undo::On(DevicePath::Path(folder)), _) => folder.clone(),
        (Undo::On(_), _) => return Err(Failure::usage("--undo wants a folder")),
        (Undo::Beside, DatabaseUrl::Sqlite(database)) => {
            let mut name = database.as_os_str().to_owned();
            name.push(".undo");
            PathBuf::from(name)
        }
        (Undo::Beside, DatabaseUrl::Postgres(url)) => {
            let address = open::address(url)?;
            let state = state.ok_or_else(|| {
                Failure::usage("no folder is known for what the restore deletes, since no history is kept")
                    .hint("name one with --undo DIR, or give --state-dir")
            })?;
            open::undo_below(state, &address)
        }
    };
    let absolute = std::path::absolute(&folder).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot tell where the undo folder {} is: {error}", folder.display()))
    })?;
    Ok(Some(absolute))
}

fn work(options: &RestoreOptions, now: &open::Now) -> Options {
    Options {
        select: unusable::select(options),
        acd: options.acd,
        request: options.request,
        policies: range::Policies {
            uncovered: match options.uncovered {
                Uncovered::Refuse => range::Uncovered::Refuse,
                Uncovered::Delete => range::Uncovered::Delete,
                Uncovered::Keep => range::Uncovered::Keep,
            },
            partial_periods: match options.partial_periods {
                PartialPeriods::Keep => range::PartialPeriods::Keep,
                PartialPeriods::Replace => range::PartialPeriods::Replace,
            },
            carried: match options.carried {
                Carried::Leave => range::Carried::Leave,
                Carried::Insert => range::Carried::Insert,
            },
        },
        missing: if options.partial { Missing::Partial } else { Missing::Refuse },
        proof: match options.proof {
            ProofLevel::Full => Proof::Full,
            ProofLevel::Counts => Proof::Counts,
        },
        jobs: options.jobs,
        anew: options.anew,
        other_version: options.other_version,
        older_wins: options.older_wins,
        ..Options::new(now.civil, now.unix)
    }
}

/// The one JSON object that a restore gives.
pub(super) struct Answer {
    /// Of what `before` tells: what was planned (`plan`) or gone on with (`resumed`).
    pub(super) name: &'static str,
    pub(super) before: Value,
    /// Where the plan was saved, if it was.
    pub(super) saved: Option<Value>,
}

impl Answer {
    /// Gives it, if JSON is wanted, with what was done.
    pub(super) fn give(self, output: &Output, exit: Exit, done: Option<Value>) {
        if !output.json() {
            return;
        }
        let mut body = Map::new();
        body.insert("plan".to_owned(), Value::Null);
        body.insert("resumed".to_owned(), Value::Null);
        body.insert(self.name.to_owned(), self.before);
        body.insert("saved".to_owned(), json!(self.saved));
        body.insert("done".to_owned(), json!(done));
        output.object("intervault/restore", exit, &body);
    }
}

fn refusal(plan: &RestorePlan, exit: Exit) -> Failure {
    let worst = plan.refusals.iter().find(|refusal| Exit::from(refusal.class) == exit);
    let more = plan.refusals.len().saturating_sub(1);
    let and_more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    worst.map_or_else(
        || Failure::new(exit, "the plan is refused"),
        |refusal| Failure::new(exit, format!("{refusal}{and_more}")).hint(refusal.advice.clone()),
    )
}
