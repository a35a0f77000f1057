//! `gatelog run`: follows logs and serves what it counts.
//!
//! [`run`] is the wiring. One thread of its own reads (`follow`); the rest is a small tokio runtime
//! that serves HTTP, waits for signals and drains the file system's events. They share nothing but a
//! bounded channel of requests to the reading thread, and what it says of its readiness.
//!
//! A third thread saves what was counted (`keeper`), so that counting never waits for a disk. What was
//! saved is read before anything else starts.

pub mod log;
pub mod source;

mod alert_log;
mod change_log;
mod follow;
mod keeper;
mod lines;
mod listeners;
mod notices;
mod pace;
mod pages;
mod reload;
mod sandbox;
mod saver;
mod source_state;
mod state;
mod twin_log;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};

use crate::clock::Clock;
use crate::config::Config;
use crate::config::receiver::{Receiver, ReceiverKind};
use crate::http::{BindError, LimitHits, Readiness};
use crate::limits::STOP_GRACE;
use crate::notify::{Notifier, Proxies};
use crate::rules::RuleSet;
use crate::setup::needs;
use crate::setup::source::{Options, Setup, SetupError};
use crate::show::metrics::Metrics;
use crate::source::feed::Wake;
use crate::source::watch::watch as watch_files;
use crate::store::StoreError;
use follow::{Around, Follow, Requests};
use listeners::Listeners;
use notices::Notices;
use pages::AgentPages;
use sandbox::{Sandbox, Wishes};
use state::{Begun, State};

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
    /// The state is another agent's, or a newer one's.
    #[error(transparent)]
    State(#[from] StoreError),
    /// A stream of denials, which this version does not write.
    #[error(
        "receiver `{0}`: this version does not write streams of denials (`jsonl`) yet; \
         `gatelog parse --follow --verdict rejected,missing,forbidden` prints them"
    )]
    NoStreams(String),
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
    let is_stream = |it: &&Receiver| matches!(it.kind, ReceiverKind::Jsonl(_));
    if let Some(stream) = setup.config.receivers.iter().find(is_stream) {
        return Err(AgentError::NoStreams(stream.name.clone()));
    }
    tracing::info!("gatelog {}", env!("CARGO_PKG_VERSION"));
    let clock = Clock::system();
    let rules = Arc::new(RuleSet::of(&setup.config));
    let state = State::open(&setup.config, &clock, &rules)?;
    // Before there is another thread: those that come inherit it.
    let sandbox = Arc::new(sandboxed(options, &setup, state.directory()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(agent(options, setup, state, &rules, &sandbox, clock))
}

/// Gives up what the agent will not need.
fn sandboxed(options: &Options, setup: &Setup, state: Option<&PathBuf>) -> Sandbox {
    let config = &setup.config;
    if !config.sandbox {
        return Sandbox::off();
    }
    let mut needs = needs::of_config(config, options);
    needs.extend(needs::of_includes(setup));
    let proxy = crate::notify::https_proxy();
    needs.extend(needs::of_receivers(config, proxy.as_ref()));
    needs.extend(setup.machine_conf.iter().flat_map(|conf| needs::of_conf(conf)));
    let listeners = [Some(config.http.listen), config.metrics_listen];
    let mut writable = needs::written(config);
    writable.extend(state.cloned());
    Sandbox::enter(&Wishes {
        needs: &needs,
        writable: &writable,
        ports: listeners.into_iter().flatten().map(|address| address.port()).collect(),
        connect: needs::connected(config, proxy.as_ref()),
    })
}

async fn agent(
    options: &Options,
    setup: Setup,
    state: State,
    rules: &Arc<RuleSet>,
    sandbox: &Arc<Sandbox>,
    clock: Clock,
) -> Result<(), AgentError> {
    let listeners = Listeners::bind(&setup.config).await?;
    let mut signals = Signals::new()?;
    say_start(&setup);
    sandbox.say();

    let (requests, inbox) = follow::requests();
    let (readiness_told, readiness) = watch::channel(Readiness {
        ready: false,
        reasons: vec!["the logs have not been looked at yet".to_owned()],
    });
    let waker = requests.clone();
    let (watched, watching) = watch_files(move || waker.wake());
    let watching = tokio::spawn(watching);
    let config = setup.config.clone();
    let mut state = state.begin(setup.config.routes.limit, &clock, rules, &requests, sandbox)?;
    // A source that is no file wakes the thread for as long as somebody may ask it for something.
    let asking = Arc::new(requests.clone());
    let asked = Arc::downgrade(&asking);
    let wake: Wake = Arc::new(move || {
        if let Some(requests) = asked.upgrade() {
            requests.wake();
        }
    });
    let (notices, notifier) = begin_notices(&config, &mut state, &clock);
    let around = Around {
        notices,
        inbox,
        clock,
        readiness: readiness_told,
        watched,
        sandbox: Arc::clone(sandbox),
        wake,
    };
    let follow = Follow::new(setup, state, around)?;
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
    let result =
        supervise(options, sandbox, config, &requests, &pages, &mut signals, &mut followed).await;

    notify(&[NotifyState::Stopping]);
    stop.send_replace(true);
    requests.stop();
    let ended = tokio::time::timeout(STOP_GRACE, finish(serving, followed, result.is_ok())).await;
    if ended.is_err() {
        tracing::error!("something was still running when the grace ended");
    }
    watching.abort();
    // Requests on their way end; what is not taken is saved already.
    if let Some(notifier) = notifier {
        notifier.stop().await;
    }
    result
}

/// Starts the receivers of alerts, from what was saved.
fn begin_notices(
    config: &Config,
    state: &mut Begun,
    clock: &Clock,
) -> (Notices, Option<Arc<Notifier>>) {
    let saved = std::mem::take(&mut state.notices);
    let of_alerts = |it: &&Receiver| !matches!(it.kind, ReceiverKind::Jsonl(_));
    let receivers = config.receivers.iter().filter(of_alerts);
    let receivers: Vec<_> = receivers.map(|it| (it.name.clone(), it.filter.clone())).collect();
    let started = (!receivers.is_empty()).then(|| {
        let page_url = format!("http://{}", config.http.listen);
        let proxies = Proxies::of_environment(&|name| std::env::var_os(name));
        let earlier = notices::earlier(&saved);
        let (notifier, settled) =
            Notifier::start(&config.receivers, &page_url, earlier, &proxies, clock);
        (Arc::new(notifier), settled)
    });
    let notifier = started.as_ref().map(|(notifier, _)| Arc::clone(notifier));
    let silences = config.silences.clone();
    let alerts = state.watch.alerts();
    (Notices::new(receivers, silences, started, saved, alerts), notifier)
}

/// Waits for a reason to stop; takes reloads and tells systemd that all is well meanwhile.
async fn supervise(
    options: &Options,
    sandbox: &Arc<Sandbox>,
    mut config: Config,
    requests: &Requests,
    pages: &AgentPages,
    signals: &mut Signals,
    followed: &mut oneshot::Receiver<()>,
) -> Result<(), AgentError> {
    let mut watchdog = watchdog();
    loop {
        tokio::select! {
            wanted = signals.next() => match wanted {
                Wanted::Stop => return Ok(()),
                Wanted::Reload => reload(options, sandbox, &mut config, requests, pages).await,
            },
            _ = &mut *followed => return Err(AgentError::FollowEnded),
            () = tick(&mut watchdog) => if requests.ping().await {
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
async fn reload(
    options: &Options,
    sandbox: &Arc<Sandbox>,
    config: &mut Config,
    requests: &Requests,
    pages: &AgentPages,
) {
    notify(&reloading());
    let (owned, within) = (options.clone(), Arc::clone(sandbox));
    let loaded = tokio::task::spawn_blocking(move || reload::load(&owned, &within)).await;
    let taken = match loaded {
        Ok(Ok(setup)) => {
            let new = setup.config.clone();
            let is_bound = new.http == config.http && new.metrics_listen == config.metrics_listen;
            if !is_bound || new.state_dir != config.state_dir || new.receivers != config.receivers {
                tracing::warn!(
                    "[http], [metrics], [[receiver]] and state_dir are taken at the next start only"
                );
            }
            if new.sandbox != config.sandbox {
                tracing::warn!("`sandbox` is taken at the next start only");
            }
            setup.notes.iter().for_each(|note| tracing::warn!("nginx.conf: {note}"));
            let taken = requests.reload(setup) && requests.ping().await;
            if taken {
                *config = Config {
                    state_dir: config.state_dir.clone(),
                    http: config.http.clone(),
                    metrics_listen: config.metrics_listen,
                    receivers: config.receivers.clone(),
                    sandbox: config.sandbox,
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

/// Ticks at half the time within which systemd wants a sign of life; none when it wants none. It
/// goes on while signals are answered, however many come.
fn watchdog() -> Option<Interval> {
    let half = sd_notify::watchdog_enabled()? / 2;
    (half > Duration::ZERO).then(|| {
        let mut ticks = tokio::time::interval(half);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    })
}

/// The next tick; for ever when there are none.
async fn tick(watchdog: &mut Option<Interval>) {
    match watchdog {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
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
