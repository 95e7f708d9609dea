//! The lock that keeps two restores apart, lost on the way.

use crate::support::*;
use intervault::base::monitor::{Monitor, Task};
use intervault::device::memory::MemoryDevice;
use intervault::error::{Error, ErrorKind};
use intervault::format::block::SetId;
use intervault::restore::{self, Restore, UndoOptions};
use intervault::store::control::RunStatus;
use intervault::store::error::{StoreError, StoreErrorKind};
use intervault::store::traits::Store;
use intervault::volume::set::find_set;

/// Ends the session that has the lock when the first rows move.
struct Ends<'a>(&'a Centre);

impl Monitor for Ends<'_> {
    fn advance(&self, _task: Task, _rows: u64, _bytes: u64) {
        let _ended = self.0.cluster.query(
            &self.0.name,
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        );
    }
}

fn is_lost(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Store(StoreError { kind: StoreErrorKind::Lost(_), .. }))
}

#[test]
fn nothing_is_committed_without_the_lock() {
    let Some(centre) = Centre::world() else { return };
    let store = centre.store();
    let (device, _) = backup(&store);
    centre.ruin();
    let before = centre.contents();
    let set = only_set(&device);
    let ends = Ends(&centre);
    let restore = Restore::new(&set, &store, restore_options()).watched(&ends);
    let plan = restore.plan().unwrap();
    let stopped = restore.apply(&plan, None).unwrap_err();
    assert!(is_lost(&stopped.error), "{}", stopped.error);
    assert_eq!(centre.contents(), before);
    // Nor is anything taken back.
    let kept = MemoryDevice::new();
    let anew = restore::Options { anew: true, ..restore_options() };
    crate::support::restore(&device, &store, &anew, Some((&kept, 9))).unwrap();
    let after = centre.contents();
    assert_ne!(after, before);
    let (set, options) = (find_set(&kept, SetId([9; 16])).unwrap().unwrap(), UndoOptions::default());
    let plan = restore::undo_plan(&set, &store, &options, &ends).unwrap();
    restore::undo(&plan, &set, &store, &options, &ends).unwrap_err();
    assert_eq!(store.snapshot(1).unwrap().runs().unwrap().pop().unwrap().status, RunStatus::Finished);
}
