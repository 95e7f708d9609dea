//! What a prune removes and why the rest stays, for people and for programs.

use super::text::{bytes, counted, table};
use crate::base::time::Instant;
use crate::prune::{Condition, Judged, Plan, Reason, Removed};
use crate::volume::name::short_id;
use serde_json::{Value, json};

/// The plan as a table: in each group the oldest first.
#[must_use]
pub fn plan_text(plan: &Plan) -> String {
    let rows: Vec<Vec<String>> = plan.sets.iter().map(line).collect();
    let mut out = table(&["", "set", "label", ">no.", ">volumes", ">size", "why"], &rows);
    let going = plan.going();
    let size = going.iter().map(|facts| facts.bytes).fold(0, u64::saturating_add);
    let stays = plan.sets.len().saturating_sub(going.len()) as u64;
    out.push_str(&format!(
        "\n{}, {}; {}.\n",
        counted(going.len() as u64, "set goes", "sets go"),
        bytes(size),
        counted(stays, "stays", "stay")
    ));
    out
}

fn line(judged: &Judged) -> Vec<String> {
    let facts = &judged.facts;
    let why = match (judged.goes(), facts.condition) {
        (false, _) => judged.reasons.iter().map(reason).collect::<Vec<_>>().join(", "),
        (true, Condition::Good) => "no rule keeps it".to_owned(),
        (true, Condition::Damaged) => "damaged, and a newer good full set is there".to_owned(),
        (true, Condition::Unfinished) => "never finished, and a newer good full set is there".to_owned(),
        (true, Condition::Going | Condition::Partly) => "its removal was begun".to_owned(),
    };
    vec![
        if judged.goes() { "goes" } else { "stays" }.to_owned(),
        short_id(facts.set),
        facts.label.clone(),
        facts.sequence.to_string(),
        facts.volumes.len().to_string(),
        bytes(facts.bytes),
        why,
    ]
}

fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Needed(set) => format!("{} builds on it", short_id(*set)),
        Reason::Retained(day) => {
            let text = Instant::of_day(*day).to_string();
            format!("its label keeps it until {}", text.split(' ').next().unwrap_or_default())
        }
        Reason::Last => "one of the last".to_owned(),
        Reason::Daily => "last of its day".to_owned(),
        Reason::Weekly => "last of its week".to_owned(),
        Reason::Monthly => "last of its month".to_owned(),
        Reason::LastFull => "last good full set".to_owned(),
        Reason::LastVerifiedFull => "last full set proved whole".to_owned(),
        Reason::UndoSet => "undo set".to_owned(),
        Reason::Partly => "some of its volumes are not here".to_owned(),
        Reason::Future => "from the future, unknown to the history".to_owned(),
        Reason::NothingBetter => "no newer good full set is there".to_owned(),
    }
}

/// The word for a reason in JSON.
const fn word(reason: &Reason) -> &'static str {
    match reason {
        Reason::Last => "last",
        Reason::Daily => "day",
        Reason::Weekly => "week",
        Reason::Monthly => "month",
        Reason::LastFull => "last-full",
        Reason::LastVerifiedFull => "last-verified-full",
        Reason::Needed(_) => "needed",
        Reason::Retained(_) => "retained",
        Reason::UndoSet => "undo-set",
        Reason::Partly => "volumes-missing",
        Reason::Future => "future",
        Reason::NothingBetter => "nothing-better",
    }
}

const fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::Good => "good",
        Condition::Damaged => "damaged",
        Condition::Unfinished => "unfinished",
        Condition::Partly => "volumes missing",
        Condition::Going => "removal begun",
    }
}

/// What was removed.
#[must_use]
pub fn removed_text(removed: &Removed) -> String {
    format!("{} removed, {} set free.", counted(removed.volumes, "volume", "volumes"), bytes(removed.bytes))
}

/// The body of `intervault/prune`.
#[must_use]
pub fn json(plan: &Plan, dry_run: bool, removed: Option<&Removed>) -> Value {
    let set = |judged: &Judged| {
        let facts = &judged.facts;
        json!({
            "set": facts.set.to_string(),
            "label": facts.label,
            "member": facts.sequence,
            "parent": facts.parent.map(|parent| parent.to_string()),
            "condition": condition(facts.condition),
            "verified": facts.verified,
            "volumes": facts.volumes.len(),
            "bytes": facts.bytes,
            "goes": judged.goes(),
            "reasons": judged.reasons.iter().map(word).collect::<Vec<_>>(),
        })
    };
    json!({
        "dry_run": dry_run,
        "sets": plan.sets.iter().map(set).collect::<Vec<_>>(),
        "removed": removed.map(|removed| json!({
            "volumes": removed.volumes,
            "bytes": removed.bytes,
            "left": removed.left.iter().map(|(name, reason)| json!({"name": name, "reason": reason})).collect::<Vec<_>>(),
        })),
    })
}
