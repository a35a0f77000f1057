//! `HTTPS_PROXY` and `NO_PROXY`, as curl and Go's programs take them: by which proxy a server is
//! reached over TLS.
//!
//! The proxy is spoken to in plain HTTP and asked for a tunnel (`CONNECT`, RFC 9110 section 9.3.6).

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::secret::Secret;
use crate::config::environment::Lookup;
use crate::config::receiver::Url;

/// The proxy of the environment, and who is reached without it.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    https: Option<Proxy>,
    except: Vec<Except>,
}

/// A proxy.
#[derive(Debug, Clone)]
pub(super) struct Proxy {
    pub(super) url: Url,
    /// The value of `Proxy-Authorization`.
    pub(super) authorization: Option<Secret>,
}

/// Why `HTTPS_PROXY` is none; its value is not shown, for there may be a password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("HTTPS_PROXY in the environment is no proxy: expected `http://HOST:PORT`")]
pub struct ProxyError;

/// One entry of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Except {
    All,
    /// A name and all below it.
    Name {
        name: String,
        port: Option<u16>,
    },
    /// A range of addresses, by the bits that they share.
    Addresses {
        base: IpAddr,
        bits: u32,
    },
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.url)
    }
}

impl Proxies {
    /// Of the environment; names in lower case come first, as with curl.
    ///
    /// # Errors
    /// [`ProxyError`].
    pub fn of_environment(lookup: Lookup<'_>) -> Result<Proxies, ProxyError> {
        let value = |names: [&str; 2]| {
            let found = names.iter().find_map(|name| lookup(name).filter(|text| !text.is_empty()));
            found.map(|text| text.into_string().map_err(|_| ProxyError)).transpose()
        };
        let https = value(["https_proxy", "HTTPS_PROXY"])?;
        let except = value(["no_proxy", "NO_PROXY"])?.unwrap_or_default();
        let except = except.split([',', ' ']).filter_map(Except::parse).collect();
        Ok(Proxies { https: https.as_deref().map(Proxy::parse).transpose()?, except })
    }

    /// The proxy by which a server is reached; none for plain HTTP.
    pub(super) fn of(&self, url: &Url) -> Option<&Proxy> {
        let proxy = self.https.as_ref().filter(|_| url.is_tls())?;
        let is_direct = self.except.iter().any(|except| except.has(url.host(), url.port()));
        (!is_direct).then_some(proxy)
    }

    /// The proxy, if there is one.
    pub fn https_url(&self) -> Option<&Url> {
        self.https.as_ref().map(|proxy| &proxy.url)
    }
}

impl Proxy {
    fn parse(text: &str) -> Result<Proxy, ProxyError> {
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, server) = match rest.rsplit_once('@') {
            Some((credentials, server)) => (Some(credentials), server),
            None => (None, rest),
        };
        let url = Url::parse(&format!("http://{server}")).map_err(|_| ProxyError)?;
        if server.contains(['/', '?']) {
            return Err(ProxyError);
        }
        let authorization = credentials.map(|credentials| basic(&percent_decoded(credentials)));
        Ok(Proxy { url, authorization })
    }
}

/// `Basic` and a user with a password (RFC 7617).
pub(super) fn basic(credentials: &[u8]) -> Secret {
    Secret::new(format!("Basic {}", STANDARD.encode(credentials)))
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.split_first_chunk().filter(|_| byte == b'%');
        let escaped = digits.and_then(|(digits, behind): (&[u8; 2], _)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, behind))
        });
        let (byte, behind) = escaped.unwrap_or((byte, behind));
        decoded.push(byte);
        rest = behind;
    }
    decoded
}

impl Except {
    fn parse(text: &str) -> Option<Except> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        if text == "*" {
            return Some(Except::All);
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, bits.parse::<u32>().ok()),
            None => (text, None),
        };
        let address = address.trim_start_matches('[').trim_end_matches(']');
        if let Ok(base) = address.parse::<IpAddr>() {
            let most = if base.is_ipv4() { 32 } else { 128 };
            return Some(Except::Addresses { base, bits: bits.unwrap_or(most).min(most) });
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (text, None),
        };
        let name = name.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        Some(Except::Name { name, port })
    }

    fn has(&self, host: &str, asked: u16) -> bool {
        match self {
            Except::All => true,
            Except::Name { name, port } => {
                let host = host.to_ascii_lowercase();
                let is_below = host.strip_suffix(name.as_str());
                let is_it = is_below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
                is_it && port.is_none_or(|port| port == asked)
            }
            Except::Addresses { base, bits } => {
                host.parse().is_ok_and(|address| shares(*base, address, *bits))
            }
        }
    }
}

/// Whether two addresses have the same first bits.
fn shares(a: IpAddr, b: IpAddr, bits: u32) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let differing = a.to_bits() ^ b.to_bits();
            differing.checked_shr(32 - bits.min(32)).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let differing = a.to_bits() ^ b.to_bits();
            differing.checked_shr(128 - bits.min(128)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, ProxyError> {
        Proxies::of_environment(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn proxies_of_the_environment() {
        let check = |value: &str, shown: Option<&str>, authorization: Option<&str>| {
            let found = proxies(&[("HTTPS_PROXY", value)]).unwrap();
            let url = Url::parse("https://a.example").unwrap();
            let proxy = found.of(&url);
            assert_eq!(proxy.map(ToString::to_string).as_deref(), shown, "{value}");
            let found = proxy.and_then(|proxy| proxy.authorization.as_ref());
            assert_eq!(found.map(Secret::reveal), authorization);
        };
        check("", None, None);
        check("http://proxy:3128", Some("http://proxy:3128"), None);
        check("http://proxy:3128/", Some("http://proxy:3128"), None);
        check("proxy:3128", Some("http://proxy:3128"), None);
        // printf 'me:a@b' | base64
        check("http://me:a%40b@[::1]:1", Some("http://[::1]:1"), Some("Basic bWU6YUBi"));
        for value in ["https://proxy:3128", "socks5://a", "http://", "http://a/b"] {
            assert_eq!(proxies(&[("https_proxy", value)]).unwrap_err(), ProxyError, "{value}");
        }
        let both = proxies(&[("HTTPS_PROXY", "http://a"), ("https_proxy", "http://b")]).unwrap();
        assert_eq!(both.https_url().unwrap().to_string(), "http://b");
        assert!(both.of(&Url::parse("http://plain").unwrap()).is_none());
        let shown = format!("{:?}", proxies(&[("HTTPS_PROXY", "http://me:word@a")]).unwrap());
        assert!(!shown.contains("word") && !shown.contains("Basic"), "{shown}");
    }

    #[test]
    fn who_is_reached_without() {
        let check = |except: &str, url: &str, is_direct: bool| {
            let found = proxies(&[("HTTPS_PROXY", "http://p"), ("NO_PROXY", except)]).unwrap();
            let url = Url::parse(url).unwrap();
            assert_eq!(found.of(&url).is_none(), is_direct, "{except:?} {url}");
        };
        check("", "https://a.example", false);
        check("*", "https://a.example", true);
        check("a.example", "https://a.example", true);
        check("example", "https://a.example", true);
        check(".example", "https://A.Example", true);
        check("*.example", "https://a.example", true);
        check("x, a.example", "https://a.example", true);
        check("ample", "https://a.example", false);
        check("a.example:8443", "https://a.example", false);
        check("a.example:8443", "https://a.example:8443", true);
        check("10.0.0.0/8", "https://10.9.9.9", true);
        check("10.0.0.0/8", "https://11.0.0.1", false);
        check("10.0.0.1", "https://10.0.0.1", true);
        check("10.0.0.1", "https://10.0.0.2", false);
        check("0.0.0.0/0", "https://10.0.0.2", true);
        check("fd00::/8", "https://[fd12::1]", true);
        check("::1", "https://[::1]:1", true);
        check("10.0.0.0/8", "https://name", false);
    }
}
