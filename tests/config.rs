//! The configuration file from the outside: what is accepted, and what is said about the rest.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in helpers of tests a failure is the report"
)]

#[path = "config/rules.rs"]
mod rules;

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use gatelog::config::{Config, Format, LoadError, PathGroup, StartFrom, load, parse};
use gatelog::event::Scope;
use gatelog::event::server::SslVerifyClient;
use gatelog::limits::CONFIG_BYTES_MAX;
use gatelog::source::{Listen, Wrap};

fn environment(name: &str) -> Option<OsString> {
    (name == "LOGS").then(|| "/srv/logs".into())
}

/// Parses what must be valid.
#[track_caller]
fn valid(text: &str) -> Config {
    parse("gatelog.toml", text.as_bytes(), &environment)
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)))
}

/// Checks the problems of a text, one a line: `line:column: title: label`.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let problems = parse("f", text.as_bytes(), &environment).expect_err(text);
    let found = problems.to_string();
    let found: Vec<&str> = found.lines().map(|line| line.strip_prefix("f:").unwrap()).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn an_empty_file_is_the_default() {
    for text in [
        "",
        "\n",
        "# nothing\r\n",
        "\u{FEFF}",
        "[http]\n[metrics]\n[routes]\n",
        "source = []\nserver = []\nreceiver = []",
    ] {
        assert_eq!(valid(text), Config::default(), "{text:?}");
    }
    let config = Config::default();
    assert_eq!(config.lateness, Duration::from_secs(5));
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:9496");
    assert_eq!(config.routes.limit, 500);
}

#[test]
fn every_key_has_its_effect() {
    let config = valid(
        r#"
        state_dir = "${LOGS}/state"
        lateness = "250ms"
        http.listen = "[::1]:0"
        http.open = ["health", "metrics", "health"]
        http.hosts = ["Gate.internal"]
        metrics = { listen = "0.0.0.0:9497" }
        [[source]]
        paths = ["${LOGS}/a.log", "/b/*.log"]
        kind = "nginx"
        wrap = "docker"
        format = '$remote_addr ${status}'
        nginx_conf = "${LOGS}/../nginx.conf"
        from = "beginning"
        scope = "denials"
        client_address = "$HTTP_X_REAL_IP"
        time_zone = "+02:00"
        [[source]]
        name = "second"
        paths = ["c.log"]
        format = "@${LOGS}/format"
        [[source]]
        listen = "unix:${LOGS}/s.sock"
        [[source]]
        name = "udp"
        listen = "udp:[::1]:0"
        wrap = "syslog"
        [routes]
        variable = "route"
        patterns = ["/payments/{id}/capture", "/*"]
        public = ["/health"]
        limit = 10000
        [[server]]
        name = "api"
        ssl_verify_client = "optional_no_ca"
        refused_statuses = [100, 418, 599]
        refused_upstreams = ["127.0.0.1:8080", "10.*"]
        public = ["/x"]
        "#,
    );
    assert_eq!(config.lateness, Duration::from_millis(250));
    assert_eq!(config.http.listen.to_string(), "[::1]:0");
    assert_eq!(config.http.open, [PathGroup::Health, PathGroup::Metrics]);
    assert_eq!(config.http.hosts, ["gate.internal"]);
    assert_eq!(config.metrics_listen, Some("0.0.0.0:9497".parse().unwrap()));
    let [first, second, unix, udp] = &config.sources[..] else { panic!("{:?}", config.sources) };
    assert_eq!((first.name.as_str(), second.name.as_str()), ("a.log", "second"));
    assert_eq!(first.paths, ["/srv/logs/a.log", "/b/*.log"]);
    assert_eq!(first.format, Format::Text("$remote_addr ${status}".into()));
    assert_eq!(first.nginx_conf.as_deref(), Some(Path::new("/srv/logs/../nginx.conf")));
    assert_eq!(first.from, StartFrom::Beginning);
    assert_eq!((first.scope, second.scope), (Scope::Denials, Scope::All));
    assert_eq!(first.client_address, "http_x_real_ip");
    assert!(first.time_zone.is_some());
    assert_eq!((first.wrap, second.wrap), (Some(Wrap::Docker), None));
    assert_eq!(unix.listen, Some(Listen::Unix("/srv/logs/s.sock".into())));
    assert_eq!((unix.name.as_str(), unix.wrap), ("s.sock", Some(Wrap::Syslog)));
    assert_eq!(udp.listen, Some(Listen::Udp("[::1]:0".parse().unwrap())));
    assert_eq!(second.format, Format::File("/srv/logs/format".into()));
    assert_eq!((second.from, second.client_address.as_str()), (StartFrom::End, "remote_addr"));
    assert_eq!(config.routes.variable.as_deref(), Some("route"));
    assert_eq!(config.routes.patterns.len(), 2);
    assert_eq!(config.routes.public.iter().map(|p| p.as_str()).collect::<Vec<_>>(), ["/health"]);
    assert_eq!(config.routes.limit, 10_000);
    let [server] = &config.servers[..] else { panic!("{:?}", config.servers) };
    assert_eq!(server.name, "api");
    assert_eq!(server.ssl_verify_client, Some(SslVerifyClient::OptionalNoCa));
    assert_eq!(server.refused_statuses, [100, 418, 599]);
    assert!(server.refused_upstreams.iter().any(|upstream| upstream.is_match("10.1.2.3:80")));
    assert_eq!(server.public.len(), 1);
}

#[test]
fn the_example_is_valid_and_shows_the_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/gatelog.toml");
    let config = load(&path).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let [source] = &config.sources[..] else { panic!("{:?}", config.sources) };
    let default = gatelog::config::Source {
        name: "edge".into(),
        paths: vec!["/var/log/nginx/*mtls*.log".into()],
        ..Default::default()
    };
    assert_eq!(*source, default);
    assert_eq!(config.path.as_deref(), Some(path.as_path()));
    assert_eq!(Config { sources: Vec::new(), path: None, ..config }, Config::default());
}

#[test]
fn the_nginx_snippet_defines_our_formats() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/nginx-mtls.conf");
    let text = fs::read_to_string(path).unwrap();
    let named: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("log_format ")).collect();
    assert_eq!(named, ["mtls", "mtls_extended", "mtls_json escape=json"]);
    assert_eq!(text.matches("$ssl_client_verify").count(), 4, "three formats and the comment");
}

#[test]
fn unknown_keys_name_the_nearest() {
    check("latenes = \"5s\"", &["1:1: unknown key `latenes`: did you mean `lateness`?"]);
    check(
        "\n  [http]\n  listn = 1\n",
        &["3:3: unknown key `listn` in `[http]`: did you mean `listen`?"],
    );
    check(
        "[[source]]\npath = ['/a']\nname = 'edge'",
        &["2:1: unknown key `path` in source `edge`: did you mean `paths`?"],
    );
    check(
        "[[source]]\npaths = ['/a']\n[[source]]\n\"nginx-conf\" = ''\npaths = ['/b']",
        &["4:1: unknown key `nginx-conf` in `[[source]]`: did you mean `nginx_conf`?"],
    );
    check(
        "[http]\nlateness = '5s'",
        &["2:1: unknown key `lateness` in `[http]`: it belongs at the top, before the first table"],
    );
    check(
        "listen = ''",
        &["1:1: unknown key `listen`: it belongs in `[http]` or `[metrics]` or `[[source]]`"],
    );
    check("[sources]\nname = 'x'", &["1:2: unknown key `sources`: did you mean `source`?"]);
    check("ü = 1".replace('ü', "\"ü\"").as_str(), &["1:1: unknown key `ü`"]);
    check("\u{FEFF}x = 1", &["1:4: unknown key `x`"]);
    check("lateness = '5s'\r\n\r\ncolour = 1\r\n", &["3:1: unknown key `colour`"]);
}

#[test]
fn keys_of_later_versions_are_refused_as_such() {
    for (text, name, place) in [
        ("[http]\ntoken_file = 'x'", "token_file` in `[http]", "2:1"),
        ("[http]\nclient_ca = 'x'", "client_ca` in `[http]", "2:1"),
    ] {
        check(text, &[&format!("{place}: `{name}` is not supported by this version")]);
    }
    check(
        "[[source]]\npaths = ['a']\nname = 'a'\nkind = 'nginx_error'\nwrap = 'crio'",
        &[
            "4:8: `kind` in source `a`: `nginx_error` is not supported by this version: expected \"nginx\"",
            "5:8: `wrap` in source `a` cannot be `crio`: did you mean `cri`?",
        ],
    );
    check("state_dir = ''", &["1:13: `state_dir` is empty: expected a path"]);
    check(
        "[http]\ntokenfile = 'x'",
        &[
            "2:1: unknown key `tokenfile` in `[http]`: did you mean `token_file`? this version does not support it",
        ],
    );
}

#[test]
fn values_of_a_wrong_type() {
    check(
        "lateness = 5",
        &["1:12: `lateness` has the wrong type: expected a string, found a whole number"],
    );
    check(
        "lateness = 0.5",
        &["1:12: `lateness` has the wrong type: expected a string, found a number with a fraction"],
    );
    check(
        "[routes]\nlimit = '5'\npatterns = ['/a', 5, '/b', true]\npublic = '/x'",
        &[
            "2:9: `limit` in `[routes]` has the wrong type: expected a whole number, found a string",
            "3:19: `patterns` in `[routes]` has the wrong type: expected a string, found a whole number",
            "3:28: `patterns` in `[routes]` has the wrong type: expected a string, found a boolean",
            "4:10: `public` in `[routes]` has the wrong type: expected an array, found a string: put it into `[` and `]`",
        ],
    );
    check(
        "[routes]\nlimit = 99999999999999999999",
        &[
            "2:9: `limit` in `[routes]` has the wrong type: expected a number that fits into 64 bits",
        ],
    );
    check(
        "[source]\npaths = ['a']",
        &["1:1: `source` has the wrong type: expected an array of tables: write `[[source]]`"],
    );
    check("[[http]]", &["1:1: `http` has the wrong type: expected one table: `[http]`"]);
    check("http = 5", &["1:8: `http` has the wrong type: expected one table: `[http]`"]);
    check(
        "server = [1]",
        &["1:11: `server` has the wrong type: expected an array of tables: write `[[server]]`"],
    );
}

#[test]
fn values_that_mean_nothing() {
    check(
        "lateness = '1h1s'",
        &[
            "1:12: `lateness` is no duration: expected one number and one unit; write `1h30m` as `90m`",
        ],
    );
    check("lateness = '3601s'", &["1:12: `lateness` is out of range: expected at most 1h"]);
    assert_eq!(valid("lateness = '1h'").lateness, Duration::from_secs(3_600));
    assert_eq!(valid("lateness = '0s'").lateness, Duration::ZERO);
    for limit in ["0", "-1", "10001", "9223372036854775807"] {
        check(
            &format!("[routes]\nlimit = {limit}"),
            &["2:9: `limit` in `[routes]` is out of range: expected 1 to 10000"],
        );
    }
    assert_eq!(valid("[routes]\nlimit = 1").routes.limit, 1);
    check(
        "[routes]\npatterns = ['/a/{id', '''/b c''', \"/\\u0061 d\"]\nvariable = '$a-b'",
        &[
            "2:17: `patterns` in `[routes]` has something that is no route pattern: expected `{name}` to be a whole segment, its name of letters, digits, `_` and `-`",
            "2:23: `patterns` in `[routes]` has something that is no route pattern: expected a path without query, fragment, spaces and control characters",
            "2:35: `patterns` in `[routes]` has something that is no route pattern: expected a path without query, fragment, spaces and control characters",
            "3:12: `variable` in `[routes]` is no variable of nginx: expected a name such as `remote_addr`",
        ],
    );
    check(
        "[[server]]\nname = 'a'\nssl_verify_client = 'optinal'\nrefused_statuses = [99, 418, 600]\nrefused_upstreams = ['[a']",
        &[
            "3:21: `ssl_verify_client` in server `a` cannot be `optinal`: did you mean `optional`?",
            "4:21: `refused_statuses` in server `a` has something that is no status: expected 100 to 599",
            "4:30: `refused_statuses` in server `a` has something that is no status: expected 100 to 599",
            "5:22: `refused_upstreams` in server `a` has something that is no glob: expected an address or a glob: unclosed character class; missing ']'",
        ],
    );
}

#[test]
fn sockets_for_syslog() {
    check(
        "[[source]]\nlisten = 'udp:0.0.0.0:514'\n[[source]]\nname = 'a'\nlisten = '/run/s'",
        &[
            "2:10: `listen` in `[[source]]` is no socket for syslog: expected a loopback address: over UDP anybody who can reach it can forge lines",
            "5:10: `listen` in source `a` is no socket for syslog: expected `udp:127.0.0.1:5514` or `unix:/run/gatelog/syslog.sock`",
        ],
    );
    check(
        "[[source]]\nname = 'a'\nlisten = 'unix:s'\npaths = ['x']\nfrom = 'end'\nwrap = 'cri'",
        &[
            "4:9: `paths` beside `listen` in source `a`: expected one of the two, in a [[source]] each",
            "5:8: `from` beside `listen` in source `a`: expected none: a socket has no beginning and no end",
            "6:8: `wrap` beside `listen` in source `a`: expected \"syslog\", which is what nginx sends",
        ],
    );
    check(
        "[[source]]\nname = 'a'\nlisten = 'unix:s'\n[[source]]\nname = 'b'\nlisten = 'unix:s'",
        &["6:10: two sources listen on `unix:s`: also in line 3"],
    );
    check(
        "[[source]]\nlisten = 'unix:/a/s'\n[[source]]\nlisten = 'unix:/b/s'",
        &["4:10: two sources are called `s`: also in line 2"],
    );
    check(
        "[[source]]\nlisten = 'unix:${NOWHERE}/s'",
        &[
            "2:16: `listen` in `[[source]]` cannot be expanded: `NOWHERE` is not set in the environment",
        ],
    );
    check(
        "[[source]]\npaths = ['-']",
        &[
            "2:10: `paths` in `[[source]]` has something that is no path: expected a file or a glob; standard input is `gatelog run -`",
        ],
    );
}

#[test]
fn listeners() {
    check(
        "[http]\nlisten = 'localhost:80'\nhosts = ['a:1', 'b..c', 'ok.example']\nopen = ['page']",
        &[
            "2:10: `listen` in `[http]` is no address: expected an IP address and a port, such as `127.0.0.1:9496` or `[::1]:9496`",
            "3:10: `hosts` in `[http]` has something that is no host name: expected a name without scheme, port and path",
            "3:17: `hosts` in `[http]` has something that is no host name: expected a name without scheme, port and path",
            "4:9: `open` in `[http]` cannot be `page`: expected \"metrics\" or \"health\"",
        ],
    );
    check(
        "[http]\nlisten = '0.0.0.0:80'\n[metrics]\nlisten = '[::]:81'",
        &[
            "2:10: `0.0.0.0:80` can be reached from other machines and nothing guards it: expected a loopback address",
            "4:10: `[::]:81` can be reached from other machines and nothing guards it: expected a loopback address",
        ],
    );
    valid("[http]\nlisten = '0.0.0.0:80'\nopen = ['health']");
    check(
        "[metrics]\nlisten = '127.0.0.1:9496'",
        &[
            "2:10: `listen` in `[metrics]` is the address of `[http]`, 127.0.0.1:9496: expected another one, or none at all",
        ],
    );
    valid("[http]\nlisten = '127.0.0.1:0'\n[metrics]\nlisten = '127.0.0.1:0'");
}

#[test]
fn sources() {
    check(
        "[[source]]",
        &[
            "1:1: no `paths` in `[[source]]`: expected `paths = [\"/var/log/nginx/access.log\"]`, or `listen`",
        ],
    );
    check(
        "[[source]]\nname='a'\npaths = []",
        &[
            "3:9: no `paths` in source `a`: expected `paths = [\"/var/log/nginx/access.log\"]`, or `listen`",
        ],
    );
    check(
        "[[source]]\nname = 'a'\npaths = ['/x/${HOME_OF_NOBODY}/y', '-', '', '/[z']\nnginx_conf = '${LOGS'\nformat = 'a b'\ntime_zone = '+99'\nfrom = 'start'",
        &[
            "3:14: `paths` in source `a` cannot be expanded: `HOME_OF_NOBODY` is not set in the environment",
            "3:36: `paths` in source `a` has something that is no path: expected a file or a glob; standard input is `gatelog run -`",
            "3:41: `paths` in source `a` has something that is no path: expected a file or a glob; standard input is `gatelog run -`",
            "3:45: `paths` in source `a` has something that is no glob: invalid range pattern",
            "4:15: `nginx_conf` in source `a` cannot be expanded: expected `}` behind `${`",
            "5:10: `format` in source `a` is no format: expected a name, or a log_format string with at least one `$variable`",
            "6:13: `time_zone` in source `a` is not known: expected an offset such as `+02:00`",
            "7:8: `from` in source `a` cannot be `start`: expected \"beginning\" or \"end\"",
        ],
    );
    check(
        "[[source]]\npaths = ['/a/x.log', '/a/x.log']\n[[source]]\npaths = ['/b/x.log']\n[[source]]\npaths = ['/${LOGS}/z']\nname = 'x.log'",
        &[
            "2:22: `/a/x.log` would be read twice: also in line 2",
            "4:10: two sources are called `x.log`: also in line 2",
            "7:8: two sources are called `x.log`: also in line 2",
        ],
    );
    check(
        "[[server]]\n[[server]]\nname = ''\n[[server]]\nname = 'x'\n[[server]]\nname = 'x'",
        &[
            "1:1: a server has no `name`: expected `name = \"...\"`, as `$server_name` is logged",
            "3:8: `name` in server `` is no name: expected at least one character",
            "7:8: two servers are called `x`: also in line 5",
        ],
    );
}

#[test]
fn lists_are_bounded() {
    let hosts = |count: usize| format!("[http]\nhosts = [{}]", vec!["'a'"; count].join(", "));
    assert_eq!(valid(&hosts(64)).http.hosts.len(), 64);
    check(&hosts(65), &["2:330: `hosts` in `[http]` is too long: expected at most 64 entries"]);
    let sources = |count: usize| -> String {
        (0..count).map(|index| format!("[[source]]\npaths = ['/{index}']\n")).collect()
    };
    assert_eq!(valid(&sources(64)).sources.len(), 64);
    check(&sources(65), &["129:1: too many `[[source]]`: expected at most 64"]);
}

#[test]
fn what_is_not_toml_stands_alone() {
    check(
        "lateness = 5s\ncolour = 1\n[http",
        &[
            "1:12: this is not TOML: string values must be quoted: expected a value; put text into quotes",
        ],
    );
    check("colour = 1\n[http\n", &["2:6: this is not TOML: unclosed table: expected `]`"]);
    check("a = 1\na = 2\n", &["2:1: duplicate key `a`"]);
    check("x = [1,\n", &["1:8: this is not TOML: unclosed array: expected `]`"]);
    let nested = format!("x = {}", "[".repeat(100_000));
    let problems = parse("f", nested.as_bytes(), &environment).unwrap_err();
    assert!(problems.to_string().contains("recurse"), "{problems}");
}

#[test]
fn several_problems_are_shown_together() {
    let text = "lateness = \"5 minutes\"\n\n[http]\nlisten = \"127.0.0.1\"\n\n[[server]]\n\
                name = \"api\"\nssl_verify_client = \"optional_noca\"\nregused_statuses = [418]\n";
    let problems = parse("gatelog.toml", text.as_bytes(), &environment).unwrap_err();
    assert_eq!(
        problems.render(false),
        r#"error: `lateness` is no duration
 --> gatelog.toml:1:12
  |
1 | lateness = "5 minutes"
  |            ^^^^^^^^^^^ expected a unit of ms, s, m, h or d behind the number

error: `listen` in `[http]` is no address
 --> gatelog.toml:4:10
  |
4 | listen = "127.0.0.1"
  |          ^^^^^^^^^^^ expected an IP address and a port, such as `127.0.0.1:9496` or `[::1]:9496`

error: `ssl_verify_client` in server `api` cannot be `optional_noca`
 --> gatelog.toml:8:21
  |
8 | ssl_verify_client = "optional_noca"
  |                     ^^^^^^^^^^^^^^^ did you mean `optional_no_ca`?
  |
  = expected: "on", "optional", "optional_no_ca" or "off"

error: unknown key `regused_statuses` in server `api`
 --> gatelog.toml:9:1
  |
9 | regused_statuses = [418]
  | ^^^^^^^^^^^^^^^^ did you mean `refused_statuses`?"#
    );
    assert!(problems.render(true).contains("\x1b["));
}

#[test]
fn hostile_text_is_escaped() {
    let text = "[[server]]\nname = \"a\\u001b[31m\"\n\"\\u202Ex\" = 1\n";
    let shown = parse("g\x1b.toml", text.as_bytes(), &environment).unwrap_err();
    for text in [shown.render(false), shown.to_string()] {
        assert!(!text.contains(['\x1b', '\u{202E}']), "{text:?}");
        assert!(text.contains(r"\xE2\x80\xAEx"), "{text}");
        assert!(text.contains(r"g\x1B.toml:2:8"), "{text}");
    }
}

#[test]
fn files_that_cannot_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let shown = |path: &Path| {
        let error = load(path).unwrap_err();
        error.render(false).replace(&directory.path().display().to_string(), "DIR")
    };
    assert_eq!(
        shown(&path("missing.toml")),
        "error: cannot read the configuration `DIR/missing.toml`: No such file or directory (os error 2)"
    );
    assert_eq!(
        shown(directory.path()),
        "error: cannot read the configuration `DIR`: it is a directory, expected a file"
    );

    fs::write(path("latin1.toml"), b"lateness = \"5s\"\n# f\xfcr Caf\xe9\n").unwrap();
    assert_eq!(
        shown(&path("latin1.toml")),
        r"error: this is not UTF-8
 --> DIR/latin1.toml:2:4
  |
2 | # f\xFCr Caf\xE9
  |    ^^^^ expected UTF-8"
    );

    let mut largest = vec![b'#'; CONFIG_BYTES_MAX];
    fs::write(path("large.toml"), &largest).unwrap();
    assert!(load(&path("large.toml")).is_ok());
    largest.push(b'#');
    fs::write(path("large.toml"), &largest).unwrap();
    assert!(matches!(load(&path("large.toml")), Err(LoadError::TooLarge { .. })));
    assert_eq!(
        shown(&path("large.toml")),
        "error: cannot read the configuration `DIR/large.toml`: it is larger than 1048576 bytes"
    );
}

proptest::proptest! {
    #[test]
    fn any_text_gives_a_configuration_or_problems(
        parts in proptest::collection::vec(proptest::sample::select(PARTS), 0..30)
    ) {
        let text = parts.concat();
        if let Err(problems) = parse("f", text.as_bytes(), &environment) {
            assert!(!problems.problems().is_empty());
            assert!(problems.render(true).contains("f:"));
            for problem in problems.problems() {
                assert!(problem.span_bytes.end <= text.len(), "{text:?} {problem:?}");
            }
        }
    }
}

/// Pieces of configurations, put together at random above.
const PARTS: &[&str] = &[
    "\n",
    "\r\n",
    " ",
    "=",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    ",",
    ".",
    "#",
    "\u{FEFF}",
    "é",
    "\0",
    "[http]\n",
    "[[http]]\n",
    "[[source]]\n",
    "[source]\n",
    "[routes]\n",
    "[[server]]\n",
    "[[rule]]\n",
    "[rules]\n",
    "[rules.clock_skew]\n",
    "[[identity]]\n",
    "[[silence]]\n",
    "[[rotation]]\n",
    "where={",
    "where.verdict=",
    "labels.a=",
    "annotations={summary='{{ $labels.x }}'}\n",
    "kind='ratio'\n",
    "threshold=",
    "0.5\n",
    "by=",
    "until=",
    "subject='CN = x'\n",
    "lateness=",
    "listen=",
    "open=",
    "name=",
    "paths=",
    "patterns=",
    "limit=",
    "refused_statuses=",
    "source=",
    "http.listen=",
    "server.name=",
    "'5s'\n",
    "5\n",
    "['a','b']\n",
    "[1,'/{']\n",
    "true\n",
    "{name='x'}\n",
    "[{paths=['${X']}]\n",
    "\"\\u001b${\"\n",
    "1979-05-27\n",
    "\"\"\"a\nb\"\"\"\n",
    "[[[]]]\n",
];
