//! Records: the framed items in the payload of every block. A frame gives kind, version and length, so that a record can
//! grow at its end: trailing bytes of a known kind are ignored, records of an unknown kind are skipped.

use super::codec;
use super::error::{FormatError, FormatErrorKind};
use crate::base::cursor::Cursor;
use crate::base::limits::RECORD_BYTES_MAX;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of a record's frame: kind, version, length.
pub const FRAME_LEN: usize = 8;

/// A struct that is stored as a record. The kind is frozen.
pub trait Record: Serialize + DeserializeOwned {
    /// Kind id.
    const KIND: u16;
    /// Version of the body that this build writes. Later versions only add at the end.
    const VERSION: u16;
    /// Name in the specification.
    const NAME: &'static str;

    /// Checks everything that the types do not: caps, ranges, how fields relate.
    ///
    /// # Errors
    /// The field, what was found, what is allowed.
    fn validate(&self) -> Result<(), FormatErrorKind>;
}

/// A record as framed, its body not yet decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawRecord<'a> {
    /// Kind id.
    pub kind: u16,
    /// Version of the body.
    pub version: u16,
    /// The body.
    pub body: &'a [u8],
    /// Where the frame starts, from 0 in the payload.
    pub offset: usize,
}

impl RawRecord<'_> {
    /// The body as a record of type `R`, checked.
    ///
    /// # Errors
    /// Another kind, a body that cannot be decoded, a value that is not allowed.
    pub fn decode<R: Record>(&self) -> Result<R, FormatError> {
        let fail = |kind| FormatError::new(kind, self.offset);
        if self.kind != R::KIND {
            let kind = FormatErrorKind::Record {
                record: R::NAME,
                reason: format!("record kind {} found, {} expected", self.kind, R::KIND),
            };
            return Err(fail(kind));
        }
        if self.version == 0 {
            return Err(fail(FormatErrorKind::Field { field: "record version", found: 0, allowed: "1 or more" }));
        }
        let (record, _) = codec::decode::<R>(self.body)
            .map_err(|reason| fail(FormatErrorKind::Record { record: R::NAME, reason }))?;
        record.validate().map_err(fail)?;
        Ok(record)
    }
}

/// Adds a record to a payload.
///
/// # Errors
/// The record does not pass its own checks, or is larger than [`RECORD_BYTES_MAX`].
pub fn push_record<R: Record>(payload: &mut Vec<u8>, record: &R) -> Result<(), FormatError> {
    let fail = |kind| FormatError::new(kind, payload.len());
    record.validate().map_err(fail)?;
    let body = codec::encode(record).map_err(|reason| fail(FormatErrorKind::Record { record: R::NAME, reason }))?;
    let len = u32::try_from(body.len()).ok().filter(|len| *len <= RECORD_BYTES_MAX).ok_or_else(|| {
        let (found, limit) = (body.len() as u64, u64::from(RECORD_BYTES_MAX));
        fail(FormatErrorKind::Limit { field: R::NAME, found, limit })
    })?;
    payload.extend_from_slice(&R::KIND.to_le_bytes());
    payload.extend_from_slice(&R::VERSION.to_le_bytes());
    payload.extend_from_slice(&len.to_le_bytes());
    payload.extend_from_slice(&body);
    Ok(())
}

/// The payload of a block that holds one record.
///
/// # Errors
/// As [`push_record`].
pub fn encode_record<R: Record>(record: &R) -> Result<Vec<u8>, FormatError> {
    let mut payload = Vec::new();
    push_record(&mut payload, record)?;
    Ok(payload)
}

/// The next record of a payload; the cursor stands behind it afterwards.
///
/// # Errors
/// The frame is cut short or its length exceeds the cap.
pub fn next_record<'a>(cursor: &mut Cursor<'a>) -> Result<RawRecord<'a>, FormatError> {
    let offset = cursor.position();
    let kind = cursor.u16()?;
    let version = cursor.u16()?;
    let len = cursor.u32()?;
    if len > RECORD_BYTES_MAX {
        let (found, limit) = (u64::from(len), u64::from(RECORD_BYTES_MAX));
        return Err(FormatError::new(FormatErrorKind::Limit { field: "record length", found, limit }, offset));
    }
    let body = cursor.bytes(len as usize)?;
    Ok(RawRecord { kind, version, body, offset })
}

/// All records of a payload. The payload must hold whole records and nothing else.
///
/// # Errors
/// As [`next_record`].
pub fn read_records(payload: &[u8]) -> Result<Vec<RawRecord<'_>>, FormatError> {
    let mut cursor = Cursor::new(payload);
    let mut records = Vec::new();
    while cursor.left() > 0 {
        records.push(next_record(&mut cursor)?);
    }
    Ok(records)
}

/// The one record of type `R` in a payload; records of unknown kinds beside it are skipped.
///
/// # Errors
/// As [`next_record`] and [`RawRecord::decode`]; no such record, or two.
pub fn decode_record<R: Record>(payload: &[u8]) -> Result<R, FormatError> {
    let records = read_records(payload)?;
    let mut found = records.iter().filter(|record| record.kind == R::KIND);
    match (found.next(), found.next()) {
        (Some(record), None) => record.decode(),
        (None, _) => {
            let kind = FormatErrorKind::Record { record: R::NAME, reason: "no such record in this block".into() };
            Err(FormatError::new(kind, 0))
        }
        (Some(_), Some(second)) => {
            let kind = FormatErrorKind::Record { record: R::NAME, reason: "more than one in this block".into() };
            Err(FormatError::new(kind, second.offset))
        }
    }
}

/// A record inside another one, with its length before its body: it can grow at its end as it can on its own.
pub(super) mod embedded {
    use super::{Record, codec};
    use serde::de::{Deserialize, Deserializer, Error as _};
    use serde::ser::{Error as _, Serializer};

    pub(in crate::format) fn serialize<R: Record, S: Serializer>(record: &R, serializer: S) -> Result<S::Ok, S::Error> {
        let body = codec::encode(record).map_err(S::Error::custom)?;
        serializer.serialize_newtype_struct(R::NAME, &body)
    }

    pub(in crate::format) fn deserialize<'de, R: Record, D: Deserializer<'de>>(deserializer: D) -> Result<R, D::Error> {
        let body = Vec::<u8>::deserialize(deserializer)?;
        codec::decode(&body).map(|(record, _)| record).map_err(D::Error::custom)
    }
}

/// Sixteen bytes read as one number instead of one by one: the same bytes, in a tenth of the time. Lists of digests are
/// most of what a listing decodes.
pub(super) fn sixteen<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<[u8; 16], D::Error> {
    <u128 as serde::Deserialize>::deserialize(deserializer).map(u128::to_le_bytes)
}

/// Checks a count or length against its cap.
pub(super) fn at_most(field: &'static str, found: u64, limit: u64) -> Result<(), FormatErrorKind> {
    if found > limit { Err(FormatErrorKind::Limit { field, found, limit }) } else { Ok(()) }
}
