//! Which sets of the devices a restore draws on: a set alone, or a full one and the incremental ones that build on it.

use super::unusable;
use crate::cli::args::RestoreOptions;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::cli::parse;
use crate::cli::render::text::escape;
use crate::device::traits::Device;
use crate::error::Error;
use crate::format::block::SetId;
use crate::restore::{self, newer_torn};
use crate::volume::chain::{Chain, ChainError, Wanted};
use crate::volume::newest::{self, End, whole_ends};
use crate::volume::set::SetReader;
use std::collections::BTreeSet;

/// The chain that was asked for, or the only one.
///
/// # Errors
/// There is no such set (exit status 10), or nobody can tell which one is meant (9).
pub(super) fn chosen<'a>(
    sets: &'a [SetReader<'a>],
    device: &dyn Device,
    options: &RestoreOptions,
) -> Result<Chain<'a>, Error> {
    let bits = unusable::bits(options, sets);
    wanted(sets, device, options.set.as_deref(), options.stop_at.as_deref(), bits)
}

/// The same by the names of sets; `bits` are the kinds of data of which the newest set has any.
///
/// # Errors
/// As [`chosen`].
pub(super) fn wanted<'a>(
    sets: &'a [SetReader<'a>],
    device: &dyn Device,
    set: Option<&str>,
    stop_at: Option<&str>,
    bits: u32,
) -> Result<Chain<'a>, Error> {
    let newest = match set {
        Some(parse::NEWEST) => Some(newest(sets, device, bits)?.to_string()),
        _ => None,
    };
    let chosen = Chain::choose(sets, Wanted { set: newest.as_deref().or(set), stop_at });
    // A full set of which the end is not here is passed over, with a word if it may be newer: which the clock tells.
    let fulls = |chain: Chain<'a>| {
        let told: Vec<SetId> = chain.passed_over().iter().map(|set| set.set_id()).collect();
        let torn = newer_torn(&chain, sets, bits, now()).into_iter();
        chain.passing_over(torn.filter(|set| !set.label().incremental && !told.contains(&set.set_id())))
    };
    let chosen = chosen.map(|chain| if newest.is_some() || set.is_none() { fulls(chain) } else { chain });
    chosen.map_err(|error| match error {
        ChainError::NoSuchSet(set) => Error::nothing(
            format!("no set {} on {}", escape(&set), device.describe()),
            "list the sets with intervault check DEVICE --list",
        ),
        ChainError::Several(names) => Error::refused(
            format!("{} holds several sets to choose from: {}", device.describe(), names.join("; ")),
            "say which with --set and its label, or the beginning of its id; a set brings those before it in its chain along",
        ),
        ChainError::NoEarlierState(set) => Error::refused(
            format!("set {} is no earlier state of the chain that is restored", escape(&set)),
            "--stop-at names a member of that chain; list them with intervault check DEVICE --list",
        ),
    })
}

/// The whole set with the newest state of the data that are wanted, by the times on labels: the set itself need not have them
/// all, what is missing of them before it is told by what it lists.
///
/// # Errors
/// There is none (exit status 10); sets of several databases are there, or nobody can tell which is the newest (9).
fn newest(sets: &[SetReader<'_>], device: &dyn Device, bits: u32) -> Result<SetId, Error> {
    let now = now();
    let ends = whole_ends(sets, now);
    let labels = ends.iter().filter(|end| end.has_any(bits)).filter_map(End::set).map(SetReader::label);
    let sources: BTreeSet<_> =
        labels.map(|label| (&label.source_store, &label.source_server, &label.source_database)).collect();
    if sources.len() > 1 {
        let names: Vec<String> = sources.iter().map(|(_, server, name)| format!("{name} on {server}")).collect();
        return Err(Error::refused(
            format!("{} holds sets of several databases: {}", device.describe(), names.join("; ")),
            "say which set with --set and its label, or the beginning of its id",
        ));
    }
    let last = newest::newest(&ends, bits, now).map_err(|error| {
        let what = format!("no set on {} has the newest state of all that is wanted: {error}", device.describe());
        Error::refused(what, "say which with --set, or ask for tables or data of one kind")
    })?;
    let none = || format!("no whole backup of these data on {}", device.describe());
    let last = last.ok_or_else(|| Error::nothing(none(), "list the sets with intervault check DEVICE --list"))?;
    Ok(last.set_id())
}

/// Seconds since 1970-01-01 00:00 UTC.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Sets that were passed over where one was chosen, and may be newer than that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// Their ids, with whether no volume of theirs is elsewhere or another set was written in their place, and the words for
    /// people.
    sets: Vec<(SetId, bool, String)>,
}

impl PassedOver {
    /// By a chain.
    pub(super) fn of(chain: &Chain<'_>) -> PassedOver {
        let sets = chain.passed_over().iter().zip(restore::passed_over(chain));
        let stood_for = |set: &SetReader<'_>| set.is_complete() || set.label().incremental || set.lacks_end_only();
        PassedOver { sets: sets.map(|(set, words)| (set.set_id(), stood_for(set), words)).collect() }
    }

    /// Also these.
    pub(super) fn extend(&mut self, further: PassedOver) {
        self.sets.extend(further.sets.into_iter().filter(|set| !self.sets.contains(set)).collect::<Vec<_>>());
    }

    /// Says so.
    pub(super) fn warn(&self, output: &Output) {
        self.sets.iter().for_each(|(.., words)| output.warning(words));
    }

    /// What follows for the exit status: a set that is not all here, and that none stands for, may be the one that is meant.
    pub(super) fn exit(&self) -> Exit {
        let of = |(_, stood_for, _): &(SetId, bool, String)| if *stood_for { Exit::Warnings } else { Exit::Volume };
        self.sets.iter().map(of).fold(Exit::Done, Exit::worst)
    }

    /// Their ids.
    pub fn ids(&self) -> Vec<String> {
        self.sets.iter().map(|(id, ..)| id.to_string()).collect()
    }
}

/// The chain of just these sets, which something that was written down before names: `of`, for people.
///
/// # Errors
/// One of them is not here (exit status 5).
pub(super) fn just<'a>(
    sets: &'a [SetReader<'a>],
    ids: &[SetId],
    device: &dyn Device,
    of: &str,
    advice: &str,
) -> Result<Chain<'a>, Error> {
    Chain::exactly(sets, ids).map_err(|_| {
        let here = |id: &&SetId| sets.iter().any(|set| set.set_id() == **id);
        let missing: Vec<String> = ids.iter().filter(|id| !here(id)).map(SetId::to_string).collect();
        let which = if missing.len() > 1 { "which are" } else { "which is" };
        Error::wanted(format!("{of} set {}, {which} not on {}", missing.join(" and "), device.describe()), advice)
    })
}
