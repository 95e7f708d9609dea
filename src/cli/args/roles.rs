//! Arguments of `roles`.

use crate::cli::parse::{self, DatabaseUrl};
use clap::Args;

/// Name of the role that only reads, if nobody says.
const BACKUP: &str = "intervault_backup";
/// Name of the role that puts rows back, if nobody says.
const RESTORE: &str = "intervault_restore";

/// Arguments of `roles`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  Look at the statements, then run them as a superuser:
    intervault roles --database postgresql://server/cms
    intervault roles --database postgresql://server/cms \\
        | psql -h server -U postgres -d cms
  Two tables only, and only backups:
    intervault roles --database postgresql://server/cms --backup nightly \\
        --tables hsplit,hagent

Nothing is asked of the server: it needs not be there. The statements can be run again.")]
pub struct RolesArgs {
    /// The database: postgresql://HOST/DATABASE[?schema=NAME]
    #[arg(long, value_name = "URL", value_parser = parse::database)]
    pub database: DatabaseUrl,
    /// The role that backups are taken with [default: intervault_backup, unless --restore is given]
    #[arg(long, value_name = "ROLE")]
    pub backup: Option<String>,
    /// The role that restores are done with [default: intervault_restore, unless --backup is given]
    #[arg(long, value_name = "ROLE")]
    pub restore: Option<String>,
    /// The tables, as their names are written in the database [default: all of the schema]
    #[arg(long, value_name = "TABLE,...", value_delimiter = ',', value_parser = parse::table)]
    pub tables: Vec<String>,
}

/// What `roles` is asked to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolesOptions {
    /// The database.
    pub database: DatabaseUrl,
    /// The role that only reads.
    pub backup: Option<String>,
    /// The role that puts rows back.
    pub restore: Option<String>,
    /// Tables; none means all.
    pub tables: Vec<String>,
}

impl RolesArgs {
    /// The options: both roles if none is named.
    #[must_use]
    pub fn options(&self) -> RolesOptions {
        let (backup, restore) = match (self.backup.clone(), self.restore.clone()) {
            (None, None) => (Some(BACKUP.to_owned()), Some(RESTORE.to_owned())),
            named => named,
        };
        RolesOptions { database: self.database.clone(), backup, restore, tables: self.tables.clone() }
    }
}
