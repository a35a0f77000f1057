//! What may come out.

/// Fails when something in the text could steer a terminal, hide, or turn the direction of reading.
/// Written down apart from the program's own list.
#[track_caller]
pub(crate) fn check_text(what: &str, text: &str) {
    let acts = |c: &char| match *c {
        '\n' => false,
        // C0, DEL, C1.
        c if c.is_control() => true,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => {
            true
        }
        '\u{2060}'..='\u{2069}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' => true,
        '\u{e0000}'..='\u{e01ef}' => true,
        _ => false,
    };
    let Some(at) = text.find(|c| acts(&c)) else { return };
    let (before, after) = text.split_at(at);
    let before: Vec<char> = before.chars().rev().take(200).collect();
    let around: String = before.into_iter().rev().chain(after.chars().take(40)).collect();
    panic!("{what}: {around:?}");
}

/// The same where colours are wanted: with those of the program itself taken out.
#[track_caller]
pub(crate) fn check_coloured(what: &str, text: &str) {
    assert!(!text.contains("\x1b[38;5;99m"), "{what}: the client's own colour");
    let mut rest = text;
    let mut plain = String::new();
    while let Some((before, sequence)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        let (parameters, after) = sequence.split_once('m').unwrap_or((sequence, ""));
        let is_colour = parameters.chars().all(|c| c.is_ascii_digit() || c == ';');
        assert!(is_colour, "{what}: {parameters:?}");
        rest = after;
    }
    plain.push_str(rest);
    check_text(what, &plain);
}

/// Fails unless each line of the page is a comment or a series: a name, labels whose values have `\`,
/// `"` and newlines escaped, a number.
#[track_caller]
pub(crate) fn check_metrics(page: &str) {
    check_text("metrics", page);
    for line in page.lines().filter(|line| !line.starts_with("# ")) {
        let (labels, number) = labels(line).unwrap_or_else(|| panic!("no series: {line}"));
        assert!(number.parse::<f64>().is_ok(), "{line}");
        let forged = |(name, value): &(String, String)| {
            (name == "verdict" && value == "failed_open") || (name == "server" && value == "forged")
        };
        assert!(!labels.iter().any(forged) || number == "0", "{line}");
    }
}

/// The labels of a series, values with their escapes undone, and its number.
fn labels(line: &str) -> Option<(Vec<(String, String)>, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = line.trim_start_matches(is_name);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (name, value) = rest.split_once("=\"")?;
            let mut text = String::new();
            let mut characters = value.char_indices();
            let end = loop {
                match characters.next()? {
                    (at, '"') => break at,
                    (_, '\\') => text.push(match characters.next()?.1 {
                        'n' => '\n',
                        c @ ('\\' | '"') => c,
                        _ => return None,
                    }),
                    (_, c) => text.push(c),
                }
            };
            name.chars().all(is_name).then(|| labels.push((name.to_owned(), text)))?;
            rest = value.get(end + 1..)?;
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}')?;
    }
    Some((labels, rest.strip_prefix(' ')?))
}
