//! What several targets need: values as nginx escapes them, and what holds for every parsed line.

use gatelog_parsers::escape::Escape;
use gatelog_parsers::line::{LineError, LineParser, Record, Spans};
use gatelog_parsers::log_format::{LogFormat, Piece};
use gatelog_parsers::variable::Field;

/// A value as nginx writes it into a line (`ngx_http_log_escape`, `ngx_escape_json`).
pub fn escaped(escape: Escape, value: &[u8]) -> Vec<u8> {
    if escape == Escape::Default && value.is_empty() {
        return b"-".to_vec();
    }
    let mut escaped = Vec::with_capacity(2 * value.len());
    for &byte in value {
        match (escape, byte) {
            (Escape::Default, b'"' | b'\\' | 0..0x20 | 0x7f..) => {
                escaped.extend([b'\\', b'x', hex_digit(byte >> 4), hex_digit(byte & 15)]);
            }
            (Escape::Json, b'"' | b'\\') => escaped.extend([b'\\', byte]),
            (Escape::Json, b'\n') => escaped.extend(br"\n"),
            (Escape::Json, b'\r') => escaped.extend(br"\r"),
            (Escape::Json, b'\t') => escaped.extend(br"\t"),
            (Escape::Json, 0x08) => escaped.extend(br"\b"),
            (Escape::Json, 0x0c) => escaped.extend(br"\f"),
            (Escape::Json, 0..0x20) => {
                escaped.extend(br"\u00");
                escaped.extend([hex_digit(byte >> 4), hex_digit(byte & 15)]);
            }
            _ => escaped.push(byte),
        }
    }
    escaped
}

/// An upper-case digit of a number below 16.
pub fn hex_digit(number: u8) -> u8 {
    b"0123456789ABCDEF"[usize::from(number)]
}

/// Parses `line` and checks all that holds for any line. `format` is what the parser was made from,
/// where it was made from one.
pub fn check_line(parser: &LineParser, format: Option<&LogFormat>, line: &[u8]) {
    let mut spans = Spans::default();
    let error = match parser.parse(line, &mut spans) {
        Ok(record) => {
            check_record(parser, format, line, &record);
            None
        }
        Err(error) => {
            check_error(parser, line, &error);
            Some(error)
        }
    };
    // What an earlier line left behind changes nothing.
    assert_eq!(parser.parse(line, &mut spans).err(), error);
    assert!(parser.straight_agrees(line), "{}", line.escape_ascii());
}

fn check_record(parser: &LineParser, format: Option<&LogFormat>, line: &[u8], record: &Record<'_>) {
    assert_eq!(record.line(), line);
    // A line of JSON may have been read by its keys instead, and somebody else than nginx wrote it.
    let is_object = |format: &LogFormat| matches!(format.pieces.first(), Some(Piece::Literal(text)) if text.starts_with(b"{"));
    let by_key = line.trim_ascii_start().starts_with(b"{") && format.is_none_or(is_object);
    for field in Field::ALL {
        let Some(text) = record.logged(*field) else { continue };
        assert!(parser.has(*field));
        assert!(offset_of(line, text) + text.len() <= line.len());
        let shape = field.shape();
        let fits =
            shape.fits(text) || by_key && (shape.fits_in_object(text) || shape.fits_array(text));
        assert!(fits, "{field:?} {}", text.escape_ascii());
    }
    let Some(format) = format else { return };
    assert!(record.variable_count() <= format.variables().count());
    if !by_key {
        assert_eq!(rejoined(format, record), line, "{}", line.escape_ascii());
        assert_eq!(record.escape(), format.escape);
    }
}

/// The line again, from the literals of the format and the values of the record.
fn rejoined(format: &LogFormat, record: &Record<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    let mut index = 0;
    for (piece, after) in
        format.pieces.iter().zip(format.pieces.iter().skip(1).map(Some).chain([None]))
    {
        match piece {
            Piece::Literal(text) => line.extend(text),
            Piece::Variable(_) => {
                match record.variable(index) {
                    Some(value) => {
                        assert_eq!(offset_of(record.line(), value), line.len());
                        line.extend(value);
                    }
                    // An unset value is `-` or nothing: what stands behind it tells.
                    None => {
                        let rest = &record.line()[line.len()..];
                        let literal: &[u8] = match after {
                            Some(Piece::Literal(text)) => text,
                            _ => b"",
                        };
                        let dash = rest.strip_prefix(b"-").is_some_and(|rest| match after {
                            Some(_) => rest.starts_with(literal),
                            None => rest.is_empty(),
                        });
                        let empty = match after {
                            Some(_) => rest.starts_with(literal),
                            None => rest.is_empty(),
                        };
                        assert!(dash || empty);
                        line.extend(if dash { &b"-"[..] } else { b"" });
                    }
                }
                index += 1;
            }
        }
    }
    line
}

fn offset_of(line: &[u8], part: &[u8]) -> usize {
    let offset = (part.as_ptr() as usize).checked_sub(line.as_ptr() as usize);
    offset.filter(|offset| *offset <= line.len()).expect("a value of the line lies in the line")
}

fn check_error(parser: &LineParser, line: &[u8], error: &LineError) {
    let span = error.span();
    assert!(span.start <= span.end && span.end <= line.len(), "{error:?} of {}", line.len());
    assert_eq!(error.column(), span.start + 1);
    let words = parser.explain(error, line);
    assert!(!words.expected.is_empty() && !words.found.is_empty());
    assert!(words.to_string().bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{words}");
}
