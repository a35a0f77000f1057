//! A running `gatelog run`, and the pages it serves.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gatelog::clock::Clock;

use crate::{Result, WAIT_MAX};

/// Between two looks at a page that is not yet as wanted.
const PAUSE: Duration = Duration::from_micros(500);

/// What is measured, and where it works.
pub(crate) struct Program<'a> {
    pub(crate) path: PathBuf,
    pub(crate) directory: &'a tempfile::TempDir,
}

impl Program<'_> {
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs it to its end, with nothing to see.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<()> {
        let status = self.command(arguments).stdout(Stdio::null()).status()?;
        // 1 says that the report has failures to show.
        match status.code() {
            Some(0 | 1) => Ok(()),
            _ => Err(format!("{arguments:?}: {status}").into()),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(arguments).current_dir(self.directory.path()).stdin(Stdio::null());
        for name in ["RUST_LOG", "NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM"] {
            command.env_remove(name);
        }
        command.env_remove("STATE_DIRECTORY").env("XDG_STATE_HOME", self.at("state"));
        command.stderr(Stdio::null());
        command
    }
}

/// Stopped when dropped.
pub(crate) struct Agent {
    child: Child,
    address: SocketAddr,
}

impl Agent {
    /// Starts it on a port that the system chooses; returns once it listens.
    pub(crate) fn start(program: &Program<'_>, arguments: &[&str]) -> Result<Agent> {
        let arguments = [&["run", "--listen", "127.0.0.1:0"], arguments].concat();
        // Two may run side by side.
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let said = program.at(&format!("agent-{number}.err"));
        let child = program.command(&arguments).stderr(File::create(&said)?).spawn()?;
        let mut agent = Agent { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        agent.address = within(|| {
            let said = std::fs::read_to_string(&said).ok()?;
            let (_, after) = said.split_once("metrics on http://")?;
            after.split_once('/')?.0.parse().ok()
        })
        .ok_or("the agent does not say where it listens")?;
        Ok(agent)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn becomes_ready(&self) -> Result<()> {
        let ready = || {
            let page = Pages::connect(self.address).and_then(|mut pages| pages.page("/readyz"));
            page.ok().filter(|page| page.status == 200)
        };
        within(ready).map(drop).ok_or_else(|| "the agent does not become ready".into())
    }

    /// Waits until this many lines are counted; returns how many are in the end.
    pub(crate) fn counts(&self, lines: u64) -> Result<u64> {
        let mut pages = Pages::connect(self.address)?;
        let mut counted = 0;
        within(|| {
            counted = pages.page("/metrics").ok()?.lines();
            (counted >= lines).then_some(())
        });
        Ok(counted)
    }

    /// Stops it as systemd does.
    pub(crate) fn stop(mut self) -> Result<()> {
        let id = self.id().to_string();
        Command::new("kill").args(["-s", "TERM", &id]).status()?;
        match self.child.wait()? {
            status if status.success() => Ok(()),
            status => Err(format!("the agent ended with {status}").into()),
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A connection that is kept, as a scraper does.
pub(crate) struct Pages {
    stream: BufReader<TcpStream>,
}

/// An answer.
pub(crate) struct Page {
    status: u16,
    pub(crate) body: String,
}

impl Page {
    /// The sum of `gatelog_log_lines_total`.
    pub(crate) fn lines(&self) -> u64 {
        let of_it = self.body.lines().filter(|line| line.starts_with("gatelog_log_lines_total{"));
        of_it.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }
}

impl Pages {
    pub(crate) fn connect(address: SocketAddr) -> Result<Pages> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(WAIT_MAX))?;
        stream.set_nodelay(true)?;
        Ok(Pages { stream: BufReader::with_capacity(1 << 20, stream) })
    }

    pub(crate) fn page(&mut self, path: &str) -> Result<Page> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes())?;
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest.split(' ').next().unwrap_or_default().parse()?;
            } else if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Page { status, body: String::from_utf8(body)? })
    }
}

/// Asks again and again, for [`WAIT_MAX`].
fn within<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let clock = Clock::system();
    while clock.monotonic().since_start() < WAIT_MAX {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        std::thread::sleep(PAUSE);
    }
    None
}
