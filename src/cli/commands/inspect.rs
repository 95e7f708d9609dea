//! `intervault inspect`: a block byte by byte, or what lies where on volumes.

use super::open;
use crate::cli::args::{InspectOptions, InspectWork};
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::parse::DevicePath;
use crate::cli::render::inspect as render;
use crate::cli::render::streamed::Streamed;
use crate::cli::render::text::{count, counted, escape};
use crate::device::file::open_any;
use crate::device::traits::Device;
use crate::inspect::{self, Block, Found, How, Medium, Part, Run, Stretch};
use crate::volume::name::{short_id, told_by_name};
use crate::volume::stream;
use std::collections::BTreeSet;
use std::path::Path;

/// Sets named in a message.
const SETS_NAMED: usize = 8;

/// Runs it.
///
/// # Errors
/// There is nothing of what was asked for, or the device cannot be read at all. What is wrong with what is shown is shown.
pub fn run(options: &InspectOptions, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let named = config.device(&options.device);
    if let DevicePath::Path(path) = &named
        && path.is_file()
        && let Some(medium) = single(path, options)?
    {
        return look(options, vec![medium], output);
    }
    let device = match &named {
        DevicePath::Path(path) if path.is_file() => open::file(path)?,
        other => open::volumes(other)?,
    };
    look(options, choose(device.as_ref(), options)?, output)
}

/// A file as it is: unless it holds several volumes, and a place in one of them is meant.
fn single<'p>(path: &'p Path, options: &InspectOptions) -> Result<Option<Medium<'p>>, Failure> {
    let source = open_any(path)?;
    let by_volume = options.volume.is_some() || !matches!(options.work, InspectWork::At { .. });
    // What cannot be read shows when it is looked at.
    if by_volume && stream::extents(source.as_ref()).is_ok_and(|extents| extents.len() > 1) {
        return Ok(None);
    }
    let medium = Medium::new(path.display().to_string(), move || open_any(path));
    if options.set.is_some() || options.volume.is_some() {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        if !is_meant(options, &identity(&name, &medium)?) {
            return Err(nothing(&path.display().to_string()));
        }
    }
    Ok(Some(medium))
}

/// Beginning of the set id and number of a volume: by its name, else by what its blocks say; none where neither tells.
fn identity(name: &str, medium: &Medium<'_>) -> Result<(String, u32), Failure> {
    Ok(match told_by_name(name) {
        Some(told) => told,
        None => medium.identity()?.map_or_else(|| (String::new(), 0), |(set, number)| (short_id(set), number)),
    })
}

fn is_meant(options: &InspectOptions, (set, number): &(String, u32)) -> bool {
    let fits = |wanted: &String| !set.is_empty() && (wanted.starts_with(set) || set.starts_with(wanted.as_str()));
    options.set.as_ref().is_none_or(fits) && options.volume.is_none_or(|wanted| wanted == *number)
}

fn nothing(place: &str) -> Failure {
    let what = format!("no such volume on {place}");
    Failure::new(Exit::Nothing, escape(&what)).hint("intervault check DEVICE lists what is there")
}

/// The volumes of a device that are meant, by set and number. Their names are believed, since labels may be damaged.
fn choose<'d>(device: &'d dyn Device, options: &InspectOptions) -> Result<Vec<Medium<'d>>, Failure> {
    let mut told: Vec<(String, u32, Medium<'d>)> = Vec::new();
    let map = options.work == InspectWork::Map;
    for name in device.list()? {
        let medium = Medium::new(name.clone(), {
            let name = name.clone();
            move || device.open(&name)
        });
        let of = match identity(&name, &medium) {
            // What cannot be opened is told when it is its turn.
            Err(_) if map => (String::new(), 0),
            of => of?,
        };
        if is_meant(options, &of) {
            told.push((of.0, of.1, medium));
        }
    }
    told.sort_by(|one, other| (&one.0, one.1, &one.2.name).cmp(&(&other.0, other.1, &other.2.name)));
    let sets: BTreeSet<&String> = told.iter().map(|(set, ..)| set).collect();
    if sets.len() > 1 && !map {
        let some: Vec<&str> = sets.iter().take(SETS_NAMED).map(|set| set.as_str()).collect();
        let named = if sets.len() > SETS_NAMED { ", …" } else { "" };
        let what = format!("{} holds volumes of {} sets: {}{named}", device.describe(), sets.len(), some.join(", "));
        return Err(Failure::usage(escape(&what)).hint("name one with --set ID, or the file itself"));
    }
    if told.is_empty() {
        return Err(nothing(&device.describe()));
    }
    let wanted = if map { usize::MAX } else { 1 };
    Ok(told.into_iter().map(|(.., medium)| medium).take(wanted).collect())
}

fn look(options: &InspectOptions, media: Vec<Medium<'_>>, output: &Output) -> Result<Exit, Failure> {
    let found = match (options.work, media.first()) {
        (InspectWork::Map, _) | (_, None) => return maps(&media, output),
        (InspectWork::At { byte, entries }, Some(medium)) => {
            let len = medium.open()?.len();
            if byte >= len {
                let what =
                    format!("{} has no byte {}: it has {}", medium.name, count(byte), counted(len, "byte", "bytes"));
                return Err(Failure::new(Exit::Nothing, escape(&what)).hint("bytes count from 0"));
            }
            (medium, Found { offset: byte, how: How::Asked }, entries)
        }
        (InspectWork::Block { number, entries }, Some(medium)) => {
            let found = inspect::find_block(medium, number)?.ok_or_else(|| {
                let what = format!("{} has no block {}", medium.name, count(number));
                Failure::new(Exit::Nothing, escape(&what)).hint("intervault inspect map DEVICE shows what lies where")
            })?;
            (medium, found, entries)
        }
    };
    let (medium, found, entries) = found;
    block(medium, found, entries, output)
}

fn block(medium: &Medium<'_>, found: Found, entries: u64, output: &Output) -> Result<Exit, Failure> {
    let source = medium.open()?;
    let block = Block::read(source.as_ref(), found.offset)?;
    let columns = match block.section() {
        Some((section, true)) => inspect::column_names(medium, section)?,
        _ => Vec::new(),
    };
    // Whoever names a byte may mean one within a block.
    let judged = block.begins || found.how != How::Asked;
    let mut damaged = block.verdict.is_err();
    let of = |damaged: bool| if damaged && judged { Exit::Damage } else { Exit::Done };
    if output.json() {
        let mut answer = Streamed::begin("intervault/inspect-block", output);
        answer.fields(&render::block_json(&medium.name, found, &block));
        answer.list("parts");
        block.parts(entries, &columns, &mut |part: Part<'_>| {
            damaged |= part.fault.is_some();
            answer.push(&render::part_json(&part));
            !output.is_closed()
        });
        let exit = of(damaged);
        answer.end(exit);
        return Ok(exit);
    }
    output.line(&render::block_text(&medium.name, found, &block));
    let view = render::View::new(output.width(), output.paints(), entries == u64::MAX, &block);
    block.parts(entries, &columns, &mut |part: Part<'_>| {
        damaged |= part.fault.is_some();
        output.part(&output.wrapped(&view.part(&part)));
        !output.is_closed()
    });
    Ok(of(damaged))
}

/// What lies where on each volume.
fn maps(media: &[Medium<'_>], output: &Output) -> Result<Exit, Failure> {
    let mut answer = output.json().then(|| Streamed::begin("intervault/inspect-map", output));
    if let Some(answer) = &mut answer {
        answer.list("volumes");
    }
    let mut exit = Exit::Done;
    for (number, medium) in media.iter().enumerate() {
        let bytes = match medium.open() {
            Ok(source) => source.len(),
            // The others are shown all the same.
            Err(error) => {
                let failure = Failure::from(error);
                exit = exit.worst(failure.exit);
                output.error(&failure);
                continue;
            }
        };
        match &mut answer {
            Some(answer) => {
                answer.item();
                answer.field("name", &medium.name);
                answer.field("bytes", &bytes);
                answer.list("runs");
            }
            None => output.line(&render::map_head(&medium.name, bytes, number > 0)),
        }
        let mut damaged = false;
        let coverage = inspect::map(medium, &mut |run: Run| {
            damaged |= matches!(run.what, Stretch::Damaged { .. });
            match &mut answer {
                Some(answer) => answer.push(&render::run_json(&run)),
                None => output.line(&render::run_text(&run, output.paints())),
            }
            !output.is_closed()
        });
        if let Err(error) = &coverage {
            let failure = Failure::of(Exit::from(&error.kind), error);
            exit = exit.worst(failure.exit);
            output.error(&failure);
        }
        let empty = coverage.as_ref().is_ok_and(|coverage| coverage.intact == 0) && !output.is_closed();
        exit = if damaged || empty { exit.worst(Exit::Damage) } else { exit };
        match (&mut answer, coverage.ok()) {
            (Some(answer), coverage) => {
                answer.close();
                answer.field("intact", &coverage.map(|coverage| coverage.intact));
                answer.field("damaged", &coverage.map(|coverage| coverage.damaged));
                answer.close();
            }
            (None, Some(coverage)) => output.line(&render::map_end(coverage)),
            (None, None) => {}
        }
        if output.is_closed() {
            break;
        }
    }
    if let Some(answer) = answer {
        answer.end(exit);
    }
    Ok(exit)
}
