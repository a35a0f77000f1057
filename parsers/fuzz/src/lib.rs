//! What the fuzz targets do with an input; `fuzz_targets/` gives each to libFuzzer, `bin/many.rs` runs
//! it without.

pub mod check_line;
pub mod mutate;

pub mod distinguished_name;
pub mod json_by_key;
pub mod line;
pub mod log_format;
pub mod nginx_conf;
pub mod time_stamp;
pub mod variable;
pub mod wrapped;

/// Every target by its name. A run panics where a property does not hold.
pub const TARGETS: [(&str, fn(&[u8])); 8] = [
    ("distinguished_name", distinguished_name::run),
    ("json_by_key", json_by_key::run),
    ("line", line::run),
    ("log_format", log_format::run),
    ("nginx_conf", nginx_conf::run),
    ("time_stamp", time_stamp::run),
    ("variable", variable::run),
    ("wrapped", wrapped::run),
];
