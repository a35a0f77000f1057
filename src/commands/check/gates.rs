//! What is known of the gate of each server that wrote to the log, and what follows from it.

use std::collections::BTreeMap;

use gatelog_parsers::variable::Field;

use super::Page;
use super::tally::Tally;
use crate::commands::context::{Context, Failure};
use crate::commands::logs::Log;
use crate::event::server::{Server, SslVerifyClient};
use crate::setup::format::ChosenFormat;

/// Servers that get a line of their own; the rest is counted.
const SERVERS_SHOWN_MAX: usize = 20;

pub(super) fn show(
    context: &Context,
    log: &Log,
    format: &ChosenFormat,
    servers: &[Server],
    tally: &Tally,
    page: &mut Page,
) -> Result<(), Failure> {
    let mut demands: BTreeMap<&str, Vec<Option<SslVerifyClient>>> = BTreeMap::new();
    for server in servers.iter().filter(|server| tally.has_tls(&server.name)) {
        let known = demands.entry(&server.name).or_default();
        if !known.contains(&server.gate.verify_client) {
            known.push(server.gate.verify_client);
        }
    }
    let all_unknown = demands.values().all(|demands| demands.contains(&None));
    if demands.len() > 1 && all_unknown {
        let unknown = unknown(context, log, format);
        let count = demands.len();
        return page.say_escaped(&format!("{count} servers: ssl_verify_client {unknown}"));
    }
    for (name, demands) in demands.iter().take(SERVERS_SHOWN_MAX) {
        let text = match demands.as_slice() {
            [Some(demand)] => known(*demand).to_owned(),
            _ if demands.contains(&None) => unknown(context, log, format),
            _ => "differs by port".to_owned(),
        };
        page.say_escaped(&format!("server {name}: ssl_verify_client {text}"))?;
    }
    match demands.len().saturating_sub(SERVERS_SHOWN_MAX) {
        0 => Ok(()),
        more => page.say(&format!("{more} more servers")),
    }
}

fn known(demand: SslVerifyClient) -> &'static str {
    match demand {
        SslVerifyClient::On => "on",
        SslVerifyClient::Optional => "optional, clients without a certificate may pass",
        SslVerifyClient::OptionalNoCa => "optional_no_ca, untrusted certificates may pass",
        SslVerifyClient::Off => "off, no certificate is asked for",
    }
}

fn unknown(context: &Context, log: &Log, format: &ChosenFormat) -> String {
    let advice = match context.conf_for(log.path.as_deref()) {
        None => "give --nginx-conf".to_owned(),
        Some(conf) => {
            let lacks = |field: &Field| !format.parser.has(*field);
            let mut lacks = [Field::ServerName, Field::ServerPort].into_iter().filter(lacks);
            let conf = conf.path.display();
            match lacks.next() {
                Some(field) => {
                    format!("log ${} to tell the servers of {conf} apart", field.variable())
                }
                None => format!("{conf} does not tell it, a [[server]] in the configuration can"),
            }
        }
    };
    format!("unknown, failed_open reads \"suspected\"; {advice}")
}
