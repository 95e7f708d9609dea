//! `intervault label`: whose volumes these are, or what the text of a label means.

use crate::cli::args::LabelOptions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::render::text;
use crate::schema::label_text::LabelText;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A label taken apart, as JSON.
#[derive(Debug, Serialize)]
struct Explained {
    label: String,
    parts: BTreeMap<String, String>,
}

/// Explains a label, or the labels on a device. What is there as a path is a path.
///
/// # Errors
/// It is neither, or the device cannot be read.
pub fn run(options: &LabelOptions, output: &Output) -> Result<Exit, Failure> {
    let path = Path::new(&options.subject);
    if path.exists() {
        return volumes(path, output);
    }
    let label: LabelText = options.subject.parse().map_err(|error| {
        let message = format!("there is no {} and {error}", text::escape(&options.subject));
        Failure::new(Exit::Nothing, message)
    })?;
    if output.json() {
        let parts = label.explain().into_iter().map(|(name, value)| (name.replace(' ', "_").to_lowercase(), value));
        output.object("intervault/label", Exit::Done, &Explained { label: label.to_string(), parts: parts.collect() });
    } else {
        let rows: Vec<Vec<String>> =
            label.explain().into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
        output.line(&text::table(&["part", "meaning"], &rows));
    }
    Ok(Exit::Done)
}

/// The labels of the volumes at a path.
fn volumes(_path: &Path, _output: &Output) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Failed, "this build reads no labels from volumes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Style;
    use crate::cli::output::tests::captured;

    #[test]
    fn a_label_is_explained() {
        let (output, out, _) = captured(Style::default());
        let options = LabelOptions { subject: "CMS-031024-01-LSAC-00-F-02".to_owned() };
        assert_eq!(run(&options, &output), Ok(Exit::Done));
        assert!(out.text().contains("date               2003-10-24\n"), "{}", out.text());
    }

    #[test]
    fn what_is_neither_label_nor_path_is_nothing() {
        let (output, ..) = captured(Style::default());
        let failure = run(&LabelOptions { subject: "/no/such".to_owned() }, &output).unwrap_err();
        assert_eq!(failure.exit, Exit::Nothing);
        assert!(failure.message.starts_with("there is no /no/such and "), "{failure}");
    }
}
