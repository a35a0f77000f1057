//! `error_page` and `return`: which status the access log shows in the end.
//!
//! Follows `ngx_http_core_error_page`, `ngx_http_special_response.c` and
//! `ngx_http_script_return_code`, and was compared with the access log of nginx 1.22.1.

use std::collections::BTreeMap;

use super::include::Node;
use super::problem::Problems;
use super::{misses, text};

/// An `error_page`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorPage {
    /// The statuses it answers, 300 to 599. 495, 496 and 497 are nginx's own: a bad certificate,
    /// none, plain HTTP.
    pub codes: Vec<u16>,
    /// The status that the client is given.
    pub answer: ErrorPageAnswer,
    /// The URI, named location or address, as written.
    pub target: String,
    /// The status with which the target's own `return` overrides `answer`, for a named location or
    /// an exact one (`location = /x`) of the same server. `None` where it does not, or where that
    /// cannot be known.
    pub target_status: Option<u16>,
}

/// The status that an `error_page` gives the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorPageAnswer {
    /// No `=`: the status stays, except that 494 to 497 become 400.
    Keep,
    /// `=` alone: the target decides.
    FromTarget,
    /// `=N`, or the redirect to an address: 302 unless `=N` is 301, 303, 307 or 308.
    Status(u16),
}

impl ErrorPage {
    /// The status that the access log shows for a request that was refused with `code`; `None`
    /// where only the target knows.
    #[must_use]
    pub fn logged_status(&self, code: u16) -> Option<u16> {
        self.target_status.or(match self.answer {
            ErrorPageAnswer::Keep => Some(shown(code)),
            ErrorPageAnswer::FromTarget => None,
            ErrorPageAnswer::Status(status) => Some(status),
        })
    }
}

/// The status nginx shows for one of its own: 494 to 497 are a 400 to the client and in the access
/// log.
pub(super) fn shown(code: u16) -> u16 {
    if matches!(code, 494..=497) { 400 } else { code }
}

/// A `return`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Return {
    pub(super) status: u16,
    /// Whether a text follows, which nginx sends itself.
    has_text: bool,
}

impl Return {
    /// Whether nginx treats it as an error of its own: it then looks for an `error_page`, and
    /// inside one the status overrides what that says.
    pub(super) fn is_special_response(self) -> bool {
        let redirects = matches!(self.status, 301..=303 | 307 | 308);
        // 444 closes the connection instead.
        redirects || (self.status >= 400 && self.status != 444 && !self.has_text)
    }

    fn parse(node: &Node, problems: &mut Problems) -> Option<Self> {
        let first = node.argument(0).unwrap_or_default();
        let second = node.argument(1);
        let is_address = [b"http://".as_slice(), b"https://", b"$scheme"]
            .iter()
            .any(|scheme| first.starts_with(scheme));
        match number(first) {
            Some(status @ ..=999) => {
                Some(Return { status, has_text: second.is_some_and(|t| !t.is_empty()) })
            }
            None if is_address && second.is_none() => Some(Return { status: 302, has_text: true }),
            _ => {
                misses(node, 0, "a status or an address", problems);
                None
            }
        }
    }
}

/// The `return` that a block's own directives always reach: the first, unless a `break` stands
/// before it.
pub(super) fn first_return(level: &[Node], problems: &mut Problems) -> Option<Return> {
    let node = level.iter().find(|node| node.is("return") || node.is("break"))?;
    if node.is("break") { None } else { Return::parse(node, problems) }
}

/// What the named and exact locations of a server return by themselves.
pub(super) struct Targets(BTreeMap<Vec<u8>, Return>);

impl Targets {
    pub(super) fn of(server: &[Node], problems: &mut Problems) -> Self {
        let mut targets = BTreeMap::new();
        for location in server.iter().filter(|node| node.is("location")) {
            let name = match (location.argument(0), location.argument(1)) {
                (Some(b"="), Some(name)) => name,
                (Some(name), None) if name.starts_with(b"@") => name,
                (Some([b'=', name @ ..]), None) => name,
                _ => continue,
            };
            if let Some(answer) = first_return(&location.block, problems) {
                targets.insert(name.to_vec(), answer);
            }
        }
        Targets(targets)
    }

    fn status(&self, page: &ErrorPage) -> Option<u16> {
        let target = page.target.split('?').next().unwrap_or_default();
        let answer = self.0.get(target.as_bytes())?;
        let decides = answer.is_special_response() || page.answer == ErrorPageAnswer::FromTarget;
        decides.then_some(shown(answer.status))
    }

    /// The same pages with what their targets in this server return.
    pub(super) fn resolve(&self, mut pages: Vec<ErrorPage>) -> Vec<ErrorPage> {
        for page in &mut pages {
            page.target_status = self.status(page);
        }
        pages
    }
}

/// The error pages that a level defines itself; `None` when it inherits.
pub(super) fn error_pages(level: &[Node], problems: &mut Problems) -> Option<Vec<ErrorPage>> {
    let mut own: Option<Vec<ErrorPage>> = None;
    for node in level.iter().filter(|node| node.is("error_page")) {
        let pages = own.get_or_insert_default();
        pages.extend(error_page(node, problems));
    }
    own
}

fn error_page(node: &Node, problems: &mut Problems) -> Option<ErrorPage> {
    let mut arguments = node.arguments();
    let target = arguments.next_back().unwrap_or_default();
    let mut codes = Vec::new();
    let mut answer = ErrorPageAnswer::Keep;
    let last = node.directive.arguments.len().saturating_sub(2);
    for (index, argument) in arguments.enumerate() {
        match (number(argument), argument) {
            (Some(code @ (300..=498 | 500..=599)), _) => codes.push(code),
            (None, b"=") if index == last => answer = ErrorPageAnswer::FromTarget,
            (None, [b'=', status @ ..]) if index == last && number(status).is_some() => {
                answer = ErrorPageAnswer::Status(number(status).unwrap_or_default());
            }
            _ => {
                misses(node, index, "a status from 300 to 599 other than 499", problems);
                return None;
            }
        }
    }
    if codes.is_empty() {
        misses(node, 0, "a status and a target", problems);
        return None;
    }
    Some(ErrorPage {
        codes,
        answer: redirect(target, answer),
        target: text(target),
        target_status: None,
    })
}

/// An answer as the target leaves it: what is neither a path nor a named location is a redirect. A
/// target that begins with a variable may be any of these, so the answer stays.
fn redirect(target: &[u8], answer: ErrorPageAnswer) -> ErrorPageAnswer {
    match (target.first(), answer) {
        (Some(b'/' | b'@' | b'$'), _)
        | (_, ErrorPageAnswer::Status(301 | 302 | 303 | 307 | 308)) => answer,
        _ => ErrorPageAnswer::Status(302),
    }
}

/// A decimal number as nginx reads it: digits only.
fn number(digits: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(digits).ok()?;
    if digits.iter().all(u8::is_ascii_digit) { text.parse().ok() } else { None }
}
