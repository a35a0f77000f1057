//! A JSON object on one line, key by key: for lines that a shipper has re-ordered or re-spaced.
//!
//! RFC 8259 with two liberties that real lines need: strings may hold bytes that are not UTF-8
//! (nginx passes them through), and `\xHH` is an escape (nginx's `escape=default`). Values stay as
//! they stand in the line; nested ones are skipped.

use std::fmt;

/// Deepest nesting of arrays and objects that is skipped over.
pub const DEPTH_MAX: usize = 32;

/// One member of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The key between its quotes, escapes not undone.
    pub key: &'a [u8],
    /// Where the key starts, bytes from 0.
    pub key_at: usize,
    /// Where the value starts, bytes from 0: of a string, behind its quote.
    pub start: usize,
    /// Behind the value's last byte: of a string, at its closing quote.
    pub end: usize,
    /// What kind of value it is.
    pub kind: Kind,
}

/// The kinds of values that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A number, `true` or `false`.
    Plain,
    /// `null`.
    Null,
    /// An array or an object.
    Nested,
}

/// Where the line stops being a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Bytes from 0.
    pub at: usize,
    /// What should stand there.
    pub expected: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: expected {}", self.at + 1, self.expected)
    }
}

impl std::error::Error for JsonError {}

/// The members of the object that `line` is, in their order. After an error it ends.
pub fn members(line: &[u8]) -> Members<'_> {
    Members { line, at: 0, state: State::Start }
}

/// Iterates over the members; see [`members`].
#[derive(Clone, Debug)]
pub struct Members<'a> {
    line: &'a [u8],
    at: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Between,
    Done,
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, JsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match self.state {
            State::Start => self.first(),
            State::Between => self.further(),
            State::Done => return None,
        };
        self.state = if matches!(next, Ok(Some(_))) { State::Between } else { State::Done };
        next.transpose()
    }
}

impl<'a> Members<'a> {
    fn first(&mut self) -> Result<Option<Member<'a>>, JsonError> {
        self.expect(b'{', "`{`")?;
        if self.skip_space() == Some(b'}') { self.close() } else { self.member().map(Some) }
    }

    fn further(&mut self) -> Result<Option<Member<'a>>, JsonError> {
        match self.skip_space() {
            Some(b',') => {
                self.at += 1;
                self.member().map(Some)
            }
            Some(b'}') => self.close(),
            _ => Err(self.error("`,` or `}`")),
        }
    }

    fn close(&mut self) -> Result<Option<Member<'a>>, JsonError> {
        self.at += 1;
        match self.skip_space() {
            None => Ok(None),
            Some(_) => Err(self.error("the end of the line after `}`")),
        }
    }

    fn member(&mut self) -> Result<Member<'a>, JsonError> {
        self.skip_space();
        let key_at = self.at;
        let (start, end) = self.string("a key in quotes")?;
        let key = self.line.get(start..end).unwrap_or_default();
        self.expect(b':', "`:`")?;
        let (kind, start, end) = self.value()?;
        Ok(Member { key, key_at, start, end, kind })
    }

    fn value(&mut self) -> Result<(Kind, usize, usize), JsonError> {
        let start = match self.skip_space() {
            Some(b'"') => return self.string("a value").map(|(s, e)| (Kind::Text, s, e)),
            Some(b'{' | b'[') => return self.nested(),
            _ => self.at,
        };
        let word = self.line.get(start..).unwrap_or_default();
        let plain = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let length = word.iter().take_while(plain).count();
        let kind = match word.get(..length) {
            Some(b"null") => Kind::Null,
            Some(b"true" | b"false") => Kind::Plain,
            Some([b'-' | b'0'..=b'9', ..]) => Kind::Plain,
            _ => return Err(self.error("a value")),
        };
        self.at += length;
        Ok((kind, start, self.at))
    }

    /// Skips an array or an object, counting brackets; what is inside is not checked further.
    fn nested(&mut self) -> Result<(Kind, usize, usize), JsonError> {
        let start = self.at;
        let mut depth = 0;
        while let Some(&byte) = self.line.get(self.at) {
            match byte {
                b'"' => {
                    self.string("a string")?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok((Kind::Nested, start, self.at));
            }
            if depth > DEPTH_MAX {
                return Err(self.error("at most 32 levels of nesting"));
            }
        }
        Err(self.error("the end of the array or object"))
    }

    /// A string in quotes; returns where its inside starts and ends.
    fn string(&mut self, expected: &'static str) -> Result<(usize, usize), JsonError> {
        if self.skip_space() != Some(b'"') {
            return Err(self.error(expected));
        }
        let start = self.at + 1;
        match closing_quote(self.line, start) {
            Some(end) => {
                self.at = end + 1;
                Ok((start, end))
            }
            None => Err(JsonError { at: self.line.len(), expected: "a closing quote" }),
        }
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.skip_space() != Some(byte) {
            return Err(self.error(expected));
        }
        self.at += 1;
        Ok(())
    }

    /// Moves to the next byte that is no white space and returns it.
    fn skip_space(&mut self) -> Option<u8> {
        while matches!(self.line.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.line.get(self.at).copied()
    }

    fn error(&self, expected: &'static str) -> JsonError {
        JsonError { at: self.at, expected }
    }
}

/// The first `"` from `start` on that no backslash escapes.
pub fn closing_quote(line: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at += memchr::memchr2(b'"', b'\\', line.get(at..)?)?;
        if line.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn objects() {
        let check = |line: &str, expected: &[(&str, Kind, &str)]| {
            let found: Vec<_> = members(line.as_bytes())
                .map(|member| member.unwrap_or_else(|e| panic!("{line}: {e}")))
                .map(|m| (m.key, m.kind, &line.as_bytes()[m.start..m.end]))
                .collect();
            let expected: Vec<_> =
                expected.iter().map(|(k, kind, v)| (k.as_bytes(), *kind, v.as_bytes())).collect();
            assert_eq!(found, expected, "{line}");
        };
        check("{}", &[]);
        check(" { } ", &[]);
        check(r#"{"a":"b"}"#, &[("a", Kind::Text, "b")]);
        check(
            r#"{ "a" : 1.5 , "b":null,"c":true }"#,
            &[("a", Kind::Plain, "1.5"), ("b", Kind::Null, "null"), ("c", Kind::Plain, "true")],
        );
        check(
            r#"{"a":"q\"\\","b":"\x22"}"#,
            &[("a", Kind::Text, r#"q\"\\"#), ("b", Kind::Text, r"\x22")],
        );
        check(
            r#"{"n":{"s":"}]","a":[1,{}]},"z":-1}"#,
            &[("n", Kind::Nested, r#"{"s":"}]","a":[1,{}]}"#), ("z", Kind::Plain, "-1")],
        );
    }

    #[test]
    fn errors() {
        let check = |line: &str, at: usize, expected: &str| {
            let error = members(line.as_bytes()).find_map(Result::err).expect(line);
            assert_eq!((error.at, error.expected), (at, expected), "{line}");
        };
        check("", 0, "`{`");
        check("[1]", 0, "`{`");
        check(r#"{"a" 1}"#, 5, "`:`");
        check(r#"{"a":}"#, 5, "a value");
        check(r#"{"a":nul}"#, 5, "a value");
        check(r#"{"a":"b"#, 7, "a closing quote");
        check(r#"{"a":"b\"#, 8, "a closing quote");
        check(r#"{"a":1 "b":2}"#, 7, "`,` or `}`");
        check(r#"{"a":1,}"#, 7, "a key in quotes");
        check(r#"{"a":1} x"#, 8, "the end of the line after `}`");
        check(r#"{"a":[1,2}"#, 10, "`,` or `}`");
        check(&format!(r#"{{"a":{}"#, "[".repeat(40)), 38, "at most 32 levels of nesting");
    }

    proptest! {
        #[test]
        fn spans_lie_inside(line in "[{}\\[\\]\",:a\\\\ 1n]{0,64}") {
            for member in members(line.as_bytes()).flatten() {
                prop_assert!(line.as_bytes().get(member.start..member.end).is_some());
            }
        }
    }
}
