//! From the configuration as written to the configuration as meant: ranges, syntax of values, names that must be
//! unique, defaults. Every problem is recorded with its place and checking goes on, with a default in its stead.

mod listeners;
mod receiver;
mod rule_tests;
mod rules;
mod socket;

use std::fmt::Display;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

use super::checked::{Config, Format, Routes, ServerFacts, Source, StartFrom, source_name};
use super::document::{Document, LostKey};
use super::duration::{DurationText, parse_duration};
use super::environment::{Lookup, expand};
use super::nearest::nearest;
use super::problem::{Place, Problem};
use super::raw::{RawConfig, RawRoutes, RawServer, RawSource, Text, Texts};
use super::state_dir::StateDir;
use super::time_zone::parse_time_zone;
use super::written::WrittenPattern;
use crate::event::Scope;
use crate::event::route_pattern::RoutePattern;
use crate::event::server::SslVerifyClient;
use crate::event::upstream_pattern::UpstreamPattern;
use crate::limits::{
    LATENESS_DEFAULT, LATENESS_MAX, NAME_BYTES_MAX, ROUTE_PATTERNS_MAX, ROUTES_MAX,
    SERVER_LIST_MAX, SERVERS_MAX, SOURCE_PATHS_MAX, SOURCES_MAX,
};
use crate::source::{Listen, Wrap};
pub(super) use rule_tests::rule_tests;

/// The statuses that an access log can show.
const STATUSES: std::ops::RangeInclusive<u16> = 100..=599;

/// A value of a fixed set, by name; `None`: one that this version does not support.
type Choices<'a, T> = &'a [(&'a str, Option<T>)];

/// Checks a whole document. The configuration is only good when there are no problems.
pub(super) fn check(
    text: &str,
    document: Document<RawConfig>,
    lookup: Lookup<'_>,
) -> (Config, Vec<WrittenPattern>, Vec<Problem>) {
    let Document { raw, problems, lost, .. } = document;
    let mut check = Check { text, lookup, problems, lost, patterns: Vec::new() };
    let state_dir = check.state_dir(raw.state_dir.as_ref());
    let lateness = check.lateness(raw.lateness.as_ref());
    let names = rules::LabelNames::of(&raw);
    let alerting = check.alerting(&raw, &names);
    let (http, metrics_listen) =
        check.listeners(&raw.http.unwrap_or_default(), &raw.metrics.unwrap_or_default());
    let config = Config {
        state_dir,
        lateness,
        sandbox: raw.sandbox.unwrap_or(Config::default().sandbox),
        http,
        metrics_listen,
        sources: check.sources(&raw.source.unwrap_or_default()),
        routes: check.routes(&raw.routes.unwrap_or_default()),
        servers: check.servers(&raw.server.unwrap_or_default()),
        rules: alerting.rules,
        identities: alerting.identities,
        rotations: alerting.rotations,
        silences: alerting.silences,
        receivers: check.receivers(&raw.receiver.unwrap_or_default(), &names),
        path: None,
    };
    (config, check.patterns, check.problems)
}

struct Check<'a> {
    text: &'a str,
    lookup: Lookup<'a>,
    problems: Vec<Problem>,
    lost: Vec<LostKey>,
    patterns: Vec<WrittenPattern>,
}

/// The whole file, table by table.
impl Check<'_> {
    fn state_dir(&mut self, state_dir: Option<&Text>) -> StateDir {
        match state_dir {
            None => StateDir::Default,
            Some(text) if text.get_ref() == "none" => StateDir::None,
            Some(text) => self.path(text, "state_dir", "").map_or(StateDir::Default, StateDir::At),
        }
    }

    fn lateness(&mut self, lateness: Option<&Text>) -> Duration {
        let Some(text) = lateness else { return LATENESS_DEFAULT };
        let (title, label) = match parse_duration(text.get_ref()) {
            Ok(duration) if duration <= LATENESS_MAX => return duration,
            Ok(_) => {
                let label = format!("expected at most {}", DurationText(LATENESS_MAX));
                ("`lateness` is out of range", label)
            }
            Err(error) => ("`lateness` is no duration", error.to_string()),
        };
        self.problem(text.span(), title, label);
        LATENESS_DEFAULT
    }

    fn sources(&mut self, raw: &[Spanned<RawSource>]) -> Vec<Source> {
        self.at_most(raw, "[[source]]", SOURCES_MAX);
        let mut sources: Vec<Source> = Vec::new();
        let mut names: Vec<Text> = Vec::new();
        let mut paths: Vec<Text> = Vec::new();
        for table in raw.iter().take(SOURCES_MAX) {
            let source = self.source(table, &mut paths);
            let written = table.get_ref().name.as_ref().or(table.get_ref().listen.as_ref());
            let first_path =
                table.get_ref().paths.as_ref().and_then(|paths| paths.get_ref().first());
            if let Some(named_at) = written.or(first_path) {
                let name = Spanned::new(named_at.span(), source.name.clone());
                self.unique(name, &mut names, |name| format!("two sources are called `{name}`"));
            }
            sources.push(source);
        }
        sources
    }

    fn source(&mut self, table: &Spanned<RawSource>, all_paths: &mut Vec<Text>) -> Source {
        let raw = table.get_ref();
        let place = &place_of("source", raw.name.as_ref());
        let listen = raw.listen.as_ref().and_then(|text| self.listen(text, place, all_paths));
        let paths = match &raw.listen {
            Some(_) => self.only_of_files(raw, place),
            None => self.paths(table, place, all_paths),
        };
        let name = match raw.name.as_ref().and_then(|name| self.name(name, "name", place)) {
            Some(name) => name,
            None => listen
                .as_ref()
                .map(Listen::name)
                .or_else(|| paths.first().map(|path| source_name(path)))
                .unwrap_or_default(),
        };
        if let Some(kind) = &raw.kind {
            self.choice(kind, "kind", place, &[("nginx", Some(())), ("nginx_error", None)]);
        }
        let wrap = raw.wrap.as_ref().and_then(|wrap| {
            let choices = [Wrap::None, Wrap::Syslog, Wrap::Cri, Wrap::Docker];
            self.choice(wrap, "wrap", place, &choices.map(|wrap| (wrap.name(), Some(wrap))))
        });
        let from = raw.from.as_ref().and_then(|from| {
            let choices =
                [("beginning", Some(StartFrom::Beginning)), ("end", Some(StartFrom::End))];
            self.choice(from, "from", place, &choices)
        });
        let scope = raw.scope.as_ref().and_then(|scope| {
            let choices = [("all", Some(Scope::All)), ("denials", Some(Scope::Denials))];
            self.choice(scope, "scope", place, &choices)
        });
        let client_address = raw.client_address.as_ref();
        let time_zone = raw.time_zone.as_ref().and_then(|text| {
            let zone = parse_time_zone(text.get_ref());
            self.or_problem(zone, text.span(), || format!("`time_zone`{place} is not known"))
        });
        let default = Source::default();
        Source {
            name,
            paths,
            wrap: if listen.is_some() { Some(Wrap::Syslog) } else { wrap },
            listen,
            format: raw
                .format
                .as_ref()
                .map_or(default.format, |format| self.format(format, "format", place)),
            nginx_conf: raw
                .nginx_conf
                .as_ref()
                .and_then(|text| self.path(text, "nginx_conf", place)),
            from: from.unwrap_or(default.from),
            scope: scope.unwrap_or(default.scope),
            client_address: client_address
                .and_then(|text| self.variable(text, "client_address", place))
                .unwrap_or(default.client_address),
            time_zone,
        }
    }

    fn routes(&mut self, raw: &RawRoutes) -> Routes {
        let place = " in `[routes]`";
        let mut routes = Routes {
            variable: raw.variable.as_ref().and_then(|text| self.variable(text, "variable", place)),
            patterns: self.patterns(raw.patterns.as_ref(), "patterns", place),
            public: self.patterns(raw.public.as_ref(), "public", place),
            ..Routes::default()
        };
        if let Some(limit) = &raw.limit {
            match usize::try_from(*limit.get_ref()) {
                Ok(limit @ 1..=ROUTES_MAX) => routes.limit = limit,
                _ => self.problem(
                    limit.span(),
                    "`limit` in `[routes]` is out of range",
                    format!("expected 1 to {ROUTES_MAX}"),
                ),
            }
        }
        routes
    }

    fn servers(&mut self, raw: &[Spanned<RawServer>]) -> Vec<ServerFacts> {
        self.at_most(raw, "[[server]]", SERVERS_MAX);
        let mut servers = Vec::new();
        let mut names: Vec<Text> = Vec::new();
        for table in raw.iter().take(SERVERS_MAX) {
            let facts = self.server(table);
            if let Some(name) = &table.get_ref().name {
                let name = Spanned::new(name.span(), facts.name.clone());
                self.unique(name, &mut names, |name| format!("two servers are called `{name}`"));
            }
            servers.push(facts);
        }
        servers
    }

    fn server(&mut self, table: &Spanned<RawServer>) -> ServerFacts {
        let raw = table.get_ref();
        let place = &place_of("server", raw.name.as_ref());
        if raw.name.is_none() && !self.is_lost(table.span().start, "name") {
            let label = "expected `name = \"...\"`, as `$server_name` is logged";
            self.problem(table.span(), "a server has no `name`", label);
        }
        let ssl_verify_client = raw.ssl_verify_client.as_ref().and_then(|text| {
            let choices = [
                ("on", Some(SslVerifyClient::On)),
                ("optional", Some(SslVerifyClient::Optional)),
                ("optional_no_ca", Some(SslVerifyClient::OptionalNoCa)),
                ("off", Some(SslVerifyClient::Off)),
            ];
            self.choice(text, "ssl_verify_client", place, &choices)
        });
        let statuses =
            self.list(raw.refused_statuses.as_ref(), "refused_statuses", place, SERVER_LIST_MAX);
        let mut refused_statuses = Vec::new();
        for status in statuses {
            match u16::try_from(*status.get_ref()) {
                Ok(status) if STATUSES.contains(&status) => refused_statuses.push(status),
                _ => self.problem(
                    status.span(),
                    format!("`refused_statuses`{place} has something that is no status"),
                    format!("expected {} to {}", STATUSES.start(), STATUSES.end()),
                ),
            }
        }
        let upstreams =
            self.list(raw.refused_upstreams.as_ref(), "refused_upstreams", place, SERVER_LIST_MAX);
        let mut refused_upstreams = Vec::new();
        for text in upstreams {
            let pattern = UpstreamPattern::parse(text.get_ref());
            let pattern =
                pattern.map_err(|error| format!("expected an address or a glob: {}", error.kind()));
            let title = || format!("`refused_upstreams`{place} has something that is no glob");
            refused_upstreams.extend(self.or_problem(pattern, text.span(), title));
        }
        ServerFacts {
            name: raw
                .name
                .as_ref()
                .and_then(|name| self.name(name, "name", place))
                .unwrap_or_default(),
            ssl_verify_client,
            refused_statuses,
            refused_upstreams,
            public: self.patterns(raw.public.as_ref(), "public", place),
        }
    }
}

/// Single values and lists, each with the words for its problem.
impl Check<'_> {
    fn paths(
        &mut self,
        table: &Spanned<RawSource>,
        place: &str,
        all: &mut Vec<Text>,
    ) -> Vec<String> {
        let list = table.get_ref().paths.as_ref();
        if list.is_none_or(|list| list.get_ref().is_empty()) {
            let is_lost = |key| self.is_lost(table.span().start, key);
            if !is_lost("paths") && !is_lost("listen") {
                let span = list.map_or(table.span(), Spanned::span);
                let label = "expected `paths = [\"/var/log/nginx/access.log\"]`, or `listen`";
                self.problem(span, format!("no `paths`{place}"), label);
            }
            return Vec::new();
        }
        let mut paths = Vec::new();
        for text in self.list(list, "paths", place, SOURCE_PATHS_MAX) {
            let Some(path) = self.expanded(text, text.get_ref(), "paths", place) else { continue };
            if path.is_empty() || path == "-" {
                let title = format!("`paths`{place} has something that is no path");
                let label = "expected a file or a glob; standard input is `gatelog run -`";
                self.problem(text.span(), title, label);
                continue;
            }
            if let Err(error) = glob::Pattern::new(&path) {
                let title = format!("`paths`{place} has something that is no glob");
                self.problem(text.span(), title, error.msg);
                continue;
            }
            let located = Spanned::new(text.span(), path.clone());
            self.unique(located, all, |path| format!("`{path}` would be read twice"));
            paths.push(path);
        }
        paths
    }

    fn path(&mut self, text: &Text, key: &str, place: &str) -> Option<PathBuf> {
        let path = self.expanded(text, text.get_ref(), key, place)?;
        if path.is_empty() {
            self.problem(text.span(), format!("`{key}`{place} is empty"), "expected a path");
            return None;
        }
        Some(path.into())
    }

    /// Only `@FILE` is expanded: in a log_format string `${name}` is a variable of nginx.
    fn format(&mut self, text: &Text, key: &str, place: &str) -> Format {
        let format = if text.get_ref().starts_with('@') {
            self.expanded(text, text.get_ref(), key, place).map(|path| Format::parse(&path))
        } else {
            Some(Format::parse(text.get_ref()))
        };
        let title = || format!("`{key}`{place} is no format");
        format
            .and_then(|format| self.or_problem(format, text.span(), title))
            .unwrap_or(Format::Auto)
    }

    fn expanded(&mut self, text: &Text, value: &str, key: &str, place: &str) -> Option<String> {
        match expand(value, self.lookup) {
            Ok(path) => Some(path),
            Err(error) => {
                let span = self.inside(text, error.at_bytes);
                self.problem(
                    span,
                    format!("`{key}`{place} cannot be expanded"),
                    error.kind.to_string(),
                );
                None
            }
        }
    }

    fn patterns(&mut self, list: Option<&Texts>, key: &str, place: &str) -> Vec<RoutePattern> {
        let mut patterns = Vec::new();
        for text in self.list(list, key, place, ROUTE_PATTERNS_MAX) {
            match RoutePattern::parse(text.get_ref()) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => {
                    let span = self.inside(text, error.at_bytes);
                    let title = format!("`{key}`{place} has something that is no route pattern");
                    self.problem(span, title, error.kind.to_string());
                }
            }
        }
        patterns
    }

    fn name(&mut self, text: &Text, key: &str, place: &str) -> Option<String> {
        let name = text.get_ref();
        let label = match name {
            _ if name.is_empty() => "expected at least one character".to_owned(),
            _ if name.len() > NAME_BYTES_MAX => format!("expected at most {NAME_BYTES_MAX} bytes"),
            _ if name.contains(char::is_control) => "expected no control characters".to_owned(),
            _ => return Some(name.clone()),
        };
        self.problem(text.span(), format!("`{key}`{place} is no name"), label);
        None
    }

    fn variable(&mut self, text: &Text, key: &str, place: &str) -> Option<String> {
        let name = text.get_ref().strip_prefix('$').unwrap_or(text.get_ref());
        let is_name = (1..=NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            let title = format!("`{key}`{place} is no variable of nginx");
            self.problem(text.span(), title, "expected a name such as `remote_addr`");
        }
        is_name.then(|| name.to_ascii_lowercase())
    }

    fn choice<T: Copy>(
        &mut self,
        text: &Text,
        key: &str,
        place: &str,
        choices: Choices<'_, T>,
    ) -> Option<T> {
        let value = text.get_ref();
        let names = choices.iter().filter(|(_, choice)| choice.is_some()).map(|(name, _)| *name);
        let expected = one_of(&names.collect::<Vec<_>>());
        match choices.iter().find(|(name, _)| name == value) {
            Some((_, Some(choice))) => return Some(*choice),
            Some((_, None)) => {
                let title = format!("`{key}`{place}: `{value}` is not supported by this version");
                self.problem(text.span(), title, format!("expected {expected}"));
            }
            None => {
                let title = format!("`{key}`{place} cannot be `{value}`");
                let problem = match nearest(value, choices.iter().map(|(name, _)| *name)) {
                    Some(near) => {
                        Problem::new(text.span(), title, format!("did you mean `{near}`?"))
                            .note("expected", expected)
                    }
                    None => Problem::new(text.span(), title, format!("expected {expected}")),
                };
                self.problems.push(problem);
            }
        }
        None
    }

    /// The entries of a list, or those within its bound.
    fn list<'l, T>(
        &mut self,
        list: Option<&'l Spanned<Vec<Spanned<T>>>>,
        key: &str,
        place: &str,
        entries_max: usize,
    ) -> &'l [Spanned<T>] {
        let entries = list.map_or(&[][..], |list| list.get_ref());
        match (entries.get(entries_max), entries.get(..entries_max)) {
            (Some(beyond), Some(within)) => {
                let title = format!("`{key}`{place} is too long");
                self.problem(
                    beyond.span(),
                    title,
                    format!("expected at most {entries_max} entries"),
                );
                within
            }
            _ => entries,
        }
    }

    fn at_most<T>(&mut self, tables: &[Spanned<T>], header: &str, tables_max: usize) {
        if let Some(beyond) = tables.get(tables_max) {
            let title = format!("too many `{header}`");
            self.problem(beyond.span(), title, format!("expected at most {tables_max}"));
        }
    }

    /// Adds `new` to `known`, unless it is there already.
    fn unique(&mut self, new: Text, known: &mut Vec<Text>, title: impl Fn(&str) -> String) {
        if new.get_ref().is_empty() {
            return;
        }
        match known.iter().find(|known| known.get_ref() == new.get_ref()) {
            Some(first) => {
                let line_number = Place::of(self.text.as_bytes(), first.span().start).line_number;
                let label = format!("also in line {line_number}");
                self.problem(new.span(), title(new.get_ref()), label);
            }
            None => known.push(new),
        }
    }
}

/// Places and problems.
impl Check<'_> {
    fn problem(&mut self, span: Range<usize>, title: impl Into<String>, label: impl Into<String>) {
        self.problems.push(Problem::new(span, title, label));
    }

    fn or_problem<T, E: Display>(
        &mut self,
        result: Result<T, E>,
        span: Range<usize>,
        title: impl FnOnce() -> String,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(span, title(), error.to_string());
                None
            }
        }
    }

    /// Whether that key did stand in the table that starts there, but was taken out.
    fn is_lost(&self, table_start: usize, key: &str) -> bool {
        self.lost.iter().any(|lost| lost.table_start == table_start && lost.key == key)
    }

    /// Where a part of a string's value stands in the file: exactly, where the string is written without
    /// escapes, else the whole string.
    fn inside(&self, text: &Text, part: Range<usize>) -> Range<usize> {
        let start = text.span().start.saturating_add(1);
        let as_written = self.text.get(start..start.saturating_add(text.get_ref().len()));
        if as_written == Some(text.get_ref()) {
            start.saturating_add(part.start)..start.saturating_add(part.end)
        } else {
            text.span()
        }
    }
}

/// `"on", "optional" or "off"`
fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    }
}

fn place_of(header: &str, name: Option<&Text>) -> String {
    match name {
        Some(name) => format!(" in {header} `{}`", name.get_ref()),
        None => format!(" in `[[{header}]]`"),
    }
}
