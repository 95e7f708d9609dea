//! Media one after the other: when one is full the next volume goes to the next one. Which that is says whoever supplies them;
//! what was written is read from all that are still there.

use super::error::{DeviceError, DeviceErrorKind};
use super::joined::JoinedDevice;
use super::traits::{Device, NewVolume, RECORD_BYTES, VolumeSink, VolumeSource, WriteLock};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What comes when a medium is full.
pub enum Choice {
    /// Nothing: the set waits for a further medium.
    Nothing,
    /// Nothing, and nothing else was to be expected: the device is full.
    Full,
    /// A further device, beside those that there are.
    Another(Arc<dyn Device>),
    /// Another medium in the same device: the one that was there before cannot be read any more.
    Changed,
}

/// Brings the media.
pub trait Supplier: Send + Sync {
    /// The medium for a volume that the one before, for this reason, cannot take. Before somebody is asked to take that one out
    /// `leave` is to be called, and what it fails with given back: it is the last time that the medium can be read.
    ///
    /// # Errors
    /// The next one is there and cannot be used; as `leave`.
    fn next(
        &self,
        volume: &NewVolume<'_>,
        reason: &str,
        leave: &mut dyn FnMut() -> Result<(), DeviceError>,
    ) -> Result<Choice, DeviceError>;

    /// Opens the device of the last medium anew, after [`Choice::Changed`], or another one that is named instead.
    ///
    /// # Errors
    /// It cannot be used; [`DeviceErrorKind::Wanted`] if nothing else comes.
    fn again(&self, volume: &NewVolume<'_>) -> Result<Arc<dyn Device>, DeviceError>;
}

/// Looks at a medium before it is taken out.
pub trait Leaving: Send + Sync {
    /// A medium will not be there any more.
    ///
    /// # Errors
    /// It must not be left so: nothing more is written.
    fn leave(&self, medium: &dyn Device) -> Result<(), DeviceError>;
}

/// Media of one set, in the order in which they fill up.
pub struct MediaDevice<'s> {
    supplier: &'s dyn Supplier,
    leaving: Option<&'s dyn Leaving>,
    media: Mutex<Media>,
}

struct Media {
    devices: Vec<Arc<dyn Device>>,
    /// Held until the set is written.
    locks: Vec<Box<dyn WriteLock>>,
    /// Whether the last device said that its medium ends.
    full: Arc<AtomicBool>,
    /// Whether a medium was taken out.
    gone: bool,
}

impl<'s> MediaDevice<'s> {
    /// Begins with one device; further ones come from the supplier.
    #[must_use]
    pub fn new(first: Arc<dyn Device>, supplier: &'s dyn Supplier) -> MediaDevice<'s> {
        let media = Media { devices: vec![first], locks: Vec::new(), full: Arc::default(), gone: false };
        MediaDevice { supplier, leaving: None, media: Mutex::new(media) }
    }

    /// With somebody who looks at each medium before it is taken out.
    #[must_use]
    pub fn leaving(self, leaving: &'s dyn Leaving) -> MediaDevice<'s> {
        MediaDevice { leaving: Some(leaving), ..self }
    }

    /// The media are whole between any two statements.
    fn media(&self) -> MutexGuard<'_, Media> {
        self.media.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn joined(&self) -> JoinedDevice {
        let device = |device: &Arc<dyn Device>| Box::new(Arc::clone(device)) as Box<dyn Device>;
        JoinedDevice::new(self.media().devices.iter().map(device).collect())
    }
}

impl Media {
    /// The next medium, ready to be written to.
    fn change(&mut self, of: &MediaDevice<'_>, volume: &NewVolume<'_>, reason: String) -> Result<(), DeviceError> {
        let (supplier, last) = (of.supplier, self.devices.last().map(Arc::clone));
        let mut leave = || of.leaving.zip(last.as_ref()).map_or(Ok(()), |(leaving, medium)| leaving.leave(medium));
        let choice = supplier.next(volume, &reason, &mut leave)?;
        // A drive whose tape is changed must be closed before it is opened again.
        drop(last);
        let device = match choice {
            Choice::Another(device) => device,
            Choice::Changed => {
                self.locks.pop();
                // A drive lets one at a time have it.
                self.devices.pop();
                self.gone = true;
                supplier.again(volume)?
            }
            choice @ (Choice::Nothing | Choice::Full) => {
                let place = self.devices.last().map_or_else(String::new, |device| device.describe());
                if matches!(choice, Choice::Full) {
                    return Err(DeviceError { op: "write to", place: place.into(), kind: DeviceErrorKind::Full });
                }
                let (number, label) = (volume.number, volume.label.to_owned());
                let kind = DeviceErrorKind::Wanted { number, label, reason };
                return Err(DeviceError { op: "go on after", place: place.into(), kind });
            }
        };
        self.locks.push(device.lock()?);
        self.devices.push(device);
        self.full = Arc::default();
        Ok(())
    }
}

impl Device for MediaDevice<'_> {
    fn describe(&self) -> String {
        self.joined().describe()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        self.joined().list()
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        self.joined().open(name)
    }

    fn size(&self, name: &str) -> Result<u64, DeviceError> {
        self.joined().size(name)
    }

    /// A volume of which nothing but the name is known.
    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        self.begin(&NewVolume { name, label: name, number: 1, needed: 0 })
    }

    fn begin(&self, volume: &NewVolume<'_>) -> Result<Box<dyn VolumeSink>, DeviceError> {
        let mut media = self.media();
        loop {
            let device = media.devices.last().map(Arc::clone);
            let begun = match device.as_ref().filter(|_| !media.full.load(Ordering::Relaxed)) {
                Some(device) => device.begin(volume),
                None => Err(DeviceError { op: "write to", place: "it".into(), kind: DeviceErrorKind::Full }),
            };
            match begun {
                Ok(inner) => return Ok(Box::new(MediaSink { inner, full: Arc::clone(&media.full) })),
                Err(DeviceError { kind: DeviceErrorKind::Full, .. }) => {
                    let place = device.as_ref().map_or_else(String::new, |device| device.describe());
                    drop(device);
                    media.change(self, volume, format!("{place} is full"))?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// On the media that were left; on the one that is written to, a volume of that name may be begun.
    fn discard(&self, name: &str) -> Result<(), DeviceError> {
        let devices = self.media().devices.clone();
        let left = devices.split_last().map_or(&[][..], |(_, left)| left);
        left.iter().try_for_each(|device| device.discard(name))
    }

    fn goes_on(&self) -> bool {
        true
    }

    fn is_sequential(&self) -> bool {
        self.media().devices.iter().any(|device| device.is_sequential())
    }

    fn record_bytes(&self) -> u32 {
        self.media().devices.first().map_or(RECORD_BYTES, |device| device.record_bytes())
    }

    fn reads_back(&self) -> bool {
        let media = self.media();
        !media.gone && media.devices.iter().all(|device| device.reads_back())
    }

    /// Locks the medium that is there; each further one is locked when it comes, until the set is written.
    fn lock(&self) -> Result<Box<dyn WriteLock>, DeviceError> {
        let mut media = self.media();
        let locks = media.devices.iter().map(|device| device.lock()).collect::<Result<Vec<_>, _>>()?;
        media.locks = locks;
        Ok(Box::new(Locked))
    }
}

/// The locks are the media's.
struct Locked;

impl WriteLock for Locked {}

struct MediaSink {
    inner: Box<dyn VolumeSink>,
    full: Arc<AtomicBool>,
}

impl MediaSink {
    fn heard<T>(full: &AtomicBool, said: Result<T, DeviceError>) -> Result<T, DeviceError> {
        if matches!(said, Err(DeviceError { kind: DeviceErrorKind::Full, .. })) {
            full.store(true, Ordering::Relaxed);
        }
        said
    }
}

impl VolumeSink for MediaSink {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        MediaSink::heard(&self.full, self.inner.append(bytes))
    }

    fn reserve(&mut self, bytes: u64) -> Result<bool, DeviceError> {
        let fits = self.inner.reserve(bytes)?;
        if !fits {
            self.full.store(true, Ordering::Relaxed);
        }
        Ok(fits)
    }

    fn readable(&self) -> bool {
        self.inner.readable()
    }

    fn sync(&mut self) -> Result<(), DeviceError> {
        MediaSink::heard(&self.full, self.inner.sync())
    }

    fn finish(self: Box<Self>) -> Result<(), DeviceError> {
        MediaSink::heard(&self.full, self.inner.finish())
    }
}
