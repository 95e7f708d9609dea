//! Sets on devices: what is written is read again, whatever the volume size, the damage or the device does.

mod damage;
mod faults;
mod listing;
mod round_trip;
