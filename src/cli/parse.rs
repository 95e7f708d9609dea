//! Values on the command line: database URLs, devices, sizes, times, lists. Pure; every refusal says what would do.

use crate::base::time::Instant;
use crate::schema::range::{Request, RequestError};
use crate::store::postgres::url::{AddressError, ServerUrl, may_be_shown};
use std::path::PathBuf;

/// A database.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseUrl {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A database on a PostgreSQL server.
    Postgres(ServerUrl),
}

impl DatabaseUrl {
    /// As it is written on the command line, with the password if it has one: not for people, logs or files.
    #[must_use]
    pub fn with_password(&self) -> String {
        match self {
            DatabaseUrl::Sqlite(_) => self.to_string(),
            DatabaseUrl::Postgres(url) => url.with_password(),
        }
    }
}

/// As it is written on the command line, without a password.
impl std::fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DatabaseUrl::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            DatabaseUrl::Postgres(url) => write!(f, "{url}"),
        }
    }
}

/// Reads `sqlite:PATH`, or `postgresql://…` as [`ServerUrl`] does.
///
/// # Errors
/// It is something else; the text says what this release takes.
///
/// ```
/// use intervault::cli::parse::{DatabaseUrl, database};
/// assert_eq!(database("sqlite:/var/cms.db"), Ok(DatabaseUrl::Sqlite("/var/cms.db".into())));
/// assert_eq!(database("postgres://ann:secret@server/cms").unwrap().to_string(), "postgresql://ann@server/cms");
/// ```
pub fn database(text: &str) -> Result<DatabaseUrl, String> {
    match text.split_once(':') {
        Some(("sqlite", "")) => Err("the path is missing: write sqlite:PATH".to_owned()),
        Some(("sqlite", path)) => {
            // Both spellings of a URL with an absolute path mean that path.
            let path = path.strip_prefix("//").unwrap_or(path);
            Ok(DatabaseUrl::Sqlite(PathBuf::from(path)))
        }
        Some((scheme, _)) if ["postgres", "postgresql"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
            text.parse().map(DatabaseUrl::Postgres).map_err(|error: AddressError| error.to_string())
        }
        _ => Err(format!("no kind of database is named: write sqlite:{text} or postgresql://USER@HOST/DATABASE")),
    }
}

/// Text in which what may be the address of a server among `arguments` is without its password, also where it makes no sense.
pub fn without_passwords<'a>(text: &str, arguments: impl Iterator<Item = &'a str>) -> String {
    let mut text = text.to_owned();
    for argument in arguments {
        let value =
            if argument.starts_with('-') { argument.split_once('=').map_or("", |(_, value)| value) } else { argument };
        let login = value.rsplit_once('@').is_some_and(|(login, _)| login.contains(':'));
        let named = ["postgres", "password="].iter().any(|word| value.to_ascii_lowercase().contains(word));
        if (login || named) && !value.starts_with("sqlite:") {
            text = text.replace(value, &without_password(value));
        }
    }
    text
}

/// Whatever stands between the first colon and the last @ may be a password, and what a parameter says is one unless it is known
/// to be none.
fn without_password(address: &str) -> String {
    let (address, hidden) = match address.split_once("password=") {
        Some((before, _)) => (before, "password=***"),
        None => (address, ""),
    };
    let (scheme, rest) = behind_scheme(address);
    let rest = match rest.rsplit_once('@') {
        Some((login, rest)) => format!("{}@{rest}", login.split([':', '/', '?']).next().unwrap_or_default()),
        None => rest.to_owned(),
    };
    let (place, parameters) = rest.split_once('?').map_or((&*rest, None), |(place, all)| (place, Some(all)));
    let (hosts, database) = place.split_once('/').map_or((place, None), |(hosts, name)| (hosts, Some(name)));
    let host = |host: &str| match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') && !port.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{name}:***")
        }
        _ => host.to_owned(),
    };
    let mut kept = format!("{scheme}{}", hosts.split(',').map(host).collect::<Vec<_>>().join(","));
    database.iter().for_each(|name| kept.extend(["/", name]));
    let parameter = |one: &str| match one.split_once('=') {
        Some((name, _)) if may_be_shown(name) => one.to_owned(),
        Some((name, _)) => format!("{name}=***"),
        None if one.is_empty() => String::new(),
        None => "***".to_owned(),
    };
    if let Some(parameters) = parameters {
        kept.push('?');
        kept.push_str(&parameters.split('&').map(parameter).collect::<Vec<_>>().join("&"));
    }
    kept + hidden
}

/// The scheme of an address with what ends it, and the rest; no scheme where none of a server stands there.
fn behind_scheme(address: &str) -> (&str, &str) {
    let letters = address.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default().len();
    let (name, rest) = address.split_at_checked(letters).unwrap_or((address, ""));
    let is_server = name.eq_ignore_ascii_case("postgres") || name.eq_ignore_ascii_case("postgresql");
    if !(is_server && rest.starts_with(':') || rest.starts_with("://")) {
        return ("", address);
    }
    let end = address.len().saturating_sub(rest.trim_start_matches(':').trim_start_matches('/').len());
    address.split_at_checked(end).unwrap_or(("", address))
}

/// Where volumes are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DevicePath {
    /// A folder, or for reading a single file.
    Path(PathBuf),
    /// A tape drive, or a tape image.
    Tape(PathBuf),
    /// Standard output to write to, standard input to read from.
    Pipe,
}

impl DevicePath {
    /// Where it is, if it has a place.
    #[must_use]
    pub fn path(&self) -> Option<&std::path::Path> {
        match self {
            DevicePath::Path(path) | DevicePath::Tape(path) => Some(path),
            DevicePath::Pipe => None,
        }
    }

    /// The same kind of device at another place.
    #[must_use]
    pub fn moved(&self, place: impl FnOnce(&std::path::Path) -> PathBuf) -> DevicePath {
        match self {
            DevicePath::Path(path) => DevicePath::Path(place(path)),
            DevicePath::Tape(path) => DevicePath::Tape(place(path)),
            DevicePath::Pipe => DevicePath::Pipe,
        }
    }
}

/// As it is written on the command line.
impl std::fmt::Display for DevicePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DevicePath::Path(path) => write!(f, "{}", path.display()),
            DevicePath::Tape(path) => write!(f, "tape:{}", path.display()),
            DevicePath::Pipe => f.write_str("-"),
        }
    }
}

/// Reads a device.
///
/// # Errors
/// It is a kind that this release does not have.
pub fn device(text: &str) -> Result<DevicePath, String> {
    match text {
        "" => Err("the folder is missing".to_owned()),
        "-" => Ok(DevicePath::Pipe),
        "tape:" => Err("the drive is missing: write tape:PATH".to_owned()),
        _ if text.starts_with("s3:") => Err("object stores are not in this release: name a folder".to_owned()),
        _ => Ok(match text.strip_prefix("tape:") {
            Some(path) => DevicePath::Tape(PathBuf::from(path)),
            None => DevicePath::Path(PathBuf::from(text)),
        }),
    }
}

/// Reads a folder that volumes are written to and read from again.
///
/// # Errors
/// It is another kind of device.
pub fn folder(text: &str) -> Result<DevicePath, String> {
    match device(text)? {
        DevicePath::Path(path) => Ok(DevicePath::Path(path)),
        DevicePath::Tape(_) | DevicePath::Pipe => {
            Err("what a restore deletes is kept in a folder: name one, not a tape and not a pipe".to_owned())
        }
    }
}

/// Reads a size in bytes: digits with an optional decimal fraction and a unit. `K`, `M`, `G`, `T` and `KiB`, `MiB`, … are
/// powers of 1024; `KB`, `MB`, … powers of 1000. Case does not matter, one blank may stand before the unit.
///
/// # Errors
/// It is no such size, not a whole number of bytes, zero, or beyond 2^63.
///
/// ```
/// use intervault::cli::parse::size;
/// assert_eq!(size("64MiB"), Ok(64 << 20));
/// assert_eq!(size("1.5G"), Ok(3 << 29));
/// assert_eq!(size("2 MB"), Ok(2_000_000));
/// assert!(size("64 apples").is_err());
/// ```
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no size: write for example 64MiB, 1.5G or 700MB");
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let (letter, base) = match unit.as_str() {
        "" | "b" => ("", 1_u128),
        other => match other.split_at_checked(1).ok_or_else(wrong)? {
            (letter, "" | "ib") => (letter, 1_024),
            (letter, "b") => (letter, 1_000),
            _ => return Err(wrong()),
        },
    };
    let power = ["", "k", "m", "g", "t"].iter().position(|known| *known == letter).ok_or_else(wrong)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if whole.is_empty() || number.ends_with('.') || digits.len() > 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let value: u128 = digits.parse().map_err(|_| wrong())?;
    // At most 20 digits times 2^40: far inside 128 bits.
    let scaled = value * base.pow(power as u32);
    let parts = 10_u128.pow(fraction.len() as u32);
    let bytes = scaled / parts;
    if bytes * parts != scaled && power == 0 {
        return Err(format!("{text:?} is not a whole number of bytes"));
    }
    match u64::try_from(bytes) {
        Ok(0) => Err("a size of zero holds nothing".to_owned()),
        Ok(bytes) if i64::try_from(bytes).is_ok() => Ok(bytes),
        _ => Err(format!("{text:?} is more than this program can count")),
    }
}

/// Reads a civil minute, `YYYY-MM-DD HH:MM`, or a day, which means its midnight.
///
/// # Errors
/// It is no such time.
pub fn time(text: &str) -> Result<Instant, String> {
    let plain = |error: RequestError| error.to_string().trim_start_matches("start ").to_owned();
    let request = Request::parse(Some(text), None).map_err(plain)?;
    request.start.ok_or_else(|| format!("{text:?} is no time"))
}

/// Reads an ACD number: whatever whole number a database may have as one.
///
/// # Errors
/// It is no whole number of 64 bits.
pub fn acd(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("{text:?} is no ACD: write its number, or leave it out for all ACDs"))
}

/// The word that names the whole set with the newest state of what is wanted.
pub const NEWEST: &str = "newest";

/// Reads what names a set: its label, its id or the beginning of that, or [`NEWEST`].
///
/// # Errors
/// It is neither.
pub fn set(text: &str) -> Result<String, String> {
    if text == NEWEST {
        return Ok(text.to_owned());
    }
    // A label has hyphens and an id none.
    let label = text.contains('-') && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
    if label { Ok(text.to_owned()) } else { set_id(text).map_err(|error| format!("{error}, or its label")) }
}

/// Reads a set's id or the beginning of one.
///
/// # Errors
/// It has fewer than 4 or more than 32 digits, or others than 0 to 9 and a to f.
pub fn set_id(text: &str) -> Result<String, String> {
    let small = text.to_ascii_lowercase();
    let fits = (4..=32).contains(&small.len()) && small.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if fits { Ok(small) } else { Err(format!("{text:?} is no set: 4 to 32 digits of its id, as `check` shows it")) }
}

/// Reads a table name: what a database can have as one.
///
/// # Errors
/// It is empty or holds a character that no name has.
pub fn table(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(format!("{text:?} is no table"));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_sqlite_files_or_on_servers() {
        assert_eq!(database("sqlite:cms.db"), Ok(DatabaseUrl::Sqlite("cms.db".into())));
        assert_eq!(database("sqlite:///var/cms.db"), Ok(DatabaseUrl::Sqlite("/var/cms.db".into())));
        let server = database("postgres://ann:secret@h/d?schema=acd").unwrap();
        assert_eq!(server.to_string(), "postgresql://ann@h/d?schema=acd");
        let again = database(&server.with_password()).unwrap();
        assert_eq!(again.with_password(), server.with_password());
        assert!(server.with_password().contains("secret") && !format!("{server:?}").contains("secret"));
        assert_eq!(database("PostgreSQL://ann:secret@h/d").unwrap().to_string(), "postgresql://ann@h/d");
        for (text, part) in [
            ("sqlite:", "path is missing"),
            ("postgresql://u:a/SECRET@h:54388/f", "is %2F"),
            ("postgresql://u:54388/SECRET@h/f", "written %2F"),
            ("postgresql://u:SECRET/f", "is %2F"),
            ("postgresql://h/f?SECRET", "has no value"),
            ("cms.db", "write sqlite:cms.db"),
            ("postgresql://h/d?colour=red", "colour"),
            ("mysql://h/d", "no kind"),
        ] {
            let error = database(text).unwrap_err();
            assert!(error.contains(part) && !error.contains("SECRET"), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_is_taken_out_of_what_is_said_of_an_address() {
        for (argument, kept) in [
            ("postgres://u:p@h/d?schema=1", "postgres://u@h/d?schema=1"),
            ("--database=postgresql://u:p@:p@h", "--database=postgresql://u@h"),
            ("postgres://h/d?password=p&x=1", "postgres://h/d?password=***"),
            ("postgres://u@h/d?schema=x&password=p@p", "postgres://u@h/d?schema=x&password=***"),
            ("postgresql://u:a/SECRET@h:54388/f", "postgresql://u@h:54388/f"),
            ("postgresql://u:54388/SECRET@h/f", "postgresql://u@h/f"),
            ("postgresql://u:SECRET/f", "postgresql://u:***/f"),
            ("postgresql://h,[::1]:5,i:6/f", "postgresql://h,[::1]:5,i:6/f"),
            ("postgresql://u@h/f?pasword=SECRET", "postgresql://u@h/f?pasword=***"),
            ("postgresql://u@h/f?SECRET", "postgresql://u@h/f?***"),
            ("POSTGRESQL://u:SECRET@h/f", "POSTGRESQL://u@h/f"),
            ("postgres:u:SECRET@h/f", "postgres:u@h/f"),
            ("postgresql:/u:SECRET@h/f", "postgresql:/u@h/f"),
            ("u:SECRET@h/f", "u@h/f"),
            ("host=h password=SECRET", "host=h password=***"),
            ("sqlite:a:p@b", "sqlite:a:p@b"),
        ] {
            let said = without_passwords(&format!("wrong: '{argument}'!"), [argument].into_iter());
            assert_eq!(said, format!("wrong: '{kept}'!"));
        }
    }

    #[test]
    fn devices_are_paths() {
        assert_eq!(device("./tape:0"), Ok(DevicePath::Path("./tape:0".into())));
        assert_eq!((device("-"), device("./-")), (Ok(DevicePath::Pipe), Ok(DevicePath::Path("./-".into()))));
        assert_eq!(device("-").unwrap().to_string(), "-");
        assert!(folder("-").unwrap_err().contains("not a pipe") && folder("tape:/dev/nst0").is_err());
        assert_eq!(device("tape:/dev/nst0"), Ok(DevicePath::Tape("/dev/nst0".into())));
        assert!(device("tape:").unwrap_err().contains("tape:PATH"));
        assert!(device("s3://bucket").unwrap_err().contains("not in this release"));
        assert!(device("").is_err());
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("1", 1),
            ("512b", 512),
            ("64K", 65_536),
            ("64kib", 65_536),
            ("64 kB", 64_000),
            ("0.5M", 524_288),
            ("1.000001MB", 1_000_001),
            ("2t", 2 << 40),
            ("9223372036854775807", i64::MAX as u64),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "M",
            "-1",
            "1..2M",
            ".5M",
            "5.",
            "1e3",
            "64 apples",
            "64MiBs",
            "1.5",
            "0",
            "0.0G",
            "9223372036854775808",
            "99999999999999999999T",
            "123456789012345678901",
            "\u{0663}M",
            "1 \u{e4}b",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn acds_sets_and_tables_are_checked() {
        assert_eq!((acd("3"), set_id("3F1c"), table(" hsplit ")), (Ok(3), Ok("3f1c".into()), Ok("hsplit".into())));
        assert_eq!((acd("0"), acd("-1"), acd("40000")), (Ok(0), Ok(-1), Ok(40_000)));
        assert!(acd("all").is_err() && acd("1.5").is_err() && acd("9223372036854775808").is_err());
        assert_eq!(
            (set("CMS-031024-01-LSAC-00-F-01"), set("3F1C")),
            (Ok("CMS-031024-01-LSAC-00-F-01".into()), Ok("3f1c".into()))
        );
        assert!(set("CMS").is_err() && set("a-\n").is_err() && set(&"-".repeat(65)).is_err());
        assert!(set_id("3f1").is_err() && set_id("3f1g").is_err() && set_id(&"0".repeat(33)).is_err());
        assert!(table("").is_err() && table("a\u{0}b").is_err());
    }
}
