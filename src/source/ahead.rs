//! A reader on a thread of its own, so that its work overlaps with what is made of its bytes.
//!
//! Bytes come in the order and with the error that the reader itself would give: each of its reads
//! fills one buffer of a fixed number, and what it says goes through one channel. Meant for a
//! decompressor; what it decompresses is left to [`super::stream`].

use std::io::{self, Read};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use crate::limits::{DECODED_BUFFERS_MAX, DECODED_BYTES};

/// What reads ahead.
pub(super) type Reader = Box<dyn Read + Send>;

/// The bytes that one read gave, in a buffer that goes back to be filled again.
struct Filled {
    buffer: Box<[u8]>,
    count: usize,
}

/// Gives what its reader gives, which runs up to [`DECODED_BUFFERS_MAX`] reads ahead.
pub(super) struct Ahead {
    /// `None` once the reader has ended.
    link: Option<Link>,
    thread: Option<JoinHandle<()>>,
    current: Option<Filled>,
    taken_bytes: usize,
}

struct Link {
    filled: Receiver<io::Result<Filled>>,
    empty: SyncSender<Box<[u8]>>,
}

impl Ahead {
    /// Starts the thread; gives the reader back where there can be none.
    pub(super) fn new(reader: Reader) -> Result<Ahead, Reader> {
        let (empty, to_fill) = sync_channel(DECODED_BUFFERS_MAX);
        // With room for an error behind the last buffer.
        let (fill, filled) = sync_channel(DECODED_BUFFERS_MAX + 1);
        let (hand_over, reader_for) = sync_channel::<Reader>(1);
        let run = move || {
            if let Ok(reader) = reader_for.recv() {
                read_ahead(reader, &to_fill, &fill);
            }
        };
        let Ok(thread) = Builder::new().name("decompressor".to_owned()).spawn(run) else {
            return Err(reader);
        };
        for _ in 0..DECODED_BUFFERS_MAX {
            // There is room for all of them.
            let _sent = empty.try_send(vec![0; DECODED_BYTES].into_boxed_slice());
        }
        hand_over.send(reader).map_err(|refused| refused.0)?;
        let link = Some(Link { filled, empty });
        Ok(Ahead { link, thread: Some(thread), current: None, taken_bytes: 0 })
    }

    /// Takes the next buffer, and gives back the one before it; `None` at the end.
    fn next(&mut self) -> io::Result<Option<&Filled>> {
        let Some(link) = &self.link else { return Ok(None) };
        if let Some(Filled { buffer, .. }) = self.current.take() {
            // A thread that has ended needs it no more.
            let _ended = link.empty.send(buffer);
        }
        self.taken_bytes = 0;
        match link.filled.recv() {
            Ok(filled) => {
                self.current = Some(filled?);
                Ok(self.current.as_ref())
            }
            Err(_) => {
                self.link = None;
                match self.thread.take().map(JoinHandle::join) {
                    Some(Err(panic)) => resume_unwind(panic),
                    _ => Ok(None),
                }
            }
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let is_used_up = |filled: &Filled| self.taken_bytes >= filled.count;
        if self.current.as_ref().is_none_or(is_used_up) && self.next()?.is_none() {
            return Ok(0);
        }
        let Some(Filled { buffer: bytes, count }) = &self.current else { return Ok(0) };
        let mut rest = bytes.get(self.taken_bytes..*count).unwrap_or_default();
        let read_bytes = rest.read(buffer)?;
        self.taken_bytes += read_bytes;
        Ok(read_bytes)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // Without its link the thread ends after the read it is in; a panic in it has been printed.
        self.link = None;
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}

/// Reads until the end, until the first error, or until nobody wants more.
fn read_ahead(
    mut reader: Reader,
    to_fill: &Receiver<Box<[u8]>>,
    fill: &SyncSender<io::Result<Filled>>,
) {
    while let Ok(mut buffer) = to_fill.recv() {
        let result = loop {
            match reader.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        let is_last = !matches!(result, Ok(1..));
        if !matches!(result, Ok(0)) {
            let filled = result.map(|count| Filled { buffer, count });
            if fill.send(filled).is_err() {
                return;
            }
        }
        if is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Reads all in pieces of this size, and the error after it.
    fn read(ahead: &mut Ahead, piece: usize) -> (Vec<u8>, Option<String>) {
        let (mut all, mut buffer) = (Vec::new(), vec![0; piece]);
        loop {
            match ahead.read(&mut buffer) {
                Ok(0) => return (all, None),
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                Err(error) => return (all, Some(error.to_string())),
            }
        }
    }

    /// Gives its bytes in reads of many sizes, then an error.
    struct Broken {
        bytes: Cursor<Vec<u8>>,
        reads: usize,
    }

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.reads += 1;
            if self.reads.is_multiple_of(3) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let room = buffer.len().min(self.reads * 7919);
            match self.bytes.read(&mut buffer[..room])? {
                0 => Err(io::Error::other("broken")),
                count => Ok(count),
            }
        }
    }

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|index| index.to_le_bytes()[index % 3]).collect()
    }

    #[test]
    fn all_bytes_in_order() {
        for count in [0, 1, DECODED_BYTES, DECODED_BYTES + 1, 50 * DECODED_BYTES + 7] {
            for piece in [1000, DECODED_BYTES, 4 * DECODED_BYTES] {
                let reader = Box::new(Cursor::new(bytes(count)));
                let mut ahead = Ahead::new(reader).ok().unwrap();
                let (all, error) = read(&mut ahead, piece);
                assert!(all == bytes(count) && error.is_none(), "{count} {piece}");
                assert_eq!(ahead.read(&mut [0; 8]).unwrap(), 0);
            }
        }
    }

    #[test]
    fn an_error_comes_behind_all_bytes_and_once() {
        let count = 30 * DECODED_BYTES + 5;
        let broken = Broken { bytes: Cursor::new(bytes(count)), reads: 0 };
        let mut ahead = Ahead::new(Box::new(broken)).ok().unwrap();
        let (all, error) = read(&mut ahead, 100_000);
        assert!(all == bytes(count));
        assert_eq!(error.unwrap(), "broken");
        assert_eq!(ahead.read(&mut [0; 8]).unwrap(), 0);
    }

    /// Counts its reads, without end.
    struct Endless(Arc<AtomicUsize>);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(buffer.len())
        }
    }

    #[test]
    fn it_runs_only_so_far_ahead_and_ends_with_its_owner() {
        let reads = Arc::new(AtomicUsize::new(0));
        let mut ahead = Ahead::new(Box::new(Endless(Arc::clone(&reads)))).ok().unwrap();
        let mut buffer = vec![0; DECODED_BYTES];
        for taken in 1..100 {
            assert_eq!(ahead.read(&mut buffer).unwrap(), DECODED_BYTES);
            assert!(reads.load(Ordering::SeqCst) < taken + DECODED_BUFFERS_MAX);
        }
        drop(ahead);
        assert_eq!(Arc::strong_count(&reads), 1, "the thread has ended");
    }

    #[test]
    #[should_panic(expected = "in the reader")]
    fn a_panic_is_no_end() {
        struct Panics;
        impl Read for Panics {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                panic!("in the reader");
            }
        }
        let mut ahead = Ahead::new(Box::new(Panics)).ok().unwrap();
        let _end = ahead.read(&mut [0; 8]);
    }
}
