//! How answers look: text for people, JSON for programs. Both are made from the same values.

pub mod backup;
pub mod check;
pub mod files;
pub mod journal;
pub mod json;
pub mod restore;
pub mod run;
pub mod text;
pub mod undo;
