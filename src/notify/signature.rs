//! Signatures of Standard Webhooks 1.0.0: HMAC-SHA256 (RFC 2104) over id, time and body.

use std::path::Path;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::secret::{FileError, FileProblem, Secret};

/// What a secret has before its base64.
const PREFIX: &str = "whsec_";

/// A secret's length in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The key of a file.
pub(super) fn read_key(path: &Path) -> Result<Key, FileError> {
    let secret = Secret::read(path)?;
    let expected = || {
        let problem = FileProblem::Content("`whsec_` and base64 of 24 to 64 bytes");
        FileError { path: path.to_owned(), problem }
    };
    let text = secret.reveal().strip_prefix(PREFIX).ok_or_else(expected)?;
    let bytes = STANDARD.decode(text).map_err(|_| expected())?;
    if KEY_BYTES.contains(&bytes.len()) {
        Ok(Key::new(HMAC_SHA256, &bytes))
    } else {
        Err(expected())
    }
}

/// The value of `webhook-signature`: one for each key, separated by spaces.
pub(super) fn signatures(keys: &[Key], id: &str, unix_seconds: i64, body: &[u8]) -> String {
    let mut content = format!("{id}.{unix_seconds}.").into_bytes();
    content.extend_from_slice(body);
    let of_key = |key| format!("v1,{}", STANDARD.encode(sign(key, &content)));
    keys.iter().map(of_key).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's libraries.
    #[test]
    fn the_known_example() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let key = read_key(&path).unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let body = br#"{"test": 2432232314}"#;
        let one = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signatures(std::slice::from_ref(&key), id, 1_614_265_330, body), one);
        let both = signatures(&[key.clone(), key], id, 1_614_265_330, body);
        assert_eq!(both, format!("{one} {one}"));
    }

    #[test]
    fn what_is_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let check = |text: &str, is_key: bool| {
            std::fs::write(&path, text).unwrap();
            match read_key(&path) {
                Ok(_) => assert!(is_key, "{text}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(
                        !is_key && text.ends_with("expected `whsec_` and base64 of 24 to 64 bytes"),
                        "{text}"
                    );
                }
            }
        };
        let of_length = |length: usize| format!("whsec_{}", STANDARD.encode(vec![1; length]));
        check(&of_length(23), false);
        check(&of_length(24), true);
        check(&of_length(64), true);
        check(&of_length(65), false);
        check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false);
        check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!", false);
    }
}
