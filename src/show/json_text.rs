//! Values appended as JSON (RFC 8259) to a buffer that is used again for each line: for what nginx writes,
//! no allocation and no formatting machinery; escaped values and odd numbers take a longer way.
//!
//! Text comes out as it is, but for what is hidden ([`is_hidden`]): that is written by its number, `\u202e`,
//! which says the same to a program and does nothing to a terminal. The bytes are those that [`write()`], with
//! `serde_json`, writes for the same values; the tests hold that. Which fields there are is left to
//! [`super::line`].

use std::io;

use gatelog_parsers::escape::Escape;
use gatelog_parsers::time_stamp::{UnixMillis, civil};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use crate::escape::is_hidden;

/// Writes a value as JSON, without whitespace.
///
/// # Errors
/// What `out` says.
pub fn write(out: impl io::Write, value: &impl Serialize) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(out, Visible);
    value.serialize(&mut serializer).map_err(io::Error::from)
}

/// JSON with nothing hidden in it.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if !fragment.contains(is_hidden) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut visible = Vec::with_capacity(2 * fragment.len());
        append_utf8(&mut visible, fragment);
        writer.write_all(&visible)
    }
}

/// Appends the content of a string, without its quotes: UTF-8 as it is, any other byte as `\xHH`.
pub fn append_text(out: &mut Vec<u8>, text: &[u8]) {
    if is_plain(text) {
        out.extend_from_slice(text);
        return;
    }
    for chunk in text.utf8_chunks() {
        append_utf8(out, chunk.valid());
        for &byte in chunk.invalid() {
            out.extend_from_slice(b"\\\\x");
            append_hex(out, byte, UPPER);
        }
    }
}

/// The same for a value whose log escaping is undone first.
pub fn append_value(out: &mut Vec<u8>, value: &[u8], escape: Escape) {
    if is_plain(value) {
        out.extend_from_slice(value);
    } else {
        append_text(out, &escape.undo(value));
    }
}

/// Whether these bytes stand for themselves, in a log as in JSON: ASCII without control characters,
/// quotes and backslashes. Looks at eight at once, at some of the last twice.
pub fn is_plain(text: &[u8]) -> bool {
    match text.last_chunk() {
        Some(last) => {
            let (words, _) = text.as_chunks();
            words.iter().chain([last]).all(|word| !has_special(u64::from_le_bytes(*word)))
        }
        None => text.iter().all(|byte| matches!(byte, b' '..=b'~' if !b"\"\\".contains(byte))),
    }
}

/// Whether one of eight bytes is below 0x20, from 0x7f up, a quote or a backslash: in each byte the
/// highest bit tells, for a difference that goes below zero sets it. A borrow can mislead only the
/// bytes above one that is special.
fn has_special(word: u64) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES * 0x80;
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (word | below(word, 0x20) | equal(b'"') | equal(b'\\') | equal(0x7f)) & HIGH != 0
}

fn append_utf8(out: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    while let Some((at, special)) = rest.char_indices().find(|(_, found)| is_special(*found)) {
        let (plain, from) = rest.split_at_checked(at).unwrap_or_default();
        out.extend_from_slice(plain.as_bytes());
        append_special(out, special);
        rest = from.get(special.len_utf8()..).unwrap_or_default();
    }
    out.extend_from_slice(rest.as_bytes());
}

fn is_special(character: char) -> bool {
    matches!(character, '"' | '\\') || is_hidden(character)
}

fn append_special(out: &mut Vec<u8>, special: char) {
    let short: &[u8] = match special {
        '"' => br#"\""#,
        '\\' => br"\\",
        '\x08' => br"\b",
        '\t' => br"\t",
        '\n' => br"\n",
        '\x0c' => br"\f",
        '\r' => br"\r",
        _ => {
            for unit in special.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(br"\u");
                unit.to_be_bytes().into_iter().for_each(|byte| append_hex(out, byte, LOWER));
            }
            return;
        }
    };
    out.extend_from_slice(short);
}

const LOWER: &[u8; 16] = b"0123456789abcdef";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";

fn append_hex(out: &mut Vec<u8>, byte: u8, digits: &[u8; 16]) {
    let digit = |value: u8| digits.get(usize::from(value)).copied().unwrap_or_default();
    out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
}

/// Appends a whole number.
pub fn append_integer(out: &mut Vec<u8>, number: u64) {
    // u64::MAX has 20 digits.
    let mut digits = [0; 20];
    let mut rest = number;
    let mut first = digits.len();
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        // A remainder by ten fits.
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        (first, rest) = (place, rest / 10);
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(first..).unwrap_or_default());
}

/// Appends a whole number as logged; nothing, and `false`, when it is none.
pub fn append_digits(out: &mut Vec<u8>, digits: &[u8]) -> bool {
    // Most stand there as JSON has them already.
    let is_json = matches!(digits, [b'1'..=b'9', ..] | [b'0']) && digits.len() < 20;
    if is_json && digits.iter().all(u8::is_ascii_digit) {
        out.extend_from_slice(digits);
        return true;
    }
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    number.map(|number| append_integer(out, number)).is_some()
}

/// Appends a number with a fraction as logged; nothing, and `false`, when it is none.
pub fn append_decimal(out: &mut Vec<u8>, decimal: &[u8]) -> bool {
    if let Some(shortest) = shortest_decimal(decimal) {
        out.extend_from_slice(shortest);
        return true;
    }
    let number = std::str::from_utf8(decimal).ok().and_then(|text| text.parse::<f64>().ok());
    match number {
        // Writing to memory cannot fail.
        Some(number) => serde_json::to_writer(&mut *out, &number).is_ok(),
        None => false,
    }
}

/// The part of a decimal like nginx's `0.250` that JSON has for it. With so few digits it is the
/// shortest text that stands for the nearest `f64`.
fn shortest_decimal(decimal: &[u8]) -> Option<&[u8]> {
    let point = decimal.len().checked_sub(4)?;
    let (whole, fraction) = decimal.split_at_checked(point)?;
    let [b'.', tenth, hundredth, thousandth] = *fraction else { return None };
    let is_whole = matches!(whole, [b'1'..=b'9', ..] | [b'0']) && whole.len() < 10;
    let digits = [tenth, hundredth, thousandth];
    if !is_whole || !whole.iter().chain(&digits).all(u8::is_ascii_digit) {
        return None;
    }
    let zeros = match digits {
        [_, b'0', b'0'] => 2,
        [_, _, b'0'] => 1,
        _ => 0,
    };
    decimal.get(..decimal.len() - zeros)
}

/// Writes times as RFC 3339 in UTC, and remembers the last second: lines of one second follow each
/// other.
#[derive(Clone, Debug)]
pub struct TimeText {
    seconds: i64,
    /// `2026-11-22T11:51:17`, of `seconds`.
    text: [u8; 19],
}

impl Default for TimeText {
    fn default() -> TimeText {
        TimeText { seconds: 0, text: *b"1970-01-01T00:00:00" }
    }
}

impl TimeText {
    /// Appends `2026-11-22T11:51:17Z`, for a year of four digits.
    pub fn append_seconds(&mut self, out: &mut Vec<u8>, unix_seconds: i64) {
        self.append(out, unix_seconds);
        out.push(b'Z');
    }

    /// Appends `2026-11-22T11:51:17.777Z`, for a year of four digits.
    pub fn append_millis(&mut self, out: &mut Vec<u8>, time: UnixMillis) {
        self.append(out, time.div_euclid(1000));
        let millis = time.rem_euclid(1000);
        let ([hundreds, tens], [ones, _]) = (two_digits(millis / 10), two_digits(millis % 10 * 10));
        out.extend_from_slice(&[b'.', hundreds, tens, ones, b'Z']);
    }

    fn append(&mut self, out: &mut Vec<u8>, unix_seconds: i64) {
        if self.seconds != unix_seconds {
            let [year, month, day, hour, minute, second] = civil(unix_seconds);
            let ([y1, y2], [y3, y4]) = (two_digits(year / 100), two_digits(year % 100));
            let ([m1, m2], [d1, d2]) = (two_digits(month), two_digits(day));
            let ([h1, h2], [i1, i2], [s1, s2]) =
                (two_digits(hour), two_digits(minute), two_digits(second));
            self.seconds = unix_seconds;
            self.text = [
                y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', i1, i2, b':', s1,
                s2,
            ];
        }
        out.extend_from_slice(&self.text);
    }
}

/// Two decimal digits of a number below 100.
fn two_digits(number: i64) -> [u8; 2] {
    let number = u8::try_from(number).unwrap_or_default();
    [b'0' + number / 10 % 10, b'0' + number % 10]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::escape::utf8_text;
    use crate::show::time::{rfc3339, rfc3339_millis};

    fn to_string(value: &impl Serialize) -> io::Result<String> {
        let mut out = Vec::new();
        write(&mut out, value)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn appended(append: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        append(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn texts() {
        let check = |text: &[u8], expected: &str| {
            assert_eq!(appended(|out| append_text(out, text)), expected);
            assert_eq!(format!("\"{expected}\""), to_string(&utf8_text(text)).unwrap());
        };
        check(b"", "");
        check(b"CN=a,O=b c~\x7f", r"CN=a,O=b c~\u007f");
        check(b"a\"b\\c/", r#"a\"b\\c/"#);
        check(b"\0\x08\t\n\x0c\r\x1b\x1f", r"\u0000\b\t\n\f\r\u001b\u001f");
        check("Zürich\n日本\u{2028}👍".as_bytes(), r"Zürich\n日本\u2028👍");
        check("\u{9b}1m\u{202e}\u{e0041}".as_bytes(), r"\u009b1m\u202e\udb40\udc41");
        check(b"\xffa\xc3(\"", r#"\\xFFa\\xC3(\""#);
    }

    #[test]
    fn plain_is_every_byte() {
        for length in 1..70 {
            for place in 0..length {
                for byte in [0, 0x1f, b'"', b'\\', 0x7f, 0x80, 0xff] {
                    let mut text = vec![b' '; length];
                    assert!(is_plain(&text), "{length}");
                    text[place] = byte;
                    assert!(!is_plain(&text), "{length} {place} {byte}");
                    text[place] = b'~';
                    assert!(is_plain(&text), "{length} {place}");
                }
            }
        }
        assert!(is_plain(b""));
    }

    #[test]
    fn values_of_a_log() {
        let check = |value: &[u8], escape, expected: &str| {
            assert_eq!(appended(|out| append_value(out, value, escape)), expected);
        };
        check(br"a\x22b\x5Cc\xC3\xBC\xFF", Escape::Default, r#"a\"b\\cü\\xFF"#);
        check(br#"a\"b\\c\u001b"#, Escape::Json, r#"a\"b\\c\u001b"#);
        check(br"a\x22", Escape::None, r"a\\x22");
        check(b"plain", Escape::Default, "plain");
    }

    #[test]
    fn numbers() {
        let check = |digits: &str, expected: Option<&str>| {
            let mut out = Vec::new();
            let found = append_digits(&mut out, digits.as_bytes());
            assert_eq!(found, expected.is_some(), "{digits}");
            assert_eq!(String::from_utf8(out).unwrap(), expected.unwrap_or_default(), "{digits}");
        };
        check("0", Some("0"));
        check("200", Some("200"));
        check("007", Some("7"));
        check("+7", Some("7"));
        check("9999999999999999999", Some("9999999999999999999"));
        check("18446744073709551615", Some("18446744073709551615"));
        check("18446744073709551616", None);
        check("-1", None);
        check("1x", None);
        check("", None);
    }

    #[test]
    fn decimals() {
        let check = |decimal: &str, expected: Option<&str>| {
            let mut out = Vec::new();
            let found = append_decimal(&mut out, decimal.as_bytes());
            assert_eq!(found, expected.is_some(), "{decimal}");
            assert_eq!(String::from_utf8(out).unwrap(), expected.unwrap_or_default(), "{decimal}");
        };
        check("0.000", Some("0.0"));
        check("0.135", Some("0.135"));
        check("60.250", Some("60.25"));
        check("60.500", Some("60.5"));
        check("00.500", Some("0.5"));
        check("999999999.999", Some("999999999.999"));
        check("1", Some("1.0"));
        check(".5", Some("0.5"));
        check("1e3", Some("1000.0"));
        check("nan", Some("null"));
        check("0.1x", None);
        check("0.1x5", None);
        check("-", None);
        check("", None);
    }

    /// Bytes, characters, and those that are hidden, in any order.
    fn texts_of_all_sorts() -> impl Strategy<Value = Vec<u8>> {
        let hidden = prop::sample::select(vec!['\u{7f}', '\u{9b}', '\u{202e}', '\u{e0041}']);
        let characters = prop_oneof![any::<char>(), hidden];
        let characters = characters.prop_map(|character| character.to_string().into_bytes());
        let piece = prop_oneof![any::<u8>().prop_map(|byte| vec![byte]), characters];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn as_serde_json_writes_them(
            text in texts_of_all_sorts(),
            number: u64,
            thousandths in 0..10_000_000_000_u64,
            time in -62_167_219_200_000..253_402_300_800_000_i64,
        ) {
            let found = format!("\"{}\"", appended(|out| append_text(out, &text)));
            prop_assert_eq!(&found, &to_string(&utf8_text(&text)).unwrap());
            prop_assert_eq!(serde_json::from_str::<String>(&found).unwrap(), utf8_text(&text));
            prop_assert!(!found.contains(is_hidden));
            prop_assert_eq!(appended(|out| append_integer(out, number)), to_string(&number).unwrap());
            let decimal = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
            let mut out = Vec::new();
            prop_assert!(append_decimal(&mut out, decimal.as_bytes()));
            let expected = to_string(&decimal.parse::<f64>().unwrap()).unwrap();
            prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
            let mut text = TimeText::default();
            for _ in 0..2 {
                let millis = appended(|out| text.append_millis(out, time));
                prop_assert_eq!(millis, rfc3339_millis(time));
                let seconds = appended(|out| text.append_seconds(out, time.div_euclid(1000)));
                prop_assert_eq!(seconds, rfc3339(time.div_euclid(1000)));
            }
        }
    }
}
