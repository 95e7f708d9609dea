//! How answers look: text for people, JSON for programs. Both are made from the same values.

pub mod json;
pub mod text;
