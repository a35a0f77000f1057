//! `${NAME}` in paths: the value of an environment variable, such as systemd's `${CREDENTIALS_DIRECTORY}`.
//!
//! Only that form counts; `$NAME` and a lone `$` stay as they are. Values are put in once and not looked
//! through again. Reading the environment is left to the caller, who passes a lookup.

use std::ffi::OsString;
use std::ops::Range;

/// Looks up one environment variable; `None` when it is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Why a text could not be expanded, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExpandError {
    /// The bytes of the text that are at fault.
    pub(super) at_bytes: Range<usize>,
    pub(super) kind: ExpandErrorKind,
}

/// What is wrong with a `${...}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ExpandErrorKind {
    #[error("expected `}}` behind `${{`")]
    Unclosed,
    #[error("expected a name of letters, digits and `_` in `${{...}}`")]
    BadName,
    #[error("`{0}` is not set in the environment")]
    Unset(String),
    #[error("`{0}` is empty in the environment")]
    Empty(String),
    #[error("`{0}` is not UTF-8 in the environment")]
    NotUtf8(String),
}

/// Replaces each `${NAME}` in `text`.
///
/// # Errors
///
/// The first that is not closed, has no proper name, or whose variable is unset, empty or not UTF-8.
pub(super) fn expand(text: &str, lookup: Lookup<'_>) -> Result<String, ExpandError> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from_name)) = rest.split_once("${") {
        expanded.push_str(before);
        let start = text.len() - from_name.len() - 2;
        let error = |end: usize, kind| Err(ExpandError { at_bytes: start..end, kind });
        let Some((name, behind)) = from_name.split_once('}') else {
            return error(text.len(), ExpandErrorKind::Unclosed);
        };
        let end = text.len() - behind.len();
        if !is_name(name) {
            return error(end, ExpandErrorKind::BadName);
        }
        let Some(value) = lookup(name) else {
            return error(end, ExpandErrorKind::Unset(name.to_owned()));
        };
        let Ok(value) = value.into_string() else {
            return error(end, ExpandErrorKind::NotUtf8(name.to_owned()));
        };
        if value.is_empty() {
            return error(end, ExpandErrorKind::Empty(name.to_owned()));
        }
        expanded.push_str(&value);
        rest = behind;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<OsString> {
        use std::os::unix::ffi::OsStringExt as _;
        match name {
            "DIR" => Some("/run/gate".into()),
            "_A1" => Some("${DIR}".into()),
            "EMPTY" => Some("".into()),
            "BINARY" => Some(OsString::from_vec(vec![0xff])),
            _ => None,
        }
    }

    #[test]
    fn known_names_are_replaced_once() {
        for (text, expected) in [
            ("", ""),
            ("/var/log/$x.log", "/var/log/$x.log"),
            ("${DIR}", "/run/gate"),
            ("${DIR}/a ${DIR}", "/run/gate/a /run/gate"),
            ("${_A1}}", "${DIR}}"),
            ("$${DIR}", "$/run/gate"),
            ("{DIR}$", "{DIR}$"),
        ] {
            assert_eq!(expand(text, &lookup).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn the_rest_is_an_error_with_its_place() {
        for (text, at_bytes, expected) in [
            ("/a/${NOPE}/b", 3..10, "`NOPE` is not set in the environment"),
            ("${DIR}${EMPTY}", 6..14, "`EMPTY` is empty in the environment"),
            ("${BINARY}", 0..9, "`BINARY` is not UTF-8 in the environment"),
            ("a${DIR", 1..6, "expected `}` behind `${`"),
            ("${}", 0..3, "expected a name of letters, digits and `_` in `${...}`"),
            ("${1A}", 0..5, "expected a name of letters, digits and `_` in `${...}`"),
            ("ö${A-B}", 2..8, "expected a name of letters, digits and `_` in `${...}`"),
        ] {
            let error = expand(text, &lookup).unwrap_err();
            assert_eq!(
                (error.at_bytes, error.kind.to_string().as_str()),
                (at_bytes, expected),
                "{text}"
            );
        }
    }
}
