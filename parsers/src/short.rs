//! Short values, all bytes of which are looked at in a few steps whatever their number.
//!
//! A loop over them would end at a place that the processor cannot foresee, and a call costs more
//! than what it does; both are most of what is left of the time that a line takes.

use wide::u8x16;

/// A value of at most sixteen bytes, among sixteen of its line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Short {
    bytes: u8x16,
    /// All bits of the bytes that are not the value's.
    outside: u8x16,
    /// Where the value ends among the sixteen.
    end: usize,
    bytes_count: usize,
}

/// Nothing of sixteen bytes, then all of sixteen.
const BEHIND: [[u8; 16]; 2] = [[0; 16], [0xff; 16]];

/// All of sixteen bytes, then nothing of sixteen.
const BEFORE: [[u8; 16]; 2] = [[0xff; 16], [0; 16]];

impl Short {
    /// The bytes of `line` from `start` to `end`; `None` where there are more than sixteen of them,
    /// or fewer in the line.
    #[inline]
    pub(crate) fn of(line: &[u8], start: usize, end: usize) -> Option<Short> {
        let bytes_count = end.checked_sub(start)?;
        let outside = sixteen_at(&BEHIND, 16usize.checked_sub(bytes_count)?)?;
        match line.get(start..)?.first_chunk::<16>() {
            Some(bytes) => {
                Some(Short { bytes: u8x16::new(*bytes), outside, end: bytes_count, bytes_count })
            }
            None => Short::among_last(line, end, bytes_count),
        }
    }

    /// The same at the end of the line.
    fn among_last(line: &[u8], end: usize, bytes_count: usize) -> Option<Short> {
        let bytes = u8x16::new(*line.last_chunk::<16>()?);
        let end = 16usize.checked_sub(line.len().checked_sub(end)?)?;
        let behind = sixteen_at(&BEHIND, 16 - end)?;
        let before = sixteen_at(&BEFORE, 16usize.checked_sub(end.checked_sub(bytes_count)?)?)?;
        Some(Short { bytes, outside: behind | before, end, bytes_count })
    }

    /// Whether all are digits.
    #[inline]
    pub(crate) fn all_digits(self) -> bool {
        (self.within(b'0', b'9') | self.outside).all()
    }

    /// Whether it is one or more digits, a point and three digits, as nginx writes seconds.
    #[inline]
    pub(crate) fn is_seconds(self) -> bool {
        let points = self.same(b'.');
        let is_whole = (self.within(b'0', b'9') | points | self.outside).all();
        let places = (points & !self.outside).to_bitmask();
        is_whole && self.bytes_count > 4 && places == 1 << (self.end - 4)
    }

    /// Whether all are hex digits, points and colons, and not all of them digits.
    #[inline]
    pub(crate) fn is_ip_address(self) -> bool {
        let points = self.same(b'.') | self.same(b':');
        let letters = Short { bytes: self.bytes | u8x16::splat(0x20), ..self }.within(b'a', b'f');
        let all = (self.within(b'0', b'9') | letters | points | self.outside).all();
        all && (points & !self.outside).any()
    }

    #[inline]
    fn within(self, low: u8, high: u8) -> u8x16 {
        let distance = self.bytes - u8x16::splat(low);
        distance.min(u8x16::splat(high - low)).simd_eq(distance)
    }

    #[inline]
    fn same(self, byte: u8) -> u8x16 {
        self.bytes.simd_eq(u8x16::splat(byte))
    }
}

#[inline]
fn sixteen_at(bytes: &[[u8; 16]; 2], at: usize) -> Option<u8x16> {
    bytes.as_flattened().get(at..)?.first_chunk().copied().map(u8x16::new)
}

/// Whether two texts are the same. Texts of up to 32 bytes are compared by their first and last
/// bytes, in a few steps and without a call.
#[inline]
pub fn are_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && match a.len() {
            0 => true,
            1..4 => a.iter().eq(b),
            4..8 => same_ends(a, b, u32::from_ne_bytes),
            8..16 => same_ends(a, b, u64::from_ne_bytes),
            16..=32 => same_ends(a, b, u128::from_ne_bytes),
            _ => a == b,
        }
}

#[inline]
fn same_ends<const N: usize, W: PartialEq>(a: &[u8], b: &[u8], word: fn([u8; N]) -> W) -> bool {
    let ends = |text: &[u8]| {
        let ends = text.first_chunk::<N>().zip(text.last_chunk::<N>());
        ends.map(|(first, last)| (word(*first), word(*last)))
    };
    ends(a) == ends(b)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Digits, a point and three digits.
    fn is_seconds(text: &[u8]) -> bool {
        let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
        text.len() > 4
            && text[text.len() - 4] == b'.'
            && digits(&text[..text.len() - 4])
            && digits(&text[text.len() - 3..])
    }

    fn check(line: &[u8], start: usize, end: usize) {
        let short = Short::of(line, start, end);
        assert_eq!(short.is_some(), end - start <= 16 && line.len() >= 16);
        let Some(short) = short else { return };
        let value = &line[start..end];
        let is_point = |byte: &u8| *byte == b'.' || *byte == b':';
        let is_address = value.iter().any(is_point)
            && value.iter().all(|byte| byte.is_ascii_hexdigit() || is_point(byte));
        assert_eq!(short.all_digits(), value.iter().all(u8::is_ascii_digit), "{value:?}");
        assert_eq!(short.is_seconds(), is_seconds(value), "{value:?}");
        assert_eq!(short.is_ip_address(), is_address, "{value:?}");
    }

    #[test]
    fn every_byte_at_every_place() {
        let values =
            ["1234567890123456", "123456789012.456", "0.1230000000000x", "10.0.0.1::abcdeF"];
        let spans = || (0..=16).map(|end| (0, end)).chain((0..16).map(|start| (start, 16)));
        let bytes = || (0..16).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte)));
        for (value, (start, end)) in values.iter().flat_map(|v| spans().map(move |s| (v, s))) {
            for (at, byte) in bytes() {
                let mut text = value.as_bytes().to_vec();
                text[at] = byte;
                check(&text, start, end);
                check(&[&text[..], b" 1.123"].concat(), start, end);
                check(&[b"1.123 ", &text[..]].concat(), start + 6, end + 6);
                check(&text[..15], start.min(15), end.min(15));
            }
        }
    }

    #[test]
    fn the_same() {
        for length in 0..40 {
            let text: Vec<u8> = (0..length).collect();
            assert!(are_same(&text, &text.clone()));
            assert!(!are_same(&text, &[&text[..], b"x"].concat()));
            for at in 0..text.len() {
                let mut other = text.clone();
                other[at] ^= 0x80;
                assert!(!are_same(&text, &other), "{length} {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text(line in "[0-9.:a-g]{0,40}", start in 0usize..40, bytes_count in 0usize..18) {
            let start = start.min(line.len());
            check(line.as_bytes(), start, (start + bytes_count).min(line.len()));
        }
    }
}
