//! Labels and annotations.

use std::ops::Range;

use super::super::Check;
use super::label_names::OF_ANY;
use crate::config::nearest::nearest;
use crate::config::problem::Problem;
use crate::config::raw::FreeTable;
use crate::config::raw::Text;
use crate::config::raw::rules::RawAnnotations;
use crate::limits::{ANNOTATION_BYTES_MAX, NAME_BYTES_MAX, RULE_LABEL_BYTES_MAX, RULE_LABELS_MAX};
use crate::rules::Field;
use crate::rules::template::Template;

/// Whose labels they are, and so which names are taken.
pub(super) enum Labels<'a> {
    /// A rule's with these in `by`.
    OfRule(&'a [&'a str]),
    /// An identity's, beside whatever a rule has in `by`.
    OfIdentity,
}

impl Check<'_> {
    /// A table of labels, by name.
    pub(super) fn labels(
        &mut self,
        raw: Option<&FreeTable<Text>>,
        place: &str,
        whose: &Labels<'_>,
    ) -> Vec<(String, String)> {
        let place = &inside_of("labels", place);
        let mut labels = Vec::new();
        for (index, (name, value)) in raw.into_iter().flat_map(|raw| raw.get_ref()).enumerate() {
            if index == RULE_LABELS_MAX {
                let title = format!("too many labels{place}");
                self.problem(name.span(), title, format!("expected at most {RULE_LABELS_MAX}"));
                break;
            }
            let is_free = self.label_name(name, place, whose);
            if self.label_value(name, value, place) && is_free {
                labels.push((name.get_ref().clone(), value.get_ref().clone()));
            }
        }
        labels
    }

    /// Whether a label can be called that; says so if not.
    fn label_name(&mut self, name: &Text, place: &str, whose: &Labels<'_>) -> bool {
        let text = name.get_ref().as_str();
        if !is_label_name(text) {
            let title = format!("`{text}`{place} is no name of a label");
            let label = "expected letters, digits and `_`, no digit first, not `__` first";
            self.problem(name.span(), title, label);
            return false;
        }
        let taken = match whose {
            Labels::OfRule(by) if by.contains(&text) => Some("it is in `by`"),
            _ if OF_ANY.contains(&text) => Some("gatelog sets it"),
            Labels::OfIdentity if Field::from_name(text).is_some() => Some("gatelog sets it"),
            _ => None,
        };
        if let Some(why) = taken {
            let title = format!("the label `{text}`{place} is taken");
            self.problem(name.span(), title, format!("expected another name: {why}"));
        }
        taken.is_none()
    }

    fn label_value(&mut self, name: &Text, value: &Text, place: &str) -> bool {
        let text = value.get_ref();
        let label = match text {
            _ if text.is_empty() => "expected text; an empty label is none".to_owned(),
            _ if text.len() > RULE_LABEL_BYTES_MAX => {
                format!("expected at most {RULE_LABEL_BYTES_MAX} bytes")
            }
            _ if text.contains(char::is_control) => "expected no control characters".to_owned(),
            _ => return true,
        };
        let title = format!("`{}`{place} is no value of a label", name.get_ref());
        self.problem(value.span(), title, label);
        false
    }

    /// The annotations that are given, each as a template over the labels that are known.
    pub(super) fn annotations(
        &mut self,
        raw: Option<&RawAnnotations>,
        place: &str,
        labels: &[&str],
    ) -> Vec<(String, Template)> {
        let Some(raw) = raw else { return Vec::new() };
        let place = &inside_of("annotations", place);
        let given = [
            ("advice", &raw.advice),
            ("description", &raw.description),
            ("side", &raw.side),
            ("summary", &raw.summary),
        ];
        let mut annotations = Vec::new();
        for (key, text) in given {
            let Some(text) = text else { continue };
            let template = self.template(text, key, place, labels);
            annotations.extend(template.map(|template| (key.to_owned(), template)));
        }
        annotations
    }

    fn template(
        &mut self,
        text: &Text,
        key: &str,
        place: &str,
        labels: &[&str],
    ) -> Option<Template> {
        if text.get_ref().len() > ANNOTATION_BYTES_MAX {
            let label = format!("expected at most {ANNOTATION_BYTES_MAX} bytes");
            self.problem(text.span(), format!("`{key}`{place} is too long"), label);
            return None;
        }
        let template = match Template::parse(text.get_ref()) {
            Ok(template) => template,
            Err(error) => {
                let span = self.inside(text, error.at_bytes);
                let title = format!("`{key}`{place} is no template");
                self.problem(span, title, error.kind.to_string());
                return None;
            }
        };
        let mut from = 0;
        for name in template.labels() {
            let at = place_in(text.get_ref(), name, from);
            from = at.end;
            if !labels.contains(&name) {
                let span = self.inside(text, at);
                self.unknown_label(span, name, &format!("`{key}`{place}"), labels);
            }
        }
        Some(template)
    }

    fn unknown_label(&mut self, span: Range<usize>, name: &str, whose: &str, labels: &[&str]) {
        let label = match nearest(name, labels.iter().copied()) {
            _ if Field::from_name(name).is_some() => format!("expected `{name}` in `by`"),
            Some(near) => format!("did you mean `{near}`?"),
            None => "expected a label that the alert has".to_owned(),
        };
        let title = format!("{whose} asks for the label `{name}`, which there is not");
        let problem = Problem::new(span, title, label);
        self.problems.push(problem.note("known", labels.join(", ")));
    }
}

/// A name that Prometheus takes for a label, and leaves to users.
fn is_label_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && !name.starts_with("__")
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Where a template asks for a label, looked for behind `from`. Labels come in the order in which they
/// stand.
fn place_in(template: &str, label: &str, from: usize) -> Range<usize> {
    const ASKS: &str = "$labels.";
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let rest = template.get(from..).unwrap_or_default();
    let asked = rest.match_indices(ASKS).map(|(at, _)| from + at + ASKS.len());
    let mut found = asked.filter(|start| {
        let named = template.get(*start..).and_then(|rest| rest.strip_prefix(label));
        named.is_some_and(|behind| !behind.starts_with(is_name))
    });
    let start = found.next().unwrap_or_default();
    start..start + label.len()
}

/// As titles end, of something in a table of the one that `place` is about.
pub(super) fn inside_of(key: &str, place: &str) -> String {
    format!(" in `{key}` of {}", place.strip_prefix(" in ").unwrap_or(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_labels() {
        for (name, expected) in [
            ("team", true),
            ("_a1", true),
            ("A", true),
            ("", false),
            ("1a", false),
            ("a-b", false),
            ("__name__", false),
            ("é", false),
        ] {
            assert_eq!(is_label_name(name), expected, "{name}");
        }
    }

    #[test]
    fn places_of_labels() {
        let text = "{{ $labels.ab }} {{$labels.a}} {{ $labels.a }}";
        let first = place_in(text, "a", 0);
        assert_eq!(first, text.find("a}}").unwrap()..text.find("}} {{ ").unwrap());
        assert_eq!(place_in(text, "a", first.end).start, text.rfind("a }}").unwrap());
    }
}
