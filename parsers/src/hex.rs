//! Hex digits of either case, sixteen at a time.

use wide::u8x16;

/// The value of a hex digit.
pub fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Whether all bytes are hex digits.
pub fn all_digits(text: &[u8]) -> bool {
    let (sixteens, rest) = text.as_chunks::<16>();
    let Some(last) = text.last_chunk::<16>() else {
        return rest.iter().all(u8::is_ascii_hexdigit);
    };
    // The last sixteen may be looked at twice.
    sixteens.iter().chain([last]).fold(true, |all, sixteen| all & are_digits(*sixteen))
}

fn are_digits(bytes: [u8; 16]) -> bool {
    let bytes = u8x16::from(bytes);
    let decimal = bytes - u8x16::splat(b'0');
    let letter = (bytes | u8x16::splat(0x20)) - u8x16::splat(b'a');
    let is_decimal = decimal.min(u8x16::splat(9)).simd_eq(decimal);
    let is_letter = letter.min(u8x16::splat(5)).simd_eq(letter);
    (is_decimal | is_letter).all()
}

/// The 20 bytes of a SHA-1 in 40 digits.
pub fn decode_sha1(text: &[u8]) -> Option<[u8; 20]> {
    let text: &[u8; 40] = text.try_into().ok()?;
    if !all_digits(text) {
        return None;
    }
    let mut bytes = [0; 20];
    let (eights, _) = text.as_chunks::<8>();
    let (fours, _) = bytes.as_chunks_mut::<4>();
    for (four, eight) in fours.iter_mut().zip(eights) {
        *four = decode_eight(*eight);
    }
    Some(bytes)
}

/// Four bytes of eight digits, all in one word.
fn decode_eight(digits: [u8; 8]) -> [u8; 4] {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_be_bytes(digits);
    // A letter has bit 6, and its low bits count from 1.
    let values = (word & (EACH * 0x0f)) + ((word >> 6) & EACH) * 9;
    let pairs = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    let [.., a, b, c, d] = (fours | fours >> 16).to_be_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place() {
        for byte in 0..=u8::MAX {
            for length in [1, 8, 15, 16, 17, 32, 40, 41] {
                for at in 0..length {
                    let mut text = vec![b'a'; length];
                    text[at] = byte;
                    assert_eq!(all_digits(&text), byte.is_ascii_hexdigit(), "{byte} at {at}");
                }
            }
        }
        assert!(all_digits(b""));
    }

    #[test]
    fn decoded() {
        for high in 0..=u8::MAX {
            for low in [b'0', b'9', b'a', b'f', b'A', b'F', b'g', b'/', b':', b'@', b'`'] {
                let text = [high, low].repeat(20);
                let value = digit(high).zip(digit(low)).map(|(high, low)| [high << 4 | low; 20]);
                assert_eq!(decode_sha1(&text), value, "{high} {low}");
            }
        }
        let text = b"0123456789abcdefABCDEF00112233445566feed";
        let bytes = decode_sha1(text).unwrap();
        let again: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(again.as_bytes(), text.to_ascii_lowercase());
        assert_eq!(decode_sha1(&text[1..]), None);
        assert_eq!(decode_sha1(b""), None);
    }
}
