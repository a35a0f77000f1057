//! `[http]` and `[metrics]`: what listens, and what may be read there.

use std::net::SocketAddr;

use super::Check;
use crate::config::checked::{Config, Http, PathGroup};
use crate::config::problem::Problem;
use crate::config::raw::{RawHttp, RawMetrics, Text};
use crate::limits::{HTTP_HOSTS_MAX, NAME_BYTES_MAX};

impl Check<'_> {
    pub(super) fn listeners(
        &mut self,
        http: &RawHttp,
        metrics: &RawMetrics,
    ) -> (Http, Option<SocketAddr>) {
        let mut checked = Http::default();
        if let Some(open) = &http.open {
            let choices =
                [("metrics", Some(PathGroup::Metrics)), ("health", Some(PathGroup::Health))];
            for text in open.get_ref() {
                if let Some(group) = self.choice(text, "open", " in `[http]`", &choices)
                    && !checked.open.contains(&group)
                {
                    checked.open.push(group);
                }
            }
        }
        for text in self.list(http.hosts.as_ref(), "hosts", " in `[http]`", HTTP_HOSTS_MAX) {
            if is_host(text.get_ref()) {
                checked.hosts.push(text.get_ref().to_ascii_lowercase());
            } else {
                let title = "`hosts` in `[http]` has something that is no host name";
                self.problem(text.span(), title, "expected a name without scheme, port and path");
            }
        }
        let listen = self.address(http.listen.as_ref(), " in `[http]`");
        checked.listen = listen.unwrap_or(checked.listen);
        let metrics_listen = self.address(metrics.listen.as_ref(), " in `[metrics]`");
        if let (Some(text), Some(address)) = (&metrics.listen, metrics_listen)
            && address == checked.listen
            && address.port() != 0
        {
            let title = format!("`listen` in `[metrics]` is the address of `[http]`, {address}");
            self.problem(text.span(), title, "expected another one, or none at all");
        }
        self.guard(http, metrics, &checked, [listen, metrics_listen]);
        (checked, metrics_listen)
    }

    /// Refuses what `run` would refuse to bind, while there is a line to point at.
    fn guard(
        &mut self,
        http: &RawHttp,
        metrics: &RawMetrics,
        checked: &Http,
        addresses: [Option<SocketAddr>; 2],
    ) {
        // A group that is misspelt was meant to be opened.
        let meant_to_open = http.open.as_ref().is_some_and(|open| !open.get_ref().is_empty())
            || self.lost.iter().any(|lost| lost.key == "open");
        if meant_to_open {
            return;
        }
        let config = Config { http: checked.clone(), ..Config::default() };
        for (text, address) in [&http.listen, &metrics.listen].into_iter().zip(addresses) {
            let (Some(text), Some(address)) = (text, address) else { continue };
            if config.is_unguarded(address) {
                let title =
                    format!("`{address}` can be reached from other machines and nothing guards it");
                let help =
                    "open = [\"metrics\", \"health\"] in `[http]` opens these paths to everyone";
                let problem = Problem::new(text.span(), title, "expected a loopback address");
                self.problems.push(problem.note("help", help));
            }
        }
    }

    fn address(&mut self, text: Option<&Text>, place: &str) -> Option<SocketAddr> {
        let text = text?;
        let address = text.get_ref().parse().map_err(
            |_| "expected an IP address and a port, such as `127.0.0.1:9496` or `[::1]:9496`",
        );
        self.or_problem(address, text.span(), || format!("`listen`{place} is no address"))
    }
}

/// A host name as it stands in `Host`: labels of letters, digits, `-` and `_`.
fn is_host(host: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&host.len())
        && host.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}
