//! Text up to an empty line is compiled as a format; what follows are lines read by it.

use gatelog_parsers::escape::Escape;
use gatelog_parsers::line::LineParser;
use gatelog_parsers::log_format::{LogFormat, Piece, VARIABLES_MAX};

use crate::check_line::check_line;

/// One run.
pub fn run(input: &[u8]) {
    let split = input.windows(2).position(|two| two == b"\n\n").unwrap_or(input.len());
    let (text, lines) = input.split_at(split);
    let format = match LogFormat::parse(text) {
        Ok(format) => format,
        Err(error) => {
            let lines = text.split(|byte| *byte == b'\n').count();
            let line = usize::try_from(error.line).unwrap();
            assert!((1..=lines).contains(&line), "{error}");
            assert!(error.column >= 1);
            let column = usize::try_from(error.column).unwrap();
            assert!(column <= text.len() + 1, "{error}");
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert!((1..=VARIABLES_MAX).contains(&format.variables().count()));
    for two in format.pieces.windows(2) {
        assert_eq!(
            matches!(two[0], Piece::Literal(_)),
            matches!(two[1], Piece::Variable(_)),
            "{two:?}"
        );
    }
    let again = LogFormat::parse(&directive(&format)).expect("a printed format is a format");
    assert_eq!((again.escape, &again.pieces), (format.escape, &format.pieces));
    let parser = LineParser::new(&format);
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).take(16) {
        check_line(&parser, Some(&format), line);
    }
}

/// The format as a directive of nginx.conf.
fn directive(format: &LogFormat) -> Vec<u8> {
    let escape = match format.escape {
        Escape::Default => "default",
        Escape::Json => "json",
        Escape::None => "none",
    };
    let mut text = format!("log_format printed escape={escape} '").into_bytes();
    for piece in &format.pieces {
        match piece {
            Piece::Variable(name) => text.extend(format!("${{{name}}}").as_bytes()),
            Piece::Literal(literal) => {
                for byte in literal {
                    if matches!(byte, b'\'' | b'\\') {
                        text.push(b'\\');
                    }
                    text.push(*byte);
                }
            }
        }
    }
    text.extend(b"';");
    text
}
