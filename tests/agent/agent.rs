//! A running `gatelog` in a directory of its own.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatelog::clock::Clock;

/// Nothing here takes this long.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(10);

const PAUSE: Duration = Duration::from_millis(20);

/// A directory with logs in it.
pub(crate) struct Directory(tempfile::TempDir);

impl Directory {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    pub(crate) fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.at(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// `gatelog` with these arguments, started here.
    pub(crate) fn gatelog(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatelog"));
        command.args(arguments).current_dir(self.path());
        for name in ["RUST_LOG", "NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM"] {
            command.env_remove(name);
        }
        // A state of its own, which the next agent in this directory goes on from.
        command.env_remove("STATE_DIRECTORY").env("XDG_STATE_HOME", self.at(".state"));
        command.stdin(Stdio::null());
        command
    }

    /// Runs it to its end, and returns its exit code and standard error.
    pub(crate) fn fails(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.gatelog(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// `gatelog run` on a port that the system chooses; returns once it listens.
    pub(crate) fn run(&self, arguments: &[&str]) -> Agent {
        let arguments = [&["run", "--listen", "127.0.0.1:0"], arguments].concat();
        Agent::start(&mut self.gatelog(&arguments))
    }
}

/// A running agent; killed if the test does not stop it.
pub(crate) struct Agent {
    child: Child,
    log: Arc<Mutex<String>>,
    pub(crate) address: SocketAddr,
}

impl Agent {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = collect(child.stderr.take().unwrap());
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut agent = Self { child, log, address: nowhere };
        let line = agent.says("metrics on http://");
        let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap();
        agent.address = address.parse().unwrap();
        agent
    }

    /// Waits until its log has a line with this text, and returns that line.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> String {
        let found =
            wait_for(|| self.log().lines().find(|line| line.contains(text)).map(str::to_owned));
        found.unwrap_or_else(|| panic!("no {text:?} in:\n{}", self.log()))
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Status and body of a page.
    pub(crate) fn page(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub(crate) fn metrics(&self) -> String {
        let (status, page) = self.page("/metrics");
        assert_eq!(status, 200);
        page
    }

    /// The sum of the series whose line starts with `gatelog_`, the family, and has all of the labels.
    pub(crate) fn sum(&self, family: &str, labels: &[&str]) -> f64 {
        sum(&self.metrics(), family, labels)
    }

    /// Waits until the sum is `expected`.
    #[track_caller]
    pub(crate) fn comes_to(&self, family: &str, labels: &[&str], expected: f64) {
        let same = |found: f64| (found - expected).abs() < 0.5;
        let came = wait_for(|| same(self.sum(family, labels)).then_some(()));
        if came.is_none() {
            let found = self.sum(family, labels);
            panic!("{family}{labels:?}: expected {expected}, found {found}\n{}", self.log());
        }
    }

    #[track_caller]
    pub(crate) fn is_ready(&self, expected: bool) -> String {
        let status = if expected { 200 } else { 503 };
        let page = wait_for(|| Some(self.page("/readyz")).filter(|(found, _)| *found == status));
        page.unwrap_or_else(|| panic!("ready {expected}: {:?}", self.page("/readyz"))).1
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The other end of its standard input, if that is a pipe.
    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Stops it as systemd does, and returns its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        self.ends().code()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let ended = wait_for(|| self.child.try_wait().unwrap());
        ended.unwrap_or_else(|| panic!("it still runs\n{}", self.log()))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

pub(crate) fn kill(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// What comes from a pipe, as far as it has come.
pub(crate) fn collect(pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let collected = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&collected);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { break };
            let mut into = into.lock().unwrap();
            into.push_str(&line);
            into.push('\n');
        }
    });
    collected
}

/// Asks again and again, for [`WAIT_MAX`].
pub(crate) fn wait_for<T>(ask: impl FnMut() -> Option<T>) -> Option<T> {
    wait_within(WAIT_MAX, ask)
}

/// The same, for so long.
pub(crate) fn wait_within<T>(at_most: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let clock = Clock::system();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if clock.monotonic().since_start() > at_most {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

pub(crate) fn sum(page: &str, family: &str, labels: &[&str]) -> f64 {
    let start = format!("gatelog_{family}");
    let of_family =
        |line: &&str| line.strip_prefix(&start).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let series = page.lines().filter(of_family);
    let fitting = series.filter(|line| labels.iter().all(|label| line.contains(label)));
    fitting.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

/// A line of the reference format: a certificate that verified.
pub(crate) fn verified(path: &str) -> String {
    line(path, 200, "SUCCESS", "b2b279f36e5659cfddf7868eec97131e076d4e65")
}

/// One that did not.
pub(crate) fn expired(path: &str) -> String {
    line(path, 400, "FAILED:certificate has expired", "26454abd09efbf5c5f5dde42ccb46f7912655374")
}

fn line(path: &str, status: u16, verify: &str, fingerprint: &str) -> String {
    let combined = combined(path, status);
    format!(
        "{} client_verify={verify} client_dn=\"CN=a,O=b\" client_fp={fingerprint}\n",
        combined.trim_end()
    )
}

/// A line of nginx's own format.
pub(crate) fn combined(path: &str, status: u16) -> String {
    format!(
        "10.0.0.1 - - [22/Nov/2026:11:51:17 +0000] \"GET {path} HTTP/1.1\" {status} 3 \"-\" \"curl\"\n"
    )
}
