//! The syntax of a route pattern: `/payments/{id}/capture`, `/static/*`.
//!
//! A pattern is a path from the root. `{name}` stands for one whole segment, a `*` at the very end for the rest,
//! slashes included. There are no other wildcards and no escapes; percent-encoding and case are compared as they
//! stand. Matching is left to the route stage; here a pattern is only made sure to be one.

use std::fmt;
use std::ops::Range;

use crate::limits::ROUTE_PATTERN_BYTES_MAX;

/// A pattern whose syntax is right.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RoutePattern(String);

/// Why a text is no route pattern, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct RoutePatternError {
    /// The bytes of the text that are at fault.
    pub at_bytes: Range<usize>,
    /// What was expected.
    pub kind: RoutePatternErrorKind,
}

/// What is wrong with a route pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoutePatternErrorKind {
    /// It does not start with `/`.
    #[error("expected a path that starts with `/`")]
    NotFromRoot,
    /// Longer than [`ROUTE_PATTERN_BYTES_MAX`].
    #[error("expected at most {ROUTE_PATTERN_BYTES_MAX} bytes")]
    TooLong,
    /// A `*` that is not the last byte.
    #[error("expected `*` at the end only; `{{name}}` stands for one segment")]
    StarInside,
    /// A brace that does not enclose a whole segment, or a name of other characters.
    #[error("expected `{{name}}` to be a whole segment, its name of letters, digits, `_` and `-`")]
    BadPlaceholder,
    /// A query, a fragment, a space or a control character: none of them is part of a path.
    #[error("expected a path without query, fragment, spaces and control characters")]
    NotInPath,
}

impl RoutePattern {
    /// Checks `text`.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, from the left.
    pub fn parse(text: &str) -> Result<Self, RoutePatternError> {
        use RoutePatternErrorKind as Kind;
        let error = |at_bytes, kind| Err(RoutePatternError { at_bytes, kind });
        if text.len() > ROUTE_PATTERN_BYTES_MAX {
            return error(0..text.len(), Kind::TooLong);
        }
        let Some(below_root) = text.strip_prefix('/') else {
            return error(0..text.chars().next().map_or(0, char::len_utf8), Kind::NotFromRoot);
        };
        let mut start = 1_usize;
        for segment in below_root.split('/') {
            let end = start + segment.len();
            let literal = if end == text.len() {
                segment.strip_suffix('*').unwrap_or(segment)
            } else {
                segment
            };
            let wrong = if is_placeholder(segment) { None } else { first_wrong(literal) };
            match wrong {
                None => {}
                Some((_, '{' | '}')) => return error(start..end, Kind::BadPlaceholder),
                Some((index, wrong)) => {
                    let at = start + index;
                    let kind = if wrong == '*' { Kind::StarInside } else { Kind::NotInPath };
                    return error(at..at + wrong.len_utf8(), kind);
                }
            }
            start = end + 1;
        }
        Ok(Self(text.to_owned()))
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoutePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_placeholder(segment: &str) -> bool {
    segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).is_some_and(|name| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    })
}

/// The first character that a literal segment must not have.
fn first_wrong(literal: &str) -> Option<(usize, char)> {
    literal
        .char_indices()
        .find(|(_, c)| matches!(c, '*' | '{' | '}' | '?' | '#' | ' ') || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::RoutePatternErrorKind::{
        BadPlaceholder, NotFromRoot, NotInPath, StarInside, TooLong,
    };
    use super::*;

    #[test]
    fn valid_patterns() {
        let longest = format!("/{}", "a".repeat(ROUTE_PATTERN_BYTES_MAX - 1));
        for text in [
            "/",
            "/*",
            "/health",
            "/payments/{id}/capture",
            "/{a}/{b-c_1}",
            "/static/*",
            "/static*",
            "/a//b/",
            "/{id}/*",
            "/%7Bx%7D",
            "/ö",
            "/a.b~c:d@e!$&'()+,;=",
            &longest,
        ] {
            assert_eq!(
                RoutePattern::parse(text).map(|pattern| pattern.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_place() {
        let too_long = format!("/{}", "a".repeat(ROUTE_PATTERN_BYTES_MAX));
        for (text, at_bytes, kind) in [
            ("", 0..0, NotFromRoot),
            ("payments", 0..1, NotFromRoot),
            ("*", 0..1, NotFromRoot),
            ("https://a/b", 0..1, NotFromRoot),
            ("öl", 0..2, NotFromRoot),
            ("/a/*/b", 3..4, StarInside),
            ("/a/**", 3..4, StarInside),
            ("/a*b", 2..3, StarInside),
            ("/x{id}", 1..6, BadPlaceholder),
            ("/a/{id}.json/b", 3..12, BadPlaceholder),
            ("/{id}*", 1..6, BadPlaceholder),
            ("/{}", 1..3, BadPlaceholder),
            ("/{a b}", 1..6, BadPlaceholder),
            ("/{id", 1..4, BadPlaceholder),
            ("/id}", 1..4, BadPlaceholder),
            ("/{{id}}", 1..7, BadPlaceholder),
            ("/a?b=1", 2..3, NotInPath),
            ("/a#b", 2..3, NotInPath),
            ("/a b", 2..3, NotInPath),
            ("/a\n", 2..3, NotInPath),
            (&too_long, 0..ROUTE_PATTERN_BYTES_MAX + 1, TooLong),
        ] {
            assert_eq!(
                RoutePattern::parse(text),
                Err(RoutePatternError { at_bytes, kind }),
                "{text}"
            );
        }
    }
}
