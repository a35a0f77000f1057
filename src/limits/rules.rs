//! Bounds of what the configuration says of rules, identities and silences.

use std::time::Duration;

/// Most `[[rule]]` tables; one more is a configuration error.
pub const RULES_MAX: usize = 200;

/// Longest pattern of a `where`, in bytes; a longer one is a configuration error.
pub const WHERE_PATTERN_BYTES_MAX: usize = 512;

/// Most `labels` of a rule or an identity; one more is a configuration error.
pub const RULE_LABELS_MAX: usize = 32;

/// Longest value of a label that the configuration gives, in bytes; a longer one is a configuration error.
pub const RULE_LABEL_BYTES_MAX: usize = 1024;

/// Longest annotation of a rule as written, in bytes; a longer one is a configuration error.
pub const ANNOTATION_BYTES_MAX: usize = 4096;

/// Shortest `window` of a rule: below it the order in which lines are written decides.
pub const RULE_WINDOW_MIN: Duration = Duration::from_secs(10);

/// Longest `window`, `for` and `keep_firing_for` of a rule, and longest `learning`: as far back as
/// certificates are known.
pub const RULE_WINDOW_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Longest `within` of a rule about certificates that end.
pub const RULE_WITHIN_MAX: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// Highest whole number that a rule may compare with.
pub const RULE_THRESHOLD_MAX: u32 = 1_000_000_000;

/// Highest `times_baseline` and `times_usual_gap` of a rule.
pub const RULE_TIMES_MAX: u32 = 1_000;

/// Most `[[identity]]` tables; one more is a configuration error.
pub const IDENTITIES_MAX: usize = 4096;

/// Most of them whose subject is a glob; one more is a configuration error.
pub const IDENTITY_GLOBS_MAX: usize = 256;

/// Most `[[rotation]]` tables; one more is a configuration error.
pub const ISSUER_ROTATIONS_MAX: usize = 64;

/// Most `[[silence]]` tables; one more is a configuration error.
pub const SILENCES_MAX: usize = 200;

/// Most `[[test]]` of rules in one file; one more is a configuration error.
pub const RULE_TESTS_MAX: usize = 200;

/// Most `[[test.expect]]` of one test; one more is a configuration error.
pub const RULE_TEST_EXPECT_MAX: usize = 100;

/// Largest log that a test of rules may name, in bytes; with a larger one it fails.
pub const RULE_TEST_LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;
