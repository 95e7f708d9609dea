//! A volume, field by field: the tables of the format's layout walked along the bytes. Gives the hexadecimal blocks of the
//! last chapter of the specification, so that their notes are held against the layout as their bytes are against the writer.

use intervault::column::id::ENCODINGS;
use intervault::format::block::{BlockHeader, HEADER_LEN};
use intervault::format::chunk::ChunkRecord;
use intervault::format::layout::block::FIELDS;
use intervault::format::layout::records::{STRUCTS, StructLayout};
use intervault::format::record::{FRAME_LEN, decode_record};
use std::fmt::Write as _;

/// Bytes of a line.
const WIDTH: usize = 16;
/// Column at which the notes begin.
const NOTES: usize = 54;

/// Lines of `OFFSET: BYTES # MEANING`, written from the start of a block on.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    out: String,
}

impl<'a> Lines<'a> {
    fn peek(&self, count: usize) -> &'a [u8] {
        &self.bytes[self.at..self.at + count]
    }

    fn number(&self, width: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(self.peek(width));
        u64::from_le_bytes(bytes)
    }

    /// The next `count` bytes with a note, on as many lines as they need.
    fn put(&mut self, count: usize, note: &str) {
        let mut note = note;
        for line in self.peek(count).chunks(WIDTH) {
            let bytes: Vec<String> = line.iter().map(|byte| format!("{byte:02X}")).collect();
            let data = format!("{:03X}: {}", self.at, bytes.join(" "));
            let noted = if note.is_empty() { data } else { format!("{data:NOTES$}# {note}") };
            writeln!(self.out, "{noted}").unwrap();
            self.at += line.len();
            note = "";
        }
    }

    /// The header of the block.
    fn header(&mut self, header: &BlockHeader) {
        for field in FIELDS {
            let note = match field.name {
                "kind" => format!("kind {}, {}", header.kind.id(), header.kind.name()),
                name
                @ ("format_version" | "header_len" | "volume" | "section" | "block" | "payload_len" | "key_id") => {
                    format!("{name} {}", self.number(field.width))
                }
                name => name.to_owned(),
            };
            self.put(field.width, &note);
        }
    }

    /// One record with its frame.
    fn record(&mut self) {
        let (kind, version, length) = (self.number(2), self.peek(4)[2], self.peek(FRAME_LEN)[4..].to_vec());
        let layout = STRUCTS.iter().find(|layout| layout.record == Some((kind as u16, u16::from(version)))).unwrap();
        self.put(2, &format!("kind {kind}, {}", layout.name));
        self.put(2, &format!("version {version}"));
        let length = u32::from_le_bytes(length.try_into().unwrap());
        self.put(4, &format!("length {length}"));
        let stop = self.at + length as usize;
        self.fields(layout, 1);
        assert_eq!(self.at, stop, "{}", layout.name);
    }

    fn fields(&mut self, layout: &StructLayout, depth: usize) {
        layout.fields.iter().for_each(|(name, kind)| self.value(name, kind, depth));
    }

    /// A value of a type in the notation of chapter 2.
    fn value(&mut self, name: &str, kind: &str, depth: usize) {
        let indent = "  ".repeat(depth);
        let width = |bits: &str| bits.parse::<usize>().unwrap() / 8;
        if let Some(bits) = kind.strip_prefix('u') {
            let note =
                format!("{indent}{name} {}{}", self.number(width(bits)), meaning(name, self.number(width(bits))));
            self.put(width(bits), &note);
        } else if let Some(bits) = kind.strip_prefix('i') {
            let shift = 64 - 8 * width(bits) as u32;
            let number = ((self.number(width(bits)) << shift) as i64) >> shift;
            self.put(width(bits), &format!("{indent}{name} {number}"));
        } else if kind == "bool" {
            self.put(1, &format!("{indent}{name} {}", self.number(1) == 1));
        } else if let Some(count) = kind.strip_prefix("bytes ") {
            self.put(count.parse().unwrap(), &format!("{indent}{name}"));
        } else if kind == "text" {
            let length = self.number(8) as usize;
            self.put(8, &format!("{indent}{name}: {length} bytes"));
            if length > 0 {
                let text = String::from_utf8(self.peek(length).to_vec()).unwrap();
                self.put(length, &format!("{indent}  \"{text}\""));
            }
        } else if let Some(inner) = kind.strip_prefix("list of ") {
            let count = self.number(8);
            self.put(8, &format!("{indent}{name}: {count} {}", if count == 1 { "entry" } else { "entries" }));
            (0..count).for_each(|number| self.value(&format!("{name} {number}"), inner, depth + 1));
        } else if let Some(inner) = kind.strip_prefix("option of ") {
            let given = self.number(1) == 1;
            self.put(1, &format!("{indent}{name}: {}", if given { "given" } else { "not given" }));
            if given {
                self.value(name, inner, depth + 1);
            }
        } else if let Some(record) = kind.strip_prefix("embedded ") {
            let length = self.number(8) as usize;
            self.put(8, &format!("{indent}{name}: {length} bytes"));
            let stop = self.at + length;
            self.fields(layout(record), depth + 1);
            assert_eq!(self.at, stop, "{record}");
        } else {
            writeln!(self.out, "{:NOTES$}# {indent}{name}:", format!("{:03X}:", self.at)).unwrap();
            self.fields(layout(kind), depth + 1);
        }
    }
}

fn layout(name: &str) -> &'static StructLayout {
    STRUCTS.iter().find(|layout| layout.name == name).unwrap_or_else(|| panic!("no struct {name}"))
}

/// What some numbers stand for.
fn meaning(name: &str, number: u64) -> String {
    let encoding = || ENCODINGS.iter().find(|(id, _)| u64::from(*id) == number).map(|(_, name)| *name);
    match name {
        "encoding" => format!(", {}", encoding().unwrap_or("unknown")),
        _ => String::new(),
    }
}

/// A block of a volume as lines; `columns` are notes on the parts of each column's bytes: length and note.
pub fn block(bytes: &[u8], columns: &[&[(usize, &str)]]) -> String {
    let header = BlockHeader::parse(bytes).unwrap();
    let mut lines = Lines { bytes, at: 0, out: String::new() };
    lines.header(&header);
    let stop = HEADER_LEN + header.payload_len as usize;
    if columns.is_empty() {
        while lines.at < stop {
            lines.record();
        }
    } else {
        lines.record();
        let directory = decode_record::<ChunkRecord>(&bytes[HEADER_LEN..lines.at]).unwrap();
        for ((number, entry), parts) in (0..).zip(&directory.columns).zip(columns) {
            let total: usize = parts.iter().map(|(length, _)| length).sum();
            let stored = &bytes[lines.at..stop];
            assert_eq!(total, entry.stored as usize, "column {number}: notes for all of its bytes: {stored:02X?}");
            for (length, note) in *parts {
                lines.put(*length, &format!("column {number}: {note}"));
            }
        }
        assert_eq!(lines.at, stop, "every column has its notes");
    }
    if bytes.len() > stop {
        lines.put(bytes.len() - stop, "padding");
    }
    lines.out
}
