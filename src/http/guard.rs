//! Whether an address may be served at all. Off loopback everyone who can reach the port can read
//! the pages, so without a guard each group must have been opened by name.
//!
//! TLS, client certificates and tokens will stand here as further guards.

use std::net::SocketAddr;

use super::settings::{Group, Groups};

/// Why a listener was refused. Says which key to set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{listen} is reachable from other hosts and nothing guards it: listen on 127.0.0.1, or set \
     http.open = [{}] to serve {} to everyone who can reach it",
    quoted(*.closed), listed(*.closed)
)]
pub struct GuardError {
    /// The address that was asked for.
    pub listen: SocketAddr,
    /// Groups that are served there and not open.
    pub closed: Groups,
}

/// Whether `groups` may be served on `listen` when `open` are the groups opened by name.
///
/// # Errors
/// When `listen` is not a loopback address and one of `groups` is not in `open`.
pub fn permitted(listen: SocketAddr, groups: Groups, open: Groups) -> Result<(), GuardError> {
    let closed = groups.without(open);
    if is_loopback(listen) || closed.is_empty() {
        return Ok(());
    }
    Err(GuardError { listen, closed })
}

/// Whether only this machine can reach `listen`.
#[must_use]
pub fn is_loopback(listen: SocketAddr) -> bool {
    // `::ffff:127.0.0.1` is loopback too, once it is seen as the IPv4 address it stands for.
    listen.ip().to_canonical().is_loopback()
}

fn quoted(groups: Groups) -> String {
    groups.iter().map(|group| format!("\"{}\"", group.name())).collect::<Vec<_>>().join(", ")
}

fn listed(groups: Groups) -> String {
    groups.iter().map(Group::name).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: Groups = Groups::NONE.with(Group::Metrics);
    const HEALTH: Groups = Groups::NONE.with(Group::Health);
    const BOTH: Groups = METRICS.with(Group::Health);

    #[track_caller]
    fn check(listen: &str, groups: Groups, open: Groups, closed: Option<Groups>) {
        let found = permitted(listen.parse().unwrap(), groups, open).err().map(|e| e.closed);
        assert_eq!(found, closed, "{listen} serving {groups:?}, open {open:?}");
    }

    #[test]
    fn loopback_needs_no_guard() {
        check("127.0.0.1:9496", BOTH, Groups::NONE, None);
        check("127.255.255.254:1", BOTH, Groups::NONE, None);
        check("[::1]:9496", BOTH, Groups::NONE, None);
        check("[::ffff:127.0.0.1]:9496", BOTH, Groups::NONE, None);
    }

    #[test]
    fn elsewhere_every_group_must_be_open() {
        check("0.0.0.0:9496", BOTH, Groups::NONE, Some(BOTH));
        check("[::]:9496", BOTH, Groups::NONE, Some(BOTH));
        check("[::ffff:10.0.0.1]:9496", METRICS, Groups::NONE, Some(METRICS));
        check("128.0.0.1:9496", METRICS, Groups::NONE, Some(METRICS));
        check("126.255.255.255:9496", METRICS, Groups::NONE, Some(METRICS));
        check("10.0.0.1:9496", BOTH, METRICS, Some(HEALTH));
        check("10.0.0.1:9496", BOTH, HEALTH, Some(METRICS));
        check("10.0.0.1:9496", METRICS, HEALTH, Some(METRICS));
        check("10.0.0.1:9496", METRICS, METRICS, None);
        check("10.0.0.1:9496", BOTH, BOTH, None);
        check("10.0.0.1:9496", Groups::NONE, Groups::NONE, None);
    }

    #[test]
    fn the_message_names_the_key() {
        let error = permitted("0.0.0.0:9496".parse().unwrap(), BOTH, Groups::NONE).unwrap_err();
        assert_eq!(
            error.to_string(),
            "0.0.0.0:9496 is reachable from other hosts and nothing guards it: listen on \
             127.0.0.1, or set http.open = [\"metrics\", \"health\"] to serve metrics and health \
             to everyone who can reach it"
        );
    }
}
