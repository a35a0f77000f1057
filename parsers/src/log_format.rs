//! nginx's `log_format` directive: name, escaping, and the literals and variables of a line.
//!
//! Follows `ngx_http_log_compile_format` (nginx 1.22 to 1.29): quoted parts are joined with nothing
//! between them, a variable is `$name` or `${name}`, and `escape=` stands before the first part.

use std::fmt;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till1, take_while, take_while1};
use nom::combinator::map;
use nom::error::{Error, ErrorKind};
use nom::sequence::delimited;
use nom::{IResult, Parser};

use crate::escape::Escape;
use crate::nginx_conf::{self, Argument, Directive};

/// Longest format text taken, in bytes; nginx itself stops at its 4 KiB buffer for one part.
pub const FORMAT_BYTES_MAX: usize = 64 * 1024;
/// Most variables in one format.
pub const VARIABLES_MAX: usize = 256;

/// A format as it is meant: what stands between the variables, and which they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFormat {
    /// The name of the directive; empty for a bare format string.
    pub name: String,
    /// How nginx escapes the values.
    pub escape: Escape,
    /// Literals and variables in their order; no two literals and no two variables are neighbours.
    pub pieces: Vec<Piece>,
}

/// A part of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes that stand in every line.
    Literal(Vec<u8>),
    /// The name of a variable, without `$`.
    Variable(String),
}

impl LogFormat {
    /// Reads what an operator pastes: the whole directive (`log_format name '...' '...';`, the first
    /// one of a file), its quoted parts alone, or the bare text of a format, which may begin with
    /// `escape=json ` or `escape=none `.
    ///
    /// # Errors
    /// Says line and column of what nginx would refuse, and of two variables with nothing between
    /// them, which no reader could tell apart.
    pub fn parse(text: &[u8]) -> Result<LogFormat, FormatError> {
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text); // a byte order mark
        let start = text.trim_ascii_start();
        if start.starts_with(b"log_format") || start.starts_with(b"#") {
            let tree = nginx_conf::parse(text).map_err(|error| FormatError::from_conf(&error))?;
            let directive = tree.iter().find(|directive| directive.name == b"log_format");
            let directive = directive.ok_or(FormatError::at(1, 1, Missing))?;
            return LogFormat::read(
                directive,
                Builder { source: Some(text), ..Builder::default() },
            );
        }
        if start.starts_with(b"'") {
            // On a line of its own, so that columns are those of the text.
            let parts = text.trim_ascii_end();
            let parts = parts.strip_suffix(b";").unwrap_or(parts);
            let directive = [b"log_format pasted\n", parts, b";"].concat();
            let format = LogFormat::parse(&directive).map_err(|error| error.of_pasted(text))?;
            return Ok(LogFormat { name: String::new(), ..format });
        }
        let bare = text.strip_suffix(b"\n").unwrap_or(text);
        let (escape, parts) = match bare.strip_prefix(b"escape=") {
            Some(rest) => {
                let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
                let (word, parts) = rest.split_at_checked(end).unwrap_or((rest, b""));
                let spaces = parts.len() - parts.trim_ascii_start().len();
                let column = column_after(8, end + spaces);
                (escape_from(word, 1, 8)?, (parts.trim_ascii_start(), column))
            }
            None => (Escape::Default, (bare, 1)),
        };
        let mut builder = Builder::default();
        builder.part(parts.0, 1, parts.1)?;
        builder.finish(String::new(), escape)
    }

    /// Reads a `log_format` directive of nginx.conf.
    ///
    /// # Errors
    /// As [`LogFormat::parse`]. Line and column inside a quoted part count its bytes after escapes
    /// were undone, since a directive does not keep them.
    pub fn from_directive(directive: &Directive) -> Result<LogFormat, FormatError> {
        LogFormat::read(directive, Builder::default())
    }

    fn read(directive: &Directive, mut builder: Builder<'_>) -> Result<LogFormat, FormatError> {
        let at = |kind| FormatError::at(directive.line, directive.column, kind);
        let (name, mut parts) = directive.arguments.split_first().ok_or(at(Missing))?;
        let mut escape = Escape::Default;
        if let Some((first, rest)) = parts.split_first()
            && let Some(word) = first.text.strip_prefix(b"escape=")
        {
            escape = escape_from(word, first.line, first.column)?;
            parts = rest;
        }
        if parts.is_empty() {
            return Err(at(Missing));
        }
        for Argument { text, line, column, quoted } in parts {
            builder.part(text, *line, column + u32::from(*quoted))?;
        }
        builder.finish(String::from_utf8_lossy(&name.text).into_owned(), escape)
    }

    /// The names of the variables in their order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable(name) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// Whether the format has `$name`.
    pub fn has(&self, name: &str) -> bool {
        self.variables().any(|variable| variable == name)
    }
}

#[derive(Default)]
struct Builder<'a> {
    /// The configuration that the parts stand in, where it is at hand.
    source: Option<&'a [u8]>,
    pieces: Vec<Piece>,
    variable_count: usize,
    text_bytes: usize,
}

impl Builder<'_> {
    /// Adds one quoted part that starts at `line` and `column`.
    fn part(&mut self, text: &[u8], line: u32, column: u32) -> Result<(), FormatError> {
        self.text_bytes += text.len();
        let source = self.source;
        let mut rest = text;
        while !rest.is_empty() {
            let fail = |kind| {
                let offset = text.len() - rest.len();
                let raw = source.and_then(|source| behind(source, line, column));
                let (at_line, at_column) = match raw {
                    Some(raw) => position(raw, raw_offset(raw, offset), line, column),
                    None => position(text, offset, line, column),
                };
                FormatError::at(at_line, at_column, kind)
            };
            if self.text_bytes > FORMAT_BYTES_MAX {
                return Err(fail(TooLarge));
            }
            let (after, piece) = piece(rest).map_err(|_| fail(BadVariable))?;
            self.push(piece).map_err(fail)?;
            rest = after;
        }
        Ok(())
    }

    fn push(&mut self, piece: Piece) -> Result<(), FormatErrorKind> {
        match (self.pieces.last_mut(), piece) {
            (Some(Piece::Literal(before)), Piece::Literal(text)) => before.extend(text),
            (Some(Piece::Variable(before)), Piece::Variable(name)) => {
                return Err(Adjacent { before: before.clone(), name });
            }
            (_, piece) => {
                self.variable_count += usize::from(matches!(piece, Piece::Variable(_)));
                if self.variable_count > VARIABLES_MAX {
                    return Err(TooLarge);
                }
                self.pieces.push(piece);
            }
        }
        Ok(())
    }

    fn finish(self, name: String, escape: Escape) -> Result<LogFormat, FormatError> {
        if self.variable_count == 0 {
            return Err(FormatError::at(1, 1, Missing));
        }
        Ok(LogFormat { name, escape, pieces: self.pieces })
    }
}

fn piece(input: &[u8]) -> IResult<&[u8], Piece> {
    alt((variable, map(take_till1(|byte| byte == b'$'), |text: &[u8]| Piece::Literal(text.into()))))
        .parse(input)
}

fn variable(input: &[u8]) -> IResult<&[u8], Piece> {
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let (rest, _) = tag("$")(input)?;
    let (rest, name) =
        alt((delimited(tag("{"), take_while(in_name), tag("}")), take_while1(in_name)))
            .parse(rest)?;
    match std::str::from_utf8(name) {
        Ok(name) if !name.is_empty() => Ok((rest, Piece::Variable(name.to_owned()))),
        _ => Err(nom::Err::Failure(Error::new(input, ErrorKind::AlphaNumeric))),
    }
}

fn escape_from(word: &[u8], line: u32, column: u32) -> Result<Escape, FormatError> {
    match word {
        b"default" => Ok(Escape::Default),
        b"json" => Ok(Escape::Json),
        b"none" => Ok(Escape::None),
        _ => Err(FormatError::at(line, column, UnknownEscape)),
    }
}

/// Line and column of the byte at `offset` of a text that starts at `line` and `column`.
fn position(text: &[u8], offset: usize, line: u32, column: u32) -> (u32, u32) {
    let before = text.get(..offset).unwrap_or(text);
    let newlines = memchr::memchr_iter(b'\n', before).count();
    match memchr::memrchr(b'\n', before) {
        Some(last) => (line.saturating_add(count(newlines)), count(before.len() - last)),
        None => (line, column_after(column, before.len())),
    }
}

/// What stands behind `line` and `column` of a configuration.
fn behind(source: &[u8], line: u32, column: u32) -> Option<&[u8]> {
    let newlines = usize::try_from(line).ok()?.checked_sub(1)?;
    let line_start = match newlines.checked_sub(1) {
        Some(last) => memchr::memchr_iter(b'\n', source).nth(last)? + 1,
        None => 0,
    };
    source.get(line_start + usize::try_from(column).ok()?.checked_sub(1)?..)
}

/// Where the byte at `offset` of a word stands in `raw`, the word as written, with the escapes that
/// nginx undoes.
fn raw_offset(raw: &[u8], offset: usize) -> usize {
    (0..offset).fold(0, |at, _| match raw.get(at..at + 2) {
        Some([b'\\', b't' | b'r' | b'n' | b'"' | b'\'' | b'\\']) => at + 2,
        _ => at + 1,
    })
}

fn column_after(column: u32, bytes: usize) -> u32 {
    column.saturating_add(count(bytes))
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Where and why a format was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    /// From 1.
    pub line: u32,
    /// Bytes from 1.
    pub column: u32,
    /// What is wrong there.
    pub kind: FormatErrorKind,
}

/// What is wrong with a format.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatErrorKind {
    /// No name, no text or no variable.
    Missing,
    /// A `$` without a name, or `${` without `}`.
    BadVariable,
    /// Two variables with nothing between them.
    Adjacent {
        /// The variable that would have no end.
        before: String,
        /// The one that follows it at once.
        name: String,
    },
    /// Not `default`, `json` or `none`.
    UnknownEscape,
    /// Over [`FORMAT_BYTES_MAX`] or [`VARIABLES_MAX`].
    TooLarge,
    /// The text around the format is no nginx configuration.
    Syntax(String),
}
use FormatErrorKind::{Adjacent, BadVariable, Missing, Syntax, TooLarge, UnknownEscape};

impl FormatError {
    fn at(line: u32, column: u32, kind: FormatErrorKind) -> FormatError {
        FormatError { line, column, kind }
    }

    /// The same place in the pasted text, which has neither the line put before it nor the `;`.
    fn of_pasted(self, text: &[u8]) -> FormatError {
        let line = self.line.saturating_sub(1).max(1);
        FormatError { line, column: self.column.min(count(text.len() + 1)), ..self }
    }

    fn from_conf(error: &nginx_conf::ConfError) -> FormatError {
        FormatError::at(error.line, error.column, Syntax(error.kind.to_string()))
    }
}

impl fmt::Display for FormatErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing => f.write_str("expected a log_format with a name and at least one variable"),
            BadVariable => f.write_str("expected a variable name after `$`"),
            Adjacent { before, name } => write!(
                f,
                "expected some text between `${before}` and `${name}`: without it nobody can tell \
                 where one ends"
            ),
            UnknownEscape => f.write_str("expected escape=default, escape=json or escape=none"),
            TooLarge => {
                write!(f, "expected at most {FORMAT_BYTES_MAX} bytes and {VARIABLES_MAX} variables")
            }
            Syntax(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.kind)
    }
}

impl std::error::Error for FormatError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(format: &LogFormat) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Literal(text) => format!("{:?}", String::from_utf8_lossy(text)),
            Piece::Variable(name) => format!("${name}"),
        };
        format.pieces.iter().map(piece).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn accepted() {
        let check = |text: &str, name: &str, escape: Escape, pieces: &str| {
            let format =
                LogFormat::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((format.name.as_str(), format.escape), (name, escape), "{text}");
            assert_eq!(show(&format), pieces, "{text}");
        };
        check("$status", "", Escape::Default, "$status");
        check("a${status}b", "", Escape::Default, r#""a" $status "b""#);
        check("escape=json {\"s\":$status}", "", Escape::Json, r#""{\"s\":" $status "}""#);
        check("log_format m '$a ' '[$b]';", "m", Escape::Default, r#"$a " [" $b "]""#);
        check("log_format m escape=none $a;", "m", Escape::None, "$a");
        check("log_format m \"a=\\\"$a\\\"\";", "m", Escape::Default, r#""a=\"" $a "\"""#);
        check("log_format m 'a\\tb$a';", "m", Escape::Default, r#""a\tb" $a"#);
        check("# ours\nlog_format\n  m\n  '$a';", "m", Escape::Default, "$a");
        check("'$a ' '$b'", "", Escape::Default, r#"$a " " $b"#);
        check("'$a ' '$b';\n", "", Escape::Default, r#"$a " " $b"#);
        check(
            &"$a ".repeat(VARIABLES_MAX),
            "",
            Escape::Default,
            r#"$a " " "#.repeat(VARIABLES_MAX).trim_end(),
        );
    }

    #[test]
    fn refused() {
        let check = |text: &str, line: u32, column: u32, expected: &str| {
            let error = LogFormat::parse(text.as_bytes()).expect_err(text);
            assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
            assert!(error.to_string().contains(expected), "{text}: {error}");
        };
        check("$status$body", 1, 8, "between `$status` and `$body`");
        check("log_format m '$a' '$b';", 1, 20, "between `$a` and `$b`");
        check("log_format m '$a\n $b$c';", 2, 4, "between `$b` and `$c`");
        check("a $ b", 1, 3, "variable name");
        check("a ${b c", 1, 3, "variable name");
        check("${}", 1, 1, "variable name");
        check("no variable", 1, 1, "at least one variable");
        check(r#"log_format m "\"$a\" $b$c";"#, 1, 24, "between `$b` and `$c`");
        check(r"log_format m 'a\n$b$c';", 1, 20, "between `$b` and `$c`");
        check("\u{feff}#\nlog_format m '\\t' 'a\n\\\\$b$c';", 3, 5, "between `$b` and `$c`");
        check("log_format m;", 1, 1, "at least one variable");
        check("escape=xml $a", 1, 8, "escape=default");
        check("log_format m escape=yaml '$a';", 1, 14, "escape=default");
        check(&"$a ".repeat(VARIABLES_MAX + 1), 1, 769, "at most");
        check(&format!("{}$a", "$a ".repeat(VARIABLES_MAX)), 1, 769, "at most");
        check(r"'$a ' $b\", 1, 10, "expected `;`");
        check("'$a' '$b'", 1, 7, "between `$a` and `$b`");
        check("\n '$a ' '$'", 2, 9, "variable name");
        check("escape=json   $a$b", 1, 17, "between `$a` and `$b`");
    }
}
