//! The commands against a server: what they need to be told, how they end, and that a password is said nowhere.

use super::support::Centre;
use intervault::store::traits::Store as _;
use intervault::testing::cluster::{Cluster, ClusterOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const SECRET: &str = "sesame-street";

/// A folder for the history and for volumes.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(place.file("volumes")).unwrap();
        place
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Runs and demands the exit status; both streams, in which no password may be.
    fn run(&self, arguments: &[&str], status: i32) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_intervault"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        command.env("INTERVAULT_STATE", self.file("state")).env("HOME", self.folder.path()).stdin(Stdio::null());
        let output = command.args(arguments).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(!said.contains(SECRET), "{arguments:?}: {said}");
        said
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The address with a password, which a server that lets in everybody does not ask for.
fn with_password(url: &str) -> String {
    format!("{url}&password={SECRET}")
}

#[test]
fn a_backup_comes_back_and_is_taken_back_and_the_password_is_said_nowhere() {
    let Some(centre) = Centre::world() else { return };
    let place = Place::new();
    let (url, volumes) = (with_password(&centre.url), place.file("volumes"));
    place.run(&["backup", "--database", &url, "--to", &volumes, "--data", "historical,acd"], 0);
    let (before, json) = (centre.contents(), ["--json"]);
    centre.ruin();
    let ruined = centre.contents();
    let restore =
        ["restore", "--database", &url, "--from", &volumes, "--data", "historical,acd", "--uncovered", "delete"];
    let planned = place.run(&[&restore[..], &["--dry-run"]].concat(), 0);
    assert!(planned.contains("/state/undo/"), "{planned}");
    place.run(&[&restore[..], &["--yes"]].concat(), 0);
    assert_eq!(centre.contents(), before);
    place.run(&["undo", "--database", &url, "--yes"], 0);
    assert_eq!(centre.contents(), ruined);
    for command in
        [&["log"][..], &["log", "--database", &url], &["status", "--database", &url], &["state", "--database", &url]]
    {
        let said = place.run(command, 0);
        assert!(!said.is_empty());
        place.run(&[command, &json].concat(), 0);
    }
    let told = place.run(&["status", "--json"], 0);
    assert!(told.contains(&format!("/{}\"", centre.name)) && told.contains("postgres://"), "{told}");
    let written = files(place.folder.path());
    assert!(written.len() >= 3, "{written:?}");
    for file in written {
        let bytes = std::fs::read(&file).unwrap();
        let secret = SECRET.as_bytes();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret), "{}", file.display());
    }
}

#[test]
fn what_is_wrong_with_an_address_is_said_without_the_password() {
    let place = Place::new();
    let begun = |url: &str, status| place.run(&["state", "--database", url], status);
    let wrong = begun(&format!("postgres://ann:{SECRET}@h/d?colour=red"), 2);
    assert!(wrong.contains("postgres://ann@h/d?colour=***") && wrong.contains("\"colour\""), "{wrong}");
    let wrong = place.run(&["state", "--json", &format!("--database=postgres://ann:{SECRET}%@h/d")], 2);
    assert!(wrong.contains("intervault/error"), "{wrong}");
    let wrong = begun(&format!("postgres://ann:{SECRET}@h/d?sslmode=verify-full"), 2);
    assert!(wrong.contains("sslrootcert"), "{wrong}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gone = begun(&format!("postgres://ann:{SECRET}@127.0.0.1:{closed}/d"), 10);
    assert!(gone.contains("cannot be reached") && gone.contains(&format!("ann@127.0.0.1:{closed}/d")), "{gone}");
}

#[test]
fn each_refusal_has_its_exit_status() {
    let Some(cluster) = Cluster::with(ClusterOptions::default().hba("local all all scram-sha-256")) else { return };
    let place = Place::new();
    let user = |password: &str| cluster.url("cms").replace("user=postgres", &format!("user=ann&password={password}"));
    cluster.run("postgres", &format!("CREATE ROLE ann LOGIN PASSWORD '{SECRET}'"));
    let state = |url: &str, status| place.run(&["state", "--database", url], status);
    assert!(state(&user(SECRET), 10).contains("no such database"));
    let _url = cluster.database("cms");
    state(&user(SECRET), 0);
    assert!(state(&user("wrong"), 7).contains(".pgpass"));
    assert!(state(&(cluster.url("cms") + "&schema=acd"), 10).contains("no schema \"acd\""));
    cluster.run("cms", "CREATE TABLE t(a int); INSERT INTO t VALUES (1)");
    let backup = ["backup", "--database", &user(SECRET), "--to", &place.file("volumes"), "--tables", "t"];
    assert!(place.run(&backup, 7).contains("permission denied"));
    cluster.stop();
    assert!(state(&user(SECRET), 10).contains("cannot be reached"));
}

#[test]
fn a_database_that_somebody_works_on_is_busy() {
    let Some(centre) = Centre::world() else { return };
    let place = Place::new();
    let lock = centre.store().lock().unwrap();
    let backup = ["backup", "--database", &centre.url, "--to", &place.file("volumes"), "--data", "historical"];
    let busy = place.run(&backup, 6);
    assert!(busy.contains(&format!("intervault, process {} on ", std::process::id())), "{busy}");
    drop(lock);
    place.run(&backup, 0);
}

#[test]
fn the_configuration_names_a_server_and_a_unit_holds_no_password() {
    let Some(centre) = Centre::world() else { return };
    let place = Place::new();
    let (config, url) = (place.file("intervault.toml"), with_password(&centre.url));
    std::fs::write(&config, format!("database = '{url}'\ndefault_device = 'n'\n[devices]\nn = 'volumes'\n")).unwrap();
    place.run(&["backup", "--config", &config, "--data", "historical"], 0);
    assert_eq!(std::fs::read_dir(place.file("volumes")).unwrap().count(), 1);
    let refused = place.run(&["schedule", "--config", &config], 2);
    assert!(refused.contains(".pgpass"), "{refused}");
    let (volumes, state) = (place.file("volumes"), place.file("state"));
    let both = ["schedule", "--database", &centre.url, "--to", &volumes, "--state-dir", &state];
    let restore = ["--restore-onto", &centre.url, "--from", &volumes, "--uncovered", "keep"];
    let units = place.run(&[&both[..], &restore].concat(), 0);
    assert!(units.contains("/state/undo/") && units.contains(&format!("/{}", centre.name)), "{units}");
    assert!(units.contains(&format!("RequiresMountsFor={volumes}\n")), "{units}");
}

#[test]
fn the_roles_that_are_printed_take_a_backup_and_bring_it_back() {
    let Some(centre) = Centre::world() else { return };
    let place = Place::new();
    let (reads, writes) = (format!("{}_reads", centre.name), format!("{}_writes", centre.name));
    let tables = ["--tables", "hsplit,dsplit,synonyms", "--backup", &reads, "--restore", &writes];
    let sql = place.run(&[&["roles", "--database", &centre.url][..], &tables].concat(), 0);
    centre.run(&sql);
    let at = |role: &str| centre.url.replace("user=postgres", &format!("user={role}"));
    let (before, volumes) = (centre.contents(), place.file("volumes"));
    place.run(&["backup", "--database", &at(&reads), "--to", &volumes, "--data", "historical,acd"], 0);
    centre.ruin();
    let restore = ["--from", &volumes, "--data", "historical,acd", "--uncovered", "delete", "--yes"];
    place.run(&[&["restore", "--database", &at(&reads)][..], &restore].concat(), 7);
    place.run(&[&["restore", "--database", &at(&writes)][..], &restore].concat(), 0);
    assert_eq!(centre.contents(), before);
    place.run(&["roles", "--database", "sqlite:cms.db"], 2);
}
