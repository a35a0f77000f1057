//! Runs the built binary with bounds on its time, and reads what it says.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use serde_json::{Map, Value};

/// How long a command may take: this often the pause below.
const PAUSES_MAX: u32 = 24_000;
const PAUSE: Duration = Duration::from_millis(5);

/// Where the logs that real servers wrote are.
pub(crate) const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; -1 for a signal.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

/// A command that has not been started.
pub(crate) fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatelog"));
    command.args(arguments).current_dir(directory);
    for name in ["NO_COLOR", "TERM", "RUST_BACKTRACE", "RUST_LOG"] {
        command.env_remove(name);
    }
    // What would run keeps its state to itself.
    command.env_remove("STATE_DIRECTORY").env("XDG_STATE_HOME", directory.join(".state"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it in a directory.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> Ended {
    ended(command(directory, arguments).spawn().unwrap())
}

/// Runs it with this on its standard input.
pub(crate) fn run_with_input(directory: &Path, arguments: &[&str], input: &[u8]) -> Ended {
    let mut child = command(directory, arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A command that ends early leaves a closed pipe, which is its right.
    let writer = spawn(move || stdin.write_all(&input).is_ok());
    let ended = ended(child);
    writer.join().unwrap();
    ended
}

/// Waits for it; a command that hangs is stopped and fails the test.
pub(crate) fn ended(mut child: Child) -> Ended {
    let out = child.stdout.take().map(read_all);
    let err = child.stderr.take().map(read_all);
    let code = wait(&mut child);
    let text = |reader: Option<JoinHandle<Vec<u8>>>| {
        let bytes = reader.map(|reader| reader.join().unwrap()).unwrap_or_default();
        String::from_utf8(bytes).unwrap()
    };
    Ended { code, out: text(out), err: text(err) }
}

/// Waits for the end of a command whose output others read.
pub(crate) fn wait(child: &mut Child) -> i32 {
    for _ in 0..PAUSES_MAX {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        sleep(PAUSE);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("the command did not end");
}

fn read_all(mut reader: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    spawn(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// The lines of `parse`, each an object.
pub(crate) fn objects(out: &str) -> Vec<Map<String, Value>> {
    let object = |line: &str| match serde_json::from_str(line) {
        Ok(Value::Object(object)) => object,
        other => panic!("{other:?}: {line}"),
    };
    out.lines().map(object).collect()
}

/// The path of a log of the corpus.
pub(crate) fn corpus(name: &str) -> String {
    format!("{CORPUS}/{name}")
}
