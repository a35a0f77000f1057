//! How a problem in a configuration or a log line is shown: what, where, the line, carets, what to do.
//!
//! ```text
//! error: unknown key `treshold` in rule `payments_failures`
//!   --> gatelog.toml:41:1
//!    |
//! 41 | treshold = 0.05
//!    | ^^^^^^^^ did you mean `threshold`?
//! ```
//!
//! Columns count bytes from 1 within the real line. The shown line is escaped ([`crate::escape`]) and, where it
//! is long, cut around the carets, so a shown column need not be a real one; the carets always stand under the
//! text that stands for their bytes. Finding problems and choosing words is left to the callers. The drawing is
//! done by the crate annotate-snippets, except for cutting, which it does with `...` and by other rules, and for
//! the column after the path, which it counts in characters.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level as SnippetLevel, Renderer, Snippet};
use unicode_width::UnicodeWidthStr as _;

use crate::escape::{Cell, cells, escape_text};
use crate::limits::DIAGNOSTIC_COLUMNS_MAX;

/// Wider than any line we hand over, so that annotate-snippets never cuts.
const NEVER_CUT_COLUMNS: usize = 1_000_000;

/// Indentation up to this many columns is shown whole; annotate-snippets would cut above 20.
const INDENT_COLUMNS_MAX: usize = 16;

/// How much of a longer indentation is kept.
const INDENT_COLUMNS_KEPT: usize = 4;

/// What stands where a line was cut.
const CUT: &str = "…";

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// It stops what was asked for.
    Error,
    /// It does not, but somebody should look.
    Warning,
}

/// A problem at a place in a line. Every text may hold client-written bytes: all of them are escaped here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic<'a> {
    /// Error or warning, the first word shown.
    pub level: Level,
    /// What is wrong: lower case, no final period.
    pub title: String,
    /// The file, as the user named it.
    pub path: &'a str,
    /// Line number, from 1.
    pub line_number: u64,
    /// The whole line without its line end, as it stands in the file.
    pub line: &'a [u8],
    /// What the carets stand under, in bytes within `line`, from 0. Empty: one caret, at the end of the line
    /// too. What reaches beyond the line is taken back to its end.
    pub span_bytes: Range<usize>,
    /// What stands behind the carets; may be empty.
    pub label: String,
    /// Further lines `= name: text`, such as `found`.
    pub notes: Vec<(String, String)>,
}

impl Diagnostic<'_> {
    /// The text for a terminal, several lines without a final newline. With `color` it has ANSI styles.
    pub fn render(&self, color: bool) -> String {
        let start = self.span_bytes.start.min(self.line.len());
        let end = self.span_bytes.end.clamp(start, self.line.len());
        let gutter_columns = self.line_number.to_string().len().saturating_add(3);
        let room_columns = DIAGNOSTIC_COLUMNS_MAX.saturating_sub(gutter_columns);
        let excerpt = Excerpt::around(self.line, start..end, room_columns);

        let title = escape_text(self.title.as_bytes());
        let path = escape_text(self.path.as_bytes());
        let label = escape_text(self.label.as_bytes());
        let mut annotation = AnnotationKind::Primary.span(excerpt.span_bytes.clone());
        if !label.is_empty() {
            annotation = annotation.label(&*label);
        }
        let snippet = Snippet::source(excerpt.text.as_str())
            .path(&*path)
            .line_start(usize::try_from(self.line_number).unwrap_or(usize::MAX))
            .annotation(annotation);
        let mut group = self.level.snippet().primary_title(&*title).element(snippet);
        for (name, text) in &self.notes {
            let name = escape_text(name.as_bytes());
            let text = escape_text(text.as_bytes()).into_owned();
            group = group.element(SnippetLevel::NOTE.with_name(name).message(text));
        }
        let drawn = renderer(color).render(&[group]);
        with_byte_column(&drawn, excerpt.char_column, start.saturating_add(1))
    }
}

/// A problem that has no place in a file: one line, `error: ...`, without a final newline.
pub fn render_title(level: Level, title: &str, color: bool) -> String {
    let title = escape_text(title.as_bytes());
    renderer(color).render(&[Group::with_title(level.snippet().primary_title(&*title))])
}

impl Level {
    fn snippet(self) -> SnippetLevel<'static> {
        match self {
            Self::Error => SnippetLevel::ERROR,
            Self::Warning => SnippetLevel::WARNING,
        }
    }
}

fn renderer(color: bool) -> Renderer {
    let renderer = if color { Renderer::styled().hyperlink(false) } else { Renderer::plain() };
    renderer.term_width(NEVER_CUT_COLUMNS)
}

/// Replaces the column at the end of the `--> path:line:column` line, the second one.
fn with_byte_column(drawn: &str, char_column: usize, byte_column: usize) -> String {
    let mut text = String::with_capacity(drawn.len().saturating_add(8));
    let drawn_column = format!(":{char_column}");
    for (index, line) in drawn.split('\n').enumerate() {
        if index > 0 {
            text.push('\n');
        }
        match line.strip_suffix(&drawn_column) {
            Some(place) if index == 1 => {
                text.push_str(place);
                text.push(':');
                text.push_str(&byte_column.to_string());
            }
            _ => text.push_str(line),
        }
    }
    text
}

/// The part of a line that is shown.
struct Excerpt {
    text: String,
    /// Where the carets belong, in bytes within `text`, on character boundaries.
    span_bytes: Range<usize>,
    /// The column that annotate-snippets will write for `span_bytes.start`: characters, from 1.
    char_column: usize,
}

impl Excerpt {
    /// Cuts `line` to about `room_columns` around `span`, which lies inside it.
    fn around(line: &[u8], span: Range<usize>, room_columns: usize) -> Self {
        let near = near(line, span.start, room_columns);
        let before_near = line.get(..near.start).unwrap_or_default().len();
        let shown: Vec<Cell<'_>> = cells(line.get(near.clone()).unwrap_or_default())
            .map(|cell| Cell { byte_offset: cell.byte_offset.saturating_add(before_near), ..cell })
            .collect();
        // The cells that the span touches; at the end of the line there is none, and both are the count.
        let first = shown.partition_point(|cell| end_of(cell) <= span.start);
        let last = shown.partition_point(|cell| cell.byte_offset < span.end).max(first);
        let window =
            window(&shown, first..last, near.start > 0, near.end < line.len(), room_columns);

        let mut text = String::new();
        if near.start > 0 || window.start > 0 {
            text.push_str(CUT);
        }
        let mut span_bytes = None;
        let mut span_end = None;
        for (index, cell) in shown.iter().enumerate().take(window.end).skip(window.start) {
            if index == first {
                span_bytes = Some(text.len());
            }
            if index == last {
                span_end = Some(text.len());
            }
            text.push_str(&cell.text);
        }
        let start = span_bytes.unwrap_or(text.len());
        let end = span_end.unwrap_or(text.len()).max(start);
        let char_column = text.get(..start).map_or(0, |before| before.chars().count());
        if near.end < line.len() || window.end < shown.len() {
            text.push_str(CUT);
        }
        Self { text, span_bytes: start..end, char_column: char_column.saturating_add(1) }
    }
}

fn end_of(cell: &Cell<'_>) -> usize {
    cell.byte_offset.saturating_add(cell.byte_count)
}

/// The bytes that can possibly be shown, so that the work does not grow with the line. A column is at most four
/// bytes of UTF-8, unless marks of no width pile up, which is then cut earlier.
fn near(line: &[u8], start: usize, room_columns: usize) -> Range<usize> {
    let reach = room_columns.saturating_mul(4);
    let mut from = start.saturating_sub(reach);
    let mut to = start.saturating_add(reach).min(line.len());
    // Not in the middle of a character: it would look broken. A run of more than three is broken anyway.
    for _ in 0..3 {
        if from > 0 && line.get(from).is_some_and(|byte| is_continuation(*byte)) {
            from = from.saturating_sub(1);
        }
        if line.get(to).is_some_and(|byte| is_continuation(*byte)) {
            to = to.saturating_add(1);
        }
    }
    from..to
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// Which cells fit into `room_columns`: up to two thirds of it before the span, the rest from the span on.
fn window(
    shown: &[Cell<'_>],
    span: Range<usize>,
    cut_before: bool,
    cut_behind: bool,
    room_columns: usize,
) -> Range<usize> {
    let columns =
        |cells: &[Cell<'_>]| -> usize { cells.iter().map(|cell| cell.text.width()).sum() };
    let (before, from_span) = shown.split_at_checked(span.start).unwrap_or((shown, &[]));
    let indent = if cut_before { 0 } else { indent_columns(before) };
    let skipped = if indent > INDENT_COLUMNS_MAX { indent - INDENT_COLUMNS_KEPT } else { 0 };
    let before_columns = columns(before).saturating_sub(skipped);
    let from_span_columns = columns(from_span);
    let uncut = !cut_before && !cut_behind;
    if uncut && before_columns.saturating_add(from_span_columns) <= room_columns {
        return skipped..shown.len();
    }
    // One column for the mark at either end.
    let room_columns = room_columns.saturating_sub(2);
    let before_wanted = (room_columns / 3 * 2).min(before_columns);
    let from_span_shown = from_span_columns.min(room_columns - before_wanted);
    let before_shown = before_columns.min(room_columns - from_span_shown);

    let kept_before = fitting(before.iter().rev(), before_shown).min(before.len() - skipped);
    let kept_from_span = fitting(from_span.iter(), from_span_shown).max(1);
    span.start - kept_before..span.start.saturating_add(kept_from_span).min(shown.len())
}

/// Leading spaces; every space is one cell of one column.
fn indent_columns(cells: &[Cell<'_>]) -> usize {
    cells.iter().take_while(|cell| cell.text == " ").count()
}

/// How many cells fit into `columns`.
fn fitting<'c, 't: 'c>(cells: impl Iterator<Item = &'c Cell<'t>>, columns: usize) -> usize {
    let mut used = 0_usize;
    cells
        .take_while(|cell| {
            used = used.saturating_add(cell.text.width());
            used <= columns
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic<'a>(line: &'a [u8], span_bytes: Range<usize>) -> Diagnostic<'a> {
        Diagnostic {
            level: Level::Error,
            title: "line does not fit".to_owned(),
            path: "mtls.log",
            line_number: 7,
            line,
            span_bytes,
            label: "here".to_owned(),
            notes: Vec::new(),
        }
    }

    /// The source line and the caret line, without the gutter.
    fn drawn(line: &[u8], span_bytes: Range<usize>) -> (String, String) {
        let text = diagnostic(line, span_bytes).render(false);
        let lines: Vec<&str> = text.lines().collect();
        let body = |line: &str| line.split_once('|').unwrap().1.get(1..).unwrap_or("").to_owned();
        (body(lines[3]), body(lines[4]))
    }

    /// What the carets stand under, found by columns as a terminal would.
    fn under_carets(line: &[u8], span_bytes: Range<usize>) -> String {
        let (source, carets) = drawn(line, span_bytes);
        let start = carets.find('^').unwrap();
        let count = carets.matches('^').count();
        let mut column = 0;
        let mut marked = String::new();
        for character in source.chars() {
            let visible = character.to_string().width() > 0;
            if visible && (start..start + count).contains(&column) {
                marked.push(character);
            }
            column += character.to_string().width();
        }
        marked
    }

    #[test]
    fn a_short_line_looks_as_designed() {
        let found = Diagnostic {
            level: Level::Error,
            title: "unknown key `treshold` in rule `payments_failures`".to_owned(),
            path: "gatelog.toml",
            line_number: 41,
            line: b"treshold = 0.05",
            span_bytes: 0..8,
            label: "did you mean `threshold`?".to_owned(),
            notes: Vec::new(),
        };
        assert_eq!(
            found.render(false),
            "\
error: unknown key `treshold` in rule `payments_failures`
  --> gatelog.toml:41:1
   |
41 | treshold = 0.05
   | ^^^^^^^^ did you mean `threshold`?"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret_and_carries_notes() {
        let line = format!(
            "{} [22/Nov/2026:11:51:16 +0000] \"GET /x HTTP/1.1\" 200 3 \"-\" \"curl/8.5\" client_verify=OK \
             client_dn=\"CN=ledger-service,O=payments\"",
            "10.20.30.40 - someone"
        );
        let start = line.find("OK").unwrap();
        let found = Diagnostic {
            level: Level::Warning,
            line_number: 88_213,
            label: "expected NONE, SUCCESS, FAILED:...".to_owned(),
            notes: vec![
                ("found".to_owned(), "`OK` for $ssl_client_verify".to_owned()),
                ("help".to_owned(), "log another variable".to_owned()),
            ],
            ..diagnostic(line.as_bytes(), start..start + 2)
        };
        assert_eq!(
            found.render(false),
            "\
warning: line does not fit
     --> mtls.log:88213:105
      |
88213 | …GET /x HTTP/1.1\" 200 3 \"-\" \"curl/8.5\" client_verify=OK client_dn=\"CN=ledger-serv…
      |                                                      ^^ expected NONE, SUCCESS, FAILED:...
      |
      = found: `OK` for $ssl_client_verify
      = help: log another variable"
        );
    }

    #[test]
    fn color_is_ansi_only_and_keeps_the_text() {
        let colored = diagnostic(b"abc", 1..2).render(true);
        assert!(colored.starts_with("\x1b[1m\x1b[91merror\x1b[0m"), "{colored:?}");
        assert!(colored.contains("mtls.log:7:2\n"), "{colored:?}");
        assert!(!colored.contains("\x1b]"), "no hyperlinks: {colored:?}");
    }

    #[test]
    fn eight_kilobytes_with_the_caret_at_column_7000() {
        let mut line = vec![b'a'; 8 * 1024];
        line[6_999..7_002].copy_from_slice(b"BAD");
        let text = diagnostic(&line, 6_999..7_002).render(false);
        assert!(text.contains("mtls.log:7:7000\n"), "{text}");
        let (source, carets) = drawn(&line, 6_999..7_002);
        assert_eq!(source, format!("…{}BAD{}…", "a".repeat(56), "a".repeat(25)));
        assert_eq!(carets, format!("{}^^^ here", " ".repeat(57)));
        assert!(text.lines().nth(3).unwrap().width() <= DIAGNOSTIC_COLUMNS_MAX);
    }

    #[test]
    fn the_caret_at_either_end() {
        assert_eq!(drawn(b"abc", 3..3), ("abc".into(), "   ^ here".into()));
        assert_eq!(drawn(b"abc", 2..3), ("abc".into(), "  ^ here".into()));
        assert_eq!(drawn(b"abc", 0..0), ("abc".into(), "^ here".into()));
        assert_eq!(drawn(b"", 0..0), (String::new(), "^ here".into()));
        assert_eq!(drawn(b"abc", 9..12), ("abc".into(), "   ^ here".into()));
        let long = [b'x'; 500];
        assert_eq!(
            drawn(&long, 500..500),
            (format!("…{}", "x".repeat(84)), format!("{}^ here", " ".repeat(85)))
        );
        assert_eq!(drawn(&long, 0..1).0, format!("{}…", "x".repeat(84)));
        assert!(diagnostic(&long, 500..500).render(false).contains(":7:501\n"));
    }

    #[test]
    fn escaped_bytes_do_not_move_the_caret() {
        let line = b"a\x1b[31m\xff\xe2\x80\xaeKEY=b";
        let start = line.iter().position(|byte| *byte == b'K').unwrap();
        assert_eq!(
            drawn(line, start..start + 3),
            (r"a\x1B[31m\xFF\xE2\x80\xAEKEY=b".into(), format!("{}^^^ here", " ".repeat(25)))
        );
        assert!(diagnostic(line, start..start + 3).render(false).contains(":7:11\n"));
        assert_eq!(under_carets(line, 1..2), r"\x1B");
        assert_eq!(under_carets(line, 6..7), r"\xFF");
        assert_eq!(under_carets(line, 8..9), r"\xE2\x80\xAE", "half a character takes it whole");
    }

    #[test]
    fn tabs_are_seen_as_bytes() {
        let line = b"2026-11-22\t10.0.0.1\t2x0\tNONE";
        assert_eq!(under_carets(line, 20..23), "2x0");
        assert_eq!(drawn(line, 20..23).0, r"2026-11-22\x0910.0.0.1\x092x0\x09NONE");
        assert!(diagnostic(line, 20..23).render(false).contains(":7:21\n"));
    }

    #[test]
    fn wide_and_combining_characters() {
        let line = "日本e\u{301}KEYé".as_bytes();
        assert_eq!(under_carets(line, 9..12), "KEY");
        assert_eq!(under_carets(line, 12..14), "é");
        assert_eq!(under_carets(line, 0..3), "日");
        let many = "日".repeat(400);
        assert_eq!(under_carets(many.as_bytes(), 600..603), "日");
    }

    #[test]
    fn indentation_and_spans_longer_than_the_room() {
        let indented = format!("{}key = 1", " ".repeat(40));
        assert_eq!(
            drawn(indented.as_bytes(), 40..43),
            ("…    key = 1".into(), "     ^^^ here".into())
        );
        let little = format!("{}key", " ".repeat(16));
        assert_eq!(drawn(little.as_bytes(), 16..19).0, little);
        assert_eq!(under_carets(&[b' '; 60], 50..51), " ");
        let (source, carets) = drawn(&[b'x'; 300], 0..300);
        assert_eq!(source, format!("{}…", "x".repeat(84)));
        assert_eq!(carets, format!("{} here", "^".repeat(84)));
    }

    #[test]
    fn titles_paths_labels_and_notes_are_escaped() {
        let found = Diagnostic {
            title: "bad\nname".to_owned(),
            path: "a\x1bb",
            label: "x\u{202E}y".to_owned(),
            notes: vec![("fo\tund".to_owned(), "p\rq".to_owned())],
            ..diagnostic(b"abc", 0..1)
        };
        assert_eq!(
            found.render(false),
            r"error: bad\x0Aname
 --> a\x1Bb:7:1
  |
7 | abc
  | ^ x\xE2\x80\xAEy
  |
  = fo\x09und: p\x0Dq"
        );
        assert_eq!(render_title(Level::Error, "cannot read\n", false), r"error: cannot read\x0A");
    }

    #[test]
    fn every_span_of_hostile_lines_is_drawn() {
        let lines: [&[u8]; 4] = [
            b"\xff\xfe\x80\x80\x80\x80\x80a\xc3",
            "e\u{301}\u{301}\u{301}日\u{200B}".as_bytes(),
            &[0x80; 900],
            &[b'\t'; 900],
        ];
        for line in lines {
            for start in (0..=line.len()).step_by(1 + line.len() / 40) {
                for end in [start, start + 1, start + 5, line.len()] {
                    let text = diagnostic(line, start..end).render(false);
                    assert!(text.contains('^'), "{text}");
                    assert!(
                        text.lines().nth(3).unwrap().width() <= DIAGNOSTIC_COLUMNS_MAX,
                        "{text}"
                    );
                }
            }
        }
    }
}
