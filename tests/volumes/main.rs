//! Sets on devices: what is written is read again, whatever the volume size, the damage or the device does.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stop at a surprise, as tests do")]

mod copies;
mod damage;
mod faults;
mod in_turn;
mod listing;
mod media;
mod round_trip;
mod tape;
