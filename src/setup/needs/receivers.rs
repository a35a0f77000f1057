//! What receivers need: their secrets and certificates, the files by which names are found, the CAs of
//! the system, ports.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::{Need, When, of_file, parent};
use crate::config::Config;
use crate::config::receiver::{Authorization, HttpOptions, Receiver, ReceiverKind, Sink, Url};

/// Of the resolver: it stands for those beside it, too (`hosts`, `nsswitch.conf`, `gai.conf`).
const RESOLVER: &str = "/etc/resolv.conf";

/// Where systems keep the CAs that they trust, and what the names there lead to.
const CERTIFICATES: [&str; 5] = [
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
];

/// DNS asks over TCP when an answer is large.
const DNS_PORT: u16 = 53;

/// What is read for receivers; `proxy` is the one by which servers are reached over TLS.
pub fn of_receivers(config: &Config, proxy: Option<&Url>) -> BTreeSet<Need> {
    let mut needs = BTreeSet::new();
    for receiver in &config.receivers {
        let files = secret_files(receiver);
        needs.extend(files.into_iter().flat_map(|path| of_file(path, path, When::Reload)));
    }
    if has_names(config, proxy) {
        let resolver = Path::new(RESOLVER);
        needs.extend(of_file(resolver, resolver, When::Reload));
    }
    if config.receivers.iter().any(trusts_the_system) {
        let variables = ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(std::env::var_os);
        let [file, directory] = variables.map(|path| path.map(PathBuf::from));
        needs.extend(file.iter().flat_map(|file| of_file(file, file, When::Reload)));
        let directories = CERTIFICATES.iter().map(PathBuf::from).chain(directory);
        needs.extend(directories.map(|directory| Need {
            path: directory.clone(),
            directory,
            when: When::Reload,
        }));
    }
    needs
}

/// The ports that are connected to.
pub fn connected(config: &Config, proxy: Option<&Url>) -> BTreeSet<u16> {
    let mut ports: BTreeSet<u16> = urls(config).map(Url::port).collect();
    if urls(config).any(Url::is_tls) {
        ports.extend(proxy.map(Url::port));
    }
    if has_names(config, proxy) {
        ports.insert(DNS_PORT);
    }
    ports
}

/// The directories of files with denials.
pub(super) fn written(config: &Config) -> impl Iterator<Item = PathBuf> {
    config.receivers.iter().filter_map(|receiver| match &receiver.kind {
        ReceiverKind::Jsonl(Sink::File(path)) => Some(parent(path)),
        _ => None,
    })
}

fn urls(config: &Config) -> impl Iterator<Item = &Url> {
    config.receivers.iter().flat_map(|receiver| receiver.kind.urls())
}

/// Whether anything is reached by its name.
fn has_names(config: &Config, proxy: Option<&Url>) -> bool {
    let is_name = |url: &Url| url.host().parse::<IpAddr>().is_err();
    urls(config).any(|url| is_name(url) || (url.is_tls() && proxy.is_some_and(is_name)))
}

fn trusts_the_system(receiver: &Receiver) -> bool {
    let has_none = receiver.kind.http().is_some_and(|http| http.ca_file.is_none());
    has_none && receiver.kind.urls().iter().any(Url::is_tls)
}

fn secret_files(receiver: &Receiver) -> Vec<&PathBuf> {
    let mut files = Vec::new();
    if let ReceiverKind::Webhook(webhook) = &receiver.kind {
        files.extend(&webhook.signing_secret_files);
    }
    let Some(HttpOptions { authorization, ca_file, client_certificate, .. }) = receiver.kind.http()
    else {
        return files;
    };
    files.extend(ca_file);
    files.extend(client_certificate.iter().flat_map(|it| [&it.certificate_file, &it.key_file]));
    files.extend(authorization.as_ref().map(|authorization| match authorization {
        Authorization::Basic { password_file, .. } => password_file,
        Authorization::Bearer { token_file } => token_file,
    }));
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn config(text: &str) -> Config {
        parse("g.toml", text.as_bytes(), &|_| None).unwrap()
    }

    #[test]
    fn ports_files_and_directories() {
        let webhook = |url: &str, more: &str| {
            config(&format!(
                "[[receiver]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"{url}\"\n{more}\n"
            ))
        };
        let proxy = Url::parse("http://proxy:3128").unwrap();
        let check = |config: &Config, proxy: Option<&Url>, ports: &[u16], directories: &[&str]| {
            assert_eq!(connected(config, proxy), ports.iter().copied().collect());
            let needs = of_receivers(config, proxy);
            let found: BTreeSet<_> = needs.iter().map(|need| need.directory.as_path()).collect();
            for directory in ["/etc", "/etc/ssl", "/run/c", "/x", "/y"] {
                let is_there = found.contains(Path::new(directory));
                assert_eq!(is_there, directories.contains(&directory), "{directory}: {found:?}");
            }
        };
        check(&config(""), Some(&proxy), &[], &[]);
        check(&webhook("http://127.0.0.1:9", ""), Some(&proxy), &[9], &[]);
        check(&webhook("http://name:9", ""), None, &[9, 53], &["/etc"]);
        check(&webhook("https://127.0.0.1", ""), None, &[443], &["/etc/ssl"]);
        let both = &["/etc", "/etc/ssl"];
        check(&webhook("https://127.0.0.1", ""), Some(&proxy), &[53, 443, 3128], both);
        let files = "ca_file = \"/x/ca\"\nsigning_secret_file = \"/run/c/s\"\n\
                     client_cert = \"/y/c\"\nclient_key = \"/y/k\"";
        check(&webhook("https://[::1]", files), None, &[443], &["/x", "/y", "/run/c"]);
        check(&webhook("http://[::1]", "bearer_token_file = \"/x/t\""), None, &[80], &["/x"]);
        let lines = "[[receiver]]\nname = \"b\"\nkind = \"jsonl\"\npath = \"/var/log/g/d.jsonl\"";
        let lines = config(lines);
        assert_eq!(written(&lines).collect::<Vec<_>>(), [PathBuf::from("/var/log/g")]);
        check(&lines, None, &[], &[]);
    }
}
