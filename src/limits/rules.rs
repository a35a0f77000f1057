//! Bounds of rules: of what they remember, and of what the configuration says of them, of identities and
//! of silences.

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

// ---- what the engine remembers ----

/// Steps of a rule's window: it is evaluated at the end of each.
pub const RULE_WINDOW_STEPS: i64 = 30;

/// Different values that one group of a rule tells apart in its window; further ones are counted.
pub const RULE_VALUES_MAX: usize = 64;

/// Groups of one rule. The least recently seen that is not firing leaves first, counted.
pub const RULE_GROUPS_MAX: usize = 256;

/// Known subjects by which claims are recognised. Further ones are counted, and claims of theirs count
/// as a stranger's.
pub const SUBJECTS_MAX: usize = 28_000;

/// Issuers of which it is known that a certificate was verified. Further ones are counted.
pub const ISSUERS_MAX: usize = 1000;

/// Certificates that came from several networks, whose networks are remembered, and networks of one of
/// them. One that came from more is at home everywhere.
pub const ROAMING_CERTIFICATES_MAX: usize = 2048;

/// Networks that are remembered of one certificate.
pub const NETWORKS_MAX: usize = 16;

/// Bytes of a client's text in a label or message of an alert; the rest is cut.
pub const RULE_TEXT_BYTES_MAX: usize = 256;

/// Values that a rule of the kind `first_seen` remembers. Further ones are counted, and are nothing new.
pub const FIRST_SEEN_MAX: usize = 4096;
