//! What a ledger means: who is locked out, who knocks, whose side it is on. What text, JSON and the
//! page show is taken from here.
//!
//! *Known* is a certificate that verified here in the last 30 days. A refused one that carries a
//! known client's name is only a *claim*, unless it comes from an address of that client.

use std::collections::{BTreeMap, BTreeSet};

use gatelog_parsers::time_stamp::UnixMillis;

use crate::event::advice::{self, Facts, Side};
use crate::event::reason::{Class, Reason};
use crate::event::verdict::Verdict;
use crate::ledger::{CertificateKey, CertificateUse, Ledger, RouteId, RouteUse};
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
    /// The server and route, or how many routes.
    pub place: String,
    /// Why.
    pub cause: Cause,
    /// One of the certificates, for a command that shows the evidence.
    pub fingerprint: String,
    /// What makes certificates this client's: see [`client_key`].
    client_keys: Vec<Vec<u8>>,
}

/// What is known of a client, by its subject.
#[derive(Debug, Default)]
struct Client<'a> {
    certificates: Vec<&'a CertificateUse>,
    last_let_in: Option<UnixMillis>,
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
                let cause = refusals.cause(uses, known, client);
                CertificateRow { key, uses, name, known, claims: !known && client.is_some(), cause }
            })
            .collect();
        certificates.sort_by_cached_key(|row| {
            let refused = row.uses.verdicts.denials() + row.uses.verdicts.of(Verdict::FailedOpen);
            let hit = row.known && refused > 0;
            let order = (hit, refused, row.uses.verdicts.requests());
            (std::cmp::Reverse(order), row.name.clone(), row.key)
        });
        let (locked_out, over) = lockouts(ledger, &clients, &certificates);
        let known_clients = len(clients.len());
        let known_on = known_on_routes(&certificates);
        Summary { ledger, certificates, locked_out, over, known_clients, known_on }
    }

    /// How many known certificates were seen on a route, and how many of them it refused.
    pub fn known_on(&self, route: RouteId) -> (u64, u64) {
        self.known_on.get(&route.index()).copied().unwrap_or_default()
    }

    /// Whether the client of this certificate is locked out now, or was.
    pub fn is_lockout(&self, row: &CertificateRow<'_>) -> bool {
        let key = client_key(row.key, row.uses);
        let holds = |lockout: &Lockout| lockout.client_keys.iter().any(|known| known == key);
        self.locked_out.iter().chain(&self.over).any(holds)
    }

    /// Whether the client that this certificate claims to be has been let in and is not locked out.
    pub fn real_one_is_fine(&self, row: &CertificateRow<'_>) -> bool {
        let key = client_key(row.key, row.uses);
        let holds = |lockout: &Lockout| lockout.client_keys.iter().any(|known| known == key);
        row.claims && !self.locked_out.iter().any(holds)
    }
}

fn len(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// What makes certificates one client's: their subject; without one each is a client of its own.
fn client_key<'a>(key: &'a CertificateKey, uses: &'a CertificateUse) -> &'a [u8] {
    if uses.subject_dn.is_empty() { &key.bytes } else { &uses.subject_dn }
}

fn known_on_routes(certificates: &[CertificateRow<'_>]) -> BTreeMap<usize, (u64, u64)> {
    let mut known_on: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    for CertificateRow { uses, .. } in certificates.iter().filter(|row| row.known) {
        let mut seen = uses.routes_let_in.clone();
        seen.merge(&uses.routes_refused);
        for route in seen.iter() {
            let (seen, refused) = known_on.entry(route.index()).or_default();
            *seen += 1;
            *refused += u64::from(uses.routes_refused.has(route));
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
        client.last_let_in = client.last_let_in.max(uses.let_in.last);
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

    fn cause(
        &self,
        uses: &CertificateUse,
        known: bool,
        client: Option<&Client<'_>>,
    ) -> Option<Cause> {
        let (time, reason) = uses.last_reason?;
        let on = servers_refusing(&self.routes, uses);
        let refused_on = |server: &&str| self.known.get(&(*server, reason)).copied();
        let facts = Facts {
            known_clients_refused: on.iter().filter_map(refused_on).max().unwrap_or(0),
            known_subjects_refused: self.subjects.get(&reason).map_or(0, |s| len(s.len())),
            certificate_known: known,
            claims_known_subject: !known && client.is_some(),
            known_address: client.is_some_and(|client| comes_from(uses, client)),
            issuer_known: (!uses.issuer_dn.is_empty())
                .then(|| self.issuers.binary_search(&&*uses.issuer_dn).is_ok()),
            own_end_ahead: uses
                .not_after_seconds
                .zip(time)
                .map(|(end, time)| end.saturating_mul(1000) > time),
        };
        let side = advice::side(reason, &facts);
        Some(Cause { reason, side, advice: advice::advice(reason, side, &facts) })
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
    client.certificates.iter().any(|known| known.addresses.shares_with(&uses.addresses))
}

/// Those locked out now, and those that were.
fn lockouts(
    ledger: &Ledger,
    clients: &BTreeMap<&[u8], Client<'_>>,
    certificates: &[CertificateRow<'_>],
) -> (Vec<Lockout>, Vec<Lockout>) {
    let mut rejected: BTreeMap<&[u8], Vec<&CertificateRow<'_>>> = BTreeMap::new();
    for row in certificates.iter().filter(|row| row.uses.verdicts.of(Verdict::Rejected) > 0) {
        let client_key = client_key(row.key, row.uses);
        let Some(client) = clients.get(client_key) else { continue };
        let often = row.uses.verdicts.of(Verdict::Rejected) >= CLAIM_REFUSALS_MIN;
        if row.known || often && comes_from(row.uses, client) {
            rejected.entry(client_key).or_default().push(row);
        }
    }
    let (mut now, mut over) = (Vec::new(), Vec::new());
    for (subject, rows) in rejected {
        let last_let_in = clients.get(subject).and_then(|client| client.last_let_in);
        match lockout(ledger, &rows, last_let_in) {
            Some(lockout) => now.push(lockout),
            None => over.extend(lockout_of(ledger, &rows, None)),
        }
    }
    let mut now = by_fault(now, ledger, certificates);
    let mut over = by_fault(over, ledger, certificates);
    now.sort_by(|a, b| (a.since, &a.name).cmp(&(b.since, &b.name)));
    over.sort_by(|a, b| (b.last, &a.name).cmp(&(a.last, &b.name)));
    (now, over)
}

/// What came after the client was last let in; `None` when nothing did.
fn lockout(
    ledger: &Ledger,
    rows: &[&CertificateRow<'_>],
    last_let_in: Option<UnixMillis>,
) -> Option<Lockout> {
    let after: Vec<_> =
        rows.iter().copied().filter(|row| row.uses.rejected.last > last_let_in).collect();
    lockout_of(ledger, &after, last_let_in)
}

fn lockout_of(
    ledger: &Ledger,
    rows: &[&CertificateRow<'_>],
    after: Option<UnixMillis>,
) -> Option<Lockout> {
    let latest = rows.iter().max_by_key(|row| (row.uses.rejected.last, row.key))?;
    let parts = rows.iter().map(|row| refusals_after(row.uses, after));
    let (since, refused) = parts.reduce(|(a, n), (b, m)| (a.into_iter().chain(b).min(), n + m))?;
    Some(Lockout {
        name: latest.name.clone(),
        clients: 1,
        of_clients: 1,
        since,
        last: latest.uses.rejected.last,
        refused,
        place: place(ledger, latest.uses),
        cause: latest.cause?,
        fingerprint: latest.short_fingerprint(),
        client_keys: vec![client_key(latest.key, latest.uses).to_vec()],
    })
}

/// The first rejection after a time, and how many there were. To the minute or coarser where the
/// certificate had been rejected and let in before.
fn refusals_after(uses: &CertificateUse, after: Option<UnixMillis>) -> (Option<UnixMillis>, u64) {
    let all = (uses.rejected.first, uses.verdicts.of(Verdict::Rejected));
    match after {
        Some(after) if uses.rejected.first <= Some(after) => {
            let (first, refused) = uses.rejections.after(after.div_euclid(1000));
            match first {
                Some(first) => (Some(first.saturating_mul(1000)), refused),
                // They fall into the bucket in which it was still let in.
                None => (Some(after), 1),
            }
        }
        _ => all,
    }
}

/// Where a certificate was refused: its server and the route with most refusals of those.
fn place(ledger: &Ledger, uses: &CertificateUse) -> String {
    let routes: Vec<_> = ledger
        .routes
        .iter()
        .filter(|(id, _)| uses.routes_refused.has(*id))
        .map(|(_, route)| route)
        .collect();
    let most = routes.iter().max_by_key(|route| {
        (route.verdicts.denials(), std::cmp::Reverse((&route.server, &route.route)))
    });
    match (most, routes.len()) {
        (None, _) => String::new(),
        (Some(route), 1) => format!("{} {}", route.server, route.route),
        (Some(route), n) => format!("{} {} and {} more", route.server, route.route, n - 1),
    }
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
        let ours = lockout.cause.side == Side::Operator
            && lockout.cause.reason.class() == Class::Crl
            || lockout.cause.side == Side::Clock;
        let server = lockout.place.split(' ').next().unwrap_or_default().to_owned();
        if ours {
            faults.entry((server, lockout.cause.reason)).or_default().push(lockout);
        } else {
            rest.push(lockout);
        }
    }
    for ((server, _), group) in faults {
        match group.as_slice() {
            [_] => rest.extend(group),
            _ => rest.extend(together(
                &server,
                &group,
                known_on_server(&server, ledger, certificates),
            )),
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
        place: server.to_owned(),
        cause: first.cause,
        fingerprint: first.fingerprint.clone(),
        client_keys: group.iter().flat_map(|lockout| lockout.client_keys.clone()).collect(),
    })
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
