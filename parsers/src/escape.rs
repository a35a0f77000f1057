//! Undoes what nginx's log escaping did to a value (`ngx_http_log_escape`,
//! `ngx_escape_json`).

use std::borrow::Cow;

use crate::hex;

/// The `escape=` of a `log_format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Escape {
    /// `"`, `\`, bytes below 0x20 and from 0x7F up are written `\xHH`; unset is `-`.
    #[default]
    Default,
    /// JSON string escapes, bytes from 0x80 up as they came; unset is empty.
    Json,
    /// Nothing is escaped: a client can write anything into the line.
    None,
}

impl Escape {
    /// Whether a value can hold `byte` unescaped.
    pub fn may_hold(self, byte: u8) -> bool {
        match self {
            Escape::Default => (0x20..0x7f).contains(&byte) && byte != b'"',
            Escape::Json => byte >= 0x20 && byte != b'"',
            Escape::None => byte != b'\n',
        }
    }

    /// The value's own bytes. What is no escape of this kind stays as it is.
    pub fn undo(self, value: &[u8]) -> Cow<'_, [u8]> {
        match memchr::memchr(b'\\', value) {
            Some(first) if self != Escape::None => Cow::Owned(undo_from(value, first)),
            _ => Cow::Borrowed(value),
        }
    }
}

/// Both kinds are undone by one function: nginx writes a backslash of the client's as an escape in
/// either, so `\x5C` in JSON and `\n` in the default kind can only come from the escaping itself.
fn undo_from(value: &[u8], first_backslash: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    let mut next = Some(first_backslash);
    while let Some((plain, escaped)) = next.and_then(|at| rest.split_at_checked(at)) {
        out.extend_from_slice(plain);
        let used = undo_one(escaped, &mut out);
        rest = escaped.get(used..).unwrap_or_default();
        next = memchr::memchr(b'\\', rest);
    }
    out.extend_from_slice(rest);
    out
}

/// Undoes the escape that `text` starts with and returns its length in bytes.
fn undo_one(text: &[u8], out: &mut Vec<u8>) -> usize {
    let (byte, used) = match text {
        [_, b'x', high, low, ..] if hex::digit(*high).is_some() && hex::digit(*low).is_some() => (
            hex::digit(*high).zip(hex::digit(*low)).map_or(b'\\', |(high, low)| high << 4 | low),
            4,
        ),
        [_, b'u', ..] => return undo_unicode(text, out),
        [_, b'n', ..] => (b'\n', 2),
        [_, b'r', ..] => (b'\r', 2),
        [_, b't', ..] => (b'\t', 2),
        [_, b'b', ..] => (0x08, 2),
        [_, b'f', ..] => (0x0c, 2),
        [_, byte @ (b'"' | b'\\' | b'/'), ..] => (*byte, 2),
        _ => (b'\\', 1),
    };
    out.push(byte);
    used
}

/// `\uHHHH`, two of them for a character outside the basic plane; a lone surrogate stays as it is.
fn undo_unicode(text: &[u8], out: &mut Vec<u8>) -> usize {
    let unit = |at: usize| match text.get(at..at + 6) {
        Some([b'\\', b'u', digits @ ..]) => digits
            .iter()
            .try_fold(0u32, |sum, &digit| Some(sum << 4 | u32::from(hex::digit(digit)?))),
        _ => None,
    };
    let (code, used) = match (unit(0), unit(6)) {
        (Some(high @ 0xd800..0xdc00), Some(low @ 0xdc00..0xe000)) => {
            (Some(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)), 12)
        }
        (code, _) => (code, 6),
    };
    match code.and_then(char::from_u32) {
        Some(character) => {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            used
        }
        None => {
            out.push(b'\\');
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn undo() {
        let check = |escape: Escape, value: &[u8], expected: &[u8]| {
            assert_eq!(escape.undo(value).as_ref(), expected, "{escape:?} {value:?}");
        };
        check(Escape::Default, b"CN=plain", b"CN=plain");
        check(Escape::Default, br"Acme\x5C, Inc.", br"Acme\, Inc.");
        check(Escape::Default, br"\x22\x0A\xFF\xff", b"\"\n\xff\xff");
        check(Escape::Default, br"\x2", br"\x2");
        check(Escape::Default, br"\xZZ", br"\xZZ");
        check(Escape::Default, br"end\", br"end\");
        check(Escape::Json, br#"a\"b\\c\/d"#, br#"a"b\c/d"#);
        check(Escape::Json, br"\b\f\n\r\t\u001f", b"\x08\x0c\n\r\t\x1f");
        check(Escape::Json, b"raw \xff byte", b"raw \xff byte");
        check(Escape::Json, br"\u20AC", "\u{20ac}".as_bytes());
        check(Escape::Json, br"\uD83D\uDE00!", "\u{1f600}!".as_bytes());
        check(Escape::Json, br"\uD83Dx", br"\uD83Dx");
        check(Escape::Json, br"\u12", br"\u12");
        check(Escape::None, br"\x22\n", br"\x22\n");
    }

    /// As nginx escapes, written from its documentation.
    fn escape_default(value: &[u8]) -> Vec<u8> {
        let one = |&byte: &u8| match byte {
            b'"' | b'\\' | 0..0x20 | 0x7f.. => format!("\\x{byte:02X}").into_bytes(),
            _ => vec![byte],
        };
        value.iter().flat_map(one).collect()
    }

    fn escape_json(value: &[u8]) -> Vec<u8> {
        let one = |&byte: &u8| match byte {
            b'"' | b'\\' => vec![b'\\', byte],
            b'\n' => br"\n".to_vec(),
            0..0x20 => format!("\\u{byte:04X}").into_bytes(),
            _ => vec![byte],
        };
        value.iter().flat_map(one).collect()
    }

    proptest! {
        #[test]
        fn undo_inverts_escaping(value: Vec<u8>) {
            let default = escape_default(&value);
            prop_assert!(default.iter().all(|&byte| Escape::Default.may_hold(byte)));
            let json = escape_json(&value);
            for (escape, escaped) in [(Escape::Default, default), (Escape::Json, json)] {
                let undone = escape.undo(&escaped).into_owned();
                prop_assert_eq!(&undone, &value);
            }
        }
    }
}
