//! Programs that run before and after a backup. No shell: a program is started with its arguments as they stand, and what it
//! should know is in its environment. What it says goes to standard error; it can read nothing.

use super::exit::Exit;
use super::failure::Failure;
use super::render::text::escape;
use crate::history::entry::Entry;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

/// Runs programs one after the other; `event` is `before` or `after`.
///
/// # Errors
/// One cannot be started, or ends with another status than 0: those after it are not run.
pub fn run(programs: &[Vec<String>], event: &str, entry: &Entry) -> Result<(), Failure> {
    for words in programs {
        let Some((program, arguments)) = words.split_first() else { continue };
        let name = escape(program).into_owned();
        let fail = |why: String| Failure::new(Exit::Failed, format!("the hook {name} {why}"));
        let said = std::io::stderr().as_fd().try_clone_to_owned();
        let said = said.map_err(|error| fail(format!("has nowhere to write to: {error}")))?;
        let ended = Command::new(program)
            .args(arguments)
            .envs(variables(event, entry))
            .stdin(Stdio::null())
            .stdout(Stdio::from(said))
            .status()
            .map_err(|error| fail(format!("cannot be started: {error}")))?;
        if !ended.success() {
            return Err(fail(format!("failed: {ended}")));
        }
    }
    Ok(())
}

/// What a hook is told. A value that is not known is not there.
#[must_use]
pub fn variables(event: &str, entry: &Entry) -> Vec<(&'static str, String)> {
    let text = |text: &str| escape(text).into_owned();
    let mut out = vec![
        ("INTERVAULT_EVENT", event.to_owned()),
        ("INTERVAULT_KIND", entry.kind.name().to_owned()),
        ("INTERVAULT_BEGAN", text(&entry.began)),
    ];
    let mut tell = |name, value: Option<String>| out.extend(value.map(|value| (name, value)));
    tell("INTERVAULT_DATABASE", entry.database.as_deref().map(text));
    tell("INTERVAULT_DEVICE", entry.devices.first().map(|device| text(device)));
    tell("INTERVAULT_RESULT", entry.outcome.map(|outcome| outcome.name().to_owned()));
    tell("INTERVAULT_EXIT", entry.exit.map(|exit| exit.to_string()));
    tell("INTERVAULT_SET", entry.set.as_deref().map(text));
    tell("INTERVAULT_LABEL", entry.label.as_deref().map(text));
    tell("INTERVAULT_ROWS", entry.rows.map(|rows| rows.to_string()));
    tell("INTERVAULT_BYTES", entry.bytes.map(|bytes| bytes.to_string()));
    tell("INTERVAULT_VOLUMES", entry.volumes.map(|volumes| volumes.to_string()));
    tell("INTERVAULT_VERIFIED", entry.verified.map(|verified| verified.to_string()));
    tell("INTERVAULT_MESSAGE", entry.message.as_deref().map(text));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::entry::{Kind, Outcome};

    #[test]
    fn hooks_get_their_words_as_they_stand_and_stop_at_the_first_that_fails() {
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str| place.path().join(name).display().to_string();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let entry = Entry {
            outcome: Some(Outcome::Failed),
            message: Some("a\0b\nc".to_owned()),
            ..Entry::begun(Kind::Backup, 0, "")
        };
        let odd = file("a $(b) 'c'");
        assert_eq!(run(&[words(&["/usr/bin/touch", &odd])], "before", &entry), Ok(()));
        assert!(std::path::Path::new(&odd).exists());
        let (told, never) = (file("told"), file("never"));
        let script = format!("env > {told}; exit 3");
        let programs = [words(&["/bin/sh", "-c", &script]), words(&["/usr/bin/touch", &never])];
        let failure = run(&programs, "after", &entry).unwrap_err();
        assert_eq!(failure.exit, Exit::Failed);
        assert!(failure.message.contains("/bin/sh failed: exit status: 3"), "{failure}");
        assert!(!std::path::Path::new(&never).exists());
        let told = std::fs::read_to_string(told).unwrap();
        for line in ["INTERVAULT_EVENT=after\n", "INTERVAULT_RESULT=failed\n", "INTERVAULT_MESSAGE=a\\u{0}b\\u{a}c\n"] {
            assert!(told.contains(line), "{line}: {told}");
        }
        assert!(!told.contains("INTERVAULT_SET"), "{told}");
        let missing = run(&[words(&["/no/such/program"])], "before", &entry).unwrap_err();
        assert!(missing.message.contains("cannot be started"), "{missing}");
    }
}
