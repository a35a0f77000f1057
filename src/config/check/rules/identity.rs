//! `[[identity]]` and `[[rotation]]`: what the operator knows of clients and issuers.

use toml::Spanned;

use super::super::Check;
use super::texts::Labels;
use crate::config::raw::Text;
use crate::config::raw::rules::{RawIdentity, RawRotation};
use crate::limits::{DN_BYTES_MAX, IDENTITIES_MAX, IDENTITY_GLOBS_MAX, ISSUER_ROTATIONS_MAX};
use crate::rules::{Field, Identities, Identity, Rotations};

impl Check<'_> {
    pub(super) fn identities(&mut self, raw: &[Spanned<RawIdentity>]) -> Identities {
        self.at_most(raw, "[[identity]]", IDENTITIES_MAX);
        let mut identities = Vec::new();
        let mut subjects: Vec<Text> = Vec::new();
        let mut glob_count = 0;
        for table in raw.iter().take(IDENTITIES_MAX) {
            let Some(subject) = self.subject(table) else { continue };
            glob_count += usize::from(subject.get_ref().contains('*'));
            if subject.get_ref().contains('*') && glob_count == IDENTITY_GLOBS_MAX + 1 {
                let title = "too many `[[identity]]` whose `subject` is a glob";
                self.problem(
                    subject.span(),
                    title,
                    format!("expected at most {IDENTITY_GLOBS_MAX}"),
                );
            }
            identities.push(self.identity(table, subject));
            // One that is retired should not be met.
            if !table.get_ref().retired.unwrap_or_default() {
                let (text, whose) = (subject.get_ref(), "`subject` in `[[identity]]`".to_owned());
                self.note_pattern(Field::SubjectDn, text.clone(), subject, whose);
            }
            let title = |subject: &str| format!("two identities have the subject `{subject}`");
            self.unique(subject.clone(), &mut subjects, title);
        }
        Identities::new(identities)
    }

    fn identity(&mut self, table: &Spanned<RawIdentity>, subject: &Text) -> Identity {
        let raw = table.get_ref();
        let place = &format!(" in identity `{}`", subject.get_ref());
        Identity {
            subject: subject.get_ref().clone(),
            owner: raw.owner.as_ref().and_then(|owner| self.name(owner, "owner", place)),
            is_retired: raw.retired.unwrap_or_default(),
            labels: self.labels(raw.labels.as_ref(), place, &Labels::OfIdentity),
        }
    }

    fn subject<'r>(&mut self, table: &'r Spanned<RawIdentity>) -> Option<&'r Text> {
        let Some(subject) = &table.get_ref().subject else {
            if !self.is_lost(table.span().start, "subject") {
                let label = "expected `subject = \"CN=checkout-service,O=payments\"`";
                self.problem(table.span(), "an identity has no `subject`", label);
            }
            return None;
        };
        let place = " in `[[identity]]`";
        let text = subject.get_ref().as_str();
        if !text.contains('*') {
            return self.dn(subject, text, "subject", place).then_some(subject);
        }
        if text.len() > DN_BYTES_MAX {
            let label = format!("expected at most {DN_BYTES_MAX} bytes");
            self.problem(subject.span(), format!("`subject`{place} is too long"), label);
            return None;
        }
        Some(subject)
    }

    pub(super) fn rotations(&mut self, raw: &[Spanned<RawRotation>]) -> Rotations {
        self.at_most(raw, "[[rotation]]", ISSUER_ROTATIONS_MAX);
        let rotations = raw.iter().take(ISSUER_ROTATIONS_MAX);
        Rotations(rotations.filter_map(|table| self.rotation(table)).collect())
    }

    fn rotation(&mut self, table: &Spanned<RawRotation>) -> Option<(String, String)> {
        let raw = table.get_ref();
        let mut issuer = |text: Option<&Text>, key| {
            let Some(text) = text else {
                if !self.is_lost(table.span().start, key) {
                    let label =
                        "expected the subject of a CA, such as `CN=Issuing CA 1,O=payments`";
                    self.problem(table.span(), format!("no `{key}` in `[[rotation]]`"), label);
                }
                return None;
            };
            let is_dn = self.dn(text, text.get_ref(), key, " in `[[rotation]]`");
            is_dn.then(|| text.get_ref().clone())
        };
        let from = issuer(raw.from.as_ref(), "from");
        let to = issuer(raw.to.as_ref(), "to");
        let (from, to) = (from?, to?);
        if from == to {
            let title = "`from` and `to` in `[[rotation]]` are the same";
            self.problem(table.span(), title, "expected two issuers");
        }
        Some((from, to))
    }
}
