//! A running notifier, on a runtime of its own, and the alerts it is given.

use std::ffi::OsString;
use std::sync::mpsc;
use std::time::Duration;

use gatelog::clock::Clock;
use gatelog::config::Receiver;
use gatelog::notify::{Earlier, Figures, Notification, Notifier, Outcome, Proxies, Settled};
use gatelog::rules::{Alert, Severity, State};

use crate::agent::wait_within;

/// Nothing here takes this long.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Asks again and again, for [`WAIT_MAX`].
pub(crate) fn wait_for<T>(ask: impl FnMut() -> Option<T>) -> Option<T> {
    wait_within(WAIT_MAX, ask)
}

pub(crate) fn now() -> i64 {
    Clock::system().now().0
}

/// An alert of the rule `rule` about a route.
pub(crate) fn alert(rule: &str, route: &str, starts_at: i64) -> Alert {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Alert {
        rule: rule.into(),
        severity: Severity::Page,
        state: State::Firing,
        time: starts_at,
        starts_at,
        ends_at: None,
        labels: vec![pair("alertname", rule), pair("route", route), pair("severity", "page")],
        group: vec![pair("route", route)],
        annotations: vec![pair("summary", &format!("{rule} on {route}"))],
        value: 1.0,
        reason: "a test".to_owned(),
    }
}

pub(crate) fn resolved(firing: &Alert) -> Alert {
    let ends_at = now();
    Alert { state: State::Resolved, time: ends_at, ends_at: Some(ends_at), ..firing.clone() }
}

/// As the agent names them: the same for the same change of the same alert.
pub(crate) fn notification(alert: &Alert) -> Notification {
    let id = format!("{}-{}", alert.id(), alert.state.as_str());
    Notification { id, alert: alert.clone() }
}

/// The receivers of a configuration.
#[track_caller]
pub(crate) fn receivers(text: &str) -> Vec<Receiver> {
    let config = gatelog::config::parse("g.toml", text.as_bytes(), &|_| None);
    config.unwrap_or_else(|problems| panic!("{}", problems.render(false))).receivers
}

enum Order {
    Send(String, Box<Notification>),
    Figures(mpsc::SyncSender<Vec<Figures>>),
}

/// A notifier, and what it said is done with.
pub(crate) struct Running {
    orders: tokio::sync::mpsc::Sender<Order>,
    settled: mpsc::Receiver<Settled>,
    thread: std::thread::JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(text: &str) -> Running {
        Running::from(text, Earlier::default(), &[])
    }

    pub(crate) fn from(text: &str, earlier: Earlier, variables: &[(&str, &str)]) -> Running {
        let receivers = receivers(text);
        let proxies = Proxies::of_environment(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        });
        let (orders, mut ordered) = tokio::sync::mpsc::channel(100);
        let (done, settled) = mpsc::sync_channel(10_000);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let clock = Clock::system();
                let page = "http://gate.test:9496";
                let (notifier, mut settled) =
                    Notifier::start(&receivers, page, earlier, &proxies, &clock);
                loop {
                    tokio::select! {
                        order = ordered.recv() => match order {
                            Some(Order::Send(receiver, it)) => notifier.send(&receiver, *it),
                            Some(Order::Figures(to)) => to.send(notifier.figures()).unwrap(),
                            None => break,
                        },
                        Some(it) = settled.recv() => done.send(it).unwrap(),
                    }
                }
                notifier.stop().await;
                while let Some(it) = settled.recv().await {
                    done.send(it).unwrap();
                }
            });
        });
        Running { orders, settled, thread }
    }

    pub(crate) fn send(&self, receiver: &str, alert: &Alert) {
        let order = Order::Send(receiver.to_owned(), Box::new(notification(alert)));
        self.orders.blocking_send(order).unwrap_or_else(|_| panic!("it has ended"));
    }

    pub(crate) fn figures(&self, receiver: &str) -> Figures {
        let (to, figures) = mpsc::sync_channel(1);
        self.orders.blocking_send(Order::Figures(to)).unwrap_or_else(|_| panic!("it has ended"));
        let figures = figures.recv().unwrap();
        figures.into_iter().find(|figures| figures.receiver == receiver).unwrap()
    }

    pub(crate) fn count(&self, receiver: &str, outcome: Outcome) -> u64 {
        let figures = self.figures(receiver);
        figures.outcomes.iter().find(|(known, _)| *known == outcome).unwrap().1
    }

    #[track_caller]
    pub(crate) fn comes_to(&self, receiver: &str, outcome: Outcome, expected: u64) {
        let came = wait_for(|| (self.count(receiver, outcome) >= expected).then_some(()));
        assert!(came.is_some(), "{outcome:?} {expected}: {:?}", self.figures(receiver));
    }

    /// What is done with so far.
    pub(crate) fn settled(&self) -> Vec<Settled> {
        self.settled.try_iter().collect()
    }

    /// Stops it, and returns what else is done with.
    pub(crate) fn stop(self) -> Vec<Settled> {
        drop(self.orders);
        self.thread.join().unwrap();
        self.settled.try_iter().collect()
    }
}
