//! What is not here: volumes, chunks, members of a chain; and whether a restore may go on without. Changes nothing.

use super::given::{Given, MemberSection, Read};
use super::options::{Missing, Options};
use super::report::{AcdPlan, RangesPlan, RestorePlan, TableAction, TablePlan};
use super::rules::Rule;
use crate::error::Class;
use crate::format::label::lost;
use crate::format::section::Losses;
use crate::schema::range::date_text;
use crate::section::evidence::Bucket;
use crate::volume::chain::{Chain, Gap};
use crate::volume::section::SectionView;
use crate::volume::set::SetReader;
use std::collections::BTreeSet;

/// Where what is not here costs nothing.
const OTHERS_HAVE: &str = "the other members have all that is restored";

/// Judges what is not here.
pub(super) struct Shortfall<'a> {
    /// The sets.
    pub(super) chain: &'a Chain<'a>,
    /// What to do about it.
    pub(super) options: &'a Options,
}

impl Shortfall<'_> {
    /// What is known of a set by a scan alone may be less than what it held: chunks, headers and whole sections that are
    /// lost do not show in what was found. Such a set is restored only when told, unless the catalog of a newer member of the
    /// chain says that the others have all of it.
    pub(super) fn sets(&self, plan: &mut RestorePlan) {
        for (member, set) in self.chain.members().iter().enumerate() {
            let Some((rule, what)) = of_set(set) else { continue };
            let costs = || self.had_more(member) || plan.tables.iter().any(|table| self.costs(table, member));
            if member > 0 && self.is_listed() && !costs() {
                plan.notices.push(format!("{what}; {OTHERS_HAVE}"));
            } else {
                self.refuse_or_note(rule, what, plan);
            }
        }
    }

    /// Whether the newest member's catalog is here.
    fn is_listed(&self) -> bool {
        self.chain.members().first().is_some_and(|set| set.catalog().is_some())
    }

    /// Whether a member that is not known whole had kinds of data that are asked for and that the catalog of no newer one
    /// speaks of: tables of it may be lost without a trace.
    fn had_more(&self, member: usize) -> bool {
        self.chain.members().get(member).is_some_and(|set| set.label().data_types & self.untold(member) != 0)
    }

    /// Kinds of data that are asked for and of which no catalog of a member newer than this one speaks.
    fn untold(&self, member: usize) -> u32 {
        // Tables that are named are looked for by name.
        let asked = self.options.select.kinds(self.options.request).unwrap_or(0);
        let newer = self.chain.members().iter().take(member).filter(|set| set.catalog().is_some());
        asked & !newer.fold(0, |told, set| told | set.label().data_types)
    }

    /// Whether it may cost a table something that a member, or an older one, is not known whole.
    fn costs(&self, table: &TablePlan, member: usize) -> bool {
        let TableAction::Ranges(ranges) = &table.action else {
            return table.sources().iter().any(|source| source.member >= member);
        };
        let mut sections = self.chain.members().iter().take(1).flat_map(|newest| newest.sections());
        let Some(newest) = sections.find(|section| section.header.table.eq_ignore_ascii_case(&table.table)) else {
            return true;
        };
        let is_listed = |bucket: &Bucket| newest.buckets.iter().any(|entry| (entry.acd, entry.day) == *bucket);
        let older =
            |acd: &AcdPlan| acd.older.iter().any(|(at, span)| *at >= member && acd.decision.actual.meets(*span));
        let lost = !ranges.stale.is_empty() || !ranges.lost.is_empty();
        lost || ranges.acds.iter().any(older) || !ranges.unproven.iter().all(is_listed)
    }

    /// Refuses, or tells, as was asked for.
    pub(super) fn refuse_or_note(&self, rule: Rule, what: String, plan: &mut RestorePlan) {
        let newest = self.chain.members().first();
        let class = match rule {
            Rule::Damage => Class::Damage,
            Rule::IncompleteSet if newest.is_some_and(|set| set.writer().is_some()) => Class::Busy,
            _ => Class::Volume,
        };
        let interrupted = newest.is_some_and(|set| set.is_interrupted());
        let advice = match class {
            Class::Busy => {
                "wait until that is done, use another set, or restore what is proven whole in this one: --partial"
            }
            Class::Volume if interrupted => {
                "the backup was interrupted: use another set, or restore what is proven whole in this one: --partial"
            }
            Class::Volume if rule == Rule::MissingMember => {
                "give the device that has it too (--from), or restore what is proven without it: --partial"
            }
            Class::Volume => "bring the volume, or restore what is proven whole without it: --partial",
            _ => "restore from another copy of the set, or what is proven whole without them: --partial",
        };
        match self.options.missing {
            Missing::Partial => plan.notices.push(what),
            Missing::Refuse => plan.refusals.push(rule.refusal(what, advice).of_class(class)),
        }
    }

    /// Chunks that cannot be read.
    pub(super) fn unreadable(&self, section: &MemberSection<'_>, read: &Read, plan: &mut RestorePlan) {
        let Some((what, rule)) = self.words(section, read) else { return };
        self.refuse_or_note(rule, what, plan);
    }

    fn words(&self, section: &MemberSection<'_>, read: &Read) -> Option<(String, Rule)> {
        let (_, first) = read.unreadable.first()?;
        let missing = read.unreadable.iter().any(|(_, unread)| unread.absent);
        let rows = read.unreadable.iter().map(|(chunk, _)| u64::from(chunk.entry.rows)).fold(0, u64::saturating_add);
        let table = &section.table.bound.schema.name;
        let of = match self.chain.members() {
            [_] => String::new(),
            _ => format!(" of set {}", section.set.label().label),
        };
        let what = format!(
            "table {table}: {rows} rows in {} chunks{of} cannot be read: {}",
            read.unreadable.len(),
            first.reason
        );
        Some((what, if missing { Rule::MissingVolume } else { Rule::Damage }))
    }

    /// What of a table with a time is not here. In a chain what cannot be read of one member costs nothing where another one
    /// has the same.
    pub(super) fn table(&self, sections: &[MemberSection<'_>], reads: &[Read], given: &Given, plan: &mut RestorePlan) {
        let costs = !(given.stale.is_empty() && given.lost.is_empty() && given.unproven.is_empty());
        for (section, read) in sections.iter().zip(reads) {
            match self.words(section, read) {
                Some((what, rule)) if costs || sections.len() == 1 => self.refuse_or_note(rule, what, plan),
                Some((what, _)) => plan.notices.push(format!("{what}; other members of the chain have them")),
                None => {}
            }
        }
        self.salvaged(sections, costs, plan);
        let Some(name) = sections.first().map(|section| &section.table.bound.schema.name) else { return };
        let mut lines = Vec::new();
        if let Some(days) = days(&given.stale) {
            lines.push(format!("of {} only an older state is here ({days})", buckets(&given.stale)));
        }
        // Where no list is left that would name it, nobody knows whether there was such a bucket at all.
        let lists = |section: &MemberSection<'_>, bucket: &Bucket| {
            section.view.buckets.binary_search_by_key(bucket, |entry| (entry.acd, entry.day)).is_ok()
        };
        let is_named = |bucket: &&Bucket| bucket.1.is_some() || sections.iter().any(|section| lists(section, bucket));
        let (lost, unsure): (BTreeSet<Bucket>, BTreeSet<Bucket>) = given.lost.iter().partition(is_named);
        if let Some(days) = days(&lost) {
            lines.push(format!("of {} nothing is here ({days})", buckets(&lost)));
        }
        if !unsure.is_empty() {
            lines.push("rows without a usable time may be missing".to_owned());
        }
        if !lines.is_empty() {
            let members = self.chain.members();
            let absent = members.iter().any(|set| !set.missing_volumes().is_empty());
            let rule = match () {
                () if !self.chain.gaps().is_empty() => Rule::MissingMember,
                () if absent && members.iter().all(|set| set.damage().is_empty()) => Rule::MissingVolume,
                () => Rule::Damage,
            };
            let what = format!("table {name}: {}; they are left alone", lines.join(", and "));
            self.refuse_or_note(rule, what, plan);
        }
    }

    /// What sets that were salvaged do not have of a table any more.
    fn salvaged(&self, sections: &[MemberSection<'_>], costs: bool, plan: &mut RestorePlan) {
        for section in sections.iter().filter(|section| section.view.end.as_ref().is_some_and(|end| end.lost.is_some()))
        {
            let (name, label) = (&section.table.bound.schema.name, section.set.label());
            let rows = section.view.end.as_ref().and_then(|end| end.lost.as_ref()).is_some_and(Losses::has_rows);
            let lost = if rows { "rows of it are lost" } else { "its list of what it left unwritten is lost" };
            let what = format!("table {name}: set {} was salvaged, and {lost}", label.label);
            if costs || sections.len() == 1 {
                self.refuse_or_note(Rule::Damage, format!("{what}; their time is left alone"), plan);
            } else {
                plan.notices.push(format!("{what}; other members of the chain have them"));
            }
        }
    }

    /// Members of the chain that are not here. Without them the newest catalog still tells whether another member has the
    /// same; where it does not reach, nobody can tell. Of the `costly` ones it was told what they cost.
    pub(super) fn members(&self, costly: &BTreeSet<usize>, plan: &mut RestorePlan) {
        if self.chain.is_alone() {
            return;
        }
        for (at, gap) in self.chain.gaps().iter().enumerate() {
            let what = words(gap, &plan.label);
            let short = plan.tables.iter().any(|table| match &table.action {
                TableAction::Ranges(ranges) => self.is_short(ranges, gap),
                TableAction::Leave(_) | TableAction::Whole(_) => false,
            });
            // Without the full set nobody knows which tables there were of kinds of which nobody else has any.
            let unknown = gap.first == 0 && self.untold(usize::MAX) != 0;
            if short || unknown || !self.is_listed() {
                self.refuse_or_note(Rule::MissingMember, format!("{what}: see what it costs"), plan);
            } else if !costly.contains(&at) {
                plan.notices.push(format!("{what}; {OTHERS_HAVE}"));
            }
        }
    }

    /// Whether a gap costs a table something, or may.
    fn is_short(&self, ranges: &RangesPlan, gap: &Gap) -> bool {
        let before =
            |member: usize| self.chain.members().get(member).is_some_and(|member| member.label().sequence < gap.first);
        let older = ranges
            .acds
            .iter()
            .any(|acd| acd.older.iter().any(|(member, span)| before(*member) && acd.decision.actual.meets(*span)));
        // What is missing may have had it in columns that fit.
        let unfit = ranges.acds.iter().any(|acd| acd.unfit_in_question().any(|unfit| before(unfit.member)));
        older || unfit || !ranges.stale.is_empty() || !ranges.lost.is_empty()
    }
}

/// What is wrong with a set as a whole, if anything is.
fn of_set(set: &SetReader<'_>) -> Option<(Rule, String)> {
    let (sections, label) = (set.sections(), &set.label().label);
    if set.label().salvaged.is_some_and(|salvaged| salvaged.lost == lost::SECTIONS) {
        let what = format!("set {label} was salvaged, and tables are lost of which nobody knows the names");
        return Some((Rule::Damage, what));
    }
    // Its last block may be half there.
    if let Some(writer) = set.writer() {
        return Some((Rule::IncompleteSet, format!("set {label} is being written now{writer}")));
    }
    if let Some(damage) = set.damage().first() {
        let count = set.damage().len();
        return Some((Rule::Damage, format!("set {label} is damaged in {count} places, first: {}", damage.error)));
    }
    let gap = sections.iter().zip(1u32..).any(|(section, number)| section.number != number);
    let listed = set.catalog().is_some();
    let whole = || set.is_complete() && !gap && sections.iter().all(SectionView::is_complete);
    if listed && set.total_volumes().is_some() || whole() {
        return None;
    }
    if listed && !set.is_interrupted() {
        return Some((Rule::Damage, format!("the end of set {label} is lost; its catalog is here")));
    }
    let missing: Vec<String> = set.missing_volumes().iter().map(u32::to_string).collect();
    Some(if missing.is_empty() || set.is_interrupted() {
        (Rule::IncompleteSet, format!("set {label} was never finished, or parts of it are lost"))
    } else {
        let volumes = missing.join(", ");
        (Rule::MissingVolume, format!("volume {volumes} of set {label} is not here, and the catalog is not whole"))
    })
}

pub(super) fn words(gap: &Gap, label: &str) -> String {
    match (gap.first, gap.last) {
        (first, last) if first == last => {
            format!("member {first} of the chain of {label}, set {}, is not here", gap.set)
        }
        (first, last) => {
            format!("members {first} to {last} of the chain of {label}, the last of them set {}, are not here", gap.set)
        }
    }
}

fn buckets(buckets: &BTreeSet<Bucket>) -> String {
    match buckets.len() {
        1 => "1 bucket".to_owned(),
        many => format!("{many} buckets"),
    }
}

/// The first days of buckets, for people: the first and the last of them; `None` if there is none.
fn days(buckets: &BTreeSet<Bucket>) -> Option<String> {
    let days: BTreeSet<i32> = buckets.iter().filter_map(|(_, day)| *day).collect();
    match (days.first(), days.last()) {
        _ if buckets.is_empty() => None,
        (Some(first), Some(last)) if first == last => Some(date_text(*first)),
        (Some(first), Some(last)) => Some(format!("{} to {}", date_text(*first), date_text(*last))),
        _ => Some("rows without a usable time".to_owned()),
    }
}
