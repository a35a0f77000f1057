//! `gatelog notify test`.

use std::fs;
use std::process::Command;

use crate::program::free_port;
use crate::server::{OK, Reply, Server};

fn gatelog(directory: &tempfile::TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatelog"));
    command.args(["notify", "test", "--config", "g.toml"]).args(arguments);
    command.current_dir(directory.path());
    for name in ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    command
}

fn run(directory: &tempfile::TempDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = gatelog(directory, arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn each_receiver_says_what_it_thinks_of_a_test() {
    let directory = tempfile::tempdir().unwrap();
    let (am, hook) =
        (Server::start(|_, _| OK), Server::start(|_, _| Reply::Answer(401, "", "who?")));
    let away = free_port();
    let text = format!(
        "[[receiver]]\nname = \"am\"\nkind = \"alertmanager\"\nurls = [\"{}\", \"http://127.0.0.1:{away}\"]\n\
         where = {{ severity = \"page\" }}\n\
         [[receiver]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{}/secret\"\n\
         [[receiver]]\nname = \"denials\"\nkind = \"jsonl\"\npath = \"denials.jsonl\"\n",
        am.url(),
        hook.url()
    );
    fs::write(directory.path().join("g.toml"), text).unwrap();
    let (code, stdout, stderr) = run(&directory, &[]);
    let expected = [
        format!("am: firing to {}: taken: 200", am.url()),
        format!("am: resolved to {}: taken: 200", am.url()),
        format!(
            "am: firing to http://127.0.0.1:{away}: NOT taken: cannot connect to 127.0.0.1:{away}: \
             Connection refused (os error 111)"
        ),
        format!("hook: firing to {}: NOT taken: 401 who?", hook.url()),
        "denials: a line to denials.jsonl: taken: written".to_owned(),
    ];
    assert_eq!(stdout.lines().collect::<Vec<_>>(), expected, "{stderr}");
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    let line = fs::read_to_string(directory.path().join("denials.jsonl")).unwrap();
    assert!(line.contains("\"test\":\"gatelog_test\"") && line.ends_with("}\n"), "{line}");
    let alert = &am.got()[0].json()[0];
    assert_eq!(alert["labels"]["alertname"], "gatelog_test");
    assert!(alert["annotations"]["summary"].as_str().unwrap().starts_with("TEST"));

    let (code, stdout, _) = run(&directory, &["denials"]);
    assert_eq!(
        (code, stdout.as_str()),
        (Some(0), "denials: a line to denials.jsonl: taken: written\n")
    );
    let (code, _, stderr) = run(&directory, &["nobody"]);
    assert_eq!(code, Some(2));
    assert_eq!(stderr, "error: no receiver `nobody`: expected one of am, hook, denials\n");
    fs::write(directory.path().join("g.toml"), "").unwrap();
    let (code, _, stderr) = run(&directory, &[]);
    assert_eq!(
        (code, stderr.as_str()),
        (Some(2), "error: the configuration has no [[receiver]]\n")
    );
}

/// Metadata services answer whoever asks, so nothing is asked there; by a proxy neither.
#[test]
fn addresses_of_the_link_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let check = |url: &str, more: &str, shown: &str, is_refused: bool| {
        let text = format!(
            "[[receiver]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"{url}\"\n\
             timeout = \"100ms\"\n{more}"
        );
        fs::write(directory.path().join("g.toml"), text).unwrap();
        let proxy = format!("http://127.0.0.1:{}", free_port());
        let output = gatelog(&directory, &[]).env("HTTPS_PROXY", proxy).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let refused = format!("{shown} is an address of the link or of a cloud's metadata");
        assert_eq!(stdout.contains(&refused), is_refused, "{stdout}");
        assert_eq!(output.status.code(), Some(1));
    };
    check("http://169.254.169.254/latest", "", "169.254.169.254", true);
    check("http://[::ffff:169.254.169.254]", "", "::ffff:169.254.169.254", true);
    check("http://2852039166/", "", "169.254.169.254", true);
    check("http://[fd00:ec2::254]", "", "fd00:ec2::254", true);
    check("https://169.254.169.254", "", "169.254.169.254", true);
    check("http://169.254.1.1", "allow_link_local = true", "169.254.1.1", false);
}
