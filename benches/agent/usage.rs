//! The processor time and memory of a process, as Linux tells them (`proc(5)`).

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use gatelog::clock::Clock;

use crate::{Result, read};

/// Between two looks at the threads: one that ends is known as it was at the last.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Linux counts in hundredths of a second there, whatever the kernel's own tick (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// What threads of one name have used.
#[derive(Clone, Copy, Default)]
pub(crate) struct ThreadUse {
    pub(crate) time: Duration,
    /// Times that they waited and were woken.
    pub(crate) wakeups: u64,
}

/// What a process has used within a time.
pub(crate) struct Used {
    pub(crate) elapsed: Duration,
    /// By the name of the thread.
    pub(crate) threads: BTreeMap<String, ThreadUse>,
}

impl Used {
    pub(crate) fn total(&self) -> Duration {
        self.threads.values().map(|thread| thread.time).sum()
    }
}

/// Threads by number, with their names.
type Threads = BTreeMap<u32, (String, ThreadUse)>;

/// Looks at the threads of a process until it is told to end.
pub(crate) struct Usage {
    clock: Clock,
    stop: Arc<AtomicBool>,
    before: Threads,
    thread: JoinHandle<Threads>,
}

impl Usage {
    pub(crate) fn watch(process: u32) -> Result<Usage> {
        let before = threads(process)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen = Threads::new();
            loop {
                let last = stopped.load(Ordering::Relaxed);
                seen.extend(threads(process).unwrap_or_default());
                if last {
                    return seen;
                }
                std::thread::sleep(LOOK_INTERVAL);
            }
        });
        Ok(Usage { clock: Clock::system(), stop, before, thread })
    }

    pub(crate) fn end(self) -> Result<Used> {
        self.stop.store(true, Ordering::Relaxed);
        let elapsed = self.clock.monotonic().since_start();
        let after = self.thread.join().map_err(|_panic| "the threads cannot be looked at")?;
        let mut threads: BTreeMap<String, ThreadUse> = BTreeMap::new();
        for (id, (name, after)) in after {
            let before = self.before.get(&id).map(|(_, used)| *used).unwrap_or_default();
            let of_name = threads.entry(name).or_default();
            of_name.time += after.time.saturating_sub(before.time);
            of_name.wakeups += after.wakeups - before.wakeups;
        }
        Ok(Used { elapsed, threads })
    }
}

/// Every thread of a process as it is now; one that ends just now is left out.
fn threads(process: u32) -> Result<Threads> {
    let mut threads = Threads::new();
    for entry in fs::read_dir(format!("/proc/{process}/task"))? {
        let path = entry?.path();
        let file = |name: &str| fs::read_to_string(path.join(name));
        let id = path.file_name().and_then(|name| name.to_str()).and_then(|id| id.parse().ok());
        let (Some(id), Ok(name), Ok(time), Ok(status)) =
            (id, file("comm"), file("schedstat"), file("status"))
        else {
            continue;
        };
        // Nanoseconds on a processor, nanoseconds waiting for one, times put on one.
        let nanoseconds = time.split_whitespace().next().unwrap_or_default().parse()?;
        let wakeups = value(&status, "voluntary_ctxt_switches")?;
        let used = ThreadUse { time: Duration::from_nanos(nanoseconds), wakeups };
        threads.insert(id, (name.trim().replace(' ', "_"), used));
    }
    Ok(threads)
}

/// Memory of a process.
pub(crate) struct Status {
    pub(crate) resident_mib: f64,
    pub(crate) peak_mib: f64,
}

pub(crate) fn status(process: u32) -> Result<Status> {
    let status = read(&format!("/proc/{process}/status"))?;
    let mib = |key: &str| value(&status, key).map(|kib| crate::float(kib) / 1024.0);
    Ok(Status { resident_mib: mib("VmRSS")?, peak_mib: mib("VmHWM")? })
}

/// The number behind a key in a file of `key: number unit`.
fn value(status: &str, key: &str) -> Result<u64> {
    let lines = status.lines().filter_map(|line| line.split_once(':'));
    let found = lines.filter(|(found, _)| *found == key).map(|(_, value)| value).next();
    let number = found.and_then(|value| value.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| format!("/proc tells no {key}").into())
}

/// Processor time of this program's children that have ended and were waited for.
pub(crate) fn of_ended_children() -> Result<Duration> {
    let stat = read("/proc/self/stat")?;
    // The name may hold spaces; behind it, utime is the 12th field, cutime and cstime are two on.
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/self/stat: no name")?;
    let ticks: u32 = fields
        .split_whitespace()
        .skip(13)
        .take(2)
        .map(str::parse::<u32>)
        .sum::<std::result::Result<u32, _>>()?;
    Ok(TICK * ticks)
}
