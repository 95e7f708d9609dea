//! The sets on a device: which volumes belong together, which are missing, what is on them. A set with its catalog is
//! listed without opening its other volumes; without, what is there is scanned.

use super::catalog::{Catalog, begins_catalog};
use super::error::VolumeError;
use super::name::{label_of_volume, parse_name, short_id, volume_name};
use super::reader::{Blocks, Volume};
use super::rebuild::Rebuild;
use super::scanner::{DamagedExtent, Scanner};
use super::section::{ChunkRef, SectionSource, SectionView};
use super::summary::BucketTable;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::name::finished_name;
use crate::device::traits::{Device, VolumeSource};
use crate::format::block::{BlockKind, SetId};
use crate::format::catalog::{CatalogRecord, VolumeEntry};
use crate::format::chunk::{ChunkRecord, parse_chunk};
use crate::format::label::LabelRecord;
use crate::format::marks::VolumeEndRecord;
use crate::format::record::next_record;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Volumes kept open at a time, so that a set of thousands does not use up the process's files.
const OPEN_VOLUMES_MAX: usize = 64;

/// Most chunk directories fit in this many bytes.
const DIRECTORY_GUESS: usize = 16 << 10;

/// What is on a device.
pub struct Listing<'d> {
    /// The sets, by label, then by id.
    pub sets: Vec<SetReader<'d>>,
    /// What has a volume's name but cannot be used: damaged labels, other files, second copies.
    pub unreadable: Vec<(String, VolumeError)>,
}

impl<'d> Listing<'d> {
    /// The one set of which the id (or its first digits) or the label is `wanted`; without a wish, the only set there.
    ///
    /// # Errors
    /// [`VolumeError::NoSuchSet`], [`VolumeError::SeveralSets`].
    pub fn into_set(self, device: &dyn Device, wanted: Option<&str>) -> Result<SetReader<'d>, VolumeError> {
        let fits = |set: &SetReader<'_>| {
            wanted.is_none_or(|wanted| set.set_id().to_string().starts_with(wanted) || set.label().label == wanted)
        };
        let mut sets: Vec<_> =
            self.sets.into_iter().filter(|set| !wanted.is_some_and(str::is_empty) && fits(set)).collect();
        let place = device.describe();
        match sets.pop() {
            Some(set) if sets.is_empty() => Ok(set),
            None => Err(VolumeError::NoSuchSet { wanted: wanted.unwrap_or("at all").to_owned(), place }),
            Some(last) => {
                sets.push(last);
                let name = |set: &SetReader<'_>| format!("{} ({})", set.label().label, set.set_id());
                Err(VolumeError::SeveralSets { place, sets: sets.iter().map(name).collect() })
            }
        }
    }
}

/// The sets on a device. Volumes are grouped by set id; names only save opening what the catalog already tells.
///
/// # Errors
/// The device cannot be listed. What is wrong with single volumes is in [`Listing::unreadable`].
pub fn list_sets(device: &dyn Device) -> Result<Listing<'_>, VolumeError> {
    let mut unreadable = Vec::new();
    let mut groups: BTreeMap<(String, String), BTreeMap<u32, String>> = BTreeMap::new();
    let mut others = Vec::new();
    for name in device.list()? {
        match parse_name(&name).filter(|_| finished_name(&name).is_none()) {
            Some(parts) => {
                // A second name for the same number, such as -1 beside -01, is looked at like any other.
                match groups.entry((parts.short_id, parts.stem)).or_default().entry(parts.number) {
                    Entry::Vacant(free) => {
                        free.insert(name);
                    }
                    Entry::Occupied(_) => others.push(name),
                }
            }
            None => others.push(name),
        }
    }
    let mut drafts: BTreeMap<SetId, Draft> = BTreeMap::new();
    let mut look = |drafts: &mut BTreeMap<SetId, Draft>, name: String| match Seen::open(device, &name) {
        Ok(seen) => {
            let set = seen.label.set();
            let number = seen.label.volume;
            if let Some(error) = drafts.entry(set).or_default().add(set, number, name, Some(seen)) {
                unreadable.push(error);
            }
        }
        Err(error) => unreadable.push((name, error)),
    };
    for ((short, _), mut group) in groups {
        let Some((number, name)) = group.pop_last() else { continue };
        let believed = Seen::open(device, &name)
            .ok()
            .filter(|seen| seen.lists_all() && seen.label.volume == number && short_id(seen.label.set()) == short);
        match believed {
            Some(seen) => {
                let set = seen.label.set();
                let draft = drafts.entry(set).or_default();
                let believed = group.into_iter().map(|(number, name)| (number, name, None));
                let errors = believed
                    .chain([(number, name, Some(seen))])
                    .filter_map(|(number, name, seen)| draft.add(set, number, name, seen));
                others.extend(errors.map(|(name, _)| name));
            }
            None => group.into_values().chain([name]).for_each(|name| look(&mut drafts, name)),
        }
    }
    others.into_iter().for_each(|name| look(&mut drafts, name));
    let mut sets = Vec::new();
    for (set, draft) in drafts {
        if let Some(reader) = SetReader::build(device, set, draft, &mut unreadable)? {
            sets.push(reader);
        }
    }
    sets.sort_by(|a, b| (&a.label.label, a.set).cmp(&(&b.label.label, b.set)));
    unreadable.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Listing { sets, unreadable })
}

/// Label and end mark of a volume that was opened, and closed again.
struct Seen {
    label: LabelRecord,
    end: Option<VolumeEndRecord>,
}

impl Seen {
    fn open(device: &dyn Device, name: &str) -> Result<Seen, VolumeError> {
        let volume = Volume::open(device.open(name)?, name)?;
        Ok(Seen { label: volume.label().clone(), end: volume.end().cloned() })
    }

    /// Whether it is the last volume of a complete set with its catalog.
    fn lists_all(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.set_complete && end.catalog_blocks > 0)
    }
}

/// The volumes of one set, as far as names and labels tell.
#[derive(Default)]
struct Draft {
    volumes: BTreeMap<u32, (String, Option<Seen>)>,
}

impl Draft {
    /// Adds a volume; what is left out if it is there twice. A finished copy goes before a partial one, one with an end
    /// mark before one without.
    fn add(&mut self, set: SetId, volume: u32, name: String, seen: Option<Seen>) -> Option<(String, VolumeError)> {
        let rank = |name: &str, seen: &Option<Seen>| {
            let ended = seen.as_ref().is_none_or(|seen| seen.end.is_some());
            (finished_name(name).is_none(), ended)
        };
        let Some((there, seen_there)) = self.volumes.get_mut(&volume) else {
            self.volumes.insert(volume, (name, seen));
            return None;
        };
        let (mut name, mut seen) = (name, seen);
        if rank(&name, &seen) > rank(there, seen_there) {
            std::mem::swap(there, &mut name);
            std::mem::swap(seen_there, &mut seen);
        }
        let error = VolumeError::DuplicateVolume { set, volume, name: name.clone(), other: there.clone() };
        Some((name, error))
    }
}

/// One volume of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeView {
    /// Number, from 1.
    pub number: u32,
    /// Name on the device; none if it is not there.
    pub name: Option<String>,
    /// Whether it was never finished.
    pub partial: bool,
    /// What the catalog says of it.
    pub entry: Option<VolumeEntry>,
}

/// A set on a device. Reading is by `&self` and safe from several threads.
pub struct SetReader<'d> {
    device: &'d dyn Device,
    set: SetId,
    label: LabelRecord,
    names: Mutex<BTreeMap<u32, String>>,
    volumes: Vec<VolumeView>,
    total: Option<u32>,
    catalog: Option<CatalogRecord>,
    sections: Vec<SectionView>,
    damage: Vec<DamagedExtent>,
    open: Mutex<VecDeque<Arc<OpenVolume>>>,
}

struct OpenVolume {
    number: u32,
    blocks: Blocks,
}

/// What a panic elsewhere leaves in these is whole: each is changed by one statement at a time.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for SetReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetReader").field("set", &self.set).field("label", &self.label.label).finish_non_exhaustive()
    }
}

impl<'d> SetReader<'d> {
    fn build(
        device: &'d dyn Device,
        set: SetId,
        mut draft: Draft,
        unreadable: &mut Vec<(String, VolumeError)>,
    ) -> Result<Option<SetReader<'d>>, VolumeError> {
        let loaded = load_catalog(device, set, &draft);
        if loaded.is_none() {
            draft.read_labels(device, set, unreadable);
        }
        let Some(label) = draft.label() else { return Ok(None) };
        let names: BTreeMap<u32, String> = draft.volumes.iter().map(|(n, (name, _))| (*n, name.clone())).collect();
        let mut reader = SetReader {
            device,
            set,
            label,
            names: Mutex::new(names),
            volumes: Vec::new(),
            total: None,
            catalog: None,
            sections: Vec::new(),
            damage: Vec::new(),
            open: Mutex::default(),
        };
        match loaded {
            Some((catalog, last)) => reader.take_catalog(catalog, last),
            None => reader.scan()?,
        }
        Ok(Some(reader))
    }

    /// The set's id.
    #[must_use]
    pub const fn set_id(&self) -> SetId {
        self.set
    }

    /// The label of volume 1, whichever volume it was read from.
    #[must_use]
    pub const fn label(&self) -> &LabelRecord {
        &self.label
    }

    /// The volumes of the set, in order, those that are missing included as far as their numbers are known.
    #[must_use]
    pub fn volumes(&self) -> &[VolumeView] {
        &self.volumes
    }

    /// Numbers of the volumes that are not there. Without the last volume nobody knows how many would follow:
    /// the number after the greatest that is there is then listed as well.
    #[must_use]
    pub fn missing_volumes(&self) -> Vec<u32> {
        let gaps = self.volumes.iter().filter(|volume| volume.name.is_none()).map(|volume| volume.number);
        let next = self.total.is_none().then(|| self.greatest().saturating_add(1));
        gaps.chain(next).collect()
    }

    fn greatest(&self) -> u32 {
        self.volumes.last().map_or(0, |volume| volume.number)
    }

    /// Whether the set was finished and all of its volumes are there. Whether they are intact shows when they are read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.total.is_some() && self.volumes.iter().all(|volume| volume.name.is_some() && !volume.partial)
    }

    /// How many volumes the set has; none if its last volume is not there.
    #[must_use]
    pub const fn total_volumes(&self) -> Option<u32> {
        self.total
    }

    /// The head of the catalog; none if there is no whole catalog.
    #[must_use]
    pub const fn catalog(&self) -> Option<&CatalogRecord> {
        self.catalog.as_ref()
    }

    /// The sections, by number. Without a catalog: those of which a header was found.
    #[must_use]
    pub fn sections(&self) -> &[SectionView] {
        &self.sections
    }

    /// Damage met while the set was listed: only where volumes had to be scanned.
    #[must_use]
    pub fn damage(&self) -> &[DamagedExtent] {
        &self.damage
    }

    /// The payload of a chunk, once checksums, identity and the numbers in its directory are checked.
    ///
    /// # Errors
    /// Its volume is missing, the block is damaged or another one, the device fails.
    pub fn read_chunk(&self, chunk: &ChunkRef) -> Result<Vec<u8>, VolumeError> {
        let entry = &chunk.entry;
        let volume = self.open_volume(entry.volume)?;
        let (header, payload) = volume.blocks.read(entry.offset, entry.bytes, Some(entry.block))?;
        volume.blocks.expect_kind(&header, BlockKind::Chunk)?;
        let name = volume.blocks.name();
        let fail = |field, found| {
            Err(VolumeError::field(name, header.position(), field, found, "what catalog or scan say of this chunk"))
        };
        if header.identity.section != chunk.section {
            return fail("section", u64::from(header.identity.section));
        }
        let place = header.position().with_section(chunk.section);
        let directory =
            parse_chunk(&payload).map_err(|error| VolumeError::format(name, error.within(place)))?.directory;
        let ChunkRecord { chunk: number, first_row, rows, .. } = directory;
        if number != chunk.number {
            return fail("chunk", number);
        }
        if first_row != entry.first_row {
            return fail("first_row", first_row);
        }
        if rows != entry.rows {
            return fail("rows", u64::from(rows));
        }
        Ok(payload)
    }

    /// Opens a volume of the set anew, its label checked.
    ///
    /// # Errors
    /// It is missing, its label is damaged, the device fails.
    pub fn volume(&self, number: u32) -> Result<Volume, VolumeError> {
        let name = self.name_of(number)?;
        let volume = Volume::open(self.device.open(&name)?, &name)?;
        if volume.label().set() == self.set && volume.label().volume == number {
            return Ok(volume);
        }
        // Somebody renamed volumes: labels decide, names do not.
        self.read_all_labels()?;
        let name = self.name_of(number)?;
        Volume::open(self.device.open(&name)?, &name)
    }

    /// Name and bytes of a volume of the set, for a [`Scanner`], which needs no sound label.
    ///
    /// # Errors
    /// It is missing, the device fails.
    pub fn source(&self, number: u32) -> Result<(String, Box<dyn VolumeSource>), VolumeError> {
        let name = self.name_of(number)?;
        let source = self.device.open(&name)?;
        Ok((name, source))
    }

    /// Checks that each volume follows the one before it: last block and running hash, as labels and catalog state them.
    ///
    /// # Errors
    /// The device fails. Everything else is in what is returned.
    pub fn check_chain(&self) -> Result<Vec<VolumeError>, VolumeError> {
        let mut findings = Vec::new();
        for pair in self.volumes.windows(2) {
            let [before, after] = pair else { continue };
            let (Some(entry), Some(name)) = (before.entry, after.name.as_ref()) else { continue };
            match self.volume(after.number) {
                Ok(volume) => {
                    let last_block = entry.blocks.saturating_sub(1);
                    let follows = volume.label().predecessor.is_some_and(|predecessor| {
                        predecessor.last_block == last_block && predecessor.running_hash == entry.running_hash
                    });
                    if !follows {
                        findings.push(VolumeError::ChainBroken { volume: after.number, name: name.clone() });
                    }
                }
                Err(VolumeError::Device(error)) => return Err(error.into()),
                Err(error) => findings.push(error),
            }
        }
        Ok(findings)
    }

    fn missing(&self, number: u32) -> VolumeError {
        let found = locked(&self.names).keys().copied().collect();
        VolumeError::MissingVolumes { set: self.set, wanted: vec![number], found }
    }

    fn name_of(&self, number: u32) -> Result<String, VolumeError> {
        let name = locked(&self.names).get(&number).cloned();
        name.ok_or_else(|| self.missing(number))
    }

    /// The volume's blocks. A damaged label does not stand in the way: every block says whose it is.
    fn open_volume(&self, number: u32) -> Result<Arc<OpenVolume>, VolumeError> {
        if let Some(volume) = locked(&self.open).iter().find(|volume| volume.number == number) {
            return Ok(Arc::clone(volume));
        }
        let blocks = match self.volume(number) {
            Ok(volume) => volume.into_blocks(),
            Err(error) if error.is_damage() => {
                let name = self.name_of(number)?;
                Blocks::new(self.device.open(&name)?, &name, self.set, number)
            }
            Err(error) => return Err(error),
        };
        let volume = Arc::new(OpenVolume { number, blocks });
        let mut open = locked(&self.open);
        if open.len() >= OPEN_VOLUMES_MAX {
            open.pop_front();
        }
        open.push_back(Arc::clone(&volume));
        Ok(volume)
    }

    /// Learns from the labels which name is which volume.
    fn read_all_labels(&self) -> Result<(), VolumeError> {
        let mut found = BTreeMap::new();
        let listed: Vec<String> = locked(&self.names).values().cloned().collect();
        for name in listed {
            match Seen::open(self.device, &name) {
                Ok(seen) if seen.label.set() == self.set => {
                    found.insert(seen.label.volume, name);
                }
                Err(VolumeError::Device(error)) => return Err(error.into()),
                Ok(_) | Err(_) => {}
            }
        }
        *locked(&self.names) = found;
        locked(&self.open).clear();
        Ok(())
    }

    fn take_catalog(&mut self, catalog: Catalog, last: u32) {
        self.total = Some(last);
        self.list_volumes(last, &catalog.volumes);
        self.catalog = Some(catalog.head);
        let here: Vec<bool> = self.volumes.iter().map(|volume| volume.name.is_some()).collect();
        let is_here = |volume: u32| here.get((volume as usize).wrapping_sub(1)).copied().unwrap_or(false);
        for section in catalog.sections {
            let number = section.record.section;
            let refer = |(chunk, entry): (usize, _)| {
                let entry: crate::format::catalog::ChunkEntry = entry;
                ChunkRef { section: number, number: chunk as u64, entry, here: is_here(entry.volume) }
            };
            let chunks: Vec<ChunkRef> = section.chunks.into_iter().enumerate().map(refer).collect();
            let mut view = SectionView {
                number,
                header: section.record.header,
                end: Some(section.record.end),
                bytes: section.record.bytes,
                proven: section.buckets.iter().map(|bucket| bucket.pieces > 0).collect(),
                buckets: section.buckets,
                chunks,
                source: SectionSource::Catalog,
            };
            if view.chunks.iter().any(|chunk| !chunk.here) {
                view.proven = self.prove(&view);
            }
            self.sections.push(view);
        }
    }

    /// Which buckets lie wholly on the volumes that are here: those whose pieces there add up to the catalog's entry.
    /// Reads chunk directories only; a digest that adds up cannot come from a damaged one.
    fn prove(&mut self, view: &SectionView) -> Vec<bool> {
        let mut table = BucketTable::default();
        for chunk in view.chunks.iter().filter(|chunk| chunk.here) {
            match self.directory(chunk) {
                Ok(directory) => directory.pieces.iter().for_each(|piece| table.add(piece)),
                Err(error) => self.damage.push(DamagedExtent {
                    volume: Some(chunk.entry.volume),
                    offset: chunk.entry.offset,
                    len: u64::from(chunk.entry.bytes),
                    error,
                }),
            }
        }
        view.buckets.iter().map(|bucket| table.get(&(bucket.acd, bucket.day)) == Some(bucket)).collect()
    }

    /// A chunk's directory without the columns behind it.
    fn directory(&self, chunk: &ChunkRef) -> Result<ChunkRecord, VolumeError> {
        let volume = self.open_volume(chunk.entry.volume)?;
        let guess = DIRECTORY_GUESS.min(chunk.entry.bytes as usize);
        let (header, payload) = volume.blocks.peek(chunk.entry.offset, guess)?;
        let fail = |error: crate::format::error::FormatError| {
            VolumeError::format(volume.blocks.name(), error.within(header.position()))
        };
        if header.kind == BlockKind::Chunk
            && header.identity.block == chunk.entry.block
            && let Ok(record) = next_record(&mut crate::base::cursor::Cursor::new(&payload))
        {
            return record.decode().map_err(fail);
        }
        let payload = self.read_chunk(chunk)?;
        Ok(parse_chunk(&payload).map_err(fail)?.directory)
    }

    fn list_volumes(&mut self, count: u32, entries: &[VolumeEntry]) {
        let names = locked(&self.names).clone();
        let view = |number: u32| {
            let name = names.get(&number).cloned();
            let partial = name.as_deref().is_some_and(|name| finished_name(name).is_some());
            // The last volume is listed as it stood before the catalog, which says nothing about it as a whole.
            let finished = (number as usize) < entries.len();
            let entry = entries.get((number as usize).wrapping_sub(1)).copied().filter(|_| finished);
            VolumeView { number, name, partial, entry }
        };
        self.volumes = (1..=count).map(view).collect();
    }

    /// Finds out by reading every volume that is there.
    fn scan(&mut self) -> Result<(), VolumeError> {
        let mut rebuild = Rebuild::default();
        let names = locked(&self.names).clone();
        for (number, name) in &names {
            let source = match self.device.open(name) {
                Ok(source) => source,
                // A backup that is at work beside us may finish a volume, and with it change its name.
                Err(DeviceError { kind: DeviceErrorKind::NotFound, .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let mut scanner = Scanner::new(source.as_ref(), name, Some((self.set, *number)));
            rebuild.volume(&mut scanner, name);
        }
        self.sections = rebuild.sections(&self.label.label);
        self.total = rebuild.last;
        let greatest = names.keys().next_back().copied().unwrap_or(0);
        // A damaged end mark or catalog elsewhere does not make a whole catalog worth less.
        let catalog = rebuild.catalog.first().is_some_and(|first| begins_catalog(first));
        let catalog = catalog.then(|| Catalog::from_payloads(&rebuild.catalog).ok()).flatten();
        self.damage = rebuild.damage;
        self.list_volumes(greatest, &[]);
        self.catalog = catalog.map(|catalog| catalog.head);
        Ok(())
    }
}

impl Draft {
    /// The label of volume 1, from any label that was read.
    fn label(&self) -> Option<LabelRecord> {
        let seen = self.volumes.values().find_map(|(_, seen)| seen.as_ref())?;
        let label = label_of_volume(&seen.label.label, 1);
        Some(LabelRecord { volume: 1, label, predecessor: None, ..seen.label.clone() })
    }

    /// Reads the labels of the volumes that were only believed to be there.
    fn read_labels(&mut self, device: &dyn Device, set: SetId, unreadable: &mut Vec<(String, VolumeError)>) {
        let believed: Vec<u32> = self.volumes.iter().filter(|(_, (_, seen))| seen.is_none()).map(|(n, _)| *n).collect();
        for number in believed {
            let Some((name, _)) = self.volumes.remove(&number) else { continue };
            match Seen::open(device, &name) {
                Ok(seen) if seen.label.set() == set => {
                    let volume = seen.label.volume;
                    unreadable.extend(self.add(set, volume, name, Some(seen)));
                }
                Ok(seen) => {
                    let error = VolumeError::NoSuchSet { wanted: seen.label.set().to_string(), place: name.clone() };
                    unreadable.push((name, error));
                }
                Err(error) => unreadable.push((name, error)),
            }
        }
    }
}

/// The catalog, read from the last volume backwards to the one on which it begins, and the number of the last volume.
/// None if there is none, or any of it is missing or damaged: then everything is scanned.
fn load_catalog(device: &dyn Device, set: SetId, draft: &Draft) -> Option<(Catalog, u32)> {
    let (last, (_, seen)) = draft.volumes.last_key_value()?;
    seen.as_ref().filter(|seen| seen.lists_all())?;
    let mut payloads = VecDeque::new();
    for number in (1..=*last).rev() {
        let (name, _) = draft.volumes.get(&number)?;
        let blocks = Blocks::new(device.open(name).ok()?, name, set, number);
        let end = blocks.end().filter(|end| end.catalog_blocks > 0)?;
        let here = blocks.catalog_payloads(&end).ok()?;
        let begins = here.first().is_some_and(|first| begins_catalog(first));
        here.into_iter().rev().for_each(|payload| payloads.push_front(payload));
        if begins {
            let catalog = Catalog::from_payloads(payloads.make_contiguous()).ok()?;
            return (catalog.head.volumes == number).then_some((catalog, *last));
        }
    }
    None
}

/// The name that a volume of a set should have, for prompts.
#[must_use]
pub fn expected_name(label: &LabelRecord, number: u32) -> String {
    volume_name(&LabelRecord { volume: number, label: label_of_volume(&label.label, number), ..label.clone() })
}
