//! gatelog

pub mod event;
