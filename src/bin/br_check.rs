//! The program `br_check`: everything is in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    intervault::cli::br_check()
}
