//! The media of a backup, one after the other: those named on the command line, then those that a person brings. Each is
//! looked at before it is written to.

use super::open;
use crate::cli::args::BackupOptions;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::parse::{self, DevicePath};
use crate::cli::prompt::{self, Medium};
use crate::device::directory::DirectoryDevice;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::media::{Choice, Supplier};
use crate::device::memory::MemoryDevice;
use crate::device::traits::{Device, NewVolume};
use crate::error::Error;
use crate::volume::error::VolumeError;
use crate::volume::medium::{Admission, admit};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The media of one backup.
pub struct Shelf<'o> {
    devices: Vec<DevicePath>,
    capacity: Option<u64>,
    admission: Admission,
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
    pub fn new(options: &BackupOptions, admission: Admission, output: &'o Output) -> Shelf<'o> {
        let devices = options.to.clone();
        let last = devices.first().cloned().unwrap_or(DevicePath::Pipe);
        let state = Mutex::new(State { taken: 0, last });
        Shelf { devices, capacity: options.device_capacity, admission, output, state }
    }

    /// The first one.
    ///
    /// # Errors
    /// It cannot be used, or must not be overwritten.
    pub fn first(&self) -> Result<Arc<dyn Device>, Failure> {
        let mut state = self.state();
        state.taken = 1;
        self.opened(&state.last)
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
            DevicePath::Tape(_) | DevicePath::Pipe => Arc::new(MemoryDevice::new()),
        })
    }

    fn one_folder(&self) -> bool {
        self.capacity.is_none() && matches!(self.devices.as_slice(), [DevicePath::Path(_)])
    }

    /// The state is whole between any two statements.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(&self, device: &DevicePath) -> Result<Arc<dyn Device>, Failure> {
        let opened = open::target(device, self.capacity)?;
        admit(opened.as_ref(), &self.admission).map_err(|error| Failure::from(Error::from(error)))?;
        Ok(opened)
    }

    /// As [`Shelf::opened`], in the words of a device.
    fn brought(&self, device: &DevicePath) -> Result<Arc<dyn Device>, DeviceError> {
        let failed = |what: String| {
            let kind = DeviceErrorKind::WrongMedium(what);
            DeviceError { op: "go on to", place: device.to_string().into(), kind }
        };
        let opened = open::target(device, self.capacity).map_err(|failure| failed(failure.message))?;
        match admit(opened.as_ref(), &self.admission) {
            // Whether it can be written to is known while there is still somebody to ask.
            Ok(()) => opened.lock().map(|_lock| Arc::clone(&opened)),
            Err(VolumeError::Device(error)) => Err(error),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

impl Supplier for Shelf<'_> {
    fn next(&self, volume: &NewVolume<'_>, reason: &str) -> Result<Choice, DeviceError> {
        let mut state = self.state();
        if let Some(device) = self.devices.get(state.taken) {
            state.taken = state.taken.saturating_add(1);
            state.last = device.clone();
            self.output.notice(&format!("{reason}: volume {} goes to {device}", volume.number));
            return Ok(Choice::Another(self.brought(device)?));
        }
        let wanted = format!("volume {}, {}", volume.number, volume.label);
        let mut reason = reason.to_owned();
        loop {
            let last = state.last.to_string();
            let asked = prompt::next_medium(self.output, &reason, &last, &wanted);
            // Whoever cannot be understood brings nothing.
            match asked.unwrap_or(Medium::Nothing) {
                // One folder that runs out of disk is full; media are what was named as such.
                Medium::Nothing => return Ok(if self.one_folder() { Choice::Full } else { Choice::Nothing }),
                Medium::Changed => return Ok(Choice::Changed),
                Medium::Device(text) => {
                    let brought = parse::device(&text).and_then(|device| match device {
                        DevicePath::Pipe => Err("a pipe takes a set as a whole".to_owned()),
                        device => {
                            self.brought(&device).map_err(|error| error.to_string()).map(|opened| (device, opened))
                        }
                    });
                    match brought {
                        Ok((device, opened)) => {
                            state.last = device;
                            return Ok(Choice::Another(opened));
                        }
                        Err(why) => reason = why,
                    }
                }
            }
        }
    }

    /// A medium that will not do is named, and the next one asked for.
    fn again(&self) -> Result<Arc<dyn Device>, DeviceError> {
        let last = self.state().last.clone();
        loop {
            let error = match self.brought(&last) {
                Ok(device) => return Ok(device),
                Err(error) => error,
            };
            let reason = error.to_string();
            let asked = prompt::next_medium(self.output, &reason, &last.to_string(), "the volume asked for");
            if asked.unwrap_or(Medium::Nothing) != Medium::Changed {
                return Err(error);
            }
        }
    }
}
