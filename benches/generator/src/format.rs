//! How nginx writes an event: the formats of `config/nginx-mtls.conf`, and the corpus's tab-separated one.
//!
//! Escapes as `ngx_http_log_module` does: `escape=default` and `escape=json`.

use crate::calendar::{DAY_SECONDS, time_iso8601, time_local};
use crate::event::Event;

/// A `log_format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `mtls_extended`.
    Extended,
    /// `mtls_json`.
    Json,
    /// `mtls_tsv`.
    Tsv,
}

/// Writes events line by line.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    /// The second of the last line and how it is written.
    time: (u64, String),
}

/// How a value is escaped, and what stands for one that is not set.
#[derive(Clone, Copy)]
struct Style {
    absent: &'static [u8],
    escape: fn(u8, &mut Vec<u8>),
}

const DEFAULT: Style = Style { absent: b"-", escape: escape_default };
const JSON: Style = Style { absent: b"", escape: escape_json };

impl Writer {
    /// A writer of this format.
    pub fn new(format: Format) -> Writer {
        Writer { format, time: (0, String::new()) }
    }

    /// Appends a line with its newline.
    pub fn write(&mut self, event: &Event<'_>, line: &mut Vec<u8>) {
        let seconds = event.time_millis / 1000;
        if self.time.0 != seconds {
            let write = if self.format == Format::Extended { time_local } else { time_iso8601 };
            self.time = (seconds, write(seconds));
        }
        let time = self.time.1.as_str();
        match self.format {
            Format::Extended => Fields { event, line, style: DEFAULT }.write_extended(time),
            Format::Json => Fields { event, line, style: JSON }.write_json(time),
            Format::Tsv => Fields { event, line, style: DEFAULT }.write_tsv(time),
        }
        line.push(b'\n');
    }
}

/// One line being written.
struct Fields<'a> {
    event: &'a Event<'a>,
    line: &'a mut Vec<u8>,
    style: Style,
}

impl Fields<'_> {
    fn write_extended(mut self, time: &str) {
        let event = self.event;
        self.text(event.remote_addr).text(" - - [").text(time).text("] \"").request();
        self.text("\" ").number(event.status).text(" ").number(event.body_bytes);
        self.text(" \"").value(event.referer).text("\" \"").value(Some(event.user_agent));
        self.text("\" client_verify=").value(event.verify);
        let certificate = event.certificate;
        self.text(" client_dn=\"").value(certificate.map(|it| it.subject_dn.as_str()));
        self.text("\" client_fp=").value(certificate.map(|it| it.fingerprint_sha1.as_str()));
        self.text(" upstream_addr=\"").upstreams(Fields::upstream_addr);
        self.text("\" upstream_status=\"").upstreams(Fields::upstream_status);
        self.text("\" request_time=").seconds(event.request_millis);
        self.text(" upstream_response_time=\"").upstreams(Fields::upstream_time);
        self.text("\" ssl_protocol=").value(event.tls.map(|tls| tls.0));
        self.text(" ssl_cipher=").value(event.tls.map(|tls| tls.1));
        self.text(" issuer_dn=\"").value(certificate.map(|it| it.issuer_dn.as_str()));
        self.text("\" serial=").value(certificate.map(|it| it.serial.as_str()));
        self.text(" v_start=\"").value(certificate.map(|it| it.not_before.as_str()));
        self.text("\" v_end=\"").value(certificate.map(|it| it.not_after.as_str()));
        self.text("\" v_remain=").remaining_days();
        self.text(" session_reused=").session_reused();
        self.text(" server_name=").text(event.server.name);
        self.text(" server_port=").number(event.server.port);
        self.text(" sni=\"").value(event.tls.map(|_| event.server.name));
        self.text("\" host=\"").text(event.server.name);
        self.text("\" request_id=").request_id();
        self.text(" connection=").number(event.connection);
        self.text(" connection_requests=").number(event.connection_requests);
        self.text(" msec=").seconds(event.time_millis);
    }

    fn write_json(mut self, time: &str) {
        let event = self.event;
        let certificate = event.certificate;
        self.text("{\"time\":\"").text(time).text("\",\"msec\":").seconds(event.time_millis);
        self.text(",\"remote_addr\":\"").text(event.remote_addr);
        self.text("\",\"remote_user\":\"\",\"request\":\"").request();
        self.text("\",\"method\":\"").text(if event.path.is_empty() { "" } else { event.method });
        self.text("\",\"uri\":\"").text(event.path).text(event.query);
        self.text("\",\"status\":")
            .number(event.status)
            .text(",\"bytes\":")
            .number(event.body_bytes);
        self.text(",\"referer\":\"").value(event.referer);
        self.text("\",\"user_agent\":\"").value(Some(event.user_agent));
        self.text("\",\"client_verify\":\"").value(event.verify);
        self.text("\",\"client_dn\":\"").value(certificate.map(|it| it.subject_dn.as_str()));
        self.text("\",\"client_fp\":\"").value(certificate.map(|it| it.fingerprint_sha1.as_str()));
        self.text("\",\"issuer_dn\":\"").value(certificate.map(|it| it.issuer_dn.as_str()));
        self.text("\",\"serial\":\"").value(certificate.map(|it| it.serial.as_str()));
        self.text("\",\"v_start\":\"").value(certificate.map(|it| it.not_before.as_str()));
        self.text("\",\"v_end\":\"").value(certificate.map(|it| it.not_after.as_str()));
        self.text("\",\"v_remain\":\"").remaining_days();
        self.text("\",\"ssl_protocol\":\"").value(event.tls.map(|tls| tls.0));
        self.text("\",\"ssl_cipher\":\"").value(event.tls.map(|tls| tls.1));
        self.text("\",\"session_reused\":\"").session_reused();
        self.text("\",\"upstream_addr\":\"").upstreams(Fields::upstream_addr);
        self.text("\",\"upstream_status\":\"").upstreams(Fields::upstream_status);
        self.text("\",\"upstream_response_time\":\"").upstreams(Fields::upstream_time);
        self.text("\",\"request_time\":").seconds(event.request_millis);
        self.text(",\"server_name\":\"").text(event.server.name);
        self.text("\",\"server_port\":\"").number(event.server.port);
        self.text("\",\"sni\":\"").value(event.tls.map(|_| event.server.name));
        self.text("\",\"host\":\"").text(event.server.name);
        self.text("\",\"request_id\":\"").request_id();
        self.text("\",\"connection\":").number(event.connection);
        self.text(",\"connection_requests\":").number(event.connection_requests).text("}");
    }

    fn write_tsv(mut self, time: &str) {
        let event = self.event;
        let certificate = event.certificate;
        self.text(time).text("\t").text(event.remote_addr).text("\t").number(event.status);
        self.text("\t").value(event.verify);
        self.text("\t").value(certificate.map(|it| it.subject_dn.as_str()));
        self.text("\t").value(certificate.map(|it| it.fingerprint_sha1.as_str()));
        self.text("\t").value(certificate.map(|it| it.serial.as_str()));
        self.text("\t").value(certificate.map(|it| it.not_after.as_str()));
        self.text("\t").value(event.tls.map(|tls| tls.0));
        self.text("\t").text(event.method).text("\t").text(event.path).text(event.query);
        self.text("\t").upstreams(Fields::upstream_addr);
        self.text("\t").upstreams(Fields::upstream_status);
        self.text("\t").value(Some(event.user_agent)).text("\t").request_id();
    }

    /// Appends what needs no escaping.
    fn text(&mut self, text: &str) -> &mut Self {
        self.line.extend_from_slice(text.as_bytes());
        self
    }

    /// Appends a value that a client may have written.
    fn value(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => value.bytes().for_each(|byte| (self.style.escape)(byte, self.line)),
            None => self.line.extend_from_slice(self.style.absent),
        }
        self
    }

    fn number(&mut self, number: impl Into<u64>) -> &mut Self {
        let number = number.into();
        let mut power = 1;
        while number / power >= 10 {
            power *= 10;
        }
        while power > 0 {
            self.line.push(digit(number / power));
            power /= 10;
        }
        self
    }

    /// Milliseconds as seconds with three decimals.
    fn seconds(&mut self, millis: u64) -> &mut Self {
        self.number(millis / 1000);
        let decimals = [digit(millis / 100), digit(millis / 10), digit(millis)];
        self.line.push(b'.');
        self.line.extend_from_slice(&decimals);
        self
    }

    fn request(&mut self) -> &mut Self {
        let Event { method, path, query, protocol, .. } = *self.event;
        if path.is_empty() {
            return self.value(Some(method).filter(|text| !text.is_empty()));
        }
        self.text(method).text(" ").text(path).text(query).text(" ").text(protocol)
    }

    fn request_id(&mut self) -> &mut Self {
        for half in self.event.request_id {
            for shift in (0..16).rev() {
                let nibble = half >> (shift * 4) & 15;
                self.line.push(if nibble < 10 {
                    digit(nibble)
                } else {
                    digit(nibble - 10) + b'a' - b'0'
                });
            }
        }
        self
    }

    /// Whole days, 0 once it has ended.
    fn remaining_days(&mut self) -> &mut Self {
        match self.event.certificate {
            Some(certificate) => {
                let seconds = self.event.time_millis / 1000;
                self.number(certificate.not_after_seconds.saturating_sub(seconds) / DAY_SECONDS)
            }
            None => self.value(None),
        }
    }

    fn session_reused(&mut self) -> &mut Self {
        let reused = if self.event.is_resumed { "r" } else { "." };
        self.value(self.event.tls.map(|_| reused))
    }

    /// What `write` appends for each upstream, joined by commas.
    fn upstreams(&mut self, write: fn(&mut Self, &str, bool)) -> &mut Self {
        let upstreams = self.event.upstreams;
        if upstreams.is_empty() {
            return self.value(None);
        }
        for (index, upstream) in upstreams.iter().enumerate() {
            if index > 0 {
                self.text(", ");
            }
            write(self, upstream, index + 1 == upstreams.len());
        }
        self
    }

    fn upstream_addr(&mut self, upstream: &str, _is_last: bool) {
        self.text(upstream);
    }

    fn upstream_status(&mut self, _upstream: &str, is_last: bool) {
        self.number(if is_last { self.event.status } else { 502 });
    }

    fn upstream_time(&mut self, _upstream: &str, is_last: bool) {
        self.seconds(if is_last { self.event.request_millis } else { 1 });
    }
}

/// The last decimal digit.
fn digit(number: u64) -> u8 {
    b'0' + (number % 10) as u8
}

fn escape_default(byte: u8, line: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' | 0..0x20 | 0x7F.. => {
            line.extend_from_slice(format!("\\x{byte:02X}").as_bytes())
        }
        _ => line.push(byte),
    }
}

fn escape_json(byte: u8, line: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
        0..0x20 => line.extend_from_slice(format!("\\u{byte:04X}").as_bytes()),
        _ => line.push(byte),
    }
}
