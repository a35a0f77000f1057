//! Patterns of the configuration with the places where they are written, for `gatelog check` to point at
//! those that nothing matches. What any log may lack (a verdict, a reason) is not among them, nor is what
//! must not match.

use std::ops::Range;
use std::path::Path;

use super::problem::{Problem, Problems};
use super::{LoadError, checked_text, read};
use crate::rules::Field;

/// A pattern over a field of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenPattern {
    /// What it is compared with.
    pub field: Field,
    /// As a filter takes it: `*` stands for any text.
    pub glob: String,
    /// What it belongs to, such as "`server` in `where` of rule `x`".
    pub(super) whose: String,
    /// Where it stands in the file, quotes included.
    pub(super) span_bytes: Range<usize>,
}

/// All of one file.
#[derive(Debug)]
pub struct Written {
    path: String,
    text: Vec<u8>,
    patterns: Vec<WrittenPattern>,
}

impl Written {
    /// Reads a configuration file again.
    ///
    /// # Errors
    /// As [`super::load`].
    pub fn load(path: &Path) -> Result<Written, LoadError> {
        let text = read(path)?;
        let path = path.to_string_lossy().into_owned();
        let checked = checked_text(&path, &text, &|name| std::env::var_os(name));
        let (_, patterns) = checked.map_err(LoadError::Invalid)?;
        Ok(Written { path, text, patterns })
    }

    /// In the order in which they were checked.
    pub fn patterns(&self) -> &[WrittenPattern] {
        &self.patterns
    }

    /// What to say of those that nothing matched, by their indexes.
    pub fn unmatched(&self, indexes: impl IntoIterator<Item = usize>) -> Problems {
        let patterns = indexes.into_iter().filter_map(|index| self.patterns.get(index));
        let problem = |WrittenPattern { glob, whose, span_bytes, .. }: &WrittenPattern| {
            let title = format!("nothing in these logs matches `{glob}`, {whose}");
            Problem::new(span_bytes.clone(), title, "")
        };
        Problems::new(self.path.as_str().into(), &self.text, patterns.map(problem).collect())
    }
}
