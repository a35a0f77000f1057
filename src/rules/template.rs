//! Texts of annotations with places for labels and values, as Prometheus' users write them:
//! `{{ $labels.server }}`, `{{ $value }}`, `{{ $advice }}`. Nothing else of Go's templates.

use std::ops::Range;

/// A text with places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Label(String),
    Value,
    Advice,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct TemplateError {
    /// Where, in bytes of the text.
    pub at_bytes: Range<usize>,
    /// What is wrong.
    pub kind: TemplateErrorKind,
}

/// What is wrong with a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateErrorKind {
    /// `{{` without its end.
    #[error("expected `}}}}` after this")]
    Unclosed,
    /// Something else between the braces.
    #[error("expected `$labels.NAME`, `$value` or `$advice`")]
    Unknown,
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// [`TemplateError`] says what is wrong and where.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        let mut parts = Vec::new();
        let (mut rest, mut at) = (text, 0);
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let start = at + before.len();
            let error = |kind, length| TemplateError { at_bytes: start..start + length, kind };
            let (inside, behind) =
                after.split_once("}}").ok_or_else(|| error(TemplateErrorKind::Unclosed, 2))?;
            let length = inside.len() + 4;
            let part =
                part(inside.trim()).ok_or_else(|| error(TemplateErrorKind::Unknown, length))?;
            parts.push(part);
            (rest, at) = (behind, start + length);
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Template { parts })
    }

    /// The names of the labels that it asks for.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Label(name) => Some(name.as_str()),
            Part::Text(_) | Part::Value | Part::Advice => None,
        })
    }

    /// The text with its places filled; a label that there is not leaves nothing.
    pub fn render(&self, labels: &[(String, String)], value: &str, advice: &str) -> String {
        let of_part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Value => value.to_owned(),
            Part::Advice => advice.to_owned(),
            Part::Label(name) => {
                let found = labels.iter().find(|(known, _)| known == name);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            }
        };
        self.parts.iter().map(of_part).collect()
    }
}

fn part(inside: &str) -> Option<Part> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match inside {
        "$value" => Some(Part::Value),
        "$advice" => Some(Part::Advice),
        _ => {
            let name = inside.strip_prefix("$labels.").filter(|name| is_name(name))?;
            Some(Part::Label(name.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled() {
        let check = |text: &str, expected: &str| {
            let labels = [("server".to_owned(), "api".to_owned())];
            let template = Template::parse(text).unwrap();
            assert_eq!(template.render(&labels, "0.12", "renew."), expected);
        };
        check("", "");
        check("plain }} text", "plain }} text");
        check("{{ $labels.server }} at {{$value}}: {{  $advice  }}", "api at 0.12: renew.");
        check("{{ $labels.route }}|", "|");
        let names = Template::parse("{{ $labels.a }}{{ $labels.b }}").unwrap();
        assert_eq!(names.labels().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let check = |text: &str, at: &str, kind: TemplateErrorKind| {
            let error = Template::parse(text).unwrap_err();
            assert_eq!(text.get(error.at_bytes), Some(at), "{text}");
            assert_eq!(error.kind, kind);
        };
        check("a {{ $value", "{{", TemplateErrorKind::Unclosed);
        check("a {{ value }} b", "{{ value }}", TemplateErrorKind::Unknown);
        check("{{ $value }}{{ $labels. }}", "{{ $labels. }}", TemplateErrorKind::Unknown);
        check("{{ $labels.a b }}", "{{ $labels.a b }}", TemplateErrorKind::Unknown);
    }
}
