//! Where a server is, as URL, service file, environment and password file say together.

use crate::store::postgres::address::{Address, Binding, HostName, Target};
use crate::store::postgres::tls::{Mode, Trust};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(url: &str, pairs: &[(&str, &str)]) -> Address {
    Address::parse(url, &environment(pairs)).unwrap()
}

fn password(address: &Address, host: usize) -> Option<&str> {
    address.hosts[host].password.as_ref().map(|secret| secret.0.as_str())
}

#[test]
fn the_url_comes_before_the_service_and_that_before_the_environment() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("services");
    fs::write(&file, "[main]\nhost=service\nport=7\nuser=sue\nsslmode=disable\n").unwrap();
    let all = [
        ("PGHOST", "environment"),
        ("PGPORT", "9"),
        ("PGUSER", "eve"),
        ("PGDATABASE", "edb"),
        ("PGPASSWORD", "secret"),
        ("PGAPPNAME", "nightly"),
        ("PGOPTIONS", "-c x.y=z"),
        ("PGCONNECT_TIMEOUT", "3"),
        ("PGSERVICEFILE", file.to_str().unwrap()),
    ];
    let plain = read("postgres://", &all);
    assert_eq!(plain.to_string(), "postgresql://eve@environment:9/edb");
    assert_eq!((plain.application.as_str(), plain.options.as_deref()), ("nightly", Some("-c x.y=z")));
    assert_eq!((password(&plain, 0), plain.connect_limit), (Some("secret"), Some(Duration::from_secs(3))));
    assert_eq!(plain.tls.mode, Mode::Prefer);
    let service = read("postgres:///?service=main", &all);
    assert_eq!((service.to_string().as_str(), service.tls.mode), ("postgresql://sue@service:7/edb", Mode::Disable));
    let url = read("postgres://ann:hidden@url/udb?service=main&connect_timeout=0", &all);
    assert_eq!(url.to_string(), "postgresql://ann@url:7/udb");
    assert_eq!((password(&url, 0), url.connect_limit), (Some("hidden"), None));
    assert!(!format!("{plain:?} {url:?}").contains("secret") && !format!("{url:?}").contains("hidden"));
}

#[test]
fn what_is_not_said_is_as_usual() {
    let address = read("postgres://u@h", &[]);
    assert_eq!(address.to_string(), "postgresql://u@h:5432/u");
    assert_eq!(
        (address.schema(), address.server().as_str(), address.application.as_str()),
        ("public", "h:5432", "intervault")
    );
    assert_eq!((address.lock_wait(), address.connect_limit), (Duration::from_secs(10), Some(Duration::from_secs(30))));
    assert_eq!((address.target, address.binding, address.alive.ask), (Target::Any, Binding::Prefer, true));
    let socket = read("postgres:///d", &[]);
    assert!(matches!(&socket.hosts[0].name, HostName::Socket(folder) if folder.is_absolute()), "{socket}");
    assert!(!socket.user.is_empty() && socket.to_string().ends_with("/d"), "{socket}");
    let here = read("postgres://u@localhost/d", &[]).server();
    assert_eq!(socket.server(), here);
    let more = read("postgres://u@h/d?lock_timeout=60&keepalives=0&target_session_attrs=primary&schema=a%20b", &[]);
    assert_eq!((more.lock_wait(), more.alive.ask, more.target), (Duration::from_secs(60), false, Target::Primary));
    assert_eq!(more.schema(), "a b");
}

#[test]
fn each_server_has_its_own_password() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".pgpass");
    fs::write(&file, "a:5432:d:u:one\nb:6:d:u:two\nlocalhost:*:*:*:here\n/run/own:*:*:*:folder\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let home = [("HOME", home.path().to_str().unwrap())];
    let two = read("postgres://u@a,b:6,c/d", &home);
    assert_eq!([0, 1, 2].map(|at| password(&two, at)), [Some("one"), Some("two"), None]);
    assert_eq!(password(&read("postgres://u@%2Ftmp/d", &home), 0), Some("here"));
    assert_eq!(password(&read("postgres://u@%2Frun%2Fown/d", &home), 0), Some("folder"));
    assert_eq!(password(&read("postgres://u:mine@a/d", &home), 0), Some("mine"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let open = read("postgres://u@a/d", &home);
    let reason = open.passed_over.as_deref().unwrap();
    assert!(password(&open, 0).is_none() && reason.contains(".pgpass") && reason.contains("chmod 600"), "{reason}");
}

#[test]
fn several_servers_have_their_ports_and_addresses() {
    let shown = |url: &str| read(url, &[]).to_string();
    assert_eq!(shown("postgres://u@a:1,b,[::1]:3/d"), "postgresql://u@a:1,b:5432,[::1]:3/d");
    assert_eq!(shown("postgres://u@/d?host=a,b&port=7"), "postgresql://u@a:7,b:7/d");
    assert_eq!(shown("postgres://u@/d?hostaddr=10.0.0.1"), "postgresql://u@10.0.0.1:5432/d");
    let both = read("postgres://u@name/d?hostaddr=10.0.0.1", &[]);
    assert_eq!(both.hosts[0].name, HostName::Net("name".to_owned()));
    assert_eq!(both.hosts[0].address, Some("10.0.0.1".parse().unwrap()));
}

#[test]
fn encryption_is_as_strict_as_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let at_home = [("HOME", home.path().to_str().unwrap())];
    let tls = |rest: &str, pairs: &[(&str, &str)]| {
        Address::parse(&format!("postgres://u@h/d?{rest}"), &environment(pairs)).map(|address| address.tls)
    };
    let refused = tls("sslmode=verify-full", &at_home).unwrap_err().to_string();
    assert!(refused.contains("sslrootcert=system") && refused.contains("root.crt"), "{refused}");
    let system = tls("sslrootcert=system", &at_home).unwrap();
    assert_eq!((system.mode, system.trust), (Mode::VerifyFull, Trust::System));
    assert!(tls("sslrootcert=system&sslmode=require", &at_home).is_err());
    fs::create_dir(home.path().join(".postgresql")).unwrap();
    let file = |name: &str| home.path().join(".postgresql").join(name);
    for name in ["root.crt", "postgresql.crt"] {
        fs::write(file(name), "x").unwrap();
    }
    let usual = tls("sslmode=verify-ca", &at_home).unwrap();
    assert_eq!((usual.mode, usual.trust), (Mode::VerifyCa, Trust::File(file("root.crt"))));
    assert_eq!(usual.own, Some((file("postgresql.crt"), file("postgresql.key"))));
    let named = tls("sslmode=require&sslrootcert=/a&sslcert=/b&sslkey=/c", &at_home).unwrap();
    assert_eq!((named.mode, named.trust), (Mode::Require, Trust::File("/a".into())));
    assert_eq!(named.own, Some((Path::new("/b").into(), Path::new("/c").into())));
}

#[test]
fn what_is_wrong_is_named() {
    let wrong = |rest: &str, pairs: &[(&str, &str)]| {
        let error =
            Address::parse(&format!("postgres://u:secret@{rest}"), &environment(pairs)).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        error
    };
    for (rest, wanted) in [
        ("h/d?sslmode=strict", "verify-full"),
        ("h/d?connect_timeout=soon", "connect_timeout is \"soon\""),
        ("h:0/d", "\"0\" is no port"),
        ("h:99999/d", "is no port"),
        ("a,b/d?hostaddr=10.0.0.1", "2 hosts, 1 addresses"),
        ("h/d?hostaddr=h", "no IP address"),
        ("h/d?target_session_attrs=best", "prefer-standby"),
        ("h/d?channel_binding=on", "channel_binding"),
        ("h/d?client_encoding=LATIN1", "client_encoding"),
        ("h/d?gssencmode=require", "gssencmode"),
        ("%40abstract/d", "no host"),
    ] {
        let error = wrong(rest, &[]);
        assert!(error.contains(wanted), "{rest}: {error}");
    }
    assert!(wrong("h/d", &[("PGSSLCRL", "/x")]).contains("PGSSLCRL"));
    let schema = format!("h/d?schema={}", "x".repeat(64));
    assert!(wrong(&schema, &[]).contains("63 bytes"));
    let none = wrong("h/d?service=none", &[("PGSYSCONFDIR", "/nowhere")]);
    assert!(none.contains("\"none\"") && none.contains("/nowhere/pg_service.conf"), "{none}");
}

#[test]
fn no_two_databases_have_one_name() {
    let name = |rest: &str| read(&format!("postgresql://u@h/{rest}"), &[]).name();
    assert_eq!((name("x").as_str(), name("x?schema=y").as_str()), ("x", "x/y"));
    assert_eq!((name("x%2Fy").as_str(), name("x%252Fy").as_str()), ("x%2Fy", "x%252Fy"));
    assert_eq!(name("x?schema=a%2Fb"), "x/a%2Fb");
}
