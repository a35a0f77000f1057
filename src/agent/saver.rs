//! Decides when the reading thread saves, and what happens while it cannot.
//!
//! While saving works, what is shown is on disk: an answer waits for the transaction that its counts
//! are in, so that a kill never makes a counter fall. When saving fails, or the disk does not answer
//! in time, the journal is dropped and counting goes on in memory; then answers do not wait. From
//! there one way leads back, whatever the fault was: an image of the whole ledger.

use std::collections::HashMap;
use std::sync::mpsc::TrySendError;
use std::time::Duration;

use super::keeper::{Answer, Done, Keeper, Work};
use crate::clock::{Clock, Monotonic};
use crate::ledger::Ledger;
use crate::ledger::image::Refused;
use crate::limits::{
    COMMIT_INTERVAL, IMAGE_BYTES_PER_EVENT, IMAGE_WAIT_MAX, JOURNAL_BYTES_MAX, JOURNAL_EVENTS_MAX,
    JOURNAL_PIECE_BYTES, JOURNAL_PIECES_MAX, JOURNAL_UNSAVED_BYTES_MAX, SAVE_RETRY_MAX,
    SAVE_RETRY_MIN, SAVE_WAIT_MAX,
};
use crate::store::{Changes, SavedSize};

/// How often room for what is handed over is looked for.
const ROOM_INTERVAL: Duration = Duration::from_millis(1);

/// States of sources, by their names.
pub(super) type SourceStates = Vec<(String, Vec<u8>)>;

/// The reading thread's side of saving.
pub(super) struct Saver {
    keeper: Keeper,
    clock: Clock,
    health: Health,
    at_work: Option<AtWork>,
    last_save: Monotonic,
    /// The number of the last image.
    image: u64,
    /// The states of sources as they are on disk, or on their way there.
    saved_sources: HashMap<String, Vec<u8>>,
    /// What would have to be read and recorded again at a start.
    saved: SavedSize,
    /// No image before this: the last one found no room.
    image_after: Monotonic,
    /// The memory of the last piece of the journal.
    spare: Vec<u8>,
}

/// What the keeper is at.
struct AtWork {
    since: Monotonic,
    /// Saving was given up meanwhile: how it ends says nothing of what was counted since.
    is_stale: bool,
}

/// Whether saving works.
enum Health {
    Saving,
    Failing {
        reason: String,
        retry_at: Monotonic,
        /// Between the last try and the next.
        wait: Duration,
    },
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing.
    Wait,
    /// Whoever asks gets what is counted, without waiting for the disk.
    Answer,
    /// The same, then [`Saver::retry`].
    Retry,
    /// [`Saver::save`], with the answers for whoever asks.
    Save,
}

impl Saver {
    /// A saver of a ledger whose state was read: what it holds, and the states of its sources; or of
    /// one whose state cannot be used, and why.
    pub(super) fn new(
        keeper: Keeper,
        clock: Clock,
        ledger: &mut Ledger,
        opened: Result<(SavedSize, SourceStates), String>,
    ) -> Saver {
        let now = clock.monotonic();
        ledger.keep_journal(opened.is_ok());
        let (saved, sources, health) = match opened {
            Ok((saved, sources)) => (saved, sources, Health::Saving),
            Err(reason) => {
                let health = Health::Failing { reason, retry_at: now, wait: SAVE_RETRY_MIN };
                (SavedSize::default(), Vec::new(), health)
            }
        };
        Saver {
            keeper,
            clock,
            health,
            at_work: None,
            last_save: now,
            image: 0,
            saved_sources: sources.into_iter().collect(),
            saved,
            image_after: now,
            spare: Vec::new(),
        }
    }

    /// Why the state is not saved just now.
    pub(super) fn failure(&self) -> Option<&str> {
        match &self.health {
            Health::Saving => None,
            Health::Failing { reason, .. } => Some(reason),
        }
    }

    /// How long until there may be something to do although nothing was read.
    pub(super) fn rest(&self, ledger: &mut Ledger) -> Duration {
        let now = self.clock.monotonic();
        match &self.health {
            // What is done is learnt of at the next look. Each time that the thread wakes costs more
            // than a transaction does.
            _ if self.at_work.is_some() => SAVE_WAIT_MAX,
            Health::Failing { retry_at, .. } => retry_at.since(now),
            Health::Saving if unsaved_bytes(ledger) > 0 => {
                COMMIT_INTERVAL.saturating_sub(now.since(self.last_save))
            }
            Health::Saving => Duration::MAX,
        }
    }

    /// Learns what became of what was handed over, and says what is to be done now.
    pub(super) fn turn(&mut self, ledger: &mut Ledger, is_asked: bool) -> Turn {
        while let Ok(done) = self.keeper.done.try_recv() {
            self.take_done(done, ledger);
        }
        if unsaved_bytes(ledger) >= JOURNAL_UNSAVED_BYTES_MAX {
            self.wait(ledger);
        }
        let now = self.clock.monotonic();
        self.give_up_if_late(now, ledger);
        match (&self.health, &self.at_work) {
            (Health::Failing { retry_at, .. }, None) if *retry_at <= now => Turn::Retry,
            (Health::Failing { .. }, _) => Turn::Answer,
            (Health::Saving, Some(_)) => Turn::Wait,
            (Health::Saving, None) => {
                let is_due = now.since(self.last_save) >= COMMIT_INTERVAL
                    || unsaved_bytes(ledger) >= JOURNAL_PIECE_BYTES;
                if is_asked || is_due { Turn::Save } else { Turn::Wait }
            }
        }
    }

    /// Those of these states that are not on disk as they are.
    pub(super) fn changed(&self, mut states: SourceStates) -> SourceStates {
        states.retain(|(name, state)| self.saved_sources.get(name) != Some(state));
        states
    }

    /// Saves what was recorded, and these states. The answers go out when that is done.
    pub(super) fn save(
        &mut self,
        ledger: &mut Ledger,
        changed: SourceStates,
        answers: Vec<Answer>,
    ) {
        self.last_save = self.clock.monotonic();
        if unsaved_bytes(ledger) == 0 && changed.is_empty() {
            answers.into_iter().for_each(Answer::send);
            return;
        }
        if self.wants_image(ledger) {
            if let Ok(bytes) = self.hand_over_image(ledger) {
                return self.finish_image(ledger, bytes, changed, answers);
            }
            // A disk that is too slow for that may still be fast enough for a piece of the journal.
            self.image_after = after(self.clock.monotonic(), SAVE_RETRY_MAX);
        }
        let spare = std::mem::take(&mut self.spare);
        let journal = ledger.journal().map(|journal| journal.take(spare)).unwrap_or_default();
        self.saved.pieces += u64::from(!journal.is_empty());
        self.saved.journal_bytes += journal.len() as u64;
        self.saved_sources.extend(changed.iter().cloned());
        let work = Work::Commit { changes: Changes { journal, sources: changed }, answers };
        self.hand_over(work, ledger);
    }

    /// Tries to save again, after a failure: everything.
    pub(super) fn retry(&mut self, ledger: &mut Ledger, states: SourceStates) {
        match self.hand_over_image(ledger) {
            Ok(bytes) => self.finish_image(ledger, bytes, states, Vec::new()),
            Err(Refused) => self.fail("the disk does not keep up".to_owned(), ledger),
        }
    }

    /// Saves what is left, waits for it, and ends the keeper. Returns whether all was saved.
    pub(super) fn close(mut self, ledger: &mut Ledger, states: SourceStates) -> bool {
        self.wait(ledger);
        if self.failure().is_none() {
            let changed = self.changed(states.clone());
            self.save(ledger, changed, Vec::new());
            self.wait(ledger);
        }
        let mut is_saved = self.failure().is_none();
        if self.at_work.is_none() && (!is_saved || self.saved.pieces > 0) {
            // With an image the next start has less to do; or it is the last chance.
            self.retry(ledger, states);
            self.wait(ledger);
            is_saved |= self.failure().is_none();
        }
        self.keeper.end();
        is_saved
    }

    fn wants_image(&self, ledger: &mut Ledger) -> bool {
        let saved = &self.saved;
        let events = ledger.journal().map_or(0, |journal| journal.events());
        let events_max = JOURNAL_EVENTS_MAX + saved.image_bytes / IMAGE_BYTES_PER_EVENT;
        let bytes_max = JOURNAL_BYTES_MAX.max(saved.image_bytes.saturating_mul(2));
        !saved.has_image
            || self.image_after <= self.clock.monotonic()
                && (saved.events.saturating_add(events) >= events_max
                    || saved.pieces >= JOURNAL_PIECES_MAX
                    || saved.journal_bytes >= bytes_max)
    }

    /// Hands over an image, part by part; returns its bytes. It counts for nothing until
    /// [`Saver::finish_image`].
    fn hand_over_image(&mut self, ledger: &Ledger) -> Result<u64, Refused> {
        self.image += 1;
        let image = self.image;
        let until = after(self.clock.monotonic(), IMAGE_WAIT_MAX);
        let mut bytes = 0;
        ledger.image(|part| {
            bytes += part.len() as u64;
            self.send_until(Work::ImagePart { image, part }, until).map_err(|_| Refused)
        })?;
        Ok(bytes)
    }

    fn finish_image(
        &mut self,
        ledger: &mut Ledger,
        image_bytes: u64,
        sources: SourceStates,
        answers: Vec<Answer>,
    ) {
        // What is recorded from here on comes after the image.
        ledger.keep_journal(true);
        self.saved = SavedSize { has_image: true, image_bytes, ..SavedSize::default() };
        self.saved_sources.extend(sources.iter().cloned());
        self.hand_over(Work::FinishImage { image: self.image, sources, answers }, ledger);
    }

    fn hand_over(&mut self, work: Work, ledger: &mut Ledger) {
        let until = after(self.clock.monotonic(), IMAGE_WAIT_MAX);
        match self.send_until(work, until) {
            Ok(()) => {
                self.at_work = Some(AtWork { since: self.clock.monotonic(), is_stale: false });
            }
            Err(work) => {
                self.fail("the disk does not keep up".to_owned(), ledger);
                work.into_answers().into_iter().for_each(Answer::send);
            }
        }
    }

    fn send_until(&self, mut work: Work, until: Monotonic) -> Result<(), Work> {
        loop {
            match self.keeper.work.try_send(work) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(refused)) => return Err(refused),
                Err(TrySendError::Full(refused)) => work = refused,
            }
            if self.clock.monotonic() >= until {
                return Err(work);
            }
            std::thread::sleep(ROOM_INTERVAL);
        }
    }

    /// Waits for what was handed over, for a bounded time.
    fn wait(&mut self, ledger: &mut Ledger) {
        let Some(AtWork { since, is_stale: false }) = self.at_work else { return };
        let left = SAVE_WAIT_MAX.saturating_sub(self.clock.monotonic().since(since));
        if let Ok(done) = self.keeper.done.recv_timeout(left) {
            self.take_done(done, ledger);
        }
        self.give_up_if_late(self.clock.monotonic(), ledger);
    }

    fn give_up_if_late(&mut self, now: Monotonic, ledger: &mut Ledger) {
        if let Some(AtWork { since, is_stale: is_stale @ false }) = &mut self.at_work
            && now.since(*since) >= SAVE_WAIT_MAX
        {
            *is_stale = true;
            let waited = SAVE_WAIT_MAX.as_secs();
            self.fail(format!("the disk has not answered for {waited} s"), ledger);
        }
    }

    fn take_done(&mut self, done: Done, ledger: &mut Ledger) {
        let is_stale = self.at_work.take().is_some_and(|at_work| at_work.is_stale);
        self.spare = done.buffer;
        match done.result {
            Err(error) => self.fail(error.to_string(), ledger),
            Ok(()) if is_stale => self.retry_soon(),
            Ok(()) => {
                if let Health::Failing { .. } = std::mem::replace(&mut self.health, Health::Saving)
                {
                    tracing::info!("the state is saved again, with all that was counted meanwhile");
                }
            }
        }
    }

    /// Goes on in memory.
    fn fail(&mut self, reason: String, ledger: &mut Ledger) {
        ledger.keep_journal(false);
        self.saved_sources.clear();
        let wait = match &self.health {
            Health::Saving => SAVE_RETRY_MIN,
            Health::Failing { wait, .. } => (*wait * 2).min(SAVE_RETRY_MAX),
        };
        if self.failure() != Some(&reason) {
            tracing::error!(reason, "the state is not saved; counting goes on in memory");
        }
        let retry_at = after(self.clock.monotonic(), wait);
        self.health = Health::Failing { reason, retry_at, wait };
    }

    fn retry_soon(&mut self) {
        let now = self.clock.monotonic();
        if let Health::Failing { retry_at, .. } = &mut self.health {
            *retry_at = now;
        }
    }
}

fn unsaved_bytes(ledger: &mut Ledger) -> usize {
    ledger.journal().map_or(0, |journal| journal.len_bytes())
}

fn after(now: Monotonic, wait: Duration) -> Monotonic {
    Monotonic::from_start(now.since_start() + wait)
}
