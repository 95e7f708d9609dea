//! What a restore on a server deleted comes back, also after other restores were taken back first.

use super::support::*;
use intervault::device::memory::MemoryDevice;
use intervault::restore::{Options, Select};
use intervault::schema::range::Request;

#[test]
fn a_restore_is_taken_back() {
    let Some(centre) = Centre::world() else { return };
    let (device, _) = backup(&centre.store());
    let whole = centre.contents();
    centre.ruin();
    let ruined = centre.contents();
    let kept = MemoryDevice::new();
    for (number, unit_rows) in (1u8..).zip([1, 20, 1_000_000]) {
        let options = Options { unit_rows, ..restore_options() };
        let report = restore(&device, &centre.store(), &options, Some((&kept, number))).unwrap();
        assert_eq!(centre.contents(), whole, "{unit_rows}: {report:?}");
        let back = undo(&kept, number, &centre.store()).unwrap();
        assert_eq!((back.left, back.put_back > 0), (0, true));
        assert_eq!(centre.contents(), ruined, "{unit_rows}");
    }
}

/// Rows come back at other places; the journal of the restore before finds them there, so that it can be taken back too.
#[test]
fn restores_are_taken_back_one_after_the_other() {
    let Some(centre) = Centre::world() else { return };
    let (device, _) = backup(&centre.store());
    centre.ruin();
    let old = |centre: &Centre| centre.rows("(SELECT * FROM hsplit WHERE row_date IS DISTINCT FROM '2024-09-01')");
    let mut states = Vec::new();
    let kept = MemoryDevice::new();
    for (number, (start, stop)) in
        (1u8..).zip([("2024-03-01", "2024-03-04"), ("2024-03-02", "2024-03-05"), ("2024-03-02", "2024-03-02")])
    {
        states.push(old(&centre));
        let request = Request::parse(Some(start), Some(stop)).unwrap();
        let select = Select::Tables(vec!["hsplit".to_owned()]);
        let options = Options { request, select, unit_rows: 10, ..restore_options() };
        restore(&device, &centre.store(), &options, Some((&kept, number))).unwrap();
        // The places of deleted rows are given to others.
        centre.run("VACUUM hsplit");
        centre.run("INSERT INTO hsplit SELECT '2024-09-01', 0, 30, 9, 1, n, 'new' FROM generate_series(1, 50) n");
    }
    for number in [3u8, 2, 1] {
        undo(&kept, number, &centre.store()).unwrap();
        assert_eq!(old(&centre), states.pop().unwrap(), "after undo {number}");
        centre.run("VACUUM hsplit");
    }
    assert_eq!(centre.count("SELECT count(*) FROM hsplit WHERE row_date = '2024-09-01'"), 150);
}

#[test]
fn what_has_changed_since_is_left_alone() {
    let Some(centre) = Centre::world() else { return };
    let (device, _) = backup(&centre.store());
    centre.ruin();
    let kept = MemoryDevice::new();
    restore(&device, &centre.store(), &restore_options(), Some((&kept, 7))).unwrap();
    centre.run("UPDATE hsplit SET acdcalls = 5555 WHERE row_date = '2024-03-02' AND starttime = 900");
    let before = centre.rows("hsplit");
    let error = undo(&kept, 7, &centre.store()).unwrap_err();
    assert!(error.to_string().contains("changed since"), "{error}");
    let day = |rows: &[String]| rows.iter().filter(|row| row.contains("2024-03-02")).cloned().collect::<Vec<_>>();
    assert_eq!(day(&centre.rows("hsplit")), day(&before));
}
