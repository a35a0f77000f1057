//! What tells certificates apart.

use std::hash::{Hash, Hasher};

use gatelog_parsers::hex;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::distinct::Seed;
use crate::event::Certificate;

/// What tells certificates apart: the SHA-1 of the certificate; without one in the log a keyed hash
/// of subject and issuer, so that renewals of one subject count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CertificateKey {
    /// The bytes of the fingerprint or of the hash.
    pub bytes: [u8; 20],
    /// Whether they are a fingerprint.
    pub is_fingerprint: bool,
}

impl Hash for CertificateKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // A hash of names that equals a fingerprint may share its slot. Whole words are mixed in
        // place, a text of 20 bytes would take a call.
        let (words, rest) = self.bytes.as_chunks::<8>();
        words.iter().for_each(|word| state.write_u64(u64::from_le_bytes(*word)));
        let (rest, _) = rest.as_chunks::<4>();
        rest.iter().for_each(|word| state.write_u32(u32::from_le_bytes(*word)));
    }
}

impl CertificateKey {
    /// The fingerprint as nginx writes it, if it is one.
    pub fn fingerprint_sha1(&self) -> Option<String> {
        let hex = |text: String, byte: &u8| text + &format!("{byte:02x}");
        self.is_fingerprint.then(|| self.bytes.iter().fold(String::new(), hex))
    }

    pub(super) fn of(certificate: &Certificate<'_>, seed: &Seed) -> Option<CertificateKey> {
        if let Some(bytes) = certificate.fingerprint.and_then(hex::decode_sha1) {
            return Some(CertificateKey { bytes, is_fingerprint: true });
        }
        let subject = certificate.subject_dn?;
        let issuer = certificate.issuer_dn.unwrap_or_default();
        let mut bytes = [0; 20];
        let hashes = [seed.hash(subject), seed.hash(issuer)].map(u64::to_le_bytes);
        // A name that is only claimed must not pass for the one that was proven.
        let hashes = hashes.into_iter().flatten().chain([u8::from(certificate.proven)]);
        bytes.iter_mut().zip(hashes).for_each(|(byte, hash)| *byte = hash);
        Some(CertificateKey { bytes, is_fingerprint: false })
    }
}

impl<C> Encode<C> for CertificateKey {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.array(2)?.bytes(&self.bytes)?.bool(self.is_fingerprint)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for CertificateKey {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        d.array()?;
        let bytes = d.bytes()?.as_array::<20>();
        let bytes = *bytes.ok_or_else(|| decode::Error::message("expected 20 bytes"))?;
        Ok(CertificateKey { bytes, is_fingerprint: d.bool()? })
    }
}
