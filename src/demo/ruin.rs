//! What the demonstration does to its database: three days and one table are lost.

use super::error::DemoError;
use rusqlite::Connection;
use std::path::Path;

/// First of the days that are lost.
pub const FIRST_LOST_DAY: &str = "2003-10-14";
/// Last of the days that are lost.
pub const LAST_LOST_DAY: &str = "2003-10-16";
/// Tables that lose those days.
pub const LOST_DAYS_IN: [&str; 2] = ["hsplit", "hagent"];
/// The table that is lost altogether.
pub const LOST_TABLE: &str = "synonyms";

/// What was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruined {
    /// Rows of the three days that are gone.
    pub deleted: u64,
    /// Rows of the three days whose counts are wrong now.
    pub spoiled: u64,
    /// Rows of the table that is empty now.
    pub emptied: u64,
}

/// Ruins three days of two tables (rows deleted, counts overwritten) and empties a third table.
///
/// # Errors
/// The database cannot be written.
pub fn ruin(path: &Path) -> Result<Ruined, DemoError> {
    lose(path).map_err(|source| DemoError::Sqlite { what: format!("lose data in {}", path.display()), source })
}

fn lose(path: &Path) -> rusqlite::Result<Ruined> {
    let mut sql = Connection::open(path)?;
    let change = sql.transaction()?;
    let (mut deleted, mut spoiled) = (0, 0);
    for table in LOST_DAYS_IN {
        let days = (FIRST_LOST_DAY, LAST_LOST_DAY);
        let lost = format!("DELETE FROM {table} WHERE row_date BETWEEN ?1 AND ?2 AND starttime % 200 = 100");
        deleted += change.execute(&lost, days)?;
        let wrong = format!("UPDATE {table} SET acdcalls = 0, acdtime = 0 WHERE row_date BETWEEN ?1 AND ?2");
        spoiled += change.execute(&wrong, days)?;
    }
    let emptied = change.execute(&format!("DELETE FROM {LOST_TABLE}"), ())?;
    change.commit()?;
    Ok(Ruined { deleted: deleted as u64, spoiled: spoiled as u64, emptied: emptied as u64 })
}
