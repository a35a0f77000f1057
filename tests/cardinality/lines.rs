//! Lines as nginx writes them while somebody tries to fill every table: each with another certificate,
//! name, path and address. Between them, those of the clients that the gate is for.

use std::fmt::Write as _;

/// How lines are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `mtls_extended`
    Extended,
    /// `mtls_json`
    Json,
}

/// Routes that belong here.
pub(crate) const ROUTES: u64 = 50;

/// Clients that belong here, each with a certificate; they end before any other that verifies.
pub(crate) const CLIENTS: u64 = 300;

/// The time of the first line, in milliseconds since 1970.
const START_MILLIS: u64 = 1_795_348_277_000;

/// Lines are a half of a millisecond apart: 10,000,000 of them are more than an hour.
const LINES_PER_MILLI: u64 = 2;

/// What one line tells; texts as clients wrote them.
struct Told<'a> {
    remote_addr: &'a str,
    path: &'a [u8],
    status: u16,
    verify: &'a str,
    fingerprint: &'a str,
    subject_dn: &'a [u8],
    issuer_dn: &'a [u8],
    not_after: &'a str,
    upstream: &'a str,
    first_of_connection: bool,
}

/// What is tried; each fills other tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attack {
    /// Certificates that do not verify.
    Refused,
    /// Certificates that verify: somebody has a CA of ours.
    Verified,
    /// Both.
    Mixed,
}

/// Why nginx refuses.
const FAILURES: [&str; 12] = [
    "certificate has expired",
    "certificate is not yet valid",
    "certificate revoked",
    "certificate signature failure",
    "self-signed certificate",
    "self-signed certificate in certificate chain",
    "unable to get local issuer certificate",
    "unable to verify the first certificate",
    "unable to get certificate CRL",
    "CRL has expired",
    "unsuitable certificate purpose",
    "certificate chain too long",
];

/// Paths that are asked for again and again.
const PATHS_AGAIN: u64 = 200;

/// Lengths of names and paths: short ones, and around the bounds and far beyond them.
const LENGTHS: [usize; 8] = [0, 500, 0, 511, 512, 0, 513, 2000];

/// A hostile line: its certificate, names and address have `number` in them and are in no other line,
/// and nearly always its path. Returns whether it counts as a failure.
pub(crate) fn hostile(into: &mut Vec<u8>, format: Format, attack: Attack, number: u64) -> bool {
    let index = |number: u64, length: usize| usize::try_from(number).unwrap() % length;
    let failed = match attack {
        Attack::Refused => true,
        Attack::Verified => false,
        Attack::Mixed => !matches!(number % 8, 2..=4),
    };
    // Some paths are asked for again and again, with another reason each time.
    let again = number % 8 == 5 || attack == Attack::Verified && !number.is_multiple_of(64);
    let path = if again { number / 8 % PATHS_AGAIN } else { number };
    let failure = if again { number / 8 / PATHS_AGAIN } else { number / 8 };
    let verify = match failed {
        true => format!("FAILED:{}", FAILURES[index(failure, FAILURES.len())]),
        false => "SUCCESS".to_owned(),
    };
    // Some of those that fail are let in: nginx does not insist everywhere.
    let (status, upstream) = match number % 16 {
        13 => (200, "10.0.0.9:8080"),
        _ if failed => (400, "-"),
        4 | 12 => (403, "-"),
        _ => (200, "10.0.0.9:8080"),
    };
    let length =
        |number: u64| if attack == Attack::Mixed { LENGTHS[index(number / 8, 8)] } else { 0 };
    let text = letters(number);
    let subject_dn =
        [b"CN=".as_slice(), &padded(&text, length(number), b"\"\x1b[31m<b>\xff")].concat();
    let issuer_dn = match number % 4 {
        0 => b"CN=Client Issuing CA 1,O=gatelog".to_vec(),
        _ => [b"CN=CA ".as_slice(), &padded(&text, length(number), b"\\\xc3\xa9")].concat(),
    };
    let hostile = b"\x1b]0;<script>\"\\";
    let path = [b"/".as_slice(), &padded(&letters(path), length(path), hostile)].concat();
    let told = Told {
        remote_addr: &address(number),
        path: &path,
        status,
        verify: &verify,
        // All of them differ, and none is another's beginning.
        fingerprint: &format!("{:016x}{number:024x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        subject_dn: &subject_dn,
        issuer_dn: &issuer_dn,
        not_after: "Nov 22 11:51:15 2029 GMT",
        upstream,
        first_of_connection: true,
    };
    write(into, format, number, &told);
    failed
}

/// A request without a certificate, for a path of its own.
pub(crate) fn nameless(into: &mut Vec<u8>, format: Format, number: u64) {
    let path = format!("/none/{}", letters(number));
    let told = Told {
        remote_addr: &address(number.wrapping_mul(31)),
        path: path.as_bytes(),
        status: 400,
        verify: "NONE",
        fingerprint: "-",
        subject_dn: b"-",
        issuer_dn: b"-",
        not_after: "-",
        upstream: "-",
        first_of_connection: true,
    };
    write(into, format, number, &told);
}

/// A request of a client that belongs here; `nth` of them, `number` tells the time.
pub(crate) fn genuine(into: &mut Vec<u8>, format: Format, number: u64, nth: u64) {
    let client = nth % CLIENTS;
    let path = format!("{}?token=secret", route(nth % ROUTES));
    let subject_dn = format!("CN=service {client},O=gatelog");
    let told = Told {
        remote_addr: &format!("10.1.{}.{}", client / 100, client % 100),
        path: path.as_bytes(),
        status: 200,
        verify: "SUCCESS",
        fingerprint: &fingerprint(client),
        subject_dn: subject_dn.as_bytes(),
        issuer_dn: b"CN=Client Issuing CA 1,O=gatelog",
        not_after: &format!("Mar {:2} {:02}:00:00 2027 GMT", 1 + client / 24, client % 24),
        upstream: "10.0.0.1:8080",
        first_of_connection: nth.is_multiple_of(10),
    };
    write(into, format, number, &told);
}

/// A route that belongs here.
pub(crate) fn route(nth: u64) -> String {
    format!("/orders/kind-{}/items", letters(nth))
}

/// The certificate of a client that belongs here.
pub(crate) fn fingerprint(client: u64) -> String {
    format!("feed{client:036x}")
}

/// A number in letters: it makes no path an identifier.
fn letters(mut number: u64) -> String {
    let mut letters = String::new();
    loop {
        letters.push(char::from(b'a' + u8::try_from(number % 26).unwrap()));
        number /= 26;
        if number == 0 {
            return letters;
        }
    }
}

/// The text, what is hostile, and letters up to this length in all.
fn padded(text: &str, length: usize, hostile: &[u8]) -> Vec<u8> {
    let mut padded = [text.as_bytes(), hostile].concat();
    padded.resize(padded.len().max(length), b'x');
    padded
}

fn address(number: u64) -> String {
    match number % 2 {
        0 => format!(
            "2001:0db8:85a3:{:04x}:{:04x}:{:04x}:8a2e:0370",
            number >> 32,
            number >> 16 & 0xffff,
            number & 0xffff
        ),
        _ => format!(
            "{}.{}.{}.{}",
            64 + (number >> 24 & 63),
            number >> 16 & 255,
            number >> 8 & 255,
            number & 255
        ),
    }
}

fn write(into: &mut Vec<u8>, format: Format, number: u64, told: &Told<'_>) {
    let millis = START_MILLIS + number / LINES_PER_MILLI;
    let msec = format!("{}.{:03}", millis / 1000, millis % 1000);
    let request = [b"GET ", told.path, b" HTTP/1.1"].concat();
    let connection_requests = if told.first_of_connection { 1 } else { 2 };
    let Told { remote_addr, status, verify, fingerprint, not_after, upstream, .. } = told;
    let mut line = Text { into, format };
    match format {
        Format::Extended => {
            line.plain(&format!("{remote_addr} - - [22/Nov/2026:11:51:17 +0000] \""));
            line.escaped(&request);
            line.plain(&format!("\" {status} 3 \"-\" \"a\" client_verify={verify} client_dn=\""));
            line.escaped(told.subject_dn);
            line.plain(&format!(
                "\" client_fp={fingerprint} upstream_addr=\"{upstream}\" upstream_status=\"-\" \
                 request_time=0.000 upstream_response_time=\"-\" ssl_protocol=TLSv1.3 \
                 ssl_cipher=TLS_AES_256_GCM_SHA384 issuer_dn=\""
            ));
            line.escaped(told.issuer_dn);
            line.plain(&format!(
                "\" serial=- v_start=\"-\" v_end=\"{not_after}\" v_remain=- session_reused=. \
                 server_name=api.example.com server_port=443 sni=\"-\" host=\"-\" \
                 request_id={number:032x} connection={number} \
                 connection_requests={connection_requests} msec={msec}\n"
            ));
        }
        Format::Json => {
            let unset = |text: &str| if text == "-" { String::new() } else { text.to_owned() };
            let [fingerprint, not_after, upstream] =
                [fingerprint, not_after, upstream].map(|t| unset(t));
            line.plain(&format!(
                "{{\"time\":\"2026-11-22T11:51:17+00:00\",\"msec\":{msec},\"remote_addr\":\"{remote_addr}\",\
                 \"remote_user\":\"\",\"request\":\""
            ));
            line.escaped(&request);
            line.plain("\",\"method\":\"GET\",\"uri\":\"");
            line.escaped(told.path);
            line.plain(&format!(
                "\",\"status\":{status},\"bytes\":237,\"referer\":\"\",\"user_agent\":\"a\",\
                 \"client_verify\":\"{verify}\",\"client_dn\":\""
            ));
            line.escaped(if told.subject_dn == b"-" { b"" } else { told.subject_dn });
            line.plain(&format!("\",\"client_fp\":\"{fingerprint}\",\"issuer_dn\":\""));
            line.escaped(if told.issuer_dn == b"-" { b"" } else { told.issuer_dn });
            line.plain(&format!(
                "\",\"serial\":\"\",\"v_start\":\"\",\"v_end\":\"{not_after}\",\"v_remain\":\"\",\
                 \"ssl_protocol\":\"TLSv1.3\",\"ssl_cipher\":\"TLS_AES_256_GCM_SHA384\",\
                 \"session_reused\":\".\",\"upstream_addr\":\"{upstream}\",\"upstream_status\":\"\",\
                 \"upstream_response_time\":\"\",\"request_time\":0.000,\
                 \"server_name\":\"api.example.com\",\"server_port\":\"443\",\"sni\":\"\",\"host\":\"\",\
                 \"request_id\":\"{number:032x}\",\"connection\":{number},\
                 \"connection_requests\":{connection_requests}}}\n"
            ));
        }
    }
}

struct Text<'a> {
    into: &'a mut Vec<u8>,
    format: Format,
}

impl Text<'_> {
    fn plain(&mut self, text: &str) {
        self.into.extend_from_slice(text.as_bytes());
    }

    /// As nginx's `escape=default` and `escape=json` do.
    fn escaped(&mut self, text: &[u8]) {
        for &byte in text {
            match (self.format, byte) {
                (Format::Extended, b'"' | b'\\' | ..0x20 | 0x7f..) => {
                    self.add(format_args!("\\x{byte:02X}"))
                }
                (Format::Json, b'"' | b'\\') => self.into.extend_from_slice(&[b'\\', byte]),
                (Format::Json, ..0x20) => self.add(format_args!("\\u{byte:04X}")),
                _ => self.into.push(byte),
            }
        }
    }

    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        let mut escaped = String::new();
        escaped.write_fmt(text).unwrap();
        self.plain(&escaped);
    }
}
