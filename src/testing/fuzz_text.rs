//! Fuzz bodies of what people and databases write: the catalogue of tables, sets of files, the rows of a file tree.

use crate::files::entry::{Kind, Meta, State};
use crate::files::name::{fault, order};
use crate::files::order::{Order, Place};
use crate::files::rows::Row;
use crate::files::sets::FileSets;
use crate::schema::catalogue::Catalogue;

/// Text as a catalogue of tables and as sets of files: what is accepted is written out and read again as the same.
///
/// # Panics
/// If it is not.
pub fn catalogue(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(catalogue) = Catalogue::parse(&text) {
        let written = catalogue.to_toml();
        let again = Catalogue::parse(&written);
        assert!(again.is_ok(), "a catalogue cannot be read as it is written: {written}");
        assert_eq!(again.map(|again| again.to_toml()).ok(), Some(written), "a catalogue is written in two ways");
    }
    if let Ok(sets) = FileSets::parse(&text) {
        assert!(sets.of_server("mas1").all(|set| !set.name.is_empty()), "a set without a name");
    }
}

/// A row of a made-up tree.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Made {
    path: Vec<u8>,
    kind: Kind,
    piece: u64,
    last: bool,
    link: Vec<u8>,
}

/// Rows from bytes: paths of a few letters, mostly one that follows the one before.
fn rows(data: &[u8]) -> Vec<Made> {
    const NAMES: [&[u8]; 12] =
        [b"", b"a", b"a/b", b"a/b/c", b"a/c", b"b", b"a-b", b"b/", b"../a", b"a//b", b"b/\0", b"c"];
    let name = |byte: u8| NAMES.get(usize::from(byte) % NAMES.len()).copied().unwrap_or_default().to_vec();
    let row = |bytes: &[u8]| {
        let [path, what, piece, link] = *bytes else { return None };
        let kind = Kind::from_id(i64::from(what % 5))?;
        Some(Made { path: name(path), kind, piece: u64::from(piece % 4), last: what < 128, link: name(link) })
    };
    data.chunks_exact(4).filter_map(row).collect()
}

/// Whether the rows, of which none is missing, make the beginning of a tree: said in other words than the engine's.
fn is_tree(rows: &[Made]) -> bool {
    let parent = |path: &[u8]| path.iter().rposition(|byte| *byte == b'/').map_or(Vec::new(), |at| path[..at].to_vec());
    rows.iter().enumerate().all(|(at, row)| {
        let before = rows.get(..at).unwrap_or_default();
        let torn = before.last().is_some_and(|last| last.kind == Kind::File && !last.last);
        if before.iter().any(|row| row.kind == Kind::Totals) {
            return false;
        }
        if row.kind == Kind::Totals {
            return row.path.is_empty() && !torn;
        }
        if fault(&row.path).is_some() {
            return false;
        }
        if torn {
            let last = before.last();
            return last.is_some_and(|last| last.path == row.path && last.piece + 1 == row.piece)
                && row.kind == Kind::File;
        }
        let ascends = before.last().is_none_or(|last| order(&last.path, &row.path).is_lt());
        let folder = |path: &[u8]| before.iter().any(|row| row.kind == Kind::Folder && row.path == path);
        let placed = if row.path.is_empty() { before.is_empty() } else { folder(&parent(&row.path)) };
        let whole = |path: &[u8]| before.iter().any(|row| row.kind == Kind::File && row.path == path);
        let named = row.kind != Kind::OtherName || whole(&row.link);
        ascends && placed && row.piece == 0 && named
    })
}

/// Rows of a file tree: the engine says of each row what a second, slow judge says.
///
/// # Panics
/// If the two differ.
pub fn files(data: &[u8]) {
    let rows = rows(data);
    let mut order = Order::default();
    for (at, made) in rows.iter().enumerate() {
        let row = Row {
            path: &made.path,
            kind: made.kind,
            piece: made.piece,
            last: made.last,
            link: &made.link,
            meta: Meta::default(),
            ..Row::totals(0, 0, State::Sound)
        };
        let said = order.look(&row);
        let right = is_tree(rows.get(..=at).unwrap_or_default());
        assert_eq!(said.is_ok(), right, "row {at} of {rows:?}: {said:?}");
        assert_ne!(said, Ok(Place::Lost), "nothing is missing: {rows:?}");
        if said.is_err() {
            return;
        }
    }
}

/// Seeds by name, for the target `catalogue`.
#[must_use]
pub fn catalogue_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let table = "[[table]]\nname = \"calls\"\ndata = \"historical\"\ngrain = \"event\"\nacd = \"acd\"\n\
                 clock = { timestamp = \"at\" }\n";
    let set = "[[file_set]]\nname = \"MASAll\"\npaths = [\"/opt/mas\"]\nservers = [\"mas1\"]\n";
    let builtin = Catalogue::builtin().to_toml();
    let front: String = builtin.lines().take(60).flat_map(|line| [line, "\n"]).collect();
    vec![("table", table.into()), ("file_set", set.into()), ("builtin", front.into_bytes())]
}

/// Seeds by name, for the target `files`.
#[must_use]
pub fn files_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let tree = [[0, 2, 0, 0], [1, 2, 0, 0], [2, 131, 0, 0], [2, 1, 1, 0], [5, 4, 0, 2], [0, 0, 0, 0]];
    vec![("tree", tree.concat()), ("no_tree", vec![0, 2, 0, 0, 5, 1, 0, 0, 1, 1, 0, 0])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_a_tree_and_the_other_is_none() {
        let seeds = files_seeds();
        assert!(is_tree(&rows(&seeds[0].1)) && !is_tree(&rows(&seeds[1].1)));
        assert_eq!(rows(&seeds[0].1).last().map(|row| row.kind), Some(Kind::Totals));
    }

    #[test]
    fn the_seeds_of_the_catalogue_are_read() {
        let seeds = catalogue_seeds();
        let text = |at: usize| std::str::from_utf8(&seeds[at].1).unwrap();
        FileSets::parse(text(1)).unwrap();
        Catalogue::parse(&Catalogue::builtin().to_toml()).unwrap();
    }
}
