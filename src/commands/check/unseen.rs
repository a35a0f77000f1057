//! Patterns of rules and subjects of identities that no line has: most likely a slip of the pen.

use std::borrow::Cow;
use std::collections::HashMap;

use gatelog_parsers::distinguished_name::attribute;
use gatelog_parsers::variable::contacted_upstreams;

use crate::commands::context::{Context, Failure};
use crate::config::Written;
use crate::diagnostic::Level;
use crate::event::Event;
use crate::event::judge::Target;
use crate::event::route::{self, MALFORMED, NOT_LOGGED, Router};
use crate::rules::Field;
use crate::rules::filter::glob_matches;

/// Those that were not met yet.
#[derive(Debug)]
pub(super) struct Unseen<'a> {
    router: &'a Router,
    written: Option<Written>,
    left: Vec<Left>,
    /// Whether there was any event: an empty log tells nothing.
    any: bool,
}

/// Those of one field, by their indexes.
#[derive(Debug)]
struct Left {
    field: Field,
    exact: HashMap<Vec<u8>, Vec<usize>>,
    globs: Vec<(usize, String)>,
    /// The value that was looked at last; the next is likely to be the same.
    last: Vec<u8>,
}

impl<'a> Unseen<'a> {
    pub(super) fn new(context: &'a Context) -> Result<Unseen<'a>, Failure> {
        let path = context.config.path.as_deref();
        let written = path.map(Written::load).transpose().map_err(Failure::Config)?;
        let mut left: Vec<Left> = Vec::new();
        for (index, pattern) in written.iter().flat_map(|it| it.patterns()).enumerate() {
            let place = left.iter().position(|left| left.field == pattern.field);
            let place = place.unwrap_or_else(|| {
                left.push(Left::of(pattern.field));
                left.len() - 1
            });
            if let Some(left) = left.get_mut(place) {
                left.add(index, &pattern.glob);
            }
        }
        Ok(Unseen { router: &context.router, written, left, any: false })
    }

    pub(super) fn see(&mut self, event: &Event<'_>) {
        self.any = true;
        for left in &mut self.left {
            if !left.is_empty() {
                left.see(&value(event, left.field, self.router));
            }
        }
    }

    /// What to say of those that are left; safe to show.
    pub(super) fn warnings(&self, color: bool) -> Option<String> {
        let written = self.written.as_ref().filter(|_| self.any)?;
        let left: Vec<usize> = self.left.iter().flat_map(Left::indexes).collect();
        (!left.is_empty()).then(|| written.unmatched(left).render_as(Level::Warning, color))
    }
}

impl Left {
    fn of(field: Field) -> Left {
        Left { field, exact: HashMap::new(), globs: Vec::new(), last: Vec::new() }
    }

    fn add(&mut self, index: usize, glob: &str) {
        if glob.contains('*') {
            self.globs.push((index, glob.to_owned()));
        } else {
            self.exact.entry(glob.as_bytes().to_vec()).or_default().push(index);
        }
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.globs.is_empty()
    }

    fn see(&mut self, value: &[u8]) {
        if self.last != value {
            self.last.clear();
            self.last.extend_from_slice(value);
            self.exact.remove(value);
            self.globs.retain(|(_, glob)| !glob_matches(glob, value));
        }
    }

    fn indexes(&self) -> impl Iterator<Item = usize> {
        let globs = self.globs.iter().map(|(index, _)| *index);
        globs.chain(self.exact.values().flatten().copied())
    }
}

/// The value of a field as rules have it, as far as a line alone tells; empty when there is none.
fn value<'e>(event: &'e Event<'_>, field: Field, router: &Router) -> Cow<'e, [u8]> {
    let undo = |value: Option<&'e [u8]>| event.escape.undo(value.unwrap_or_default());
    let certificate = event.certificate.as_ref();
    let subject_dn = || undo(certificate.and_then(|it| it.subject_dn));
    let of_subject = |kind: &str| {
        let found = attribute(&subject_dn(), kind).map(Cow::into_owned);
        Cow::Owned(found.unwrap_or_default())
    };
    match field {
        Field::Server => Cow::Borrowed(event.server.as_bytes()),
        Field::Route => Cow::Owned(route_of(event, router).into_bytes()),
        Field::SubjectDn => subject_dn(),
        Field::Cn => of_subject("CN"),
        Field::O => of_subject("O"),
        Field::IssuerDn => undo(certificate.and_then(|it| it.issuer_dn)),
        Field::Fingerprint => {
            let logged = certificate.and_then(|it| it.fingerprint).unwrap_or_default();
            Cow::Owned(logged.to_ascii_lowercase())
        }
        Field::RemoteAddr => Cow::Borrowed(event.remote_addr.unwrap_or_default()),
        Field::TlsProtocol => Cow::Borrowed(event.tls_protocol.unwrap_or_default()),
        Field::TlsCipher => Cow::Borrowed(event.tls_cipher.unwrap_or_default()),
        Field::Upstream => {
            let last = event.upstream_addr.and_then(|addr| contacted_upstreams(addr).last());
            Cow::Borrowed(last.unwrap_or_default())
        }
        // These are not asked for: what they can be is known without a log, or not by a line.
        Field::Verdict
        | Field::Reason
        | Field::Class
        | Field::Known
        | Field::Source
        | Field::Owner => Cow::default(),
    }
}

fn route_of(event: &Event<'_>, router: &Router) -> String {
    match event.target {
        Target::Path(path) => router.route(&event.escape.undo(path)).0.into_owned(),
        Target::Named(name) => route::named(&event.escape.undo(name)).0.into_owned(),
        Target::Route { name, .. } => String::from_utf8_lossy(name).into_owned(),
        Target::Malformed => MALFORMED.to_owned(),
        Target::NotLogged => NOT_LOGGED.to_owned(),
    }
}
