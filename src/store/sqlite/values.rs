//! The arguments of a function that a statement calls, read through SQLite's C interface: the only place that does so.
//!
//! A scan reads every cell through here. The safe interface of `rusqlite` makes a value of each by calls that cannot be
//! inlined. Read like this, and held back for their columns by `intake`, they take a seventh off the processor time of a
//! backup of tables of fifty columns. `tests/run` runs the tests of this module under valgrind.
#![expect(unsafe_code, reason = "a scan spends its time in these calls; see the module")]

use rusqlite::Connection;
use rusqlite::ffi;
use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};

use crate::column::batch::Value;
use crate::store::intake::Intake;

/// Makes `name` a function of any number of arguments that takes them as a row into `intake`; its result is 1 if the
/// batch is full then, else 0.
pub(super) fn register(connection: &Connection, name: &CStr, intake: &Arc<Mutex<Intake>>) -> rusqlite::Result<()> {
    let shared: *mut Mutex<Intake> = Arc::into_raw(Arc::clone(intake)).cast_mut();
    let flags = ffi::SQLITE_UTF8 | ffi::SQLITE_DIRECTONLY;
    // SAFETY: the handle is that of an open connection; the name ends with a zero; the pointer came from `Arc::into_raw`
    // and is given back exactly once, by `release`, which SQLite calls when the function goes, also if it cannot be made.
    let code = unsafe {
        ffi::sqlite3_create_function_v2(
            connection.handle(),
            name.as_ptr(),
            -1,
            flags,
            shared.cast(),
            Some(take),
            None,
            None,
            Some(release),
        )
    };
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)) }
}

/// # Safety
/// `shared` came from `Arc::into_raw` in `register`, and this is called once for it.
unsafe extern "C" fn release(shared: *mut c_void) {
    // SAFETY: as promised above.
    drop(unsafe { Arc::from_raw(shared.cast::<Mutex<Intake>>().cast_const()) });
}

/// # Safety
/// Called by SQLite only, for a function that `register` made.
unsafe extern "C" fn take(context: *mut ffi::sqlite3_context, count: c_int, values: *mut *mut ffi::sqlite3_value) {
    // SAFETY: SQLite hands over what `register` gave it, which lives until `release`.
    let intake = unsafe { &*ffi::sqlite3_user_data(context).cast::<Mutex<Intake>>().cast_const() };
    let values = match usize::try_from(count) {
        // SAFETY: SQLite hands over this many values, which live until this function returns.
        Ok(count @ 1..) => unsafe { slice::from_raw_parts(values, count) },
        _ => &[],
    };
    let lost = Cell::new(false);
    let full = intake.lock().unwrap_or_else(PoisonError::into_inner).take(|index| match values.get(index) {
        // SAFETY: a value of this call; nothing is done with any of them between reading it and copying it.
        Some(value) => unsafe { read(*value) }.unwrap_or_else(|| {
            lost.set(true);
            Value::Null
        }),
        None => Value::Null,
    });
    // SAFETY: the context of this call.
    unsafe {
        if lost.get() {
            ffi::sqlite3_result_error_nomem(context);
        } else {
            ffi::sqlite3_result_int(context, c_int::from(full));
        }
    }
}

/// One value, with the storage class that it has; `None` if SQLite had no memory for its bytes.
///
/// # Safety
/// `value` is an argument of the running call, and the result is not used after another call about this value.
#[inline]
unsafe fn read<'v>(value: *mut ffi::sqlite3_value) -> Option<Value<'v>> {
    // SAFETY: as promised above.
    unsafe {
        Some(match ffi::sqlite3_value_type(value) {
            ffi::SQLITE_INTEGER => Value::Integer(ffi::sqlite3_value_int64(value)),
            ffi::SQLITE_FLOAT => Value::Real(ffi::sqlite3_value_double(value)),
            ffi::SQLITE_TEXT => Value::Text(bytes(ffi::sqlite3_value_text(value).cast(), value)?),
            ffi::SQLITE_BLOB => Value::Blob(bytes(ffi::sqlite3_value_blob(value).cast(), value)?),
            _ => Value::Null,
        })
    }
}

/// The bytes of a text or blob: SQLite wants to be asked for where they are first and for their length then. It says null for
/// no bytes at all, and if it had no memory for them.
///
/// # Safety
/// `first` is what SQLite gave for the text or blob of `value`, and nothing was asked of `value` since.
unsafe fn bytes<'v>(first: *const u8, value: *mut ffi::sqlite3_value) -> Option<&'v [u8]> {
    // SAFETY: an argument of the running call.
    let length = usize::try_from(unsafe { ffi::sqlite3_value_bytes(value) }).ok()?;
    match (first.is_null(), length) {
        (false, _) => {
            // SAFETY: so many bytes lie there until the call ends.
            Some(unsafe { slice::from_raw_parts(first, length) })
        }
        (true, 0) => {
            // SAFETY: as above. A text has at least its closing zero, so that only a blob may have no place.
            let blob = unsafe { ffi::sqlite3_value_type(value) } == ffi::SQLITE_BLOB;
            blob.then_some(&[])
        }
        (true, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::intake::Guess;

    /// What a connection's function took from one statement.
    fn taken(sql: &str, columns: usize) -> Vec<Vec<crate::column::batch::OwnedValue>> {
        let connection = Connection::open_in_memory().unwrap();
        let intake = Arc::new(Mutex::new(Intake::default()));
        register(&connection, c"take_it", &intake).unwrap();
        intake.lock().unwrap().start(vec![Guess::Integer; columns], false, 9, 100, 1 << 20);
        connection.prepare(sql).unwrap().query_map([], |row| row.get::<_, i64>(0)).unwrap().for_each(|full| {
            assert_eq!(full.unwrap(), 0);
        });
        let (_, batch) = intake.lock().unwrap().finish().unwrap();
        (0..batch.rows).map(|row| batch.row(row).map(Value::into).collect()).collect()
    }

    #[test]
    fn every_storage_class_arrives_as_it_is() {
        use crate::column::batch::OwnedValue::{Blob, Integer, Null, Real, Text};
        let sql = "SELECT take_it(1, -9223372036854775807 - 1, 0.5, 'a', '', x'00ff', x'', NULL, zeroblob(3), \
                   'a' || char(0) || 'b')";
        let row = [
            Integer(1),
            Integer(i64::MIN),
            Real(0.5),
            Text(b"a".to_vec()),
            Text(vec![]),
            Blob(vec![0, 0xFF]),
            Blob(vec![]),
            Null,
            Blob(vec![0; 3]),
            Text(b"a\0b".to_vec()),
        ];
        assert_eq!(taken(sql, row.len()), [row.to_vec()]);
    }

    #[test]
    fn the_batch_outlives_the_function_and_the_function_is_released() {
        let intake = Arc::new(Mutex::new(Intake::default()));
        let connection = Connection::open_in_memory().unwrap();
        register(&connection, c"take_it", &intake).unwrap();
        register(&connection, c"take_it", &intake).unwrap();
        assert_eq!(Arc::strong_count(&intake), 2, "the first one was released when the second took its name");
        drop(connection);
        assert_eq!(Arc::strong_count(&intake), 1);
    }

    #[test]
    fn a_function_without_arguments_counts_rows() {
        assert_eq!(taken("SELECT take_it() FROM (SELECT 1 UNION ALL SELECT 2)", 0), [vec![], vec![]]);
    }
}
