//! What the commands do with inputs that are empty, missing, damaged, hostile or wrongly described:
//! the exit code, the words, and that what could be read is still there.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::thread::spawn;

use super::program::{command, corpus, objects, run, run_with_input, wait};

/// Every command that reads LOGs to their end.
const COMMANDS: [&str; 3] = ["parse", "report", "check"];

/// A directory with the reference log, whole and damaged.
fn scene() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).unwrap();
    let log = fs::read(corpus("nginx-mtls.log")).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&log).unwrap();
    let gzip = encoder.finish().unwrap();
    write("good.log", &log);
    write("good.gz", &gzip);
    write("good.zst", &zstd::encode_all(log.as_slice(), 1).unwrap());
    write("truncated.gz", &gzip[..gzip.len() / 2]);
    let mut corrupt = gzip.clone();
    corrupt[gzip.len() / 2..][..8].copy_from_slice(b"XXXXXXXX");
    write("corrupt.gz", &corrupt);
    write("empty.log", b"");
    write("binary.log", &(0..=255).cycle().take(5000).collect::<Vec<u8>>());
    fs::create_dir(directory.path().join("directory")).unwrap();
    directory
}

/// All that a command said, on either stream.
#[track_caller]
fn check(directory: &Path, arguments: &[&str], code: i32, expected: &[&str]) {
    for command in COMMANDS {
        let ended = run(directory, &[&[command], arguments].concat());
        let said = format!("{}{}", ended.err, ended.out);
        assert_eq!(ended.code, code, "{command} {arguments:?}: {}", ended.err);
        for expected in expected {
            assert!(said.contains(expected), "{command} {arguments:?}: no {expected:?} in {said}");
        }
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn inputs_that_give_little() {
    let directory = scene();
    let check = |arguments: &[&str], code: i32, expected: &[&str]| {
        check(directory.path(), arguments, code, expected);
    };
    check(&["empty.log"], 0, &[]);
    check(&["-"], 0, &[]);
    check(&["empty.log", "good.log"], 0, &["good.log"]);
    check(&["directory"], 2, &["error: directory: is a directory", "directory/*.log"]);
    check(&["none.log"], 2, &["error: none.log: no such file", "no log could be opened"]);
    check(&["none.log", "good.log"], 1, &["error: none.log: no such file", "good.log"]);
    check(&["none.log", "none.gz"], 2, &["error: none.log: no such", "error: none.gz: no such"]);
    check(&["*.none"], 2, &["error: *.none: no file matches this pattern"]);
    check(&["*.none", "good.log"], 1, &["error: *.none: no file matches this pattern"]);
    check(&["[z.log"], 2, &["error: [z.log:1: invalid glob"]);
    check(&["binary.log"], 2, &["no known log_format fits"]);
    check(&["binary.log", "good.log"], 1, &["no known log_format fits", "good.log"]);
    check(&["good.*"], 0, &["good.gz", "good.log", "good.zst"]);
}

#[test]
fn damaged_archives_give_what_can_be_read() {
    let directory = scene();
    check(
        directory.path(),
        &["truncated.gz"],
        1,
        &["error: truncated.gz: gzip data is cut off at"],
    );
    check(directory.path(), &["corrupt.gz"], 1, &["error: corrupt.gz: gzip data is corrupt near"]);
    let verdicts = |name: &str| {
        let parsed = objects(&run(directory.path(), &["parse", name]).out);
        parsed.into_iter().filter_map(|mut object| object.remove("verdict")).collect::<Vec<_>>()
    };
    let all = verdicts("good.log");
    assert_eq!(all.len(), 421);
    assert_eq!(verdicts("good.gz"), all);
    assert_eq!(verdicts("good.zst"), all);
    let some = verdicts("truncated.gz");
    assert!(some.len() > 50 && all.starts_with(&some), "{}", some.len());
}

#[test]
fn a_file_that_may_not_be_read() {
    let directory = scene();
    let locked = directory.path().join("good.log");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser reads it all the same.
    if fs::File::open(&locked).is_err() {
        check(directory.path(), &["good.log"], 2, &["error: good.log: permission denied"]);
    }
}

#[test]
fn wrong_options() {
    let directory = scene();
    fs::write(directory.path().join("two_lines"), "$remote_addr\n $status$body").unwrap();
    fs::write(directory.path().join("bad.conf"), "http { server { listen 1; }").unwrap();
    let known = "known are `mtls_extended`, `mtls_json`, `mtls_tsv`, `mtls`, `combined`";
    let between = "expected some text between `$status` and `$body`";
    let age = "expected a time like 2026-11-22T11:51:00Z, or an age like 24h";
    for (options, expected) in [
        (&["--log-format", "nope"][..], &["no log_format `nope`", known][..]),
        (&["--log-format", "$status$body"], &["line 1, column 8", between]),
        (&["--log-format", "@two_lines"], &["two_lines: line 2, column 9", between]),
        (&["--log-format", "@none"], &["cannot read the log_format in `none`: No such file"]),
        (&["--log-format", "a ${b"], &["line 1, column 3", "expected a variable name"]),
        (&["--log-format", "two words"], &["expected a name, or a log_format string"]),
        (&["--log-format", ""], &["expected `auto`, a name, a log_format string or `@FILE`"]),
        (&["--since", "yesterday"], &["--since `yesterday`", age]),
        (&["--until", "5"], &["--until `5`", age]),
        (&["--since", "\u{1b}[31m"], &["--since `\\u{1b}[31m`"]),
        (&["--nginx-conf", "none"], &["none: expected a readable file"]),
        (&["--nginx-conf", "bad.conf"], &["bad.conf:1:", "`http`"]),
        (&["--config", "none"], &["cannot read the configuration `none`"]),
        (&["--config", "bad.conf"], &["bad.conf:1:"]),
        (&["--color", "sometimes"], &["always", "never"]),
        (&["--listen", "here"], &["invalid"]),
        (&["--unknown"], &["--unknown"]),
    ] {
        check(directory.path(), &[options, &["good.log"]].concat(), 2, expected);
    }
    for arguments in [
        &["parse"][..],
        &["report"],
        &["check"],
        &["parse", "--verdict", "refused", "good.log"],
        &["parse", "--reason", "because", "good.log"],
        &["parse", "--fingerprint", "b2b279f", "good.log"],
        &["report", "--format", "xml", "good.log"],
        &["frobnicate"],
        &[],
    ] {
        let ended = run(directory.path(), arguments);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{arguments:?}");
        assert!(!ended.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn formats_by_name_text_and_file() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("a.log"), "10.0.0.1|200|SUCCESS|CN=a b\n10.0.0.2|400|NONE|-\n").unwrap();
    let text = "$remote_addr|$status|$ssl_client_verify|$ssl_client_s_dn";
    fs::write(at("bare"), text).unwrap();
    fs::write(at("directive"), format!("# ours\nlog_format m\n  '{text}';\n")).unwrap();
    fs::write(at("nginx.conf"), format!("http {{ log_format MTLS '{text}'; }}")).unwrap();
    for options in [
        &["--log-format", text][..],
        &["--log-format", "@bare"],
        &["--log-format", "@directive"],
        &["--nginx-conf", "nginx.conf", "--log-format", "mtls"],
        &["--nginx-conf", "nginx.conf"],
    ] {
        let ended = run(directory.path(), &[&["parse", "a.log"], options].concat());
        let objects = objects(&ended.out);
        assert_eq!((ended.code, objects.len()), (0, 2), "{options:?} {}", ended.err);
        assert_eq!(objects[0]["cn"], "a b", "{options:?}");
        assert_eq!(objects[0]["verdict"], "verified", "{options:?}");
        assert_eq!(objects[1]["verdict"], "missing", "{options:?}");
    }
}

/// The configuration's settings hold for the LOG that a source names, by its path or a glob.
#[test]
fn settings_of_the_source_that_names_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("logs")).unwrap();
    for name in ["logs/a.log", "logs/b.log", "c.log"] {
        fs::write(at(name), "127.0.0.1 10.0.0.9 400 NONE\n").unwrap();
    }
    let text = "$remote_addr $http_x_real_ip $status $ssl_client_verify";
    fs::write(at("nginx.conf"), "http { server { listen 443 ssl; ssl_verify_client off; } }")
        .unwrap();
    let config = format!(
        "[[source]]\nname = \"first\"\npaths = [\"logs/a.log\"]\nformat = '{text}'\n\
         client_address = \"http_x_real_ip\"\n\
         [[source]]\nname = \"second\"\npaths = [\"{}/logs/*.log\"]\nformat = '{text}'\n\
         nginx_conf = \"nginx.conf\"\n",
        directory.path().display()
    );
    fs::write(at("gatelog.toml"), config).unwrap();
    let check = |log: &str, options: &[&str], server: &str, address: &str, verdict: &str| {
        let arguments = ["parse", "--config", "gatelog.toml", log];
        let ended = run(directory.path(), &[&arguments, options].concat());
        let objects = objects(&ended.out);
        let found = |key: &str| objects[0][key].as_str().unwrap().to_owned();
        let found = [found("server"), found("remote_addr"), found("verdict")];
        assert_eq!(found, [server, address, verdict], "{log} {options:?}");
    };
    let absolute = at("logs/a.log").display().to_string();
    check("logs/a.log", &[], "first", "10.0.0.9", "missing");
    check("./logs/../logs/a.log", &[], "first", "10.0.0.9", "missing");
    check(&absolute, &[], "first", "10.0.0.9", "missing");
    check("logs/b.log", &[], "second", "127.0.0.1", "anonymous");
    // The command line wins.
    let renamed = "$http_x_real_ip $remote_addr $status $ssl_client_verify";
    check("logs/b.log", &["--log-format", renamed], "second", "10.0.0.9", "anonymous");
    check("c.log", &["--log-format", text], "c.log", "127.0.0.1", "missing");

    fs::remove_file(at("nginx.conf")).unwrap();
    let ended = run(directory.path(), &["parse", "--config", "gatelog.toml", "logs/a.log"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.contains("nginx_conf in source `second`: nginx.conf: "), "{}", ended.err);
}

#[test]
fn several_logs_are_read_in_the_order_of_their_first_time() {
    let directory = tempfile::tempdir().unwrap();
    let log = fs::read(corpus("nginx-mtls-extended.log")).unwrap();
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    let (early, late) = lines.split_at(200);
    fs::write(directory.path().join("a.log"), late.concat()).unwrap();
    fs::write(directory.path().join("b.log"), early.concat()).unwrap();
    fs::write(directory.path().join("whole.log"), &log).unwrap();
    let ids = |arguments: &[&str]| {
        let ended = run(directory.path(), &[&["parse"], arguments].concat());
        assert_eq!(ended.code, 0, "{}", ended.err);
        let ids = objects(&ended.out).into_iter().map(|object| object["request_id"].clone());
        ids.collect::<Vec<_>>()
    };
    let whole = ids(&["whole.log"]);
    assert_eq!(ids(&["a.log", "b.log"]), whole);
    assert_eq!(ids(&["[ab].log"]), whole);
    assert_eq!(ids(&["b.log", "a.log", "./b.log"]), whole, "a file named twice is read once");
    let arguments = ["parse", "a.log", "-"];
    let ended = run_with_input(directory.path(), &arguments, &early.concat());
    let from_pipe: Vec<_> = objects(&ended.out).iter().map(|o| o["request_id"].clone()).collect();
    assert_eq!(from_pipe, whole);
}

#[test]
fn times_from_since_on_and_before_until() {
    let directory = Path::new("/");
    let log = corpus("nginx-mtls-extended.log");
    let parse = |options: &[&str]| {
        let ended = run(directory, &[&["parse", &log], options].concat());
        assert_eq!(ended.code, 0, "{}", ended.err);
        let times = objects(&ended.out).into_iter().map(|object| object["time"].to_string());
        times.map(|time| time.trim_matches('"').to_owned()).collect::<Vec<_>>()
    };
    let all = parse(&[]);
    let (first, middle, last) = (&all[0], &all[210], &all[420]);
    let before = |time: &String| all.iter().filter(|one| *one < time).cloned().collect::<Vec<_>>();
    let from = |time: &String| all.iter().filter(|one| *one >= time).cloned().collect::<Vec<_>>();
    assert_eq!(parse(&["--since", middle]), from(middle));
    assert_eq!(parse(&["--until", middle]), before(middle));
    assert_eq!(parse(&["--since", first]), all);
    assert_eq!(parse(&["--until", first]), [""; 0]);
    assert_eq!(parse(&["--since", last]), from(last));
    assert_eq!(parse(&["--since", middle, "--until", middle]), [""; 0]);
    // The same instant in another zone.
    let shifted = middle.replace("T11:", "T13:").replace('Z', "+02:00");
    assert_eq!(parse(&["--since", &shifted]), from(middle));
    // One millisecond later.
    assert_eq!(parse(&["--until", &middle.replace('Z', "1Z")]), before(middle));
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let directory = tempfile::tempdir().unwrap();
    // More than any pipe holds.
    let log = fs::read(corpus("nginx-mtls-extended.log")).unwrap().repeat(20);
    fs::write(directory.path().join("a.log"), log).unwrap();
    let mut child = command(directory.path(), &["parse", "a.log"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let code = wait(&mut child);
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((code, err.as_str()), (0, "a.log: read as `mtls_extended`\n"));
    assert!(objects(&line)[0].contains_key("verdict"));

    for name in COMMANDS {
        let mut child = command(directory.path(), &[name, "a.log"]).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(wait(&mut child), 0, "{name}");
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut child = command(directory.path(), &[name, "a.log"]).stdout(full).spawn().unwrap();
        assert_eq!(wait(&mut child), 1, "{name}");
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert!(err.contains("error: cannot write the output: "), "{name} {err}");
    }
}

/// Most memory that a command may take, whatever a line's length.
const MEMORY_KIB_MAX: u64 = 100 * 1024;

/// A log whose second line is 1 GiB long comes through a pipe; the memory is that of the line that
/// is kept.
#[test]
fn a_line_without_end() {
    let log = fs::read(corpus("nginx-mtls.log")).unwrap();
    let line = log.split_inclusive(|byte| *byte == b'\n').next().unwrap().to_vec();
    for name in COMMANDS {
        let mut command = command(Path::new("/"), &[name, "-"]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let line = line.clone();
        let writer = spawn(move || {
            let megabyte = vec![b'a'; 1 << 20];
            stdin.write_all(&line).unwrap();
            (0..1024).for_each(|_| stdin.write_all(&megabyte).unwrap());
            stdin.write_all(b"\n").unwrap();
            stdin.write_all(&line).unwrap();
            // All but what the pipe holds has been read, and the command waits for more.
            fs::read_to_string(status).unwrap()
        });
        let ended = super::program::ended(child);
        let status = writer.join().unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(peak_kib < MEMORY_KIB_MAX, "{name}: {peak_kib} KiB");
        let code = i32::from(name == "check");
        assert_eq!(ended.code, code, "{name}: {}", ended.err);
        match name {
            "parse" => {
                let objects = objects(&ended.out);
                assert_eq!(objects.len(), 3);
                assert_eq!(objects[1]["line_number"], 2);
                assert_eq!(objects[2]["verdict"], "missing");
                assert!(ended.out.lines().all(|line| line.len() <= 1 << 20));
            }
            "check" => {
                let expected = ["2 of 3 lines fit, 1 not; 1 longer than 131072 bytes, cut", ":2:1"];
                assert!(expected.iter().all(|text| ended.out.contains(text)), "{}", ended.out);
            }
            _ => assert!(ended.out.contains("1 line did not fit"), "{}", ended.out),
        }
    }
}

/// Lines that nginx would not write: an object each, or an error that says where.
#[test]
fn hostile_lines() {
    let directory = tempfile::tempdir().unwrap();
    let log = fs::read_to_string(corpus("nginx-mtls.log")).unwrap();
    let good = log.lines().next().unwrap();
    let agent = |agent: &[u8]| {
        let (before, after) = good.split_once("gatelog-lab/1.0").unwrap();
        [before.as_bytes(), agent, after.as_bytes()].concat()
    };
    let json =
        |value: &str| format!(r#"{{"status":400,"ssl_client_verify":"NONE","uri":{value}}}"#);
    let lines: [(&str, Vec<u8>, Option<&str>); 12] = [
        ("nothing", Vec::new(), None),
        ("a NUL", agent(b"a\0b"), Some("a\0b")),
        ("bytes that are no UTF-8", agent(b"\xff\xc3("), Some("\\xFF\\xC3(")),
        ("an escape sequence", agent(b"\x1b[31m"), Some("\u{1b}[31m")),
        ("an escape that is none", agent(br"\xZZ\x4"), Some(r"\xZZ\x4")),
        ("escaped bytes", agent(br"\x1B\xC3\xBC\xFF"), Some("\u{1b}ü\\xFF")),
        ("a quote that should be escaped", agent(br#"a" "b"#), None),
        ("a carriage return", agent(b"a\rb"), Some("a\rb")),
        ("a field as long as the line", agent(&vec![b'a'; 200_000]), None),
        ("deep JSON", json(&"[".repeat(100_000)).into_bytes(), None),
        ("JSON of another kind", b"[[[[]]]]".to_vec(), None),
        ("garbage", (0..=255).filter(|byte| *byte != b'\n').collect(), None),
    ];
    let mut text = good.as_bytes().to_vec();
    for (_, line, _) in &lines {
        text.push(b'\n');
        text.extend_from_slice(line);
    }
    fs::write(directory.path().join("a.log"), text).unwrap();
    let ended = run(directory.path(), &["parse", "a.log"]);
    let objects = objects(&ended.out);
    assert_eq!((ended.code, objects.len()), (0, lines.len() + 1), "{}", ended.err);
    for ((name, _, expected), (index, object)) in
        lines.iter().zip(objects.iter().enumerate().skip(1))
    {
        match expected {
            Some(agent) => {
                assert_eq!(object["user_agent"], *agent, "{name}");
                assert_eq!(object["verdict"], "missing", "{name}");
            }
            None => {
                assert_eq!(object["line_number"], index + 1, "{name}");
                assert!(object["error"].as_str().unwrap().starts_with("expected "), "{name}");
            }
        }
    }
    // What is for people has no byte that a terminal acts upon.
    for arguments in
        [&["check", "a.log"][..], &["check", "--color", "never", "a.log"], &["report", "a.log"]]
    {
        let ended = run(directory.path(), arguments);
        let acts = |c: char| c.is_control() && c != '\n';
        assert!(!ended.out.contains(acts), "{:?}", ended.out);
        assert!(!ended.err.contains(acts), "{:?}", ended.err);
    }
}

/// What is left of a time that was cut is another time, so a cut line counts as one that does not fit.
#[test]
fn a_cut_line_tells_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let log = fs::read_to_string(corpus("nginx-mtls-extended.log")).unwrap();
    let good = log.lines().next().unwrap();
    let (head, tail) = good.split_once("gatelog-lab/1.0").unwrap();
    let of_length = |bytes: usize| format!("{head}{}{tail}", "x".repeat(bytes + 15 - good.len()));
    for (bytes, unparsed) in [(131_072, 0), (131_073, 1), (131_072 + 10, 1)] {
        fs::write(directory.path().join("x.log"), format!("{good}\n{}\n", of_length(bytes)))
            .unwrap();
        let report = run(directory.path(), &["report", "--format", "json", "x.log"]);
        let report = &objects(&report.out)[0];
        let parsed = 2 - unparsed;
        let lines = serde_json::json!({"read": 2, "parsed": parsed, "unparsed": unparsed});
        assert_eq!(report["lines"], lines, "{bytes}");
        assert_eq!(report["requests"], parsed, "{bytes}");
        assert_eq!(report["first_time"], "2026-11-22T11:51:17.777Z", "{bytes}");
        assert_eq!(report["limits"]["line_bytes"].as_u64().unwrap_or(0), unparsed, "{bytes}");
        let parse = run(directory.path(), &["parse", "x.log"]);
        let error = objects(&parse.out)[1].get("error").cloned();
        let expected =
            "expected the end of the line within 131072 bytes, found more, which was cut";
        assert_eq!(error.as_ref().and_then(|e| e.as_str()), (unparsed > 0).then_some(expected));
        let code = run(directory.path(), &["check", "x.log"]).code;
        assert_eq!(code, i32::from(unparsed > 0), "{bytes}");
    }
}

/// An archive that was cut before its first line is no empty log.
#[test]
fn an_archive_cut_at_its_start() {
    let directory = tempfile::tempdir().unwrap();
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    for length in [2, 10] {
        fs::write(directory.path().join("cut.gz"), &head[..length]).unwrap();
        let said = "gzip data is cut off at";
        check(directory.path(), &["cut.gz"], 1, &[said]);
        for name in COMMANDS {
            let piped = run_with_input(directory.path(), &[name, "-"], &head[..length]);
            assert_eq!(piped.code, 1, "{name}: {}", piped.err);
            assert_eq!(piped.err.matches(said).count(), 1, "{name}: {}", piped.err);
        }
    }
    // What was said of a pipe when its first lines were read is said.
    let archive = fs::read(scene().path().join("truncated.gz")).unwrap();
    let piped = run_with_input(directory.path(), &["report", "-"], &archive);
    assert_eq!(piped.code, 1, "{}", piped.err);
    assert_eq!(piped.err.matches("gzip data is cut off at").count(), 1, "{}", piped.err);
}

/// A file without a newline shows its format within the first MiB or not at all.
#[test]
fn the_look_at_the_first_lines_ends() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["report", "parse"] {
        let ended = run(directory.path(), &[name, "/dev/zero"]);
        assert_eq!(ended.code, 2, "{name}: {}", ended.err);
        assert!(ended.err.contains("no known log_format fits"), "{name}: {}", ended.err);
    }
}

/// The reader of the output holds the command up in the midst of the log.
#[test]
fn a_log_that_is_cut_while_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.log");
    let log = fs::read(corpus("nginx-mtls.log")).unwrap();
    fs::write(&path, log.repeat(8 * 1024 * 1024 / log.len())).unwrap();
    let mut child = command(directory.path(), &["parse", "x.log"]).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1000).unwrap();
    let ended = super::program::ended(child);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.err.contains("error: x.log: was cut while it was read, by "), "{}", ended.err);
}
