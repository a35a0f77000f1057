//! Bytes in, records out: nginx's `log_format`, the lines it writes, its configuration and the
//! names in them.
//!
//! The crate does no I/O, has no clock, logs nothing and depends on nom, memchr and wide only. A value is
//! borrowed from its line; what a line does not hold is said with the column and what was expected.
//!
//! Reading order: [`variable`] names what can stand in a line, [`log_format`] reads the directive,
//! [`mod@line`] splits a line by it, [`escape`] undoes what nginx escaped. What others put around a line,
//! [`syslog`] and [`container`] take off; [`error_log`] tells the lines that are none of an access log.

pub mod container;
pub mod distinguished_name;
pub mod error_log;
pub mod escape;
pub mod hex;
pub mod json_line;
pub mod line;
pub mod log_format;
pub mod nginx_conf;
pub mod recognise;
pub mod short;
pub mod syslog;
pub mod time_stamp;
pub mod variable;
pub mod verify_result;
