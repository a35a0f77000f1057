//! Decides when the reading thread saves, and what happens while it cannot.
//!
//! While saving works, what is shown is on disk: an answer waits for the transaction that its counts
//! are in, so that a kill never makes a counter fall. When saving fails the journal is dropped and
//! counting goes on in memory; then answers do not wait. From there one way leads back, whatever the
//! fault was: an image of the whole ledger.
//!
//! When the disk does not answer in time, answers do not wait either, but the journal goes on until
//! its bound: a disk that is slow, and only that, is done with what it has some time, and no image that
//! takes it even longer is needed then.

use std::collections::HashMap;
use std::sync::mpsc::TrySendError;
use std::time::Duration;

use super::keeper::{Answer, Answers, Done, Keeper, Work};
use super::notices::Notices;
use crate::clock::{Clock, Monotonic};
use crate::ledger::image::Refused;
use crate::limits::{
    COMMIT_INTERVAL, COMMIT_INTERVAL_BUSY, IMAGE_BYTES_PER_EVENT, IMAGE_WAIT_MAX, IMAGE_WAIT_MIN,
    JOURNAL_BYTES_MAX, JOURNAL_EVENTS_MAX, JOURNAL_PIECE_BYTES, JOURNAL_PIECES_MAX,
    JOURNAL_UNSAVED_BYTES_MAX, SAVE_RETRY_MAX, SAVE_RETRY_MIN, SAVE_TOLD_INTERVAL, SAVE_WAIT_MAX,
};
use crate::rules::watch::Watch;
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
    /// How long the next image may wait for room.
    image_wait: Duration,
    told: Told,
    /// When the agent ends, however far saving is.
    end: Option<Monotonic>,
    /// The memory of the last piece of the journal.
    spare: Vec<u8>,
}

/// What the keeper is at.
struct AtWork {
    since: Monotonic,
    /// Those who wait for it.
    answers: Answers,
    /// It has taken [`SAVE_WAIT_MAX`].
    is_late: bool,
    /// The journal of what was counted meanwhile was dropped: how it ends says nothing of that.
    is_stale: bool,
}

/// What the log was told.
#[derive(Default)]
struct Told {
    /// Why saving fails, until it was said that it is over.
    reason: Option<String>,
    at: Option<Monotonic>,
}

impl Told {
    /// Whether a failure is to be said now.
    fn is_due(&mut self, reason: &str, now: Monotonic) -> bool {
        let is_due = self.reason.as_deref() != Some(reason)
            && self.at.is_none_or(|at| now.since(at) >= SAVE_TOLD_INTERVAL);
        if is_due {
            *self = Told { reason: Some(reason.to_owned()), at: Some(now) };
        }
        is_due
    }
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
        watch: &mut Watch,
        opened: Result<(SavedSize, SourceStates), String>,
    ) -> Saver {
        let now = clock.monotonic();
        watch.ledger.keep_journal(opened.is_ok());
        // Whoever opened it has said so.
        let reason = opened.as_ref().err().cloned();
        let told = Told { at: reason.is_some().then_some(now), reason };
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
            image_wait: IMAGE_WAIT_MIN,
            told,
            end: None,
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
    pub(super) fn rest(&self, watch: &mut Watch, notices: &Notices) -> Duration {
        let now = self.clock.monotonic();
        match (&self.at_work, &self.health) {
            // What is done is learnt of at the next look. Each time that the thread wakes costs more
            // than a transaction does. Only that it is late is noticed in time.
            (Some(AtWork { since, is_late: false, .. }), _) => {
                SAVE_WAIT_MAX.saturating_sub(now.since(*since))
            }
            (Some(_), _) => Duration::MAX,
            (None, Health::Failing { retry_at, .. }) => retry_at.since(now),
            (None, Health::Saving) if unsaved_bytes(watch) > 0 || notices.has_changes() => {
                COMMIT_INTERVAL.saturating_sub(now.since(self.last_save))
            }
            (None, Health::Saving) => Duration::MAX,
        }
    }

    /// Learns what became of what was handed over, and says what is to be done now.
    /// `is_busy` is whether lines come all the time.
    pub(super) fn turn(&mut self, watch: &mut Watch, is_asked: bool, is_busy: bool) -> Turn {
        while let Ok(done) = self.keeper.done.try_recv() {
            self.take_done(done, watch);
        }
        if unsaved_bytes(watch) >= JOURNAL_UNSAVED_BYTES_MAX {
            self.wait(watch);
        }
        let now = self.clock.monotonic();
        self.tell_if_late(now);
        self.drop_journal_if_full(watch);
        match (&self.health, &self.at_work) {
            (Health::Failing { retry_at, .. }, None) if *retry_at <= now => Turn::Retry,
            (Health::Failing { .. }, _) => Turn::Answer,
            (Health::Saving, Some(_)) => Turn::Wait,
            (Health::Saving, None) => {
                let interval = if is_busy { COMMIT_INTERVAL_BUSY } else { COMMIT_INTERVAL };
                let is_due = now.since(self.last_save) >= interval
                    || unsaved_bytes(watch) >= JOURNAL_PIECE_BYTES;
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
        watch: &mut Watch,
        changed: SourceStates,
        answers: Vec<Answer>,
        notices: &mut Notices,
    ) {
        self.last_save = self.clock.monotonic();
        if unsaved_bytes(watch) == 0 && changed.is_empty() && !notices.has_changes() {
            answers.into_iter().for_each(Answer::send);
            return;
        }
        if self.wants_image(watch) {
            if let Ok(bytes) = self.hand_over_image(watch) {
                return self.finish_image(watch, bytes, changed, answers, notices);
            }
            // A disk that is too slow for that may still be fast enough for a piece of the journal.
            self.image_after = after(self.clock.monotonic(), SAVE_RETRY_MAX);
        }
        let spare = std::mem::take(&mut self.spare);
        let journal = watch.ledger.journal().map(|journal| journal.take(spare)).unwrap_or_default();
        self.saved.pieces += u64::from(!journal.is_empty());
        self.saved.journal_bytes += journal.len() as u64;
        self.saved_sources.extend(changed.iter().cloned());
        let answers = Answers::new(answers, notices.deliveries());
        let changes = Changes { journal, sources: changed, notices: notices.take_changes() };
        let work = Work::Commit { changes, answers: answers.clone() };
        self.hand_over(work, answers, watch);
    }

    /// Tries to save again, after a failure: everything.
    pub(super) fn retry(&mut self, watch: &mut Watch, states: SourceStates, notices: &mut Notices) {
        match self.hand_over_image(watch) {
            Ok(bytes) => self.finish_image(watch, bytes, states, Vec::new(), notices),
            Err(Refused) => self.fail("the disk does not keep up".to_owned(), watch),
        }
    }

    /// Saves what is left, waits for it until `end`, and ends the keeper. Returns whether all was saved.
    pub(super) fn close(
        mut self,
        watch: &mut Watch,
        states: SourceStates,
        end: Monotonic,
        notices: &mut Notices,
    ) -> bool {
        self.end = Some(end);
        self.wait_until_end(watch);
        let mut is_saved = false;
        if self.is_idle() {
            let changed = self.changed(states.clone());
            self.save(watch, changed, Vec::new(), notices);
            self.wait_until_end(watch);
            is_saved = self.is_idle();
        }
        if self.at_work.is_none() && (!is_saved || self.saved.pieces > 0) {
            // With an image the next start has less to do; or it is the last chance.
            self.retry(watch, states, notices);
            self.wait_until_end(watch);
            is_saved |= self.is_idle();
        }
        self.keeper.end(end.since(self.clock.monotonic()));
        is_saved
    }

    /// Whether all that was handed over is saved.
    fn is_idle(&self) -> bool {
        self.at_work.is_none() && self.failure().is_none()
    }

    fn wants_image(&self, watch: &mut Watch) -> bool {
        let saved = &self.saved;
        let events = watch.ledger.journal().map_or(0, |journal| journal.events());
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
    fn hand_over_image(&mut self, watch: &Watch) -> Result<u64, Refused> {
        self.image += 1;
        let image = self.image;
        let until = after(self.clock.monotonic(), self.image_wait);
        let mut bytes = 0;
        let handed_over = watch.image(|part| {
            bytes += part.len() as u64;
            self.send_until(Work::ImagePart { image, part }, until).map_err(|_| Refused)
        });
        self.image_wait = match handed_over {
            Ok(()) => IMAGE_WAIT_MIN,
            Err(Refused) => (self.image_wait * 2).min(IMAGE_WAIT_MAX),
        };
        handed_over.map(|()| bytes)
    }

    fn finish_image(
        &mut self,
        watch: &mut Watch,
        image_bytes: u64,
        sources: SourceStates,
        answers: Vec<Answer>,
        notices: &mut Notices,
    ) {
        // What is recorded from here on comes after the image.
        watch.ledger.keep_journal(true);
        self.saved = SavedSize { has_image: true, image_bytes, ..SavedSize::default() };
        self.saved_sources.extend(sources.iter().cloned());
        let answers = Answers::new(answers, notices.deliveries());
        let work = Work::FinishImage {
            image: self.image,
            sources,
            notices: notices.take_all(),
            answers: answers.clone(),
        };
        self.hand_over(work, answers, watch);
    }

    fn hand_over(&mut self, work: Work, answers: Answers, watch: &mut Watch) {
        let until = after(self.clock.monotonic(), IMAGE_WAIT_MIN);
        if self.send_until(work, until).is_ok() {
            let since = self.clock.monotonic();
            self.at_work = Some(AtWork { since, answers, is_late: false, is_stale: false });
        } else {
            self.fail("the disk does not keep up".to_owned(), watch);
            answers.send();
        }
    }

    fn send_until(&self, mut work: Work, until: Monotonic) -> Result<(), Work> {
        let until = self.end.map_or(until, |end| end.min(until));
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

    /// Waits for what was handed over, until it is late.
    fn wait(&mut self, watch: &mut Watch) {
        let Some(AtWork { since, is_late: false, .. }) = self.at_work else { return };
        let left = SAVE_WAIT_MAX.saturating_sub(self.clock.monotonic().since(since));
        self.wait_for(left, watch);
    }

    /// Waits for what was handed over, however late.
    fn wait_until_end(&mut self, watch: &mut Watch) {
        if let (Some(end), Some(_)) = (self.end, &self.at_work) {
            self.wait_for(end.since(self.clock.monotonic()), watch);
        }
    }

    fn wait_for(&mut self, at_most: Duration, watch: &mut Watch) {
        if let Ok(done) = self.keeper.done.recv_timeout(at_most) {
            self.take_done(done, watch);
        }
    }

    /// Nobody waits for a disk for ever.
    fn tell_if_late(&mut self, now: Monotonic) {
        if let Some(AtWork { since, answers, is_late: is_late @ false, .. }) = &mut self.at_work
            && now.since(*since) >= SAVE_WAIT_MAX
        {
            *is_late = true;
            answers.send();
            let waited = SAVE_WAIT_MAX.as_secs();
            self.set_failing(format!("the disk has not answered for {waited} s"));
        }
    }

    fn drop_journal_if_full(&mut self, watch: &mut Watch) {
        if let Some(AtWork { is_late: true, is_stale, .. }) = &mut self.at_work
            && unsaved_bytes(watch) >= JOURNAL_UNSAVED_BYTES_MAX
        {
            *is_stale = true;
            self.drop_journal(watch);
        }
    }

    fn take_done(&mut self, done: Done, watch: &mut Watch) {
        let is_stale = self.at_work.take().is_some_and(|at_work| at_work.is_stale);
        self.spare = done.buffer;
        match done.result {
            Err(reason) => self.fail(reason, watch),
            // The next try saves what was counted meanwhile.
            Ok(()) if is_stale => {}
            Ok(()) => {
                self.health = Health::Saving;
                if self.told.reason.take().is_some() {
                    tracing::info!("the state is saved again, with all that was counted meanwhile");
                }
            }
        }
    }

    /// Goes on in memory.
    fn fail(&mut self, reason: String, watch: &mut Watch) {
        self.drop_journal(watch);
        self.set_failing(reason);
    }

    fn drop_journal(&mut self, watch: &mut Watch) {
        watch.ledger.keep_journal(false);
        self.saved_sources.clear();
    }

    fn set_failing(&mut self, reason: String) {
        let wait = match &self.health {
            Health::Saving => SAVE_RETRY_MIN,
            Health::Failing { wait, .. } => (*wait * 2).min(SAVE_RETRY_MAX),
        };
        let now = self.clock.monotonic();
        if self.told.is_due(&reason, now) {
            tracing::error!(reason, "the state is not saved; counting goes on in memory");
        }
        self.health = Health::Failing { reason, retry_at: after(now, wait), wait };
    }
}

fn unsaved_bytes(watch: &mut Watch) -> usize {
    watch.ledger.journal().map_or(0, |journal| journal.len_bytes())
}

fn after(now: Monotonic, wait: Duration) -> Monotonic {
    Monotonic::from_start(now.since_start() + wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_once_and_at_intervals() {
        let mut told = Told::default();
        let mut check = |seconds: u64, reason: &str, expected: bool| {
            let now = Monotonic::from_start(Duration::from_secs(seconds));
            assert_eq!(told.is_due(reason, now), expected, "{seconds} {reason}");
        };
        check(0, "full", true);
        check(1, "full", false);
        check(2, "slow", false);
        check(60, "full", false);
        check(60, "slow", true);
        check(61, "full", false);
        told.reason = None;
        let mut check = |seconds: u64, expected: bool| {
            let now = Monotonic::from_start(Duration::from_secs(seconds));
            assert_eq!(told.is_due("slow", now), expected, "{seconds}");
        };
        check(119, false);
        check(120, true);
    }
}
