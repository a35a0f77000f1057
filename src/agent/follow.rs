//! The one thread that reads: it owns the followed files, their readers and the ledger.
//!
//! No queue per line: it takes a chunk of each source in turn, counts its lines in place, and
//! between two chunks answers what others ask for. It never waits for them. That files may have
//! changed it is told by [`Requests::wake`]; whether they have, it finds out itself, at least every
//! [`LOOK_INTERVAL_MAX`](crate::limits::LOOK_INTERVAL_MAX). While they change all the time it asks not
//! to be told: see [`Pace`].

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::change_log;
use super::pace::Pace;
use super::source::Source;
use crate::clock::{Clock, Monotonic};
use crate::event::route::Router;
use crate::http::Readiness;
use crate::ledger::Ledger;
use crate::ledger::distinct::Seed;
use crate::limits::{
    CHUNK_BYTES, FOLLOW_REQUESTS_MAX, LINE_BYTES_MAX, SCRAPE_READ_MAX, STOP_DRAIN_GRACE,
};
use crate::setup::source::{Setup, SetupError};
use crate::show::metrics::Snapshot;
use crate::source::feed::Wake;
use crate::source::file::Progress;
use crate::source::watch::Watched;

/// How often the directories to watch are worked out anew while no file came or went.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// A round of fewer bytes has most likely met the end of each file.
const ROUND_BYTES_MIN: u64 = 64 * 1024;

const _: () = assert!(ROUND_BYTES_MIN < (CHUNK_BYTES - LINE_BYTES_MAX) as u64);

/// What the thread is asked for.
enum Request {
    /// Files may have changed.
    Wake,
    /// The counts as they are now.
    Snapshot(oneshot::Sender<Snapshot>),
    /// A sign of life; the first comes after the first look.
    Ping(oneshot::Sender<()>),
    /// Go on with these sources.
    Reload(Box<Setup>),
    /// Read what is there, then end.
    Stop,
}

/// The way to ask the thread. Cheap to clone.
#[derive(Clone)]
pub(super) struct Requests {
    sender: SyncSender<Request>,
    /// A wake-up is on its way already.
    woken: Arc<AtomicBool>,
}

impl std::fmt::Debug for Requests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Requests").finish_non_exhaustive()
    }
}

/// The other end, for [`Follow::new`].
pub(super) struct Inbox {
    receiver: Receiver<Request>,
    woken: Arc<AtomicBool>,
}

pub(super) fn requests() -> (Requests, Inbox) {
    let (sender, receiver) = sync_channel(FOLLOW_REQUESTS_MAX);
    let woken = Arc::new(AtomicBool::new(false));
    (Requests { sender, woken: Arc::clone(&woken) }, Inbox { receiver, woken })
}

impl Requests {
    /// Makes the thread look at its files soon; costs next to nothing when it is about to.
    pub(super) fn wake(&self) {
        let is_first = !self.woken.swap(true, Ordering::AcqRel);
        if is_first && self.sender.try_send(Request::Wake).is_err() {
            // There is no room: the thread is about to wake anyhow, and the next event asks again.
            self.woken.store(false, Ordering::Release);
        }
    }

    /// The counts as they are now; none when the thread has ended or too much is asked of it.
    pub(super) async fn snapshot(&self) -> Option<Snapshot> {
        self.ask(Request::Snapshot).await
    }

    /// Waits for a sign of life; false when there is none.
    pub(super) async fn ping(&self) -> bool {
        self.ask(Request::Ping).await.is_some()
    }

    /// Hands in a new setup; false when the thread has no room for it.
    pub(super) fn reload(&self, setup: Setup) -> bool {
        self.sender.try_send(Request::Reload(Box::new(setup))).is_ok()
    }

    /// Tells the thread to end. It ends as well when every `Requests` is gone.
    pub(super) fn stop(&self) -> bool {
        self.sender.try_send(Request::Stop).is_ok()
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.sender.try_send(request(reply)).ok()?;
        answer.await.ok()
    }
}

/// The state of the thread.
pub(super) struct Follow {
    inbox: Inbox,
    sources: Vec<Source>,
    /// Handed to new sources.
    wake: Wake,
    router: Router,
    ledger: Ledger,
    lateness: Duration,
    clock: Clock,
    readiness: watch::Sender<Readiness>,
    watched: Watched,
    last_watched: Option<Monotonic>,
    pace: Pace,
    /// Bytes read before the last look.
    read_bytes: u64,
    /// Directories that found no watcher, each time that was asked for.
    unwatched: u64,
    unseen_changes: u64,
}

/// What reading a chunk of each source came to.
struct Round {
    /// Something was read or finished; there may be more.
    progress: bool,
    /// Bytes that are new.
    bytes: u64,
}

/// Whether the thread goes on.
enum Next {
    On,
    Stop,
}

impl Follow {
    /// Follows what `setup` says; nothing is looked at yet.
    ///
    /// # Errors
    /// A socket that cannot be had.
    pub(super) fn new(
        setup: Setup,
        inbox: Inbox,
        clock: Clock,
        readiness: watch::Sender<Readiness>,
        watched: Watched,
        wake: Wake,
    ) -> Result<Follow, SetupError> {
        let seed = std::hash::BuildHasher::hash_one(&foldhash::fast::RandomState::default(), 0);
        let Setup { config, router, sources, notes: _ } = setup;
        let source = |setup| Source::new(setup, &wake);
        Ok(Follow {
            inbox,
            sources: sources.into_iter().map(source).collect::<Result<_, _>>()?,
            wake,
            router,
            ledger: Ledger::new(Seed::new(seed), config.routes.limit),
            lateness: config.lateness,
            pace: Pace::new(clock.monotonic()),
            read_bytes: 0,
            clock,
            readiness,
            watched,
            last_watched: None,
            unwatched: 0,
            unseen_changes: 0,
        })
    }

    /// Reads until it is told to stop.
    pub(super) fn run(mut self) {
        self.look();
        let mut unread = true;
        loop {
            let request = if unread { self.inbox.take() } else { self.inbox.wait(self.rest()) };
            match request {
                Ok(Some(Request::Wake)) => {
                    self.inbox.woken.store(false, Ordering::Release);
                    self.pace.wake();
                }
                Ok(Some(request)) => {
                    if let Request::Snapshot(_) = &request {
                        unread |= self.catch_up();
                    }
                    if let Next::Stop = self.answer(request) {
                        break;
                    }
                }
                Ok(None) => {}
                Err(Gone) => break,
            }
            if self.rest().is_zero() {
                self.look();
                unread = true;
            }
            if unread {
                unread = self.read_on();
            }
        }
        self.drain();
    }

    /// Reads a round; returns whether to read on at once.
    fn read_on(&mut self) -> bool {
        let round = self.read_round();
        // What trickles in while it is read would be read line by line: it can wait for the next
        // look, which then comes soon.
        let unread = round.progress && round.bytes >= ROUND_BYTES_MIN;
        if round.progress && !unread {
            self.pace.wake();
        }
        unread
    }

    /// Counts what was written until now, for a scrape, within a bounded time. Returns whether there
    /// may be more.
    fn catch_up(&mut self) -> bool {
        let start = self.clock.monotonic();
        if !self.pace.may_look(start) {
            return false;
        }
        self.look();
        while self.read_on() {
            if self.clock.monotonic().since(start) >= SCRAPE_READ_MAX {
                return true;
            }
        }
        false
    }

    /// How long until the next look.
    fn rest(&self) -> Duration {
        self.pace.rest(self.clock.monotonic())
    }

    fn answer(&mut self, request: Request) -> Next {
        // Whoever asked may have gone.
        match request {
            Request::Wake => {}
            Request::Snapshot(reply) => drop(reply.send(self.snapshot())),
            Request::Ping(reply) => drop(reply.send(())),
            Request::Reload(setup) => self.reload(*setup),
            Request::Stop => return Next::Stop,
        }
        Next::On
    }

    fn look(&mut self) {
        let now = self.clock.monotonic();
        self.keep_pace(now);
        let mut changed = false;
        for source in &mut self.sources {
            let changes = source.look(now);
            changed |= !changes.list.is_empty();
            self.unseen_changes += changes.dropped;
            change_log::say(source, &changes);
        }
        let due = self.last_watched.is_none_or(|last| now.since(last) >= WATCH_INTERVAL);
        if changed || due {
            self.last_watched = Some(now);
            self.watch();
        }
        self.tell_readiness();
    }

    /// Goes by what was read since the last look, and does without events while there is always some.
    fn keep_pace(&mut self, now: Monotonic) {
        let read_bytes = self.sources.iter().map(Source::read_bytes).sum();
        self.pace.look(now, read_bytes != self.read_bytes);
        self.read_bytes = read_bytes;
        self.watched.pause(self.pace.is_busy());
    }

    fn watch(&mut self) {
        let directories: HashSet<PathBuf> =
            self.sources.iter().flat_map(Source::directories).collect();
        let over = u64::try_from(self.watched.set(directories)).unwrap_or(u64::MAX);
        self.unwatched = self.unwatched.max(over);
    }

    fn tell_readiness(&self) {
        let reasons: Vec<String> = self.sources.iter().flat_map(Source::reasons).collect();
        let readiness = Readiness { ready: reasons.is_empty(), reasons };
        self.readiness.send_if_modified(|told| {
            let changed = *told != readiness;
            *told = readiness;
            changed
        });
    }

    /// Reads a chunk of each source.
    fn read_round(&mut self) -> Round {
        let Follow { sources, ledger, router, .. } = self;
        let mut round = Round { progress: false, bytes: 0 };
        for source in sources {
            let before = source.read_bytes();
            let progress = source.read(|reader, line| {
                reader.is_some_and(|reader| reader.count(line, ledger, router))
            });
            round.progress |= progress == Progress::Read;
            round.bytes += source.read_bytes() - before;
        }
        round
    }

    fn snapshot(&self) -> Snapshot {
        let sources = self.sources.iter().map(Source::figures).collect();
        let lateness = i64::try_from(self.lateness.as_millis()).unwrap_or(i64::MAX);
        // A quiet log must let the last hour's counts fall, so that its time is not the only one.
        let wall = self.clock.now().0.saturating_sub(lateness);
        let now = self.ledger.seen.last.map_or(wall, |last| last.max(wall));
        let mut snapshot = Snapshot::new(&self.ledger, sources, now);
        snapshot.add_limits([
            ("watched_directories", self.unwatched),
            ("changes_told", self.unseen_changes),
        ]);
        snapshot
    }

    /// Goes on with another setup: what was counted stays, and so do the places in the files of
    /// sources of the same name and paths.
    fn reload(&mut self, setup: Setup) {
        let Setup { config, router, sources, notes: _ } = setup;
        let mut known = std::mem::take(&mut self.sources);
        for new in sources {
            let name = new.name.clone();
            let place = known.iter().position(|old| old.is(&new));
            // One that was given another name is not read again from its beginning.
            let place = place.or_else(|| known.iter().position(|old| old.reads(&new)));
            let source = match place.map(|place| known.swap_remove(place)) {
                Some(mut source) => {
                    source.reload(new);
                    Ok(source)
                }
                None => Source::new(new, &self.wake),
            };
            match source {
                Ok(source) => self.sources.push(source),
                Err(error) => tracing::error!(source = name, %error, "not followed"),
            }
        }
        for gone in known {
            tracing::info!(source = gone.name(), "no longer followed");
        }
        self.lateness = config.lateness;
        self.router = router;
        self.ledger.routes.set_max(config.routes.limit);
        self.ledger.routes.forget_paths();
        self.look();
    }

    /// Reads what has come or stands in the files already, for a bounded time.
    fn drain(&mut self) {
        let start = self.clock.monotonic();
        self.sources.iter_mut().for_each(Source::stop);
        self.look();
        while self.read_round().progress && self.clock.monotonic().since(start) < STOP_DRAIN_GRACE {
        }
        for source in &self.sources {
            let figures = source.figures();
            tracing::info!(
                source = source.name(),
                lines_parsed = figures.lines.parsed,
                lines_unparsed = figures.lines.unparsed,
                unread_bytes = figures.unread_bytes,
                "stopped"
            );
        }
    }
}

/// Nobody can ask any more.
struct Gone;

impl Inbox {
    fn take(&self) -> Result<Option<Request>, Gone> {
        match self.receiver.try_recv() {
            Ok(request) => Ok(Some(request)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(Gone),
        }
    }

    fn wait(&self, at_most: Duration) -> Result<Option<Request>, Gone> {
        match self.receiver.recv_timeout(at_most) {
            Ok(request) => Ok(Some(request)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Gone),
        }
    }
}
