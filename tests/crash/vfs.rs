//! SQLite's own file calls, watched: files in a watched folder get methods that ask the watch first, and connections to a
//! database there tell of each statement. All other files are as they were.

#![expect(unsafe_code, reason = "SQLite's file layer is a table of C functions")]

use super::watch::{Call, Fault, Kind, Watch};
use rusqlite::ffi;
use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError};

/// An open file that is watched.
#[derive(Clone)]
struct Open {
    watch: Watch,
    name: String,
    /// SQLite's own methods.
    methods: &'static ffi::sqlite3_io_methods,
}

static FOLDERS: LazyLock<Mutex<HashMap<PathBuf, Watch>>> = LazyLock::new(Mutex::default);
/// By the address of SQLite's file.
static FILES: LazyLock<Mutex<HashMap<usize, Open>>> = LazyLock::new(Mutex::default);
/// Our methods, by the address of SQLite's own: SQLite has a table for each way of locking.
static METHODS: LazyLock<Mutex<HashMap<usize, &'static ffi::sqlite3_io_methods>>> = LazyLock::new(Mutex::default);
static PLAIN: LazyLock<Plain> = LazyLock::new(|| {
    // SAFETY: the default file layer is there from the first call on and is never taken away.
    Plain(unsafe { *ffi::sqlite3_vfs_find(std::ptr::null()) })
});
static REGISTER: Once = Once::new();

/// SQLite's own file layer.
struct Plain(ffi::sqlite3_vfs);

// SAFETY: a table of functions and of static data that any thread may use; nobody writes to this copy.
unsafe impl Send for Plain {}
// SAFETY: as above.
unsafe impl Sync for Plain {}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches what SQLite does to files in this folder, in this process.
pub fn watch(folder: &Path) -> Watch {
    REGISTER.call_once(register);
    let watch = Watch::default();
    locked(&FOLDERS).insert(folder.to_owned(), watch.clone());
    watch
}

fn register() {
    let mut watched = PLAIN.0;
    watched.zName = c"watched".as_ptr();
    watched.pNext = std::ptr::null_mut();
    watched.xOpen = Some(open);
    watched.xDelete = Some(delete);
    let watched = Box::leak(Box::new(watched));
    // SAFETY: what is registered lives as long as the process; the entry point has the type that SQLite calls it with.
    unsafe {
        assert_eq!(ffi::sqlite3_vfs_register(watched, 1), ffi::SQLITE_OK);
        assert_eq!(ffi::sqlite3_auto_extension(Some(connected)), ffi::SQLITE_OK);
    }
}

/// The watch of a file's folder, and the file's name.
///
/// # Safety
/// `path` is null or a C string.
unsafe fn found(path: *const c_char) -> Option<(Watch, String)> {
    if path.is_null() {
        return None;
    }
    // SAFETY: a C string, as the caller promises.
    let path = unsafe { CStr::from_ptr(path) }.to_str().ok()?;
    let path = Path::new(path);
    let watch = locked(&FOLDERS).get(path.parent()?)?.clone();
    Some((watch, path.file_name()?.to_str()?.to_owned()))
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite's own call, with what SQLite gave; our table has the same size of files and the same data.
    let code = unsafe { PLAIN.0.xOpen.unwrap()(vfs, name, file, flags, flags_out) };
    // SAFETY: the name is a C string or null.
    let Some((watch, name)) = (unsafe { found(name) }) else { return code };
    // SAFETY: SQLite has filled in the file, with methods if it could be opened; method tables are static.
    let methods = unsafe { (*file).pMethods.as_ref() };
    if let Some(methods) = methods.filter(|_| code == ffi::SQLITE_OK) {
        locked(&FILES).insert(file.addr(), Open { watch, name, methods });
        // SAFETY: our table lives as long as the process and answers all that SQLite's own answers.
        unsafe { (*file).pMethods = ours(methods) };
    }
    code
}

fn ours(methods: &'static ffi::sqlite3_io_methods) -> &'static ffi::sqlite3_io_methods {
    let key = std::ptr::from_ref(methods).addr();
    locked(&METHODS).entry(key).or_insert_with(|| {
        let mut ours = *methods;
        ours.xClose = Some(close);
        ours.xWrite = Some(write);
        ours.xTruncate = Some(truncate);
        ours.xSync = Some(sync);
        Box::leak(Box::new(ours))
    })
}

fn file(file: *mut ffi::sqlite3_file) -> Open {
    locked(&FILES).get(&file.addr()).unwrap().clone()
}

unsafe extern "C" fn close(at: *mut ffi::sqlite3_file) -> c_int {
    let open = locked(&FILES).remove(&at.addr()).unwrap();
    // SAFETY: SQLite's own call on SQLite's own file; so in all that follow.
    unsafe { open.methods.xClose.unwrap()(at) }
}

unsafe extern "C" fn write(at: *mut ffi::sqlite3_file, bytes: *const c_void, count: c_int, from: i64) -> c_int {
    let open = file(at);
    let mut size = 0i64;
    // SAFETY: as above.
    unsafe { open.methods.xFileSize.unwrap()(at, &raw mut size) };
    let grows = from.saturating_add(i64::from(count)) > size;
    let call = Call { kind: Kind::Write, file: open.name.clone(), bytes: count as usize, grows };
    // SAFETY: as above; no more bytes than SQLite gave.
    let some = |count: c_int| unsafe { open.methods.xWrite.unwrap()(at, bytes, count, from) };
    let half = || assert_eq!(some(count / 2), ffi::SQLITE_OK);
    open.watch.call(call, half, || some(count), |fault| code(fault, ffi::SQLITE_IOERR_WRITE))
}

unsafe extern "C" fn truncate(at: *mut ffi::sqlite3_file, size: i64) -> c_int {
    let open = file(at);
    // SAFETY: as above.
    let whole = || unsafe { open.methods.xTruncate.unwrap()(at, size) };
    let fail = |fault| code(fault, ffi::SQLITE_IOERR_TRUNCATE);
    open.watch.call(Call::new(Kind::Truncate, &open.name), || {}, whole, fail)
}

unsafe extern "C" fn sync(at: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let open = file(at);
    // SAFETY: as above.
    let whole = || unsafe { open.methods.xSync.unwrap()(at, flags) };
    open.watch.call(Call::new(Kind::Sync, &open.name), || {}, whole, |fault| code(fault, ffi::SQLITE_IOERR_FSYNC))
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: SQLite's own call, with what SQLite gave.
    let whole = || unsafe { PLAIN.0.xDelete.unwrap()(vfs, name, sync) };
    // SAFETY: the name is a C string.
    match unsafe { found(name) } {
        Some((watch, name)) => {
            watch.call(Call::new(Kind::Delete, &name), || {}, whole, |fault| code(fault, ffi::SQLITE_IOERR_DELETE))
        }
        None => whole(),
    }
}

fn code(fault: Fault, io: c_int) -> c_int {
    if fault == Fault::Full { ffi::SQLITE_FULL } else { io }
}

/// SQLite calls this for each new connection.
unsafe extern "C" fn connected(
    connection: *mut ffi::sqlite3,
    _message: *mut *mut c_char,
    _routines: *const ffi::sqlite3_api_routines,
) -> c_int {
    // SAFETY: the connection is open; the name is a C string or null; the watch is never freed.
    unsafe {
        if let Some((watch, _)) = found(ffi::sqlite3_db_filename(connection, c"main".as_ptr())) {
            let watch: &'static Watch = Box::leak(Box::new(watch));
            let context = std::ptr::from_ref(watch).cast_mut().cast();
            ffi::sqlite3_trace_v2(connection, ffi::SQLITE_TRACE_STMT as c_uint, Some(statement), context);
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn statement(_: c_uint, watch: *mut c_void, _: *mut c_void, _: *mut c_void) -> c_int {
    // SAFETY: what was handed over when the connection was opened.
    let watch = unsafe { &*watch.cast::<Watch>() };
    watch.call(Call::new(Kind::Statement, ""), || {}, || {}, |_| {});
    0
}
