//! The tape calls of Linux (mtio(4)): the only ioctls of this crate, and all that is unsafe about tapes. Each is one call with
//! one structure whose layout the kernel's header `linux/mtio.h` fixes.
#![expect(unsafe_code, reason = "rustix has no safe tape calls; each call is bounded by the size in its number")]

use rustix::fd::AsFd;
use rustix::io::Result;
use rustix::ioctl::{Getter, Setter, ioctl, opcode};
use std::ffi::{c_int, c_long, c_short};

/// `struct mtop`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct Operation {
    op: c_short,
    /// What lies between in C too. Named here, so that no byte of the stack that nobody set is handed to the kernel.
    padding: c_short,
    count: c_int,
}

/// `struct mtget`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Status {
    kind: c_long,
    residue: c_long,
    register: c_long,
    /// Bits of what drive and tape say.
    pub(super) general: c_long,
    error: c_long,
    file: c_int,
    block: c_int,
}

/// `struct mtpos`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct Place {
    block: c_long,
}

/// Operations of `MTIOCTOP`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// Forward over file marks.
    ForwardFiles = 1,
    /// Back over file marks.
    BackFiles = 2,
    /// Write file marks; with a count of 0 the drive's buffer is written out.
    WriteFileMarks = 5,
    /// To the beginning.
    Rewind = 6,
    /// To the end of data.
    EndOfData = 12,
    /// Sets the block size.
    SetBlock = 20,
    /// To a block number.
    Seek = 22,
}

/// `GMT_EOD`, `GMT_WR_PROT`, `GMT_ONLINE`.
pub(super) const END_OF_DATA: c_long = 0x0800_0000;
pub(super) const WRITE_PROTECTED: c_long = 0x0400_0000;
pub(super) const ONLINE: c_long = 0x0100_0000;

const MTIOCTOP: rustix::ioctl::Opcode = opcode::write::<Operation>(b'm', 1);
const MTIOCGET: rustix::ioctl::Opcode = opcode::read::<Status>(b'm', 2);
const MTIOCPOS: rustix::ioctl::Opcode = opcode::read::<Place>(b'm', 3);

/// `MTIOCTOP`.
pub(super) fn operate(drive: impl AsFd, op: Op, count: c_int) -> Result<()> {
    let operation = Operation { op: op as c_short, padding: 0, count };
    // SAFETY: the kernel reads one `struct mtop`, which `Operation` is, and writes nothing; another driver than that of a tape
    // answers ENOTTY, since the opcode carries letter, number and size.
    unsafe { ioctl(drive, Setter::<MTIOCTOP, Operation>::new(operation)) }
}

/// `MTIOCGET`.
pub(super) fn status(drive: impl AsFd) -> Result<Status> {
    // SAFETY: the kernel writes one `struct mtget`, which `Status` is: integers, for which any bits are valid.
    unsafe { ioctl(drive, Getter::<MTIOCGET, Status>::new()) }
}

/// `MTIOCPOS`: number of the block before which the tape stands.
pub(super) fn position(drive: impl AsFd) -> Result<c_long> {
    // SAFETY: the kernel writes one `struct mtpos`, which `Place` is: an integer, for which any bits are valid.
    let place = unsafe { ioctl(drive, Getter::<MTIOCPOS, Place>::new()) }?;
    Ok(place.block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn structures_and_numbers_are_the_kernel_s() {
        assert_eq!((size_of::<Operation>(), size_of::<Status>(), size_of::<Place>()), (8, 48, 8));
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        assert_eq!((MTIOCTOP, MTIOCGET, MTIOCPOS), (0x4008_6D01, 0x8030_6D02, 0x8008_6D03));
    }

    #[test]
    fn what_is_no_tape_says_so() {
        let file = tempfile::tempfile().unwrap();
        let refused =
            [operate(&file, Op::Rewind, 1).unwrap_err(), status(&file).unwrap_err(), position(&file).unwrap_err()];
        assert_eq!(refused, [rustix::io::Errno::NOTTY; 3]);
    }
}
