//! Problems of a configuration file: gathered with their place, shown together, in the order of the file.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::diagnostic::{Diagnostic, Level};
use crate::escape::escape_text;
use crate::limits::CONFIG_PROBLEMS_MAX;

/// One problem, at a place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The bytes at fault, from the start of the file. May be empty.
    pub span_bytes: Range<usize>,
    /// What is wrong: lower case, no final period.
    pub title: String,
    /// What stands behind the carets: what was expected, or the nearest known word.
    pub label: String,
    /// Further lines, name and text.
    pub notes: Vec<(String, String)>,
}

impl Problem {
    /// A problem without notes.
    pub(super) fn new(
        span_bytes: Range<usize>,
        title: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self { span_bytes, title: title.into(), label: label.into(), notes: Vec::new() }
    }

    /// The same with one more note.
    pub(super) fn note(mut self, name: &str, text: impl Into<String>) -> Self {
        self.notes.push((name.to_owned(), text.into()));
        self
    }
}

/// All problems of one file, at least one, together with the file's text to show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Problems {
    path: String,
    text: Vec<u8>,
    problems: Vec<Problem>,
    more: usize,
}

impl Problems {
    /// Sorts by place and keeps the first [`CONFIG_PROBLEMS_MAX`]; the others are only counted.
    pub(super) fn new(path: Cow<'_, str>, text: &[u8], mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span_bytes.start);
        let more = problems.len().saturating_sub(CONFIG_PROBLEMS_MAX);
        problems.truncate(CONFIG_PROBLEMS_MAX);
        Self { path: path.into_owned(), text: text.to_vec(), problems, more }
    }

    /// The problems that are shown, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// All of them for a terminal, an empty line between two, without a final newline.
    pub fn render(&self, color: bool) -> String {
        self.render_as(Level::Error, color)
    }

    /// The same, as bad as this.
    pub fn render_as(&self, level: Level, color: bool) -> String {
        let diagnostic = |problem| self.diagnostic(problem, level).render(color);
        let mut shown: Vec<String> = self.problems.iter().map(diagnostic).collect();
        if self.more > 0 {
            shown.push(format!(
                "and at least {} more in {}",
                self.more,
                escape_text(self.path.as_bytes())
            ));
        }
        shown.join("\n\n")
    }

    fn diagnostic<'a>(&'a self, problem: &Problem, level: Level) -> Diagnostic<'a> {
        let place = Place::of(&self.text, problem.span_bytes.start);
        let line_start = place.line_span.start;
        Diagnostic {
            level,
            title: problem.title.clone(),
            path: &self.path,
            line_number: place.line_number,
            line: self.text.get(place.line_span).unwrap_or_default(),
            span_bytes: problem.span_bytes.start.saturating_sub(line_start)
                ..problem.span_bytes.end.saturating_sub(line_start),
            label: problem.label.clone(),
            notes: problem.notes.clone(),
        }
    }
}

impl fmt::Debug for Problems {
    /// Without the text of the file, which may hold what does not belong into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problems")
            .field("path", &self.path)
            .field("problems", &self.problems)
            .field("more", &self.more)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Problems {
    /// One line a problem, `path:line:column: what is wrong: what was expected`, escaped, for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            let place = Place::of(&self.text, problem.span_bytes.start);
            let column =
                problem.span_bytes.start.saturating_sub(place.line_span.start).saturating_add(1);
            let title = escape_text(problem.title.as_bytes());
            let path = escape_text(self.path.as_bytes());
            write!(f, "{path}:{}:{column}: {title}", place.line_number)?;
            if !problem.label.is_empty() {
                write!(f, ": {}", escape_text(problem.label.as_bytes()))?;
            }
        }
        if self.more > 0 {
            write!(f, "\nand at least {} more", self.more)?;
        }
        Ok(())
    }
}

/// The line that a byte is on.
pub(super) struct Place {
    /// From 1.
    pub(super) line_number: u64,
    /// The line without its line end.
    line_span: Range<usize>,
}

impl Place {
    /// The line of the byte at `byte_offset`. What lies behind the last newline is on the line before it: "the
    /// file ends too early" is better seen behind its last text than on a line that is not there.
    pub(super) fn of(text: &[u8], byte_offset: usize) -> Self {
        let text_end = text.strip_suffix(b"\n").map_or(text.len(), <[u8]>::len);
        let offset = byte_offset.min(text_end);
        let before = text.get(..offset).unwrap_or_default();
        let newlines = memchr::memchr_iter(b'\n', before).count();
        let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline.saturating_add(1));
        let from_offset = text.get(offset..).unwrap_or_default();
        let end = memchr::memchr(b'\n', from_offset).map_or(text.len(), |length| offset + length);
        let line = text.get(start..end).unwrap_or_default();
        let length = line.strip_suffix(b"\r").unwrap_or(line).len();
        let line_number = u64::try_from(newlines).unwrap_or(u64::MAX).saturating_add(1);
        Self { line_number, line_span: start..start.saturating_add(length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_bytes() {
        for (text, byte_offset, line_number, line) in [
            ("", 0, 1, ""),
            ("ab", 0, 1, "ab"),
            ("ab", 9, 1, "ab"),
            ("ab\ncd\n", 2, 1, "ab"),
            ("ab\ncd\n", 3, 2, "cd"),
            ("ab\ncd\n", 5, 2, "cd"),
            ("ab\ncd\n", 6, 2, "cd"),
            ("ab\r\ncd", 1, 1, "ab"),
            ("ab\n\n\ncd", 4, 3, ""),
            ("\n", 1, 1, ""),
        ] {
            let place = Place::of(text.as_bytes(), byte_offset);
            assert_eq!(
                (place.line_number, text.get(place.line_span).unwrap()),
                (line_number, line),
                "{text:?}"
            );
        }
    }

    #[test]
    fn only_the_first_are_shown_and_the_rest_is_counted() {
        let many = vec![Problem::new(0..1, "bad", ""); CONFIG_PROBLEMS_MAX + 2];
        let problems = Problems::new("a.toml".into(), b"x", many);
        assert_eq!(problems.problems().len(), CONFIG_PROBLEMS_MAX);
        assert!(problems.render(false).ends_with("\n\nand at least 2 more in a.toml"));
        assert!(problems.to_string().ends_with("a.toml:1:1: bad\nand at least 2 more"));
        let problems = Problems::new("a.toml".into(), b"x", vec![Problem::new(0..1, "bad", "so")]);
        assert_eq!(problems.to_string(), "a.toml:1:1: bad: so");
        assert!(!format!("{problems:?}").contains("text"));
    }
}
