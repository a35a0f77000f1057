//! A source that is no file: datagrams on a socket, or standard input.
//!
//! The reader looks when it likes, and the kernel keeps little meanwhile. So a thread of its own takes what
//! comes, as it comes, into a bounded queue, and wakes the reader when there is something again. A datagram
//! is a line; one that finds the queue full is dropped and counted. Standard input is cut into lines by the
//! reader, and waits when the queue is full: whoever writes into the pipe waits with it.
//!
//! There is no place to go on from: what a kill leaves in the queue or in the kernel is lost. Over UDP the
//! sender does not even learn that nobody listens.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::queue::{Chunk, Pushed, Queue};
use super::socket::{KernelDrops, Socket, SocketError};
use crate::clock::Clock;
use crate::limits::{
    DATAGRAM_BYTES_MAX, DECODED_BYTES, KERNEL_DROPS_INTERVAL, SOCKET_BUFFER_BYTES,
};
use crate::source::change::{Counters, Gap};
use crate::source::file::Progress;
use crate::source::{Line, LineBuffer, Listen};

/// Called when there is something to read again; it must be quick.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Pause after the system has refused to receive, so that it is not asked, and told of, all the time.
const FAULT_PAUSE: Duration = Duration::from_secs(1);

/// Datagrams taken in one go before the thread looks whether it is to stop.
const BURST_MAX: usize = 1024;

/// Bursts taken at the end: more datagrams than a receive buffer can hold, each takes 768 bytes there.
const BURSTS_OF_DRAIN_MAX: usize = 32;

const _: () = assert!(BURSTS_OF_DRAIN_MAX * BURST_MAX * 768 > 2 * SOCKET_BUFFER_BYTES);

/// The reader's end.
#[derive(Debug)]
pub struct Feed {
    queue: Arc<Queue>,
    shape: Shape,
    read_bytes: u64,
    lines: u64,
    /// Where the socket listens.
    listen: Option<Listen>,
    thread: Option<Receiving>,
}

/// How bytes become lines.
#[derive(Debug)]
enum Shape {
    Datagrams,
    Stream { buffer: Box<LineBuffer>, rest: Option<(Chunk, usize)>, finished: bool },
}

impl Feed {
    /// Listens for datagrams.
    ///
    /// # Errors
    /// When the address or path cannot be had.
    pub fn listen(listen: &Listen, wake: Wake) -> Result<Feed, SocketError> {
        let fail = |source| SocketError::Io { listen: listen.to_string(), source };
        let socket = Socket::bind(listen)?;
        let drops = socket.kernel_drops().unwrap_or_else(|error| {
            tracing::warn!(%listen, %error, "what the kernel drops cannot be counted");
            None
        });
        let bound = socket.listen();
        if let Some(bound) = &bound {
            let receive_buffer_bytes = socket.receive_buffer_bytes();
            tracing::info!(listen = %bound, receive_buffer_bytes, "listening for syslog");
        }
        let queue = Arc::new(Queue::default());
        let thread = Receiving::start("syslog", &queue, |queue, stop| {
            move || Receiver { queue, stop, wake, drops, unchecked: false }.run(&socket)
        });
        Ok(Feed::new(queue, Shape::Datagrams, bound, thread.map_err(fail)?))
    }

    /// Reads standard input.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn stdin(wake: Wake) -> io::Result<Feed> {
        let queue = Arc::new(Queue::default());
        let thread = Receiving::start("stdin", &queue, |queue, stop| {
            move || read_stdin(&queue, &stop, &wake)
        })?;
        let buffer = Box::new(LineBuffer::new());
        Ok(Feed::new(queue, Shape::Stream { buffer, rest: None, finished: false }, None, thread))
    }

    fn new(queue: Arc<Queue>, shape: Shape, listen: Option<Listen>, thread: Receiving) -> Feed {
        Feed { queue, shape, read_bytes: 0, lines: 0, listen, thread: Some(thread) }
    }

    /// Where it listens, with the port that the system has chosen; `None` for standard input.
    pub fn listening_on(&self) -> Option<&Listen> {
        self.listen.as_ref()
    }

    /// Reads at most one chunk, and calls `line` for each line that has come, in order.
    pub fn read(&mut self, line: &mut impl FnMut(Line<'_>)) -> Progress {
        let Feed { queue, shape, read_bytes, lines, .. } = self;
        match shape {
            Shape::Datagrams => {
                let Some(chunk) = queue.take() else { return Progress::Idle };
                for (bytes, cut) in chunk.pieces() {
                    *lines += 1;
                    line(Line {
                        bytes,
                        cut,
                        byte_offset: *read_bytes,
                        line_number: *lines,
                        is_stderr: false,
                    });
                    *read_bytes += bytes.len() as u64;
                }
                queue.give_back(chunk);
                Progress::Read
            }
            Shape::Stream { finished: true, .. } => Progress::Idle,
            Shape::Stream { buffer, rest, finished } => {
                // Reading from memory does not fail.
                let read = buffer.read_from(&mut Rest { queue, rest }, line).unwrap_or_default();
                *read_bytes += read as u64;
                if read > 0 {
                    return Progress::Read;
                }
                if !queue.is_over() {
                    return Progress::Idle;
                }
                buffer.finish(line);
                *finished = true;
                tracing::info!("standard input has ended; what was counted is served on");
                Progress::Read
            }
        }
    }

    /// Bytes that have come and were not handed out.
    pub fn unread_bytes(&self) -> u64 {
        let unfinished = match &self.shape {
            Shape::Datagrams => 0,
            Shape::Stream { buffer, .. } => buffer.unfinished_bytes() as u64,
        };
        // What the line buffer holds of a chunk that is not given back yet would count twice.
        self.queue.unread_bytes().saturating_sub(self.taken_bytes()) + unfinished
    }

    /// Bytes of the chunk in hand that the line buffer has.
    fn taken_bytes(&self) -> u64 {
        match &self.shape {
            Shape::Stream { rest: Some((_, taken)), .. } => *taken as u64,
            Shape::Stream { .. } | Shape::Datagrams => 0,
        }
    }

    /// What was read and lost so far.
    pub fn counters(&self) -> Counters {
        let mut counters = Counters::default();
        counters.read_bytes = self.read_bytes;
        counters.dropped_by_kernel = Gap { count: self.queue.dropped_by_kernel(), bytes: 0 };
        counters.buffer_full = self.queue.dropped();
        counters
    }

    /// Takes what has come until now and receives no more; it can still be read.
    pub fn stop(&mut self) {
        self.queue.stop();
        self.thread = None;
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // A thread that waits for room would never end.
        self.stop();
    }
}

/// What has come of a stream: bytes, nothing when there are none just now.
struct Rest<'a> {
    queue: &'a Queue,
    /// A chunk, and how much of it was taken.
    rest: &'a mut Option<(Chunk, usize)>,
}

impl Read for Rest<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some((chunk, taken)) = self.rest.take().or_else(|| Some((self.queue.take()?, 0)))
        else {
            return Ok(0);
        };
        let mut left = chunk.bytes().get(taken..).unwrap_or_default();
        let count = left.read(into)?;
        if left.is_empty() {
            self.queue.give_back(chunk);
        } else {
            *self.rest = Some((chunk, taken + count));
        }
        Ok(count)
    }
}

/// A thread that receives; stopped and joined when it goes.
#[derive(Debug)]
struct Receiving {
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Receiving {
    fn start<F: FnOnce() + Send + 'static>(
        name: &str,
        queue: &Arc<Queue>,
        body: impl FnOnce(Arc<Queue>, Arc<OwnedFd>) -> F,
    ) -> io::Result<Receiving> {
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let body = body(Arc::clone(queue), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body)?;
        Ok(Receiving { stop, thread: Some(thread) })
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        // It is full only when it was told before.
        let _told = rustix::io::write(&*self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed.
            let _panicked = thread.join();
        }
    }
}

/// What a wait was ended by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    Ready,
    TimedOut,
    Stop,
}

/// Waits until there is something to read, until it is time, or until it is told to stop.
fn wait(fd: Option<BorrowedFd<'_>>, stop: &OwnedFd, at_most: Option<Duration>) -> Woken {
    let stop = PollFd::new(stop, PollFlags::IN);
    let mut fds = [stop.clone(), stop];
    if let (Some(fd), [_, second]) = (fd, &mut fds) {
        *second = PollFd::from_borrowed_fd(fd, PollFlags::IN);
    }
    let timeout = at_most.and_then(|at_most| Timespec::try_from(at_most).ok());
    match poll(&mut fds, timeout.as_ref()) {
        Ok(0) => Woken::TimedOut,
        Ok(_) if fds.first().is_some_and(|stop| !stop.revents().is_empty()) => Woken::Stop,
        // An error shows again where it can be told: when reading.
        Ok(_) | Err(_) => Woken::Ready,
    }
}

/// Takes datagrams from a socket.
struct Receiver {
    queue: Arc<Queue>,
    stop: Arc<OwnedFd>,
    wake: Wake,
    drops: Option<KernelDrops>,
    /// Datagrams have come since the kernel was last asked what it has dropped.
    unchecked: bool,
}

impl Receiver {
    fn run(mut self, socket: &Socket) {
        let clock = Clock::system();
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        let mut checked = clock.monotonic();
        loop {
            let until_check =
                KERNEL_DROPS_INTERVAL.saturating_sub(clock.monotonic().since(checked));
            let at_most = (self.unchecked && self.drops.is_some()).then_some(until_check);
            let woken = wait(Some(socket.as_fd()), &self.stop, at_most);
            match self.receive(socket, &mut buffer) {
                Ok(()) | Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => {
                    tracing::warn!(listen = ?socket.listen(), %error, "cannot receive");
                    wait(None, &self.stop, Some(FAULT_PAUSE));
                }
            }
            if woken == Woken::Stop {
                self.drain(socket, &mut buffer);
                return;
            }
            if self.unchecked && clock.monotonic().since(checked) >= KERNEL_DROPS_INTERVAL {
                self.check();
                checked = clock.monotonic();
            }
        }
    }

    /// Takes what has come, a bounded number of datagrams.
    fn receive(&mut self, socket: &Socket, buffer: &mut [u8]) -> Result<(), Errno> {
        for _ in 0..BURST_MAX {
            // The length is that of the datagram, also where it is longer than the buffer.
            let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
            let (length, sent_length) = recv(socket, &mut *buffer, flags)?;
            self.unchecked = true;
            let datagram = buffer.get(..length).unwrap_or_default();
            if self.queue.push_or_drop(datagram, sent_length > length) == Pushed::First {
                (self.wake)();
            }
        }
        Ok(())
    }

    /// Takes what the kernel holds already, for a bounded time.
    fn drain(&mut self, socket: &Socket, buffer: &mut [u8]) {
        for _ in 0..BURSTS_OF_DRAIN_MAX {
            if self.receive(socket, buffer).is_err() {
                break;
            }
        }
        self.check();
    }

    fn check(&mut self) {
        self.unchecked = false;
        match self.drops.as_mut().map(KernelDrops::take_new) {
            None | Some(Ok(0)) => {}
            Some(Ok(count)) => {
                self.queue.add_dropped_by_kernel(count);
                (self.wake)();
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "what the kernel drops cannot be counted any more");
                self.drops = None;
            }
        }
    }
}

/// Takes what standard input brings, until it ends or until it is told to stop.
fn read_stdin(queue: &Queue, stop: &OwnedFd, wake: &Wake) {
    let mut stdin = io::stdin().lock();
    let mut buffer = vec![0; DECODED_BYTES];
    let mut stopping = false;
    loop {
        // Once it is told to stop it takes what has come already.
        let at_most = stopping.then_some(Duration::ZERO);
        match wait(Some(io::stdin().as_fd()), stop, at_most) {
            Woken::Stop if !stopping => stopping = true,
            Woken::TimedOut => return,
            Woken::Ready | Woken::Stop => {}
        }
        if stopping && !is_ready(io::stdin().as_fd()) {
            return;
        }
        let length = match stdin.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if is_passing(&error) => continue,
            Err(error) => {
                tracing::error!(%error, "standard input cannot be read");
                break;
            }
        };
        match queue.push_or_wait(buffer.get(..length).unwrap_or_default()) {
            Pushed::First => wake(),
            Pushed::Behind => {}
            Pushed::Dropped => return,
        }
    }
    queue.end();
    wake();
}

fn is_ready(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::unix::net::UnixDatagram;
    use std::sync::mpsc::{Receiver as Woken, sync_channel};

    use super::*;
    use crate::limits::{CHUNK_BYTES, FEED_CHUNKS_MAX, LINE_BYTES_MAX};
    use crate::source::change::GapReason;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn listen(listen: &Listen) -> (Feed, Woken<()>) {
        let (sender, woken) = sync_channel(1);
        let wake = move || {
            // One ring is enough.
            let _full = sender.try_send(());
        };
        (Feed::listen(listen, Arc::new(wake)).unwrap(), woken)
    }

    fn lines(feed: &mut Feed) -> Vec<(usize, bool)> {
        let mut lines = Vec::new();
        while feed.read(&mut |line| lines.push((line.bytes.len(), line.cut))) == Progress::Read {}
        lines
    }

    fn lost(feed: &Feed) -> u64 {
        feed.counters().gaps().map(|(_, gap)| gap.count).sum()
    }

    #[test]
    fn a_datagram_is_a_line_whatever_its_length() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let (mut feed, woken) = listen(&Listen::Unix(path.clone()));
        let socket = UnixDatagram::unbound().unwrap();
        socket.connect(&path).unwrap();
        let lengths = [0, 5, LINE_BYTES_MAX, DATAGRAM_BYTES_MAX, DATAGRAM_BYTES_MAX + 1];
        for length in lengths {
            assert_eq!(socket.send(&vec![b'\n'; length]).unwrap(), length);
        }
        woken.recv_timeout(PATIENCE).unwrap();
        feed.stop();
        let kept =
            lengths.map(|length| (length.min(DATAGRAM_BYTES_MAX), length > DATAGRAM_BYTES_MAX));
        assert_eq!(lines(&mut feed), kept);
        assert_eq!((feed.unread_bytes(), lost(&feed)), (0, 0));
        assert!(!path.exists());
        assert!(socket.send(b"x").is_err());
    }

    /// Nobody reads for a while: each datagram was read, or is counted as lost.
    #[test]
    fn nothing_is_lost_without_a_number_going_up() {
        let (mut feed, woken) = listen(&Listen::Udp("127.0.0.1:0".parse().unwrap()));
        let Some(Listen::Udp(address)) = feed.listening_on().cloned() else { panic!("no address") };
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(address).unwrap();
        let datagram = [b'x'; 1400];
        let sent = 2 * FEED_CHUNKS_MAX * CHUNK_BYTES / datagram.len();
        (0..sent).for_each(|_| assert_eq!(socket.send(&datagram).unwrap(), datagram.len()));
        woken.recv_timeout(PATIENCE).unwrap();
        assert!(!lines(&mut feed).is_empty());
        feed.stop();
        lines(&mut feed);
        let datagram_bytes = datagram.len() as u64;
        let read = feed.counters().read_bytes / datagram_bytes;
        assert_eq!(read + lost(&feed), sent as u64);
        let full = feed.counters().gap(GapReason::BufferFull);
        assert_eq!(full.bytes, full.count * datagram_bytes);
    }
}
