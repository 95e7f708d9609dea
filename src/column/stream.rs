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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(raw: &[u8], level: i32) -> Vec<u8> {
        let mut out = Vec::new();
        write_stream(raw, level, &mut out);
        let mut cursor = Cursor::new(&out);
        assert_eq!(read_stream_exact(&mut cursor, raw.len()).as_deref(), Ok(raw));
        assert_eq!(cursor.left(), 0);
        out
    }

    /// Bytes that repeat, but not at once.
    fn wordy(count: u32) -> Vec<u8> {
        (0..count).map(|at| (at.wrapping_mul(at) % 251).wrapping_add(at / 7 % 5) as u8 % 16).collect()
    }

    #[test]
    fn a_stream_is_compressed_exactly_where_that_is_shorter() {
        let zeros = written(&[0; 1_000], 3);
        assert!(zeros[0] == method::ZSTD && zeros.len() < 40, "{} bytes", zeros.len());
        let noise = blake3::hash(b"noise");
        assert_eq!(written(noise.as_bytes(), 3), [&[method::RAW, 32, 0, 0, 0], noise.as_bytes().as_slice()].concat());
        // From the length on at which a frame can be shorter than what it holds.
        for count in 0..200 {
            let stream = written(&vec![7; count], 3);
            assert!(stream.len() <= 5 + count, "{count}");
            assert_eq!(stream[0] == method::ZSTD, stream.len() < 5 + count, "{count}");
            assert!(count < 32 || stream[0] == method::ZSTD, "{count}");
        }
        assert_eq!(written(&[], 3), [method::RAW, 0, 0, 0, 0]);
        // Where both take as many bytes, the bytes are left as they are.
        for (fresh, same) in (0..32).flat_map(|fresh| (0..40).map(move |same| (fresh, same))) {
            let stream = [noise.as_bytes().get(..fresh).unwrap(), &vec![7; same]].concat();
            let length = written(&stream, 3);
            assert_eq!(length[0] == method::ZSTD, length.len() < 5 + stream.len(), "{fresh} {same}");
        }
    }

    #[test]
    fn every_stream_gets_the_level_that_it_asks_for() {
        let bytes = wordy(60_000);
        let alone = |level| {
            let bytes = bytes.clone();
            std::thread::spawn(move || written(&bytes, level)).join().unwrap()
        };
        let (fast, small) = (alone(1), alone(19));
        assert_ne!(fast, small, "the levels cannot be told apart");
        for (level, expected) in [(1, &fast), (19, &small), (19, &small), (1, &fast)] {
            assert_eq!(&written(&bytes, level), expected, "level {level} after another");
        }
    }

    #[test]
    fn a_stream_that_is_not_what_it_claims_is_refused() {
        let read = |bytes: &[u8], max| read_stream(&mut Cursor::new(bytes), max).map(|raw| raw.len());
        assert_eq!(read(&[method::RAW, 2, 0, 0, 0, 8, 9], 2), Ok(2));
        let limit = ColumnErrorKind::Limit { field: "raw length", found: 2, limit: 1 };
        assert_eq!(read(&[method::RAW, 2, 0, 0, 0, 8, 9], 1).unwrap_err().kind, limit);
        for other in [0, 3, 255] {
            let error = read(&[other, 0, 0, 0, 0], 9).unwrap_err().to_string();
            assert!(error.starts_with(&format!("method is {other}, allowed: 1 or 2")), "{error}");
        }
        let good = written(&[7; 100], 3);
        let sized = |raw: u32| {
            let mut bytes = good.clone();
            bytes[1..5].copy_from_slice(&raw.to_le_bytes());
            read(&bytes, 1_000).map_err(|error| error.kind)
        };
        assert_eq!(sized(100), Ok(100));
        for raw in [0, 99, 101, 1_000] {
            assert!(matches!(sized(raw), Err(ColumnErrorKind::Compressed(_))), "{raw}");
        }
        let exact = read_stream_exact(&mut Cursor::new(&good), 101).unwrap_err().kind;
        assert!(matches!(exact, ColumnErrorKind::Field { field: "raw length", found: 100, .. }), "{exact}");
    }
}
