//! The objects of a tape image: which record or file mark stands where in the file. Equal ones in a row are one run, so that a
//! whole volume takes a few bytes of memory, and what is no tape at all cannot take many.

use rustix::io::Errno;
use std::io::{self, ErrorKind};

/// Bytes of a length, and of a file mark.
pub(super) const MARK: u64 = 4;

/// Most runs of one image: two or three a volume.
const RUNS_MAX: usize = 1 << 18;

/// Most file marks with nothing between them. A file of zeros is no tape.
const MARKS_MAX: u64 = 1 << 16;

/// One object: where it stands in the file, and the bytes of its record; none for a file mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) offset: u64,
    pub(super) record: Option<u32>,
}

/// Equal objects, one behind the other.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// Number of the first.
    first: u64,
    count: u64,
    /// The first in the file.
    offset: u64,
    /// Bytes of each record; 0: file marks.
    record: u32,
}

impl Run {
    const fn step(&self) -> u64 {
        if self.record == 0 { MARK } else { stored(self.record) }
    }

    const fn behind(&self) -> u64 {
        self.first.saturating_add(self.count)
    }

    const fn end(&self) -> u64 {
        self.offset.saturating_add(self.count.saturating_mul(self.step()))
    }
}

/// Bytes that a record takes in the file.
pub(super) const fn stored(record: u32) -> u64 {
    (record as u64).next_multiple_of(2).saturating_add(MARK.saturating_mul(2))
}

/// All objects of an image, numbered from 0.
#[derive(Debug, Default)]
pub(super) struct Objects {
    runs: Vec<Run>,
}

impl Objects {
    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.runs.last().map_or(0, Run::behind)
    }

    /// Bytes of the file that they take.
    pub(super) fn bytes(&self) -> u64 {
        self.runs.last().map_or(0, Run::end)
    }

    /// The run with an object, by its place among the runs; the number of runs if there is no such object.
    fn at(&self, object: u64) -> usize {
        self.runs.partition_point(|run| run.behind() <= object)
    }

    pub(super) fn get(&self, object: u64) -> Option<Object> {
        let run = self.runs.get(self.at(object))?;
        let offset = run.offset.saturating_add(object.saturating_sub(run.first).saturating_mul(run.step()));
        Some(Object { offset, record: Some(run.record).filter(|record| *record > 0) })
    }

    /// Adds a record of so many bytes, or a file mark.
    ///
    /// # Errors
    /// `InvalidData`: no tape of volumes has so many.
    pub(super) fn push(&mut self, record: Option<u32>) -> io::Result<()> {
        let (first, offset, record) = (self.len(), self.bytes(), record.unwrap_or(0));
        let too_many = |what: &str| Err(io::Error::new(ErrorKind::InvalidData, format!("it is no tape image: {what}")));
        let full = self.runs.len() >= RUNS_MAX;
        match self.runs.last_mut().filter(|run| run.record == record) {
            Some(run) if record == 0 && run.count >= MARKS_MAX => {
                return too_many(
                    "it has many thousands of file marks with nothing between them, as a file of zeros has",
                );
            }
            Some(run) => run.count = run.count.saturating_add(1),
            None if full => return too_many("it is cut into too many pieces"),
            None => self.runs.push(Run { first, count: 1, offset, record }),
        }
        Ok(())
    }

    /// Forgets all objects from one on.
    pub(super) fn truncate(&mut self, object: u64) {
        let at = self.at(object);
        self.runs.truncate(at.saturating_add(1));
        if let Some(run) = self.runs.get_mut(at) {
            run.count = object.saturating_sub(run.first);
        }
        if self.runs.last().is_some_and(|run| run.count == 0) {
            self.runs.pop();
        }
    }

    /// The next file mark from an object on.
    ///
    /// # Errors
    /// `EIO`: there is none.
    pub(super) fn mark_from(&self, object: u64) -> io::Result<u64> {
        let mut runs = self.runs.get(self.at(object)..).unwrap_or_default().iter();
        let run = runs.find(|run| run.record == 0).ok_or(Errno::IO)?;
        Ok(run.first.max(object))
    }

    /// The last file mark before an object.
    ///
    /// # Errors
    /// `EIO`: there is none.
    pub(super) fn mark_before(&self, object: u64) -> io::Result<u64> {
        let last = object.checked_sub(1).ok_or(Errno::IO)?;
        let mut runs = self.runs.get(..=self.at(last)).unwrap_or(&self.runs).iter().rev();
        let run = runs.find(|run| run.record == 0).ok_or(Errno::IO)?;
        Ok(run.behind().saturating_sub(1).min(last))
    }

    /// How many records end, without what the file adds to them, behind a byte of the file.
    pub(super) fn records_beyond(&self, byte: u64) -> u64 {
        let beyond = self.runs.iter().rev().take_while(|run| run.end() > byte);
        let counts = beyond.filter(|run| run.record > 0).map(|run| {
            let room = byte.saturating_sub(u64::from(run.record)).checked_sub(run.offset);
            let within =
                room.filter(|_| byte >= u64::from(run.record)).map_or(0, |room| (room / run.step()).saturating_add(1));
            run.count.saturating_sub(within)
        });
        counts.fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of so many bytes; 0 for a file mark.
    fn objects(all: &[u32]) -> Objects {
        let mut objects = Objects::default();
        for record in all {
            objects.push(Some(*record).filter(|record| *record > 0)).unwrap();
        }
        objects
    }

    #[test]
    fn runs_tell_what_a_list_of_all_objects_tells() {
        let all = [7u32, 7, 0, 0, 7, 2, 2, 2, 0, 3, 0, 0, 0, 9];
        for len in 0..=all.len() {
            let mut cut = objects(&all);
            cut.truncate(len as u64);
            let all = &all[..len];
            let (mut offset, mut ends) = (0, Vec::new());
            for (number, record) in all.iter().enumerate() {
                let wanted = Object { offset, record: Some(*record).filter(|record| *record > 0) };
                assert_eq!(cut.get(number as u64), Some(wanted));
                ends.extend(wanted.record.map(|record| offset + u64::from(record)));
                offset += wanted.record.map_or(MARK, stored);
            }
            assert_eq!((cut.len(), cut.bytes(), cut.get(len as u64)), (len as u64, offset, None));
            for at in 0..=len {
                let next = (at..len).find(|number| all[*number] == 0).map(|number| number as u64);
                let before = (0..at).rev().find(|number| all[*number] == 0).map(|number| number as u64);
                assert_eq!(
                    (cut.mark_from(at as u64).ok(), cut.mark_before(at as u64).ok()),
                    (next, before),
                    "{at} of {len}"
                );
            }
            for byte in 0..offset + 9 {
                let beyond = ends.iter().filter(|end| **end > byte).count() as u64;
                assert_eq!(cut.records_beyond(byte), beyond, "{byte} of {offset}");
            }
        }
    }

    #[test]
    fn what_is_no_tape_takes_little_memory() {
        let mut zeros = Objects::default();
        let refused = (0..).find_map(|_| zeros.push(None).err()).unwrap();
        assert!(zeros.len() == MARKS_MAX && refused.to_string().contains("file of zeros"), "{refused}");
        let mut pieces = Objects::default();
        let refused = (0..).find_map(|number| pieces.push(Some(1 + number % 2)).err()).unwrap();
        assert!(pieces.runs.len() == RUNS_MAX && refused.kind() == ErrorKind::InvalidData);
    }
}
