//! Who is told of alerts: Alertmanagers and webhooks; and where the stream of denials goes.
//!
//! Takes [`Alert`]s and knows nothing of what makes them. What is to be sent when is decided by a state
//! machine without sockets and clock (`delivery`, `entry`, `outcome`, `backoff`); around it is one task
//! for each receiver (`sender`), which asks a server (`target`, `client`). What a request looks like
//! stands in `alertmanager`, `webhook`, `message` and `signature`.
//!
//! Keeping notifications over restarts is the caller's: it hands over those that were not done with, and
//! is told of each that is.

mod address;
mod alertmanager;
mod backoff;
mod client;
mod connect;
mod delivery;
mod entry;
pub mod jsonl;
mod message;
mod notification;
mod outcome;
mod proxy;
mod secret;
mod sender;
mod signature;
mod target;
mod test_alert;
mod tls;
mod trial;
mod webhook;

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;

pub use notification::{Notification, NotificationError};
pub use outcome::Outcome;
pub use proxy::{Proxies, ProxyError};
pub use trial::{Trial, try_out};

use crate::clock::Clock;
use crate::config::receiver::{Receiver, Url};
use crate::limits::SETTLED_QUEUED_MAX;
use crate::rules::Alert;
use delivery::{Delivery, Now};
use sender::{Sender, Shared};
use target::Target;

/// A notification that is done with: delivered, or left out for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The receiver's name.
    pub receiver: String,
    /// The notification's id.
    pub id: String,
    /// [`Outcome::Delivered`], [`Outcome::Refused`] or [`Outcome::Dropped`].
    pub outcome: Outcome,
}

/// What one receiver has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Its name.
    pub receiver: String,
    /// How often each outcome was since the start, each of [`Outcome::ALL`] once.
    pub outcomes: Vec<(Outcome, u64)>,
    /// Notifications that wait to be taken.
    pub queue_length: usize,
}

/// The proxy of this process' environment, if there is one that can be used.
pub fn https_proxy() -> Option<Url> {
    let proxies = Proxies::of_environment(&|name| std::env::var_os(name));
    proxies.ok().and_then(|proxies| proxies.https_url().cloned())
}

/// What the start of a [`Notifier`] goes on from.
#[derive(Debug, Default)]
pub struct Earlier {
    /// Alerts that fire and were delivered, with the receiver's name: those are told again.
    pub firing: Vec<(String, Alert)>,
    /// What was not done with, with the receiver's name, the oldest first.
    pub undelivered: Vec<(String, Notification)>,
}

/// The running receivers. Those that are dropped without [`Notifier::stop`] end at once.
#[derive(Debug)]
pub struct Notifier {
    receivers: Vec<(String, Arc<Shared>)>,
    tasks: Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
}

impl Notifier {
    /// Starts a task for each receiver that takes alerts, on the runtime that this is called in.
    /// `page_url` is the root of gatelog's page, which messages link to. The other end of the result
    /// tells which notifications are done with.
    pub fn start(
        receivers: &[Receiver],
        page_url: &str,
        earlier: Earlier,
        proxies: &Result<Proxies, ProxyError>,
        clock: &Clock,
    ) -> (Notifier, mpsc::Receiver<Settled>) {
        let (settled, settled_told) = mpsc::channel(SETTLED_QUEUED_MAX);
        let stop = watch::Sender::new(false);
        let new = |receiver| Target::new(receiver, page_url, proxies.clone(), clock.clone());
        let targets: Vec<Target> = receivers.iter().filter_map(new).collect();
        let now = Now { monotonic: clock.monotonic(), unix: clock.now() };
        let deliveries = restored(&targets, earlier, now);
        let mut notifier =
            Notifier { receivers: Vec::new(), tasks: Mutex::default(), stop: stop.clone() };
        for (target, delivery) in targets.into_iter().zip(deliveries) {
            let shared = Arc::new(Shared::new(delivery));
            notifier.receivers.push((target.name.clone(), Arc::clone(&shared)));
            let sender = Sender {
                target: Arc::new(target),
                shared,
                settled: settled.clone(),
                clock: clock.clone(),
                stop: stop.subscribe(),
            };
            notifier.tasks.get_mut().spawn(sender.run());
        }
        (notifier, settled_told)
    }

    /// Gives a receiver something to tell; never waits. One of another name gets nothing.
    pub fn send(&self, receiver: &str, notification: Notification) {
        if let Some((_, shared)) = self.receivers.iter().find(|(name, _)| name == receiver) {
            shared.delivery().push(notification);
            shared.wake();
        }
    }

    /// What each receiver has come to, in the order of the configuration.
    pub fn figures(&self) -> Vec<Figures> {
        let of_receiver = |(name, shared): &(String, Arc<Shared>)| {
            let delivery = shared.delivery();
            Figures {
                receiver: name.clone(),
                outcomes: Outcome::ALL.into_iter().zip(delivery.counts()).collect(),
                queue_length: delivery.queue_length(),
            }
        };
        self.receivers.iter().map(of_receiver).collect()
    }

    /// Lets requests on their way end, for [`crate::limits::NOTIFY_STOP_GRACE`] at most, and says what
    /// else is done with. What is not is the next start's.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let mut tasks = self.tasks.lock().await;
        while tasks.join_next().await.is_some() {}
    }
}

/// The state of each of them; what was for one that there is no more is left out.
fn restored(targets: &[Target], earlier: Earlier, now: Now) -> Vec<Delivery> {
    let mut deliveries: Vec<Delivery> =
        targets.iter().map(|target| Delivery::new(target.policy())).collect();
    let place = |name: &str| targets.iter().position(|target| target.name == name);
    for (name, alert) in earlier.firing {
        if let Some(delivery) = place(&name).and_then(|place| deliveries.get_mut(place)) {
            delivery.restore(alert, now);
        }
    }
    for (name, notification) in earlier.undelivered {
        if let Some(delivery) = place(&name).and_then(|place| deliveries.get_mut(place)) {
            delivery.restore_waiting(notification);
        }
    }
    deliveries
}
