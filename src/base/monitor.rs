//! How long work tells what it has done. No terminal code here: the command line brings its own monitor.

/// What is being done, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Task {
    /// Rows are read from the database, encoded and written to the volumes.
    Backup,
    /// Blocks are read back and compared.
    Verify,
    /// Volumes are verified, and nothing else is done: work that stops between blocks when it is asked.
    Check,
    /// Volumes and target are compared and the plan is made.
    Plan,
    /// Rows are deleted and inserted.
    Restore,
    /// Rows that are about to be deleted are saved.
    Undo,
    /// What was restored is read again and compared with the volumes.
    Proof,
    /// Rows are read from the volumes and written into files for other tools.
    Export,
}

/// Receives progress. Implementations must be cheap: a call is made for every chunk.
pub trait Monitor: Sync {
    /// Work of `total_rows` rows (0: unknown) on `what` begins.
    fn begin(&self, _task: Task, _what: &str, _total_rows: u64) {}
    /// Work on `total_bytes` bytes (0: unknown) of `what` begins, of which rows are not counted.
    fn begin_bytes(&self, task: Task, what: &str, total_bytes: u64) {
        let _uncounted = total_bytes;
        self.begin(task, what, 0);
    }
    /// `rows` more rows, `bytes` more bytes on the volumes, are done.
    fn advance(&self, _task: Task, _rows: u64, _bytes: u64) {}
    /// The work that began last has ended.
    fn end(&self, _task: Task) {}
    /// Whether somebody asked to stop. Asked between units and chunks: work ends at the next place where all is consistent.
    fn cancelled(&self) -> bool {
        false
    }
    /// A word to the person that is no error.
    fn notice(&self, _text: &str) {}
}

/// Discards everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Monitor for Silent {}
