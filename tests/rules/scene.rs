//! A log that is written line by line, and the alerts that come of it.

use std::sync::Arc;

use gatelog::event::Judge;
use gatelog::event::judge::JudgeSettings;
use gatelog::event::route::{Patterns, Router};
use gatelog::event::server::{Gate, ServerFacts, Servers, SslVerifyClient};
use gatelog::ledger::Ledger;
use gatelog::ledger::distinct::Seed;
use gatelog::reader::{Reader, TimeRange};
use gatelog::rules::watch::Watch;
use gatelog::rules::{Alert, RuleSet, State};
use gatelog::source::Line;
use gatelog_parsers::line::LineParser;

/// 2026-11-22T00:00:00Z, a Sunday.
pub(crate) const MIDNIGHT: i64 = 1_795_305_600_000;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) verify: &'a str,
    pub(crate) status: u16,
    pub(crate) subject: &'a str,
    pub(crate) issuer: &'a str,
    /// Written out to forty digits.
    pub(crate) fingerprint: u32,
    pub(crate) from: &'a str,
    pub(crate) server: &'a str,
    pub(crate) path: &'a str,
    /// In hours since midnight, as `$ssl_client_v_start` and `_end` tell it.
    pub(crate) valid: (i64, i64),
    pub(crate) upstream: &'a str,
    pub(crate) of_connection: u32,
    pub(crate) tls: &'a str,
}

/// A client that is let in.
pub(crate) const GOOD: Request<'static> = Request {
    verify: "SUCCESS",
    status: 200,
    subject: "CN=checkout,O=payments",
    issuer: "CN=Issuing CA 1,O=lab",
    fingerprint: 1,
    from: "10.0.0.7",
    server: "api.example.com",
    path: "/payments/1",
    valid: (-24 * 100, 24 * 200),
    upstream: "10.1.1.1:80",
    of_connection: 1,
    tls: "TLSv1.3",
};

impl<'a> Request<'a> {
    /// The same, refused for this reason.
    pub(crate) fn refused(self, reason: &'a str) -> Request<'a> {
        Request { verify: reason, status: 400, upstream: "", ..self }
    }

    fn line(&self, time: i64) -> String {
        let date = |hours: i64| {
            let seconds = (MIDNIGHT + hours * HOUR) / 1000;
            let text = gatelog::show::time::rfc3339(seconds);
            // `Nov 22 11:51:16 2027 GMT`
            let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
            let month: usize = text.get(5..7).unwrap().parse().unwrap();
            let month = months.get(month * 3 - 3..month * 3).unwrap();
            let (year, day, clock) =
                (text.get(..4).unwrap(), text.get(8..10).unwrap(), text.get(11..19).unwrap());
            format!("{month} {day} {clock} {year} GMT")
        };
        let verify = match self.verify {
            "SUCCESS" | "NONE" | "" => self.verify.to_owned(),
            reason => format!("FAILED:{reason}"),
        };
        let has = !matches!(self.verify, "NONE" | "");
        let of = |text: &str| if has { text.to_owned() } else { String::new() };
        let (start, end) = self.valid;
        let line = serde_json::json!({
            "msec": 0, "remote_addr": self.from, "request": format!("GET {} HTTP/1.1", self.path),
            "status": self.status, "client_verify": verify, "client_dn": of(self.subject),
            "client_fp": of(&format!("{:040x}", self.fingerprint)), "issuer_dn": of(self.issuer),
            "v_start": of(&date(start)), "v_end": of(&date(end)), "ssl_protocol": self.tls,
            "ssl_cipher": "TLS_AES_256_GCM_SHA384", "upstream_addr": self.upstream,
            "server_name": self.server, "server_port": "443",
            "connection_requests": self.of_connection,
        });
        let msec = format!("\"msec\":{}.{:03}", time / 1000, time % 1000);
        line.to_string().replace("\"msec\":0", &msec)
    }
}

/// The rules over a log.
pub(crate) struct Scene {
    pub(crate) watch: Watch,
    reader: Reader,
    router: Router,
    /// The time of the last line.
    pub(crate) now: i64,
    pub(crate) changes: Vec<Alert>,
}

impl Scene {
    pub(crate) fn new() -> Scene {
        Scene::with(RuleSet::builtin(HOUR, 5000))
    }

    pub(crate) fn with(set: RuleSet) -> Scene {
        let parser = LineParser::json_by_key();
        let gate = Gate { verify_client: Some(SslVerifyClient::On), ..Gate::default() };
        let server = |name: &str| ServerFacts {
            name: name.to_owned(),
            gate: gate.clone(),
            ..ServerFacts::default()
        };
        let servers = ["api.example.com", "admin.example.com"].map(server).to_vec();
        let servers = Servers::new("edge".to_owned(), Vec::new(), servers);
        let settings = JudgeSettings { source: "edge".to_owned(), ..JudgeSettings::default() };
        let judge = Judge::new(&parser, servers, settings);
        Scene {
            watch: Watch::new(Ledger::new(Seed::new(7), 500), Arc::new(set)),
            reader: Reader::new(parser, judge, TimeRange::default()),
            router: Router::new(Patterns::default()),
            now: MIDNIGHT,
            changes: Vec::new(),
        }
    }

    /// A request at a time after midnight.
    pub(crate) fn at(&mut self, time: i64, request: &Request<'_>) {
        self.raw(&request.line(MIDNIGHT + time));
        self.now = self.now.max(MIDNIGHT + time);
    }

    /// A line as it is.
    pub(crate) fn raw(&mut self, line: &str) {
        let line = Line { bytes: line.as_bytes(), line_number: 1, ..Line::default() };
        self.reader.count(&line, &mut self.watch, &self.router);
        self.changes.extend(self.watch.take_changes());
    }

    /// Nothing came until a time after midnight.
    pub(crate) fn quiet_until(&mut self, time: i64) {
        self.watch.tick(MIDNIGHT + time);
        self.changes.extend(self.watch.take_changes());
    }

    /// One request every so often, from a time up to another.
    pub(crate) fn every(&mut self, step: i64, from: i64, until: i64, request: &Request<'_>) {
        let mut time = from;
        while time < until {
            self.at(time, request);
            time += step;
        }
    }

    /// Alerts that fired since this was last asked: the rule and its group's values.
    #[track_caller]
    pub(crate) fn expect_firing(&mut self, expected: &[&str]) {
        let fired = std::mem::take(&mut self.changes);
        let fired: Vec<String> =
            fired.iter().filter(|it| it.state == State::Firing).map(shown).collect();
        assert_eq!(fired, expected);
    }

    /// All changes since, with the time after midnight in seconds.
    #[track_caller]
    pub(crate) fn expect_changes(&mut self, expected: &[&str]) {
        let changed = std::mem::take(&mut self.changes);
        let changed: Vec<String> = changed
            .iter()
            .map(|it| {
                let seconds = (it.time - MIDNIGHT) / 1000;
                format!("{seconds} {} {}", it.state.as_str(), shown(it))
            })
            .collect();
        assert_eq!(changed, expected);
    }
}

pub(crate) fn shown(alert: &Alert) -> String {
    let values: Vec<&str> = alert.group.iter().map(|(_, value)| value.as_str()).collect();
    format!("{} {}", alert.rule, values.join(" ")).trim_end().to_owned()
}
