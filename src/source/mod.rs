//! Where bytes come from: whole files and streams read once, files followed as they grow, sockets and
//! standard input as they bring them.
//!
//! This room owns bytes and positions. It does not know what a line means, and it never reads a
//! clock: [`Follower::look`] is handed the time. What a file system event says is never believed,
//! only that something may have happened; every decision comes from `stat` and our own offsets.

pub mod blocks;
pub mod change;
pub mod feed;
pub mod file;
pub mod identity;
pub mod lines;
pub mod listen;
pub mod pattern;
pub mod places;
pub mod stream;
pub mod watch;
pub mod wrap;

mod ahead;
mod compression;
mod found;
mod generation;
mod opened;
mod packed;
mod queue;
mod siblings;
pub mod socket;
mod succession;

pub use blocks::{Block, Blocks};
pub use feed::Feed;
pub use file::Follower;
pub use lines::{Line, LineBuffer, LinePosition};
pub use listen::{Listen, ListenError};
pub use stream::{Input, Stream};
pub use wrap::{Joiner, Wrap};
