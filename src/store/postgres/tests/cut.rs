//! A connection that breaks after any number of bytes: nothing is changed or everything, and what was said to be done is.

use super::reading::made;
use super::writing::{begin, numbers};
use super::*;
use crate::store::contract::{run, units};
use crate::testing::cluster::ClusterOptions;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What is sent to make a change permanent.
const COMMIT: &[u8] = b"COMMIT\0";

/// A place to connect to that hands on what comes to a server, and back, until so many bytes have gone one way.
struct Proxy {
    port: u16,
    seen: Arc<Seen>,
}

/// What a proxy has seen.
#[derive(Default)]
struct Seen {
    /// Bytes that went to the server, and back: counted before they go, so that who has an answer finds it counted.
    gone: [AtomicU64; 2],
    committed: AtomicBool,
}

/// Where a proxy breaks.
#[derive(Clone, Copy)]
struct Break {
    /// After so many bytes to the server, and back.
    most: [u64; 2],
    /// When the server has answered a commit, before a byte of the answer is handed on.
    answer: bool,
}

const NEVER: Break = Break { most: [u64::MAX; 2], answer: false };

impl Proxy {
    /// Takes one connection; where one way breaks, the other does too.
    fn start(server: u16, breaks: Break) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Seen::default());
        let told = Arc::clone(&seen);
        std::thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
            for (way, (from, to)) in [(&client, &server), (&server, &client)].into_iter().enumerate() {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let seen = Arc::clone(&told);
                std::thread::spawn(move || pass_on(from, to, &seen, way, breaks));
            }
        });
        Proxy { port, seen }
    }

    fn gone(&self) -> [u64; 2] {
        [0, 1].map(|way| self.seen.gone[way].load(Ordering::SeqCst))
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, seen: &Seen, way: usize, breaks: Break) {
    let mut bytes = [0; 4_096];
    loop {
        let left = breaks.most[way].saturating_sub(seen.gone[way].load(Ordering::SeqCst));
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let length = if take == 0 { 0 } else { from.read(&mut bytes[..take]).unwrap_or(0) };
        // A commit is sent when everything before it has been answered: what comes now is the answer to it.
        let kept_back = breaks.answer && way == 1 && seen.committed.load(Ordering::SeqCst);
        seen.gone[way].fetch_add(length as u64, Ordering::SeqCst);
        if way == 0 && bytes[..length].windows(COMMIT.len()).any(|sent| sent == COMMIT) {
            seen.committed.store(true, Ordering::SeqCst);
        }
        if length == 0 || kept_back || to.write_all(&bytes[..length]).is_err() {
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
            return;
        }
    }
}

/// A change of a table and the journal through a proxy.
fn change(proxy: &Proxy) -> Result<(), StoreError> {
    let url = format!("postgresql://postgres@127.0.0.1:{}/cut?sslmode=disable", proxy.port);
    let store = address(&url);
    let mut writer = super::super::replace::PostgresWriter::open(&store, &Default::default())?;
    let mut change = crate::store::traits::Writer::begin(&mut writer)?;
    let Some(schema) = change.schema("t")? else { panic!("there is a table t") };
    assert_eq!(change.delete_all(&schema)?, 1);
    change.insert(&schema, &[0], &numbers(&(1..=2_000).collect::<Vec<_>>()))?;
    assert_eq!(change.inserted(&schema, None, (None, None))?.rows(), 2_000);
    change.begin_run(&run("cut"), &units()[..1])?;
    change.commit()
}

#[test]
fn a_connection_that_breaks_anywhere_leaves_all_or_nothing() {
    let Some(cluster) = Cluster::with(ClusterOptions::default().tcp()) else { return };
    let _ = cluster.database("cut");
    let renew = || {
        let sql = "DROP SCHEMA IF EXISTS intervault CASCADE; DROP TABLE IF EXISTS t; CREATE TABLE t(n int); \
                   INSERT INTO t VALUES (-1)";
        cluster.run("cut", sql);
    };
    renew();
    let whole = Proxy::start(cluster.port(), NEVER);
    change(&whole).unwrap();
    let all = whole.gone();
    assert!(all[0] > 9_000 && all[1] > 20_000, "{all:?}");
    let after = [["2000", "1"].map(|n| Some(n.to_owned()))];
    let before = [["1", "0"].map(|n| Some(n.to_owned()))];
    let state = || {
        let journal = cluster.query("cut", "SELECT to_regclass('intervault.unit') IS NOT NULL");
        let units = if journal[0][0].as_deref() == Some("t") { "(SELECT count(*) FROM intervault.unit)" } else { "0" };
        cluster.query("cut", &format!("SELECT count(*), {units} FROM t"))
    };
    assert_eq!(state(), after);
    let broken = |breaks: Break| {
        renew();
        let result = change(&Proxy::start(cluster.port(), breaks));
        // The server may hear of the end a moment later; a lock of the table is had when it has.
        cluster.run("cut", "BEGIN; LOCK TABLE t; COMMIT");
        (result, state())
    };
    let lost = |error: &StoreError| matches!(error.kind, StoreErrorKind::Lost(_) | StoreErrorKind::Unreachable(_));
    for way in [0, 1] {
        let back = [(1..=40).step_by(8), (1..=240).step_by(20)][way].clone();
        let cuts = (1..12u64).map(|part| all[way] * part / 12).chain(back.map(|back| all[way] - back));
        for cut in cuts {
            let mut breaks = NEVER;
            breaks.most[way] = cut;
            let (result, is) = broken(breaks);
            match result {
                Ok(()) => assert_eq!(is, after, "{way} {cut}"),
                Err(error) => {
                    assert!(lost(&error), "{way} {cut}: {error}");
                    assert!(is == before || is == after, "{way} {cut}: {is:?}");
                }
            }
        }
    }
    let (result, is) = broken(Break { answer: true, ..NEVER });
    let error = result.unwrap_err();
    assert!(lost(&error), "the answer to a commit: {error}");
    assert_eq!(is, after, "the answer to a commit is lost, not the commit");
}

/// The rest of the session is of no use after that, and says so.
#[test]
fn a_writer_whose_connection_is_gone_says_so_each_time() {
    let Some((cluster, store)) = made("gone", "CREATE TABLE t(n int); INSERT INTO t VALUES (-1)") else { return };
    let mut writer = store.writer().unwrap();
    drop(writer.begin().unwrap());
    let sql =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'gone' AND pid <> pg_backend_pid()";
    cluster.run("gone", sql);
    for _ in 0..2 {
        let error = writer.begin().map(drop).unwrap_err();
        assert!(matches!(error.kind, StoreErrorKind::Lost(_)), "{error}");
    }
    let (mut replacement, schema) = begin(&store);
    assert_eq!(replacement.delete_all(&schema).unwrap(), 1);
}
