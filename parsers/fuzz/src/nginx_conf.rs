//! A configuration file; printed again it is the same tree.

use gatelog_parsers::nginx_conf::{Directive, parse};

/// One run.
pub fn run(text: &[u8]) {
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let at = |line: u32, column: u32| {
        let line = usize::try_from(line).unwrap().checked_sub(1).and_then(|line| lines.get(line));
        let column = usize::try_from(column).unwrap().checked_sub(1).unwrap();
        let line = line.unwrap_or_else(|| panic!("line outside the file"));
        assert!(column <= line.len());
        line.get(column).copied()
    };
    match parse(text) {
        Err(error) => {
            at(error.line, error.column);
            assert!(!error.to_string().is_empty());
        }
        Ok(tree) => {
            let mark = text.starts_with(b"\xEF\xBB\xBF");
            let mut open: Vec<&Directive> = tree.iter().collect();
            while let Some(directive) = open.pop() {
                let words = directive.arguments.iter().map(|one| (one.line, one.column));
                for (line, column) in words.chain([(directive.line, directive.column)]) {
                    let first = at(line, column).expect("a word has a first byte");
                    // Columns do not count a byte order mark.
                    assert!(mark || !b" \t\r\n;{".contains(&first));
                }
                open.extend(directive.block.iter().flatten());
            }
            let mut printed = Vec::new();
            print(&tree, &mut printed);
            let again = parse(&printed).expect("a printed tree is a configuration");
            assert!(same(&tree, &again), "{}", printed.escape_ascii());
        }
    }
}

/// As deep as the parser's own bound at most.
fn print(tree: &[Directive], out: &mut Vec<u8>) {
    for directive in tree {
        let words = directive.arguments.iter().map(|argument| &argument.text);
        for word in std::iter::once(&directive.name).chain(words) {
            out.push(b'"');
            for byte in word {
                if matches!(byte, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(*byte);
            }
            out.extend(b"\" ");
        }
        match &directive.block {
            None => out.extend(b";\n"),
            Some(block) => {
                out.extend(b"{\n");
                print(block, out);
                out.extend(b"}\n");
            }
        }
    }
}

fn same(one: &[Directive], other: &[Directive]) -> bool {
    let same_directive = |(one, other): (&Directive, &Directive)| {
        let texts = |directive: &Directive| {
            directive.arguments.iter().map(|one| one.text.clone()).collect::<Vec<_>>()
        };
        one.name == other.name
            && texts(one) == texts(other)
            && match (&one.block, &other.block) {
                (Some(one), Some(other)) => same(one, other),
                (None, None) => true,
                _ => false,
            }
    };
    one.len() == other.len() && one.iter().zip(other).all(same_directive)
}
