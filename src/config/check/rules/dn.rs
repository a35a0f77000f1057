//! Names of certificates as people write them, where only the text that nginx logs will ever match.
//!
//! `$ssl_client_s_dn` is RFC 2253 text by OpenSSL: no spaces around separators, no quotes, the most
//! specific part first. What `openssl x509 -subject` prints by default is neither.

use std::ops::Range;

use gatelog_parsers::distinguished_name::parse;

use crate::limits::DN_BYTES_MAX;

/// Why nginx never logs such a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NeverLogged {
    /// Where, in bytes of the name.
    pub(super) at_bytes: Range<usize>,
    pub(super) expected: String,
}

/// Whether nginx could log `dn`.
///
/// # Errors
/// [`NeverLogged`] for names of another form.
pub(super) fn as_logged(dn: &str) -> Result<(), NeverLogged> {
    let never = |at_bytes, expected: &str| NeverLogged { at_bytes, expected: expected.to_owned() };
    if dn.is_empty() {
        return Err(never(0..0, "expected a name such as `CN=checkout-service,O=payments`"));
    }
    if dn.len() > DN_BYTES_MAX {
        let label = format!("expected at most {DN_BYTES_MAX} bytes; a glob may be shorter");
        return Err(NeverLogged { at_bytes: 0..dn.len(), expected: label });
    }
    if dn.starts_with('/') {
        let expected =
            "expected RFC 2253, the other way round: `CN=x,O=payments`, not `/O=payments/CN=x`";
        return Err(never(0..dn.len(), expected));
    }
    if let Err(error) = parse(dn.as_bytes()) {
        let at = error.column.saturating_sub(1).min(dn.len());
        return Err(NeverLogged { at_bytes: at..dn.len(), expected: error.to_string() });
    }
    for part in parts(dn) {
        let text = dn.get(part.clone()).unwrap_or_default();
        let (kind, value) = text.split_once('=').unwrap_or((text, ""));
        if kind.contains(' ') || value.starts_with(' ') {
            let expected =
                "expected no spaces around `=` and `,`; see `openssl x509 -nameopt RFC2253`";
            return Err(never(part, expected));
        }
        if value.starts_with('"') {
            return Err(never(part, "expected no quotes: write `\\,` for a comma in a value"));
        }
    }
    Ok(())
}

/// Where the attributes of a name stand, at whose ends are `,` or `+`.
fn parts(dn: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut is_escaped = false;
    for (at, byte) in dn.bytes().enumerate() {
        if matches!(byte, b',' | b'+') && !is_escaped {
            parts.push(start..at);
            start = at + 1;
        }
        is_escaped = byte == b'\\' && !is_escaped;
    }
    parts.push(start..dn.len());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_nginx_logs_them() {
        for dn in [
            "CN=checkout-service,O=payments",
            r"CN=x\,CN=admin,O=Acme\, Inc.",
            r"CN=a+UID=b,O=\ leading,OU=a = b, c".trim_end_matches(", c"),
            r"CN=\C3\BC,2.5.4.5=#1303616263",
            "emailAddress=a@b.example,CN=a/b",
        ] {
            assert_eq!(as_logged(dn), Ok(()), "{dn}");
        }
    }

    #[test]
    fn names_of_another_form() {
        let check = |dn: &str, at: &str, expected: &str| {
            let error = as_logged(dn).unwrap_err();
            assert_eq!(dn.get(error.at_bytes), Some(at), "{dn}");
            assert!(error.expected.contains(expected), "{}", error.expected);
        };
        check("", "", "a name such as");
        check("/O=payments/CN=x", "/O=payments/CN=x", "the other way round");
        check("O = payments, CN = x", "O = payments", "no spaces");
        check("CN=x, O=payments", " O=payments", "no spaces");
        check(r#"CN="a,b",O=x"#, r#"CN="a"#, "no quotes");
        check("checkout-service", "", "expected = after");
        check("CN=a,O=b\\", "", "after backslash");
        check(&"CN=a,".repeat(200), &"CN=a,".repeat(200), "at most 512 bytes");
    }
}
