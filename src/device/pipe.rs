//! A pipe: volumes one after the other into whatever takes bytes. Nothing can be opened or listed again.

use super::error::{DeviceError, DeviceErrorKind};
use super::traits::{Device, VolumeSink, VolumeSource};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where the bytes go, and whether a volume is being written.
struct End {
    to: Box<dyn Write + Send>,
    /// A volume that was given up in its middle ends the pipe: what came after it could not be told from it.
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    Writing,
    Broken,
}

/// A device that is written to and never read.
///
/// ```
/// use intervault::device::pipe::PipeDevice;
/// use intervault::device::traits::Device;
/// # fn main() -> Result<(), intervault::device::error::DeviceError> {
/// let device = PipeDevice::new("a pipe", Box::new(std::io::sink()));
/// let mut sink = device.create("a.ivv")?;
/// sink.append(b"bytes")?;
/// sink.finish()?;
/// assert!(!device.reads_back() && device.list()?.is_empty() && device.open("a.ivv").is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PipeDevice {
    name: String,
    end: Arc<Mutex<End>>,
}

impl std::fmt::Debug for PipeDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PipeDevice").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PipeDevice {
    /// A pipe that people know by `name`, into `to`.
    #[must_use]
    pub fn new(name: &str, to: Box<dyn Write + Send>) -> PipeDevice {
        PipeDevice { name: name.to_owned(), end: Arc::new(Mutex::new(End { to, state: State::Between })) }
    }
}

/// A panic in a holder leaves at most half a block, which the state tells of: it is still `Writing`.
fn locked(end: &Mutex<End>) -> MutexGuard<'_, End> {
    end.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Device for PipeDevice {
    fn describe(&self) -> String {
        self.name.clone()
    }

    /// Always empty.
    fn list(&self) -> Result<Vec<String>, DeviceError> {
        Ok(Vec::new())
    }

    /// Always refused.
    fn open(&self, _name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        Err(DeviceError { op: "read", place: PathBuf::from(&self.name), kind: DeviceErrorKind::NotPermitted })
    }

    fn create(&self, _name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        let mut end = locked(&self.end);
        if end.state != State::Between {
            let kind = DeviceErrorKind::Io(std::io::Error::other("the volume before was not finished"));
            return Err(DeviceError { op: "begin a volume in", place: PathBuf::from(&self.name), kind });
        }
        end.state = State::Writing;
        Ok(Box::new(PipeSink { name: self.name.clone(), end: Arc::clone(&self.end), finished: false }))
    }

    fn reads_back(&self) -> bool {
        false
    }
}

struct PipeSink {
    name: String,
    end: Arc<Mutex<End>>,
    finished: bool,
}

impl PipeSink {
    fn failed(&self, error: std::io::Error) -> DeviceError {
        DeviceError { op: "write to", place: PathBuf::from(&self.name), kind: error.into() }
    }
}

impl VolumeSink for PipeSink {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        locked(&self.end).to.write_all(bytes).map_err(|error| self.failed(error))
    }

    /// Hands everything over. Whether it is on stable storage only the other end knows.
    fn sync(&mut self) -> Result<(), DeviceError> {
        locked(&self.end).to.flush().map_err(|error| self.failed(error))
    }

    fn finish(mut self: Box<Self>) -> Result<(), DeviceError> {
        self.sync()?;
        self.finished = true;
        locked(&self.end).state = State::Between;
        Ok(())
    }
}

impl Drop for PipeSink {
    fn drop(&mut self) {
        if !self.finished {
            locked(&self.end).state = State::Broken;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then nobody reads any more.
    struct Reader(usize);

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            if taken == 0 { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_goes_away_is_named_and_nothing_follows() {
        let device = PipeDevice::new("standard output", Box::new(Reader(7)));
        let mut sink = device.create("a.ivv").unwrap();
        sink.append(b"four").unwrap();
        let error = sink.append(b"more").unwrap_err();
        assert!(matches!(error.kind, DeviceErrorKind::NoReader), "{error}");
        assert!(device.create("b.ivv").is_err(), "one volume at a time");
        drop(sink);
        assert!(device.create("b.ivv").is_err(), "a volume after a torn one could not be told from it");
    }
}
