//! Makes the disk under a running agent fail: its system calls by strace, or a real file system that
//! is small.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::agent::{Agent, kill, signal, wait_for};
use crate::say;

const BLOCK_BYTES: usize = 4096;

/// A fault beneath a running process, as long as it lives.
pub(crate) struct Fault(Child);

impl Fault {
    /// What strace is to do with which system calls, as its `inject=` takes it. SQLite writes by
    /// `pwrite64`, which nothing else here uses, and waits for the disk by `fsync` or `fdatasync`.
    /// None where the system lets nobody do that.
    pub(crate) fn begin(agent: &Agent, inject: &str) -> Option<Fault> {
        let process = agent.id();
        let inject = format!("inject={inject}");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-p", &process.to_string(), "-e", &inject]);
        let spawned = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
        let child = match spawned {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => return skipped("no strace"),
            Err(error) => panic!("strace: {error}"),
        };
        let mut fault = Fault(child);
        let tracer = fault.0.id();
        let is_attached = || tracers(process).iter().all(|found| *found == tracer);
        let begun = wait_for(|| {
            let ended = fault.0.try_wait().unwrap().is_some();
            (ended || is_attached()).then_some(!ended)
        });
        if begun == Some(true) {
            return Some(fault);
        }
        let mut error = String::new();
        drop(fault.0.kill());
        fault.0.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        assert!(error.contains("not permitted"), "strace: {error}");
        skipped(error.trim())
    }

    /// Lets the process go, which runs on without the fault.
    pub(crate) fn end(mut self, agent: &Agent) {
        signal(&self.0, "TERM");
        wait_for(|| self.0.try_wait().unwrap()).unwrap();
        assert!(tracers(agent.id()).iter().all(|tracer| *tracer == 0));
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        kill(&mut self.0);
    }
}

/// Who traces each thread of a process; 0 is nobody.
fn tracers(process: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let of_thread = |thread: PathBuf| {
        // A thread may end meanwhile.
        let status = fs::read_to_string(thread.join("status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("TracerPid:")?.trim().parse().ok())
    };
    threads.filter_map(|thread| of_thread(thread.unwrap().path())).collect()
}

/// Says loudly that there was nothing to see.
fn skipped<T>(why: &str) -> Option<T> {
    say(&format!("SKIPPED, faults cannot be made here: {why}"));
    None
}

/// A file system in memory, for those only who are started in it.
pub(crate) struct SmallDisk {
    /// Keeps the name space in which it is mounted.
    holder: Child,
    directory: PathBuf,
}

impl SmallDisk {
    /// Mounts one on a directory. None where the system lets nobody do that.
    pub(crate) fn mount(directory: &Path, size: &str) -> Option<SmallDisk> {
        let script = format!("mount -t tmpfs -o size={size} none \"$0\" && echo && exec sleep 600");
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script]).arg(directory);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = match command.spawn() {
            Ok(holder) => holder,
            Err(error) => return skipped(&format!("unshare: {error}")),
        };
        let mut mounted = [0];
        if holder.stdout.take().unwrap().read(&mut mounted).unwrap() == 0 {
            let mut error = String::new();
            holder.stderr.take().unwrap().read_to_string(&mut error).unwrap();
            kill(&mut holder);
            return skipped(error.trim());
        }
        Some(SmallDisk { holder, directory: directory.to_owned() })
    }

    /// A command, to be started where it is mounted.
    pub(crate) fn command(&self, of: &Command) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("-m").arg("-t").arg(self.holder.id().to_string());
        command.args(["sh", "-c", "cd \"$0\" && exec \"$@\""]).arg(of.get_current_dir().unwrap());
        command.arg(of.get_program()).args(of.get_args()).stdin(Stdio::null());
        for (name, value) in of.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Takes all of its room.
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.filler()).unwrap();
        while file.write_all(&[0; BLOCK_BYTES]).is_ok() {}
    }

    pub(crate) fn empty(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    /// Anew, `ro` or `rw`; nothing may have it open for writing.
    pub(crate) fn remount(&self, how: &str) {
        let mut command = Command::new("nsenter");
        command.args(["-m", "-t", &self.holder.id().to_string()]);
        command.args(["mount", "-o", &format!("remount,{how}")]).arg(&self.directory);
        assert!(command.status().unwrap().success());
    }

    fn filler(&self) -> PathBuf {
        let inside = self.directory.strip_prefix("/").unwrap().join("filler");
        Path::new(&format!("/proc/{}/root", self.holder.id())).join(inside)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        kill(&mut self.holder);
    }
}
