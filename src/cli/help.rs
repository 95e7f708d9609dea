//! The text behind the options in `--help`, broken where the terminal ends and nowhere before.

use clap::Command;

/// Longest line that is meant as a line of its own, as in a table.
const LINE_MAX: usize = 80;

/// The command and all below it, with the paragraphs behind their options each on one line, which is broken when it is shown.
pub(super) fn flowing(command: Command) -> Command {
    let text = command.get_after_help().map(|text| flow(&text.to_string()));
    let command = match text {
        Some(text) => command.after_help(text),
        None => command,
    };
    command.mut_subcommands(flowing)
}

/// Text whose paragraphs stand on one line each: lines that begin with a word and of which one at least is long.
fn flow(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let plain = |line: &&str| !line.is_empty() && !line.starts_with(' ');
    let lines: Vec<&str> = text.lines().collect();
    for paragraph in lines.chunk_by(|one, other| plain(one) && plain(other)) {
        if paragraph.iter().any(|line| line.chars().count() > LINE_MAX) {
            out.push(paragraph.join(" "));
        } else {
            out.extend(paragraph.iter().map(|line| (*line).to_owned()));
        }
    }
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn paragraphs_flow_and_examples_and_tables_stay() {
        let long = "x".repeat(LINE_MAX + 1);
        let text = format!("Examples:\n  one\n    two\n\nShort.\nLines.\n\n{long}\nends here.\n");
        assert_eq!(flow(&text), format!("Examples:\n  one\n    two\n\nShort.\nLines.\n\n{long} ends here."));
    }

    #[test]
    fn no_line_of_help_ends_early() {
        for command in flowing(Cli::command()).get_subcommands() {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let words = |line: &str| !line.is_empty() && !line.starts_with(' ');
            let lines: Vec<&str> = text.lines().collect();
            let torn = lines.windows(2).any(|pair| pair[0].len() > LINE_MAX && words(pair[0]) && words(pair[1]));
            assert!(!torn, "{}: {text}", command.get_name());
        }
    }
}
