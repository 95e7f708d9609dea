//! A restore's plan, for people and for programs.

use super::json::SpanBody;
use super::text::{bytes, count, counted, duration, escape, span, table};
use crate::base::time::Span;
use crate::restore::{AcdPlan, RangesPlan, Refusal, RestorePlan, TableAction, TablePlan, VolumeNeed};
use crate::schema::range::{Slot, SpanSet, Undated, date_text, rows};
use crate::section::evidence::Bucket;
use crate::section::pieces::Acd;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Spans shown of one list before the rest is only counted.
const SHOWN: usize = 3;

/// Rows a second that go in, on two cores, tables of some 50 columns with an index (README, "Measured").
const INSERTED_A_SECOND: u64 = 250_000;
/// Likewise, rows deleted by their keys.
const DELETED_A_SECOND: u64 = 600_000;
/// Likewise, rows read again and compared by digest.
const PROVED_A_SECOND: u64 = 400_000;
/// Likewise, rows saved in the undo set, which is read back.
const SAVED_A_SECOND: u64 = 300_000;

/// How a plan would be applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prospect {
    /// Units that it is cut into.
    pub units: u64,
    /// Where the rows that go are saved; `None` if they are not.
    pub undo: Option<String>,
    /// Whether every row is read again and compared by digest.
    pub proved: bool,
}

impl Prospect {
    /// How long it will take, about.
    #[must_use]
    pub fn time(&self, plan: &RestorePlan) -> Duration {
        let (deleted, inserted) = changes(plan);
        let at = |rows: u64, rate: u64| Duration::from_secs_f64(rows as f64 / rate as f64);
        let mut time = at(inserted, INSERTED_A_SECOND).saturating_add(at(deleted, DELETED_A_SECOND));
        if self.proved {
            let stays: u64 = acds(plan).map(|acd| rows(&acd.decision.kept)).fold(0, u64::saturating_add);
            time = time.saturating_add(at(inserted.saturating_add(stays), PROVED_A_SECOND));
        }
        if self.undo.is_some() {
            time = time.saturating_add(at(deleted, SAVED_A_SECOND));
        }
        time
    }
}

/// Rows that a plan deletes, and rows that it inserts.
#[must_use]
pub fn changes(plan: &RestorePlan) -> (u64, u64) {
    let sum = |rows: fn(&TablePlan) -> u64| plan.tables.iter().map(rows).fold(0, u64::saturating_add);
    (sum(TablePlan::rows_deleted), sum(TablePlan::rows_inserted))
}

fn acds(plan: &RestorePlan) -> impl Iterator<Item = &AcdPlan> {
    let ranges = plan.tables.iter().filter_map(|table| match &table.action {
        TableAction::Ranges(ranges) => Some(ranges),
        TableAction::Leave(_) | TableAction::Whole(_) => None,
    });
    ranges.flat_map(|ranges| &ranges.acds)
}

/// Rows of the target in the time asked for that stay.
fn stays(plan: &RestorePlan, acd: &AcdPlan) -> u64 {
    let asked = acd.target.slots().iter().filter(|slot| acd.decision.widened.meets(slot.span));
    let dated = asked.map(|slot| slot.rows).fold(0, u64::saturating_add);
    let undated = plan.request.is_unbounded() && acd.decision.undated != Undated::Replace;
    dated.saturating_sub(rows(&acd.decision.delete)).saturating_add(if undated { acd.target.undated } else { 0 })
}

/// The plan as tables.
#[must_use]
pub fn plan_text(plan: &RestorePlan, prospect: &Prospect) -> String {
    let mut out = format!("Restore from {} (set {})\n", escape(&plan.label), plan.set);
    out.push_str(&chain_text(plan));
    let one = plan.acd.map_or_else(String::new, |acd| format!(", ACD {acd} only"));
    let _written = writeln!(out, "Requested: {}{one}\n", plan.request);
    let mut lines = Vec::new();
    for planned in &plan.tables {
        table_lines(plan, planned, &mut lines);
    }
    let head = [
        "table",
        "ACD",
        "on the volumes",
        "actual range",
        ">delete",
        ">insert",
        ">stays",
        ">uncovered",
        ">straddling",
        "remarks",
    ];
    out.push_str(&table(&head, &lines));
    if !plan.volumes.is_empty() {
        let _written =
            write!(out, "\nVolumes needed, in order: {}; {} to read\n", volumes_text(plan), bytes(plan.bytes));
    }
    if prospect.units > 0 {
        let _written = writeln!(
            out,
            "In {}, each a transaction of its own; about {}",
            counted(prospect.units, "unit", "units"),
            duration(prospect.time(plan))
        );
        let _written = match &prospect.undo {
            Some(place) => writeln!(out, "What is deleted is saved first, for intervault undo, in {}", escape(place)),
            None => writeln!(out, "What is deleted is NOT saved: this restore cannot be taken back"),
        };
    }
    list(&mut out, "Periods that lie in the range only in part, and are kept", partial_periods(plan));
    list(
        &mut out,
        "To summarise again",
        plan.summarise.iter().map(|(table, acd, period)| format!("{table}, {}: {}", acd_words(*acd), span(*period))),
    );
    list(&mut out, "Note", plan.notices.iter().cloned());
    list(
        &mut out,
        "Refused",
        plan.refusals.iter().map(|refusal| format!("{}: {}; {}", refusal.rule, refusal.what, refusal.advice)),
    );
    out
}

/// The members of a chain and those that are not here, the newest first; nothing for a set alone.
fn chain_text(plan: &RestorePlan) -> String {
    if plan.members.len() < 2 && plan.gaps.is_empty() {
        return String::new();
    }
    let members = plan.members.iter().map(|member| {
        let what = if member.sequence == 0 { "full" } else { "incremental" };
        vec![member.sequence.to_string(), escape(&member.label).into_owned(), what.to_owned(), member.set.to_string()]
    });
    let gaps = plan.gaps.iter().map(|gap| {
        let numbers =
            if gap.first == gap.last { gap.first.to_string() } else { format!("{} to {}", gap.first, gap.last) };
        vec![numbers, String::new(), "NOT HERE".to_owned(), gap.set.to_string()]
    });
    let mut lines: Vec<(u32, Vec<String>)> = plan.members.iter().map(|member| member.sequence).zip(members).collect();
    lines.extend(plan.gaps.iter().map(|gap| gap.last).zip(gaps));
    lines.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    let lines: Vec<Vec<String>> = lines.into_iter().map(|(_, line)| line).collect();
    format!("\n{}\n", table(&[">of its chain", "label", "", "set"], &lines))
}

/// The volumes that are needed, those of each set together.
fn volumes_text(plan: &RestorePlan) -> String {
    let sets = plan.volumes.chunk_by(|one, next| one.member == next.member);
    let of_set = |needs: &[VolumeNeed]| {
        let number =
            |need: &VolumeNeed| if need.here { need.number.to_string() } else { format!("{} (not here)", need.number) };
        let numbers: Vec<String> = needs.iter().map(number).collect();
        let set = needs.first().and_then(|need| plan.members.get(need.member)).filter(|_| plan.members.len() > 1);
        let of = set.map_or_else(String::new, |set| format!(" of {}", escape(&set.label)));
        format!("{}{of}", numbers.join(", "))
    };
    sets.map(of_set).collect::<Vec<_>>().join("; ")
}

/// The days, weeks and months that lie in the range only in part and stay as they are; those that are to be summarised
/// again are named there.
fn partial_periods(plan: &RestorePlan) -> Vec<String> {
    let mut lines = Vec::new();
    for planned in &plan.tables {
        let TableAction::Ranges(ranges) = &planned.action else { continue };
        for acd in &ranges.acds {
            let kept = acd.decision.partial.iter().map(|period| period.span);
            let kept = kept.filter(|period| !acd.decision.actual.meets(*period));
            let named = |period: &Span| plan.summarise.contains(&(planned.table.clone(), acd.acd, *period));
            let kept: Vec<String> = kept.filter(|period| !named(period)).map(span).collect();
            if !kept.is_empty() {
                lines.push(format!("{}, {}: {}", planned.table, acd_words(acd.acd), kept.join("; ")));
            }
        }
    }
    lines
}

fn acd_words(acd: Acd) -> String {
    acd.map_or_else(|| "no ACD".to_owned(), |acd| format!("ACD {acd}"))
}

fn list<I>(out: &mut String, title: &str, items: I)
where
    I: IntoIterator<Item = String>,
    I::IntoIter: ExactSizeIterator,
{
    let items = items.into_iter();
    if items.len() == 0 {
        return;
    }
    let _written = writeln!(out, "\n{title}:");
    for item in items {
        let _written = writeln!(out, "  {}", escape(&item));
    }
}

fn table_lines(plan: &RestorePlan, planned: &TablePlan, lines: &mut Vec<Vec<String>>) {
    let name = planned.table.clone();
    let line = |acd: &str, range: &str, delete: String, insert: String, remark: String| {
        let (acd, range, none) = (acd.to_owned(), range.to_owned(), String::new);
        vec![name.clone(), acd, none(), range, delete, insert, none(), none(), none(), remark]
    };
    match &planned.action {
        TableAction::Leave(reason) => {
            lines.push(line("", "", String::new(), String::new(), format!("left alone: {reason}")));
        }
        TableAction::Whole(whole) => {
            let acd = whole.acd.map_or_else(|| "all".to_owned(), |acd| acd.to_string());
            let lost = whole.delete.saturating_sub(whole.insert);
            let remark =
                if lost > 0 { format!("{} fewer than now", counted(lost, "row", "rows")) } else { String::new() };
            lines.push(line(&acd, "all rows", count(whole.delete), count(whole.insert), remark));
        }
        TableAction::Ranges(ranges) if ranges.acds.is_empty() => {
            lines.push(line("", "nothing in the range", String::new(), String::new(), String::new()));
        }
        TableAction::Ranges(ranges) => lines.extend(ranges.acds.iter().map(|acd| acd_line(plan, &name, ranges, acd))),
    }
}

/// The first few spans, and how many more there are.
#[must_use]
pub fn spans_text(spans: &[Span]) -> String {
    let mut range: Vec<String> = spans.iter().take(SHOWN).map(|found| span(*found)).collect();
    if spans.len() > SHOWN {
        range.push(format!("and {} more", spans.len().saturating_sub(SHOWN)));
    }
    if range.is_empty() {
        range.push("nothing".to_owned());
    }
    range.join("; ")
}

fn acd_line(plan: &RestorePlan, name: &str, ranges: &RangesPlan, acd: &AcdPlan) -> Vec<String> {
    let decision = &acd.decision;
    let blank_if_none = |slots: &[Slot]| if slots.is_empty() { String::new() } else { count(rows(slots)) };
    vec![
        name.to_owned(),
        acd_text(acd.acd),
        spans_text(SpanSet::from_spans(acd.held.clone()).spans()),
        spans_text(decision.actual.spans()),
        count(acd.rows_deleted()),
        count(acd.rows_inserted()),
        count(stays(plan, acd)),
        blank_if_none(&decision.uncovered),
        blank_if_none(&decision.straddling),
        remarks(plan, ranges, acd).join("; "),
    ]
}

fn remarks(plan: &RestorePlan, ranges: &RangesPlan, acd: &AcdPlan) -> Vec<String> {
    let decision = &acd.decision;
    let mut remarks = Vec::new();
    let mut remark = |number: u64, one: &str, many: &str, what: &str| {
        remarks.extend((number > 0).then(|| format!("{} {what}", counted(number, one, many))));
    };
    remark(decision.partial.len() as u64, "partial period", "partial periods", "kept");
    remark(decision.thinner.len() as u64, "interval", "intervals", "thinner than the target's");
    remark(rows(&decision.kept), "row", "rows", "of the target kept");
    remark(rows(&decision.left_out), "row", "rows", "of the volumes left out beside them");
    remark(rows(&decision.carried_left), "carried row", "carried rows", "left on the volumes");
    remark(rows(&decision.carried_in), "carried row", "carried rows", "to be inserted");
    let buckets = |buckets: &[Bucket]| buckets.iter().filter(|(of, _)| *of == acd.acd).count() as u64;
    remark(buckets(&ranges.unproven), "bucket", "buckets", "not whole on the volumes");
    remark(buckets(&ranges.stale), "bucket", "buckets", "only in an older state here, left alone");
    remark(buckets(&ranges.lost), "bucket", "buckets", "in no set that is here, left alone");
    for (member, spans) in older(acd) {
        let number = plan.members.get(member).map_or(0, |member| member.sequence);
        remarks.push(format!("{} from member {number} of the chain only", spans_text(spans.spans())));
    }
    let later = later(acd);
    if !later.is_empty() {
        remarks.push(format!("{} left out, a later set was restored there", spans_text(later.spans())));
    }
    for unfit in acd.unfit_rows() {
        let number = plan.members.get(unfit.member).map_or(0, |member| member.sequence);
        let what =
            if unfit.rows.is_empty() { "rows without a time".to_owned() } else { spans_text(unfit.rows.spans()) };
        remarks.push(format!("{what} left as it is, only member {number} of the chain has it, which does not fit"));
    }
    if acd.held.is_empty() {
        remarks.push("the set does not speak for it".to_owned());
    }
    remarks
}

/// The time in the actual range that only an older member of the chain speaks for, by member.
fn older(acd: &AcdPlan) -> BTreeMap<usize, SpanSet> {
    let mut older: BTreeMap<usize, Vec<Span>> = BTreeMap::new();
    for (member, span) in &acd.older {
        older.entry(*member).or_default().push(*span);
    }
    let actual = |spans| SpanSet::from_spans(spans).intersection(&acd.decision.actual);
    older.into_iter().map(|(member, spans)| (member, actual(spans))).filter(|(_, spans)| !spans.is_empty()).collect()
}

/// The time asked for into which a later set of the chain was restored before.
fn later(acd: &AcdPlan) -> SpanSet {
    acd.later.intersection(&acd.decision.widened)
}

/// The ACD for people.
#[must_use]
pub fn acd_text(acd: Acd) -> String {
    acd.map_or_else(|| "none".to_owned(), |acd| acd.to_string())
}

fn span_json(span: Span) -> Value {
    json!(SpanBody::from(span))
}

fn spans_json(spans: &[Span]) -> Value {
    spans.iter().map(|span| span_json(*span)).collect()
}

/// The plan as one JSON object.
#[must_use]
pub fn plan_json(plan: &RestorePlan, prospect: &Prospect) -> Value {
    json!({
        "set": plan.set.to_string(),
        "label": plan.label,
        "members": plan.members.iter().map(|member| json!({
            "set": member.set.to_string(), "label": member.label, "sequence": member.sequence,
        })).collect::<Vec<_>>(),
        "gaps": plan.gaps.iter().map(|gap| json!({
            "first": gap.first, "last": gap.last, "set": gap.set.to_string(),
        })).collect::<Vec<_>>(),
        "request": {
            "from": plan.request.start.map(|start| start.to_string()),
            "until": plan.request.stop.map(|stop| stop.to_string()),
        },
        "acd": plan.acd,
        "collecting": plan.collecting,
        "tables": plan.tables.iter().map(|table| table_json(plan, table)).collect::<Vec<_>>(),
        "volumes": plan.volumes.iter().map(|need| json!({
            "set": member_json(plan, need.member), "volume": need.number, "here": need.here,
        })).collect::<Vec<_>>(),
        "bytes": plan.bytes,
        "units": prospect.units,
        "undo_place": prospect.undo,
        "seconds_about": prospect.time(plan).as_secs_f64(),
        "summarise": plan.summarise.iter().map(|(table, acd, period)| json!({
            "table": table, "acd": json!(acd), "period": span_json(*period),
        })).collect::<Vec<_>>(),
        "notices": plan.notices,
        "refusals": refusals_json(&plan.refusals),
    })
}

/// Refusals, each with its rule and the option that lets it through.
pub(super) fn refusals_json(refusals: &[Refusal]) -> Value {
    let one = |refusal: &Refusal| {
        json!({
            "rule": refusal.rule.name(),
            "override": refusal.rule.override_option(),
            "what": refusal.what,
            "advice": refusal.advice,
        })
    };
    refusals.iter().map(one).collect()
}

fn member_json(plan: &RestorePlan, member: usize) -> Option<String> {
    plan.members.get(member).map(|member| member.set.to_string())
}

fn buckets_json(buckets: &[Bucket]) -> Value {
    let day = |day: i32| date_text(day);
    buckets.iter().map(|(acd, first)| json!({"acd": json!(acd), "day": first.map(day)})).collect()
}

fn table_json(plan: &RestorePlan, planned: &TablePlan) -> Value {
    let mut value = json!({
        "table": planned.table,
        "section": planned.section.number,
        "grain": planned.section.bound.grain.name(),
        "delete": planned.rows_deleted(),
        "insert": planned.rows_inserted(),
    });
    let more = match &planned.action {
        TableAction::Leave(reason) => json!({"left_alone": reason}),
        TableAction::Whole(whole) => json!({"whole": true, "from_set": member_json(plan, whole.source.member)}),
        TableAction::Ranges(ranges) => json!({
            "acds": ranges.acds.iter().map(|acd| acd_plan_json(plan, acd)).collect::<Vec<_>>(),
            "unproven": buckets_json(&ranges.unproven),
            "stale": buckets_json(&ranges.stale),
            "lost": buckets_json(&ranges.lost),
        }),
    };
    if let (Some(object), Value::Object(more)) = (value.as_object_mut(), more) {
        object.extend(more);
    }
    value
}

fn acd_plan_json(plan: &RestorePlan, acd: &AcdPlan) -> Value {
    let decision = &acd.decision;
    let slots = |slots: &[Slot]| -> Value {
        slots.iter().map(|slot| json!({"span": span_json(slot.span), "rows": slot.rows})).collect()
    };
    json!({
        "acd": json!(acd.acd),
        "held": spans_json(&acd.held),
        "settled_until": acd.settled_until.map(|until| until.to_string()),
        "actual": spans_json(decision.actual.spans()),
        "older": older(acd).iter().map(|(member, spans)| json!({
            "set": member_json(plan, *member), "spans": spans_json(spans.spans()),
        })).collect::<Vec<_>>(),
        "later": spans_json(later(acd).spans()),
        "unfit": acd.unfit_rows().map(|unfit| json!({
            "set": member_json(plan, unfit.member), "spans": spans_json(unfit.rows.spans()), "undated": unfit.undated,
        })).collect::<Vec<_>>(),
        "delete": acd.rows_deleted(),
        "insert": acd.rows_inserted(),
        "stays": stays(plan, acd),
        "uncovered": slots(&decision.uncovered),
        "straddling": slots(&decision.straddling),
        "kept": slots(&decision.kept),
        "left_out": slots(&decision.left_out),
        "unsettled": slots(&decision.unsettled),
        "carried_in": rows(&decision.carried_in),
        "carried_left": rows(&decision.carried_left),
        "partial_periods": decision.partial.iter().map(|period| json!({
            "span": span_json(period.span),
            "target_rows": period.target_rows,
            "volume_rows": period.volume_rows,
        })).collect::<Vec<_>>(),
        "thinner": decision.thinner.iter().map(|thin| json!({
            "span": span_json(thin.span),
            "target_rows": thin.target_rows,
            "volume_rows": thin.volume_rows,
        })).collect::<Vec<_>>(),
    })
}
