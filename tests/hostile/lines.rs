//! Lines as nginx writes them, with one value that is not what it should be.

use std::collections::BTreeMap;

/// The formats of the corpus.
const CONF: &str = include_str!("../corpus/nginx.conf");

/// Names of the formats, as nginx.conf has them.
pub(crate) const FORMATS: [&str; 4] = ["mtls", "extended", "json", "tsv"];

/// A variable that a client has a say in, and what follows from it.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) variable: &'static str,
    formats: &'static [&'static str],
    /// The keys of `parse` that it may change.
    pub(crate) keys: &'static [&'static str],
    /// The first of them shows it as it is.
    pub(crate) is_shown: bool,
    /// What nginx puts before what the client says.
    pub(crate) before: &'static str,
    /// Formats in which the line may be refused: nothing is around the value, so that there can be two
    /// readings, or it has a shape of its own, which what is hostile does not have.
    refused: &'static [&'static str],
    /// The request verified and was passed on.
    pub(crate) is_verified: bool,
}

const FIELD: Field = Field {
    variable: "",
    formats: &FORMATS,
    keys: &[],
    is_shown: false,
    before: "",
    refused: &[],
    is_verified: false,
};

pub(crate) const FIELDS: [Field; 16] = [
    Field {
        variable: "request",
        formats: &["mtls", "extended", "json"],
        keys: &["method", "uri", "protocol", "route"],
        ..FIELD
    },
    Field {
        variable: "request",
        formats: &["mtls", "extended"],
        keys: &["method", "uri", "protocol", "route"],
        before: "GET /",
        ..FIELD
    },
    Field {
        variable: "request_uri",
        formats: &["json", "tsv"],
        keys: &["uri", "route"],
        before: "/",
        is_shown: true,
        ..FIELD
    },
    Field { variable: "http_user_agent", keys: &["user_agent"], is_shown: true, ..FIELD },
    Field {
        variable: "http_referer",
        formats: &["mtls", "extended", "json"],
        keys: &["referer"],
        is_shown: true,
        ..FIELD
    },
    Field {
        variable: "ssl_client_s_dn",
        keys: &["subject_dn", "cn", "o"],
        is_shown: true,
        ..FIELD
    },
    Field {
        variable: "ssl_client_s_dn",
        keys: &["subject_dn", "cn", "o"],
        is_shown: true,
        before: "O=payments,CN=",
        ..FIELD
    },
    Field {
        variable: "ssl_client_i_dn",
        formats: &["extended", "json"],
        keys: &["issuer_dn"],
        is_shown: true,
        before: "CN=",
        ..FIELD
    },
    Field { variable: "ssl_server_name", formats: &["extended", "json"], ..FIELD },
    Field { variable: "host", formats: &["extended", "json"], ..FIELD },
    Field {
        variable: "remote_user",
        formats: &["mtls", "extended", "json"],
        refused: &["mtls", "extended"],
        ..FIELD
    },
    Field {
        variable: "server_name",
        formats: &["extended", "json"],
        keys: &["server"],
        refused: &FORMATS,
        ..FIELD
    },
    Field {
        variable: "upstream_addr",
        refused: &FORMATS,
        formats: &["extended", "json", "tsv"],
        keys: &["upstream_addrs", "upstream_statuses"],
        before: "unix:",
        is_verified: true,
        ..FIELD
    },
    Field {
        variable: "ssl_client_verify",
        refused: &FORMATS,
        formats: &["json", "tsv"],
        keys: &["verify", "reason", "class"],
        before: "FAILED:",
        is_shown: true,
        ..FIELD
    },
    Field {
        variable: "remote_addr",
        refused: &FORMATS,
        formats: &["json", "tsv"],
        keys: &["remote_addr"],
        before: "unix:",
        is_shown: true,
        ..FIELD
    },
    Field {
        variable: "request_id",
        refused: &FORMATS,
        formats: &["json", "tsv"],
        keys: &["request_id"],
        is_shown: true,
        ..FIELD
    },
];

impl Field {
    pub(crate) fn is_in(&self, format: &str) -> bool {
        self.formats.contains(&format)
    }

    pub(crate) fn may_be_refused(&self, format: &str) -> bool {
        self.refused.contains(&format)
    }
}

/// A line without its newline; with the hostile value, if there is one.
pub(crate) fn line(format: &str, is_verified: bool, hostile: Option<(&Field, &[u8])>) -> Vec<u8> {
    let mut values = values(is_verified);
    if let Some((field, value)) = hostile {
        values.insert(field.variable, [field.before.as_bytes(), value].concat());
    }
    let template = template(format);
    let mut parts = template.split('$');
    let mut line = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = part.find(|c| !is_name(c)).unwrap_or(part.len());
        let (name, literal) = part.split_at(end);
        line.extend(escaped(values.get(name).map(Vec::as_slice), format == "json"));
        line.extend(literal.as_bytes());
    }
    line
}

/// The text of a `log_format`, its strings joined.
fn template(format: &str) -> String {
    let directive = CONF.split(&format!("log_format {format} ")).nth(1).unwrap();
    let directive = directive.split("';").next().unwrap();
    directive.trim_start_matches("escape=json ").split('\'').skip(1).step_by(2).collect()
}

/// `ngx_http_log_escape` and `ngx_escape_json`; an unset variable is `-` or nothing.
fn escaped(value: Option<&[u8]>, json: bool) -> Vec<u8> {
    let Some(value) = value else { return if json { Vec::new() } else { b"-".to_vec() } };
    let escape = |byte: &u8| match *byte {
        b'"' | b'\\' if json => vec![b'\\', *byte],
        b'\n' if json => b"\\n".to_vec(),
        b'\r' if json => b"\\r".to_vec(),
        b'\t' if json => b"\\t".to_vec(),
        0x08 if json => b"\\b".to_vec(),
        0x0c if json => b"\\f".to_vec(),
        0..=0x1f if json => format!("\\u{byte:04X}").into_bytes(),
        0..=0x1f | b'"' | b'\\' | 0x7f.. if !json => format!("\\x{byte:02X}").into_bytes(),
        plain => vec![plain],
    };
    value.iter().flat_map(escape).collect()
}

fn values(is_verified: bool) -> BTreeMap<&'static str, Vec<u8>> {
    let mut values: BTreeMap<&str, &str> = [
        ("remote_addr", "10.0.0.1"),
        ("time_local", "22/Nov/2026:11:51:17 +0000"),
        ("time_iso8601", "2026-11-22T11:51:17+00:00"),
        ("msec", "1795348277.777"),
        ("request", "GET /pay/one HTTP/1.1"),
        ("request_method", "GET"),
        ("request_uri", "/pay/one"),
        ("body_bytes_sent", "3"),
        ("http_referer", "https://shop.example/"),
        ("http_user_agent", "curl/8.0"),
        ("ssl_client_s_dn", "CN=checkout-service,O=payments"),
        ("ssl_client_i_dn", "CN=Client Issuing CA 1,O=gatelog lab"),
        ("ssl_client_fingerprint", "b2b279f36e5659cfddf7868eec97131e076d4e65"),
        ("ssl_client_serial", "CE3422DBA11266728926FC2FA2D42E47"),
        ("ssl_client_v_start", "Nov 22 11:51:15 2025 GMT"),
        ("ssl_client_v_end", "Nov 22 11:51:15 2027 GMT"),
        ("ssl_client_v_remain", "364"),
        ("ssl_protocol", "TLSv1.3"),
        ("ssl_cipher", "TLS_AES_256_GCM_SHA384"),
        ("ssl_session_reused", "."),
        ("ssl_server_name", "gate.internal"),
        ("server_name", "gate.internal"),
        ("server_port", "443"),
        ("host", "gate.internal"),
        ("request_time", "0.001"),
        ("request_id", "a65f12719a35ca1edc347328d4ee8c3d"),
        ("connection", "7"),
        ("connection_requests", "1"),
    ]
    .into();
    values.extend(if is_verified {
        [("status", "200"), ("ssl_client_verify", "SUCCESS")]
    } else {
        [("status", "400"), ("ssl_client_verify", "FAILED:certificate has expired")]
    });
    if is_verified {
        values.insert("upstream_addr", "10.1.0.1:8080");
        values.insert("upstream_status", "200");
        values.insert("upstream_response_time", "0.001");
    }
    values.into_iter().map(|(name, value)| (name, value.as_bytes().to_vec())).collect()
}
