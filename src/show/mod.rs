//! What gatelog knows, as lines, reports and metrics. Each view is a type of its own, so that what
//! leaves the process changes only on purpose.

mod certificate_memo;
pub mod json_text;
pub mod line;
pub mod metrics;
pub mod report_json;
pub mod report_text;
pub mod summary;
pub mod text_table;
pub mod time;
pub mod words;
