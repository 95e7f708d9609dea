//! Reads back what is on a medium before it is taken out of its drive, so that a backup over several of them is proved without
//! any of them being put in again.

use super::report::TableReport;
use crate::base::monitor::{Monitor, Task};
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::media::Leaving;
use crate::device::name::finished_name;
use crate::device::traits::Device;
use crate::error::{Error, ErrorKind};
use crate::format::block::SetId;
use crate::verify::proof::{SetProof, SetProved};
use crate::volume::name::short_id;
use crate::volume::reader::Volume;
use crate::volume::set_writer::SetSummary;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What to do with a set that cannot be read back.
pub(super) const UNRELIABLE: &str = "do not rely on this set: check the medium and back up again";

/// Proves the volumes of a set on each medium before it is taken out, and at the end the set: to be given to the
/// [`MediaDevice`](crate::device::media::MediaDevice) that the set is written to, and to its
/// [`Backup`](super::Backup::read_back_by).
pub struct ChangedMedia<'m> {
    set: SetId,
    monitor: &'m dyn Monitor,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    proof: SetProof,
    /// Whether a medium was left.
    left: bool,
    /// What forbids to go on.
    wrong: Option<String>,
    /// Whether somebody asked to stop meanwhile.
    stopped: bool,
}

/// Passes on what somebody asks for, and tells nothing: what is shown is how far the backup is.
struct Quiet<'m>(&'m dyn Monitor);

impl Monitor for Quiet<'_> {
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

impl<'m> ChangedMedia<'m> {
    /// For a set that is about to be written.
    #[must_use]
    pub fn new(set: SetId, monitor: &'m dyn Monitor) -> ChangedMedia<'m> {
        ChangedMedia { set, monitor, state: Mutex::default() }
    }

    /// What another thread's panic left counts for what was read until then.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a medium was taken out.
    pub(super) fn any(&self) -> bool {
        self.state().left
    }

    /// Why a backup must end that was about to leave a medium.
    pub(super) fn failure(&self) -> Option<Error> {
        let state = self.state();
        let wrong = || state.wrong.as_ref().map(|what| Error::damage(what.as_str(), UNRELIABLE));
        if state.stopped { Some(ErrorKind::Cancelled.into()) } else { wrong() }
    }

    /// Reads the finished volumes of the set that are on a device and were not read before.
    fn read(&self, medium: &dyn Device, monitor: &dyn Monitor) -> Result<(), DeviceError> {
        let short = short_id(self.set);
        let mut state = self.state();
        for name in medium.list()?.iter().filter(|name| finished_name(name).is_none() && name.contains(&short)) {
            let volume = match Volume::open(medium.open(name)?, name) {
                Ok(volume) if volume.label().set() == self.set => volume,
                // A name of another set that begins alike.
                Ok(_) => continue,
                Err(error) => {
                    state.wrong = Some(format!("reading back found: {error}"));
                    break;
                }
            };
            if !state.proof.has(volume.label().volume) {
                state.proof.volume(volume.blocks(), 1, monitor);
            }
            if monitor.cancelled() {
                state.stopped = true;
                return Ok(());
            }
        }
        state.wrong =
            state.wrong.take().or_else(|| state.proof.first().map(|found| format!("reading back found: {found}")));
        Ok(())
    }

    /// Proves the set as a whole, once it is finished; `device` has the volumes that were not taken out.
    ///
    /// # Errors
    /// A volume is not there or not what was written; the totals differ; somebody asked to stop.
    pub(super) fn finish(&self, device: &dyn Device, set: &SetSummary, tables: &[TableReport]) -> Result<(), Error> {
        self.monitor.begin(Task::Verify, "reading back", 0);
        self.read(device, self.monitor)?;
        self.monitor.end(Task::Verify);
        self.failure().map_or(Ok(()), Err)?;
        let SetProved { verified, last, tables: proved } = std::mem::take(&mut self.state().proof).finish();
        if let Some(finding) = verified.findings.first() {
            return Err(Error::damage(format!("reading back found: {finding}"), UNRELIABLE));
        }
        let read = verified.volumes.iter().map(|media| (media.number, media.ending));
        let written = set.volumes.iter().map(|volume| (volume.number, Some(volume.predecessor())));
        if last != set.volumes.last().map(|volume| volume.number) || !read.eq(written) {
            return Err(Error::damage("the set just written cannot be read back whole", UNRELIABLE));
        }
        same_rows(tables, proved.iter().map(|(table, rows)| (table.as_str(), *rows)))
    }
}

/// Compares what was written of each table with what was read back.
///
/// # Errors
/// They differ.
pub(super) fn same_rows<'r>(written: &[TableReport], read: impl Iterator<Item = (&'r str, u64)>) -> Result<(), Error> {
    for (table, (name, rows)) in written.iter().zip(read) {
        if rows != table.rows || name != table.table {
            let what = format!("table {}: {} rows written, {rows} read back", table.table, table.rows);
            return Err(Error::damage(what, UNRELIABLE));
        }
    }
    Ok(())
}

impl Leaving for ChangedMedia<'_> {
    fn leave(&self, medium: &dyn Device) -> Result<(), DeviceError> {
        let place = medium.describe();
        self.monitor.notice(&format!("{place}: what is on it is read back before it is changed"));
        self.read(medium, &Quiet(self.monitor))?;
        self.state().left = true;
        let fail =
            |what: String| DeviceError { op: "leave", place: place.into(), kind: DeviceErrorKind::WrongMedium(what) };
        self.failure().map_or(Ok(()), |why| Err(fail(why.to_string())))
    }
}
