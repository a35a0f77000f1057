//! The end of a block of Lua, as lua-nginx-module finds it (`ngx_http_lua_conf_lua_block_parse`):
//! braces are counted outside strings (`'...'`, `"..."`, `[==[...]==]`) and comments (`--...`,
//! `--[[...]]`). Nothing of the Lua is kept.

use memchr::memmem;

/// What follows the `}` that closes the block whose `{` has just been read; `None` when the input
/// ends first.
pub(super) fn after_block(input: &[u8]) -> Option<&[u8]> {
    let mut depth = 1_usize;
    let mut rest = input;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match byte {
            b'{' => {
                depth += 1;
                after
            }
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(after);
                }
                after
            }
            b'"' | b'\'' => after_string(after, byte)?,
            b'[' => after_long_bracket(rest).unwrap_or(Some(after))?,
            b'-' if after.first() == Some(&b'-') => after_comment(after.get(1..)?)?,
            _ => after,
        };
    }
    None
}

fn after_string(input: &[u8], quote: u8) -> Option<&[u8]> {
    let mut rest = input;
    loop {
        let at = memchr::memchr2(quote, b'\\', rest)?;
        let escaped = rest.get(at) == Some(&b'\\');
        rest = rest.get(at + if escaped { 2 } else { 1 }..)?;
        if !escaped {
            return Some(rest);
        }
    }
}

fn after_comment(input: &[u8]) -> Option<&[u8]> {
    after_long_bracket(input).unwrap_or_else(|| {
        let newline = memchr::memchr(b'\n', input)?;
        input.get(newline..)
    })
}

/// What follows a long bracket that begins here: `None` when none does, `Some(None)` when it does
/// not end.
fn after_long_bracket(input: &[u8]) -> Option<Option<&[u8]>> {
    let inside = input.strip_prefix(b"[")?;
    let level = inside.iter().take_while(|&&byte| byte == b'=').count();
    let body = inside.get(level..)?.strip_prefix(b"[")?;
    let closing = [b"]", "=".repeat(level).as_bytes(), b"]"].concat();
    Some(memmem::find(body, &closing).and_then(|at| body.get(at + closing.len()..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_ends_where_lua_says() {
        let check = |name: &str, input: &str, expected: Option<&str>| {
            let found =
                after_block(input.as_bytes()).map(|rest| std::str::from_utf8(rest).unwrap());
            assert_eq!(found, expected, "{name}");
        };
        check("empty", "} x", Some(" x"));
        check("table", " t = { {}, {} } } x", Some(" x"));
        check("double quotes", r#" ngx.say("}\"}") } x"#, Some(" x"));
        check("single quotes", r" ngx.say('}\'}') } x", Some(" x"));
        check("comment", " -- }\n } x", Some(" x"));
        check("long comment", " --[[ } \n ]] } x", Some(" x"));
        check("long comment of level 2", " --[==[ } ]] } ]==] } x", Some(" x"));
        check("long string", " s = [[ } ' ]] } x", Some(" x"));
        check("long string of level 1", " s = [=[ } ]] } ]=] } x", Some(" x"));
        check("index", " t[1] = t[t[1]] } x", Some(" x"));
        check("minus", " a = b - c } x", Some(" x"));
        check("open block", " { } ", None);
        check("open string", " ' } ", None);
        check("open long string", " [[ } ", None);
        check("open comment", " -- }", None);
        check("string ends with a backslash", " '\\", None);
    }
}
