//! The order of the blocks of a volume, and of the sections over the volumes of a set: a section is all there only from its
//! header to its end mark, and none may be left out. Knows only what an index lists of a block.

use super::finding::Finding;
use crate::base::numbers::told;
use crate::base::position::Position;
use crate::format::block::BlockKind;
use crate::format::catalog::BlockEntry;

/// The sections of a volume of which the blocks stand in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ordered {
    /// The first and the last of which it has blocks; `None` if it has none.
    sections: Option<(u32, u32)>,
    /// Whether the last of them has no end mark here.
    open: bool,
    /// Whether it has blocks of the catalog.
    catalog: bool,
}

/// How far a volume is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Nothing,
    Label,
    /// In this section.
    Open(u32),
    /// Behind this one.
    Closed(u32),
    Catalog,
    Index,
    End,
}

impl At {
    /// Where a volume is after one more block; `None` if that may not stand there.
    fn after(self, kind: BlockKind, section: u32) -> Option<At> {
        match (kind, self) {
            (BlockKind::Label, At::Nothing) => Some(At::Label),
            (_, At::Nothing) => None,
            (BlockKind::Optional(_), _) => Some(self),
            (BlockKind::SectionHeader, At::Label) if section > 0 => Some(At::Open(section)),
            (BlockKind::SectionHeader, At::Closed(last)) if last.checked_add(1) == Some(section) => {
                Some(At::Open(section))
            }
            (BlockKind::Chunk, At::Open(open)) if open == section => Some(self),
            (BlockKind::SectionEnd, At::Open(open)) if open == section => Some(At::Closed(section)),
            (BlockKind::Catalog, At::Label | At::Closed(_) | At::Catalog) => Some(At::Catalog),
            (BlockKind::VolumeIndex, At::Label | At::Open(_) | At::Closed(_) | At::Catalog | At::Index) => {
                Some(At::Index)
            }
            (BlockKind::VolumeEnd, At::Index) => Some(At::End),
            _ => None,
        }
    }

    fn words(self) -> String {
        match self {
            At::Nothing => "nothing".to_owned(),
            At::Label => "the label".to_owned(),
            At::Open(section) => format!("a block of section {section}, which has no end mark yet"),
            At::Closed(section) => format!("the end mark of section {section}"),
            At::Catalog => "a catalog block".to_owned(),
            At::Index => "the index".to_owned(),
            At::End => "the end mark of the volume".to_owned(),
        }
    }
}

/// The sections of a volume, by its blocks in order; index and end mark may be left out.
///
/// # Errors
/// A block may not stand where it does.
pub(super) fn ordered<'e>(blocks: impl Iterator<Item = &'e BlockEntry>) -> Result<Ordered, Finding> {
    let (mut at, mut ordered) = (At::Nothing, Ordered::default());
    for (number, entry) in (0u64..).zip(blocks) {
        let kind = BlockKind::from_id(entry.kind);
        let next = kind.and_then(|kind| at.after(kind, entry.section));
        let Some(next) = next else {
            let kind = kind.map_or("block of an unknown kind", BlockKind::name);
            let section = if entry.section > 0 { format!(" of section {}", entry.section) } else { String::new() };
            let what = format!("a {kind}{section} may not stand behind {}", at.words());
            return Err(Finding::damage(Position::UNKNOWN.with_block(number), what));
        };
        if let At::Open(section) | At::Closed(section) = next {
            let first = ordered.sections.map_or(section, |(first, _)| first);
            (ordered.sections, ordered.open) = (Some((first, section)), matches!(next, At::Open(_)));
        }
        ordered.catalog |= next == At::Catalog;
        at = next;
    }
    Ok(ordered)
}

/// What is not in order over the volumes of a set: of each from the first to the last what stands on it, `None` where that is not
/// known. `listed`: how many sections the catalog lists, if all volumes are there.
pub(super) fn over_volumes(volumes: &[Option<Ordered>], listed: Option<u32>) -> Vec<Finding> {
    let mut findings = Vec::new();
    // The section that was last, and whether it goes on; before the first volume there was none.
    let mut last = Some((0u32, false));
    for (number, volume) in (1u32..).zip(volumes) {
        let Some(volume) = volume else {
            last = None;
            continue;
        };
        let begins = volume.sections.map(|(first, _)| first);
        if let Some((section, open)) = last {
            let next = if open { section } else { section.saturating_add(1) };
            let here = Position::volume(number);
            if begins.is_some_and(|first| first != next) {
                let what = "the sections on the volume are not those that follow the volumes before it";
                let begins = begins.map(|first| format!("section {first}")).unwrap_or_default();
                findings.push(Finding::damage(here, what).odds(format!("section {next}"), begins));
            } else if begins.is_none() && open && volume.catalog {
                findings.push(Finding::damage(here, format!("section {section} has no end mark before the catalog")));
            }
        }
        last = volume.sections.map(|(_, last)| (last, volume.open)).or(last);
    }
    let Some(((last, open), listed)) = last.zip(listed) else { return findings };
    if open && findings.is_empty() {
        let at = Position::UNKNOWN.with_section(last);
        findings.push(Finding::damage(at, format!("section {last} has no end mark on the volumes")));
    }
    if last < listed {
        let gone: Vec<u32> = (last.saturating_add(1)..=listed).collect();
        let what = format!("section {} stands in the catalog and not on the volumes", told(&gone));
        findings.push(Finding::damage(Position::UNKNOWN, what));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(blocks: &[(BlockKind, u32)]) -> Result<Ordered, String> {
        let entry = |(kind, section): &(BlockKind, u32)| BlockEntry {
            kind: kind.id(),
            section: *section,
            offset: 0,
            bytes: 64,
            hash: [0; 32],
        };
        let entries: Vec<BlockEntry> = blocks.iter().map(entry).collect();
        ordered(entries.iter()).map_err(|finding| finding.to_string())
    }

    const LABEL: (BlockKind, u32) = (BlockKind::Label, 0);
    const CATALOG: (BlockKind, u32) = (BlockKind::Catalog, 0);
    const OTHER: (BlockKind, u32) = (BlockKind::Optional(200), 0);
    const TAIL: [(BlockKind, u32); 2] = [(BlockKind::VolumeIndex, 0), (BlockKind::VolumeEnd, 0)];

    const fn header(section: u32) -> (BlockKind, u32) {
        (BlockKind::SectionHeader, section)
    }

    const fn chunk(section: u32) -> (BlockKind, u32) {
        (BlockKind::Chunk, section)
    }

    const fn end(section: u32) -> (BlockKind, u32) {
        (BlockKind::SectionEnd, section)
    }

    #[test]
    fn a_volume_has_its_blocks_in_the_order_of_the_format() {
        let whole = [LABEL, OTHER, header(3), chunk(3), OTHER, end(3), header(4), end(4), CATALOG, TAIL[0], TAIL[1]];
        let ordered = Ordered { sections: Some((3, 4)), open: false, catalog: true };
        assert_eq!(volume(&whole), Ok(ordered));
        assert_eq!(volume(&whole[..9]), Ok(ordered), "as the index lists it");
        let open = Ordered { sections: Some((3, 3)), open: true, catalog: false };
        assert_eq!(volume(&[LABEL, header(3), chunk(3), TAIL[0], TAIL[1]]), Ok(open));
        // Without any one of these blocks, or with any two exchanged, it is not.
        for at in [0, 2, 5, 6, 7] {
            let mut torn = whole.to_vec();
            torn.remove(at);
            assert!(volume(&torn).is_err(), "without block {at}");
        }
        for (a, b) in [(2, 3), (3, 5), (5, 6), (7, 8), (8, 9), (9, 10), (0, 1)] {
            let mut torn = whole.to_vec();
            torn.swap(a, b);
            assert!(volume(&torn).is_err(), "blocks {a} and {b} exchanged");
        }
        assert!(volume(&[LABEL, header(3), CATALOG]).unwrap_err().contains("section 3, which has no end mark yet"));
        assert!(volume(&[LABEL, header(1), end(1), header(3)]).is_err(), "section 2 is left out");
        assert!(volume(&[LABEL, LABEL]).is_err() && volume(&[LABEL, header(1), chunk(2)]).is_err());
    }

    #[test]
    fn sections_go_on_from_volume_to_volume() {
        let of = |first, last, open| Some(Ordered { sections: Some((first, last)), open, catalog: false });
        let none = |catalog| Some(Ordered { sections: None, open: false, catalog });
        let found = |volumes: &[Option<Ordered>], listed| over_volumes(volumes, listed).len();
        let whole = [of(1, 2, true), of(2, 2, true), none(false), of(2, 3, false), none(true)];
        assert_eq!(found(&whole, Some(3)), 0);
        assert_eq!(found(&whole, Some(4)), 1, "section 4 is nowhere");
        assert_eq!(found(&[], Some(2)), 1);
        assert_eq!(found(&[of(2, 2, false)], None), 1, "section 1 is nowhere");
        assert_eq!(found(&[of(1, 1, false), of(1, 1, false)], Some(1)), 1, "it goes on after its end");
        assert_eq!(found(&[of(1, 1, true), of(2, 2, false)], Some(2)), 1, "section 1 does not end");
        assert_eq!(found(&[of(1, 1, true)], Some(1)), 1, "it does not end");
        assert_eq!(found(&[of(1, 1, true), none(true)], None), 1);
        // Of a volume that is not known everything may stand on it.
        assert_eq!(found(&[of(1, 1, true), None, of(5, 5, false)], Some(5)), 0);
        assert_eq!(found(&[of(1, 1, true), None], Some(5)), 0);
    }
}
