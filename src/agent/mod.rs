//! `gatelog run`: follows logs and serves what it counts.
//!
//! [`run`] is the wiring. One thread of its own reads (`follow`); the rest is a small tokio runtime
//! that serves HTTP, waits for signals and drains the file system's events. They share nothing but a
//! bounded channel of requests to the reading thread, and what it says of its readiness.
//!
//! Nothing is stored in this version: all counts start at zero.

pub mod log;
pub mod source;

mod change_log;
mod follow;
mod lines;
mod listeners;
mod pace;
mod pages;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::config::Config;
use crate::http::{BindError, LimitHits, Readiness};
use crate::limits::STOP_GRACE;
use crate::setup::source::{Options, Setup, SetupError};
use crate::show::metrics::Metrics;
use crate::source::feed::Wake;
use crate::source::watch::watch as watch_files;
use follow::{Follow, Requests};
use listeners::Listeners;
use pages::AgentPages;

/// Why the agent did not start, or ended before it was told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The configuration and what it names.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// An address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system gives no thread, signal or timer.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
    /// The metrics contradict themselves.
    #[error("cannot start: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The thread that reads has ended.
    #[error("the thread that follows the logs has ended; its last words stand above")]
    FollowEnded,
}

/// Runs until SIGTERM or SIGINT. SIGHUP reads the configuration again.
///
/// # Errors
/// When it cannot start, and when the reading thread ends by itself.
pub fn run(options: &Options) -> Result<(), AgentError> {
    let setup = Setup::load(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(agent(options, setup, Clock::system()))
}

async fn agent(options: &Options, setup: Setup, clock: Clock) -> Result<(), AgentError> {
    let listeners = Listeners::bind(&setup.config).await?;
    let mut signals = Signals::new()?;
    say_start(&setup);

    let (requests, inbox) = follow::requests();
    let (readiness_told, readiness) = watch::channel(Readiness {
        ready: false,
        reasons: vec!["the logs have not been looked at yet".to_owned()],
    });
    let waker = requests.clone();
    let (watched, watching) = watch_files(move || waker.wake());
    let watching = tokio::spawn(watching);
    let config = setup.config.clone();
    // A source that is no file wakes the thread for as long as somebody may ask it for something.
    let asking = Arc::new(requests.clone());
    let asked = Arc::downgrade(&asking);
    let wake: Wake = Arc::new(move || {
        if let Some(requests) = asked.upgrade() {
            requests.wake();
        }
    });
    let follow = Follow::new(setup, inbox, clock, readiness_told, watched, wake)?;
    let mut followed = spawn(follow)?;

    let hits = Arc::new(LimitHits::default());
    let pages = Arc::new(AgentPages {
        requests: requests.clone(),
        metrics: Metrics::new()?,
        readiness,
        hits: Arc::clone(&hits),
        reload_successful: AtomicBool::new(true),
    });
    let stop = watch::Sender::new(false);
    listeners.say();
    let serving = listeners.serve(&pages, &hits, &stop);

    if requests.ping().await {
        notify(&[NotifyState::Ready]);
    }
    let result = supervise(options, config, &requests, &pages, &mut signals, &mut followed).await;

    notify(&[NotifyState::Stopping]);
    stop.send_replace(true);
    requests.stop();
    let ended = tokio::time::timeout(STOP_GRACE, finish(serving, followed, result.is_ok())).await;
    if ended.is_err() {
        tracing::error!("something was still running when the grace ended");
    }
    watching.abort();
    result
}

/// Waits for a reason to stop; takes reloads and tells systemd that all is well meanwhile.
async fn supervise(
    options: &Options,
    mut config: Config,
    requests: &Requests,
    pages: &AgentPages,
    signals: &mut Signals,
    followed: &mut oneshot::Receiver<()>,
) -> Result<(), AgentError> {
    loop {
        tokio::select! {
            wanted = signals.next() => match wanted {
                Wanted::Stop => return Ok(()),
                Wanted::Reload => reload(options, &mut config, requests, pages).await,
            },
            _ = &mut *followed => return Err(AgentError::FollowEnded),
            () = watchdog_pause() => if requests.ping().await {
                notify(&[NotifyState::Watchdog]);
            },
        }
    }
}

/// Starts the reading thread. The receiver is ready when it has ended, whatever the cause.
fn spawn(follow: Follow) -> io::Result<oneshot::Receiver<()>> {
    let (end, ended) = oneshot::channel::<()>();
    std::thread::Builder::new().name("follow".to_owned()).spawn(move || {
        // Dropped when the thread ends, by a panic too.
        let _end = end;
        follow.run();
    })?;
    Ok(ended)
}

/// Waits for the listeners, and for the reading thread if it still runs.
async fn finish(mut serving: JoinSet<()>, followed: oneshot::Receiver<()>, reading: bool) {
    if reading {
        // Its end is the answer; it sends nothing.
        let _ended = followed.await;
    }
    while serving.join_next().await.is_some() {}
}

fn say_start(setup: &Setup) {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!("gatelog {version}; counts start at zero: this version keeps no state");
    setup.notes.iter().for_each(|note| tracing::warn!("nginx.conf: {note}"));
    for source in setup.sources.iter() {
        let name = source.name.as_str();
        match &source.format {
            Some(log_format) => tracing::info!(source = name, %log_format, "log_format is known"),
            None => tracing::info!(source = name, "log_format is recognised from its first lines"),
        }
    }
}

/// Takes the configuration and what it names anew, or keeps what there is.
async fn reload(options: &Options, config: &mut Config, requests: &Requests, pages: &AgentPages) {
    notify(&reloading());
    let owned = options.clone();
    let loaded = tokio::task::spawn_blocking(move || Setup::load(&owned)).await;
    let taken = match loaded {
        Ok(Ok(setup)) => {
            let new = setup.config.clone();
            if new.http != config.http || new.metrics_listen != config.metrics_listen {
                tracing::warn!("[http] and [metrics] are taken at the next start only");
            }
            setup.notes.iter().for_each(|note| tracing::warn!("nginx.conf: {note}"));
            let taken = requests.reload(setup) && requests.ping().await;
            if taken {
                *config = Config {
                    http: config.http.clone(),
                    metrics_listen: config.metrics_listen,
                    ..new
                };
            }
            taken
        }
        Ok(Err(error)) => {
            error.to_string().lines().for_each(|line| tracing::error!("{line}"));
            false
        }
        Err(error) => {
            tracing::error!(%error, "the configuration could not be read");
            false
        }
    };
    pages.reload_successful.store(taken, Ordering::Relaxed);
    if taken {
        tracing::info!("configuration reloaded; counts and places in the logs are kept");
    } else {
        tracing::error!("reload refused, the configuration before is still used");
    }
    notify(&[NotifyState::Ready]);
}

/// What a signal asks for.
enum Wanted {
    Stop,
    Reload,
}

struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Wanted {
        tokio::select! {
            _ = self.hangup.recv() => Wanted::Reload,
            _ = self.interrupt.recv() => Wanted::Stop,
            _ = self.terminate.recv() => Wanted::Stop,
        }
    }
}

/// Half the time within which systemd wants a sign of life; for ever when it wants none.
async fn watchdog_pause() {
    match sd_notify::watchdog_enabled() {
        Some(interval) if interval > Duration::ZERO => tokio::time::sleep(interval / 2).await,
        _ => std::future::pending().await,
    }
}

/// systemd 253 and later want the time of a reload in the same message.
fn reloading() -> Vec<NotifyState<'static>> {
    let now = NotifyState::monotonic_usec_now().ok();
    [NotifyState::Reloading].into_iter().chain(now).collect()
}

/// Tells systemd, where it asked to be told.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot notify systemd");
    }
}
