//! A real Alertmanager; ended when the test is.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::running::wait_for;

pub(crate) struct Alertmanager {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// A port that nobody listens on just now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Alertmanager {
    /// It tells `webhook` of alerts, grouped as ours are, after a second. `port` 0: any.
    pub(crate) fn start(directory: &Path, webhook: &str, port: u16) -> Alertmanager {
        fs::create_dir_all(directory).unwrap();
        let config = format!(
            "route:\n  receiver: test\n  group_by: [alertname, route]\n  group_wait: 1s\n  \
             group_interval: 1s\n  repeat_interval: 1h\nreceivers:\n- name: test\n  \
             webhook_configs:\n  - url: {webhook}\n    send_resolved: true\n"
        );
        fs::write(directory.join("alertmanager.yml"), config).unwrap();
        let mut child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", directory.join("alertmanager.yml").display()))
            .arg(format!("--storage.path={}", directory.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("prometheus-alertmanager: {error}"));
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut lines = log.lines().map_while(Result::ok);
        let address = lines.by_ref().find_map(|line| {
            let address = line.split("msg=\"Listening on\" address=").nth(1)?;
            address.trim().parse().ok()
        });
        let address = address.unwrap_or_else(|| panic!("Alertmanager does not listen"));
        // It would wait for its log to be read.
        std::thread::spawn(move || lines.for_each(drop));
        let alertmanager = Alertmanager { child, address };
        wait_for(|| (alertmanager.get("/-/ready").0 == 200).then_some(())).unwrap();
        alertmanager
    }

    fn get(&self, path: &str) -> (u16, String) {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return (0, String::new()) };
        write!(stream, "GET {path} HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// The alerts that it knows to fire.
    pub(crate) fn alerts(&self) -> Vec<Value> {
        let (status, body) = self.get("/api/v2/alerts");
        assert_eq!(status, 200);
        serde_json::from_str(&body).unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
