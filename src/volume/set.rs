//! The sets on a device: which volumes belong together, which are missing, what is on them. A set with its catalog is
//! listed without opening its other volumes; without, what is there is scanned.

use super::catalog::{Catalog, CatalogSection, begins_catalog};
use super::copies::Copies;
use super::draft::{Draft, Group, Known, Seen, adopt, group};
use super::error::VolumeError;
use super::name::{label_of_volume, parse_name, short_id, told_by_name, volume_name};
use super::reader::{Blocks, Volume};
use super::rebuild::{CopyScans, Rebuild};
use super::scanner::{DamagedExtent, Scanner};
use super::section::{ChunkRef, SectionSource, SectionView};
use super::summary::BucketTable;
use super::unusable::Unusable;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::name::finished_name;
use crate::device::traits::{Device, VolumeSource};
use crate::format::block::{BlockKind, SetId};
use crate::format::catalog::{BucketEntry, CatalogRecord, ChunkEntry, VolumeEntry};
use crate::format::chunk::{ChunkRecord, parse_chunk};
use crate::format::label::{LabelRecord, lost};
use crate::format::record::next_record;
use std::collections::{BTreeMap, VecDeque};

pub use super::draft::labels;

/// Most chunk directories fit in this many bytes.
const DIRECTORY_GUESS: usize = 16 << 10;

/// What is on a device.
pub struct Listing<'d> {
    /// The sets, by label, then by id.
    pub sets: Vec<SetReader<'d>>,
    /// What has a volume's name but cannot be used, by name: damaged labels, other files, second copies. Of very many the
    /// first that were met, and of each kind of error one at least.
    pub unreadable: Vec<(String, VolumeError)>,
    /// How many more there are.
    pub further: u64,
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
    list_names(device, device.list()?)
}

/// One set: volumes whose names say that they are of other sets are not looked at.
///
/// # Errors
/// As [`list_sets`].
pub fn find_set(device: &dyn Device, set: SetId) -> Result<Option<SetReader<'_>>, VolumeError> {
    let mut names = device.list()?;
    names.retain(|name| parse_name(name).is_none_or(|parts| parts.short_id == short_id(set)));
    Ok(list_names(device, names)?.sets.into_iter().find(|found| found.set == set))
}

fn list_names(device: &dyn Device, names: Vec<String>) -> Result<Listing<'_>, VolumeError> {
    let mut unreadable = Unusable::default();
    let (groups, mut others) = group(names);
    let mut drafts: BTreeMap<SetId, Draft> = BTreeMap::new();
    for Group { short_id: short, mut names, spelt } in groups {
        others.extend(spelt);
        let Some(number) = names.last().map(|(number, _)| *number) else { continue };
        let last = names.split_off(names.partition_point(|(other, _)| *other < number)).into_iter();
        let last: Vec<_> = last.map(|(_, name)| (Seen::open(device, &name), name)).collect();
        let lists_all =
            |seen: &Seen| seen.lists_all() && seen.label.volume == number && short_id(seen.label.set()) == short;
        let believed = last.iter().find_map(|(seen, _)| seen.as_ref().ok().filter(|seen| lists_all(seen)));
        let Some(set) = believed.map(|seen| seen.label.set()) else {
            others.extend(names.into_iter().map(|(_, name)| name));
            others.extend(last.into_iter().map(|(_, name)| name));
            continue;
        };
        let draft = drafts.entry(set).or_default();
        for (seen, name) in last {
            match seen {
                Ok(seen) if seen.label.set() == set && seen.label.volume == number => {
                    draft.add(number, name, Known::Seen(Box::new(seen)));
                }
                // It is looked at like any other, and the reason why it cannot be used written down.
                Ok(_) | Err(_) => others.push(name),
            }
        }
        names.into_iter().for_each(|(number, name)| draft.add(number, name, Known::Believed));
    }
    for name in others {
        match Seen::open(device, &name) {
            Ok(seen) => {
                let (set, number) = (seen.label.set(), seen.label.volume);
                drafts.entry(set).or_default().add(number, name, Known::Seen(Box::new(seen)));
            }
            // A backup that is at work beside us may finish a volume, and with it change its name.
            Err(VolumeError::Device(DeviceError { kind: DeviceErrorKind::NotFound, .. })) => {}
            Err(error) => unreadable.push(name, error),
        }
    }
    adopt(&mut drafts, unreadable.take_traces());
    let mut sets = Vec::new();
    for (set, draft) in drafts {
        if let Some(reader) = SetReader::build(device, set, draft, &mut unreadable)? {
            sets.push(reader);
        }
    }
    sets.sort_by(|a, b| (&a.label.label, a.set).cmp(&(&b.label.label, b.set)));
    let (unreadable, further) = unreadable.finish();
    Ok(Listing { sets, unreadable, further })
}

/// One volume of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeView {
    /// Number, from 1.
    pub number: u32,
    /// Name on the device; none if it is not there.
    pub name: Option<String>,
    /// Names of further copies, which are read where the first one fails its checks.
    pub copies: Vec<String>,
    /// Whether it was never finished.
    pub partial: bool,
    /// What the catalog says of it.
    pub entry: Option<VolumeEntry>,
}

/// A set on a device. Reading is by `&self` and safe from several threads.
pub struct SetReader<'d> {
    set: SetId,
    label: LabelRecord,
    copies: Copies<'d>,
    volumes: Vec<VolumeView>,
    total: Option<u32>,
    interrupted: bool,
    catalog: Option<CatalogRecord>,
    sections: Vec<SectionView>,
    damage: Vec<DamagedExtent>,
    wrong: Vec<VolumeError>,
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
        unreadable: &mut Unusable,
    ) -> Result<Option<SetReader<'d>>, VolumeError> {
        draft.forget_same(device);
        let mut loaded = load_catalog(&draft.copies(device, set), &draft);
        if loaded.is_none() {
            draft.read_labels(device, set, unreadable);
        }
        let Some(label) = draft.label() else { return Ok(None) };
        let mut reader = SetReader {
            set,
            label,
            copies: draft.copies(device, set),
            volumes: Vec::new(),
            total: None,
            interrupted: draft.interrupted,
            catalog: None,
            sections: Vec::new(),
            damage: Vec::new(),
            wrong: Vec::new(),
        };
        match loaded.take() {
            Some((catalog, last)) => reader.take_catalog(catalog, last, unreadable),
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
    /// the number after the greatest that is there is then listed as well, unless the set was never finished or its catalog,
    /// which the end is not needed for, tells how many there are.
    #[must_use]
    pub fn missing_volumes(&self) -> Vec<u32> {
        let gaps = self.volumes.iter().filter(|volume| volume.name.is_none()).map(|volume| volume.number);
        let next = (self.total.is_none() && !self.is_interrupted() && !self.lacks_last_end())
            .then(|| self.greatest().saturating_add(1));
        gaps.chain(next).collect()
    }

    /// Whether all of it is here but what comes behind its catalog, which is whole: the end mark that says so.
    #[must_use]
    pub fn lacks_end_only(&self) -> bool {
        self.lacks_last_end() && self.volumes.iter().all(|volume| volume.name.is_some())
    }

    /// The same of its last volume, whichever others are here.
    fn lacks_last_end(&self) -> bool {
        let is_last = |catalog: &CatalogRecord| self.greatest() >= catalog.volumes;
        self.total.is_none() && !self.is_interrupted() && self.catalog.as_ref().is_some_and(is_last)
    }

    /// Whether the backup was interrupted: the set ends with a volume that was never finished, and none follows it.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        let unfinished = self.volumes.last().is_some_and(|volume| volume.partial);
        self.total.is_none() && (self.interrupted || unfinished)
    }

    /// Whether its last volume is here and has its name: so the set was finished, and where it was read back, proved.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.total.is_some() && self.volumes.last().is_some_and(|last| last.name.is_some() && !last.partial)
    }

    /// Whether it was finished and everything that it wrote is listed by a catalog of its own: what an incremental backup needs
    /// of the set before it.
    #[must_use]
    pub fn can_be_built_on(&self) -> bool {
        self.is_finished() && self.catalog.is_some()
    }

    /// Volumes that are not what their names or the catalog say: cut off, longer, or another set's. What is missing with
    /// them shows when it is read.
    #[must_use]
    pub fn wrong_volumes(&self) -> &[VolumeError] {
        &self.wrong
    }

    /// What was wrong with copies of volumes so far where another copy could be read instead.
    #[must_use]
    pub fn overcome(&self) -> Vec<String> {
        self.copies.overcome()
    }

    fn greatest(&self) -> u32 {
        self.volumes.last().map_or(0, |volume| volume.number)
    }

    /// Whether the set was finished and all of its volumes are there. Whether they are intact shows when they are read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.total.is_some() && self.volumes.iter().all(|volume| volume.name.is_some() && !volume.partial)
    }

    /// Whether it may have sections that nobody knows of: it was salvaged and lost some, or its catalog is lost and not all else
    /// is here and sound.
    #[must_use]
    pub fn may_have_more(&self) -> bool {
        let sound = || {
            let numbered = self.sections.iter().zip(1u32..).all(|(section, number)| section.number == number);
            let whole = self.sections.iter().all(SectionView::is_complete);
            self.is_complete() && self.damage.is_empty() && numbered && whole
        };
        let nameless = self.label.salvaged.is_some_and(|salvaged| salvaged.lost == lost::SECTIONS);
        nameless || self.catalog.is_none() && !sound()
    }

    /// How many volumes the set has; none if its last volume is not there.
    #[must_use]
    pub const fn total_volumes(&self) -> Option<u32> {
        self.total
    }

    /// The head of the catalog; none if there is no whole catalog. Where there is one, the sections are those that it lists, all
    /// of them.
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

    /// The payload of a chunk, once checksums, identity and the numbers in its directory are checked: of the first copy of
    /// its volume that passes.
    ///
    /// # Errors
    /// Its volume is missing, the block is damaged or another one, the device fails.
    pub fn read_chunk(&self, chunk: &ChunkRef) -> Result<Vec<u8>, VolumeError> {
        self.copies.read(chunk.entry.volume, |blocks| chunk_payload(blocks, chunk))
    }

    /// Opens a volume of the set anew, its label checked: the first copy with a sound label.
    ///
    /// # Errors
    /// It is missing or another one stands in its place, its label is damaged, the device fails.
    pub fn volume(&self, number: u32) -> Result<Volume, VolumeError> {
        self.copies.try_each(number, |name| self.copies.volume(number, name))
    }

    /// Names of the copies of a volume, that which is read first in front; none if it is not there.
    #[must_use]
    pub fn copies(&self, number: u32) -> Vec<String> {
        self.copies.names(number)
    }

    /// Opens one copy of a volume, its label checked.
    ///
    /// # Errors
    /// Its label is damaged or another volume's, the device fails.
    pub fn copy(&self, number: u32, name: &str) -> Result<Volume, VolumeError> {
        self.copies.volume(number, name)
    }

    /// Bytes of a copy of a volume, as the device tells them without opening it where it can; 0 if it cannot tell.
    #[must_use]
    pub fn size(&self, name: &str) -> u64 {
        self.copies.device().size(name).unwrap_or(0)
    }

    /// What tells a copy of a volume from another file that has or had its name, where the device can tell.
    #[must_use]
    pub fn stamp(&self, name: &str) -> Option<String> {
        self.copies.device().stamp(name)
    }

    /// Whether a copy of a volume may be opened, as far as the device can tell: see [`Device::may_open`].
    #[must_use]
    pub fn may_open(&self, name: &str) -> bool {
        self.copies.device().may_open(name)
    }

    /// Who is writing it now, in brackets for a message: see [`Device::writer`]. `None` if nobody is, or the device cannot tell.
    #[must_use]
    pub fn writer(&self) -> Option<String> {
        let last = self.volumes.iter().rev().find_map(|volume| volume.name.as_ref())?;
        let writer = self.copies.device().writer(last)?;
        let (short, _) = told_by_name(writer.volume.as_deref()?)?;
        (!self.is_finished() && short == short_id(self.set_id())).then_some(writer.who)
    }

    /// Whether its volumes lie on a medium that is best read from its beginning to its end.
    #[must_use]
    pub fn is_sequential(&self) -> bool {
        self.copies.device().is_sequential()
    }

    /// The blocks of one copy of a volume, which need no sound label.
    ///
    /// # Errors
    /// Its label is another volume's, the device fails.
    pub fn blocks(&self, number: u32, name: &str) -> Result<Blocks, VolumeError> {
        self.copies.blocks(number, name)
    }

    /// Name and bytes of a volume of the set, for a [`Scanner`], which needs no sound label.
    ///
    /// # Errors
    /// It is missing, the device fails.
    pub fn source(&self, number: u32) -> Result<(String, Box<dyn VolumeSource>), VolumeError> {
        self.copies.try_each(number, |name| Ok((name.to_owned(), self.copies.device().open(name)?)))
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

    fn take_catalog(&mut self, catalog: Catalog, last: u32, unreadable: &mut Unusable) {
        self.total = Some(last);
        self.compare_sizes(&catalog.volumes, unreadable);
        self.list_volumes(last, &catalog.volumes);
        self.catalog = Some(catalog.head);
        for section in catalog.sections {
            let mut view = self.listed(section);
            if view.chunks.iter().any(|chunk| !chunk.here) {
                view.proven = self.prove(&view);
            }
            self.sections.push(view);
        }
    }

    /// A section as the catalog lists it. The volumes must be listed before.
    fn listed(&self, section: CatalogSection) -> SectionView {
        let number = section.record.section;
        let is_here = |volume: u32| {
            let view = self.volumes.get((volume as usize).wrapping_sub(1));
            view.is_some_and(|view| view.name.is_some())
        };
        let refer = |(chunk, entry): (u64, ChunkEntry)| {
            let here = is_here(entry.volume);
            ChunkRef { section: number, number: chunk, entry, here }
        };
        SectionView {
            number,
            header: section.record.header,
            end: Some(section.record.end),
            bytes: section.record.bytes,
            proven: section.buckets.iter().map(BucketEntry::is_written).collect(),
            buckets: section.buckets,
            chunks: (0u64..).zip(section.chunks).map(refer).collect(),
            source: SectionSource::Catalog,
        }
    }

    /// Which buckets lie wholly on the volumes that are here: those whose pieces there add up to the catalog's entry.
    /// Reads chunk directories only; a digest that adds up cannot come from a damaged one.
    fn prove(&mut self, view: &SectionView) -> Vec<bool> {
        let mut table = BucketTable::default();
        for chunk in view.chunks.iter().filter(|chunk| chunk.here) {
            match self.directory(chunk) {
                Ok(directory) => directory.pieces.iter().for_each(|piece| table.add(piece)),
                // It is not at hand: what of it is not proven is not damaged.
                Err(error) if error.is_elsewhere() => {}
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

    /// Holds the length of every file against the catalog, without opening it. Where one differs the labels are read:
    /// somebody may have given a volume the name of another.
    fn compare_sizes(&mut self, entries: &[VolumeEntry], unreadable: &mut Unusable) {
        let mut odd = self.odd_sizes(entries, unreadable);
        if !odd.is_empty() {
            self.copies.read_labels();
            odd = self.odd_sizes(entries, unreadable);
        }
        self.wrong = self.copies.wrong();
        self.wrong.extend(odd);
    }

    /// Copies that do not have the length that the catalog gives. The last volume is not among them: its end mark was
    /// found where it says that it is.
    fn odd_sizes(&self, entries: &[VolumeEntry], unreadable: &mut Unusable) -> Vec<VolumeError> {
        let finished = entries.len().saturating_sub(1);
        let mut odd = Vec::new();
        for (number, entry) in (1u32..).zip(entries.iter().take(finished)) {
            for name in self.copies.names(number) {
                match self.copies.device().size(&name) {
                    Ok(len) if len == entry.bytes => {}
                    Ok(len) if len > entry.bytes && self.is_ended(number, &name, entry.bytes) => {}
                    Ok(len) => odd.push(VolumeError::Length { name, volume: number, len, expected: entry.bytes }),
                    Err(error) => match VolumeError::from(error) {
                        // It counts as no copy, and is told like all that has the name of a volume and is none.
                        error if error.is_nothing() => {
                            self.copies.forget(number, &name);
                            unreadable.push(name, error);
                        }
                        error => odd.push(error),
                    },
                }
            }
        }
        odd
    }

    /// Whether a copy is so long, but for zeros behind its end mark.
    fn is_ended(&self, number: u32, name: &str, bytes: u64) -> bool {
        self.copies.volume(number, name).is_ok_and(|volume| volume.source().len() == bytes)
    }

    /// A chunk's directory without the columns behind it. The header of its block is checked, the directory by its own rules;
    /// no checksum of the payload is computed.
    ///
    /// # Errors
    /// As [`SetReader::read_chunk`].
    pub fn directory(&self, chunk: &ChunkRef) -> Result<ChunkRecord, VolumeError> {
        self.copies.read(chunk.entry.volume, |blocks| {
            let guess = DIRECTORY_GUESS.min(chunk.entry.bytes as usize);
            let (header, payload) = blocks.peek(chunk.entry.offset, guess)?;
            let fail = |error: crate::format::error::FormatError| {
                VolumeError::format(blocks.name(), error.within(header.position()))
            };
            if header.kind == BlockKind::Chunk
                && header.identity.block == chunk.entry.block
                && let Ok(record) = next_record(&mut crate::base::cursor::Cursor::new(&payload))
            {
                return record.decode().map_err(fail);
            }
            let payload = chunk_payload(blocks, chunk)?;
            Ok(parse_chunk(&payload).map_err(fail)?.directory)
        })
    }

    fn list_volumes(&mut self, count: u32, entries: &[VolumeEntry]) {
        let view = |number: u32| {
            let mut copies = self.copies.names(number);
            let name = (!copies.is_empty()).then(|| copies.remove(0));
            let partial = name.as_deref().is_some_and(|name| finished_name(name).is_some());
            // The last volume is listed as it stood before the catalog, which says nothing about it as a whole.
            let finished = (number as usize) < entries.len();
            let entry = entries.get((number as usize).wrapping_sub(1)).copied().filter(|_| finished);
            VolumeView { number, name, copies, partial, entry }
        };
        self.volumes = (1..=count).map(view).collect();
    }

    /// Finds out by reading every volume that is there, all its copies.
    fn scan(&mut self) -> Result<(), VolumeError> {
        let mut rebuild = Rebuild::default();
        for number in self.copies.numbers() {
            let (mut scans, mut failed) = (CopyScans::default(), None);
            for name in self.copies.names(number) {
                let source = match self.copies.device().open(&name) {
                    Ok(source) => source,
                    Err(DeviceError { kind: DeviceErrorKind::NotFound, .. }) => continue,
                    Err(error) => {
                        failed.get_or_insert((name, VolumeError::from(error)));
                        continue;
                    }
                };
                let mut blocks = Blocks::new(source, &name, self.set, number);
                // A medium that is read from its beginning to its end is not wound to its end first.
                let _end = if self.is_sequential() { None } else { blocks.ended() };
                let mut scanner = Scanner::new(blocks.source(), &name, Some((self.set, number)));
                if !rebuild.copy(&mut scans, &mut scanner, &name) {
                    self.copies.forget(number, &name);
                }
            }
            match failed {
                Some((_, error)) if scans.is_empty() => return Err(error),
                Some((name, error)) => self.copies.note(&name, &error),
                None => {}
            }
            rebuild.volume(scans).iter().for_each(|(name, extent)| self.copies.note(name, &extent.error));
        }
        self.total = rebuild.last;
        let greatest = self.copies.numbers().last().copied().unwrap_or(0);
        // A damaged end mark or catalog elsewhere does not make a whole catalog worth less: what headers tell may be less.
        match rebuild.whole_catalog() {
            Some(catalog) => {
                self.list_volumes(greatest, &catalog.volumes);
                for section in catalog.sections {
                    let mut view = self.listed(section);
                    rebuild.place(&mut view);
                    view.proven = rebuild.proven(&view);
                    self.sections.push(view);
                }
                self.catalog = Some(catalog.head);
            }
            None => {
                self.list_volumes(greatest, &[]);
                self.sections = rebuild.sections(&self.label.label);
            }
        }
        self.damage = rebuild.damage;
        Ok(())
    }
}

/// The payload of a chunk, read from one copy of its volume and held against what is known of it.
fn chunk_payload(blocks: &Blocks, chunk: &ChunkRef) -> Result<Vec<u8>, VolumeError> {
    let entry = &chunk.entry;
    let (header, payload) = blocks.read(entry.offset, entry.bytes, Some(entry.block))?;
    blocks.expect_kind(&header, BlockKind::Chunk)?;
    let name = blocks.name();
    let fail = |field, found| {
        Err(VolumeError::field(name, header.position(), field, found, "what catalog or scan say of this chunk"))
    };
    if header.identity.section != chunk.section {
        return fail("section", u64::from(header.identity.section));
    }
    let place = header.position().with_section(chunk.section);
    let directory = parse_chunk(&payload).map_err(|error| VolumeError::format(name, error.within(place)))?.directory;
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

/// The catalog, read from the last volume backwards to the one on which it begins, and the number of the last volume.
/// None if there is none, or any of it is missing or damaged: then everything is scanned.
fn load_catalog(copies: &Copies<'_>, draft: &Draft) -> Option<(Catalog, u32)> {
    let last = *draft.volumes.last_key_value()?.0;
    if !draft.lists_all() {
        return None;
    }
    let mut payloads = VecDeque::new();
    for number in (1..=last).rev() {
        let here = copies.catalog_payloads(number)?;
        let begins = here.first().is_some_and(|first| begins_catalog(first));
        here.into_iter().rev().for_each(|payload| payloads.push_front(payload));
        if begins {
            let catalog = Catalog::from_payloads(payloads.make_contiguous()).ok()?;
            return (catalog.head.volumes == number).then_some((catalog, last));
        }
    }
    None
}

/// The name that a volume of a set should have, for prompts.
#[must_use]
pub fn expected_name(label: &LabelRecord, number: u32) -> String {
    volume_name(&LabelRecord { volume: number, label: label_of_volume(&label.label, number), ..label.clone() })
}
