//! Up to when the rows of a snapshot are complete.

use super::options::Options;
use crate::base::time::{Day, Instant};
use crate::error::Error;
use crate::schema::catalogue::Catalogue;
use crate::schema::clock::{CompletionRule, Newest, RowTimes, When};
use crate::schema::grain::Grain;
use crate::schema::table::BoundTable;
use crate::section::pieces::{Acd, Cutoffs};
use crate::store::traits::Snapshot;
use std::collections::BTreeMap;

/// What the archive status of a database says: up to when each ACD's data were written.
pub(super) type Archived = BTreeMap<Acd, Instant>;

/// The cutoffs of a table: for each ACD that has rows near the end. Every other ACD's rows are complete.
///
/// # Errors
/// The store fails.
pub(super) fn cutoffs(
    snapshot: &dyn Snapshot,
    table: &BoundTable,
    archived: &Archived,
    options: &Options,
) -> Result<Cutoffs, Error> {
    let Some(clock) = &table.clock else { return Ok(Cutoffs::default()) };
    let rule = CompletionRule::new(table.grain);
    let keys = RowTimes::columns(table);
    let mut times = RowTimes::projected(table, &keys)?;
    let mut newest: BTreeMap<Acd, Newest> = BTreeMap::new();
    let days = (Some(first_day(table.grain, archived, options.now)), None);
    snapshot.scan_days(0, &table.schema, clock, days, &keys, &mut |batch| {
        times.each(&batch, |_, row| {
            if let When::Dated(span) = row.when {
                newest.entry(row.acd).or_insert_with(|| Newest::new(rule, options.now)).add(span);
            }
        });
        Ok(())
    })?;
    let status = |acd: &Acd| archived.get(acd).copied().filter(|_| table.grain != Grain::Event);
    Ok(Cutoffs::new(newest.iter().filter_map(|(acd, newest)| Some((*acd, newest.cutoff(status(acd))?)))))
}

/// The first day whose rows may not be complete: rows before it are longer over than any rule asks.
fn first_day(grain: Grain, archived: &Archived, now: Instant) -> Day {
    let reach = match grain {
        Grain::Monthly => 33,
        Grain::Weekly => 9,
        Grain::None | Grain::Interval | Grain::Daily | Grain::Event => 3,
    };
    let earliest = archived.values().copied().min().map_or(now, |archived| archived.min(now));
    earliest.day().saturating_sub(reach)
}

/// Reads the archive status, where the catalogue names its table and the database has it.
///
/// # Errors
/// The table lacks the columns named; the store fails.
pub(super) fn archived(snapshot: &dyn Snapshot, catalogue: &Catalogue) -> Result<Archived, Error> {
    let mut archived = Archived::new();
    let Some(status) = catalogue.archive_status() else { return Ok(archived) };
    let Some(schema) = snapshot.schema(&status.table)? else { return Ok(archived) };
    let mut reader = status.reader(&schema)?;
    for part in snapshot.parts(&schema, u64::MAX)? {
        snapshot.scan(0, &schema, &part, 4_096, 1 << 20, &mut |batch| {
            for (acd, instant) in reader.read(&batch) {
                // Several rows of one ACD: the one that says least decides.
                let known = archived.entry(acd).or_insert(instant);
                *known = instant.min(*known);
            }
            Ok(())
        })?;
    }
    Ok(archived)
}
