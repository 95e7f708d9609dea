//! What tables exist and what their rows mean in time: data types, grains, clocks, the table catalogue, and the range
//! engine that decides which rows a restore replaces. Pure: no files, no databases.

pub mod catalogue;
pub mod clock;
pub mod grain;
pub mod label_text;
pub mod range;
pub mod table;
