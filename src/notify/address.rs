//! Addresses that no receiver has: those of the link, at which clouds serve their machines' secrets
//! to whoever asks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Metadata services that are not in the ranges of the link: Amazon's over IPv6, Alibaba's.
const METADATA: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
];

/// Whether an address belongs to the link (RFC 3927, RFC 4291 section 2.5.6) or to a cloud's metadata,
/// also as IPv6 writes one of IPv4: mapped, or by NAT64's well-known prefix (RFC 6052).
pub(super) fn is_link_local(address: IpAddr) -> bool {
    let address = match address {
        IpAddr::V6(v6) => embedded(v6).map_or(address.to_canonical(), IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    let is_of_link = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    is_of_link || METADATA.contains(&address)
}

/// The address of version 4 behind `64:ff9b::/96`.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_and_metadata() {
        for (text, expected) in [
            ("169.254.169.254", true),
            ("169.254.0.0", true),
            ("169.255.0.0", false),
            ("169.253.255.255", false),
            ("fe80::1", true),
            ("febf::1", true),
            ("fec0::1", false),
            ("fd00:ec2::254", true),
            ("fd00:ec2::253", false),
            ("100.100.100.200", true),
            ("100.100.100.201", false),
            ("::ffff:169.254.169.254", true),
            ("::ffff:100.100.100.200", true),
            ("::ffff:10.0.0.1", false),
            ("64:ff9b::a9fe:a9fe", true),
            ("64:ff9b::a00:1", false),
            ("127.0.0.1", false),
            ("::1", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_link_local(text.parse().unwrap()), expected, "{text}");
        }
    }
}
