//! Which sets of the devices a restore draws on: a set alone, or a full one and the incremental ones that build on it.

use crate::cli::args::RestoreOptions;
use crate::cli::render::text::escape;
use crate::device::traits::Device;
use crate::error::Error;
use crate::format::block::SetId;
use crate::volume::chain::{Chain, ChainError, Wanted};
use crate::volume::set::SetReader;

/// The chain that was asked for, or the only one.
///
/// # Errors
/// There is no such set (exit status 10), or nobody can tell which one is meant (9).
pub(super) fn chosen<'a>(
    sets: &'a [SetReader<'a>],
    device: &dyn Device,
    options: &RestoreOptions,
) -> Result<Chain<'a>, Error> {
    wanted(sets, device, options.set.as_deref(), options.stop_at.as_deref())
}

/// The same by the names of sets.
///
/// # Errors
/// As [`chosen`].
pub(super) fn wanted<'a>(
    sets: &'a [SetReader<'a>],
    device: &dyn Device,
    set: Option<&str>,
    stop_at: Option<&str>,
) -> Result<Chain<'a>, Error> {
    let wanted = Wanted { set, stop_at };
    Chain::choose(sets, wanted).map_err(|error| match error {
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
