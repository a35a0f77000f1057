//! The bounds of the whole process: every queue, map, cache, file and list, with its unit.
//!
//! A bound that belongs to one grammar stands in that parser; what a person chooses in the configuration
//! stands in `config`. Each says what happens when it is reached, and that something tells of it.

mod receivers;
mod rules;

use std::num::NonZeroU64;
use std::time::Duration;

pub use receivers::*;
pub use rules::*;

use crate::ledger::table::Bound;

/// Largest configuration file read, in bytes. A larger one is refused: it is most likely not a configuration.
pub const CONFIG_BYTES_MAX: usize = 1024 * 1024;

/// Most problems of one configuration that are shown; the rest is counted in a last line.
pub const CONFIG_PROBLEMS_MAX: usize = 50;

/// Most columns of a diagnostic's source line, its line number included. The rest of the line is cut and
/// marked with `…`; the label behind the carets may stand out.
pub const DIAGNOSTIC_COLUMNS_MAX: usize = 90;

/// Most `[[source]]` tables; one more is a configuration error.
pub const SOURCES_MAX: usize = 64;

/// Most paths and globs of one source; one more is a configuration error.
pub const SOURCE_PATHS_MAX: usize = 64;

/// Most `[[server]]` tables; one more is a configuration error.
pub const SERVERS_MAX: usize = 256;

/// Most entries of one list in a `[[server]]` table; one more is a configuration error.
pub const SERVER_LIST_MAX: usize = 64;

/// Most names that `Host` may carry besides IP literals and localhost; one more is a configuration error.
pub const HTTP_HOSTS_MAX: usize = 64;

/// Most route patterns in one list; one more is a configuration error.
pub const ROUTE_PATTERNS_MAX: usize = 500;

/// Longest route pattern, in bytes; a longer one is a configuration error.
pub const ROUTE_PATTERN_BYTES_MAX: usize = 512;

/// Longest name of a source, server, host, variable or format, in bytes; a longer one is a configuration error.
pub const NAME_BYTES_MAX: usize = 255;

/// Routes that are counted apart unless `[routes] limit` says otherwise; further ones count as `other`.
pub const ROUTES_DEFAULT: usize = 500;

/// Highest value of `[routes] limit`, in routes.
pub const ROUTES_MAX: usize = 10_000;

/// How much of a log passes before rules compare with the past, unless `learning` says otherwise.
pub const LEARNING_DEFAULT: Duration = Duration::from_secs(3600);

/// How late an event may come and still count in its window, unless `lateness` says otherwise.
pub const LATENESS_DEFAULT: Duration = Duration::from_secs(5);

/// Highest value of `lateness`. Windows stay open for that long, and alerts wait as long.
pub const LATENESS_MAX: Duration = Duration::from_secs(60 * 60);

/// Servers told apart by one source; further ones are `other`, and so is one whose name is longer than
/// [`NAME_BYTES_MAX`].
pub const SERVER_NAMES_MAX: usize = 1000;

/// Longest route kept, in bytes; the rest is cut.
pub const ROUTE_BYTES_MAX: usize = 512;

/// Longest raw path whose route is remembered, in bytes; a longer one is worked out each time.
pub const ROUTE_CACHE_KEY_BYTES_MAX: usize = 256;

/// Raw paths whose route is remembered; the least recently seen leaves first.
pub const ROUTE_CACHE_ENTRIES_MAX: usize = 4096;

/// The share of all routes that refused requests alone may create: one in this many.
pub const ROUTES_REFUSED_SHARE: usize = 5;

/// Bytes that the names of all routes may take in labels, for each route that there may be; further
/// routes count as `other`. A route is some ten series: with 500 routes this keeps `/metrics` below
/// 2 MB whatever paths clients make up.
pub const ROUTE_LABEL_BYTES_MEAN_MAX: usize = 100;

/// Reasons of failures told apart on all routes together, for each route that there may be; a further
/// one on a route counts as `other` there. Each is a series too.
pub const REASONS_PER_ROUTE_MEAN_MAX: usize = 4;

/// Upstreams told apart on one route, and TLS versions with ciphers on one server; further ones are
/// `other`.
pub const NAMES_PER_ROUTE_MAX: usize = 32;

/// Upstreams told apart on all routes together; further ones are `other`. nginx's configuration chooses
/// them, but under `escape=none` a client can forge them.
pub const UPSTREAMS_MAX: usize = 4096;

/// TLS versions and ciphers told apart on all servers together; further ones are `other`.
pub const TLS_CIPHERS_MAX: usize = 4096;

/// Issuers of the latest certificates whose names are shared with the next ones.
pub const SHARED_ISSUERS_MAX: usize = 16;

/// Longest DN kept, in bytes; the rest is replaced by its hash.
pub const DN_BYTES_MAX: usize = 512;

/// Longest address, upstream, TLS version or cipher kept, in bytes; the rest is cut.
pub const WORD_BYTES_MAX: usize = 128;

/// Different values counted exactly; beyond that the count is an estimate.
pub const DISTINCT_EXACT_MAX: usize = 16;

/// Certificates that verified: entries, and bytes with all they own.
pub const VERIFIED_CERTIFICATES: Bound = Bound { entries_max: 100_000, bytes_max: 23 << 19 };

/// Certificates that never verified here. A table of their own, so that strangers cannot push out
/// the known.
pub const CLAIMED_CERTIFICATES: Bound = Bound { entries_max: 100_000, bytes_max: 4 << 20 };

/// Fingerprints whose key and place are remembered as they were logged, 64 bytes each; another one in
/// the same place takes it. A power of two.
pub const FINGERPRINT_MEMO_ENTRIES_MAX: usize = 2048;

const _: () = assert!(FINGERPRINT_MEMO_ENTRIES_MAX.is_power_of_two());

/// Client addresses.
pub const ADDRESSES: Bound = Bound { entries_max: 100_000, bytes_max: 5 << 20 };

/// Issuers of certificates that have left their table; further ones are `other`.
pub const DEPARTED_ISSUERS_MAX: usize = 1000;

/// Requests remembered by their `$request_id`, 16 bytes each, to notice those that two sources carry;
/// of more, a sample. A power of two.
pub const REQUEST_IDS_MAX: usize = 8192;

/// Halvings of that sample; then the latest take the places of others. With 10 the table covers the
/// last eight million requests.
pub const REQUEST_IDS_SAMPLE_BITS_MAX: u32 = 10;

/// Sources that are told apart among those; further ones are not looked at.
pub const TWIN_SOURCES_MAX: usize = 64;

const _: () = assert!(REQUEST_IDS_MAX.is_power_of_two());
const _: () = assert!(TWIN_SOURCES_MAX >= SOURCES_MAX, "the agent looks at all of its sources");

/// Buckets of the timeline of all requests; more, and they widen.
pub const TIMELINE_BUCKETS_MAX: usize = 1000;

/// Buckets of the timeline of one certificate's refusals.
pub const REFUSAL_BUCKETS_MAX: usize = 24;

/// Highest count that is believed of what was stored: ten years of 20,000 lines a second. Sums of such
/// counts, over every table, can be counted on; what holds a higher one is damaged.
pub const STORED_COUNT_MAX: u64 = 1 << 43;

/// Highest count of one source, in lines or bytes, that is believed of what was stored: 70 petabytes.
/// Sums of them over all sources can be counted on.
pub const SOURCE_COUNT_MAX: u64 = 1 << 56;

const _: () = assert!(SOURCE_COUNT_MAX as u128 * 3 * (SOURCES_MAX as u128) < u64::MAX as u128);

/// Bytes of one part of a ledger's image, when it is handed out; an entry may go over it.
pub const IMAGE_PART_BYTES: usize = 64 * 1024;

/// Contexts of events (server, upstream, TLS version and cipher, reason) that a journal names before
/// it forgets all names and begins to name anew.
pub const JOURNAL_CONTEXTS_MAX: usize = 4096;

/// Bytes of names that a journal needs to be remembered while it is read; beyond that it forgets them
/// and begins to name anew.
pub const JOURNAL_NAMED_BYTES_MAX: usize = 4 << 20;

/// Certificates counted within one minute of the last hour; further ones are not listed there. As
/// many as a map of 1,024 slots takes: one more would make it twice as large.
pub const WINDOW_KEYS_PER_MINUTE_MAX: usize = 896;

const _: () = assert!(
    VERIFIED_CERTIFICATES.bytes_max + CLAIMED_CERTIFICATES.bytes_max + ADDRESSES.bytes_max
        <= 40 << 20
);
const _: () = assert!(ROUTES_DEFAULT <= ROUTES_MAX);
const _: () = assert!(ROUTE_PATTERNS_MAX <= ROUTES_MAX);
const _: () = assert!(LATENESS_DEFAULT.as_secs() <= LATENESS_MAX.as_secs());

use gatelog_parsers::nginx_conf::CONF_BYTES_MAX;
use gatelog_parsers::syslog::HEADER_BYTES_MAX;

/// Deepest chain of nginx configuration files that include each other, the main file counted.
pub const NGINX_CONF_INCLUDE_DEPTH_MAX: usize = 16;

/// Most nginx configuration files read for one main file; a file included twice counts twice.
pub const NGINX_CONF_FILES_MAX: usize = 4096;

/// Most bytes of nginx configuration read for one main file, all its files together.
pub const NGINX_CONF_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most formats, servers, names, ports, logs, error pages and gates kept of one nginx
/// configuration. Each server inherits its own copy, so that this and not the bytes read bounds the
/// memory: about 20 MiB.
pub const NGINX_CONF_RECORDS_MAX: usize = 100_000;

/// Most problems reported for one nginx configuration; the last one says that there are more.
pub const NGINX_CONF_PROBLEMS_MAX: usize = 100;

// The main file alone never meets the bound on all files together.
const _: () = assert!(CONF_BYTES_MAX <= NGINX_CONF_BYTES_MAX);

// ---- http ----

/// Connections one listener holds at once. Below the usual soft limit of 1,024 open files with
/// room for logs and state, and well above 500 idle ones. At the cap the connection that has
/// waited longest is closed for the new one.
pub const HTTP_CONNECTIONS_MAX: usize = 768;

/// Longest request line and headers together; more is answered with 431. A scrape needs some
/// hundred bytes, a browser a few thousand. It is also hyper's buffer for each connection: with
/// 16 KiB, 768 unfinished heads were measured to take 22 MiB, for buffers grow in steps.
pub const HTTP_HEAD_BYTES_MAX: usize = 8 * 1024;

/// Longest request body read and thrown away so that the answer can be seen; more is answered with
/// 413 and the connection closed. No path reads a body.
pub const HTTP_BODY_BYTES_MAX: usize = 16 * 1024;

/// Time from the first byte of a request (or from the start of the connection) to the end of its
/// headers, in total, however they drip.
pub const HTTP_HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Time a kept-alive connection may stay without a byte between two requests. Longer than the
/// usual scrape interval of one minute, so that a scraper keeps its connection.
pub const HTTP_IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// Time within which a request body must have arrived.
pub const HTTP_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Time within which a page must be ready; afterwards the answer is 503. Half of Prometheus'
/// default `scrape_timeout`.
pub const HTTP_PAGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Time from the end of a request's headers until the client has taken the last byte of its
/// answer; a client that reads more slowly is cut off.
pub const HTTP_ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Time that running answers get to finish when the agent stops.
pub const HTTP_SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Pages of `/metrics` being made or sent at once on one listener; another request waits for
/// `HTTP_PAGE_TIMEOUT` and then gets 503. It bounds what slow readers can keep in memory.
pub const HTTP_METRICS_ANSWERS_MAX: usize = 8;

/// First wait after an `accept` that failed for want of descriptors or memory; it doubles.
pub const HTTP_ACCEPT_BACKOFF_MIN: Duration = Duration::from_millis(50);

/// Longest wait between two attempts to accept.
pub const HTTP_ACCEPT_BACKOFF_MAX: Duration = Duration::from_secs(1);

const _: () = assert!(HTTP_CONNECTIONS_MAX > 500, "500 idle connections must fit");
const _: () = assert!(HTTP_HEAD_BYTES_MAX >= 8 * 1024, "hyper's smallest buffer");
const _: () = assert!(HTTP_HEAD_TIMEOUT.as_secs() < 40, "unfinished headers end within 40 s");
const _: () = assert!(
    HTTP_BODY_TIMEOUT.as_secs() + 2 * HTTP_PAGE_TIMEOUT.as_secs() < HTTP_ANSWER_TIMEOUT.as_secs(),
    "a late page must still be answered with 503 before the connection is cut"
);

/// Bytes read at once from a file or stream. Measured on 300 MB of 270-byte lines in the page
/// cache: splitting such chunks into lines takes 1.1 times as long as `wc -l`. A memory map is
/// hardly faster and dies when the file is truncated.
pub const CHUNK_BYTES: usize = 256 * 1024;

/// Bytes decompressed at once. Of damaged data no more than this is lost before the fault.
pub const DECODED_BYTES: usize = 64 * 1024;

/// Decompressed buffers that wait for whoever makes lines of them, 1 MiB together; then the
/// decompressor waits.
pub const DECODED_BUFFERS_MAX: usize = 16;

/// Largest window of zstd data that a follower unpacks, as a power of two: 8 MiB, what every decoder
/// should support (RFC 8878, section 3.1.1.1.2). What needs a larger one is a gap.
pub const UNPACK_WINDOW_LOG_MAX: u32 = 23;

/// Smallest compressed file that gets a thread for its decompressor, in bytes; below it the thread
/// costs what it gains.
pub const DECODE_THREAD_BYTES_MIN: u64 = 256 * 1024;

/// Longest line kept; the rest is discarded up to the next newline and the line says that it was
/// cut. nginx accepts 4 x 8 KiB of headers by default and its log escaping turns one byte into
/// four.
pub const LINE_BYTES_MAX: usize = 4 * (4 * 8 * 1024);

/// Lines of one source that a container runtime has split and whose rest has not come yet. Of more, the
/// oldest is handed out as one that was cut; counted.
pub const PENDING_LINES_MAX: usize = 64;

/// Bytes of those lines together. What would be more is cut off the line it belongs to; counted.
pub const PENDING_BYTES_MAX: usize = 1024 * 1024;

const _: () = assert!(PENDING_BYTES_MAX >= LINE_BYTES_MAX);

/// Longest datagram taken: a line of the greatest length with its syslog header. More is cut.
pub const DATAGRAM_BYTES_MAX: usize = LINE_BYTES_MAX + HEADER_BYTES_MAX;

/// Chunks of `CHUNK_BYTES` that wait for the reader of a source that is no file, 4 MiB together with the one
/// being read: at 100 ms between two looks, 40 MB/s. A datagram that finds them full is dropped and counted
/// as a gap (`buffer_full`); standard input waits.
pub const FEED_CHUNKS_MAX: usize = 16;

/// Datagrams in one of these chunks, so that empty ones are bounded too: 16 bytes each, 2 MiB more.
pub const FEED_CHUNK_PIECES_MAX: usize = 8 * 1024;

/// The receive buffer asked for a socket, in bytes. The kernel gives at most `net.core.rmem_max`, and
/// drops what does not fit, which it counts.
pub const SOCKET_BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// Most of the kernel's table of UDP sockets that is read, in bytes: some 30,000 sockets.
pub const PROC_NET_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Time between two looks at what the kernel has dropped, while datagrams come.
pub const KERNEL_DROPS_INTERVAL: Duration = Duration::from_secs(1);

// A datagram of the greatest length fits into an empty chunk.
const _: () = assert!(DATAGRAM_BYTES_MAX <= CHUNK_BYTES);

/// Files that one followed source holds open, rotated ones included. Further ones wait until a
/// rotated file is finished; each is reported and counted once. Copies and rotated files that cannot
/// wait, for nothing would lead to them later, may be as many again.
pub const OPEN_FILES_MAX: usize = 64;

/// Files that the patterns of one followed source may match. Those beyond it, in the order of their
/// names, are not looked at; counted at each look.
pub const FILES_MATCHED_MAX: usize = 1024;

/// Closed files whose position is remembered, in case they come back under a followed name. The
/// oldest leaves first and would then be read from its start.
pub const FILES_REMEMBERED_MAX: usize = 4 * OPEN_FILES_MAX;

/// What one look at the file system reports in full; the rest is counted.
pub const CHANGES_MAX: usize = 4 * OPEN_FILES_MAX;

/// How long a renamed or deleted file stays open after it last grew. nginx writes to the old file
/// until it is told to reopen its logs, and its workers do so one after the other.
pub const ROTATED_IDLE_GRACE: Duration = Duration::from_secs(5);

/// Files that the arguments of one command may name; more are refused with an error.
pub const INPUTS_MAX: usize = 100_000;

/// Directories watched for wake-ups. Files in further ones are still seen by the regular look.
pub const WATCHED_DIRECTORIES_MAX: usize = 256;

// A partial line of the greatest length, its line end included, leaves room to read on.
const _: () = assert!(LINE_BYTES_MAX + 2 < CHUNK_BYTES);
// A source that is rotated while every slot is in use must be able to remember what it closes.
const _: () = assert!(FILES_REMEMBERED_MAX >= OPEN_FILES_MAX);

/// Longest file that holds a log_format, in bytes; the rest is not read.
pub const FORMAT_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// First lines of a log that are read to recognise its format, in bytes; no more are looked at.
pub const HEAD_BYTES_MAX: usize = 1024 * 1024;

/// Last lines of a log that are read to recognise its format when it is followed from its end, in
/// bytes; no more are looked at.
pub const TAIL_BYTES_MAX: u64 = 256 * 1024;

// A line of the greatest length is still whole.
const _: () = assert!(TAIL_BYTES_MAX > LINE_BYTES_MAX as u64 + 2);

/// Threads that read one log at once. Each has a ledger of its own, of at most 40 MiB with what its
/// tables and sketches own.
pub const READ_THREADS_MAX: usize = 8;

/// Bytes of a log that one thread reads in one go before the next of its blocks. Large enough for
/// what is read twice at the cuts not to matter, small enough for the threads to end together.
pub const BLOCK_BYTES: NonZeroU64 = NonZeroU64::new(4 * 1024 * 1024).unwrap();

// What is read twice, a chunk at each cut, is little of a block.
const _: () = assert!(16 * CHUNK_BYTES as u64 <= BLOCK_BYTES.get());

/// Longest line that `parse` prints, in bytes. What would be longer is shown as an error, with as
/// much of the line as there is room for.
pub const OUTPUT_LINE_BYTES_MAX: usize = 1024 * 1024;

/// Bytes that `parse` writes at once, whole lines, as soon as there are so many: what a pipe holds.
pub const OUTPUT_BYTES: usize = 64 * 1024;

/// Certificates whose JSON `parse` remembers, by place; another one in the same place takes it.
pub const CERTIFICATE_MEMO_ENTRIES_MAX: usize = 1024;

/// Longest values of one certificate, together, whose JSON is remembered, in bytes. Their JSON is at
/// most 16 times as long, so that all take some 17 MiB of which an ordinary log fills one.
pub const CERTIFICATE_MEMO_KEY_BYTES_MAX: usize = 1024;

/// Bytes of lines that a log hands on at once, where several are merged, and how many such batches wait.
pub const MERGE_BATCH_BYTES: usize = 256 * 1024;

/// Batches of one log that wait to be merged.
pub const MERGE_BATCHES_MAX: usize = 2;

/// Entries of each list of a report; the rest is counted.
pub const LIST_ENTRIES_MAX: usize = 1000;

// ---- the state ----

/// Memory that SQLite takes for pages of the state, in KiB; what is written beyond it goes to disk
/// before the transaction ends.
pub const STORE_CACHE_KIB: u32 = 1024;

/// Bytes of a page of the state. A piece of the journal takes several, each of which costs two system
/// calls.
pub const STORE_PAGE_BYTES: u32 = 16 * 1024;

/// Size to which the write-ahead log is cut when it was larger, in bytes. It grows for as long as one
/// transaction, an image of the whole ledger, needs.
pub const STORE_WAL_BYTES: u64 = 16 << 20;

/// Sources whose places are kept, those of the configuration included. The one that was saved longest
/// ago leaves first.
pub const SAVED_SOURCES_MAX: usize = 256;

const _: () = assert!(SAVED_SOURCES_MAX > SOURCES_MAX);

/// What waits for the thread that saves: parts of an image of the ledger, mostly. The reading thread
/// waits for room, see `IMAGE_WAIT_MAX`.
pub const KEEPER_WORK_MAX: usize = 4;

/// Time between two transactions while there is something to save; on a slow disk the next one waits
/// for the one before. A scrape does not wait for it, nor does the first line after a pause.
pub const COMMIT_INTERVAL: Duration = Duration::from_millis(50);

/// The same while lines come all the time. A transaction costs 250 to 500 us of processor time, mostly in
/// the kernel, and what it leaves of the caches as much again: at 20,000 lines a second `run` took 1.5
/// times as long a line with state as without at 20 transactions a second, 1.33 times at five. What is
/// not saved when the agent is killed is read from the log again.
pub const COMMIT_INTERVAL_BUSY: Duration = Duration::from_millis(1000);

const _: () = assert!(COMMIT_INTERVAL.as_millis() < COMMIT_INTERVAL_BUSY.as_millis());

/// Bytes of the journal at which a transaction does not wait for its time.
pub const JOURNAL_PIECE_BYTES: usize = 256 * 1024;

/// Bytes of the journal in memory at which the reading thread waits for the disk, until a transaction
/// has taken `SAVE_WAIT_MAX`; then the journal is dropped.
pub const JOURNAL_UNSAVED_BYTES_MAX: usize = 512 * 1024;

/// How long a transaction may take before the agent says that its state is not saved, and shows what
/// it counts without waiting for it.
pub const SAVE_WAIT_MAX: Duration = Duration::from_secs(2);

/// How long the reading thread waits, all in all, for room to hand over an image of the ledger. What
/// does not fit is tried again later, and then may take twice as long.
pub const IMAGE_WAIT_MIN: Duration = Duration::from_secs(1);

/// Longest time that the reading thread waits for room for an image; what is shown waits with it.
pub const IMAGE_WAIT_MAX: Duration = Duration::from_secs(3);

/// Events after which an image is made, so that few have to be recorded again at the next start: one
/// takes about a microsecond.
pub const JOURNAL_EVENTS_MAX: u64 = 50_000;

/// Bytes of the image for which one event more may be in the journal: to write a large image costs
/// more than to record again.
pub const IMAGE_BYTES_PER_EVENT: u64 = 256;

/// Pieces of the journal after which an image is made.
pub const JOURNAL_PIECES_MAX: u64 = 2_000;

/// Bytes of the journal after which an image is made, unless the image itself is larger than half of
/// that.
pub const JOURNAL_BYTES_MAX: u64 = 8 << 20;

/// First wait until saving is tried again after it failed; it doubles.
pub const SAVE_RETRY_MIN: Duration = Duration::from_millis(500);

/// Longest wait until saving is tried again.
pub const SAVE_RETRY_MAX: Duration = Duration::from_secs(10);

/// Shortest time between two messages that the state is not saved: a slow disk may be in time and too
/// late by turns.
pub const SAVE_TOLD_INTERVAL: Duration = Duration::from_secs(60);

const _: () = assert!(JOURNAL_PIECE_BYTES < JOURNAL_UNSAVED_BYTES_MAX);
const _: () = assert!(SAVE_WAIT_MAX.as_millis() < HTTP_PAGE_TIMEOUT.as_millis());
const _: () = assert!(
    IMAGE_WAIT_MAX.as_millis() + IMAGE_WAIT_MIN.as_millis() < HTTP_PAGE_TIMEOUT.as_millis()
);

// ---- the agent ----

/// Requests to the thread that follows the logs: snapshots, wake-ups, reloads. It is there to be
/// woken rather than to queue: each listener asks for at most `HTTP_METRICS_ANSWERS_MAX` snapshots
/// at once. A request that finds it full is dropped; a scrape is then answered with 503.
pub const FOLLOW_REQUESTS_MAX: usize = 64;

const _: () = assert!(FOLLOW_REQUESTS_MAX > 2 * HTTP_METRICS_ANSWERS_MAX);

/// Longest time between two looks at the followed files, whatever wakes or does not.
pub const LOOK_INTERVAL_MAX: Duration = Duration::from_millis(250);

/// Shortest time between two looks. Each line that nginx writes is an event, and each scrape asks for
/// a look; together they cost one.
pub const LOOK_INTERVAL_MIN: Duration = Duration::from_millis(10);

/// Time between two looks while lines come all the time. What a line costs falls with it: a wake-up
/// with cold caches was measured to take some 400 us, and at 20,000 lines a second the cost of a line
/// was 2.1 us with 25 ms, 1.85 with 50, 1.5 with 200, 1.4 read in one go. A scrape does not wait for it,
/// it looks itself. Truncation of a file loses what was not read, so that it is kept below
/// `LOOK_INTERVAL_MAX`.
pub const LOOK_INTERVAL_BUSY: Duration = Duration::from_millis(100);

const _: () = assert!(LOOK_INTERVAL_MIN.as_millis() < LOOK_INTERVAL_BUSY.as_millis());
const _: () = assert!(LOOK_INTERVAL_BUSY.as_millis() < LOOK_INTERVAL_MAX.as_millis());

/// How long a scrape waits for what is in the files already to be read; the rest is in the next one.
pub const SCRAPE_READ_MAX: Duration = Duration::from_millis(5);

/// How long the agent goes on reading what is in the files already when it is told to stop. What is
/// left then is said.
pub const STOP_DRAIN_GRACE: Duration = Duration::from_secs(5);

/// How long the agent waits for its own threads when it stops, the drain included.
pub const STOP_GRACE: Duration = Duration::from_secs(10);

/// How long the agent waits for the disk to save the last counts when it stops, the drain included.
/// What is not saved then is read again from the logs at the next start.
pub const STOP_SAVE_GRACE: Duration = Duration::from_secs(7);

const _: () = assert!(STOP_DRAIN_GRACE.as_secs() < STOP_SAVE_GRACE.as_secs());
const _: () = assert!(STOP_SAVE_GRACE.as_secs() < STOP_GRACE.as_secs());
const _: () = assert!(HTTP_SHUTDOWN_GRACE.as_secs() < STOP_GRACE.as_secs());

/// Lines in a row that do not fit a format that was recognised; then it is recognised anew. nginx
/// may have been told to log in another one.
pub const UNFIT_IN_A_ROW_MAX: u32 = 100;

/// Servers of one source whose unknown `ssl_verify_client` is said in the log; further ones are not.
pub const UNKNOWN_GATES_MAX: usize = 16;

/// Reasons of one source why it has no file that `/readyz` shows; further ones are not kept.
pub const SOURCE_PROBLEMS_MAX: usize = 8;

/// Paths outside of the sandbox that a refused reload names, and logs that are awaited in another
/// directory than theirs that the start names; further ones are counted, or not named.
pub const SANDBOX_PROBLEMS_MAX: usize = 8;

/// Certificates in each of the lists of the metrics; further ones are not shown there. Each is a
/// series, and clients make certificates.
pub const METRICS_CERTIFICATES_MAX: usize = 100;
