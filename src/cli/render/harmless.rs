//! Rows on a terminal: what it would act on is shown as an escape. Line ends stay; everything else goes as it is.

use super::text::escape;
use std::io::{self, Write};

/// A writer before a terminal.
pub struct Harmless<'w> {
    to: &'w mut (dyn Write + Send),
    /// The beginning of a character of which the rest has not come yet.
    begun: Vec<u8>,
}

impl<'w> Harmless<'w> {
    /// Before `to`.
    pub fn new(to: &'w mut (dyn Write + Send)) -> Harmless<'w> {
        Harmless { to, begun: Vec::new() }
    }
}

impl Write for Harmless<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let all = [std::mem::take(&mut self.begun).as_slice(), bytes].concat();
        let mut rest = all.as_slice();
        while !rest.is_empty() {
            let (sound, odd) = match std::str::from_utf8(rest) {
                Ok(text) => (text, None),
                Err(error) => {
                    let (sound, _) = rest.split_at_checked(error.valid_up_to()).unwrap_or((rest, &[]));
                    (std::str::from_utf8(sound).unwrap_or_default(), Some(error.error_len()))
                }
            };
            let lines: Vec<_> = sound.split('\n').map(escape).collect();
            self.to.write_all(lines.join("\n").as_bytes())?;
            rest = rest.get(sound.len()..).unwrap_or_default();
            match odd {
                None => {}
                Some(None) => {
                    self.begun = rest.to_vec();
                    rest = &[];
                }
                Some(Some(len)) => {
                    let (no_text, later) = rest.split_at_checked(len).unwrap_or((rest, &[]));
                    no_text.iter().try_for_each(|byte| write!(self.to, "\\x{byte:02x}"))?;
                    rest = later;
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_goes_through_wherever_it_is_cut() {
        let bytes = b"a,\x1b[31m\x07\n\xc2\x9b,\xe2\x80\xae\xff\0\xc3\xa4\n";
        for cut in 0..bytes.len() {
            let mut out: Vec<u8> = Vec::new();
            let mut harmless = Harmless::new(&mut out);
            harmless.write_all(&bytes[..cut]).unwrap();
            harmless.write_all(&bytes[cut..]).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text, "a,\\u{1b}[31m\\u{7}\n\\u{9b},\\u{202e}\\xff\\u{0}ä\n", "cut at {cut}");
        }
    }
}
