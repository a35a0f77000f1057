//! How much of the bound on routes is taken: by their number, and by what their names take on a page.

use crate::limits::{ROUTE_BYTES_MAX, ROUTE_LABEL_BYTES_MEAN_MAX};

/// What routes take of a bound.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    pub(super) routes: usize,
    /// Of their names in labels.
    pub(super) label_bytes: usize,
}

impl Taken {
    /// Whether there is room for one more route where there may be so many.
    pub(super) fn has_room(&self, name: &[u8], routes_max: usize) -> bool {
        let bytes_max = routes_max.saturating_mul(ROUTE_LABEL_BYTES_MEAN_MAX).max(ROUTE_BYTES_MAX);
        self.routes < routes_max && self.label_bytes + label_bytes(name) <= bytes_max
    }

    pub(super) fn add(&mut self, name: &[u8]) {
        self.routes += 1;
        self.label_bytes += label_bytes(name);
    }

    pub(super) fn take_off(&mut self, name: &[u8]) {
        self.routes = self.routes.saturating_sub(1);
        self.label_bytes = self.label_bytes.saturating_sub(label_bytes(name));
    }
}

/// What a name takes in a label, where `\` and `"` are escaped.
fn label_bytes(name: &[u8]) -> usize {
    name.len() + memchr::memchr2_iter(b'\\', b'"', name).count()
}
