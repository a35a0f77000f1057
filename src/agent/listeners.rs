//! The agent's listeners: bound before anything is read, served together, stopped together.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::pages::AgentPages;
use crate::config::Config;
use crate::config::checked::PathGroup;
use crate::http::{self, BindError, Group, Groups, LimitHits, Limits, Settings};

/// Open sockets, each with what it serves.
#[derive(Debug)]
pub(super) struct Listeners(Vec<(TcpListener, Settings)>);

impl Listeners {
    /// Binds `[http] listen`, and `[metrics] listen` if it is set.
    pub(super) async fn bind(config: &Config) -> Result<Listeners, BindError> {
        let mut listeners = Vec::new();
        for settings in settings(config) {
            listeners.push((http::bind(&settings).await?, settings));
        }
        Ok(Listeners(listeners))
    }

    /// Says where they are.
    pub(super) fn say(&self) {
        for (listener, settings) in &self.0 {
            let listen = listener.local_addr().unwrap_or(settings.listen);
            if settings.groups.contains(Group::Metrics) {
                tracing::info!("metrics on http://{listen}/metrics");
            }
        }
    }

    /// Serves until `stop` says true.
    pub(super) fn serve(
        self,
        pages: &Arc<AgentPages>,
        hits: &Arc<LimitHits>,
        stop: &watch::Sender<bool>,
    ) -> JoinSet<()> {
        let mut serving = JoinSet::new();
        for (listener, settings) in self.0 {
            let (pages, hits) = (Arc::clone(pages), Arc::clone(hits));
            let mut stopped = stop.subscribe();
            serving.spawn(async move {
                // An error means that nobody is left to say so.
                let stopped = async move { drop(stopped.wait_for(|stop| *stop).await) };
                if let Err(error) = http::serve(listener, settings, pages, hits, stopped).await {
                    tracing::error!(%error, "not served");
                }
            });
        }
        serving
    }
}

/// The listener of everything, and the one of metrics and health where they have their own. This
/// version has no other paths, so that the first then finds nothing; it keeps the place of the page.
/// Off loopback only the groups in `open` are served; without any, binding refuses the address.
fn settings(config: &Config) -> Vec<Settings> {
    let group = |open: &PathGroup| match open {
        PathGroup::Metrics => Group::Metrics,
        PathGroup::Health => Group::Health,
    };
    let open: Groups = config.http.open.iter().map(group).collect();
    let of = |key, listen: SocketAddr, groups: Groups| Settings {
        key,
        listen,
        hosts: config.http.hosts.clone(),
        open,
        groups: if http::is_loopback(listen) || open.is_empty() {
            groups
        } else {
            groups.iter().filter(|group| open.contains(*group)).collect()
        },
        limits: Limits::default(),
    };
    let both = Groups::NONE.with(Group::Metrics).with(Group::Health);
    match config.metrics_listen {
        None => vec![of("http.listen", config.http.listen, both)],
        Some(listen) => vec![
            of("http.listen", config.http.listen, Groups::NONE),
            of("metrics.listen", listen, both),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_loopback_only_what_is_open_is_served() {
        let check = |listen: &str, open: &[PathGroup], expected: &[Group]| {
            let mut config = Config::default();
            config.http.listen = listen.parse().unwrap();
            config.http.open = open.to_vec();
            let settings = settings(&config);
            let served: Vec<_> = settings.iter().flat_map(|one| one.groups.iter()).collect();
            assert_eq!(served, expected, "{listen}, open {open:?}");
        };
        let both = [Group::Metrics, Group::Health];
        check("127.0.0.1:1", &[], &both);
        check("[::ffff:127.0.0.1]:1", &[PathGroup::Metrics], &both);
        check("0.0.0.0:1", &[PathGroup::Metrics], &[Group::Metrics]);
        check("[::]:1", &[PathGroup::Health], &[Group::Health]);
        check("0.0.0.0:1", &[PathGroup::Metrics, PathGroup::Health], &both);
        // Nothing is open: the guard refuses the address and says which key to set.
        check("0.0.0.0:1", &[], &both);
    }
}
