//! Whether the rows of a tree make one: each path once and in order, in a folder that stands before it, each file's pieces
//! together, the totals at the end. What does not is no tree that this program wrote, and nothing of it is restored. Pure.

use super::entry::Kind;
use super::name::{fault, order, shown, within};
use super::rows::Row;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It begins something: a folder, a link, the first piece of a file.
    First,
    /// It goes on with the file of the row before.
    Next,
    /// It is a piece of a file whose beginning is lost, or a further name of a file that is lost.
    Lost,
}

/// Files that are remembered, by a hash of 8 bytes each: some 20 MB. Of a tree with more of them further names are looked at only
/// when they are written.
const FILES_KNOWN_MAX: usize = 1 << 20;

/// The files of a tree so far. What is said not to be one is none; another path may be taken for one once in 2^44 times.
#[derive(Debug, Default)]
struct Files {
    hasher: RandomState,
    hashes: HashSet<u64>,
    full: bool,
}

impl Files {
    fn add(&mut self, path: &[u8]) {
        self.full |= self.hashes.len() >= FILES_KNOWN_MAX;
        if !self.full {
            self.hashes.insert(self.hasher.hash_one(path));
        }
    }

    fn may_have(&self, path: &[u8]) -> bool {
        self.full || self.hashes.contains(&self.hasher.hash_one(path))
    }
}

/// Looks at the rows of a tree one by one, in their order.
#[derive(Debug, Default)]
pub struct Order {
    last: Option<Vec<u8>>,
    /// Whether the last path is that of a folder.
    folder: bool,
    /// The piece that a file still needs.
    wanted: Option<u64>,
    /// The folders that the last path lies in, itself included if it is one.
    folders: Vec<Vec<u8>>,
    ended: bool,
    /// Whether rows are missing somewhere, and whether just before the next row.
    gaps: bool,
    gap: bool,
    /// The file whose pieces are not all there.
    torn: Option<Vec<u8>>,
    /// Those whose pieces are.
    files: Files,
}

impl Order {
    /// Rows are missing here. Files that this tears are given by [`Order::torn`].
    pub fn gap(&mut self) {
        (self.gaps, self.gap) = (true, true);
        self.tear();
    }

    fn tear(&mut self) {
        if self.wanted.take().is_some() {
            self.torn = self.last.clone();
        }
    }

    /// The file that turned out to be torn since this was last asked, or the further name of one.
    pub fn torn(&mut self) -> Option<Vec<u8>> {
        self.torn.take()
    }

    /// Whether the totals have been seen.
    #[must_use]
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// Looks at the next row.
    ///
    /// # Errors
    /// The rows are no tree; the text says at which path, and why.
    pub fn look(&mut self, row: &Row<'_>) -> Result<Place, String> {
        let gap = std::mem::take(&mut self.gap);
        if self.ended {
            return Err("rows follow the totals".to_owned());
        }
        if row.kind == Kind::Totals {
            self.ended = true;
            return match (row.path.is_empty(), self.wanted) {
                (true, None) => Ok(Place::First),
                _ => Err("the totals stand in the wrong place".to_owned()),
            };
        }
        let wrong = |why: &str| Err(format!("{}: {why}", shown(row.path)));
        if let Some(fault) = fault(row.path) {
            return wrong(fault);
        }
        let same = self.last.as_deref() == Some(row.path);
        if let Some(wanted) = self.wanted {
            if !same || row.kind != Kind::File || row.piece != wanted {
                return wrong("the pieces of a file do not follow each other");
            }
            self.wanted = if row.last { None } else { wanted.checked_add(1) };
            if row.last {
                self.files.add(row.path);
            }
            return Ok(Place::Next);
        }
        if gap && same && row.kind == Kind::File && row.piece > 0 {
            return Ok(self.lost(row));
        }
        if self.last.as_ref().is_some_and(|last| order(last, row.path).is_ge()) {
            return wrong("it does not stand in its order");
        }
        self.enter(row)?;
        if row.piece > 0 {
            return if gap { Ok(self.lost(row)) } else { wrong("the beginning of the file is missing") };
        }
        match row.kind {
            Kind::OtherName => return self.other_name(row),
            Kind::File if row.last => self.files.add(row.path),
            Kind::File => self.wanted = Some(1),
            Kind::Folder | Kind::Link | Kind::Totals => {}
        }
        Ok(Place::First)
    }

    fn other_name(&mut self, row: &Row<'_>) -> Result<Place, String> {
        let before = fault(row.link).is_none() && order(row.link, row.path).is_lt();
        match before && self.files.may_have(row.link) {
            true => Ok(Place::First),
            false if before && self.gaps => {
                self.torn = Some(row.path.to_vec());
                Ok(Place::Lost)
            }
            false => Err(format!("{}: it names another file that does not stand before it", shown(row.path))),
        }
    }

    fn lost(&mut self, row: &Row<'_>) -> Place {
        // What follows of this file is lost with its beginning.
        self.torn = Some(row.path.to_vec());
        self.gap = !row.last;
        Place::Lost
    }

    /// The path becomes the last one; the folder that it lies in must be one.
    fn enter(&mut self, row: &Row<'_>) -> Result<(), String> {
        let wrong = |why: &str| Err(format!("{}: {why}", shown(row.path)));
        if self.last.as_ref().is_some_and(|last| !self.folder && within(row.path, last)) {
            return wrong("it lies in something that is no folder");
        }
        while self.folders.last().is_some_and(|folder| !within(row.path, folder)) {
            self.folders.pop();
        }
        let parent = super::name::split(row.path).map(|(folder, _)| folder);
        let known = self.folders.last().map(Vec::as_slice) == parent;
        if !known && !self.gaps {
            return wrong("the folder that it lies in does not stand before it");
        }
        self.folder = row.kind == Kind::Folder;
        if self.folder {
            self.folders.push(row.path.to_vec());
        }
        self.last = Some(row.path.to_vec());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Meta, State};
    use super::*;

    fn row(kind: Kind, path: &'static str, piece: u64, last: bool) -> Row<'static> {
        let path = path.as_bytes();
        Row { path, kind, piece, last, meta: Meta::default(), ..Row::totals(0, 0, State::Sound) }
    }

    fn folder(path: &'static str) -> Row<'static> {
        row(Kind::Folder, path, 0, true)
    }

    fn file(path: &'static str, piece: u64, last: bool) -> Row<'static> {
        row(Kind::File, path, piece, last)
    }

    fn look(rows: &[Row<'_>]) -> Result<Vec<Place>, String> {
        let mut order = Order::default();
        rows.iter().map(|row| order.look(row)).collect()
    }

    #[test]
    fn a_tree_is_one() {
        let link = Row { link: b"../..", ..row(Kind::Link, "b", 0, true) };
        let other = Row { link: b"a/x", ..row(Kind::OtherName, "c", 0, true) };
        let rows = [
            folder(""),
            folder("a"),
            file("a/x", 0, false),
            file("a/x", 1, true),
            folder("a/y"),
            file("a-b", 0, true),
            link,
            other,
            Row::totals(2, 0, State::Sound),
        ];
        let places = look(&rows).unwrap();
        assert_eq!(places.iter().filter(|place| **place == Place::Next).count(), 1);
        assert_eq!(look(&[file("", 0, true), Row::totals(1, 0, State::Sound)]).unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        let link = |path| Row { link: b"/etc", ..row(Kind::Link, path, 0, true) };
        let other = |to: &'static [u8]| Row { link: to, ..row(Kind::OtherName, "b", 0, true) };
        let cases: &[(&[Row<'_>], &str)] = &[
            (&[folder(""), folder("../a")], "contains . or .."),
            (&[folder(""), file("/etc/passwd", 0, true)], "absolute"),
            (&[folder(""), link("a"), file("a/passwd", 0, true)], "no folder"),
            (&[folder(""), file("a", 0, true), file("a/x", 0, true)], "no folder"),
            (&[folder(""), folder("a"), link("a")], "order"),
            (&[folder(""), link("a"), folder("a")], "order"),
            (&[folder(""), file("b", 0, true), file("a", 0, true)], "order"),
            (&[folder(""), folder("")], "order"),
            (&[folder(""), file("a/x", 0, true)], "does not stand before it"),
            (&[file("x", 0, true)], "does not stand before it"),
            (&[folder(""), file("x", 1, true)], "beginning"),
            (&[folder(""), file("x", 0, false), file("x", 2, true)], "follow"),
            (&[folder(""), file("x", 0, false), file("y", 0, true)], "follow"),
            (&[folder(""), file("x", 0, true), file("x", 1, true)], "order"),
            (&[folder(""), file("x", 0, false), Row::totals(1, 0, State::Sound)], "totals"),
            (&[Row::totals(0, 0, State::Sound), folder("")], "totals"),
            (&[folder(""), other(b"z")], "before it"),
            (&[folder(""), other(b"b")], "before it"),
            (&[folder(""), other(b"../a")], "before it"),
        ];
        for (at, (rows, part)) in cases.iter().enumerate() {
            let error = look(rows).unwrap_err();
            assert!(error.contains(part), "case {at}: {error}");
        }
    }

    /// Numbers that look random and are the same every time.
    fn random(state: &mut u64, below: usize) -> usize {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as usize % below
    }

    /// Whatever is accepted, no path goes through something that is no folder, and no path comes twice.
    #[test]
    fn no_rows_that_are_accepted_lead_through_a_link() {
        const PATHS: [&str; 9] = ["", "..", "a", "a/b", "a/b/c", "a/c", "a-b", "b", "b/a"];
        let (mut state, mut accepted, mut most) = (7, 0, 0);
        for _ in 0..60_000 {
            let (mut order, mut seen) = (Order::default(), Vec::<(&str, Kind)>::new());
            let mut at = 0;
            for _ in 0..7 {
                if random(&mut state, 16) == 0 {
                    order.gap();
                }
                let kind = [Kind::Folder, Kind::Folder, Kind::Folder, Kind::Link, Kind::OtherName, Kind::File];
                let kind = kind[random(&mut state, 6)];
                let piece = if kind == Kind::File { random(&mut state, 2) as u64 } else { 0 };
                let last = kind != Kind::File || random(&mut state, 3) > 0;
                let given = Row { link: b"a", ..row(kind, PATHS[at], piece, last) };
                let Ok(place) = order.look(&given) else { break };
                accepted += 1;
                if place == Place::First {
                    let path = PATHS[at];
                    assert_ne!(path, "..");
                    assert!(seen.iter().all(|(known, _)| *known != path), "{path} twice in {seen:?}");
                    let through = seen
                        .iter()
                        .find(|(known, kind)| *kind != Kind::Folder && within(path.as_bytes(), known.as_bytes()));
                    assert_eq!(through, None, "{path} after {seen:?}");
                    seen.push((path, kind));
                    most = most.max(seen.len());
                }
                // Mostly one of the next, which are in order; sometimes any.
                at = if random(&mut state, 8) == 0 { random(&mut state, 9) } else { at + random(&mut state, 3) }.min(8);
            }
        }
        assert!(accepted > 50_000 && most >= 6, "{accepted} rows, at most {most} paths");
    }

    #[test]
    fn where_rows_are_missing_torn_files_are_told_and_links_still_lead_nowhere() {
        let mut order = Order::default();
        order.look(&folder("")).unwrap();
        order.look(&file("a", 0, false)).unwrap();
        order.gap();
        assert_eq!(order.torn().as_deref(), Some(&b"a"[..]));
        assert_eq!(order.look(&file("a", 2, false)), Ok(Place::Lost));
        assert_eq!(order.look(&file("a", 3, true)), Ok(Place::Lost));
        assert_eq!(order.look(&file("b/c/d", 0, true)), Ok(Place::First));
        order.gap();
        assert_eq!(order.look(&file("b/x", 4, true)), Ok(Place::Lost));
        assert_eq!(order.torn().as_deref(), Some(&b"b/x"[..]));
        let link = Row { link: b"/etc", ..row(Kind::Link, "c", 0, true) };
        assert_eq!(order.look(&link), Ok(Place::First));
        order.gap();
        assert!(order.look(&file("c/passwd", 0, true)).is_err());
    }

    #[test]
    fn a_further_name_is_one_of_a_file_that_stood_before_it() {
        let other = |path, to: &'static [u8]| Row { link: to, ..row(Kind::OtherName, path, 0, true) };
        let begin = [folder(""), file("a", 0, false), file("a", 1, true), folder("b"), file("b/c", 0, true)];
        let look = |last: Row<'static>, gap: bool| {
            let mut order = Order::default();
            for row in &begin {
                order.look(row).unwrap();
            }
            if gap {
                order.gap();
            }
            order.look(&last).map(|place| (place, order.torn()))
        };
        for gap in [false, true] {
            assert_eq!(look(other("z", b"a"), gap), Ok((Place::First, None)));
            assert_eq!(look(other("z", b"b/c"), gap), Ok((Place::First, None)));
            for named in [&b"z"[..], b"zz", b"../a", b"/a"] {
                assert!(look(other("z", named), gap).is_err(), "{}", named.escape_ascii());
            }
            // A folder, the root, and nothing: with rows missing, a file of that name may have been among these.
            for named in [&b"b"[..], b"", b"b/d"] {
                let looked = look(other("z", named), gap);
                let expected = gap.then(|| (Place::Lost, Some(b"z".to_vec())));
                assert_eq!(looked.ok(), expected, "{}", named.escape_ascii());
            }
        }
    }

    #[test]
    fn files_are_remembered_up_to_a_bound_and_then_taken_to_be_known() {
        let mut files = Files::default();
        let path = |number: u32| number.to_le_bytes();
        (0..FILES_KNOWN_MAX as u32).for_each(|number| files.add(&path(number)));
        assert!(files.may_have(&path(7)) && !files.may_have(b"other"));
        files.add(b"one more");
        assert!(files.may_have(b"other") && files.hashes.len() == FILES_KNOWN_MAX);
    }
}
