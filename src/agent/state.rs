//! What was saved, on its way from the store to the threads: the ledger goes to the one that reads, the
//! store to the one that saves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::follow::Requests;
use super::keeper;
use super::sandbox::Sandbox;
use super::saver::{Saver, SourceStates};
use crate::clock::Clock;
use crate::config::Config;
use crate::ledger::Ledger;
use crate::ledger::distinct::Seed;
use crate::rules::RuleSet;
use crate::rules::watch::Watch;
use crate::store::{Notice, Saved, SavedSize, Store, StoreError};

/// What is known before any thread has started.
pub(super) struct State {
    watch: Option<Watch>,
    sources: SourceStates,
    notices: Vec<Notice>,
    size: SavedSize,
    place: Place,
}

enum Place {
    /// In memory, as the operator wants it.
    Memory,
    /// The directory, and its store or why there is none.
    Directory(PathBuf, Result<Store, String>),
    /// Nobody says where.
    Nowhere(String),
}

/// What the reading thread starts with.
pub(super) struct Begun {
    pub(super) watch: Watch,
    pub(super) sources: SourceStates,
    pub(super) notices: Vec<Notice>,
    /// None where nothing is to be saved.
    pub(super) saver: Option<Saver>,
    /// Why nothing can ever be saved, if somebody wants it to be.
    pub(super) failure: Option<String>,
}

impl State {
    /// Reads what was saved where the configuration says.
    ///
    /// # Errors
    /// When another agent holds the state, or a newer one wrote it. What cannot be used for another
    /// reason is said, and the agent runs in memory.
    pub(super) fn open(
        config: &Config,
        clock: &Clock,
        rules: &Arc<RuleSet>,
    ) -> Result<State, StoreError> {
        let directory = match config.state_dir.path(&|name| std::env::var_os(name)) {
            Ok(None) => {
                tracing::info!("state_dir is none: counts start at zero and end with this process");
                return Ok(State::empty(Place::Memory));
            }
            Ok(Some(directory)) => directory,
            Err(error) => {
                tracing::error!("{error}; counting goes on in memory");
                return Ok(State::empty(Place::Nowhere(error.to_string())));
            }
        };
        let (store, saved) = match Store::open(&directory, clock.now(), rules) {
            Ok(opened) => opened,
            Err(error @ (StoreError::Held { .. } | StoreError::Newer { .. })) => return Err(error),
            Err(error) => {
                let reason = error.to_string();
                tracing::error!(reason, "the state is not saved; counting goes on in memory");
                return Ok(State::unsaved(directory, reason, rules));
            }
        };
        say(store.path(), &saved);
        Ok(State {
            watch: saved.watch,
            sources: saved.sources,
            notices: saved.notices,
            size: saved.size,
            place: Place::Directory(directory, Ok(store)),
        })
    }

    /// Where state is kept, if it is to be.
    pub(super) fn directory(&self) -> Option<&PathBuf> {
        match &self.place {
            Place::Directory(directory, _) => Some(directory),
            Place::Memory | Place::Nowhere(_) => None,
        }
    }

    /// From what was saved once, if that can be read at least.
    fn unsaved(directory: PathBuf, reason: String, rules: &Arc<RuleSet>) -> State {
        let saved = Store::read(&directory, rules).ok().filter(|saved| saved.watch.is_some());
        if let Some(saved) = &saved {
            say(&directory, saved);
        }
        let Saved { watch, sources, notices, .. } = saved.unwrap_or_default();
        let place = Place::Directory(directory, Err(reason));
        State { watch, sources, notices, size: SavedSize::default(), place }
    }

    fn empty(place: Place) -> State {
        State {
            watch: None,
            sources: Vec::new(),
            notices: Vec::new(),
            size: SavedSize::default(),
            place,
        }
    }

    /// Starts the thread that saves, and gives what the reading thread needs.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn begin(
        self,
        routes_max: usize,
        clock: &Clock,
        rules: &Arc<RuleSet>,
        requests: &Requests,
        sandbox: &Arc<Sandbox>,
    ) -> std::io::Result<Begun> {
        let mut watch = self.watch.unwrap_or_else(|| {
            let random = foldhash::fast::RandomState::default();
            let seed = Seed::new(std::hash::BuildHasher::hash_one(&random, 0));
            Watch::new(Ledger::new(seed, routes_max), Arc::clone(rules))
        });
        let (saver, failure) = match self.place {
            Place::Memory => (None, None),
            Place::Nowhere(reason) => (None, Some(reason)),
            Place::Directory(directory, store) => {
                let (store, opened) = match store {
                    Ok(store) => (Ok(store), Ok((self.size, self.sources.clone()))),
                    Err(reason) => (Err(self.sources.clone()), Err(reason)),
                };
                let (sandbox, requests) = (Arc::clone(sandbox), requests.clone());
                let keeper = keeper::spawn(directory, store, clock.clone(), requests, sandbox)?;
                (Some(Saver::new(keeper, clock.clone(), &mut watch, opened)), None)
            }
        };
        if watch.ledger.routes.max() != routes_max {
            watch.ledger.set_routes_max(routes_max);
        }
        Ok(Begun { watch, sources: self.sources, notices: self.notices, saver, failure })
    }
}

fn say(path: &Path, saved: &Saved) {
    let path = path.display();
    if let Some((aside, reason)) = &saved.set_aside {
        let aside = aside.display();
        tracing::error!(reason, %aside, "the state was damaged: it is set aside, counts start at zero");
    }
    match &saved.watch {
        Some(watch) => {
            let requests = watch.ledger.verdicts().requests();
            tracing::info!(%path, requests, "counts go on from the saved state");
        }
        None => tracing::info!(%path, "counts start at zero, the state is new"),
    }
}
