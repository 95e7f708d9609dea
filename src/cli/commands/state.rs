//! `intervault state`: whether rows are collected, and who may work, as the administrator has said it.

use super::open;
use crate::cli::args::StateOptions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::render::text;
use crate::store::control::State;
use serde_json::json;

/// Shows the state, after it was set if that is asked for.
///
/// # Errors
/// The database cannot be used; to set it also: a backup or restore is at work, which relies on the state as it is.
pub fn run(options: &StateOptions, output: &Output) -> Result<Exit, Failure> {
    let store = open::database(&options.database)?;
    let before = store.snapshot(1)?.state()?;
    let state = State {
        collection: options.collection.unwrap_or(before.collection),
        mode: options.mode.unwrap_or(before.mode),
    };
    if state != before {
        let lock = store.lock()?;
        lock.notice().iter().for_each(|notice| output.notice(notice));
        let mut replacement = store.replace()?;
        replacement.set_state(&state)?;
        replacement.commit()?;
    }
    if output.json() {
        let body = json!({
            "collection": state.collection.word(),
            "mode": state.mode.word(),
            "changed": state != before,
        });
        output.object("intervault/state", Exit::Done, &body);
    } else {
        let line = |name: &str, now: &str, was: &str| {
            let was = if now == was { String::new() } else { format!("was {was}") };
            vec![name.to_owned(), now.to_owned(), was]
        };
        let lines = [
            line("collection", state.collection.word(), before.collection.word()),
            line("mode", state.mode.word(), before.mode.word()),
        ];
        output.line(text::table(&["state", "is", ""], &lines).trim_end());
    }
    Ok(Exit::Done)
}
