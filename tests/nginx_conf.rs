//! Reads nginx's configuration from files: a tree as Debian lays it out, the configuration that
//! made the log corpus, and small ones for each rule. Where nginx is installed, the same files are
//! given to `nginx -t`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gatelog::event::server::SslVerifyClient;
use gatelog::limits::{
    NGINX_CONF_INCLUDE_DEPTH_MAX, NGINX_CONF_PROBLEMS_MAX as MOST, NGINX_CONF_RECORDS_MAX,
};
use gatelog::nginx::{
    ErrorLogTarget, ErrorPageAnswer, Gate, LogTarget, NginxConf, ProblemKind, Server,
};
use tempfile::TempDir;

/// A directory with these files.
fn files(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

/// The configuration in `nginx.conf` of a directory.
fn read(directory: &Path) -> NginxConf {
    NginxConf::read(&directory.join("nginx.conf"), None).unwrap()
}

/// The only server of a configuration without problems, with `text` inside.
fn server(text: &str) -> Server {
    let mut conf =
        read(files(&[("nginx.conf", &format!("http {{ server {{ {text} }} }}"))]).path());
    assert!(conf.problems.is_empty(), "{:?}", conf.problems);
    conf.servers.remove(0)
}

/// The problems, one line each, without the directory in front.
fn problems(conf: &NginxConf, directory: &Path) -> Vec<String> {
    let prefix = format!("{}/", directory.display());
    conf.problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
}

fn paths(server: &Server) -> Vec<String> {
    let path = |target: &LogTarget| match target {
        LogTarget::File(path) => path.display().to_string(),
        LogTarget::Syslog(text) | LogTarget::Variable(text) => text.clone(),
    };
    server.access_logs.iter().map(|log| format!("{} {}", path(&log.path), log.format)).collect()
}

/// Gates as `both|missing|failed status location`.
fn gates(gates: &[Gate]) -> Vec<String> {
    let shown = |gate: &Gate| {
        let caught = match (gate.on_missing, gate.on_failed) {
            (true, true) => "both",
            (true, false) => "missing",
            (false, true) => "failed",
            (false, false) => "neither",
        };
        format!("{caught} {} {}", gate.status, gate.location.as_deref().unwrap_or("-"))
    };
    gates.iter().map(shown).collect()
}

#[test]
fn a_tree_as_debian_lays_it_out() {
    let directory = Path::new("tests/data/nginx/debian");
    let conf = NginxConf::read(&directory.join("nginx.conf"), Some(Path::new("/srv"))).unwrap();
    assert!(conf.problems.is_empty(), "{:?}", conf.problems);

    let formats: Vec<_> = conf.log_formats.iter().map(|format| format.name.as_str()).collect();
    assert_eq!(formats, ["mtls", "mtls_json"]);
    assert_eq!(conf.log_formats[1].path, directory.join("conf.d/10-log.conf"));
    assert_eq!(conf.log_formats[1].directive.arguments[1].text, b"escape=json");

    let [api, default] = conf.servers.as_slice() else { panic!("{:?}", conf.servers) };
    assert_eq!(api.names, ["api.example.org", "www.example.org", r"~^v\d+\.example\.org$"]);
    assert_eq!((api.ports.as_slice(), api.tls), ([443].as_slice(), true));
    assert_eq!(api.verify_client, SslVerifyClient::Optional);
    assert_eq!((api.path.as_path(), api.line), (directory.join("sites-enabled/api").as_path(), 1));
    let expected = [
        "/var/log/nginx/api.log mtls",
        "/srv/logs/denied.log mtls_json",
        "syslog:server=unix:/dev/log,tag=api mtls",
        "/var/log/nginx/$server_name.log mtls",
    ];
    assert_eq!(paths(api), expected);
    assert_eq!(api.access_logs[1].condition.as_deref(), Some("$denied"));
    assert_eq!(api.access_logs[1].line, 9);
    assert_eq!(api.error_logs[0].level, "info");
    let expected =
        ["failed 403 -", "failed 418 -", "missing 401 /private", "both 302 /private/admin"];
    assert_eq!(gates(&api.gates), expected);
    let page = &api.error_pages[0];
    assert_eq!(
        (page.codes.as_slice(), page.answer),
        ([495, 496].as_slice(), ErrorPageAnswer::FromTarget)
    );
    assert_eq!((page.target.as_str(), page.logged_status(496)), ("@no_certificate", Some(403)));
    assert_eq!(
        api.error_pages.len(),
        3,
        "those of http are not inherited, the location's are added"
    );

    assert_eq!((default.names.as_slice(), default.tls), (["_".to_owned()].as_slice(), false));
    assert_eq!(default.verify_client, SslVerifyClient::Off);
    assert_eq!(paths(default), ["/var/log/nginx/access.log combined"]);
    assert_eq!(default.error_logs[0].path, ErrorLogTarget::File("/var/log/nginx/error.log".into()));
    assert_eq!(default.error_pages[0].codes, [500, 502, 503, 504]);
    assert!(default.gates.is_empty());
}

#[test]
fn the_configuration_of_the_corpus() {
    let conf =
        NginxConf::read(Path::new("tests/corpus/nginx.conf"), Some(Path::new("/lab"))).unwrap();
    assert!(conf.problems.is_empty(), "{:?}", conf.problems);
    let formats: Vec<_> = conf.log_formats.iter().map(|format| format.name.as_str()).collect();
    assert_eq!(formats, ["mtls", "extended", "json", "tsv", "labels"]);
    assert_eq!(conf.log_format("extended").unwrap().directive.arguments.len(), 5);

    let by_port =
        |port: u16| conf.servers.iter().find(|server| server.ports.contains(&port)).unwrap();
    assert_eq!(conf.servers.len(), 17);
    assert_eq!(by_port(18441).verify_client, SslVerifyClient::On);
    assert_eq!(by_port(18442).verify_client, SslVerifyClient::Optional);
    assert_eq!(by_port(18443).verify_client, SslVerifyClient::OptionalNoCa);
    assert_eq!(by_port(18444).verify_client, SslVerifyClient::Off);
    assert!(by_port(18441).tls && !by_port(18449).tls);
    assert_eq!(gates(&by_port(18442).gates), ["both 403 -"]);
    assert!(by_port(18441).gates.is_empty(), "a gate by `map` is left out");
    assert_eq!(by_port(18445).error_pages[0].logged_status(495), Some(403));
    assert_eq!(by_port(18441).access_logs.len(), 7);
    assert!(by_port(18454).access_logs.is_empty());

    let log = Path::new("/lab/out/json.log");
    assert_eq!(conf.servers_for_log(log).len(), 14);
    let formats: Vec<_> = conf.formats_for_log(log).iter().map(|format| &format.name).collect();
    assert_eq!(formats, ["json"]);
    assert!(conf.servers_for_log(Path::new("/lab/out/other.log")).is_empty());
}

#[test]
fn includes_are_taken_in_the_order_of_their_bytes() {
    let format = |name: &str| format!("log_format {name} '$status';");
    let directory = files(&[
        ("nginx.conf", "http { include formats/*.conf; include [z].none; include formats/z; }"),
        ("formats/b.conf", &format("b")),
        ("formats/B.conf", &format("upper")),
        ("formats/10.conf", &format("ten")),
        ("formats/9.conf", &format("nine")),
        ("formats/.c.conf", &format("hidden")),
        ("formats/z", "include formats/deeper/y;"),
        ("formats/deeper/y", &format("y")),
        ("formats/deeper/x.conf", &format("x")),
    ]);
    let conf = read(directory.path());
    assert!(conf.problems.is_empty(), "{:?}", conf.problems);
    let names: Vec<_> = conf.log_formats.iter().map(|format| format.name.as_str()).collect();
    assert_eq!(names, ["ten", "nine", "upper", "b", "y"]);
}

#[test]
fn problems_name_their_place_and_the_rest_is_used() {
    let directory = files(&[
        (
            "nginx.conf",
            "http {\n include missing.conf;\n include broken.conf; include a.conf;\n include conf.d;\n \
             include; include x y;\n server { listen 70000; listen 81; ssl_verify_client maybe;\n \
             error_page 200 /x; error_page 404 =x /x; error_page 404; access_log; log_format f;\n \
             if ($ssl_client_verify = NONE) { return no; } access_log a.log; }\n log_format f; }",
        ),
        ("broken.conf", "log_format lost '$status';\nlog_format 'x'y;\n"),
        ("a.conf", "log_format a '$status';\n include b.conf;"),
        ("b.conf", "include a.conf; log_format b '$status';"),
        ("conf.d/x", ""),
    ]);
    let conf = read(directory.path());
    let expected = [
        "nginx.conf:2:10: expected a readable file to include at missing.conf, found: No such file or directory (os error 2)",
        "broken.conf:2:15: expected a space, `;`, `{` or `)` after the closing quote, found `y`",
        "b.conf:1:9: expected no cycle of includes, found a.conf again",
        "nginx.conf:4:10: expected a readable file to include at conf.d, found: Is a directory (os error 21)",
        "nginx.conf:5:2: expected one file name in `include`, found nothing",
        "nginx.conf:5:11: expected one file name in `include`, found 2 arguments",
        "nginx.conf:9:2: expected a name and a format in `log_format`, found nothing",
    ];
    let found = problems(&conf, directory.path());
    for line in expected {
        assert!(found.contains(&line.to_owned()), "{line}\n{found:#?}");
    }
    let server = &conf.servers[0];
    assert_eq!((server.ports.as_slice(), server.access_logs.len()), ([81].as_slice(), 1));
    assert_eq!(server.verify_client, SslVerifyClient::Off);
    assert!(conf.log_format("a").is_some() && conf.log_format("b").is_some());
}

#[test]
fn values_that_nginx_refuses() {
    let check = |text: &str, expected: &str| {
        let text = format!("http {{ server {{ {text} }} }}");
        let directory = files(&[("nginx.conf", &text)]);
        assert_eq!(problems(&read(directory.path()), directory.path()), [expected], "{text}");
    };
    let codes = "expected a status from 300 to 599 other than 499 in `error_page`, found ";
    check("error_page 200 /x;", &format!("nginx.conf:1:28: {codes}`200`"));
    check("error_page 499 /x;", &format!("nginx.conf:1:28: {codes}`499`"));
    check("error_page 404 =x /x;", &format!("nginx.conf:1:32: {codes}`=x`"));
    check(
        "error_page = /x;",
        "nginx.conf:1:28: expected a status and a target in `error_page`, found `=`",
    );
    check("access_log;", "nginx.conf:1:17: expected a path or off in `access_log`, found nothing");
    check("error_log;", "nginx.conf:1:17: expected a path in `error_log`, found nothing");
    check(
        "listen 70000;",
        "nginx.conf:1:24: expected an address with a port from 1 to 65535 in `listen`, found `70000`",
    );
    check(
        "ssl_verify_client maybe;",
        "nginx.conf:1:35: expected on, off, optional or optional_no_ca in `ssl_verify_client`, found `maybe`",
    );
    check(
        "if ($ssl_client_verify = NONE) { return no; }",
        "nginx.conf:1:57: expected a status or an address in `return`, found `no`",
    );
}

#[test]
fn the_main_file_must_be_readable() {
    let directory = files(&[("nginx.conf", "http {")]);
    let error = NginxConf::read(&directory.path().join("nginx.conf"), None).unwrap_err();
    assert!(matches!(error.kind, ProblemKind::Syntax(_)));
    assert!(
        error
            .to_string()
            .ends_with("nginx.conf:1:7: expected `}` to close `http` of line 1, found end of file")
    );
    let error = NginxConf::read(&directory.path().join("none"), None).unwrap_err();
    assert!(error.to_string().ends_with(
        "none: expected a readable file, found: No such file or directory (os error 2)"
    ));
}

#[test]
fn bounds_on_includes_are_reported() {
    let chain: Vec<_> = (0..=NGINX_CONF_INCLUDE_DEPTH_MAX)
        .map(|depth| (format!("{depth}.conf"), format!("include {}.conf;", depth + 1)))
        .collect();
    let mut chain: Vec<_> =
        chain.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    chain.push(("nginx.conf", "include 1.conf;"));
    let directory = files(&chain);
    let found = problems(&read(directory.path()), directory.path());
    let last = NGINX_CONF_INCLUDE_DEPTH_MAX;
    assert_eq!(
        found,
        [format!(
            "{}.conf:1:9: expected at most 16 files inside each other, found {last}.conf below them",
            last - 1
        )]
    );

    // Each file doubles what the next one costs.
    let doubled: Vec<_> = (1..14)
        .map(|depth| (format!("{depth}"), format!("include {0}; include {0};", depth + 1)))
        .collect();
    let mut doubled: Vec<_> =
        doubled.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    doubled.extend([("nginx.conf", "include 1;"), ("14", "")]);
    let conf = read(files(&doubled).path());
    assert!(matches!(conf.problems[0].kind, ProblemKind::Files { .. }));
}

#[test]
fn bounds_on_what_is_kept_are_reported() {
    for (missing, kept) in [(MOST - 1, MOST - 1), (MOST, MOST), (MOST + 1, MOST)] {
        let conf = read(files(&[("nginx.conf", &"include none;".repeat(missing))]).path());
        assert_eq!(conf.problems.len(), kept);
        let last = &conf.problems.last().unwrap().kind;
        assert_eq!(matches!(last, ProblemKind::Problems), missing >= MOST);
    }

    let many = format!("http {{ access_log a; {} }}", "server {}".repeat(NGINX_CONF_RECORDS_MAX));
    let conf = read(files(&[("nginx.conf", &many)]).path());
    assert!(matches!(conf.problems[0].kind, ProblemKind::Records));
    assert_eq!(conf.servers.len(), NGINX_CONF_RECORDS_MAX / 2);
    let wide = format!("http {{ server {{ {} }} }}", "listen 1-65535;".repeat(3));
    let conf = read(files(&[("nginx.conf", &wide)]).path());
    assert!(matches!(conf.problems[0].kind, ProblemKind::Records));
    assert_eq!(conf.servers[0].ports.len(), 65535);

    let deep = "location / {".repeat(40) + "include deep.conf;" + &"}".repeat(40);
    let inner = "location / {".repeat(40) + &"}".repeat(40);
    let deep = format!("http {{ server {{ {deep} }} }}");
    let directory = files(&[("nginx.conf", &deep), ("deep.conf", &inner)]);
    let found = problems(&read(directory.path()), directory.path());
    assert_eq!(
        found,
        ["deep.conf:1:265: expected at most 64 blocks inside each other, found more"]
    );
}

#[test]
fn logs_and_error_pages_are_inherited_as_a_whole() {
    let conf = "error_log main.log; http { access_log outer.log; error_page 404 /outer; error_log http.log warn;
        server { server_name inherits; location / { error_page 403 /inner; } }
        server { server_name own; access_log own.log; error_page 403 /own; error_log own.log; }
        server { server_name off; access_log off; access_log dead.log;
            location /a { access_log a.log; location /a/b { } }
            location /c { if ($x) { access_log c.log; } limit_except GET { access_log d.log; } } } }
        http { server { server_name second; } }";
    let directory = files(&[("nginx.conf", conf)]);
    let conf = read(directory.path());
    let shown = |server: &Server| {
        paths(server).join(",").replace(&format!("{}/", directory.path().display()), "")
    };
    let targets = |server: &Server| {
        server.error_pages.iter().map(|page| page.target.clone()).collect::<Vec<_>>().join(",")
    };
    let rows: Vec<_> = conf
        .servers
        .iter()
        .map(|server| (server.names[0].as_str(), shown(server), targets(server)))
        .collect();
    let row = |name, logs: &str, pages: &str| (name, logs.to_owned(), pages.to_owned());
    assert_eq!(
        rows,
        [
            row("inherits", "outer.log combined", "/outer,/inner"),
            row("own", "own.log combined", "/own"),
            row("off", "a.log combined,c.log combined,d.log combined", "/outer"),
            row("second", "", ""),
        ]
    );
    let level = |index: usize| conf.servers[index].error_logs[0].level.as_str();
    assert_eq!((level(0), level(1), level(3)), ("warn", "error", "error"));
}

#[test]
fn tls_belongs_to_an_address() {
    let directory = files(&[(
        "nginx.conf",
        "http { ssl_verify_client ON;
            server { server_name a; listen 443 ssl; listen 80; }
            server { server_name b; listen *:443; }
            server { server_name c; listen 127.0.0.1:443; }
            server { server_name d; listen 8443 quic; }
            server { server_name e; listen 8443; }
            server { server_name f; ssl on; listen 9000-9002; listen 9001; }
            server { server_name g; }
            server { server_name h; listen unix:/run/a.sock ssl; }
            server { server_name i; listen unix:/run/a.sock; } }",
    )]);
    let conf = read(directory.path());
    let rows: Vec<_> = conf
        .servers
        .iter()
        .map(|server| (server.names[0].as_str(), server.tls, server.ports.clone()))
        .collect();
    let expected = [
        ("a", true, vec![443, 80]),
        ("b", true, vec![443]),
        ("c", false, vec![443]),
        ("d", true, vec![8443]),
        ("e", false, vec![8443]),
        ("f", true, vec![9000, 9001, 9002]),
        ("g", false, vec![80]),
        ("h", true, vec![]),
        ("i", true, vec![]),
    ];
    assert_eq!(rows, expected);
    assert!(conf.servers.iter().all(|server| server.verify_client == SslVerifyClient::On));
}

/// The statuses are those that nginx 1.22.1 wrote for a request without a certificate.
#[test]
fn the_status_that_an_error_page_shows() {
    let check = |text: &str, expected: Option<u16>| {
        assert_eq!(server(text).error_pages[0].logged_status(496), expected, "{text}");
    };
    check("error_page 495 496 /x; location /x { return 200 x; }", Some(400));
    check("error_page 495 496 @x; location @x { return 403; }", Some(403));
    check("error_page 495 496 @x; location @x { return 200 x; }", Some(400));
    check("error_page 495 496 =200 @x; location @x { return 401; }", Some(401));
    check("error_page 495 496 =401 @x; location @x { return 302 https://e/; }", Some(302));
    check("error_page 495 496 https://e/;", Some(302));
    check("error_page 495 496 =303 https://e/;", Some(303));
    check("error_page 495 496 =401 https://e/;", Some(302));
    check("error_page 495 496 = @x; location @x { return 204; }", Some(204));
    check("error_page 495 496 =402 @x; location @x { return 204; }", Some(402));
    check("error_page 495 496 =403 /x?a; location = /x { return 404; }", Some(404));
    check("error_page 495 496 = @x; location @x { proxy_pass http://127.0.0.1; }", None);
    check("error_page 495 496 = @x; location @x { break; return 403; }", None);
    check("error_page 495 496 = $x;", None);
}

/// The statuses are those that nginx 1.22.1 wrote, besides the one that the `if` returns.
#[test]
fn gates_and_their_error_pages() {
    let gate = "if ($ssl_client_verify != SUCCESS)";
    let check = |text: &str, expected: &[&str]| {
        let text = text.replace("GATE", gate);
        assert_eq!(gates(&server(&text).gates), expected, "{text}");
    };
    check("GATE { return 403; }", &["both 403 -"]);
    check("GATE { return 403; } error_page 403 =410 /d;", &["both 403 -", "both 410 -"]);
    check(
        "location / { GATE { return 403; } } error_page 403 =410 /d;",
        &["both 403 /", "both 410 /"],
    );
    check("location / { GATE { return 403 text; } } error_page 403 =410 /d;", &["both 403 /"]);
    check(
        "location / { GATE { return https://e/; } } error_page 302 =410 /d;",
        &["both 302 /", "both 410 /"],
    );
    check("location / { GATE { return 444; } } error_page 444 =410 @d;", &["both 444 /"]);
    check("location / { GATE { return 496; } }", &["both 496 /", "both 400 /"]);
    check(
        "location / { GATE { return 496; } } error_page 496 =410 @d;",
        &["both 496 /", "both 410 /"],
    );
    check("GATE { return 403; } error_page 403 /d;", &["both 403 -"]);
    check("GATE { return 403; } error_page 403 = /d;", &["both 403 -"]);
    check("GATE { return 403; } error_page 403 https://e/;", &["both 403 -", "both 302 -"]);
    check(
        "location /a { GATE { return 403; error_page 403 =404 /d; } }",
        &["both 403 /a", "both 404 /a"],
    );
    check("GATE { return 301 https://e/; }", &["both 301 -"]);
    check("GATE { set $x 1; return 403; return 404; }", &["both 403 -"]);
    check("GATE { break; return 403; }", &[]);
    check("GATE { rewrite ^ /x last; }", &[]);
    check("if ($admin = 0) { return 403; }", &[]);
    check("if ($ssl_client_verify = SUCCESS) { return 200; }", &[]);
    check("location = /a { GATE { return 200 x; } }", &["both 200 /a"]);
    check("location =/a { GATE { return 403; } }", &["both 403 /a"]);
    check("location ^~ /a { GATE { return 403; } }", &["both 403 /a"]);
    check("location ^~/a { GATE { return 403; } }", &["both 403 /a"]);
    check("location /a { location /a/b { GATE { return 403; } } }", &["both 403 /a/b"]);
    check("location ~ \\.php$ { GATE { return 403; } }", &["both 403 -"]);
    check("location ~ \\.php$ { GATE { return 200 x; } }", &[]);
    check("location ~* ^/a { location /a/b { GATE { return 403; } } }", &["both 403 -"]);
    check("location @x { GATE { return 403; } }", &["both 403 -"]);
    check("location @x { GATE { return 200 x; } }", &[]);
}

#[test]
fn formats_and_paths_of_logs() {
    let conf = "http { log_format Mtls '$status'; log_format b '$host'; access_log logs/a.log MTLS;
        server { access_log logs/a.log MTLS; access_log real/b.log b; location / { access_log logs/a.log; } }
        server { access_log linked/b.log gone; } }";
    let directory = files(&[("nginx.conf", conf), ("real/b.log", "")]);
    std::os::unix::fs::symlink("real", directory.path().join("linked")).unwrap();
    let conf = read(directory.path());
    let names = |log: &str| {
        let formats = conf.formats_for_log(&directory.path().join(log));
        formats.iter().map(|format| format.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names("logs/a.log"), ["Mtls", "combined"]);
    assert_eq!(names("linked/b.log"), ["b"]);
    assert_eq!(conf.servers_for_log(&directory.path().join("linked/b.log")).len(), 2);
    assert_eq!(conf.servers_for_log(&directory.path().join("logs/a.log")).len(), 1);
    assert!(conf.log_format("none").is_none());
    let combined = conf.log_format("combined").unwrap();
    assert!(combined.directive.arguments[1].text.starts_with(b"$remote_addr - $remote_user ["));
}

/// What nginx accepts, the reader takes without problems; what nginx refuses for its syntax, it
/// reports.
#[test]
fn nginx_agrees() {
    let accepted = true;
    let refused = false;
    let rows: &[(&str, &str, bool)] = &[
        ("a word", "env A;", accepted),
        ("quotes", "env 'A';", accepted),
        ("quotes and a word", "env 'A'B;", refused),
        ("quotes and a comment", "env 'A'# x\n;", refused),
        ("open quotes", "env 'A;", refused),
        ("an escaped quote", "env \"A\\\";", refused),
        ("no semicolon", "env A", refused),
        ("no semicolon in a block", "http { sendfile on }", refused),
        ("`}` in a word", "env A};", accepted),
        ("`#` in a word", "env A#B;", accepted),
        ("quotes in a word", "env A'B;", accepted),
        ("a comment at the end", "env A; # }", accepted),
        ("an escaped semicolon", "env A\\;", refused),
        ("an escaped space", "env A\\ B;", accepted),
        ("a backslash at the end", "env A;\\", refused),
        ("`${`", "env ${A;", accepted),
        ("`${{`", "env ${{A;", accepted),
        ("only `;`", ";", refused),
        ("only `{`", "{ }", refused),
        ("only `}`", "}", refused),
        ("CRLF", "env A;\r\nenv\r\nB;\r\n", accepted),
        ("an open block", "http {", refused),
        ("a quoted block name", "'http' { }", accepted),
        (
            "a quoted value before `)`",
            "http { server { if ($uri = \"/x\") { return 403; } } }",
            accepted,
        ),
        ("an include that is missing", "include none.conf;", refused),
        ("a pattern without a match", "include none*.conf;", accepted),
        ("a pattern with an open bracket", "include [none.conf;", accepted),
        ("a pattern that matches a file", "include e?ists.con[f];", accepted),
        ("an include of a directory", "include directory;", refused),
        ("an include of a broken file", "include broken;", refused),
        ("an include in a cycle", "include cycle;", refused),
        ("an include of a device", "include /dev/null;", accepted),
        ("an include of two", "include exists.conf exists.conf;", refused),
        ("a verification in capitals", "http { ssl_verify_client OFF; }", accepted),
        ("an unknown verification", "http { ssl_verify_client maybe; }", refused),
        (
            "a format in another case",
            "http { log_format A x$status; access_log a.log a; }",
            accepted,
        ),
        ("a port range", "http { server { listen 127.0.0.1:19800-19801; } }", accepted),
        ("a port too large", "http { server { listen 65536; } }", refused),
        ("an error page for 499", "http { error_page 499 /x; }", refused),
        ("an error page for 497", "http { error_page 497 =301 https://x/; }", accepted),
        (
            "a return without a status",
            "http { server { if ($ssl_client_verify = NONE) { return x; } } }",
            refused,
        ),
    ];
    let has_nginx = Command::new("nginx").arg("-v").output().is_ok();
    for (name, text, expected) in rows {
        let head = "pid nginx.pid; error_log error.log; events { }\n";
        let temporary = "client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; \
                         uwsgi_temp_path t; scgi_temp_path t; access_log off; ";
        let text = text.replace("http { ", &format!("http {{ {temporary}"));
        let text = text.replace("'http' { ", &format!("'http' {{ {temporary}"));
        let directory = files(&[
            ("nginx.conf", &format!("{head}{text}")),
            ("exists.conf", "env B;"),
            ("broken", "env 'B"),
            ("cycle", "include nginx.conf;"),
            ("directory/x", ""),
        ]);
        let path = directory.path().join("nginx.conf");
        let read = NginxConf::read(&path, None).map(|conf| conf.problems);
        let found = read.as_ref().is_ok_and(Vec::is_empty);
        assert_eq!(found, *expected, "{name}: {read:?}");
        if has_nginx {
            let prefix = format!("{}/", directory.path().display());
            let output = Command::new("nginx")
                .args(["-t", "-q", "-p", &prefix, "-c"])
                .arg(&path)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.success(), *expected, "{name}: nginx says {said}");
        }
    }
}

#[test]
fn the_prefix_is_guessed_from_the_main_file() {
    let directory = files(&[("nginx.conf", "http { server { access_log a.log; } }")]);
    let target = |conf: NginxConf| match &conf.servers[0].access_logs[0].path {
        LogTarget::File(path) => path.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(target(read(directory.path())), directory.path().join("a.log"));
    let given =
        NginxConf::read(&directory.path().join("nginx.conf"), Some(Path::new("/srv/nginx")));
    assert_eq!(target(given.unwrap()), PathBuf::from("/srv/nginx/a.log"));
}
