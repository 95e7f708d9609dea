//! Who is let in, over what kind of connection, and what is said to who is not: against servers that are real, encrypted,
//! or not servers at all.

use super::address;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::postgres::PostgresStore;
use crate::store::postgres::address::Address;
use crate::testing::cluster::{Cluster, ClusterOptions};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// An encrypting server, and the certificates that it and others have.
struct Site {
    cluster: Cluster,
    files: TempDir,
}

const HBA: &str = "hostssl all certain 127.0.0.1/32 cert\n\
    hostnossl all plain 127.0.0.1/32 scram-sha-256\n\
    hostssl all secure 127.0.0.1/32 scram-sha-256\n\
    host all either 127.0.0.1/32 scram-sha-256\n";

fn site() -> Option<&'static Site> {
    static SITE: OnceLock<Option<Site>> = OnceLock::new();
    SITE.get_or_init(Site::start).as_ref()
}

fn openssl(folder: &Path, line: &str) {
    let output = Command::new("openssl").current_dir(folder).args(line.split(' ')).output();
    let output = output.expect("openssl is installed by tests/run");
    assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Site {
    fn start() -> Option<Site> {
        let cluster = Cluster::with(ClusterOptions::default().tcp().hba(HBA))?;
        let files = tempfile::tempdir().unwrap();
        let folder = files.path();
        fs::write(folder.join("localhost.ext"), "subjectAltName=DNS:localhost").unwrap();
        fs::write(folder.join("certain.ext"), "subjectAltName=DNS:certain").unwrap();
        for name in ["ca", "other"] {
            openssl(
                folder,
                &format!(
                    "req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.crt -days 30 -subj /CN={name}"
                ),
            );
        }
        for name in ["localhost", "certain"] {
            openssl(
                folder,
                &format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"),
            );
            openssl(
                folder,
                &format!(
                    "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out {name}.crt -extfile {name}.ext"
                ),
            );
        }
        for (setting, name) in
            [("ssl_cert_file", "localhost.crt"), ("ssl_key_file", "localhost.key"), ("ssl_ca_file", "ca.crt")]
        {
            let file = cluster.file(name, &fs::read(folder.join(name)).unwrap());
            cluster.run("postgres", &format!("ALTER SYSTEM SET {setting} = '{}'", file.display()));
        }
        cluster.run("postgres", "ALTER SYSTEM SET ssl = on");
        cluster.run("postgres", "CREATE ROLE certain LOGIN");
        for role in ["plain", "secure", "either"] {
            cluster.run("postgres", &format!("CREATE ROLE {role} LOGIN PASSWORD 'right:\\pw'"));
        }
        cluster.restart_immediate();
        Some(Site { cluster, files })
    }

    /// Whether the session of this user at this host is encrypted.
    fn reach(&self, user: &str, host: &str, rest: &str) -> Result<bool, StoreError> {
        self.reach_with(user, host, rest, &[("PGPASSWORD", "right:\\pw")])
    }

    fn reach_with(&self, user: &str, host: &str, rest: &str, pairs: &[(&str, &str)]) -> Result<bool, StoreError> {
        let url = format!("postgres://{user}@{host}:{}/postgres?{rest}", self.cluster.port());
        let environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let address = Address::parse(&url, &environment).unwrap();
        let mut session = crate::store::postgres::connect::open(&address, super::Purpose::Reading)?;
        let row = session.query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]);
        Ok(row.unwrap().get(0))
    }

    fn file(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }
}

fn words(result: Result<bool, StoreError>) -> String {
    let error = result.expect_err("it was let in");
    assert!(!error.to_string().contains("right"), "{error}");
    match error.kind {
        StoreErrorKind::Unreachable(words) => format!("unreachable: {words}"),
        StoreErrorKind::NotPermitted(words) => format!("not permitted: {words}"),
        kind => format!("{kind:?}"),
    }
}

fn assert_said(result: Result<bool, StoreError>, wanted: &[&str]) {
    let words = words(result);
    assert!(wanted.iter().all(|wanted| words.contains(wanted)), "{words}\nwanted {wanted:?}");
}

#[test]
fn a_mode_encrypts_when_it_says_so() {
    let Some(site) = site() else { return };
    let reach = |user, mode: &str| site.reach(user, "localhost", &format!("sslmode={mode}"));
    for mode in ["disable", "allow"] {
        assert!(!reach("either", mode).unwrap(), "{mode}");
    }
    for mode in ["prefer", "require"] {
        assert!(reach("either", mode).unwrap(), "{mode}");
    }
    // What the server wants for a user is tried where the mode leaves it open.
    assert!(reach("secure", "allow").unwrap());
    assert!(!reach("plain", "prefer").unwrap());
    assert_said(reach("plain", "require"), &["not permitted", "pg_hba.conf"]);
    assert_said(reach("secure", "disable"), &["not permitted", "pg_hba.conf"]);
    let socket = site.cluster.url("postgres") + "&sslmode=require";
    assert!(PostgresStore::open(&address(&socket)).is_ok(), "a socket is never encrypted");
}

#[test]
fn a_server_is_trusted_by_its_certificate() {
    let Some(site) = site() else { return };
    let (ca, other) =
        (format!("sslrootcert={}", site.file("ca.crt")), format!("sslrootcert={}", site.file("other.crt")));
    let reach = |host, rest: String| site.reach("either", host, &rest);
    for host in ["localhost", "127.0.0.1"] {
        assert!(reach(host, format!("sslmode=verify-ca&{ca}")).unwrap());
        assert_said(reach(host, format!("sslmode=verify-ca&{other}")), &["unreachable", "certificate"]);
        assert_said(reach(host, format!("sslmode=require&{other}")), &["unreachable", "certificate"]);
    }
    assert!(reach("localhost", format!("sslmode=verify-full&{ca}")).unwrap());
    assert!(reach("localhost", format!("hostaddr=127.0.0.1&sslmode=verify-full&{ca}")).unwrap());
    assert_said(reach("127.0.0.1", format!("sslmode=verify-full&{ca}")), &["unreachable", "not valid for name"]);
    assert_said(reach("localhost", format!("sslmode=verify-full&{other}")), &["unreachable", "certificate"]);
    assert_said(reach("localhost", "sslrootcert=system".to_owned()), &["unreachable"]);
    let pinned = format!("sslmode=verify-full&sslrootcert={}", site.file("localhost.crt"));
    assert!(reach("localhost", pinned).unwrap(), "the server's own certificate is trusted");
    // Encryption that fails is none with prefer, as with the server's own programs.
    assert!(!reach("localhost", format!("sslmode=prefer&{other}")).unwrap());
    let missing = "sslmode=verify-ca&sslrootcert=/nowhere/root.crt".to_owned();
    assert_said(reach("localhost", missing), &["unreachable", "/nowhere/root.crt"]);
}

#[test]
fn this_side_shows_a_certificate() {
    let Some(site) = site() else { return };
    let own = format!("sslmode=require&sslcert={}&sslkey={}", site.file("certain.crt"), site.file("certain.key"));
    assert!(site.reach("certain", "localhost", &own).unwrap());
    assert!(site.reach("certain", "localhost", "sslmode=require").is_err());
    let key = site.files.path().join("open.key");
    fs::copy(site.files.path().join("certain.key"), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let open = format!("sslmode=require&sslcert={}&sslkey={}", site.file("certain.crt"), key.display());
    assert_said(site.reach("certain", "localhost", &open), &["open.key", "chmod 600"]);
}

#[test]
fn a_password_comes_from_where_it_is_said() {
    let Some(site) = site() else { return };
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".pgpass");
    fs::write(&file, format!("localhost:{}:*:either:right\\:\\\\pw\n", site.cluster.port())).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let home = [("HOME", home.path().to_str().unwrap())];
    assert!(site.reach_with("either", "localhost", "", &home).unwrap());
    assert!(site.reach_with("either:right%3A%5Cpw", "localhost", "channel_binding=require", &[]).unwrap());
    assert_said(
        site.reach_with("either", "localhost", "", &[("PGPASSWORD", "rihgt")]),
        &["not permitted", "\"either\"", ".pgpass"],
    );
    assert_said(site.reach_with("nobody_here", "localhost", "", &home), &["not permitted"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_said(site.reach_with("either", "localhost", "", &home), &["not permitted", "password missing", "chmod 600"]);
}

#[test]
fn another_server_stands_in_for_one_that_is_not_there() {
    let Some(site) = site() else { return };
    let closed = closed_port();
    let port = site.cluster.port();
    let pair = |rest: &str| {
        let url = format!("postgres://either:right%3A%5Cpw@127.0.0.1:{closed},127.0.0.1:{port}/postgres?{rest}");
        PostgresStore::open(&address(&url))
    };
    pair("").unwrap();
    pair("target_session_attrs=read-write").unwrap();
    pair("target_session_attrs=primary").unwrap();
    pair("target_session_attrs=prefer-standby").unwrap();
    let error = pair("target_session_attrs=standby").unwrap_err().to_string();
    assert!(error.contains("refused") && error.contains("follows no other"), "{error}");
}

fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What is said about a server that does this with each connection.
fn hostile(act: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            act(stream.unwrap());
        }
    });
    let url = format!("postgres://u:secret@127.0.0.1:{port}/d?connect_timeout=1");
    let error = PostgresStore::open(&address(&url)).unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
    let StoreErrorKind::Unreachable(words) = error.kind else { panic!("{error}") };
    words
}

#[test]
fn what_is_no_server_is_given_up() {
    let closed = address(&format!("postgres://u@127.0.0.1:{}/d", closed_port()));
    let error = PostgresStore::open(&closed).unwrap_err();
    assert!(matches!(&error.kind, StoreErrorKind::Unreachable(words) if words.contains("refused")), "{error}");
    let unknown = PostgresStore::open(&address("postgres://u@no-such-host.invalid/d?connect_timeout=5")).unwrap_err();
    assert!(matches!(&unknown.kind, StoreErrorKind::Unreachable(words) if words.contains("name")), "{unknown}");
    let socket = PostgresStore::open(&address("postgres://u@%2Fnowhere/d")).unwrap_err();
    assert!(matches!(&socket.kind, StoreErrorKind::Unreachable(_)), "{socket}");

    let silent = hostile(|stream| std::mem::drop(std::thread::spawn(move || drain(stream))));
    assert!(silent.contains("no answer within 1 s"), "{silent}");
    assert!(!hostile(drop).is_empty());
    for garbage in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"SSSSSSSSSSSSSSSSSSSSSSSSS",
        b"NR\xff\xff\xff\xff\0\0",
        b"NZ\0\0\0\x05I",
    ] {
        let said = hostile(move |mut stream| {
            let _ = stream.write_all(garbage);
            drop(std::thread::spawn(move || drain(stream)));
        });
        assert!(!said.is_empty());
    }
}

/// Reads until the other side goes away.
fn drain(mut stream: TcpStream) {
    let mut buffer = [0; 1_024];
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
}

#[test]
fn a_server_without_encryption_is_refused_where_it_is_asked_for() {
    let Some(cluster) = Cluster::with(ClusterOptions::default().tcp().hba("host all all 127.0.0.1/32 trust")) else {
        return;
    };
    let open = |rest: &str| {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres?{rest}", cluster.port());
        PostgresStore::open(&Address::parse(&url, &BTreeMap::new()).unwrap())
    };
    open("sslmode=prefer").unwrap();
    let error = open("sslmode=require").unwrap_err();
    assert!(
        matches!(&error.kind, StoreErrorKind::Unreachable(words) if words.contains("does not support TLS")),
        "{error}"
    );
}
