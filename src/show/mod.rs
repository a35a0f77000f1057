//! What gatelog knows, as lines, reports and metrics. Each view is a type of its own, so that what
//! leaves the process changes only on purpose.

pub mod line;
pub mod time;
