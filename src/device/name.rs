//! The names of volumes on a device: what is finished and what is not can be told from the name alone.

/// What the name of every finished volume ends in.
pub const VOLUME_SUFFIX: &str = ".ivv";

/// Stands between a place and the name of a volume there; no device has it in a volume's own name.
const SEPARATOR: char = '/';

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

/// A volume's own name, without the place that stands before it where several places hold a volume of that name.
///
/// ```
/// use intervault::device::name::{own_name, placed_name};
/// let placed = placed_name("/backup/b", "a.ivv");
/// assert_eq!((placed.as_str(), own_name(&placed)), ("/backup/b/a.ivv", "a.ivv"));
/// assert_eq!(own_name("a.ivv"), "a.ivv");
/// ```
#[must_use]
pub fn own_name(name: &str) -> &str {
    name.rsplit_once(SEPARATOR).map_or(name, |(_, own)| own)
}

/// The name of one of several volumes that have the same name in different places.
#[must_use]
pub fn placed_name(place: &str, name: &str) -> String {
    format!("{place}{SEPARATOR}{name}")
}

/// Place and own name of what [`placed_name`] made; `None` for a name without a place.
#[must_use]
pub fn split_place(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once(SEPARATOR)
}

/// The name that an unfinished volume would have got, or `None` if `name` is not that of an unfinished volume. A place
/// before the name is looked past.
#[must_use]
pub fn finished_name(name: &str) -> Option<&str> {
    own_name(name).strip_prefix(PARTIAL_PREFIX)?.strip_suffix(PARTIAL_SUFFIX).filter(|rest| !rest.is_empty())
}

/// Whether a device lists this name: that of a volume, finished or not.
#[must_use]
pub fn is_volume_name(name: &str) -> bool {
    finished_name(name).unwrap_or(name).ends_with(VOLUME_SUFFIX)
}
