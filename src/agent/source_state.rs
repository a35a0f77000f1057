//! What is saved of a source: its counts, and where it has read to. They belong together.
//!
//! In CBOR (RFC 8949), as an array whose fields have numbers; see [`crate::source::places`].

use gatelog_parsers::time_stamp::UnixMillis;
use minicbor::{Decode, Encode, decode};

use crate::limits::SOURCE_COUNT_MAX;
use crate::reader::LineCounts;
use crate::source::places::FollowerState;
use crate::source::wrap::Pending;

/// A source, as it is stored.
#[derive(Debug, Default, PartialEq, Encode, Decode)]
#[cbor(array)]
pub(super) struct SourceState {
    #[n(0)]
    pub(super) counts: LineCounts,
    #[n(1)]
    pub(super) last_time: Option<UnixMillis>,
    /// Of what is no file, its counters only.
    #[n(2)]
    pub(super) follower: FollowerState,
    /// Lines in parts, whose first parts lie before the place of reading.
    #[n(3)]
    pub(super) pending: Vec<Pending>,
    #[n(4)]
    pub(super) pending_limit_hits: u64,
}

impl SourceState {
    /// # Errors
    /// Damaged bytes, and counts that nothing can have counted.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<SourceState, decode::Error> {
        let state: SourceState = minicbor::decode(bytes)?;
        let LineCounts { parsed, unparsed, error_log } = state.counts;
        let highest = parsed.max(unparsed).max(error_log).max(state.pending_limit_hits);
        if highest.max(state.follower.open.counters.highest()) > SOURCE_COUNT_MAX {
            return Err(decode::Error::message("a count beyond all counts"));
        }
        Ok(state)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // A vector takes everything.
        minicbor::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use gatelog_parsers::container::Stream;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::source::change::Counters;

    fn state(count: u64) -> SourceState {
        let mut counters = Counters::default();
        (counters.read_bytes, counters.rotations) = (1 << 40, count);
        let pending = Pending {
            file: Arc::from(Path::new("/var/log/containers/nginx.log")),
            stream: Stream::Stderr,
            bytes: vec![b'x'; 30],
            cut: true,
        };
        SourceState {
            counts: LineCounts { parsed: 5, unparsed: count, error_log: 0 },
            last_time: Some(1_795_000_000_000),
            follower: FollowerState::of_counters(counters),
            pending: vec![pending; 2],
            pending_limit_hits: count,
        }
    }

    #[test]
    fn what_is_stored_comes_back_if_it_can_have_been_counted() {
        for (count, is_read) in
            [(0, true), (SOURCE_COUNT_MAX, true), (SOURCE_COUNT_MAX + 1, false), (u64::MAX, false)]
        {
            let bytes = state(count).to_bytes();
            let read = SourceState::from_bytes(&bytes);
            assert_eq!(read.ok(), is_read.then(|| state(count)), "{count}");
        }
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_an_error_or_another_state(
            damage in prop::collection::vec(any::<(Index, [u8; 9], u8)>(), 0..4),
            cut in any::<Index>(),
        ) {
            let mut bytes = state(7).to_bytes();
            for (at, with, length) in damage {
                let at = at.index(bytes.len());
                let with = &with[..usize::from(length % 10)];
                bytes.splice(at..(at + with.len()).min(bytes.len()), with.iter().copied());
            }
            bytes.truncate(cut.index(2 * bytes.len()));
            if let Ok(state) = SourceState::from_bytes(&bytes) {
                prop_assert!(state.counts.read() <= 3 * SOURCE_COUNT_MAX);
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _any = SourceState::from_bytes(&bytes);
        }
    }

    /// A length of 2^60, or of all there is, takes no memory.
    #[test]
    fn a_length_is_not_trusted() {
        let bytes = state(7).to_bytes();
        for at in 0..bytes.len() {
            for major in 2..6_u8 {
                for length in [1_u64 << 32, 1 << 60, u64::MAX] {
                    let mut damaged = bytes.clone();
                    let head = [&[major << 5 | 27][..], &length.to_be_bytes()].concat();
                    damaged.splice(at..=at, head);
                    assert!(SourceState::from_bytes(&damaged).is_err(), "{at} {major} {length}");
                }
            }
        }
    }
}
