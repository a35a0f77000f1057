//! What following files finds out: changes to tell the operator, counters, and what was lost and
//! why.
//!
//! Plain data; [`super::file`] fills it, and what is logged or exported of it is decided by the
//! caller.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minicbor::{Decode, Encode};

use crate::limits::{CHANGES_MAX, FILES_MATCHED_MAX, OPEN_FILES_MAX};

/// Something worth a line in the log; each is told once.
#[derive(Debug)]
#[non_exhaustive]
pub enum Change {
    /// A file is now followed, from `byte_offset` on.
    Appeared {
        /// The name it was found under.
        path: Arc<Path>,
        /// Where reading begins.
        byte_offset: u64,
        /// Its size then.
        size_bytes: u64,
    },
    /// Another file has taken the name; the old one is read to its end first.
    Rotated {
        /// The name.
        path: Arc<Path>,
    },
    /// The name is gone; the file is read to its end.
    Gone {
        /// The name.
        path: Arc<Path>,
        /// The file was deleted rather than renamed.
        deleted: bool,
    },
    /// The file was emptied or written anew, and is read from its start.
    Truncated {
        /// Its name.
        path: Arc<Path>,
        /// Bytes that were seen to exist, could not be read any more, and stand in no copy.
        lost_bytes: u64,
    },
    /// A rotated file or a copy was found that holds lines which were not read under the live name;
    /// they are read now.
    Missed {
        /// Its rotated name.
        path: PathBuf,
        /// Where reading begins.
        byte_offset: u64,
    },
    /// Lines were lost that no file holds any more, or that cannot be read.
    Lost {
        /// The name of their file.
        path: Arc<Path>,
        /// Why.
        reason: GapReason,
        /// How much of them was seen to exist; none when how many there were is not known.
        lost_bytes: Option<u64>,
    },
    /// A file cannot be followed; looked at again each time, told again when the reason changes.
    Problem {
        /// Its name, or that of a pattern or directory.
        path: Arc<Path>,
        /// Why.
        problem: Problem,
    },
}

/// Why a file is not followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing there at the first look.
    #[error("does not exist yet; it is read from its start once it appears")]
    Missing,
    /// A directory, a pipe, a device: the image of nginx links its logs to `/dev/stdout`.
    #[error("is not a regular file and cannot be followed")]
    NotRegular,
    /// gzip or zstd.
    #[error("is compressed and is not followed")]
    Compressed,
    /// [`OPEN_FILES_MAX`] is reached.
    #[error("waits until one of {OPEN_FILES_MAX} open files is finished")]
    TooManyOpen,
    /// [`FILES_MATCHED_MAX`] is reached.
    #[error("matches more than {FILES_MATCHED_MAX} files; the others are not followed")]
    TooManyMatched,
    /// The system refuses.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// The system refuses since we have asked it to.
    #[error("lies outside of what the sandbox has left open at the start: restart needed")]
    Sandbox,
}

/// What one look found out.
#[derive(Debug, Default)]
pub struct Changes {
    /// In the order found, at most [`CHANGES_MAX`].
    pub list: Vec<Change>,
    /// Those beyond the bound.
    pub dropped: u64,
}

impl Changes {
    pub(super) fn add(&mut self, change: Change) {
        if self.list.len() < CHANGES_MAX {
            self.list.push(change);
        } else {
            self.dropped += 1;
        }
    }
}

/// Why bytes of the log were not handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// The file was truncated before it was read to its end, or in the middle of a line.
    Truncated,
    /// Reading failed until the rotated file was given up, or what it was compressed to is damaged.
    Unreadable,
    /// The file was deleted, or rotated out of its series, while nobody read it.
    Deleted,
    /// The receive buffer of a UDP socket was full; datagrams as the kernel counts them, bytes unknown.
    DroppedByKernel,
    /// Our own buffer behind a socket was full; datagrams.
    BufferFull,
}

impl GapReason {
    /// All reasons, in the order of [`Counters::gaps`].
    pub const ALL: [Self; 5] =
        [Self::Truncated, Self::Unreadable, Self::Deleted, Self::DroppedByKernel, Self::BufferFull];

    /// As a label value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Unreadable => "unreadable",
            Self::Deleted => "deleted",
            Self::DroppedByKernel => "dropped_by_kernel",
            Self::BufferFull => "buffer_full",
        }
    }
}

/// How often and how much was lost for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Gap {
    /// Times.
    #[n(0)]
    pub count: u64,
    /// Bytes known to be lost.
    #[n(1)]
    pub bytes: u64,
}

/// What a source has done since it was first followed; all values only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Counters {
    /// Bytes read from files, standard input or a socket.
    #[n(0)]
    pub read_bytes: u64,
    /// Files that lost their name: renamed, deleted or replaced, those included that were found
    /// only afterwards.
    #[n(1)]
    pub rotations: u64,
    /// Files that were emptied, cut shorter or written anew.
    #[n(2)]
    pub truncations: u64,
    /// Files that had to wait for [`OPEN_FILES_MAX`].
    #[n(3)]
    pub open_limit_hits: u64,
    /// Looks that ran into [`FILES_MATCHED_MAX`].
    #[n(4)]
    pub match_limit_hits: u64,
    /// Lines in parts that ran into [`PENDING_LINES_MAX`](crate::limits::PENDING_LINES_MAX) or
    /// [`PENDING_BYTES_MAX`](crate::limits::PENDING_BYTES_MAX).
    #[n(8)]
    pub pending_limit_hits: u64,
    #[n(5)]
    truncated: Gap,
    #[n(6)]
    unreadable: Gap,
    #[n(7)]
    deleted: Gap,
    #[n(9)]
    pub(super) dropped_by_kernel: Gap,
    #[n(10)]
    pub(super) buffer_full: Gap,
}

impl Counters {
    /// What was lost for one reason.
    pub fn gap(&self, reason: GapReason) -> Gap {
        match reason {
            GapReason::Truncated => self.truncated,
            GapReason::Unreadable => self.unreadable,
            GapReason::Deleted => self.deleted,
            GapReason::DroppedByKernel => self.dropped_by_kernel,
            GapReason::BufferFull => self.buffer_full,
        }
    }

    /// The sums of both.
    #[must_use]
    pub fn plus(&self, other: &Counters) -> Counters {
        let gap = |a: Gap, b: Gap| Gap {
            count: a.count.saturating_add(b.count),
            bytes: a.bytes.saturating_add(b.bytes),
        };
        Counters {
            read_bytes: self.read_bytes.saturating_add(other.read_bytes),
            rotations: self.rotations.saturating_add(other.rotations),
            truncations: self.truncations.saturating_add(other.truncations),
            open_limit_hits: self.open_limit_hits.saturating_add(other.open_limit_hits),
            match_limit_hits: self.match_limit_hits.saturating_add(other.match_limit_hits),
            pending_limit_hits: self.pending_limit_hits.saturating_add(other.pending_limit_hits),
            truncated: gap(self.truncated, other.truncated),
            unreadable: gap(self.unreadable, other.unreadable),
            deleted: gap(self.deleted, other.deleted),
            dropped_by_kernel: gap(self.dropped_by_kernel, other.dropped_by_kernel),
            buffer_full: gap(self.buffer_full, other.buffer_full),
        }
    }

    /// What was lost, by reason, zeros included.
    pub fn gaps(&self) -> impl Iterator<Item = (GapReason, Gap)> {
        GapReason::ALL.into_iter().map(|reason| (reason, self.gap(reason)))
    }

    /// The highest of them.
    pub fn highest(&self) -> u64 {
        let gaps = self.gaps().flat_map(|(_, gap)| [gap.count, gap.bytes]);
        let Counters { read_bytes, rotations, truncations, .. } = *self;
        let Counters { open_limit_hits, match_limit_hits, pending_limit_hits, .. } = *self;
        [read_bytes, rotations, truncations, open_limit_hits, match_limit_hits, pending_limit_hits]
            .into_iter()
            .chain(gaps)
            .fold(0, u64::max)
    }

    pub(super) fn add_read(&mut self, bytes: u64) {
        self.read_bytes = self.read_bytes.saturating_add(bytes);
    }

    pub(super) fn add_gap(&mut self, reason: GapReason, bytes: u64) {
        let gap = match reason {
            GapReason::Truncated => &mut self.truncated,
            GapReason::Unreadable => &mut self.unreadable,
            GapReason::Deleted => &mut self.deleted,
            GapReason::DroppedByKernel => &mut self.dropped_by_kernel,
            GapReason::BufferFull => &mut self.buffer_full,
        };
        gap.count = gap.count.saturating_add(1);
        gap.bytes = gap.bytes.saturating_add(bytes);
    }
}
