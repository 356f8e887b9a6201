//! Reading values from a fuzzer's bytes, and writing them for seeds.

/// Bytes that are read from the front; after the last one come zeros.
#[derive(Debug, Clone, Copy)]
pub struct Bytes<'a>(&'a [u8]);

/// The flag of a number that states eight bytes instead of four.
const WIDE: u8 = 0x80;
/// One more than the largest scale that a number takes.
const SCALES: u8 = 29;

impl<'a> Bytes<'a> {
    /// These bytes.
    #[must_use]
    pub const fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        let (head, tail) = self.0.split_at(N.min(self.0.len()));
        taken.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
        self.0 = tail;
        taken
    }

    /// One byte.
    pub fn u8(&mut self) -> u8 {
        u8::from_le_bytes(self.take())
    }

    /// Four bytes, the lowest first.
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    /// Eight bytes, the lowest first.
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    /// True for an odd byte.
    pub fn flag(&mut self) -> bool {
        self.u8() & 1 == 1
    }

    /// One of these, by the next byte.
    ///
    /// # Panics
    ///
    /// Without anything to choose from.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.u8()) % from.len()]
    }

    /// A decimal number: a byte for its scale and whether it is wide, then its units.
    pub fn number<T>(&mut self, make: fn(i64, u32) -> Option<T>) -> T
    where
        T: Default,
    {
        let head = self.u8();
        let units = if head & WIDE == 0 { i64::from(self.u32().cast_signed()) } else { self.u64().cast_signed() };
        make(units, u32::from((head & !WIDE) % SCALES)).unwrap_or_default()
    }

    /// True when none is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is left.
    #[must_use]
    pub const fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Writes a number as [`Bytes::number`] reads it.
#[cfg(test)]
pub(crate) fn write_number(out: &mut Vec<u8>, units: i64, scale: u8) {
    match i32::try_from(units) {
        Ok(narrow) => {
            out.push(scale);
            out.extend(narrow.to_le_bytes());
        }
        Err(_) => {
            out.push(scale | WIDE);
            out.extend(units.to_le_bytes());
        }
    }
}
