//! Bytes in, records out.
