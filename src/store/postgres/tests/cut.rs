//! A connection that breaks after any number of bytes: nothing is changed or everything, and what was said to be done is.

use super::reading::made;
use super::writing::{begin, numbers};
use super::*;
use crate::store::contract::{run, units};
use crate::testing::cluster::ClusterOptions;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A place to connect to that hands on what comes to a server, and back, until so many bytes have gone one way.
struct Proxy {
    port: u16,
    /// Bytes that went to the server, and back.
    gone: Arc<[AtomicU64; 2]>,
}

impl Proxy {
    /// Takes one connection; each way breaks after its number of bytes, and the other with it.
    fn start(server: u16, most: [u64; 2]) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let gone = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let counted = Arc::clone(&gone);
        std::thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
            for (way, (from, to)) in [(&client, &server), (&server, &client)].into_iter().enumerate() {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let gone = Arc::clone(&counted);
                std::thread::spawn(move || pass_on(from, to, &gone[way], most[way]));
            }
        });
        Proxy { port, gone }
    }

    fn gone(&self) -> [u64; 2] {
        [0, 1].map(|way| self.gone[way].load(Ordering::SeqCst))
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, gone: &AtomicU64, most: u64) {
    let mut bytes = [0; 4_096];
    loop {
        let left = most.saturating_sub(gone.load(Ordering::SeqCst));
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let length = if take == 0 { 0 } else { from.read(&mut bytes[..take]).unwrap_or(0) };
        if length == 0 || to.write_all(&bytes[..length]).is_err() {
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
            return;
        }
        gone.fetch_add(length as u64, Ordering::SeqCst);
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
    let whole = Proxy::start(cluster.port(), [u64::MAX; 2]);
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
    let mut unknown = 0;
    for way in [0, 1] {
        // The answer to the commit among them: the last bytes that come back, though never just as many as before.
        let back = [(1..=40).step_by(8), (1..=240).step_by(5)][way].clone();
        let cuts = (1..12u64).map(|part| all[way] * part / 12).chain(back.map(|back| all[way] - back));
        for cut in cuts {
            renew();
            let mut most = [u64::MAX; 2];
            most[way] = cut;
            let result = change(&Proxy::start(cluster.port(), most));
            // The server may hear of the end a moment later; a lock of the table is had when it has.
            cluster.run("cut", "BEGIN; LOCK TABLE t; COMMIT");
            let is = state();
            match result {
                Ok(()) => assert_eq!(is, after, "{way} {cut}"),
                Err(error) => {
                    let lost = matches!(error.kind, StoreErrorKind::Lost(_) | StoreErrorKind::Unreachable(_));
                    assert!(lost, "{way} {cut}: {error}");
                    assert!(is == before || is == after, "{way} {cut}: {is:?}");
                    unknown += usize::from(is == after);
                }
            }
        }
    }
    assert!(unknown > 0, "the answer to a commit was never lost");
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
