//! Which days, weeks and months are to be summarised again after interval rows were replaced.

use super::report::{AcdPlan, RangesPlan, RestorePlan, TableAction};
use crate::base::time::Span;
use crate::schema::grain::Grain;
use crate::schema::range::{SpanSet, periods_touched};
use crate::section::pieces::Acd;
use std::collections::{BTreeMap, BTreeSet};

/// Fills in [`RestorePlan::summarise`]: for every table of days, weeks or months in the plan, the periods that meet time in which
/// interval rows of the same ACD are replaced while their own row is not. Tables that were not asked for are not known.
pub(super) fn list(plan: &mut RestorePlan) {
    let touched = touched(plan);
    let mut summarise = Vec::new();
    for (table, grain, ranges) in ranges(plan) {
        for acd in &ranges.acds {
            let Some(touched) = touched.get(&acd.acd) else { continue };
            // Days on which neither side has a row are not for this table to have.
            let rows: BTreeSet<Span> = known(acd).collect();
            let periods = periods_touched(touched, grain, Some(&acd.decision), rows.iter().copied());
            summarise.extend(
                periods
                    .into_iter()
                    .filter(|period| rows.contains(period))
                    .map(|period| (table.to_owned(), acd.acd, period)),
            );
        }
    }
    plan.summarise = summarise;
}

fn ranges(plan: &RestorePlan) -> impl Iterator<Item = (&str, Grain, &RangesPlan)> {
    plan.tables.iter().filter_map(|table| match &table.action {
        TableAction::Ranges(ranges) => Some((table.table.as_str(), table.section.bound.grain, ranges.as_ref())),
        TableAction::Leave(_) | TableAction::Whole(_) => None,
    })
}

fn touched(plan: &RestorePlan) -> BTreeMap<Acd, SpanSet> {
    let mut touched: BTreeMap<Acd, SpanSet> = BTreeMap::new();
    for (_, grain, ranges) in ranges(plan) {
        if grain == Grain::Interval {
            for acd in &ranges.acds {
                let set = touched.entry(acd.acd).or_default();
                *set = set.union(&acd.decision.touched());
            }
        }
    }
    touched
}

fn known(acd: &AcdPlan) -> impl Iterator<Item = Span> + '_ {
    acd.volume.slots().iter().chain(acd.target.slots()).map(|slot| slot.span)
}
