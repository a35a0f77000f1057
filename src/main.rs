//! gatelog
fn main() {}
