//! Values and their shapes, which the line parser trusts; `$ssl_client_verify` and upstream lists.

use std::sync::LazyLock;

use gatelog_parsers::escape::Escape;
use gatelog_parsers::variable::{Field, Shape, upstream_list};
use gatelog_parsers::verify_result::{self, VerifyResult};

use crate::check_line::escaped;

/// Every shape once.
static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    let mut shapes = Vec::new();
    for shape in Field::ALL.iter().map(|field| field.shape()) {
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    shapes
});

/// One run.
pub fn run(input: &[u8]) {
    let split = memchr(input, b'\n').unwrap_or(input.len());
    let (value, rest) = input.split_at(split);
    for shape in SHAPES.iter().copied() {
        let reach = shape.reach(input);
        assert!(reach <= input.len());
        // A space for the `T` of ISO 8601 is taken from JSON, but written by no nginx.
        let foreign = shape == Shape::TimeIso8601 && value.contains(&b' ');
        if shape.fits(value) && !foreign {
            assert!(value.iter().all(|byte| shape.may_hold(*byte)), "{shape:?}");
            assert!(reach >= value.len(), "{shape:?} {}", value.escape_ascii());
            assert!(value.len() <= shape.bytes_max());
        }
    }
    let elements: Vec<_> = upstream_list(value).collect();
    let bytes: usize = elements.iter().map(|element| element.len()).sum();
    // Between the elements of a JSON array stands one byte, and around it two.
    let separator = if value.starts_with(b"[") && value.ends_with(b"]") { 1 } else { 2 };
    assert!(bytes + separator * (elements.len() - 1) <= value.len());
    if let Some(length) = verify_result::longest_known_text(input) {
        let (text, after) = input.split_at(length);
        assert!(!after.first().is_some_and(u8::is_ascii_alphabetic));
        let value = [b"FAILED:", text].concat();
        assert_eq!(verify_result::parse(&value), Some(VerifyResult::Failed { text }));
        assert!(Shape::Verify.fits(&value));
    }
    for escape in [Escape::Default, Escape::Json, Escape::None] {
        assert!(escape.undo(value).len() <= value.len());
        if !rest.is_empty() {
            assert_eq!(escape.undo(&escaped(escape, rest)), rest);
        }
    }
}

fn memchr(text: &[u8], wanted: u8) -> Option<usize> {
    text.iter().position(|byte| *byte == wanted)
}
