//! One nginx configuration file: its bytes in, a tree of directives out.
//!
//! Follows `ngx_conf_read_token` of nginx 1.31 (`src/core/ngx_conf_file.c`); `nginx -t` of 1.22.1
//! takes and refuses the same. Owns words, comments, quotes, escapes and blocks, and where each of
//! them stands. What a directive means, which one may stand where, and `include` belong to whoever
//! reads the tree.
//!
//! Kept on purpose where nginx is stricter: a byte order mark at the start is skipped (nginx takes
//! it for part of the first name and refuses it), and a word or comment may be longer than nginx's
//! buffer of 4,096 bytes. The block of a directive whose name ends in `_by_lua_block` is Lua
//! (lua-nginx-module): it is skipped up to its closing brace, and its tree is empty.

mod error;
mod lua;

pub use error::{ConfError, ConfErrorKind, Found};

use nom::branch::alt;
use nom::bytes::complete::{is_a, is_not, tag, take, take_till, take_while};
use nom::combinator::{recognize, value};
use nom::multi::{many0_count, many1_count};
use nom::{IResult, Parser};

/// Longest file that is parsed, in bytes. Files of a million lines belong into `geo` and `map`
/// blocks, which gatelog does not open.
pub const CONF_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most names and arguments in one file. Each costs at most about 100 bytes beside its text, so a
/// tree stays below 40 MiB.
pub const CONF_WORDS_MAX: usize = 400_000;

/// Most blocks inside each other. Real files stay below 8; the tree is dropped by recursion as deep
/// as this.
pub const BLOCK_DEPTH_MAX: usize = 64;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
const SPACE: &str = " \t\r\n";
const LUA_BLOCK_SUFFIX: &[u8] = b"_by_lua_block";

/// A directive: `name argument...;` or `name argument... { block }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// The first word, its escapes undone.
    pub name: Vec<u8>,
    /// The other words.
    pub arguments: Vec<Argument>,
    /// Line of the name's first byte, from 1.
    pub line: u32,
    /// Column of the name's first byte, in bytes, from 1.
    pub column: u32,
    /// What stands between the braces; `None` where a `;` ends the directive, empty for a block of
    /// Lua.
    pub block: Option<Vec<Directive>>,
}

/// A word after the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The word without its quotes; `\"`, `\'`, `\\`, `\t`, `\r` and `\n` are undone, any other
    /// backslash stays.
    pub text: Vec<u8>,
    /// Line of the first byte, a quote included, from 1.
    pub line: u32,
    /// Column of the first byte, a quote included, in bytes, from 1.
    pub column: u32,
    /// Whether the word stood in single or double quotes.
    pub quoted: bool,
}

/// Parses one file.
///
/// Takes time and memory in proportion to the input, without recursion.
///
/// # Errors
/// The first place at which nginx would refuse the file, or the bound that the file exceeds.
///
/// ```
/// let tree = gatelog_parsers::nginx_conf::parse(b"server { listen 443 ssl; }").unwrap();
/// let listen = &tree[0].block.as_ref().unwrap()[0];
/// assert_eq!(listen.name, b"listen");
/// assert_eq!(listen.arguments[1].text, b"ssl");
/// assert_eq!((listen.line, listen.column), (1, 10));
/// ```
pub fn parse(input: &[u8]) -> Result<Vec<Directive>, ConfError> {
    if input.len() > CONF_BYTES_MAX {
        let kind = ConfErrorKind::Bytes { found: input.len() };
        return Err(ConfError { line: 1, column: 1, kind });
    }
    let mut cursor = Cursor::new(input.strip_prefix(BYTE_ORDER_MARK).unwrap_or(input));
    let mut level = Vec::new();
    let mut open: Vec<(Directive, Vec<Directive>)> = Vec::new();
    loop {
        match statement(&mut cursor)? {
            Statement::Simple(directive) => level.push(directive),
            Statement::Block(mut directive) if directive.name.ends_with(LUA_BLOCK_SUFFIX) => {
                cursor.skip_lua(&directive)?;
                directive.block = Some(Vec::new());
                level.push(directive);
            }
            Statement::Block(_) if open.len() == BLOCK_DEPTH_MAX => {
                return Err(cursor.error(ConfErrorKind::Depth));
            }
            Statement::Block(directive) => open.push((directive, std::mem::take(&mut level))),
            Statement::Close => {
                let Some((mut directive, outer)) = open.pop() else {
                    return Err(cursor.error(ConfErrorKind::NoBlock));
                };
                directive.block = Some(std::mem::replace(&mut level, outer));
                level.push(directive);
            }
            Statement::End => match open.pop() {
                Some((directive, _)) => return Err(cursor.unclosed(directive)),
                None => return Ok(level),
            },
        }
    }
}

/// What one round of reading words comes to; braces are told apart by the caller, who has the
/// stack.
enum Statement {
    Simple(Directive),
    Block(Directive),
    Close,
    End,
}

fn statement(cursor: &mut Cursor<'_>) -> Result<Statement, ConfError> {
    let mut directive: Option<Directive> = None;
    loop {
        let token = cursor.token()?;
        let Some(directive) = &mut directive else {
            match token {
                Token::Word { raw, .. } => {
                    directive = Some(Directive {
                        name: unescape(raw),
                        arguments: Vec::new(),
                        line: cursor.line,
                        column: cursor.column,
                        block: None,
                    });
                    continue;
                }
                Token::Close => return Ok(Statement::Close),
                Token::End => return Ok(Statement::End),
                Token::Semicolon => return Err(cursor.nameless(b';')),
                Token::Open => return Err(cursor.nameless(b'{')),
            }
        };
        match token {
            Token::Word { raw, quoted } => directive.arguments.push(Argument {
                text: unescape(raw),
                line: cursor.line,
                column: cursor.column,
                quoted,
            }),
            Token::Semicolon => return Ok(Statement::Simple(take_directive(directive))),
            Token::Open => return Ok(Statement::Block(take_directive(directive))),
            Token::Close => return Err(cursor.unended(directive, Found::Byte(b'}'))),
            Token::End => return Err(cursor.unended(directive, Found::EndOfFile)),
        }
    }
}

fn take_directive(directive: &mut Directive) -> Directive {
    let empty =
        Directive { name: Vec::new(), arguments: Vec::new(), line: 0, column: 0, block: None };
    std::mem::replace(directive, empty)
}

/// Where reading stands. `line` and `column` are those of the token read last, `rest` begins after
/// it.
struct Cursor<'a> {
    rest: &'a [u8],
    line: u32,
    column: u32,
    next_line: u32,
    next_column: u32,
    words: usize,
}

impl<'a> Cursor<'a> {
    fn new(input: &'a [u8]) -> Self {
        Cursor { rest: input, line: 1, column: 1, next_line: 1, next_column: 1, words: 0 }
    }

    fn token(&mut self) -> Result<Token<'a>, ConfError> {
        // Blanks cannot fail: they may be empty.
        let (rest, _) = blank(self.rest).unwrap_or((self.rest, 0));
        self.advance(rest);
        (self.line, self.column) = (self.next_line, self.next_column);
        let (rest, token) = match token(self.rest) {
            Ok(read) => read,
            Err(nom::Err::Error(refused) | nom::Err::Failure(refused)) => {
                self.advance(refused.at);
                (self.line, self.column) = (self.next_line, self.next_column);
                return Err(self.error(refused.kind));
            }
            Err(nom::Err::Incomplete(_)) => (self.rest, Token::End),
        };
        if matches!(token, Token::Word { .. }) {
            self.words += 1;
            if self.words > CONF_WORDS_MAX {
                return Err(self.error(ConfErrorKind::Words));
            }
        }
        self.advance(rest);
        Ok(token)
    }

    /// Moves the start to `rest`, a tail of what is left, and counts the lines on the way.
    fn advance(&mut self, rest: &'a [u8]) {
        let passed_bytes = self.rest.len().saturating_sub(rest.len());
        let passed = self.rest.get(..passed_bytes).unwrap_or_default();
        self.next_line += count(memchr::memchr_iter(b'\n', passed).count());
        match memchr::memrchr(b'\n', passed) {
            Some(newline) => self.next_column = count(passed_bytes - newline),
            None => self.next_column += count(passed_bytes),
        }
        self.rest = rest;
    }

    fn skip_lua(&mut self, directive: &Directive) -> Result<(), ConfError> {
        let Some(rest) = lua::after_block(self.rest) else {
            self.advance(&[]);
            (self.line, self.column) = (self.next_line, self.next_column);
            return Err(self.unclosed(directive.clone()));
        };
        self.advance(rest);
        Ok(())
    }

    fn error(&self, kind: ConfErrorKind) -> ConfError {
        ConfError { line: self.line, column: self.column, kind }
    }

    fn nameless(&self, found: u8) -> ConfError {
        self.error(ConfErrorKind::DirectiveName { found: Found::Byte(found) })
    }

    fn unended(&self, directive: &Directive, found: Found) -> ConfError {
        let (directive, line) = (directive.name.clone(), directive.line);
        self.error(ConfErrorKind::DirectiveEnd { directive, line, found })
    }

    fn unclosed(&self, directive: Directive) -> ConfError {
        self.error(ConfErrorKind::BlockEnd { directive: directive.name, line: directive.line })
    }
}

/// A number of bytes or lines; `CONF_BYTES_MAX` keeps it far below the end of `u32`.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word { raw: &'a [u8], quoted: bool },
    Semicolon,
    Open,
    Close,
    End,
}

/// A refusal by the grammar: what is left at the offending byte, and why.
struct Refused<'a> {
    at: &'a [u8],
    kind: ConfErrorKind,
}

impl<'a> nom::error::ParseError<&'a [u8]> for Refused<'a> {
    fn from_error_kind(at: &'a [u8], _: nom::error::ErrorKind) -> Self {
        // The one input that no branch takes is a backslash at the very end.
        Refused { at, kind: ConfErrorKind::Escape }
    }

    fn append(_: &'a [u8], _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }
}

type Parsed<'a, T> = IResult<&'a [u8], T, Refused<'a>>;

/// Spaces, line ends and comments; a `#` opens a comment only where a word could begin.
fn blank(input: &[u8]) -> Parsed<'_, usize> {
    let comment = recognize((tag("#"), take_till(|byte| byte == b'\n')));
    many0_count(alt((is_a(SPACE), comment))).parse(input)
}

fn token(input: &[u8]) -> Parsed<'_, Token<'_>> {
    match input.first() {
        None => Ok((input, Token::End)),
        Some(b'"') => quoted(input, "\"", "\"\\"),
        Some(b'\'') => quoted(input, "'", "'\\"),
        Some(_) => alt((
            value(Token::Semicolon, tag(";")),
            value(Token::Open, tag("{")),
            value(Token::Close, tag("}")),
            bare,
        ))
        .parse(input),
    }
}

/// An unquoted word: up to a space, `;` or `{`. Quotes, `#` and `}` after its first byte are part
/// of it, and so is a `{` right behind a `$`.
fn bare(input: &[u8]) -> Parsed<'_, Token<'_>> {
    let variable = recognize((tag("$"), take_while(|byte| byte == b'{')));
    let (rest, raw) =
        recognize(many1_count(alt((is_not(" \t\r\n;{\\$"), variable, escape)))).parse(input)?;
    Ok((rest, Token::Word { raw, quoted: false }))
}

/// A quoted word; `special` is the quote and the backslash. nginx wants a space, `;`, `{` or `)`
/// behind it.
fn quoted<'a>(input: &'a [u8], quote: &str, special: &str) -> Parsed<'a, Token<'a>> {
    let (inside, _) = tag(quote).parse(input)?;
    let (end, raw) = recognize(many0_count(alt((is_not(special), escape)))).parse(inside)?;
    let Ok((rest, _)) = tag::<_, _, Refused<'_>>(quote).parse(end) else {
        let quote = input.first().copied().unwrap_or_default();
        return refuse(input, ConfErrorKind::QuoteEnd { quote });
    };
    match rest.first() {
        Some(b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' | b')') | None => {
            Ok((rest, Token::Word { raw, quoted: true }))
        }
        Some(&byte) => refuse(rest, ConfErrorKind::AfterQuote { found: Found::Byte(byte) }),
    }
}

/// A backslash and whatever it protects.
fn escape(input: &[u8]) -> Parsed<'_, &[u8]> {
    recognize((tag("\\"), take(1_usize))).parse(input)
}

fn refuse<'a, T>(at: &'a [u8], kind: ConfErrorKind) -> Parsed<'a, T> {
    Err(nom::Err::Failure(Refused { at, kind }))
}

/// Undoes the six escapes that nginx undoes. Others keep their backslash, as regular expressions
/// need it.
fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(backslash) = memchr::memchr(b'\\', rest) {
        let (plain, escaped) = rest.split_at(backslash);
        text.extend_from_slice(plain);
        let undone = match escaped.get(1) {
            Some(b't') => Some(b'\t'),
            Some(b'r') => Some(b'\r'),
            Some(b'n') => Some(b'\n'),
            Some(&byte @ (b'"' | b'\'' | b'\\')) => Some(byte),
            _ => None,
        };
        text.push(undone.unwrap_or(b'\\'));
        rest = escaped.get(if undone.is_some() { 2 } else { 1 }..).unwrap_or_default();
    }
    text.extend_from_slice(rest);
    text
}

#[cfg(test)]
mod tests;
