//! What a URL of a database says, as parameters. Knows what they are called and how they are written, not what they do.

use std::fmt;
use std::str::FromStr;

/// Parameters that are understood, by the names that the server's own programs have for them; `schema` and `lock_timeout`
/// are this program's.
const KNOWN: &[&str] = &[
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssencmode",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "lock_timeout",
    "options",
    "passfile",
    "password",
    "port",
    "schema",
    "service",
    "servicefile",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Parameters of the server's own programs that are not understood here: to pass them over would be to connect in another
/// way than was asked for.
const FOREIGN: &[&str] = &[
    "gssdelegation",
    "gsslib",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkeylogfile",
    "sslnegotiation",
    "sslpassword",
    "sslsni",
];

/// What is wrong with an address; it never holds the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(pub(super) String);

/// A URL of a database on a server: the parameters that it gives, each once. Written out, its password is left out.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    parameters: Vec<(&'static str, String)>,
}

impl ServerUrl {
    /// The parameter, if the URL gives it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// As a URL that means the same, with the password.
    #[must_use]
    pub fn with_password(&self) -> String {
        let mut text = self.to_string();
        if let Some(password) = self.get("password") {
            text.push(if text.contains('?') { '&' } else { '?' });
            text.push_str("password=");
            text.push_str(&encoded(password, ""));
        }
        text
    }

    fn set(&mut self, name: &'static str, value: String) {
        self.parameters.retain(|(known, _)| *known != name);
        self.parameters.push((name, value));
    }
}

/// Whether the value of a parameter of this name may be shown: it is understood, and no password.
pub fn may_be_shown(name: &str) -> bool {
    name != "password" && (KNOWN.contains(&name) || FOREIGN.contains(&name) && name != "sslpassword")
}

/// What stands behind `postgresql://` or `postgres://`, in letters of either case.
fn behind_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    ["postgresql", "postgres"].iter().any(|known| scheme.eq_ignore_ascii_case(known)).then_some(rest)
}

/// The name under which a parameter is known.
///
/// # Errors
/// There is none of that name.
pub(super) fn known(name: &str) -> Result<&'static str, AddressError> {
    if let Some(known) = KNOWN.iter().find(|known| **known == name) {
        return Ok(known);
    }
    Err(AddressError(if FOREIGN.contains(&name) {
        format!("the parameter {name} is not supported: leave it out")
    } else {
        // Whatever stands there may be a password in the wrong place: only what looks like a name is said.
        let plain = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let named = if plain { format!(" {name:?}") } else { String::new() };
        format!("there is no parameter{named}: known are {}", KNOWN.join(", "))
    }))
}

/// `postgresql://[user[:password]@][host[:port],…][/database][?parameter=value&…]`, `postgres://` alike; each part may be
/// percent-encoded, so that the folder of a socket can stand for a host.
///
/// ```
/// use intervault::store::postgres::url::ServerUrl;
/// let url: ServerUrl = "postgres://ann:secret@server:5433/cms?schema=acd".parse()?;
/// assert_eq!((url.get("host"), url.get("port"), url.get("schema")), (Some("server"), Some("5433"), Some("acd")));
/// assert_eq!(url.to_string(), "postgresql://ann@server:5433/cms?schema=acd");
/// assert!("postgres://server/cms?sslmod=require".parse::<ServerUrl>().unwrap_err().to_string().contains("sslmod"));
/// # Ok::<(), intervault::store::postgres::url::AddressError>(())
/// ```
impl FromStr for ServerUrl {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<ServerUrl, AddressError> {
        let rest =
            behind_scheme(text).ok_or_else(|| AddressError("write postgresql://USER@HOST/DATABASE".to_owned()))?;
        let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        if rest.contains('#') || parameters.contains('#') {
            return Err(AddressError("a # in the address is written %23".to_owned()));
        }
        if text.contains('\0') {
            return Err(AddressError("a zero byte in the address stands for nothing".to_owned()));
        }
        let mut url = ServerUrl { parameters: Vec::new() };
        // No part but the password may hold an @ that is not encoded, and there it is a mistake that libpq forgives no more.
        let (before, database) = rest.split_once('/').unwrap_or((rest, ""));
        let hosts = match before.rsplit_once('@') {
            Some((user, hosts)) => {
                url.user(user)?;
                hosts
            }
            None => before,
        };
        url.hosts(hosts)?;
        if database.contains('@') {
            let text =
                "there is an @ in the name of the database: a / in a password is written %2F, an @ in a name %40";
            return Err(AddressError(text.to_owned()));
        }
        if !database.is_empty() {
            url.set("dbname", decoded(database, "the name of the database")?);
        }
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            // Without a value it may be anything, a part of a password too.
            if !parameter.contains('=') && !KNOWN.contains(&name) {
                return Err(AddressError(
                    "a parameter has no value: write NAME=VALUE; a & in a value is %26".to_owned(),
                ));
            }
            let name = decoded(name, "the name of a parameter")?;
            // As drivers for other languages write it.
            let (name, value) = if name == "ssl" && value == "true" { ("sslmode", "require") } else { (&*name, value) };
            let known = known(name)?;
            if !parameter.contains('=') {
                return Err(AddressError(format!("the parameter {known} has no value: write {known}=…")));
            }
            let value = decoded(value, known)?;
            if known == "port" && !value.bytes().all(|byte| byte.is_ascii_digit() || byte == b',') {
                return Err(AddressError(
                    "the parameter port is no number, and no numbers divided by commas".to_owned(),
                ));
            }
            url.set(known, value);
        }
        Ok(url)
    }
}

impl ServerUrl {
    fn user(&mut self, text: &str) -> Result<(), AddressError> {
        let (user, password) = text.split_once(':').map_or((text, None), |(user, password)| (user, Some(password)));
        if !user.is_empty() {
            self.set("user", decoded(user, "the user")?);
        }
        if let Some(password) = password.filter(|password| !password.is_empty()) {
            self.set("password", decoded(password, "the password")?);
        }
        Ok(())
    }

    fn hosts(&mut self, text: &str) -> Result<(), AddressError> {
        if text.is_empty() {
            return Ok(());
        }
        let (mut hosts, mut ports) = (Vec::new(), Vec::new());
        for one in text.split(',') {
            let (host, port) = match one.strip_prefix('[') {
                Some(rest) => {
                    let (host, port) = rest
                        .split_once(']')
                        .filter(|(host, port)| !host.is_empty() && (port.is_empty() || port.starts_with(':')))
                        .ok_or_else(|| AddressError("an address in [ ] is not closed, or empty".to_owned()))?;
                    (host, port.strip_prefix(':').unwrap_or_default())
                }
                None => one.split_once(':').unwrap_or((one, "")),
            };
            let host = decoded(host, "the host")?;
            if host.contains(',') {
                return Err(AddressError("the name of a host holds a comma".to_owned()));
            }
            hosts.push(host);
            let port = decoded(port, "the port")?;
            if !port.bytes().all(|byte| byte.is_ascii_digit()) {
                let text =
                    "a port is no number: if it is a password, an @ and the host come behind it, and a / in it is %2F";
                return Err(AddressError(text.to_owned()));
            }
            ports.push(port);
        }
        if hosts.iter().any(|host| !host.is_empty()) {
            self.set("host", hosts.join(","));
        }
        if ports.iter().any(|port| !port.is_empty()) {
            self.set("port", ports.join(","));
        }
        Ok(())
    }
}

/// Text with its `%41` as `A`.
fn decoded(text: &str, what: &str) -> Result<String, AddressError> {
    let wrong = |why: &str| AddressError(format!("{what} is not written as in a URL: {why}"));
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(wrong("after a % stand two digits from 0 to f; a % itself is %25"));
        };
        match u8::try_from(high << 4 | low) {
            Ok(0) | Err(_) => return Err(wrong("%00 stands for nothing")),
            Ok(byte) => out.push(byte),
        }
    }
    String::from_utf8(out).map_err(|_| wrong("it is no UTF-8"))
}

/// Text as a part of a URL; a comma, a slash and a colon are encoded too unless they are in `also`.
fn encoded(text: &str, also: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.as_bytes().contains(&byte);
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) { out.push(char::from(byte)) } else { out.push_str(&format!("%{byte:02X}")) }
    }
    out
}

/// As a URL that means the same, without the password.
impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgresql://")?;
        // An empty value hides the one of the environment: it is said, and only as a parameter it can be.
        let filled = |name: &str| self.get(name).filter(|value| value.bytes().any(|byte| byte != b','));
        if let Some(user) = filled("user") {
            write!(f, "{}@", encoded(user, ""))?;
        }
        let list = |name: &str| filled(name).map(|list| list.split(',').collect::<Vec<_>>()).unwrap_or_default();
        let (hosts, ports) = (list("host"), list("port"));
        // One port may stand for all hosts; otherwise they belong together.
        let paired = !hosts.is_empty() && (ports.len() <= 1 || ports.len() == hosts.len());
        if paired {
            let port = |at: usize| ports.get(at).or(ports.first()).filter(|port| !port.is_empty());
            let one = |(at, host): (usize, &&str)| {
                let host = if host.contains(':') { format!("[{}]", encoded(host, ":")) } else { encoded(host, "") };
                host + &port(at).map_or_else(String::new, |port| format!(":{}", encoded(port, "")))
            };
            f.write_str(&hosts.iter().enumerate().map(one).collect::<Vec<_>>().join(","))?;
        }
        if let Some(database) = filled("dbname") {
            write!(f, "/{}", encoded(database, ""))?;
        }
        let mut mark = '?';
        for (name, value) in &self.parameters {
            let said = ["user", "dbname"].contains(name) || (paired && ["host", "port"].contains(name));
            if *name != "password" && !(said && filled(name).is_some()) {
                write!(f, "{mark}{name}={}", encoded(value, "/:, "))?;
                mark = '&';
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ServerUrl {
        text.parse().unwrap()
    }

    #[test]
    fn all_parts_are_read_and_written_again_without_the_password() {
        for (text, wanted, written) in [
            ("postgresql://", "", "postgresql://"),
            ("postgres://h", "host=h", "postgresql://h"),
            ("postgresql:///d", "dbname=d", "postgresql:///d"),
            ("postgresql://u@h:1/d", "user=u host=h port=1 dbname=d", "postgresql://u@h:1/d"),
            ("postgresql://u:p%40%3a@h/d", "user=u password=p@: host=h dbname=d", "postgresql://u@h/d"),
            ("postgresql://a:1,b:2/d", "host=a,b port=1,2 dbname=d", "postgresql://a:1,b:2/d"),
            ("postgresql://a,b:2/d", "host=a,b port=,2 dbname=d", "postgresql://a,b:2/d"),
            ("postgresql://[::1]:7/d", "host=::1 port=7 dbname=d", "postgresql://[::1]:7/d"),
            ("postgresql://[fe80::1%25eth0]/d", "host=fe80::1%eth0 dbname=d", "postgresql://[fe80::1%25eth0]/d"),
            ("postgresql:///d?host=a:/b%5D", "dbname=d host=a:/b]", "postgresql://[a:%2Fb%5D]/d"),
            ("postgresql://%2Frun%2Fpg/d", "host=/run/pg dbname=d", "postgresql://%2Frun%2Fpg/d"),
            ("postgresql:///d?host=/run/pg&port=7", "dbname=d host=/run/pg port=7", "postgresql://%2Frun%2Fpg:7/d"),
            ("postgresql://h/a%20%22b?user=u&dbname=c", "host=h user=u dbname=c", "postgresql://u@h/c"),
            (
                "postgres://h/d?ssl=true&password=x",
                "host=h dbname=d sslmode=require password=x",
                "postgresql://h/d?sslmode=require",
            ),
            (
                "postgres://h/d?options=-c%20a%3Db&",
                "host=h dbname=d options=-c a=b",
                "postgresql://h/d?options=-c a%3Db",
            ),
            ("postgres://h/?port=7", "host=h port=7", "postgresql://h:7"),
            ("postgres:///?port=7", "port=7", "postgresql://?port=7"),
            ("postgres://:7/d?host=", "port=7 dbname=d host=", "postgresql:///d?port=7&host="),
            ("postgres://h/?dbname=&user=&port=", "host=h dbname= user= port=", "postgresql://h?dbname=&user=&port="),
        ] {
            let read = url(text);
            let pairs: Vec<String> = read.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!((pairs.join(" ").as_str(), read.to_string().as_str()), (wanted, written), "{text}");
            let again = url(&read.with_password());
            let open = |url: &ServerUrl| {
                let mut open = url.parameters.clone();
                open.sort();
                open
            };
            assert_eq!(read.parameters.len(), again.parameters.len(), "{text}");
            let spread = |value: &str| value.rsplit(',').next().unwrap_or_default().to_owned();
            for ((name, value), (again, said)) in open(&read).iter().zip(open(&again)) {
                assert_eq!((*name, spread(value)), (again, spread(&said)), "{text}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (text, wanted) in [
            ("mysql://u:secret@h/d", "postgresql://USER"),
            ("postgres://u:secret%@h/d", "the password is not written"),
            ("postgres://u:secret%00@h/d", "%00"),
            ("postgres://u:secret\0@h/d", "a zero byte"),
            ("postgres://u:secret%ff@h/d", "no UTF-8"),
            ("postgres://u:secret@[::1/d", "not closed"),
            ("postgres://u:secret@h/d?sslmode", "no value"),
            ("postgres://u:secret@h/d?colour=red", "\"colour\": known are"),
            ("postgres://u@h/d?sslcrl=x", "not supported"),
            ("postgres://u:secret@h/d?port=secret", "the parameter port is no number"),
            ("postgres://u@h/d?se%20cret=x", "there is no parameter: known"),
            ("postgres://u:secret#1@h/d", "%23"),
        ] {
            let error = text.parse::<ServerUrl>().unwrap_err().to_string();
            assert!(error.contains(wanted) && !error.contains("secret"), "{text}: {error}");
        }
        let shown = format!("{:?}", url("postgres://u:secret@h/d?password=secret"));
        assert_eq!(shown, "ServerUrl(postgresql://u@h/d)");
    }
}
