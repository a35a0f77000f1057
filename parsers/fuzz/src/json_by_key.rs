//! A line read as a JSON object by its keys; turned round and spaced out it says the same.

use std::sync::LazyLock;

use gatelog_parsers::json_line::{self, Kind, Member};
use gatelog_parsers::line::{LineParser, Spans};
use gatelog_parsers::variable::Field;

use crate::check_line::check_line;

/// Most members of a line that is turned round; more say nothing new.
const FIELDS_MAX: usize = 64;

static PARSER: LazyLock<LineParser> = LazyLock::new(LineParser::json_by_key);

/// One run.
pub fn run(line: &[u8]) {
    check_line(&PARSER, None, line);
    let Ok(members) = json_line::members(line).collect::<Result<Vec<_>, _>>() else {
        let error = json_line::members(line).find_map(Result::err).unwrap();
        assert!(error.at <= line.len(), "{error}");
        return;
    };
    let mut behind = 0;
    for member in &members {
        assert!(behind < member.key_at && member.key_at < member.start);
        assert!(member.start <= member.end && member.end < line.len());
        let quoted = line[member.end] == b'"' && line[member.start - 1] == b'"';
        assert!(quoted || member.kind != Kind::Text);
        behind = member.end;
    }
    let texts: Vec<Vec<u8>> = members.iter().rev().map(|member| text(line, member)).collect();
    let turned = [b"{ ", &texts.join(&b" , "[..])[..], b"\t}"].concat();
    assert_eq!(json_line::members(&turned).flatten().count(), members.len());
    let mut fields: Vec<Field> = texts.iter().take(FIELDS_MAX).flat_map(|t| fields(t)).collect();
    fields.sort_unstable();
    if texts.len() > FIELDS_MAX || fields.windows(2).any(|two| two[0] == two[1]) {
        return; // Of two keys for one field the first counts, which turning exchanges.
    }
    let (mut spans, mut turned_spans) = (Spans::default(), Spans::default());
    let one = PARSER.parse(line, &mut spans);
    let other = PARSER.parse(&turned, &mut turned_spans);
    assert_eq!(one.is_ok(), other.is_ok(), "{}", line.escape_ascii());
    if let (Ok(one), Ok(other)) = (one, other) {
        for field in Field::ALL {
            assert_eq!(one.logged(*field), other.logged(*field), "{field:?}");
        }
    }
}

fn text(line: &[u8], member: &Member<'_>) -> Vec<u8> {
    let quote: &[u8] = if member.kind == Kind::Text { b"\"" } else { b"" };
    let value = &line[member.start..member.end];
    [b"\"", member.key, b"\" : ", quote, value, quote].concat()
}

/// The fields that a line of this one member has.
fn fields(text: &[u8]) -> Vec<Field> {
    let line = [b"{", text, b"}"].concat();
    let mut spans = Spans::default();
    let Ok(record) = PARSER.parse(&line, &mut spans) else { return Vec::new() };
    Field::ALL.iter().copied().filter(|field| record.logged(*field).is_some()).collect()
}
