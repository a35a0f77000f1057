//! A small HTTP client: one `POST` over a connection of its own (HTTP/1.1, RFC 9112).
//!
//! Alerts are rare, so nothing is kept open. The whole request has a time, what the server sends a
//! bound. A redirect is an answer like others, and not followed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    InvalidHeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;

use super::connect::{Way, connect};
use super::proxy::{Proxies, ProxyError, basic};
use super::secret::{FileError, Secret};
use super::tls::{self, TlsError};
use crate::clock::UnixMilliseconds;
use crate::config::receiver::{Authorization, HttpOptions, Url};
use crate::limits::{
    ANSWER_BODY_TIMEOUT, ANSWER_BYTES_MAX, ANSWER_HEAD_BYTES_MAX, RECEIVER_CONNECT_TIMEOUT,
};

const AGENT: HeaderValue = HeaderValue::from_static(concat!("gatelog/", env!("CARGO_PKG_VERSION")));

/// Asks the servers of one receiver.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) options: HttpOptions,
    pub(super) proxies: Result<Proxies, ProxyError>,
}

/// What is sent.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) target: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// 100 to 999.
    pub status: u16,
    /// When it wants to be asked again: the header `Retry-After`, as it is.
    pub retry_after: Option<String>,
    /// The body, or its beginning; empty when there is none. As it came: not safe to show.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum SendError {
    /// A password, token or secret.
    #[error(transparent)]
    File(#[from] FileError),
    /// What TLS needs.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The environment.
    #[error(transparent)]
    Environment(#[from] ProxyError),
    /// The name leads nowhere.
    #[error("cannot find `{host}`: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// The name has no address.
    #[error("`{host}` has no address")]
    NoAddress {
        /// The name.
        host: String,
    },
    /// The address is one that receivers do not have.
    #[error("{address} is an address of the link or of a cloud's metadata; see `allow_link_local`")]
    LinkLocal {
        /// The address.
        address: IpAddr,
    },
    /// Nobody is there, or nobody who answers.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Whom.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The proxy does not do its part.
    #[error("the proxy {proxy}: {source}")]
    Proxy {
        /// Its URL, without what may be secret.
        proxy: String,
        /// What it said.
        source: io::Error,
    },
    /// The host of the URL can have no certificate.
    #[error("`{host}` is no name that a certificate can have")]
    ServerName {
        /// The host.
        host: String,
    },
    /// The certificate is not to be trusted, or TLS failed otherwise.
    #[error("TLS: {0}")]
    Handshake(#[source] io::Error),
    /// The connection ended, or what came is not HTTP.
    #[error("{0}")]
    Http(#[from] hyper::Error),
    /// A secret or the URL cannot stand in a header.
    #[error("cannot be sent in a header: {0}")]
    Header(#[from] hyper::http::Error),
    /// It took too long.
    #[error("no {what} within {} ms", .within.as_millis())]
    Late {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        within: Duration,
    },
    /// The program ends.
    #[error("was given up")]
    GivenUp,
}

/// What is read from files before a request.
struct Prepared {
    authorization: Option<Secret>,
    tls: Option<ClientConfig>,
}

impl Client {
    /// Sends it, and waits for the answer within the receiver's time.
    pub(super) async fn post(&self, url: &Url, post: Post) -> Result<Answer, SendError> {
        let within = self.options.timeout;
        let late = |_| SendError::Late { what: "answer", within };
        timeout(within, self.post_at_leisure(url, post)).await.map_err(late)?
    }

    async fn post_at_leisure(&self, url: &Url, post: Post) -> Result<Answer, SendError> {
        let proxies = self.proxies.as_ref().map_err(|error| *error)?;
        let prepared = self.prepared(url.is_tls()).await?;
        let request = request(url, post, prepared.authorization.as_ref())?;
        let way = Way { proxies, allow_link_local: self.options.allow_link_local };
        let within = RECEIVER_CONNECT_TIMEOUT;
        let late = |_| SendError::Late { what: "connection", within };
        let connecting = timeout(within, connect(url, way, prepared.tls));
        let stream = connecting.await.map_err(late)??;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(ANSWER_HEAD_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await?;
        // It ends with this function at the latest: the set takes its tasks along.
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        Ok(answer(sender.send_request(request).await?).await)
    }

    /// Files are read where waiting for a disk holds up nobody else.
    async fn prepared(&self, is_tls: bool) -> Result<Prepared, SendError> {
        let options = self.options.clone();
        let reading = spawn_blocking(move || {
            let tls = is_tls.then(|| tls::config(&options)).transpose()?;
            let authorization = options.authorization.as_ref().map(authorization).transpose()?;
            Ok(Prepared { authorization, tls })
        });
        reading.await.map_err(|_| SendError::GivenUp)?
    }
}

fn authorization(authorization: &Authorization) -> Result<Secret, FileError> {
    match authorization {
        Authorization::Basic { user, password_file } => {
            let password = Secret::read(password_file)?;
            Ok(basic(format!("{user}:{}", password.reveal()).as_bytes()))
        }
        Authorization::Bearer { token_file } => {
            let token = Secret::read(token_file)?;
            Ok(Secret::new(format!("Bearer {}", token.reveal())))
        }
    }
}

fn request(
    url: &Url,
    post: Post,
    authorization: Option<&Secret>,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(post.target)
        .header(HOST, url.authority())
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, "application/json")
        .header(CONNECTION, "close");
    for (name, value) in post.headers {
        request = request.header(HeaderName::from_static(name), value);
    }
    if let Some(secret) = authorization {
        request = request.header(AUTHORIZATION, sensitive(secret)?);
    }
    request.body(Full::new(post.body.into()))
}

fn sensitive(secret: &Secret) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(secret.reveal())?;
    value.set_sensitive(true);
    Ok(value)
}

/// The status decides; the body is only words, and what is cut of them, or late, is no failure.
async fn answer(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let mut text = Vec::new();
    let _late = timeout(ANSWER_BODY_TIMEOUT, read_body(body, &mut text)).await;
    Answer { status: head.status.as_u16(), retry_after: retry_after(&head.headers), body: text }
}

async fn read_body(mut body: Incoming, text: &mut Vec<u8>) {
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let room = ANSWER_BYTES_MAX.saturating_sub(text.len());
        text.extend_from_slice(data.get(..room).unwrap_or(&data));
        if text.len() >= ANSWER_BYTES_MAX {
            break;
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<String> {
    headers.get(RETRY_AFTER)?.to_str().ok().map(str::to_owned)
}

impl Answer {
    /// How long the server wants to be left alone: seconds or a date (RFC 9110 section 10.2.3).
    pub(super) fn wait(&self, now: UnixMilliseconds) -> Option<Duration> {
        let text = self.retry_after.as_deref()?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        let milliseconds = date.as_millisecond().saturating_sub(now.0);
        Some(Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = UnixMilliseconds(1_445_412_470_000); // Wed, 21 Oct 2015 07:27:50 GMT
        let check = |text: Option<&str>, seconds: Option<u64>| {
            let retry_after = text.map(str::to_owned);
            let answer = Answer { status: 429, retry_after, body: Vec::new() };
            assert_eq!(answer.wait(now), seconds.map(Duration::from_secs), "{text:?}");
        };
        check(None, None);
        check(Some("120"), Some(120));
        check(Some(" 0 "), Some(0));
        check(Some("Wed, 21 Oct 2015 07:28:00 GMT"), Some(10));
        check(Some("Wed, 21 Oct 2015 07:00:00 GMT"), Some(0));
        check(Some("-1"), None);
        check(Some("soon"), None);
        check(Some("99999999999999999999"), None);
    }
}
