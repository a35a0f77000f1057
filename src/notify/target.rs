//! A receiver as it is asked: what a request to it looks like.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::client::{Answer, Client, Post, SendError};
use super::delivery::{Batch, Policy};
use super::entry::Item;
use super::outcome::Protocol;
use super::proxy::{Proxies, ProxyError};
use super::signature::{read_key, signatures};
use super::{alertmanager, message, webhook};
use crate::clock::{Clock, UnixMilliseconds};
use crate::config::receiver::{Receiver, ReceiverKind, Shape, Url};
use crate::limits::{
    BACKOFF_ALERTMANAGER_MAX, BACKOFF_WEBHOOK_MAX, BATCH_ALERTS_MAX, BATCH_BYTES_MAX,
    RESOLVED_RESEND,
};

/// One that takes alerts.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) urls: Vec<Url>,
    kind: Kind,
    client: Client,
    /// The page that a person goes on to.
    page: String,
    clock: Clock,
}

#[derive(Debug)]
enum Kind {
    Alertmanager { resend: Duration },
    Webhook { repeat: Duration, shape: Shape, secret_files: Vec<PathBuf> },
}

impl Target {
    /// `None` for one that takes no alerts.
    pub(super) fn new(
        receiver: &Receiver,
        page_url: &str,
        proxies: Result<Proxies, ProxyError>,
        clock: Clock,
    ) -> Option<Target> {
        let (kind, http) = match &receiver.kind {
            ReceiverKind::Alertmanager(it) => (Kind::Alertmanager { resend: it.resend }, &it.http),
            ReceiverKind::Webhook(it) => {
                let secret_files = it.signing_secret_files.clone();
                (Kind::Webhook { repeat: it.repeat, shape: it.shape, secret_files }, &it.http)
            }
            ReceiverKind::Jsonl(_) => return None,
        };
        Some(Target {
            name: receiver.name.clone(),
            urls: receiver.kind.urls().to_vec(),
            kind,
            client: Client { options: http.clone(), proxies },
            page: format!("{}/#/alerts", page_url.trim_end_matches('/')),
            clock,
        })
    }

    pub(super) fn protocol(&self) -> Protocol {
        match self.kind {
            Kind::Alertmanager { .. } => Protocol::Alertmanager,
            Kind::Webhook { .. } => Protocol::Webhook,
        }
    }

    pub(super) fn policy(&self) -> Policy {
        let members = self.urls.len();
        match self.kind {
            Kind::Alertmanager { resend } => Policy {
                members,
                batch_alerts_max: BATCH_ALERTS_MAX,
                batch_bytes_max: BATCH_BYTES_MAX,
                resend,
                resolved_resend: RESOLVED_RESEND,
                backoff_max: BACKOFF_ALERTMANAGER_MAX,
                key: alertmanager::key,
            },
            Kind::Webhook { repeat, .. } => Policy {
                members,
                batch_alerts_max: 1,
                batch_bytes_max: BATCH_BYTES_MAX,
                resend: repeat,
                resolved_resend: Duration::ZERO,
                backoff_max: BACKOFF_WEBHOOK_MAX,
                key: webhook::key,
            },
        }
    }

    /// Asks one member.
    pub(super) async fn send(&self, member: usize, batch: &Batch) -> Result<Answer, SendError> {
        // A member that there is not would be a fault of ours; nothing is sent then.
        let url = self.urls.get(member).ok_or(SendError::GivenUp)?;
        let post = match &self.kind {
            Kind::Alertmanager { resend } => Post {
                target: url.target(alertmanager::PATH),
                headers: Vec::new(),
                body: alertmanager::body(batch, &self.page, *resend, self.clock.now()),
            },
            Kind::Webhook { shape, secret_files, .. } => {
                let item = batch.items.first().ok_or(SendError::GivenUp)?;
                let alert = &item.notification.alert;
                let body = message::body(alert, *shape, &self.page)
                    .unwrap_or_else(|| webhook::body(alert, &self.name, &self.page));
                let headers = headers(item, secret_files, self.clock.now(), &body).await?;
                Post { target: url.target(""), headers, body }
            }
        };
        self.client.post(url, post).await
    }
}

/// Those of Standard Webhooks; the id and the time also where nothing signs.
async fn headers(
    item: &Item,
    secret_files: &[PathBuf],
    now: UnixMilliseconds,
    body: &[u8],
) -> Result<Vec<(&'static str, String)>, SendError> {
    let unix_seconds = now.0.div_euclid(1000);
    let mut headers =
        vec![("webhook-id", item.id.clone()), ("webhook-timestamp", unix_seconds.to_string())];
    if !secret_files.is_empty() {
        let files = secret_files.to_vec();
        let read = move || files.iter().map(|path| read_key(path)).collect::<Result<Vec<_>, _>>();
        let keys = spawn_blocking(read).await.map_err(|_| SendError::GivenUp)??;
        headers.push(("webhook-signature", signatures(&keys, &item.id, unix_seconds, body)));
    }
    Ok(headers)
}
