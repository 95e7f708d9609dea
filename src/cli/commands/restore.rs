//! `intervault restore`: plans, shows the plan, asks, applies, proves.

use super::open;
use crate::check;
use crate::cli::args::{Carried, PartialPeriods, ProofLevel, RestoreOptions, Selection, Uncovered};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::progress::Progress;
use crate::cli::prompt::confirm;
use crate::cli::render::restore as render;
use crate::cli::render::text::counted;
use crate::restore::{self, Missing, Options, Plan, Proof, Select, TablePlan};
use crate::schema::range;
use serde_json::{Map, Value, json};

/// Runs it.
///
/// # Errors
/// The set or the database cannot be used, the plan is refused, nobody said yes, or the result is not as it should be.
pub fn run(options: &RestoreOptions, output: &Output) -> Result<Exit, Failure> {
    let store = open::database(&options.database)?;
    let device = open::all_volumes(&options.from)?;
    let set = check::find_one(&device, options.set.as_deref())?;
    let now = open::now(None)?;
    let work = work(options, &now);
    let progress = Progress::new(output);
    let plan = restore::plan(&set, &store, &work, &progress)?;
    if !output.json() {
        output.line(render::plan_text(&plan).trim_end());
    }
    let refused = plan.refusals.iter().map(|refusal| Exit::from(refusal.class)).reduce(Exit::worst);
    if let Some(exit) = refused {
        // With --json there is one object, and the refusals stand in it.
        if output.json() {
            answer(output, exit, &plan, None);
            return Ok(exit);
        }
        return Err(refusal(&plan, exit));
    }
    let exit = if plan.notices.is_empty() { Exit::Done } else { Exit::Warnings };
    if options.dry_run {
        answer(output, exit, &plan, None);
        return Ok(exit);
    }
    let insert = plan.tables.iter().map(TablePlan::rows_inserted).fold(0, u64::saturating_add);
    let delete = plan.tables.iter().map(TablePlan::rows_deleted).fold(0, u64::saturating_add);
    let question = format!("Delete {} and insert {}?", counted(delete, "row", "rows"), counted(insert, "row", "rows"));
    if !options.yes && !confirm(output, &question)? {
        output.notice("Nothing was changed.");
        return Ok(Exit::Failed);
    }
    let report = restore::apply(&plan, &[&set], &store, &work, None, &progress).map_err(crate::error::Error::from)?;
    if output.json() {
        answer(output, exit, &plan, Some(render::report_json(&report)));
    } else {
        output.line(&format!("\n{}", render::report_text(&report).trim_end()));
    }
    Ok(exit)
}

fn work(options: &RestoreOptions, now: &open::Now) -> Options {
    Options {
        select: match &options.selection {
            None => Select::All,
            Some(Selection::Data(data)) => Select::Data(data.clone()),
            Some(Selection::Tables(tables)) => Select::Tables(tables.clone()),
        },
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
        settled_until: None,
        now: now.civil,
        now_unix: now.unix,
        unit_rows: restore::UNIT_ROWS,
        anew: false,
        other_version: false,
        resuming: false,
    }
}

/// The one JSON object: the plan, and what was done.
fn answer(output: &Output, exit: Exit, plan: &Plan, done: Option<Value>) {
    if !output.json() {
        return;
    }
    let mut body = Map::new();
    body.insert("plan".to_owned(), render::plan_json(plan));
    body.insert("done".to_owned(), json!(done));
    output.object("intervault/restore", exit, &body);
}

fn refusal(plan: &Plan, exit: Exit) -> Failure {
    let worst = plan.refusals.iter().find(|refusal| Exit::from(refusal.class) == exit);
    let more = plan.refusals.len().saturating_sub(1);
    let and_more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    worst.map_or_else(
        || Failure::new(exit, "the plan is refused"),
        |refusal| Failure::new(exit, format!("{}{and_more}", refusal.what)).hint(refusal.advice.clone()),
    )
}
