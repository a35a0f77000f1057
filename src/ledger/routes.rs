//! The counts of each server and route, and the way from a raw path to its route.

use std::hash::{Hash, Hasher};

use foldhash::fast::RandomState;
use gatelog_parsers::short::are_same;
use gatelog_parsers::variable::{contacted_upstreams, is_plain_upstream};
use hashbrown::{Equivalent, HashMap};
use lru::LruCache;
use minicbor::{Decode, Encode};

use super::counts::{Named, ReasonCounts, Seen, VerdictCounts, decode_count};
use super::limit_hits::{Limit, LimitHits};
use super::route_bound::Taken;
use crate::event::judge::Target;
use crate::event::reason::{Class, Reason};
use crate::event::route::{self, MALFORMED, NOT_LOGGED, OTHER, Router};
use crate::event::verdict::Verdict;
use crate::event::{Event, Scope};
use crate::limits::{
    NAMES_PER_ROUTE_MAX, REASONS_PER_ROUTE_MEAN_MAX, ROUTE_CACHE_ENTRIES_MAX,
    ROUTE_CACHE_KEY_BYTES_MAX, ROUTES_REFUSED_SHARE, UPSTREAMS_MAX,
};

/// A route's place in its ledger; the same route has another one in another ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct RouteId(#[n(0)] u32);

impl RouteId {
    /// The route at this place.
    pub(super) fn new(index: u32) -> RouteId {
        RouteId(index)
    }

    /// Its place in a list over all routes.
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// A server's place in its ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct ServerId(#[n(0)] u32);

impl ServerId {
    /// The servers of a ledger, in the order of their places.
    pub(super) fn all() -> impl Iterator<Item = ServerId> {
        (0..).map(ServerId)
    }

    /// Its place in a list over all servers.
    pub(super) fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// Which route, and which server, of one ledger is which of another.
#[derive(Clone, Debug, Default)]
pub struct RouteMap {
    /// By the place in the other ledger.
    pub routes: Vec<RouteId>,
    servers: Vec<ServerId>,
}

impl RouteMap {
    /// What a server of the other ledger is here.
    pub fn server(&self, theirs: ServerId) -> ServerId {
        self.servers.get(theirs.index()).copied().unwrap_or(theirs)
    }
}

/// What happened on a route of a server.
#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(array)]
pub struct RouteUse {
    /// The server's name, safe to show.
    #[n(0)]
    pub server: Box<str>,
    /// The same server in lists over servers.
    #[n(1)]
    pub server_id: ServerId,
    /// The route, safe to show.
    #[n(2)]
    pub route: Box<str>,
    /// Its requests.
    #[n(3)]
    pub verdicts: VerdictCounts,
    /// Those of them that sources log which log nothing but denials: they are no share of all.
    #[n(11)]
    pub partial: VerdictCounts,
    /// Why they failed or were forbidden.
    #[n(4)]
    pub reasons: ReasonCounts,
    /// Its connections, by the verdict of their first request.
    #[n(5)]
    pub connections: VerdictCounts,
    /// When a certificate that did not verify was let in.
    #[n(6)]
    pub failed_open: Seen,
    /// How many of those may have met a courtesy page: the server's `ssl_verify_client` is unknown.
    #[cbor(n(7), decode_with = "decode_count")]
    pub suspected: u64,
    /// When a certificate was missing.
    #[n(8)]
    pub missing: Seen,
    /// Requests by the upstreams that were contacted.
    #[n(9)]
    pub upstreams: Named<VerdictCounts>,
    /// Whether it counts among the routes that refused requests alone have made.
    #[n(10)]
    refused_only: bool,
}

impl RouteUse {
    /// How many requests over TLS failed verification, and how many there were, in the sources that log
    /// everything: what ratios are taken of.
    pub fn failures_of_all(&self) -> (u64, u64) {
        let RouteUse { verdicts, partial, .. } = self;
        let failures = verdicts.failures().saturating_sub(partial.failures());
        (failures, verdicts.tls_requests().saturating_sub(partial.tls_requests()))
    }

    /// Whether requests have been seen, and nothing but refusals.
    fn is_refused_only(&self) -> bool {
        let requests = self.verdicts.requests();
        requests > 0 && self.verdicts.denials() == requests
    }

    /// The reason, or `other` where it is new on this route and there are as many, over all routes,
    /// as there may be. Each is a series.
    fn bounded(
        &self,
        reason: Reason,
        reasons: &mut usize,
        reasons_max: usize,
        limits: &mut LimitHits,
    ) -> Reason {
        // Those of forbidden requests are two, and shown of every route.
        if reason.class() == Class::Policy || self.reasons.of(reason) > 0 {
            return reason;
        }
        if *reasons < reasons_max {
            *reasons += 1;
            return reason;
        }
        limits.hit(Limit::Reasons);
        Reason::Other
    }
}

/// All routes of all servers.
#[derive(Debug)]
pub struct Routes {
    routes_max: usize,
    routes: Vec<RouteUse>,
    by_name: HashMap<NameKey, RouteId, RandomState>,
    servers: HashMap<Box<str>, ServerId, RandomState>,
    /// The first of them: they are few, and to compare is quicker than to look up.
    first_servers: Vec<(Box<str>, ServerId)>,
    /// The routes that only refused requests have made, of those that count against the bound.
    refused_only: Taken,
    /// All routes without the `other` of each server.
    bounded: Taken,
    /// Reasons of failures, summed over the routes.
    reasons: usize,
    /// Upstreams, summed over the routes.
    upstreams: usize,
    /// For paths whose route has to be worked out by patterns or escapes.
    cache: LruCache<Box<[u8]>, RouteId, RandomState>,
    cache_key: Vec<u8>,
    template: Vec<u8>,
    /// What the last event's route would have been, where there was no room for it.
    beyond: Vec<u8>,
    is_beyond: bool,
    /// Whether the last event's route was cut.
    is_cut: bool,
}

/// Servers that are looked for by comparing their names.
const FIRST_SERVERS_MAX: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
struct NameKey {
    server: ServerId,
    route: Box<[u8]>,
}

impl Hash for NameKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        NameRef { server: self.server, route: &self.route }.hash(state);
    }
}

/// The same, borrowed.
struct NameRef<'a> {
    server: ServerId,
    route: &'a [u8],
}

impl Hash for NameRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u32(self.server.0);
        // It is the last, so that its length need not be told.
        state.write(self.route);
    }
}

impl Equivalent<NameKey> for NameRef<'_> {
    #[inline]
    fn equivalent(&self, key: &NameKey) -> bool {
        self.server == key.server && are_same(self.route, &key.route)
    }
}

impl Routes {
    /// A table of at most `routes_max` routes and one `other` for each server.
    pub fn new(routes_max: usize) -> Routes {
        let most = std::num::NonZeroUsize::new(ROUTE_CACHE_ENTRIES_MAX);
        let most = most.unwrap_or(std::num::NonZeroUsize::MIN);
        Routes {
            routes_max,
            routes: Vec::new(),
            by_name: HashMap::default(),
            servers: HashMap::default(),
            first_servers: Vec::new(),
            refused_only: Taken::default(),
            bounded: Taken::default(),
            reasons: 0,
            upstreams: 0,
            cache: LruCache::with_hasher(most, RandomState::default()),
            cache_key: Vec::new(),
            template: Vec::new(),
            beyond: Vec::new(),
            is_beyond: false,
            is_cut: false,
        }
    }

    /// A table of these routes, in their order, and so many of their reasons that are bounded.
    pub(super) fn restore(routes_max: usize, reasons: usize, uses: Vec<RouteUse>) -> Routes {
        let mut routes = Routes { reasons, ..Routes::new(routes_max) };
        let mut servers: Vec<(Box<str>, ServerId)> =
            uses.iter().map(|used| (used.server.clone(), used.server_id)).collect();
        servers.sort_by_key(|(_, id)| *id);
        servers.dedup();
        routes.first_servers = servers.iter().take(FIRST_SERVERS_MAX).cloned().collect();
        routes.servers = servers.into_iter().collect();
        for (id, used) in (0u32..).map(RouteId).zip(&uses) {
            let route = used.route.as_bytes().into();
            routes.by_name.insert(NameKey { server: used.server_id, route }, id);
            let name = used.route.as_bytes();
            if &*used.route != OTHER {
                routes.bounded.add(name);
            }
            if used.refused_only {
                routes.refused_only.add(name);
            }
            routes.upstreams += used.upstreams.len();
        }
        routes.routes = uses;
        routes
    }

    /// How many routes there may be.
    pub fn max(&self) -> usize {
        self.routes_max
    }

    /// Reasons of failures, summed over the routes, as far as they are bounded.
    pub(super) fn reasons(&self) -> usize {
        self.reasons
    }

    /// The name of the last event's route as it was worked out, and whether it was cut, where that
    /// is not the name of the route that it was counted under, or it was cut.
    pub(super) fn as_worked_out(&self, route: RouteId) -> Option<(&[u8], bool)> {
        let name = if self.is_beyond { &self.beyond } else { self.name(route) };
        (self.is_beyond || self.is_cut).then_some((name, self.is_cut))
    }

    /// What happened on a route.
    pub fn of(&self, route: RouteId) -> Option<&RouteUse> {
        self.routes.get(route.index())
    }

    /// The name of a route.
    pub(super) fn name(&self, route: RouteId) -> &[u8] {
        self.routes.get(route.index()).map_or(&[], |used| used.route.as_bytes())
    }

    /// Every route, in the order in which they were first seen.
    pub fn iter(&self) -> impl Iterator<Item = (RouteId, &RouteUse)> {
        (0u32..).map(RouteId).zip(&self.routes)
    }

    /// The server of a route.
    pub fn server_of(&self, route: RouteId) -> ServerId {
        self.routes.get(route.index()).map_or(ServerId::default(), |route| route.server_id)
    }

    /// Forgets which raw path belongs to which route: the patterns have changed.
    pub fn forget_paths(&mut self) {
        self.cache.clear();
    }

    /// Sets another bound; what is counted stays.
    pub fn set_max(&mut self, routes_max: usize) {
        self.routes_max = routes_max;
    }

    /// Counts an event under its route.
    pub fn record(
        &mut self,
        event: &Event<'_>,
        router: &Router,
        limits: &mut LimitHits,
    ) -> RouteId {
        let id = self.find(event, router, limits);
        let reasons_max = self.reasons_max();
        if let Some(route) = self.routes.get_mut(id.index()) {
            route.verdicts.add(event.verdict);
            if event.scope == Scope::Denials {
                route.partial.add(event.verdict);
            }
            if let Some(reason) = event.reason {
                let reason = route.bounded(reason, &mut self.reasons, reasons_max, limits);
                route.reasons.add(reason, 1);
            }
            if event.first_of_connection == Some(true) {
                route.connections.add(event.verdict);
            }
            match event.verdict {
                Verdict::FailedOpen => {
                    route.failed_open.add(event.time);
                    route.suspected += u64::from(event.suspected);
                }
                Verdict::Missing => route.missing.add(event.time),
                _ => {}
            }
            if let Some(addr) = event.upstream_addr {
                let count = |counts: &mut VerdictCounts| counts.add(event.verdict);
                change_upstreams(route, addr, &mut self.upstreams, count, limits);
            }
            if route.refused_only && !event.verdict.is_denial() {
                route.refused_only = false;
                self.refused_only.take_off(route.route.as_bytes());
            }
        }
        id
    }

    fn reasons_max(&self) -> usize {
        self.routes_max.saturating_mul(REASONS_PER_ROUTE_MEAN_MAX)
    }

    fn find(&mut self, event: &Event<'_>, router: &Router, limits: &mut LimitHits) -> RouteId {
        let refused = event.verdict.is_denial();
        (self.is_beyond, self.is_cut) = (false, false);
        if let Target::Route { name, cut } = event.target {
            self.is_cut = cut;
            limits.hit_if(cut, Limit::RouteBytes);
            return self.find_name(event.server, name, refused, limits);
        }
        let (Target::Path(path) | Target::Named(path)) = event.target else {
            let name = if event.target == Target::Malformed { MALFORMED } else { NOT_LOGGED };
            return self.find_name(event.server, name.as_bytes(), refused, limits);
        };
        if let Target::Path(path) = event.target {
            let mut template = std::mem::take(&mut self.template);
            let route = router.plain_route(path, &mut template);
            let id = route.map(|route| self.find_name(event.server, route, refused, limits));
            self.template = template;
            if let Some(id) = id {
                return id;
            }
        }
        // What an escape stands for depends on the log's escaping, so such paths are worked out.
        let fits = path.len() <= ROUTE_CACHE_KEY_BYTES_MAX && memchr::memchr(b'\\', path).is_none();
        if fits {
            self.cache_key.clear();
            self.cache_key.extend_from_slice(event.server.as_bytes());
            self.cache_key.push(if matches!(event.target, Target::Named(_)) { 1 } else { 0 });
            self.cache_key.extend_from_slice(path);
            if let Some(id) = self.cache.get(self.cache_key.as_slice()) {
                return *id;
            }
        }
        let undone = event.escape.undo(path);
        let (route, cut) = match event.target {
            Target::Named(_) => route::named(&undone),
            Target::Path(_) | Target::Malformed | Target::NotLogged | Target::Route { .. } => {
                router.route(&undone)
            }
        };
        limits.hit_if(cut, Limit::RouteBytes);
        self.is_cut = cut;
        let id = self.find_name(event.server, route.as_bytes(), refused, limits);
        // A path under `other` may get a route of its own once it is let in.
        let is_other = self.routes.get(id.index()).is_some_and(|route| &*route.route == OTHER);
        if fits && !is_other {
            self.cache.put(self.cache_key.as_slice().into(), id);
        }
        id
    }

    fn find_name(
        &mut self,
        server: &str,
        route: &[u8],
        refused: bool,
        limits: &mut LimitHits,
    ) -> RouteId {
        let server_id = self.server(server);
        if let Some(id) = self.by_name.get(&NameRef { server: server_id, route }) {
            return *id;
        }
        self.find_new(server, server_id, route, refused, limits)
    }

    /// The server of this name, which may be new.
    #[inline]
    fn server(&mut self, name: &str) -> ServerId {
        let is_it =
            |(known, _): &&(Box<str>, ServerId)| are_same(known.as_bytes(), name.as_bytes());
        match self.first_servers.iter().find(is_it) {
            Some((_, id)) => *id,
            None => self.further_server(name),
        }
    }

    fn further_server(&mut self, name: &str) -> ServerId {
        if let Some(id) = self.servers.get(name) {
            return *id;
        }
        let id = ServerId(u32::try_from(self.servers.len()).unwrap_or(u32::MAX));
        self.servers.insert(name.into(), id);
        if self.first_servers.len() < FIRST_SERVERS_MAX {
            self.first_servers.push((name.into(), id));
        }
        id
    }

    #[cold]
    fn find_new(
        &mut self,
        server: &str,
        server_id: ServerId,
        route: &[u8],
        refused: bool,
        limits: &mut LimitHits,
    ) -> RouteId {
        let for_refused = (self.routes_max / ROUTES_REFUSED_SHARE).max(1);
        let limit = if route == OTHER.as_bytes() {
            None
        } else if !self.bounded.has_room(route, self.routes_max) {
            Some(Limit::Routes)
        } else if refused && !self.refused_only.has_room(route, for_refused) {
            Some(Limit::RoutesOfRefused)
        } else {
            None
        };
        match limit {
            None => self.add((server, server_id), route, refused),
            Some(limit) => {
                limits.hit(limit);
                self.is_beyond = true;
                self.beyond.clear();
                self.beyond.extend_from_slice(route);
                match self.by_name.get(&NameRef { server: server_id, route: OTHER.as_bytes() }) {
                    Some(id) => *id,
                    None => self.add((server, server_id), OTHER.as_bytes(), refused),
                }
            }
        }
    }

    /// Adds a route; its name is UTF-8, for it is safe to show.
    fn add(
        &mut self,
        (server, server_id): (&str, ServerId),
        route: &[u8],
        refused: bool,
    ) -> RouteId {
        let id = RouteId(u32::try_from(self.routes.len()).unwrap_or(u32::MAX));
        let key = NameKey { server: server_id, route: route.into() };
        let server = server.into();
        let refused_only = refused && route != OTHER.as_bytes();
        if route != OTHER.as_bytes() {
            self.bounded.add(route);
        }
        if refused_only {
            self.refused_only.add(route);
        }
        let route: Box<str> = String::from_utf8_lossy(route).into();
        let used = RouteUse { server, server_id, route, refused_only, ..RouteUse::default() };
        self.routes.push(used);
        self.by_name.insert(key, id);
        id
    }

    /// Adds all of `other`; returns for each of its routes and servers which one it is here.
    pub fn merge(&mut self, other: &Routes, limits: &mut LimitHits) -> RouteMap {
        let reasons_max = self.reasons_max();
        let merge_one = |theirs: &RouteUse| {
            let refused = theirs.is_refused_only();
            let id = self.find_name(&theirs.server, theirs.route.as_bytes(), refused, limits);
            if let Some(mine) = self.routes.get_mut(id.index()) {
                mine.verdicts.merge(&theirs.verdicts);
                mine.partial.merge(&theirs.partial);
                for (reason, count) in theirs.reasons.iter() {
                    let reason = mine.bounded(reason, &mut self.reasons, reasons_max, limits);
                    mine.reasons.add(reason, count);
                }
                mine.connections.merge(&theirs.connections);
                mine.failed_open.merge(&theirs.failed_open);
                mine.suspected += theirs.suspected;
                mine.missing.merge(&theirs.missing);
                for (name, counts) in theirs.upstreams.iter() {
                    let add = |mine: &mut VerdictCounts| mine.merge(counts);
                    change_upstream(mine, name, &mut self.upstreams, add, limits);
                }
                if mine.refused_only && !mine.is_refused_only() {
                    mine.refused_only = false;
                    self.refused_only.take_off(mine.route.as_bytes());
                }
            }
            id
        };
        let routes: Vec<RouteId> = other.routes.iter().map(merge_one).collect();
        let mut servers = vec![ServerId::default(); other.servers.len()];
        for (theirs, mine) in other.routes.iter().zip(&routes) {
            if let Some(server) = servers.get_mut(theirs.server_id.index()) {
                *server = self.server_of(*mine);
            }
        }
        RouteMap { routes, servers }
    }
}

/// Changes the counts of each upstream that was contacted for a request, once.
fn change_upstreams(
    route: &mut RouteUse,
    addr: &[u8],
    upstreams: &mut usize,
    change: impl Fn(&mut VerdictCounts),
    limits: &mut LimitHits,
) {
    if is_plain_upstream(addr) {
        return change_upstream(route, addr, upstreams, change, limits);
    }
    let contacted = contacted_upstreams(addr);
    for (index, one) in contacted.clone().enumerate() {
        if contacted.clone().take(index).all(|earlier| earlier != one) {
            change_upstream(route, one, upstreams, &change, limits);
        }
    }
}

/// Changes the counts of one upstream; `upstreams` is how many there are on all routes.
fn change_upstream(
    route: &mut RouteUse,
    name: &[u8],
    upstreams: &mut usize,
    change: impl FnOnce(&mut VerdictCounts),
    limits: &mut LimitHits,
) {
    let before = route.upstreams.len();
    let most = if *upstreams < UPSTREAMS_MAX { NAMES_PER_ROUTE_MAX } else { before };
    let full = route.upstreams.change(name, most.min(NAMES_PER_ROUTE_MAX), change);
    *upstreams += route.upstreams.len() - before;
    limits.hit_if(full, Limit::Upstreams);
}

#[cfg(test)]
mod tests;
