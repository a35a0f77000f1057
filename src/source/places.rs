//! What a follower keeps over a restart: where it was in which file.
//!
//! Plain data, stored by whoever stores what was made of the lines, in the same transaction; see
//! [`Follower::state`](super::Follower::state) and [`Follower::resume`](super::Follower::resume). The
//! fields are numbered (CBOR arrays, RFC 8949): a number is never used again, and a later version
//! gives a field that it adds a default.

use std::path::Path;
use std::sync::Arc;

use minicbor::{Decode, Encode};

use crate::source::change::Counters;
use crate::source::identity::{FileKey, Mark, Times};
use crate::source::lines::LinePosition;

/// All that [`Follower::resume`](super::Follower::resume) needs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct FollowerState {
    /// Changes with every line.
    #[n(0)]
    pub open: OpenPlaces,
    /// Changes when a file is closed; see
    /// [`Follower::closed_revision`](super::Follower::closed_revision).
    #[n(1)]
    pub closed: ClosedPlaces,
}

impl FollowerState {
    /// Of what has no places to go on from.
    pub fn of_counters(counters: Counters) -> FollowerState {
        let open = OpenPlaces { counters, ..OpenPlaces::default() };
        FollowerState { open, ..FollowerState::default() }
    }
}

/// The files that were open, and what was done until then.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct OpenPlaces {
    /// Oldest first; at most twice [`OPEN_FILES_MAX`](crate::limits::OPEN_FILES_MAX).
    #[n(0)]
    pub places: Vec<OpenPlace>,
    /// What the source has done; they go on from here.
    #[n(1)]
    pub counters: Counters,
}

/// What changes rarely.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct ClosedPlaces {
    /// Files that were closed, the latest last; at most
    /// [`FILES_REMEMBERED_MAX`](crate::limits::FILES_REMEMBERED_MAX).
    #[n(0)]
    pub places: Vec<Place>,
    /// Files of the first look that could not be opened yet: they begin where they would have begun
    /// then. At most [`FILES_MATCHED_MAX`](crate::limits::FILES_MATCHED_MAX).
    #[n(1)]
    pub existed: Vec<FileKey>,
    /// The patterns that were looked for: `start` is not for their files any more.
    #[n(2)]
    pub patterns: Vec<StoredPath>,
}

/// A file, as far as it can be known again, and the place in it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Place {
    /// The name it had, of those that a pattern names.
    #[cbor(n(0), with = "stored_path")]
    pub name: Arc<Path>,
    /// Where the name led, links followed: its siblings stand beside this.
    #[cbor(n(1), with = "stored_path")]
    pub target: Arc<Path>,
    /// The file.
    #[n(2)]
    pub key: FileKey,
    /// When what stands in it began, and when it was last written.
    #[n(3)]
    pub times: Times,
    /// What it begins with.
    #[n(4)]
    pub head: Mark,
    /// What stands right before the position.
    #[n(5)]
    pub anchor: Mark,
    /// Everything before it was handed out. In the text, where the file is compressed.
    #[n(6)]
    pub position: LinePosition,
}

/// A file that was open.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OpenPlace {
    /// The file and the place in it.
    #[n(0)]
    pub place: Place,
    /// End of what was read, an unfinished line included.
    #[n(1)]
    pub read_to: u64,
    /// Bytes that were seen to exist; of a compressed file, those of the text that were.
    #[n(2)]
    pub size_bytes: u64,
    /// It had lost its name, and was kept open for late writes.
    #[n(3)]
    pub leaving: bool,
    /// What it begins with, where that is known: a copy may be shorter than the mark of it. At most [`HEAD_BYTES`](super::identity::HEAD_BYTES).
    #[cbor(n(4), with = "minicbor::bytes")]
    pub beginning: Vec<u8>,
}

impl OpenPlace {
    /// Bytes that were seen and not handed out.
    pub(super) fn unread_bytes(&self) -> u64 {
        self.size_bytes.max(self.read_to).saturating_sub(self.place.position.byte_offset)
    }

    /// The place in a file that was closed.
    pub(super) fn closed(place: Place) -> Self {
        let size_bytes = place.position.byte_offset;
        Self { place, read_to: size_bytes, size_bytes, leaving: false, beginning: Vec::new() }
    }

    /// Whether the numbers can be those of a file.
    pub(super) fn is_plausible(&self) -> bool {
        let can_be = |number: u64| i64::try_from(number).is_ok();
        self.place.is_plausible() && can_be(self.read_to) && can_be(self.size_bytes)
    }
}

impl Place {
    /// Whether the numbers can be those of a file.
    pub(super) fn is_plausible(&self) -> bool {
        let LinePosition { byte_offset, line_number, .. } = self.position;
        i64::try_from(byte_offset.max(line_number)).is_ok()
    }
}

/// A path as it is stored: its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct StoredPath(
    #[cbor(n(0), with = "stored_path")]
    /// The path.
    pub Arc<Path>,
);

/// A path as its bytes.
pub(super) mod stored_path {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;
    use std::sync::Arc;

    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::Error as EncodeError;
    use minicbor::encode::Write;
    use minicbor::{Decoder, Encoder};

    pub(in super::super) fn encode<C, W: Write>(
        path: &Arc<Path>,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        encoder.bytes(path.as_os_str().as_bytes())?.ok()
    }

    pub(in super::super) fn decode<C>(
        decoder: &mut Decoder<'_>,
        _: &mut C,
    ) -> Result<Arc<Path>, DecodeError> {
        Ok(Arc::from(Path::new(OsStr::from_bytes(decoder.bytes()?))))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use proptest::prelude::*;

    use super::*;

    fn state() -> FollowerState {
        let path = |bytes: &[u8]| Arc::<Path>::from(Path::new(OsStr::from_bytes(bytes)));
        let place = Place {
            name: path(b"/var/log/\xff\n.log"),
            target: path(b"a.log"),
            key: FileKey { device: 1 << 40, inode: 7, birth: Some(-1) },
            times: Times { birth: None, modified: Some(1_795_000_000_123_456_789) },
            head: Mark::of(b"head"),
            anchor: Mark::default(),
            position: LinePosition { byte_offset: 1 << 50, line_number: 2, discarding: true },
        };
        let open = OpenPlace {
            place: place.clone(),
            read_to: 3,
            size_bytes: 4,
            leaving: true,
            beginning: vec![1, 2],
        };
        FollowerState {
            open: OpenPlaces { places: vec![open; 3], counters: Counters::default() },
            closed: ClosedPlaces {
                places: vec![place.clone(); 2],
                existed: vec![place.key],
                patterns: vec![StoredPath(place.name)],
            },
        }
    }

    #[test]
    fn what_is_stored_comes_back() {
        for state in [FollowerState::default(), state()] {
            let bytes = minicbor::to_vec(&state).unwrap();
            assert_eq!(minicbor::decode::<FollowerState>(&bytes).unwrap(), state);
        }
        let bytes = minicbor::to_vec(state().open.places.first()).unwrap();
        assert!(bytes.len() < 150, "{}", bytes.len());
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_an_error_or_another_state(
            cut in any::<prop::sample::Index>(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        ) {
            let mut bytes = minicbor::to_vec(state()).unwrap();
            for (at, byte) in damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(cut.index(bytes.len()) + 1);
            if let Ok(state) = minicbor::decode::<FollowerState>(&bytes) {
                let _plausible = state.open.places.iter().all(OpenPlace::is_plausible);
            }
        }

        #[test]
        fn any_bytes_are_decoded_without_a_panic(bytes: Vec<u8>) {
            let _any = minicbor::decode::<FollowerState>(&bytes);
        }
    }
}
