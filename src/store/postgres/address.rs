//! Where a database is and how it is reached: what a URL says, and where it is silent what a service file, the environment
//! and the usual places say, in the order and with the meaning that the server's own programs give them. Knows nothing of
//! sessions. The environment is handed in.

use rustix::process::geteuid;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::passfile::{self, Login};
use super::service;
use super::tls::{Mode, Tls, Trust};
pub use super::url::{AddressError, ServerUrl};

/// The schema that is meant where none is named.
pub const PUBLIC: &str = "public";
/// How long a statement waits for a lock of another session, where nothing else is said.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// How long a server may take to answer and to let somebody in, where nothing else is said.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);
/// The port that is meant where none is named.
const PORT: u16 = 5432;
/// Where a server on this machine has its socket.
const SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Parameters that the environment can give, and the names that they have there.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("application_name", "PGAPPNAME"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("dbname", "PGDATABASE"),
    ("gssencmode", "PGGSSENCMODE"),
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("options", "PGOPTIONS"),
    ("passfile", "PGPASSFILE"),
    ("password", "PGPASSWORD"),
    ("port", "PGPORT"),
    ("service", "PGSERVICE"),
    ("servicefile", "PGSERVICEFILE"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("user", "PGUSER"),
];

/// What somebody sets to make a connection safer, and what is not supported here: it is not passed over.
const FOREIGN_ENVIRONMENT: &[&str] = &[
    "PGREQUIREAUTH",
    "PGREQUIREPEER",
    "PGREQUIRESSL",
    "PGSSLCERTMODE",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLMAXPROTOCOLVERSION",
    "PGSSLMINPROTOCOLVERSION",
];

/// A database on a server, one schema in it, and how it is reached.
#[derive(Clone)]
pub struct Address {
    pub(super) hosts: Vec<Host>,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) options: Option<String>,
    pub(super) application: String,
    pub(super) tls: Tls,
    pub(super) target: Target,
    pub(super) binding: Binding,
    pub(super) connect_limit: Option<Duration>,
    pub(super) alive: Alive,
    /// What somebody who is not let in should know.
    pub(super) passed_over: Option<String>,
    schema: String,
    lock_wait: Duration,
}

/// A server that may have the database.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) name: HostName,
    /// Where the name is, if the address says so itself.
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
    pub(super) password: Option<Secret>,
}

/// How a server is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HostName {
    /// By its name, or by an address in digits.
    Net(String),
    /// By the folder of its socket.
    Socket(PathBuf),
}

/// A password, which is never shown.
#[derive(Clone)]
pub(super) struct Secret(pub(super) String);

/// Which of several servers is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The first that answers.
    Any,
    /// One whose sessions may write.
    ReadWrite,
    /// One whose sessions only read.
    ReadOnly,
    /// One that follows no other.
    Primary,
    /// One that follows another.
    Standby,
    /// One that follows another if there is such a one.
    PreferStandby,
}

/// Whether a password proves that nobody stands in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    Disable,
    Prefer,
    Require,
}

/// How a connection on which nothing comes is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alive {
    pub(super) ask: bool,
    pub(super) idle: Duration,
    pub(super) interval: Duration,
    pub(super) count: u32,
    pub(super) unanswered: Option<Duration>,
}

impl Address {
    /// Reads a URL and what belongs to it; see [`Address::resolve`].
    ///
    /// # Errors
    /// It is no such URL; as [`Address::resolve`].
    ///
    /// ```
    /// use intervault::store::postgres::address::Address;
    /// use std::collections::BTreeMap;
    /// let address = Address::parse("postgres://ann:secret@server/cms?schema=acd", &BTreeMap::new())?;
    /// assert_eq!((address.schema(), address.to_string().as_str()), ("acd", "postgresql://ann@server:5432/cms"));
    /// # Ok::<(), intervault::store::postgres::address::AddressError>(())
    /// ```
    pub fn parse(text: &str, environment: &BTreeMap<String, String>) -> Result<Address, AddressError> {
        Address::resolve(&text.parse()?, environment)
    }

    /// Completes what a URL says from a service file, the environment (`PGHOST`, …, and `HOME`), the password file and the
    /// usual places.
    ///
    /// # Errors
    /// A value is not one that its parameter has; a file that is named is not there or cannot be used.
    pub fn resolve(url: &ServerUrl, environment: &BTreeMap<String, String>) -> Result<Address, AddressError> {
        if let Some(name) = FOREIGN_ENVIRONMENT.iter().find(|name| environment.contains_key(**name)) {
            return Err(AddressError(format!("{name} is set, which is not supported: unset it")));
        }
        let given = Given::gather(url, environment)?;
        given.only("client_encoding", &["UTF8", "utf8", "UTF-8", "utf-8", "auto"])?;
        given.only("gssencmode", &["disable", "prefer"])?;
        let user = given.get("user").map(str::to_owned).or_else(|| system_user(environment));
        let user = user.ok_or_else(|| AddressError("no user is named: write postgresql://USER@HOST/…".to_owned()))?;
        let database = given.get("dbname").unwrap_or(&user).to_owned();
        let (hosts, passed_over) = given.hosts(&database, &user)?;
        let schema = given.get("schema").unwrap_or(PUBLIC).to_owned();
        if schema.len() > 63 {
            return Err(AddressError("a schema has a name of at most 63 bytes".to_owned()));
        }
        let application = given.get("application_name").or_else(|| given.get("fallback_application_name"));
        Ok(Address {
            hosts,
            options: given.get("options").map(str::to_owned),
            application: application.unwrap_or("intervault").to_owned(),
            tls: given.tls()?,
            target: given.target()?,
            binding: given.binding()?,
            connect_limit: match given.number("connect_timeout")? {
                None => Some(CONNECT_LIMIT),
                Some(0) => None,
                Some(seconds) => Some(Duration::from_secs(seconds)),
            },
            alive: given.alive()?,
            lock_wait: given.number("lock_timeout")?.map_or(LOCK_WAIT, Duration::from_secs),
            user,
            database,
            passed_over,
            schema,
        })
    }

    /// The name of the database on its server.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
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

    /// The database as its identity names it: with the schema, unless that is the usual one. A slash in a name is written as in
    /// a URL, so that no two databases have one name.
    #[must_use]
    pub fn name(&self) -> String {
        let plain = |name: &str| name.replace('%', "%25").replace('/', "%2F");
        match self.schema.as_str() {
            PUBLIC => plain(&self.database),
            schema => format!("{}/{}", plain(&self.database), plain(schema)),
        }
    }

    /// Host and port of the (first) server, for its identity: the name of this machine where it is on this machine.
    #[must_use]
    pub fn server(&self) -> String {
        let here = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        let Some(host) = self.hosts.first() else { return here() };
        let name = match &host.name {
            HostName::Net(name) if !["localhost", "127.0.0.1", "::1"].contains(&name.as_str()) => name.clone(),
            _ => here(),
        };
        format!("{name}:{}", host.port)
    }
}

impl Host {
    /// For messages: `server:5432`, `/run/postgresql:5432`.
    pub(super) fn shown(&self) -> String {
        match &self.name {
            HostName::Net(name) if name.contains(':') => format!("[{name}]:{}", self.port),
            HostName::Net(name) => format!("{name}:{}", self.port),
            HostName::Socket(folder) => format!("{}:{}", folder.display(), self.port),
        }
    }
}

/// As a URL for people: without the password, and without what only says how the server is reached.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(Host::shown).collect();
        write!(f, "postgresql://{}@{}/{}", self.user, hosts.join(","), self.database)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self}, schema {:?}, {:?})", self.schema, self.tls)
    }
}

/// Parameters from all places, the first that gives one counts.
struct Given<'a> {
    url: &'a ServerUrl,
    service: Vec<(&'static str, String)>,
    environment: &'a BTreeMap<String, String>,
}

impl<'a> Given<'a> {
    fn gather(url: &'a ServerUrl, environment: &'a BTreeMap<String, String>) -> Result<Given<'a>, AddressError> {
        let mut given = Given { url, service: Vec::new(), environment };
        if let Some(name) = given.get("service").map(str::to_owned) {
            let own = given.get("servicefile").map(PathBuf::from).or_else(|| given.home(".pg_service.conf"));
            let folder = environment.get("PGSYSCONFDIR").map_or("/etc/postgresql-common", String::as_str);
            let files: Vec<PathBuf> = own.into_iter().chain([Path::new(folder).join("pg_service.conf")]).collect();
            given.service = service::find(&name, &files)?;
        }
        Ok(given)
    }

    /// An empty value is none.
    fn get(&self, name: &str) -> Option<&str> {
        let in_service = || self.service.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str());
        let in_environment = || {
            let (_, variable) = ENVIRONMENT.iter().find(|(parameter, _)| *parameter == name)?;
            self.environment.get(*variable).map(String::as_str)
        };
        self.url.get(name).or_else(in_service).or_else(in_environment).filter(|value| !value.is_empty())
    }

    fn home(&self, name: &str) -> Option<PathBuf> {
        self.environment.get("HOME").filter(|home| !home.is_empty()).map(|home| Path::new(home).join(name))
    }

    fn only(&self, name: &str, values: &[&str]) -> Result<(), AddressError> {
        match self.get(name) {
            Some(value) if !values.contains(&value) => {
                Err(AddressError(format!("{name} is {value:?}: here it can be {}", values.join(", "))))
            }
            _ => Ok(()),
        }
    }

    /// A whole number, zero or more.
    fn number(&self, name: &str) -> Result<Option<u64>, AddressError> {
        let read = |text: &str| text.trim().parse::<u32>().map(u64::from);
        let number = self.get(name).map(read).transpose();
        number.map_err(|_| {
            AddressError(format!("{name} is {:?}, which is no whole number", self.get(name).unwrap_or("")))
        })
    }

    /// A value of a list, in which an empty one stands for the usual.
    fn list(&self, name: &str) -> Vec<&str> {
        self.get(name).map(|list| list.split(',').map(str::trim).collect()).unwrap_or_default()
    }

    /// The servers, each with its password, and why the password file was passed over.
    fn hosts(&self, database: &str, user: &str) -> Result<(Vec<Host>, Option<String>), AddressError> {
        let (names, addresses, ports) = (self.list("host"), self.list("hostaddr"), self.list("port"));
        let count = names.len().max(addresses.len()).max(1);
        let fits = |list: &[&str]| list.is_empty() || list.len() == count;
        if !fits(&names) || !fits(&addresses) || !(fits(&ports) || ports.len() == 1) {
            let counts = format!("{} hosts, {} addresses, {} ports", names.len(), addresses.len(), ports.len());
            return Err(AddressError(format!("{counts}: as many of each are needed, or one port for all")));
        }
        let (file, passed_over) = if self.get("password").is_some() { (None, None) } else { self.passwords() };
        let mut hosts = Vec::with_capacity(count);
        for at in 0..count {
            let port = if ports.len() == 1 { some(&ports, 0) } else { some(&ports, at) };
            hosts.push(one_host(some(&names, at), some(&addresses, at), port)?);
        }
        for host in &mut hosts {
            host.password = match self.get("password") {
                Some(password) => Some(Secret(password.to_owned())),
                None => file.as_deref().and_then(|text| of_file(text, host, database, user)),
            };
        }
        Ok((hosts, passed_over))
    }

    /// The text of the password file, or why it is passed over.
    fn passwords(&self) -> (Option<String>, Option<String>) {
        let path = self.get("passfile").map(PathBuf::from).or_else(|| self.home(".pgpass"));
        match path.as_deref().map(passfile::read) {
            Some(Ok(text)) => (text, None),
            Some(Err(why)) => {
                let path = path.unwrap_or_default();
                (None, Some(format!("the password file {} was passed over: {why}", path.display())))
            }
            None => (None, None),
        }
    }

    fn tls(&self) -> Result<Tls, AddressError> {
        let said = self.get("sslmode");
        let mode = said.map(Mode::of).transpose();
        let mode =
            mode.map_err(|known| AddressError(format!("sslmode is {:?}: it can be {known}", said.unwrap_or(""))))?;
        let there = |name: &str| self.home(name).filter(|path| path.exists());
        let (mode, trust) = match (self.get("sslrootcert"), mode) {
            (Some("system"), None | Some(Mode::VerifyFull)) => (Mode::VerifyFull, Trust::System),
            (Some("system"), Some(_)) => {
                return Err(AddressError("sslrootcert=system goes with sslmode=verify-full only".to_owned()));
            }
            (Some(file), mode) => (mode.unwrap_or(Mode::Prefer), Trust::File(PathBuf::from(file))),
            (None, mode) => {
                let file = there(".postgresql/root.crt");
                (mode.unwrap_or(Mode::Prefer), file.map_or(Trust::Anybody, Trust::File))
            }
        };
        if mode >= Mode::VerifyCa && trust == Trust::Anybody {
            return Err(AddressError(
                "sslmode asks for the server to be checked, and nothing says whom to trust: give sslrootcert=FILE or \
                 sslrootcert=system, or put the certificates into ~/.postgresql/root.crt"
                    .to_owned(),
            ));
        }
        let certificate = self.get("sslcert").map(PathBuf::from).or_else(|| there(".postgresql/postgresql.crt"));
        let key = self.get("sslkey").map(PathBuf::from).or_else(|| self.home(".postgresql/postgresql.key"));
        Ok(Tls { mode, trust, own: certificate.zip(key) })
    }

    fn target(&self) -> Result<Target, AddressError> {
        Ok(match self.get("target_session_attrs").unwrap_or("any") {
            "any" => Target::Any,
            "read-write" => Target::ReadWrite,
            "read-only" => Target::ReadOnly,
            "primary" => Target::Primary,
            "standby" => Target::Standby,
            "prefer-standby" => Target::PreferStandby,
            other => {
                let known = "any, read-write, read-only, primary, standby or prefer-standby";
                return Err(AddressError(format!("target_session_attrs is {other:?}: it can be {known}")));
            }
        })
    }

    fn binding(&self) -> Result<Binding, AddressError> {
        Ok(match self.get("channel_binding").unwrap_or("prefer") {
            "disable" => Binding::Disable,
            "prefer" => Binding::Prefer,
            "require" => Binding::Require,
            other => {
                return Err(AddressError(format!(
                    "channel_binding is {other:?}: it can be disable, prefer or require"
                )));
            }
        })
    }

    /// A server that was cut off is noticed within two minutes where nothing else is said: the system waits for hours.
    fn alive(&self) -> Result<Alive, AddressError> {
        let seconds = |name: &str, usual: u64| {
            Ok(Duration::from_secs(self.number(name)?.filter(|seconds| *seconds > 0).unwrap_or(usual)))
        };
        let unanswered = self.number("tcp_user_timeout")?.filter(|limit| *limit > 0);
        Ok(Alive {
            ask: self.number("keepalives")? != Some(0),
            idle: seconds("keepalives_idle", 60)?,
            interval: seconds("keepalives_interval", 10)?,
            count: self
                .number("keepalives_count")?
                .and_then(|count| u32::try_from(count).ok())
                .filter(|c| *c > 0)
                .unwrap_or(6),
            unanswered: unanswered.map(Duration::from_millis),
        })
    }
}

/// A value of a list, if it has one at that place.
fn some<'a>(list: &[&'a str], at: usize) -> Option<&'a str> {
    list.get(at).copied().filter(|value| !value.is_empty())
}

/// A server, without its password.
fn one_host(name: Option<&str>, address: Option<&str>, port: Option<&str>) -> Result<Host, AddressError> {
    let port = match port.map(str::parse) {
        None => PORT,
        Some(Ok(port)) if port > 0 => port,
        Some(_) => return Err(AddressError(format!("{:?} is no port: 1 to 65535 are", port.unwrap_or("")))),
    };
    let read = |text: &str| {
        text.parse::<IpAddr>().map_err(|_| AddressError(format!("hostaddr is {text:?}, which is no IP address")))
    };
    let address = address.map(read).transpose()?;
    let name = match (name, address) {
        (Some(folder), None) if folder.starts_with('/') => HostName::Socket(PathBuf::from(folder)),
        (Some(name), _) if name.starts_with(['/', '@']) => {
            return Err(AddressError(format!("{name:?} is no host, and no folder of a socket")));
        }
        (Some(name), _) => HostName::Net(name.to_owned()),
        (None, Some(address)) => HostName::Net(address.to_string()),
        (None, None) => HostName::Socket(usual_socket(port)),
    };
    Ok(Host { name, address, port, password: None })
}

/// The password that the file has for a server.
fn of_file(text: &str, host: &Host, database: &str, user: &str) -> Option<Secret> {
    let folder;
    let name = match &host.name {
        HostName::Net(name) => name.as_str(),
        HostName::Socket(path) if SOCKETS.iter().any(|usual| Path::new(usual) == path) => "localhost",
        HostName::Socket(path) => {
            folder = path.to_string_lossy();
            &folder
        }
    };
    passfile::find(text, Login { host: name, port: host.port, database, user }).map(Secret)
}

/// The folder in which a server on this machine has its socket, or would have it.
fn usual_socket(port: u16) -> PathBuf {
    let has_socket = |folder: &&&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    let [first, second] = &SOCKETS;
    let usual = || if Path::new(first).exists() { first } else { second };
    PathBuf::from(SOCKETS.iter().find(has_socket).unwrap_or_else(usual))
}

/// The name of whom this process runs as.
fn system_user(environment: &BTreeMap<String, String>) -> Option<String> {
    let uid = geteuid().as_raw().to_string();
    let users = passfile::text(Path::new("/etc/passwd")).unwrap_or_default();
    let mut users = users.lines().map(|line| line.split(':'));
    let own = users.find_map(|mut fields| fields.next().filter(|_| fields.nth(1) == Some(&uid)));
    let own = own.or_else(|| environment.get("LOGNAME").or_else(|| environment.get("USER")).map(String::as_str));
    own.filter(|name| !name.is_empty()).map(str::to_owned)
}
