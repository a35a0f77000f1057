//! Bytes in, records out.

pub mod distinguished_name;
pub mod verify_result;
