//! What the configuration names and no line has: most likely a slip of the pen.

use std::collections::HashSet;

use crate::config::Config;
use crate::event::Event;
use crate::event::judge::Target;
use crate::event::route::{self, Patterns};

/// Route patterns and servers that were not met yet.
#[derive(Debug)]
pub(super) struct Unmatched {
    patterns: Vec<List>,
    servers: HashSet<String>,
    /// Whether there was any event: an empty log tells nothing.
    any: bool,
    any_path: bool,
}

#[derive(Debug)]
struct List {
    key: &'static str,
    patterns: Patterns,
    /// By index into `patterns`: the name until it is met.
    left: Vec<Option<String>>,
    left_count: usize,
}

impl Unmatched {
    pub(super) fn new(config: &Config) -> Result<Unmatched, regex::Error> {
        let lists = [("patterns", &config.routes.patterns), ("public", &config.routes.public)];
        let list = |(key, patterns): (_, &Vec<_>)| {
            let left: Vec<_> = patterns.iter().map(|p| Some(pattern_text(p))).collect();
            Ok(List { key, patterns: Patterns::new(patterns)?, left_count: left.len(), left })
        };
        Ok(Unmatched {
            patterns: lists.into_iter().map(list).collect::<Result<_, regex::Error>>()?,
            servers: config.servers.iter().map(|server| server.name.clone()).collect(),
            any: false,
            any_path: false,
        })
    }

    pub(super) fn see(&mut self, event: &Event<'_>) {
        self.any = true;
        self.servers.remove(event.server);
        let Target::Path(target) = event.target else { return };
        self.any_path = true;
        if self.patterns.iter().all(|list| list.left_count == 0) {
            return;
        }
        let target = event.escape.undo(target);
        let Some(path) = route::path(&target) else { return };
        self.patterns.iter_mut().for_each(|list| list.see(path));
    }

    /// In the order of the configuration.
    pub(super) fn warnings(&self) -> Vec<String> {
        let lists = self.patterns.iter().filter(|_| self.any_path);
        let patterns = lists.flat_map(|list| {
            let left = list.left.iter().flatten();
            left.map(|name| format!("no request matches `{name}` of `{}` in `[routes]`", list.key))
        });
        let mut servers: Vec<&String> = self.servers.iter().filter(|_| self.any).collect();
        servers.sort();
        let servers =
            servers.into_iter().map(|name| format!("no line is of `[[server]]` `{name}`"));
        patterns.chain(servers).collect()
    }
}

impl List {
    fn see(&mut self, path: &[u8]) {
        if self.left_count == 0 {
            return;
        }
        for index in self.patterns.matching(path) {
            if self.left.get_mut(index).is_some_and(|name| name.take().is_some()) {
                self.left_count -= 1;
            }
        }
    }
}

fn pattern_text(pattern: &crate::event::route_pattern::RoutePattern) -> String {
    pattern.as_str().to_owned()
}
