//! Questions to a person. None is asked where nobody can answer.

use super::failure::Failure;
use super::output::Output;
use super::render::text::escape;
use std::io::{BufRead, ErrorKind, IsTerminal};

/// Asks whether to go on, on the terminal.
///
/// # Errors
/// Standard input is no terminal, or the answer is for a program: `--yes` is wanted then. The input cannot be read.
pub fn confirm(output: &Output, question: &str) -> Result<bool, Failure> {
    let stdin = std::io::stdin();
    if output.json() {
        return Err(Failure::usage("with --json nothing is asked").hint("read the plan with --dry-run, then add --yes"));
    }
    if !stdin.is_terminal() {
        return Err(Failure::usage("nobody is there to confirm: standard input is no terminal")
            .hint("read the plan with --dry-run, then add --yes"));
    }
    confirm_from(&mut stdin.lock(), output, question)
}

/// Whether somebody is there who answers questions.
#[must_use]
pub fn answers(output: &Output) -> bool {
    !output.json() && std::io::stdin().is_terminal()
}

/// What a person brings when a medium is full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Medium {
    /// Another one in the same device.
    Changed,
    /// Another device, as it was typed.
    Device(String),
    /// Nothing: the work ends here.
    Nothing,
}

/// Asks for a medium, on the terminal. `said` says which, `end` what happens if none comes. Nothing comes where nobody can be
/// asked.
///
/// # Errors
/// The input cannot be read.
pub fn medium(output: &Output, said: &str, device: &str, end: &str) -> Result<Medium, Failure> {
    if !answers(output) {
        return Ok(Medium::Nothing);
    }
    medium_from(&mut std::io::stdin().lock(), output, said, device, end)
}

/// As [`medium`], from any input. The end of the input brings nothing; what cannot be understood is asked again.
///
/// # Errors
/// The input cannot be read.
pub fn medium_from(
    input: &mut dyn BufRead,
    output: &Output,
    said: &str,
    device: &str,
    end: &str,
) -> Result<Medium, Failure> {
    let (said, device) = (escape(said), escape(device));
    let mut reason = String::new();
    loop {
        let what =
            format!("{reason}{said}.\nPut it into {device} and press Enter, or name another device, or q to {end}:");
        output.question(&format!("\n{what}"));
        match heard(input)? {
            None => return Ok(Medium::Nothing),
            Some(Ok(text)) if text == "q" => return Ok(Medium::Nothing),
            Some(Ok(text)) if text.is_empty() => return Ok(Medium::Changed),
            Some(Ok(text)) => return Ok(Medium::Device(text)),
            // Hours of work hang on this answer.
            Some(Err(why)) => reason = format!("{why}. "),
        }
    }
}

/// As [`confirm`], from any input. Only `y` or `yes` is a yes; the end of the input is a no.
///
/// # Errors
/// The input cannot be read.
pub fn confirm_from(input: &mut dyn BufRead, output: &Output, question: &str) -> Result<bool, Failure> {
    output.question(&format!("{question} [y/N]"));
    let answer = answer(input)?.unwrap_or_default().to_ascii_lowercase();
    Ok(answer == "y" || answer == "yes")
}

/// The next line without its end and the blanks around it; `None` at the end of the input.
///
/// # Errors
/// The input cannot be read, is not UTF-8, or the line has more than 4,096 bytes.
pub fn answer(input: &mut dyn BufRead) -> Result<Option<String>, Failure> {
    heard(input)?.transpose().map_err(Failure::usage)
}

/// Most bytes of an answer.
const ANSWER_MAX: usize = 4_096;

/// The next line as [`answer`] has it, or why it is no answer. Either way all of it is read, so that the next answer is the next
/// line.
///
/// # Errors
/// The input cannot be read.
pub fn heard(input: &mut dyn BufRead) -> Result<Option<Result<String, &'static str>>, Failure> {
    let (mut line, mut len) = (Vec::new(), 0usize);
    loop {
        let held = match input.fill_buf() {
            Ok(held) => held,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::usage(format!("the answer cannot be read: {error}"))),
        };
        let end = held.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(held.len(), |end| end.saturating_add(1));
        let room = ANSWER_MAX.saturating_sub(line.len());
        line.extend(held.iter().take(taken.min(room)));
        input.consume(taken);
        len = len.saturating_add(taken);
        if taken == 0 && len == 0 {
            return Ok(None);
        }
        if end.is_some() || taken == 0 {
            break;
        }
    }
    if len > ANSWER_MAX {
        return Ok(Some(Err("the answer is longer than 4096 bytes")));
    }
    let text = String::from_utf8(line).map(|text| text.trim().to_owned());
    Ok(Some(text.map_err(|_| "the answer is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::super::output::Style;
    use super::super::output::tests::{Capture, captured};
    use super::*;

    /// An output, and what is asked on it.
    fn asking() -> (Output, Capture) {
        let (output, _, _) = captured(Style::default());
        let seen = Capture::default();
        (output.asking(Box::new(seen.clone())), seen)
    }

    #[test]
    fn only_yes_is_yes() {
        for (said, wanted) in
            [("y\n", true), ("YES\n", true), ("\n", false), ("n\n", false), ("", false), ("yep\n", false)]
        {
            let (output, out) = asking();
            assert_eq!(confirm_from(&mut said.as_bytes(), &output, "Replace 12 rows?"), Ok(wanted), "{said:?}");
            assert_eq!(out.text(), "Replace 12 rows? [y/N] ");
        }
    }

    #[test]
    fn a_medium_is_asked_for_in_words_that_say_which() {
        let other = Medium::Device("tape:/dev/nst1".to_owned());
        for (said, wanted) in
            [("\n", Medium::Changed), ("q\n", Medium::Nothing), ("", Medium::Nothing), (" tape:/dev/nst1 \n", other)]
        {
            let (output, out) = asking();
            let next = "tape:t is full. The next medium is for volume 2, CMS-260104-01-XXAX-00-F-02";
            let answer = medium_from(&mut said.as_bytes(), &output, next, "tape:t", "end here");
            assert_eq!(answer, Ok(wanted), "{said:?}");
            let asked = "\ntape:t is full. The next medium is for volume 2, CMS-260104-01-XXAX-00-F-02.\n\
                         Put it into tape:t and press Enter, or name another device, or q to end here: ";
            assert_eq!(out.text(), asked);
        }
    }

    #[test]
    fn what_cannot_be_understood_is_asked_again() {
        let wrong = [&b"\xe4\n"[..], "x".repeat(10_000).as_bytes(), b"\n\n"].concat();
        let (output, out) = asking();
        let answer = medium_from(&mut &wrong[..], &output, "Wanted is volume 2", "tape:t", "end here");
        assert_eq!(answer, Ok(Medium::Changed));
        let asked = out.text();
        assert_eq!(asked.matches("Wanted is volume 2.").count(), 3, "{asked}");
        assert!(asked.contains("\nthe answer is not UTF-8. Wanted") && asked.contains("longer than 4096"), "{asked}");
    }

    #[test]
    fn answers_are_bounded() {
        assert!(answer(&mut "x".repeat(5_000).as_bytes()).is_err());
        assert!(answer(&mut &b"\xff\n"[..]).is_err());
        assert_eq!(answer(&mut " /dev/rmt/0c \n".as_bytes()), Ok(Some("/dev/rmt/0c".to_owned())));
    }
}
