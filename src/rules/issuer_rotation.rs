//! Moves from one issuer to another that the operator has announced.

/// Certificates of one issuer are replaced by those of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerRotation {
    /// The issuer before, RFC 2253 text as nginx logs it.
    pub from: String,
    /// The issuer after, likewise.
    pub to: String,
}

/// All that are announced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerRotations(pub Vec<IssuerRotation>);

impl IssuerRotations {
    /// Whether a subject may change from one issuer to the other without a word.
    pub fn announce(&self, from: &[u8], to: &[u8]) -> bool {
        let is_meant = |it: &IssuerRotation| it.from.as_bytes() == from && it.to.as_bytes() == to;
        self.0.iter().any(is_meant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_that_way() {
        let rotation = |from: &str, to: &str| IssuerRotation { from: from.into(), to: to.into() };
        let rotations = IssuerRotations(vec![rotation("CN=a", "CN=b"), rotation("CN=b", "CN=c")]);
        let check = |from: &[u8], to: &[u8], expected: bool| {
            assert_eq!(rotations.announce(from, to), expected, "{from:?} {to:?}");
        };
        check(b"CN=a", b"CN=b", true);
        check(b"CN=b", b"CN=c", true);
        check(b"CN=b", b"CN=a", false);
        check(b"CN=a", b"CN=c", false);
        check(b"CN=a", b"cn=b", false);
    }
}
