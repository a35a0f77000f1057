//! What verified here before: subjects, issuers, and the networks of certificates that roam.
//!
//! That a certificate itself is known the ledger tells, exactly. Here stands what leads from a name to
//! the certificate that proved it last.

use foldhash::fast::RandomState;
use gatelog_parsers::time_stamp::UnixMillis;
use hashbrown::HashMap;
use minicbor::{Decode, Encode};

use crate::ledger::certificates::CertificateUse;
use crate::ledger::prior::network;
use crate::ledger::{CertificateKey, KNOWN_MILLIS, Ledger};
use crate::limits::{ISSUERS_MAX, NETWORKS_MAX, ROAMING_CERTIFICATES_MAX, SUBJECTS_MAX};

/// Entries of one part of what is stored: about 40 KiB.
const PART_ENTRIES: usize = 1024;

/// What verified here before.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The certificate that proved a subject last, by the hash of the subject.
    subjects: HashMap<u64, CertificateKey, RandomState>,
    /// Hashes of the issuers of verified certificates.
    issuers: HashMap<u64, (), RandomState>,
    /// Hashes of the networks of certificates that came from several.
    networks: HashMap<u64, Vec<u64>, RandomState>,
    /// Subjects that found no room, so that room is looked for now and then only.
    homeless: u64,
    /// What found no room and was not counted yet.
    full: u64,
}

/// A part of what is stored of it.
#[derive(Debug, Default, Encode, Decode)]
#[cbor(array)]
pub(super) struct Stored {
    #[n(0)]
    subjects: Vec<(u64, CertificateKey)>,
    #[n(1)]
    issuers: Vec<u64>,
    #[n(2)]
    networks: Vec<(u64, Vec<u64>)>,
    #[n(3)]
    homeless: u64,
}

/// What a first verification of a certificate tells.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FirstProof {
    pub(super) is_new_issuer: bool,
    /// The hash of the issuer that the subject was known by, where it is another one.
    pub(super) issuer_before: Option<u64>,
}

impl Memory {
    /// Makes one of what a ledger knows, where none was stored.
    pub(super) fn of(ledger: &Ledger) -> Memory {
        let mut memory = Memory::default();
        let mut proven: Vec<_> =
            ledger.certificates.iter().filter(|(_, entry)| entry.is_proven()).collect();
        proven.sort_by_key(|(key, entry)| (entry.proven.last, **key));
        for (key, entry) in proven {
            memory.prove(ledger, key, entry);
        }
        memory
    }

    /// Takes in that a certificate has verified: for the first time, or for the first time in a day.
    pub(super) fn prove(
        &mut self,
        ledger: &Ledger,
        key: &CertificateKey,
        entry: &CertificateUse,
    ) -> FirstProof {
        let seed = ledger.seed();
        let issuer = seed.hash(&entry.issuer_dn);
        let mut first = FirstProof::default();
        if !self.issuers.contains_key(&issuer) {
            if self.issuers.len() < ISSUERS_MAX {
                self.issuers.insert(issuer, ());
                first.is_new_issuer = true;
            } else {
                self.full += 1;
            }
        }
        if entry.subject_dn.is_empty() {
            return first;
        }
        let subject = seed.hash(&entry.subject_dn);
        let before = self.subjects.get(&subject).copied();
        let has_room = before.is_some() || self.has_room_for_subject(ledger);
        if !has_room {
            self.homeless += 1;
            self.full += 1;
            return first;
        }
        self.subjects.insert(subject, *key);
        let before = before.filter(|before| before != key);
        first.issuer_before = before
            .and_then(|before| ledger.certificates.find(&before))
            .map(|before| seed.hash(&before.issuer_dn))
            .filter(|before| *before != issuer);
        first
    }

    fn has_room_for_subject(&mut self, ledger: &Ledger) -> bool {
        if self.subjects.len() >= SUBJECTS_MAX && self.homeless.is_multiple_of(1024) {
            self.subjects.retain(|_, key| ledger.certificates.find(key).is_some());
        }
        self.subjects.len() < SUBJECTS_MAX
    }

    /// The certificate that proved a subject last, if that was since a time.
    pub(super) fn subject<'l>(
        &self,
        ledger: &'l Ledger,
        subject: u64,
        time: UnixMillis,
    ) -> Option<&'l CertificateUse> {
        let key = self.subjects.get(&subject)?;
        let since = time.saturating_sub(KNOWN_MILLIS);
        ledger.certificates.find(key).filter(|entry| entry.is_known(Some(since)))
    }

    /// Whether a verified certificate is in a network in which it never was. `first` is that of its
    /// first request, in which it is not now.
    pub(super) fn is_new_network(&mut self, key: u64, addr: u64, first: u64) -> bool {
        if let Some(known) = self.networks.get_mut(&key) {
            let is_new = !known.contains(&addr);
            if is_new && known.len() < NETWORKS_MAX {
                known.push(addr);
                return true;
            }
            // One that is everywhere is at home everywhere.
            self.full += u64::from(is_new);
            return false;
        }
        if self.networks.len() >= ROAMING_CERTIFICATES_MAX {
            self.full += 1;
            return false;
        }
        self.networks.insert(key, vec![first, addr]);
        true
    }

    /// How often a bound was hit since this was last asked.
    pub(super) fn take_full(&mut self) -> u64 {
        std::mem::take(&mut self.full)
    }

    /// Hands out what is to be stored, in parts of a bounded size, each made when the one before is done with.
    ///
    /// # Errors
    /// When `put` wants no more.
    pub(super) fn store<E>(&self, mut put: impl FnMut(Stored) -> Result<(), E>) -> Result<(), E> {
        let mut issuers: Vec<u64> = self.issuers.keys().copied().collect();
        issuers.sort_unstable();
        put(Stored { issuers, homeless: self.homeless, ..Stored::default() })?;
        let mut keys: Vec<u64> = self.subjects.keys().copied().collect();
        keys.sort_unstable();
        for keys in keys.chunks(PART_ENTRIES) {
            let subjects = keys.iter().filter_map(|key| Some((*key, *self.subjects.get(key)?)));
            put(Stored { subjects: subjects.collect(), ..Stored::default() })?;
        }
        let mut keys: Vec<u64> = self.networks.keys().copied().collect();
        keys.sort_unstable();
        for keys in keys.chunks(PART_ENTRIES / NETWORKS_MAX) {
            let networks =
                keys.iter().filter_map(|key| Some((*key, self.networks.get(key)?.clone())));
            put(Stored { networks: networks.collect(), ..Stored::default() })?;
        }
        Ok(())
    }

    /// Takes in a part of what was stored.
    pub(super) fn add_stored(&mut self, stored: Stored) {
        let Stored { subjects, issuers, networks, homeless } = stored;
        self.subjects.extend(subjects.into_iter().take(SUBJECTS_MAX - self.subjects.len()));
        let issuers = issuers.into_iter().take(ISSUERS_MAX - self.issuers.len());
        self.issuers.extend(issuers.map(|issuer| (issuer, ())));
        let room = ROAMING_CERTIFICATES_MAX - self.networks.len();
        self.networks.extend(networks.into_iter().take(room));
        self.homeless += homeless;
    }
}

/// The hash of an address's network.
pub(super) fn network_hash(ledger: &Ledger, addr: &[u8]) -> u64 {
    ledger.seed().hash(network(addr))
}
