//! What is known of an event beyond what its line says: yes or no each, one bit each.

use std::ops::{BitOr, BitOrAssign};

/// A set of such properties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traits(u32);

impl Traits {
    /// None.
    pub(super) const NONE: Traits = Traits(0);
    /// The certificate was verified here in the last 30 days.
    pub(super) const KNOWN: Traits = Traits(1);
    /// It was not, but its subject was: it claims that name.
    pub(super) const CLAIMS: Traits = Traits(1 << 1);
    /// A client of ours is hit: its certificate is known and was let in by this server; or it claims a
    /// known subject from an address of that subject.
    pub(super) const CLIENT: Traits = Traits(1 << 2);
    /// The identity is declared retired.
    pub(super) const RETIRED: Traits = Traits(1 << 3);
    /// The certificate had ended when it was let in.
    pub(super) const EXPIRED: Traits = Traits(1 << 4);
    /// The certificate was refused as revoked before.
    pub(super) const REVOKED_BEFORE: Traits = Traits(1 << 5);
    /// The route has let the certificate in, and something has in the last 7 days.
    pub(super) const ADMITTED_HERE: Traits = Traits(1 << 6);
    /// The certificate comes from a network that it never came from.
    pub(super) const NEW_NETWORK: Traits = Traits(1 << 7);
    /// No certificate of its issuer was verified before.
    pub(super) const NEW_ISSUER: Traits = Traits(1 << 8);
    /// Its subject was known by a certificate of another issuer.
    pub(super) const CHANGED_ISSUER: Traits = Traits(1 << 9);
    /// The route lets certificates in, and nobody without one.
    pub(super) const ROUTE_REQUIRES: Traits = Traits(1 << 10);
    /// No client can cause this: a fault of a CRL, or of what nginx trusts.
    pub(super) const OPERATORS: Traits = Traits(1 << 11);
    /// The certificate's lifetime is beyond what public CAs may give.
    pub(super) const LONG_LIVED: Traits = Traits(1 << 12);
    /// TLS 1.0 or 1.1.
    pub(super) const OLD_TLS: Traits = Traits(1 << 13);
    /// A certificate was verified from this address.
    pub(super) const SHARED_ADDRESS: Traits = Traits(1 << 14);
    /// The issuer is a public CA that anybody can get a certificate of.
    pub(super) const PUBLIC_CA: Traits = Traits(1 << 15);
    /// A certificate was sent.
    pub(super) const CERTIFICATE: Traits = Traits(1 << 16);
    /// Whether it was let in cannot be told from a courtesy page.
    pub(super) const SUSPECTED: Traits = Traits(1 << 17);

    /// Whether all of `other` are in it.
    #[inline]
    pub(super) const fn has(self, other: Traits) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether it and `other` have one in common.
    #[inline]
    pub(super) const fn meets(self, other: Traits) -> bool {
        self.0 & other.0 != 0
    }

    /// Both together, where a constant is made.
    pub(super) const fn with(self, other: Traits) -> Traits {
        Traits(self.0 | other.0)
    }

    /// The set, if `is` is so; else none.
    #[inline]
    pub(super) const fn when(self, is: bool) -> Traits {
        if is { self } else { Traits::NONE }
    }

    /// As it is stored; its bits keep their meaning.
    pub(super) const fn bits(self) -> u32 {
        self.0
    }

    pub(super) const fn from_bits(bits: u32) -> Traits {
        Traits(bits)
    }
}

impl BitOr for Traits {
    type Output = Traits;

    fn bitor(self, other: Traits) -> Traits {
        self.with(other)
    }
}

impl BitOrAssign for Traits {
    fn bitor_assign(&mut self, other: Traits) {
        *self = self.with(other);
    }
}
