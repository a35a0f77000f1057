//! What nginx.conf and the configuration tell about the servers that write a log.

use std::path::Path;

use crate::config::{Config, ServerFacts as Declared};
use crate::event::Scope;
use crate::event::judge::JudgeSettings;
use crate::event::route::{Patterns, Router};
use crate::event::server::{Gate, Refusal, ServerFacts, Servers};
use crate::nginx::{NginxConf, Server as NginxServer};

/// nginx's own codes for a bad and for a missing certificate.
const BAD_CERTIFICATE: u16 = 495;
const MISSING_CERTIFICATE: u16 = 496;

/// The servers that may write `logs`: those of nginx.conf that name one of them, or all when none
/// does (a log that was copied here).
///
/// # Errors
/// When the public patterns of a server together are too large.
pub fn servers<'a>(
    source_name: &str,
    logs: impl IntoIterator<Item = &'a Path>,
    conf: Option<&NginxConf>,
    config: &Config,
) -> Result<Servers, regex::Error> {
    let read = conf.map(|conf| tied(conf, logs)).unwrap_or_default();
    Ok(Servers::new(source_name.to_owned(), declared(config)?, read))
}

/// What the configuration says of servers.
///
/// # Errors
/// When the public patterns of a server together are too large.
pub fn declared(config: &Config) -> Result<Vec<ServerFacts>, regex::Error> {
    config.servers.iter().map(declared_facts).collect()
}

/// The router of the configuration's patterns.
///
/// # Errors
/// When the patterns together are too large.
pub fn router(config: &Config) -> Result<Router, regex::Error> {
    Ok(Router::new(Patterns::new(&config.routes.patterns)?))
}

/// The settings of a source's judge.
///
/// # Errors
/// When the public patterns together are too large.
pub fn judge_settings(
    config: &Config,
    client_address: &str,
) -> Result<JudgeSettings, regex::Error> {
    Ok(JudgeSettings {
        source: String::new(),
        scope: Scope::All,
        client_address: client_address.to_owned(),
        route_variable: config.routes.variable.clone(),
        public: Patterns::new(&config.routes.public)?,
    })
}

/// What nginx.conf says of the servers that write one of `logs`, or of all when none does.
pub fn tied<'a>(conf: &NginxConf, logs: impl IntoIterator<Item = &'a Path>) -> Vec<ServerFacts> {
    let mut tied: Vec<&NginxServer> = Vec::new();
    for server in logs.into_iter().flat_map(|log| conf.servers_for_log(log)) {
        if !tied.iter().any(|known| std::ptr::eq(*known, server)) {
            tied.push(server);
        }
    }
    let servers = if tied.is_empty() { conf.servers.iter().collect() } else { tied };
    // Without TLS there is nothing to verify: such a server cannot be the one of a verified line.
    servers.into_iter().filter(|server| server.tls).map(read_facts).collect()
}

fn read_facts(server: &NginxServer) -> ServerFacts {
    let name = server.names.first().cloned().unwrap_or_default();
    let gate = Gate {
        verify_client: Some(server.verify_client),
        refusals: server.gates.iter().map(refusal).collect(),
        courtesy: courtesy(server),
        ..Gate::default()
    };
    ServerFacts { name, ports: server.ports.clone(), gate }
}

fn refusal(gate: &crate::nginx::Gate) -> Refusal {
    let crate::nginx::Gate { on_missing, on_failed, status, location } = gate.clone();
    Refusal { status, on_missing, on_failed, location }
}

fn courtesy(server: &NginxServer) -> Vec<Refusal> {
    let shown = |code, on_missing, on_failed| {
        let statuses = server.error_pages.iter().filter_map(move |page| page.logged_status(code));
        statuses.map(move |status| Refusal { status, on_missing, on_failed, location: None })
    };
    shown(BAD_CERTIFICATE, false, true).chain(shown(MISSING_CERTIFICATE, true, false)).collect()
}

fn declared_facts(declared: &Declared) -> Result<ServerFacts, regex::Error> {
    let refusal = |status: &u16| Refusal {
        status: *status,
        on_missing: true,
        on_failed: true,
        location: None,
    };
    let gate = Gate {
        verify_client: declared.ssl_verify_client,
        refusals: declared.refused_statuses.iter().map(refusal).collect(),
        courtesy: Vec::new(),
        refused_upstreams: declared.refused_upstreams.clone(),
        public: Patterns::new(&declared.public)?,
    };
    Ok(ServerFacts { name: declared.name.clone(), ports: Vec::new(), gate })
}
