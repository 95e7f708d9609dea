//! Rows of a COPY in text format: fields between tabs, `\N` for null, a backslash before what would be taken for either.
//!
//! A row is cut into values, which are handed on one by one: no list of them is made.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::declared::Form;
use super::keys::Tid;
use crate::column::batch::Value;

/// What leads a row and makes its key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lead<'a> {
    /// Nothing: the row has no key.
    None,
    /// The place of the row in this leaf.
    Place(u16),
    /// The number of a leaf's table, one of these, which ascend, and the place of the row in that leaf.
    Leaf(&'a [u32]),
}

impl Lead<'_> {
    /// Takes the key from the front of a row, 0 where rows have none, and gives what is behind it: nothing where the row ends.
    pub(super) fn key(self, row: &[u8]) -> Result<(i64, Option<&[u8]>), Odd> {
        let odd = |what| Odd { field: 0, what };
        let (leaf, rest) = match self {
            Lead::None => return Ok((0, Some(row))),
            Lead::Place(leaf) => (leaf, Some(row)),
            Lead::Leaf(leaves) => {
                let (oid, rest) = field(row);
                let oid = std::str::from_utf8(oid).ok().and_then(|text| text.parse().ok());
                let leaf = oid.and_then(|oid: u32| leaves.binary_search(&oid).ok());
                let leaf = leaf.and_then(|leaf| u16::try_from(leaf).ok());
                (leaf.ok_or(odd("the row is in a partition that was not there before"))?, rest)
            }
        };
        let (place, rest) = rest.map_or((&[][..], None), field);
        let tid = Tid::parse(place).ok_or(odd("the place of the row cannot be read"))?;
        Ok((tid.key(leaf), rest))
    }

    /// Fields that the key is made of.
    const fn fields(self) -> usize {
        match self {
            Lead::None => 0,
            Lead::Place(_) => 1,
            Lead::Leaf(_) => 2,
        }
    }
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Odd {
    /// The field, from 0.
    pub(super) field: usize,
    /// In words.
    pub(super) what: &'static str,
}

/// Cuts rows into values.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    /// A value that is not in the row as it is: what was left when backslashes were taken out, what was written as digits.
    beside: Vec<u8>,
}

impl Cutter {
    /// Cuts what is behind the key of a row (see [`Lead::key`]) into a value for each form.
    #[inline]
    pub(super) fn cut(
        &mut self,
        mut rest: Option<&[u8]>,
        lead: Lead<'_>,
        forms: &[Form],
        mut take: impl FnMut(Value<'_>),
    ) -> Result<(), Odd> {
        for (index, form) in forms.iter().enumerate() {
            let odd = |what| Odd { field: index.saturating_add(lead.fields()), what };
            let Some(text) = rest else { return Err(odd("the row has too few fields")) };
            if *form == Form::Integer
                && let Some((number, after)) = integer(text)
            {
                take(Value::Integer(number));
                rest = after;
                continue;
            }
            let (text, after) = field(text);
            take(if text == b"\\N" { Value::Null } else { self.value(text, *form).map_err(odd)? });
            rest = after;
        }
        // A row without fields is empty.
        match rest {
            Some(more) if !forms.is_empty() || !more.is_empty() => {
                Err(Odd { field: forms.len().saturating_add(lead.fields()), what: "the row has too many fields" })
            }
            _ => Ok(()),
        }
    }

    fn value<'v>(&'v mut self, text: &'v [u8], form: Form) -> Result<Value<'v>, &'static str> {
        let words = || std::str::from_utf8(text).map_err(|_| "a number is not written in ASCII");
        self.beside.clear();
        Ok(match form {
            Form::Integer => Value::Integer(words()?.parse().map_err(|_| "a whole number cannot be read")?),
            Form::Real { wide: true } => Value::Real(real(words()?).ok_or("a real number cannot be read")?),
            Form::Real { wide: false } => {
                let narrow: f32 = words()?.parse().map_err(|_| "a real number cannot be read")?;
                Value::Real(if narrow.is_nan() { f64::NAN } else { f64::from(narrow) })
            }
            Form::Boolean => match text {
                b"t" => Value::Integer(1),
                b"f" => Value::Integer(0),
                _ => return Err("neither true nor false"),
            },
            Form::Text if memchr::memchr(b'\\', text).is_none() => Value::Text(text),
            Form::Text => {
                unescape(text, &mut self.beside).ok_or("a backslash stands alone")?;
                Value::Text(&self.beside)
            }
            Form::Blob => {
                let digits = text.strip_prefix(b"\\\\x").ok_or("bytes are not written as hexadecimal digits")?;
                unhex(digits, &mut self.beside).ok_or("bytes are not written as hexadecimal digits")?;
                Value::Blob(&self.beside)
            }
        })
    }
}

/// What comes of a COPY, cut into rows.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a row whose end comes with the next bytes.
    begun: Vec<u8>,
}

impl Lines {
    /// Takes the next bytes; `take` gets each row that is whole, without its line feed. Its first error ends it.
    #[inline]
    pub(super) fn take<E>(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (row, after) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
            if self.begun.is_empty() {
                take(row)?;
            } else {
                self.begun.extend_from_slice(row);
                take(&self.begun)?;
                self.begun.clear();
            }
            bytes = after.get(1..).unwrap_or_default();
        }
        self.begun.extend_from_slice(bytes);
        Ok(())
    }
}

/// The field at the front, and what is behind the tab after it: nothing where the row ends.
fn field(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'\t', text).and_then(|end| text.split_at_checked(end)) {
        Some((field, after)) => (field, after.get(1..)),
        None => (text, None),
    }
}

/// The whole number of up to 18 digits at the front, and what is behind its field as [`field`] gives it; `None` for anything
/// else.
#[inline]
fn integer(text: &[u8]) -> Option<(i64, Option<&[u8]>)> {
    if let Some((number, length)) = text.first_chunk().and_then(|bytes| short_integer(u64::from_le_bytes(*bytes))) {
        return Some((number, text.get(length.wrapping_add(1)..)));
    }
    long_integer(text)
}

/// The number of up to 7 digits that stands before a tab in eight bytes, and how many digits that is. As many steps for each
/// number: how long the next one is nobody can guess.
#[inline]
fn short_integer(word: u64) -> Option<(i64, usize)> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * EACH;
    const TABS: u64 = b'\t' as u64 * EACH;
    const ZEROS: u64 = b'0' as u64 * EACH;
    // The lowest byte that is a tab has its high bit set here, those below it have not.
    let tabs = word ^ TABS;
    let found = tabs.wrapping_sub(EACH) & !tabs & HIGH;
    let digits = found.trailing_zeros() >> 3;
    if !(1..=7).contains(&digits) {
        return None;
    }
    // The digits at the top, zeros below: as the number would stand in eight digits.
    let up = 64u32.wrapping_sub(digits << 3);
    let eight = (word << up).wrapping_sub(ZEROS << up);
    if (eight | eight.wrapping_add(0x76 * EACH)) & HIGH != 0 {
        return None;
    }
    // Two digits beside each other, then four, then eight; the first digit is the lowest byte.
    let pairs = eight.wrapping_mul(10).wrapping_add(eight >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_FFFF_0000_FFFF;
    let whole = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xFFFF_FFFF;
    Some((whole as i64, digits as usize))
}

fn long_integer(text: &[u8]) -> Option<(i64, Option<&[u8]>)> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let (mut number, mut rest) = (0i64, digits);
    let after = loop {
        match rest {
            [digit @ b'0'..=b'9', more @ ..] => {
                number = number.wrapping_mul(10).wrapping_add(i64::from(digit.wrapping_sub(b'0')));
                rest = more;
            }
            [b'\t', more @ ..] => break Some(more),
            [] => break None,
            _ => return None,
        }
    };
    let count = digits.len().wrapping_sub(rest.len());
    ((1..=18).contains(&count)).then(|| (if negative { number.wrapping_neg() } else { number }, after))
}

fn real(text: &str) -> Option<f64> {
    let real: f64 = text.parse().ok()?;
    // One NaN, whatever this machine makes of the word.
    Some(if real.is_nan() { f64::NAN } else { real })
}

fn unescape(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next()? {
                b'b' => 0x08,
                b'f' => 0x0C,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 0x0B,
                other => *other,
            },
            other => *other,
        });
    }
    Some(())
}

fn unhex(digits: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    };
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    for pair in pairs {
        let [high, low] = *pair else { return None };
        out.push((value(high)? << 4) | value(low)?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::batch::OwnedValue;

    fn cut(row: &[u8], lead: Lead<'_>, forms: &[Form]) -> Result<Vec<OwnedValue>, Odd> {
        let (key, rest) = lead.key(row)?;
        let mut values = if lead.fields() > 0 { vec![OwnedValue::Integer(key)] } else { Vec::new() };
        Cutter::default().cut(rest, lead, forms, |value| values.push(value.into()))?;
        Ok(values)
    }

    const WIDE: Form = Form::Real { wide: true };

    #[test]
    fn each_form_is_read() {
        use OwnedValue::{Blob, Integer, Null, Real, Text};
        let row =
            b"(3,9)\t-7\t\\N\t9223372036854775807\t-9223372036854775808\t0.1\tt\tf\tplain\ta\\tb\\\\c\\n\t\\\\x00ff\t";
        let forms = [
            Form::Integer,
            Form::Integer,
            Form::Integer,
            Form::Integer,
            WIDE,
            Form::Boolean,
            Form::Boolean,
            Form::Text,
            Form::Text,
            Form::Blob,
            Form::Text,
        ];
        let expected = [
            Integer(Tid { block: 3, offset: 9 }.key(2)),
            Integer(-7),
            Null,
            Integer(i64::MAX),
            Integer(i64::MIN),
            Real(0.1),
            Integer(1),
            Integer(0),
            Text(b"plain".to_vec()),
            Text(b"a\tb\\c\n".to_vec()),
            Blob(vec![0, 0xFF]),
            Text(Vec::new()),
        ];
        assert_eq!(cut(row, Lead::Place(2), &forms), Ok(expected.to_vec()));
        assert_eq!(cut(b"0.1", Lead::None, &[Form::Real { wide: false }]), Ok(vec![Real(f64::from(0.1f32))]));
        assert_eq!(cut(b"-Infinity", Lead::None, &[WIDE]), Ok(vec![Real(f64::NEG_INFINITY)]));
        assert!(
            matches!(cut(b"NaN", Lead::None, &[WIDE]).unwrap()[..], [Real(v)] if v.to_bits() == f64::NAN.to_bits())
        );
        assert_eq!(cut(b"", Lead::None, &[]), Ok(vec![]));
        assert_eq!(cut(b"", Lead::None, &[Form::Text]), Ok(vec![Text(Vec::new())]));
        assert_eq!(cut(b"\\N\t\\N", Lead::None, &[Form::Text, Form::Blob]), Ok(vec![Null, Null]));
    }

    #[test]
    fn whole_numbers_are_read_however_long_they_are() {
        let numbers = (-1_200..1_200).chain((0..18).flat_map(|power| {
            let ten = 10i64.pow(power);
            [ten - 1, ten, ten + 1, 3 * ten, -ten]
        }));
        for number in numbers {
            for behind in ["", "\t", "\t7", "\t\t\t\t\t\t\t\t\t", "\t12345678\t"] {
                let text = format!("{number}{behind}");
                let after = behind.strip_prefix('\t').map(str::as_bytes);
                assert_eq!(integer(text.as_bytes()), Some((number, after)), "{text:?}");
                assert_eq!(long_integer(text.as_bytes()), Some((number, after)), "{text:?}");
            }
        }
        // Each byte in each place that is neither a digit nor a tab.
        for place in 0..7 {
            for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit() && *byte != b'\t') {
                let mut text = *b"1234567\t9";
                text[place] = byte;
                let expected = (place == 0 && byte == b'-').then_some((-234_567, Some(&b"9"[..])));
                assert_eq!(integer(&text), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn what_no_server_sends_is_refused() {
        let what = |row: &[u8], forms: &[Form]| cut(row, Lead::None, forms).unwrap_err().what;
        assert_eq!(what(b"1", &[Form::Integer, Form::Integer]), "the row has too few fields");
        assert_eq!(what(b"1\t2", &[Form::Integer]), "the row has too many fields");
        assert_eq!(what(b"1", &[]), "the row has too many fields");
        for row in [&b"x"[..], b"", b"-", b"1.5", b"99999999999999999999"] {
            assert_eq!(what(row, &[Form::Integer]), "a whole number cannot be read");
        }
        assert_eq!(what(b"yes", &[Form::Boolean]), "neither true nor false");
        assert_eq!(what(b"a\\", &[Form::Text]), "a backslash stands alone");
        for row in [&b"00"[..], b"\\\\x0", b"\\\\xGG"] {
            assert_eq!(what(row, &[Form::Blob]), "bytes are not written as hexadecimal digits");
        }
        assert_eq!(cut(b"9", Lead::Place(0), &[]).unwrap_err().field, 0);
    }

    #[test]
    fn a_row_of_a_partition_has_the_place_of_the_partition_in_its_key() {
        let leaves = [700, 900];
        let key = Tid { block: 4, offset: 2 }.key(1);
        assert_eq!(
            cut(b"900\t(4,2)\t8", Lead::Leaf(&leaves), &[Form::Integer]).unwrap(),
            [OwnedValue::Integer(key), OwnedValue::Integer(8)]
        );
        for row in [&b"800\t(4,2)"[..], b"900", b"x\t(4,2)", b"900\t4"] {
            assert_eq!(cut(row, Lead::Leaf(&leaves), &[]).unwrap_err().field, 0);
        }
    }
}
