//! Bytes in, records out.

pub mod verify_result;
