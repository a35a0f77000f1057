//! From a line of a log to a real Alertmanager and a webhook: the agent as it runs, killed in between.

use std::time::Duration;

use serde_json::json;

use crate::agent::{Agent, Directory};
use crate::program::Alertmanager;
use crate::running::{now, wait_for};
use crate::server::{OK, Server};

/// Times scaled to seconds.
const RULES: &str = r#"
lateness = "500ms"
[rules]
builtin = false
[[rule]]
name = "refused"
kind = "count"
where = { verdict = "rejected" }
by = ["route"]
window = "10s"
threshold = 3
severity = "page"
annotations = { summary = "{{ $value }} refusals on {{ $labels.route }}" }
"#;

fn refused(path: &str) -> String {
    let now = now();
    format!(
        "{{\"msec\":{}.{:03},\"remote_addr\":\"10.0.0.7\",\"request\":\"GET {path} HTTP/1.1\",\"status\":400,\
         \"client_verify\":\"FAILED:certificate has expired\",\"client_dn\":\"CN=a\",\
         \"client_fp\":\"b2b279f36e5659cfddf7868eec97131e076d4e65\",\"ssl_protocol\":\"TLSv1.3\"}}\n",
        now / 1000,
        now % 1000
    )
}

fn start(directory: &Directory) -> Agent {
    directory.run(&["--from", "beginning", "--config", "g.toml", "a.log"])
}

fn statuses(told: &Server) -> Vec<String> {
    let status = |got: crate::server::Got| got.json()["status"].as_str().unwrap().to_owned();
    told.got().into_iter().map(status).collect()
}

#[test]
fn an_alert_is_told_once_and_resolved_once_across_a_kill() {
    let directory = Directory::new();
    let (told, hook) = (Server::start(|_, _| OK), Server::start(|_, _| OK));
    let am = Alertmanager::start(&directory.at("am"), &told.url(), 0);
    let receivers = format!(
        "[[receiver]]\nname = \"am\"\nkind = \"alertmanager\"\nresend = \"1s\"\nurls = [\"{}\"]\n\
         [[receiver]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{}\"\n\
         where = {{ severity = \"page\" }}\n\
         [[receiver]]\nname = \"others\"\nkind = \"webhook\"\nurl = \"{}\"\n\
         where = {{ severity = \"ticket\" }}\n",
        am.url(),
        hook.url(),
        hook.url()
    );
    directory.write("g.toml", &format!("{RULES}{receivers}"));
    directory.write("a.log", "");
    let agent = start(&directory);
    (0..3).for_each(|_| directory.append("a.log", &refused("/a/1")));

    let first = hook.gets(1).remove(0).json();
    let labels = json!({"alertname": "refused", "route": "/a/{id}", "severity": "page"});
    assert_eq!(first["alerts"][0]["labels"], labels);
    assert_eq!(first["commonAnnotations"]["summary"], "3 refusals on /a/{id}");
    let id = hook.got()[0].header("webhook-id").to_owned();
    assert_eq!(told.gets(1).remove(0).json()["alerts"][0]["labels"], labels);
    agent.comes_to("alerts", &["rule=\"refused\"", "state=\"firing\""], 1.0);
    agent.comes_to("notifications_total", &["receiver=\"hook\"", "outcome=\"delivered\""], 1.0);
    agent.signal("KILL");
    drop(agent);

    let agent = start(&directory);
    for _ in 0..8 {
        directory.append("a.log", &refused("/a/2"));
        std::thread::sleep(Duration::from_millis(500));
    }
    agent.comes_to("alerts", &["rule=\"refused\"", "state=\"firing\""], 1.0);
    assert_eq!(statuses(&told), ["firing"]);
    assert_eq!(am.alerts().len(), 1);
    assert!(hook.got().iter().all(|got| got.header("webhook-id") == id), "told again as another");

    // The window passes.
    told.gets(2);
    agent.comes_to("alerts", &["rule=\"refused\"", "state=\"firing\""], 0.0);
    let last = wait_for(|| {
        let last = hook.got().pop()?.json();
        (last["status"] == "resolved").then_some(last)
    });
    assert_eq!(last.unwrap()["alerts"][0]["labels"], labels);
    assert_eq!(statuses(&told), ["firing", "resolved"]);
    assert_eq!(am.alerts().len(), 0);
    agent.says("alert is resolved");
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn what_ended_long_before_it_was_read_is_told_to_nobody() {
    let directory = Directory::new();
    let hook = Server::start(|_, _| OK);
    let receivers = format!(
        "[[receiver]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{}\"\n\
         [[silence]]\nwhere = {{ route = \"/silent\" }}\nuntil = \"2100-01-01T00:00:00Z\"\n",
        hook.url()
    );
    directory.write("g.toml", &format!("{RULES}{receivers}"));
    let long_ago = |line: String| {
        let (head, rest) = line.split_once(',').unwrap();
        let seconds: i64 =
            head.rsplit(':').next().unwrap().split('.').next().unwrap().parse().unwrap();
        format!("{{\"msec\":{}.000,{rest}", seconds - 7200)
    };
    let old: String = (0..3).map(|_| long_ago(refused("/old"))).collect();
    directory.write("a.log", &old);
    let agent = start(&directory);
    let alert = agent.says("route=/old");
    assert!(alert.contains("refusals on /old"), "{alert}");
    for path in ["/silent", "/new"] {
        (0..3).for_each(|_| directory.append("a.log", &refused(path)));
    }
    let first = hook.gets(1).remove(0).json();
    assert_eq!(first["alerts"][0]["labels"]["route"], "/new");
    agent.comes_to("silenced_alerts", &[], 1.0);
    assert_eq!(hook.got().len(), 1);
    assert_eq!(agent.stop(), Some(0));
}
