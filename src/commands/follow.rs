//! `gatelog parse --follow`: what is there, then what comes, as it comes.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;

use tokio::signal::unix::{SignalKind, signal};

use super::arguments::{Common, Filter};
use super::context::{Context, Failure, say_error, say_note};
use super::parse::{self, LineWriter};
use super::run::options;
use crate::agent::source::Source;
use crate::limits::LOOK_INTERVAL_MAX;
use crate::setup::source::{Setup, SetupError};
use crate::source::change::Change;
use crate::source::feed::Wake;
use crate::source::file::{Progress, StartAt};
use crate::source::watch::{Watched, watch};

/// Prints the lines of the logs, those that are there already first, until a signal or until nobody
/// reads the output any more.
pub(super) fn run(
    context: &Context,
    common: &Common,
    filter: &Filter,
    logs: Vec<String>,
) -> Result<ExitCode, Failure> {
    if logs.iter().all(|log| log == "-") {
        // Standard input is read until it ends, which is following it.
        return parse::run(context, filter, &logs);
    }
    let mut options = options(common, logs)?;
    options.start = options.start.or(Some(StartAt::Beginning));
    let setup = Setup::load_for_lines(&options)?;
    let bell = Bell::new().map_err(Failure::usage)?;
    let sources = setup.sources.into_iter().map(|setup| Source::new(setup, &bell.wake, None));
    let mut sources: Vec<Source> = sources.collect::<Result<_, SetupError>>()?;
    let mut out = LineWriter::new(filter, &context.router);
    let color = context.color.on(io::stderr().is_terminal());
    loop {
        for source in &mut sources {
            look(source, context, color);
        }
        let directories = sources.iter().flat_map(Source::directories);
        // A directory beyond the bound is looked at without being watched.
        let _over = bell.watched.set(directories);
        read_all(&mut sources, &mut out)?;
        if bell.wait() == Rung::Stop {
            break;
        }
    }
    // What was written before the signal still counts.
    for source in &mut sources {
        source.stop();
        look(source, context, color);
    }
    read_all(&mut sources, &mut out)?;
    drop(sources);
    bell.finish();
    out.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn look(source: &mut Source, context: &Context, color: bool) {
    for change in source.look(context.clock.monotonic()).list {
        match change {
            Change::Problem { path, problem } => {
                say_note(&format!("{}: {problem}", path.display()));
            }
            Change::Truncated { path, lost_bytes: lost_bytes @ 1.. } => {
                let path = path.display();
                say_error(&format!("{path}: truncated, {lost_bytes} bytes are lost"), color);
            }
            Change::Lost { path, reason, lost_bytes } => {
                let (path, reason) = (path.display(), reason.name());
                let bytes = lost_bytes.map_or("some".to_owned(), |bytes| format!("{bytes} bytes"));
                say_error(&format!("{path}: {reason}, {bytes} of its lines are lost"), color);
            }
            Change::Appeared { path, .. } => {
                if let Some(format) = source.format_name() {
                    say_note(&format!("{}: read as {format}", path.display()));
                }
            }
            Change::Rotated { .. }
            | Change::Gone { .. }
            | Change::Truncated { .. }
            | Change::Missed { .. } => {}
        }
    }
}

/// Prints all that the last look knew of, a chunk of each source in turn.
fn read_all(sources: &mut [Source], out: &mut LineWriter<'_>) -> Result<(), Failure> {
    let mut unread = true;
    while unread {
        unread = false;
        for source in &mut *sources {
            let mut written = Ok(());
            let progress = source.read(|reader, line| {
                if written.is_err() {
                    return true;
                }
                let result = match reader {
                    Some(reader) => out.write(reader, line),
                    None => out.write_unknown(line).map(|()| false),
                };
                result.unwrap_or_else(|failure| {
                    written = Err(failure);
                    true
                })
            });
            written?;
            unread |= progress == Progress::Read;
        }
        out.flush()?;
    }
    Ok(())
}

/// Rings when files may have changed, and when a signal says to stop. A small runtime on a thread of
/// its own waits for both.
struct Bell {
    watched: Watched,
    rings: Receiver<Rung>,
    /// Rings for what is no file.
    wake: Wake,
    thread: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rung {
    Look,
    Stop,
}

/// Rings that wait: one to look, one to stop.
const RINGS_MAX: usize = 2;

impl Bell {
    fn new() -> io::Result<Bell> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Before anything is printed: who reads it may send one at once.
        let in_runtime = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        drop(in_runtime);
        let (ring, rings) = sync_channel(RINGS_MAX);
        let look = ring.clone();
        let wake: Wake = Arc::new(move || {
            // When it is full, somebody is about to look.
            let _full = look.try_send(Rung::Look);
        });
        let waker = Arc::clone(&wake);
        let (watched, watching) = watch(move || waker());
        let thread = std::thread::Builder::new().name("bell".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = watching => {}
                    _ = interrupt.recv() => ring_stop(&ring),
                    _ = terminate.recv() => ring_stop(&ring),
                }
            });
        })?;
        Ok(Bell { watched, rings, wake, thread })
    }

    /// Waits for the next ring, or for the regular look.
    fn wait(&self) -> Rung {
        match self.rings.recv_timeout(LOOK_INTERVAL_MAX) {
            Ok(rung) => rung,
            Err(RecvTimeoutError::Timeout) => Rung::Look,
            Err(RecvTimeoutError::Disconnected) => Rung::Stop,
        }
    }

    fn finish(self) {
        let Bell { watched, rings, wake, thread } = self;
        drop((watched, rings, wake));
        // It ends with the handle; a panic in it has been printed.
        let _panicked = thread.join();
    }
}

/// Waits for room: a stop must not be lost.
fn ring_stop(ring: &SyncSender<Rung>) {
    // An error means that the reading has ended already.
    let _ended = ring.send(Rung::Stop);
}
