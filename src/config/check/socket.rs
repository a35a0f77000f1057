//! A source that listens, and what it cannot have beside that.

use std::ops::Range;

use toml::Spanned;

use super::Check;
use crate::config::raw::{RawSource, Text};
use crate::source::Listen;

impl Check<'_> {
    pub(super) fn listen(
        &mut self,
        text: &Text,
        place: &str,
        all: &mut Vec<Text>,
    ) -> Option<Listen> {
        let expanded = self.expanded(text, text.get_ref(), "listen", place)?;
        let title = || format!("`listen`{place} is no socket for syslog");
        let listen = self.or_problem(Listen::parse(&expanded), text.span(), title)?;
        let located = Spanned::new(text.span(), listen.to_string());
        self.unique(located, all, |it| format!("two sources listen on `{it}`"));
        Some(listen)
    }

    /// Refuses what makes no sense beside `listen`; so there are no paths.
    pub(super) fn only_of_files(&mut self, raw: &RawSource, place: &str) -> Vec<String> {
        let mut refuse = |span: Range<usize>, key: &str, label: &str| {
            self.problem(span, format!("`{key}` beside `listen`{place}"), label);
        };
        if let Some(paths) = &raw.paths {
            refuse(paths.span(), "paths", "expected one of the two, in a [[source]] each");
        }
        if let Some(from) = &raw.from {
            refuse(from.span(), "from", "expected none: a socket has no beginning and no end");
        }
        if let Some(wrap) = raw.wrap.as_ref().filter(|wrap| wrap.get_ref() != "syslog") {
            refuse(wrap.span(), "wrap", "expected \"syslog\", which is what nginx sends");
        }
        Vec::new()
    }
}
