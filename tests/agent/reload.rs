//! SIGHUP: what is taken anew, what is kept, and what is refused.

use crate::agent::{Directory, expired, verified};

const SOURCE: &str = "[[source]]\nname = \"edge\"\npaths = [\"a.log\"]\nfrom = \"beginning\"\n";

#[test]
fn counts_and_places_are_kept() {
    let directory = Directory::new();
    directory.write("g.toml", SOURCE);
    directory.write("a.log", &(verified("/payments/one") + &expired("/payments/one")));
    let agent = directory.run(&["--config", "g.toml"]);
    agent.comes_to("requests_total", &["server=\"edge\""], 2.0);
    agent.comes_to("config_last_reload_successful", &[], 1.0);
    let more =
        "[[source]]\nname = \"b\"\npaths = [\"b.log\"]\n[routes]\npatterns = [\"/payments/{x}\"]\n";
    directory.write("g.toml", &format!("{SOURCE}{more}"));
    agent.signal("HUP");
    agent.says("configuration reloaded");
    directory.append("a.log", &verified("/payments/one"));
    agent.comes_to("requests_total", &["route=\"/payments/{x}\"", "verified"], 1.0);
    directory.append("b.log", &verified("/"));
    agent.comes_to("log_lines_total", &["source=\"b\"", "\"parsed\""], 1.0);
    agent.comes_to("log_lines_total", &["source=\"edge\"", "\"parsed\""], 3.0);
    agent.comes_to("requests_total", &[], 4.0);
    agent.comes_to("config_last_reload_successful", &[], 1.0);
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn a_broken_one_is_refused() {
    let directory = Directory::new();
    directory.write("g.toml", SOURCE);
    directory.write("a.log", &verified("/"));
    let agent = directory.run(&["--config", "g.toml"]);
    agent.comes_to("requests_total", &[], 1.0);
    directory.write("g.toml", &format!("{SOURCE}lateness = 5\nnonsense = 1\n"));
    agent.signal("HUP");
    agent.says("reload refused");
    assert!(agent.says("g.toml:6:1").contains("ERROR"), "{}", agent.log());
    agent.comes_to("config_last_reload_successful", &[], 0.0);
    directory.append("a.log", &verified("/"));
    agent.comes_to("requests_total", &[], 2.0);
    directory.write("g.toml", SOURCE);
    agent.signal("HUP");
    agent.comes_to("config_last_reload_successful", &[], 1.0);
    directory.append("a.log", &verified("/"));
    agent.comes_to("requests_total", &[], 3.0);
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn nginx_conf_is_read_again() {
    let directory = Directory::new();
    let conf = |verify: &str| {
        let server = format!("server {{ listen 443 ssl; {verify} access_log a.log combined; }}");
        directory.write("nginx.conf", &format!("events {{}}\nhttp {{ {server} }}\n"));
    };
    conf("ssl_verify_client off;");
    directory.write("a.log", "");
    let agent = directory.run(&["--nginx-conf", "nginx.conf", "a.log"]);
    agent.is_ready(true);
    let none = "10.0.0.1 - - [22/Nov/2026:11:51:17 +0000] \"GET / HTTP/1.1\" 400 3 \"-\" \"curl\" \
                client_verify=NONE client_dn=\"-\" client_fp=-\n";
    directory.append("a.log", none);
    agent.comes_to("requests_total", &["anonymous"], 1.0);
    conf("ssl_verify_client on;");
    agent.signal("HUP");
    agent.says("configuration reloaded");
    directory.append("a.log", none);
    agent.comes_to("requests_total", &["missing"], 1.0);
    assert_eq!(agent.stop(), Some(0));
}
