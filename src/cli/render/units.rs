//! Units of systemd as text: a service that does something once, and the timer that begins it. Knows how words are quoted
//! there, nothing of what they mean.

use std::fmt::Write;

/// How each file begins, so that it is known again.
pub const MARK: &str = "# Written by intervault schedule; it is replaced when that is run again.\n";

/// Something that is done at set times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Name of the units, without their endings.
    pub name: String,
    /// What it does, for people.
    pub description: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Programs with their arguments that are run when that has gone well; if they fail, nothing is said.
    pub afterwards: Vec<Vec<String>>,
    /// Services that are waited for where they are at work, or are to begin at the same time.
    pub after: Vec<String>,
    /// When, as `OnCalendar` has it.
    pub at: String,
    /// Folders that must be mounted.
    pub folders: Vec<String>,
    /// The user, root if none.
    pub user: Option<String>,
    /// Seconds that it may take, without bound if none.
    pub at_most: Option<u64>,
}

/// A file of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFile {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Service and timer of a task.
#[must_use]
pub fn units(task: &Task) -> [UnitFile; 2] {
    let description = specifiers(&task.description.chars().filter(|c| !c.is_control()).collect::<String>());
    let mut service = format!("{MARK}[Unit]\nDescription={description}\n");
    if !task.folders.is_empty() {
        let folders: Vec<String> = task.folders.iter().map(|folder| specifiers(&quoted(folder))).collect();
        let _written = writeln!(service, "RequiresMountsFor={}", folders.join(" "));
    }
    if !task.after.is_empty() {
        let _written = writeln!(service, "After={}", task.after.join(" "));
    }
    let _written = write!(service, "\n[Service]\nType=oneshot\nExecStart={}\n", command(&task.command));
    for after in &task.afterwards {
        let _written = writeln!(service, "ExecStartPost=-{}", command(after));
    }
    // Done with warnings is done.
    service.push_str("SuccessExitStatus=3\n");
    if let Some(user) = &task.user {
        let _written = writeln!(service, "User={user}");
    }
    let most = task.at_most.map_or_else(|| "infinity".to_owned(), |seconds| seconds.to_string());
    // The first signal asks to stop where all is consistent: that may take a while.
    let _written = write!(
        service,
        "TimeoutStartSec={most}\nTimeoutStopSec=600\nKillMode=mixed\nNice=10\nIOSchedulingClass=best-effort\n\
         IOSchedulingPriority=7\nNoNewPrivileges=yes\nUMask=0027\n"
    );
    let timer = format!(
        "{MARK}[Unit]\nDescription=When: {description}\n\n[Timer]\nOnCalendar={}\nPersistent=true\nAccuracySec=1s\n\n\
         [Install]\nWantedBy=timers.target\n",
        specifiers(&task.at)
    );
    [
        UnitFile { name: format!("{}.service", task.name), text: service },
        UnitFile { name: format!("{}.timer", task.name), text: timer },
    ]
}

/// A command line: no word is split, expanded or taken for a variable.
fn command(words: &[String]) -> String {
    words.iter().map(|word| specifiers(&quoted(word)).replace('$', "$$")).collect::<Vec<_>>().join(" ")
}

/// A percent sign would begin a specifier.
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// A word as systemd reads it: in double quotes unless it is plain, with control characters, quotes and backslashes escaped
/// as in C.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=./:,+".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    let mut out = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_ascii_control() => {
                let _written = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a command line as systemd.syntax(7) and systemd.service(5) say: quotes, escapes, then specifiers and variables.
    fn read(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, false);
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match c {
                ' ' if !quote => words.extend(word.take()),
                '"' => {
                    quote = !quote;
                    word.get_or_insert_default();
                }
                '\\' => {
                    let escaped = match chars.next().unwrap() {
                        'x' => {
                            let digits: String = chars.by_ref().take(2).collect();
                            char::from(u8::from_str_radix(&digits, 16).unwrap())
                        }
                        c @ ('"' | '\\') => c,
                        other => panic!("\\{other}"),
                    };
                    word.get_or_insert_default().push(escaped);
                }
                c => word.get_or_insert_default().push(c),
            }
        }
        assert!(!quote, "{line}");
        words.extend(word);
        let plain = |word: String| {
            let word = word.replace("%%", "\u{1}").replace("$$", "\u{2}");
            assert!(!word.contains(['%', '$']), "a specifier or a variable: {word}");
            word.replace('\u{1}', "%").replace('\u{2}', "$")
        };
        words.into_iter().map(plain).collect()
    }

    fn task(command: &[&str]) -> Task {
        Task {
            name: "intervault-full".to_owned(),
            description: "full backup of 100%\nExecStart=/bin/rm".to_owned(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            afterwards: vec![vec!["/a b".to_owned()]],
            after: vec!["intervault-a.service".to_owned(), "intervault-b.service".to_owned()],
            at: "Sun *-*-* 22:30:00".to_owned(),
            folders: vec!["/backup/a b%".to_owned()],
            user: Some("cms".to_owned()),
            at_most: None,
        }
    }

    fn value<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
        text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
    }

    #[test]
    fn no_word_is_split_expanded_or_ends_its_line() {
        let odd = [
            "/usr/bin/x",
            "a b",
            "",
            "it's",
            "\"q\"",
            "back\\slash",
            "100%h",
            "$HOME ${X}",
            ";",
            "a\nExecStart=/b",
            "\t",
            "gr\u{fc}n",
        ];
        let [service, timer] = units(&task(&odd));
        let lines = value(&service.text, "ExecStart");
        assert_eq!(lines.len(), 1, "{}", service.text);
        assert_eq!(read(lines[0]), odd);
        assert_eq!(value(&service.text, "ExecStartPost"), ["-\"/a b\""]);
        assert_eq!(value(&service.text, "RequiresMountsFor"), ["\"/backup/a b%%\""]);
        assert_eq!(value(&service.text, "After"), ["intervault-a.service intervault-b.service"]);
        assert_eq!(value(&service.text, "Description"), ["full backup of 100%%ExecStart=/bin/rm"]);
        assert_eq!((service.name.as_str(), timer.name.as_str()), ("intervault-full.service", "intervault-full.timer"));
        assert_eq!(value(&timer.text, "OnCalendar"), ["Sun *-*-* 22:30:00"]);
        assert!(service.text.starts_with(MARK) && timer.text.starts_with(MARK));
    }

    #[test]
    fn plain_words_stay_as_they_are() {
        let words =
            ["/usr/bin/intervault", "backup", "--database", "sqlite:/var/cms/history.db", "--data", "local,system"];
        let [service, _] = units(&task(&words));
        assert_eq!(value(&service.text, "ExecStart"), [words.join(" ")]);
    }
}
