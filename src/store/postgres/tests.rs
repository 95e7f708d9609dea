//! The store against a server of its own.

mod addressing;
mod cut;
mod filling;
mod held;
mod keys;
mod odd;
mod reaching;
mod reading;
mod roles;
mod writing;

use super::PostgresStore;
use super::address::Address;
use super::connect::{self, Purpose};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::Store;
use crate::testing::cluster::Cluster;
use std::collections::BTreeMap;

fn address(url: &str) -> Address {
    Address::parse(url, &BTreeMap::new()).unwrap()
}

#[test]
fn a_database_is_opened_and_a_missing_one_is_not_found() {
    let Some(cluster) = Cluster::shared() else { return };
    let url = cluster.database("opened");
    let store = PostgresStore::open(&address(&url)).unwrap();
    let identity = store.identity();
    assert_eq!((identity.kind.as_str(), identity.database.as_str()), ("postgres", "opened"));
    let missing = PostgresStore::open(&address(&cluster.url("never made"))).unwrap_err();
    assert!(matches!(missing.kind, StoreErrorKind::NotFound), "{missing}");
}

#[test]
fn a_session_is_the_same_whatever_is_set_for_the_database() {
    let Some(cluster) = Cluster::shared() else { return };
    let url = cluster.database("settings");
    for set in [
        "search_path = pg_temp",
        "DateStyle = 'SQL, DMY'",
        "TimeZone = 'Asia/Tokyo'",
        "bytea_output = 'escape'",
        "array_nulls = off",
        "xmloption = document",
        "lc_monetary = 'C.UTF-8'",
        "quote_all_identifiers = on",
        "row_security = on",
    ] {
        cluster.run("settings", &format!("ALTER DATABASE settings SET {set}"));
    }
    let mut client = connect::open(&address(&url), Purpose::Reading).unwrap();
    for (name, value) in [
        ("search_path", "\"\""),
        ("DateStyle", "ISO, YMD"),
        ("TimeZone", "UTC"),
        ("bytea_output", "hex"),
        ("array_nulls", "on"),
        ("xmloption", "content"),
        ("lc_monetary", "C"),
        ("quote_all_identifiers", "off"),
        ("row_security", "off"),
        ("lock_timeout", "10s"),
        ("application_name", "intervault"),
    ] {
        let is: String = client.query_one(&format!("SHOW {name}"), &[]).unwrap().get(0);
        assert_eq!(is, value, "{name}");
    }
    let refused = client.batch_execute("CREATE TABLE public.t(a int)").unwrap_err();
    assert_eq!(refused.code().map(|code| code.code()), Some("25006"), "{refused}");
    let mut client = connect::open(&address(&url), Purpose::Writing).unwrap();
    client.batch_execute("CREATE TABLE public.t(a int)").unwrap();
}
