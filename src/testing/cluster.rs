//! PostgreSQL servers for tests: a cluster in a temporary folder, reached through a socket in it, gone when it is dropped.
//!
//! The server runs as an ordinary user, also where the tests run as root. It ends with the test process however that ends: a
//! shell waits for the end of a pipe that only the test process holds, and then stops the server and removes the folder.
//! The cluster is made once for each version and user of the machine, and copied for each test.
#![expect(clippy::panic, reason = "a test without its server must fail, wherever it asks for it")]

use super::not_tested;
use postgres::{Client, NoTls, SimpleQueryMessage};
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

/// How a server is to be. The default is quick and does not survive a crash of the machine.
#[derive(Debug, Clone, Default)]
pub struct ClusterOptions {
    tcp: bool,
    settings: Vec<(String, String)>,
    hba: Option<String>,
}

impl ClusterOptions {
    /// Listens on a free port of 127.0.0.1 too.
    #[must_use]
    pub fn tcp(mut self) -> ClusterOptions {
        self.tcp = true;
        self
    }

    /// With this setting, whatever it is otherwise.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> ClusterOptions {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets in whom these lines of `pg_hba.conf` let in, and `postgres` through the socket. Otherwise everybody is.
    #[must_use]
    pub fn hba(mut self, lines: &str) -> ClusterOptions {
        self.hba = Some(lines.to_owned());
        self
    }
}

/// A running server, stopped and removed when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    /// Ends when its standard input does.
    watcher: Child,
    folder: PathBuf,
    owner: Owner,
    port: u16,
    options: ClusterOptions,
}

/// Where the server's programs are.
fn programs() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(find_programs).as_deref()
}

fn find_programs() -> Option<PathBuf> {
    let holds = |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file();
    let path = std::env::var_os("PATH").unwrap_or_default();
    // What is in the path may be a link to the folder that holds all of them.
    let real = |folder: PathBuf| fs::canonicalize(folder.join("initdb")).ok()?.parent().map(Path::to_owned);
    if let Some(found) = std::env::split_paths(&path).filter_map(real).find(holds) {
        return Some(found);
    }
    if let Ok(said) = Command::new("pg_config").arg("--bindir").output() {
        let folder = PathBuf::from(String::from_utf8_lossy(&said.stdout).trim());
        if holds(&folder) {
            return Some(folder);
        }
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().parse::<u32>().ok();
    let mut versions: Vec<_> =
        versions.filter_map(|entry| Some((version(&entry)?, entry.path().join("bin")))).collect();
    versions.sort();
    versions.into_iter().map(|(_, folder)| folder).rfind(holds)
}

/// Whom the server runs as.
#[derive(Debug, Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
    /// Whether that is somebody else than the test.
    other: bool,
}

impl Owner {
    fn find() -> Owner {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        if uid != 0 {
            return Owner { uid, gid, other: false };
        }
        // The server refuses root.
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let ids = |name: &str| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        let (uid, gid) = ids("postgres").or_else(|| ids("nobody")).unwrap_or((65_534, 65_534));
        Owner { uid, gid, other: true }
    }

    /// A program run as this user, in a folder that it may enter.
    fn command(self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").stdin(Stdio::null());
        // What the tester has set for the client programs is not meant for these.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        if self.other {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    fn give(self, path: &Path) {
        if self.other {
            std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)).unwrap_or_else(failed("give away", path));
        }
    }
}

/// Fails the test: what was done to what, and why it did not work.
fn failed<T, E: Display>(what: &str, place: &Path) -> impl Fn(E) -> T {
    move |error| panic!("cluster: cannot {what} {}: {error}", place.display())
}

/// Runs a program to its end; it must succeed.
fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("cluster: {command:?}: {error}"));
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        panic!("cluster: {command:?}: {}\n{}", output.status, String::from_utf8_lossy(&said));
    }
    output
}

impl Cluster {
    /// A cluster that is quick and reached through its socket alone. `None`, with words, where the tester has said that there
    /// is no server (`INTERVAULT_TEST_POSTGRES=skip`); a test without one fails otherwise.
    #[must_use]
    pub fn start() -> Option<Cluster> {
        Cluster::with(ClusterOptions::default())
    }

    /// One for all tests of this process that make databases of their own in it, and leave the server as it is.
    #[must_use]
    pub fn shared() -> Option<&'static Cluster> {
        static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
        SHARED.get_or_init(Cluster::start).as_ref()
    }

    /// A cluster as it is asked for; `None` as for [`Cluster::start`].
    #[must_use]
    pub fn with(options: ClusterOptions) -> Option<Cluster> {
        if std::env::var_os("INTERVAULT_TEST_POSTGRES").is_some_and(|word| word == "skip") {
            not_tested("nothing of PostgreSQL, since INTERVAULT_TEST_POSTGRES=skip is set");
            return None;
        }
        if programs().is_none() {
            panic!(
                "no PostgreSQL server is installed here (neither initdb in the PATH, nor by pg_config, nor in \
                 /usr/lib/postgresql): install it, on Debian by `tests/run` or `apt-get install postgresql`, or leave these \
                 tests out with INTERVAULT_TEST_POSTGRES=skip"
            );
        }
        let owner = Owner::find();
        let mut place = tempfile::Builder::new();
        place.prefix("ivpg").permissions(fs::Permissions::from_mode(0o700));
        // The path of a socket has at most 107 bytes.
        let under = std::env::temp_dir();
        let under = if under.as_os_str().len() > 60 { PathBuf::from("/tmp") } else { under };
        let folder = place.tempdir_in(&under).unwrap_or_else(failed("make a folder in", &under));
        owner.give(folder.path());
        copy_template(owner, folder.path());
        if let Some(lines) = &options.hba {
            let text = format!("local all postgres trust\n{lines}\n");
            let file = folder.path().join("data/pg_hba.conf");
            fs::write(&file, text).unwrap_or_else(failed("write", &file));
        }
        let watcher = watch(owner, folder.path());
        let mut cluster = Cluster { watcher, folder: folder.keep(), owner, port: 5432, options };
        for attempt in 1.. {
            if cluster.options.tcp {
                cluster.port = free_port();
            }
            let started = cluster.try_start();
            if started.status.success() {
                break;
            }
            // The port may have been taken in between.
            if !cluster.options.tcp || attempt == 5 {
                panic!("cluster: the server does not start: {}", cluster.log());
            }
        }
        Some(cluster)
    }

    /// Starts a server that was stopped.
    pub fn start_again(&self) {
        let started = self.try_start();
        assert!(started.status.success(), "cluster: the server does not start again: {}", self.log());
    }

    fn try_start(&self) -> Output {
        let quick = [
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("shared_buffers", "16MB"),
            ("max_connections", "40"),
            ("wal_level", "minimal"),
            ("max_wal_senders", "0"),
            ("jit", "off"),
            ("lc_messages", "C"),
            ("timezone", "UTC"),
        ];
        let folder = self.folder.display().to_string();
        let port = self.port.to_string();
        let listen = if self.options.tcp { "127.0.0.1" } else { "" };
        let places = [("listen_addresses", listen), ("unix_socket_directories", &folder), ("port", &port)];
        let own = self.options.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let words = |(name, value): (&str, &str)| format!(" -c {name}='{}'", value.replace('\'', "'\\''"));
        let options: String = quick.into_iter().chain(places).chain(own).map(words).collect();
        let log = self.folder.join("log");
        let mut command = self.owner.command(self.program("pg_ctl"));
        command.arg("-D").arg(self.data()).arg("-l").arg(log).args(["-s", "-w", "-t", "60", "-o", &options, "start"]);
        command.output().unwrap_or_else(|error| panic!("cluster: {command:?}: {error}"))
    }

    /// Stops the server as a crash of it would: nobody is waited for, and it recovers when it starts again.
    pub fn stop(&self) {
        run(self.owner.command(self.program("pg_ctl")).arg("-D").arg(self.data()).args([
            "-s",
            "-m",
            "immediate",
            "stop",
        ]));
    }

    /// [`Cluster::stop`], then [`Cluster::start_again`].
    pub fn restart_immediate(&self) {
        self.stop();
        self.start_again();
    }

    /// The path of one of the server's programs: `psql`, `pg_dump`, …
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        programs().unwrap_or(Path::new("")).join(name)
    }

    /// The folder of the database files.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A folder in the cluster's own, made for this, that the server may use: for a tablespace, for certificates.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).unwrap_or_else(failed("make", &folder));
        self.owner.give(&folder);
        folder
    }

    /// A file in the cluster's own folder that the server may read and nobody else.
    #[must_use]
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let file = self.folder.join(name);
        let written = fs::write(&file, content);
        written
            .and_then(|()| fs::set_permissions(&file, fs::Permissions::from_mode(0o600)))
            .unwrap_or_else(failed("write", &file));
        self.owner.give(&file);
        file
    }

    /// The port of 127.0.0.1 that the server listens on if it was started so; part of the name of the socket otherwise.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.folder
    }

    /// What the server has written to its log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Makes a database; its URL.
    #[must_use]
    pub fn database(&self, name: &str) -> String {
        self.run("postgres", &format!("CREATE DATABASE {} TEMPLATE template0", quoted(name)));
        self.url(name)
    }

    /// The URL of a database, as the superuser through the socket.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let host = percent(&self.folder.display().to_string());
        format!("postgresql:///{}?host={host}&port={}&user=postgres", percent(database), self.port)
    }

    /// A session of the superuser.
    #[must_use]
    pub fn client(&self, database: &str) -> Client {
        Client::connect(&self.url(database), NoTls)
            .unwrap_or_else(|error| panic!("cluster: no session in {database}: {error:?}\n{}", self.log()))
    }

    /// Runs statements as the superuser.
    pub fn run(&self, database: &str, sql: &str) {
        self.client(database).batch_execute(sql).unwrap_or_else(|error| panic!("cluster: {sql}: {error:?}"));
    }

    /// The rows of a query as the superuser, each value as its text.
    #[must_use]
    pub fn query(&self, database: &str, sql: &str) -> Vec<Vec<Option<String>>> {
        let answer = self.client(database).simple_query(sql);
        let rows = answer.unwrap_or_else(|error| panic!("cluster: {sql}: {error:?}")).into_iter();
        rows.filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
            _ => None,
        })
        .collect()
    }

    /// Ends the session of this process of the server.
    pub fn terminate(&self, pid: i32) {
        self.run("postgres", &format!("SELECT pg_terminate_backend({pid})"));
    }

    /// Runs one of the client programs on a database as the superuser; what it writes. It must succeed.
    #[must_use]
    pub fn client_program(&self, name: &str, database: &str, arguments: &[&str]) -> String {
        let mut command = self.owner.command(self.program(name));
        command.arg("-d").arg(self.url(database)).args(arguments);
        String::from_utf8_lossy(&run(&mut command).stdout).into_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

/// What stops the server and removes its folder when the test process lets go of the pipe. It does not hear a Ctrl-C that is
/// meant for the test.
fn watch(owner: Owner, folder: &Path) -> Child {
    const SCRIPT: &str = "cat >/dev/null; \"$0\" -D \"$1/data\" -s -m immediate -w -t 20 stop; rm -rf \"$1\"";
    let mut command = owner.command("sh");
    command.args(["-c", SCRIPT]).arg(programs().unwrap_or(Path::new("")).join("pg_ctl")).arg(folder);
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(failed("watch over", folder))
}

/// Copies the cluster that is kept for this, which is made first if it is not there.
fn copy_template(owner: Owner, folder: &Path) {
    let programs = programs().unwrap_or(Path::new(""));
    let version = programs.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    let kept = std::env::temp_dir().join(format!("intervault-cluster-{version}-{}", owner.uid));
    fs::create_dir_all(&kept).unwrap_or_else(failed("make", &kept));
    let facts = fs::symlink_metadata(&kept).unwrap_or_else(failed("look at", &kept));
    let ours = [rustix::process::getuid().as_raw(), owner.uid].contains(&facts.uid());
    assert!(facts.is_dir() && ours, "{} is somebody else's: remove it", kept.display());
    owner.give(&kept);
    let file = kept.join("lock");
    let lock = File::options().create(true).truncate(false).read(true).write(true).open(&file);
    let mut lock = lock.unwrap_or_else(failed("open", &file));
    lock.lock().unwrap_or_else(failed("lock", &file));
    let mut said = String::new();
    lock.read_to_string(&mut said).unwrap_or_else(failed("read", &file));
    if said != "made" {
        let data = kept.join("data");
        let _ = fs::remove_dir_all(&data);
        let mut command = owner.command(programs.join("initdb"));
        command.arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]);
        run(&mut command);
        lock.rewind().and_then(|()| lock.write_all(b"made")).unwrap_or_else(failed("write", &file));
    }
    run(owner.command("cp").args(["-a", "--reflink=auto"]).arg(kept.join("data")).arg(folder));
}

/// A port that nobody listened on a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.unwrap_or_else(|error| panic!("cluster: no port is free: {error}")).port()
}

/// A name as SQL writes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Text as a part of a URL.
fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_answers_and_is_gone_when_it_is_dropped() {
        let Some(cluster) = Cluster::start() else { return };
        let url = cluster.database("a \"b\"");
        assert!(url.contains("/a%20%22b%22?"), "{url}");
        cluster.run("a \"b\"", "CREATE TABLE t(a int, b text); INSERT INTO t VALUES (1, 'x'), (2, NULL)");
        let rows = cluster.query("a \"b\"", "SELECT * FROM t ORDER BY a");
        let text = |word: &str| Some(word.to_owned());
        assert_eq!(rows, [[text("1"), text("x")], [text("2"), None]]);
        cluster.restart_immediate();
        assert_eq!(cluster.query("a \"b\"", "SELECT count(*) FROM t"), [[text("2")]]);
        let (folder, port) = (cluster.folder.clone(), cluster.port());
        assert!(folder.join(format!(".s.PGSQL.{port}")).exists());
        drop(cluster);
        assert!(!folder.exists(), "{} is still there", folder.display());
    }

    #[test]
    fn two_stand_side_by_side_and_one_that_panics_is_gone_too() {
        let (Some(one), Some(two)) = (Cluster::start(), Cluster::with(ClusterOptions::default().tcp())) else { return };
        let (first, second) = (one.database("same"), two.database("same"));
        assert_ne!(first, second);
        one.run("same", "CREATE TABLE t(a int)");
        assert_eq!(two.query("same", "SELECT to_regclass('t')"), [[None]]);
        assert!(std::net::TcpStream::connect(("127.0.0.1", two.port())).is_ok());
        let folder = two.folder.clone();
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _held = two;
            panic!("as a test may");
        }));
        assert!(done.is_err() && !folder.exists(), "{} is still there", folder.display());
        assert_eq!(one.query("same", "SELECT count(*) FROM t"), [[Some("0".to_owned())]]);
    }

    #[test]
    fn a_server_does_not_outlive_a_test_that_is_killed() {
        const CHILD: &str = "INTERVAULT_TEST_CLUSTER_CHILD";
        if let Some(file) = std::env::var_os(CHILD) {
            let Some(cluster) = Cluster::start() else { return };
            fs::write(file, cluster.folder.display().to_string()).unwrap();
            loop {
                std::thread::park();
            }
        }
        if Cluster::shared().is_none() {
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("folder");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "testing::cluster::tests::a_server_does_not_outlive_a_test_that_is_killed"])
            .env(CHILD, &file)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let wait = || std::thread::sleep(std::time::Duration::from_millis(20));
        let folder = loop {
            match fs::read_to_string(&file) {
                Ok(folder) if !folder.is_empty() => break PathBuf::from(folder),
                _ => assert!(child.try_wait().unwrap().is_none(), "the test in the test ended"),
            }
            wait();
        };
        assert!(folder.join("data/postmaster.pid").exists());
        child.kill().unwrap();
        child.wait().unwrap();
        // What watches over the server gives up after 20 s, and then the folder is gone too.
        for _ in 0..3_000 {
            if !folder.exists() {
                return;
            }
            wait();
        }
        panic!("{} is still there", folder.display());
    }
}
