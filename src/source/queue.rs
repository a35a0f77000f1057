//! Bytes on their way from a thread that receives them to the one that reads: whole pieces, in order,
//! bounded. What there is no room for is dropped and counted, or waited with, as the sender likes.
//!
//! Memory is taken a chunk at a time, so that an idle source holds one and a busy one no more than
//! [`FEED_CHUNKS_MAX`], the one that is being read included.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::limits::{CHUNK_BYTES, FEED_CHUNK_PIECES_MAX, FEED_CHUNKS_MAX};
use crate::source::change::Gap;

/// Pieces that lie one behind the other.
#[derive(Debug)]
pub(super) struct Chunk {
    /// At most [`CHUNK_BYTES`].
    bytes: Vec<u8>,
    /// At most [`FEED_CHUNK_PIECES_MAX`].
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Where it ends in the bytes of its chunk.
    end: usize,
    cut: bool,
}

impl Default for Chunk {
    fn default() -> Chunk {
        Chunk { bytes: Vec::with_capacity(CHUNK_BYTES), pieces: Vec::new() }
    }
}

impl Chunk {
    fn has_room(&self, bytes: usize) -> bool {
        self.bytes.len() + bytes <= CHUNK_BYTES && self.pieces.len() < FEED_CHUNK_PIECES_MAX
    }

    fn push(&mut self, bytes: &[u8], cut: bool) {
        self.bytes.extend_from_slice(bytes);
        self.pieces.push(Piece { end: self.bytes.len(), cut });
    }

    /// The pieces, each with whether it was longer and is cut.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let mut start = 0;
        self.pieces.iter().map(move |piece| {
            let bytes = self.bytes.get(start..piece.end).unwrap_or_default();
            start = piece.end;
            (bytes, piece.cut)
        })
    }

    /// All bytes, whatever pieces they came in.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What became of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It is the first since the reader had taken all.
    First,
    /// It lies behind others.
    Behind,
    /// There was no room.
    Dropped,
}

/// The queue between the two threads.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Rings when there is room again, or when nobody waits for it any more.
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Chunk>,
    /// An empty one for the next piece, so that memory is not taken and given back all the time.
    spare: Option<Chunk>,
    /// In `chunks`, and with the reader.
    chunks_in_use: usize,
    unread_bytes: u64,
    dropped: Gap,
    dropped_by_kernel: u64,
    ended: bool,
    stopped: bool,
}

impl State {
    /// The chunk that a piece of so many bytes goes into.
    fn room_for(&mut self, bytes: usize) -> Option<&mut Chunk> {
        if !self.chunks.back().is_some_and(|last| last.has_room(bytes)) {
            if self.chunks_in_use >= FEED_CHUNKS_MAX || bytes > CHUNK_BYTES {
                return None;
            }
            self.chunks_in_use += 1;
            self.chunks.push_back(self.spare.take().unwrap_or_default());
        }
        self.chunks.back_mut()
    }

    fn push(&mut self, bytes: &[u8], cut: bool) -> Pushed {
        let is_first = self.chunks.is_empty();
        let Some(chunk) = self.room_for(bytes.len()) else { return Pushed::Dropped };
        chunk.push(bytes, cut);
        self.unread_bytes += bytes.len() as u64;
        if is_first { Pushed::First } else { Pushed::Behind }
    }

    fn drop_piece(&mut self, bytes: &[u8]) {
        self.dropped.count += 1;
        self.dropped.bytes += bytes.len() as u64;
    }
}

/// The sender's side.
impl Queue {
    /// Adds a piece, or drops and counts it.
    pub(super) fn push_or_drop(&self, bytes: &[u8], cut: bool) -> Pushed {
        let mut state = self.state();
        let pushed = state.push(bytes, cut);
        if pushed == Pushed::Dropped {
            state.drop_piece(bytes);
        }
        pushed
    }

    /// Adds a piece of at most [`CHUNK_BYTES`], waiting for room; without room when the queue is stopped
    /// it is dropped and counted.
    pub(super) fn push_or_wait(&self, bytes: &[u8]) -> Pushed {
        let mut state = self.state();
        loop {
            match state.push(bytes, false) {
                Pushed::Dropped if !state.stopped => {
                    state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Pushed::Dropped => {
                    state.drop_piece(bytes);
                    return Pushed::Dropped;
                }
                pushed => return pushed,
            }
        }
    }

    /// Counts datagrams that the kernel has dropped.
    pub(super) fn add_dropped_by_kernel(&self, count: u64) {
        self.state().dropped_by_kernel += count;
    }

    /// No more will come.
    pub(super) fn end(&self) {
        self.state().ended = true;
    }
}

/// The reader's side.
impl Queue {
    /// The oldest chunk; the sender may fill the next meanwhile. To be given back.
    pub(super) fn take(&self) -> Option<Chunk> {
        self.state().chunks.pop_front()
    }

    /// Gives a chunk back that was read.
    pub(super) fn give_back(&self, mut chunk: Chunk) {
        let read_bytes = chunk.bytes.len() as u64;
        chunk.bytes.clear();
        chunk.pieces.clear();
        let mut state = self.state();
        state.unread_bytes = state.unread_bytes.saturating_sub(read_bytes);
        state.chunks_in_use = state.chunks_in_use.saturating_sub(1);
        state.spare = Some(chunk);
        drop(state);
        self.room.notify_all();
    }

    /// Bytes that were not given back yet.
    pub(super) fn unread_bytes(&self) -> u64 {
        self.state().unread_bytes
    }

    /// What was dropped for want of room.
    pub(super) fn dropped(&self) -> Gap {
        self.state().dropped
    }

    /// Datagrams that the kernel has dropped.
    pub(super) fn dropped_by_kernel(&self) -> u64 {
        self.state().dropped_by_kernel
    }

    /// Whether no more will come and all was taken.
    pub(super) fn is_over(&self) -> bool {
        let state = self.state();
        state.ended && state.chunks.is_empty()
    }

    /// Lets a sender that waits for room go on without it.
    pub(super) fn stop(&self) {
        self.state().stopped = true;
        self.room.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn read_all(queue: &Queue) -> Vec<(usize, bool)> {
        let mut pieces = Vec::new();
        while let Some(chunk) = queue.take() {
            pieces.extend(chunk.pieces().map(|(bytes, cut)| (bytes.len(), cut)));
            queue.give_back(chunk);
        }
        pieces
    }

    #[test]
    fn pieces_come_out_as_they_went_in() {
        let queue = Queue::default();
        assert_eq!(queue.push_or_drop(b"", false), Pushed::First);
        assert_eq!(queue.push_or_drop(b"abc", true), Pushed::Behind);
        assert_eq!(queue.push_or_drop(&vec![0; CHUNK_BYTES], false), Pushed::Behind);
        assert_eq!(queue.unread_bytes(), 3 + CHUNK_BYTES as u64);
        assert_eq!(read_all(&queue), [(0, false), (3, true), (CHUNK_BYTES, false)]);
        assert_eq!((queue.unread_bytes(), queue.is_over()), (0, false));
        assert_eq!(queue.push_or_drop(b"x", false), Pushed::First);
        queue.end();
        assert!(!queue.is_over());
        assert_eq!(read_all(&queue), [(1, false)]);
        assert!(queue.is_over());
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let queue = Queue::default();
        assert_eq!(queue.push_or_drop(&vec![0; CHUNK_BYTES + 1], false), Pushed::Dropped);
        let mut pieces = 0;
        while queue.push_or_drop(&[0; 1000], false) != Pushed::Dropped {
            pieces += 1;
        }
        assert_eq!(pieces, FEED_CHUNKS_MAX * (CHUNK_BYTES / 1000));
        // What is being read still takes its place.
        let chunk = queue.take().unwrap();
        assert_eq!(queue.push_or_drop(&[0; 1000], false), Pushed::Dropped);
        queue.give_back(chunk);
        assert_eq!(queue.push_or_drop(&[0; 1000], false), Pushed::Behind);
        let dropped = queue.dropped();
        assert_eq!((dropped.count, dropped.bytes), (3, CHUNK_BYTES as u64 + 1 + 2000));
        assert_eq!(read_all(&queue).len(), pieces - CHUNK_BYTES / 1000 + 1);
    }

    #[test]
    fn tiny_pieces_are_bounded_too() {
        let queue = Queue::default();
        let pieces =
            (0..).take_while(|_| queue.push_or_drop(b"", false) != Pushed::Dropped).count();
        assert_eq!(pieces, FEED_CHUNKS_MAX * FEED_CHUNK_PIECES_MAX);
    }

    #[test]
    fn a_sender_waits_for_room_until_it_is_stopped() {
        let queue = Arc::new(Queue::default());
        let sender = Arc::clone(&queue);
        let pieces = 2 * FEED_CHUNKS_MAX;
        let thread = std::thread::spawn(move || {
            let piece = vec![7; CHUNK_BYTES];
            (0..pieces).for_each(|_| assert_ne!(sender.push_or_wait(&piece), Pushed::Dropped));
            while sender.push_or_wait(&piece) != Pushed::Dropped {}
        });
        let mut read = 0;
        while read < pieces {
            read += read_all(&queue).len();
            std::thread::yield_now();
        }
        queue.stop();
        thread.join().unwrap();
        assert_eq!(queue.dropped().count, 1, "the one that waited when it was stopped");
    }
}
