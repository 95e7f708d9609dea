//! The control tables in SQLite.

use super::fault::Site;
use crate::store::error::{StoreError, StoreErrorKind};
use std::path::Path;

pub(super) fn missing(path: &Path) -> StoreError {
    Site::database(path).fail("use the journal", StoreErrorKind::Unsupported("not built yet".to_owned()))
}
