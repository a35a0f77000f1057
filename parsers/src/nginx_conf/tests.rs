//! Tables for words, blocks and errors, and properties over arbitrary bytes and trees.

use super::*;
use proptest::prelude::*;

/// The tree on one line: words as Rust would escape them, quoted ones in quotes, blocks in braces.
fn shown(tree: &[Directive]) -> String {
    let mut out = String::new();
    for directive in tree {
        out += &directive.name.escape_ascii().to_string();
        for argument in &directive.arguments {
            let quote = if argument.quoted { "'" } else { "" };
            out += &format!(" {quote}{}{quote}", argument.text.escape_ascii());
        }
        match &directive.block {
            Some(block) => out += &format!(" {{ {}}} ", shown(block)),
            None => out += "; ",
        }
    }
    out
}

#[test]
fn words_comments_and_blocks() {
    let check = |name: &str, input: &[u8], expected: &str| {
        assert_eq!(shown(&parse(input).expect(name)), expected, "{name}");
    };
    check("nothing", b"", "");
    check("blanks only", b" \t\r\n", "");
    check("comment only", b"# a; b {", "");
    check("a directive", b"user www-data;", "user www-data; ");
    check("no arguments", b"ip_hash;", "ip_hash; ");
    check("CRLF", b"a b;\r\nc\r\nd;\r\n", "a b; c d; ");
    check("byte order mark", b"\xEF\xBB\xBFa b;", "a b; ");
    check("not UTF-8", b"a \xFF\xFE;", "a \\xff\\xfe; ");
    check("blocks", b"a { b { c; } d; } e{}", "a { b { c; } d; } e { } ");
    check("a block with arguments", b"location = /x {}", "location = /x { } ");
    check("a comment after a word", b"a b # c; \"\n d;", "a b d; ");
    check("a comment after `;`", b"a b;# }\nc d;", "a b; c d; ");
    check("a comment after `{`", b"a {# }\n}", "a { } ");
    check("a comment that ends the file", b"a b; # c", "a b; ");
    check("`#` inside a word is no comment", b"a b#c;", "a b#c; ");
    check("double quotes", b"a \"b; {} # 'c'\";", "a 'b; {} # \\'c\\''; ");
    check("single quotes", b"a 'b; {} # \"c\"';", "a 'b; {} # \\\"c\\\"'; ");
    check("empty quotes", b"a \"\" '';", "a '' ''; ");
    check("quotes over lines", b"a 'b\nc';", "a 'b\\nc'; ");
    check("quotes inside a word are part of it", b"a b\"c d'e;", "a b\\\"c d\\'e; ");
    check("`}` inside a word is part of it", b"a b}c;", "a b}c; ");
    check("a quoted name", b"'a' b;", "a b; ");
    check("block behind a quote", b"a 'b'{}", "a 'b' { } ");
    check("block behind a word", b"a b{c;}", "a b { c; } ");
    check("variable in braces", b"a ${b}c$d{}", "a ${b}c$d { } ");
    check("variable in braces after a word", b"a x${b};", "a x${b}; ");
    check("two braces after a dollar", b"a ${{b;", "a ${{b; ");
    check("a dollar before a space", b"a $ {}", "a $ { } ");
    check("a dollar, a backslash, a brace", b"a $\\{;", "a $\\\\{; ");
}

#[test]
fn escapes() {
    let check = |name: &str, input: &str, expected: &[u8]| {
        let tree = parse(format!("a {input};").as_bytes()).expect(name);
        assert_eq!(tree[0].arguments.len(), 1, "{name}");
        assert_eq!(
            tree[0].arguments[0].text.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{name}"
        );
    };
    check("double quote in double quotes", r#""b\"c""#, b"b\"c");
    check("single quote in single quotes", r"'b\'c'", b"b'c");
    check("single quote in double quotes", r#""b\'c""#, b"b'c");
    check("tab, return, newline", r"'\t\r\n'", b"\t\r\n");
    check("the same outside quotes", r"\t\r\n", b"\t\r\n");
    check("two backslashes", r"'\\'", b"\\");
    check("backslash before a quote and its end", r"'\\\''", b"\\'");
    check("a regular expression keeps its backslash", r"\.php$", b"\\.php$");
    check("the same in quotes", r#""\.php\d""#, b"\\.php\\d");
    check("an escaped space does not end the word", r"b\ c", b"b\\ c");
    check("an escaped semicolon does not end it", r"b\;c", b"b\\;c");
    check("an escaped brace does not open a block", r"b\{c", b"b\\{c");
    check("an escaped quote opens no quotes", r#"\"b"#, b"\"b");
    check("an escaped `#` opens no comment", r"\#b", b"\\#b");
}

#[test]
fn a_condition_is_split_as_nginx_splits_it() {
    let check = |input: &str, expected: &[&str]| {
        let tree = parse(format!("if {input} {{ return 403; }}").as_bytes()).expect(input);
        let words: Vec<_> =
            tree[0].arguments.iter().map(|word| word.text.escape_ascii().to_string()).collect();
        assert_eq!(words, expected, "{input}");
        assert_eq!(tree[0].block.as_ref().map(Vec::len), Some(1), "{input}");
    };
    check("($ssl_client_verify != SUCCESS)", &["($ssl_client_verify", "!=", "SUCCESS)"]);
    check("($ssl_client_verify != \"SUCCESS\")", &["($ssl_client_verify", "!=", "SUCCESS", ")"]);
    check("( $ssl_client_verify = NONE )", &["(", "$ssl_client_verify", "=", "NONE", ")"]);
    check("(${ssl_client_verify} = NONE)", &["(${ssl_client_verify}", "=", "NONE)"]);
    check("($a ~ \"^x{2}\")", &["($a", "~", "^x{2}", ")"]);
}

#[test]
fn lua_is_opaque() {
    let check = |input: &[u8], expected: &str| {
        assert_eq!(shown(&parse(input).expect("lua")), expected);
    };
    check(b"content_by_lua_block { ngx.say('}') } a;", "content_by_lua_block { } a; ");
    check(b"set_by_lua_block $x { return {} } a;", "set_by_lua_block $x { } a; ");
    check(b"content_by_lua { a; }", "content_by_lua { a; } ");
    let tree = parse(b"init_by_lua_block {\n -- }\n}\na;").expect("lua");
    assert_eq!((tree[1].line, tree[1].column), (4, 1));
}

#[test]
fn places_are_those_of_first_bytes() {
    let tree = parse(b"\xEF\xBB\xBFa 'b'\r\n\tc \"d\ne\" f {\n  g;\n}").expect("places");
    let words: Vec<_> =
        tree[0].arguments.iter().map(|word| (word.line, word.column, word.quoted)).collect();
    assert_eq!((tree[0].line, tree[0].column), (1, 1));
    assert_eq!(words, [(1, 3, true), (2, 2, false), (2, 4, true), (3, 4, false)]);
    let inner = &tree[0].block.as_ref().expect("a block")[0];
    assert_eq!((inner.line, inner.column), (4, 3));
}

#[test]
fn errors_name_line_column_and_what_was_expected() {
    let check = |input: &[u8], place: (u32, u32), expected: &str| {
        let error = parse(input).expect_err(expected);
        assert_eq!((error.line, error.column), place, "{error}");
        assert_eq!(error.to_string(), expected);
    };
    check(b"a;\n ;", (2, 2), "expected a directive name, found `;`");
    check(b"a;\n {", (2, 2), "expected a directive name, found `{`");
    check(b"a { } }", (1, 7), "expected a directive or end of file, found `}`");
    check(b"a {\n b c\n}", (3, 1), "expected `;` or `{` to end `b` of line 2, found `}`");
    check(b"a b", (1, 4), "expected `;` or `{` to end `a` of line 1, found end of file");
    check(b"a 'b'", (1, 6), "expected `;` or `{` to end `a` of line 1, found end of file");
    check(b"a # b;", (1, 7), "expected `;` or `{` to end `a` of line 1, found end of file");
    check(b"\n a {\n b;\n", (4, 1), "expected `}` to close `a` of line 2, found end of file");
    check(
        b"a_by_lua_block { '}' ",
        (1, 22),
        "expected `}` to close `a_by_lua_block` of line 1, found end of file",
    );
    check(b"a\n 'b;\n c;", (2, 2), "expected a closing `'`, found end of file");
    check(b"a \"b\\\";", (1, 3), "expected a closing `\"`, found end of file");
    let after = "expected a space, `;`, `{` or `)` after the closing quote, found ";
    check(b"a 'b'c;", (1, 6), &format!("{after}`c`"));
    check(b"a 'b'#", (1, 6), &format!("{after}`#`"));
    check(b"a 'b'}", (1, 6), &format!("{after}`}}`"));
    check(b"a 'b'\xFF", (1, 6), &format!("{after}byte 0xFF"));
    check(b"a b \\", (1, 5), "expected a byte after the backslash, found end of file");
    check(b"a b\\", (1, 4), "expected a byte after the backslash, found end of file");
}

#[test]
fn bounds_hold_to_the_unit() {
    let nested = |depth: usize| "a{".repeat(depth) + &"}".repeat(depth);
    assert!(parse(nested(BLOCK_DEPTH_MAX).as_bytes()).is_ok());
    let error = parse(nested(BLOCK_DEPTH_MAX + 1).as_bytes()).expect_err("too deep");
    assert_eq!((error.column, error.kind), (130, ConfErrorKind::Depth));

    let words = |count: usize| "a ".repeat(count) + ";";
    assert!(parse(words(CONF_WORDS_MAX).as_bytes()).is_ok());
    let error = parse(words(CONF_WORDS_MAX + 1).as_bytes()).expect_err("too many words");
    assert_eq!((error.column, error.kind), (800_001, ConfErrorKind::Words));

    assert_eq!(parse(&vec![b'\n'; CONF_BYTES_MAX]), Ok(Vec::new()));
    let error = parse(&vec![b'\n'; CONF_BYTES_MAX + 1]).expect_err("too long");
    assert_eq!(error.to_string(), "expected at most 4194304 bytes, found 4194305");
}

#[test]
fn a_long_name_is_cut_in_the_message() {
    let error = parse("a".repeat(70).as_bytes()).expect_err("no end");
    let expected = format!("to end `{}...` of line 1", "a".repeat(64));
    assert!(error.to_string().contains(&expected), "{error}");
}

/// A tree as text: what [`parse`] is the inverse of, places apart.
fn print(tree: &[Directive], out: &mut Vec<u8>) {
    for directive in tree {
        print_quoted(&directive.name, out);
        for argument in &directive.arguments {
            out.push(b' ');
            if argument.quoted {
                print_quoted(&argument.text, out);
            } else {
                out.extend_from_slice(&argument.text);
            }
        }
        match &directive.block {
            None => out.extend_from_slice(b";\n"),
            Some(block) => {
                out.extend_from_slice(b" { # a comment }\n");
                print(block, out);
                out.extend_from_slice(b"}\n");
            }
        }
    }
}

fn print_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

fn without_places(tree: &mut [Directive]) {
    for directive in tree {
        (directive.line, directive.column) = (0, 0);
        for argument in &mut directive.arguments {
            (argument.line, argument.column) = (0, 0);
        }
        without_places(directive.block.as_deref_mut().unwrap_or_default());
    }
}

fn argument() -> impl Strategy<Value = Argument> {
    let quoted = prop::collection::vec(any::<u8>(), 0..12).prop_map(|text| (text, true));
    let bare = prop::collection::vec(
        prop::sample::select(vec![
            "a", "0", "/", "$b", "${c}", "=", "!~", "(", ")", ".", "\u{e9}", "*",
        ]),
        1..6,
    )
    .prop_map(|pieces| (pieces.concat().into_bytes(), false));
    prop_oneof![quoted, bare].prop_map(|(text, quoted)| Argument {
        text,
        line: 0,
        column: 0,
        quoted,
    })
}

fn directive() -> impl Strategy<Value = Directive> {
    let simple =
        (prop::collection::vec(any::<u8>(), 0..8), prop::collection::vec(argument(), 0..4))
            .prop_map(|(name, arguments)| Directive {
                name,
                arguments,
                line: 0,
                column: 0,
                block: None,
            });
    simple.prop_recursive(6, 64, 5, |inner| {
        let block = prop::collection::vec(inner, 0..5);
        ("[a-z_]{1,8}", prop::collection::vec(argument(), 0..4), block).prop_map(
            |(name, arguments, block)| Directive {
                name: name.into_bytes(),
                arguments,
                line: 0,
                column: 0,
                block: Some(block),
            },
        )
    })
}

/// Bytes that make much of the grammar happen.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        " ",
        "\n",
        "\r\n",
        ";",
        "{",
        "}",
        "\"",
        "'",
        "\\",
        "$",
        "${",
        "#",
        "a",
        "_by_lua_block",
        "--",
        "[[",
        "]]",
        "(",
        ")",
        "\u{feff}",
        "\u{0}",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..80)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(input in prop::collection::vec(any::<u8>(), 0..400)) {
        parse(&input).ok();
    }

    #[test]
    fn places_lie_inside_the_input(input in soup()) {
        let lines = count(memchr::memchr_iter(b'\n', &input).count()) + 1;
        let columns = count(input.len()) + 1;
        let (line, column) = match parse(&input) {
            Ok(tree) => tree.last().map_or((1, 1), |last| (last.line, last.column)),
            Err(error) => (error.line, error.column),
        };
        prop_assert!((1..=lines).contains(&line) && (1..=columns).contains(&column));
    }

    #[test]
    fn a_printed_tree_is_parsed_again(tree in prop::collection::vec(directive(), 0..5)) {
        let mut text = Vec::new();
        print(&tree, &mut text);
        let mut again = parse(&text).expect("a printed tree");
        without_places(&mut again);
        prop_assert_eq!(again, tree);
    }
}
