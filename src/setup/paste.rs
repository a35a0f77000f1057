//! The `log_format` to paste: a log's own, with what it lacks appended in its own style.
//!
//! A JSON object gets further members, columns between tabs further columns, everything else
//! ` name=$variable`, in quotes where a value can hold a space. What nginx then writes can be read
//! by the same directive, by nginx's rules for quoting (`ngx_conf_read_token`) and for variables
//! (`ngx_http_script_compile`).

use gatelog_parsers::escape::Escape;
use gatelog_parsers::log_format::{LogFormat, Piece};
use gatelog_parsers::recognise::{KNOWN_FORMATS, MTLS_EXTENDED};
use gatelog_parsers::variable::{Field, Shape};

use super::format::ChosenFormat;
use super::missing::{self, Missing};
use crate::nginx::NginxConf;

/// Widest line of a pasted directive, in columns; a variable with its surroundings is never parted.
const COLUMNS_MAX: usize = 100;

/// What stands before the second and further parts.
const INDENT: &str = "    ";

/// Names for a format that has none, or one that nginx keeps for itself.
const NAMES: [&str; 3] = ["mtls", "gatelog", "gatelog_mtls"];

/// A directive to paste.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paste {
    /// The whole `log_format` directive, in lines.
    pub directive: String,
    /// The name in it.
    pub name: String,
    /// Whether the log was written under another name, so that its `access_log` must be told.
    pub renamed: bool,
}

/// What to say of a log whose format gives no verdicts: what it lacks, and below it the format to
/// paste.
pub fn no_verdicts(shown: &str, format: &ChosenFormat, conf: Option<&NginxConf>) -> String {
    let lacking = missing::needed_names(&format.parser);
    let paste = for_log(format, conf).directive;
    format!(
        "{shown}: log_format {format} has no {lacking}, so it tells no verdict; log with\n{paste}"
    )
}

/// The format of a log with what it lacks. A new name is none of those in `conf`.
pub fn for_log(format: &ChosenFormat, conf: Option<&NginxConf>) -> Paste {
    let beside = conf.into_iter().flat_map(|conf| &conf.log_formats);
    let taken: Vec<&str> = beside.map(|format| format.name.as_str()).collect();
    extended(format, &taken).unwrap_or_else(|| complete(format, &taken))
}

/// Whoever logs by a format that gatelog knows by name, and not by nginx.conf, is best served by the
/// largest of them: it is recognised again, and stands in `config/nginx-mtls.conf`.
fn extended(format: &ChosenFormat, taken: &[&str]) -> Option<Paste> {
    let known = KNOWN_FORMATS.iter().filter_map(|text| LogFormat::parse(text.as_bytes()).ok());
    let is_known =
        format.place.is_none() && known.map(|known| known.name).any(|n| n == format.name);
    let extended = LogFormat::parse(MTLS_EXTENDED.as_bytes()).ok()?;
    let is_taken = taken.iter().any(|taken| taken.eq_ignore_ascii_case(&extended.name));
    let directive = directive(&extended);
    let fits = is_known && !is_taken && format.name != extended.name;
    fits.then_some(Paste { directive, name: extended.name, renamed: true })
}

fn complete(format: &ChosenFormat, taken: &[&str]) -> Paste {
    let missing = missing::missing(&format.parser);
    let Some(own) = &format.log_format else {
        // Whoever wrote these objects did not use a directive that could be completed.
        let directive = gatelog_parsers::recognise::MTLS_JSON.to_owned();
        return Paste { directive, name: "mtls_json".to_owned(), renamed: true };
    };
    let mut format = completed(own, &missing);
    let kept = !own.name.is_empty() && !own.name.eq_ignore_ascii_case("combined");
    if !kept {
        let is_free = |name: &&str| !taken.iter().any(|taken| taken.eq_ignore_ascii_case(name));
        let free = NAMES.into_iter().find(is_free);
        format.name = free.unwrap_or("gatelog_mtls_complete").to_owned();
    }
    Paste { directive: directive(&format), name: format.name, renamed: !kept }
}

/// The format with further variables.
fn completed(format: &LogFormat, missing: &[Missing]) -> LogFormat {
    let mut pieces = format.pieces.clone();
    let style = Style::of(format);
    let end = match style {
        Style::Json => take_from_brace(&mut pieces),
        Style::Tabs | Style::Text => Vec::new(),
    };
    for Missing { field, .. } in missing {
        let name = field.variable();
        let quoted = style.quotes(*field);
        let mark = if quoted { "\"" } else { "" };
        let before = match style {
            Style::Json => format!(",\"{name}\":{mark}"),
            Style::Tabs => "\t".to_owned(),
            Style::Text if ends_with_space(&pieces) => format!("{name}={mark}"),
            Style::Text => format!(" {name}={mark}"),
        };
        push_literal(&mut pieces, before.as_bytes());
        pieces.push(Piece::Variable(name.to_owned()));
        push_literal(&mut pieces, mark.as_bytes());
    }
    push_literal(&mut pieces, &end);
    LogFormat { name: format.name.clone(), escape: format.escape, pieces }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Json,
    Tabs,
    Text,
}

impl Style {
    fn of(format: &LogFormat) -> Style {
        let (first, last) = (format.pieces.first(), format.pieces.last());
        if let (Some(Piece::Literal(first)), Some(Piece::Literal(last))) = (first, last)
            && first.trim_ascii_start().first() == Some(&b'{')
            && last.trim_ascii_end().last() == Some(&b'}')
        {
            return Style::Json;
        }
        let mut literals = format.pieces.iter().filter_map(|piece| match piece {
            Piece::Literal(text) => Some(text.as_slice()),
            Piece::Variable(_) => None,
        });
        let has_tabs = format.pieces.len() > 1 && literals.all(|text| text == b"\t");
        if has_tabs { Style::Tabs } else { Style::Text }
    }

    fn quotes(self, field: Field) -> bool {
        // nginx always has these, so that they are numbers in JSON too.
        let is_number = matches!(field.shape(), Shape::Status | Shape::Integer | Shape::Decimal);
        let is_word = matches!(field.shape(), Shape::Sha1 | Shape::Hex | Shape::Address)
            || matches!(field.shape(), Shape::Token | Shape::TimeIso8601);
        match self {
            Style::Json => !is_number,
            Style::Tabs => false,
            Style::Text => !is_number && !is_word,
        }
    }
}

/// Takes the last closing brace and what follows it.
fn take_from_brace(pieces: &mut Vec<Piece>) -> Vec<u8> {
    let Some(Piece::Literal(last)) = pieces.last_mut() else { return Vec::new() };
    let brace = memchr::memrchr(b'}', last).unwrap_or(last.len());
    let end = last.split_off(brace);
    if last.is_empty() {
        pieces.pop();
    }
    end
}

fn ends_with_space(pieces: &[Piece]) -> bool {
    matches!(pieces.last(), Some(Piece::Literal(text)) if text.ends_with(b" "))
}

fn push_literal(pieces: &mut Vec<Piece>, text: &[u8]) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Literal(before)) => before.extend_from_slice(text),
        _ => pieces.push(Piece::Literal(text.to_vec())),
    }
}

/// The directive as nginx.conf has it, in quoted parts.
fn directive(format: &LogFormat) -> String {
    let escape = match format.escape {
        Escape::Default => "",
        Escape::Json => " escape=json",
        Escape::None => " escape=none",
    };
    let mut text = format!("log_format {}{escape}", argument(&format.name));
    let words = words(format);
    let mut words = words.iter().peekable();
    let mut columns = text.chars().count() + 1;
    text.push(' ');
    while words.peek().is_some() {
        text.push('\'');
        columns += "'';".len();
        let mut is_first = true;
        while let Some(word) =
            words.next_if(|word| is_first || columns + width(word) <= COLUMNS_MAX)
        {
            text.push_str(word);
            columns += width(word);
            is_first = false;
        }
        text.push('\'');
        if words.peek().is_some() {
            text.push('\n');
            text.push_str(INDENT);
        }
        columns = INDENT.len();
    }
    text.push(';');
    text
}

fn width(word: &str) -> usize {
    word.chars().count()
}

/// The format in the smallest parts that it may be broken into: each ends behind a space, a comma
/// or a tab of a literal.
fn words(format: &LogFormat) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut push = |text: &str, ends: bool| {
        if let Some(word) = words.last_mut() {
            word.push_str(text);
        }
        if ends {
            words.push(String::new());
        }
    };
    let mut pieces = format.pieces.iter().peekable();
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Variable(name) => {
                let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                let runs_on = match pieces.peek() {
                    Some(Piece::Literal(text)) => text.first().is_some_and(in_name),
                    _ => false,
                };
                let text = if runs_on { format!("${{{name}}}") } else { format!("${name}") };
                push(&text, false);
            }
            Piece::Literal(text) => {
                for character in String::from_utf8_lossy(text).chars() {
                    push(&quoted(character), matches!(character, ' ' | ',' | '\t'));
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A character between single quotes.
fn quoted(character: char) -> String {
    match character {
        '\'' => r"\'".to_owned(),
        '\\' => r"\\".to_owned(),
        '\t' => r"\t".to_owned(),
        '\n' => r"\n".to_owned(),
        '\r' => r"\r".to_owned(),
        other => other.to_string(),
    }
}

/// A word of nginx.conf, in quotes where it needs them.
fn argument(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.chars().map(quoted).collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use gatelog_parsers::line::LineParser;
    use gatelog_parsers::recognise::{COMBINED, KNOWN_FORMATS, MTLS_JSON, MTLS_TSV};

    use super::*;

    fn chosen(text: &str) -> ChosenFormat {
        let format = LogFormat::parse(text.as_bytes()).unwrap();
        ChosenFormat {
            parser: LineParser::new(&format),
            name: format.name.clone(),
            log_format: Some(format),
            place: None,
            recognised: false,
        }
    }

    /// Whether the directive of a paste lacks nothing.
    fn is_complete(paste: &Paste) -> bool {
        LogFormat::parse(paste.directive.as_bytes())
            .is_ok_and(|format| missing::missing(&LineParser::new(&format)).is_empty())
    }

    /// Formats of every style, complete or not.
    fn formats() -> Vec<String> {
        let own = [
            "$status",
            "$remote_addr $status",
            "${status}ms|$request_time ",
            "a'b\\\\c $status \"$request\"",
            "log_format plain escape=none '$remote_addr \"$request\" $status';",
            "log_format quoted escape=json '$remote_addr \"$request\" $status';",
            r#"log_format j escape=json '{"s":$status,"r":"$request"}';"#,
            r#"log_format j '{ "s": $status, "n": { "r": "$request" } }';"#,
            "log_format tsv '$status\\t$request';",
            "log_format 'two words' '$status';",
            "log_format no_status '$time_local $ssl_client_verify';",
            "log_format umlaut '\u{fc} $status';",
        ];
        own.iter().chain(&KNOWN_FORMATS).map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn looks_like_the_log_it_is_for() {
        let check = |text: &str, expected: &str| {
            let paste = complete(&chosen(text), &[]).directive;
            assert_eq!(paste.replace("'\n    '", ""), expected, "{text}");
        };
        let all = "$remote_addr $request $msec $ssl_client_verify $ssl_client_s_dn $server_name \
                   $ssl_client_i_dn $ssl_client_v_end $ssl_protocol";
        check(
            &format!("log_format m '{all}';"),
            &format!(
                "log_format m '{all} status=$status ssl_client_fingerprint=$ssl_client_fingerprint \
                 upstream_addr=\"$upstream_addr\" connection_requests=$connection_requests';"
            ),
        );
        let columns = format!("{all} $upstream_addr $status").replace(' ', "\\t");
        check(
            &format!("log_format m '{columns}';"),
            &format!("log_format m '{columns}\\t$ssl_client_fingerprint\\t$connection_requests';"),
        );
        let json = MTLS_JSON.replace(r#","connection_requests":$connection_requests"#, "");
        let json = json.replace(r#""upstream_addr":"$upstream_addr","#, "");
        let paste = complete(&chosen(&json), &[]).directive;
        assert!(paste.starts_with("log_format mtls_json escape=json '{"), "{paste}");
        let end =
            "\"upstream_addr\":\"$upstream_addr\",\"connection_requests\":$connection_requests}';";
        assert!(paste.replace("'\n    '", "").ends_with(end), "{paste}");
    }

    #[test]
    fn lacks_nothing_and_keeps_what_there_was() {
        for text in formats() {
            let chosen = chosen(&text);
            let paste = complete(&chosen, &["mtls"]);
            assert!(is_complete(&paste), "{}", paste.directive);
            let read = LogFormat::parse(paste.directive.as_bytes()).unwrap();
            let own = chosen.log_format.unwrap();
            assert_eq!(read.escape, own.escape);
            assert!(own.variables().all(|variable| read.has(variable)), "{}", paste.directive);
            let widest = paste.directive.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= COLUMNS_MAX, "{widest}: {}", paste.directive);
            let unchanged = missing::missing(&LineParser::new(&own)).is_empty();
            assert_eq!(unchanged, read == own, "{}", paste.directive);
        }
    }

    #[test]
    fn names() {
        let check = |text: &str, taken: &[&str], name: &str, renamed: bool| {
            let paste = complete(&chosen(text), taken);
            assert_eq!((paste.name.as_str(), paste.renamed), (name, renamed), "{text} {taken:?}");
            assert!(paste.directive.starts_with(&format!("log_format {name}")));
        };
        check("log_format main '$status';", &["main"], "main", false);
        check("$status", &[], "mtls", true);
        check(COMBINED, &["MTLS"], "gatelog", true);
        check(COMBINED, &NAMES, "gatelog_mtls_complete", true);
        check(MTLS_TSV, &[], "mtls_tsv", false);
    }

    #[test]
    fn nginx_takes_it() {
        if Command::new("nginx").arg("-v").output().is_err() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let conf = directory.path().join("nginx.conf");
        let mut text = format!(
            "pid {0}/pid; error_log stderr; events {{}}\nhttp {{ access_log off;\n",
            directory.path().display()
        );
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            text.push_str(&format!("{kind}_temp_path {}/t;\n", directory.path().display()));
        }
        for (index, format) in formats().iter().enumerate() {
            let mut chosen = chosen(format);
            if let Some(format) = &mut chosen.log_format {
                format.name = format!("{}{index}", format.name);
            }
            text.push_str(&complete(&chosen, &[]).directive);
            text.push('\n');
        }
        std::fs::write(&conf, text + "}\n").unwrap();
        let tested = Command::new("nginx").args(["-t", "-q", "-c"]).arg(&conf).output().unwrap();
        let said = String::from_utf8_lossy(&tested.stderr);
        assert!(tested.status.success(), "{said}\n{}", std::fs::read_to_string(&conf).unwrap());
    }
}
