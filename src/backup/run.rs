//! A backup from beginning to end: planned, written, read back, reported.

use super::base::{Base, Older, Source};
use super::capacity::Capacity;
use super::changed::{ChangedMedia, UNRELIABLE, same_rows};
use super::compare::compare;
use super::cutoff::{self, Archived};
use super::estimate::{Size, size, total, tree_size};
use super::files::{PlannedTree, TreeJob, TreeReport, identities, listed};
use super::options::{Kind, Options, ReadBack};
use super::plan::{BackupPlan, Gap, cut, dated, label_text, plan};
use super::report::{BackupReport, Compared, TableReport};
use super::table::TableJob;
use crate::base::limits::NAME_BYTES_MAX;
use crate::base::monitor::{Monitor, Silent, Task};
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::traits::{Device, RECORD_BYTES};
use crate::error::{Error, ErrorKind};
use crate::format::label::{LabelRecord, purpose};
use crate::schema::catalogue::Catalogue;
use crate::schema::label_text::LabelText;
use crate::section::pieces::Cutoffs;
use crate::section::table::to_record;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::{Snapshot, Store, StoreIdentity};
use crate::verify::set::verify_set;
use crate::volume::error::VolumeError;
use crate::volume::name::label_by_name;
use crate::volume::set::{SetReader, find_set, labels};
use crate::volume::set_writer::{SetOptions, SetWriter};
use std::time::Instant as Clock;

/// A backup of a database onto a device.
///
/// ```no_run
/// use intervault::backup::{Backup, Incremental, Kind, Options};
/// use intervault::device::directory::DirectoryDevice;
/// use intervault::format::block::SetId;
/// use intervault::schema::catalogue::Catalogue;
/// use intervault::store::sqlite::SqliteStore;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (now, now_unix) = (intervault::base::time::Instant(0), 0);
/// # let random = || SetId([1; 16]);
/// let store = SqliteStore::open("history.db".as_ref())?;
/// let (catalogue, volumes) = (Catalogue::builtin(), DirectoryDevice::for_writing("/backup/monday")?);
/// let options = Options::new(now, now_unix, random());
/// let full = Backup::new(&store, &catalogue, &volumes, options.clone()).run()?;
/// // The next night: what changed since, onto the same device.
/// let options = Options { kind: Kind::Incremental(Incremental::default()), set: random(), ..options };
/// let report = Backup::new(&store, &catalogue, &volumes, options).run()?;
/// assert_eq!(report.parent.map(|parent| parent.set), Some(full.set.set));
/// # Ok(())
/// # }
/// ```
pub struct Backup<'a> {
    store: &'a dyn Store,
    catalogue: &'a Catalogue,
    device: &'a dyn Device,
    others: Vec<&'a dyn Device>,
    options: Options,
    monitor: &'a dyn Monitor,
    announce: Option<&'a dyn Fn(&LabelRecord)>,
    changed: Option<&'a ChangedMedia<'a>>,
}

/// Views of the database that are begun before a table that is rewritten again and again is given up.
const VIEWS_MAX: usize = 5;

/// A database that is being read.
struct Reading {
    snapshot: Box<dyn Snapshot>,
    archived: Archived,
    plan: BackupPlan,
    base: Option<Base>,
    jobs: usize,
}

impl<'a> Backup<'a> {
    /// A backup of `store` onto `device`. Nothing is done yet.
    #[must_use]
    pub fn new(store: &'a dyn Store, catalogue: &'a Catalogue, device: &'a dyn Device, options: Options) -> Backup<'a> {
        let (monitor, others) = (&Silent, Vec::new());
        Backup { store, catalogue, device, others, options, monitor, announce: None, changed: None }
    }

    /// With somebody who watches, and may ask to stop (asked between chunks).
    #[must_use]
    pub fn watched(self, monitor: &'a dyn Monitor) -> Backup<'a> {
        Backup { monitor, ..self }
    }

    /// With somebody who is told the label of the set before its first volume is begun: so that what a backup leaves behind
    /// that does not come to its end is known for what it is.
    #[must_use]
    pub fn announced(self, tell: &'a dyn Fn(&LabelRecord)) -> Backup<'a> {
        Backup { announce: Some(tell), ..self }
    }

    /// With what reads back the media that are taken out before the set is finished.
    #[must_use]
    pub fn read_back_by(self, changed: &'a ChangedMedia<'a>) -> Backup<'a> {
        Backup { changed: Some(changed), ..self }
    }

    /// With another device on which the sets of the chain may lie. Nothing is written there.
    #[must_use]
    pub fn based_on(mut self, device: &'a dyn Device) -> Backup<'a> {
        self.others.push(device);
        self
    }

    /// What would be written. Nothing is changed, nothing locked. For a full backup a few chunks of each table are read and
    /// encoded, which takes some hundredths of the time of the backup, to say how large it will be. For an incremental one
    /// every row is read and hashed: there is no cheaper way to know what changed.
    ///
    /// # Errors
    /// A specific table does not exist; a table lacks the columns that the catalogue names; nothing that was selected exists;
    /// the volume size is too small for a table; an incremental has nothing to build on, or it is not clear on what; somebody
    /// asked to stop; the store or a device fails.
    pub fn plan(&self) -> Result<BackupPlan, Error> {
        let mut reading = self.read()?;
        let Some(base) = &reading.base else { return self.estimated(reading) };
        let rows = reading.plan.tables.iter().filter(|planned| dated(&planned.table));
        let rows = rows.map(|planned| planned.rows).fold(0, u64::saturating_add);
        self.monitor.begin(Task::Backup, "comparing tables", rows);
        let mut compared = Vec::new();
        for at in 0..reading.plan.tables.len() {
            unless_cancelled(self.monitor)?;
            compared.push(match reading.job(&self.options, at) {
                Some(job) => self.compared(&job, base)?,
                None => None,
            });
        }
        self.monitor.end(Task::Backup);
        for (planned, compared) in reading.plan.tables.iter_mut().zip(compared) {
            planned.compared = compared;
        }
        Ok(reading.plan)
    }

    /// The plan of a full backup, with its size.
    fn estimated(&self, mut reading: Reading) -> Result<BackupPlan, Error> {
        let began = Clock::now();
        let label = self.label(&self.options, &reading.plan, 1);
        let capacity = Capacity::new(self.options.volume_size, &label)?;
        self.monitor.begin(Task::Backup, "sampling tables", 0);
        let mut sizes = Vec::new();
        for at in 0..reading.plan.tables.len() {
            unless_cancelled(self.monitor)?;
            if let Some(job) = reading.job(&self.options, at) {
                sizes.push(size(&job, &capacity, self.monitor)?);
            }
        }
        for (planned, size) in reading.plan.tables.iter_mut().zip(&sizes) {
            planned.stored_about = Some(size.columns);
        }
        let trees = self.tree_sizes(&reading.plan, &capacity);
        self.monitor.end(Task::Backup);
        sizes.extend(trees?);
        reading.plan.estimate = Some(total(&sizes, &capacity, began.elapsed()));
        Ok(reading.plan)
    }

    /// How much room each file tree will take.
    fn tree_sizes(&self, plan: &BackupPlan, capacity: &Capacity) -> Result<Vec<Size>, Error> {
        let skip = identities(&self.options.skip);
        let encode = self.options.encode;
        let size = |planned: &PlannedTree| {
            let job = TreeJob { planned, encode, jobs: self.options.jobs, skip: &skip };
            tree_size(&job, capacity, self.monitor)
        };
        plan.trees.iter().map(size).collect()
    }

    /// How a table compares with what the chain has of it.
    fn compared(&self, job: &TableJob<'_>, base: &Base) -> Result<Option<Compared>, Error> {
        let cutoffs = job.cutoffs()?;
        Ok(match job.older(base, &cutoffs) {
            None => None,
            Some(Older::Whole(why)) => Some(Compared::whole(why, job.planned.rows)),
            Some(Older::Same(before)) => Some(compare(job, &cutoffs, before, self.monitor)?.counts()),
        })
    }

    /// Backs up: plan, write, sync, read back, compare, and only then give the last volume its name. After an error what was
    /// written so far stays on the device as a set that was never finished; a device that cannot be read before a volume has
    /// its name (a tape) is left with a set that must not be relied on, if only the reading back failed.
    ///
    /// # Errors
    /// As [`Backup::plan`]; another backup or restore of the database is under way; another process writes to the device; a
    /// row is too large for a block; what is read back differs.
    pub fn run(&self) -> Result<BackupReport, Error> {
        // What was found on a medium that was to be taken out says more than that it was not.
        let why = |error| self.changed.and_then(ChangedMedia::failure).unwrap_or(error);
        self.write().map_err(why)
    }

    fn write(&self) -> Result<BackupReport, Error> {
        let began = Clock::now();
        // Held to the end: a restore must not change the database while it is read, nor delete what is not proven to be saved.
        let database = self.store.lock_for_reading()?;
        database.notice().iter().for_each(|notice| self.monitor.notice(notice));
        // Held until the set is read back, so that no other backup builds on the same set, takes its number or makes its
        // volumes vanish. The database's lock cannot be had everywhere.
        let _lock = self.device.lock()?;
        let mut reading = self.read()?;
        reading.snapshot.notices().iter().for_each(|notice| self.monitor.notice(notice));
        let plan = &reading.plan;
        let label = self.label(&self.options, plan, self.number_of_the_day()?);
        let capacity = Capacity::new(self.options.volume_size, &label)?;
        let mut tables = Vec::new();
        let rows = plan.tables.iter().map(|planned| planned.rows);
        let rows = rows.chain(plan.trees.iter().map(|planned| planned.count.entries)).fold(0, u64::saturating_add);
        // Whoever sees a volume may ask to stop.
        self.monitor.begin(Task::Backup, "reading tables", rows);
        self.announce.inspect(|tell| tell(&label));
        let mut set = SetWriter::create(self.device, label, &SetOptions { volume_size: self.options.volume_size })?;
        for at in 0..plan.tables.len() {
            unless_cancelled(self.monitor)?;
            if let Some(job) = reading.job(&self.options, at) {
                tables.push(job.write(reading.base.as_ref(), &capacity, &mut set, self.monitor)?);
            }
        }
        let trees = self.trees(plan, &capacity, &mut set, &mut tables)?;
        reading.plan.gaps.left_out.extend(nobody(&self.options, &tables));
        let plan = &reading.plan;
        let left_out = [plan.left_out_pairs(), listed(&trees, self.options.volume_size)].concat();
        let mut set = set.end(plan.gaps.absent.clone(), left_out)?;
        self.monitor.end(Task::Backup);
        let Reading { plan, .. } = reading;
        let write_time = began.elapsed();
        let began = Clock::now();
        let changed = || self.changed.filter(|changed| changed.any());
        let verifies = self.options.read_back == ReadBack::Verify;
        // What fails here, or is killed, is no finished set: no later one builds on it.
        let before = verifies && changed().is_none() && self.device.reads_back() && set.readable()?;
        if before {
            read_back(self.device, &self.options, &tables, self.monitor)?;
        }
        let summary = set.name()?;
        // A last medium may have come only now.
        let changed = changed();
        let verified = verifies && (changed.is_some() || self.device.reads_back());
        match changed {
            Some(changed) if verified => changed.finish(self.device, &summary, &tables)?,
            None if verified && !before => read_back(self.device, &self.options, &tables, self.monitor)?,
            _ => {}
        }
        let verify_time = began.elapsed();
        let BackupPlan { gaps, parent, .. } = plan;
        Ok(BackupReport { set: summary, parent, tables, trees, gaps, verified, write_time, verify_time })
    }

    /// Writes the file trees, each a section, and reports them among the tables too.
    fn trees(
        &self,
        plan: &BackupPlan,
        capacity: &Capacity,
        set: &mut SetWriter<'_>,
        tables: &mut Vec<TableReport>,
    ) -> Result<Vec<TreeReport>, Error> {
        let skip = identities(&self.options.skip);
        let (encode, jobs) = (self.options.encode, self.options.jobs);
        let mut reports = Vec::new();
        for planned in &plan.trees {
            unless_cancelled(self.monitor)?;
            let job = TreeJob { planned, encode, jobs, skip: &skip };
            let (table, tree) = job.write(|header| capacity.chunk_room(header), set, self.monitor)?;
            tables.push(table);
            reports.push(tree);
        }
        Ok(reports)
    }

    /// Begins to read the database, and says what would be written.
    fn read(&self) -> Result<Reading, Error> {
        let options = &self.options;
        if options.kind != Kind::Full && options.select.data().is_empty() {
            let text = "specific tables are in no chain: an incremental backup takes kinds of data";
            return Err(ErrorKind::Options(text.to_owned()).into());
        }
        for _ in 1..VIEWS_MAX {
            match self.view() {
                Err(error) if is_rewritten(&error) => {}
                read => return read,
            }
        }
        self.view()
    }

    /// One view of the database, in which all tables that are to be read are as they were when it began.
    fn view(&self) -> Result<Reading, Error> {
        let options = &self.options;
        let snapshot = self.store.snapshot(options.jobs.max(1))?;
        let jobs = options.jobs.clamp(1, snapshot.readers().max(1));
        let mut plan = plan(snapshot.as_ref(), self.catalogue, options)?;
        let base = self.base(&plan)?;
        plan.parent = base.as_ref().map(|base| base.parent.clone());
        if let (Some(base), Some(since)) = (&base, options.changed_since()) {
            for planned in plan.tables.iter_mut().filter(|planned| dated(&planned.table)) {
                let header = to_record(&planned.table, false, &Cutoffs::default());
                planned.read_from = base.read_from(&header, options.now.day(), since.margin_days);
                if planned.read_from.is_none() {
                    cut(planned, snapshot.as_ref(), options)?;
                }
            }
        }
        snapshot.hold(&plan.tables.iter().map(|planned| &planned.table.schema).collect::<Vec<_>>())?;
        let label = self.label(options, &plan, u32::MAX);
        Capacity::new(options.volume_size, &label)?.check(&plan)?;
        let archived = cutoff::archived(snapshot.as_ref(), self.catalogue)?;
        Ok(Reading { snapshot, archived, plan, base, jobs })
    }

    fn devices(&self) -> Vec<&'a dyn Device> {
        std::iter::once(self.device).chain(self.others.iter().copied()).collect()
    }

    fn base(&self, plan: &BackupPlan) -> Result<Option<Base>, Error> {
        if self.options.kind == Kind::Full {
            return Ok(None);
        }
        let identity = self.store.identity();
        let source = Source {
            store: clip(&identity.kind),
            server: clip(&identity.server),
            database: clip(&identity.database),
            acd: self.options.acd,
            data: self.options.bits(),
        };
        let tables = plan.tables.iter().filter(|planned| dated(&planned.table));
        let tables = tables.map(|planned| planned.table.schema.name.as_str()).collect();
        Base::find(&self.devices(), &source, &self.options, &tables).map(Some)
    }

    /// One more than the highest number among the sets of this day that the devices hold, by label or by name, or that the
    /// options know of.
    fn number_of_the_day(&self) -> Result<u32, Error> {
        let day = self.options.now.day();
        let mut last = self.options.number_after;
        for device in self.devices() {
            let labels = match labels(device) {
                Err(VolumeError::Device(DeviceError { kind: DeviceErrorKind::NotFound, .. })) => continue,
                labels => labels?,
            };
            // A volume whose label cannot be read has taken its number all the same, as its name says.
            let named: Vec<String> =
                device.list()?.iter().filter_map(|name| label_by_name(name)).map(|(label, _)| label).collect();
            let texts = labels.iter().map(|label| &label.label).chain(&named);
            let texts = texts.flat_map(|label| label.parse::<LabelText>());
            last = texts.filter(|label| label.may_be_of(day)).map(|label| label.number).fold(last, u32::max);
        }
        Ok(last.saturating_add(1))
    }

    fn label(&self, options: &Options, plan: &BackupPlan, number: u32) -> LabelRecord {
        let label = label(self.store.identity(), options, plan, number);
        LabelRecord { device_record: self.device.record_bytes(), ..label }
    }
}

impl Reading {
    fn job<'a>(&'a self, options: &'a Options, at: usize) -> Option<TableJob<'a>> {
        let planned = self.plan.tables.get(at)?;
        let (snapshot, archived, jobs) = (self.snapshot.as_ref(), &self.archived, self.jobs);
        Some(TableJob { snapshot, archived, options, jobs, planned })
    }
}

/// Whether another view of the database may have what this one lacks.
fn is_rewritten(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Store(StoreError { kind: StoreErrorKind::Rewritten, .. }))
}

/// Nothing is lost by stopping: a set without an end is told from a whole one.
pub(super) fn unless_cancelled(monitor: &dyn Monitor) -> Result<(), Error> {
    if monitor.cancelled() { Err(ErrorKind::Cancelled.into()) } else { Ok(()) }
}

fn label(source: &StoreIdentity, options: &Options, plan: &BackupPlan, number: u32) -> LabelRecord {
    LabelRecord {
        required_features: 0,
        optional_features: 0,
        set_id: options.set.0,
        volume: 1,
        label: label_text(options, number).to_string(),
        created_unix: options.now_unix,
        created_civil: options.now.0,
        source_store: clip(&source.kind),
        source_server: clip(&source.server),
        source_database: clip(&source.database),
        source_version: clip(&source.version),
        data_types: plan.data_types,
        acd: options.acd,
        incremental: plan.parent.is_some(),
        parent_set: plan.parent.as_ref().map(|parent| parent.set.0),
        sequence: plan.parent.as_ref().map_or(0, |parent| parent.sequence.saturating_add(1)),
        capacity: options.volume_size.unwrap_or(0),
        device_record: RECORD_BYTES,
        predecessor: None,
        retain_until: options.retain_until,
        software: concat!("intervault ", env!("CARGO_PKG_VERSION")).to_owned(),
        purpose: purpose::BACKUP,
        chain: plan.parent.as_ref().map_or(options.set, |parent| parent.chain).0,
        salvaged: None,
    }
}

/// A name for people, cut at the format's limit.
pub(super) fn clip(text: &str) -> String {
    let end = (0..=text.len().min(NAME_BYTES_MAX as usize)).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

/// A full backup of an ACD of which there is no row says so: it may not be the one that was meant.
fn nobody(options: &Options, tables: &[TableReport]) -> Option<Gap> {
    let acd = options.acd.filter(|_| options.kind == Kind::Full && tables.iter().all(|table| table.rows == 0))?;
    Some(Gap { name: format!("ACD {acd}"), reason: "no selected table has a row of it".to_owned(), warns: true })
}

/// Reads the set back from the device, proves every row, and compares with what was written.
fn read_back(
    device: &dyn Device,
    options: &Options,
    tables: &[TableReport],
    monitor: &dyn Monitor,
) -> Result<(), Error> {
    let set = find_set(device, options.set)?;
    let whole = |set: &SetReader<'_>| set.total_volumes().is_some() && set.missing_volumes().is_empty();
    let Some(set) = set.filter(whole) else {
        return Err(Error::damage("the set just written cannot be read back whole", UNRELIABLE));
    };
    let proved = verify_set(&set, options.jobs, monitor);
    if let Some(finding) = proved.findings.first() {
        return Err(Error::damage(format!("reading back found: {finding}"), UNRELIABLE));
    }
    let read = set.sections().iter();
    let read = read.map(|section| (section.header.table.as_str(), section.end.as_ref().map_or(0, |end| end.rows)));
    same_rows(tables, read)
}
