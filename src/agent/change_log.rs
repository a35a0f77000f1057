//! What following files finds out, as lines of the agent's own log: one for each change, with fields.

use super::source::Source;
use crate::source::change::{Change, Changes, Problem};

/// Says what a look at a source found.
pub(super) fn say(source: &Source, changes: &Changes) {
    for change in &changes.list {
        say_one(source, change);
    }
    if changes.dropped > 0 {
        tracing::warn!(source = source.name(), changes.dropped, "further changes are not told");
    }
}

fn say_one(of: &Source, change: &Change) {
    let source = of.name();
    match change {
        Change::Appeared { path, byte_offset, size_bytes } => {
            let path = path.display();
            match of.format_name() {
                Some(log_format) => {
                    tracing::info!(source, %path, log_format, byte_offset, size_bytes, "following");
                }
                None => tracing::info!(source, %path, byte_offset, size_bytes, "following"),
            }
        }
        Change::Rotated { path } => {
            tracing::info!(source, path = %path.display(), "rotated, the old file is read first");
        }
        Change::Gone { path, deleted } => {
            tracing::info!(source, path = %path.display(), deleted, "the name is gone");
        }
        Change::Truncated { path, lost_bytes: 0 } => {
            tracing::info!(source, path = %path.display(), "truncated, read from its start");
        }
        Change::Truncated { path, lost_bytes } => {
            let path = path.display();
            tracing::error!(source, %path, lost_bytes, "truncated before it was read: lines lost");
        }
        Change::Missed { path, byte_offset } => {
            let path = path.display();
            tracing::info!(source, %path, byte_offset, "holds lines not read yet, read now");
        }
        Change::Lost { path, reason, lost_bytes } => {
            let (path, reason) = (path.display(), reason.name());
            match lost_bytes {
                Some(lost_bytes) => {
                    tracing::error!(source, %path, reason, lost_bytes, "lines lost");
                }
                None => tracing::error!(source, %path, reason, "lines lost, how many is unknown"),
            }
        }
        Change::Problem {
            path,
            problem: problem @ (Problem::Unreadable(_) | Problem::Sandbox),
        } => {
            tracing::error!(source, path = %path.display(), "{problem}");
        }
        Change::Problem { path, problem } => {
            tracing::warn!(source, path = %path.display(), "{problem}");
        }
    }
}
