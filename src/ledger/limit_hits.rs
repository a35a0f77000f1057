//! How often each bound was hit.

use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::counts::Count;

macro_rules! limits {
    ($($(#[$doc:meta])* $limit:ident $name:literal $shown:literal,)*) => {
        /// A bound that lines can hit.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Limit { $($(#[$doc])* $limit,)* }

        impl Limit {
            /// Every bound, in the order of the enum.
            pub const ALL: [Limit; [$($name),*].len()] = [$(Limit::$limit),*];

            /// The name in labels and JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(Limit::$limit => $name,)* }
            }

            /// What the hits are, for people.
            pub fn shown(self) -> &'static str {
                match self { $(Limit::$limit => $shown,)* }
            }
        }
    };
}

limits! {
    /// A line was cut.
    LineBytes "line_bytes" "lines cut",
    /// A line was counted under the server `other`: its source has more than are told apart, or its
    /// name is longer than is kept.
    Servers "servers" "lines of further servers",
    /// A new route was counted as `other`: there are as many as there may be.
    Routes "routes" "requests on further routes",
    /// A new route was counted as `other`: refused requests had made their share.
    RoutesOfRefused "routes_of_refused" "refused requests on further routes",
    /// A route was cut.
    RouteBytes "route_bytes" "routes cut",
    /// The reason of a failure was counted as `other`: the routes have as many as there may be.
    Reasons "reasons" "failures of further reasons",
    /// An upstream was counted as `other`.
    Upstreams "upstreams" "requests to further upstreams",
    /// A TLS version and cipher were counted as `other`.
    TlsCiphers "tls_ciphers" "requests with further ciphers",
    /// A certificate that verified left its table.
    VerifiedCertificates "verified_certificates" "known certificates forgotten",
    /// A certificate that never verified left its table.
    ClaimedCertificates "claimed_certificates" "claimed certificates forgotten",
    /// An address left its table.
    Addresses "addresses" "addresses forgotten",
    /// A DN was cut and its rest replaced by a hash.
    DnBytes "dn_bytes" "long names cut",
    /// An issuer was counted as `other`.
    Issuers "issuers" "certificates of further issuers",
    /// A refused certificate was not counted in the last hour's list.
    RefusedCertificates "refused_certificates" "refusals not listed",
    /// A request was not compared with those of other sources: there are too many of them.
    SourcesCompared "sources_compared" "requests of sources not compared",
    /// Groups of a rule left, for there are as many as there may be.
    RuleGroups "rule_groups" "groups of rules forgotten",
    /// A value was not told apart by a rule, for there are as many as there may be.
    RuleValues "rule_values" "values not told apart by rules",
    /// A known subject, an issuer or a network was not remembered by the rules.
    RuleMemory "rule_memory" "names not remembered by rules",
}

impl Limit {
    /// The bound of a name.
    pub fn from_name(name: &str) -> Option<Limit> {
        Limit::ALL.into_iter().find(|limit| limit.as_str() == name)
    }
}

/// Counts of all bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitHits([u64; Limit::ALL.len()]);

impl LimitHits {
    /// Counts one hit.
    pub fn hit(&mut self, limit: Limit) {
        self.add(limit, 1);
    }

    /// Counts one hit if it was one.
    pub fn hit_if(&mut self, is_hit: bool, limit: Limit) {
        self.add(limit, is_hit.into());
    }

    /// Counts several.
    pub fn add(&mut self, limit: Limit, hits: u64) {
        if let Some(count) = self.0.get_mut(usize::from(limit as u8)) {
            *count += hits;
        }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &LimitHits) {
        for (limit, hits) in other.iter() {
            self.add(limit, hits);
        }
    }

    /// Each bound and how often it was hit, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (Limit, u64)> {
        Limit::ALL.into_iter().zip(self.0)
    }
}

/// By the names of the bounds that were hit.
impl<C> Encode<C> for LimitHits {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        let hit = || self.iter().filter(|(_, hits)| *hits > 0);
        e.map(hit().count() as u64)?;
        for (limit, hits) in hit() {
            e.str(limit.as_str())?.u64(hits)?;
        }
        Ok(())
    }
}

/// A bound that this version does not know is passed over: it can be hit no more.
impl<'b, C> Decode<'b, C> for LimitHits {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let mut limits = LimitHits::default();
        for entry in d.map_iter::<&str, Count>()? {
            let (name, Count(hits)) = entry?;
            if let Some(limit) = Limit::from_name(name) {
                limits.add(limit, hits);
            }
        }
        Ok(limits)
    }
}
