//! A LOG argument read once, from its start to its end: a file, a compressed file, standard input.
//!
//! What a file is, its first bytes tell, not its name: gzip (RFC 1952, any number of members) and
//! zstd (RFC 8878, any number of frames) are decompressed, everything else is text. Following a
//! file that grows is left to [`super::file`].

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ahead::Ahead;
pub use super::compression::{Compression, MAGIC_BYTES};
use crate::limits::{CHUNK_BYTES, DECODE_THREAD_BYTES_MIN, DECODED_BYTES, INPUTS_MAX};
use crate::source::identity::FileKey;
use crate::source::pattern::{InvalidGlob, Pattern};

/// One thing to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Standard input, written `-`.
    Stdin,
    /// A file that is to be opened.
    File(PathBuf),
}

/// Why an argument names no input.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExpandError {
    /// The glob is well-formed and matches no file.
    #[error("{}: no file matches this pattern", .pattern.display())]
    NoMatch {
        /// As written.
        pattern: PathBuf,
    },
    /// The glob is faulty and there is no file of that name.
    #[error(transparent)]
    InvalidGlob(#[from] InvalidGlob),
    /// More files than [`INPUTS_MAX`]; those before this one are read.
    #[error("{}: more than {INPUTS_MAX} files", .pattern.display())]
    TooMany {
        /// The argument that went over the bound.
        pattern: PathBuf,
    },
}

/// Turns arguments into inputs, in the order of the arguments and sorted within a glob. A file that
/// two arguments name is read once; a glob passes over directories.
pub fn expand<I>(arguments: I) -> Vec<Result<Input, ExpandError>>
where
    I: IntoIterator<Item: Into<OsString>>,
{
    let mut inputs = Vec::new();
    let mut seen = Seen::default();
    for argument in arguments {
        let argument = argument.into();
        if argument == "-" {
            if !std::mem::replace(&mut seen.stdin, true) {
                inputs.push(Ok(Input::Stdin));
            }
            continue;
        }
        let mut pattern = match Pattern::new(argument) {
            Ok(pattern) => pattern,
            Err(fault) => {
                inputs.push(Err(fault.into()));
                continue;
            }
        };
        let (is_glob, mut matched) = (pattern.is_glob(), false);
        for path in pattern.paths(|_, _| {}).filter(|path| !is_glob || !path.is_dir()) {
            matched = true;
            if inputs.len() >= INPUTS_MAX {
                inputs.push(Err(ExpandError::TooMany { pattern: pattern.as_path().to_owned() }));
                return inputs;
            }
            if seen.is_new(&path) {
                inputs.push(Ok(Input::File(path)));
            }
        }
        if !matched {
            inputs.push(Err(ExpandError::NoMatch { pattern: pattern.as_path().to_owned() }));
        }
    }
    inputs
}

#[derive(Default)]
struct Seen {
    stdin: bool,
    /// At most [`INPUTS_MAX`].
    files: HashSet<FileKey>,
}

impl Seen {
    /// A path that cannot be looked at is new: opening it will tell why.
    fn is_new(&mut self, path: &Path) -> bool {
        path.metadata().map_or(true, |found| self.files.insert(FileKey::of(&found)))
    }
}

/// Why a stream cannot be opened, or read to its end. Each names the stream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// No such file, or a part of the path is missing.
    #[error("{name}: no such file")]
    Missing {
        /// The stream.
        name: String,
    },
    /// A directory was named.
    #[error("{name}: is a directory; name its files, for example {name}/*.log")]
    Directory {
        /// The stream.
        name: String,
    },
    /// The file may not be read by this user.
    #[error("{name}: permission denied; logs are often readable by one group, such as adm")]
    Permission {
        /// The stream.
        name: String,
    },
    /// The compressed data stops before its end.
    #[error(
        "{name}: {format} data is cut off at byte {offset_bytes} (line data up to byte {text_bytes} was read)"
    )]
    Truncated {
        /// The stream.
        name: String,
        /// `gzip` or `zstd`.
        format: &'static str,
        /// Where in the compressed file, from 0.
        offset_bytes: u64,
        /// Decompressed bytes delivered before.
        text_bytes: u64,
    },
    /// The compressed data is damaged.
    #[error(
        "{name}: {format} data is corrupt near byte {offset_bytes} (line data up to byte {text_bytes} was read): {source}"
    )]
    Corrupt {
        /// The stream.
        name: String,
        /// `gzip` or `zstd`.
        format: &'static str,
        /// Where in the compressed file, from 0; the fault lies before it.
        offset_bytes: u64,
        /// Decompressed bytes delivered before.
        text_bytes: u64,
        /// What the decompressor says.
        source: io::Error,
    },
    /// Anything else the system reports.
    #[error("{name}: cannot be read at byte {offset_bytes}: {source}")]
    Io {
        /// The stream.
        name: String,
        /// Where in the file, from 0.
        offset_bytes: u64,
        /// The system's reason.
        source: io::Error,
    },
}

/// An open input. Reading gives the text; after an error it gives nothing more.
pub struct Stream {
    name: String,
    size_bytes: Option<u64>,
    compression: Compression,
    /// The file, when one was opened.
    file: Option<Arc<File>>,
    reader: Box<dyn Read + Send>,
    consumed: Arc<AtomicU64>,
    text_bytes: u64,
    failed: bool,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("name", &self.name)
            .field("compression", &self.compression)
            .field("text_bytes", &self.text_bytes)
            .finish_non_exhaustive()
    }
}

impl Stream {
    /// Opens an input and reads its first bytes to see how it is packed.
    ///
    /// # Errors
    /// [`StreamError`], naming the input.
    pub fn open(input: &Input) -> Result<Self, StreamError> {
        match input {
            Input::Stdin => Self::of(io::stdin(), "standard input".to_owned(), None),
            Input::File(path) => {
                let name = path.display().to_string();
                let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
                let (metadata, file) = opened.map_err(|error| open_error(name.clone(), error))?;
                if metadata.is_dir() {
                    return Err(StreamError::Directory { name });
                }
                let size = metadata.is_file().then_some(metadata.len());
                let file = Arc::new(file);
                let stream = Self::of(Arc::clone(&file), name, size)?;
                Ok(Self { file: Some(file), ..stream })
            }
        }
    }

    /// A stream over any bytes, `name` being what messages call it.
    ///
    /// # Errors
    /// When the first bytes cannot be read, or no decompressor can be made.
    pub fn of(
        reader: impl Read + Send + 'static,
        name: String,
        size_bytes: Option<u64>,
    ) -> Result<Self, StreamError> {
        Self::within(reader, name, size_bytes, None)
    }

    /// The same; zstd data that needs a window of more than two to the power of `window_log_max`
    /// bytes is a fault.
    pub(super) fn within(
        mut reader: impl Read + Send + 'static,
        name: String,
        size_bytes: Option<u64>,
        window_log_max: Option<u32>,
    ) -> Result<Self, StreamError> {
        let fail = |name, source| StreamError::Io { name, offset_bytes: 0, source };
        let first = match first_bytes(&mut reader) {
            Ok(first) => first,
            Err(source) => return Err(fail(name, source)),
        };
        let compression = Compression::of(&first);
        let consumed = Arc::new(AtomicU64::new(0));
        let whole = Cursor::new(first).chain(reader);
        let reader: Box<dyn Read + Send> = match compression {
            Compression::None => Box::new(Counted { inner: whole, consumed: consumed.clone() }),
            Compression::Gzip => {
                Box::new(flate2::bufread::MultiGzDecoder::new(counted(whole, &consumed)))
            }
            Compression::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(counted(whole, &consumed));
                let bounded = decoder.and_then(|mut decoder| {
                    window_log_max.map_or(Ok(()), |max| decoder.window_log_max(max))?;
                    Ok(decoder)
                });
                match bounded {
                    Ok(decoder) => Box::new(decoder),
                    Err(source) => return Err(fail(name, source)),
                }
            }
        };
        let (file, text_bytes, failed) = (None, 0, false);
        Ok(Self { name, size_bytes, compression, file, reader, consumed, text_bytes, failed })
    }

    /// What messages call this stream: its path, or `standard input`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is packed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Size of the (compressed) file when it was opened; none for pipes. For progress only.
    pub fn size_bytes(&self) -> Option<u64> {
        self.size_bytes
    }

    /// The file and the size it had when it was opened, if its bytes are the text and any of them can
    /// be read at any time. Reading them there leaves this stream where it is.
    pub fn plain_file(&self) -> Option<(&File, u64)> {
        let file = self.file.as_deref().filter(|_| self.compression == Compression::None)?;
        Some((file, self.size_bytes?))
    }

    /// (Compressed) bytes consumed so far. For progress.
    pub fn consumed_bytes(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }

    /// The same stream, whose decompressor, if it has one and the file is large, runs ahead on a
    /// thread of its own. What is read, and how it ends, stays as it is.
    #[must_use]
    pub fn ahead(self) -> Self {
        let is_large = self.size_bytes.is_some_and(|size| size >= DECODE_THREAD_BYTES_MIN);
        if self.compression == Compression::None || !is_large {
            return self;
        }
        let reader: Box<dyn Read + Send> = match Ahead::new(self.reader) {
            Ok(ahead) => Box::new(ahead),
            Err(reader) => reader,
        };
        Self { reader, ..self }
    }

    fn error(&self, source: io::Error) -> io::Error {
        let (name, format) = (self.name.clone(), self.compression.name());
        let (offset_bytes, text_bytes) = (self.consumed_bytes(), self.text_bytes);
        let kind = source.kind();
        // An error with a number comes from the system, one without from the decompressor.
        let described = if source.raw_os_error().is_some() || self.compression == Compression::None
        {
            StreamError::Io { name, offset_bytes, source }
        } else if kind == io::ErrorKind::UnexpectedEof {
            StreamError::Truncated { name, format, offset_bytes, text_bytes }
        } else {
            StreamError::Corrupt { name, format, offset_bytes, text_bytes, source }
        };
        io::Error::new(kind, described)
    }
}

impl Read for Stream {
    /// Reads text.
    ///
    /// # Errors
    /// An `io::Error` around a [`StreamError`], once; all that could be read before was delivered.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed {
            return Ok(0);
        }
        // A decompressor that meets a fault gives nothing of that read, so that none is long.
        let room = match self.compression {
            Compression::None => buffer.len(),
            Compression::Gzip | Compression::Zstd => buffer.len().min(DECODED_BYTES),
        };
        match self.reader.read(buffer.get_mut(..room).unwrap_or_default()) {
            Ok(count) => {
                self.text_bytes += count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.failed = true;
                Err(self.error(error))
            }
        }
    }
}

fn open_error(name: String, source: io::Error) -> StreamError {
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StreamError::Missing { name },
        io::ErrorKind::PermissionDenied => StreamError::Permission { name },
        _ => StreamError::Io { name, offset_bytes: 0, source },
    }
}

/// Reads [`MAGIC_BYTES`], fewer at the end of the stream or once they cannot be a magic number: a
/// pipe that carries text is not held up by it.
fn first_bytes(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(MAGIC_BYTES);
    let mut byte = [0; 1];
    while first.len() < MAGIC_BYTES {
        match reader.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => first.extend_from_slice(&byte),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if !matches!(first.first(), Some(0x1f | 0x28 | 0x50..=0x5f)) {
            break;
        }
    }
    Ok(first)
}

fn counted<R: Read>(reader: R, consumed: &Arc<AtomicU64>) -> Counted<BufReader<R>> {
    Counted { inner: BufReader::with_capacity(CHUNK_BYTES, reader), consumed: Arc::clone(consumed) }
}

/// Counts what its reader takes.
struct Counted<R> {
    inner: R,
    consumed: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.consumed.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.consumed.fetch_add(count as u64, Ordering::Relaxed);
        self.inner.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;

    use super::*;

    fn text(lines: usize) -> Vec<u8> {
        (0..lines).flat_map(|n| format!("line {n} {}\n", n * 7919).into_bytes()).collect()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 3).unwrap()
    }

    /// What is delivered, and the error after it; on a thread of its own no different.
    fn read(bytes: Vec<u8>) -> (Compression, Vec<u8>, Option<String>) {
        let of = |bytes, size| Stream::of(Cursor::new(bytes), "x.log".to_owned(), size).unwrap();
        let alone = read_all(of(bytes.clone(), None).ahead());
        let ahead = read_all(of(bytes, Some(DECODE_THREAD_BYTES_MIN)).ahead());
        assert!(ahead == alone, "{:?} {:?}", ahead.2, alone.2);
        alone
    }

    fn read_all(mut stream: Stream) -> (Compression, Vec<u8>, Option<String>) {
        let (mut text, mut buffer) = (Vec::new(), vec![0; CHUNK_BYTES]);
        let error = loop {
            match stream.read(&mut buffer) {
                Ok(0) => break None,
                Ok(count) => text.extend_from_slice(&buffer[..count]),
                Err(error) => break Some(error.to_string()),
            }
        };
        assert_eq!(stream.read(&mut buffer).unwrap(), 0);
        (stream.compression(), text, error)
    }

    #[test]
    fn content_decides_about_the_format() {
        let text = text(50_000);
        let (first, second) = text.split_at(100_000);
        let two = |pack: fn(&[u8]) -> Vec<u8>| [pack(first), pack(second)].concat();
        let skippable = [&[0x5e, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3], &*zstd(&text)].concat();
        let check = |name: &str, bytes: Vec<u8>, format: Compression, expected: &[u8]| {
            let (compression, delivered, error) = read(bytes);
            assert_eq!((compression, error), (format, None), "{name}");
            assert!(delivered == expected, "{name}");
        };
        check("text", text.clone(), Compression::None, &text);
        check("empty", Vec::new(), Compression::None, b"");
        check("one byte", b"(".to_vec(), Compression::None, b"(");
        check("almost zstd", b"\x28\xb5\x2ftext".to_vec(), Compression::None, b"\x28\xb5\x2ftext");
        check("almost gzip", b"\x1f\n".to_vec(), Compression::None, b"\x1f\n");
        check("gzip", gzip(&text), Compression::Gzip, &text);
        check("gzip, two members", two(gzip), Compression::Gzip, &text);
        check("gzip of nothing", gzip(b""), Compression::Gzip, b"");
        check("zstd", zstd(&text), Compression::Zstd, &text);
        check("zstd, two frames", two(zstd), Compression::Zstd, &text);
        check("zstd, skippable first", skippable, Compression::Zstd, &text);
    }

    #[test]
    fn cut_off_and_corrupt_data_is_delivered_up_to_the_fault() {
        let text = text(120_000);
        let check = |name: &str, bytes: Vec<u8>, least: usize, expected: &str| {
            let size = bytes.len();
            let (_, delivered, error) = read(bytes);
            assert!(text.starts_with(&delivered), "{name}");
            assert!(delivered.len() >= least, "{name}: {} of {least}", delivered.len());
            let error = error.unwrap_or_default();
            assert!(error.contains(expected), "{name}: {error}");
            assert!(error.starts_with("x.log: "), "{name}: {error}");
            assert!(!expected.contains("cut off") || error.contains(&format!("byte {size} ")));
        };
        let (gz, zst) = (gzip(&text), zstd(&text));
        let half = text.len() / 3;
        check("half a gzip", gz[..gz.len() / 2].to_vec(), half, "gzip data is cut off at byte");
        check("no trailer", gz[..gz.len() - 8].to_vec(), text.len(), "gzip data is cut off");
        check("half a trailer", gz[..gz.len() - 1].to_vec(), text.len(), "gzip data is cut off");
        check("header only", gz[..5].to_vec(), 0, "gzip data is cut off at byte 5 (line data up");
        check("half a zstd", zst[..zst.len() / 2].to_vec(), half, "zstd data is cut off at byte");
        let mut wrong_sum = gz.clone();
        let at = wrong_sum.len() - 8;
        wrong_sum[at] ^= 1;
        check("wrong checksum", wrong_sum, text.len(), "gzip data is corrupt near byte");
        let mut damaged = zst.clone();
        damaged[zst.len() / 2..zst.len() / 2 + 64].fill(0xff);
        check("damaged zstd", damaged, half, "zstd data is corrupt near byte");
        let trailing = [&*gz, b"text after the data\n"].concat();
        check("trailing text", trailing, text.len(), "gzip data is corrupt near byte");
    }

    #[test]
    fn what_cannot_be_opened_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let check = |path: PathBuf, expected: &str| {
            let error = Stream::open(&Input::File(path.clone())).unwrap_err().to_string();
            assert_eq!(error, format!("{}: {expected}", path.display()));
        };
        std::fs::write(directory.path().join("file"), "").unwrap();
        check(directory.path().join("none.log"), "no such file");
        check(directory.path().join("file/none.log"), "no such file");
        let hint = format!(
            "is a directory; name its files, for example {}/*.log",
            directory.path().display()
        );
        check(directory.path().to_owned(), &hint);
        // Tests may run as root, who may read everything; the mapping is what counts.
        let denied = open_error("a".to_owned(), io::ErrorKind::PermissionDenied.into());
        assert!(denied.to_string().starts_with("a: permission denied"), "{denied}");
    }

    #[test]
    fn progress_is_known_for_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log.1");
        let packed = gzip(&text(1_000));
        std::fs::write(&path, &packed).unwrap();
        let mut stream = Stream::open(&Input::File(path.clone())).unwrap();
        assert_eq!(stream.size_bytes(), Some(packed.len() as u64));
        assert_eq!(stream.name(), path.display().to_string());
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        assert_eq!(all, text(1_000));
        assert_eq!(stream.consumed_bytes(), packed.len() as u64);
    }

    #[test]
    fn arguments_become_inputs() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["b.log", "a.log", "c[1].log", "c1.log"] {
            std::fs::write(at(name), "").unwrap();
        }
        std::fs::create_dir(at("d.log")).unwrap();
        std::os::unix::fs::symlink(at("a.log"), at("z.log")).unwrap();
        let check = |arguments: &[&str], expected: &[&str]| {
            let written = arguments.iter().map(|name| match *name {
                "-" => OsString::from("-"),
                name => at(name).into_os_string(),
            });
            let shown: Vec<String> = expand(written)
                .into_iter()
                .map(|input| match input {
                    Ok(Input::Stdin) => "-".to_owned(),
                    Ok(Input::File(path)) => path.display().to_string(),
                    Err(error) => error.to_string(),
                })
                .map(|text| text.replace(&format!("{}/", directory.path().display()), ""))
                .collect();
            assert_eq!(shown, expected, "{arguments:?}");
        };
        check(&["b.log", "a.log"], &["b.log", "a.log"]);
        check(&["*.log"], &["a.log", "b.log", "c1.log", "c[1].log"]);
        check(&["b.log", "*.log"], &["b.log", "a.log", "c1.log", "c[1].log"]);
        check(&["z.log", "a.log"], &["z.log"]);
        check(&["c[1].log"], &["c[1].log"]);
        check(&["c[0-9].log"], &["c1.log"]);
        check(&["-", "a.log", "-"], &["-", "a.log"]);
        check(&["none.log"], &["none.log"]);
        check(&["*.gz", "a.log"], &["*.gz: no file matches this pattern", "a.log"]);
        check(&["d.*"], &["d.*: no file matches this pattern"]);
        check(&["d.log"], &["d.log"]);
    }
}
