//! `listen` (`ngx_http_core_listen`, `ngx_parse_inet_url`): its ports, and whether they speak TLS.

use std::net::Ipv6Addr;

/// The port where `listen` names none. nginx takes 8000 when it is not started as root.
const PORT_DEFAULT: u16 = 80;

/// What a `listen` directive says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listen {
    /// The address without its port, one spelling for each: `*` for all of IPv4, `unix:/path`.
    pub(super) host: String,
    /// First and last port; `None` for a unix socket.
    pub(super) ports: Option<(u16, u16)>,
    /// `ssl`: all servers of the same address and port then speak TLS.
    pub(super) ssl: bool,
    /// `quic`: TLS for this server alone.
    pub(super) quic: bool,
}

impl Default for Listen {
    /// What nginx does in a server without `listen`.
    fn default() -> Self {
        Listen {
            host: "*".to_owned(),
            ports: Some((PORT_DEFAULT, PORT_DEFAULT)),
            ssl: false,
            quic: false,
        }
    }
}

impl Listen {
    /// The directive's arguments; `None` where nginx would refuse the port.
    pub(super) fn parse<'a>(mut arguments: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let address = String::from_utf8_lossy(arguments.next()?).into_owned();
        let (mut ssl, mut quic) = (false, false);
        for parameter in arguments {
            ssl |= parameter == b"ssl";
            quic |= parameter == b"quic";
        }
        if address.starts_with("unix:") {
            return Some(Listen { host: address, ports: None, ssl, quic });
        }
        let (host, ports) = split(&address);
        let ports = ports.map_or(Some((PORT_DEFAULT, PORT_DEFAULT)), port_range)?;
        Some(Listen { host: spelled(host), ports: Some(ports), ssl, quic })
    }
}

impl Listen {
    /// Host and port of each socket that it opens; 0 stands for the port of a unix socket.
    pub(super) fn sockets(&self) -> impl Iterator<Item = (&str, u16)> {
        let (first, last) = self.ports.unwrap_or_default();
        (first..=last).map(|port| (self.host.as_str(), port))
    }
}

/// Host and ports of an address; a number alone is a port.
fn split(address: &str) -> (&str, Option<&str>) {
    if let Some(end) = address.rfind(']').filter(|_| address.starts_with('[')) {
        let (host, rest) = address.split_at(end + 1);
        return (host, rest.strip_prefix(':'));
    }
    match address.split_once(':') {
        Some((host, ports)) => (host, Some(ports)),
        None if address.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => {
            ("*", Some(address))
        }
        None => (address, None),
    }
}

fn port_range(ports: &str) -> Option<(u16, u16)> {
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some((first, last))
}

fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| digits && port > 0)
}

fn spelled(host: &str) -> String {
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match inside.map(str::parse::<Ipv6Addr>) {
        Some(Ok(address)) => format!("[{address}]"),
        _ if host == "0.0.0.0" => "*".to_owned(),
        _ => host.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |address: &str, expected: Option<(&str, Option<(u16, u16)>)>| {
            let listen = Listen::parse([address.as_bytes()].into_iter());
            let found = listen.as_ref().map(|listen| (listen.host.as_str(), listen.ports));
            assert_eq!(found, expected, "{address}");
        };
        check("443", Some(("*", Some((443, 443)))));
        check("*:443", Some(("*", Some((443, 443)))));
        check("0.0.0.0:443", Some(("*", Some((443, 443)))));
        check("127.0.0.1", Some(("127.0.0.1", Some((80, 80)))));
        check("127.0.0.1:8000", Some(("127.0.0.1", Some((8000, 8000)))));
        check("LocalHost:8000", Some(("localhost", Some((8000, 8000)))));
        check("[::]:443", Some(("[::]", Some((443, 443)))));
        check("[0:0::0:1]", Some(("[::1]", Some((80, 80)))));
        check("8000-8010", Some(("*", Some((8000, 8010)))));
        check("127.0.0.1:8000-8010", Some(("127.0.0.1", Some((8000, 8010)))));
        check("unix:/run/a.sock", Some(("unix:/run/a.sock", None)));
        check("65535", Some(("*", Some((65535, 65535)))));
        check("65536", None);
        check("0", None);
        check("127.0.0.1:", None);
        check("127.0.0.1:+80", None);
        check("127.0.0.1:x", None);
        check("8010-8000", None);
    }

    #[test]
    fn parameters() {
        let check = |text: &str, expected: (bool, bool)| {
            let listen = Listen::parse(text.split(' ').map(str::as_bytes)).unwrap();
            assert_eq!((listen.ssl, listen.quic), expected, "{text}");
        };
        check("443", (false, false));
        check("443 default_server ssl http2", (true, false));
        check("443 quic reuseport", (false, true));
        check("ssl", (false, false));
    }
}
