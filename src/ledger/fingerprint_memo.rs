//! A short memory of fingerprints, so that one need not be decoded and looked up again.

use super::certificate_key::CertificateKey;
use super::table::Place;
use crate::limits::FINGERPRINT_MEMO_ENTRIES_MAX;

/// The keys and places of fingerprints seen of late, as they were logged: what one is decoded to, and
/// where it stands, need not be found again. What is remembered of a place is only a hint.
#[derive(Debug, Default)]
pub(super) struct FingerprintMemo(Vec<Remembered>);

#[derive(Clone, Copy, Debug)]
pub(super) struct Remembered {
    logged: [u8; 40],
    pub(super) bytes: [u8; 20],
    /// In the table of those that verified.
    pub(super) place: Place,
}

impl FingerprintMemo {
    /// Where a fingerprint would be; a client that makes others fall there makes it slower only.
    #[inline]
    fn index(logged: &[u8; 40]) -> usize {
        let (words, _) = logged.as_chunks::<8>();
        let mixed = words.iter().fold(0u64, |mixed, word| {
            (mixed.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        let bits = FINGERPRINT_MEMO_ENTRIES_MAX.trailing_zeros();
        usize::try_from(mixed >> (u64::BITS - bits)).unwrap_or(0)
    }

    #[inline]
    pub(super) fn find(&self, logged: &[u8; 40]) -> Option<&Remembered> {
        let remembered = self.0.get(Self::index(logged))?;
        (remembered.logged == *logged).then_some(remembered)
    }

    pub(super) fn remember(&mut self, logged: &[u8; 40], key: &CertificateKey, place: Place) {
        if self.0.is_empty() {
            // No fingerprint is made of zero bytes.
            let none = Remembered { logged: [0; 40], bytes: [0; 20], place: Place::NONE };
            self.0.resize(FINGERPRINT_MEMO_ENTRIES_MAX, none);
        }
        if let Some(remembered) = self.0.get_mut(Self::index(logged)) {
            *remembered = Remembered { logged: *logged, bytes: key.bytes, place };
        }
    }
}
