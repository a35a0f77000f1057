//! Which connection serves a request: nginx's keep-alive, and the habits of clients.

use std::collections::HashMap;

use generate_log::random::Random;

use crate::certificate::CertificateId;
use crate::time::SECOND;

/// nginx's `keepalive_timeout`.
const IDLE_MAX: u64 = 75 * SECOND;

/// One connection.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// `$connection`.
    pub number: u64,
    /// `$connection_requests`.
    pub requests: u64,
    /// Whether its handshake resumed a session.
    pub is_resumed: bool,
    /// When its handshake was.
    pub began: u64,
    certificate: Option<CertificateId>,
    requests_max: u64,
    last_used: u64,
}

/// The open connections of all clients.
#[derive(Debug, Default)]
pub struct Connections {
    open: HashMap<u64, Connection>,
    count: u64,
}

impl Connections {
    /// The connection that serves a request now: one of the pool, or a new one. A connection whose
    /// certificate has ended at `ended` is not used any more: pools that outlive their certificate are
    /// not told of here.
    pub fn serve(
        &mut self,
        random: &mut Random,
        pool: Option<u64>,
        certificate: Option<CertificateId>,
        ended: Option<u64>,
        at: u64,
    ) -> Connection {
        let known = pool.and_then(|pool| self.open.get(&pool)).copied();
        let usable = known.filter(|it| {
            let is_over = it.requests >= it.requests_max || at > it.last_used + IDLE_MAX;
            it.certificate == certificate && !is_over && ended.is_none_or(|ended| ended <= it.began)
        });
        let mut connection = usable.unwrap_or_else(|| {
            self.count += 1;
            Connection {
                number: self.count,
                requests: 0,
                is_resumed: known.is_some() && random.chance(3_000),
                began: at,
                certificate,
                requests_max: 10 + random.below(60),
                last_used: at,
            }
        });
        connection.requests += 1;
        connection.last_used = at;
        if let Some(pool) = pool {
            self.open.insert(pool, connection);
        }
        connection
    }

    /// What follows on a refusal: nobody uses the connection again.
    pub fn close(&mut self, pool: Option<u64>) {
        if let Some(pool) = pool {
            self.open.remove(&pool);
        }
    }

    /// A reload: the old worker closes what is idle.
    pub fn close_all(&mut self) {
        self.open.clear();
    }

    /// nginx stops and starts: its numbers begin again.
    pub fn restart(&mut self) {
        *self = Connections::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_serves_until_it_is_idle_refused_or_ended() {
        let mut random = Random::new(1);
        let mut connections = Connections::default();
        let mut serve = |connections: &mut Connections, pool, ended, at| {
            let served = connections.serve(&mut random, pool, Some(CertificateId(1)), ended, at);
            (served.number, served.requests)
        };
        let pool = Some(7);
        assert_eq!(serve(&mut connections, pool, None, 0), (1, 1));
        assert_eq!(serve(&mut connections, pool, None, IDLE_MAX), (1, 2));
        assert_eq!(serve(&mut connections, pool, None, 3 * IDLE_MAX), (2, 1));
        assert_eq!(serve(&mut connections, None, None, 3 * IDLE_MAX), (3, 1));
        let ended = 3 * IDLE_MAX + 1;
        assert_eq!(serve(&mut connections, pool, Some(ended), ended), (4, 1));
        assert_eq!(serve(&mut connections, pool, Some(ended), ended + 1), (4, 2));
        connections.close(pool);
        assert_eq!(serve(&mut connections, pool, None, ended + 2), (5, 1));
        connections.restart();
        assert_eq!(serve(&mut connections, pool, None, ended + 3), (1, 1));
    }
}
