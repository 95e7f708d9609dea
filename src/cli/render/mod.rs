//! How answers look: text for people, JSON for programs. Both are made from the same values.

pub mod backup;
pub mod calendar;
pub mod check;
pub mod export;
pub mod files;
pub mod harmless;
pub mod history;
pub mod inspect;
pub mod journal;
pub mod json;
pub mod listing;
pub mod prune;
pub mod restore;
pub mod run;
pub mod salvage;
pub mod status;
pub mod sticker;
pub mod streamed;
pub mod text;
pub mod undo;
pub mod units;
