//! Logs with something around each line: the answers are those of the log without it.

use crate::program::{CORPUS, objects, run, run_with_input};

const ERROR: &str = "2026/11/22 11:51:17 [info] 7#7: *1 client sent no required SSL certificate\n";

fn log() -> String {
    std::fs::read_to_string(format!("{CORPUS}/nginx-mtls-extended.log")).unwrap()
}

fn wrapped(name: &str) -> String {
    let time = "2026-11-22T11:51:17.123456789Z";
    let part = |stream: &str, text: &str, is_last: bool| match name {
        "cri" => format!("{time} {stream} {} {text}\n", if is_last { 'F' } else { 'P' }),
        "docker" => {
            let log = text.replace('\\', "\\\\").replace('"', "\\\"");
            let end = if is_last { "\\n" } else { "" };
            format!("{{\"log\":\"{log}{end}\",\"stream\":\"{stream}\",\"time\":\"{time}\"}}\n")
        }
        _ => format!("<190>Nov 22 11:51:17 vm nginx: {text}\n"),
    };
    let mut wrapped = part("stderr", ERROR.trim_end(), true);
    for line in log().lines() {
        let (head, tail) = line.split_at(line.len() / 2);
        if name != "syslog" {
            wrapped += &part("stdout", head, false);
            wrapped += &part("stderr", ERROR.trim_end(), true);
            wrapped += &part("stdout", tail, true);
        } else {
            wrapped += &part("stdout", line, true);
        }
    }
    wrapped
}

#[test]
fn answers_are_those_of_the_log_alone() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    // A server is called after its log where nothing else names it.
    std::fs::write(at("a.log"), log()).unwrap();
    let json = || {
        let report = run(directory.path(), &["report", "--format", "json", "a.log"]);
        assert_eq!(report.code, 0, "{}", report.err);
        let mut report: serde_json::Value = serde_json::from_str(&report.out).unwrap();
        report["lines"].take();
        report
    };
    let plain = json();
    let parsed = run(directory.path(), &["parse", "a.log"]).out;
    let unnamed = parsed.replace("a.log:", "stdin:");
    for name in ["cri", "docker", "syslog"] {
        std::fs::write(at("a.log"), wrapped(name)).unwrap();
        assert!(json() == plain, "{name}");
        let parse = run(directory.path(), &["parse", "a.log"]);
        assert_eq!((parse.code, parse.out == parsed), (0, true), "{name}: {}", parse.err);
        assert!(parse.err.contains(&format!("`mtls_extended` in {name} lines")), "{}", parse.err);
        let piped = run_with_input(directory.path(), &["parse", "-"], wrapped(name).as_bytes());
        assert_eq!((piped.code, piped.out == unnamed), (0, true), "{name}: {}", piped.err);
        let check = run(directory.path(), &["check", "a.log"]);
        assert_eq!(check.code, 0, "{name}: {}", check.out);
        let errors = if name == "syslog" { 1 } else { 422 };
        let said = format!("421 lines, all fit; {errors} of the error log");
        assert!(check.out.contains(&said), "{}", check.out);
    }
}

#[test]
fn the_configuration_says_what_stands_around_lines() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    // As rsyslog's traditional file format leaves it: that does not show by itself.
    let line = log().lines().next().unwrap().to_owned();
    write("a.log", &format!("Nov 22 11:51:17 vm nginx: {line}\n"));
    write(
        "g.toml",
        "[[source]]\npaths = [\"a.log\"]\nwrap = \"syslog\"\nformat = \"mtls_extended\"\n",
    );
    let with = |arguments: &[&str]| run(directory.path(), arguments);
    let alone = with(&["parse", "a.log"]);
    assert_eq!(alone.code, 2, "{}", alone.out);
    let parsed = with(&["parse", "--config", "g.toml", "a.log"]);
    assert_eq!(objects(&parsed.out)[0]["verdict"], "missing", "{}", parsed.err);
    let check = with(&["check", "--config", "g.toml"]);
    assert_eq!(check.code, 0, "{}", check.out);
    assert!(check.out.contains("from its end, in syslog lines"), "{}", check.out);

    write("s.toml", "[[source]]\nlisten = \"udp:127.0.0.1:5514\"\n");
    let check = with(&["check", "--config", "s.toml"]);
    assert_eq!(check.code, 0, "{}{}", check.out, check.err);
    assert!(check.out.contains("  udp:127.0.0.1:5514: syslog from nginx"), "{}", check.out);
}
