//! The layers hold: which module may import which is a table here, and every path in `src` is held against it. Also
//! which foreign crates a module may know. The table itself has no cycle, and every rule is shown a sample to reject.

mod source;

use source::{block_end, code, files, line_of};

/// Modules in layer order, lowest first, each with those that it may import. `testing` may import all, nothing imports
/// it outside tests; `lib.rs` is the facade over all.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("lock_file", &[]),
    ("history", &["base", "lock_file"]),
    ("column", &["base"]),
    ("format", &["base"]),
    ("schema", &["base", "column"]),
    ("device", &["base", "lock_file"]),
    ("volume", &["base", "format", "device"]),
    ("store", &["base", "lock_file", "column", "schema"]),
    ("files", &["base", "column", "schema"]),
    ("section", &["base", "column", "format", "schema", "files"]),
    ("verify", &["base", "column", "format", "schema", "device", "volume", "section"]),
    ("error", &["base", "column", "format", "schema", "device", "volume", "store", "files"]),
    ("backup", ENGINE),
    ("restore", ENGINE),
    ("check", ENGINE),
    ("inspect", ENGINE),
    ("export", ENGINE),
    ("prune", ENGINE),
    ("salvage", ENGINE),
    ("rebuild", ENGINE),
    ("demo", &["base", "error"]),
    ("cli", SHELL),
    ("bin", &["cli"]),
];

/// What the operations stand on; they never import each other.
const ENGINE: &[&str] =
    &["base", "column", "format", "schema", "device", "volume", "store", "files", "error", "section", "verify"];

const SHELL: &[&str] = &[
    "base", "history", "column", "format", "schema", "device", "volume", "store", "files", "error", "section",
    "verify", "backup", "restore", "check", "inspect", "export", "prune", "salvage", "rebuild", "demo",
];

/// Foreign crates and parts of `std` that only some places may name, as prefixes of the path below `src/`.
const FOREIGN: &[(&str, &[&str])] = &[
    ("bincode", &["format/codec.rs"]),
    ("rusqlite", &["store/sqlite", "demo/"]),
    ("postgres_protocol", &["store/postgres/"]),
    ("rustls", &["store/postgres/tls.rs"]),
    ("rustls_native_certs", &["store/postgres/tls.rs"]),
    ("tokio_postgres", &["store/postgres/"]),
    ("tokio", &["store/postgres/session.rs"]),
    ("futures_core", &["store/postgres/session.rs"]),
    ("futures_sink", &["store/postgres/session.rs"]),
    ("bytes", &["store/postgres/session.rs"]),
    ("tokio_postgres_rustls", &["store/postgres/"]),
    ("memmap2", &["device/map.rs"]),
    ("parquet", &["export/columnar.rs"]),
    ("globset", &["files/pattern.rs"]),
    ("clap", &["cli/"]),
    ("clap_complete", &["cli/"]),
    ("clap_mangen", &["cli/"]),
    ("indicatif", &["cli/"]),
    ("signal_hook", &["cli/"]),
    ("comfy_table", &["cli/"]),
    ("std::process", &["cli/", "bin/"]),
    ("std::env", &["cli/", "bin/", "demo/"]),
    ("std::fs", OUTSIDE_WORLD),
    ("std::net", OUTSIDE_WORLD),
    (
        "std::thread",
        // A lock waits a moment for those who look.
        &[
            "base/aside.rs",
            "base/ordered.rs",
            "lock_file.rs",
            "store/",
            "backup/",
            "restore/",
            "check/",
            "history/",
            "cli/",
        ],
    ),
];

/// Modules that are not pure: those that may touch files and the network.
const OUTSIDE_WORLD: &[&str] = &[
    "lock_file.rs",
    "history/",
    "device/",
    "volume/",
    "store/",
    "files/",
    "backup/",
    "restore/",
    "check/",
    "inspect/",
    "export/",
    "demo/",
    "cli/",
    "bin/",
];

#[test]
fn imports_point_down() {
    let faults: Vec<String> =
        files("src", &[".rs"]).iter().flat_map(|(path, text)| faults(path, text)).collect::<Vec<_>>();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_table_has_no_cycle_and_no_stranger() {
    for (rank, (module, allowed)) in LAYERS.iter().enumerate() {
        for import in *allowed {
            let below = LAYERS[..rank].iter().any(|(lower, _)| lower == import);
            assert!(below, "{module} may import {import}, which does not stand below it");
        }
    }
    let listed: Vec<&str> = LAYERS.iter().map(|(module, _)| *module).chain(["lib", "testing"]).collect();
    for (path, _) in files("src", &[".rs"]) {
        let module = top(&path);
        assert!(listed.contains(&module), "{path}: no layer is given for module {module}");
    }
}

/// The modules that may hold unsafe code, each block with its reason.
const UNSAFE: [&str; 3] = ["src/device/map.rs", "src/device/tape/mtio.rs", "src/store/sqlite/values.rs"];

#[test]
fn unsafe_code_stands_in_three_modules_with_reasons() {
    let uses = |text: &str| words(&code(text), "unsafe").count();
    assert_eq!((uses("// unsafe\nfn unsafe_code() {}"), uses("unsafe { f() }")), (0, 1), "what is counted");
    for (path, text) in files("src", &[".rs"]) {
        let may = UNSAFE.contains(&path.as_str());
        assert_eq!(uses(&text) > 0, may, "{path}: unsafe code belongs into {}, and only there", UNSAFE.join(", "));
        let blocks = code(&text).matches("unsafe {").count();
        assert_eq!(blocks, text.matches("// SAFETY: ").count(), "{path}: each unsafe block has its reason");
    }
}

#[test]
fn bad_samples_are_rejected() {
    let samples = [
        ("src/base/cursor.rs", "use crate::format::block::Header;", "base may not import format"),
        ("src/format/block.rs", "use crate::{base::limits, column::{batch, logical}};", "format may not import column"),
        ("src/format/block.rs", "fn f() -> crate::volume::Reader { g() }", "format may not import volume"),
        ("src/restore/plan.rs", "use crate::backup::plan::Plan;", "restore may not import backup"),
        ("src/error.rs", "use super::cli::exit::Exit;", "error may not import cli"),
        ("src/column/mod.rs", "use super::format::block;", "column may not import format"),
        ("src/schema/table.rs", "use super::super::store::traits;", "super::super"),
        ("src/volume/reader.rs", "use crate::*;", "use crate::*"),
        ("src/volume/reader.rs", "use crate as all;", "renames the crate"),
        ("src/volume/reader.rs", "macro_rules! m { () => { $crate::store::x() } }", "volume may not import store"),
        ("src/store/sqlite/read.rs", "use crate::testing::model::Model;", "store may not import testing"),
        ("src/bin/intervault.rs", "fn main() { intervault::backup::run() }", "bin may not import backup"),
        ("src/format/label.rs", "use bincode::config;", "may not name bincode"),
        ("src/device/directory.rs", "use memmap2::MmapOptions;", "may not name memmap2"),
        ("src/restore/plan.rs", "let c = rusqlite::Connection::open(p);", "may not name rusqlite"),
        ("src/column/plain.rs", "use std::fs::File;", "may not name std::fs"),
        ("src/column/plain.rs", "use std::{fmt, fs, io};", "may not name std::fs"),
        ("src/newcomer/mod.rs", "use crate::base::limits;", "no layer is given"),
    ];
    for (path, text, wanted) in samples {
        let found = faults(path, text);
        assert!(found.iter().any(|fault| fault.contains(wanted)), "{path}: {text}\nwanted {wanted}, found {found:?}");
    }
}

#[test]
fn good_samples_pass() {
    let samples = [
        ("src/volume/reader.rs", "use crate::base::limits; use super::writer; pub(crate) fn f() {}"),
        ("src/format/block.rs", "//! See crate::volume::reader.\nconst X: &str = \"crate::cli::exit\"; // crate::cli"),
        ("src/store/sqlite/read.rs", "#[cfg(test)]\nmod tests { use super::*; use crate::testing::model; }"),
        ("src/bin/intervault.rs", "fn main() { intervault::cli::main() }"),
        ("src/testing/model.rs", "use crate::{base::time, restore::plan};"),
        ("src/format/codec.rs", "use bincode::config;"),
        ("src/column/plain.rs", "fn fs(clap_like: u8) -> u8 { clap_like }"),
    ];
    for (path, text) in samples {
        assert_eq!(faults(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}

/// The module directly below the crate that a file belongs to.
fn top(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
}

/// Everything in a file that breaks a rule, with its place.
fn faults(path: &str, text: &str) -> Vec<String> {
    let module = top(path);
    let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
    if is_test || ["lib", "testing"].contains(&module) {
        return Vec::new();
    }
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{path}: no layer is given for module {module}")];
    };
    let code = without_tests(&code(text));
    let mut out = Vec::new();
    let mut fault = |at: usize, what: String| out.push(format!("{path}:{}: {what}", line_of(&code, at)));
    for (at, rest) in words(&code, "crate") {
        if let Some(paths) = rest.strip_prefix("::") {
            for import in heads(paths) {
                judge(module, allowed, &import, |what| fault(at, what));
            }
        } else if rest.trim_start().starts_with("as ") {
            fault(at, "renames the crate, which would hide imports".to_owned());
        }
    }
    for (at, rest) in words(&code, "intervault") {
        for import in rest.strip_prefix("::").map(heads).unwrap_or_default() {
            judge(module, allowed, &import, |what| fault(at, what));
        }
    }
    let leaves_module = path.ends_with("/mod.rs") && path.matches('/').count() == 2 || path.matches('/').count() == 1;
    for (at, rest) in words(&code, "super") {
        let Some(paths) = rest.strip_prefix("::") else { continue };
        for import in heads(paths) {
            if import == "super" {
                fault(at, "super::super hides which module is meant: write crate::".to_owned());
            } else if leaves_module {
                judge(module, allowed, &import, |what| fault(at, what));
            }
        }
    }
    let inside = path.strip_prefix("src/").unwrap_or(path);
    for (name, places) in FOREIGN {
        if !places.iter().any(|place| inside.starts_with(place)) {
            for at in mentions(&code, name) {
                fault(at, format!("{module} may not name {name}: only {} may", places.join(", ")));
            }
        }
    }
    out
}

/// Code (see [`source::code`]) with its `#[cfg(test)]` modules blanked.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let rest = &out[start..];
        let end = match (rest.find('{'), rest.find(';')) {
            (Some(brace), semicolon) if semicolon.is_none_or(|at| brace < at) => start + block_end(rest, brace),
            (_, Some(semicolon)) => start + semicolon + 1,
            _ => out.len(),
        };
        let blank: String = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blank);
    }
    out
}

fn judge(module: &str, allowed: &[&str], import: &str, mut fault: impl FnMut(String)) {
    if import == "*" {
        fault("use crate::* hides imports: name what is used".to_owned());
        return;
    }
    let ours = import == "testing" || LAYERS.iter().any(|(name, _)| *name == import);
    if ours && import != module && !allowed.contains(&import) {
        fault(format!("{module} may not import {import}"));
    }
}

/// Places where a whole word stands, with the code after it.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).filter_map(move |(at, _)| {
        let rest = &code[at + word.len()..];
        (!code[..at].ends_with(part) && !rest.starts_with(part)).then_some((at, rest))
    })
}

/// Places where a crate (`rusqlite`) or a part of `std` (`std::fs`, also inside `std::{…}`) is named in a path.
fn mentions(code: &str, name: &str) -> Vec<usize> {
    match name.split_once("::") {
        None => words(code, name).filter(|(_, rest)| rest.starts_with("::")).map(|(at, _)| at).collect(),
        Some((outer, inner)) => words(code, outer)
            .filter(|(_, rest)| rest.strip_prefix("::").is_some_and(|paths| heads(paths).iter().any(|h| h == inner)))
            .map(|(at, _)| at)
            .collect(),
    }
}

/// First names of the paths that follow `crate::`: of `a::b` it is `a`, of `{a::b, c::{d, e}}` they are `a` and `c`.
fn heads(paths: &str) -> Vec<String> {
    let first = |text: &str| -> String {
        let text = text.trim_start();
        if text.starts_with('*') {
            return "*".to_owned();
        }
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = paths.trim_start().strip_prefix('{') else { return vec![first(paths)] };
    let (mut out, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                out.push(first(&group[start..at]));
                return out;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                out.push(first(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    out
}
