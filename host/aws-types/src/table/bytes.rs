//! Numbers and texts of the table.

use super::TableError;

/// Reads bytes in order. Nothing that they hold makes it panic.
#[derive(Clone)]
pub(super) struct Cursor {
    rest: &'static [u8],
}

impl Cursor {
    pub(super) fn new(rest: &'static [u8]) -> Self {
        Self { rest }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'static [u8], TableError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(TableError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, TableError> {
        self.take(1)?.first().copied().ok_or(TableError::Short)
    }

    /// A number in as many groups of seven bits as it needs, the low ones first.
    pub(super) fn number(&mut self) -> Result<u64, TableError> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(TableError::Malformed("a number"))
    }

    pub(super) fn size(&mut self) -> Result<usize, TableError> {
        usize::try_from(self.number()?).map_err(|_| TableError::Malformed("a size"))
    }

    pub(super) fn small(&mut self) -> Result<u32, TableError> {
        u32::try_from(self.number()?).map_err(|_| TableError::Malformed("a size"))
    }

    /// Numbers with a sign: 0, -1, 1, -2 are 0, 1, 2, 3.
    pub(super) fn signed(&mut self) -> Result<i64, TableError> {
        let number = self.number()?;
        let half = i64::try_from(number >> 1).map_err(|_| TableError::Malformed("a number"))?;
        Ok(if number & 1 == 0 { half } else { -half - 1 })
    }

    pub(super) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, TableError>,
    ) -> Result<Vec<T>, TableError> {
        let count = self.size()?;
        // Each element has a byte at least, so a wrong count reserves no more than there is.
        if count > self.rest.len() {
            return Err(TableError::Short);
        }
        (0..count).map(|_| read(self)).collect()
    }
}

#[cfg(any(test, feature = "make"))]
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(any(test, feature = "make"))]
pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, ((number << 1) ^ (number >> 63)) as u64);
}
