//! All that happens while a log is written, before nginx has decided on any of it.

use std::ops::Range;
use std::rc::Rc;

use generate_log::random::Random;

use crate::certificate::{Authority, Certificate, CertificateId};
use crate::expected::{About, Expected};
use crate::gate::{Fault, FaultKind};
use crate::request::{Chain, Fate, Manner, Request};
use crate::server::{LogFile, Server};
use crate::time::{DAY, MINUTE};

/// What happens to nginx or its log rather than to a request.
#[derive(Clone, Debug)]
pub enum Mark {
    /// A new configuration: connections end.
    Reload,
    /// nginx is stopped and started: connection numbers begin again.
    Restart,
    /// What was logged in this time comes once more.
    Replay(Range<u64>),
    /// Something writes bytes into the log that nginx did not.
    Scrap(LogFile, &'static [u8]),
}

/// The world.
#[derive(Debug)]
pub struct World {
    /// The seed's numbers.
    pub random: Random,
    /// When the log ends, in milliseconds.
    pub end: u64,
    /// In any order.
    pub requests: Vec<Request>,
    /// By their ids.
    pub certificates: Vec<Certificate>,
    /// What is wrong with nginx, and when.
    pub faults: Vec<Fault>,
    /// What else happens, in any order.
    pub marks: Vec<(u64, Mark)>,
    /// When a log is not written.
    pub silences: Vec<(LogFile, Range<u64>)>,
    /// Subjects that the operator has declared retired.
    pub retired: Vec<String>,
    /// What somebody should be told.
    pub expected: Vec<Expected>,
    /// How many clients there have been.
    pub clients: u64,
}

impl World {
    /// An empty one.
    pub fn new(seed: u64, end: u64) -> World {
        World {
            random: Random::new(seed),
            end,
            requests: Vec::new(),
            certificates: Vec::new(),
            faults: Vec::new(),
            marks: Vec::new(),
            silences: Vec::new(),
            retired: Vec::new(),
            expected: Vec::new(),
            clients: 0,
        }
    }

    /// A certificate.
    #[expect(clippy::indexing_slicing, reason = "ids are given out by `issue` alone")]
    pub fn certificate(&self, id: CertificateId) -> &Certificate {
        &self.certificates[id.0]
    }

    /// The same, to change it.
    #[expect(clippy::indexing_slicing, reason = "ids are given out by `issue` alone")]
    pub fn certificate_mut(&mut self, id: CertificateId) -> &mut Certificate {
        &mut self.certificates[id.0]
    }

    /// A fault of nginx that begins and ends with a reload.
    pub fn fault(&mut self, kind: FaultKind, server: Server, during: Range<u64>) {
        self.marks.push((during.start, Mark::Reload));
        self.marks.push((during.end, Mark::Reload));
        self.faults.push(Fault { kind, server, during });
    }

    /// A message of a rule that must come in this time.
    pub fn expect(
        &mut self,
        incident: &'static str,
        rule: &'static str,
        severity: &'static str,
        within: Range<u64>,
        about: About,
    ) {
        let Range { start, end } = within;
        self.expected.push(Expected { incident, start, end, rule, severity, messages: 1, about });
    }

    /// What is known of a certificate that alerts may name.
    pub fn about(&self, id: CertificateId) -> About {
        let logged = &self.certificate(id).logged;
        About {
            subject_dn: logged.subject_dn.clone(),
            issuer_dn: logged.issuer_dn.clone(),
            fingerprint: logged.fingerprint_sha1.clone(),
            ..About::default()
        }
    }

    /// The number of another client.
    pub fn next_number(&mut self) -> u64 {
        self.clients += 1;
        self.clients
    }

    /// An address outside, unlike any other.
    pub fn outside(&mut self) -> Rc<str> {
        let number = self.next_number();
        format!("198.{}.{}.{}", 51 + number / 250, number % 250, 1 + self.random.below(250)).into()
    }

    /// A call by somebody who is nobody's client.
    pub fn stranger(
        &mut self,
        at: u64,
        server: Server,
        remote_addr: &Rc<str>,
        certificate: Option<CertificateId>,
        target: (&'static str, &str),
    ) {
        self.requests.push(Request {
            at,
            server,
            remote_addr: remote_addr.clone(),
            manner: Manner::program("curl/8.11.0"),
            method: target.0,
            path: target.1.to_owned(),
            certificate,
            chain: Chain::Whole,
            pool: None,
            fate: Fate::Answered(200),
        });
    }

    /// A certificate of a stranger, valid for a year by its own word.
    pub fn strange_certificate(
        &mut self,
        subject_dn: &str,
        authority: Authority,
        at: u64,
    ) -> CertificateId {
        let from = at - (1 + self.random.below(100)) * DAY - self.random.below(1000) * MINUTE;
        self.issue(subject_dn, authority, from..from + 365 * DAY)
    }
}
