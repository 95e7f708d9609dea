//! A tape drive that can be told to fail, and that outlives the device which uses it, so that a test can cut its power.

use crate::device::tape::drive::{Drive, DriveStatus};
use crate::device::tape::image::ImageDrive;
use rustix::io::Errno;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A file-backed drive behind a handle. Clones are the same drive.
#[derive(Debug, Clone)]
pub struct TestDrive {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    image: Option<ImageDrive>,
    /// Calls so far.
    calls: usize,
    /// From which call on, and how: once, or always.
    fails: Option<(usize, Errno, bool)>,
}

impl TestDrive {
    /// The tape in this file, blank if it is not there, with `capacity` bytes before early warning and `after` records after
    /// it.
    ///
    /// # Errors
    /// As [`ImageDrive::open`].
    pub fn open(path: &Path, capacity: Option<u64>, after: u32) -> io::Result<TestDrive> {
        std::fs::File::options().create(true).append(true).open(path)?;
        let image = Some(ImageDrive::open(path, true)?.with_capacity(capacity, after));
        Ok(TestDrive { state: Arc::new(Mutex::new(State { image, calls: 0, fails: None })) })
    }

    /// Makes the call with this number (from 0) fail, and with `always` all that follow: the drive is gone.
    pub fn fail_at(&self, call: usize, errno: Errno, always: bool) {
        self.state().fails = Some((call, errno, always));
    }

    /// How many calls there were.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    /// Cuts the power: what the drive had only buffered is gone, and the drive with it.
    ///
    /// # Errors
    /// The image cannot be cut.
    pub fn power_cut(&self) -> io::Result<()> {
        self.state().image.take().map_or(Ok(()), ImageDrive::power_cut)
    }

    /// Takes the drive away without a word.
    pub fn close(&self) {
        drop(self.state().image.take());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<T>(&self, work: impl FnOnce(&mut ImageDrive) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state();
        let call = state.calls;
        state.calls = call.saturating_add(1);
        match state.fails {
            Some((at, errno, always)) if call == at || (always && call > at) => return Err(errno.into()),
            _ => {}
        }
        state.image.as_mut().map_or_else(|| Err(Errno::NODEV.into()), work)
    }
}

impl Drive for TestDrive {
    fn status(&mut self) -> io::Result<DriveStatus> {
        self.call(ImageDrive::status)
    }

    fn set_record(&mut self, bytes: u32) -> io::Result<()> {
        self.call(|image| image.set_record(bytes))
    }

    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        self.call(|image| image.write(record))
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.call(|image| image.read(buffer))
    }

    fn file_marks(&mut self, count: u32) -> io::Result<()> {
        self.call(|image| image.file_marks(count))
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.call(ImageDrive::rewind)
    }

    fn space_files(&mut self, count: u32) -> io::Result<()> {
        self.call(|image| image.space_files(count))
    }

    fn space_back_files(&mut self, count: u32) -> io::Result<()> {
        self.call(|image| image.space_back_files(count))
    }

    fn end_of_data(&mut self) -> io::Result<()> {
        self.call(ImageDrive::end_of_data)
    }

    fn tell(&mut self) -> io::Result<u64> {
        self.call(ImageDrive::tell)
    }

    fn seek(&mut self, object: u64) -> io::Result<()> {
        self.call(|image| image.seek(object))
    }
}
