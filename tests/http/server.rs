//! A server on its own thread, with pages made for tests.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use gatelog::http::{
    Group, Groups, LimitHits, Limits, Page, Pages, Readiness, ServeError, Settings, bind, serve,
};
use hyper::body::Bytes;
use tokio::sync::{Semaphore, oneshot};

use crate::client::{Answer, Client};

pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Pages made for tests.
pub(crate) struct Fake {
    pub(crate) body: Bytes,
    pub(crate) readiness: Readiness,
    /// When set, each call of `metrics` takes a permit before it answers.
    pub(crate) gate: Option<Semaphore>,
    pub(crate) begun: AtomicUsize,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            body: Bytes::from_static(b"gatelog_build_info 1\n"),
            readiness: Readiness { ready: true, reasons: Vec::new() },
            gate: None,
            begun: AtomicUsize::new(0),
        }
    }
}

impl Fake {
    /// How many calls of `metrics` have begun.
    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// Lets one waiting call of `metrics` go on, or the next one.
    pub(crate) fn open_gate(&self) {
        self.gate.as_ref().expect("a gate").add_permits(1);
    }
}

impl Pages for Fake {
    async fn metrics(&self, accept: &str) -> Page {
        self.begun.fetch_add(1, Ordering::SeqCst);
        assert_ne!(accept, "panic", "asked for by a test");
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        Page { content_type: CONTENT_TYPE, body: self.body.clone() }
    }

    async fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }
}

pub(crate) fn all_groups() -> Groups {
    Group::ALL.into_iter().collect()
}

pub(crate) fn settings(limits: Limits) -> Settings {
    Settings {
        key: "http.listen",
        listen: "127.0.0.1:0".parse().unwrap(),
        hosts: vec!["gate.internal".to_owned()],
        open: Groups::NONE,
        groups: all_groups(),
        limits,
    }
}

/// A server on its own thread; stopped and joined when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) pages: Arc<Fake>,
    pub(crate) hits: Arc<LimitHits>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::with(settings(Limits::default()), Fake::default())
    }

    pub(crate) fn limited(limits: Limits) -> Self {
        Self::with(settings(limits), Fake::default())
    }

    pub(crate) fn with(settings: Settings, pages: Fake) -> Self {
        let (pages, hits) = (Arc::new(pages), Arc::new(LimitHits::default()));
        let (stop, stopped) = oneshot::channel::<()>();
        let (address, bound) = mpsc::sync_channel(1);
        let thread = {
            let (pages, hits) = (Arc::clone(&pages), Arc::clone(&hits));
            std::thread::spawn(move || {
                runtime().block_on(async move {
                    let listener = bind(&settings).await.expect("bind");
                    address.send(listener.local_addr().unwrap()).unwrap();
                    let stopped = async { stopped.await.unwrap_or(()) };
                    serve(listener, settings, pages, hits, stopped).await
                })
            })
        };
        let address = bound.recv().unwrap();
        Self { address, pages, hits, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::new(self.address)
    }

    /// One request on its own connection.
    pub(crate) fn ask(&self, request: &str) -> Answer {
        let mut client = self.connect();
        client.send(request);
        client.answer()
    }

    pub(crate) fn ask_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub(crate) fn join(&mut self) {
        self.thread.take().unwrap().join().expect("the server's thread").expect("serve");
    }

    pub(crate) fn hit(&self, limit: &str) -> u64 {
        self.hits.entries().into_iter().find(|(name, _)| *name == limit).expect(limit).1
    }

    /// Waits until the count reaches `at_least`, since counting follows closing.
    #[track_caller]
    pub(crate) fn await_hit(&self, limit: &str, at_least: u64) {
        await_that(limit, || self.hit(limit) >= at_least);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[track_caller]
pub(crate) fn await_that(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what}: did not come true");
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
