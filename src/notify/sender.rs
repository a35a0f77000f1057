//! The task of one receiver: asks the state machine what to do, does it, and tells it what came of it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use super::client::{Answer, SendError};
use super::delivery::{Batch, Delivery, Now};
use super::outcome::{Meaning, Protocol};
use super::target::Target;
use super::{Settled, Told};
use crate::clock::Clock;
use crate::escape::escape_text;
use crate::limits::NOTIFY_STOP_GRACE;

/// Longest text of an answer in the log, in bytes.
const SAID_BYTES_MAX: usize = 200;

/// Time between two looks for room in the channel of what is done with.
const SETTLED_PAUSE: Duration = Duration::from_millis(500);

/// The longest sleep: timers want an end.
const SLEEP_MAX: Duration = Duration::from_secs(24 * 3600);

/// What the task and those who give it work have in common.
#[derive(Debug)]
pub(super) struct Shared {
    delivery: Mutex<Delivery>,
    /// There is something new.
    pushed: Notify,
}

impl Shared {
    pub(super) fn new(delivery: Delivery) -> Shared {
        Shared { delivery: Mutex::new(delivery), pushed: Notify::new() }
    }

    /// A panic elsewhere left it as it was between two calls.
    pub(super) fn delivery(&self) -> MutexGuard<'_, Delivery> {
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wake(&self) {
        self.pushed.notify_one();
    }
}

/// One request that has ended.
type Sent = (usize, Batch, Result<Answer, SendError>);

pub(super) struct Sender {
    pub(super) target: Arc<Target>,
    pub(super) shared: Arc<Shared>,
    pub(super) settled: mpsc::Sender<Settled>,
    pub(super) clock: Clock,
    pub(super) stop: watch::Receiver<bool>,
}

impl Sender {
    /// Runs until it is told to stop; requests on their way get a grace then.
    pub(super) async fn run(mut self) {
        let mut requests: JoinSet<Sent> = JoinSet::new();
        let chance = RandomState::new();
        loop {
            self.begin(&mut requests);
            self.pass_on();
            let pause = self.pause();
            tokio::select! {
                () = self.shared.pushed.notified() => {}
                Some(sent) = requests.join_next() => self.ended(sent.ok(), &chance),
                () = tokio::time::sleep(pause) => {}
                // An end of the sender of this is a stop, too.
                _ = self.stop.changed() => break,
            }
        }
        let finish = async {
            while let Some(sent) = requests.join_next().await {
                self.ended(sent.ok(), &chance);
            }
        };
        // What is cut off is sent again.
        let _late = tokio::time::timeout(NOTIFY_STOP_GRACE, finish).await;
        self.pass_on();
    }

    fn now(&self) -> Now {
        Now { monotonic: self.clock.monotonic(), unix: self.clock.now() }
    }

    /// Sends what is due.
    fn begin(&self, requests: &mut JoinSet<Sent>) {
        let now = self.now();
        for member in 0..self.target.urls.len() {
            let batch = self.shared.delivery().request(member, now);
            let Some(batch) = batch else { continue };
            let target = Arc::clone(&self.target);
            requests.spawn(async move {
                let sent = Box::pin(target.send(member, &batch)).await;
                (member, batch, sent)
            });
        }
    }

    fn pause(&self) -> Duration {
        let delivery = self.shared.delivery();
        let wake = delivery.wake();
        let pause = wake.map_or(SLEEP_MAX, |wake| wake.since(self.clock.monotonic()));
        let pause = pause.min(SLEEP_MAX);
        if delivery.has_done() { pause.min(SETTLED_PAUSE) } else { pause }
    }

    fn ended(&self, sent: Option<Sent>, chance: &RandomState) {
        // A request whose task has panicked stays on its way for good; the panic is said elsewhere.
        let Some((member, batch, sent)) = sent else { return };
        let meaning = match &sent {
            Ok(answer) => {
                let wait = answer.wait(self.clock.now());
                Meaning::of(self.target.protocol(), answer.status, wait)
            }
            Err(_) => Meaning::Retry(None),
        };
        let now = self.now();
        let mut delivery = self.shared.delivery();
        let failures_before = delivery.failures(member);
        let told = Told::of(&batch);
        delivery.answered(member, batch, meaning, now, random(chance, now));
        let failures = delivery.failures(member);
        drop(delivery);
        self.say(member, &told, meaning, &sent, (failures_before, failures));
    }

    /// Says what a person should know: a failure when it begins, and ever more rarely; its end; what
    /// is not taken.
    fn say(
        &self,
        member: usize,
        told: &Told,
        meaning: Meaning,
        sent: &Result<Answer, SendError>,
        (failures_before, failures): (u32, u32),
    ) {
        let receiver = self.target.name.as_str();
        let url = self.target.urls.get(member).map(ToString::to_string).unwrap_or_default();
        let said = said(sent);
        match meaning {
            Meaning::Taken if failures_before > 0 => {
                tracing::info!(receiver, url, "takes alerts again");
            }
            Meaning::Taken => {}
            Meaning::Retry(_) if failures.is_power_of_two() => {
                tracing::warn!(receiver, url, failures, said, "alerts are not taken; trying again");
            }
            Meaning::Retry(_) => {}
            Meaning::Refused if told.count == 1 => {
                let alert = told.first.as_str();
                tracing::error!(receiver, url, alert, said, "an alert is refused; it is left out");
            }
            Meaning::Refused => {
                let alerts = told.count;
                tracing::warn!(receiver, url, alerts, said, "refused; looking for which of them");
            }
            Meaning::Gone => tracing::error!(
                receiver,
                url,
                "wants no more alerts (410): it gets none until a restart or reload"
            ),
        }
        if meaning == Meaning::Gone && self.target.protocol() == Protocol::Webhook {
            tracing::debug!(receiver, "what waits for it is kept");
        }
    }

    /// Tells who keeps the durable queue what is done with, as far as there is room.
    fn pass_on(&self) {
        let mut delivery = self.shared.delivery();
        while let Some(done) = delivery.next_done() {
            let receiver = self.target.name.clone();
            let settled = Settled { receiver, id: done.id.clone(), outcome: done.outcome };
            match self.settled.try_send(settled) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => return delivery.put_back(done),
                // Nobody keeps anything.
                Err(mpsc::error::TrySendError::Closed(_)) => {}
            }
        }
    }
}

/// What was answered, cut and safe to show.
pub(super) fn said(sent: &Result<Answer, SendError>) -> String {
    match sent {
        Err(error) => chain(error),
        Ok(answer) => {
            let body = answer.body.get(..SAID_BYTES_MAX).unwrap_or(&answer.body);
            let body = escape_text(body.trim_ascii());
            let space = if body.is_empty() { "" } else { " " };
            format!("{}{space}{body}", answer.status)
        }
    }
}

/// An error with what is behind it: hyper says the cause only there.
fn chain(error: &SendError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    escape_text(text.as_bytes()).into_owned()
}

/// From 0 to 1.
fn random(chance: &RandomState, now: Now) -> f64 {
    let bits = chance.hash_one(now.monotonic.since_start().as_nanos());
    // A third of the bits is plenty, and exact.
    let few = u32::try_from(bits >> 32).unwrap_or(0);
    f64::from(few) / f64::from(u32::MAX)
}
