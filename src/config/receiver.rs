//! `[[receiver]]` as meant: who is told of alerts, and where the stream of denials goes.
//!
//! Secrets are not here: only the files that they are in. A URL can be one too (that of a chat's
//! webhook is), so [`Url`] shows no more of itself than its server.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use hyper::http::uri::Scheme;

use crate::limits::{RECEIVER_TIMEOUT_DEFAULT, URL_BYTES_MAX};
use crate::rules::LabelFilter;

/// `[[receiver]]`
#[derive(Debug, Clone, PartialEq)]
pub struct Receiver {
    /// The label `receiver` of metrics; unique.
    pub name: String,
    /// Which alerts it takes; always all for [`ReceiverKind::Jsonl`], which takes denials.
    pub filter: LabelFilter,
    /// What it is.
    pub kind: ReceiverKind,
}

/// What a receiver is, with what belongs to that kind.
#[derive(Debug, Clone, PartialEq)]
pub enum ReceiverKind {
    /// An Alertmanager.
    Alertmanager(Alertmanager),
    /// Whoever takes Alertmanager's webhooks, or a chat.
    Webhook(Webhook),
    /// The stream of denials, a JSON object a line.
    Jsonl(Sink),
}

impl ReceiverKind {
    /// Its name in the configuration.
    pub const fn name(&self) -> &'static str {
        match self {
            ReceiverKind::Alertmanager(_) => "alertmanager",
            ReceiverKind::Webhook(_) => "webhook",
            ReceiverKind::Jsonl(_) => "jsonl",
        }
    }

    /// How it is reached over HTTP, if it is.
    pub fn http(&self) -> Option<&HttpOptions> {
        match self {
            ReceiverKind::Alertmanager(it) => Some(&it.http),
            ReceiverKind::Webhook(it) => Some(&it.http),
            ReceiverKind::Jsonl(_) => None,
        }
    }

    /// Where requests go.
    pub fn urls(&self) -> &[Url] {
        match self {
            ReceiverKind::Alertmanager(it) => &it.urls,
            ReceiverKind::Webhook(it) => std::slice::from_ref(&it.url),
            ReceiverKind::Jsonl(_) => &[],
        }
    }
}

/// An Alertmanager, or a cluster of them: each member is told everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Alertmanager {
    /// The members, at least one; without `/api/v2/alerts`.
    pub urls: Vec<Url>,
    /// Time between two tellings of a firing alert.
    pub resend: Duration,
    /// How they are reached.
    pub http: HttpOptions,
}

/// Whoever takes one request for each group of alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// Where it is.
    pub url: Url,
    /// Time between two tellings of a firing alert.
    pub repeat: Duration,
    /// What a request's body looks like.
    pub shape: Shape,
    /// Files with Standard Webhooks secrets; each of them signs. May be empty: no signature.
    pub signing_secret_files: Vec<PathBuf>,
    /// How it is reached.
    pub http: HttpOptions,
}

/// What a webhook's body looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Version 4 of Alertmanager's webhook.
    Alertmanager,
    /// A message with blocks, for Slack's incoming webhooks.
    Slack,
    /// An Adaptive Card, for Teams' workflows.
    Teams,
    /// A message in Markdown, for Mattermost's incoming webhooks.
    Mattermost,
}

impl Shape {
    /// All of them.
    pub const ALL: [Shape; 4] =
        [Shape::Alertmanager, Shape::Slack, Shape::Teams, Shape::Mattermost];

    /// Its name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Shape::Alertmanager => "alertmanager",
            Shape::Slack => "slack",
            Shape::Teams => "teams",
            Shape::Mattermost => "mattermost",
        }
    }
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// Appended to a file.
    File(PathBuf),
    /// Standard output.
    Stdout,
    /// A syslog daemon's socket for datagrams.
    Syslog(PathBuf),
}

/// How a server is reached over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// For a whole request, its answer included.
    pub timeout: Duration,
    /// What is shown in `Authorization`.
    pub authorization: Option<Authorization>,
    /// The only CAs that are trusted, as PEM. `None`: those of the system.
    pub ca_file: Option<PathBuf>,
    /// What is shown when the server asks for a certificate.
    pub client_certificate: Option<ClientCertificate>,
    /// Whether addresses of the link and of clouds' metadata may be connected to.
    pub allow_link_local: bool,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            timeout: RECEIVER_TIMEOUT_DEFAULT,
            authorization: None,
            ca_file: None,
            client_certificate: None,
            allow_link_local: false,
        }
    }
}

/// What is shown in the header `Authorization`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// RFC 7617.
    Basic {
        /// The user's name.
        user: String,
        /// A file with the password.
        password_file: PathBuf,
    },
    /// RFC 6750.
    Bearer {
        /// A file with the token.
        token_file: PathBuf,
    },
}

/// Two files as PEM: a chain, the client's own certificate first, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The chain.
    pub certificate_file: PathBuf,
    /// The private key.
    pub key_file: PathBuf,
}

/// The URL of a server: `http` or `https`, with a host, without user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    uri: Uri,
    host: String,
    port: u16,
    is_tls: bool,
}

/// Why a text is no [`Url`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It is none.
    #[error("expected a URL such as `https://alertmanager.internal:9093`")]
    Syntax,
    /// Neither `http` nor `https`.
    #[error("expected `http://` or `https://`")]
    Scheme,
    /// Someone's name or password is in it.
    #[error("expected no user and password; name the files that they are in")]
    Secret,
    /// There is a `#`.
    #[error("expected no `#`")]
    Fragment,
    /// Longer than [`URL_BYTES_MAX`].
    #[error("expected at most {URL_BYTES_MAX} bytes")]
    TooLong,
}

impl Url {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn parse(text: &str) -> Result<Url, UrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(UrlError::TooLong);
        }
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| UrlError::Syntax)?;
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(UrlError::Scheme),
        };
        let authority = uri.authority().ok_or(UrlError::Syntax)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::Secret);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let has_port = authority.as_str().len() > authority.host().len();
        let port = authority.port_u16().filter(|port| *port != 0);
        let port = match port {
            Some(port) => port,
            None if has_port => return Err(UrlError::Syntax),
            None if is_tls => 443,
            None => 80,
        };
        if host.is_empty() {
            return Err(UrlError::Syntax);
        }
        Ok(Url { host, port, is_tls, uri })
    }

    /// A name or an IP address, that of version 6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// As written, else that of the scheme.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is `https`.
    pub const fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The host and the port as `Host` has them: `name:8443`.
    pub fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// What is asked for: the path and the query, with `more` behind the path.
    pub fn target(&self, more: &str) -> String {
        let (path, query) = (self.uri.path(), self.uri.query());
        let path = if more.is_empty() { path } else { path.trim_end_matches('/') };
        let query = query.map_or_else(String::new, |query| format!("?{query}"));
        format!("{path}{more}{query}")
    }
}

/// `https://hooks.example`, and nothing of what may be secret.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let check = |text: &str, shown: &str, host: &str, port: u16, target: &str| {
            let url = Url::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!((url.host(), url.port()), (host, port), "{text}");
            assert_eq!(url.target("/api/v2/alerts"), target);
            assert_eq!(format!("{url:?}"), format!("Url({shown})"));
        };
        check("http://a:9093", "http://a:9093", "a", 9093, "/api/v2/alerts");
        check("https://a.b/am/", "https://a.b", "a.b", 443, "/am/api/v2/alerts");
        check("http://[::1]:1/x?y=z", "http://[::1]:1", "::1", 1, "/x/api/v2/alerts?y=z");
        check("HTTP://127.0.0.1", "http://127.0.0.1", "127.0.0.1", 80, "/api/v2/alerts");
        let url = Url::parse("https://hooks.example/services/T0/secret?k=v").unwrap();
        assert_eq!(url.target(""), "/services/T0/secret?k=v");
        assert!(!format!("{url} {url:?}").contains("secret"));
    }

    #[test]
    fn what_is_no_url() {
        for (text, expected) in [
            ("", UrlError::Syntax),
            ("a b", UrlError::Syntax),
            ("alertmanager:9093", UrlError::Scheme),
            ("/api", UrlError::Scheme),
            ("ftp://a", UrlError::Scheme),
            ("http://", UrlError::Syntax),
            ("http://:80", UrlError::Syntax),
            ("http://a:99999", UrlError::Syntax),
            ("http://a:0", UrlError::Syntax),
            ("http://user:pass@a", UrlError::Secret),
            ("http://a/#/alerts", UrlError::Fragment),
        ] {
            assert_eq!(Url::parse(text), Err(expected), "{text}");
        }
        assert_eq!(Url::parse(&"a".repeat(URL_BYTES_MAX + 1)), Err(UrlError::TooLong));
    }
}
