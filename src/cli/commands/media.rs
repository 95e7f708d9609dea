//! The media of a backup, one after the other: those named on the command line, then those that a person brings. Each is
//! looked at before it is written to.

use super::open;
use crate::cli::args::BackupOptions;
use crate::cli::config::Config;
use crate::cli::failure::Failure;
use crate::cli::interrupt;
use crate::cli::output::Output;
use crate::cli::parse::{self, DevicePath};
use crate::cli::prompt::{self, Medium};
use crate::device::directory::{DirectoryDevice, refuse_below_dev};
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::media::{Choice, Supplier};
use crate::device::memory::MemoryDevice;
use crate::device::traits::{Device, NewVolume};
use crate::error::Error;
use crate::format::block::SetId;
use crate::volume::error::VolumeError;
use crate::volume::medium::{Admission, admit, judge};
use std::os::unix::fs::FileTypeExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the backups of one command have in common: names of devices, and what was written a moment ago.
#[derive(Debug)]
pub struct Round<'c> {
    config: &'c Config,
    begun: Mutex<Vec<SetId>>,
}

impl<'c> Round<'c> {
    /// Before the first backup.
    #[must_use]
    pub const fn new(config: &'c Config) -> Round<'c> {
        Round { config, begun: Mutex::new(Vec::new()) }
    }

    /// Says that a set is begun; those that were begun before it.
    #[must_use]
    pub fn begins(&self, set: SetId) -> Vec<SetId> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let before = begun.clone();
        begun.push(set);
        before
    }
}

/// The media of one backup.
pub struct Shelf<'o> {
    devices: Vec<DevicePath>,
    capacity: Option<u64>,
    admission: Admission,
    round: &'o Round<'o>,
    output: &'o Output,
    state: Mutex<State>,
}

struct State {
    /// How many of the devices named were taken.
    taken: usize,
    last: DevicePath,
}

impl<'o> Shelf<'o> {
    /// Those that the options name.
    #[must_use]
    pub fn new(options: &BackupOptions, admission: Admission, round: &'o Round<'o>, output: &'o Output) -> Shelf<'o> {
        let devices = options.to.clone();
        let last = devices.first().cloned().unwrap_or(DevicePath::Pipe);
        let state = Mutex::new(State { taken: 0, last });
        Shelf { devices, capacity: options.device_capacity, admission, round, output, state }
    }

    /// The first one.
    ///
    /// # Errors
    /// It cannot be used, or must not be overwritten.
    pub fn first(&self) -> Result<Arc<dyn Device>, Failure> {
        let mut state = self.state();
        state.taken = 1;
        let opened = self.target(&state.last)?;
        admit(opened.as_ref(), &self.admission).map_err(|error| Failure::from(Error::from(error)))?;
        Ok(opened)
    }

    /// The first one, to be looked at alone: nothing is made, locked or refused.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn planned(&self) -> Result<Arc<dyn Device>, Failure> {
        let device = self.state().last.clone();
        Ok(match &device {
            DevicePath::Path(path) => Arc::new(DirectoryDevice::for_writing(path)?),
            DevicePath::Tape(path) if path.exists() => open::volumes(&device)?.into(),
            DevicePath::Tape(path) => {
                refuse_below_dev("open", path)?;
                Arc::new(MemoryDevice::new())
            }
            DevicePath::Pipe => Arc::new(MemoryDevice::new()),
        })
    }

    /// Why tapes that were named would not be written to as they are now, from one of them on (the first is 0). Nothing is
    /// changed.
    #[must_use]
    pub fn refused(&self, from: usize) -> Vec<String> {
        let mut refused = Vec::new();
        for (at, device) in self.devices.iter().enumerate().skip(from) {
            let DevicePath::Tape(path) = device else { continue };
            // A drive lets one at a time have it; an image that is not there is made.
            if !path.exists() || self.devices.iter().take(at).any(|before| before == device) {
                continue;
            }
            let judged = open::volumes(device).and_then(|opened| {
                judge(opened.as_ref(), &self.admission).map_err(|error| Failure::from(Error::from(error)))
            });
            refused.extend(judged.err().map(|failure| failure.message));
        }
        refused
    }

    fn one_folder(&self) -> bool {
        self.capacity.is_none() && matches!(self.devices.as_slice(), [DevicePath::Path(_)])
    }

    /// The state is whole between any two statements.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a device to write to.
    fn target(&self, device: &DevicePath) -> Result<Arc<dyn Device>, Failure> {
        let drive = match device {
            DevicePath::Tape(path) => std::fs::metadata(path).is_ok_and(|found| found.file_type().is_char_device()),
            DevicePath::Path(_) | DevicePath::Pipe => false,
        };
        if drive && self.capacity.is_some() {
            self.output.warning(&format!("{device} knows itself where its tape ends: --device-capacity is not for it"));
        }
        open::target(device, self.capacity)
    }

    /// A further medium, looked at before it is written to.
    fn brought(&self, device: &DevicePath) -> Result<Arc<dyn Device>, DeviceError> {
        let failed = |what: String| {
            let kind = DeviceErrorKind::WrongMedium(what);
            DeviceError { op: "go on to", place: device.to_string().into(), kind }
        };
        let opened = self.target(device).map_err(|failure| failed(failure.message))?;
        match admit(opened.as_ref(), &self.admission) {
            // Whether it can be written to is known while there is still somebody to ask.
            Ok(()) => opened.lock().map(|_lock| Arc::clone(&opened)),
            Err(VolumeError::Device(error)) => Err(error),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Asks for the next medium until one comes that will do, or none.
    fn asked(&self, state: &mut State, volume: &NewVolume<'_>, mut reason: String) -> Choice {
        let wanted = format!("volume {}, {}", volume.number, volume.label);
        let mut unmade = None;
        loop {
            let said = format!("{reason}. The next medium is for {wanted}");
            let ask = || prompt::medium(self.output, &said, &state.last.to_string(), "end here");
            let asked = interrupt::waiting(ask);
            // Where nothing can be read nothing is brought.
            let text = match asked.unwrap_or(Medium::Nothing) {
                // One folder that runs out of disk is full; media are what was named as such.
                Medium::Nothing if self.one_folder() => return Choice::Full,
                Medium::Nothing => return Choice::Nothing,
                Medium::Changed => return Choice::Changed,
                Medium::Device(text) => text,
            };
            let opened = named(self.round.config, &text).and_then(|device| match device == state.last {
                true => Ok((device, None)),
                false if unmade.as_ref() != Some(&device) && is_new(&device, &text) => {
                    let reason = format!("{device} is not there; to have it made, name it once more");
                    unmade = Some(device);
                    Err(reason)
                }
                false => match self.brought(&device) {
                    Ok(opened) => Ok((device, Some(opened))),
                    Err(error) => Err(error.to_string()),
                },
            });
            match opened {
                Ok((_, None)) => return Choice::Changed,
                Ok((device, Some(opened))) => {
                    state.last = device;
                    return Choice::Another(opened);
                }
                Err(why) => reason = why,
            }
        }
    }
}

/// The device that a person named. A word alone is a name of the configuration or a folder that is there: a folder is not made
/// of what somebody meant as an answer.
pub(super) fn named(config: &Config, text: &str) -> Result<DevicePath, String> {
    let device = config.device(&parse::device(text)?);
    match &device {
        DevicePath::Pipe => Err("a pipe takes a set as a whole".to_owned()),
        DevicePath::Path(path) if !path.is_absolute() && !text.contains('/') && !path.is_dir() => {
            Err(format!("{text} is neither a configured device nor a folder; for a new folder write ./{text}"))
        }
        _ => Ok(device),
    }
}

/// Whether a device would have to be made that is named by its path. What was meant otherwise must not become one.
fn is_new(device: &DevicePath, text: &str) -> bool {
    let is_there = match device {
        DevicePath::Path(path) | DevicePath::Tape(path) => path.exists(),
        DevicePath::Pipe => true,
    };
    !is_there && parse::device(text).as_ref() == Ok(device)
}

impl Supplier for Shelf<'_> {
    /// A device that was named and will not do is told, and the next one taken.
    fn next(
        &self,
        volume: &NewVolume<'_>,
        reason: &str,
        leave: &mut dyn FnMut() -> Result<(), DeviceError>,
    ) -> Result<Choice, DeviceError> {
        let mut state = self.state();
        let mut reason = reason.to_owned();
        while let Some(device) = self.devices.get(state.taken) {
            state.taken = state.taken.saturating_add(1);
            match self.brought(device) {
                Ok(opened) => {
                    state.last = device.clone();
                    self.output.notice(&format!("{reason}: volume {} goes to {device}", volume.number));
                    return Ok(Choice::Another(opened));
                }
                Err(error) => reason = format!("{reason}; {error}"),
            }
        }
        // Where nobody answers nothing is taken out.
        if prompt::answers(self.output) {
            leave()?;
        }
        Ok(self.asked(&mut state, volume, reason))
    }

    /// A medium that will not do is named, and the next one asked for.
    fn again(&self, volume: &NewVolume<'_>) -> Result<Arc<dyn Device>, DeviceError> {
        let mut state = self.state();
        loop {
            let reason = match self.brought(&state.last) {
                Ok(device) => return Ok(device),
                Err(error) => error.to_string(),
            };
            match self.asked(&mut state, volume, reason.clone()) {
                Choice::Another(device) => return Ok(device),
                Choice::Changed => {}
                Choice::Nothing | Choice::Full => {
                    let (number, label) = (volume.number, volume.label.to_owned());
                    let kind = DeviceErrorKind::Wanted { number, label, reason };
                    return Err(DeviceError { op: "go on after", place: state.last.to_string().into(), kind });
                }
            }
        }
    }
}
