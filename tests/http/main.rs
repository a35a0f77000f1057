//! The HTTP server over real sockets on loopback. Requests are written byte by byte as given, so
//! that what no client library would send can be sent too.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

mod client;
mod connections;
mod requests;
mod server;
mod stopping;
