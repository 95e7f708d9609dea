//! `intervault salvage`: what is intact of damaged sets becomes new ones, and what is lost is told.

use super::open;
use crate::cli::args::SalvageRequest;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::job::Job;
use crate::cli::output::Output;
use crate::cli::parse::DevicePath;
use crate::cli::progress::Progress;
use crate::cli::render::salvage as render;
use crate::cli::render::streamed::Streamed;
use crate::cli::render::text::{counted, escape};
use crate::device::heap::HeapDevice;
use crate::device::traits::{Device, VolumeWriter};
use crate::error::Error;
use crate::format::block::MAGIC;
use crate::salvage::{Account, Salvage, SalvageOptions};
use crate::volume::set_writer::SetSummary;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Runs it.
///
/// # Errors
/// There is nothing to look at, or no intact block in it; the place where the new sets go is one of those that are looked
/// through, or cannot be written. What is lost is in the answer and in the exit status.
pub fn run(options: &SalvageRequest, job: &Job, output: &Output) -> Result<Exit, Failure> {
    if let Some(to) = &options.to {
        apart(to, &options.from)?;
    }
    let sources = options.from.iter().map(|from| source(from, output)).collect::<Result<Vec<_>, Failure>>()?;
    let at_work = sources.iter().any(|(_, at_work)| *at_work);
    let devices: Vec<Box<dyn Device>> = sources.into_iter().map(|(device, _)| device).collect();
    let from: Vec<&dyn Device> = devices.iter().map(AsRef::as_ref).collect();
    let how = SalvageOptions {
        set: options.set.clone(),
        volume_size: options.volume_size,
        verify: options.verify,
        jobs: options.jobs,
    };
    let progress = Progress::new(output);
    let salvage = Salvage::new(&from, how).watched(&progress);
    let account = match &options.to {
        None => salvage.account()?,
        Some(to) => {
            let target = open::target(to, None)?;
            let mut new_id = || open::new_set().map_err(|failure| Error::refused(failure.message, failure.hint));
            salvage.write(target.as_ref(), &mut new_id)?
        }
    };
    note(&account, options, job);
    answer(&account, options, at_work, output)
}

/// Writes into the history what was written: of several sets the sums, and which it is where there is one.
fn note(account: &Account, options: &SalvageRequest, job: &Job) {
    let written: Vec<&SetSummary> = account.sets.iter().filter_map(|set| set.written.as_ref()).collect();
    let sum = |of: fn(&SetSummary) -> u64| written.iter().map(|set| of(set)).fold(0, u64::saturating_add);
    job.note(|entry| {
        (entry.rows, entry.bytes) = (Some(sum(|set| set.rows)), Some(sum(|set| set.bytes)));
        entry.volumes = Some(sum(|set| set.volumes.len() as u64));
        entry.verified = Some(options.verify);
        if let [only] = written.as_slice() {
            (entry.set, entry.label) = (Some(only.set.to_string()), Some(only.label.clone()));
        }
        if account.has_losses() {
            entry.message = Some("something is lost, or may be: its answer said what".to_owned());
        }
    });
}

fn answer(account: &Account, options: &SalvageRequest, at_work: bool, output: &Output) -> Result<Exit, Failure> {
    if let (true, true, Some((name, reason))) = (account.sets.is_empty(), account.refused, account.unopened.first()) {
        let others = (account.unopened.len() as u64).saturating_add(account.more_unopened).saturating_sub(1);
        let more = if others == 0 { String::new() } else { format!(", and {}", counted(others, "other", "others")) };
        let what = format!("no intact block of a set was found, and {name}{more} could not be opened: {reason}");
        return Err(
            Failure::new(Exit::NotPermitted, what).hint("ask for the right to read it, or look through other copies")
        );
    }
    if account.sets.is_empty() {
        let what = match &options.set {
            Some(set) => format!("nothing intact of a set {set} was found"),
            None => "no intact block of a set was found".to_owned(),
        };
        return Err(Failure::new(Exit::Nothing, what).hint("look through other copies, or a dump of the whole medium"));
    }
    let exit = match () {
        () if account.is_empty() => Exit::Nothing,
        () if account.has_losses() && account.lost_by_refusal() => Exit::NotPermitted,
        () if account.has_losses() => Exit::Damage,
        () if at_work => Exit::Warnings,
        () => Exit::Done,
    };
    if output.json() {
        let mut answer = Streamed::begin("intervault/salvage", output);
        render::account_json(account, options.to.is_none(), &mut answer);
        answer.end(exit);
    } else {
        render::account_text(account, &mut |lines| output.line(lines));
    }
    if account.is_empty() {
        output.warning(
            "of no section that was found it is known of which table it is: nothing can be made of these blocks",
        );
    }
    Ok(exit)
}

/// Opens what is looked through: whatever lies there; and whether somebody is writing there.
fn source(from: &DevicePath, output: &Output) -> Result<(Box<dyn Device>, bool), Failure> {
    let path = match from {
        DevicePath::Path(path) => path,
        // The image of a tape is a file; what is on a drive has the names that its labels give it.
        DevicePath::Tape(path) if path.is_file() => path,
        other => return Ok((open::volumes(other)?, false)),
    };
    let heap = HeapDevice::open(path)?.plain(&MAGIC);
    if heap.folders() > 0 {
        let folders = counted(heap.folders(), "folder", "folders");
        let place = path.display().to_string();
        let what = format!("{}: {folders} in it not looked into; name them too if they have volumes", escape(&place));
        output.warning(&what);
    }
    let at_work = heap.at_work();
    if let Some(VolumeWriter { who, volume: Some(volume) }) = &at_work {
        let what = format!("{} is being written now{who}: salvage again when that is done", escape(volume));
        output.warning(&what);
    }
    Ok((Box::new(heap), at_work.is_some()))
}

/// Refuses to write where something is looked through.
fn apart(to: &DevicePath, from: &[DevicePath]) -> Result<(), Failure> {
    let Some(place) = to.path() else {
        return Err(Failure::usage("a salvaged set goes into a folder or onto a tape, where it can be read back"));
    };
    let place = whole(place);
    let there: Vec<Thing> = place.ancestors().filter_map(thing).collect();
    for other in from {
        // What is read from standard input may be a file, too.
        let source = other.path().unwrap_or_else(|| Path::new("/dev/stdin"));
        let same = |path: &Path| thing(path).is_some_and(|thing| there.contains(&thing));
        let inside = || std::fs::read_dir(source).is_ok_and(|files| files.flatten().any(|file| same(&file.path())));
        if place.starts_with(whole(source)) || same(source) || place.is_file() && inside() {
            let what = format!("{to} is or lies in what is looked through, {}", escape(&source.display().to_string()));
            return Err(Failure::usage(what).hint("give another place: nothing is ever written to a source"));
        }
    }
    Ok(())
}

/// What a path leads to, whatever name it has there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    /// A file or folder: its file system and its number there.
    File(u64, u64),
    /// A drive: the number of the device.
    Drive(u64),
}

fn thing(path: &Path) -> Option<Thing> {
    let there = path.metadata().ok()?;
    let is_drive = there.file_type().is_char_device() || there.file_type().is_block_device();
    Some(if is_drive { Thing::Drive(drive(there.rdev())) } else { Thing::File(there.dev(), there.ino()) })
}

/// The number of a device. A tape drive has several, of which these bits say whether it rewinds at the end and in which mode it
/// is: without them.
fn drive(device: u64) -> u64 {
    const TAPES: u32 = 9;
    const HOW: u32 = 0xE0;
    match rustix::fs::major(device) {
        TAPES => rustix::fs::makedev(TAPES, rustix::fs::minor(device) & !HOW),
        _ => device,
    }
}

/// A path without links, as far as it exists.
fn whole(path: &Path) -> PathBuf {
    let (mut at, mut rest) = (path.to_owned(), PathBuf::new());
    loop {
        let here = if at.as_os_str().is_empty() { Path::new(".") } else { at.as_path() };
        if let Ok(found) = here.canonicalize() {
            return if rest.as_os_str().is_empty() { found } else { found.join(rest) };
        }
        let Some(name) = at.file_name().map(PathBuf::from) else { return path.to_owned() };
        rest = if rest.as_os_str().is_empty() { name } else { name.join(rest) };
        if !at.pop() {
            return path.to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::makedev;

    #[test]
    fn all_names_of_one_drive_are_one_and_those_of_others_are_not() {
        let st0 = drive(makedev(9, 0));
        // st0l, st0m, st0a, nst0, nst0a.
        assert!([32, 64, 96, 128, 224].into_iter().all(|minor| drive(makedev(9, minor)) == st0));
        assert!([1, 31, 129, 256].into_iter().all(|minor| drive(makedev(9, minor)) != st0));
        assert!(drive(makedev(8, 0)) != drive(makedev(8, 128)));
    }

    #[test]
    fn what_has_another_name_is_the_same_place() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("source")).unwrap();
        std::fs::write(at("source/tape"), "volume").unwrap();
        std::fs::hard_link(at("source/tape"), at("other")).unwrap();
        std::os::unix::fs::symlink(at("source"), at("link")).unwrap();
        std::fs::write(at("far"), "volume").unwrap();
        let refused = |to: &str, from: &str| apart(&DevicePath::Tape(at(to)), &[DevicePath::Tape(at(from))]).is_err();
        for (to, from) in [("other", "source/tape"), ("other", "source"), ("link/new", "source"), ("link", "source")] {
            assert!(refused(to, from), "{to} from {from}");
        }
        assert!(!refused("far", "source") && !refused("new", "source/tape") && !refused("far", "other"));
    }
}
