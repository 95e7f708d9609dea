//! Sections as tables: what `format` carries as ids and numbers, given its meaning by `schema` and `column`. Backup,
//! restore and check stand on it, so that rows are written, read and proved by one piece of code.

pub mod chunks;
pub mod evidence;
pub mod pieces;
pub mod rows;
pub mod table;
