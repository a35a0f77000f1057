//! One request to one answer: the rule for `Host`, then the path, then the method, then the page
//! within its time. Knows nothing of sockets.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::{Body, Bytes, Incoming},
    header::ACCEPT,
    http::request::Parts,
};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    answer::{self, Answer},
    connections::Connection,
    host::{self, HostError},
    limit_hits::LimitHits,
    pages::Pages,
    route::{self, Route},
    settings::Settings,
};

/// What every request of one listener is answered from.
pub(super) struct Service<P> {
    pub(super) settings: Settings,
    pub(super) hits: Arc<LimitHits>,
    pages: Arc<P>,
    metrics_answers: Arc<Semaphore>,
}

/// Why a request leads to no page.
enum Refusal {
    Host(HostError),
    NotFound,
    Method,
}

/// Why a request body was given up.
enum BodyError {
    TooLarge,
    Late,
    Broken,
}

impl<P: Pages> Service<P> {
    pub(super) fn new(settings: Settings, pages: Arc<P>, hits: Arc<LimitHits>) -> Self {
        let metrics_answers = Arc::new(Semaphore::new(settings.limits.metrics_answers_max.max(1)));
        Self { settings, hits, pages, metrics_answers }
    }

    /// Answers one request that came over `connection`. Cannot fail and takes a bounded time.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
    ) -> Answer {
        let (head, body) = request.into_parts();
        let route = self.route(&head);
        match (route, self.drain(body).await) {
            (Ok(route), Ok(())) => self.page(route, &head.headers, connection).await,
            (Err(refusal), Ok(())) => refusal.answer(),
            (Err(refusal), Err(_)) => answer::closing(refusal.answer()),
            (Ok(_), Err(error)) => answer::closing(error.answer()),
        }
    }

    fn route(&self, head: &Parts) -> Result<Route, Refusal> {
        host::accepted(&head.headers, &head.uri, &self.settings.hosts).map_err(Refusal::Host)?;
        let route = route::find(head.uri.path(), self.settings.groups).ok_or(Refusal::NotFound)?;
        if head.method == Method::GET || head.method == Method::HEAD {
            Ok(route)
        } else {
            Err(Refusal::Method)
        }
    }

    /// Reads a body and throws it away. Closing with bytes unread would reset the connection and
    /// could take our answer with it.
    async fn drain(&self, body: Incoming) -> Result<(), BodyError> {
        if body.is_end_stream() {
            return Ok(());
        }
        let limits = &self.settings.limits;
        let drained = timeout(limits.body_timeout, drain_at_most(body, limits.body_bytes_max));
        let result = drained.await.unwrap_or(Err(BodyError::Late));
        match result {
            Err(BodyError::TooLarge) => self.hits.bodies_too_large.add(),
            Err(BodyError::Late) => self.hits.body_timeouts.add(),
            Err(BodyError::Broken) | Ok(()) => {}
        }
        result
    }

    async fn page(&self, route: Route, headers: &HeaderMap, connection: &Connection) -> Answer {
        match route {
            Route::Metrics => self.metrics(headers, connection).await,
            Route::Healthz => answer::page(answer::TEXT, Bytes::from_static(b"ok\n")),
            Route::Readyz => self.readyz().await,
        }
    }

    async fn metrics(&self, headers: &HeaderMap, connection: &Connection) -> Answer {
        if !self.may_hold_metrics(connection).await {
            self.hits.metrics_answers.add();
            return answer::unavailable("busy", "too many scrapes are being answered");
        }
        let accept = joined_accept(headers);
        match self.in_time(self.pages.metrics(&accept)).await {
            Some(page) => answer::page(page.content_type, page.body),
            None => late_page(),
        }
    }

    async fn readyz(&self) -> Answer {
        match self.in_time(self.pages.readiness()).await {
            Some(readiness) if readiness.ready => {
                answer::page(answer::TEXT, Bytes::from_static(b"ok\n"))
            }
            Some(readiness) => answer::unavailable("not_ready", &readiness.reasons.join("; ")),
            None => late_page(),
        }
    }

    /// Takes one of the places for pages of `/metrics` and leaves it with the connection until the
    /// client has the whole answer. At the limit the reader that has been slow for longest goes.
    async fn may_hold_metrics(&self, connection: &Connection) -> bool {
        if connection.holds_place() {
            // A pipelined request: hyper starts its answer only when the one before is written.
            return true;
        }
        let free = Arc::clone(&self.metrics_answers).try_acquire_owned();
        let place = match free {
            Ok(place) => Some(place),
            Err(_) => {
                if connection.close_slowest_other() {
                    self.hits.closed_for_room.add();
                }
                let next = Arc::clone(&self.metrics_answers).acquire_owned();
                timeout(self.settings.limits.page_timeout, next).await.ok().and_then(Result::ok)
            }
        };
        place.map(|place| connection.hold(place)).is_some()
    }

    async fn in_time<T>(&self, page: impl Future<Output = T> + Send) -> Option<T> {
        let page = timeout(self.settings.limits.page_timeout, page).await.ok();
        if page.is_none() {
            self.hits.page_timeouts.add();
        }
        page
    }
}

fn late_page() -> Answer {
    answer::unavailable("timeout", "the page was not ready in time")
}

impl Refusal {
    fn answer(&self) -> Answer {
        match self {
            Self::Host(error) => answer::host_refused(*error),
            Self::NotFound => answer::not_found(),
            Self::Method => answer::method_not_allowed(),
        }
    }
}

impl BodyError {
    fn answer(&self) -> Answer {
        let (status, code, message) = match self {
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "no path here reads a body")
            }
            Self::Late => {
                (StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body did not arrive in time")
            }
            Self::Broken => {
                (StatusCode::BAD_REQUEST, "body_malformed", "the body is not framed as announced")
            }
        };
        answer::error(status, code, message)
    }
}

async fn drain_at_most(mut body: Incoming, bytes_max: usize) -> Result<(), BodyError> {
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |bytes| bytes > bytes_max) {
        return Err(BodyError::TooLarge);
    }
    let mut drained_bytes = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        drained_bytes = drained_bytes.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if drained_bytes > bytes_max {
            return Err(BodyError::TooLarge);
        }
    }
    Ok(())
}

/// The values of `Accept` as one list; lines that are not text are left out.
fn joined_accept(headers: &HeaderMap) -> String {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(", ")
}
