//! `gatelog check`: which lines fit, which fields are missing, and the log_format to paste.

use std::fs;
use std::path::Path;
use std::process::Command;

use gatelog::rules::builtin;

use super::program::{Ended, corpus, run, run_with_input};

const PLAIN: &str = "nginx-mtls.log";

/// A directory with these files.
fn scene(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

/// What a command says of a directory, with the directory's own path taken out.
fn said(directory: &Path, arguments: &[&str]) -> Ended {
    let ended = run(directory, arguments);
    let prefix = format!("{}/", directory.display());
    Ended { out: ended.out.replace(&prefix, ""), err: ended.err.replace(&prefix, ""), ..ended }
}

/// The directive below `paste:`.
fn pasted(out: &str) -> String {
    let (_, below) = out.split_once("paste:\n").unwrap();
    let (directive, _) = below.split_once("';\n").unwrap();
    format!("{directive}';")
}

#[test]
fn the_first_line_that_does_not_fit() {
    let log = fs::read_to_string(corpus(PLAIN)).unwrap();
    let log: Vec<&str> = log.lines().take(12).collect();
    let spoil = |line: &str| {
        let (before, after) = line.split_once("client_verify=").unwrap();
        let after = after.split_once(' ').unwrap().1;
        format!("{before}client_verify=OK {after}")
    };
    let mut lines: Vec<String> = log.iter().map(|line| (*line).to_owned()).collect();
    for index in [6, 8, 10] {
        lines[index] = spoil(log[index]);
    }
    lines.push("\u{1b}[31mno line of nginx".to_owned());
    let conf = "http {\n\n\nlog_format  mtls\n'$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent ' \
                '\"$http_referer\" \"$http_user_agent\" client_verify=$ssl_client_verify client_dn=\"$ssl_client_s_dn\" client_fp=$ssl_client_fingerprint';}";
    let directory = scene(&[("mtls.log", &(lines.join("\n") + "\n")), ("nginx.conf", conf)]);
    let ended = said(directory.path(), &["check", "mtls.log", "--nginx-conf", "nginx.conf"]);
    assert_eq!((ended.code, ended.err.as_str()), (1, ""));
    let expected = r#"mtls.log: log_format `mtls` (nginx.conf:4), recognised from its first lines: 9 of 13 lines fit, 4 not
error: line does not fit log_format `mtls` (nginx.conf:4)
 --> mtls.log:7:116
  |
7 | …=on HTTP/1.1" 200 3 "-" "gatelog-lab/1.0" client_verify=OK client_dn="CN=ledger-serv…
  |                                                          ^^ expected NONE, SUCCESS, FAILED:... or -
  |
  = found: `OK` for $ssl_client_verify; 2 more lines fail here, 1 elsewhere
missing: $server_name, to tell the servers of one log apart
missing: $upstream_addr, to tell nginx's refusal from the application's, and which upstream was reached
missing: $connection_requests, for failures per connection, which keep-alive hides
"#;
    assert!(ended.out.starts_with(expected), "{}", ended.out);
}

/// A format known by name is best replaced by the one that has everything, which is known too.
const EXTENDED_END: &str = "request_id=$request_id connection=$connection connection_requests=$connection_requests \
     msec=$msec';";

#[test]
fn missing_fields_are_no_fault() {
    let check = |log: &str, missing: &[&str], end: &str| {
        let ended = run(Path::new("/"), &["check", &corpus(log)]);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
        let lines = ended.out.lines().filter_map(|line| line.strip_prefix("missing: $"));
        let found: Vec<&str> = lines.map(|line| line.split_once(", ").unwrap().0).collect();
        assert_eq!(found, missing, "{log}");
        if missing.is_empty() {
            assert!(!ended.out.contains("paste:"), "{log}");
            return;
        }
        let pasted = pasted(&ended.out).replace("'\n    '", "");
        assert!(pasted.ends_with(end), "{log}: {pasted}");
    };
    check("nginx-mtls-extended.log", &[], "");
    check("nginx-mtls.json.log", &[], "");
    check(
        PLAIN,
        &[
            "server_name",
            "upstream_addr",
            "connection_requests",
            "ssl_client_i_dn",
            "ssl_client_v_end",
            "ssl_protocol",
        ],
        EXTENDED_END,
    );
    check(
        "nginx-mtls.tsv.log",
        &["server_name", "connection_requests", "ssl_client_i_dn"],
        EXTENDED_END,
    );
}

#[test]
fn without_the_needed_fields_there_are_no_verdicts() {
    let line = r#"10.0.0.1 - - [22/Nov/2026:11:51:17 +0000] "GET / HTTP/1.1" 200 3 "-" "a""#;
    let directory = scene(&[("access.log", &format!("{line}\n"))]);
    let ended = said(directory.path(), &["check", "access.log"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for expected in [
        "access.log: log_format `combined`, recognised from its first lines: 1 line, which fits\n",
        "missing: $ssl_client_verify, for any verdict at all\n",
        "warning: access.log: no verdicts without $ssl_client_verify; `report` and `run` refuse it\n",
        "log_format mtls_extended '$remote_addr - $remote_user",
        "and write a new file by it: access_log ... mtls_extended;\n",
    ] {
        assert!(ended.out.contains(expected), "no {expected} in {}", ended.out);
    }
    for command in ["report", "run"] {
        let refused = said(directory.path(), &[command, "access.log", "--from", "beginning"]);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{command}");
        let refusal = "error: access.log: log_format `combined` has no $ssl_client_verify";
        assert!(refused.err.starts_with(refusal), "{command}: {}", refused.err);
        assert!(
            refused.err.contains("\nlog_format mtls_extended '$remote_addr"),
            "{}",
            refused.err
        );
    }
    assert_eq!(said(directory.path(), &["parse", "access.log"]).code, 0);
}

/// What nginx writes by the pasted format can be read, and lacks nothing.
#[test]
fn the_pasted_format_fits_nginx_and_gatelog() {
    let has_nginx = Command::new("nginx").arg("-v").output().is_ok();
    let formats = [
        "$remote_addr $status",
        "escape=json {\"status\":$status,\"dn\":\"$ssl_client_s_dn\"}",
        "$status\t$ssl_client_verify",
        "a '$remote_addr' ${status}x \\ $ssl_client_verify",
    ];
    let lines =
        ["10.0.0.1 200", r#"{"status":200,"dn":""}"#, "200\tNONE", "a '10.0.0.1' 200x \\ NONE"];
    for (format, line) in formats.into_iter().zip(lines) {
        let directory = scene(&[("a.log", &format!("{line}\n"))]);
        let ended = said(directory.path(), &["check", "a.log", "--log-format", format]);
        assert_eq!(ended.code, 0, "{format}: {}{}", ended.err, ended.out);
        let directive = pasted(&ended.out);
        assert!(directive.lines().all(|line| line.chars().count() <= 100), "{directive}");
        fs::write(directory.path().join("format"), &directive).unwrap();
        fs::write(directory.path().join("empty.log"), "").unwrap();
        let again = said(directory.path(), &["check", "empty.log", "--log-format", "@format"]);
        assert_eq!(again.code, 0, "{directive}: {}", again.err);
        let expected = "empty.log: log_format `mtls`, as named: no line\n";
        assert_eq!(again.out, expected, "{directive}");
        if has_nginx {
            let path = directory.path().display();
            let conf = format!(
                "pid {path}/pid; error_log stderr; events {{}}\nhttp {{\n\
                 client_body_temp_path {path}/t; proxy_temp_path {path}/t; fastcgi_temp_path {path}/t;\n\
                 uwsgi_temp_path {path}/t; scgi_temp_path {path}/t;\n{directive}\n\
                 access_log {path}/x mtls; }}\n"
            );
            fs::write(directory.path().join("nginx.conf"), conf).unwrap();
            let conf = directory.path().join("nginx.conf");
            let tested = Command::new("nginx").args(["-t", "-q", "-c"]).arg(conf).output().unwrap();
            let said = String::from_utf8_lossy(&tested.stderr);
            assert!(tested.status.success(), "{directive}\n{said}");
        }
    }
}

#[test]
fn no_format_fits() {
    let line = r#"10.0.0.1 - - [22/Nov/2026:11:51:17 +0000] "GET / HTTP/1.1" 200 3 "-""#;
    let directory = scene(&[
        ("a.log", &format!("\n{line}\n")),
        (
            "good.log",
            "10.0.0.1 - - [22/Nov/2026:11:51:17 +0000] \"GET / HTTP/1.1\" 200 3 \"-\" \"a\"\n",
        ),
    ]);
    let ended = said(directory.path(), &["check", "a.log"]);
    assert_eq!((ended.code, ended.err.as_str()), (2, ""));
    let expected = r#"error: no known log_format fits the first lines
 --> a.log:2:68
  |
2 | 10.0.0.1 - - [22/Nov/2026:11:51:17 +0000] "GET / HTTP/1.1" 200 3 "-"
  |                                                                    ^ expected `" "` after $http_referer
  |
  = found: `"`
  = nearest: log_format `mtls_extended`, which reads furthest into this line
  = help: name the format with --log-format, or nginx's configuration with --nginx-conf
"#;
    assert_eq!(ended.out, expected);
    let both = said(directory.path(), &["check", "a.log", "good.log"]);
    assert_eq!(both.code, 1, "{}", both.out);
    let named = said(directory.path(), &["check", "good.log", "--log-format", "mtls"]);
    assert_eq!(named.code, 1);
    let help = "help: log_format `combined` fits this line\n";
    assert!(named.out.contains(help), "{}", named.out);
    let color = said(directory.path(), &["check", "a.log", "--color", "always"]);
    assert!(color.out.starts_with("\x1b["), "{:?}", color.out);
    let piped = run_with_input(directory.path(), &["check", "-"], line.as_bytes());
    assert_eq!(piped.code, 2);
    assert!(piped.out.contains("--> standard input:1:68\n"), "{}", piped.out);
}

#[test]
fn lines_that_tell_no_verdict_do_not_fit() {
    let lines = "{\"status\":200,\"ssl_client_verify\":\"NONE\"}\n{\"status\":null,\"ssl_client_verify\":\"NONE\"}\n\
                 {\"status\":200}\n";
    let directory = scene(&[("a.log", lines)]);
    let ended = said(directory.path(), &["check", "a.log"]);
    assert_eq!(ended.code, 1);
    assert!(ended.out.contains("1 of 3 lines fit, 2 not\n"), "{}", ended.out);
    assert!(ended.out.contains(" --> a.log:2:"), "{}", ended.out);
    assert!(
        ended.out.contains("found: nothing for $status; 1 more line fails elsewhere\n"),
        "{}",
        ended.out
    );
}

#[test]
fn a_configuration_and_what_it_means() {
    let conf = "http { log_format m '$server_name $server_port $request_uri $status $ssl_client_verify';\n\
                server { listen 443 ssl; server_name a; ssl_verify_client on; }\n\
                server { listen 443 ssl; server_name b; ssl_verify_client optional_no_ca; } }";
    let config = "[[source]]\nname = \"edge\"\npaths = [\"a*.log\", \"later.log\"]\nnginx_conf = \"nginx.conf\"\n\
                  client_address = \"http_x_real_ip\"\n\
                  [routes]\npatterns = [\"/x/{id}\", \"/never/{id}\"]\npublic = [\"/health\"]\n\
                  [[server]]\nname = \"b\"\n[[server]]\nname = \"gone\"\n[http]\nlisten = \"127.0.0.1:0\"\n";
    let log = "a 443 /x/1 200 SUCCESS\nb 443 /y 400 NONE\nc 443 /y 400 NONE\nd 80 / 200 -\n";
    let directory = scene(&[("gatelog.toml", config), ("nginx.conf", conf), ("a.log", log)]);
    let ended = said(directory.path(), &["check", "--config", "gatelog.toml"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    let builtin = builtin::rules();
    let on = builtin.iter().filter(|rule| rule.is_on).count();
    let expected = format!(
        "\
gatelog.toml: right
source `edge`: log_format as its lines tell and nginx.conf, client address $http_x_real_ip, from its end
  a*.log: 1 file
  later.log: not there yet
routes: 2 patterns, then the path; 1 public; at most 500
server `b`: ssl_verify_client as nginx.conf says
server `gone`: ssl_verify_client as nginx.conf says
rules: {on} of {} built-in ones are on, 0 of your own
listen: 127.0.0.1:0

a.log: log_format `m` (nginx.conf:1), recognised from its first lines: 4 lines, all fit
",
        builtin.len()
    );
    assert!(ended.out.starts_with(&expected), "{}", ended.out);
    let expected = "\
server a: ssl_verify_client on
server b: ssl_verify_client optional_no_ca, untrusted certificates may pass
server c: ssl_verify_client unknown, failed_open reads \"suspected\"; nginx.conf does not tell it, a [[server]] in the configuration can
warning: no request matches `/never/{id}` of `patterns` in `[routes]`
warning: no request matches `/health` of `public` in `[routes]`
warning: no line is of `[[server]]` `gone`
";
    assert!(ended.out.ends_with(expected), "{}", ended.out);
    let warning = "warning: a.log: client_address is $http_x_real_ip, which is not logged; $remote_addr is taken\n";
    assert!(ended.out.contains(warning), "{}", ended.out);

    let without = said(
        directory.path(),
        &[
            "check",
            "a.log",
            "--log-format",
            "$server_name $server_port $request_uri $status $ssl_client_verify",
        ],
    );
    let expected = "3 servers: ssl_verify_client unknown, failed_open reads \"suspected\"; give --nginx-conf\n";
    assert!(without.out.contains(expected), "{}", without.out);
}

/// Rules and identities that the log has nothing of, and those that it has.
#[test]
fn patterns_that_match_nothing() {
    let log = fs::read_to_string(corpus("nginx-mtls-extended.log")).unwrap();
    let config = r#"[rules]
disable = ["log_silent"]
[[rule]]
name = "r"
kind = "count"
threshold = 1
where = { server = ["gate.*", "gaet.internal"], route = "/n*ne", reason = "ca_md_too_weak", cn = ["!x", "nobody"] }
[[identity]]
subject = "CN=nobody,O=payments"
[[identity]]
subject = "CN=old"
retired = true
[[identity]]
subject = "CN=*"
[[rotation]]
from = "CN=a"
to = "CN=b"
[[silence]]
where.severity = "ticket"
until = "2026-12-01T00:00:00Z"
"#;
    let directory = scene(&[("gatelog.toml", config), ("a.log", &log)]);
    let ended = said(directory.path(), &["check", "--config", "gatelog.toml", "a.log"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    let expected = " built-in ones are on, 1 of your own\nidentities: 3, 1 of them retired\n\
                    announced moves between issuers: 1\nsilences: 1\nlisten:";
    assert!(ended.out.contains(expected), "{}", ended.out);
    let expected = r#"warning: nothing in these logs matches `gaet.internal`, `server` in `where` of rule `r`
 --> gatelog.toml:7:31
  |
7 | where = { server = ["gate.*", "gaet.internal"], route = "/n*ne", reason = "ca_md_too…
  |                               ^^^^^^^^^^^^^^^

warning: nothing in these logs matches `nobody`, `cn` in `where` of rule `r`
 --> gatelog.toml:7:105
  |
7 | …gaet.internal"], route = "/n*ne", reason = "ca_md_too_weak", cn = ["!x", "nobody"] }
  |                                                                           ^^^^^^^^

warning: nothing in these logs matches `CN=nobody,O=payments`, `subject` in `[[identity]]`
 --> gatelog.toml:9:11
  |
9 | subject = "CN=nobody,O=payments"
  |           ^^^^^^^^^^^^^^^^^^^^^^
"#;
    assert!(ended.out.ends_with(expected), "{}", ended.out);
    let empty = scene(&[("gatelog.toml", config), ("a.log", "")]);
    let ended = said(empty.path(), &["check", "--config", "gatelog.toml", "a.log"]);
    assert!(!ended.out.contains("nothing in these logs"), "{}", ended.out);
}

#[test]
fn a_configuration_that_is_wrong() {
    let check = |config: &str, expected: &[&str]| {
        let directory = scene(&[("gatelog.toml", config)]);
        let ended = said(directory.path(), &["check", "--config", "gatelog.toml"]);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{config}");
        for expected in expected {
            assert!(ended.err.contains(expected), "no {expected} in {}", ended.err);
        }
    };
    check("[routes]\nlimt = 5\n", &["--> gatelog.toml:2:1", "did you mean `limit`?"]);
    check("lateness = 5\nlimit = 5\n", &["gatelog.toml:1:12", "gatelog.toml:2:1"]);
    let source = |rest: &str| format!("[[source]]\nname = \"edge\"\npaths = [\"a.log\"]\n{rest}\n");
    check(&source("format = \"$status$body\""), &["error: source `edge`: log_format", "column 8"]);
    check(&source("format = \"nope\""), &["error: source `edge`: no log_format `nope`"]);
    check(&source("format = \"@none\""), &["error: source `edge`: cannot read the log_format"]);
    check(&source("nginx_conf = \"none\""), &["error: nginx_conf in source `edge`: none: "]);
    check("[[source]]\npaths = [\"[z\"]\n", &["something that is no glob"]);

    let directory = scene(&[("gatelog.toml", "")]);
    let ended = said(directory.path(), &["check", "--config", "gatelog.toml"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.starts_with("gatelog.toml: right\nno source: "), "{}", ended.out);
    let nothing = said(directory.path(), &["check"]);
    assert_eq!((nothing.code, nothing.out.as_str()), (2, ""));
    assert!(nothing.err.contains("nothing to check: expected a LOG"), "{}", nothing.err);
}
