//! Lines of plain numbers, read quickly: where its marks are is found for eight bytes of a line at once, and up to eight
//! digits are made a number at once. Whatever is odd about a line is left to whoever is slower.

use kraite_core::number::Price;

/// A line is shorter than this.
const LONGEST: usize = 128;
/// More digits than this may not fit.
const MOST_DIGITS: usize = 18;

/// Digits without their point, and how many of them are behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Units {
    pub(super) units: i64,
    pub(super) decimals: u32,
}

impl Units {
    /// A price in its own decimals; `None` where it has too many digits.
    pub(super) fn of(price: Price) -> Option<Self> {
        (0..=18).find_map(|decimals| {
            let units = price.to_ticks(Price::from_units(1, decimals)?)?;
            Some(Self { units, decimals })
        })
    }

    pub(super) fn price(self) -> Price {
        Price::from_units(self.units, self.decimals).unwrap_or_default()
    }

    /// How many whole units of this grid another number is; `None` where it is none, or does not fit 32 bits.
    pub(super) fn ticks(self, price: Self) -> Option<i32> {
        let finer = self.decimals.checked_sub(price.decimals)?;
        let units = price.units.checked_mul(POWERS.get(finer as usize)?.cast_signed())?;
        let ticks = if self.units == 1 { units } else { units / self.units };
        if self.units != 1 && ticks * self.units != units {
            return None;
        }
        i32::try_from(ticks).ok()
    }
}

/// The first numbers of a line of numbers with commas between them, and how many there are in all. `None` for fewer, for
/// a line that is long, and where anything is not digits with at most one point among them.
pub(super) fn numbers<const N: usize>(text: &[u8]) -> Option<([Units; N], usize)> {
    if text.len() >= LONGEST {
        return None;
    }
    // Behind the line are commas, so that the last number ends like the others, and a word can be read anywhere in it.
    let mut line = [b','; LONGEST + 8];
    line.get_mut(..text.len())?.copy_from_slice(text);
    let (first, second) = line.split_at(LONGEST / 2);
    let (mut ahead, mut passed, mut later) = (marks(first), 0, marks(second));
    let mut next = || {
        if ahead == 0 {
            (ahead, passed, later) = (later, LONGEST / 2, 0);
        }
        let place = passed + ahead.trailing_zeros() as usize;
        ahead &= ahead.wrapping_sub(1);
        place
    };
    let mut numbers = [Units::default(); N];
    let (mut start, mut count) = (0, 0);
    while start <= text.len() {
        let mut end = next();
        let whole = (start, end - start);
        let mut behind = (end, 0);
        if line.get(end) == Some(&b'.') {
            let point = end;
            end = next();
            behind = (point + 1, end - point - 1);
            if behind.1 == 0 {
                return None;
            }
        }
        if whole.1 == 0 || line.get(end) != Some(&b',') {
            return None;
        }
        if let Some(number) = numbers.get_mut(count) {
            *number = units(&line, whole, behind)?;
        }
        start = end + 1;
        count += 1;
    }
    (count >= N).then_some((numbers, count))
}

/// The number whose digits before the point, and behind it, are where this says.
#[inline(always)]
fn units(line: &[u8; LONGEST + 8], whole: (usize, usize), behind: (usize, usize)) -> Option<Units> {
    let (from, before) = whole;
    let count = before + behind.1;
    let units = if count <= 8 {
        // One word holds all of it once the point is taken out; a digit that would not fit comes from the next byte.
        let word = word_at(line, from)?;
        let kept = if before == 8 { u64::MAX } else { (1 << (8 * before)) - 1 };
        let closed = (word & kept) | (word_at(line, from + 1)? & !kept);
        value(closed, count)
    } else if count <= MOST_DIGITS {
        digits(line, whole)? * POWERS.get(behind.1)? + digits(line, behind)?
    } else {
        return None;
    };
    Some(Units { units: units.cast_signed(), decimals: behind.1 as u32 })
}

/// The number that some digits are: so many, from a place on.
fn digits(line: &[u8; LONGEST + 8], (from, count): (usize, usize)) -> Option<u64> {
    match count {
        0 => Some(0),
        1..=8 => Some(value(word_at(line, from)?, count)),
        9..=16 => {
            Some(value(word_at(line, from)?, 8) * POWERS.get(count - 8)? + value(word_at(line, from + 8)?, count - 8))
        }
        _ => None,
    }
}

/// Eight bytes of a line, the lowest first.
#[inline(always)]
fn word_at(line: &[u8; LONGEST + 8], from: usize) -> Option<u64> {
    line.get(from..from + 8)?.first_chunk().copied().map(u64::from_le_bytes)
}

/// Powers of ten.
const POWERS: [u64; MOST_DIGITS + 1] = {
    let mut powers = [1; MOST_DIGITS + 1];
    let mut n = 1;
    while n < powers.len() {
        powers[n] = powers[n - 1] * 10;
        n += 1;
    }
    powers
};

const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// A bit for each of 64 bytes that is no digit, the lowest one for the first byte.
#[inline(always)]
fn marks(bytes: &[u8]) -> u64 {
    bytes.as_chunks::<8>().0.iter().take(8).rev().fold(0, |marks, eight| {
        // A digit's distance from zero is at most 9, and with 0x76 more is still below 0x80.
        let distance = u64::from_le_bytes(*eight) ^ each(b'0');
        let odd = (((distance & each(0x7f)) + each(0x76)) | distance) & each(0x80);
        // The highest bits of all eight bytes move into the highest byte.
        (marks << 8) | ((odd >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56)
    })
}

/// The number that the first one to eight bytes of a word, the lowest first, spell.
const fn value(word: u64, count: usize) -> u64 {
    // The digits go to the high end, with zeros before them; then pairs, fours and all eight are added up.
    let word = (word ^ each(b'0')) << (64 - 8 * count);
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}
