//! One entry of `refused_upstreams`: which upstreams of `$upstream_addr` are meant.

use std::net::{IpAddr, SocketAddr};

use globset::{GlobBuilder, GlobMatcher};

/// A glob over `$upstream_addr`, an address, or an address with a port.
#[derive(Debug, Clone)]
pub struct UpstreamPattern {
    text: String,
    matcher: GlobMatcher,
}

impl UpstreamPattern {
    /// Compiles `text`. `10.0.0.7` and `fd00::1` match any port, `[fd00::1]:80` and `unix:/a.sock`
    /// themselves; anything else is a glob in which `*` crosses everything.
    ///
    /// # Errors
    /// A glob that is not closed or empty.
    pub fn parse(text: &str) -> Result<Self, globset::Error> {
        let glob = match text.parse() {
            Ok(IpAddr::V4(address)) => format!("{address}:*"),
            Ok(IpAddr::V6(address)) => {
                format!("{}:*", globset::escape(&format!("[{address}]")))
            }
            Err(_) if text.starts_with('[') && text.parse::<SocketAddr>().is_ok() => {
                globset::escape(text)
            }
            Err(_) => text.to_owned(),
        };
        let glob = GlobBuilder::new(&glob).literal_separator(false).build()?;
        Ok(Self { text: text.to_owned(), matcher: glob.compile_matcher() })
    }

    /// Whether one address of `$upstream_addr` is meant.
    pub fn is_match(&self, upstream_addr: &str) -> bool {
        self.matcher.is_match(upstream_addr)
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for UpstreamPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for UpstreamPattern {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams() {
        for (pattern, address, expected) in [
            ("10.0.0.7", "10.0.0.7:80", true),
            ("10.0.0.7", "10.0.0.71:80", false),
            ("10.0.0.7:80", "10.0.0.7:80", true),
            ("10.0.0.7:80", "10.0.0.7:8080", false),
            ("fd00::1", "[fd00::1]:80", true),
            ("[fd00::1]:80", "[fd00::1]:80", true),
            ("[fd00::1]:80", "[fd00::1]:81", false),
            ("unix:/run/sorry.sock", "unix:/run/sorry.sock", true),
            ("unix:*", "unix:/run/sorry.sock", true),
            ("sorry_*", "sorry_pages", true),
        ] {
            let compiled = UpstreamPattern::parse(pattern).unwrap();
            assert_eq!(compiled.is_match(address), expected, "{pattern} {address}");
            assert_eq!(compiled.as_str(), pattern);
        }
        assert!(UpstreamPattern::parse("{a").is_err());
        assert!(UpstreamPattern::parse("[a").is_err());
    }
}
