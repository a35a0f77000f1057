//! The one place where bytes that a client wrote become text that is safe to show.
//!
//! A terminal, a label, a page or a message shows this text and nothing else of what a client sent. What
//! could move a cursor, reverse the reading direction, hide or be invisible comes out byte by byte as `\xHH`
//! in upper case: control characters (C0 with tab and newline, DEL, C1), line and paragraph separators,
//! bidirectional marks, and Unicode's default ignorable and format characters; so do bytes that are not
//! UTF-8. Everything else stays as it is, backslashes too: the result is for reading, not for undoing.
//!
//! Cutting to a length is left to the caller, who knows how much room there is; [`cells`] helps with that.
//! The character sets follow Unicode 16.0: the property `Default_Ignorable_Code_Point`, the general
//! categories `Cc`, `Cf`, `Zl` and `Zp`, and `Bidi_Control`.

use std::borrow::Cow;
use std::fmt::Write as _;

/// One thing to show: a character as it is, or what stands for a hidden or broken one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell<'a> {
    /// Where it starts, in bytes from the start of what was escaped.
    pub byte_offset: usize,
    /// How many bytes of the original it stands for, at least 1.
    pub byte_count: usize,
    /// What to show for them.
    pub text: Cow<'a, str>,
}

/// Makes bytes safe to show; borrows when nothing has to change.
///
/// ```
/// assert_eq!(gatelog::escape::escape_text(b"CN=\x1b[31m\xff"), r"CN=\x1B[31m\xFF");
/// ```
pub fn escape_text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.chars().any(is_hidden)
    {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(bytes.len().saturating_add(16));
    for cell in cells(bytes) {
        shown.push_str(&cell.text);
    }
    Cow::Owned(shown)
}

/// Bytes as UTF-8, each that is not as `\xHH`; hidden characters stay. For programs and for paths; what
/// a person is shown goes through [`escape_text`].
pub fn utf8_text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(bytes.utf8_chunks().fold(String::new(), |mut text, chunk| {
        text.push_str(chunk.valid());
        text.push_str(&hex(chunk.invalid()));
        text
    }))
}

/// The same text cell by cell, each with its place in the original, for cutting and for carets.
///
/// A hidden character is one cell, whatever its length; of a broken sequence each byte is one.
pub fn cells(bytes: &[u8]) -> impl Iterator<Item = Cell<'_>> {
    let mut byte_offset = 0_usize;
    bytes.utf8_chunks().flat_map(move |chunk| {
        let text = chunk.valid();
        let valid_offset = byte_offset;
        let invalid_offset = valid_offset.saturating_add(text.len());
        byte_offset = invalid_offset.saturating_add(chunk.invalid().len());
        let valid = text.char_indices().map(move |(index, character)| {
            let end = index.saturating_add(character.len_utf8());
            let text = text.get(index..end).unwrap_or_default();
            Cell {
                byte_offset: valid_offset.saturating_add(index),
                byte_count: character.len_utf8(),
                text: if is_hidden(character) { hex(text.as_bytes()).into() } else { text.into() },
            }
        });
        let invalid = chunk.invalid().iter().enumerate().map(move |(index, byte)| Cell {
            byte_offset: invalid_offset.saturating_add(index),
            byte_count: 1,
            text: hex(std::slice::from_ref(byte)).into(),
        });
        valid.chain(invalid)
    })
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(4));
    for byte in bytes {
        // Writing into a String cannot fail.
        let _infallible = write!(text, "\\x{byte:02X}");
    }
    text
}

/// Whether a character is invisible, or changes how its neighbours are shown. What must not lose a
/// character, such as JSON, writes it by its number.
pub fn is_hidden(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    matches!(character,
        '\u{80}'..='\u{9F}'           // C1
        | '\u{AD}' | '\u{34F}'        // soft hyphen, combining grapheme joiner
        | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}' // Arabic and Syriac format, letter mark
        | '\u{890}'..='\u{891}' | '\u{8E2}'
        | '\u{115F}'..='\u{1160}'     // Hangul fillers, which look like nothing
        | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}'     // zero width space and joiners, left-to-right and right-to-left mark
        | '\u{2028}'..='\u{202E}'     // line and paragraph separator, bidirectional embeddings and overrides
        | '\u{2060}'..='\u{206F}'     // word joiner, invisible operators, bidirectional isolates
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
        | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1343F}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}') // tags and variation selectors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(escape_text(bytes), expected);
        let joined: String = cells(bytes).map(|cell| cell.text).collect();
        assert_eq!(joined, expected);
        let mut next_offset = 0;
        for cell in cells(bytes) {
            assert_eq!(cell.byte_offset, next_offset);
            next_offset += cell.byte_count;
        }
        assert_eq!(next_offset, bytes.len(), "the cells cover every byte once");
    }

    #[test]
    fn plain_text_stays_and_is_borrowed() {
        for text in
            ["", "CN=a,O=b", r"a\x41\", "Zürich", "日本", "👍", "\u{FFFD}", "e\u{301}", "\u{A0}"]
        {
            check(text.as_bytes(), text);
            assert!(matches!(escape_text(text.as_bytes()), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn control_characters() {
        check(b"\0\t\n\r\x1b[31m\x1f \x7e\x7f", r"\x00\x09\x0A\x0D\x1B[31m\x1F ~\x7F");
        check("\u{80}\u{9F}\u{A1}".as_bytes(), "\\xC2\\x80\\xC2\\x9F\u{A1}");
    }

    #[test]
    fn invisible_and_bidirectional_characters() {
        let hidden = [
            "\u{200B}",
            "\u{200C}",
            "\u{200D}",
            "\u{200E}",
            "\u{200F}",
            "\u{202A}",
            "\u{202E}",
            "\u{2060}",
            "\u{2066}",
            "\u{2069}",
            "\u{61C}",
            "\u{FEFF}",
            "\u{2028}",
            "\u{2029}",
            "\u{AD}",
            "\u{E0041}",
            "\u{3164}",
        ];
        for character in hidden {
            let expected: String = character.bytes().map(|byte| format!("\\x{byte:02X}")).collect();
            check(format!("a{character}b").as_bytes(), &format!("a{expected}b"));
        }
        for visible_neighbour in
            ["\u{2010}", "\u{2027}", "\u{202F}", "\u{205F}", "\u{2070}", "\u{FFFC}"]
        {
            check(visible_neighbour.as_bytes(), visible_neighbour);
        }
    }

    #[test]
    fn bytes_that_are_not_utf8() {
        check(b"\xff", r"\xFF");
        check(b"a\xc3b", r"a\xC3b");
        check(b"\xe2\x82", r"\xE2\x82");
        check(b"\xe2\x82\xac", "€");
        check(b"\xed\xa0\x80", r"\xED\xA0\x80");
        check(b"\xc3\xb6\xff\xc3\xb6", "ö\\xFFö");
        check(b"\xf4\x90\x80\x80", r"\xF4\x90\x80\x80");
    }
}
