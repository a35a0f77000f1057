//! Receivers: which keys each kind has, and what they mean.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

use super::rules::LabelNames;
use super::{Check, place_of};
use crate::config::duration::{DurationText, parse_duration};
use crate::config::raw::{RawReceiver, Text};
use crate::config::receiver::{
    Alertmanager, Authorization, ClientCertificate, HttpOptions, Receiver, ReceiverKind, Shape,
    Sink, Url, Webhook,
};
use crate::limits::{
    RECEIVER_INTERVAL_MAX, RECEIVER_INTERVAL_MIN, RECEIVER_TIMEOUT_DEFAULT, RECEIVER_TIMEOUT_MAX,
    RECEIVER_TIMEOUT_MIN, RECEIVER_URLS_MAX, RECEIVERS_MAX, REPEAT_DEFAULT, RESEND_DEFAULT,
    SIGNING_SECRETS_MAX,
};

/// What a receiver that is not right comes out as; nobody sees it.
const NOWHERE: ReceiverKind = ReceiverKind::Jsonl(Sink::Stdout);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Alertmanager,
    Webhook,
    Jsonl,
}

/// A key, where it stands if it does, and the kinds that have it.
type KeyOfKinds<'a> = (&'static str, Option<Range<usize>>, &'a [Kind]);

impl Check<'_> {
    pub(super) fn receivers(
        &mut self,
        raw: &[Spanned<RawReceiver>],
        labels: &LabelNames,
    ) -> Vec<Receiver> {
        self.at_most(raw, "[[receiver]]", RECEIVERS_MAX);
        let mut receivers = Vec::new();
        let mut names: Vec<Text> = Vec::new();
        for table in raw.iter().take(RECEIVERS_MAX) {
            let receiver = self.receiver(table, labels);
            if let Some(name) = &table.get_ref().name {
                let name = Spanned::new(name.span(), receiver.name.clone());
                self.unique(name, &mut names, |name| format!("two receivers are called `{name}`"));
            }
            receivers.push(receiver);
        }
        receivers
    }

    fn receiver(&mut self, table: &Spanned<RawReceiver>, labels: &LabelNames) -> Receiver {
        let raw = table.get_ref();
        let place = &place_of("receiver", raw.name.as_ref());
        self.needed(table, place, "name", raw.name.is_some(), "name = \"alertmanager\"");
        self.needed(table, place, "kind", raw.kind.is_some(), "kind = \"alertmanager\"");
        let choices = [
            ("alertmanager", Some(Kind::Alertmanager)),
            ("webhook", Some(Kind::Webhook)),
            ("jsonl", Some(Kind::Jsonl)),
        ];
        let kind = raw.kind.as_ref().and_then(|text| self.choice(text, "kind", place, &choices));
        if let Some(kind) = kind {
            self.only_of_kind(raw, kind, place);
        }
        Receiver {
            name: raw
                .name
                .as_ref()
                .and_then(|name| self.name(name, "name", place))
                .unwrap_or_default(),
            filter: self.alert_filter(raw.r#where.as_ref(), place, labels),
            kind: match kind {
                Some(Kind::Alertmanager) => self.alertmanager(table, place),
                Some(Kind::Webhook) => self.webhook(table, place),
                Some(Kind::Jsonl) => self.jsonl(table, place),
                None => NOWHERE,
            },
        }
    }

    /// Says that a key without which a table means nothing is not there.
    fn needed<T>(
        &mut self,
        table: &Spanned<T>,
        place: &str,
        key: &str,
        is_there: bool,
        example: &str,
    ) {
        if !is_there && !self.is_lost(table.span().start, key) {
            self.problem(
                table.span(),
                format!("no `{key}`{place}"),
                format!("expected `{example}`"),
            );
        }
    }

    /// Refuses the keys of other kinds.
    fn only_of_kind(&mut self, raw: &RawReceiver, kind: Kind, place: &str) {
        let at = |text: &Option<Text>| text.as_ref().map(Spanned::span);
        let is_http = [Kind::Alertmanager, Kind::Webhook];
        let (alertmanager, webhook) = ([Kind::Alertmanager], [Kind::Webhook]);
        let keys: [KeyOfKinds<'_>; 16] = [
            ("urls", raw.urls.as_ref().map(Spanned::span), &alertmanager),
            ("resend", at(&raw.resend), &alertmanager),
            ("url", at(&raw.url), &webhook),
            ("repeat", at(&raw.repeat), &webhook),
            ("shape", at(&raw.shape), &webhook),
            ("signing_secret_file", raw.signing_secret_file.as_ref().map(Spanned::span), &webhook),
            ("path", at(&raw.path), &[Kind::Jsonl]),
            ("timeout", at(&raw.timeout), &is_http),
            ("basic_auth", at(&raw.basic_auth), &is_http),
            ("password_file", at(&raw.password_file), &is_http),
            ("bearer_token_file", at(&raw.bearer_token_file), &is_http),
            ("ca_file", at(&raw.ca_file), &is_http),
            ("client_cert", at(&raw.client_cert), &is_http),
            ("client_key", at(&raw.client_key), &is_http),
            ("allow_link_local", raw.allow_link_local.as_ref().map(Spanned::span), &is_http),
            ("where", raw.r#where.as_ref().map(Spanned::span), &is_http),
        ];
        for (key, span, kinds) in keys {
            let Some(span) = span.filter(|_| !kinds.contains(&kind)) else { continue };
            let label = match (key, kind) {
                ("url", _) => "expected `urls = [\"...\"]`, one for each member",
                ("urls", Kind::Webhook) => "expected one: `url = \"...\"`",
                ("where", _) => "expected none: it takes denials, not alerts",
                _ => "expected none: this kind of receiver does not have it",
            };
            self.problem(span, format!("`{key}`{place} is out of place"), label);
        }
    }

    fn alertmanager(&mut self, table: &Spanned<RawReceiver>, place: &str) -> ReceiverKind {
        let raw = table.get_ref();
        let is_there = raw.urls.as_ref().is_some_and(|urls| !urls.get_ref().is_empty());
        self.needed(table, place, "urls", is_there, "urls = [\"http://127.0.0.1:9093\"]");
        let mut urls = Vec::new();
        let mut known: Vec<Text> = Vec::new();
        for text in self.list(raw.urls.as_ref(), "urls", place, RECEIVER_URLS_MAX) {
            let title = |url: &str| format!("`{url}`{place} would be told twice");
            self.unique(text.clone(), &mut known, title);
            urls.extend(self.url(text, "urls", place));
        }
        let resend = self.interval(raw.resend.as_ref(), "resend", place, RESEND_DEFAULT);
        ReceiverKind::Alertmanager(Alertmanager { urls, resend, http: self.http(table, place) })
    }

    fn webhook(&mut self, table: &Spanned<RawReceiver>, place: &str) -> ReceiverKind {
        let raw = table.get_ref();
        let example = "url = \"https://hooks.example/gatelog\"";
        self.needed(table, place, "url", raw.url.is_some(), example);
        let url = raw.url.as_ref().and_then(|text| self.url(text, "url", place));
        let shapes = Shape::ALL.map(|shape| (shape.as_str(), Some(shape)));
        let shape = raw.shape.as_ref().and_then(|text| self.choice(text, "shape", place, &shapes));
        let repeat = self.interval(raw.repeat.as_ref(), "repeat", place, REPEAT_DEFAULT);
        let mut signing_secret_files = Vec::new();
        if let Some(files) = &raw.signing_secret_file {
            let key = "signing_secret_file";
            let texts = self.texts(files, key, place, false).unwrap_or_default();
            let texts = Spanned::new(files.span(), texts);
            for text in self.list(Some(&texts), key, place, SIGNING_SECRETS_MAX) {
                signing_secret_files.extend(self.path(text, key, place));
            }
        }
        let http = self.http(table, place);
        let webhook = |url| Webhook {
            url,
            repeat,
            shape: shape.unwrap_or(Shape::Alertmanager),
            signing_secret_files,
            http,
        };
        url.map_or(NOWHERE, |url| ReceiverKind::Webhook(webhook(url)))
    }

    fn jsonl(&mut self, table: &Spanned<RawReceiver>, place: &str) -> ReceiverKind {
        let raw = table.get_ref();
        let example = "path = \"/var/log/gatelog/denials.jsonl\"";
        self.needed(table, place, "path", raw.path.is_some(), example);
        let Some(text) = &raw.path else { return NOWHERE };
        if text.get_ref() == "stdout" {
            return ReceiverKind::Jsonl(Sink::Stdout);
        }
        let Some(path) = self.path(text, "path", place) else { return NOWHERE };
        match path.to_str().and_then(|path| path.strip_prefix("syslog:")) {
            None => ReceiverKind::Jsonl(Sink::File(path)),
            Some(socket) => match socket.strip_prefix("unix:").filter(|path| !path.is_empty()) {
                Some(socket) => ReceiverKind::Jsonl(Sink::Syslog(socket.into())),
                None => {
                    let title = format!("`path`{place} is no socket for syslog");
                    self.problem(text.span(), title, "expected `syslog:unix:/dev/log`");
                    NOWHERE
                }
            },
        }
    }

    /// What both kinds that speak HTTP have.
    fn http(&mut self, table: &Spanned<RawReceiver>, place: &str) -> HttpOptions {
        let raw = table.get_ref();
        let file = |check: &mut Self, text: &Option<Text>, key| {
            text.as_ref().and_then(|text| check.path(text, key, place))
        };
        let certificate = file(self, &raw.client_cert, "client_cert");
        let key = file(self, &raw.client_key, "client_key");
        if raw.client_cert.is_some() != raw.client_key.is_some() {
            let missing = if raw.client_key.is_some() { "client_cert" } else { "client_key" };
            self.needed(table, place, missing, false, &format!("{missing} = \"FILE.pem\""));
        }
        HttpOptions {
            timeout: self.timeout(raw.timeout.as_ref(), place),
            authorization: self.authorization(table, place),
            ca_file: file(self, &raw.ca_file, "ca_file"),
            client_certificate: certificate.zip(key).map(|(certificate_file, key_file)| {
                ClientCertificate { certificate_file, key_file }
            }),
            allow_link_local: raw.allow_link_local.as_ref().is_some_and(|it| *it.get_ref()),
        }
    }

    fn authorization(
        &mut self,
        table: &Spanned<RawReceiver>,
        place: &str,
    ) -> Option<Authorization> {
        let raw = table.get_ref();
        let token_file: Option<PathBuf> = raw
            .bearer_token_file
            .as_ref()
            .and_then(|text| self.path(text, "bearer_token_file", place));
        if let (Some(token), Some(_)) = (&raw.bearer_token_file, &raw.basic_auth) {
            let title = format!("`bearer_token_file` beside `basic_auth`{place}");
            self.problem(token.span(), title, "expected one of the two");
        }
        if raw.basic_auth.is_some() != raw.password_file.is_some() {
            match &raw.basic_auth {
                Some(_) => {
                    let example = "password_file = \"${CREDENTIALS_DIRECTORY}/password\"";
                    self.needed(table, place, "password_file", false, example);
                }
                None => self.needed(table, place, "basic_auth", false, "basic_auth = \"USER\""),
            }
        }
        let user = raw.basic_auth.as_ref().and_then(|text| self.user(text, place));
        let password_file =
            raw.password_file.as_ref().and_then(|text| self.path(text, "password_file", place));
        let basic = user.zip(password_file);
        basic
            .map(|(user, password_file)| Authorization::Basic { user, password_file })
            .or(token_file.map(|token_file| Authorization::Bearer { token_file }))
    }

    fn user(&mut self, text: &Text, place: &str) -> Option<String> {
        let user = self.name(text, "basic_auth", place)?;
        if user.contains(':') {
            let title = format!("`basic_auth`{place} is no user's name");
            self.problem(
                text.span(),
                title,
                "expected a name without `:`; the password has a file",
            );
            return None;
        }
        Some(user)
    }

    /// What is wrong is said without the URL: it may be a secret.
    fn url(&mut self, text: &Text, key: &str, place: &str) -> Option<Url> {
        let title = || format!("`{key}`{place} is no URL that can be used");
        self.or_problem(Url::parse(text.get_ref()), text.span(), title)
    }

    fn timeout(&mut self, text: Option<&Text>, place: &str) -> Duration {
        let range = RECEIVER_TIMEOUT_MIN..=RECEIVER_TIMEOUT_MAX;
        self.duration(text, "timeout", place, range).unwrap_or(RECEIVER_TIMEOUT_DEFAULT)
    }

    fn interval(
        &mut self,
        text: Option<&Text>,
        key: &str,
        place: &str,
        default: Duration,
    ) -> Duration {
        let range = RECEIVER_INTERVAL_MIN..=RECEIVER_INTERVAL_MAX;
        self.duration(text, key, place, range).unwrap_or(default)
    }

    fn duration(
        &mut self,
        text: Option<&Text>,
        key: &str,
        place: &str,
        range: std::ops::RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let text = text?;
        let (title, label) = match parse_duration(text.get_ref()) {
            Ok(duration) if range.contains(&duration) => return Some(duration),
            Ok(_) => {
                let (least, most) = (DurationText(*range.start()), DurationText(*range.end()));
                (format!("`{key}`{place} is out of range"), format!("expected {least} to {most}"))
            }
            Err(error) => (format!("`{key}`{place} is no duration"), error.to_string()),
        };
        self.problem(text.span(), title, label);
        None
    }
}
