//! The mergeable counts of events.

pub mod distinct;
pub mod table;
pub mod timeline;
pub mod window;
