//! Binding, accepting, the cap on connections, and stopping.
//!
//! Who is at the door always gets in: at the cap, or when descriptors run out, the connection that
//! has waited longest for its client is closed for the new one. Only when every connection is being
//! answered does the new one wait, and answers have a deadline.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};

use super::{
    connection,
    connections::{Connection, Connections},
    guard::{GuardError, permitted},
    limit_hits::LimitHits,
    pages::Pages,
    service::Service,
    settings::Settings,
};
use crate::limits::{HTTP_ACCEPT_BACKOFF_MAX, HTTP_ACCEPT_BACKOFF_MIN};

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address must not be served like this.
    #[error("{key}: {source}")]
    Guard {
        /// The configuration key the address came from.
        key: &'static str,
        /// Which groups are closed.
        source: GuardError,
    },
    /// The system refused.
    #[error("{key}: cannot listen on {listen}: {}", reason(source))]
    Listen {
        /// The configuration key the address came from.
        key: &'static str,
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Why serving did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The listener's address must not be served like this.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The listener has no address.
    #[error("the listening socket has no address: {0}")]
    Address(#[source] io::Error),
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the address is already in use, perhaps by another agent".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "permission denied: ports below 1024 need CAP_NET_BIND_SERVICE".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Opens the listener that `settings` describe, so that a bad address stops the agent at its start.
///
/// # Errors
/// When the address needs a guard (see [`permitted`]) or the system refuses it.
pub async fn bind(settings: &Settings) -> Result<TcpListener, BindError> {
    let Settings { key, listen, groups, open, .. } = *settings;
    permitted(listen, groups, open).map_err(|source| BindError::Guard { key, source })?;
    TcpListener::bind(listen).await.map_err(|source| BindError::Listen { key, listen, source })
}

/// Serves until `shutdown` is ready; then stops accepting, closes connections that wait, and lets
/// running answers finish within `limits.shutdown_grace`. When it returns, nothing it started is
/// left. May run twice, on two listeners, with the same `pages` and `hits`.
///
/// # Errors
/// When the listener's address needs a guard. Once it serves it does not fail.
pub async fn serve<P: Pages>(
    listener: TcpListener,
    settings: Settings,
    pages: Arc<P>,
    hits: Arc<LimitHits>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    // The listener may have come from elsewhere than `bind`.
    let address = listener.local_addr().map_err(ServeError::Address)?;
    permitted(address, settings.groups, settings.open)?;
    let mut server = Server {
        connections: Arc::default(),
        connections_max: settings.limits.connections_max.max(1),
        tasks: JoinSet::new(),
        stop: watch::Sender::new(false),
        grace: settings.limits.shutdown_grace,
        service: Arc::new(Service::new(settings, pages, hits)),
        accept_failures_in_a_row: 0,
        accept_warned: false,
    };
    tokio::select! {
        biased;
        () = shutdown => {}
        never = server.accept(&listener) => match never {},
    }
    // From here on the system refuses new connections.
    drop(listener);
    server.finish().await;
    Ok(())
}

/// Nothing is ever returned.
enum Never {}

/// The accepting side of one listener and the owner of its connections' tasks.
struct Server<P> {
    connections: Arc<Connections>,
    connections_max: usize,
    /// One task for each connection; at most `connections_max`.
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    grace: Duration,
    service: Arc<Service<P>>,
    accept_failures_in_a_row: u32,
    accept_warned: bool,
}

impl<P: Pages> Server<P> {
    async fn accept(&mut self, listener: &TcpListener) -> Never {
        loop {
            tokio::select! {
                Some(ended) = self.tasks.join_next() => report(ended),
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        self.accept_failures_in_a_row = 0;
                        self.make_room().await;
                        self.start(stream);
                    }
                    Err(error) => self.recover(&error).await,
                },
            }
        }
    }

    /// Returns when there is a place for one more connection.
    async fn make_room(&mut self) {
        let mut waited = false;
        while self.tasks.len() >= self.connections_max {
            if let Some(ended) = self.tasks.try_join_next() {
                report(ended);
            } else if !self.close_one().await {
                if !waited {
                    waited = true;
                    self.service.hits.all_busy.add();
                }
                tokio::select! {
                    Some(ended) = self.tasks.join_next() => report(ended),
                    () = self.connections.changed() => {}
                }
            }
        }
    }

    /// Closes the connection that is the first to leave, and waits until one has ended. False
    /// when none can be closed.
    async fn close_one(&mut self) -> bool {
        if !self.connections.close_longest_waiting() {
            return false;
        }
        self.service.hits.closed_for_room.add();
        if let Some(ended) = self.tasks.join_next().await {
            report(ended);
        }
        true
    }

    fn start(&mut self, stream: TcpStream) {
        let entry = Arc::new(Connection::new(Arc::clone(&self.connections)));
        let service = Arc::clone(&self.service);
        self.tasks.spawn(connection::run(stream, service, entry, self.stop.subscribe()));
    }

    /// After a failed `accept`. A client that has already left costs nothing. Otherwise descriptors
    /// or memory are short, the client is still at the door, and trying again at once would spin:
    /// give up a waiting connection first, and when that has not helped, wait longer each time.
    async fn recover(&mut self, error: &io::Error) {
        if is_of_one_client(error) {
            return;
        }
        self.service.hits.accept_failures.add();
        if !self.accept_warned {
            self.accept_warned = true;
            tracing::warn!(%error, "cannot accept connections; further failures are only counted");
        }
        let earlier = self.accept_failures_in_a_row;
        self.accept_failures_in_a_row = earlier.saturating_add(1);
        if !self.close_one().await || earlier > 0 {
            sleep(backoff(earlier)).await;
        }
    }

    async fn finish(mut self) {
        self.stop.send_replace(true);
        let tasks = &mut self.tasks;
        let all_ended = timeout(self.grace, async {
            while let Some(ended) = tasks.join_next().await {
                report(ended);
            }
        });
        if all_ended.await.is_err() {
            let cut = self.tasks.len();
            tracing::warn!(cut, "answers were still running when the grace ended");
            (0..cut).for_each(|_| self.service.hits.shutdown_cuts.add());
            self.tasks.shutdown().await;
        }
    }
}

/// Errors that concern the connection that was to be accepted, and take it out of the queue:
/// accept(2) passes on what the network had to say about it.
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::ConnectionRefused
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::Interrupted
    )
}

fn backoff(failures_before: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failures_before);
    HTTP_ACCEPT_BACKOFF_MIN.saturating_mul(factor).min(HTTP_ACCEPT_BACKOFF_MAX)
}

/// A connection's task ends quietly; a panic is a fault of a page and costs only that connection.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a request could not be answered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_bound() {
        for (failures_before, milliseconds) in
            [(0, 50), (1, 100), (4, 800), (5, 1000), (31, 1000), (32, 1000), (u32::MAX, 1000)]
        {
            assert_eq!(backoff(failures_before), Duration::from_millis(milliseconds));
        }
    }
}
