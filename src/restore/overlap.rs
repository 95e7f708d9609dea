//! File trees that lie in each other: what one tree gives, those behind it do not give again. Pure.

use crate::files::name::within;
use crate::format::block::SetId;
use std::collections::HashMap;

/// Who gives which path. Keeps some 20 bytes of each path that lies where a later tree goes too; nothing where no trees meet.
#[derive(Debug, Default)]
pub(super) struct Overlap {
    /// Where the trees go, in order, and where they come from.
    trees: Vec<(Vec<u8>, Origin)>,
    /// The tree at hand.
    number: usize,
    /// Places of the trees behind it that meet it, and whether any before it does.
    behind: Vec<Vec<u8>>,
    before: bool,
    /// Paths that were given, by their hash: by which tree, and whether as a folder.
    given: HashMap<[u8; 16], (usize, bool)>,
}

/// What a tree was named under: the root of the file system; or a folder that nobody knows, the same for trees of one set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Root,
    FolderOf(SetId),
}

/// Whether a path is the tree's at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is.
    Its,
    /// A tree before it gave that path.
    Given,
    /// A tree before it gave something else of that path.
    Clash,
}

impl Overlap {
    /// For trees that go to these places, in this order.
    pub(super) fn new(trees: Vec<(Vec<u8>, Origin)>) -> Overlap {
        Overlap { trees, ..Overlap::default() }
    }

    /// Begins with a tree, by its number from 0.
    pub(super) fn begin(&mut self, number: usize) {
        self.number = number;
        let Some((own, _)) = self.trees.get(number) else { return };
        let meets = |place: &[u8]| within(place, own) || within(own, place);
        self.before = self.trees.iter().take(number).any(|(place, _)| meets(place));
        let behind = self.trees.iter().skip(number.saturating_add(1)).map(|(place, _)| place);
        self.behind = behind.filter(|place| meets(place)).cloned().collect();
    }

    /// Whether the tree at hand gives a path below the folder; remembers that it does.
    pub(super) fn turn(&mut self, path: &[u8], folder: bool) -> Turn {
        if self.before
            && let Some((by, as_folder)) = self.given.get(&key(path))
        {
            let origin = |number: usize| self.trees.get(number).map(|(_, origin)| *origin);
            let alike = origin(*by) == origin(self.number);
            // A folder may hold what both have; and what one has as a folder goes before what is none.
            let given = match (*as_folder, folder) {
                (as_folder, true) => as_folder,
                (_, false) => alike,
            };
            return if given { Turn::Given } else { Turn::Clash };
        }
        if self.behind.iter().any(|place| within(path, place)) {
            self.given.insert(key(path), (self.number, folder));
        }
        Turn::Its
    }

    /// A path is not given after all.
    pub(super) fn take_back(&mut self, path: &[u8]) {
        if !self.behind.is_empty() {
            self.given.remove(&key(path));
        }
    }
}

fn key(path: &[u8]) -> [u8; 16] {
    let mut key = [0; 16];
    key.iter_mut().zip(blake3::hash(path).as_bytes()).for_each(|(to, from)| *to = *from);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlap(places: &[&str]) -> Overlap {
        Overlap::new(places.iter().map(|place| (place.as_bytes().to_vec(), Origin::Root)).collect())
    }

    #[test]
    fn the_first_tree_that_has_a_path_gives_it() {
        let mut overlap = overlap(&["cms", "var", "cms/db", ""]);
        overlap.begin(0);
        for (path, folder) in [("cms", true), ("cms/db", true), ("cms/db/a", false), ("cms/torn", false)] {
            assert_eq!(overlap.turn(path.as_bytes(), folder), Turn::Its);
        }
        overlap.take_back(b"cms/torn");
        overlap.begin(1);
        assert_eq!(overlap.turn(b"var", true), Turn::Its);
        overlap.begin(2);
        let turns = [("cms/db", true), ("cms/db/a", false), ("cms/db/b", false)]
            .map(|(path, folder)| overlap.turn(path.as_bytes(), folder));
        assert_eq!(turns, [Turn::Given, Turn::Given, Turn::Its]);
        overlap.begin(3);
        assert_eq!(overlap.turn(b"cms/torn", false), Turn::Its);
        assert_eq!((overlap.turn(b"cms/db/b", false), overlap.turn(b"etc", true)), (Turn::Given, Turn::Its));
        assert_eq!((overlap.turn(b"cms/db/a", true), overlap.turn(b"var", false)), (Turn::Clash, Turn::Given));
    }

    #[test]
    fn trees_of_different_folders_meet_in_folders_only() {
        let of = |set: u8| Origin::FolderOf(SetId([set; 16]));
        for (one, other, alike) in [
            (Origin::Root, Origin::Root, true),
            (of(1), of(1), true),
            (of(1), of(2), false),
            (Origin::Root, of(1), false),
        ] {
            let mut overlap = Overlap::new(vec![(b"data".to_vec(), one), (b"data".to_vec(), other)]);
            overlap.begin(0);
            for (path, folder) in [("data", true), ("data/a", false), ("data/b", true)] {
                assert_eq!(overlap.turn(path.as_bytes(), folder), Turn::Its);
            }
            overlap.begin(1);
            let file = if alike { Turn::Given } else { Turn::Clash };
            for (path, folder, turn) in [
                ("data", true, Turn::Given),
                ("data/a", false, file),
                ("data/a", true, Turn::Clash),
                ("data/b", true, Turn::Given),
                ("data/b", false, file),
                ("data/c", false, Turn::Its),
            ] {
                assert_eq!(overlap.turn(path.as_bytes(), folder), turn, "{path}, {one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn where_no_trees_meet_nothing_is_kept() {
        let mut overlap = overlap(&["cms", "cms-old", "var"]);
        for (number, path) in ["cms/a", "cms-old/a", "var/a"].into_iter().enumerate() {
            overlap.begin(number);
            assert_eq!(overlap.turn(path.as_bytes(), false), Turn::Its);
        }
        assert!(overlap.given.is_empty());
    }
}
