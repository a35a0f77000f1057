//! The thread that saves: it owns the store and does what the reading thread hands it, in order.
//!
//! Waiting for a disk takes long, and the reading thread must not: a `copytruncate` does not wait
//! either. What is handed over is bounded, and so is what waits: see [`super::saver`]. Answers that
//! may be seen only once their counts are on disk travel with the transaction that saves those.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::follow::Requests;
use super::notices::Deliveries;
use super::sandbox::Sandbox;
use super::saver::SourceStates;
use crate::clock::Clock;
use crate::limits::KEEPER_WORK_MAX;
use crate::show::metrics::Snapshot;
use crate::store::{Changes, Notice, Store, StoreError};

/// An answer, and whoever waits for it.
pub(super) struct Answer {
    pub(super) to: oneshot::Sender<Snapshot>,
    pub(super) snapshot: Snapshot,
}

impl Answer {
    pub(super) fn send(self) {
        // Whoever asked may have gone.
        drop(self.to.send(self.snapshot));
    }
}

/// What waits for one transaction: answers, and notifications. All goes out once: by the thread that saves
/// when it is done, or by the one that reads when that takes too long.
#[derive(Clone, Default)]
pub(super) struct Answers(Arc<Mutex<(Vec<Answer>, Deliveries)>>);

impl Answers {
    pub(super) fn new(answers: Vec<Answer>, deliveries: Deliveries) -> Answers {
        Answers(Arc::new(Mutex::new((answers, deliveries))))
    }

    pub(super) fn send(&self) {
        let waiting = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let (answers, deliveries) = waiting;
        answers.into_iter().for_each(Answer::send);
        deliveries.send();
    }
}

/// What the thread is to do.
pub(super) enum Work {
    /// One transaction.
    Commit { changes: Changes, answers: Answers },
    /// The next part of the image of this number. A part of another one, or other work, gives up the
    /// image before.
    ImagePart { image: u64, part: Vec<u8> },
    /// The image is whole.
    FinishImage {
        image: u64,
        sources: Vec<(String, Vec<u8>)>,
        notices: Vec<Notice>,
        answers: Answers,
    },
}

/// What became of a commit or an image.
pub(super) struct Done {
    /// Or why not.
    pub(super) result: Result<(), String>,
    /// The journal's bytes, to be used again.
    pub(super) buffer: Vec<u8>,
}

/// The other ends of the thread.
pub(super) struct Keeper {
    pub(super) work: SyncSender<Work>,
    /// One for each commit and each image that was finished.
    pub(super) done: Receiver<Done>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Lets the thread do what was handed over, close the store, and end. One that the disk holds for
    /// longer is left behind: it ends with the process.
    pub(super) fn end(self, at_most: Duration) {
        drop(self.work);
        loop {
            match self.done.recv_timeout(at_most) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if self.thread.join().is_err() {
            tracing::error!("the thread that saves has panicked; its last words stand above");
        }
    }
}

/// The state of the thread.
struct Keeping {
    directory: PathBuf,
    clock: Clock,
    store: Option<Store>,
    /// As they were in the state that the ledger goes on from, until there is a store.
    sources_read: SourceStates,
    /// The image that is being written, and what went wrong with it.
    image: Option<(u64, Result<(), StoreError>)>,
    requests: Requests,
    sandbox: Arc<Sandbox>,
}

/// Starts the thread, with the store; or with the states of the sources that were read where none could
/// be opened.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn spawn(
    directory: PathBuf,
    store: Result<Store, SourceStates>,
    clock: Clock,
    requests: Requests,
    sandbox: Arc<Sandbox>,
) -> io::Result<Keeper> {
    let (work, inbox) = sync_channel(KEEPER_WORK_MAX);
    // As many as there can be works: the thread never waits for room.
    let (outbox, done) = sync_channel(KEEPER_WORK_MAX + 1);
    let (store, sources_read) = match store {
        Ok(store) => (Some(store), Vec::new()),
        Err(sources_read) => (None, sources_read),
    };
    let mut keeping =
        Keeping { directory, clock, store, sources_read, image: None, requests, sandbox };
    let thread = std::thread::Builder::new().name("keep".to_owned()).spawn(move || {
        while let Ok(work) = inbox.recv() {
            if let Some(done) = keeping.work(work) {
                // Nobody listens when the reading thread has ended.
                drop(outbox.try_send(done));
                keeping.requests.saved();
            }
        }
        keeping.give_up_image();
        drop(keeping);
        drop(outbox);
    })?;
    Ok(Keeper { work, done, thread })
}

impl Keeping {
    /// Does it; a part of an image is nothing to tell of.
    fn work(&mut self, work: Work) -> Option<Done> {
        match work {
            Work::Commit { mut changes, answers } => {
                self.give_up_image();
                let result = match &mut self.store {
                    Some(store) => store.commit(&changes),
                    None => Err(StoreError::Gone(self.directory.clone())),
                };
                // They are on disk now, or will not be for some time: then they are better shown than not.
                answers.send();
                Some(self.done(result, std::mem::take(&mut changes.journal)))
            }
            Work::ImagePart { image, part } => {
                self.put_image_part(image, &part);
                None
            }
            Work::FinishImage { image, sources, notices, answers } => {
                let result = self.finish_image(image, &sources, &notices);
                // They are on disk now, or will not be for some time: then they are better shown than not.
                answers.send();
                Some(self.done(result, Vec::new()))
            }
        }
    }

    fn put_image_part(&mut self, image: u64, part: &[u8]) {
        if self.image.as_ref().is_some_and(|(known, _)| *known != image) {
            self.give_up_image();
        }
        if self.image.is_none() {
            let opened = if self.store.is_some() { Ok(()) } else { self.open_again() };
            self.image = Some((image, opened));
        }
        let (Some((_, result)), Some(store)) = (&mut self.image, &mut self.store) else { return };
        if result.is_ok() {
            *result = store.put_image_part(part);
        }
    }

    fn finish_image(
        &mut self,
        image: u64,
        sources: &[(String, Vec<u8>)],
        notices: &[Notice],
    ) -> Result<(), StoreError> {
        match (self.image.take(), &mut self.store) {
            (Some((known, result)), Some(store)) if known == image => {
                result.and_then(|()| store.finish_image(sources, notices))
            }
            (Some((_, Err(error))), _) => Err(error),
            _ => Err(StoreError::Gone(self.directory.clone())),
        }
    }

    fn give_up_image(&mut self) {
        if let (Some(_), Some(store)) = (self.image.take(), &mut self.store) {
            store.give_up_image();
        }
    }

    fn done(&mut self, result: Result<(), StoreError>, buffer: Vec<u8>) -> Done {
        // A file that was removed, or is damaged, is of no use any more; the next image makes a new one.
        if matches!(result, Err(StoreError::Gone(_) | StoreError::Damaged { .. })) {
            self.store = None;
        }
        Done { result: result.map_err(|error| self.reason(&error)), buffer }
    }

    /// Why it was not saved. What the kernel refuses for our own sandbox gets its true reason.
    fn reason(&self, error: &StoreError) -> String {
        let is_denied = matches!(error, StoreError::Io { source, .. }
            if source.kind() == io::ErrorKind::PermissionDenied);
        let admitted = self.sandbox.admit(&BTreeSet::new(), std::slice::from_ref(&self.directory));
        match admitted {
            Err(outside) if is_denied => outside.to_string(),
            _ => error.to_string(),
        }
    }

    fn open_again(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (store, set_aside) = Store::open_anew(&self.directory, now, &self.sources_read)?;
        if let Some(path) = set_aside {
            let path = path.display();
            tracing::warn!(%path, "the state that was found there is set aside, a new one begun");
        }
        self.store = Some(store);
        self.sources_read = Vec::new();
        Ok(())
    }
}
