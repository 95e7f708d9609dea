//! Sets on several tapes and one drive, for reading: the tapes are asked for one after the other, as few times as can be. Where
//! nobody answers what is in the drive is all that there is.

use super::media::named;
use super::open;
use crate::base::monitor::Monitor;
use crate::check::short;
use crate::cli::config::Config;
use crate::cli::failure::Failure;
use crate::cli::interrupt;
use crate::cli::output::Output;
use crate::cli::parse::DevicePath;
use crate::cli::prompt::{self, Medium};
use crate::cli::render::text::counted;
use crate::device::error::DeviceError;
use crate::device::in_turn::InTurnDevice;
use crate::device::joined::JoinedDevice;
use crate::device::name::finished_name;
use crate::device::traits::Device;
use crate::error::Error;
use crate::format::block::SetId;
use crate::format::label::LabelRecord;
use crate::verify::in_turn::verify_in_turn;
use crate::verify::set::Verified;
use crate::volume::catalogs::{Catalogs, Sought, elsewhere};
use crate::volume::error::VolumeError;
use crate::volume::name::label_of_volume;
use crate::volume::reader::Volume;
use crate::volume::set::SetReader;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// The devices that were named, one of them a drive whose tape somebody can change.
pub(in crate::cli) struct Turns<'o> {
    device: JoinedDevice,
    drive: Option<InTurnDevice>,
    /// What is in the drive, by its name on the command line.
    last: RefCell<DevicePath>,
    catalogs: RefCell<Catalogs>,
    /// Sets for which no further volume was brought.
    given_up: RefCell<Vec<SetId>>,
    /// How many tapes were put in.
    changes: Cell<usize>,
    config: &'o Config,
    output: &'o Output,
}

impl<'o> Turns<'o> {
    /// Opens devices. The first tape among them is one that can be changed, if somebody is there to do it.
    ///
    /// # Errors
    /// As [`open::all_volumes`].
    pub(super) fn open(devices: &[DevicePath], config: &'o Config, output: &'o Output) -> Result<Turns<'o>, Failure> {
        let is_tape = |device: &&DevicePath| matches!(device, DevicePath::Tape(_));
        let tape = devices.iter().find(is_tape).filter(|_| prompt::answers(output));
        let turns = |device, drive, last| Turns {
            device,
            drive,
            last: RefCell::new(last),
            catalogs: RefCell::default(),
            given_up: RefCell::default(),
            changes: Cell::new(0),
            config,
            output,
        };
        let Some(tape) = tape else { return Ok(turns(open::all_volumes(devices)?, None, DevicePath::Pipe)) };
        let drive = InTurnDevice::new(open::volumes(tape)?.into(), std::env::temp_dir())?;
        let others = devices.iter().filter(|device| *device != tape).map(open::volumes);
        let drives = std::iter::once(Ok(Box::new(drive.clone()) as Box<dyn Device>));
        Ok(turns(JoinedDevice::new(drives.chain(others).collect::<Result<_, Failure>>()?), Some(drive), tape.clone()))
    }

    /// All devices as one.
    pub(super) const fn device(&self) -> &JoinedDevice {
        &self.device
    }

    /// Has the catalogs of these sets brought, as far as they are on tapes. A set for which nobody brings one is listed by what is
    /// in the drive.
    ///
    /// # Errors
    /// A device fails.
    pub(super) fn gather(&self, of: &dyn Fn(&LabelRecord) -> bool) -> Result<(), Failure> {
        let Some(drive) = &self.drive else { return Ok(()) };
        loop {
            drive.keep(true);
            let looked = self.catalogs.borrow_mut().look(&self.device);
            drive.keep(false);
            looked.map_err(Error::from)?;
            let Some(sought) = self.sought(of) else { return Ok(()) };
            let (label, set) = (&sought.label.label, short(sought.label.set()));
            let what = match sought.number {
                Some(number) => format!("volume {number} of {label} (set {set}), which has a part of the catalog"),
                None => format!("the last volume of {label} (set {set}), whose catalog says what is where"),
            };
            let brought = self.bring(drive, &what, &|drive| {
                let is = |name: &String| is_sought(drive, name, &sought);
                Ok(drive.here().iter().any(is))
            })?;
            if !brought {
                self.given_up.borrow_mut().push(sought.label.set());
            }
        }
    }

    fn sought(&self, of: &dyn Fn(&LabelRecord) -> bool) -> Option<Sought> {
        let (catalogs, given_up) = (self.catalogs.borrow(), self.given_up.borrow());
        let wanted = |label: &&LabelRecord| of(label) && !given_up.contains(&label.set());
        catalogs.labels().filter(wanted).find_map(|label| catalogs.sought(label.set()))
    }

    /// Takes the volumes that the catalogs of sets tell of for given, wherever they are; whether there are any that were not.
    pub(super) fn expect(&self, sets: &[SetReader<'_>]) -> bool {
        let Some(drive) = &self.drive else { return false };
        let all: Vec<_> = sets.iter().flat_map(elsewhere).collect();
        let any = !all.is_empty();
        all.into_iter().for_each(|volume| drive.expect(volume));
        any
    }

    /// Whether volumes of a set are on tapes that are not in the drive.
    fn spans(&self, set: &SetReader<'_>) -> bool {
        set.volumes()
            .iter()
            .filter(|volume| volume.name.is_some())
            .any(|volume| self.at_hand(set, volume.number).is_none())
    }

    /// The name of a copy of a volume that can be read now.
    fn at_hand(&self, set: &SetReader<'_>, number: u32) -> Option<String> {
        let elsewhere =
            |name: &String| self.drive.as_ref().is_some_and(|drive| drive.is_expected(name) && !drive.is_here(name));
        set.copies(number).into_iter().find(|name| !elsewhere(name))
    }

    /// Verifies a set, and has its tapes brought one after the other; `None` where all of it is at hand.
    pub(super) fn verify(&self, set: &SetReader<'_>, monitor: &dyn Monitor) -> Option<Result<Verified, Failure>> {
        let drive = self.drive.as_ref().filter(|_| self.spans(set))?;
        let mut failed = None;
        let verified = verify_in_turn(
            set,
            &mut |left| {
                if let Some(number) = left.iter().find(|number| self.at_hand(set, **number).is_some()) {
                    return Some(*number);
                }
                let number = *left.first().filter(|_| failed.is_none())?;
                let brought = self.volume(drive, set, number);
                brought
                    .unwrap_or_else(|failure| {
                        failed = Some(failure);
                        false
                    })
                    .then_some(number)
            },
            monitor,
        );
        Some(failed.map_or(Ok(verified), Err))
    }

    /// Has a volume of a set brought.
    fn volume(&self, drive: &InTurnDevice, set: &SetReader<'_>, number: u32) -> Result<bool, Failure> {
        let names = set.copies(number);
        let label = label_of_volume(&set.label().label, number);
        let what = format!("volume {number}, {label} (set {})", short(set.set_id()));
        self.bring(drive, &what, &|drive| Ok(names.iter().any(|name| drive.is_here(name))))
    }

    /// Asks for a tape until one comes that will do; false if none comes. One that will not do is named.
    fn bring(
        &self,
        drive: &InTurnDevice,
        what: &str,
        fits: &dyn Fn(&InTurnDevice) -> Result<bool, DeviceError>,
    ) -> Result<bool, Failure> {
        let mut reason = held(drive, &self.last.borrow());
        loop {
            drive.take_out();
            let place = self.last.borrow().to_string();
            let said = format!("{reason}. Wanted is {what}");
            let asked = interrupt::waiting(|| prompt::medium(self.output, &said, &place, "go on without it"))?;
            let device = match asked {
                Medium::Nothing => {
                    self.open_last(drive);
                    return Ok(false);
                }
                Medium::Changed => Ok(self.last.borrow().clone()),
                Medium::Device(text) => named(self.config, &text),
            };
            let put_in = device.and_then(|device| {
                let opened = open::volumes(&device).map_err(|failure| failure.message)?;
                drive.put_in(Arc::from(opened)).map_err(|error| error.to_string())?;
                Ok(device)
            });
            match put_in {
                Ok(device) => {
                    *self.last.borrow_mut() = device;
                    if fits(drive)? {
                        self.changes.set(self.changes.get().saturating_add(1));
                        return Ok(true);
                    }
                    reason = held(drive, &self.last.borrow());
                }
                Err(why) => reason = why,
            }
        }
    }

    /// Nobody brings another tape: that which is in the drive is read again, if it can be.
    fn open_last(&self, drive: &InTurnDevice) {
        if let Ok(opened) = open::volumes(&self.last.borrow())
            && drive.put_in(Arc::from(opened)).is_err()
        {
            drive.take_out();
        }
    }
}

fn is_sought(drive: &InTurnDevice, name: &str, sought: &Sought) -> bool {
    let volume = drive.open(name).map_err(VolumeError::from).and_then(|from| Volume::open(from, name));
    let is = |volume: Volume| sought.is(volume.label(), volume.end().is_some_and(|end| end.set_complete));
    finished_name(name).is_none() && volume.is_ok_and(is)
}

/// Names of volumes that are said before the rest is only counted.
const SAID: usize = 3;

/// What is in the drive, for people.
fn held(drive: &InTurnDevice, place: &DevicePath) -> String {
    let names = drive.here();
    let more = names.len().saturating_sub(SAID);
    let and_more = if more > 0 {
        format!(" and {}", counted(more as u64, "further volume", "further volumes"))
    } else {
        String::new()
    };
    match names.as_slice() {
        [] => format!("{place} holds no volume"),
        names => format!("{place} holds {}{and_more}", names.iter().take(SAID).cloned().collect::<Vec<_>>().join(", ")),
    }
}
