//! Tapes: volumes divided by file marks, each cut into device records of one size. `drive` says what a drive does, `mtio` has
//! the kernel's drives, `image` files that behave like one; `device` makes volumes of any of them. Knows no blocks: what a
//! volume is called it asks whoever opens the tape.

mod cache;
pub mod device;
pub mod drive;
pub mod image;
#[cfg(target_os = "linux")]
mod mtio;
mod objects;
#[cfg(target_os = "linux")]
pub mod st;

pub use device::{Namer, TapeDevice};
