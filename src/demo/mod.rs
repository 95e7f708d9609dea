//! A database to try things on: the tables of a call management system, made from real call counts. The same every time.
//! Knows SQLite and the embedded counts; nothing of volumes, backups or restores.
//!
//! Where the numbers come from stands in `README.md` beside this file, and [`PROVENANCE`] says it in short.

mod admin;
mod agents;
mod bank_calls;
mod calls;
mod database;
mod error;
mod measure;
mod random;
mod ruin;
mod splits;
mod table;

pub use bank_calls::{REAL_CALLS, REAL_DAYS, REAL_ROWS};
pub use database::{Built, BuiltTable, build};
pub use error::DemoError;
pub use ruin::{FIRST_LOST_DAY, LAST_LOST_DAY, LOST_DAYS_IN, LOST_TABLE, Ruined, ruin};

/// What is real in the demonstration database and what is derived, for people.
pub const PROVENANCE: &str = "\
Real:    the calls answered in every half hour (summed over splits and ACDs) of 164 working days in 2003: the 5-minute
         counts of a North American bank's call centre (data set bank_calls of the book \"Forecasting: Principles and
         Practice\"). The answered calls of dsplit, wsplit, msplit, of the VDN and trunk tables, and the number of
         call records in each 5 minutes follow from them exactly.
Derived: everything else, by fixed arithmetic: the three ACDs and their splits, times, abandoned calls, agents, VDNs,
         trunks, nights and weekends, call records' contents, dictionary and user tables. Names are made up.
";
