//! Plans that are saved and applied later. What is saved is what was asked for and what the answer rested on, not the answer:
//! to apply it the restore is planned again, and refused unless volumes and target still give the same answer.

use super::apply::cut;
use super::journal;
use super::options::Options;
use super::report::{AcdPlan, RestorePlan, TableAction, TablePlan};
use super::rules::Rule;
use super::target::{Contents, UnitRows, look};
use crate::base::checksum::{Hash, blake3};
use crate::column::digest::Digest;
use crate::error::Error;
use crate::format::block::SetId;
use crate::schema::range::{Slot, Undated};
use crate::store::traits::{Snapshot, Store};
use crate::volume::set::SetReader;
use serde::{Deserialize, Serialize};

/// A saved plan: TOML, for people too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// Version of this text.
    version: u32,
    /// The sets, the newest first, as hexadecimal digits.
    sets: Vec<String>,
    /// Kind, server and name of the target.
    target: [String; 3],
    /// What was asked for, as the journal has it, and when.
    options: String,
    /// Whether a set of another version of the database's schema is let in.
    other_version: bool,
    /// One entry a table.
    tables: Vec<SavedTable>,
}

/// What the plan of one table rested on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedTable {
    /// The table.
    table: String,
    /// Rows that are deleted and inserted.
    delete: u64,
    insert: u64,
    /// Of the decision and the chunks that it reads.
    volumes: String,
    /// Of the target's rows in question, all columns.
    rows: String,
}

const VERSION: u32 = 1;

impl SavedPlan {
    /// What a plan rests on. Reads the target's rows in question, all columns.
    ///
    /// # Errors
    /// The target's rows are no longer those that the plan saw; the store fails.
    pub fn of(
        plan: &RestorePlan,
        sets: &[&SetReader<'_>],
        store: &dyn Store,
        options: &Options,
    ) -> Result<SavedPlan, Error> {
        let snapshot = store.snapshot(1)?;
        let tables = plan.tables.iter().map(|table| saved_table(table, snapshot.as_ref(), options));
        let identity = store.identity();
        Ok(SavedPlan {
            version: VERSION,
            sets: sets.iter().map(|set| set.label().set().to_string()).collect(),
            target: [identity.kind.clone(), identity.server.clone(), identity.database.clone()],
            options: journal::write_options(options, &[], None)?,
            other_version: options.other_version,
            tables: tables.collect::<Result<_, _>>()?,
        })
    }

    /// As text.
    ///
    /// # Errors
    /// A name cannot be written as TOML; none is known.
    pub fn to_text(&self) -> Result<String, Error> {
        toml::to_string(self).map_err(|error| unreadable(&error.to_string()))
    }

    /// From text.
    ///
    /// # Errors
    /// It is no saved plan, or one of another release.
    pub fn from_text(text: &str) -> Result<SavedPlan, Error> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let wrong = |error: toml::de::Error| unreadable(error.message());
        // Of another release only this is known; what follows may be quite different.
        let head: Head = toml::from_str(text).map_err(wrong)?;
        if head.version != VERSION {
            return Err(unreadable(&format!("it is of version {}, and only {VERSION} is known", head.version)));
        }
        toml::from_str(text).map_err(wrong)
    }

    /// The sets that the plan draws on, the newest first.
    ///
    /// # Errors
    /// The text names something that is no set, or none.
    pub fn sets(&self) -> Result<Vec<SetId>, Error> {
        let sets: Option<Vec<SetId>> = self.sets.iter().map(|id| SetId::from_hex(id)).collect();
        sets.filter(|sets| !sets.is_empty()).ok_or_else(|| unreadable("it names a set that is none"))
    }

    /// What was asked for; what the text does not say (threads) is as in `base`, whose `now` is the moment of applying.
    ///
    /// What the target still collects is judged by the earlier of the two moments: rows that were not settled when the plan
    /// was saved are not in it, however long ago that was, and rows that are not settled now are not touched.
    ///
    /// # Errors
    /// The text is not as this release writes it.
    pub fn options(&self, base: &Options) -> Result<Options, Error> {
        let read = journal::read_options(&self.options, base);
        let saved = read.map_err(|_| unreadable("what was asked for is not as this release writes it"))?;
        Ok(Options {
            now: base.now,
            decided_at: Some(saved.now),
            collecting: base.collecting,
            other_version: self.other_version,
            ..saved
        })
    }

    /// Refuses a new plan that does not rest on the same rows of volumes and target.
    ///
    /// # Errors
    /// It does not, and where; as [`SavedPlan::of`].
    pub fn check(
        &self,
        plan: &RestorePlan,
        sets: &[&SetReader<'_>],
        store: &dyn Store,
        options: &Options,
    ) -> Result<(), Error> {
        let now = SavedPlan::of(plan, sets, store, options)?;
        let what = if now.sets != self.sets {
            "the sets are not those of the saved plan".to_owned()
        } else if now.target != self.target {
            let [kind, server, database] = &self.target;
            format!("the plan was saved for {kind} database {database} of {server}, which this is not")
        } else if let Some(what) = self.differs(&now) {
            what
        } else {
            return Ok(());
        };
        Err(Rule::ChangedSincePlan.error(what, "nothing was changed; plan again, look at it, and save it anew"))
    }

    /// The first table that a new plan treats in another way.
    fn differs(&self, now: &SavedPlan) -> Option<String> {
        for saved in &self.tables {
            let side = match now.tables.iter().find(|table| table.table == saved.table) {
                Some(table) if table == saved => continue,
                Some(table) if table.rows != saved.rows => "the target's rows in question have",
                Some(table) if table.volumes != saved.volumes => "what the volumes give has",
                _ => "what would be restored has",
            };
            return Some(format!("table {}: {side} changed since the plan was saved", saved.table));
        }
        let more = now.tables.iter().find(|table| !self.tables.iter().any(|saved| saved.table == table.table))?;
        Some(format!("table {} is not in the saved plan", more.table))
    }
}

fn unreadable(what: &str) -> Error {
    Error::refused(format!("this is no saved plan that can be read here: {what}"), "save it again with --save-plan")
}

fn saved_table(table: &TablePlan, snapshot: &dyn Snapshot, options: &Options) -> Result<SavedTable, Error> {
    // Of all units together: how the table is cut does not matter.
    let (mut goes, mut stays) = (Digest::default(), Digest::default());
    for unit in cut(table, options.unit_rows) {
        let unit = UnitRows::new(table, unit.part);
        let Some(target) = unit.target() else { continue };
        let (clock, days) = unit.days();
        let mut contents = Contents::new(&unit);
        let seen = look(&unit, Some(&mut contents), None, &mut |columns, sink| {
            snapshot.scan_keyed(0, &target.schema, clock, days, columns, sink)
        })?;
        unit.check(&seen)?;
        (goes, stays) = (goes.plus(seen.goes), stays.plus(seen.stays));
    }
    let mut rows = Fingerprint::default();
    rows.digest(goes);
    rows.digest(stays);
    Ok(SavedTable {
        table: table.table.clone(),
        delete: table.rows_deleted(),
        insert: table.rows_inserted(),
        volumes: volumes(table),
        rows: rows.finish(),
    })
}

/// The chunks that are read, and which rows of either side the decision moves.
fn volumes(table: &TablePlan) -> String {
    let mut fingerprint = Fingerprint::default();
    for source in table.sources() {
        fingerprint.number(source.member as u64);
        for chunk in &source.chunks {
            fingerprint.number(u64::from(chunk.entry.volume));
            fingerprint.number(chunk.entry.block);
            fingerprint.number(u64::from(chunk.entry.rows));
        }
    }
    if let TableAction::Ranges(ranges) = &table.action {
        // An ACD of which nothing is replaced may come or go meanwhile.
        let replaced = |plan: &&AcdPlan| !plan.scope().is_empty() || plan.decision.undated != Undated::Leave;
        for plan in ranges.acds.iter().filter(replaced) {
            fingerprint.number(u64::from(plan.acd.is_some()));
            fingerprint.number(plan.acd.unwrap_or_default().cast_unsigned());
            fingerprint.number(plan.decision.actual.spans().len() as u64);
            for span in plan.decision.actual.spans() {
                fingerprint.number(span.start.0.cast_unsigned());
                fingerprint.number(span.stop.0.cast_unsigned());
            }
            fingerprint.slots(&plan.decision.delete);
            fingerprint.slots(&plan.decision.insert);
            fingerprint.slots(&plan.decision.carried_in);
        }
    }
    fingerprint.finish()
}

/// A hash of many numbers, a few thousand at a time.
#[derive(Default)]
struct Fingerprint {
    before: Hash,
    bytes: Vec<u8>,
}

impl Fingerprint {
    fn number(&mut self, number: u64) {
        self.bytes.extend(number.to_le_bytes());
        if self.bytes.len() >= 64 << 10 {
            self.fold();
        }
    }

    fn fold(&mut self) {
        self.bytes.extend(self.before);
        self.before = blake3(&self.bytes);
        self.bytes.clear();
    }

    fn digest(&mut self, digest: Digest) {
        self.number(digest.rows);
        self.bytes.extend(digest.to_bytes());
    }

    fn slots(&mut self, slots: &[Slot]) {
        self.number(slots.len() as u64);
        for slot in slots {
            self.number(slot.span.start.0.cast_unsigned());
            self.number(slot.span.stop.0.cast_unsigned());
            self.number(slot.rows);
        }
    }

    fn finish(mut self) -> String {
        self.fold();
        self.before.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}
