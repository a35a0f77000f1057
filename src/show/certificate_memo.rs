//! What was made of the certificates that were seen last, so that it is not made again for each of
//! their lines: names taken apart, times written anew.
//!
//! One place for each certificate, found by its bytes; another one in the same place takes it. The
//! answer is always that of working it out anew, for all the values that it depends on are compared.

use gatelog_parsers::escape::Escape;

use crate::limits::{CERTIFICATE_MEMO_ENTRIES_MAX, CERTIFICATE_MEMO_KEY_BYTES_MAX};

/// Values as they stand in the line on which the text depends.
pub(super) type Values<'a> = [Option<&'a [u8]>; 6];

/// Remembers texts by the values that they were made of.
#[derive(Debug, Default)]
pub(super) struct CertificateMemo {
    /// None, or [`CERTIFICATE_MEMO_ENTRIES_MAX`].
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    escape: Escape,
    /// The lengths of the values; `None` for one that is absent.
    lengths: [Option<usize>; 6],
    /// The values one behind the other.
    key: Vec<u8>,
    text: Vec<u8>,
}

impl CertificateMemo {
    /// Appends the text for these values, which `make` appends when it is not remembered.
    pub(super) fn append(
        &mut self,
        out: &mut Vec<u8>,
        (values, escape): (&Values<'_>, Escape),
        make: impl FnOnce(&mut Vec<u8>),
    ) {
        if self.entries.is_empty() {
            self.entries.resize(CERTIFICATE_MEMO_ENTRIES_MAX, Entry::default());
        }
        let key_bytes: usize = values.iter().flatten().map(|value| value.len()).sum();
        let place = place(values) % CERTIFICATE_MEMO_ENTRIES_MAX;
        match self.entries.get_mut(place) {
            Some(entry) if (1..=CERTIFICATE_MEMO_KEY_BYTES_MAX).contains(&key_bytes) => {
                if !entry.is_of(values, escape) {
                    let before = out.len();
                    make(out);
                    entry.remember(values, escape, out.get(before..).unwrap_or_default());
                    return;
                }
                out.extend_from_slice(&entry.text);
            }
            _ => make(out),
        }
    }
}

/// Where a certificate is remembered: by the ends of its values, of which the fingerprint's is as good
/// as drawn. That a client can choose the others costs it nothing but its own lines' speed.
fn place(values: &Values<'_>) -> usize {
    let end = |value: &[u8]| value.last_chunk().map_or(0, |end| u64::from_le_bytes(*end));
    let mixed = values.iter().flatten().fold(0u64, |mixed, value| {
        (mixed.rotate_left(7) ^ end(value)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    usize::try_from(mixed >> 40).unwrap_or_default()
}

impl Entry {
    fn is_of(&self, values: &Values<'_>, escape: Escape) -> bool {
        let mut rest = self.key.as_slice();
        let mut is_next = |value: &Option<&[u8]>, length: &Option<usize>| {
            let Some(value) = value else { return length.is_none() };
            let Some((next, behind)) = rest.split_at_checked(value.len()) else { return false };
            rest = behind;
            *length == Some(value.len()) && next == *value
        };
        self.escape == escape
            && !self.key.is_empty()
            && values.iter().zip(&self.lengths).all(|(value, length)| is_next(value, length))
    }

    fn remember(&mut self, values: &Values<'_>, escape: Escape, text: &[u8]) {
        self.escape = escape;
        self.lengths = values.map(|value| value.map(<[u8]>::len));
        self.key.clear();
        values.iter().flatten().for_each(|value| self.key.extend_from_slice(value));
        self.text.clear();
        self.text.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn only_the_same_values_are_remembered() {
        let (mut memo, made) = (CertificateMemo::default(), Cell::new(0));
        let mut check = |values: [Option<&str>; 6], escape, is_new: bool| {
            let expected = format!("{values:?} {escape:?}");
            let values = values.map(|value| value.map(str::as_bytes));
            let mut out = b"before ".to_vec();
            made.set(0);
            memo.append(&mut out, (&values, escape), |out| {
                made.set(1);
                out.extend_from_slice(expected.as_bytes());
            });
            assert_eq!(String::from_utf8(out).unwrap(), format!("before {expected}"));
            assert_eq!(made.get() == 1, is_new, "{expected}");
        };
        let first = [Some("CN=a"), Some("CN=ca"), None, Some("0f"), None, None];
        check(first, Escape::Default, true);
        check(first, Escape::Default, false);
        // Each of these falls into the same place, or has the same bytes cut otherwise.
        check(first, Escape::Json, true);
        check(first, Escape::Default, true);
        check(
            [Some("CN=a"), Some("CN=ca"), Some(""), Some("0f"), None, None],
            Escape::Default,
            true,
        );
        check([Some("CN=aC"), Some("N=ca"), None, Some("0f"), None, None], Escape::Default, true);
        check([Some("CN=a"), Some("CN=ca"), Some("0f"), None, None, None], Escape::Default, true);
        check(first, Escape::Default, true);
        check(first, Escape::Default, false);
        // Nothing at all is not worth remembering, nor is what is long.
        check([None; 6], Escape::Default, true);
        check([None; 6], Escape::Default, true);
        let long = "x".repeat(CERTIFICATE_MEMO_KEY_BYTES_MAX - 1);
        let fits = [Some("y"), Some(long.as_str()), None, None, None, None];
        check(fits, Escape::Default, true);
        check(fits, Escape::Default, false);
        let too_long = [Some("yy"), Some(long.as_str()), None, None, None, None];
        check(too_long, Escape::Default, true);
        check(too_long, Escape::Default, true);
    }
}
