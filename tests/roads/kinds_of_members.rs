//! Chains whose members have not all kinds of data: of a table that no newer member has, nobody who is here knows whether a
//! member that is missing, or damaged, had a newer state.

use super::chains::{all, incremental, remove, restore_chain};
use super::salvage_evidence::without;
use super::support::*;
use intervault::backup::{self, Select as Data};
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::error::Class;
use intervault::format::block::BlockKind;
use intervault::restore::{Missing, Options, Restore, Select};
use intervault::schema::grain::DataType;
use intervault::volume::chain::{Chain, Wanted};
use intervault::volume::set::list_sets;

const TABLES: [&str; 3] = ["hsplit", "msplit", "synonyms"];

/// A chain of three: all data, all data with every table changed, and one kind of data with that kind changed again.
fn chain(last: DataType) -> (Centre, MemoryDevice) {
    let centre = Centre::new(&[HSPLIT, MSPLIT, SYNONYMS]);
    (10..15).for_each(|day| centre.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1));
    centre.run("INSERT INTO msplit VALUES ('2024-03-01', 1, 1, 5)");
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'Sales', '1', '')");
    let device = backup(&centre);
    change(&centre, 1);
    incremental(&centre, &device, &backup_options(2));
    change(&centre, 2);
    let select = Data::Data(vec![last]);
    incremental(&centre, &device, &backup::Options { select, ..backup_options(3) });
    (centre, device)
}

fn change(centre: &Centre, by: i64) {
    centre.run(&format!("UPDATE hsplit SET acdcalls = acdcalls + {by}000 WHERE row_date = '2024-03-12'"));
    centre.run(&format!("UPDATE msplit SET acdcalls = acdcalls + {by}000"));
    centre.run(&format!("UPDATE synonyms SET value = '{by}'"));
}

/// A database with the newest rows of all.
fn copy(centre: &Centre) -> Centre {
    let copy = Centre { folder: tempfile::tempdir().unwrap() };
    std::fs::copy(centre.path(), copy.path()).unwrap();
    copy
}

fn rows(centre: &Centre) -> Vec<Vec<String>> {
    TABLES.iter().map(|table| centre.rows(table)).collect()
}

/// Damages blocks of a set's only volume.
fn hurt(device: &MemoryDevice, set: u8, kinds: &[BlockKind]) {
    let digits = &set_id(set).to_string()[..8];
    let name = device.list().unwrap().into_iter().find(|name| name.contains(digits)).unwrap();
    let bytes = device.remove(&name).unwrap();
    device.insert(&name, without(&bytes, kinds));
}

fn partial(options: &Options) -> Options {
    Options { missing: Missing::Partial, ..options.clone() }
}

/// Every table of a kind that the newest member does not have may be newer on the one that is missing: nothing older comes back,
/// neither unasked nor with what is proven.
#[test]
fn a_member_that_is_missing_keeps_older_rows_of_tables_that_no_newer_one_has_from_coming_back() {
    for (last, table, kind) in
        [(DataType::Acd, "hsplit", DataType::Historical), (DataType::Historical, "synonyms", DataType::Acd)]
    {
        let (centre, whole) = chain(last);
        let truth = rows(&centre);
        let ways: [&dyn Fn(&MemoryDevice); 2] =
            [&|device| remove(device, 2), &|device| hurt(device, 2, &[BlockKind::Label])];
        for lose in ways {
            let device = whole.copy();
            lose(&device);
            let time = restore_options(Some("2024-03-11"), Some("2024-03-13")).request;
            let data = Select::Data(vec![kind]);
            let named = Select::Tables(vec![table.to_owned()]);
            let choices = [
                all(),
                Options { select: data, ..all() },
                Options { select: named.clone(), ..all() },
                Options { select: named, request: time, ..all() },
            ];
            for (number, options) in choices.into_iter().enumerate() {
                let target = copy(&centre);
                let error = restore_chain(&device, &target, &options).unwrap_err();
                assert_eq!(error.class(), Class::Volume, "{last:?}, {number}: {error}");
                assert!(error.to_string().contains(&set_id(2).to_string()), "{last:?}, {number}: {error}");
                let done = restore_chain(&device, &target, &partial(&options));
                assert_eq!(rows(&target), truth, "{last:?}, {number}");
                let left =
                    |notice: &String| notice.contains(&format!("table {table} is left alone: member 1 of the chain"));
                match done {
                    // Of all data the others come back, and it is said which do not.
                    Ok((plan, _)) => assert!(number == 0 && plan.notices.iter().any(left), "{:?}", plan.notices),
                    Err(error) => assert!(number > 0 && error.class() == Class::Volume, "{number}: {error}"),
                }
            }
            // What the newest member has needs nothing of the missing one.
            let target = copy(&centre);
            target.run("DELETE FROM hsplit; DELETE FROM msplit; DELETE FROM synonyms");
            let options = Options { select: Select::Data(vec![last]), ..all() };
            if last == DataType::Acd {
                let (plan, _) = restore_chain(&device, &target, &options).unwrap();
                assert!(plan.notices.iter().any(|notice| notice.contains("the other members have all")));
                assert_eq!(target.rows("synonyms"), centre.rows("synonyms"));
            }
        }
    }
}

/// Without the full set nobody knows which other tables there were.
#[test]
fn a_full_set_that_is_missing_may_have_had_kinds_of_data_that_nobody_else_has() {
    let (centre, device) = chain(DataType::Acd);
    remove(&device, 1);
    remove(&device, 2);
    let target = copy(&centre);
    let error = restore_chain(&device, &target, &all()).unwrap_err();
    assert!(error.class() == Class::Volume && error.to_string().contains("missing-member"), "{error}");
    let acd = Options { select: Select::Data(vec![DataType::Acd]), ..all() };
    restore_chain(&device, &target, &acd).unwrap();
    restore_chain(&device, &target, &partial(&all())).unwrap();
    assert_eq!(rows(&target), rows(&centre));
}

/// A damaged set is in the way of no table of a kind that its label does not name, and it is the one that is blamed.
#[test]
fn a_damaged_member_is_in_the_way_of_its_own_kinds_of_data_only() {
    let (centre, device) = chain(DataType::Acd);
    hurt(&device, 3, &[BlockKind::Catalog, BlockKind::SectionHeader]);
    let target = copy(&centre);
    target.run("DELETE FROM hsplit; UPDATE synonyms SET value = 'kept'");
    let (plan, _) = restore_chain(&device, &target, &partial(&all())).unwrap();
    assert_eq!(target.rows("hsplit"), centre_after_second(&centre));
    assert_eq!(target.count("SELECT count(*) FROM synonyms WHERE value = 'kept'"), 1);
    assert!(plan.notices.iter().any(|notice| notice.contains("table synonyms is left alone")), "{:?}", plan.notices);
    let historical = Options { select: Select::Data(vec![DataType::Historical]), ..all() };
    restore_chain(&device, &target, &partial(&historical)).unwrap();

    let (_, device) = chain(DataType::Historical);
    hurt(&device, 2, &[BlockKind::Catalog, BlockKind::SectionHeader]);
    let options = Options { select: Select::Tables(vec!["synonyms".to_owned()]), ..all() };
    let error = restore_chain(&device, &target, &partial(&options)).unwrap_err();
    let sets = list_sets(&device).unwrap().sets;
    let label = |sequence: u32| &sets.iter().find(|set| set.label().sequence == sequence).unwrap().label().label;
    assert_eq!(error.class(), Class::Damage);
    assert!(error.to_string().contains(label(1)) && !error.to_string().contains(label(2)), "{error}");
}

/// The rows of the interval table as the second member has them: the third one, of another kind, has none.
fn centre_after_second(centre: &Centre) -> Vec<String> {
    let earlier = copy(centre);
    earlier.run("UPDATE hsplit SET acdcalls = acdcalls - 2000 WHERE row_date = '2024-03-12'");
    earlier.rows("hsplit")
}

/// A set of which neither a header nor the catalog is left had something, though nobody knows what: that is damage.
#[test]
fn a_set_without_headers_and_catalog_is_damaged_and_not_empty() {
    let (centre, device) = chain(DataType::Acd);
    hurt(&device, 1, &[BlockKind::Catalog, BlockKind::SectionHeader]);
    let sets = list_sets(&device).unwrap().sets;
    let full = set_id(1).to_string();
    let chain = Chain::choose(&sets, Wanted { set: None, stop_at: Some(&full) }).unwrap();
    let store = centre.store();
    for select in [Select::All, Select::Tables(vec!["hsplit".to_owned()])] {
        let options = Options { select, ..partial(&all()) };
        let error = Restore::new(chain.clone(), &store, options).plan().unwrap_err();
        assert_eq!(error.class(), Class::Damage, "{error}");
    }
}
