//! How a volume's label and its name on a device follow from the set: `<label>.<first 8 digits of the set id>.ivv`.
//! Names help to find volumes without opening all of them; they are believed only until the label is read.

use crate::device::name::{VOLUME_SUFFIX, finished_name, own_name};
use crate::format::block::SetId;
use crate::format::label::LabelRecord;

/// The label for people of volume `number` (from 1): the last field, which counts volumes, is replaced.
/// A label whose last field is no number gets one.
///
/// ```
/// use intervault::volume::name::label_of_volume;
/// assert_eq!(label_of_volume("CMS-260104-01-XXAX-00-F-01", 2), "CMS-260104-01-XXAX-00-F-02");
/// assert_eq!(label_of_volume("CMS-260104-01-XXAX-00-F-01", 100), "CMS-260104-01-XXAX-00-F-100");
/// assert_eq!(label_of_volume("spare", 1), "spare-01");
/// ```
#[must_use]
pub fn label_of_volume(label: &str, number: u32) -> String {
    let stem = match label.rsplit_once('-') {
        Some((stem, field)) if is_number(field) => stem,
        _ => label,
    };
    format!("{stem}-{number:02}")
}

/// The name on a device of the volume with this label.
#[must_use]
pub fn volume_name(label: &LabelRecord) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let text: String = label.label.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    format!("{text}.{}{VOLUME_SUFFIX}", short_id(label.set()))
}

/// The first eight digits of a set id, as they stand in names.
#[must_use]
pub fn short_id(set: SetId) -> String {
    set.0.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// What a name says about a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NameParts<'n> {
    /// Label without its last field.
    pub(super) stem: &'n str,
    /// First eight digits of the set id.
    pub(super) short_id: &'n str,
    /// Number of the volume.
    pub(super) number: u32,
}

/// Takes a name apart; `None` if it was not made by [`volume_name`].
pub(super) fn parse_name(name: &str) -> Option<NameParts<'_>> {
    let name = finished_name(name).unwrap_or_else(|| own_name(name));
    let (label, short_id) = name.strip_suffix(VOLUME_SUFFIX)?.rsplit_once('.')?;
    let (stem, field) = label.rsplit_once('-')?;
    if short_id.len() != 8 || !short_id.bytes().all(|byte| byte.is_ascii_hexdigit()) || !is_number(field) {
        return None;
    }
    let number = field.parse().ok().filter(|number| *number > 0)?;
    Some(NameParts { stem, short_id, number })
}

/// The first eight digits of the set id and the number of the volume that a name on a device says; `None` if it was not made by
/// [`volume_name`].
#[must_use]
pub fn told_by_name(name: &str) -> Option<(String, u32)> {
    parse_name(name).map(|parts| (parts.short_id.to_owned(), parts.number))
}

/// The label that a name on a device says, with the number of the volume, and the first eight digits of the set id; `None` if
/// it was not made by [`volume_name`].
#[must_use]
pub fn label_by_name(name: &str) -> Option<(String, String)> {
    let NameParts { stem, short_id, number } = parse_name(name)?;
    Some((format!("{stem}-{number:02}"), short_id.to_owned()))
}

fn is_number(field: &str) -> bool {
    !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_as_they_were_made() {
        let name = "CMS-260104-01-XXAX-00-F-12.00ff10ab.ivv";
        let parts = parse_name(name).unwrap();
        assert_eq!(parts.stem, "CMS-260104-01-XXAX-00-F");
        assert_eq!((parts.short_id, parts.number), ("00ff10ab", 12));
        assert_eq!(parse_name(&format!(".{name}.partial")).as_ref(), Some(&parts));
        assert_eq!(parse_name(&format!("/backup/b/{name}")), Some(parts));
    }

    #[test]
    fn other_names_are_nobody_s() {
        for name in ["a.ivv", "a-1.ivv", "a-1.00ff10a.ivv", "a-x.00ff10ab.ivv", "a-0.00ff10ab.ivv", "a-1.00ff10ab.ivx"]
        {
            assert_eq!(parse_name(name), None, "{name}");
        }
        assert_eq!(parse_name("a-99999999999.00ff10ab.ivv"), None);
    }
}
