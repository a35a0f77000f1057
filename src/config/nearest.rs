//! The known word nearest to a mistyped one. What to do with it is left to the callers.

/// Below this similarity (Jaro-Winkler, 0 to 1) a suggestion would be a guess: `limit` and `listen` have 0.75.
const SIMILARITY_MIN: f64 = 0.8;

/// The candidate most like `word`, if one is like it at all; the first of equals.
///
/// Upper and lower case and `-` for `_` do not count as different.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let mut best = None;
    let mut best_similarity = SIMILARITY_MIN;
    for candidate in candidates {
        let similarity = strsim::jaro_winkler(&word, candidate);
        if similarity > best_similarity {
            best = Some(candidate);
            best_similarity = similarity;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let keys = [
            "lateness",
            "listen",
            "open",
            "hosts",
            "paths",
            "patterns",
            "nginx_conf",
            "limit",
            "from",
        ];
        for (word, expected) in [
            ("latenes", Some("lateness")),
            ("latency", Some("lateness")),
            ("host", Some("hosts")),
            ("path", Some("paths")),
            ("pattern", Some("patterns")),
            ("nginx-conf", Some("nginx_conf")),
            ("Listen", Some("listen")),
            ("lisetn", Some("listen")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), expected, "{word}");
        }
    }
}
