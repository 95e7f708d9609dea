//! Sets on several tapes and one drive, for reading: the tapes are asked for one after the other, as few times as can be. Where
//! nobody answers what is in the drive is all that there is.

use super::media::named;
use super::open;
use crate::base::monitor::Monitor;
use crate::check::{self, Found, Unreadable, short};
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::interrupt;
use crate::cli::output::Output;
use crate::cli::parse::DevicePath;
use crate::cli::prompt::{self, Medium};
use crate::cli::render::text::{bytes, counted};
use crate::device::in_turn::InTurnDevice;
use crate::device::joined::JoinedDevice;
use crate::device::name::{finished_name, own_name, split_place};
use crate::device::traits::Device;
use crate::error::Error;
use crate::format::block::SetId;
use crate::format::label::LabelRecord;
use crate::verify::Depth;
use crate::verify::in_turn::verify_in_turn;
use crate::verify::set::Verified;
use crate::volume::catalogs::{Catalogs, Sought, elsewhere};
use crate::volume::chain::Chain;
use crate::volume::error::VolumeError;
use crate::volume::name::label_of_volume;
use crate::volume::reader::Volume;
use crate::volume::set::SetReader;
use std::cell::RefCell;
use std::sync::Arc;

/// What happens where nobody brings what is wanted.
const GO_ON: &str = "go on without it";
const END: &str = "end here";

/// Which sets are wanted.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    /// Those of which the id begins so, or the label is this; all, where nothing is said.
    Set(Option<&'a str>),
    /// The same, and the others of their chains.
    Chain(Option<&'a str>),
    /// These, whether they were seen or not.
    These(&'a [SetId]),
}

impl Of<'_> {
    /// Whether a set is wanted, beside these that were seen.
    fn has(self, label: &LabelRecord, seen: &[LabelRecord]) -> bool {
        let fits = |label: &LabelRecord, text: Option<&str>| {
            text.is_none_or(|text| {
                label.set().to_string().starts_with(&text.to_ascii_lowercase()) || label.label == text
            })
        };
        match self {
            Of::Set(text) => fits(label, text),
            Of::Chain(text) => {
                let mut chain = seen.iter().filter(|other| other.joins_chains() && other.chain == label.chain);
                fits(label, text) || label.joins_chains() && chain.any(|other| fits(other, text))
            }
            Of::These(sets) => sets.contains(&label.set()),
        }
    }
}

/// What was asked for and did not come.
struct Missed {
    set: SetId,
    what: String,
    /// Whether it is known to exist.
    is_there: bool,
}

/// The devices that were named, one of them a drive whose tape somebody can change.
pub(in crate::cli) struct Turns<'o> {
    device: JoinedDevice,
    drive: Option<InTurnDevice>,
    /// What is in the drive, by its name on the command line.
    last: RefCell<DevicePath>,
    catalogs: RefCell<Catalogs>,
    /// Sets for which no further volume was brought.
    given_up: RefCell<Vec<SetId>>,
    /// Names of volumes that nobody brought.
    given_up_volumes: RefCell<Vec<String>>,
    /// What could not be read of tapes that were in the drive.
    unreadable: RefCell<Vec<Unreadable>>,
    /// Whether what the volumes at hand have is worth while without the rest.
    partial: bool,
    config: &'o Config,
    output: &'o Output,
}

impl<'o> Turns<'o> {
    /// Opens devices. The first tape among them is one that can be changed, if somebody is there to do it. `partial`: whether the
    /// work goes on without a tape that nobody brings.
    ///
    /// # Errors
    /// As [`open::all_volumes`].
    pub(super) fn open(
        devices: &[DevicePath],
        partial: bool,
        config: &'o Config,
        output: &'o Output,
    ) -> Result<Turns<'o>, Failure> {
        let is_tape = |device: &&DevicePath| matches!(device, DevicePath::Tape(_));
        let tape = devices.iter().find(is_tape).filter(|_| prompt::answers(output));
        let turns = |device, drive, last| Turns {
            device,
            drive,
            last: RefCell::new(last),
            catalogs: RefCell::default(),
            given_up: RefCell::default(),
            given_up_volumes: RefCell::default(),
            unreadable: RefCell::default(),
            partial,
            config,
            output,
        };
        let Some(tape) = tape else { return Ok(turns(open::all_volumes(devices)?, None, DevicePath::Pipe)) };
        let drive = InTurnDevice::new(open::volumes(tape)?.into(), std::env::temp_dir())?;
        let others = devices.iter().filter(|device| *device != tape).map(open::volumes);
        let drives = std::iter::once(Ok(Box::new(drive.clone()) as Box<dyn Device>));
        // What another device has too is read there: a tape that is gone is wanted only for what no other copy gives.
        Ok(turns(JoinedDevice::new(others.chain(drives).collect::<Result<_, Failure>>()?), Some(drive), tape.clone()))
    }

    /// Whether there is a drive whose tape can be changed.
    pub(super) const fn may_change(&self) -> bool {
        self.drive.is_some()
    }

    /// All devices as one.
    pub(super) const fn device(&self) -> &JoinedDevice {
        &self.device
    }

    /// Has the catalogs of sets brought, as far as they are on tapes. A set for which nobody brings one is listed by what is in
    /// the drive, if the work goes on without.
    ///
    /// # Errors
    /// A device fails; nobody brings what the work does not go on without, or not even what it began with (exit status 5).
    pub(super) fn gather(&self, of: Of<'_>) -> Result<(), Failure> {
        let Some(drive) = &self.drive else { return Ok(()) };
        drive.settle(false);
        loop {
            self.look(drive)?;
            let brought = match (self.sought(of), self.unseen(of)) {
                (Some(sought), _) => self.catalog(drive, &sought)?,
                (None, Some(set)) => self.member(drive, set)?,
                (None, None) => break,
            };
            if let Err(Missed { set, what, is_there }) = brought {
                self.without(drive, &what, is_there)?;
                self.given_up.borrow_mut().push(set);
            }
        }
        let known = self.catalogs.borrow().volumes();
        known.into_iter().filter(|volume| drive.has_seen(&volume.name)).for_each(|volume| drive.expect(volume));
        drive.settle(true);
        Ok(())
    }

    /// Goes on without what nobody brings, if the work is worth while then; `is_there`: if that exists at all.
    fn without(&self, drive: &InTurnDevice, what: &str, is_there: bool) -> Result<(), Failure> {
        let wanted = format!("{what}, is wanted, and nobody brings it");
        if !drive.is_accepted() {
            let place = self.last.borrow();
            let wanted = format!("{wanted}; nor is the tape in {place} any more that was there before");
            return Err(Error::wanted(wanted, "nothing was changed by this; put that tape in, and begin again").into());
        }
        if self.partial || !is_there {
            return Ok(());
        }
        let advice =
            "nothing was changed by this; name another set with --set, or restore what this tape has with --partial";
        Err(Error::wanted(wanted, advice).into())
    }

    /// What is offered to somebody who has not what is wanted.
    const fn end(&self) -> &'static str {
        if self.partial { GO_ON } else { END }
    }

    /// Keeps what is small of the volumes in the drive: labels, end marks, catalogs.
    fn look(&self, drive: &InTurnDevice) -> Result<(), Failure> {
        drive.keep(true);
        let mut catalogs = self.catalogs.borrow_mut();
        // What belongs to other work is not listed, and yet to be told of.
        let here = catalogs.look_at(drive, drive.here());
        let looked = catalogs.look(&self.device);
        drive.keep(false);
        let mut unreadable = self.unreadable.borrow_mut();
        for (name, error) in here.into_iter().chain(looked.map_err(Error::from)?) {
            let found = Unreadable::new(own_name(&name).to_owned(), error);
            if !unreadable.contains(&found) {
                unreadable.push(found);
            }
        }
        Ok(())
    }

    /// What was on tapes that were in the drive and is not among what was found in the end, with the exit status for it: volumes
    /// that could not be read, and sets that are wanted and of which nothing is listed.
    pub(super) fn passed_over(&self, of: Of<'_>, found: &Found<'_>) -> Vec<(String, Exit)> {
        let unreadable = self.unreadable.borrow();
        let bad = unreadable.iter().filter(|bad| !is_said(found, bad));
        let bad = bad.map(|bad| (format!("{}: {}", bad.name, bad.reason), Exit::from(bad.class)));
        let (catalogs, given_up) = (self.catalogs.borrow(), self.given_up.borrow());
        let seen: Vec<LabelRecord> = catalogs.labels().cloned().collect();
        let is_listed = |label: &LabelRecord| found.sets.iter().any(|set| set.set_id() == label.set());
        let sets = seen.iter().filter(|label| of.has(label, &seen) && !is_listed(label)).map(|label| {
            let set = label.set();
            let (why, exit) = match catalogs.is_unfinished(set) {
                true => ("breaks off there", Exit::Volume),
                false if given_up.contains(&set) => ("was not proved", Exit::Volume),
                false => ("was not proved", Exit::Warnings),
            };
            let what = format!("{} (set {}) is on a tape that was in the drive, and {why}", label.label, short(set));
            (format!("{what}: check that tape by itself"), exit)
        });
        bad.chain(sets).collect()
    }

    fn sought(&self, of: Of<'_>) -> Option<Sought> {
        let (catalogs, given_up) = (self.catalogs.borrow(), self.given_up.borrow());
        let seen: Vec<LabelRecord> = catalogs.labels().cloned().collect();
        let wanted = |label: &&LabelRecord| of.has(label, &seen) && !given_up.contains(&label.set());
        seen.iter().filter(wanted).find_map(|label| catalogs.sought(label.set()))
    }

    /// A set that is wanted and of which no volume was seen.
    fn unseen(&self, of: Of<'_>) -> Option<SetId> {
        let Of::These(sets) = of else { return None };
        let (catalogs, given_up) = (self.catalogs.borrow(), self.given_up.borrow());
        let seen = |set: &SetId| catalogs.labels().any(|label| label.set() == *set);
        sets.iter().find(|set| !seen(set) && !given_up.contains(set)).copied()
    }

    /// Has the volume brought that has what is missing of a catalog; gives back what, if nobody does.
    fn catalog(&self, drive: &InTurnDevice, sought: &Sought) -> Result<Result<(), Missed>, Failure> {
        let (label, set) = (&sought.label.label, sought.label.set());
        let what = match sought.number {
            Some(number) => {
                let volume = label_of_volume(label, number);
                format!("volume {number}, {volume} (set {}), which has a part of its catalog", short(set))
            }
            None => format!("the last volume of {label} (set {}), whose catalog says what is where", short(set)),
        };
        let what = match sought.breaks_off {
            Some(number) => {
                format!("{what}; if there is one, since volume {number} was not finished, or its end is damaged")
            }
            None => what,
        };
        let is_there = sought.breaks_off.is_none();
        let is = |name: &String| is_sought(drive, name, sought);
        let end = if is_there { self.end() } else { GO_ON };
        let brought = self.bring(drive, &what, end, &|drive| drive.here().iter().any(is))?;
        Ok(if brought { Ok(()) } else { Err(Missed { set, what, is_there }) })
    }

    /// Has the end of a set brought of which nothing but its id is known.
    fn member(&self, drive: &InTurnDevice, set: SetId) -> Result<Result<(), Missed>, Failure> {
        let what = format!("the last volume of set {set}");
        let is = |name: &String| {
            let volume = drive.open(name).map_err(VolumeError::from).and_then(|from| Volume::open(from, name));
            volume.is_ok_and(|volume| volume.label().set() == set)
        };
        let brought = self.bring(drive, &what, self.end(), &|drive| drive.here().iter().any(is))?;
        Ok(if brought { Ok(()) } else { Err(Missed { set, what, is_there: true }) })
    }

    /// Has the members of a chain brought that it names and that were not seen; whether sets are to be listed again.
    ///
    /// # Errors
    /// A device fails.
    pub(super) fn members(&self, chain: &Chain<'_>) -> Result<bool, Failure> {
        let missing: Vec<SetId> = chain.gaps().iter().map(|gap| gap.set).collect();
        if self.drive.is_none() || self.unseen(Of::These(&missing)).is_none() {
            return Ok(false);
        }
        self.gather(Of::These(&missing))?;
        Ok(true)
    }

    /// The sets on the devices, at least one, and those volumes of them with them that are on tapes which are not in the drive.
    /// What cannot be used is that of the tapes too that were in the drive before.
    ///
    /// # Errors
    /// As [`check::readable`].
    pub(super) fn found(&self) -> Result<Found<'_>, Failure> {
        let mut found = check::readable(&self.device)?;
        if self.expect(&found.sets) {
            found = check::readable(&self.device)?;
        }
        let before = self.unreadable.borrow();
        let unsaid: Vec<Unreadable> = before.iter().filter(|bad| !is_said(&found, bad)).cloned().collect();
        found.unreadable.extend(unsaid);
        self.drive.iter().for_each(InTurnDevice::begin);
        Ok(found)
    }

    /// Takes the volumes that the catalogs of sets tell of for given, wherever they are; whether there are any that were not.
    pub(super) fn expect(&self, sets: &[SetReader<'_>]) -> bool {
        let Some(drive) = &self.drive else { return false };
        let given_up = self.given_up_volumes.borrow();
        let all = sets.iter().flat_map(elsewhere).filter(|volume| !given_up.contains(&volume.name));
        let all: Vec<_> = all.collect();
        let any = !all.is_empty();
        all.into_iter().for_each(|volume| drive.expect(volume));
        any
    }

    /// Has the tapes brought of which something was wanted since the sets were listed, and keeps it; whether all is to be done
    /// again, now with what was wanted.
    ///
    /// # Errors
    /// Nobody brings a tape (exit status 5); there is no room for what is kept.
    pub(super) fn fetch(&self) -> Result<bool, Failure> {
        let Some(drive) = &self.drive else { return Ok(false) };
        let all = drive.wanted();
        if all.is_empty() {
            return Ok(false);
        }
        let kept = all.iter().map(|(_, bytes)| *bytes).fold(0, u64::saturating_add);
        let volumes = counted(all.len() as u64, "volume that is", "volumes that are");
        self.output.notice(&format!(
            "{} of {volumes} on other tapes will be read; until the end they are kept in {}, with what is needed of the tape in \
             the drive. At most {} of tape, each in its turn.",
            bytes(kept),
            std::env::temp_dir().display(),
            counted(all.len() as u64, "change", "changes"),
        ));
        let full = |error| {
            Failure::from(Error::from(error)).hint("let TMPDIR name a folder with room for what is read of the tapes")
        };
        drive.copy().map_err(full)?;
        loop {
            let wanted = drive.wanted();
            let Some((first, _)) = wanted.first() else { return Ok(true) };
            let what = format!("volume {}, {} (set {})", first.number, first.label, first.set);
            let here = |drive: &InTurnDevice| wanted.iter().any(|(volume, _)| drive.is_here(&volume.name));
            if self.bring(drive, &what, self.end(), &here)? {
                self.look(drive)?;
                drive.copy().map_err(full)?;
            } else if self.partial {
                drive.forget(&first.name);
                self.given_up_volumes.borrow_mut().push(first.name.clone());
            } else {
                let advice = "nothing was changed by this; --partial restores what the other volumes have";
                return Err(Error::wanted(format!("{what} is wanted, and nobody brings it"), advice).into());
            }
        }
    }

    /// Whether volumes of a set are on tapes that are not in the drive.
    pub(super) fn spans(&self, set: &SetReader<'_>) -> bool {
        set.volumes()
            .iter()
            .filter(|volume| volume.name.is_some())
            .any(|volume| self.at_hand(set, volume.number).is_none())
    }

    /// The name of a copy of a volume that can be read now.
    fn at_hand(&self, set: &SetReader<'_>, number: u32) -> Option<String> {
        let is_here = |name: &str| {
            let drive = self.drive.as_ref();
            drive.and_then(|drive| in_drive(drive, name).map(|own| drive.is_here(own))).unwrap_or(true)
        };
        set.copies(number).into_iter().find(|name| is_here(name))
    }

    /// Verifies a set, and has its tapes brought one after the other; `None` where all of it is at hand.
    pub(super) fn verify(
        &self,
        set: &SetReader<'_>,
        depth: Depth,
        jobs: usize,
        monitor: &dyn Monitor,
    ) -> Option<Result<Verified, Failure>> {
        let drive = self.drive.as_ref().filter(|_| self.spans(set))?;
        let mut failed = None;
        let verified = verify_in_turn(
            set,
            depth,
            &mut |left| {
                let at_hand = |number: &u32| self.at_hand(set, *number).map(|name| (*number, name));
                if let Some(found) = left.iter().find_map(at_hand) {
                    return Some(found);
                }
                let number = left.first().filter(|_| failed.is_none())?;
                match self.volume(drive, set, *number) {
                    Ok(brought) => at_hand(number).filter(|_| brought),
                    Err(failure) => {
                        failed = Some(failure);
                        None
                    }
                }
            },
            jobs,
            monitor,
        );
        Some(failed.map_or(Ok(verified), Err))
    }

    /// Has a volume of a set brought.
    fn volume(&self, drive: &InTurnDevice, set: &SetReader<'_>, number: u32) -> Result<bool, Failure> {
        let names = set.copies(number);
        let label = label_of_volume(&set.label().label, number);
        let what = format!("volume {number}, {label} (set {})", short(set.set_id()));
        let is_here = |name: &String| in_drive(drive, name).is_some_and(|own| drive.is_here(own));
        let brought = self.bring(drive, &what, GO_ON, &|_| names.iter().any(is_here))?;
        if brought {
            self.look(drive)?;
        }
        Ok(brought)
    }

    /// Asks for a tape until one comes that will do; false if none comes. One that will not do is named, and nothing else made of
    /// it.
    fn bring(
        &self,
        drive: &InTurnDevice,
        what: &str,
        end: &str,
        fits: &dyn Fn(&InTurnDevice) -> bool,
    ) -> Result<bool, Failure> {
        let mut reason = held(drive, &self.last.borrow());
        loop {
            drive.take_out();
            let place = self.last.borrow().to_string();
            let said = format!("{reason}. Wanted is {what}");
            let asked = interrupt::waiting(|| prompt::medium(self.output, &said, &place, end))?;
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
                Ok(device) if fits(drive) => {
                    drive.accept();
                    *self.last.borrow_mut() = device;
                    return Ok(true);
                }
                Ok(device) => reason = held(drive, &device),
                Err(why) => reason = why,
            }
        }
    }

    /// Nobody brings another tape: that which is in the drive is read again, if it can be and is one that was wanted before.
    fn open_last(&self, drive: &InTurnDevice) {
        let opened = open::volumes(&self.last.borrow()).map(|opened| drive.put_in(Arc::from(opened)));
        if !matches!(opened, Ok(Ok(()))) || !drive.is_accepted() {
            drive.take_out();
        }
    }
}

/// Whether it is among what was found that a volume cannot be used.
fn is_said(found: &Found<'_>, bad: &Unreadable) -> bool {
    found.unreadable.iter().any(|said| own_name(&said.name) == bad.name && said.reason == bad.reason)
}

/// The name that a volume has in the drive, if it is one of those there; names in sets may have their place before them.
fn in_drive<'n>(drive: &InTurnDevice, name: &'n str) -> Option<&'n str> {
    match split_place(name) {
        Some((place, own)) => Some(own).filter(|_| place == drive.place()),
        None => Some(name).filter(|name| drive.has(name)),
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
