//! What every command says of files that have a volume's name and cannot be used.

use super::chain::now;
use crate::base::time::Instant;
use crate::check::{Found, Unreadable};
use crate::cli::args::{RestoreOptions, Selection};
use crate::cli::exit::Exit;
use crate::cli::job::civil_stamp;
use crate::cli::output::Output;
use crate::cli::parse::NEWEST;
use crate::device::name::finished_name;
use crate::error::{Class, Error};
use crate::restore::{Refusal, Rule, Select, from_the_future, may_be_newer, newer_torn, undated};
use crate::volume::chain::Chain;
use crate::volume::set::SetReader;

/// The exit status for them.
pub(super) fn exit_of(found: &Found<'_>) -> Exit {
    found.unreadable.iter().map(|bad| Exit::from(bad.class)).fold(Exit::Done, Exit::worst)
}

/// A warning for each that is told, and one for all the others; `before` stands before each.
pub(super) fn warn(found: &Found<'_>, before: &str, output: &Output) {
    words(found, |_| true).for_each(|what| output.warning(&format!("{before}{what}")));
}

/// The kinds of data that are asked for, as bits of [`data_types`](crate::format::label::data_types).
pub(super) fn bits(options: &RestoreOptions, sets: &[SetReader<'_>]) -> u32 {
    let tables = match &options.selection {
        Some(Selection::Tables(tables)) => tables.as_slice(),
        _ => &[],
    };
    select(options).kinds(options.request).unwrap_or_else(|| bits_of(tables, sets))
}

/// The kinds of data of these tables, by the sets that have them: all, if none has any, or no table is named.
pub(super) fn bits_of(tables: &[String], sets: &[SetReader<'_>]) -> u32 {
    let headers = sets.iter().flat_map(SetReader::sections).map(|section| &section.header);
    let named = headers.filter(|header| tables.iter().any(|table| table.eq_ignore_ascii_case(&header.table)));
    match named.fold(0, |bits, header| bits | header.data_type) {
        0 => u32::MAX,
        bits => bits,
    }
}

/// The sections that are asked for.
pub(super) fn select(options: &RestoreOptions) -> Select {
    match &options.selection {
        None => Select::All,
        Some(Selection::Data(data)) => Select::Data(data.clone()),
        Some(Selection::Tables(tables)) => Select::Tables(tables.clone()),
    }
}

/// What is said of files that cannot be used where the newest state is read that is here.
pub(super) struct Beside {
    /// What a person should look at.
    pub(super) notes: Vec<String>,
    /// A volume that may be newer than that state, where nobody said that this is meant.
    pub(super) newer: Option<Refusal>,
}

impl Beside {
    /// Beside a chain. `set`: what was named; `data_types`: the kinds of data that are asked for; `partial`: whether what is
    /// here is wanted all the same. Of volumes that are being begun now a notice is given: there is nothing on them.
    pub(super) fn of(
        found: &Found<'_>,
        chain: &Chain<'_>,
        (set, partial): (Option<&str>, bool),
        data_types: u32,
        output: &Output,
    ) -> Beside {
        let begins = |bad: &Unreadable| bad.begun && bad.class == Class::Busy;
        found.unreadable.iter().filter(|bad| begins(bad)).for_each(|bad| output.notice(&format!("{}.", bad.reason)));
        let mut notes: Vec<String> = words(found, |bad| !begins(bad)).collect();
        if set.is_some_and(|set| set != NEWEST) {
            return Beside { notes, newer: None };
        }
        // Without the name there are several to choose from.
        let unknown = undated(chain, &found.sets).into_iter().filter(|_| set.is_some()).map(|set| {
            let what = "was salvaged without its label: nobody knows when it was taken, and it may be newer";
            format!("set {} {what}", set.label().label)
        });
        notes.extend(unknown);
        let now = now();
        let ahead = from_the_future(chain, &found.sets, data_types, now).into_iter().map(|set| {
            let (label, begun) = (&set.label().label, civil_stamp(Instant(set.label().created_civil)));
            format!(
                "set {label} ({}) was begun at {begun} by its label, which is yet to come: it may be newer",
                set.set_id()
            )
        });
        notes.extend(ahead);
        let unfinished = |bad: &Unreadable| bad.begun || finished_name(&bad.name).is_some();
        let is_newer =
            |bad: &&Unreadable| !unfinished(bad) && may_be_newer(&bad.name, chain, &found.sets, data_types, now);
        let newer = found.unreadable.iter().find(is_newer).map(|bad| refusal(bad, chain));
        // Without the name an incremental set that is torn is the one that is chosen, and refused.
        let torn = newer_torn(chain, &found.sets, data_types, now).into_iter();
        let torn = torn.filter(|torn| set.is_some() && torn.label().incremental);
        let mut torn = torn.map(|set| torn_refusal(set, chain));
        if partial {
            notes.extend(torn.map(|torn| torn.what));
            return Beside { notes, newer: None };
        }
        let newer = newer.or_else(|| torn.next());
        Beside { notes, newer }
    }

    /// Warns of all of it; the exit status for them.
    pub(super) fn told(&self, output: &Output) -> Exit {
        let newer = self.newer.iter().map(|newer| (&newer.what, Exit::from(newer.class)));
        let all = self.notes.iter().map(|note| (note, Exit::Warnings)).chain(newer);
        all.fold(Exit::Done, |exit, (what, worse)| {
            output.warning(what);
            exit.worst(worse)
        })
    }

    /// Warns, or ends the work; the exit status for them.
    ///
    /// # Errors
    /// One may be newer.
    pub(super) fn warn(&self, output: &Output) -> Result<Exit, Error> {
        self.notes.iter().for_each(|note| output.warning(note));
        match &self.newer {
            Some(Refusal { what, advice, class, .. }) => Err(Error::of_class(*class, what.clone(), advice.clone())),
            None if self.notes.is_empty() => Ok(Exit::Done),
            None => Ok(Exit::Warnings),
        }
    }
}

/// What to try where something that cannot be used may be newer.
const OLDER: &str =
    "give another copy of it (--from), or say that this older state is meant: its set with --set, or --partial";

fn refusal(bad: &Unreadable, chain: &Chain<'_>) -> Refusal {
    let newest = chain.members().first().map_or("", |newest| &newest.label().label);
    let rule = if bad.class == Class::Damage { Rule::Damage } else { Rule::MissingVolume };
    let class = match bad.class {
        class @ (Class::Damage | Class::NotPermitted) => class,
        _ => Class::Volume,
    };
    let what =
        format!("{} cannot be used, and by its name it may be newer than set {newest}, the newest that can", bad.name);
    Refusal { rule, what, advice: OLDER.to_owned(), class }
}

/// Why a set that is not all here ends the work where the last whole one is asked for.
fn torn_refusal(set: &SetReader<'_>, chain: &Chain<'_>) -> Refusal {
    let newest = chain.members().first().map_or("", |newest| &newest.label().label);
    let (label, id) = (&set.label().label, set.set_id());
    let what = format!("set {label} ({id}) may be newer than set {newest}, the last whole one, and is not whole here");
    if let Some(who) = set.writer() {
        let what = format!("{what}: it is being written now{who}");
        let advice = "wait until that is done, or say that this older state is meant: its set with --set, or --partial";
        return Refusal { rule: Rule::IncompleteSet, what, advice: advice.to_owned(), class: Class::Busy };
    }
    let damaged = set.missing_volumes().is_empty() || !set.damage().is_empty();
    let (rule, class) = if damaged { (Rule::Damage, Class::Damage) } else { (Rule::MissingVolume, Class::Volume) };
    Refusal { rule, what, advice: OLDER.to_owned(), class }
}

fn words<'f>(found: &'f Found<'_>, says: impl Fn(&Unreadable) -> bool + 'f) -> impl Iterator<Item = String> + 'f {
    let told = found.unreadable.iter().filter(move |bad| says(bad)).map(|bad| format!("{}: {}", bad.name, bad.reason));
    let further = (found.further > 0).then(|| format!("{} further files that cannot be used", found.further));
    told.chain(further)
}
