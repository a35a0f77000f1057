//! What the agent may touch from its start on, whatever happens in it: landlock(7), where the kernel
//! has it.
//!
//! It reads the directories of its logs and of its configuration, the time zones, and what /proc says
//! of itself; it writes what it is told it may; it executes nothing. It listens on its own ports and
//! connects to those of its receivers. What it may read, and which ports these are, is settled once, so a
//! reload that needs more is refused.
//!
//! On an older kernel as much of it holds as that one knows: files since Linux 5.13, truncation since
//! 6.2, TCP since 6.7, devices since 6.10, signals and abstract sockets since 6.12. What landlock does
//! not restrict: metadata of files, `chdir`, UDP, and sockets that have a path, such as systemd's.

mod roots;

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus,
    NetPort, PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreated,
    RulesetCreatedAttr as _, RulesetError, Scope, make_bitflags,
};

use crate::limits::SANDBOX_PROBLEMS_MAX;
use crate::setup::needs::{Need, When};
use crate::source::change::{Change, Changes, Problem};
use roots::{Place, Roots, place};

/// What jiff reads for the names of time zones, besides `$TZDIR`.
const TIME_ZONES: [&str; 3] = ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];

/// Files that are read whatever is configured: SQLite's source of chance, and what the `process_*`
/// metrics want to know of the system.
const FILES: [&str; 3] = ["/dev/urandom", "/proc/stat", "/proc/sys/kernel/osrelease"];

/// Of itself, for the `process_*` metrics and the losses of its sockets.
const PROC_SELF: &str = "/proc/self";

/// The newest landlock of which each right is known here and was tested.
const FILES_ABI: ABI = ABI::V5;
const SCOPES_ABI: ABI = ABI::V6;

/// The first that restricts whom one connects to.
const CONNECT_ABI: i32 = 4;

const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});

/// What a database and a socket need of their directory.
const WRITE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeSock | RemoveFile | Refer
});

/// What the agent asks for.
#[derive(Debug)]
pub(super) struct Wishes<'a> {
    /// What is read.
    pub(super) needs: &'a BTreeSet<Need>,
    /// Directories whose files are read, written, made and removed. Each must exist.
    pub(super) writable: &'a [PathBuf],
    /// TCP ports to listen on; 0 is any.
    pub(super) ports: Vec<u16>,
    /// TCP ports to connect to.
    pub(super) connect: BTreeSet<u16>,
}

/// What is restricted.
#[derive(Debug)]
pub(super) struct Sandbox(State);

#[derive(Debug)]
enum State {
    /// The operator wants none.
    Off,
    /// There is none, and why.
    Without(String),
    InForce(InForce),
}

#[derive(Debug)]
struct InForce {
    abi: i32,
    readable: Roots,
    writable: Roots,
    connect: BTreeSet<u16>,
    /// Logs that are not there yet, with the directory that is open instead of theirs.
    awaited: Vec<(PathBuf, PathBuf)>,
    /// A directory of /proc is made anew when the kernel has forgotten it, and would then be
    /// another one than that of the rule. While it is open it is not forgotten.
    _kept: Vec<PathFd>,
}

/// What a reload names outside of the sandbox.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outside(Vec<Need>);

impl std::error::Error for Outside {}

/// A port of a receiver that a reload names and the sandbox keeps out.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("restart needed: a receiver is at port {0}, to which the sandbox lets nothing connect")]
pub(super) struct OutsidePort(u16);

impl Display for Outside {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().take(SANDBOX_PROBLEMS_MAX);
        let line = |Need { path, directory, .. }: &Need| {
            let what = if path == directory {
                format!("`{}` is", directory.display())
            } else {
                format!("`{}` is read from {}, which is", path.display(), directory.display())
            };
            format!("restart needed: {what} outside of what the sandbox has left open")
        };
        let mut lines: Vec<String> = shown.map(line).collect();
        if let Some(more @ 1..) = self.0.len().checked_sub(lines.len()) {
            lines.push(format!("and {more} more"));
        }
        f.write_str(&lines.join("\n"))
    }
}

impl Sandbox {
    /// Nothing is restricted: `sandbox = false`.
    pub(super) fn off() -> Sandbox {
        Sandbox(State::Off)
    }

    /// Restricts the calling thread and those that it will start, for good. A kernel that cannot is
    /// no error.
    pub(super) fn enter(wishes: &Wishes<'_>) -> Sandbox {
        let readable = Roots::of_needs(wishes.needs);
        let writable = Roots::new(wishes.writable.iter().cloned());
        let kept: Vec<PathFd> = PathFd::new(PROC_SELF).into_iter().collect();
        let entered = restrict(&readable, &writable, wishes, &kept);
        Sandbox(match entered.map(|status| status.landlock) {
            Ok(LandlockStatus::Available { effective_abi, kernel_abi }) => {
                State::InForce(InForce {
                    abi: kernel_abi.unwrap_or(effective_abi as i32),
                    awaited: awaited(wishes.needs),
                    readable,
                    writable,
                    connect: wishes.connect.clone(),
                    _kept: kept,
                })
            }
            Ok(LandlockStatus::NotEnabled) => State::Without("landlock is not enabled".to_owned()),
            Ok(LandlockStatus::NotImplemented) => State::Without(
                "no landlock: an older kernel, or a filter of system calls".to_owned(),
            ),
            Err(error) => State::Without(error.to_string()),
        })
    }

    /// Says what holds.
    pub(super) fn say(&self) {
        let in_force = match &self.0 {
            State::Off => return tracing::info!("no sandbox: `sandbox = false`"),
            State::Without(reason) => return tracing::info!(reason, "no sandbox"),
            State::InForce(in_force) => in_force,
        };
        let InForce { abi, readable, writable, awaited, .. } = in_force;
        tracing::info!(
            landlock_abi = abi,
            readable_directories = readable.iter().len(),
            writable_directories = writable.iter().len(),
            "sandbox"
        );
        for (what, roots) in [("readable", readable), ("writable", writable)] {
            roots.iter().for_each(|root| tracing::debug!(path = %root.path.display(), what));
        }
        for (log, above) in awaited.iter().take(SANDBOX_PROBLEMS_MAX) {
            let (path, readable) = (log.display(), above.display());
            let narrower = "its directory does not exist: until a restart all of this is readable";
            if above.parent().is_none() {
                tracing::warn!(%path, %readable, "{narrower}");
            } else {
                tracing::info!(%path, %readable, "{narrower}");
            }
        }
    }

    /// Whether all of this can be read, and written, without a restart.
    pub(super) fn admit(
        &self,
        needs: &BTreeSet<Need>,
        writable: &[PathBuf],
    ) -> Result<(), Outside> {
        let State::InForce(in_force) = &self.0 else { return Ok(()) };
        let mut outside: Vec<Need> =
            needs.iter().filter(|need| !in_force.readable.hold(need)).cloned().collect();
        let kept_out = writable.iter().filter(|directory| match place(directory) {
            Place::There(path) | Place::Above(path) => !in_force.writable.hold_directory(&path),
        });
        outside.extend(kept_out.map(|directory| Need {
            directory: directory.clone(),
            path: directory.clone(),
            when: When::Always,
        }));
        outside.dedup_by(|a, b| a.directory == b.directory);
        if outside.is_empty() { Ok(()) } else { Err(Outside(outside)) }
    }

    /// Whether all of these ports can be connected to without a restart.
    pub(super) fn admit_ports(&self, ports: &BTreeSet<u16>) -> Result<(), OutsidePort> {
        let State::InForce(in_force) = &self.0 else { return Ok(()) };
        let outside = ports.iter().find(|port| !in_force.connect.contains(port));
        match outside.filter(|_| in_force.abi >= CONNECT_ABI) {
            Some(port) => Err(OutsidePort(*port)),
            None => Ok(()),
        }
    }

    /// Gives files that the kernel refuses for our own sandbox their true reason.
    pub(super) fn explain(&self, changes: &mut Changes) {
        for change in &mut changes.list {
            if let Change::Problem { path, problem } = change
                && let Problem::Unreadable(error) = problem
                && error.kind() == std::io::ErrorKind::PermissionDenied
                && self.keeps_out(path)
            {
                *problem = Problem::Sandbox;
            }
        }
    }

    fn keeps_out(&self, path: &Path) -> bool {
        match &self.0 {
            State::InForce(in_force) => !in_force.readable.hold_file(path),
            State::Off | State::Without(_) => false,
        }
    }
}

/// The logs for which a directory above theirs is open, in which theirs may appear.
fn awaited(needs: &BTreeSet<Need>) -> Vec<(PathBuf, PathBuf)> {
    let logs = needs.iter().filter(|need| need.when == When::Always);
    logs.filter_map(|need| match place(&need.directory) {
        Place::Above(above) => Some((need.path.clone(), above)),
        Place::There(_) => None,
    })
    .collect()
}

fn restrict(
    readable: &Roots,
    writable: &Roots,
    Wishes { ports, connect, .. }: &Wishes<'_>,
    kept: &[PathFd],
) -> Result<RestrictionStatus, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(FILES_ABI))?
        .handle_access(AccessNet::ConnectTcp)?
        .scope(Scope::from_all(SCOPES_ABI))?;
    let binds = !ports.contains(&0);
    if binds {
        ruleset = ruleset.handle_access(AccessNet::BindTcp)?;
    }
    let mut created = ruleset.create()?;
    for port in ports.iter().filter(|_| binds) {
        created = created.add_rule(NetPort::new(*port, AccessNet::BindTcp))?;
    }
    for port in connect {
        created = created.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    let zones = std::env::var_os("TZDIR").map(PathBuf::from);
    let zones = TIME_ZONES.iter().map(PathBuf::from).chain(zones);
    let readable = readable.iter().map(|root| root.path.clone()).chain(zones);
    for directory in readable {
        created = allow(created, &directory, READ)?;
    }
    for root in writable.iter() {
        created = allow(created, &root.path, WRITE)?;
    }
    for file in FILES {
        created = allow(created, Path::new(file), AccessFs::ReadFile.into())?;
    }
    for directory in kept {
        created = created.add_rule(PathBeneath::new(directory, READ))?;
    }
    created.restrict_self()
}

/// What cannot be opened, be it only as a place, cannot be read either.
fn allow(
    created: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    match PathFd::new(path) {
        Ok(opened) => created.add_rule(PathBeneath::new(opened, access)),
        Err(_) => Ok(created),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{self, ErrorKind, Read as _, Write as _};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::{UnixDatagram, UnixListener};
    use std::process::Command;

    use super::*;

    fn need(directory: &Path, when: When) -> Need {
        Need { directory: directory.to_owned(), path: directory.join("a.log"), when }
    }

    #[track_caller]
    fn denied<T>(result: io::Result<T>) {
        let kind = result.err().map(|error| error.kind());
        assert_eq!(kind, Some(ErrorKind::PermissionDenied));
    }

    /// The thread that is restricted ends with the test; those of other tests are not.
    fn within(wishes: &Wishes<'_>, check: impl FnOnce(&Sandbox, i32) + Send) {
        let run = || {
            let sandbox = Sandbox::enter(wishes);
            match &sandbox.0 {
                State::InForce(in_force) => check(&sandbox, in_force.abi),
                state => eprintln!("SKIPPED: what landlock keeps out; {state:?}"),
            }
        };
        std::thread::scope(|scope| scope.spawn(run).join()).unwrap();
    }

    #[test]
    fn files() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["logs", "state", "other"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("a"), "text").unwrap();
        }
        std::os::unix::fs::symlink(at("other/a"), at("logs/link")).unwrap();
        let needs = BTreeSet::from([need(&at("logs"), When::Always)]);
        let writable = [at("state")];
        let wishes =
            Wishes { needs: &needs, writable: &writable, ports: vec![0], connect: BTreeSet::new() };
        within(&wishes, |sandbox, abi| {
            assert_eq!(fs::read(at("logs/a")).unwrap(), b"text");
            assert_eq!(fs::read_dir(at("logs")).unwrap().count(), 2);
            fs::read("/proc/self/stat").unwrap();
            fs::read("/proc/self/limits").unwrap();
            fs::read("/proc/stat").unwrap();
            // What is linked to is what counts, and its metadata is no secret.
            denied(fs::read(at("logs/link")));
            assert!(at("logs/link").metadata().unwrap().is_file());
            denied(fs::read(at("other/a")));
            denied(fs::read_dir(at("other")));
            denied(fs::read_dir(directory.path()));
            denied(fs::read("/etc/passwd"));
            denied(fs::read("/proc/1/status"));
            denied(fs::write(at("logs/a"), "other"));
            denied(fs::write(at("logs/b"), ""));
            denied(fs::remove_file(at("logs/a")));
            denied(fs::create_dir(at("logs/d")));
            denied(fs::write(at("other/b"), ""));
            denied(Command::new("/bin/true").status());

            fs::write(at("state/b"), "new").unwrap();
            fs::rename(at("state/b"), at("state/a")).unwrap();
            assert_eq!(fs::read(at("state/a")).unwrap(), b"new");
            fs::remove_file(at("state/a")).unwrap();
            UnixDatagram::bind(at("state/s")).unwrap();
            denied(UnixDatagram::bind(at("logs/s")));
            if abi >= 3 {
                denied(fs::File::create(at("other/a")).and_then(|file| file.set_len(0)));
            }
            assert!(!sandbox.keeps_out(&at("logs/none")) && sandbox.keeps_out(&at("logs/link")));
            assert!(sandbox.keeps_out(&at("other/a")));
        });
        assert_eq!(fs::read(at("logs/a")).unwrap(), b"text");
    }

    /// SQLite makes and removes files beside its own, and locks and maps them.
    #[test]
    fn a_database() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("state")).unwrap();
        let (needs, writable) = (BTreeSet::new(), [at("state")]);
        let wishes =
            Wishes { needs: &needs, writable: &writable, ports: vec![0], connect: BTreeSet::new() };
        within(&wishes, |_, _| {
            let open = || rusqlite::Connection::open(at("state/db")).unwrap();
            let database = open();
            let setup = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (n)";
            database.execute_batch(setup).unwrap();
            database.execute_batch("INSERT INTO t VALUES (zeroblob(1000000))").unwrap();
            let other = open();
            other.execute_batch("INSERT INTO t SELECT * FROM t").unwrap();
            other.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
            database
                .execute_batch(&format!("VACUUM INTO '{}'", at("state/copy").display()))
                .unwrap();
            drop((database, other));
            fs::rename(at("state/db"), at("state/db.damaged")).unwrap();
            assert!(rusqlite::Connection::open(at("db")).is_err());
        });
    }

    #[test]
    fn sockets() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("notify");
        let manager = UnixDatagram::bind(&socket).unwrap();
        let there = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = there.local_addr().unwrap();
        let own = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let needs = BTreeSet::new();
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = other.local_addr().unwrap();
        let connect = BTreeSet::from([other.port()]);
        let wishes = |port| Wishes {
            needs: &needs,
            writable: &[],
            ports: vec![port],
            connect: connect.clone(),
        };
        within(&wishes(own.port()), |_, abi| {
            if abi >= 4 {
                denied(TcpStream::connect(there));
                denied(TcpListener::bind("127.0.0.1:0"));
            }
            TcpStream::connect(other).unwrap();
            TcpListener::bind(own).unwrap();
            UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"a", there).unwrap();
            // systemd's socket has a path.
            let told = UnixDatagram::unbound().unwrap().send_to(b"READY=1\n", &socket);
            assert_eq!(told.unwrap(), 8);
            denied(UnixListener::bind(directory.path().join("new")));
        });
        within(&wishes(0), |_, abi| {
            TcpListener::bind("127.0.0.1:0").unwrap();
            if abi >= 4 {
                denied(TcpStream::connect(there));
            }
        });
        drop(manager);
    }

    #[test]
    fn what_a_reload_may_name() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["logs", "state", "other", "sock"] {
            fs::create_dir(at(name)).unwrap();
        }
        let sandbox = Sandbox(State::InForce(InForce {
            abi: 1,
            readable: Roots::new([at("logs")]),
            writable: Roots::new([at("state")]),
            connect: BTreeSet::from([443]),
            awaited: Vec::new(),
            _kept: Vec::new(),
        }));
        let always = |name: &str| need(&at(name), When::Always);
        let of = |needs: &[Need]| needs.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(sandbox.admit(&of(&[]), &[]), Ok(()));
        let inside = of(&[always("logs"), always("logs/late"), need(&at("none"), When::Reload)]);
        assert_eq!(sandbox.admit(&inside, &[at("state")]), Ok(()));
        let outside = of(&[always("logs"), always("other"), always("none/a")]);
        let error = sandbox.admit(&outside, &[at("sock")]).unwrap_err().to_string();
        let shown = |name: &str| at(name).display().to_string();
        let read = |name: &str| {
            let (file, directory) = (shown(&format!("{name}/a.log")), shown(name));
            format!("restart needed: `{file}` is read from {directory}, which is outside")
        };
        let rest = " of what the sandbox has left open";
        let socket = format!("restart needed: `{}` is outside", shown("sock"));
        let expected = [read("none/a"), read("other"), socket].map(|line| line + rest);
        assert_eq!(error, expected.join("\n"));
        assert_eq!(sandbox.admit_ports(&BTreeSet::from([443])), Ok(()));
        // Landlock 1 knows no ports.
        assert_eq!(sandbox.admit_ports(&BTreeSet::from([80, 443])), Ok(()));
        let many: BTreeSet<Need> = (0..20).map(|number| always(&format!("x{number}"))).collect();
        let error = sandbox.admit(&many, &[]).unwrap_err().to_string();
        assert_eq!(error.lines().count(), SANDBOX_PROBLEMS_MAX + 1);
        assert!(error.ends_with("\nand 12 more"), "{error}");
        for free in [Sandbox::off(), Sandbox(State::Without(String::new()))] {
            assert_eq!(free.admit(&many, &[at("sock")]), Ok(()));
            assert!(!free.keeps_out(&at("other/a")));
        }
    }

    #[test]
    fn ports_that_a_reload_may_name() {
        let sandbox = Sandbox(State::InForce(InForce {
            abi: CONNECT_ABI,
            readable: Roots::default(),
            writable: Roots::default(),
            connect: BTreeSet::from([443]),
            awaited: Vec::new(),
            _kept: Vec::new(),
        }));
        assert_eq!(sandbox.admit_ports(&BTreeSet::from([443])), Ok(()));
        let error = sandbox.admit_ports(&BTreeSet::from([80, 443])).unwrap_err();
        let expected = "a receiver is at port 80, to which the sandbox lets nothing connect";
        assert_eq!(error.to_string(), format!("restart needed: {expected}"));
    }

    /// A receiver is found by its name, asked, and shown a token, from within; another is not.
    #[test]
    fn receivers() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("token"), "x").unwrap();
        let [there, elsewhere] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let config = |listener: &TcpListener| {
            let text = format!(
                "[[receiver]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"http://localhost:{}\"\n\
                 bearer_token_file = {:?}",
                listener.local_addr().unwrap().port(),
                directory.path().join("token"),
            );
            crate::config::parse("g.toml", text.as_bytes(), &|_| None).unwrap()
        };
        let (reached, other) = (config(&there), config(&elsewhere));
        let answering = std::thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = there.accept().unwrap();
                let mut request = [0; 4096];
                // The request is one write; what is not read of it does no harm.
                assert!(stream.read(&mut request).unwrap() > 0);
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            }
        });
        let needs = crate::setup::needs::of_receivers(&reached, None);
        let connect = crate::setup::needs::connected(&reached, None);
        let wishes = Wishes { needs: &needs, writable: &[], ports: vec![0], connect };
        within(&wishes, |_, abi| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.unwrap();
            let clock = crate::clock::Clock::system();
            let try_out = |config: &crate::config::Config| {
                let proxies = Ok(crate::notify::Proxies::default());
                let receiver = &config.receivers[0];
                runtime.block_on(crate::notify::try_out(receiver, "h", "http://p", proxies, &clock))
            };
            let trials = try_out(&reached);
            assert!(trials.len() == 2 && trials.iter().all(|it| it.is_taken), "{trials:?}");
            if abi >= CONNECT_ABI {
                let trials = try_out(&other);
                assert!(trials[0].said.contains("Permission denied"), "{trials:?}");
            }
        });
        drop(answering);
    }

    #[test]
    fn logs_that_are_awaited_are_told_with_what_is_open_instead() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        let needs = [("", When::Always), ("late/er", When::Always), ("none", When::Reload)];
        let needs = needs.map(|(name, when)| need(&path.join(name), when)).into();
        assert_eq!(awaited(&needs), [(path.join("late/er/a.log"), path.clone())]);
    }
}
