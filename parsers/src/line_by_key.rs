//! Reads a JSON line by its keys, whatever their order and spacing.

use super::{ABSENT, LineError, LineErrorKind, LineParser, Span, Step, json_line};
use crate::escape::Escape;
use crate::json_line::Kind;
use crate::variable::{Field, Shape, contacted_upstreams};

/// Which variable a key stands for.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Sorted by key; a key may stand for one of several variables, told apart by their shapes.
    entries: Vec<(Vec<u8>, u16)>,
}

/// Keys that are neither nginx's variables nor what a format of ours names otherwise.
const SHORT_FORMS: &[(&str, Field)] = &[
    ("time", Field::TimeIso8601),
    ("time", Field::TimeLocal),
    ("time", Field::Msec),
    ("timestamp", Field::TimeIso8601),
    ("timestamp", Field::Msec),
    ("@timestamp", Field::TimeIso8601),
    ("method", Field::RequestMethod),
    ("protocol", Field::ServerProtocol),
    ("uri", Field::RequestUri),
    ("bytes", Field::BodyBytesSent),
    ("referer", Field::HttpReferer),
    ("user_agent", Field::HttpUserAgent),
    ("verify", Field::SslClientVerify),
    ("client_verify", Field::SslClientVerify),
    ("subject_dn", Field::SslClientSDn),
    ("client_dn", Field::SslClientSDn),
    ("issuer_dn", Field::SslClientIDn),
    ("serial", Field::SslClientSerial),
    ("fingerprint_sha1", Field::SslClientFingerprint),
    ("client_fp", Field::SslClientFingerprint),
    ("not_before", Field::SslClientVStart),
    ("v_start", Field::SslClientVStart),
    ("not_after", Field::SslClientVEnd),
    ("v_end", Field::SslClientVEnd),
    ("remaining_days", Field::SslClientVRemain),
    ("v_remain", Field::SslClientVRemain),
    ("tls_protocol", Field::SslProtocol),
    ("tls_cipher", Field::SslCipher),
    ("session_reused", Field::SslSessionReused),
    ("sni", Field::SslServerName),
    ("server", Field::ServerName),
    ("request_time_seconds", Field::RequestTime),
    ("upstream_addrs", Field::UpstreamAddr),
    ("upstream_statuses", Field::UpstreamStatus),
];

impl Keys {
    /// nginx's variables without `$`, and the short forms.
    pub(super) fn well_known() -> Keys {
        let variables = Field::ALL.iter().map(|field| (field.variable(), *field));
        let own: Vec<_> = variables.filter(|(name, _)| *name != "uri").collect();
        let entry =
            |(key, field): &(&str, Field)| (key.as_bytes().to_vec(), u16::from(*field as u8));
        Keys::sorted(own.iter().chain(SHORT_FORMS).map(entry).collect())
    }

    /// The keys of a template that is a JSON object: what stands in quotes and a colon before a
    /// variable. `None` when it is no object.
    pub(super) fn of_template(leading: &[u8], steps: &[Step], escape: Escape) -> Option<Keys> {
        let closes = steps.last()?.literal.trim_ascii_end().ends_with(b"}");
        if leading.first() != Some(&b'{') || !closes || escape == Escape::None {
            return None;
        }
        let before = std::iter::once(leading).chain(steps.iter().map(|step| &step.literal[..]));
        let entries = before.zip(steps).zip(0u16..);
        let key = |((before, step), index): ((&[u8], &Step), u16)| {
            Some((key_of(before, &step.literal)?, index))
        };
        Some(Keys::sorted(entries.filter_map(key).collect()))
    }

    fn sorted(mut entries: Vec<(Vec<u8>, u16)>) -> Keys {
        entries.sort();
        Keys { entries }
    }

    /// The variables that `key` may stand for.
    fn of(&self, key: &[u8]) -> impl Iterator<Item = u16> {
        let from = self.entries.partition_point(|(known, _)| known.as_slice() < key);
        let entries = self.entries.get(from..).unwrap_or_default();
        entries.iter().take_while(move |(known, _)| known.as_slice() == key).map(|(_, i)| *i)
    }
}

/// The key of a variable that is a whole value: `"key":` or `"key":"` stands before it, and behind
/// it the value ends.
fn key_of(before: &[u8], behind: &[u8]) -> Option<Vec<u8>> {
    let (text, ends) = match before.strip_suffix(b"\"") {
        Some(text) => (text, behind.starts_with(b"\"")),
        None => (before, matches!(behind.trim_ascii_start().first(), Some(b',' | b'}'))),
    };
    let text = text.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end().strip_suffix(b"\"")?;
    let open = memchr::memrchr(b'"', text)?;
    text.get(open + 1..).filter(|key| ends && !key.is_empty()).map(<[u8]>::to_vec)
}

impl LineParser {
    pub(super) fn by_key(
        &self,
        keys: &Keys,
        line: &[u8],
        found: &mut [Span],
        key_spans: &mut Vec<Span>,
    ) -> Result<(), LineError> {
        key_spans.clear();
        key_spans.resize(found.len(), ABSENT);
        let mut known = 0usize;
        for member in json_line::members(line) {
            let member = member.map_err(|error| {
                let kind = LineErrorKind::Json(error.expected);
                LineError::new(kind, Step::LEADING, error.at, line.len())
            })?;
            let span = Span::new(member.start, member.end);
            let value = span.of(line).unwrap_or_default();
            let fits = |index: &u16| match member.kind {
                Kind::Nested => self.shape(*index).fits_array(value),
                Kind::Text | Kind::Plain | Kind::Null => self.shape(*index).fits_in_object(value),
            };
            let mut candidates = keys.of(member.key).peekable();
            let Some(first) = candidates.peek().copied() else { continue };
            known += 1;
            if member.kind == Kind::Null {
                continue;
            }
            let Some(index) = candidates.find(fits).map(usize::from) else {
                let kind = LineErrorKind::Value;
                return Err(LineError::new(kind, first, member.start, member.end));
            };
            let no_server =
                member.kind == Kind::Nested && contacted_upstreams(value).next().is_none();
            let span = if no_server { Span::new(member.end, member.end) } else { span };
            let key = Span::new(member.key_at, member.end);
            if let (Some(found), Some(key_span)) = (found.get_mut(index), key_spans.get_mut(index))
            {
                if *found == ABSENT {
                    (*found, *key_span) = (span, key);
                } else if same_key(line, *key_span, member.key) {
                    let kind = LineErrorKind::DuplicateKey;
                    return Err(LineError::new(kind, index, member.key_at, member.end));
                }
            }
        }
        let nothing = LineErrorKind::Json("a key that is an nginx variable");
        if known == 0 { Err(LineError::new(nothing, Step::LEADING, 0, line.len())) } else { Ok(()) }
    }

    fn shape(&self, index: u16) -> Shape {
        self.steps.get(usize::from(index)).map_or(Shape::Text, |step| step.shape)
    }
}

/// Whether the member at `span` (from its key's quote on) has this key too.
fn same_key(line: &[u8], span: Span, key: &[u8]) -> bool {
    let member = span.of(line).and_then(|text| text.strip_prefix(b"\""));
    member.and_then(|text| text.strip_prefix(key)).is_some_and(|rest| rest.starts_with(b"\""))
}
