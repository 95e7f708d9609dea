//! The program `intervault`: everything is in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    intervault::cli::main()
}
