//! The one thread that reads: it owns the followed files, their readers and the ledger.
//!
//! No queue per line: it takes a chunk of each source in turn, counts its lines in place, and
//! between two chunks answers what others ask for. It never waits for them. That files may have
//! changed it is told by [`Requests::wake`]; whether they have, it finds out itself, at least every
//! [`LOOK_INTERVAL_MAX`]. While they change all the time it asks not
//! to be told: see [`Pace`].

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::keeper::Answer;
use super::notices::Notices;
use super::pace::Pace;
use super::sandbox::Sandbox;
use super::saver::{Saver, SourceStates, Turn};
use super::source::Source;
use super::state::Begun;
use super::twin_log::TwinLog;
use super::{alert_log, change_log};
use crate::clock::{Clock, Monotonic};
use crate::event::route::Router;
use crate::http::Readiness;
use crate::limits::{
    CHUNK_BYTES, FOLLOW_REQUESTS_MAX, LINE_BYTES_MAX, LOOK_INTERVAL_MAX, SAVED_SOURCES_MAX,
    SCRAPE_READ_MAX, STOP_DRAIN_GRACE, STOP_SAVE_GRACE,
};
use crate::rules::RuleSet;
use crate::rules::watch::Watch;
use crate::setup::source::{Setup, SetupError, SourceSetup};
use crate::show::metrics::Snapshot;
use crate::source::feed::Wake;
use crate::source::file::Progress;
use crate::source::watch::Watched;

/// How often the directories to watch are worked out anew while no file came or went.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// A round of fewer bytes has most likely met the end of each file.
const ROUND_BYTES_MIN: u64 = 64 * 1024;

/// What has been written must have been read before the time is said to have passed.
const TICK_SLACK: Duration = Duration::from_secs(1);

const _: () = assert!(LOOK_INTERVAL_MAX.as_millis() < TICK_SLACK.as_millis());

const _: () = assert!(ROUND_BYTES_MIN < (CHUNK_BYTES - LINE_BYTES_MAX) as u64);

/// What the thread is asked for.
enum Request {
    /// Files may have changed.
    Wake,
    /// What was handed over was saved, or not.
    Saved,
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
    /// Somebody waits until something is saved.
    waiting: Arc<AtomicBool>,
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
    waiting: Arc<AtomicBool>,
}

pub(super) fn requests() -> (Requests, Inbox) {
    let (sender, receiver) = sync_channel(FOLLOW_REQUESTS_MAX);
    let [woken, waiting] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let inbox = Inbox { receiver, woken: Arc::clone(&woken), waiting: Arc::clone(&waiting) };
    (Requests { sender, woken, waiting }, inbox)
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

    /// What was handed over to be saved is done, and somebody may wait for what comes next.
    pub(super) fn saved(&self) {
        if self.waiting.load(Ordering::Acquire) {
            // Without room the thread is about to wake anyhow.
            drop(self.sender.try_send(Request::Saved));
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
    watch: Watch,
    saver: Option<Saver>,
    notices: Notices,
    /// Why nothing can be saved although somebody wants it to be.
    no_saver: Option<String>,
    /// Saved states of sources that are not followed; at most [`SAVED_SOURCES_MAX`].
    other_sources: SourceStates,
    /// Whoever waits for a snapshot; at most [`FOLLOW_REQUESTS_MAX`].
    asked: Vec<oneshot::Sender<Snapshot>>,
    lateness: Duration,
    clock: Clock,
    readiness: watch::Sender<Readiness>,
    watched: Watched,
    sandbox: Arc<Sandbox>,
    last_watched: Option<Monotonic>,
    pace: Pace,
    /// Bytes read before the last look.
    read_bytes: u64,
    /// Directories that found no watcher, each time that was asked for.
    unwatched: u64,
    unseen_changes: u64,
    twin_log: TwinLog,
}

/// What the thread has to do with.
pub(super) struct Around {
    pub(super) inbox: Inbox,
    pub(super) clock: Clock,
    pub(super) readiness: watch::Sender<Readiness>,
    pub(super) watched: Watched,
    pub(super) sandbox: Arc<Sandbox>,
    /// What a source that is no file wakes the thread with.
    pub(super) wake: Wake,
    pub(super) notices: Notices,
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
    pub(super) fn new(setup: Setup, state: Begun, around: Around) -> Result<Follow, SetupError> {
        let Around { inbox, clock, readiness, watched, sandbox, wake, notices } = around;
        let Setup { config, router, sources, .. } = setup;
        let Begun { watch, sources: mut other_sources, saver, failure, .. } = state;
        let begin = |setup| begin_source(setup, &mut other_sources, &wake);
        let sources = sources.into_iter().map(begin).collect::<Result<_, _>>()?;
        Ok(Follow {
            inbox,
            sources,
            wake,
            router,
            watch,
            saver,
            notices,
            no_saver: failure,
            other_sources,
            asked: Vec::new(),
            lateness: config.lateness,
            pace: Pace::new(clock.monotonic()),
            read_bytes: 0,
            clock,
            readiness,
            watched,
            sandbox,
            last_watched: None,
            unwatched: 0,
            unseen_changes: 0,
            twin_log: TwinLog::default(),
        })
    }

    /// Reads until it is told to stop.
    pub(super) fn run(mut self) {
        for source in self.sources.iter().filter(|source| source.is_heard()) {
            self.watch.wake(source.name(), self.clock.now().0);
        }
        self.look();
        let mut unread = true;
        loop {
            let request = if unread { self.inbox.take() } else { self.wait() };
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
            self.tick(!unread);
            self.save();
        }
        let told = self.clock.monotonic();
        self.drain(told);
        self.end(told);
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

    /// Waits for a request, or until there may be something to do without one.
    fn wait(&mut self) -> Result<Option<Request>, Gone> {
        let mut rest = self.rest();
        // A busy log is looked at soon enough to save it.
        if let Some(saver) = self.saver.as_ref().filter(|_| !self.pace.is_busy()) {
            rest = rest.min(saver.rest(&mut self.watch, &self.notices));
        }
        self.inbox.wait(rest)
    }

    fn answer(&mut self, request: Request) -> Next {
        // Whoever asked may have gone.
        match request {
            Request::Wake | Request::Saved => {}
            Request::Snapshot(reply) => self.asked.push(reply),
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
            let changes = source.look_with(now, |changes| self.sandbox.explain(changes));
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
        self.twin_log.say(&self.watch.ledger.twins, now);
    }

    /// Goes by what was read since the last look, and does without events while there is always some.
    fn keep_pace(&mut self, now: Monotonic) {
        let read_bytes = self.sources.iter().map(Source::read_bytes).sum();
        self.pace.look(now, read_bytes != self.read_bytes);
        self.read_bytes = read_bytes;
        self.watched.pause(self.pace.is_busy());
    }

    /// When the logs are quiet, time passes all the same. While they are read, their own time leads.
    fn tick(&mut self, is_read: bool) {
        if is_read {
            let late = self.lateness + TICK_SLACK;
            let late = i64::try_from(late.as_millis()).unwrap_or(i64::MAX);
            self.watch.tick(self.clock.now().0.saturating_sub(late));
        }
        for alert in self.watch.take_changes() {
            alert_log::say(&alert);
            self.notices.take(alert);
        }
        self.notices.settle();
        self.notices.release(is_read, self.clock.now());
    }

    fn watch(&mut self) {
        let directories: HashSet<PathBuf> =
            self.sources.iter().flat_map(Source::directories).collect();
        let over = u64::try_from(self.watched.set(directories)).unwrap_or(u64::MAX);
        self.unwatched = self.unwatched.max(over);
    }

    fn tell_readiness(&self) {
        let mut reasons: Vec<String> = self.sources.iter().flat_map(Source::reasons).collect();
        reasons.extend(self.save_failure().map(|reason| format!("state: {reason}")));
        let readiness = Readiness { ready: reasons.is_empty(), reasons };
        self.readiness.send_if_modified(|told| {
            let changed = *told != readiness;
            *told = readiness;
            changed
        });
    }

    /// Reads a chunk of each source.
    fn read_round(&mut self) -> Round {
        let Follow { sources, watch, router, .. } = self;
        let mut round = Round { progress: false, bytes: 0 };
        for source in sources {
            let before = source.read_bytes();
            let progress = source.read(|reader, line| {
                reader.is_some_and(|reader| reader.count(line, watch, router))
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
        let now = self.watch.ledger.seen.last.map_or(wall, |last| last.max(wall));
        let mut snapshot = Snapshot::new(&self.watch.ledger, sources, now);
        snapshot.state_healthy = self.save_failure().is_none();
        self.notices.show(&self.watch, &mut snapshot);
        snapshot.add_limits([
            ("watched_directories", self.unwatched),
            ("changes_told", self.unseen_changes),
            ("alerts_held", self.notices.beyond()),
        ]);
        snapshot
    }

    /// Goes on with another setup: what was counted stays, and so do the places in the files of
    /// sources of the same name and paths.
    fn reload(&mut self, setup: Setup) {
        let Setup { config, router, sources, .. } = setup;
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
                None => begin_source(new, &mut self.other_sources, &self.wake),
            };
            match source {
                Ok(source) => self.sources.push(source),
                Err(error) => tracing::error!(source = name, %error, "not followed"),
            }
        }
        for gone in known {
            tracing::info!(source = gone.name(), "no longer followed");
            let name = gone.name().to_owned();
            self.other_sources.retain(|(known, _)| *known != name);
            self.other_sources.push((name, gone.state()));
        }
        let over = self.other_sources.len().saturating_sub(SAVED_SOURCES_MAX);
        self.other_sources.drain(..over);
        self.lateness = config.lateness;
        self.router = router;
        self.watch.set_rules(Arc::new(RuleSet::of(&config)));
        self.notices.set_silences(config.silences.clone());
        self.watch.ledger.set_routes_max(config.routes.limit);
        self.watch.ledger.routes.forget_paths();
        self.look();
    }

    /// Why the state is not saved, if it should be.
    fn save_failure(&self) -> Option<&str> {
        self.no_saver.as_deref().or(self.saver.as_ref().and_then(Saver::failure))
    }

    /// Saves what is due, and answers whoever asks: with what is saved, while saving works.
    fn save(&mut self) {
        let is_asked = !self.asked.is_empty();
        let turn = match &mut self.saver {
            Some(saver) => saver.turn(&mut self.watch, is_asked, self.pace.is_busy()),
            None => Turn::Answer,
        };
        self.inbox.waiting.store(is_asked && turn == Turn::Wait, Ordering::Release);
        match turn {
            Turn::Wait => {}
            Turn::Answer => self.answer_at_once(),
            Turn::Retry => {
                self.answer_at_once();
                let states = self.states();
                if let Some(saver) = &mut self.saver {
                    saver.retry(&mut self.watch, states, &mut self.notices);
                }
            }
            Turn::Save => {
                let (states, answers) = (self.states(), self.answers());
                if let Some(saver) = &mut self.saver {
                    let changed = saver.changed(states);
                    saver.save(&mut self.watch, changed, answers, &mut self.notices);
                }
            }
        }
    }

    /// Without waiting for a disk.
    fn answer_at_once(&mut self) {
        self.answers().into_iter().for_each(Answer::send);
        // What is saved next is everything.
        drop(self.notices.take_changes());
        self.notices.deliveries().send();
    }

    fn answers(&mut self) -> Vec<Answer> {
        let asked = std::mem::take(&mut self.asked);
        asked.into_iter().map(|to| Answer { to, snapshot: self.snapshot() }).collect()
    }

    /// The states of all sources, with those that are followed no more.
    fn states(&self) -> SourceStates {
        let followed = self.sources.iter();
        let followed = followed.map(|source| (source.name().to_owned(), source.state()));
        followed.chain(self.other_sources.iter().cloned()).collect()
    }

    /// Saves what is left, for a bounded time.
    fn end(mut self, told: Monotonic) {
        let states = self.states();
        let end = Monotonic::from_start(told.since_start() + STOP_SAVE_GRACE);
        if let Some(saver) = self.saver.take()
            && !saver.close(&mut self.watch, states, end, &mut self.notices)
        {
            tracing::error!("the last counts and places were not saved");
        }
    }

    /// Reads what has come or stands in the files already, for a bounded time.
    fn drain(&mut self, told: Monotonic) {
        self.sources.iter_mut().for_each(Source::stop);
        self.look();
        while self.read_round().progress && self.clock.monotonic().since(told) < STOP_DRAIN_GRACE {
            // What there is to be saved at once stays bounded.
            self.save();
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

/// A source that goes on where it was, if it was followed before.
fn begin_source(
    setup: SourceSetup,
    saved: &mut SourceStates,
    wake: &Wake,
) -> Result<Source, SetupError> {
    let place = saved.iter().position(|(name, _)| *name == setup.name);
    let state = place.map(|place| saved.swap_remove(place).1);
    Source::new(setup, wake, state.as_deref())
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
