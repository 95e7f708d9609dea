//! A line of a control table: how its values are written, and how they are read with nothing taken for granted.

use crate::base::time::{DAY, Instant, Span, civil_of_day, day_of_civil};
use crate::column::batch::Value;

/// A line, with the names of its columns for what is to be said of it. Errors are texts that name the column.
pub(super) struct Line<'a> {
    /// The values.
    pub(super) values: &'a [Value<'a>],
    /// The columns.
    pub(super) names: &'a [&'a str],
}

impl Line<'_> {
    /// Most bytes of a text.
    pub(super) const TEXT_BYTES_MAX: usize = 1 << 20;
    /// Most bytes of a list of row numbers.
    pub(super) const KEYS_BYTES_MAX: usize = 64 << 20;

    /// What is wrong with a column.
    pub(super) fn odd(&self, at: usize, what: &str) -> String {
        format!("column {}: {what}", self.names.get(at).copied().unwrap_or("?"))
    }

    fn value(&self, at: usize) -> Result<Value<'_>, String> {
        self.values.get(at).copied().ok_or_else(|| self.odd(at, "it is not there"))
    }

    /// Whether there is no value.
    pub(super) fn is_null(&self, at: usize) -> Result<bool, String> {
        Ok(matches!(self.value(at)?, Value::Null))
    }

    /// A whole number.
    pub(super) fn integer(&self, at: usize) -> Result<i64, String> {
        match self.value(at)? {
            Value::Integer(number) => Ok(number),
            _ => Err(self.odd(at, "no whole number")),
        }
    }

    /// A whole number that is not negative.
    pub(super) fn count(&self, at: usize) -> Result<u64, String> {
        u64::try_from(self.integer(at)?).map_err(|_| self.odd(at, "a negative number"))
    }

    /// A whole number of 32 bits that is not negative.
    pub(super) fn small(&self, at: usize) -> Result<u32, String> {
        u32::try_from(self.integer(at)?).map_err(|_| self.odd(at, "a number out of range"))
    }

    fn borrowed(&self, at: usize) -> Result<&str, String> {
        let Value::Text(text) = self.value(at)? else {
            return Err(self.odd(at, "no text"));
        };
        if text.len() > Line::TEXT_BYTES_MAX {
            return Err(self.odd(at, "a text that is too long"));
        }
        std::str::from_utf8(text).map_err(|_| self.odd(at, "text that is not UTF-8"))
    }

    /// A text.
    pub(super) fn text(&self, at: usize) -> Result<String, String> {
        self.borrowed(at).map(str::to_owned)
    }

    /// A word that stands for something.
    pub(super) fn word<T>(&self, at: usize, meaning: fn(&str) -> Option<T>) -> Result<T, String> {
        let word = self.borrowed(at)?;
        meaning(word)
            .ok_or_else(|| self.odd(at, &format!("{:?} means nothing", word.chars().take(40).collect::<String>())))
    }

    /// Bytes.
    pub(super) fn blob(&self, at: usize) -> Result<Vec<u8>, String> {
        match self.value(at)? {
            Value::Blob(bytes) if bytes.len() <= Line::KEYS_BYTES_MAX => Ok(bytes.to_vec()),
            Value::Blob(_) => Err(self.odd(at, "too many bytes")),
            _ => Err(self.odd(at, "no bytes")),
        }
    }

    /// An id or a digest.
    pub(super) fn id(&self, at: usize) -> Result<[u8; 16], String> {
        unhex(self.borrowed(at)?).ok_or_else(|| self.odd(at, "not 32 hex digits"))
    }

    /// An instant of UTC as seconds since 1970; `None` for null.
    pub(super) fn utc(&self, at: usize) -> Result<Option<i64>, String> {
        if self.is_null(at)? {
            return Ok(None);
        }
        uncivil(self.borrowed(at)?).map(|instant| Some(instant.0)).ok_or_else(|| self.odd(at, "no time"))
    }

    /// A span.
    pub(super) fn span(&self, start: usize, stop: usize) -> Result<Span, String> {
        let from = self.utc(start)?.map_or(Instant::MIN, Instant);
        let to = self.utc(stop)?.map_or(Instant::MAX, Instant);
        Span::new(from, to).ok_or_else(|| self.odd(stop, "not after the start"))
    }
}

/// The two sides of a span as they are written; an open side is null.
pub(super) fn sides(span: Span) -> (Option<String>, Option<String>) {
    (side(span.start, Instant::MIN), side(span.stop, Instant::MAX))
}

fn side(instant: Instant, open: Instant) -> Option<String> {
    (instant != open).then(|| civil(instant))
}

/// An instant as `YYYY-MM-DD HH:MM:SS`; beyond the years 1 to 9999 the number of its seconds.
pub(super) fn civil(instant: Instant) -> String {
    if !(Instant::MIN..Instant::MAX).contains(&instant) {
        return instant.0.to_string();
    }
    let (year, month, day) = civil_of_day(instant.day());
    let second = instant.second_of_day();
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}

/// The instant of a text that [`civil`] has written; `None` for any other.
fn uncivil(text: &str) -> Option<Instant> {
    let instant = match text.split_once(' ') {
        None => Instant(text.parse().ok()?),
        Some((date, time)) => {
            let mut date = date.split('-');
            let (year, month, day) =
                (date.next()?.parse().ok()?, date.next()?.parse().ok()?, date.next()?.parse().ok()?);
            let seconds = time.split(':').try_fold(0i64, |seconds, part| {
                let part: u8 = part.parse().ok()?;
                seconds.checked_mul(60)?.checked_add(i64::from(part))
            })?;
            Instant::of_day(day_of_civil(year, month, day)?).plus(seconds.min(DAY))
        }
    };
    (civil(instant) == text).then_some(instant)
}

/// Bytes in hex, small letters.
pub(super) fn hex(bytes: &[u8; 16]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    let number = u128::from_str_radix(text, 16).ok()?;
    let mut bytes = number.to_le_bytes();
    bytes.reverse();
    // One spelling: no sign, no capitals, no missing zeros.
    (hex(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_one_spelling() {
        for (instant, text) in [
            (Instant(0), "1970-01-01 00:00:00"),
            (Instant(1_709_186_461), "2024-02-29 06:01:01"),
            (Instant::MIN, "0001-01-01 00:00:00"),
            (Instant::MAX.plus(-1), "9999-12-31 23:59:59"),
            (Instant::MAX, "253402300800"),
            (Instant(i64::MIN), "-9223372036854775808"),
        ] {
            assert_eq!(civil(instant), text);
            assert_eq!(uncivil(text), Some(instant));
        }
        for text in [
            "",
            " ",
            "0",
            "+5",
            "1970-01-01",
            "1970-01-01 00:00",
            "1970-1-1 00:00:00",
            "2023-02-29 00:00:00",
            "1970-01-01 24:00:00",
            "1970-01-01 00:60:00",
            "1970-01-01T00:00:00",
            "1970-01-01 00:00:00 ",
            "253402300800 ",
            "1970-01-01-01 00:00:00",
            "-001-01-01 00:00:00",
            "1970-01-01 00:00:00:00",
        ] {
            assert_eq!(uncivil(text), None, "{text:?}");
        }
    }

    #[test]
    fn ids_have_one_spelling() {
        let id = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xFF];
        assert_eq!(hex(&id), "000102030405060708090a0b0c0d0eff");
        assert_eq!(unhex(&hex(&id)), Some(id));
        for text in ["", "ff", "+00102030405060708090a0b0c0d0eff", "000102030405060708090A0b0c0d0eff", &"0".repeat(33)]
        {
            assert_eq!(unhex(text), None, "{text:?}");
        }
    }
}
