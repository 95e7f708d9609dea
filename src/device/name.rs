//! The names of volumes on a device: what is finished and what is not can be told from the name alone.

/// What the name of every finished volume ends in.
pub const VOLUME_SUFFIX: &str = ".ivv";

const PARTIAL_PREFIX: &str = ".";
const PARTIAL_SUFFIX: &str = ".partial";

/// The name under which a volume stands until it is finished.
///
/// ```
/// use intervault::device::name::{finished_name, partial_name};
/// let partial = partial_name("a.ivv");
/// assert_eq!(partial, ".a.ivv.partial");
/// assert_eq!(finished_name(&partial), Some("a.ivv"));
/// assert_eq!(finished_name("a.ivv"), None);
/// ```
#[must_use]
pub fn partial_name(name: &str) -> String {
    format!("{PARTIAL_PREFIX}{name}{PARTIAL_SUFFIX}")
}

/// The name that an unfinished volume would have got, or `None` if `name` is not that of an unfinished volume.
#[must_use]
pub fn finished_name(name: &str) -> Option<&str> {
    name.strip_prefix(PARTIAL_PREFIX)?.strip_suffix(PARTIAL_SUFFIX).filter(|rest| !rest.is_empty())
}

/// Whether a device lists this name: that of a volume, finished or not.
#[must_use]
pub fn is_volume_name(name: &str) -> bool {
    finished_name(name).unwrap_or(name).ends_with(VOLUME_SUFFIX)
}
