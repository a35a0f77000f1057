//! The value of nginx's `$ssl_client_verify`: `SUCCESS`, `NONE` or `FAILED:` and a text.
//!
//! Owns the shape of the value and the list of texts that may follow `FAILED:`, so that a reader of
//! lines can tell where an unquoted, spaced text ends. What a failure means, whose fault it is and
//! what to do about it is left to the agent.
//!
//! Follows <https://nginx.org/en/docs/http/ngx_http_ssl_module.html#var_ssl_client_verify> and
//! `ngx_ssl_get_client_verify` in `src/event/ngx_event_openssl.c`. Before nginx 1.11.7 the value
//! was a bare `FAILED`: that is read as a failure with an empty text.

mod openssl;

pub use self::openssl::{VERIFY_ERRORS, VerifyError};

/// What `$ssl_client_verify` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyResult<'a> {
    /// `SUCCESS`: a certificate was sent and its chain verified.
    Success,
    /// `NONE`: no certificate was sent.
    None,
    /// `FAILED:text`: a certificate was sent and did not verify.
    Failed {
        /// The text after the colon, as nginx wrote it, known to [`VERIFY_ERRORS`] or not; empty
        /// where nginx gave no reason.
        text: &'a [u8],
    },
    /// `-` or empty: the connection carried no TLS.
    NotTls,
}

/// Reads a whole value, its log escaping undone. `None` for anything nginx does not write.
#[must_use]
pub fn parse(value: &[u8]) -> Option<VerifyResult<'_>> {
    match value {
        b"SUCCESS" => Some(VerifyResult::Success),
        b"NONE" => Some(VerifyResult::None),
        b"" | b"-" => Some(VerifyResult::NotTls),
        b"FAILED" => Some(VerifyResult::Failed { text: b"" }),
        _ => value.strip_prefix(b"FAILED:").map(|text| VerifyResult::Failed { text }),
    }
}

/// The index into [`VERIFY_ERRORS`] of the error with exactly this text, in any wording.
#[must_use]
pub fn verify_error(text: &[u8]) -> Option<usize> {
    let found = BY_TEXT.binary_search_by(|known| known.text.as_bytes().cmp(text)).ok()?;
    BY_TEXT.get(found).and_then(|known| known.error_index)
}

/// The length in bytes of the longest known text that `input` starts with and that ends at a word's
/// end: at the end of `input` or before a byte that is no letter.
///
/// `input` is what follows `FAILED:` in a line that does not quote the value. Knows, besides
/// [`VERIFY_ERRORS`], the texts for errors that the library itself could not name.
#[must_use]
pub fn longest_known_text(input: &[u8]) -> Option<usize> {
    let first = input.first()?;
    // Only the texts with this first byte can match: two short searches leave 18 at most.
    let start = BY_TEXT.partition_point(|known| known.text.as_bytes().first() < Some(first));
    BY_TEXT
        .get(start..)?
        .iter()
        .map(|known| known.text.as_bytes())
        .take_while(|text| text.first() == Some(first))
        .filter(|text| {
            let after = input.strip_prefix(*text);
            after.is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_alphabetic))
        })
        .map(<[u8]>::len)
        .max()
}

/// What libraries write for an error they have no text for: OpenSSL (also `BoringSSL`), `LibreSSL`,
/// AWS-LC and `BoringSSL` again. They are no macro's text, so [`verify_error`] does not know them.
const UNNAMED_TEXTS: [&str; 4] = [
    "unknown certificate verification error",
    "Unknown certificate verification error",
    "Unable to get leaf certificate's public key",
    "Certificate verification is not linked into this binary",
];

#[derive(Clone, Copy)]
struct KnownText {
    text: &'static str,
    /// `None` for [`UNNAMED_TEXTS`].
    error_index: Option<usize>,
}

/// Every text once, in byte order, built by the compiler.
static BY_TEXT: [KnownText; TEXTS_COUNT] = texts_in_byte_order();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler only, where an index out of range fails the build"
)]
const TEXTS_COUNT: usize = {
    let mut count = UNNAMED_TEXTS.len();
    let mut error = 0;
    while error < VERIFY_ERRORS.len() {
        count += VERIFY_ERRORS[error].texts.len();
        error += 1;
    }
    count
};

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler only, where an index out of range fails the build"
)]
const fn texts_in_byte_order() -> [KnownText; TEXTS_COUNT] {
    let mut sorted = [KnownText { text: "", error_index: None }; TEXTS_COUNT];
    let mut count = 0;
    while count < UNNAMED_TEXTS.len() {
        insert(&mut sorted, count, KnownText { text: UNNAMED_TEXTS[count], error_index: None });
        count += 1;
    }
    let mut error = 0;
    while error < VERIFY_ERRORS.len() {
        let texts = VERIFY_ERRORS[error].texts;
        let mut wording = 0;
        while wording < texts.len() {
            let known = KnownText { text: texts[wording], error_index: Some(error) };
            insert(&mut sorted, count, known);
            count += 1;
            wording += 1;
        }
        error += 1;
    }
    sorted
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler only, where an index out of range fails the build"
)]
const fn insert(sorted: &mut [KnownText; TEXTS_COUNT], count: usize, known: KnownText) {
    let mut place = count;
    while place > 0 && is_before(known.text.as_bytes(), sorted[place - 1].text.as_bytes()) {
        sorted[place] = sorted[place - 1];
        place -= 1;
    }
    sorted[place] = known;
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler only, where an index out of range fails the build"
)]
const fn is_before(left: &[u8], right: &[u8]) -> bool {
    let mut at = 0;
    while at < left.len() && at < right.len() {
        if left[at] != right[at] {
            return left[at] < right[at];
        }
        at += 1;
    }
    left.len() < right.len()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const RECORDED: &str = include_str!("../tests/data/x509_verify_errors.tsv");
    const LABELS: &str = include_str!("../../tests/corpus/labels.tsv");

    fn macro_of(text: &str) -> Option<&'static str> {
        verify_error(text.as_bytes()).map(|index| VERIFY_ERRORS[index].macro_name)
    }

    #[test]
    fn values_are_read() {
        fn check(value: &str, expected: Option<VerifyResult<'_>>) {
            assert_eq!(parse(value.as_bytes()), expected, "{value:?}");
        }
        fn failed(text: &str) -> Option<VerifyResult<'_>> {
            Some(VerifyResult::Failed { text: text.as_bytes() })
        }
        check("SUCCESS", Some(VerifyResult::Success));
        check("NONE", Some(VerifyResult::None));
        check("", Some(VerifyResult::NotTls));
        check("-", Some(VerifyResult::NotTls));
        check("FAILED:certificate has expired", failed("certificate has expired"));
        check("FAILED:something new: in 2031", failed("something new: in 2031"));
        check("FAILED:", failed(""));
        check("FAILED", failed(""));
        check("FAILED ", None);
        check("FAILEDcertificate has expired", None);
        check("failed:certificate has expired", None);
        check("SUCCESS ", None);
        check(" SUCCESS", None);
        check("success", None);
        check("NONE:", None);
        check("OK", None);
        check("--", None);
    }

    #[test]
    fn old_and_new_wordings_name_one_macro() {
        fn check(wordings: &[&str], expected: &str) {
            for text in wordings {
                assert_eq!(macro_of(text), Some(expected), "{text:?}");
            }
        }
        check(&["certificate has expired"], "cert_has_expired");
        check(
            &["self signed certificate", "self-signed certificate"],
            "depth_zero_self_signed_cert",
        );
        check(
            &[
                "self signed certificate in certificate chain",
                "self-signed certificate in certificate chain",
            ],
            "self_signed_cert_in_chain",
        );
        check(
            &["unsupported certificate purpose", "unsuitable certificate purpose"],
            "invalid_purpose",
        );
        check(
            &[
                "certificate is not yet valid",
                "certificate is not yet valid or the system clock is incorrect",
            ],
            "cert_not_yet_valid",
        );
        check(&["Hostname mismatch", "hostname mismatch"], "hostname_mismatch");
        check(&["Path Loop", "path loop"], "path_loop");
        check(&["Different CRL scope", "different CRL scope"], "different_crl_scope");
        check(&["invalid CA certificate"], "invalid_ca");
        check(&["certificate revoked"], "cert_revoked");
        check(&["certificate status unknown"], "ocsp_status_unknown");
        check(&["certificate status request failed"], "ocsp_request_failed");
    }

    #[test]
    fn nearly_known_texts_are_unknown() {
        for text in [
            "",
            "certificate has expire",
            "certificate has expired ",
            " certificate has expired",
            "Certificate has expired",
            "certificate",
            "zzz",
            "unknown certificate verification error",
        ] {
            assert_eq!(macro_of(text), None, "{text:?}");
        }
        assert_eq!(verify_error(&[0xFF; 40]), None);
    }

    #[test]
    fn the_end_of_a_text_is_found() {
        fn check(input: &str, expected: Option<&str>) {
            let found =
                longest_known_text(input.as_bytes()).map(|length| input.get(..length).unwrap());
            assert_eq!(found, expected, "{input:?}");
        }
        check("certificate has expired", Some("certificate has expired"));
        check("certificate has expired client_dn=\"CN=x\"", Some("certificate has expired"));
        check("certificate has expired\t-", Some("certificate has expired"));
        check("certificate has expired\" more", Some("certificate has expired"));
        check("certificate has expiredX", None);
        check("self-signed certificate x", Some("self-signed certificate"));
        check("self-signed certificate in x", Some("self-signed certificate"));
        check(
            "self-signed certificate in certificate chain x",
            Some("self-signed certificate in certificate chain"),
        );
        check("self-signed certificate in certificate chains", Some("self-signed certificate"));
        check("self-signed certificates", None);
        check("certificate is not yet valid or not", Some("certificate is not yet valid"));
        check(
            "certificate is not yet valid or the system clock is incorrect,",
            Some("certificate is not yet valid or the system clock is incorrect"),
        );
        check(
            "invalid non-CA certificate (has CA markings) d",
            Some("invalid non-CA certificate (has CA markings)"),
        );
        check(
            "unknown certificate verification error 200",
            Some("unknown certificate verification error"),
        );
        check("certificate status unknown 1", Some("certificate status unknown"));
        check("certificate", None);
        check("", None);
        check("\u{ff}", None);
    }

    #[test]
    fn every_text_and_macro_stands_once() {
        let mut macros = BTreeSet::new();
        let mut numbers = BTreeSet::new();
        for (index, error) in VERIFY_ERRORS.iter().enumerate() {
            assert!(macros.insert(error.macro_name), "{} twice", error.macro_name);
            assert!(error.number.is_none_or(|number| numbers.insert(number)));
            assert!(!error.texts.is_empty(), "{}", error.macro_name);
            for text in error.texts {
                assert_eq!(verify_error(text.as_bytes()), Some(index), "{text:?}");
                assert_eq!(longest_known_text(text.as_bytes()), Some(text.len()), "{text:?}");
            }
        }
        assert!(BY_TEXT.is_sorted_by(|left, right| left.text < right.text), "a text stands twice");
    }

    #[test]
    fn the_table_is_what_was_recorded() {
        let recorded: Vec<(String, &str, &str)> = RECORDED
            .lines()
            .skip(1)
            .map(|row| {
                let columns: Vec<&str> = row.split('\t').collect();
                assert_eq!(columns.len(), 4, "{row:?}");
                (columns[0].to_owned(), columns[1], columns[2])
            })
            .collect();
        let ours: Vec<(String, &str, &str)> = VERIFY_ERRORS
            .iter()
            .flat_map(|error| {
                let number = error.number.map_or("-".to_owned(), |number| number.to_string());
                error.texts.iter().map(move |text| (number.clone(), error.macro_name, *text))
            })
            .collect();
        assert_eq!(ours, recorded);
    }

    #[test]
    fn every_text_nginx_logged_is_known() {
        let mut failed = 0;
        for row in LABELS.lines().skip(1) {
            let value = row.split('\t').nth(5).unwrap();
            if let Some(VerifyResult::Failed { text }) = parse(value.as_bytes()) {
                assert!(verify_error(text).is_some(), "{value:?}");
                let mut line = text.to_vec();
                line.extend_from_slice(b" client_dn=\"CN=x\"");
                assert_eq!(longest_known_text(&line), Some(text.len()), "{value:?}");
                failed += 1;
            }
        }
        assert_eq!(failed, 148);
    }
}
