//! What a ledger means: who is locked out, who knocks, whose side it is on. What text, JSON and the
//! page show is taken from here.
//!
//! *Known* is a certificate that verified here in the last 30 days. A refused one that carries a
//! known client's name is only a *claim*, unless it comes from an address of that client and from
//! an issuer of ours. Each server is a gate of its own: to be let in by one says nothing of another.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use gatelog_parsers::time_stamp::UnixMillis;

use crate::event::advice::{self, Facts, Side};
use crate::event::reason::{Class, Reason};
use crate::event::verdict::Verdict;
use crate::ledger::certificates::RouteSet;
use crate::ledger::counts::Seen;
use crate::ledger::gates::Trouble;
use crate::ledger::{CertificateKey, CertificateUse, Ledger, RouteId, RouteUse, ServerId};
use crate::show::words;

/// How often a certificate must be refused that claims a known name from a known address, before its
/// client counts as locked out.
const CLAIM_REFUSALS_MIN: u64 = 3;

/// A ledger and what follows from it.
#[derive(Debug)]
pub struct Summary<'a> {
    /// The counts.
    pub ledger: &'a Ledger,
    /// Every certificate, in the order of reports: known ones hit, refusals, name.
    pub certificates: Vec<CertificateRow<'a>>,
    /// Known clients that were rejected and have not been let in since; the longest first.
    pub locked_out: Vec<Lockout>,
    /// Those that have been let in again; the latest first.
    pub over: Vec<Lockout>,
    /// How many clients (subjects) are known.
    pub known_clients: u64,
    /// The certificates of both.
    lockout_certificates: HashSet<CertificateKey>,
    /// For each route's place, see [`Summary::known_on`].
    known_on: BTreeMap<usize, (u64, u64)>,
}

/// A certificate and what is to be said of it.
#[derive(Clone, Debug)]
pub struct CertificateRow<'a> {
    /// What tells it apart.
    pub key: &'a CertificateKey,
    /// What it did.
    pub uses: &'a CertificateUse,
    /// The name of its client, safe to show; proven only if `known` or ever verified.
    pub name: String,
    /// Whether it verified here in the last 30 days.
    pub known: bool,
    /// Whether it is not known, but its subject is that of a known client.
    pub claims: bool,
    /// Why it was last refused, whose side that is on, and what to do.
    pub cause: Option<Cause>,
}

impl CertificateRow<'_> {
    /// The first eight digits of its fingerprint; `-` when that is not logged.
    pub fn short_fingerprint(&self) -> String {
        let sha1 = self.key.fingerprint_sha1();
        sha1.as_deref().and_then(|sha1| sha1.get(..8)).unwrap_or("-").to_owned()
    }
}

/// Why, whose side, what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The reason.
    pub reason: Reason,
    /// Where the cause lies.
    pub side: Side,
    /// What to do, without the side.
    pub advice: &'static str,
}

/// A known client (or all that the same fault of ours refuses) that was not let in for a while.
#[derive(Clone, Debug)]
pub struct Lockout {
    /// The client's name, safe to show; empty for several clients.
    pub name: String,
    /// How many clients, 1 unless a fault of ours refuses several.
    pub clients: u64,
    /// How many are known on that server, where it is several.
    pub of_clients: u64,
    /// First refusal.
    pub since: Option<UnixMillis>,
    /// Last refusal.
    pub last: Option<UnixMillis>,
    /// Refusals.
    pub refused: u64,
    /// Where.
    pub place: Place,
    /// Why.
    pub cause: Cause,
    /// One of the certificates, for a command that shows the evidence.
    pub fingerprint: String,
    /// Who it is: see [`client_key`].
    client_key: Vec<u8>,
    /// The certificates that were refused.
    certificates: Vec<CertificateKey>,
}

/// A server, the route with most of what is told there, and how many more.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The server's name; empty for none.
    pub server: String,
    /// The route; empty for the server as a whole.
    pub route: String,
    /// Further routes, of this server and others.
    pub more: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.server)?;
        if !self.route.is_empty() {
            write!(f, " {}", self.route)?;
        }
        if self.more > 0 { write!(f, " and {} more", self.more) } else { Ok(()) }
    }
}

/// A certificate that did not verify and was let in all the same.
#[derive(Clone, Debug)]
pub struct LetIn<'a> {
    /// The certificate.
    pub row: &'a CertificateRow<'a>,
    /// Where.
    pub place: Place,
    /// When.
    pub seen: Seen,
    /// How often.
    pub requests: u64,
    /// Whether the server's `ssl_verify_client` is unknown, so that it may have met a courtesy page.
    pub suspected: bool,
}

/// What is known of a client, by its subject.
#[derive(Debug, Default)]
struct Client<'a> {
    certificates: Vec<&'a CertificateUse>,
    /// Where they came from, as far as that is counted exactly. A client may have thousands of
    /// certificates, and as many may claim its name: going through all for each is too much.
    addresses: HashSet<u64>,
    /// When it was last let in, by server.
    last_let_in: BTreeMap<ServerId, UnixMillis>,
}

impl<'a> Summary<'a> {
    /// Works out what a ledger means.
    pub fn new(ledger: &'a Ledger) -> Summary<'a> {
        let clients = clients(ledger);
        let refusals = Refusals::new(ledger, &clients);
        let known_since = ledger.known_since();
        let certificates = ledger.certificates.iter();
        let mut certificates: Vec<_> = certificates
            .map(|(key, uses)| {
                let known = uses.is_known(known_since);
                let client = clients.get(client_key(key, uses));
                let name = words::client_name(&uses.subject_dn);
                let reason = uses.reasons.main().map(|(reason, _)| reason);
                let cause = reason.map(|reason| refusals.cause(uses, known, client, reason));
                CertificateRow { key, uses, name, known, claims: !known && client.is_some(), cause }
            })
            .collect();
        certificates.sort_by_cached_key(|row| {
            let refused = row.uses.verdicts.denials() + row.uses.verdicts.of(Verdict::FailedOpen);
            let hit = row.known && refused > 0;
            let order = (hit, refused, row.uses.verdicts.requests());
            (std::cmp::Reverse(order), row.name.clone(), row.key)
        });
        let (locked_out, over) = lockouts(ledger, &clients, &refusals, &certificates);
        let known_clients = len(clients.len());
        let known_on = known_on_routes(&certificates);
        let lockouts = locked_out.iter().chain(&over);
        let lockout_certificates = lockouts.flat_map(|l| l.certificates.iter().copied()).collect();
        Summary {
            ledger,
            certificates,
            locked_out,
            over,
            known_clients,
            lockout_certificates,
            known_on,
        }
    }

    /// How many known clients were seen on a route, and how many of them it refused.
    pub fn known_on(&self, route: RouteId) -> (u64, u64) {
        self.known_on.get(&route.index()).copied().unwrap_or_default()
    }

    /// How many of these clients there are, each counted once.
    pub fn clients_of<'l>(lockouts: impl IntoIterator<Item = &'l Lockout>) -> u64 {
        let mut keys = BTreeSet::new();
        let mut of_groups = 0;
        for lockout in lockouts {
            match lockout.clients {
                1 => drop(keys.insert(&lockout.client_key)),
                several => of_groups += several,
            }
        }
        len(keys.len()) + of_groups
    }

    /// Whether this certificate is counted among those of a client that is or was locked out.
    pub fn is_lockout(&self, row: &CertificateRow<'_>) -> bool {
        self.lockout_certificates.contains(row.key)
    }

    /// Whether the client that this certificate claims to be is not locked out.
    pub fn real_one_is_fine(&self, row: &CertificateRow<'_>) -> bool {
        let key = client_key(row.key, row.uses);
        row.claims && !self.locked_out.iter().any(|lockout| lockout.client_key == key)
    }

    /// Certificates that did not verify and were let in, by server; the most requests first.
    pub fn let_in(&'a self) -> Vec<LetIn<'a>> {
        let mut let_in = Vec::new();
        for row in &self.certificates {
            for gate in row.uses.gates.iter() {
                let Some(trouble) = gate.trouble.as_ref().filter(|t| t.failed_open > 0) else {
                    continue;
                };
                let routes = routes_of(self.ledger, gate.server, &row.uses.routes_let_in);
                let failed_open = |r: &RouteUse| r.verdicts.of(Verdict::FailedOpen);
                let routes: Vec<_> = routes.into_iter().filter(|r| failed_open(r) > 0).collect();
                let_in.push(LetIn {
                    row,
                    place: place(&routes, failed_open),
                    seen: trouble.failed_open_at,
                    requests: trouble.failed_open,
                    suspected: routes.iter().all(|route| route.suspected > 0),
                });
            }
        }
        let_in.sort_by(|a, b| {
            let by_requests = b.requests.cmp(&a.requests);
            by_requests
                .then_with(|| (a.row.key, &a.place.server).cmp(&(b.row.key, &b.place.server)))
        });
        let_in
    }
}

fn len(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// What makes certificates one client's: their subject; without one each is a client of its own.
fn client_key<'a>(key: &'a CertificateKey, uses: &'a CertificateUse) -> &'a [u8] {
    if uses.subject_dn.is_empty() { &key.bytes } else { &uses.subject_dn }
}

/// For each route how many known clients it saw, and how many of them it refused. A client that has
/// renewed its certificate counts once.
fn known_on_routes(certificates: &[CertificateRow<'_>]) -> BTreeMap<usize, (u64, u64)> {
    let mut by_client: BTreeMap<&[u8], (RouteSet, RouteSet)> = BTreeMap::new();
    for CertificateRow { key, uses, .. } in certificates.iter().filter(|row| row.known) {
        let (seen, refused) = by_client.entry(client_key(key, uses)).or_default();
        seen.merge(&uses.routes_let_in);
        seen.merge(&uses.routes_refused);
        refused.merge(&uses.routes_refused);
    }
    let mut known_on: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    for (all, refused_on) in by_client.values() {
        for route in all.iter() {
            let (seen, refused) = known_on.entry(route.index()).or_default();
            *seen += 1;
            *refused += u64::from(refused_on.has(route));
        }
    }
    known_on
}

/// The known clients.
fn clients(ledger: &Ledger) -> BTreeMap<&[u8], Client<'_>> {
    let known_since = ledger.known_since();
    let mut clients: BTreeMap<&[u8], Client<'_>> = BTreeMap::new();
    for (key, uses) in ledger.certificates.iter().filter(|(_, uses)| uses.is_known(known_since)) {
        let client = clients.entry(client_key(key, uses)).or_default();
        client.certificates.push(uses);
        client.addresses.extend(uses.addresses.sample());
        for gate in uses.gates.iter() {
            if let Some(last) = gate.let_in.last {
                let known = client.last_let_in.entry(gate.server).or_insert(last);
                *known = last.max(*known);
            }
        }
    }
    clients
}

/// Which clients each reason refuses, on which server.
struct Refusals<'a> {
    /// Known certificates by server and reason.
    known: BTreeMap<(&'a str, Reason), u64>,
    /// Known subjects, proven or claimed, by reason.
    subjects: BTreeMap<Reason, BTreeSet<&'a [u8]>>,
    issuers: Vec<&'a [u8]>,
    routes: Vec<&'a RouteUse>,
}

impl<'a> Refusals<'a> {
    fn new(ledger: &'a Ledger, clients: &BTreeMap<&'a [u8], Client<'a>>) -> Refusals<'a> {
        let routes: Vec<_> = ledger.routes.iter().map(|(_, route)| route).collect();
        let issuers = clients.values().flat_map(|client| &client.certificates);
        let mut issuers: Vec<&[u8]> = issuers.map(|uses| &*uses.issuer_dn).collect();
        issuers.sort_unstable();
        issuers.dedup();
        let mut refusals =
            Refusals { known: BTreeMap::new(), subjects: BTreeMap::new(), issuers, routes };
        let known_since = ledger.known_since();
        for (key, uses) in ledger.certificates.iter() {
            for (reason, _) in uses.reasons.iter() {
                if uses.is_known(known_since) {
                    for server in servers_refusing(&refusals.routes, uses) {
                        *refusals.known.entry((server, reason)).or_default() += 1;
                    }
                }
                if clients.contains_key(client_key(key, uses)) {
                    refusals.subjects.entry(reason).or_default().insert(&uses.subject_dn);
                }
            }
        }
        refusals
    }

    /// Why a certificate was refused for this reason.
    fn cause(
        &self,
        uses: &CertificateUse,
        known: bool,
        client: Option<&Client<'_>>,
        reason: Reason,
    ) -> Cause {
        let issuer_known = self.issuer_known(uses);
        let foreign = !known && issuer_known == Some(false);
        let on = servers_refusing(&self.routes, uses);
        let refused_on = |server: &&str| self.known.get(&(*server, reason)).copied();
        let known_refused = on.iter().filter_map(refused_on).max().unwrap_or(0);
        let facts = Facts {
            // What hits known clients too is no excuse for a certificate of somebody else's CA.
            known_clients_refused: if foreign { 0 } else { known_refused },
            known_subjects_refused: self.subjects.get(&reason).map_or(0, |s| len(s.len())),
            certificate_known: known,
            claims_known_subject: !known && client.is_some(),
            known_address: !foreign && client.is_some_and(|client| comes_from(uses, client)),
            issuer_known,
            own_end_ahead: uses
                .not_after_seconds
                .zip(uses.seen.last)
                .map(|(end, time)| end.saturating_mul(1000) > time),
        };
        let side = advice::side(reason, &facts);
        Cause { reason, side, advice: advice::advice(reason, side, &facts) }
    }

    /// Whether a certificate of this issuer verified here; `None` where the issuer is not logged.
    fn issuer_known(&self, uses: &CertificateUse) -> Option<bool> {
        let is_known = || self.issuers.binary_search(&&*uses.issuer_dn).is_ok();
        (!uses.issuer_dn.is_empty()).then(is_known)
    }
}

/// The servers on whose routes a certificate was refused, each once.
fn servers_refusing<'a>(routes: &[&'a RouteUse], uses: &CertificateUse) -> Vec<&'a str> {
    let refused = uses.routes_refused.iter().filter_map(|route| routes.get(route.index()));
    let mut servers: Vec<&str> = refused.map(|route| &*route.server).collect();
    servers.sort_unstable();
    servers.dedup();
    servers
}

fn comes_from(uses: &CertificateUse, client: &Client<'_>) -> bool {
    uses.addresses.sample().iter().any(|address| client.addresses.contains(address))
}

/// Those locked out now, and those that were.
fn lockouts(
    ledger: &Ledger,
    clients: &BTreeMap<&[u8], Client<'_>>,
    refusals: &Refusals<'_>,
    certificates: &[CertificateRow<'_>],
) -> (Vec<Lockout>, Vec<Lockout>) {
    let mut at_gates: BTreeMap<(&[u8], ServerId), Vec<AtGate<'_>>> = BTreeMap::new();
    for row in certificates {
        let key = client_key(row.key, row.uses);
        let Some(client) = clients.get(key) else { continue };
        // Without its issuer the claim and the address must do.
        let ours =
            || refusals.issuer_known(row.uses) != Some(false) && comes_from(row.uses, client);
        let often = || row.uses.verdicts.of(Verdict::Rejected) >= CLAIM_REFUSALS_MIN;
        if !(row.known || often() && ours()) {
            continue;
        }
        for gate in row.uses.gates.iter() {
            if let Some(trouble) = gate.trouble.as_deref().filter(|trouble| trouble.rejected > 0) {
                at_gates.entry((key, gate.server)).or_default().push(AtGate { row, trouble });
            }
        }
    }
    let (mut now, mut over) = (Vec::new(), Vec::new());
    for ((key, server), refused) in at_gates {
        let Some(client) = clients.get(key) else { continue };
        let last_let_in = client.last_let_in.get(&server).copied();
        let after: Vec<_> = refused
            .iter()
            .copied()
            .filter(|at| at.trouble.rejected_at.last > last_let_in || last_let_in.is_none())
            .collect();
        let is_now = !after.is_empty();
        let (at, after) = if is_now { (after, last_let_in) } else { (refused, None) };
        let lockout = lockout(ledger, refusals, client, server, &at, after);
        if is_now { now.extend(lockout) } else { over.extend(lockout) }
    }
    let mut now = by_client(by_fault(now, ledger, certificates));
    let mut over = by_client(by_fault(over, ledger, certificates));
    now.sort_by(|a, b| (a.since, &a.name, &a.place).cmp(&(b.since, &b.name, &b.place)));
    over.sort_by(|a, b| (b.last, &a.name, &a.place).cmp(&(a.last, &b.name, &b.place)));
    (now, over)
}

/// A certificate that one server rejected.
#[derive(Clone, Copy)]
struct AtGate<'a> {
    row: &'a CertificateRow<'a>,
    trouble: &'a Trouble,
}

/// What one server refused of one client after a time.
fn lockout(
    ledger: &Ledger,
    refusals: &Refusals<'_>,
    client: &Client<'_>,
    server: ServerId,
    refused: &[AtGate<'_>],
    after: Option<UnixMillis>,
) -> Option<Lockout> {
    let latest = refused.iter().max_by_key(|at| (at.trouble.rejected_at.last, at.row.key))?;
    let parts = refused.iter().map(|at| refusals_after(at.trouble, after));
    let (since, count) = parts.reduce(|(a, n), (b, m)| (a.into_iter().chain(b).min(), n + m))?;
    let AtGate { row, trouble } = latest;
    let (_, reason) = trouble.last_reason?;
    let routes = routes_of(ledger, server, &row.uses.routes_refused);
    Some(Lockout {
        name: row.name.clone(),
        clients: 1,
        of_clients: 1,
        since,
        last: trouble.rejected_at.last,
        refused: count,
        place: place(&routes, |route| route.verdicts.denials()),
        cause: refusals.cause(row.uses, row.known, Some(client), reason),
        fingerprint: row.short_fingerprint(),
        client_key: client_key(row.key, row.uses).to_vec(),
        certificates: refused.iter().map(|at| *at.row.key).collect(),
    })
}

/// The first rejection after a time, and how many there were. To the minute or coarser where the
/// certificate had been rejected and let in before.
fn refusals_after(trouble: &Trouble, after: Option<UnixMillis>) -> (Option<UnixMillis>, u64) {
    let all = (trouble.rejected_at.first, trouble.rejected);
    match after {
        Some(after) if trouble.rejected_at.first <= Some(after) => {
            let (first, refused) = trouble.rejections.after(after.div_euclid(1000));
            match first {
                Some(first) => (Some(first.saturating_mul(1000)), refused),
                // They fall into the bucket in which it was still let in.
                None => (Some(after), 1),
            }
        }
        _ => all,
    }
}

/// Those of these routes that belong to a server.
fn routes_of<'a>(ledger: &'a Ledger, server: ServerId, set: &RouteSet) -> Vec<&'a RouteUse> {
    let routes = ledger.routes.iter().filter(|(id, _)| set.has(*id));
    routes.map(|(_, route)| route).filter(|route| route.server_id == server).collect()
}

/// The route with most of what `count` counts, and how many more.
fn place(routes: &[&RouteUse], count: impl Fn(&RouteUse) -> u64) -> Place {
    let most = routes.iter().max_by_key(|route| (count(route), std::cmp::Reverse(&route.route)));
    most.map_or_else(Place::default, |route| Place {
        server: route.server.to_string(),
        route: route.route.to_string(),
        more: routes.len() - 1,
    })
}

/// Puts the clients that one fault of ours locks out of one server into one entry.
fn by_fault(
    lockouts: Vec<Lockout>,
    ledger: &Ledger,
    certificates: &[CertificateRow<'_>],
) -> Vec<Lockout> {
    let mut faults: BTreeMap<(String, Reason), Vec<Lockout>> = BTreeMap::new();
    let mut rest = Vec::new();
    for lockout in lockouts {
        let Cause { side, reason, .. } = lockout.cause;
        let ours = side == Side::Operator && reason.class() == Class::Crl || side == Side::Clock;
        if ours {
            faults.entry((lockout.place.server.clone(), reason)).or_default().push(lockout);
        } else {
            rest.push(lockout);
        }
    }
    for ((server, _), group) in faults {
        match group.as_slice() {
            [_] => rest.extend(group),
            _ => {
                let known = known_on_server(&server, ledger, certificates);
                rest.extend(together(&server, &group, known));
            }
        }
    }
    rest
}

fn together(server: &str, group: &[Lockout], of_clients: u64) -> Option<Lockout> {
    let first = group.first()?;
    Some(Lockout {
        name: String::new(),
        clients: len(group.len()),
        of_clients: of_clients.max(len(group.len())),
        since: group.iter().filter_map(|lockout| lockout.since).min(),
        last: group.iter().filter_map(|lockout| lockout.last).max(),
        refused: group.iter().map(|lockout| lockout.refused).sum(),
        place: Place { server: server.to_owned(), ..Place::default() },
        cause: first.cause,
        fingerprint: first.fingerprint.clone(),
        client_key: Vec::new(),
        certificates: group.iter().flat_map(|lockout| lockout.certificates.clone()).collect(),
    })
}

/// Puts what several servers refuse of one client, for one reason, into one entry: the one with most
/// refusals tells the place.
fn by_client(mut lockouts: Vec<Lockout>) -> Vec<Lockout> {
    lockouts.sort_by(|a, b| {
        let by_refused = b.refused.cmp(&a.refused);
        by_refused.then_with(|| (&a.name, &a.place).cmp(&(&b.name, &b.place)))
    });
    let mut merged: BTreeMap<(Vec<u8>, Reason, String), Lockout> = BTreeMap::new();
    for lockout in lockouts {
        // Several clients that a fault of ours locks out of one server stay as they are.
        let server = if lockout.clients > 1 { lockout.place.server.clone() } else { String::new() };
        let key = (lockout.client_key.clone(), lockout.cause.reason, server);
        match merged.entry(key) {
            Entry::Vacant(place) => drop(place.insert(lockout)),
            Entry::Occupied(known) => {
                let known = known.into_mut();
                known.since = known.since.into_iter().chain(lockout.since).min();
                known.last = known.last.max(lockout.last);
                known.refused += lockout.refused;
                known.place.more += 1 + lockout.place.more;
                known.certificates.extend(lockout.certificates);
            }
        }
    }
    merged.into_values().collect()
}

/// How many known clients were seen on a server.
fn known_on_server(server: &str, ledger: &Ledger, certificates: &[CertificateRow<'_>]) -> u64 {
    let on_server = |row: &&CertificateRow<'_>| {
        let mut routes = ledger.routes.iter().filter(|(_, route)| &*route.server == server);
        routes.any(|(id, _)| row.uses.routes_let_in.has(id) || row.uses.routes_refused.has(id))
    };
    let known = certificates.iter().filter(|row| row.known).filter(on_server);
    let mut subjects: Vec<&[u8]> = known.map(|row| &*row.uses.subject_dn).collect();
    subjects.sort_unstable();
    subjects.dedup();
    len(subjects.len())
}
