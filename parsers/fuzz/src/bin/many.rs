//! Runs a target on many inputs, without libFuzzer and what it counts, which takes a fraction of the
//! time; it learns nothing, and so wants a corpus that libFuzzer has grown.
//!
//!     many TARGET SECONDS SEED FAILED_PREFIX FOLDER...
//!
//! Prints how many runs there were. Exit 1: one failed, took longer than [`RUN_SECONDS_MAX`] or too
//! much memory; its input is written to FAILED_PREFIX and its number. Exit 2: wrong usage.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gatelog_parsers_fuzz::TARGETS;
use gatelog_parsers_fuzz::mutate::{INPUT_BYTES_MAX, Random, mutate};

const RUN_SECONDS_MAX: u32 = 5;
const MEMORY_MIB_MAX: u64 = 1024;
/// Runs between two looks at the clock.
const RUNS_A_LOOK: u64 = 64;

/// What is being run, for the one who watches.
static INPUT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static RUNS: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [target, seconds, seed, prefix, folders @ ..] = &arguments[..] else { return usage() };
    let target = TARGETS.iter().find(|(name, _)| name == target).map(|(_, run)| *run);
    let (Some(target), Ok(seconds), Ok(seed)) = (target, seconds.parse(), seed.parse()) else {
        return usage();
    };
    let corpus = match folders.iter().map(read).collect::<Result<Vec<_>, _>>() {
        Ok(corpus) => corpus.concat(),
        Err(error) => {
            eprintln!("many: {error}");
            return ExitCode::from(2);
        }
    };
    let watched = prefix.clone();
    thread::spawn(move || watch(&watched));
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut random, mut input, mut spare) = (Random::new(seed), Vec::new(), Vec::new());
    while Instant::now() < end {
        for _ in 0..RUNS_A_LOOK {
            mutate(&mut random, &corpus, &mut input, &mut spare);
            INPUT.lock().unwrap().clone_from(&input);
            if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
                write(prefix, &input);
                return ExitCode::FAILURE;
            }
            RUNS.fetch_add(1, Ordering::Relaxed);
        }
    }
    println!("{}", RUNS.load(Ordering::Relaxed));
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: many TARGET SECONDS SEED FAILED_PREFIX FOLDER...");
    ExitCode::from(2)
}

/// The files of a folder by their names.
fn read(folder: &String) -> std::io::Result<Vec<Vec<u8>>> {
    let paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    let entries = paths.iter().map(fs::read).collect::<std::io::Result<Vec<_>>>()?;
    Ok(entries.into_iter().filter(|entry| entry.len() <= INPUT_BYTES_MAX).collect())
}

/// In the words of libFuzzer.
fn write(prefix: &str, input: &[u8]) {
    let path = format!("{prefix}{}", RUNS.load(Ordering::Relaxed));
    match fs::write(&path, input) {
        Ok(()) => eprintln!("Test unit written to {path}"),
        Err(error) => eprintln!("many: {path}: {error}: {}", input.escape_ascii()),
    }
}

/// Ends the program at a run that does not end by itself.
fn watch(prefix: &str) {
    let (mut last, mut looks) = (u64::MAX, 0);
    loop {
        thread::sleep(Duration::from_secs(1));
        let runs = RUNS.load(Ordering::Relaxed);
        looks = if runs == last { looks + 1 } else { 0 };
        last = runs;
        let memory_mib = memory_mib();
        if looks < RUN_SECONDS_MAX && memory_mib < MEMORY_MIB_MAX {
            continue;
        }
        eprintln!("panicked at a run of {looks} seconds and {memory_mib} MiB");
        write(prefix, &INPUT.lock().unwrap());
        std::process::exit(1);
    }
}

/// What the process holds; nothing where Linux does not say.
fn memory_mib() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() / 256
}
