//! What is wrong with a log itself.

use crate::expected::About;
use crate::incidents::{hours, minutes};
use crate::server::LogFile;
use crate::time::SECOND;
use crate::world::{Mark, World};

/// By day, nothing is written to one log for two hours, while the other goes on.
pub(super) fn log_stops(world: &mut World, at: u64) {
    world.silences.push((LogFile::Partner, hours(at, 2)));
    let about = about(LogFile::Partner);
    world.expect("log_stops", "log_silent", "ticket", minutes(at, 25), about);
}

/// Another program writes into the log.
pub(super) fn log_with_garbage(world: &mut World, at: u64) {
    const GARBAGE: &[u8] = b"WARNING: cache of 4096 entries is full, dropping the oldest\n";
    scraps(world, at, "log_with_garbage", GARBAGE);
}

/// After a reload one server logs in a format without the certificate.
pub(super) fn log_format_changed(world: &mut World, at: u64) {
    const COMBINED: &[u8] = b"10.60.3.4 - - [24/Nov/2026:00:00:00 +0000] \"GET /rates HTTP/1.1\" 200 318 \"-\" \"okhttp/4.12.0\"\n";
    scraps(world, at, "log_format_changed", COMBINED);
}

fn scraps(world: &mut World, at: u64, name: &'static str, bytes: &'static [u8]) {
    for nth in 0..300 {
        let at = at + nth * 2 * SECOND;
        world.marks.push((at, Mark::Scrap(LogFile::Edge, bytes)));
    }
    world.expect(name, "log_unparsed", "ticket", minutes(at, 10), about(LogFile::Edge));
}

fn about(file: LogFile) -> About {
    About { source: file.name().to_owned(), ..About::default() }
}
