//! Where bytes come from: whole files and streams read once, and files followed as they grow.
//!
//! This room owns bytes and positions. It does not know what a line means, and it never reads a
//! clock: [`Follower::look`] is handed the time. What a file system event says is never believed,
//! only that something may have happened; every decision comes from `stat` and our own offsets.

pub mod blocks;
pub mod change;
pub mod file;
pub mod identity;
pub mod lines;
pub mod pattern;
pub mod places;
pub mod stream;
pub mod watch;

mod ahead;
mod compression;
mod found;
mod generation;
mod opened;
mod packed;
mod siblings;
mod succession;

pub use blocks::{Block, Blocks};
pub use file::Follower;
pub use lines::{Line, LineBuffer, LinePosition};
pub use stream::{Input, Stream};
