//! `gatelog parse --follow`.

use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use crate::agent::{Directory, collect, expired, kill, signal, verified, wait_for};

struct Parse {
    child: Child,
    output: Arc<Mutex<String>>,
    errors: Arc<Mutex<String>>,
}

impl Parse {
    fn start(directory: &Directory, arguments: &[&str]) -> Self {
        let arguments = [&["parse", "--follow"], arguments].concat();
        let mut command = directory.gatelog(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = collect(child.stdout.take().unwrap());
        let errors = collect(child.stderr.take().unwrap());
        Self { child, output, errors }
    }

    #[track_caller]
    fn prints(&self, lines: usize, text: &str) {
        let printed = || {
            let output = self.output.lock().unwrap();
            (output.lines().count() == lines && output.contains(text)).then_some(())
        };
        assert!(wait_for(printed).is_some(), "{text}: {}", self.output.lock().unwrap());
    }

    #[track_caller]
    fn says(&self, text: &str) {
        let said = || self.errors.lock().unwrap().contains(text).then_some(());
        assert!(wait_for(said).is_some(), "{text}: {}", self.errors.lock().unwrap());
    }

    #[track_caller]
    fn ends(&mut self) -> Option<i32> {
        wait_for(|| self.child.try_wait().unwrap()).expect("it ends").code()
    }
}

impl Drop for Parse {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

#[test]
fn prints_what_is_there_and_what_comes() {
    let directory = Directory::new();
    directory.write("a.log", &verified("/1"));
    let mut parse = Parse::start(&directory, &["a.log", "late.log"]);
    parse.prints(1, "\"uri\":\"/1\"");
    directory.append("a.log", &expired("/2"));
    parse.prints(2, "\"verdict\":\"rejected\"");
    std::fs::rename(directory.at("a.log"), directory.at("a.log.1")).unwrap();
    directory.append("a.log", &verified("/3"));
    parse.prints(3, "\"uri\":\"/3\"");
    directory.append("late.log", "what is this\n");
    parse.prints(4, "\"error\":\"expected a line of a known log_format\",\"line_number\":1");
    directory.append("late.log", &verified("/4"));
    parse.prints(5, "\"uri\":\"/4\"");
    signal(&parse.child, "INT");
    assert_eq!(parse.ends(), Some(0));
}

#[test]
fn from_the_end_with_a_filter() {
    let directory = Directory::new();
    directory.write("a.log", &(verified("/1") + &expired("/2")));
    directory.write("b.log", &verified("/1"));
    let parse =
        Parse::start(&directory, &["--from", "end", "--verdict", "rejected", "a.log", "c.log"]);
    // Once it has looked, a file is read from its start.
    parse.says("c.log: does not exist yet");
    directory.append("c.log", &expired("/c"));
    parse.prints(1, "\"uri\":\"/c\"");
    directory.append("a.log", &(verified("/3") + &expired("/4")));
    parse.prints(2, "\"uri\":\"/4\"");
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let directory = Directory::new();
    directory.write("a.log", "");
    let mut command = directory.gatelog(&["parse", "--follow", "a.log"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let errors = collect(child.stderr.take().unwrap());
    let ended = wait_for(|| {
        directory.append("a.log", &verified("/"));
        child.try_wait().unwrap()
    });
    kill(&mut child);
    assert_eq!(ended.expect("it ends").code(), Some(0));
    assert!(!errors.lock().unwrap().contains("error"), "{}", errors.lock().unwrap());
}
