//! A name in either form; and the input as a value, which comes back from the way OpenSSL writes it.

use gatelog_parsers::distinguished_name::{ATTRIBUTES_MAX, Value, attribute, parse};

use crate::check_line::hex_digit;

/// One run.
pub fn run(input: &[u8]) {
    match parse(input) {
        Err(error) => assert!((1..=input.len() + 1).contains(&error.column), "{error}"),
        Ok(rdns) => {
            let attributes = rdns.iter().flat_map(|rdn| &rdn.attributes);
            assert!(attributes.clone().count() <= ATTRIBUTES_MAX);
            assert!(rdns.iter().all(|rdn| !rdn.attributes.is_empty()));
            let mut written = Vec::new();
            for rdn in &rdns {
                for (index, one) in rdn.attributes.iter().enumerate() {
                    assert!(attribute(input, one.kind).is_some(), "{}", one.kind);
                    let separator: &[u8] = if index > 0 { b"+" } else { b"," };
                    written.extend(if written.is_empty() { b"" } else { separator });
                    written.extend(one.kind.as_bytes());
                    written.push(b'=');
                    match &one.value {
                        Value::Text(text) => written.extend(escaped(text)),
                        Value::Hex(hex) => written.extend(*hex),
                    }
                }
            }
            let again = parse(&written).expect("a written name is a name");
            assert_eq!(again, rdns, "{}", written.escape_ascii());
        }
    }
    let dn = [b"OU=x,CN=", &escaped(input)[..], b"+O=y"].concat();
    assert_eq!(attribute(&dn, "CN").as_deref(), Some(input));
    assert_eq!(attribute(&dn, "O").as_deref(), Some(&b"y"[..]));
}

/// As OpenSSL writes a value under `XN_FLAG_RFC2253`.
fn escaped(value: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(2 * value.len());
    for (index, &byte) in value.iter().enumerate() {
        let is_edge = index == 0 || index + 1 == value.len();
        let is_special = b",+\"\\<>;".contains(&byte)
            || (byte == b'#' && index == 0)
            || (byte == b' ' && is_edge);
        match byte {
            _ if is_special => escaped.extend([b'\\', byte]),
            b' '..=b'~' => escaped.push(byte),
            _ => escaped.extend([b'\\', hex_digit(byte >> 4), hex_digit(byte & 15)]),
        }
    }
    escaped
}
