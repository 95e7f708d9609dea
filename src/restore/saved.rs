//! Plans that are saved and applied later. What is saved is what was asked for and what the answer rested on, not the answer:
//! to apply it the restore is planned again, and refused unless volumes and target still give the same answer.

use super::apply::cut;
use super::journal;
use super::options::Options;
use super::report::{RestorePlan, TableAction, TablePlan};
use super::rules::Rule;
use super::target::{Contents, UnitRows, look};
use crate::base::checksum::{Hash, blake3};
use crate::column::digest::Digest;
use crate::error::Error;
use crate::schema::range::Slot;
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
    /// What was asked for, as the journal has it.
    options: String,
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
            options: journal::write_options(options, &[])?,
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
        let plan: SavedPlan = toml::from_str(text).map_err(|error| unreadable(error.message()))?;
        if plan.version == VERSION { Ok(plan) } else { Err(unreadable("its version is not known here")) }
    }

    /// The set that the plan restores, as hexadecimal digits; of a chain the newest member. `None` if the text names none.
    #[must_use]
    pub fn set(&self) -> Option<&str> {
        self.sets.first().map(String::as_str)
    }

    /// What was asked for; what the text does not say (threads) is as in `base`.
    ///
    /// # Errors
    /// The text is not as this release writes it.
    pub fn options(&self, base: &Options) -> Result<Options, Error> {
        journal::read_options(&self.options, base)
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
        if now == *self {
            return Ok(());
        }
        let what = if now.sets != self.sets {
            "the sets are not those of the saved plan".to_owned()
        } else if now.target != self.target {
            {
                let [kind, server, database] = &self.target;
                format!("the plan was made for {kind} database {database} of {server}")
            }
        } else {
            let differs = |saved: &&SavedTable| !now.tables.contains(saved);
            match self.tables.iter().find(differs) {
                Some(saved) => {
                    let same = now.tables.iter().find(|table| table.table == saved.table);
                    let side = match same {
                        Some(table) if table.rows != saved.rows => "the target's rows",
                        Some(table) if table.volumes != saved.volumes => "what the volumes give",
                        _ => "what would be restored",
                    };
                    format!("table {}: {side} changed since the plan was saved", saved.table)
                }
                None => "tables have come to what would be restored since the plan was saved".to_owned(),
            }
        };
        Err(Rule::ChangedSincePlan.error(what, "nothing was changed; plan again, look at it, and save it anew"))
    }
}

fn unreadable(what: &str) -> Error {
    Error::refused(format!("this is no saved plan that can be read here: {what}"), "save it again with --save-plan")
}

fn saved_table(table: &TablePlan, snapshot: &dyn Snapshot, options: &Options) -> Result<SavedTable, Error> {
    let mut rows = Fingerprint::default();
    for unit in cut(table, options.unit_rows) {
        let unit = UnitRows::new(table, unit.part);
        let Some(target) = unit.target() else { continue };
        let (clock, days) = unit.days();
        let mut contents = Contents::new(&unit);
        let seen = look(&unit, Some(&mut contents), None, &mut |columns, sink| {
            snapshot.scan_keyed(0, &target.schema, clock, days, columns, sink)
        })?;
        unit.check(&seen)?;
        rows.digest(seen.goes);
        rows.digest(seen.stays);
    }
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
        for plan in &ranges.acds {
            fingerprint.number(plan.acd.unwrap_or_default().cast_unsigned());
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
