//! A machine with a database, a history and folders of its own, as processes see it.

use super::commands::{Case, json, run};
use serde_json::Value;
use std::path::{Path, PathBuf};

pub struct Site {
    pub case: Case,
}

impl Site {
    pub fn new() -> Site {
        Site { case: Case::new() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.case.centre.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn run(&self, words: &[&str], status: i32) -> (String, String) {
        run(&[words, &["--state-dir", &self.text("state")]].concat(), status)
    }

    pub fn json(&self, words: &[&str], status: i32) -> Value {
        json(&[words, &["--state-dir", &self.text("state")]].concat(), status)
    }

    pub fn backup(&self, to: &str, more: &[&str], status: i32) -> (String, String) {
        let (url, to) = (self.case.url(), self.text(to));
        self.run(&[&["backup", "--database", &url, "--to", &to], more].concat(), status)
    }
}

pub fn volumes(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|end| end == "ivv"));
    names.sort();
    names
}
