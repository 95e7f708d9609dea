//! Where a database is and how it is reached: what a URL says. Knows nothing of sessions.

use postgres::Config;
use postgres::config::Host;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The schema that is meant where none is named.
pub const PUBLIC: &str = "public";
/// How long a statement waits for a lock of another session, where nothing else is said.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// A database on a server, and one schema in it.
#[derive(Clone)]
pub struct Address {
    config: Config,
    schema: String,
    lock_wait: Duration,
}

/// What is wrong with an address; it never holds the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(String);

impl Address {
    /// Reads a URL, `postgres://` or `postgresql://`, with its own parameter `schema`.
    ///
    /// # Errors
    /// It is no such URL.
    ///
    /// ```
    /// use intervault::store::postgres::address::Address;
    /// use std::collections::BTreeMap;
    /// let address = Address::parse("postgres://ann:secret@server/cms?schema=acd", &BTreeMap::new())?;
    /// assert_eq!((address.schema(), address.to_string().as_str()), ("acd", "postgresql://ann@server:5432/cms"));
    /// # Ok::<(), intervault::store::postgres::address::AddressError>(())
    /// ```
    pub fn parse(text: &str, _environment: &BTreeMap<String, String>) -> Result<Address, AddressError> {
        let (base, parameters) = text.split_once('?').unwrap_or((text, ""));
        let own = |parameter: &&str| parameter.starts_with("schema=");
        let schema = parameters.split('&').find(own).and_then(|own| own.strip_prefix("schema=")).unwrap_or(PUBLIC);
        let rest: Vec<&str> = parameters.split('&').filter(|parameter| !own(parameter)).collect();
        let config: Config = format!("{base}?{}", rest.join("&"))
            .parse()
            .map_err(|_| AddressError("this is no address of a PostgreSQL database".to_owned()))?;
        Ok(Address { config, schema: schema.to_owned(), lock_wait: LOCK_WAIT })
    }

    /// The schema whose tables are meant.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The same address with another time to wait for locks of other sessions; zero waits for ever.
    #[must_use]
    pub fn with_lock_wait(self, lock_wait: Duration) -> Address {
        Address { lock_wait, ..self }
    }

    /// How long a statement waits for a lock of another session; zero: for ever.
    #[must_use]
    pub fn lock_wait(&self) -> Duration {
        self.lock_wait
    }

    /// Host and port of the server, for people and for its identity.
    #[must_use]
    pub fn server(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            _ => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        };
        format!("{host}:{}", self.config.get_ports().first().unwrap_or(&5432))
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }
}

/// As a URL without the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgresql://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        write!(f, "{}/{}", self.server(), self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self}, schema {:?})", self.schema)
    }
}
