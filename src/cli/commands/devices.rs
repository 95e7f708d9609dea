//! `intervault devices`: the devices of the configuration, the one that backups go to, whether each can be reached, and how
//! much room it has.

use super::open;
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::parse::DevicePath;
use crate::cli::render::text::{bytes, table};
use serde_json::{Value, json};

/// A device of the configuration.
struct Known<'a> {
    name: &'a str,
    device: &'a DevicePath,
    default: bool,
    /// Volumes there, none where that takes long to tell; or why it cannot be reached.
    volumes: Result<Option<u64>, String>,
    free: Option<u64>,
}

/// Runs it.
///
/// # Errors
/// No device is configured. That one cannot be reached is told, with a warning.
pub fn run(config: &Config, output: &Output) -> Result<Exit, Failure> {
    if config.devices.is_empty() {
        let message = match &config.path {
            Some(path) => format!("the configuration {} names no device", path.display()),
            None => "there is no configuration".to_owned(),
        };
        let hint = "see intervault devices --help for what stands in one; --config says where it is";
        return Err(Failure::new(Exit::Nothing, message).hint(hint));
    }
    let known: Vec<Known<'_>> = config.devices.iter().map(|(name, device)| look(config, name, device)).collect();
    let exit = if known.iter().all(|device| device.volumes.is_ok()) { Exit::Done } else { Exit::Warnings };
    if output.json() {
        let path = config.path.as_ref().map(|path| path.display().to_string());
        let body = json!({"config": path, "devices": known.iter().map(one_json).collect::<Vec<_>>()});
        output.object("intervault/devices", exit, &body);
    } else {
        let rows: Vec<Vec<String>> = known.iter().map(line).collect();
        output.line(table(&["name", "", "device", ">volumes", ">free"], &rows).trim_end());
    }
    for device in &known {
        if let Err(reason) = &device.volumes {
            output.warning(&format!("{}: {reason}", device.name));
        }
    }
    Ok(exit)
}

fn look<'a>(config: &'a Config, name: &'a str, device: &'a DevicePath) -> Known<'a> {
    let volumes = match device {
        // To count what is on a tape it would have to be wound: whether the drive is there is enough.
        DevicePath::Tape(path) => match std::fs::metadata(path) {
            Ok(_) => Ok(None),
            Err(error) => Err(Failure::new(Exit::Nothing, format!("cannot look at {}: {error}", path.display()))),
        },
        _ => open::volumes(device).and_then(|opened| Ok(Some(opened.list()?.len() as u64))),
    };
    Known {
        name,
        device,
        default: config.default_device.as_deref() == Some(name),
        free: volumes.as_ref().ok().copied().flatten().and_then(|_| free(device)),
        volumes: volumes.map_err(|failure| failure.message),
    }
}

/// Bytes that this process may still write there.
fn free(device: &DevicePath) -> Option<u64> {
    let found = rustix::fs::statvfs(device.path()?).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

fn line(known: &Known<'_>) -> Vec<String> {
    let volumes = match known.volumes {
        Ok(volumes) => volumes.map_or_else(String::new, |volumes| volumes.to_string()),
        Err(_) => "not reachable".to_owned(),
    };
    let mark = if known.default { "default" } else { "" };
    vec![
        known.name.to_owned(),
        mark.to_owned(),
        known.device.to_string(),
        volumes,
        known.free.map_or_else(String::new, bytes),
    ]
}

fn one_json(known: &Known<'_>) -> Value {
    json!({
        "name": known.name,
        "device": known.device.to_string(),
        "default": known.default,
        "reachable": known.volumes.is_ok(),
        "volumes": known.volumes.as_ref().ok().copied().flatten(),
        "free_bytes": known.free,
        "reason": known.volumes.as_ref().err(),
    })
}
