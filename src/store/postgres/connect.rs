//! Sessions: how they are begun, and what is set in them.
//!
//! Nothing of what the server, the database or the role has as its settings reaches what is read or written: what values
//! look like as text, which schema a name is looked for in, which rows a policy hides, how long a statement may take.
//!
//! A session is begun in a thread of its own, so that a server which accepts and then says nothing is given up in time; the
//! thread ends when that connection does.

use postgres::config::{ChannelBinding, SslMode};
use postgres::{Error, SimpleQueryMessage};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, Binding, Host, HostName, Target};
use super::fault::{Site, kind_of, kind_of_connecting};
use super::session::{NoSession, Session};
use super::tls::Mode;
use crate::store::error::{StoreError, StoreErrorKind};

const OPEN: &str = "open the database";

/// The oldest version of the server that will do, as it numbers itself. Before it a slice of a table by the place of its
/// rows was found by reading the whole table.
const VERSION_MIN: u32 = 140_000;

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The server itself then refuses whatever would change something.
    Reading,
    /// Rows are deleted and inserted.
    Writing,
}

/// Why there is no session with one server.
enum Failure {
    /// The server did not let this in.
    Connecting(Error),
    /// It did, and will not do.
    Session(StoreErrorKind),
    /// Nothing came, or nothing of use.
    Silent(String),
}

/// How a connection is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrap {
    Plain,
    /// Encrypted if the server can.
    Offered,
    Encrypted,
}

/// Begins a session. No transaction is open in it.
///
/// # Errors
/// `Unreachable`, `NotPermitted`, `NotFound`, `Unsupported` if the server is too old.
pub(super) fn open(address: &Address, purpose: Purpose) -> Result<Session, StoreError> {
    find(address, purpose).map(|(client, _)| client)
}

/// How a server was reached, so that further sessions are begun with the same one.
pub(super) struct Found {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    settings: String,
    limit: Option<Duration>,
}

impl Found {
    /// Begins another session there.
    ///
    /// # Errors
    /// `Unreachable`, `NotPermitted`.
    pub(super) fn session(&self, site: Site<'_>) -> Result<Session, StoreError> {
        let (config, tls, settings) = (self.config.clone(), self.tls.clone(), self.settings.clone());
        let begun = within(self.limit, move || {
            let mut session = Session::connect(&config, tls).map_err(|no| no.kind())?;
            session.batch_execute(&settings).map_err(|error| kind_of(&error))?;
            Ok(session)
        });
        let begun = begun.unwrap_or_else(|why| Err(StoreErrorKind::Unreachable(why)));
        begun.map_err(|kind| site.fail(OPEN, kind))
    }
}

/// As [`open`], with how the server was reached.
pub(super) fn find(address: &Address, purpose: Purpose) -> Result<(Session, Found), StoreError> {
    let place = address.to_string();
    let site = Site::database(&place);
    let unreachable = |why: String| site.fail(OPEN, StoreErrorKind::Unreachable(why));
    let tls = address.tls.connector().map_err(unreachable)?;
    let mut failures: Vec<String> = Vec::new();
    for target in passes(address.target) {
        for host in &address.hosts {
            let kind = match begin(address, host, &tls, purpose) {
                Ok((mut client, found)) => match unfit(&mut client, *target) {
                    Ok(None) => return Ok((client, found)),
                    Ok(Some(why)) => StoreErrorKind::Unreachable(why.to_owned()),
                    Err(error) => kind_of(&error),
                },
                Err(kind) => kind,
            };
            match kind {
                // Only a server that is not there has another stand in for it.
                StoreErrorKind::Unreachable(why) if address.hosts.len() > 1 => {
                    failures.push(format!("{}: {why}", host.shown()));
                }
                kind => return Err(site.fail(OPEN, with_reason(kind, address))),
            }
        }
    }
    failures.dedup();
    Err(unreachable(failures.join("; ")))
}

/// What is looked for, one after the other.
fn passes(target: Target) -> &'static [Target] {
    match target {
        Target::Any => &[Target::Any],
        Target::ReadWrite => &[Target::ReadWrite],
        Target::ReadOnly => &[Target::ReadOnly],
        Target::Primary => &[Target::Primary],
        Target::Standby => &[Target::Standby],
        Target::PreferStandby => &[Target::Standby, Target::Any],
    }
}

/// Why a server is not one that is looked for. What a session may do is asked of the server, since the session's own
/// setting is this program's.
fn unfit(client: &mut Session, target: Target) -> Result<Option<&'static str>, Error> {
    if target == Target::Any {
        return Ok(None);
    }
    let row = client.query_one(
        "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.pg_is_in_recovery() OR \
         (SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only') = 'on'",
        &[],
    )?;
    let (follows, reads): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    Ok(match target {
        Target::ReadWrite if reads => Some("its sessions only read"),
        Target::ReadOnly if !reads => Some("its sessions may write"),
        Target::Primary if follows => Some("it follows another server"),
        Target::Standby if !follows => Some("it follows no other server"),
        _ => None,
    })
}

/// The kind, with what kept a password from being found.
fn with_reason(kind: StoreErrorKind, address: &Address) -> StoreErrorKind {
    match (kind, &address.passed_over) {
        (StoreErrorKind::NotPermitted(words), Some(reason)) => {
            StoreErrorKind::NotPermitted(format!("{words}; {reason}"))
        }
        (kind, _) => kind,
    }
}

/// Begins a session with one server, in the ways that the address allows for.
fn begin(
    address: &Address,
    host: &Host,
    tls: &MakeRustlsConnect,
    purpose: Purpose,
) -> Result<(Session, Found), StoreErrorKind> {
    let mut failure = StoreErrorKind::Unreachable("it has no address".to_owned());
    for place in places(address, host)? {
        for wrap in wraps(address.tls.mode, place) {
            match attempt(address, host, place, *wrap, tls, purpose) {
                Ok(begun) => return Ok(begun),
                Err(Failure::Silent(why)) => {
                    failure = StoreErrorKind::Unreachable(why);
                    break;
                }
                Err(Failure::Session(kind)) => return Err(kind),
                Err(Failure::Connecting(error)) => {
                    failure = kind_of_connecting(&error);
                    if !is_about_encryption(&error) {
                        break;
                    }
                }
            }
        }
        if !matches!(failure, StoreErrorKind::Unreachable(_)) {
            break;
        }
    }
    Err(failure)
}

/// Where a server may be: an address, or none for a socket.
fn places(address: &Address, host: &Host) -> Result<Vec<Option<IpAddr>>, StoreErrorKind> {
    let name = match (&host.name, host.address) {
        (HostName::Socket(_), _) => return Ok(vec![None]),
        (_, Some(place)) => return Ok(vec![Some(place)]),
        (HostName::Net(name), None) => (name.clone(), host.port),
    };
    let found =
        within(address.connect_limit, move || name.to_socket_addrs().map(|all| all.map(|one| one.ip()).collect()));
    let found: Vec<IpAddr> = match found {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(StoreErrorKind::Unreachable(format!("its name is not known here: {error}"))),
        Err(why) => return Err(StoreErrorKind::Unreachable(format!("its name is looked up: {why}"))),
    };
    Ok(found.into_iter().map(Some).collect())
}

/// How a connection is tried, one way after the other.
fn wraps(mode: Mode, place: Option<IpAddr>) -> &'static [Wrap] {
    match mode {
        _ if place.is_none() => &[Wrap::Plain],
        Mode::Disable => &[Wrap::Plain],
        Mode::Allow => &[Wrap::Plain, Wrap::Encrypted],
        Mode::Prefer => &[Wrap::Offered, Wrap::Plain],
        Mode::Require | Mode::VerifyCa | Mode::VerifyFull => &[Wrap::Encrypted],
    }
}

/// Whether another try may go well with more or less encryption: the handshake failed, or the server has no rule that lets
/// in a connection of this sort. The client library has no other sign of the first than its words.
fn is_about_encryption(error: &Error) -> bool {
    error.code().is_some_and(|code| code.code() == "28000") || error.to_string() == "error performing TLS handshake"
}

fn attempt(
    address: &Address,
    host: &Host,
    place: Option<IpAddr>,
    wrap: Wrap,
    tls: &MakeRustlsConnect,
    purpose: Purpose,
) -> Result<(Session, Found), Failure> {
    let config = config(address, host, place, wrap);
    let tls = (wrap != Wrap::Plain).then(|| tls.clone());
    let settings = settings(purpose, address.lock_wait());
    let limit = address.connect_limit;
    let found = Found { config: config.clone(), tls: tls.clone(), settings: settings.clone(), limit };
    let begun = within(address.connect_limit, move || {
        let mut client = Session::connect(&config, tls).map_err(|no| match no {
            NoSession::Connecting(error) => Failure::Connecting(error),
            NoSession::Runtime(_) => Failure::Session(no.kind()),
        })?;
        prepare(&mut client, &settings).map_err(Failure::Session)?;
        Ok(client)
    });
    begun.unwrap_or_else(|why| Err(Failure::Silent(why))).map(|client| (client, found))
}

/// Does something that may take for ever, for so long.
///
/// # Errors
/// It took longer, or ended without a result: for what reason.
fn within<T: Send + 'static>(limit: Option<Duration>, work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let (hand, taken) = mpsc::sync_channel(1);
    // Nobody waits for the thread: what it would still bring is not wanted.
    let thread = thread::Builder::new().name("connect".to_owned()).spawn(move || hand.send(work()).is_ok());
    thread.map_err(|error| format!("no thread can be begun: {error}"))?;
    match limit {
        None => taken.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(limit) => taken.recv_timeout(limit),
    }
    .map_err(|failure| match (failure, limit) {
        (RecvTimeoutError::Timeout, Some(limit)) => format!("no answer within {} s", limit.as_secs()),
        _ => "what it sends cannot be understood".to_owned(),
    })
}

/// What the client library is told.
fn config(address: &Address, host: &Host, place: Option<IpAddr>, wrap: Wrap) -> Config {
    let mut config = Config::new();
    match &host.name {
        HostName::Net(name) => config.host(name),
        HostName::Socket(folder) => config.host_path(folder),
    };
    if let Some(place) = place {
        config.hostaddr(place);
    }
    if let Some(password) = &host.password {
        config.password(&password.0);
    }
    if let Some(options) = &address.options {
        config.options(options);
    }
    config.port(host.port).user(&address.user).dbname(&address.database).application_name(&address.application);
    config.ssl_mode(match wrap {
        Wrap::Plain => SslMode::Disable,
        Wrap::Offered => SslMode::Prefer,
        Wrap::Encrypted => SslMode::Require,
    });
    config.channel_binding(match address.binding {
        Binding::Disable => ChannelBinding::Disable,
        Binding::Prefer => ChannelBinding::Prefer,
        Binding::Require => ChannelBinding::Require,
    });
    let alive = address.alive;
    config.keepalives(alive.ask).keepalives_idle(alive.idle).keepalives_interval(alive.interval);
    config.keepalives_retries(alive.count);
    if let Some(unanswered) = alive.unanswered {
        config.tcp_user_timeout(unanswered);
    }
    if let Some(limit) = address.connect_limit {
        config.connect_timeout(limit);
    }
    config
}

/// Looks at the server's version, and makes the session the same everywhere.
fn prepare(client: &mut Session, settings: &str) -> Result<(), StoreErrorKind> {
    let version = client.simple_query("SHOW server_version_num").map_err(|error| kind_of_connecting(&error))?;
    let version = version.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten().and_then(|number| number.parse().ok()),
        _ => None,
    });
    if version.is_none_or(|version: u32| version < VERSION_MIN) {
        return Err(too_old(version));
    }
    client.batch_execute(settings).map_err(|error| kind_of_connecting(&error))
}

fn too_old(version: Option<u32>) -> StoreErrorKind {
    let is = version.map_or_else(|| "of an unknown version".to_owned(), |v| format!("PostgreSQL {}", v / 10_000));
    StoreErrorKind::Unsupported(format!("the server is {is}: at least PostgreSQL {} is needed", VERSION_MIN / 10_000))
}

/// The statements that make a session the same everywhere.
fn settings(purpose: Purpose, lock_wait: Duration) -> String {
    let read_only = match purpose {
        Purpose::Reading => "on",
        Purpose::Writing => "off",
    };
    let fixed = [
        // Only the server's own functions and types are found without their schema.
        ("search_path", "''"),
        ("client_encoding", "'UTF8'"),
        ("standard_conforming_strings", "on"),
        ("DateStyle", "'ISO, YMD'"),
        ("IntervalStyle", "'postgres'"),
        ("TimeZone", "'UTC'"),
        // The shortest digits that give the same float again.
        ("extra_float_digits", "3"),
        ("bytea_output", "'hex'"),
        ("statement_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
        ("idle_session_timeout", "0"),
        ("synchronous_commit", "on"),
        // A policy that hides rows is an error then: a backup that lacks them would look whole.
        ("row_security", "off"),
        // Rows come in the order in which they lie; several workers would hand them on in any order, by one of them.
        ("max_parallel_workers_per_gather", "0"),
        // To compile a statement takes longer than any scan of ours gains by it.
        ("jit", "off"),
        ("default_transaction_deferrable", "off"),
        ("default_transaction_isolation", "'read committed'"),
        ("default_transaction_read_only", read_only),
    ];
    let mut out: String = fixed.iter().map(|(name, value)| format!("SET {name} = {value};")).collect();
    out.push_str(&format!("SET lock_timeout = {}", lock_wait.as_millis().min(i32::MAX as u128)));
    out
}
