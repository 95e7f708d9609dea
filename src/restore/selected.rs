//! What is restored at all: the sections asked for, by table. What a set that is newer than all sections of a table may have
//! had of it, and that is not here or lost it without a trace, is told of and left alone. Changes nothing.

use super::given::MemberSection;
use super::options::{Options, Select};
use super::payloads::Payloads;
use super::report::RestorePlan;
use super::rules::Rule;
use super::shortfall::{Shortfall, words};
use crate::error::Error;
use crate::format::label::data_types;
use crate::schema::range::Request;
use crate::section::rows::SectionTable;
use crate::volume::chain::{Chain, Gap, HalfReplaced};
use crate::volume::section::SectionView;
use crate::volume::set::SetReader;
use std::collections::BTreeSet;

/// The sections of each table, those of the newest set that has it first.
pub(super) struct Selected<'a> {
    pub(super) tables: Vec<Vec<MemberSection<'a>>>,
    /// Gaps of the chain for which a table is left alone, by their place among its gaps.
    pub(super) gaps: BTreeSet<usize>,
}

/// Somebody who may have had a newer state of a table than anybody who is here.
#[derive(Clone, Copy)]
enum Doubt<'a> {
    /// A set that is here, and may have tables of which nothing is left.
    Set(&'a SetReader<'a>),
    /// Sets that are not here, by their place among the gaps.
    Gap(usize, &'a Gap),
    /// A set on which nobody could build, and in whose place one with other kinds of data was written.
    Half(&'a HalfReplaced<'a>),
}

impl Doubt<'_> {
    /// Whether it may have had a table of this kind of data: a set has none but those that its label names.
    fn concerns(&self, data_type: u32) -> bool {
        match self {
            Doubt::Set(set) => set.label().data_types & (data_type | data_types::SPECIFIC) != 0,
            Doubt::Gap(..) => true,
            Doubt::Half(half) => half.data_types & data_type != 0,
        }
    }

    /// Whether the numbers of the members do not tell of it, since all of them are there.
    const fn is_hidden(&self) -> bool {
        matches!(self, Doubt::Set(_) | Doubt::Half(_))
    }
}

/// Chooses the sections.
pub(super) struct Selector<'a> {
    pub(super) chain: &'a Chain<'a>,
    pub(super) options: &'a Options,
    pub(super) payloads: &'a Payloads,
    pub(super) shortfall: &'a Shortfall<'a>,
}

impl<'a> Selector<'a> {
    /// How many members between two of them have not a kind of data.
    fn without(&self, newer: Option<usize>, older: usize, data_type: u32) -> u32 {
        let between = self.chain.members().iter().take(older).skip(newer.map_or(0, |newer| newer.saturating_add(1)));
        let has_not = between.filter(|set| set.label().data_types & data_type == 0);
        u32::try_from(has_not.count()).unwrap_or(u32::MAX)
    }

    /// The sections asked for, by table in the order of the newest set that has it; of each table the newest first.
    ///
    /// # Errors
    /// Nothing of what was asked for is here; a header that cannot be used.
    pub(super) fn select(&self, plan: &mut RestorePlan) -> Result<Selected<'a>, Error> {
        let mut tables: Vec<Vec<MemberSection<'a>>> = Vec::new();
        // The newest first, as the members.
        let mut doubts: Vec<(usize, Doubt<'a>)> = Vec::new();
        let mut doubted: Vec<(&'a str, Doubt<'a>)> = Vec::new();
        let gaps = if self.chain.is_alone() { &[][..] } else { self.chain.gaps() };
        let mut gaps = (0usize..).zip(gaps).peekable();
        let mut halves = self.chain.half_replaced().iter().peekable();
        for (member, &set) in self.chain.members().iter().enumerate() {
            while let Some((at, gap)) = gaps.next_if(|(_, gap)| gap.first > set.label().sequence) {
                doubts.push((member, Doubt::Gap(at, gap)));
            }
            while let Some(half) = halves.next_if(|half| half.by.label().sequence > set.label().sequence) {
                doubts.push((member, Doubt::Half(half)));
            }
            for view in set.sections().iter().filter(|view| self.is_asked_for(view)) {
                let same = |table: &&mut Vec<MemberSection<'_>>| {
                    table.first().is_some_and(|first| is_same(&first.view.header.table, &view.header.table))
                };
                let table = SectionTable::new(view.number, &view.header)?;
                let (payloads, veiled, mute) = (self.payloads, false, 0);
                let mut section = MemberSection { member, set, payloads, view, table, veiled, mute };
                let mut newer = doubts.iter().filter(|(_, doubt)| doubt.concerns(view.header.data_type));
                match tables.iter_mut().find(same) {
                    Some(sections) => {
                        let last = sections.last().map(|newer| newer.member);
                        section.veiled = newer.any(|(at, doubt)| doubt.is_hidden() && Some(*at) > last);
                        section.mute = self.without(last, member, view.header.data_type);
                        sections.push(section);
                    }
                    None => match newer.next() {
                        Some((_, doubt)) => doubted.push((&view.header.table, *doubt)),
                        None => tables.push(vec![section]),
                    },
                }
            }
            if set.may_have_more() {
                doubts.push((member, Doubt::Set(set)));
            }
        }
        if let (true, Some((_, doubt))) = (tables.is_empty(), doubted.first()) {
            return Err(self.lost("what is asked for", *doubt));
        }
        let gaps = self.tell(&doubted, plan);
        let doubts = doubts.into_iter().map(|(_, doubt)| doubt);
        let tables = match &self.options.select {
            Select::Tables(names) => {
                let known = |name: &&&String| !doubted.iter().any(|(table, _)| is_same(table, name));
                in_order(tables, distinct(names).iter().filter(known), |name| {
                    self.none(&format!("table {name}"), doubts.clone())
                })?
            }
            Select::All | Select::Data(_) if tables.is_empty() => {
                return Err(self.none("what is asked for", doubts));
            }
            Select::All | Select::Data(_) => tables,
        };
        Ok(Selected { tables, gaps })
    }

    /// Tells which tables are left alone, and for which gaps of the chain.
    fn tell(&self, doubted: &[(&str, Doubt<'_>)], plan: &mut RestorePlan) -> BTreeSet<usize> {
        let mut gaps = BTreeSet::new();
        let mut told: Vec<&str> = Vec::new();
        for (table, doubt) in doubted {
            if told.iter().any(|told| is_same(told, table)) {
                continue;
            }
            told.push(table);
            let (rule, what) = match doubt {
                Doubt::Set(set) => {
                    let label = &set.label().label;
                    let why = "may have had it, and its catalog or its tables are lost in part";
                    (Rule::Damage, format!("set {label} {why}; --set with an older set restores what that one had"))
                }
                Doubt::Gap(at, gap) => {
                    gaps.insert(*at);
                    let what = words(gap, &plan.label);
                    (Rule::MissingMember, format!("{what}, and no newer one that is here has the table"))
                }
                Doubt::Half(half) => {
                    let older = "--set with an older set restores what that one had";
                    (Rule::MissingMember, format!("{}; {older}", half_words(half, "it")))
                }
            };
            self.shortfall.refuse_or_note(rule, format!("table {table} is left alone: {what}"), plan);
        }
        gaps
    }

    /// Why there is nothing of `what`.
    fn none(&self, what: &str, mut doubts: impl Iterator<Item = Doubt<'a>>) -> Error {
        let asked = match &self.options.select {
            Select::Data(kinds) => kinds.iter().fold(0, |bits, kind| bits | kind.bit()),
            Select::All | Select::Tables(_) => u32::MAX,
        };
        if let Some(doubt) = doubts.find(|doubt| doubt.concerns(asked)) {
            return self.lost(what, doubt);
        }
        let label = self.label();
        let what = match &self.options.select {
            Select::Tables(_) => format!("{what} is not in set {label}"),
            Select::All | Select::Data(_) => format!("set {label} holds none of the data asked for"),
        };
        Error::nothing(what, "list its tables with intervault check DEVICE --list")
    }

    fn lost(&self, what: &str, doubt: Doubt<'_>) -> Error {
        match doubt {
            Doubt::Set(set) => Error::damage(
                format!("set {} may have had {what}, and lost it", set.label().label),
                "use another copy of it, or choose an older set with --set",
            ),
            Doubt::Gap(_, gap) => Error::wanted(
                format!("{}, and may have had {what}", words(gap, self.label())),
                "give the device that has it too (--from), or choose an older set with --set",
            ),
            Doubt::Half(half) => Error::wanted(
                half_words(half, what),
                "give the device that has all of it too (--from), or choose that set, or an older one, with --set",
            ),
        }
    }

    fn label(&self) -> &str {
        self.chain.members().first().map_or("", |newest| &newest.label().label)
    }

    fn is_asked_for(&self, view: &SectionView) -> bool {
        // Tables without a time are no part of a time range, unless somebody names them.
        let whole = self.options.request == Request::ALL || view.header.grain != 0;
        match &self.options.select {
            Select::All => whole,
            Select::Data(data) => whole && data.iter().any(|data_type| view.header.data_type & data_type.bit() != 0),
            Select::Tables(names) => names.iter().any(|name| is_same(&view.header.table, name)),
        }
    }
}

/// What a set may have had, in whose place one with other kinds of data was written.
fn half_words(half: &HalfReplaced<'_>, what: &str) -> String {
    let HalfReplaced { set, by, .. } = half;
    let (label, id, other) = (&set.label().label, set.set_id(), &by.label().label);
    format!(
        "set {label} ({id}), which is not whole, may have had a newer state of {what}, and {other}, in its place, has other data"
    )
}

/// The tables named, in the order of their names.
fn in_order<'a, 'n>(
    mut tables: Vec<Vec<MemberSection<'a>>>,
    names: impl Iterator<Item = &'n &'n String>,
    none: impl Fn(&str) -> Error,
) -> Result<Vec<Vec<MemberSection<'a>>>, Error> {
    let mut ordered = Vec::new();
    for name in names {
        let named =
            |table: &Vec<MemberSection<'_>>| table.first().is_some_and(|first| is_same(&first.view.header.table, name));
        let at = tables.iter().position(named).ok_or_else(|| none(name))?;
        ordered.push(tables.swap_remove(at));
    }
    Ok(ordered)
}

fn is_same(table: &str, name: &str) -> bool {
    table.eq_ignore_ascii_case(name)
}

/// Each name once, whatever its case.
fn distinct(names: &[String]) -> Vec<&String> {
    let mut seen = BTreeSet::new();
    names.iter().filter(|name| seen.insert(name.to_ascii_lowercase())).collect()
}
