//! The lock of a database: an advisory lock of the server, held by a session of its own. The server gives it back when that
//! session ends, however it ends. It is known by a fixed number, so that it needs no table and no right.

use super::address::Address;
use super::connect::{self, Purpose};
use super::fault::Site;
use super::session::Session;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::StoreLock;

const LOCK: &str = "lock the database";

/// The two halves of the number: `intv` and `ault` in ASCII. A lock by two numbers never meets one by a single number.
const KEY: (i32, i32) = (0x696E_7476, 0x6175_6C74);

/// What the lock is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// The database is only read: where the server knows no such locks, that goes on without one.
    Reading,
    /// The database is changed.
    Change,
}

/// A session that has the lock, or why there is none.
struct PostgresLock(Result<Session, String>);

impl StoreLock for PostgresLock {
    fn notice(&self) -> Option<String> {
        self.0.as_ref().err().cloned()
    }
}

/// Takes the lock of the database at this address.
///
/// # Errors
/// `InUse`, with whose it is; as [`connect::open`].
pub(super) fn take(address: &Address, purpose: For) -> Result<Box<dyn StoreLock>, StoreError> {
    let place = address.to_string();
    let site = Site::database(&place);
    let mut session = connect::open(address, Purpose::Reading)?;
    session.batch_execute(&format!("SET application_name = {}", name())).map_err(site.during(LOCK))?;
    let asked = session.query_one("SELECT pg_catalog.pg_try_advisory_lock($1, $2)", &[&KEY.0, &KEY.1]);
    let had: bool = match asked.and_then(|row| row.try_get(0)) {
        Err(error) if purpose == For::Reading && is_unknown(&error) => {
            let why =
                "this server knows no advisory locks: make sure that no other backup or restore of this database runs";
            return Ok(Box::new(PostgresLock(Err(why.to_owned()))));
        }
        answer => answer.map_err(site.during(LOCK))?,
    };
    if had {
        return Ok(Box::new(PostgresLock(Ok(session))));
    }
    let owner = owner(&mut session).map_err(site.during(LOCK))?;
    Err(site.fail(LOCK, StoreErrorKind::InUse(owner)))
}

/// What the session calls itself, so that others can say who has the lock; as SQL writes it.
fn name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().replace('\'', "");
    format!("'intervault, process {} on {host}'", rustix::process::getpid())
}

/// Whether the server does not have what was asked for: a function that it does not know, or that it names but does not do.
fn is_unknown(error: &postgres::Error) -> bool {
    error.code().is_some_and(|code| ["0A000", "42883"].contains(&code.code()))
}

/// Who has the lock, in brackets for a message; empty if that cannot be seen. What the server does not tell (another user's
/// session is hidden from a role without `pg_read_all_stats`) is left out.
fn owner(session: &mut Session) -> Result<String, postgres::Error> {
    const WHO: &str = "SELECT l.pid, a.usename::text, a.application_name, host(a.client_addr), \
         to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS') || ' UTC' \
         FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 \
         AND l.classid = $1::bigint::oid AND l.objid = $2::bigint::oid \
         AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())";
    let (first, second) = (i64::from(KEY.0), i64::from(KEY.1));
    let Some(row) = session.query_opt(WHO, &[&first, &second])? else { return Ok(String::new()) };
    let pid: i32 = row.try_get(0)?;
    let mut text = format!(" (session {pid}");
    for (what, column) in [(" of ", 1), (", ", 2), (" from ", 3), (", since ", 4)] {
        if let Some(value) = row.try_get::<_, Option<String>>(column)?.filter(|value| !value.is_empty()) {
            text.push_str(what);
            text.push_str(&value);
        }
    }
    text.push(')');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::cluster::Cluster;
    use std::collections::BTreeMap;

    #[test]
    fn one_has_the_lock_of_a_database_and_it_ends_with_its_session() {
        let Some(cluster) = Cluster::shared() else { return };
        let at = |url: String| Address::parse(&url, &BTreeMap::new()).unwrap();
        let (address, other) = (at(cluster.database("locked")), at(cluster.database("locked too")));
        let lock = take(&address, For::Change).unwrap();
        assert_eq!(lock.notice(), None);
        drop(take(&other, For::Change).unwrap());
        for purpose in [For::Change, For::Reading] {
            let error = take(&address, purpose).err().unwrap();
            let StoreErrorKind::InUse(owner) = &error.kind else { panic!("{error}") };
            let process = format!("intervault, process {} on ", std::process::id());
            assert!(owner.contains(" of postgres, ") && owner.contains(&process), "{owner}");
            assert!(owner.starts_with(" (session ") && owner.ends_with(" UTC)"), "{owner}");
        }
        let holder = cluster.query("locked", "SELECT pid FROM pg_locks WHERE locktype = 'advisory'");
        assert_eq!(holder.len(), 1, "{holder:?}");
        drop(lock);
        let lock = take(&address, For::Change).unwrap();
        let holder = cluster.query("locked", "SELECT pid FROM pg_locks WHERE locktype = 'advisory'");
        cluster.terminate(holder[0][0].as_ref().unwrap().parse().unwrap());
        drop(take(&address, For::Reading).unwrap());
        drop(lock);
    }
}
