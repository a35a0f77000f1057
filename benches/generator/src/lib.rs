//! Access logs of nginx with client certificates, made from a seed: the same seed and sizes give the
//! same bytes for ever, so that figures taken on them can be compared.
//!
//! Routes and certificates follow Zipf's law (1.1). About 2 of 100 requests fail, with the texts that
//! `tests/corpus/labels.tsv` holds; 4 of 1,000 are forbidden by a rule. It knows nothing of gatelog.

pub mod calendar;
pub mod event;
pub mod format;
pub mod population;
pub mod random;

pub use event::Sizes;
pub use format::Format;

/// A log without end.
#[derive(Debug)]
pub struct Generator {
    events: event::Events,
    writer: format::Writer,
}

impl Generator {
    /// The log that the seed and the sizes fix. All formats of one seed tell of the same requests.
    pub fn new(seed: u64, sizes: Sizes, format: Format) -> Generator {
        Generator { events: event::Events::new(seed, sizes), writer: format::Writer::new(format) }
    }

    /// Appends the next line with its newline.
    pub fn append_line(&mut self, to: &mut Vec<u8>) {
        self.writer.write(&self.events.next_event(), to);
    }

    /// The next lines together.
    pub fn lines(&mut self, count: usize) -> Vec<u8> {
        let mut lines = Vec::new();
        for _ in 0..count {
            self.append_line(&mut lines);
        }
        lines
    }
}
