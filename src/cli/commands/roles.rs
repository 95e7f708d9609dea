//! `intervault roles`: prints the SQL that makes the roles for backups and restores of a database on a server.

use super::open;
use crate::cli::args::RolesOptions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::parse::DatabaseUrl;
use crate::store::postgres::address::AddressError;
use crate::store::postgres::roles::Roles;
use serde_json::json;

/// Runs it.
///
/// # Errors
/// The database is a file, or its address or a name makes no sense.
pub fn run(options: &RolesOptions, output: &Output) -> Result<Exit, Failure> {
    let DatabaseUrl::Postgres(url) = &options.database else {
        return Err(Failure::usage("a database that is a file has no roles: who may read and write the file, may")
            .hint("name a database on a server: --database postgresql://HOST/DATABASE"));
    };
    let address = open::address(url)?;
    let roles = Roles {
        database: address.database().to_owned(),
        schema: address.schema().to_owned(),
        backup: options.backup.clone(),
        restore: options.restore.clone(),
        tables: options.tables.clone(),
    };
    let sql = roles.sql().map_err(|error: AddressError| Failure::usage(error.to_string()))?;
    if output.json() {
        let names = json!({"backup": roles.backup, "restore": roles.restore, "tables": roles.tables, "sql": sql});
        output.object("intervault/roles", Exit::Done, &names);
    } else {
        output.line(sql.trim_end());
    }
    Ok(Exit::Done)
}
