//! Short values, all bytes of which are looked at in a few steps whatever their number.
//!
//! A loop over them would end at a place that the processor cannot foresee, and a call costs more
//! than what it does; both are most of what is left of the time that a line takes.

use wide::u8x16;

/// A value of at most sixteen bytes, and the bytes of its line behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Short {
    bytes: u8x16,
    /// All bits of the bytes behind the value.
    outside: u8x16,
    bytes_count: usize,
}

/// Nothing of sixteen bytes, then all of sixteen.
const OUTSIDE: [[u8; 16]; 2] = [[0; 16], [0xff; 16]];

impl Short {
    /// The first `bytes_count` bytes of `text`; `None` where there are too many of them, or so few
    /// behind them that the value is better looked at one by one.
    #[inline]
    pub(crate) fn of(text: &[u8], bytes_count: usize) -> Option<Short> {
        let outside =
            OUTSIDE.as_flattened().get(16usize.checked_sub(bytes_count)?..)?.first_chunk::<16>()?;
        let bytes = text.first_chunk::<16>()?;
        Some(Short { bytes: u8x16::new(*bytes), outside: u8x16::new(*outside), bytes_count })
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
        is_whole && self.bytes_count > 4 && places == 1 << (self.bytes_count - 4)
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

    fn check(text: &[u8], bytes_count: usize) {
        let short = Short::of(text, bytes_count);
        assert_eq!(short.is_some(), bytes_count <= 16 && text.len() >= 16);
        let Some(short) = short else { return };
        let value = &text[..bytes_count];
        let is_point = |byte: &u8| *byte == b'.' || *byte == b':';
        let is_address = value.iter().any(is_point)
            && value.iter().all(|byte| byte.is_ascii_hexdigit() || is_point(byte));
        assert_eq!(short.all_digits(), value.iter().all(u8::is_ascii_digit), "{value:?}");
        assert_eq!(short.is_seconds(), is_seconds(value), "{value:?}");
        assert_eq!(short.is_ip_address(), is_address, "{value:?}");
    }

    #[test]
    fn every_byte_at_every_place() {
        for value in
            ["1234567890123456", "123456789012.456", "0.1230000000000x", "10.0.0.1::abcdeF"]
        {
            for bytes_count in 0..=17 {
                for at in 0..16 {
                    for byte in 0..=u8::MAX {
                        let mut text = value.as_bytes().to_vec();
                        text[at] = byte;
                        check(&text, bytes_count);
                        check(&text[..15], bytes_count.min(15));
                    }
                }
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
        fn any_text(text in "[0-9.:a-g]{0,40}", bytes_count in 0usize..18) {
            check(text.as_bytes(), bytes_count.min(text.len()));
        }
    }
}
