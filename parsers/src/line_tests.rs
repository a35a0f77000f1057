use proptest::prelude::*;

use super::*;
use crate::recognise;

const FP: &str = "b2b279f36e5659cfddf7868eec97131e076d4e65";

fn parser(format: &str) -> LineParser {
    LineParser::new(&LogFormat::parse(format.as_bytes()).unwrap())
}

/// Parses and shows every variable the line has, in the format's order.
fn read(parser: &LineParser, line: &[u8]) -> Result<String, String> {
    let mut spans = Spans::default();
    match parser.parse(line, &mut spans) {
        Ok(record) => {
            let values = record.spans.iter().filter_map(|span| span.of(line));
            Ok(values.map(|value| value.escape_ascii().to_string()).collect::<Vec<_>>().join("|"))
        }
        Err(error) => Err(format!("{}: {}", error.column(), parser.explain(&error, line))),
    }
}

fn check_all(format: &str, rows: &[(&str, Result<&str, &str>)]) {
    let parser = parser(format);
    for (line, expected) in rows {
        let found = read(&parser, line.as_bytes());
        let found = found.as_deref().map_err(String::as_str);
        assert_eq!(found, *expected, "format {format}\nline {line}");
    }
}

#[test]
fn a_value_ends_at_the_next_literal() {
    check_all(
        "$remote_addr - $remote_user [$time_local] \"$request\" $status",
        &[
            (
                r#"10.0.0.1 - - [22/Nov/2026:11:51:17 +0000] "GET / HTTP/1.1" 200"#,
                Ok("10.0.0.1|-|22/Nov/2026:11:51:17 +0000|GET / HTTP/1.1|200"),
            ),
            // A user name may hold everything that stands behind it, short of a quote.
            (
                r#"10.0.0.1 - a [b] [ [22/Nov/2026:11:51:17 +0000] "GET / HTTP/1.1" 200"#,
                Ok("10.0.0.1|a [b] [|22/Nov/2026:11:51:17 +0000|GET / HTTP/1.1|200"),
            ),
            (
                r#"10.0.0.1 - x [21/Nov/2026:11:51:17 +0000] [22/Nov/2026:11:51:17 +0000] "GET / HTTP/1.1" 200"#,
                Ok(
                    "10.0.0.1|x [21/Nov/2026:11:51:17 +0000]|22/Nov/2026:11:51:17 +0000|GET / HTTP/1.1|200",
                ),
            ),
            (
                r#"10.0.0.1 - - [22/Nov/2026:11:51:17 +0000] "GET "/" HTTP/1.1" 200"#,
                Err(r#"48: expected `" ` after $request, found `"/" HTTP/1.1" 200`"#),
            ),
            (
                r#"10.0.0.1 - - [22/Nov/2026:11:51:17 +0000] "GET / HTTP/1.1" 20"#,
                Err("60: expected a status of three digits for $status, found `20`"),
            ),
            ("", Err("1: expected ` - ` after $remote_addr, found the end of the line")),
        ],
    );
}

#[test]
fn a_typed_value_looks_further() {
    // The text of a failure holds the delimiter; what OpenSSL can write is known.
    check_all(
        "$ssl_client_verify $ssl_client_fingerprint $status",
        &[
            (
                &format!("FAILED:certificate has expired {FP} 400"),
                Ok(&format!("FAILED:certificate has expired|{FP}|400")),
            ),
            (&format!("SUCCESS {FP} 200"), Ok(&format!("SUCCESS|{FP}|200"))),
            ("NONE - 400", Ok("NONE|-|400")),
            (
                &format!("FAILED:some text of next year {FP} 400"),
                Ok(&format!("FAILED:some text of next year|{FP}|400")),
            ),
            (
                "OK - 400",
                Err(
                    "1: expected NONE, SUCCESS, FAILED:... or - for $ssl_client_verify, found `OK`",
                ),
            ),
        ],
    );
    check_all(
        "$ssl_client_verify $ssl_client_s_dn",
        &[
            ("FAILED:certificate has expired CN=a b", Ok("FAILED:certificate has expired|CN=a b")),
            (
                "FAILED:certificate is not yet valid CN=a",
                Ok("FAILED:certificate is not yet valid|CN=a"),
            ),
            (
                "FAILED:certificate is not yet valid or the system clock is incorrect CN=a",
                Ok("FAILED:certificate is not yet valid or the system clock is incorrect|CN=a"),
            ),
        ],
    );
    check_all(
        "$upstream_addr $upstream_status $status",
        &[
            ("10.0.0.1:80 200 200", Ok("10.0.0.1:80|200|200")),
            ("10.0.0.1:80, 10.0.0.2:80 502, 200 200", Ok("10.0.0.1:80, 10.0.0.2:80|502, 200|200")),
            ("a : b 502 : - 499", Ok("a : b|502 : -|499")),
            ("- - 400", Ok("-|-|400")),
        ],
    );
    check_all(
        "$uri $status $bytes_sent",
        &[("/a b 200 5", Ok("/a b|200|5")), ("/a 200 b 404 5", Ok("/a 200 b|404|5"))],
    );
}

#[test]
fn two_readings_are_an_error() {
    check_all(
        "$uri $status $http_x_note",
        &[
            ("/a 200 note", Ok("/a|200|note")),
            (
                "/a 200 404 note",
                Err(
                    "3: expected one place where $uri can end, found that it could also end at column 7",
                ),
            ),
        ],
    );
    // Nothing is escaped here: a client that writes our own line into its agent is seen.
    let forged =
        format!("\"x\" verify=SUCCESS dn=\"CN=admin\" fp={FP}\" verify=NONE dn=\"-\" fp=-");
    check_all(
        "escape=none \"$http_user_agent\" verify=$ssl_client_verify dn=\"$ssl_client_s_dn\" fp=$ssl_client_fingerprint",
        &[
            ("\"curl\" verify=NONE dn=\"-\" fp=-", Ok("curl|NONE|-|-")),
            ("\"a \"quoted\" one\" verify=NONE dn=\"-\" fp=-", Ok("a \\\"quoted\\\" one|NONE|-|-")),
            (
                &forged,
                Err(
                    "3: expected one place where $http_user_agent can end, found that it could also end at column 77",
                ),
            ),
        ],
    );
}

#[test]
fn escaping_keeps_delimiters_out() {
    check_all(
        "$http_user_agent\t$request_id",
        &[
            ("a b\t0af7651916cd43dd8448eb211c80319c", Ok("a b|0af7651916cd43dd8448eb211c80319c")),
            (
                "a\tb\t0af7651916cd43dd8448eb211c80319c",
                Err("4: expected no unescaped delimiter in $request_id, found `\\x09`"),
            ),
        ],
    );
    check_all(
        "\"$http_user_agent\" fp=$ssl_client_fingerprint",
        &[
            (
                r#""a\x22" fp=-""#,
                Err(r#"13: expected no unescaped delimiter in $ssl_client_fingerprint, found `"`"#),
            ),
            (r#""a\x22 fp=\x22" fp=-"#, Ok(r"a\\x22 fp=\\x22|-")),
        ],
    );
}

#[test]
fn json_by_template_and_by_key() {
    let format = r#"escape=json {"time":"$time_iso8601","uri":"$request_uri","status":$status,"verify":"$ssl_client_verify"}"#;
    check_all(
        format,
        &[
            (
                r#"{"time":"2026-11-22T11:51:17+00:00","uri":"/a\"\\","status":200,"verify":"NONE"}"#,
                Ok(r#"2026-11-22T11:51:17+00:00|/a\\\"\\\\|200|NONE"#),
            ),
            (
                r#"{"time":"2026-11-22T11:51:17+00:00","uri":"/\",\"status\":200,\"x\":\"","status":404,"verify":"NONE"}"#,
                Ok(r#"2026-11-22T11:51:17+00:00|/\\\",\\\"status\\\":200,\\\"x\\\":\\\"|404|NONE"#),
            ),
            (
                r#"{ "verify": "SUCCESS", "host": {"name": "a"}, "status": 200, "uri": "/b" }"#,
                Ok("/b|200|SUCCESS"),
            ),
        ],
    );
    // A variable that is a part of a value has no key of its own.
    check_all(
        r#"escape=json {"message":"$request from $remote_addr","status":$status}"#,
        &[
            (r#"{"message":"GET / from 10.0.0.1","status":200}"#, Ok("GET /|10.0.0.1|200")),
            (r#"{"status": 200, "message": "GET / from 10.0.0.1"}"#, Ok("200")),
        ],
    );
    let by_key = LineParser::json_by_key();
    let check = |line: &str, expected: Result<&str, &str>| {
        let found = read(&by_key, line.as_bytes());
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{line}");
    };
    check(r#"{"status":"400","client_verify":"NONE","client_fp":null}"#, Ok("400|NONE"));
    check(
        r#"{"time":"22/Nov/2026:11:51:17 +0000","status":200}"#,
        Ok("22/Nov/2026:11:51:17 +0000|200"),
    );
    check(r#"{"time":1795348277.777,"status":200}"#, Ok("1795348277.777|200"));
    check(
        r#"{"status":200,"status":404}"#,
        Err(r#"15: expected the key of $status once, found `"status":404`"#),
    );
    check(
        r#"{"status":"no"}"#,
        Err("12: expected a status of three digits for $status, found `no`"),
    );
    check(
        r#"{"not_after":"2027-11-22T11:51:15Z","session_reused":true}"#,
        Ok("2027-11-22T11:51:15Z|true"),
    );
    check(
        r#"{"upstream_addrs":["[::1]:80", null],"upstream_statuses":[502,null]}"#,
        Ok(r#"[\"[::1]:80\", null]|[502,null]"#),
    );
    check(r#"{"status":200,"upstream_addrs":[]}"#, Ok("200|"));
    check(
        r#"{"upstream_statuses":[{}]}"#,
        Err("22: expected numbers joined by `, ` and ` : ` for $upstream_status, found `[{}]`"),
    );
    check("status=200", Err("1: expected `{`, found `status=200`"));
    check(r#"{"status":200"#, Err("14: expected `,` or `}`, found the end of the line"));
    check(
        r#"{"other":1}"#,
        Err(r#"1: expected a key that is an nginx variable, found `{"other":1}`"#),
    );
}

#[test]
fn bytes_that_are_not_utf8_pass_through_json() {
    let parser = parser(r#"escape=json {"agent":"$http_user_agent","status":$status}"#);
    let line = b"{\"agent\":\"h\xc3\xa9llo \xff\xfe\",\"status\":400}";
    let mut spans = Spans::default();
    let record = parser.parse(line, &mut spans).unwrap();
    assert_eq!(record.value(Field::HttpUserAgent), Some(&b"h\xc3\xa9llo \xff\xfe"[..]));
    assert_eq!(record.value(Field::Status), Some(&b"400"[..]));
}

#[test]
fn a_client_cannot_make_reading_long() {
    let check = |format: &str, prefix: &str, unit: &str, suffix: &str, gives_up: bool| {
        let parser = parser(format);
        let count = (128 * 1024 - prefix.len() - suffix.len()) / unit.len();
        let line = format!("{prefix}{}{suffix}", unit.repeat(count));
        let mut spans = Spans::default();
        let error = parser.parse(line.as_bytes(), &mut spans).expect_err(format);
        assert_eq!(error.kind == LineErrorKind::TooManyWays, gives_up, "{format} {unit:?}");
    };
    let time = " [22/Nov/2026:11:51:17 +0000]";
    check("$remote_user [$time_local] $status", "", " [", "", true);
    check(recognise::MTLS, "10.0.0.1 - ", " [", "", true);
    check(recognise::MTLS, "10.0.0.1 - ", time, "", false);
    check("$http_user_agent $upstream_addr $status", "", "a ", "-", true);
    check("$http_user_agent $upstream_addr $status", "", "a, ", "", true);
    check("$http_user_agent $upstream_status $status", "", "1 : ", "", true);
    check("$http_user_agent $ssl_client_verify $status", "", "FAILED:a ", "", true);
    check("$http_user_agent-$server_name $status", "", "-", "", true);
    let json = r#"escape=none {"agent":"$http_user_agent","uri":"$uri","status":$status}"#;
    check(json, r#"{"agent":""#, r#"","uri":""#, "", true);
}

#[test]
fn a_long_user_name_of_delimiters_is_read() {
    // nginx takes a header of 8 KiB, and Base64 makes a name of 6 KiB from it.
    for unit in [" [", " [22/Nov/2026:11:51:17 +0000]", " - "] {
        let user = unit.repeat(6 * 1024 / unit.len());
        let line = format!(
            "10.0.0.1 - {user} [22/Nov/2026:11:51:17 +0000] \"GET / HTTP/1.1\" 400 3 \"-\" \"-\" \
             client_verify=NONE client_dn=\"-\" client_fp=-"
        );
        let parser = parser(recognise::MTLS);
        let mut spans = Spans::default();
        let record = parser.parse(line.as_bytes(), &mut spans).unwrap();
        assert_eq!(record.logged(Field::RemoteUser), Some(user.as_bytes()));
    }
}

/// What nginx 1.22 with OpenSSL 3.0 wrote for clients that chose their certificates with care.
#[test]
fn odd_certificates_do_not_hide_their_lines() {
    check_all(
        "v_start=\"$ssl_client_v_start\" serial=$ssl_client_serial s=$status",
        &[
            (r#"v_start="Bad time value" serial=-04D2 s=400"#, Ok("Bad time value|-04D2|400")),
            (
                r#"v_start="Jan  1 01:01:01.123456 2026 GMT" serial=ABAB\x5C\x0AABAB s=400"#,
                Ok(r"Jan  1 01:01:01.123456 2026 GMT|ABAB\\x5C\\x0AABAB|400"),
            ),
        ],
    );
    check_all(
        "escape=json \"$ssl_client_serial\" $status",
        &[(r#""ABAB\\\nABAB" 400"#, Ok(r"ABAB\\\\\\nABAB|400"))],
    );
}

#[test]
fn a_resolver_that_fails_does_not_hide_the_line() {
    check_all(
        "$uri|$upstream_addr|$upstream_status|$upstream_response_time|$status",
        &[
            (
                "/a|, 127.0.0.1:28444|-, 200|0.000, 0.001|200",
                Ok("/a|, 127.0.0.1:28444|-, 200|0.000, 0.001|200"),
            ),
            (
                "/b|127.0.0.1:28444 : |404 : |0.000 : |502",
                Ok("/b|127.0.0.1:28444 : |404 : |0.000 : |502"),
            ),
        ],
    );
}

/// JSON inside a JSON string: a client's quote, escaped once, reads like the format's own.
#[test]
fn a_quote_behind_a_backslash_is_no_certain_end() {
    check_all(
        r#"escape=json {"log":"{\"uri\":\"$uri\",\"status\":$status}"}"#,
        &[
            (r#"{"log":"{\"uri\":\"/a\",\"status\":200}"}"#, Ok("/a|200")),
            (
                r#"{"log":"{\"uri\":\"/a\",\"status\":404,\"b\":\"\",\"status\":200}"}"#,
                Ok(r#"/a\\\",\\\"status\\\":404,\\\"b\\\":\\\"|200"#),
            ),
        ],
    );
}

/// A value as nginx escapes it by default.
fn escaped(value: &[u8]) -> Vec<u8> {
    let one = |&byte: &u8| match byte {
        b'"' | b'\\' | 0..0x20 | 0x7f.. => format!("\\x{byte:02X}").into_bytes(),
        _ => vec![byte],
    };
    if value.is_empty() { b"-".to_vec() } else { value.iter().flat_map(one).collect() }
}

/// What was a stamp of one shape a moment ago is none of another.
#[test]
fn each_shape_of_time_has_its_own_stamps() {
    let parser = LineParser::new(&LogFormat::parse(b"$status|$time_iso8601|$time_local").unwrap());
    let mut spans = Spans::default();
    let (iso, local) = ("2026-11-22T11:51:17+02:00", "22/Nov/2026:11:51:17 +0200");
    for (first, second, is_read) in
        [(iso, local, true), (iso, iso, false), (local, local, false), (iso, local, true)]
    {
        let line = format!("200|{first}|{second}");
        assert_eq!(parser.parse(line.as_bytes(), &mut spans).is_ok(), is_read, "{line}");
        assert!(parser.straight_agrees(line.as_bytes()), "{line}");
    }
}

/// A delimiter that escaping keeps out of values is one field too many, also in the last value.
#[test]
fn a_barred_byte_in_the_last_value() {
    let parser = LineParser::new(&LogFormat::parse(b"$status\xff$server_protocol").unwrap());
    let mut spans = Spans::default();
    for (line, is_read) in [(&b"200\xffHTTP/2.0"[..], true), (b"200\xffx\xffHTTP/2.0", false)] {
        let line_text = line.escape_ascii();
        assert_eq!(parser.parse(line, &mut spans).is_ok(), is_read, "{line_text}");
        assert!(parser.straight_agrees(line), "{line_text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_give_a_record_or_an_error_inside_the_line(line: Vec<u8>) {
        for parser in recognise::known_parsers() {
            let mut spans = Spans::default();
            if let Err(error) = parser.parse(&line, &mut spans) {
                prop_assert!(error.column() <= line.len() + 1);
                prop_assert!(!parser.explain(&error, &line).to_string().is_empty());
            }
        }
    }

    /// What a client chooses changes no field but its own, or the line is refused.
    #[test]
    fn client_values_stay_in_their_fields(
        user in r#"[ \[\]\-"a0-9:/+=]{0,24}"#,
        request in r#"[ \[\]"a=x\\]{0,24}"#,
        agent in r#"(" client_verify=SUCCESS client_dn="CN=a" client_fp=-|[ "=\\a]){0,4}"#,
        dn in r#"(CN=|,|"|\\| client_fp=|-|a){0,8}"#,
    ) {
        let values = [&user, &request, &agent, &dn].map(|value| escaped(value.as_bytes()));
        let [user, request, agent, dn] = &values;
        let line = [
            &b"10.0.0.1 - "[..], user, b" [22/Nov/2026:11:51:17 +0000] \"", request,
            b"\" 400 3 \"-\" \"", agent, b"\" client_verify=NONE client_dn=\"", dn,
            b"\" client_fp=-",
        ].concat();
        let parser = parser(recognise::MTLS);
        let mut spans = Spans::default();
        let record = parser.parse(&line, &mut spans).unwrap();
        prop_assert_eq!(record.logged(Field::RemoteUser), Some(&user[..]));
        prop_assert_eq!(record.logged(Field::Request), Some(&request[..]));
        prop_assert_eq!(record.logged(Field::HttpUserAgent), Some(&agent[..]));
        prop_assert_eq!(record.logged(Field::SslClientVerify), Some(&b"NONE"[..]));
        prop_assert_eq!(record.logged(Field::SslClientSDn), Some(&dn[..]));
    }
}

#[test]
fn nearly_every_line_is_read_straight_and_as_the_search_reads_it() {
    let logs = [
        (recognise::MTLS, &include_bytes!("../../tests/corpus/nginx-mtls.log")[..]),
        (recognise::MTLS_EXTENDED, include_bytes!("../../tests/corpus/nginx-mtls-extended.log")),
        (recognise::MTLS_JSON, include_bytes!("../../tests/corpus/nginx-mtls.json.log")),
        (recognise::MTLS_TSV, include_bytes!("../../tests/corpus/nginx-mtls.tsv.log")),
    ];
    for (format, log) in logs {
        let parser = parser(format);
        for line in log.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let read = parser.read_straight(line);
            assert!(read.is_some(), "{}", line.escape_ascii());
            assert_eq!(read, parser.searched(line), "{}", line.escape_ascii());
        }
    }
}

proptest! {
    /// Whatever is read straight, the search reads alike.
    #[test]
    fn straight_is_the_search(
        format in 0usize..8,
        row in 0usize..421,
        at in 0usize..400,
        insert in r#"[ "\[\]a0:,.\-\\\t]{0,3}|FAILED:| - | \[|" "#,
        remove in 0usize..4,
    ) {
        let logs = [
            &include_bytes!("../../tests/corpus/nginx-mtls.log")[..],
            include_bytes!("../../tests/corpus/nginx-mtls-extended.log"),
            include_bytes!("../../tests/corpus/nginx-mtls.json.log"),
            include_bytes!("../../tests/corpus/nginx-mtls.tsv.log"),
        ];
        let formats =
            [recognise::MTLS, recognise::MTLS_EXTENDED, recognise::MTLS_JSON, recognise::MTLS_TSV];
        // The same lines also as if nothing had been escaped: then anything may be forged.
        let text = formats[format % 4].replacen(" '", if format < 4 { " '" } else { " escape=none '" }, 1);
        let text = text.replace("escape=json escape=none", "escape=none");
        let parser = parser(&text);
        let mut line = logs[format % 4].split(|&byte| byte == b'\n').nth(row).unwrap().to_vec();
        let at = at.min(line.len());
        let end = (at + remove).min(line.len());
        line.splice(at..end, insert.bytes());
        prop_assert!(parser.straight_agrees(&line), "{}", line.escape_ascii());
    }
}
