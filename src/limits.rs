//! The bounds of the whole process: every queue, map, cache, file and list, with its unit.
//!
//! A bound that belongs to one grammar stands in that parser; what a person chooses in the configuration
//! stands in `config`. Each says what happens when it is reached, and that something tells of it.

use std::time::Duration;

/// Largest configuration file read, in bytes. A larger one is refused: it is most likely not a configuration.
pub const CONFIG_BYTES_MAX: usize = 1024 * 1024;

/// Most problems of one configuration that are shown; the rest is counted in a last line.
pub const CONFIG_PROBLEMS_MAX: usize = 50;

/// Most columns of a diagnostic's source line, its line number included. The rest of the line is cut and
/// marked with `…`; the label behind the carets may stand out.
pub const DIAGNOSTIC_COLUMNS_MAX: usize = 90;

/// Most `[[source]]` tables; one more is a configuration error.
pub const SOURCES_MAX: usize = 64;

/// Most paths and globs of one source; one more is a configuration error.
pub const SOURCE_PATHS_MAX: usize = 64;

/// Most `[[server]]` tables; one more is a configuration error.
pub const SERVERS_MAX: usize = 256;

/// Most entries of one list in a `[[server]]` table; one more is a configuration error.
pub const SERVER_LIST_MAX: usize = 64;

/// Most names that `Host` may carry besides IP literals and localhost; one more is a configuration error.
pub const HTTP_HOSTS_MAX: usize = 64;

/// Most route patterns in one list; one more is a configuration error.
pub const ROUTE_PATTERNS_MAX: usize = 500;

/// Longest route pattern, in bytes; a longer one is a configuration error.
pub const ROUTE_PATTERN_BYTES_MAX: usize = 512;

/// Longest name of a source, server, host, variable or format, in bytes; a longer one is a configuration error.
pub const NAME_BYTES_MAX: usize = 255;

/// Routes that are counted apart unless `[routes] limit` says otherwise; further ones count as `other`.
pub const ROUTES_DEFAULT: usize = 500;

/// Highest value of `[routes] limit`, in routes.
pub const ROUTES_MAX: usize = 10_000;

/// How late an event may come and still count in its window, unless `lateness` says otherwise.
pub const LATENESS_DEFAULT: Duration = Duration::from_secs(5);

/// Highest value of `lateness`. Windows stay open for that long, and alerts wait as long.
pub const LATENESS_MAX: Duration = Duration::from_secs(60 * 60);

const _: () = assert!(ROUTES_DEFAULT <= ROUTES_MAX);
const _: () = assert!(ROUTE_PATTERNS_MAX <= ROUTES_MAX);
const _: () = assert!(LATENESS_DEFAULT.as_secs() <= LATENESS_MAX.as_secs());
