//! The disk under the state fails while the agent runs: it goes on counting, says so, and saves again
//! when it can. Afterwards it is killed and started again, and every line is counted once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gatelog::clock::Clock;

use crate::agent::{Agent, Directory, expired, verified, wait_for};
use crate::disk::{Fault, SmallDisk};
use crate::{alone, say};

/// Long enough for several tries to save.
const FAULT: Duration = Duration::from_millis(1700);

/// Nothing more comes in this time.
const SETTLED: Duration = Duration::from_millis(400);

const NOT_SAVED: &str = "the state is not saved";

/// A log, and the agents that follow it one after the other.
struct Scene {
    directory: Directory,
    agent: Option<Agent>,
    /// Beside those that name the state directory and the log.
    arguments: Vec<&'static str>,
    disk: Option<SmallDisk>,
    written: u32,
}

impl Scene {
    /// An agent that has saved some lines.
    fn start(arguments: &[&'static str]) -> Scene {
        let mut scene = Scene::new(Directory::new(), arguments);
        scene.begin();
        scene.write(20);
        scene.is_healthy();
        scene
    }

    fn new(directory: Directory, arguments: &[&'static str]) -> Scene {
        directory.write("a.log", "");
        directory.write("without-sandbox.toml", "sandbox = false\n");
        Scene { directory, agent: None, arguments: arguments.to_vec(), disk: None, written: 0 }
    }

    fn state(&self) -> PathBuf {
        self.directory.at("state")
    }

    fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().unwrap()
    }

    fn agent(&self) -> &Agent {
        self.agent.as_ref().unwrap()
    }

    fn command(&self, state: &Path) -> Command {
        let state = state.display().to_string();
        let run = ["run", "--listen", "127.0.0.1:0", "--from", "beginning", "--state-dir", &state];
        self.directory.gatelog(&[&run, self.arguments.as_slice(), &["a.log"]].concat())
    }

    fn begin(&mut self) {
        let mut command = self.command(&self.state());
        if let Some(disk) = &self.disk {
            command = disk.command(&command);
        }
        self.agent = Some(Agent::start(&mut command));
    }

    /// Writes lines, and sees that all that were ever written are counted, once.
    fn write(&mut self, count: u32) {
        for number in 0..count {
            let line = if number % 3 == 0 { expired("/a") } else { verified("/b") };
            self.directory.append("a.log", &line);
        }
        self.written += count;
        self.counts_all();
    }

    #[track_caller]
    fn counts_all(&self) {
        self.agent().comes_to("requests_total", &[], f64::from(self.written));
        self.agent().comes_to("log_lines_total", &["\"parsed\""], f64::from(self.written));
    }

    #[track_caller]
    fn is_healthy(&self) {
        self.agent().comes_to("state_healthy", &[], 1.0);
        self.agent().is_ready(true);
    }

    /// Sees that it says why it does not save: in the metrics, in `/readyz`, and once in its log.
    #[track_caller]
    fn is_failing(&self, reason: &str) {
        let agent = self.agent();
        agent.comes_to("state_healthy", &[], 0.0);
        let ready = agent.is_ready(false);
        let told = ready.lines().find(|line| line.contains("state: "));
        assert!(told.is_some_and(|told| told.contains(reason)), "{reason}: {ready}");
        let said = agent.says(NOT_SAVED);
        assert!(said.contains("ERROR") && said.contains(reason), "{said}");
    }

    /// What its log should hold once however long the fault was.
    #[track_caller]
    fn has_said_once(&self, text: &str) {
        let log = self.agent().log();
        assert_eq!(log.matches(text).count(), 1, "{text:?} in:\n{log}");
    }

    #[track_caller]
    fn recovers(&self) {
        self.is_healthy();
        self.agent().says("the state is saved again");
        self.has_said_once(NOT_SAVED);
        self.counts_all();
    }

    /// SIGKILL, and the next one: every line is counted once.
    #[track_caller]
    fn is_killed_and_goes_on(&mut self) {
        drop(self.agent.take());
        self.begin();
        self.goes_on();
    }

    #[track_caller]
    fn goes_on(&mut self) {
        self.agent().says("counts go on from the saved state");
        self.counts_all();
        std::thread::sleep(SETTLED);
        self.counts_all();
        self.write(7);
        self.is_healthy();
    }

    /// With what was saved before, where nothing can be saved.
    #[track_caller]
    fn goes_on_unsaved(&mut self, reason: &str) {
        self.agent().says("counts go on from the saved state");
        self.is_failing(reason);
        self.write(30);
        std::thread::sleep(SETTLED);
        self.counts_all();
        self.is_failing(reason);
    }

    /// SIGTERM, within a fault. Returns how long it took, and its log.
    #[track_caller]
    fn stop(&mut self, fault: Fault) -> (Duration, String) {
        let mut agent = self.agent.take().unwrap();
        let clock = Clock::system();
        agent.signal("TERM");
        // A thread that the disk holds keeps the dead process from going: nobody can end that.
        let stat = format!("/proc/{}/stat", agent.id());
        let is_dead = || fs::read_to_string(&stat).unwrap().contains(") Z ").then_some(());
        assert!(wait_for(is_dead).is_some(), "{}", agent.log());
        let took = clock.monotonic().since_start();
        drop(fault);
        let status = agent.ends();
        assert_eq!(status.code(), Some(0), "{}", agent.log());
        (took, agent.log())
    }
}

/// What strace does, and what the agent says of it.
const FAULTS: [(&str, &str, &str); 4] = [
    ("full", "pwrite64:error=ENOSPC", "database or disk is full"),
    ("read-only", "pwrite64:error=EROFS", "disk I/O error"),
    ("broken", "fsync,fdatasync:error=EIO", "disk I/O error"),
    ("slow", "fsync,fdatasync:delay_enter=3000000", "the disk has not answered for 2 s"),
];

/// Each of these faults under an agent of its own. They wait most of the time: all at once.
fn each(
    faults: &[(&'static str, &str, &str)],
    check: impl Fn(&str, &mut Scene, Fault, &str) + Sync,
) {
    let _alone = alone();
    std::thread::scope(|scope| {
        for (name, inject, reason) in faults {
            scope.spawn(|| {
                let mut scene = Scene::start(&[]);
                let Some(fault) = Fault::begin(scene.agent(), inject) else { return };
                check(name, &mut scene, fault, reason);
            });
        }
    });
}

#[test]
fn a_fault_ends() {
    each(&FAULTS, |name, scene, fault, reason| {
        scene.write(30);
        scene.is_failing(reason);
        std::thread::sleep(FAULT);
        scene.write(10);
        scene.has_said_once(NOT_SAVED);
        fault.end(scene.agent());
        let clock = Clock::system();
        scene.recovers();
        let took = clock.monotonic().since_start();
        scene.write(5);
        scene.is_killed_and_goes_on();
        say(&format!("{name}: {} lines, each once, saved again after {took:?}", scene.written));
    });
}

#[test]
fn killed_in_the_middle_of_a_fault() {
    each(&FAULTS, |name, scene, fault, reason| {
        scene.write(30);
        scene.is_failing(reason);
        scene.is_killed_and_goes_on();
        drop(fault);
        say(&format!("{name}, killed meanwhile: {} lines, each once", scene.written));
    });
}

#[test]
fn stopped_in_the_middle_of_a_fault() {
    let stuck = ("stuck", "fsync,fdatasync:delay_enter=60000000", "has not answered for 2 s");
    each(&[FAULTS[0], FAULTS[2], stuck], |name, scene, fault, reason| {
        scene.write(30);
        scene.is_failing(reason);
        let (took, log) = scene.stop(fault);
        assert!(took < Duration::from_secs(8), "{name}: {took:?}\n{log}");
        assert!(log.contains("the last counts and places were not saved"), "{name}: {log}");
        scene.begin();
        scene.goes_on();
        say(&format!("{name}, stopped meanwhile: {} lines, each once, {took:?}", scene.written));
    });
}

/// A disk that takes its time is no fault; what is shown waits for it.
#[test]
fn a_disk_that_is_a_little_slow() {
    let _alone = alone();
    let mut scene = Scene::start(&[]);
    let slow = "fsync,fdatasync:delay_enter=300000";
    let Some(fault) = Fault::begin(scene.agent(), slow) else { return };
    for _ in 0..5 {
        let clock = Clock::system();
        scene.write(30);
        assert!(clock.monotonic().since_start() >= Duration::from_millis(250));
        scene.is_healthy();
    }
    assert!(!scene.agent().log().contains(NOT_SAVED), "{}", scene.agent().log());
    scene.is_killed_and_goes_on();
    drop(fault);
}

/// One that is never in time, while lines come all the time: nothing is lost, the log is not flooded.
#[test]
fn a_disk_that_is_always_too_slow() {
    let _alone = alone();
    let mut scene = Scene::start(&[]);
    let slow = "fsync,fdatasync:delay_enter=2600000";
    let Some(fault) = Fault::begin(scene.agent(), slow) else { return };
    for _ in 0..2 {
        let before = scene.agent().sum("requests_total", &[]);
        for _ in 0..10 {
            scene.directory.append("a.log", &verified("/").repeat(200));
            scene.written += 200;
            std::thread::sleep(Duration::from_millis(250));
        }
        assert!(scene.agent().sum("requests_total", &[]) > before);
    }
    scene.counts_all();
    scene.has_said_once(NOT_SAVED);
    let recovered = scene.agent().log().matches("the state is saved again").count();
    assert!(recovered <= 1, "{}", scene.agent().log());
    scene.is_killed_and_goes_on();
    drop(fault);
    say(&format!("always too slow: {} lines, each once", scene.written));
}

/// An agent whose state is on a file system of its own, and which has saved some lines.
fn on_a_small_disk(size: &str) -> Option<Scene> {
    let directory = Directory::new();
    fs::create_dir(directory.at("state")).unwrap();
    let disk = SmallDisk::mount(&directory.at("state"), size)?;
    let mut scene = Scene::new(directory, &[]);
    scene.disk = Some(disk);
    scene.begin();
    scene.write(20);
    scene.is_healthy();
    Some(scene)
}

/// A file system that is really full, without anybody tracing the agent.
#[test]
fn a_file_system_that_is_full() {
    let _alone = alone();
    let Some(mut scene) = on_a_small_disk("1m") else { return };
    scene.disk().fill();
    // What was written to before has room in it for some time.
    for _ in 0..100 {
        scene.write(30);
        if scene.agent().sum("state_healthy", &[]) < 0.5 {
            break;
        }
    }
    scene.is_failing("database or disk is full");
    scene.write(30);
    scene.disk().empty();
    scene.recovers();
    scene.is_killed_and_goes_on();
}

/// It starts where nothing can be written: it goes on from what was saved, and saves later.
#[test]
fn a_start_on_a_file_system_that_is_full() {
    let _alone = alone();
    let Some(mut scene) = on_a_small_disk("2m") else { return };
    assert_eq!(scene.agent.take().unwrap().stop(), Some(0));
    scene.disk().fill();
    scene.begin();
    scene.goes_on_unsaved("");
    scene.disk().empty();
    scene.recovers();
    scene.is_killed_and_goes_on();
}

#[test]
fn a_start_on_a_file_system_that_is_read_only() {
    let _alone = alone();
    for is_killed in [false, true] {
        let Some(mut scene) = on_a_small_disk("2m") else { return };
        let agent = scene.agent.take().unwrap();
        if is_killed {
            drop(agent);
        } else {
            assert_eq!(agent.stop(), Some(0));
        }
        scene.disk().remount("ro");
        scene.begin();
        scene.goes_on_unsaved("Read-only file system");
        scene.disk().remount("rw");
        scene.recovers();
        assert!(!scene.agent().log().contains("set aside"), "{}", scene.agent().log());
        scene.is_killed_and_goes_on();
    }
}

#[test]
fn the_file_is_removed() {
    let _alone = alone();
    let mut scene = Scene::start(&[]);
    fs::remove_file(scene.state().join("state.db")).unwrap();
    scene.write(30);
    scene.agent().says("was removed or replaced while it was in use");
    scene.recovers();
    assert!(scene.state().join("state.db").exists());
    scene.is_killed_and_goes_on();
}

#[test]
fn the_directory_is_removed_and_made_again() {
    let _alone = alone();
    let mut scene = Scene::start(&["--config", "without-sandbox.toml"]);
    fs::remove_dir_all(scene.state()).unwrap();
    fs::create_dir(scene.state()).unwrap();
    scene.write(30);
    scene.recovers();
    scene.is_killed_and_goes_on();
}

/// The kernel knows the directory that was opened to the agent, not its name.
#[test]
fn a_directory_made_again_is_outside_of_the_sandbox() {
    let _alone = alone();
    let mut scene = Scene::start(&[]);
    if !scene.agent().log().contains("landlock_abi") {
        return say("SKIPPED, there is no sandbox here");
    }
    fs::remove_dir_all(scene.state()).unwrap();
    scene.write(30);
    scene.agent().says("was removed or replaced while it was in use");
    fs::create_dir(scene.state()).unwrap();
    let told =
        || Some(scene.agent().is_ready(false)).filter(|told| told.contains("restart needed"));
    assert!(wait_for(told).is_some(), "{}", scene.agent().is_ready(false));
    scene.agent().comes_to("state_healthy", &[], 0.0);
    scene.has_said_once(NOT_SAVED);
    scene.write(30);
    // The log is still there, and says what the removed state did.
    drop(scene.agent.take());
    scene.begin();
    scene.counts_all();
    scene.is_healthy();
    scene.is_killed_and_goes_on();
}

#[test]
fn no_directory_at_the_start() {
    let _alone = alone();
    let mut scene = Scene::new(Directory::new(), &["--config", "without-sandbox.toml"]);
    fs::write(scene.state(), "a file").unwrap();
    scene.begin();
    scene.write(30);
    scene.is_failing("File exists");
    scene.has_said_once(NOT_SAVED);
    // As soon as there can be one, it is made.
    fs::remove_file(scene.state()).unwrap();
    scene.recovers();
    scene.is_killed_and_goes_on();
}

#[test]
fn no_file_at_the_start() {
    let _alone = alone();
    let mut scene = Scene::new(Directory::new(), &[]);
    let file = scene.state().join("state.db");
    fs::create_dir_all(&file).unwrap();
    scene.begin();
    scene.write(30);
    scene.is_failing("state.db: ");
    fs::remove_dir(file).unwrap();
    scene.recovers();
    scene.is_killed_and_goes_on();
}

#[test]
fn a_damaged_file_at_the_start() {
    let _alone = alone();
    let mut scene = Scene::start(&[]);
    assert_eq!(scene.agent.take().unwrap().stop(), Some(0));
    let damaged = "x".repeat(9000);
    fs::write(scene.state().join("state.db"), &damaged).unwrap();
    scene.begin();
    let said = scene.agent().says("the state was damaged: it is set aside, counts start at zero");
    let aside = said.split("aside=").nth(1).unwrap().trim();
    assert_eq!(fs::read_to_string(aside).unwrap(), damaged);
    // `--from beginning` says where from.
    scene.write(10);
    scene.is_healthy();
    scene.is_killed_and_goes_on();
}

#[test]
fn a_second_agent() {
    let _alone = alone();
    let mut scene = Scene::start(&[]);
    let output = scene.command(&scene.state()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    let state = scene.state();
    let process = scene.agent().id();
    let expected = format!(
        "{}: another gatelog holds this state directory (process {process})",
        state.display()
    );
    assert!(error.contains(&expected), "{error}");
    scene.write(10);
    scene.is_healthy();
}

#[test]
fn a_backup_while_it_runs() {
    let _alone = alone();
    let mut scene = Scene::start(&[]);
    let copy = scene.directory.at("copy");
    fs::create_dir(&copy).unwrap();
    let mut command = Command::new("sqlite3");
    command.arg(scene.state().join("state.db"));
    command.arg(format!(".backup {}", copy.join("state.db").display()));
    match command.output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(error) => return say(&format!("SKIPPED, a backup by sqlite3: {error}")),
    }
    scene.write(30);
    // From the copy, another one goes on at the place where that was made, with its counts.
    let other = Agent::start(&mut scene.command(&copy));
    assert!(other.says("counts go on from the saved state").contains("requests=20"));
    other.comes_to("requests_total", &[], f64::from(scene.written));
    std::thread::sleep(SETTLED);
    other.comes_to("requests_total", &[], f64::from(scene.written));
    let counts = |agent: &Agent| -> Vec<String> {
        let page = agent.metrics();
        let counts =
            page.lines().filter(|line| line.contains("requests") || line.contains("lines"));
        counts.map(str::to_owned).collect()
    };
    assert_eq!(counts(&other), counts(scene.agent()));
    scene.is_healthy();
}

/// Who asks while the disk is stuck gets an answer all the same, and soon.
#[test]
fn a_scrape_does_not_wait_for_a_stuck_disk() {
    let _alone = alone();
    let scene = Scene::start(&[]);
    let stuck = "fsync,fdatasync:delay_enter=60000000";
    let Some(fault) = Fault::begin(scene.agent(), stuck) else { return };
    scene.directory.append("a.log", &verified("/"));
    let clock = Clock::system();
    scene.agent().comes_to("requests_total", &[], f64::from(scene.written + 1));
    let took = clock.monotonic().since_start();
    assert!(took < Duration::from_secs(4), "{took:?}");
    scene.is_failing("the disk has not answered for 2 s");
    fault.end(scene.agent());
    scene.is_healthy();
}
