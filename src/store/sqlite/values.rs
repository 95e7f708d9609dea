//! The arguments of a function that a statement calls, read through SQLite's C interface: the only place that does so.
//!
//! A scan reads every cell through here. `rusqlite` gives a value for each, through calls that are not inlined; what is
//! read here goes straight into its column (`benches/store.rs` has both).
#![expect(unsafe_code, reason = "a scan spends its time in these calls; see the module")]

use rusqlite::Connection;
use rusqlite::ffi;
use rusqlite::types::ValueRef;
use std::ffi::{CStr, c_int, c_void};
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};

use super::intake::Intake;

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
    let full = intake.lock().unwrap_or_else(PoisonError::into_inner).take(|index| match values.get(index) {
        // SAFETY: a value of this call; nothing is done with any of them between reading it and copying it.
        Some(value) => unsafe { read(*value) },
        None => ValueRef::Null,
    });
    // SAFETY: the context of this call.
    unsafe { ffi::sqlite3_result_int(context, c_int::from(full)) }
}

/// One value, with the storage class that it has.
///
/// # Safety
/// `value` is an argument of the running call, and the result is not used after another call about this value.
#[inline]
unsafe fn read<'v>(value: *mut ffi::sqlite3_value) -> ValueRef<'v> {
    // SAFETY: as promised above. A text or blob is asked for its bytes first and its length then, as SQLite wants it; the
    // length is that of those bytes, and never negative.
    unsafe {
        match ffi::sqlite3_value_type(value) {
            ffi::SQLITE_INTEGER => ValueRef::Integer(ffi::sqlite3_value_int64(value)),
            ffi::SQLITE_FLOAT => ValueRef::Real(ffi::sqlite3_value_double(value)),
            ffi::SQLITE_TEXT => ValueRef::Text(bytes(ffi::sqlite3_value_text(value).cast(), value)),
            ffi::SQLITE_BLOB => ValueRef::Blob(bytes(ffi::sqlite3_value_blob(value).cast(), value)),
            _ => ValueRef::Null,
        }
    }
}

/// # Safety
/// `first` is null or what SQLite gave for the text or blob of `value`.
unsafe fn bytes<'v>(first: *const u8, value: *mut ffi::sqlite3_value) -> &'v [u8] {
    // SAFETY: as promised above.
    match usize::try_from(unsafe { ffi::sqlite3_value_bytes(value) }) {
        // SAFETY: that many bytes lie there until the call ends.
        Ok(length @ 1..) if !first.is_null() => unsafe { slice::from_raw_parts(first, length) },
        _ => &[],
    }
}
