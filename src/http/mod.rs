//! The agent's HTTP server: `/metrics`, `/healthz` and `/readyz` over HTTP/1, with bounds on
//! everything a client can hold: connections, time, bytes.
//!
//! | file | owns |
//! |---|---|
//! | `server` | binding, accepting, the cap, stopping |
//! | `settings` | what one listener is told: address, names, groups, limits |
//! | `guard` | may this address be served without a guard |
//! | `pages` | what the agent supplies: the metrics page and readiness |
//! | `service` | one request to one answer |
//! | `route` | the table of paths |
//! | `host` | the rule for `Host` |
//! | `answer` | statuses, JSON errors, headers every answer carries |
//! | `connection` | one connection's task and its deadlines |
//! | `connections` | who waits, who is slow, and who leaves first at the cap |
//! | `stream` | the socket, watched: when bytes came, when writing stalls |
//! | `limit_hits` | counters of every limit that was hit |
//!
//! Left to others: what stands on the pages (`Pages` is implemented by the agent), TLS, client
//! certificates and tokens (a later version; until then an address off loopback needs its groups
//! opened by name), compression, and HTTP/2.
//!
//! Two limits of hyper are visible from outside. A request it cannot parse is answered by hyper
//! itself (400, 414, 431), with an empty body and without the headers of our own answers; and a
//! fragment in a request target (`/metrics#x`) is dropped by the `http` crate before we see it.
//!
//! Sources: RFC 9110 (semantics), RFC 9112 (HTTP/1.1: section 3.2 on `Host` and the forms of a
//! request target), hyper 1.12 (`proto/h1/conn.rs`, `dispatch.rs`).

pub mod guard;
pub mod limit_hits;
pub mod pages;
pub mod server;
pub mod settings;

mod answer;
mod connection;
mod connections;
mod host;
mod route;
mod service;
mod stream;

pub use guard::{GuardError, is_loopback, permitted};
pub use limit_hits::LimitHits;
pub use pages::{Page, Pages, Readiness};
pub use server::{BindError, ServeError, bind, serve};
pub use settings::{Group, Groups, Limits, Settings};
