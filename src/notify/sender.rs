//! The task of one receiver: asks the state machine what to do, does it, and tells it what came of it.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};

use super::Settled;
use super::client::{Answer, SendError};
use super::delivery::{Batch, Delivery, Now};
use super::outcome::Meaning;
use super::target::Target;
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

/// What came of a request.
type Sent = (Batch, Result<Answer, SendError>);

/// The requests on their way, each with the member that it is for.
#[derive(Default)]
struct Requests {
    tasks: JoinSet<Sent>,
    members: HashMap<Id, usize>,
}

impl Requests {
    /// The next that ends, if there is one; for a task that has panicked there is no result.
    async fn next(&mut self) -> Option<(usize, Result<Sent, JoinError>)> {
        let ended = self.tasks.join_next_with_id().await?;
        let (id, sent) = match ended {
            Ok((id, sent)) => (id, Ok(sent)),
            Err(error) => (error.id(), Err(error)),
        };
        Some((self.members.remove(&id)?, sent))
    }
}

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
        let mut requests = Requests::default();
        let chance = RandomState::new();
        loop {
            self.begin(&mut requests);
            self.pass_on();
            let pause = self.pause();
            tokio::select! {
                () = self.shared.pushed.notified() => {}
                Some((member, sent)) = requests.next() => self.ended(member, sent, &chance),
                () = tokio::time::sleep(pause) => {}
                // An end of the sender of this is a stop, too.
                _ = self.stop.changed() => break,
            }
        }
        let finish = async {
            while let Some((member, sent)) = requests.next().await {
                self.ended(member, sent, &chance);
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
    fn begin(&self, requests: &mut Requests) {
        let now = self.now();
        for member in 0..self.target.urls.len() {
            let batch = self.shared.delivery().request(member, now);
            let Some(batch) = batch else { continue };
            let target = Arc::clone(&self.target);
            let task = requests.tasks.spawn(async move {
                let sent = Box::pin(target.send(member, &batch)).await;
                (batch, sent)
            });
            requests.members.insert(task.id(), member);
        }
    }

    fn pause(&self) -> Duration {
        let delivery = self.shared.delivery();
        let wake = delivery.wake();
        let pause = wake.map_or(SLEEP_MAX, |wake| wake.since(self.clock.monotonic()));
        let pause = pause.min(SLEEP_MAX);
        if delivery.has_done() { pause.min(SETTLED_PAUSE) } else { pause }
    }

    fn ended(&self, member: usize, sent: Result<Sent, JoinError>, chance: &RandomState) {
        // What a task that has panicked was to send is due still; the panic itself is on standard error.
        let nothing = |_| (Batch { items: Vec::new() }, Err(SendError::GivenUp));
        let (batch, sent) = sent.unwrap_or_else(nothing);
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
        let alerts = Alerts::of(&batch);
        delivery.answered(member, batch, meaning, now, random(chance, now));
        let failures = delivery.failures(member);
        drop(delivery);
        self.say(member, &alerts, meaning, &sent, (failures_before, failures));
    }

    /// Says what a person should know: a failure when it begins, and ever more rarely; its end; what
    /// is not taken.
    fn say(
        &self,
        member: usize,
        alerts: &Alerts,
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
            Meaning::Refused if alerts.count == 1 => {
                let alert = alerts.first.as_str();
                tracing::error!(receiver, url, alert, said, "an alert is refused; it is left out");
            }
            Meaning::Refused => {
                let alerts = alerts.count;
                tracing::warn!(receiver, url, alerts, said, "refused; looking for which of them");
            }
            Meaning::Gone => tracing::error!(
                receiver,
                url,
                "wants no more alerts (410): they are kept until a restart or reload"
            ),
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

/// What of a batch is said in the log.
struct Alerts {
    count: usize,
    /// The rule of the first.
    first: String,
}

impl Alerts {
    fn of(batch: &Batch) -> Alerts {
        let first = batch.items.first().map(|item| item.notification.alert.rule.to_string());
        Alerts { count: batch.items.len(), first: first.unwrap_or_default() }
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
