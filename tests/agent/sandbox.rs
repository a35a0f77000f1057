//! The agent within its sandbox: what it still does, what it cannot do any more, and what it says of
//! that. Where the kernel has no landlock, what it keeps out is left out here, and that is said.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::agent::{Agent, Directory, expired, verified};

const ALL: &str = "requests_total";

/// Whether the agent is restricted; says so when it is not.
#[expect(clippy::print_stderr, reason = "a check that is left out says so")]
fn is_restricted(agent: &Agent) -> bool {
    let restricted = agent.log().contains("landlock_abi=");
    if !restricted {
        assert!(agent.says("no sandbox").contains("INFO"), "{}", agent.log());
        eprintln!("SKIPPED: this kernel has no landlock; what it keeps out was not tested");
    }
    restricted
}

fn config(paths: &str, more: &str) -> String {
    format!("[[source]]\nname = \"edge\"\npaths = [{paths}]\nfrom = \"beginning\"\n{more}")
}

/// A directory with `logs/a.log` and `g.toml`, which follows it; and another one with a log.
fn scene() -> (Directory, Directory) {
    let (directory, other) = (Directory::new(), Directory::new());
    fs::create_dir(directory.at("logs")).unwrap();
    directory.write("logs/a.log", &verified("/"));
    directory.write("g.toml", &config("\"logs/a.log\"", ""));
    other.write("b.log", &expired("/other"));
    (directory, other)
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

#[test]
fn a_link_that_leads_outside_is_not_followed() {
    let (directory, other) = scene();
    let agent = directory.run(&["--config", "g.toml"]);
    agent.comes_to(ALL, &[], 1.0);
    if !is_restricted(&agent) {
        return;
    }
    let status = fs::read_to_string(format!("/proc/{}/status", agent.id())).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    fs::remove_file(directory.at("logs/a.log")).unwrap();
    symlink(other.at("b.log"), directory.at("logs/a.log")).unwrap();
    let said = agent.says("outside of what the sandbox has left open");
    assert!(said.contains("ERROR") && said.contains("path=logs/a.log"), "{said}");
    assert!(said.contains("restart needed"), "{said}");
    assert!(agent.metrics().contains("process_resident_memory_bytes"));
    agent.comes_to(ALL, &[], 1.0);
    // Once the old file is over.
    assert!(agent.is_ready(false).contains("edge: logs/a.log: lies outside of what the sandbox"));
    fs::remove_file(directory.at("logs/a.log")).unwrap();
    directory.append("logs/a.log", &verified("/back"));
    agent.comes_to(ALL, &["route=\"/back\""], 1.0);
    agent.is_ready(true);
    assert_eq!(agent.stop(), Some(0));
}

/// A link that leads outside of the log's directory from the start is no hindrance: what it led to
/// is open, and so are the files that take its place there.
#[test]
fn a_link_that_was_there_is_followed() {
    let (directory, other) = scene();
    symlink(other.at("b.log"), directory.at("logs/link.log")).unwrap();
    let agent = directory.run(&["--from", "beginning", "logs/link.log"]);
    agent.comes_to(ALL, &["route=\"/other\""], 1.0);
    fs::rename(other.at("b.log"), other.at("b.log.1")).unwrap();
    other.append("b.log", &verified("/new"));
    agent.comes_to(ALL, &["route=\"/new\""], 1.0);
    fs::rename(other.at("b.log"), other.at("c.log")).unwrap();
    fs::remove_file(directory.at("logs/link.log")).unwrap();
    symlink(other.at("c.log"), directory.at("logs/link.log")).unwrap();
    other.append("c.log", &verified("/newer"));
    agent.comes_to(ALL, &["route=\"/newer\""], 1.0);
    assert_eq!(agent.stop(), Some(0));
}

/// To the kernel it is another directory than the one that was left open.
#[test]
fn a_directory_that_was_made_again_needs_a_restart() {
    let (directory, _) = scene();
    let agent = directory.run(&["--config", "g.toml", "--from", "beginning", "logs/a.log"]);
    agent.comes_to(ALL, &[], 1.0);
    let restricted = is_restricted(&agent);
    fs::rename(directory.at("logs"), directory.at("old")).unwrap();
    fs::create_dir(directory.at("logs")).unwrap();
    directory.append("logs/a.log", &verified("/new"));
    // The configuration lies above the logs here, so that they are open with it.
    agent.comes_to(ALL, &["route=\"/new\""], 1.0);
    assert_eq!(agent.stop(), Some(0));

    let agent = directory.run(&["--from", "beginning", "logs/a.log"]);
    agent.comes_to(ALL, &[], 2.0);
    fs::rename(directory.at("logs"), directory.at("older")).unwrap();
    fs::create_dir(directory.at("logs")).unwrap();
    directory.append("logs/a.log", &verified("/new"));
    if restricted {
        agent.says("outside of what the sandbox has left open");
    } else {
        agent.comes_to(ALL, &["route=\"/new\""], 2.0);
    }
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn a_reload_that_needs_more_is_refused() {
    let (directory, other) = scene();
    let agent = directory.run(&["--config", "g.toml"]);
    agent.comes_to(ALL, &[], 1.0);
    if !is_restricted(&agent) {
        return;
    }
    let conf = |include: &str| {
        let server = "server { listen 443 ssl; access_log logs/a.log combined; }";
        directory.write("nginx.conf", &format!("http {{ {server} {include} }}\n"));
    };
    let outside = |name: &str| quoted(&other.at(name));
    let last_reload = |expected: f64| {
        agent.comes_to("config_last_reload_successful", &[], expected);
    };
    let refused = |text: &str, path: &Path| {
        directory.write("g.toml", text);
        agent.signal("HUP");
        last_reload(0.0);
        let said = agent.says(&format!("restart needed: `{}`", path.display()));
        assert!(said.contains("ERROR"), "{said}");
        assert!(said.contains(&other.path().display().to_string()), "{said}");
        // What is inside is taken, so that the next refusal is seen; the zone's file is as well.
        directory.write("g.toml", &config("\"logs/a.log\"", "time_zone = \"Asia/Tokyo\"\n"));
        agent.signal("HUP");
        last_reload(1.0);
    };
    let path = other.at("b.log");
    refused(&config(&format!("\"logs/a.log\", {}", outside("b.log")), ""), &path);
    let glob = other.at("*.log");
    refused(&config(&quoted(&glob), ""), &glob);
    symlink(other.at("b.log"), directory.at("logs/link.log")).unwrap();
    refused(&config("\"logs/link.log\"", ""), Path::new("logs/link.log"));
    let format = other.at("format");
    fs::write(&format, "$remote_addr $status $ssl_client_verify").unwrap();
    let more = format!("format = \"@{}\"\n", format.display());
    refused(&config("\"logs/a.log\"", &more), &format);
    let more = format!("nginx_conf = {}\n", outside("nginx.conf"));
    fs::write(other.at("nginx.conf"), "http {}").unwrap();
    refused(&config("\"logs/a.log\"", &more), &other.at("nginx.conf"));
    conf(&format!("include {};", other.at("*.conf").display()));
    let more = "nginx_conf = \"nginx.conf\"\n";
    refused(&config("\"logs/a.log\"", more), Path::new("nginx.conf"));

    // Nothing has changed but what was inside.
    conf("include conf.d/*.conf;");
    directory.write("g.toml", &config("\"logs/a.log\"", more));
    agent.signal("HUP");
    agent.comes_to("config_last_reload_successful", &[], 1.0);
    directory.append("logs/a.log", &verified("/"));
    agent.comes_to(ALL, &[], 2.0);
    agent.comes_to(ALL, &["route=\"/other\""], 0.0);
    assert_eq!(agent.stop(), Some(0));
}

/// It is told when it is looked at, and is no reason to refuse the rest of the configuration.
#[test]
fn a_link_that_a_glob_finds_later_does_not_stop_a_reload() {
    let (directory, other) = scene();
    directory.write("g.toml", &config("\"logs/*.log\"", ""));
    let agent = directory.run(&["--config", "g.toml"]);
    agent.comes_to(ALL, &[], 1.0);
    if !is_restricted(&agent) {
        return;
    }
    symlink(other.at("b.log"), directory.at("logs/link.log")).unwrap();
    assert!(agent.says("lies outside of what the sandbox").contains("path=logs/link.log"));
    agent.signal("HUP");
    agent.says("configuration reloaded");
    directory.append("logs/a.log", &verified("/"));
    agent.comes_to(ALL, &[], 2.0);
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn it_can_be_turned_off_at_the_start() {
    let (directory, other) = scene();
    let off = |paths: &str| format!("sandbox = false\n{}", config(paths, ""));
    directory.write("g.toml", &off("\"logs/a.log\""));
    let agent = directory.run(&["--config", "g.toml"]);
    assert!(agent.says("no sandbox: `sandbox = false`").contains("INFO"));
    directory.write("g.toml", &off(&quoted(&other.at("b.log"))));
    agent.signal("HUP");
    agent.comes_to(ALL, &["route=\"/other\""], 1.0);
    directory.write("g.toml", &config("\"logs/a.log\"", ""));
    agent.signal("HUP");
    agent.says("`sandbox` is taken at the next start only");
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn a_log_whose_directory_is_missing_is_awaited_in_the_one_above() {
    let (directory, _) = scene();
    let agent = directory.run(&["--from", "beginning", "logs/deep/er/a.log"]);
    if is_restricted(&agent) {
        let said = agent.says("until a restart all of this is readable");
        let above = directory.at("logs").canonicalize().unwrap();
        assert!(said.contains("INFO") && said.contains("path=logs/deep/er/a.log"), "{said}");
        assert!(said.ends_with(&format!("readable={}", above.display())), "{said}");
    }
    fs::create_dir_all(directory.at("logs/deep/er")).unwrap();
    directory.append("logs/deep/er/a.log", &verified("/deep"));
    agent.comes_to(ALL, &["route=\"/deep\""], 1.0);
    assert_eq!(agent.stop(), Some(0));

    let agent = directory.run(&["/no-such-directory/a.log"]);
    if is_restricted(&agent) {
        let said = agent.says("until a restart all of this is readable");
        assert!(said.contains("WARN") && said.ends_with("readable=/"), "{said}");
    }
    assert_eq!(agent.stop(), Some(0));
}

/// With port 0 it may listen anywhere; a port that is named is left open by its number.
#[test]
fn it_listens_on_a_port_of_its_own() {
    let (directory, _) = scene();
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (http, metrics) = (free(), free());
    directory.write(
        "g.toml",
        &config("\"logs/a.log\"", &format!("[metrics]\nlisten = \"{metrics}\"\n")),
    );
    let arguments = ["run", "--listen", &http, "--config", "g.toml"];
    let agent = Agent::start(&mut directory.gatelog(&arguments));
    assert_eq!(agent.address.to_string(), metrics);
    agent.comes_to(ALL, &[], 1.0);
    assert_eq!(agent.stop(), Some(0));
}
