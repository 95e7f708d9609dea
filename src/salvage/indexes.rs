//! The volumes of a set as their indexes list them: of each block where it stands and its hash. An index is believed if the
//! hashes that it lists make its running hash, and then it tells the blocks of its volume from strays.

use super::parts::{Claim, Places, SetParts};
use super::sources::{Again, ShortHash, short};
use crate::base::checksum::{Hash, chain};
use crate::base::limits::SECTIONS_MAX;
use crate::device::error::DeviceError;
use crate::format::block::BlockKind;
use crate::format::catalog::{BlockListRecord, VolumeIndexRecord};
use crate::format::marks::VolumeEndRecord;
use crate::format::record::{Record, read_records};
use std::collections::BTreeMap;

/// Most blocks that indexes of one set may list together and be heeded.
const LISTED_MAX: usize = 1 << 20;

/// What an index says of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It lists this very block.
    Listed,
    /// There is no index of its volume.
    Unknown,
    /// It lists another one in that place, or none.
    Stray,
}

/// A volume by its index.
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    /// The hashes of the blocks before the index.
    hashes: Vec<ShortHash>,
    /// Blocks of the index itself.
    own: u32,
    continues: bool,
    last_section: u32,
    /// How often its first block was found.
    copies: u32,
}

/// What is known of the volumes of a set.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    listed: BTreeMap<u32, Listed>,
    ends: BTreeMap<u32, VolumeEndRecord>,
}

impl Volumes {
    /// Reads what was found of the indexes and end marks of a set.
    ///
    /// # Errors
    /// A medium fails.
    pub(super) fn read(
        parts: &SetParts,
        again: &mut Again<'_, '_>,
        conflicts: &mut Vec<String>,
    ) -> Result<Volumes, DeviceError> {
        let ends = read_ends(&parts.ends, again)?;
        let mut volumes = Volumes::default();
        let mut room = LISTED_MAX;
        for (volume, claims) in by_volume(&parts.indexes) {
            let mut candidates: Vec<Listed> = Vec::new();
            for claim in &claims {
                let Some(found) = assemble(claim, &parts.indexes, room, again)? else { continue };
                if !candidates.iter().any(|other| other.hashes == found.hashes) {
                    candidates.push(found);
                }
            }
            let agrees = |listed: &Listed| {
                let marks = ends.get(&volume).into_iter().flatten();
                marks.clone().any(|(mark, _)| listed.agrees(mark))
            };
            match best(candidates, |listed| (agrees(listed), listed.copies)) {
                Best::One(listed) => {
                    room = room.saturating_sub(listed.hashes.len());
                    volumes.listed.insert(volume, listed);
                }
                Best::Tie => conflicts
                    .push(format!("volume {volume}: indexes that contradict each other were found; none is believed")),
                Best::None => {}
            }
        }
        for (volume, marks) in ends {
            let listed = volumes.listed.get(&volume);
            let marks = marks.into_iter().filter(|(mark, _)| listed.is_none_or(|listed| listed.agrees(mark)));
            match best(marks.collect(), |(_, copies)| *copies) {
                Best::One((mark, _)) => drop(volumes.ends.insert(volume, mark)),
                Best::Tie => conflicts.push(format!(
                    "volume {volume}: end marks that contradict each other were found; none is believed"
                )),
                Best::None if listed.is_some() => {
                    conflicts.push(format!("volume {volume}: its end mark is not of its index; it is not believed"));
                }
                Best::None => {}
            }
        }
        Ok(volumes)
    }

    /// What the index of its volume says of a block that stands before it.
    pub(super) fn standing(&self, claim: &Claim) -> Standing {
        let Some(listed) = self.listed.get(&claim.volume) else { return Standing::Unknown };
        let there = usize::try_from(claim.block).ok().and_then(|block| listed.hashes.get(block));
        if there == Some(claim.place.hash()) { Standing::Listed } else { Standing::Stray }
    }

    /// The catalog blocks of a volume by its end mark, from the first to the last.
    pub(super) fn catalog_of(&self, volume: u32) -> Option<(u64, u64)> {
        let end = self.ends.get(&volume)?;
        let last = end.blocks.saturating_sub(u64::from(end.index_blocks)).checked_sub(1)?;
        Some((last.saturating_add(1).saturating_sub(u64::from(end.catalog_blocks)), last))
    }

    /// The number of the last volume of the set, if what ends it was found.
    pub(super) fn last(&self) -> Option<u32> {
        let by_end = self.ends.iter().filter(|(_, end)| end.set_complete).map(|(volume, _)| *volume);
        let by_index = self.listed.iter().filter(|(_, listed)| !listed.continues).map(|(volume, _)| *volume);
        by_end.chain(by_index).max()
    }

    /// The number of the last section that any index lists, and whether those of all volumes are there.
    pub(super) fn sections(&self) -> (u32, bool) {
        let last = self.listed.values().map(|listed| listed.last_section).max().unwrap_or(0);
        (last, self.last().is_some_and(|last| self.listed.len() as u64 == u64::from(last)))
    }
}

impl Listed {
    fn agrees(&self, mark: &VolumeEndRecord) -> bool {
        let blocks = (self.hashes.len() as u64).saturating_add(u64::from(self.own));
        (mark.blocks, mark.index_blocks, !mark.set_complete) == (blocks, self.own, self.continues)
    }
}

/// What is to be taken of several.
pub(super) enum Best<T> {
    /// There is nothing.
    None,
    /// This one.
    One(T),
    /// Several are as good.
    Tie,
}

/// The best of several by a rank.
pub(super) fn best<T, R: Ord>(mut all: Vec<T>, rank: impl Fn(&T) -> R) -> Best<T> {
    all.sort_by_key(|one| std::cmp::Reverse(rank(one)));
    let tie = all.get(1).is_some_and(|second| all.first().map(&rank) == Some(rank(second)));
    match all.into_iter().next() {
        Some(_) if tie => Best::Tie,
        Some(first) => Best::One(first),
        None => Best::None,
    }
}

fn by_volume(places: &Places) -> BTreeMap<u32, Vec<Claim>> {
    let mut volumes: BTreeMap<u32, Vec<Claim>> = BTreeMap::new();
    for ((volume, _), claims) in places {
        volumes.entry(*volume).or_default().extend(claims.iter().copied());
    }
    volumes
}

/// End marks by volume: different ones, and how often each was found.
type Marks = BTreeMap<u32, Vec<(VolumeEndRecord, u32)>>;

fn read_ends(places: &Places, again: &mut Again<'_, '_>) -> Result<Marks, DeviceError> {
    let mut ends = Marks::new();
    for claim in places.values().flatten() {
        let Some((header, mark)) = again.record::<VolumeEndRecord>(&claim.place)? else { continue };
        if header.identity.block != mark.blocks {
            continue;
        }
        let marks = ends.entry(claim.volume).or_default();
        match marks.iter_mut().find(|(other, _)| *other == mark) {
            Some((_, copies)) => *copies = copies.saturating_add(claim.copies),
            None => marks.push((mark, claim.copies)),
        }
    }
    Ok(ends)
}

/// The index that begins with a block, if it is all there and its hashes make its running hash.
fn assemble(
    first: &Claim,
    places: &Places,
    room: usize,
    again: &mut Again<'_, '_>,
) -> Result<Option<Listed>, DeviceError> {
    let mut part = Part { listed: Vec::new(), running: [0; 32], last_section: 0, head: None };
    let (mut claim, mut own) = (*first, 0u32);
    loop {
        let Some(block) = again.block(&claim.place)? else { return Ok(None) };
        if part.take(block.payload(), room).is_none() {
            return Ok(None);
        }
        own = own.saturating_add(1);
        let Some(head) = part.head.as_ref().filter(|head| head.blocks == first.block) else { return Ok(None) };
        if part.listed.len() as u64 >= head.blocks {
            let sound = part.listed.len() as u64 == head.blocks && part.running == head.running_hash;
            let continues = head.continues;
            let Part { listed: hashes, last_section, .. } = part;
            let copies = first.copies;
            return Ok(sound.then_some(Listed { hashes, own, continues, last_section, copies }));
        }
        let next = places.get(&(claim.volume, claim.block.saturating_add(1)));
        let Some(next) = next.into_iter().flatten().max_by_key(|next| next.copies) else { return Ok(None) };
        claim = *next;
    }
}

/// An index in the making.
struct Part {
    listed: Vec<ShortHash>,
    running: Hash,
    last_section: u32,
    head: Option<VolumeIndexRecord>,
}

impl Part {
    /// Takes what a block says; nothing if it cannot be.
    fn take(&mut self, payload: &[u8], room: usize) -> Option<()> {
        for record in read_records(payload).ok()? {
            match record.kind {
                VolumeIndexRecord::KIND if self.head.is_none() => self.head = Some(record.decode().ok()?),
                BlockListRecord::KIND => {
                    let list: BlockListRecord = record.decode().ok()?;
                    let fits = self.listed.len().saturating_add(list.blocks.len()) <= room;
                    if list.first_block != self.listed.len() as u64 || !fits {
                        return None;
                    }
                    for entry in &list.blocks {
                        self.listed.push(short(&entry.hash));
                        self.running = chain(&self.running, &entry.hash);
                        if entry.section <= SECTIONS_MAX && entry.kind != BlockKind::Catalog.id() {
                            self.last_section = self.last_section.max(entry.section);
                        }
                    }
                }
                _ => {}
            }
        }
        Some(())
    }
}
