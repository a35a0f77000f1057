//! The table of paths. One path, one spelling: paths are compared byte by byte, nothing is decoded,
//! merged or trimmed, so that a rule on a path in front of us means what it says.

use super::settings::{Group, Groups};

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// The metrics page.
    Metrics,
    /// The process is alive and answers.
    Healthz,
    /// The agent does its work.
    Readyz,
}

/// Every path, the group it belongs to and where it leads. A new page is a new row.
const ROUTES: [(&str, Group, Route); 3] = [
    ("/metrics", Group::Metrics, Route::Metrics),
    ("/healthz", Group::Health, Route::Healthz),
    ("/readyz", Group::Health, Route::Readyz),
];

/// Where `path` (raw, without query) leads on a listener that serves `groups`.
pub(super) fn find(path: &str, groups: Groups) -> Option<Route> {
    ROUTES
        .iter()
        .find(|(spelling, group, _)| *spelling == path && groups.contains(*group))
        .map(|(_, _, route)| *route)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes through `Uri`, as a request target does.
    #[track_caller]
    fn check(target: &str, expected: Option<Route>) {
        let all = Group::ALL.into_iter().collect();
        let uri: hyper::Uri = target.parse().unwrap();
        assert_eq!(find(uri.path(), all), expected, "{target}");
    }

    #[test]
    fn paths() {
        check("/metrics", Some(Route::Metrics));
        check("/metrics?", Some(Route::Metrics));
        check("/metrics?name[]=up&x=/healthz", Some(Route::Metrics));
        check("/healthz", Some(Route::Healthz));
        check("/readyz", Some(Route::Readyz));
        check("http://localhost/metrics", Some(Route::Metrics));
        check("http://localhost/metrics?x", Some(Route::Metrics));
    }

    #[test]
    fn other_spellings_are_other_paths() {
        for target in [
            "/",
            "//metrics",
            "/metrics/",
            "/metrics//",
            "/./metrics",
            "/x/../metrics",
            "/%6detrics",
            "/%6Detrics",
            "/metrics%20",
            "/metrics%3Fx",
            "/metrics;x",
            "/Metrics",
            "/METRICS",
            "/metric",
            "/metricss",
            "/\\metrics",
            "/metrics/healthz",
            "/%2Fmetrics",
            "http://localhost",
            "http://localhost//metrics",
            "*",
            "localhost:80",
        ] {
            check(target, None);
        }
    }

    #[test]
    fn a_group_that_is_not_served_is_not_found() {
        let metrics = Groups::NONE.with(Group::Metrics);
        assert_eq!(find("/metrics", metrics), Some(Route::Metrics));
        assert_eq!(find("/healthz", metrics), None);
        assert_eq!(find("/metrics", Groups::NONE.with(Group::Health)), None);
    }
}
