//! All connections of one listener: which of them wait for a client, which are stalled by a client
//! that does not read, and which leaves first when room is needed.
//!
//! No clock is read here. Whoever changes its state takes the next number of a counter, its turn,
//! and the lowest turn has been in its state for longest. Deadlines belong to `connection`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, OwnedSemaphorePermit};

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Before the end of a request's headers: the connection is new, or some bytes have come.
    Head,
    /// Between two requests, no byte of the next one seen.
    Idle,
    /// A request is being answered.
    Answering,
    /// The whole answer is with hyper, and part of it not yet with the kernel.
    Flushing,
}

impl Phase {
    /// Whether the next move is the client's, so that closing costs no answer.
    pub(super) const fn is_waiting(self) -> bool {
        match self {
            Self::Head | Self::Idle => true,
            Self::Answering | Self::Flushing => false,
        }
    }
}

/// Every connection that may be closed for room, by turn.
#[derive(Debug, Default)]
pub(super) struct Connections {
    table: Mutex<Table>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    last_turn: u64,
    /// In `Phase::Head` or `Phase::Idle`. At most one entry for each connection, here or below.
    waiting: BTreeMap<u64, Arc<Notify>>,
    /// Being answered while the kernel takes no more bytes for the client.
    stalled: BTreeMap<u64, Arc<Notify>>,
}

impl Table {
    fn next_turn(&mut self) -> u64 {
        self.last_turn += 1;
        self.last_turn
    }
}

impl Connections {
    /// Tells the connection that has waited for longest to close; when none waits, the one that
    /// has been stalled for longest. False when every connection is being answered.
    pub(super) fn close_longest_waiting(&self) -> bool {
        let mut table = locked(&self.table);
        let leaving = table.waiting.pop_first().or_else(|| table.stalled.pop_first());
        leaving.map(|(_, close)| close.notify_one()).is_some()
    }

    /// Returns when some connection may have begun to wait or to stall.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// One connection's entry; removed when dropped.
#[derive(Debug)]
pub(super) struct Connection {
    all: Arc<Connections>,
    close: Arc<Notify>,
    /// Always locked before the table.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Key in the table, where the connection is listed.
    turn: u64,
    stalled: bool,
    /// The last bytes received, to see whether they ended a head.
    tail: [u8; 4],
    /// A place among the answers of `/metrics`, until the answer is written.
    place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// A new connection, which waits for its first request.
    pub(super) fn new(all: Arc<Connections>) -> Self {
        let close = Arc::new(Notify::new());
        let turn = {
            let mut table = locked(&all.table);
            let turn = table.next_turn();
            table.waiting.insert(turn, Arc::clone(&close));
            turn
        };
        all.changed.notify_one();
        let phase = Phase::Head;
        let state = State { phase, turn, stalled: false, tail: [0; 4], place: None };
        Self { all, close, state: Mutex::new(state) }
    }

    /// The phase, and its turn, which changes whenever a new deadline begins.
    pub(super) fn phase(&self) -> (Phase, u64) {
        let state = locked(&self.state);
        (state.phase, state.turn)
    }

    /// Returns when the connection has been told to close.
    pub(super) async fn told_to_close(&self) {
        self.close.notified().await;
    }

    /// Bytes came. The first after an answer begin a head and its deadline.
    pub(super) fn received(&self, bytes: &[u8]) {
        let mut state = locked(&self.state);
        for byte in bytes.iter().rev().take(4).rev() {
            state.tail.rotate_left(1);
            state.tail[3] = *byte;
        }
        if state.phase == Phase::Idle && !bytes.is_empty() {
            let mut table = locked(&self.all.table);
            // Not listed any more: told to close, and soon gone.
            if table.waiting.remove(&state.turn).is_some() {
                state.phase = Phase::Head;
                state.turn = table.next_turn();
                table.waiting.insert(state.turn, Arc::clone(&self.close));
            }
        }
    }

    /// A whole head is here. `None` when the connection was told to close just before: then the
    /// request must not be answered, for its place has been given away.
    pub(super) fn begin(self: &Arc<Self>) -> Option<Answering> {
        let mut state = locked(&self.state);
        let mut table = locked(&self.all.table);
        let listed = state.phase.is_waiting() || state.stalled;
        let removed = table.waiting.remove(&state.turn).or(table.stalled.remove(&state.turn));
        if listed && removed.is_none() {
            return None;
        }
        state.phase = Phase::Answering;
        state.turn = table.next_turn();
        if state.stalled {
            // Pipelined behind an answer that is not written yet.
            table.stalled.insert(state.turn, Arc::clone(&self.close));
        }
        Some(Answering { connection: Arc::clone(self) })
    }

    /// The kernel took nothing of what we had to write.
    pub(super) fn stall(&self) {
        let mut state = locked(&self.state);
        if !state.phase.is_waiting() && !state.stalled {
            state.stalled = true;
            locked(&self.all.table).stalled.insert(state.turn, Arc::clone(&self.close));
            self.all.changed.notify_one();
        }
    }

    /// The kernel took some bytes.
    pub(super) fn progress(&self) {
        let mut state = locked(&self.state);
        if state.stalled && locked(&self.all.table).stalled.remove(&state.turn).is_some() {
            state.stalled = false;
        }
    }

    /// Nothing is left to write. After a whole answer the connection waits again.
    pub(super) fn flushed(&self) {
        let mut state = locked(&self.state);
        if state.phase != Phase::Flushing {
            return;
        }
        state.place = None;
        let mut table = locked(&self.all.table);
        if state.stalled && table.stalled.remove(&state.turn).is_none() {
            return;
        }
        state.stalled = false;
        // Part of the next head may have come with the last one; it must not get the longer time
        // of an idle connection. (A body not ending in an empty line looks the same: no harm.)
        let at_end = state.tail.ends_with(b"\r\n\r\n") || state.tail.ends_with(b"\n\n");
        state.phase = if at_end { Phase::Idle } else { Phase::Head };
        state.turn = table.next_turn();
        table.waiting.insert(state.turn, Arc::clone(&self.close));
        self.all.changed.notify_one();
    }

    /// Whether this connection has a place among the answers of `/metrics`.
    pub(super) fn holds_place(&self) -> bool {
        locked(&self.state).place.is_some()
    }

    /// Keeps a place until the answer is written or the connection gone.
    pub(super) fn hold(&self, place: OwnedSemaphorePermit) {
        locked(&self.state).place = Some(place);
    }

    /// Tells the connection that has been stalled for longest, other than this, to close.
    pub(super) fn close_slowest_other(&self) -> bool {
        let own_turn = locked(&self.state).turn;
        let mut table = locked(&self.all.table);
        let slowest = table.stalled.keys().find(|turn| **turn != own_turn).copied();
        slowest
            .and_then(|turn| table.stalled.remove(&turn))
            .map(|close| close.notify_one())
            .is_some()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let turn = locked(&self.state).turn;
        let mut table = locked(&self.all.table);
        table.waiting.remove(&turn);
        table.stalled.remove(&turn);
    }
}

/// An answer being made. It travels with the body and is dropped when hyper has the last of it.
#[derive(Debug)]
pub(super) struct Answering {
    pub(super) connection: Arc<Connection>,
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = locked(&self.connection.state);
        if state.phase == Phase::Answering {
            state.phase = Phase::Flushing;
        }
    }
}

/// The tables are consistent after every statement, so a panic elsewhere does not spoil them.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

    fn new(all: &Arc<Connections>) -> Arc<Connection> {
        Arc::new(Connection::new(Arc::clone(all)))
    }

    fn answer(connection: &Arc<Connection>, received: &[u8]) {
        connection.received(received);
        drop(connection.begin().unwrap());
        connection.flushed();
    }

    #[track_caller]
    fn told(connection: &Connection) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::pin!(connection.told_to_close()).as_mut().poll(&mut context).is_ready()
    }

    #[test]
    fn phases_in_order() {
        let all = Arc::new(Connections::default());
        let one = new(&all);
        assert_eq!(one.phase().0, Phase::Head);
        one.received(HEAD);
        let answering = one.begin().unwrap();
        assert_eq!(one.phase().0, Phase::Answering);
        one.flushed();
        assert_eq!(one.phase().0, Phase::Answering, "a flush before the end of the answer");
        drop(answering);
        assert_eq!(one.phase().0, Phase::Flushing);
        one.flushed();
        assert_eq!(one.phase().0, Phase::Idle);
        let (_, turn) = one.phase();
        one.received(b"G");
        one.received(b"E");
        assert_eq!(one.phase(), (Phase::Head, turn + 1), "only the first byte sets the deadline");
    }

    #[test]
    fn the_start_of_a_pipelined_head_is_no_idle_connection() {
        for (received, expected) in [
            (b"GET / HTTP/1.1\r\n\r\n".as_slice(), Phase::Idle),
            (b"GET / HTTP/1.1\n\n", Phase::Idle),
            (b"GET / HTTP/1.1\r\n\r\nG", Phase::Head),
            (b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n", Phase::Head),
        ] {
            let one = new(&Arc::default());
            answer(&one, received);
            assert_eq!(one.phase().0, expected, "{received:?}");
        }
        let one = new(&Arc::default());
        for byte in HEAD {
            one.received(&[*byte]);
        }
        answer(&one, b"");
        assert_eq!(one.phase().0, Phase::Idle, "byte by byte");
    }

    #[test]
    fn who_waited_longest_leaves_first() {
        let all = Arc::new(Connections::default());
        let (one, two, three) = (new(&all), new(&all), new(&all));
        answer(&one, HEAD);
        two.received(HEAD);
        let busy = two.begin().unwrap();
        assert!(all.close_longest_waiting());
        assert!(told(&three) && !told(&one) && !told(&two));
        assert!(all.close_longest_waiting());
        assert!(told(&one) && !told(&two));
        assert!(!all.close_longest_waiting(), "a running answer stays");
        drop(busy);
        assert!(!all.close_longest_waiting(), "until it is written");
        two.flushed();
        assert!(all.close_longest_waiting());
    }

    #[test]
    fn the_stalled_leave_when_none_waits() {
        let all = Arc::new(Connections::default());
        let (one, two) = (new(&all), new(&all));
        let (_first, second) = (one.begin().unwrap(), two.begin().unwrap());
        two.stall();
        one.stall();
        two.progress();
        two.stall();
        assert!(!two.close_slowest_other() || told(&one), "never itself");
        drop(second);
        assert!(all.close_longest_waiting() && told(&two));
        two.flushed();
        assert_eq!(two.phase().0, Phase::Flushing, "told to close, so it does not wait again");
        assert!(!all.close_longest_waiting());
    }

    #[test]
    fn a_request_that_comes_too_late_is_not_answered() {
        let all = Arc::new(Connections::default());
        let one = new(&all);
        assert!(all.close_longest_waiting());
        one.received(HEAD);
        assert!(one.begin().is_none());
    }

    #[test]
    fn a_dropped_connection_leaves_no_entry() {
        let all = Arc::new(Connections::default());
        drop(new(&all));
        assert!(!all.close_longest_waiting());
    }
}
