//! What a configuration that is right means: sources and the files they have just now, formats,
//! servers, addresses.

use super::Page;
use crate::commands::context::{Complaint, Context, Failure};
use crate::config::receiver::{Receiver, ReceiverKind, Sink};
use crate::config::{
    Config, DurationText, Format, Http, PathGroup, ServerFacts, Source, StartFrom,
};
use crate::event::Scope;
use crate::show::words::counted;
use crate::source::Wrap;
use crate::source::pattern::Pattern;

/// Shows it, and returns the files of the sources. Without a configuration there is nothing.
pub(super) fn show(context: &Context, page: &mut Page) -> Result<Vec<String>, Failure> {
    let config = &context.config;
    let Some(path) = &config.path else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    let mut faults = Vec::new();
    let mut lines = vec![format!("{}: right", path.display())];
    for (source, format) in context.sources() {
        let found = match found(source) {
            Ok(found) => found,
            Err(fault) => {
                faults.push(Complaint::new(&format!("source `{}`: {fault}", source.name)));
                continue;
            }
        };
        let format = match format {
            Ok(Some(format)) => format!("log_format {format}"),
            Ok(None) => "log_format as its lines tell".to_owned(),
            Err(fault) => {
                faults.push(Complaint::new(&format!("source `{}`: {fault}", source.name)));
                continue;
            }
        };
        lines.extend(source_lines(source, &format, &found));
        files.extend(found.into_iter().flat_map(|(_, files)| files));
    }
    if !faults.is_empty() {
        return Err(Failure::Inputs(faults));
    }
    if config.sources.is_empty() {
        lines.push("no source: name the LOGs on the command line".to_owned());
    }
    lines.push(routes_line(config));
    lines.extend(config.servers.iter().map(server_line));
    lines.extend(rules_lines(config));
    lines.extend(config.receivers.iter().map(receiver_line));
    lines.extend(listen_lines(config));
    for line in lines {
        page.say_escaped(&line)?;
    }
    Ok(files)
}

/// Each path of a source with the files it names just now; none for one that is not there yet.
fn found(
    source: &Source,
) -> Result<Vec<(&String, Vec<String>)>, crate::source::pattern::InvalidGlob> {
    let files = |path| {
        let mut pattern = Pattern::new(path)?;
        let is_glob = pattern.is_glob();
        let there = |path: &std::path::PathBuf| {
            path.symlink_metadata().is_ok() && !(is_glob && path.is_dir())
        };
        let files = pattern.paths(|_, _| {}).filter(there);
        Ok((path, files.map(|path| path.to_string_lossy().into_owned()).collect()))
    };
    source.paths.iter().map(files).collect()
}

fn source_lines(source: &Source, format: &str, found: &[(&String, Vec<String>)]) -> Vec<String> {
    let from = match source.from {
        StartFrom::Beginning => "beginning",
        StartFrom::End => "end",
    };
    let mut line = format!("source `{}`: {format}", source.name);
    if let Some(conf) = source.nginx_conf.as_ref().filter(|_| source.format == Format::Auto) {
        line.push_str(&format!(" and {}", conf.display()));
    }
    if source.scope == Scope::Denials {
        line.push_str(", denials only");
    }
    line.push_str(&format!(", client address ${}", source.client_address));
    if source.listen.is_none() {
        line.push_str(&format!(", from its {from}"));
    }
    if let Some(wrap) = source.wrap.filter(|wrap| *wrap != Wrap::None) {
        line.push_str(&format!(", in {} lines", wrap.name()));
    }
    let listen = source.listen.iter().map(|listen| format!("  {listen}: syslog from nginx"));
    let paths = found.iter().map(|(path, files)| match files.as_slice() {
        [] => format!("  {path}: not there yet"),
        [file] if file == *path => format!("  {path}: there"),
        files => format!("  {path}: {}", counted(number(files.len()), "file")),
    });
    std::iter::once(line).chain(listen).chain(paths).collect()
}

fn routes_line(config: &Config) -> String {
    let routes = &config.routes;
    let variable = routes.variable.as_ref().map(|name| format!("${name}, then "));
    format!(
        "routes: {}{}, then the path; {} public; at most {}",
        variable.unwrap_or_default(),
        counted(number(routes.patterns.len()), "pattern"),
        routes.public.len(),
        routes.limit
    )
}

fn server_line(server: &ServerFacts) -> String {
    use crate::event::server::SslVerifyClient as Demand;
    let demand = match server.ssl_verify_client {
        Some(Demand::On) => "on",
        Some(Demand::Optional) => "optional",
        Some(Demand::OptionalNoCa) => "optional_no_ca",
        Some(Demand::Off) => "off",
        None => "as nginx.conf says",
    };
    format!("server `{}`: ssl_verify_client {demand}", server.name)
}

fn rules_lines(config: &Config) -> Vec<String> {
    let builtin = config.rules.builtin();
    let on = builtin.iter().filter(|rule| rule.is_on).count();
    let own = config.rules.rules.len();
    let mut lines =
        vec![format!("rules: {on} of {} built-in ones are on, {own} of your own", builtin.len())];
    let identities = config.identities.as_slice();
    let retired = identities.iter().filter(|it| it.is_retired).count();
    let counts = [
        ("identities", identities.len(), format!(", {retired} of them retired")),
        ("announced moves between issuers", config.rotations.0.len(), String::new()),
        ("silences", config.silences.0.len(), String::new()),
    ];
    let counts = counts.into_iter().filter(|(_, count, _)| *count > 0);
    lines.extend(counts.map(|(what, count, more)| format!("{what}: {count}{more}")));
    lines
}

fn receiver_line(receiver: &Receiver) -> String {
    let name = &receiver.name;
    let kind = receiver.kind.name();
    let urls: Vec<String> = receiver.kind.urls().iter().map(ToString::to_string).collect();
    let labels: Vec<String> = receiver
        .filter
        .conditions()
        .map(|(label, patterns)| format!("{label} {}", patterns.join(" or ")))
        .collect();
    let only =
        if labels.is_empty() { String::new() } else { format!(", where {}", labels.join(", ")) };
    let to = match &receiver.kind {
        ReceiverKind::Alertmanager(it) => {
            format!("{}, again every {}", urls.join(" and "), DurationText(it.resend))
        }
        ReceiverKind::Webhook(it) => {
            let signed = if it.signing_secret_files.is_empty() { "" } else { "signed, " };
            let (url, shape) = (urls.join(""), it.shape.as_str());
            format!("{url}, as {shape}, {signed}again every {}", DurationText(it.repeat))
        }
        ReceiverKind::Jsonl(Sink::File(path)) => path.display().to_string(),
        ReceiverKind::Jsonl(Sink::Stdout) => "standard output".to_owned(),
        ReceiverKind::Jsonl(Sink::Syslog(path)) => format!("syslog at {}", path.display()),
    };
    format!("receiver `{name}`: {kind}, {to}{only}")
}

fn listen_lines(config: &Config) -> Vec<String> {
    let Http { listen, open, .. } = &config.http;
    let name = |group: &PathGroup| match group {
        PathGroup::Metrics => "metrics",
        PathGroup::Health => "health",
    };
    let open: Vec<_> = open.iter().map(name).collect();
    let open = if open.is_empty() {
        String::new()
    } else {
        format!(", {} open to everyone", open.join(" and "))
    };
    match config.metrics_listen {
        None => vec![format!("listen: {listen}{open}")],
        Some(metrics) => {
            vec![
                format!("listen: {listen}"),
                format!("listen for metrics and health: {metrics}{open}"),
            ]
        }
    }
}

fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
