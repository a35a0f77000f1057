//! Where the lines of a source come from: files, or what is no file. One way to look and to read for both,
//! and what is said of lines that were lost before they could be read.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Monotonic;
use crate::setup::source::{SetupError, SourceSetup};
use crate::source::change::{Changes, Counters, GapReason};
use crate::source::feed::Wake;
use crate::source::file::Progress;
use crate::source::places::FollowerState;
use crate::source::{Feed, Follower, Line};

/// Shortest time between two messages about the losses of one source.
const LOSSES_INTERVAL: Duration = Duration::from_secs(60);

/// Where lines come from.
#[derive(Debug)]
pub(super) enum Lines {
    /// Files that are followed.
    Files(Box<Follower>),
    /// A socket or standard input; the name stands for the one stream it has.
    Feed {
        feed: Box<Feed>,
        name: Arc<Path>,
        /// Of the processes before this one.
        earlier: Box<Counters>,
    },
}

impl Lines {
    /// Follows the files of a source, where they were `saved` if they were, or begins to receive. `wake`
    /// is called when something has come.
    pub(super) fn open(
        setup: &SourceSetup,
        wake: &Wake,
        saved: Option<FollowerState>,
    ) -> Result<Lines, SetupError> {
        let feed = if let Some(listen) = &setup.listen {
            Feed::listen(listen, Arc::clone(wake))
                .map_err(|source| SetupError::Socket { name: setup.name.clone(), source })?
        } else if setup.is_stdin() {
            Feed::stdin(Arc::clone(wake)).map_err(SetupError::Stdin)?
        } else {
            let (patterns, start) = (setup.patterns()?, setup.start);
            let follower = match saved {
                Some(state) => Follower::resume(patterns, start, state),
                None => Follower::new(patterns, start),
            };
            return Ok(Lines::Files(Box::new(follower)));
        };
        let earlier = saved.map(|state| Box::new(state.open.counters)).unwrap_or_default();
        Ok(Lines::Feed { feed: Box::new(feed), name: Path::new(&setup.name).into(), earlier })
    }

    /// Looks at the files.
    pub(super) fn look(&mut self, now: Monotonic) -> Changes {
        match self {
            Lines::Files(follower) => follower.look(now),
            Lines::Feed { .. } => Changes::default(),
        }
    }

    /// Reads at most one chunk; each line comes with the name of its file.
    pub(super) fn read(&mut self, line: &mut impl FnMut(&Arc<Path>, Line<'_>)) -> Progress {
        match self {
            Lines::Files(follower) => follower.read(line),
            Lines::Feed { feed, name, .. } => feed.read(&mut |found| line(name, found)),
        }
    }

    /// Receives no more; what has come can still be read.
    pub(super) fn stop(&mut self) {
        match self {
            Lines::Files(_) => {}
            Lines::Feed { feed, .. } => feed.stop(),
        }
    }

    pub(super) fn counters(&self) -> Counters {
        match self {
            Lines::Files(follower) => *follower.counters(),
            Lines::Feed { feed, earlier, .. } => earlier.plus(&feed.counters()),
        }
    }

    /// What is to be handed to [`Lines::open`].
    pub(super) fn state(&self) -> FollowerState {
        match self {
            Lines::Files(follower) => follower.state(),
            Lines::Feed { .. } => FollowerState::of_counters(self.counters()),
        }
    }

    pub(super) fn unread_bytes(&self) -> u64 {
        match self {
            Lines::Files(follower) => follower.unread_bytes(),
            Lines::Feed { feed, .. } => feed.unread_bytes(),
        }
    }

    /// Whether there should be a file and is none.
    pub(super) fn is_without_file(&self) -> bool {
        match self {
            Lines::Files(follower) => follower.files().next().is_none(),
            Lines::Feed { .. } => false,
        }
    }

    /// The directories to watch.
    pub(super) fn directories(&self) -> HashSet<PathBuf> {
        match self {
            Lines::Files(follower) => follower.directories(),
            Lines::Feed { .. } => HashSet::new(),
        }
    }
}

/// What was said of datagrams that were lost. Of lost lines of files a change tells.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Dropped by the kernel, and by us.
    told: [u64; 2],
    told_at: Option<Monotonic>,
}

impl Losses {
    /// Says how many were lost since it was last said, if any, at most once in [`LOSSES_INTERVAL`].
    pub(super) fn say(&mut self, source: &str, counters: &Counters, now: Monotonic) {
        let lost = [GapReason::DroppedByKernel, GapReason::BufferFull]
            .map(|reason| counters.gap(reason).count);
        let is_soon = self.told_at.is_some_and(|told| now.since(told) < LOSSES_INTERVAL);
        if lost == self.told || is_soon {
            return;
        }
        let [dropped_by_kernel, buffer_full] = lost;
        let [kernel_before, buffer_before] = std::mem::replace(&mut self.told, lost);
        self.told_at = Some(now);
        tracing::error!(
            source,
            dropped_by_kernel = dropped_by_kernel - kernel_before,
            buffer_full = buffer_full - buffer_before,
            "datagrams dropped: lines lost"
        );
    }
}
