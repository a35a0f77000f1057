//! What the agent supplies: the server asks for a page or for readiness and knows nothing else
//! of the agent. What stands on the metrics page belongs to the stage that feeds it.

use hyper::body::Bytes;

/// The agent as the server sees it.
pub trait Pages: Send + Sync + 'static {
    /// The metrics page. `accept` is the request's `Accept` (several lines joined with `, `),
    /// empty when there is none. An answer that takes longer than the page timeout is dropped
    /// and the client gets 503, so the future must be safe to drop at any await.
    fn metrics(&self, accept: &str) -> impl Future<Output = Page> + Send;

    /// Whether the agent does its work now. The same timeout applies.
    fn readiness(&self) -> impl Future<Output = Readiness> + Send;
}

/// A page ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Value of `Content-Type`. Prometheus 3 refuses a page without a valid one.
    pub content_type: &'static str,
    /// The page itself; cheap to clone, so one rendered snapshot can serve several scrapers.
    pub body: Bytes,
}

/// Whether the agent is ready.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Readiness {
    /// `/readyz` answers 200 when true, else 503.
    pub ready: bool,
    /// Why not, each a short sentence without a final period; shown when not ready.
    pub reasons: Vec<String>,
}
