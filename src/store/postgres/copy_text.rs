//! Rows of a COPY in text format: fields between tabs, `\N` for null, a backslash before what would be taken for either.
//!
//! A row is cut into cells first and gathered then: the cells say where their bytes are, so that one list of them serves all
//! rows of a scan.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::declared::Form;
use super::keys::Tid;
use crate::column::batch::Value;

/// One field of a row.
#[derive(Debug, Clone, Copy)]
enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    /// Bytes of the row: from, to.
    Text(usize, usize),
    /// Bytes beside the row: what was left when backslashes were taken out.
    Unescaped(usize, usize),
    /// Bytes beside the row that were written as digits.
    Blob(usize, usize),
}

/// The cells of a row.
#[derive(Debug, Default)]
pub(super) struct Cells {
    cells: Vec<Cell>,
    beside: Vec<u8>,
}

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
    /// The key of a row, and where the field ends that it was made of last.
    fn key(self, row: &[u8]) -> Result<Option<(i64, usize)>, Odd> {
        let odd = Odd { field: 0, what: "the place of the row cannot be read" };
        let (leaf, from) = match self {
            Lead::None => return Ok(None),
            Lead::Place(leaf) => (leaf, 0),
            Lead::Leaf(leaves) => {
                let end = end_of(row, 0);
                let oid = row.get(..end).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
                let leaf = oid.and_then(|oid: u32| leaves.binary_search(&oid).ok());
                let leaf = leaf.and_then(|leaf| u16::try_from(leaf).ok());
                let what = "the row is in a partition that was not there before";
                (leaf.ok_or(Odd { field: 0, what })?, end.saturating_add(1))
            }
        };
        let end = end_of(row, from);
        let tid = row.get(from..end).and_then(Tid::parse).ok_or(odd)?;
        Ok(Some((tid.key(leaf), end)))
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

impl Cells {
    /// Cuts a row, without the line feed at its end.
    pub(super) fn cut(&mut self, row: &[u8], lead: Lead<'_>, forms: &[Form]) -> Result<(), Odd> {
        self.cells.clear();
        self.beside.clear();
        let mut at = 0usize;
        if let Some((key, end)) = lead.key(row)? {
            self.cells.push(Cell::Integer(key));
            at = end.saturating_add(1);
        }
        for form in forms {
            let field = self.cells.len();
            let odd = |what| Odd { field, what };
            if at > row.len() {
                return Err(odd("the row has too few fields"));
            }
            if *form == Form::Integer
                && let Some((number, end)) = integer(row, at)
            {
                self.cells.push(Cell::Integer(number));
                at = end.saturating_add(1);
                continue;
            }
            let end = end_of(row, at);
            let text = row.get(at..end).unwrap_or_default();
            let cell = if text == b"\\N" { Cell::Null } else { self.cell(text, at, *form).map_err(odd)? };
            self.cells.push(cell);
            at = end.saturating_add(1);
        }
        // Each field has gone one byte beyond its end; a row without fields is empty.
        if at <= row.len() && at.saturating_add(row.len()) > 0 {
            return Err(Odd { field: self.cells.len(), what: "the row has too many fields" });
        }
        Ok(())
    }

    fn cell(&mut self, text: &[u8], at: usize, form: Form) -> Result<Cell, &'static str> {
        let words = || std::str::from_utf8(text).map_err(|_| "a number is not written in ASCII");
        Ok(match form {
            Form::Integer => Cell::Integer(words()?.parse().map_err(|_| "a whole number cannot be read")?),
            Form::Real { wide: true } => Cell::Real(real(words()?).ok_or("a real number cannot be read")?),
            Form::Real { wide: false } => {
                let narrow: f32 = words()?.parse().map_err(|_| "a real number cannot be read")?;
                Cell::Real(if narrow.is_nan() { f64::NAN } else { f64::from(narrow) })
            }
            Form::Boolean => match text {
                b"t" => Cell::Integer(1),
                b"f" => Cell::Integer(0),
                _ => return Err("neither true nor false"),
            },
            Form::Text if memchr::memchr(b'\\', text).is_none() => Cell::Text(at, at.saturating_add(text.len())),
            Form::Text => {
                let from = self.beside.len();
                unescape(text, &mut self.beside).ok_or("a backslash stands alone")?;
                Cell::Unescaped(from, self.beside.len())
            }
            Form::Blob => {
                let from = self.beside.len();
                let digits = text.strip_prefix(b"\\\\x").ok_or("bytes are not written as hexadecimal digits")?;
                unhex(digits, &mut self.beside).ok_or("bytes are not written as hexadecimal digits")?;
                Cell::Blob(from, self.beside.len())
            }
        })
    }

    /// Value `index` of the row that was cut, from 0, the key of the row among them.
    pub(super) fn value<'v>(&'v self, row: &'v [u8], index: usize) -> Value<'v> {
        match self.cells.get(index) {
            None | Some(Cell::Null) => Value::Null,
            Some(Cell::Integer(number)) => Value::Integer(*number),
            Some(Cell::Real(number)) => Value::Real(*number),
            Some(Cell::Text(from, to)) => Value::Text(row.get(*from..*to).unwrap_or_default()),
            Some(Cell::Unescaped(from, to)) => Value::Text(self.beside.get(*from..*to).unwrap_or_default()),
            Some(Cell::Blob(from, to)) => Value::Blob(self.beside.get(*from..*to).unwrap_or_default()),
        }
    }
}

/// Where the field that begins at `at` ends: at the next tab, or with the row.
fn end_of(row: &[u8], at: usize) -> usize {
    let rest = row.get(at..).unwrap_or_default();
    memchr::memchr(b'\t', rest).map_or(row.len(), |length| at.saturating_add(length))
}

/// The whole number of up to 18 digits at `at`, and where its field ends; `None` for anything else.
#[inline]
fn integer(row: &[u8], at: usize) -> Option<(i64, usize)> {
    let negative = row.get(at) == Some(&b'-');
    let first = at.saturating_add(usize::from(negative));
    let (mut number, mut next) = (0i64, first);
    loop {
        match row.get(next) {
            Some(digit @ b'0'..=b'9') => {
                number = number.wrapping_mul(10).wrapping_add(i64::from(digit.wrapping_sub(b'0')));
                next = next.wrapping_add(1);
            }
            None | Some(b'\t') => break,
            Some(_) => return None,
        }
    }
    let digits = next.wrapping_sub(first);
    ((1..=18).contains(&digits)).then(|| (if negative { number.wrapping_neg() } else { number }, next))
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
        let mut cells = Cells::default();
        cells.cut(row, lead, forms)?;
        Ok((0..cells.cells.len()).map(|index| cells.value(row, index).into()).collect())
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
