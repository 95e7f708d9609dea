//! Every field of a sound block with its place: the tables of the format's layout walked along the bytes. For whoever wants
//! to lie in each of them.

use crate::base::cursor::{Cursor, ShortInput};
use crate::format::block::HEADER_LEN;
use crate::format::layout::block::{FIELDS, PAYLOAD_LEN};
use crate::format::layout::records::{STRUCTS, StructLayout};
use crate::format::record::FRAME_LEN;

/// What a field is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Of the block's header.
    Header,
    /// Kind, version or length of a record.
    Frame,
    /// A number that means something.
    Number,
    /// How many bytes or entries follow.
    Count,
    /// Whether something is given or true.
    Flag,
    /// Bytes as they are: ids, hashes, digests.
    Bytes,
    /// Characters.
    Text,
    /// Stored bytes of columns.
    Columns,
    /// Zeros behind the payload.
    Padding,
}

/// A field of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldAt {
    /// Record and name: `label.acd`, `header.kind`.
    pub name: String,
    /// First byte in the block.
    pub at: usize,
    /// Bytes.
    pub width: usize,
    /// What it is for.
    pub role: Role,
}

struct Walk<'a> {
    cursor: Cursor<'a>,
    fields: Vec<FieldAt>,
}

/// The fields of a block, in order, every byte in exactly one of them. Of a chunk the stored bytes of all columns are one
/// field.
///
/// # Errors
/// The block ends before its fields do.
pub fn fields(block: &[u8]) -> Result<Vec<FieldAt>, ShortInput> {
    let mut walk = Walk { cursor: Cursor::new(block), fields: Vec::new() };
    for field in FIELDS {
        walk.take(format!("header.{}", field.name), field.width, Role::Header)?;
    }
    let mut length = Cursor::new(block.get(PAYLOAD_LEN..).unwrap_or_default());
    let stop = HEADER_LEN.saturating_add(length.u32()? as usize);
    while walk.cursor.position() < stop {
        if !walk.record()? {
            let columns = stop.saturating_sub(walk.cursor.position());
            walk.take("columns".to_owned(), columns, Role::Columns)?;
        }
    }
    let padding = block.len().saturating_sub(stop);
    walk.take("padding".to_owned(), padding, Role::Padding)?;
    Ok(walk.fields)
}

fn layout(name: &str) -> Option<&'static StructLayout> {
    STRUCTS.iter().find(|layout| layout.name == name)
}

impl Walk<'_> {
    fn take(&mut self, name: String, width: usize, role: Role) -> Result<u64, ShortInput> {
        let at = self.cursor.position();
        let bytes = self.cursor.bytes(width)?;
        if width > 0 {
            self.fields.push(FieldAt { name, at, width, role });
        }
        Ok(bytes.iter().take(8).rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// One record with its frame; `false` where the bytes are no record but those of columns.
    fn record(&mut self) -> Result<bool, ShortInput> {
        let columns = self.fields.iter().any(|field| field.name.starts_with("chunk directory."));
        if columns || self.cursor.left() < FRAME_LEN {
            return Ok(false);
        }
        let at = self.fields.len();
        let kind = self.take(String::new(), 2, Role::Frame)?;
        self.take(String::new(), 2, Role::Frame)?;
        self.take(String::new(), 4, Role::Frame)?;
        let found = STRUCTS.iter().find(|layout| layout.record.is_some_and(|record| u64::from(record.0) == kind));
        let Some(layout) = found else { return Ok(false) };
        for (field, name) in self.fields.iter_mut().skip(at).zip(["kind", "version", "length"]) {
            field.name = format!("{}.(frame) {name}", layout.name);
        }
        self.all(layout.name, layout)?;
        Ok(true)
    }

    fn all(&mut self, name: &str, layout: &StructLayout) -> Result<(), ShortInput> {
        layout.fields.iter().try_for_each(|(field, kind)| self.value(format!("{name}.{field}"), kind))
    }

    /// A value of a type in the notation of the specification.
    fn value(&mut self, name: String, kind: &str) -> Result<(), ShortInput> {
        let width = |bits: &str| bits.parse::<usize>().unwrap_or(0) / 8;
        if let Some(bits) = kind.strip_prefix('u').or_else(|| kind.strip_prefix('i')).filter(|bits| width(bits) > 0) {
            self.take(name, width(bits), Role::Number)?;
        } else if kind == "bool" {
            self.take(name, 1, Role::Flag)?;
        } else if let Some(count) = kind.strip_prefix("bytes ") {
            self.take(name, count.parse().unwrap_or(0), Role::Bytes)?;
        } else if kind == "text" {
            let length = self.take(format!("{name} (length)"), 8, Role::Count)?;
            self.take(name, length as usize, Role::Text)?;
        } else if let Some(inner) = kind.strip_prefix("list of ") {
            let count = self.take(format!("{name} (count)"), 8, Role::Count)?;
            for _ in 0..count {
                self.value(name.clone(), inner)?;
            }
        } else if let Some(inner) = kind.strip_prefix("option of ") {
            if self.take(format!("{name} (given)"), 1, Role::Flag)? == 1 {
                self.value(name, inner)?;
            }
        } else if let Some(inner) = kind.strip_prefix('(').and_then(|pair| pair.strip_suffix(')')) {
            inner.split(", ").try_for_each(|part| self.value(name.clone(), part))?;
        } else if let Some(record) = kind.strip_prefix("embedded ") {
            self.take(format!("{name} (length)"), 8, Role::Count)?;
            layout(record).map_or(Ok(()), |layout| self.all(&name, layout))?;
        } else if let Some(layout) = layout(kind) {
            self.all(&name, layout)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::damage::places;
    use crate::testing::fixtures::small;
    use std::collections::BTreeSet;

    #[test]
    fn every_byte_of_every_block_is_in_one_field() {
        let (_, volume) = small(None).volumes.remove(0);
        let mut seen = BTreeSet::new();
        for place in places(&volume) {
            let fields = fields(&volume[place.at..place.end()]).unwrap();
            let mut next = 0;
            for field in &fields {
                assert_eq!(field.at, next, "{field:?}");
                next += field.width;
            }
            assert_eq!(next, place.len, "{:?}", place.header);
            seen.extend(fields.into_iter().map(|field| (field.role, field.name)));
        }
        let records: BTreeSet<&str> = seen.iter().filter_map(|(_, name)| name.split('.').next()).collect();
        for layout in STRUCTS.iter().filter(|layout| layout.record.is_some()) {
            assert!(records.contains(layout.name), "the fixture has no {}", layout.name);
        }
        assert!(seen.len() > 150, "{} fields have names", seen.len());
    }
}
