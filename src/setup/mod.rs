//! From what an operator says about a log to what its lines need: the format that splits them and
//! the servers that they can come from.

pub mod conf;
pub mod format;
pub mod missing;
pub mod needs;
pub mod paste;
mod rules;
pub mod servers;
pub mod source;
