//! The rule for `Host`, on every path: exactly one, and its value an IP literal, `localhost` or a
//! configured name.
//!
//! It defends a server on loopback against DNS rebinding: a page at `http://evil.example` can make
//! its own name resolve to 127.0.0.1 and read our answers as its own origin, but the browser still
//! sends `Host: evil.example`. An IP literal cannot be rebound.
//!
//! A request whose target carries an authority (`GET http://host/metrics`, RFC 9112 section 3.2.2)
//! must pass with both: the target's wins by the RFC, the header's is what the browser set.
//! Not accepted, though RFC 3986 would: an empty port, a final dot, a zone (`%25eth0`), user
//! information, IPvFuture.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::{HeaderMap, Uri, header::HOST};

/// How a request failed the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostError {
    /// No `Host` at all, as HTTP/1.0 allows; 400.
    Missing,
    /// More than one, even when they agree; 400 (RFC 9112 section 3.2).
    Repeated,
    /// Another name than those served here, or not a host at all; 421 (RFC 9110 section 15.5.20).
    Foreign,
}

/// Checks a request's `Host` and, when its target is in absolute form, that authority too.
/// `names` are the configured ones, without port.
pub(super) fn accepted(headers: &HeaderMap, uri: &Uri, names: &[String]) -> Result<(), HostError> {
    let mut values = headers.get_all(HOST).iter();
    let value = values.next().ok_or(HostError::Missing)?;
    if values.next().is_some() {
        return Err(HostError::Repeated);
    }
    let header_fits = value.to_str().is_ok_and(|host| is_ours(host, names));
    let target_fits = uri.authority().is_none_or(|host| is_ours(host.as_str(), names));
    if header_fits && target_fits { Ok(()) } else { Err(HostError::Foreign) }
}

/// Whether `host`, with or without port, names this server.
fn is_ours(host: &str, names: &[String]) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, after)) = rest.split_once(']') else { return false };
        let port_fits = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
        return port_fits && address.parse::<Ipv6Addr>().is_ok();
    }
    let name = match host.split_once(':') {
        Some((name, port)) if is_port(port) => name,
        Some(_) => return false,
        None => host,
    };
    name.parse::<Ipv4Addr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || (!name.is_empty() && names.iter().any(|ours| name.eq_ignore_ascii_case(ours)))
}

/// Digits only (`u16` alone would take a leading plus), and no more than 65535.
fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        vec!["gate.internal".to_owned(), "edge-1".to_owned()]
    }

    #[track_caller]
    fn check(hosts: &[&[u8]], target: &str, expected: Result<(), HostError>) {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, hyper::header::HeaderValue::from_bytes(host).unwrap());
        }
        let found = accepted(&headers, &target.parse().unwrap(), &names());
        assert_eq!(found, expected, "{hosts:?} {target}");
    }

    #[test]
    fn hosts_of_this_server() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:9496",
            "10.1.2.3",
            "255.255.255.255:65535",
            "[::1]",
            "[::1]:9496",
            "[2001:db8::1]",
            "[::ffff:127.0.0.1]:80",
            "localhost",
            "LocalHost:9496",
            "gate.internal",
            "GATE.internal:1",
            "edge-1",
        ] {
            check(&[host.as_bytes()], "/metrics", Ok(()));
        }
    }

    #[test]
    fn hosts_of_others() {
        for host in [
            "",
            ":9496",
            "evil.example",
            "evil.example:9496",
            "localhost.evil.example",
            "notlocalhost",
            "localhost.",
            "localhost:",
            "localhost:65536",
            "localhost:+80",
            "localhost:80:80",
            "localhost:http",
            "localhost, localhost",
            "user@localhost",
            "127.0.0.1.evil.example",
            "127.1",
            "0177.0.0.1",
            "2130706433",
            "127.0.0.1:",
            "::1",
            "[::1",
            "[::1]9496",
            "[::1]:",
            "[fe80::1%25lo]",
            "[127.0.0.1]",
            "[localhost]",
            "gate.internal.",
            "xgate.internal",
            "internal",
        ] {
            check(&[host.as_bytes()], "/metrics", Err(HostError::Foreign));
        }
        check(&["g\u{e4}te".as_bytes()], "/metrics", Err(HostError::Foreign));
    }

    #[test]
    fn exactly_one() {
        check(&[], "/metrics", Err(HostError::Missing));
        check(&[b"localhost", b"localhost"], "/metrics", Err(HostError::Repeated));
        check(&[b"localhost", b"evil.example"], "/metrics", Err(HostError::Repeated));
        check(&[b"evil.example", b"localhost"], "/metrics", Err(HostError::Repeated));
    }

    #[test]
    fn an_authority_in_the_target_must_fit_too() {
        check(&[b"localhost"], "http://localhost/metrics", Ok(()));
        check(&[b"localhost"], "http://127.0.0.1:9496/metrics", Ok(()));
        check(&[b"localhost"], "http://evil.example/metrics", Err(HostError::Foreign));
        check(&[b"evil.example"], "http://localhost/metrics", Err(HostError::Foreign));
        check(&[b"localhost"], "http://localhost@evil.example/", Err(HostError::Foreign));
        check(&[b"localhost"], "http://evil@localhost/", Err(HostError::Foreign));
        check(&[], "http://localhost/metrics", Err(HostError::Missing));
    }
}
