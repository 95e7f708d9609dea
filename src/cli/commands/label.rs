//! `intervault label`: whose volumes these are, or what the text of a label means.

use super::{open, unusable};
use crate::check;
use crate::cli::args::LabelOptions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::parse::{self, DevicePath};
use crate::cli::render::{sticker, text};
use crate::schema::label_text::LabelText;
use crate::volume::set::SetReader;
use serde::Serialize;
use serde_json::json;
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
        let device = DevicePath::Path(path.to_owned());
        return if options.sticker { stickers(&device, output) } else { volumes(&device, output) };
    }
    if let Ok(device) = parse::device(&options.subject)
        && !matches!(device, DevicePath::Path(_))
    {
        return if options.sticker { stickers(&device, output) } else { volumes(&device, output) };
    }
    if options.sticker {
        let message = format!("there is no {}: stickers are made from volumes", text::escape(&options.subject));
        return Err(Failure::new(Exit::Nothing, message));
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

/// The labels of the volumes on a device.
fn volumes(device: &DevicePath, output: &Output) -> Result<Exit, Failure> {
    let device = open::volumes(device)?;
    let found = check::find(device.as_ref(), None)?;
    let exit = unusable::exit_of(&found);
    let mut rows = Vec::new();
    for set in &found.sets {
        for volume in set.volumes() {
            let label = LabelText { volume: volume.number, ..read(&set.label().label)? };
            let short = check::short(set.set_id());
            rows.push((short.clone(), label.clone(), volume.name.clone()));
            let copies = volume.copies.iter().map(|name| (short.clone(), label.clone(), Some(name.clone())));
            rows.extend(copies);
        }
    }
    if output.json() {
        let volumes: Vec<_> = rows
            .iter()
            .map(|(set, label, name)| json!({"label": label.to_string(), "set": set, "volume": label.volume, "name": name}))
            .collect();
        output.object("intervault/labels", exit, &json!({"volumes": volumes}));
    } else {
        let lines: Vec<Vec<String>> = rows
            .into_iter()
            .map(|(set, label, name)| {
                let name = name.unwrap_or_else(|| "not here".to_owned());
                vec![label.to_string(), set, label.volume.to_string(), name]
            })
            .collect();
        output.line(text::table(&["label", "set", ">volume", "name"], &lines).trim_end());
    }
    unusable::warn(&found, "", output);
    Ok(exit)
}

/// What to stick on the volumes at a path.
fn stickers(device: &DevicePath, output: &Output) -> Result<Exit, Failure> {
    let device = open::volumes(device)?;
    let found = check::find(device.as_ref(), None)?;
    let exit = unusable::exit_of(&found);
    let here = |set: &SetReader<'_>| set.volumes().iter().filter(|volume| volume.name.is_some()).count();
    let mut stickers = Vec::with_capacity(found.sets.iter().map(here).sum());
    for set in &found.sets {
        stickers.extend(sticker::of(set));
    }
    if output.json() {
        output.object("intervault/stickers", exit, &sticker::json(&stickers));
    } else {
        output.line(sticker::text(&stickers).trim_end());
    }
    unusable::warn(&found, "", output);
    Ok(exit)
}

fn read(label: &str) -> Result<LabelText, Failure> {
    label.parse().map_err(|error| Failure::new(Exit::Damage, format!("{error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Style;
    use crate::cli::output::tests::captured;

    #[test]
    fn a_label_is_explained() {
        let (output, out, _) = captured(Style::default());
        let options = LabelOptions { subject: "CMS-031024-01-LSAC-00-F-02".to_owned(), sticker: false };
        assert_eq!(run(&options, &output), Ok(Exit::Done));
        assert!(out.text().contains("date               2003-10-24\n"), "{}", out.text());
    }

    #[test]
    fn what_is_neither_label_nor_path_is_nothing() {
        let (output, ..) = captured(Style::default());
        for (sticker, said) in [(false, "there is no /no/such and "), (true, "there is no /no/such: stickers ")] {
            let failure = run(&LabelOptions { subject: "/no/such".to_owned(), sticker }, &output).unwrap_err();
            assert_eq!(failure.exit, Exit::Nothing);
            assert!(failure.message.starts_with(said), "{failure}");
        }
    }
}
