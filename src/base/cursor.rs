//! Bounded little-endian reading over a slice, and the matching writing. Short input is an error that knows its byte.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// The slice ended before the value did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} bytes wanted at byte {at}, {left} left")]
pub struct ShortInput {
    /// Byte at which the value starts, from 0.
    pub at: usize,
    /// Bytes that the value needs.
    pub wanted: usize,
    /// Bytes that are left.
    pub left: usize,
}

/// Reads numbers and slices from the front of a slice.
///
/// ```
/// use intervault::base::cursor::Cursor;
/// let mut cursor = Cursor::new(&[1, 0, 2, 3]);
/// assert_eq!(cursor.u16(), Ok(1));
/// assert_eq!(cursor.bytes(2), Ok(&[2u8, 3][..]));
/// assert!(cursor.u8().is_err());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    /// The byte that will be read next, from 0.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Bytes not yet read.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// Everything not yet read.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = self.bytes.len();
        rest
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`ShortInput`] if fewer are left; nothing is consumed.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], ShortInput> {
        let short = ShortInput { at: self.at, wanted: count, left: self.left() };
        let end = self.at.checked_add(count).ok_or(short)?;
        let slice = self.bytes.get(self.at..end).ok_or(short)?;
        self.at = end;
        Ok(slice)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`ShortInput`] if fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], ShortInput> {
        let mut out = [0; N];
        out.copy_from_slice(self.bytes(N)?);
        Ok(out)
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`ShortInput`] at the end.
    pub fn u8(&mut self) -> Result<u8, ShortInput> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// The next two bytes, little-endian.
    ///
    /// # Errors
    /// [`ShortInput`] if fewer are left.
    pub fn u16(&mut self) -> Result<u16, ShortInput> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// The next four bytes, little-endian.
    ///
    /// # Errors
    /// [`ShortInput`] if fewer are left.
    pub fn u32(&mut self) -> Result<u32, ShortInput> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// The next eight bytes, little-endian.
    ///
    /// # Errors
    /// [`ShortInput`] if fewer are left.
    pub fn u64(&mut self) -> Result<u64, ShortInput> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// The next eight bytes, little-endian, two's complement.
    ///
    /// # Errors
    /// [`ShortInput`] if fewer are left.
    pub fn i64(&mut self) -> Result<i64, ShortInput> {
        Ok(i64::from_le_bytes(self.array()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_consumed_and_numbers_are_little_endian() {
        let bytes: Vec<u8> = (1..=30).collect();
        let mut cursor = Cursor::new(&bytes);
        assert_eq!((cursor.position(), cursor.left()), (0, 30));
        assert_eq!((cursor.u8(), cursor.u16(), cursor.u32()), (Ok(1), Ok(0x0302), Ok(0x0706_0504)));
        assert_eq!((cursor.u64(), cursor.position()), (Ok(0x0F0E_0D0C_0B0A_0908), 15));
        assert_eq!((cursor.i64(), cursor.array()), (Ok(0x1716_1514_1312_1110), Ok([24, 25])));
        assert_eq!((cursor.bytes(2), cursor.bytes(0)), (Ok(&[26, 27][..]), Ok(&[][..])));
        assert_eq!((cursor.rest(), cursor.position(), cursor.left()), (&[28, 29, 30][..], 30, 0));
        assert_eq!((cursor.rest(), cursor.bytes(0)), (&[][..], Ok(&[][..])));
        assert_eq!(Cursor::new(&[0xFF; 8]).i64(), Ok(-1));
    }

    #[test]
    fn what_is_not_there_is_refused_with_its_place_and_nothing_is_consumed() {
        let mut cursor = Cursor::new(&[1, 2, 3]);
        assert_eq!(cursor.u8(), Ok(1));
        let short = |wanted| ShortInput { at: 1, wanted, left: 2 };
        assert_eq!(cursor.bytes(3), Err(short(3)));
        assert_eq!(cursor.bytes(usize::MAX), Err(short(usize::MAX)));
        assert_eq!((cursor.u32(), cursor.u64(), cursor.i64()), (Err(short(4)), Err(short(8)), Err(short(8))));
        assert_eq!(cursor.array::<16>(), Err(short(16)));
        assert_eq!(cursor.u16(), Ok(0x0302));
        assert_eq!(cursor.u8(), Err(ShortInput { at: 3, wanted: 1, left: 0 }));
        assert_eq!(cursor.u16().unwrap_err().to_string(), "2 bytes wanted at byte 3, 0 left");
    }
}
