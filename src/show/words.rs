//! Numbers, shares and names as people read them.

use std::borrow::Cow;

use gatelog_parsers::distinguished_name;

use crate::escape::escape_text;
use crate::ledger::twins::Pair;

/// `1,204,188`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 request`, `2 requests`.
pub fn counted(n: u64, noun: &str) -> String {
    let plural = match noun.strip_suffix("ss") {
        Some(_) => "es",
        None => "s",
    };
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { plural })
}

/// Below this many in all, a share is said as `3 of 7`.
const SHARE_OF_MIN: u64 = 20;

/// A share in two digits: `41%`, `3.1%`, `0.24%`, `<0.01%`; `3 of 7` of few, `-` of none, and `100%`
/// only of all.
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    if whole < SHARE_OF_MIN {
        return format!("{part} of {whole}");
    }
    if part == 0 || part >= whole {
        return if part == 0 { "0%".to_owned() } else { "100%".to_owned() };
    }
    // In hundredths of a percent, rounded, with room for whole numbers beyond 2^53.
    let scaled = (u128::from(part) * 20_000 / u128::from(whole)).div_ceil(2);
    match scaled {
        0 => "<0.01%".to_owned(),
        1..100 => format!("0.{scaled:02}%"),
        100..995 => {
            let tenths = (scaled + 5) / 10;
            format!("{}.{}%", tenths / 10, tenths % 10)
        }
        _ => format!("{}%", ((scaled + 50) / 100).clamp(10, 99)),
    }
}

/// What to say of two logs that carry the same requests.
pub fn twins(pair: &Pair<'_>) -> String {
    let Pair { first, other, requests } = pair;
    let requests = counted(*requests, "request");
    format!(
        "{first} and {other} carry the same requests, which count twice: {requests} by $request_id"
    )
}

/// What a client is called: the CN of its subject, else the subject, safe to show.
pub fn client_name(subject_dn: &[u8]) -> String {
    let cn = distinguished_name::attribute(subject_dn, "CN").filter(|cn| !cn.is_empty());
    let name = cn.unwrap_or(Cow::Borrowed(subject_dn));
    if name.is_empty() { "(empty subject)".to_owned() } else { escape_text(&name).into_owned() }
}

/// `2 known clients are`, `1 known client is`.
pub fn clients_are(n: u64) -> String {
    format!("{} {}", counted(n, "known client"), if n == 1 { "is" } else { "are" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (n, expected) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (1_204_188, "1,204,188"), (12_345, "12,345")]
        {
            assert_eq!(count(n), expected);
        }
        assert_eq!(counted(1, "address"), "1 address");
        assert_eq!(counted(1200, "address"), "1,200 addresses");
        assert_eq!(counted(2, "request"), "2 requests");
    }

    #[test]
    fn shares() {
        for (part, whole, expected) in [
            (0, 0, "-"),
            (3, 7, "3 of 7"),
            (19, 19, "19 of 19"),
            (20, 20, "100%"),
            (0, 20, "0%"),
            (1_000_000 - 1, 1_000_000, "99%"),
            (41, 100, "41%"),
            (31, 1000, "3.1%"),
            (24, 10_000, "0.24%"),
            (1, 10_000, "0.01%"),
            (1, 100_000, "<0.01%"),
            (995, 10_000, "10%"),
            (994, 10_000, "9.9%"),
            (99, 10_000, "0.99%"),
            (100, 10_000, "1.0%"),
            (104, 1000, "10%"),
            (u64::MAX / 2, u64::MAX, "50%"),
        ] {
            assert_eq!(share(part, whole), expected, "{part} of {whole}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(client_name(b"CN=checkout-service,O=payments"), "checkout-service");
        assert_eq!(client_name(b"O=payments"), "O=payments");
        assert_eq!(client_name(br"CN=a\0Ab"), r"a\x0Ab");
        assert_eq!(client_name(b""), "(empty subject)");
        assert_eq!(client_name(b"\x1b[31m"), r"\x1B[31m");
    }
}
