//! A scraper that remembers: no counter may fall, or be gone, whatever happens to the agent.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Time between two scrapes.
const INTERVAL: Duration = Duration::from_millis(15);

/// What was seen, and what should not have been.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) scrapes: u64,
    counters: HashMap<String, f64>,
    pub(crate) faults: Vec<String>,
}

pub(crate) struct Scraper {
    /// Where the agent listens, while there is one.
    pub(crate) address: Arc<Mutex<Option<SocketAddr>>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl Scraper {
    pub(crate) fn start() -> Scraper {
        let address = Arc::new(Mutex::new(None));
        let stop = Arc::new(AtomicBool::new(false));
        let (at, stopped) = (Arc::clone(&address), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while !stopped.load(Ordering::Relaxed) {
                let address = *at.lock().unwrap();
                // Killed in the middle of an answer: the part is no scrape.
                if let Some(page) = address.and_then(|address| scrape(address).ok()) {
                    seen.take(&page);
                }
                std::thread::sleep(INTERVAL);
            }
            seen
        });
        Scraper { address, stop, thread }
    }

    pub(crate) fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

impl Seen {
    fn take(&mut self, page: &str) {
        self.scrapes += 1;
        let mut gone: HashMap<&str, f64> =
            self.counters.iter().map(|(series, value)| (series.as_str(), *value)).collect();
        let mut now = HashMap::new();
        for (series, value) in counters(page) {
            let before = gone.remove(series);
            if before.is_some_and(|before| value < before) {
                self.faults.push(format!("{series} fell from {before:?} to {value}"));
            }
            now.insert(series.to_owned(), value);
        }
        self.faults.extend(gone.keys().map(|series| format!("{series} is gone")));
        self.faults.truncate(20);
        self.counters = now;
    }
}

/// The counters of what was counted; those of the process start anew with it.
fn counters(page: &str) -> impl Iterator<Item = (&str, f64)> {
    let lines = page.lines().filter(|line| line.starts_with("gatelog_"));
    lines.filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let is_counter = series.split('{').next()?.ends_with("_total");
        is_counter.then(|| (series, value.parse().unwrap()))
    })
}

/// A whole answer, or an error.
fn scrape(address: SocketAddr) -> std::io::Result<String> {
    let cut = || std::io::Error::other("cut");
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(cut)?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().ok())?
    });
    let is_whole = head.starts_with("HTTP/1.1 200") && length == Some(body.len());
    if is_whole { Ok(body.to_owned()) } else { Err(cut()) }
}
