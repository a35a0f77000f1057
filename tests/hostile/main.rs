//! What clients and file names can bring in: it changes nothing but its own field, and on no way out is
//! there a byte that a terminal, a page or a parser of labels would act upon.
//!
//! Lines are written as nginx 1.22 writes them (`ngx_http_log_escape`): every hostile value in every field
//! that a client has a say in, in the four formats of the corpus.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in helpers of tests a failure is the report"
)]

#[path = "../agent/agent.rs"]
#[expect(dead_code, reason = "shared with the tests of the agent, which need all of it")]
mod agent;
#[path = "../commands/program.rs"]
#[expect(dead_code, reason = "shared with the tests of the commands, which need all of it")]
mod program;

mod any;
mod lines;
mod logs;
mod names;
mod running;
mod safe;
mod values;
