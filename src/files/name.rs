//! Names of files as bytes: which may stand in a tree, in which order, where they are restored, and how they are printed.
//! Pure.

use std::cmp::Ordering;
use std::fmt::Write as _;

/// Longest path in a tree, in bytes.
pub const PATH_BYTES_MAX: usize = 4_096;
/// Longest component of a path, in bytes.
pub const COMPONENT_BYTES_MAX: usize = 255;

/// The components of a path; none for the tree's root.
pub fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(move |_| !path.is_empty())
}

/// The folder that a path lies in, and its last component; the root lies nowhere.
#[must_use]
pub fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    Some(match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at.saturating_add(1)..).unwrap_or_default()),
        None => (&[], path),
    })
}

/// A path with one more component.
#[must_use]
pub fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

/// Whether a path is `folder` or lies somewhere in it.
#[must_use]
pub fn within(path: &[u8], folder: &[u8]) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
}

/// Why a path may not stand in a tree; `None` if it may. The empty path is the root's.
///
/// ```
/// use intervault::files::name::fault;
/// assert_eq!(fault(b"etc/cms/adm.cfg"), None);
/// assert!(fault(b"../etc/passwd").unwrap().contains(".."));
/// assert!(fault(b"/etc/passwd").is_some() && fault(b"a//b").is_some() && fault(b"a\0b").is_some());
/// ```
#[must_use]
pub fn fault(path: &[u8]) -> Option<&'static str> {
    if path.len() > PATH_BYTES_MAX {
        return Some("it is longer than 4096 bytes");
    }
    if path.contains(&0) {
        return Some("it contains a zero byte");
    }
    if path.first() == Some(&b'/') {
        return Some("it is absolute");
    }
    components(path).find_map(|component| match component {
        b"" => Some("a component of it is empty"),
        b"." | b".." => Some("it contains . or .. as a component"),
        long if long.len() > COMPONENT_BYTES_MAX => Some("a component of it is longer than 255 bytes"),
        _ => None,
    })
}

/// The order of a tree's rows: by component, so that what lies in a folder follows it at once.
///
/// ```
/// use intervault::files::name::order;
/// assert!(order(b"a", b"a/b").is_lt() && order(b"a/b", b"a-b").is_lt() && b"a/b"[..] > b"a-b"[..]);
/// ```
#[must_use]
pub fn order(one: &[u8], other: &[u8]) -> Ordering {
    components(one).cmp(components(other))
}

/// Where a tree is restored below the target folder: its name without what makes it absolute, and without empty components and
/// dots. `None` if its name leads upwards or is no path.
///
/// ```
/// use intervault::files::name::placed;
/// assert_eq!(placed("/cms/db/ext").as_deref(), Some(&b"cms/db/ext"[..]));
/// assert_eq!(placed("./data/").as_deref(), Some(&b"data"[..]));
/// assert_eq!((placed("/").as_deref(), placed("../data"), placed("hsplit")), (Some(&b""[..]), None, None));
/// ```
#[must_use]
pub fn placed(tree: &str) -> Option<Vec<u8>> {
    let kept = tree.as_bytes().split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    let path = kept.collect::<Vec<_>>().join(&b'/');
    (tree.contains('/') && fault(&path).is_none()).then_some(path)
}

/// A path as it is printed: what acts on a terminal and what is no UTF-8 is written out.
///
/// ```
/// use intervault::files::name::shown;
/// assert_eq!(shown(b"two\nlines \x1b[31m \xff"), r"two\nlines \x1b[31m \xff");
/// assert_eq!(shown("Grüße".as_bytes()), "Grüße");
/// assert_eq!(shown(b""), ".");
/// ```
#[must_use]
pub fn shown(path: &[u8]) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    let mut out = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' | '\t' | '\r' | '\\' => out.extend(c.escape_default()),
                c if c.is_ascii_control() => hex(&mut out, c as u8),
                c if c.is_control() => out.extend(c.escape_unicode()),
                c => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| hex(&mut out, *byte));
    }
    out
}

fn hex(out: &mut String, byte: u8) {
    // A string takes all that is written to it.
    let _written = write!(out, "\\x{byte:02x}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_no_names() {
        for bad in ["/", "/a", "..", ".", "a/..", "a/../b", "./a", "a/", "a//b", "a/./b"] {
            assert!(fault(bad.as_bytes()).is_some(), "{bad}");
        }
        for good in ["", "a", "...", "..a", "a..", " ", "-rf", "a/b/c", "\n"] {
            assert_eq!(fault(good.as_bytes()), None, "{good}");
        }
        let component = |length: usize| fault(&vec![b'x'; length]).is_none();
        assert!(component(255) && !component(256));
        let deep = [b"xy/".repeat(1_365), b"z".to_vec()].concat();
        assert_eq!((deep.len(), fault(&deep), fault(&join(&deep, b"z")).is_some()), (4_096, None, true));
    }

    #[test]
    fn paths_are_cut_and_put_together() {
        assert_eq!(
            (split(b""), split(b"a"), split(b"a/b/c")),
            (None, Some((&b""[..], &b"a"[..])), Some((&b"a/b"[..], &b"c"[..])))
        );
        assert_eq!((join(b"", b"a"), join(b"a", b"b")), (b"a".to_vec(), b"a/b".to_vec()));
        assert!(within(b"a/b", b"a") && within(b"a", b"a") && within(b"a", b"") && !within(b"ab", b"a"));
        assert_eq!(components(b"").count(), 0);
    }

    #[test]
    fn the_order_is_that_of_a_walk() {
        let mut paths: Vec<&[u8]> = vec![b"b", b"a-b", b"a/b", b"", b"a/b/c", b"a", b"a/a\xff", b"a/a"];
        paths.sort_by(|a, b| order(a, b));
        let expected: Vec<&[u8]> = vec![b"", b"a", b"a/a", b"a/a\xff", b"a/b", b"a/b/c", b"a-b", b"b"];
        assert_eq!(paths, expected);
    }
}
