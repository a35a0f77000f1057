//! Names of files, arguments, and what stands in configurations, in what is said of them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::lines::line;
use crate::program::{command, ended, run};
use crate::safe::{check_coloured, check_text};

/// A file may be called so.
const NAME: &str = "a\u{1b}[38;5;99m\u{1b}]0;forged\u{7}\u{9b}1m\u{202e}\n\r\"'<b>.log";

const COMMANDS: [&[&str]; 4] =
    [&["parse"], &["report"], &["report", "--format", "json"], &["check"]];

/// Runs a command with these arguments behind it, and looks at both streams.
#[track_caller]
fn check(directory: &Path, arguments: &[&str], code: Option<i32>) -> String {
    let ended = run(directory, arguments);
    let what = format!("{arguments:?}");
    check_text(&what, &ended.out);
    check_text(&what, &ended.err);
    assert!(!ended.err.contains("\nerror: forged") && !ended.err.contains("panicked"), "{what}");
    assert!(code.is_none_or(|code| code == ended.code), "{what}: {} {}", ended.code, ended.err);
    ended.err
}

#[test]
fn of_logs() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let good = [line("mtls", true, None), line("mtls", false, None)].join(&b'\n');
    fs::write(at(NAME), [good.as_slice(), b"\n"].concat()).unwrap();
    fs::create_dir(at(&format!("d{NAME}"))).unwrap();
    fs::write(at(&format!("unfit{NAME}")), "\u{1b}[38;5;99mnothing that fits\u{202e}\n").unwrap();
    let with = |before: &str| format!("{before}{NAME}");
    for command in COMMANDS {
        let check_of = |name: &str, code| {
            check(directory.path(), &[command, &[name]].concat(), Some(code));
        };
        check_of(NAME, 0);
        check_of("a*.log", 0);
        check(directory.path(), &[command, &["--color", "never", NAME]].concat(), Some(0));
        for missing in [with("none"), with("none/"), with("*"), with("["), with("d"), with("unfit")]
        {
            check_of(&missing, 2);
        }
        let coloured = run(directory.path(), &[command, &["--color", "always", NAME]].concat());
        check_coloured("colour", &coloured.err);
        let none = with("none");
        let coloured = [command, &["--color", "always", &none]].concat();
        check_coloured("colour", &run(directory.path(), &coloured).err);
    }
}

#[test]
fn of_arguments() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.log"), line("mtls", true, None)).unwrap();
    let hostile = format!("{NAME}\nerror: forged");
    let option = format!("--{hostile}");
    check(directory.path(), &[&hostile], Some(2));
    check(directory.path(), &[&option], Some(2));
    for command in COMMANDS.into_iter().chain([&["run"][..]]) {
        check(directory.path(), &[command, &[&option, "a.log"]].concat(), Some(2));
        for option in
            ["--log-format", "--nginx-conf", "--config", "--since", "--until", "--time-zone"]
                .into_iter()
                .chain(["--listen", "--from", "--color", "--threads", "--format", "--verdict"])
                .chain(["--reason", "--fingerprint", "--state-dir"])
        {
            // Any name of a directory will do, so that it would run.
            if command.first() == Some(&"run") && option == "--state-dir" {
                continue;
            }
            for value in [&*hostile, &format!("@{hostile}"), &format!("${hostile}")] {
                // `run` would go on with what is right.
                check(directory.path(), &[command, &[option, value, "none.log"]].concat(), Some(2));
            }
        }
    }
    let not_utf8 = OsString::from(OsStr::from_bytes(b"\xff\x1b[31m\n"));
    for first in ["report", "run", "frobnicate"] {
        let mut command = command(directory.path(), &[first]);
        let ended = ended(command.arg(&not_utf8).spawn().unwrap());
        assert_eq!(ended.code, 2, "{first}");
        check_text("bytes", &ended.err);
    }
}

/// A string of TOML with what it may not hold as it is.
fn toml(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

#[test]
fn of_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("a.log"), [line("mtls", true, None), b"\n".to_vec()].concat()).unwrap();
    let value = toml(NAME);
    let source = "[[source]]\npaths = [\"a.log\"]\n";
    for text in [
        format!("{value} = 1\n"),
        format!("[{value}]\n"),
        format!("state_dir = {value}\n"),
        format!("lateness = {value}\n"),
        format!("sandbox = {value}\n"),
        format!("[http]\nlisten = {value}\n"),
        format!("[http]\nopen = [{value}]\n"),
        format!("[http]\nhosts = [{value}]\n"),
        format!("[routes]\npatterns = [{value}]\n"),
        format!("[routes]\nvariable = {value}\n"),
        format!("[[server]]\nname = {value}\n"),
        format!("[[server]]\nname = \"a\"\nssl_verify_client = {value}\n"),
        format!("[[server]]\nname = \"a\"\nrefused_upstreams = [{value}]\n"),
        format!("{source}name = {value}\n"),
        format!("{source}kind = {value}\n"),
        format!("{source}format = {value}\n"),
        format!("{source}format = {}\n", toml(&format!("@{NAME}"))),
        format!("{source}format = {}\n", toml(&format!("$a$b{NAME}"))),
        format!("{source}nginx_conf = {value}\n"),
        format!("{source}time_zone = {value}\n"),
        format!("{source}client_address = {value}\n"),
        format!("[[source]]\npaths = [{value}, {value}]\n"),
        format!("[[source]]\npaths = [{}]\n", toml(&format!("[{NAME}"))),
        format!("# {}\nlatenes = 1\n", NAME.replace(['\n', '\r', '\u{1b}', '\u{7}'], "")),
        "lateness = \"\u{1b}[38;5;99m\u{202e}\"\n".to_owned(),
        "x = \u{9b}\u{202e}\n".to_owned(),
    ] {
        for name in ["g.toml", NAME] {
            fs::write(at(name), &text).unwrap();
            check(directory.path(), &["check", "--config", name], None);
            check(directory.path(), &["report", "--config", name, "a.log"], None);
            let coloured = run(directory.path(), &["check", "--color", "always", "--config", name]);
            check_coloured(&text, &format!("{}{}", coloured.out, coloured.err));
        }
    }
}

#[test]
fn of_nginx_conf() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("a.log"), [line("mtls", true, None), b"\n".to_vec()].concat()).unwrap();
    let value = format!("'{}'", NAME.replace('\'', ""));
    for text in [
        format!("http {{ log_format {value} '$a$b'; }}"),
        format!("http {{ log_format a '$remote_addr {}'; }}", NAME.replace('\'', "")),
        format!("http {{ include {value}; }}"),
        format!("http {{ server {{ server_name {value}; access_log {value} {value}; }} }}"),
        format!(
            "http {{ server {{ server_name {value}; ssl_verify_client {value}; listen {value}; }} }}"
        ),
        format!("http {{ server {{ error_page {value} {value}; access_log a.log nope; }} }}"),
        format!("http {{ {value} }}"),
        "http { server { \u{1b}[38;5;99m\u{202e}".to_owned(),
        "\u{9b}\u{202e}".to_owned(),
    ] {
        for name in ["nginx.conf", NAME] {
            fs::write(at(name), &text).unwrap();
            for command in COMMANDS {
                let arguments = [command, &["--nginx-conf", name, "a.log"]].concat();
                check(directory.path(), &arguments, None);
            }
            let arguments = ["check", "--color", "always", "--nginx-conf", name, "a.log"];
            let coloured = run(directory.path(), &arguments);
            check_coloured(&text, &format!("{}{}", coloured.out, coloured.err));
        }
    }
}
