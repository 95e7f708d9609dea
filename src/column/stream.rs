//! The byte stream: some bytes, raw or as one zstd frame, with their length. Keeps zstd's contexts per thread.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::error::{ColumnError, ColumnErrorKind};
use super::id::method;
use crate::base::cursor::Cursor;
use std::borrow::Cow;
use std::cell::RefCell;
use zstd::bulk::{Compressor, Decompressor};

/// Shorter streams are stored raw without a try: a frame has a dozen bytes of its own.
const COMPRESS_MIN: usize = 24;

thread_local! {
    static COMPRESSOR: RefCell<Option<(i32, Compressor<'static>)>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    static FRAME: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Appends a byte stream, compressed if that is shorter. `raw` is shorter than 4 GiB.
pub(super) fn write_stream(raw: &[u8], level: i32, out: &mut Vec<u8>) {
    let framed = raw.len() >= COMPRESS_MIN
        && FRAME.with_borrow_mut(|frame| {
            let compressed = compress(raw, level, frame);
            let shorter = compressed && frame.len().saturating_add(4) < raw.len();
            if shorter {
                out.push(method::ZSTD);
                out.extend_from_slice(&(raw.len() as u32).to_le_bytes());
                out.extend_from_slice(&(frame.len() as u32).to_le_bytes());
                out.extend_from_slice(frame);
            }
            shorter
        });
    if !framed {
        out.push(method::RAW);
        out.extend_from_slice(&(raw.len() as u32).to_le_bytes());
        out.extend_from_slice(raw);
    }
}

/// Fills `frame` with one zstd frame; false if zstd fails, which leaves the raw form.
fn compress(raw: &[u8], level: i32, frame: &mut Vec<u8>) -> bool {
    frame.clear();
    frame.reserve(zstd::zstd_safe::compress_bound(raw.len()));
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.as_ref().is_none_or(|(at, _)| *at != level) {
            *slot = Compressor::new(level).ok().map(|compressor| (level, compressor));
        }
        slot.as_mut().is_some_and(|(_, compressor)| compressor.compress_to_buffer(raw, frame).is_ok())
    })
}

/// Reads a byte stream of at most `raw_max` bytes.
///
/// # Errors
/// The stream is cut short, claims more than `raw_max` bytes, or does not decompress to what it claims.
pub(super) fn read_stream<'a>(cursor: &mut Cursor<'a>, raw_max: usize) -> Result<Cow<'a, [u8]>, ColumnError> {
    let at = cursor.position();
    let method = cursor.u8()?;
    let raw = cursor.u32()? as usize;
    if raw > raw_max {
        let kind = ColumnErrorKind::Limit { field: "raw length", found: raw as u64, limit: raw_max as u64 };
        return Err(ColumnError::new(kind, at));
    }
    match method {
        method::RAW => Ok(Cow::Borrowed(cursor.bytes(raw)?)),
        method::ZSTD => {
            let stored = cursor.u32()? as usize;
            let frame = cursor.bytes(stored)?;
            decompress(frame, raw).map(Cow::Owned).map_err(|kind| ColumnError::new(kind, at))
        }
        other => {
            let kind = ColumnErrorKind::Field { field: "method", found: u64::from(other), allowed: "1 or 2" };
            Err(ColumnError::new(kind, at))
        }
    }
}

/// Reads a byte stream of exactly `raw` bytes.
///
/// # Errors
/// As [`read_stream`], and when the stream is shorter.
pub(super) fn read_stream_exact<'a>(cursor: &mut Cursor<'a>, raw: usize) -> Result<Cow<'a, [u8]>, ColumnError> {
    let at = cursor.position();
    let bytes = read_stream(cursor, raw)?;
    if bytes.len() != raw {
        let kind = ColumnErrorKind::Field {
            field: "raw length",
            found: bytes.len() as u64,
            allowed: "the length that the number of values demands",
        };
        return Err(ColumnError::new(kind, at));
    }
    Ok(bytes)
}

fn decompress(frame: &[u8], raw: usize) -> Result<Vec<u8>, ColumnErrorKind> {
    let failed = |error: std::io::Error| ColumnErrorKind::Compressed(error.to_string());
    let mut out = Vec::with_capacity(raw);
    DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Some(Decompressor::new().map_err(failed)?);
        }
        match slot.as_mut() {
            Some(decompressor) => decompressor.decompress_to_buffer(frame, &mut out).map_err(failed),
            None => Ok(0),
        }
    })?;
    if out.len() != raw {
        return Err(ColumnErrorKind::Compressed(format!("{} bytes instead of {raw}", out.len())));
    }
    Ok(out)
}
