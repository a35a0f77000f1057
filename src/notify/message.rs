//! An alert as a message in a chat: Slack, Teams, Mattermost.
//!
//! Texts of clients can be in it. They are made safe to show where alerts are made; here whatever a
//! chat takes for formatting, mentions or links is written so that it is none, and texts are cut.

use serde_json::{Value, json};

use super::alertmanager::json;
use crate::config::receiver::Shape;
use crate::limits::{MESSAGE_LABELS_MAX, MESSAGE_TEXT_BYTES_MAX};
use crate::rules::{Alert, Severity, State};

/// The parts of a message, as plain text.
struct Message {
    title: String,
    paragraphs: Vec<String>,
    facts: Vec<(String, String)>,
    color: Color,
}

#[derive(Clone, Copy)]
enum Color {
    Page,
    Ticket,
    Resolved,
}

/// The body of a request about one alert, for a chat; `None` when the shape is no chat's.
pub(super) fn body(alert: &Alert, shape: Shape, page: &str) -> Option<Vec<u8>> {
    let write = match shape {
        Shape::Alertmanager => return None,
        Shape::Slack => slack,
        Shape::Teams => teams,
        Shape::Mattermost => mattermost,
    };
    Some(json(&write(&Message::of(alert), page)))
}

impl Message {
    fn of(alert: &Alert) -> Message {
        let state = match alert.state {
            State::Resolved => "RESOLVED",
            State::Firing | State::Pending => "FIRING",
        };
        let summary = match alert.annotation("summary") {
            "" => &*alert.rule,
            summary => summary,
        };
        let severity = alert.severity.as_str();
        let texts = ["description", "advice", "evidence"].map(|name| alert.annotation(name));
        let labels = alert.labels.iter().filter(|(name, _)| name != "severity");
        let facts = labels.take(MESSAGE_LABELS_MAX).map(|(name, text)| (name.clone(), cut(text)));
        Message {
            title: cut(&format!("{state} ({severity}) {summary}")),
            paragraphs: texts
                .iter()
                .filter(|text| !text.is_empty())
                .map(|text| cut(text))
                .collect(),
            facts: facts.collect(),
            color: match (alert.state, alert.severity) {
                (State::Resolved, _) => Color::Resolved,
                (_, Severity::Page) => Color::Page,
                (_, Severity::Ticket) => Color::Ticket,
            },
        }
    }
}

/// Blocks (<https://docs.slack.dev/reference/block-kit>). `verbatim` keeps Slack from making links and
/// mentions of what looks like one.
fn slack(message: &Message, page: &str) -> Value {
    let text = |text: String| json!({"type": "mrkdwn", "text": text, "verbatim": true});
    let section = |content: String| json!({"type": "section", "text": text(content)});
    let mut blocks = vec![section(format!("*{}*", slack_text(&message.title)))];
    blocks.extend(message.paragraphs.iter().map(|paragraph| section(slack_text(paragraph))));
    let facts = message.facts.iter();
    let facts = facts.map(|(name, value)| format!("{name}: {}", slack_text(value)));
    let mut elements = vec![text(cut(&facts.collect::<Vec<_>>().join("\n")))];
    elements.push(json!({"type": "mrkdwn", "text": format!("<{page}|gatelog>")}));
    blocks.push(json!({"type": "context", "elements": elements}));
    json!({"text": slack_text(&message.title), "blocks": blocks})
}

/// The three that Slack asks for, and what would end or begin its formatting.
fn slack_text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // There is no escape for these; their twins look like them and mean nothing.
            '*' => escaped.push('\u{2217}'),
            '~' => escaped.push('\u{223c}'),
            '`' => escaped.push('\u{2018}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// An Adaptive Card 1.4 in the envelope of a workflow
/// (<https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors>). Runs of text know no
/// Markdown, unlike blocks.
fn teams(message: &Message, page: &str) -> Value {
    let run = |text: &str, weight: &str, color: &str| {
        json!({"type": "RichTextBlock", "inlines": [
            {"type": "TextRun", "text": text, "weight": weight, "color": color}
        ]})
    };
    let color = match message.color {
        Color::Page => "attention",
        Color::Ticket => "warning",
        Color::Resolved => "good",
    };
    let mut content = vec![run(&message.title, "bolder", color)];
    content.extend(message.paragraphs.iter().map(|text| run(text, "default", "default")));
    let facts = message.facts.iter();
    content
        .extend(facts.map(|(name, value)| run(&format!("{name}: {value}"), "lighter", "default")));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": content,
                "actions": [{"type": "Action.OpenUrl", "title": "gatelog", "url": page}],
            },
        }],
    })
}

/// A message attachment
/// (<https://developers.mattermost.com/integrate/reference/message-attachments/>).
fn mattermost(message: &Message, page: &str) -> Value {
    let color = match message.color {
        Color::Page => "#8f1417",
        Color::Ticket => "#8c6d02",
        Color::Resolved => "#2d6ad6",
    };
    let texts: Vec<String> = message.paragraphs.iter().map(|text| markdown(text)).collect();
    let fields: Vec<Value> = message
        .facts
        .iter()
        .map(|(name, value)| json!({"short": true, "title": markdown(name), "value": markdown(value)}))
        .collect();
    json!({"attachments": [{
        "fallback": message.title,
        "color": color,
        "title": markdown(&message.title),
        "title_link": page,
        "text": texts.join("\n\n"),
        "fields": fields,
    }]})
}

/// Text that Markdown shows as it is. A mention and a link are looked for in the source, so that these
/// are written as entities.
fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '@' => escaped.push_str("&#64;"),
            ':' => escaped.push_str("&#58;"),
            '\\' | '`' | '*' | '_' | '~' | '#' | '[' | ']' | '(' | ')' | '|' | '!' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(character);
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

fn cut(text: &str) -> String {
    if text.len() <= MESSAGE_TEXT_BYTES_MAX {
        return text.to_owned();
    }
    let within = text.floor_char_boundary(MESSAGE_TEXT_BYTES_MAX);
    format!("{}…", text.get(..within).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::test_alert::test_alert;
    use super::*;

    fn read(shape: Shape, summary: &str) -> Value {
        let mut alert = test_alert("edge-1", 1_795_348_740_123);
        alert.severity = Severity::Page;
        alert.annotations = vec![
            ("advice".to_owned(), "Their side: renew it.".to_owned()),
            ("description".to_owned(), "x".repeat(MESSAGE_TEXT_BYTES_MAX - 1) + "öö"),
            ("summary".to_owned(), summary.to_owned()),
        ];
        serde_json::from_slice(&body(&alert, shape, "http://h:1/#/alerts").unwrap()).unwrap()
    }

    #[test]
    fn slack_gets_blocks() {
        let found = read(Shape::Slack, "<!here> & *x* <https://evil|y>");
        let expected = "FIRING (page) &lt;!here&gt; &amp; \u{2217}x\u{2217} &lt;https://evil|y&gt;";
        assert_eq!(found["text"], expected);
        assert_eq!(found["blocks"][0]["text"]["text"], format!("*{expected}*"));
        assert_eq!(found["blocks"][0]["text"]["verbatim"], true);
        assert_eq!(found["blocks"][1]["text"]["text"].as_str().unwrap().len(), 1999 + "…".len());
        assert_eq!(found["blocks"][2]["text"]["text"], "Their side: renew it.");
        let facts = &found["blocks"][3]["elements"][0]["text"];
        assert_eq!(facts, "alertname: gatelog_test\nhost: edge-1");
        assert_eq!(found["blocks"][3]["elements"][1]["text"], "<http://h:1/#/alerts|gatelog>");
    }

    #[test]
    fn teams_gets_a_card() {
        let found = read(Shape::Teams, "[a](http://evil) **b**");
        assert_eq!(found["type"], "message");
        let attachment = &found["attachments"][0];
        assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
        let content = &attachment["content"];
        assert_eq!(
            (&content["type"], &content["version"]),
            (&json!("AdaptiveCard"), &json!("1.4"))
        );
        let first = &content["body"][0];
        assert_eq!(first["type"], "RichTextBlock");
        assert_eq!(first["inlines"][0]["text"], "FIRING (page) [a](http://evil) **b**");
        assert_eq!(first["inlines"][0]["color"], "attention");
        assert_eq!(content["body"].as_array().unwrap().len(), 5);
    }

    #[test]
    fn mattermost_gets_an_attachment() {
        let found = read(Shape::Mattermost, "@channel [a](http://evil)");
        let attachment = &found["attachments"][0];
        let expected = r"FIRING \(page\) &#64;channel \[a\]\(http&#58;//evil\)";
        assert_eq!(attachment["title"], expected);
        assert_eq!(attachment["color"], "#8f1417");
        assert_eq!(attachment["fields"][1]["value"], "edge-1");
        assert_eq!(attachment["fields"].as_array().unwrap().len(), 2);
    }
}
