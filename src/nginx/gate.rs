//! `if ($ssl_client_verify ...)` (`ngx_http_rewrite_if_condition`): which outcomes of the
//! verification a condition catches.
//!
//! Conditions on other variables, those set by `map` among them, are not followed.

use regex::bytes::RegexBuilder;

use super::include::Node;

/// Memory that a compiled pattern may take, in bytes. Real ones are a few words long.
const PATTERN_BYTES_MAX: usize = 64 * 1024;

/// Values of `$ssl_client_verify` for a certificate that failed, to try a pattern on.
const FAILED: [&str; 5] = [
    "FAILED:certificate has expired",
    "FAILED:certificate revoked",
    "FAILED:self-signed certificate",
    "FAILED:unable to verify the first certificate",
    "FAILED:unable to get local issuer certificate",
];

/// A condition's answer for a request without a certificate and for one whose certificate failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) on_missing: bool,
    pub(super) on_failed: bool,
}

impl Test {
    /// The condition of an `if`, when it is about `$ssl_client_verify`. One that cannot be worked
    /// out is taken to catch both.
    pub(super) fn of(condition: &Node) -> Option<Self> {
        // The parentheses may stand alone or stick to the first and last word.
        let mut words: Vec<&[u8]> = condition.arguments().collect();
        if let Some(first) = words.first_mut() {
            *first = first.strip_prefix(b"(")?;
        }
        if let Some(last) = words.last_mut() {
            *last = last.strip_suffix(b")")?;
        }
        words.retain(|word| !word.is_empty());
        let variable = words.first()?;
        if !matches!(*variable, b"$ssl_client_verify" | b"${ssl_client_verify}") {
            return None;
        }
        // `if ($ssl_client_verify)` holds for every value but `0`.
        let both = Test { on_missing: true, on_failed: true };
        let [_, operator, value] = words.as_slice() else { return Some(both) };
        Some(match *operator {
            _ if value.contains(&b'$') && matches!(*operator, b"=" | b"!=") => both,
            b"=" => Test { on_missing: *value == b"NONE", on_failed: value.starts_with(b"FAILED") },
            b"!=" => Test { on_missing: *value != b"NONE", on_failed: true },
            b"~" => Self::pattern(value, false).unwrap_or(both),
            b"~*" => Self::pattern(value, true).unwrap_or(both),
            b"!~" => Self::no_pattern(value, false).unwrap_or(both),
            b"!~*" => Self::no_pattern(value, true).unwrap_or(both),
            _ => both,
        })
    }

    fn pattern(pattern: &[u8], ignores_case: bool) -> Option<Self> {
        let matched = Matched::by(pattern, ignores_case)?;
        // A pattern for neither `NONE` nor `SUCCESS` is for a reason that is not among ours.
        let on_failed = matched.some_failed || !(matched.none || matched.success);
        Some(Test { on_missing: matched.none, on_failed })
    }

    fn no_pattern(pattern: &[u8], ignores_case: bool) -> Option<Self> {
        let matched = Matched::by(pattern, ignores_case)?;
        Some(Test { on_missing: !matched.none, on_failed: !matched.all_failed })
    }
}

/// What a regular expression says about the values that `$ssl_client_verify` takes.
struct Matched {
    none: bool,
    success: bool,
    some_failed: bool,
    all_failed: bool,
}

impl Matched {
    /// `None` for a pattern that only PCRE understands.
    fn by(pattern: &[u8], ignores_case: bool) -> Option<Self> {
        let pattern = std::str::from_utf8(pattern).ok()?;
        let regex = RegexBuilder::new(pattern)
            .case_insensitive(ignores_case)
            .unicode(false)
            .size_limit(PATTERN_BYTES_MAX)
            .build()
            .ok()?;
        let failed = FAILED.map(|value| regex.is_match(value.as_bytes()));
        Some(Matched {
            none: regex.is_match(b"NONE"),
            success: regex.is_match(b"SUCCESS"),
            some_failed: failed.contains(&true),
            all_failed: !failed.contains(&false),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::rc::Rc;

    fn test(condition: &str) -> Option<(bool, bool)> {
        let conf = format!("if {condition} {{ return 403; }}");
        let directive = gatelog_parsers::nginx_conf::parse(conf.as_bytes()).unwrap().remove(0);
        let node = Node { directive, path: Rc::from(Path::new("nginx.conf")), block: Vec::new() };
        Test::of(&node).map(|test| (test.on_missing, test.on_failed))
    }

    #[test]
    fn conditions() {
        let (neither, missing, failed, both) =
            ((false, false), (true, false), (false, true), (true, true));
        let check = |condition: &str, expected: Option<(bool, bool)>| {
            assert_eq!(test(condition), expected, "{condition}");
        };
        check("($ssl_client_verify != SUCCESS)", Some(both));
        check("($ssl_client_verify != \"SUCCESS\")", Some(both));
        check("( $ssl_client_verify != SUCCESS )", Some(both));
        check("(${ssl_client_verify} != SUCCESS)", Some(both));
        check("($ssl_client_verify = NONE)", Some(missing));
        check("($ssl_client_verify = \"NONE\")", Some(missing));
        check("($ssl_client_verify != NONE)", Some(failed));
        check("($ssl_client_verify ~ FAILED)", Some(failed));
        check("($ssl_client_verify ~ ^FAILED)", Some(failed));
        check("($ssl_client_verify ~* ^failed:)", Some(failed));
        check("($ssl_client_verify ~ expired)", Some(failed));
        check("($ssl_client_verify ~ CRL)", Some(failed));
        check("($ssl_client_verify = FAILED)", Some(failed));
        check("($ssl_client_verify ~ ^(NONE|FAILED))", Some(both));
        check("($ssl_client_verify !~ SUCCESS)", Some(both));
        check("($ssl_client_verify !~ ^FAILED)", Some(missing));
        check("($ssl_client_verify !~ ^(SUCCESS|NONE)$)", Some(failed));
        check("($ssl_client_verify !~* success)", Some(both));
        check("($ssl_client_verify = SUCCESS)", Some(neither));
        check("($ssl_client_verify ~ ^SUCCESS$)", Some(neither));
        check("($ssl_client_verify)", Some(both));
        check("($ssl_client_verify != $expected)", Some(both));
        check("($ssl_client_verify ~ (?!SUCCESS))", Some(both));
        check("($ssl_client_verify ~ \"a{900}{900}\")", Some(both));
        check("($ssl_client_verify_x != SUCCESS)", None);
        check("($admin = 0)", None);
        check("(-f $request_filename)", None);
        check("()", None);
        check("$ssl_client_verify != SUCCESS", None);
    }
}
