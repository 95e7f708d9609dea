//! Bytes taken apart by the tables of `format/layout.rs`, field by field, as far as they go. What does not fit is marked and
//! walked past; nothing is refused. Every byte is told of exactly once, in order.

use super::meaning::meaning;
use crate::base::cursor::{Cursor, ShortInput};
use crate::format::layout::records::{STRUCTS, StructLayout};
use crate::format::record::FRAME_LEN;

/// Entries of a list that are shown unless all are wanted.
pub const ENTRIES_SHOWN: u64 = 16;

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing of its own: the heading of what follows it, or bytes that are only bytes.
    None,
    /// A number.
    Unsigned(u64),
    /// A number with a sign.
    Signed(i64),
    /// Yes or no.
    Flag(bool),
    /// Text, as it is stored: to be escaped before it is shown.
    Text(String),
}

/// A stretch of bytes and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its first byte, from the start of the block.
    pub at: u64,
    /// Its bytes; none for the heading of a struct.
    pub bytes: &'a [u8],
    /// How deep it lies in others, from 0.
    pub depth: usize,
    /// Name of the field, as in the specification.
    pub name: String,
    /// What it holds.
    pub value: Value,
    /// What that stands for, in words.
    pub meaning: Option<String>,
    /// What is not as the format demands.
    pub fault: Option<String>,
}

/// Takes the parts of a block, one after the other, and says whether it wants more.
pub type Emit<'e> = dyn FnMut(Part<'_>) -> bool + 'e;

/// How the columns of a chunk are stored, as its directory says, whatever it says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) encoding: u16,
    pub(super) bytes: u32,
    pub(super) decoded: u32,
}

/// Why the fields of a record are followed no further.
enum Cut {
    /// The record ends before the field does.
    Short(ShortInput),
    /// A value after which nobody can tell what follows.
    Lost,
    /// Whoever takes the parts wants no more.
    Stopped,
}

impl From<ShortInput> for Cut {
    fn from(short: ShortInput) -> Cut {
        Cut::Short(short)
    }
}

/// A walk along the bytes of a block.
pub(super) struct Walk<'a, 'e> {
    bytes: &'a [u8],
    /// Where `bytes` begins in the block.
    base: u64,
    at: usize,
    /// Where the record ends that is walked through.
    stop: usize,
    entries: u64,
    /// Faults met since parts are not shown one by one; `None` while they are.
    hidden: Option<u64>,
    emit: &'e mut Emit<'e>,
    stopped: bool,
    pub(super) stored: Vec<Stored>,
}

impl<'a, 'e> Walk<'a, 'e> {
    /// A walk along `bytes`, which begin `base` bytes after the start of their block; of each list so many entries are shown.
    pub(super) fn new(bytes: &'a [u8], base: u64, entries: u64, emit: &'e mut Emit<'e>) -> Walk<'a, 'e> {
        let stop = bytes.len();
        Walk { bytes, base, at: 0, stop, entries, hidden: None, emit, stopped: false, stored: Vec::new() }
    }

    /// Bytes not yet told of.
    pub(super) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// Whether no more parts are wanted.
    pub(super) const fn stopped(&self) -> bool {
        self.stopped
    }

    /// Tells of the next `count` bytes, or of what is left of them.
    pub(super) fn put(&mut self, count: usize, part: Part<'_>) -> bool {
        let end = self.at.saturating_add(count).min(self.bytes.len());
        let bytes = self.bytes.get(self.at..end).unwrap_or_default();
        let at = self.base.saturating_add(self.at as u64);
        self.at = end;
        if let Some(faults) = &mut self.hidden {
            *faults = faults.saturating_add(u64::from(part.fault.is_some()));
            return true;
        }
        let more = !self.stopped && (self.emit)(Part { at, bytes, ..part });
        self.stopped |= !more;
        more
    }

    fn tell(&mut self, count: usize, part: Part<'_>) -> Result<(), Cut> {
        if self.put(count, part) { Ok(()) } else { Err(Cut::Stopped) }
    }

    /// The bytes of the record from here on.
    fn cursor(&self) -> Cursor<'a> {
        Cursor::new(self.bytes.get(self.at..self.stop).unwrap_or_default())
    }

    /// One record with its frame. Says whether the next one can be looked for.
    pub(super) fn record(&mut self) -> bool {
        self.stop = self.bytes.len();
        let mut frame = self.cursor();
        let (Ok(kind), Ok(version), Ok(length)) = (frame.u16(), frame.u16(), frame.u32()) else {
            let fault = format!("a record begins with {FRAME_LEN} bytes");
            self.put(self.left(), Part { fault: Some(fault), ..part("bytes", 0) });
            return false;
        };
        let of_kind = |layout: &&StructLayout| layout.record.is_some_and(|(known, _)| known == kind);
        let layout = STRUCTS.iter().find(of_kind);
        let named =
            layout.map_or_else(|| "of a kind that is not known here".to_owned(), |layout| layout.name.to_owned());
        self.number("record kind", 0, 2, u64::from(kind), Some(named), None);
        let known = layout.and_then(|layout| layout.record).map_or(1, |(_, version)| version);
        let later = (version > known).then(|| "a later version, longer at its end".to_owned());
        let never = (version == 0).then(|| "allowed: 1 or more".to_owned());
        self.number("record version", 0, 2, u64::from(version), later, never);
        let left = self.left().saturating_sub(4);
        let beyond = (length as usize).checked_sub(left).filter(|beyond| *beyond > 0);
        let fault = beyond.map(|beyond| format!("{beyond} bytes more than the payload has"));
        self.number("record length", 0, 4, u64::from(length), None, fault);
        if self.stopped {
            return false;
        }
        self.stop = self.at.saturating_add(length as usize).min(self.bytes.len());
        let cut = match layout {
            Some(layout) => self.fields(layout, 1).err(),
            None => None,
        };
        self.rest_of_record(layout.is_some(), version > known, cut)
    }

    /// What of a record its fields did not take.
    fn rest_of_record(&mut self, known: bool, later: bool, cut: Option<Cut>) -> bool {
        // What was not shown one by one when the record broke off is shown as its bytes.
        self.hidden = None;
        let rest = self.stop.saturating_sub(self.at);
        let fault = match cut {
            Some(Cut::Stopped) => return false,
            Some(Cut::Short(short)) => {
                Some(format!("{} bytes wanted, {} left in the record", short.wanted, short.left))
            }
            Some(Cut::Lost) => Some("what follows in this record cannot be told".to_owned()),
            None if rest > 0 && known && !later => Some("more bytes than the record has fields".to_owned()),
            None => None,
        };
        if rest > 0 || fault.is_some() {
            self.put(rest, Part { fault, ..part("further bytes", 1) });
        }
        !self.stopped
    }

    fn number(
        &mut self,
        name: &str,
        depth: usize,
        width: usize,
        value: u64,
        words: Option<String>,
        fault: Option<String>,
    ) {
        self.put(width, Part { value: Value::Unsigned(value), meaning: words, fault, ..part(name, depth) });
    }

    fn fields(&mut self, layout: &StructLayout, depth: usize) -> Result<(), Cut> {
        layout.fields.iter().try_for_each(|(name, kind)| self.value((layout.name, name), name, kind, depth))
    }

    /// A value of a type in the notation of the specification; `field` says of which struct it is which field.
    fn value(&mut self, field: (&str, &str), shown: &str, kind: &str, depth: usize) -> Result<(), Cut> {
        if let Some(width) = width_of(kind) {
            return self.leaf(field, shown, kind, width, depth);
        }
        if kind == "text" {
            return self.text(shown, depth);
        }
        if let Some(inner) = kind.strip_prefix("list of ") {
            return self.list(field, inner, depth);
        }
        if let Some(inner) = kind.strip_prefix("option of ") {
            let given = self.cursor().u8()?;
            let fault = (given > 1).then(|| "allowed: 0 or 1".to_owned());
            let words = if given == 0 { "not given" } else { "given" };
            let value = Value::Unsigned(u64::from(given));
            self.tell(1, Part { value, meaning: Some(words.to_owned()), fault, ..part(shown, depth) })?;
            return match given {
                0 => Ok(()),
                1 => self.value(field, shown, inner, depth.saturating_add(1)),
                _ => Err(Cut::Lost),
            };
        }
        if let Some(inner) = kind.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
            self.tell(0, part(shown, depth))?;
            let mut kinds = inner.split(", ");
            return kinds.try_for_each(|kind| self.value(field, field.1, kind, depth.saturating_add(1)));
        }
        let record = kind.strip_prefix("embedded ");
        let Some(layout) = STRUCTS.iter().find(|layout| layout.name == record.unwrap_or(kind)) else {
            return Err(Cut::Lost);
        };
        match record {
            Some(_) => self.embedded(shown, layout, depth),
            None => {
                self.tell(0, part(shown, depth))?;
                self.fields(layout, depth.saturating_add(1))
            }
        }
    }

    /// A value of fixed width.
    fn leaf(&mut self, field: (&str, &str), shown: &str, kind: &str, width: usize, depth: usize) -> Result<(), Cut> {
        let mut cursor = self.cursor();
        let bytes = cursor.bytes(width)?;
        let value = match kind.as_bytes().first() {
            Some(b'u') => Value::Unsigned(unsigned(bytes)),
            Some(b'i') => Value::Signed(signed(bytes)),
            _ if kind == "bool" => Value::Flag(unsigned(bytes) == 1),
            _ => Value::None,
        };
        let fault = (kind == "bool" && unsigned(bytes) > 1).then(|| "allowed: 0 or 1".to_owned());
        if let Value::Unsigned(value) = value {
            self.remember(field, value);
        }
        let meaning = meaning(field, &value);
        self.tell(width, Part { value, meaning, fault, ..part(shown, depth) })
    }

    /// Keeps what the directory of a chunk says of its columns' bytes.
    fn remember(&mut self, (structure, field): (&str, &str), value: u64) {
        if structure != "column bytes entry" {
            return;
        }
        if field == "encoding" {
            self.stored.push(Stored { encoding: value as u16, ..Stored::default() });
        }
        let Some(last) = self.stored.last_mut() else { return };
        match field {
            "stored" => last.bytes = value as u32,
            "decoded" => last.decoded = value as u32,
            _ => {}
        }
    }

    /// The eight bytes of a length that bytes follow, as many of which as are there are those of the value.
    fn length(&mut self, shown: &str, depth: usize) -> Result<usize, Cut> {
        let mut cursor = self.cursor();
        let length = cursor.u64()?;
        let left = cursor.left();
        let wanted = usize::try_from(length).unwrap_or(usize::MAX);
        let fault = (wanted > left).then(|| format!("{left} bytes are left in the record"));
        let words = Some("bytes follow".to_owned());
        let short = fault.is_some();
        self.tell(8, Part { value: Value::Unsigned(length), meaning: words, fault, ..part(shown, depth) })?;
        if short { Err(Cut::Lost) } else { Ok(wanted) }
    }

    fn text(&mut self, shown: &str, depth: usize) -> Result<(), Cut> {
        let length = self.length(shown, depth)?;
        if length == 0 {
            return Ok(());
        }
        let bytes = self.cursor().bytes(length)?;
        let (value, fault) = match std::str::from_utf8(bytes) {
            Ok(text) => (Value::Text(text.to_owned()), None),
            Err(_) => (Value::Text(String::from_utf8_lossy(bytes).into_owned()), Some("not UTF-8".to_owned())),
        };
        self.tell(length, Part { value, fault, ..part(shown, depth.saturating_add(1)) })
    }

    /// A record in a record: a length, then its fields, then what a later version may have added.
    fn embedded(&mut self, shown: &str, layout: &StructLayout, depth: usize) -> Result<(), Cut> {
        let length = self.length(shown, depth)?;
        let (outer, inner) = (self.stop, self.at.saturating_add(length));
        self.stop = inner;
        let done = self.fields(layout, depth.saturating_add(1));
        self.stop = outer;
        done?;
        let rest = inner.saturating_sub(self.at);
        if rest == 0 {
            return Ok(());
        }
        self.tell(rest, part("further bytes", depth.saturating_add(1)))
    }

    fn list(&mut self, field: (&str, &str), inner: &str, depth: usize) -> Result<(), Cut> {
        let count = self.cursor().u64()?;
        let words = Some(if count == 1 { "entry" } else { "entries" }.to_owned());
        self.tell(8, Part { value: Value::Unsigned(count), meaning: words, ..part(field.1, depth) })?;
        let depth = depth.saturating_add(1);
        let shown = count.min(self.entries);
        for number in 0..shown {
            self.value(field, &format!("{} {number}", field.1), inner, depth)?;
        }
        if shown < count && self.hidden.is_none() {
            return self.others(field, inner, depth, (shown, count));
        }
        (shown..count).try_for_each(|number| self.value(field, &number.to_string(), inner, depth))
    }

    /// Entries that are told of together: the bytes that they take, and what is wrong in them.
    fn others(&mut self, field: (&str, &str), inner: &str, depth: usize, (from, to): (u64, u64)) -> Result<(), Cut> {
        let begin = self.at;
        self.hidden = Some(0);
        let done = (from..to).try_for_each(|_| self.value(field, field.1, inner, depth));
        let faults = self.hidden.take().unwrap_or(0);
        let taken = self.at.saturating_sub(begin);
        self.at = begin;
        let fault = (faults > 0).then(|| format!("{faults} of their values are not as the format demands"));
        let last = to.saturating_sub(1);
        let name = if from == last { format!("{} {from}", field.1) } else { format!("{} {from} to {last}", field.1) };
        let meaning = Some("not shown one by one".to_owned());
        self.tell(taken, Part { meaning, fault, ..part(&name, depth) })?;
        done
    }
}

/// A part with a name and nothing else yet.
pub(super) fn part(name: &str, depth: usize) -> Part<'static> {
    Part { at: 0, bytes: &[], depth, name: name.to_owned(), value: Value::None, meaning: None, fault: None }
}

/// Bytes of a type that always has as many.
fn width_of(kind: &str) -> Option<usize> {
    match kind {
        "u8" | "i8" | "bool" => Some(1),
        "u16" | "i16" => Some(2),
        "u32" | "i32" => Some(4),
        "u64" | "i64" => Some(8),
        _ => kind.strip_prefix("bytes ")?.parse().ok(),
    }
}

/// Up to eight bytes as a number, little-endian.
pub(super) fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

fn signed(bytes: &[u8]) -> i64 {
    match *bytes {
        [one] => i64::from(i8::from_le_bytes([one])),
        [one, two] => i64::from(i16::from_le_bytes([one, two])),
        [one, two, three, four] => i64::from(i32::from_le_bytes([one, two, three, four])),
        _ => unsigned(bytes).cast_signed(),
    }
}
