//! What one listener is told. Reading these values from a file belongs to the configuration.

use std::{fmt, net::SocketAddr, time::Duration};

use crate::limits;

/// Settings of one listener. The agent may run two: one for everything, one for `/metrics`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The configuration key that `listen` came from, for messages: `http.listen`.
    pub key: &'static str,
    /// Address to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Names accepted in `Host` beside IP literals and `localhost`, without port (`http.hosts`).
    pub hosts: Vec<String>,
    /// Groups that may be served off loopback without a guard (`http.open`).
    pub open: Groups,
    /// Groups this listener serves; paths of the others are not found here.
    pub groups: Groups,
    /// Bounds on connections, sizes and times.
    pub limits: Limits,
}

/// A group of paths that is served, opened and guarded together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// `/metrics`.
    Metrics,
    /// `/healthz` and `/readyz`.
    Health,
}

impl Group {
    /// Every group, in the order of messages.
    pub const ALL: [Self; 2] = [Self::Metrics, Self::Health];

    /// The word for it in `http.open`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Health => "health",
        }
    }

    /// The group that `http.open` calls so, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.name() == name)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Metrics => 1,
            Self::Health => 2,
        }
    }
}

/// A set of groups; empty by default.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Groups(u8);

impl Groups {
    /// No group.
    pub const NONE: Self = Self(0);

    /// This set and `group`.
    #[must_use]
    pub const fn with(self, group: Group) -> Self {
        Self(self.0 | group.bit())
    }

    /// Whether `group` is in the set.
    #[must_use]
    pub const fn contains(self, group: Group) -> bool {
        self.0 & group.bit() != 0
    }

    /// The groups of this set that `other` lacks.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether no group is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The groups in the order of [`Group::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Group> {
        Group::ALL.into_iter().filter(move |group| self.contains(*group))
    }
}

impl FromIterator<Group> for Groups {
    fn from_iter<I: IntoIterator<Item = Group>>(groups: I) -> Self {
        groups.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Bounds of one listener. The defaults are the constants of [`crate::limits`]; tests shorten them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// See [`limits::HTTP_CONNECTIONS_MAX`]; at least 1.
    pub connections_max: usize,
    /// See [`limits::HTTP_BODY_BYTES_MAX`].
    pub body_bytes_max: usize,
    /// See [`limits::HTTP_METRICS_ANSWERS_MAX`]; at least 1.
    pub metrics_answers_max: usize,
    /// See [`limits::HTTP_HEAD_TIMEOUT`].
    pub head_timeout: Duration,
    /// See [`limits::HTTP_IDLE_TIMEOUT`].
    pub idle_timeout: Duration,
    /// See [`limits::HTTP_BODY_TIMEOUT`].
    pub body_timeout: Duration,
    /// See [`limits::HTTP_PAGE_TIMEOUT`].
    pub page_timeout: Duration,
    /// See [`limits::HTTP_ANSWER_TIMEOUT`].
    pub answer_timeout: Duration,
    /// See [`limits::HTTP_SHUTDOWN_GRACE`].
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: limits::HTTP_CONNECTIONS_MAX,
            body_bytes_max: limits::HTTP_BODY_BYTES_MAX,
            metrics_answers_max: limits::HTTP_METRICS_ANSWERS_MAX,
            head_timeout: limits::HTTP_HEAD_TIMEOUT,
            idle_timeout: limits::HTTP_IDLE_TIMEOUT,
            body_timeout: limits::HTTP_BODY_TIMEOUT,
            page_timeout: limits::HTTP_PAGE_TIMEOUT,
            answer_timeout: limits::HTTP_ANSWER_TIMEOUT,
            shutdown_grace: limits::HTTP_SHUTDOWN_GRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_a_set() {
        let both: Groups = Group::ALL.into_iter().collect();
        let metrics = Groups::NONE.with(Group::Metrics);
        assert!(both.contains(Group::Health) && !metrics.contains(Group::Health));
        assert_eq!(both.without(metrics), Groups::NONE.with(Group::Health));
        assert!(metrics.without(both).is_empty());
        assert_eq!(format!("{both:?}"), "{Metrics, Health}");
    }

    #[test]
    fn group_names_lead_back() {
        for group in Group::ALL {
            assert_eq!(Group::from_name(group.name()), Some(group));
        }
        assert_eq!(Group::from_name("Metrics"), None);
    }
}
