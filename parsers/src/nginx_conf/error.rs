//! Why a configuration file is refused, and where. Owns the words of these errors; the file's name
//! is added by whoever opened it.

use std::fmt;

use super::{BLOCK_DEPTH_MAX, CONF_BYTES_MAX, CONF_WORDS_MAX};

/// A place at which nginx would refuse the file, or a bound that it exceeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfError {
    /// Line of the offending byte, from 1.
    pub line: u32,
    /// Column of the offending byte, in bytes, from 1.
    pub column: u32,
    /// What was expected there, and what was found.
    pub kind: ConfErrorKind,
}

/// What was expected, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfErrorKind {
    /// A directive begins with `;` or `{`.
    DirectiveName {
        /// What stands where the name should be.
        found: Found,
    },
    /// A `}` closes no block of this file.
    NoBlock,
    /// A directive ends neither with `;` nor with a block.
    DirectiveEnd {
        /// Its name.
        directive: Vec<u8>,
        /// The line of its name, from 1.
        line: u32,
        /// What stands where it should end.
        found: Found,
    },
    /// The file ends inside a block.
    BlockEnd {
        /// The name of the directive that opened the block.
        directive: Vec<u8>,
        /// The line of that name, from 1.
        line: u32,
    },
    /// The file ends inside quotes; the place is that of the opening one.
    QuoteEnd {
        /// The quote: `"` or `'`.
        quote: u8,
    },
    /// Something follows a closing quote without a space.
    AfterQuote {
        /// What follows.
        found: Found,
    },
    /// The file ends with a backslash.
    Escape,
    /// The file is longer than [`CONF_BYTES_MAX`].
    Bytes {
        /// Its length.
        found: usize,
    },
    /// The file has more words than [`CONF_WORDS_MAX`].
    Words,
    /// Blocks stand deeper inside each other than [`BLOCK_DEPTH_MAX`].
    Depth,
}

/// What stood in the place of what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// This byte.
    Byte(u8),
    /// Nothing more.
    EndOfFile,
}

impl fmt::Display for Found {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Byte(byte @ 0x20..=0x7E) => write!(out, "`{}`", char::from(*byte)),
            Found::Byte(byte) => write!(out, "byte 0x{byte:02X}"),
            Found::EndOfFile => out.write_str("end of file"),
        }
    }
}

impl fmt::Display for ConfError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(out)
    }
}

impl fmt::Display for ConfErrorKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DirectiveName { found } => {
                write!(out, "expected a directive name, found {found}")
            }
            Self::NoBlock => out.write_str("expected a directive or end of file, found `}`"),
            Self::DirectiveEnd { directive, line, found } => {
                let name = Name(directive);
                write!(out, "expected `;` or `{{` to end `{name}` of line {line}, found {found}")
            }
            Self::BlockEnd { directive, line } => {
                let name = Name(directive);
                write!(out, "expected `}}` to close `{name}` of line {line}, found end of file")
            }
            Self::QuoteEnd { quote } => {
                write!(out, "expected a closing {}, found end of file", Found::Byte(*quote))
            }
            Self::AfterQuote { found } => {
                write!(
                    out,
                    "expected a space, `;`, `{{` or `)` after the closing quote, found {found}"
                )
            }
            Self::Escape => out.write_str("expected a byte after the backslash, found end of file"),
            Self::Bytes { found } => {
                write!(out, "expected at most {CONF_BYTES_MAX} bytes, found {found}")
            }
            Self::Words => write!(out, "expected at most {CONF_WORDS_MAX} words, found more"),
            Self::Depth => {
                write!(
                    out,
                    "expected at most {BLOCK_DEPTH_MAX} blocks inside each other, found more"
                )
            }
        }
    }
}

impl std::error::Error for ConfError {}

/// A directive's name as it may stand in a message: printable ASCII, cut to a length.
struct Name<'a>(&'a [u8]);

/// The longest part of a name that a message repeats. nginx's own names stay below 50.
const NAME_SHOWN_BYTES_MAX: usize = 64;

impl fmt::Display for Name<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..NAME_SHOWN_BYTES_MAX);
        write!(out, "{}", shown.unwrap_or(self.0).escape_ascii())?;
        if shown.is_some() && self.0.len() > NAME_SHOWN_BYTES_MAX {
            out.write_str("...")
        } else {
            Ok(())
        }
    }
}
