//! What every command says of files that have a volume's name and cannot be used.

use crate::check::{Found, Unreadable};
use crate::cli::args::Selection;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::cli::parse::NEWEST;
use crate::error::{Class, Error};
use crate::restore::{Refusal, Rule, may_be_newer};
use crate::volume::chain::Chain;

/// The exit status for them.
pub(super) fn exit_of(found: &Found<'_>) -> Exit {
    found.unreadable.iter().map(|bad| Exit::from(bad.class)).fold(Exit::Done, Exit::worst)
}

/// A warning for each that is told, and one for all the others; `before` stands before each.
pub(super) fn warn(found: &Found<'_>, before: &str, output: &Output) {
    words(found, |_| true).for_each(|what| output.warning(&format!("{before}{what}")));
}

/// The kinds of data that are asked for, as bits of [`data_types`](crate::format::label::data_types).
pub(super) fn bits(selection: Option<&Selection>) -> u32 {
    match selection {
        Some(Selection::Data(data)) => data.iter().map(|data| data.bit()).fold(0, |bits, bit| bits | bit),
        Some(Selection::Tables(_)) | None => u32::MAX,
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
        let notes = words(found, |bad| !begins(bad)).collect();
        let named = set.is_some_and(|set| set != NEWEST);
        let is_newer = |bad: &&Unreadable| !bad.begun && may_be_newer(&bad.name, chain, &found.sets, data_types);
        let newer = found.unreadable.iter().find(is_newer).filter(|_| !(named || partial));
        Beside { notes, newer: newer.map(|bad| refusal(bad, chain)) }
    }

    /// Warns, or ends the work; the exit status for them.
    ///
    /// # Errors
    /// One may be newer.
    pub(super) fn warn(&self, output: &Output) -> Result<Exit, Error> {
        self.notes.iter().for_each(|note| output.warning(note));
        match &self.newer {
            Some(Refusal { what, advice, class: Class::Damage, .. }) => {
                Err(Error::damage(what.clone(), advice.clone()))
            }
            Some(Refusal { what, advice, .. }) => Err(Error::wanted(what.clone(), advice.clone())),
            None if self.notes.is_empty() => Ok(Exit::Done),
            None => Ok(Exit::Warnings),
        }
    }
}

fn refusal(bad: &Unreadable, chain: &Chain<'_>) -> Refusal {
    let newest = chain.members().first().map_or("", |newest| &newest.label().label);
    let (rule, class) = match bad.class {
        Class::Damage => (Rule::Damage, Class::Damage),
        _ => (Rule::MissingVolume, Class::Volume),
    };
    let what =
        format!("{} cannot be used, and by its name it is newer than set {newest}, the newest that can", bad.name);
    let advice =
        "give another copy of it (--from), or say that this older state is meant: its set with --set, or --partial";
    Refusal { rule, what, advice: advice.to_owned(), class }
}

fn words<'f>(found: &'f Found<'_>, says: impl Fn(&Unreadable) -> bool + 'f) -> impl Iterator<Item = String> + 'f {
    let told = found.unreadable.iter().filter(move |bad| says(bad)).map(|bad| format!("{}: {}", bad.name, bad.reason));
    let further = (found.further > 0).then(|| format!("{} further files that cannot be used", found.further));
    told.chain(further)
}
