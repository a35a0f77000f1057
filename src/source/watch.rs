//! The waker: says that files may have changed, so that the follower looks at once and not at its
//! next regular look, which remains behind it as the safety net.
//!
//! Takes linemux's [`MuxedEvents`] for the events alone. What they say is not used: an event means
//! "look again", an error means the same. Seen in linemux 0.3.0 and notify 5.2.0, and handled here:
//!
//! - The channel between them has no bound, so the events are drained by a task that does nothing
//!   else.
//! - `next_event` answers `Ok(None)` at once, for ever, while nothing is watched.
//! - Only files can be added. A file that does not exist yet makes it watch the directory, and a
//!   directory tells of all its files, rotated and new ones too. So a name that no file can ever
//!   have is added for each directory.
//! - A directory that was removed and made again is never watched again, and a link is resolved from
//!   the wrong place. So directories are resolved here, and when one changes, all is set up anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use linemux::MuxedEvents;
use tokio::sync::watch;

use crate::limits::WATCHED_DIRECTORIES_MAX;
use crate::source::identity::FileKey;

/// How often the watched directories themselves are looked at.
const RECHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How long to wait before watching is tried again: while nothing can be watched, and between two
/// attempts to set it up anew.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// One byte longer than the longest name that Linux allows, so that it stays pending for ever.
const IMPOSSIBLE_NAME_BYTES: usize = 256;

/// Says which directories to watch. When it is dropped, the task ends.
#[derive(Debug)]
pub struct Watched {
    wanted: watch::Sender<Wanted>,
}

/// What the task is to do.
#[derive(Debug, Default)]
struct Wanted {
    directories: BTreeSet<PathBuf>,
    paused: bool,
}

impl Watched {
    /// Watches these directories from now on, those beyond [`WATCHED_DIRECTORIES_MAX`] not, in the
    /// order of their names; returns how many those are. Ones that do not exist are watched once
    /// they do.
    pub fn set(&self, directories: impl IntoIterator<Item = PathBuf>) -> usize {
        let mut wanted: BTreeSet<PathBuf> = directories.into_iter().collect();
        let over = match wanted.iter().nth(WATCHED_DIRECTORIES_MAX).cloned() {
            Some(first_over) => wanted.split_off(&first_over).len(),
            None => 0,
        };
        self.wanted.send_if_modified(|current| {
            let changed = current.directories != wanted;
            current.directories = wanted;
            // While paused nothing is set up anew.
            changed && !current.paused
        });
        over
    }

    /// Watches nothing while paused, so that events which nobody needs cost nothing. Afterwards it
    /// wakes once, when watching has begun anew: what happened meanwhile is seen by looking.
    pub fn pause(&self, paused: bool) {
        self.wanted
            .send_if_modified(|current| std::mem::replace(&mut current.paused, paused) != paused);
    }
}

/// Makes the task that calls `wake` whenever something may have changed, and the handle that says
/// where. `wake` is called for every event and must be quick: set a flag, nothing more. The task is
/// to be spawned on a tokio runtime with time enabled; it never fails and ends when the handle is
/// dropped.
pub fn watch(wake: impl Fn() + Send + Sync) -> (Watched, impl Future<Output = ()> + Send) {
    let (wanted, told) = watch::channel(Wanted::default());
    (Watched { wanted }, run(told, wake))
}

/// Why one set of watches is given up.
enum End {
    /// The directories are others now.
    Anew,
    /// The handle was dropped.
    Stop,
}

async fn run(mut wanted: watch::Receiver<Wanted>, wake: impl Fn() + Send + Sync) {
    loop {
        let Some(directories) = begin(&mut wanted).await else { return };
        let end = match MuxedEvents::new() {
            Ok(events) => follow(events, &directories, &mut wanted, &wake).await,
            // The system has a limit on watchers (fs.inotify.max_user_instances): the regular look
            // goes on without one.
            Err(error) => {
                tracing::debug!(%error, "no watcher");
                pause(RECHECK_INTERVAL, &mut wanted).await
            }
        };
        if wanted.borrow().paused {
            continue;
        }
        // What happened while nothing was watched is seen by looking.
        wake();
        if matches!(end, End::Stop) || matches!(pause(RETRY_INTERVAL, &mut wanted).await, End::Stop)
        {
            return;
        }
    }
}

/// The directories to watch, once there is no pause; none when the handle is dropped.
async fn begin(wanted: &mut watch::Receiver<Wanted>) -> Option<BTreeSet<PathBuf>> {
    let wanted = wanted.wait_for(|wanted| !wanted.paused).await.ok()?;
    Some(wanted.directories.clone())
}

/// Waits, but not when the handle is dropped or asks for other directories.
async fn pause(time: Duration, wanted: &mut watch::Receiver<Wanted>) -> End {
    tokio::select! {
        () = tokio::time::sleep(time) => End::Anew,
        changed = wanted.changed() => if changed.is_ok() { End::Anew } else { End::Stop },
    }
}

/// Drains one watcher's events until the directories have to be set up anew.
async fn follow(
    mut events: MuxedEvents,
    directories: &BTreeSet<PathBuf>,
    wanted: &mut watch::Receiver<Wanted>,
    wake: &(impl Fn() + Send + Sync),
) -> End {
    let targets = targets(directories);
    for directory in targets.keys() {
        if let Err(error) = events.add_file(directory.join(impossible_name())).await {
            tracing::debug!(directory = %directory.display(), %error, "not watched");
        }
    }
    // Files may have changed between the last look and this moment.
    wake();
    let mut recheck = tokio::time::interval(RECHECK_INTERVAL);
    recheck.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = events.next_event() => match event {
                Ok(Some(event)) => {
                    wake();
                    // A directory that was renamed is noticed by the recheck.
                    let structural = event.kind.is_create() || event.kind.is_remove();
                    if structural && self::targets(directories) != targets {
                        return End::Anew;
                    }
                }
                Ok(None) => return pause(RETRY_INTERVAL, wanted).await,
                Err(error) => {
                    tracing::debug!(%error, "watcher failed");
                    return End::Anew;
                }
            },
            changed = wanted.changed() => {
                return if changed.is_ok() { End::Anew } else { End::Stop };
            }
            _ = recheck.tick() => if self::targets(directories) != targets {
                return End::Anew;
            },
        }
    }
}

/// The directories to watch in fact, with what they are: links resolved, and for one that does not
/// exist the nearest one above it, where it will appear.
fn targets(directories: &BTreeSet<PathBuf>) -> BTreeMap<PathBuf, FileKey> {
    directories.iter().filter_map(|directory| nearest(directory)).collect()
}

fn nearest(directory: &Path) -> Option<(PathBuf, FileKey)> {
    let here = [Path::new(".")];
    let above = directory.ancestors().map(|path| match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    });
    above.chain(here).find_map(|path| {
        let resolved = path.canonicalize().ok()?;
        let metadata = resolved.metadata().ok().filter(std::fs::Metadata::is_dir)?;
        Some((resolved, FileKey::of(&metadata)))
    })
}

fn impossible_name() -> String {
    "x".repeat(IMPOSSIBLE_NAME_BYTES)
}
