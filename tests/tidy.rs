//! The style that a machine can hold: file headers, sizes, banned constructs and words, characters that deceive, links
//! that lead nowhere, licences. Every rule is shown a sample that it must reject.

mod source;

use source::{block_end, code, files, line_of, root};
use std::collections::BTreeSet;
use std::process::Command;

/// Longest file of Rust, in lines.
const FILE_LINES_MAX: usize = 800;
/// Longest function, in lines, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 100;
/// Functions may be longer than this only as long as they are listed in [`LONG_FUNCTIONS`].
const FUNCTION_LINES_USUAL: usize = 70;
/// The ratchet: functions over the usual length, with the length that they may have. Shrink it; add nothing.
const LONG_FUNCTIONS: &[(&str, &str, usize)] = &[];
/// Longest line of Rust and, outside tables, of documents, in characters: rustfmt holds code to 120 and leaves comments and texts
/// alone.
const LINE_CHARS_MAX: usize = 130;

/// Constructs that swallow errors or say nothing, with what to write instead. Looked for in code, spaces ignored.
const BANNED_CODE: &[(&str, &str)] = &[
    ("whileletOk(", "an end is a mark that was read, not an error: use `loop` and `?`"),
    ("filter_map(Result::ok)", "errors vanish: use `?` or collect into a Result"),
    ("flat_map(Result::ok)", "errors vanish: use `?` or collect into a Result"),
    (".map_while(Result::ok)", "errors vanish: use `?` or collect into a Result"),
    ("todo!(", "write it, or leave it out"),
    ("unimplemented!(", "write it, or return an error"),
    ("#[allow(", "write #[expect(lint, reason = \"...\")]"),
];

/// Words that do not belong into the project, each cut in two so that this file does not hold it.
const BANNED_WORDS: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "finish it, or write an issue"),
    (concat!("FIX", "ME"), "finish it, or write an issue"),
    (concat!("back", "end"), "say device or store"),
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("../sha", "red"), "a path of one machine"),
    (concat!("house", ".md"), "not a file of the project"),
    (concat!("limits", ".md"), "not a file of the project"),
    (concat!("domain", ".md"), "not a file of the project"),
];

/// Names that a banned word is a part of, and that are others': functions and columns of PostgreSQL.
const OTHERS_NAMES: &[&str] = &[
    concat!("pg_back", "end_pid"),
    concat!("pg_cancel_back", "end"),
    concat!("pg_terminate_back", "end"),
    concat!("back", "end_start"),
    concat!("back", "end_xmin"),
];

/// Characters that look like others, hide, or turn the text round: typographic quotes and dashes, blanks, marks.
fn deceives(c: char) -> bool {
    matches!(c, '\u{2010}'..='\u{2015}' | '\u{2018}'..='\u{201F}' | '\u{A0}' | '\u{AD}' | '\u{200B}'..='\u{200F}'
        | '\u{2028}'..='\u{202F}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[test]
fn rust_is_tidy() {
    let mut faults = Vec::new();
    for folder in ["src", "tests", "benches", "fuzz"] {
        for (path, text) in files(folder, &[".rs"]) {
            faults.extend(rust_faults(&path, &text));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn documents_are_tidy() {
    let mut faults = Vec::new();
    let ends = [".md", ".toml", ".sh", ".yml", "/run"];
    for (path, text) in files("", &ends) {
        faults.extend(text_faults(&path, &text));
        if path.ends_with(".md") {
            faults.extend(dead_links(&path, &text, |target| root().join(target).exists()));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// A property that fails does so again: cargo gives all of them one seed, unless somebody asks for another.
#[test]
fn properties_have_a_seed_that_can_be_given_again() {
    let config: toml::Table = std::fs::read_to_string(root().join(".cargo/config.toml")).unwrap().parse().unwrap();
    let seed = config["env"]["PROPTEST_RNG_SEED"].as_str().unwrap();
    assert!(seed.parse::<u64>().is_ok(), "{seed}");
    // Of a test program that is started by hand the environment is its starter's.
    let here = std::env::var("PROPTEST_RNG_SEED").is_ok_and(|seed| seed.parse::<u64>().is_ok());
    assert!(here || std::env::var_os("CARGO").is_none(), "cargo does not give the seed");
    for (path, text) in files("", &[".rs"]) {
        assert!(!text.contains(concat!("RngSeed::", "Random")), "{path}: cases that come but once");
    }
}

#[test]
fn long_functions_listed_are_still_long() {
    for (path, name, lines) in LONG_FUNCTIONS {
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        let longest = functions(&code(&text)).into_iter().filter(|(found, ..)| found == name).map(|f| f.2).max();
        assert_eq!(longest, Some(*lines), "{path}: fn {name}: bring the ratchet to its length, or take it out");
        assert!(*lines <= FUNCTION_LINES_MAX && *lines > FUNCTION_LINES_USUAL, "{path}: fn {name}");
    }
}

#[test]
fn every_rule_rejects_its_sample() {
    let line = "x".repeat(LINE_CHARS_MAX + 1);
    let long_file = format!("//! Header.\n{}", "fn f() {}\n".repeat(FILE_LINES_MAX));
    let long_function = format!("//! Header.\nfn long() {{\n{}}}\n", "    f();\n".repeat(FUNCTION_LINES_USUAL));
    let word = |(word, _): &(&str, &str)| format!("//! Header.\n// {word}\n");
    let mut samples = vec![
        ("fn f() {}\n".to_owned(), "opens with"),
        (format!("//! {line}\n"), "characters"),
        (long_file, "801 lines, at most"),
        (long_function, "fn long has 72 lines"),
        ("//! Header.\nfn f() { while let Ok(x) = next() { g(x); } }\n".to_owned(), "an end is a mark"),
        ("//! Header.\nfn f() { while  let\nOk(x) = next() {} }\n".to_owned(), "an end is a mark"),
        ("//! Header.\nfn f() { i.filter_map(Result::ok).count(); }\n".to_owned(), "errors vanish"),
        ("//! Header.\nfn f() { i.filter_map(|row| row.ok()).count(); }\n".to_owned(), "errors vanish"),
        ("//! Header.\nfn f() {\n    matches!(x, Some(_));\n}\n".to_owned(), "thrown away"),
        ("//! Header.\nfn f() { todo!() }\n".to_owned(), "write it"),
        ("//! Header.\n#[allow(dead_code)]\nfn f() {}\n".to_owned(), "#[expect(lint"),
        ("//! Header \u{201C}quoted\u{201D}.\n".to_owned(), "U+201C"),
        ("//! Header.\nconst X: &str = \"\u{202E}\";\n".to_owned(), "U+202E"),
        ("//! Header. \n".to_owned(), "blank at its end"),
        ("//! Header.\n\tfn f() {}\n".to_owned(), "tab"),
        ("//! Header.\r\n".to_owned(), "carriage return"),
        ("//! Header.".to_owned(), "no line end"),
    ];
    samples.extend(BANNED_WORDS.iter().map(|banned| (word(banned), banned.1)));
    for (text, wanted) in samples {
        let found = rust_faults("src/sample.rs", &text);
        assert!(found.iter().any(|fault| fault.contains(wanted)), "{text}\nwanted {wanted}, found {found:?}");
    }
    assert_eq!(text_faults("a.md", &format!("{line}\n| {line} |\n")), ["a.md:1: 131 characters, at most 130"]);
    let links = dead_links("docs/a.md", "See [b](b.md), [c](../c.md#part), [d](https://d.example).", |target| {
        target == "docs/b.md"
    });
    assert_eq!(links, ["docs/a.md: the link to ../c.md#part leads nowhere"]);
}

#[test]
fn good_samples_pass() {
    let samples = [
        "//! Header.\nfn f() -> bool { matches!(x, Some(_)) }\n",
        "//! Header.\nfn f() {\n    let yes = matches!(x, Some(_));\n    assert!(matches!(x, Some(_)));\n}\n",
        concat!("//! Header.\nconst X: &str = \"SELECT pg_back", "end_pid()\";\n"),
        "//! Header: rows, \u{2026} and `while let Ok(` in words.\nconst X: &str = \"todo!()\";\n",
        "//! Header.\nfn f<'a>(x: &'a str) -> char { if x == r#\"\"{\"# { '\"' } else { '{' } }\n",
    ];
    for text in samples {
        assert_eq!(rust_faults("src/sample.rs", text), Vec::<String>::new(), "{text}");
    }
}

fn rust_faults(path: &str, text: &str) -> Vec<String> {
    let mut out = text_faults(path, text);
    let code = code(text);
    if !text.starts_with("//! ") {
        out.push(format!("{path}: opens with `//!` and its purpose"));
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        out.push(format!("{path}: {lines} lines, at most {FILE_LINES_MAX}"));
    }
    for (name, at, lines) in functions(&code) {
        let listed = LONG_FUNCTIONS.iter().any(|(file, function, _)| *file == path && *function == name);
        if lines > FUNCTION_LINES_USUAL && !listed {
            out.push(format!("{path}:{at}: fn {name} has {lines} lines, at most {FUNCTION_LINES_USUAL}"));
        }
    }
    out.extend(banned_constructs(path, &code));
    out
}

fn banned_constructs(path: &str, code: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut dense = String::new();
    let mut places = Vec::new();
    for (at, c) in code.char_indices().filter(|(_, c)| !c.is_whitespace()) {
        places.extend(std::iter::repeat_n(at, c.len_utf8()));
        dense.push(c);
    }
    let mut fault = |at: usize, what: &str| out.push(format!("{path}:{}: {what}", line_of(code, places[at])));
    for (construct, instead) in BANNED_CODE {
        for (at, _) in dense.match_indices(construct) {
            fault(at, &format!("{construct}: {instead}"));
        }
    }
    for (at, _) in dense.match_indices("filter_map(|") {
        let closure = &dense[at..];
        let body = closure.find(')').and_then(|end| closure.get(..end + 1)).unwrap_or_default();
        if body.ends_with(".ok()") {
            fault(at, "filter_map(|x| x.ok()): errors vanish: use `?` or collect into a Result");
        }
    }
    for (at, _) in dense.match_indices("matches!(") {
        let starts_statement = dense[..at].ends_with([';', '{', '}']);
        let end = closing(&dense, at + "matches!".len());
        if starts_statement && dense[end..].starts_with(';') {
            fault(at, "matches!(..); thrown away: assert it");
        }
    }
    out
}

/// Byte after the `)` that closes the `(` at `open`.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, c) in code[open..].char_indices() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth == 0 {
            return open + at + 1;
        }
    }
    code.len()
}

/// Name, first line and length in lines of every function with a body.
fn functions(code: &str) -> Vec<(String, usize, usize)> {
    let mut out = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let rest = &code[at..];
        let Some(open) = rest.find(['{', ';']) else { continue };
        // An array type in the signature holds a `;`: only one at the end of a line ends a declaration.
        let open =
            if rest[open..].starts_with(";\n") { continue } else { rest[open..].find('{').map(|more| open + more) };
        if let (false, Some(open)) = (name.is_empty(), open) {
            let body = &rest[..block_end(rest, open)];
            out.push((name, line_of(code, at), body.lines().count()));
        }
    }
    out
}

fn text_faults(path: &str, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let rust = path.ends_with(".rs");
    for (number, line) in (1..).zip(text.split('\n')) {
        let mut fault = |what: String| out.push(format!("{path}:{number}: {what}"));
        if let Some(c) = line.chars().find(|c| deceives(*c)) {
            fault(format!("U+{:04X}: write plain quotes, dashes and blanks, or an escape", c as u32));
        }
        if line.ends_with('\r') {
            fault("carriage return".to_owned());
        } else if line.ends_with([' ', '\t']) {
            fault("blank at its end".to_owned());
        }
        // A row of a document's table has one line, however long.
        let wraps = rust || path.ends_with(".md") && !line.trim_start().starts_with('|');
        let chars = line.chars().count();
        if wraps && chars > LINE_CHARS_MAX {
            fault(format!("{chars} characters, at most {LINE_CHARS_MAX}"));
        }
        if rust && line.contains('\t') {
            fault("tab: write blanks, or an escape".to_owned());
        }
        let small = OTHERS_NAMES.iter().fold(line.to_lowercase(), |line, name| line.replace(name, ""));
        for (word, instead) in BANNED_WORDS {
            let marks = word.chars().all(|c| c.is_ascii_uppercase());
            if if marks { line.contains(word) } else { small.contains(word) } {
                fault(format!("{word}: {instead}"));
            }
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        out.push(format!("{path}: no line end at the end"));
    }
    out
}

/// Relative links of a Markdown file for which `exists`, asked with the path from the crate's folder, says no.
fn dead_links(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut out = Vec::new();
    for (at, _) in text.match_indices("](") {
        let link: String = text[at + 2..].chars().take_while(|c| *c != ')').collect();
        let file = link.split('#').next().unwrap_or_default();
        if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
            continue;
        }
        let mut parts: Vec<&str> = path.split('/').collect();
        parts.pop();
        for part in file.trim_end_matches('/').split('/') {
            match part {
                ".." => drop(parts.pop()),
                "." => {}
                _ => parts.push(part),
            }
        }
        if !exists(&parts.join("/")) {
            out.push(format!("{path}: the link to {link} leads nowhere"));
        }
    }
    out
}

#[test]
fn every_crate_has_an_allowed_licence() {
    let config: toml::Table = std::fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap();
    let allowed: BTreeSet<&str> =
        config["licenses"]["allow"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--all-features", "--filter-platform"])
        .args(["x86_64-unknown-linux-gnu", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "only {} packages were looked at", packages.len());
    let refused: Vec<String> = packages
        .iter()
        .map(|package| (package["name"].to_string(), package["license"].as_str().unwrap_or("none").to_owned()))
        .filter(|(_, licence)| !allows(&allowed, licence))
        .map(|(name, licence)| format!("{name}: {licence}"))
        .collect();
    assert!(refused.is_empty(), "not allowed by deny.toml:\n{}", refused.join("\n"));
}

/// Whether a licence expression can be met: one side of each OR (or `/`), both sides of each AND.
fn allows(allowed: &BTreeSet<&str>, expression: &str) -> bool {
    let text = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = text.split_whitespace().collect();
    fn any(allowed: &BTreeSet<&str>, tokens: &mut &[&str]) -> bool {
        let mut met = all(allowed, tokens);
        while tokens.first() == Some(&"OR") {
            *tokens = &tokens[1..];
            met |= all(allowed, tokens);
        }
        met
    }
    fn all(allowed: &BTreeSet<&str>, tokens: &mut &[&str]) -> bool {
        let mut met = one(allowed, tokens);
        while tokens.first() == Some(&"AND") {
            *tokens = &tokens[1..];
            met &= one(allowed, tokens);
        }
        met
    }
    fn one(allowed: &BTreeSet<&str>, tokens: &mut &[&str]) -> bool {
        let Some((first, rest)) = tokens.split_first() else { return false };
        *tokens = rest;
        if *first == "(" {
            let met = any(allowed, tokens);
            *tokens = tokens.get(1..).unwrap_or_default();
            return met;
        }
        if tokens.first() == Some(&"WITH") {
            let id = format!("{first} WITH {}", tokens.get(1).unwrap_or(&""));
            *tokens = tokens.get(2..).unwrap_or_default();
            return allowed.contains(id.as_str());
        }
        allowed.contains(first)
    }
    let mut rest = &tokens[..];
    any(allowed, &mut rest) && rest.is_empty()
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = BTreeSet::from(["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"]);
    for met in ["MIT", "GPL-3.0 OR MIT", "MIT AND Zlib", "(GPL-3.0 OR MIT) AND Zlib", "Apache-2.0/MIT"] {
        assert!(allows(&allowed, met), "{met}");
    }
    assert!(allows(&allowed, "GPL-3.0 OR Apache-2.0 WITH LLVM-exception"));
    for refused in ["GPL-3.0", "MIT AND GPL-3.0", "(GPL-3.0 OR MIT) AND X", "Apache-2.0", "none", "", "MIT X"] {
        assert!(!allows(&allowed, refused), "{refused}");
    }
}

#[cfg(unix)]
#[test]
fn commands_are_executable() {
    use std::os::unix::fs::PermissionsExt as _;
    for path in ["tests/run", ".ci/run"] {
        let mode = std::fs::metadata(root().join(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{path}");
    }
}
