//! What every command says of files that have a volume's name and cannot be used.

use crate::check::Found;
use crate::cli::exit::Exit;
use crate::cli::output::Output;

/// The exit status for them.
pub(super) fn exit_of(found: &Found<'_>) -> Exit {
    found.unreadable.iter().map(|bad| Exit::from(bad.class)).fold(Exit::Done, Exit::worst)
}

/// A warning for each that is told, and one for all the others; `before` stands before each.
pub(super) fn warn(found: &Found<'_>, before: &str, output: &Output) {
    for bad in &found.unreadable {
        output.warning(&format!("{before}{}: {}", bad.name, bad.reason));
    }
    if found.further > 0 {
        output.warning(&format!("{before}{} further files that cannot be used", found.further));
    }
}
