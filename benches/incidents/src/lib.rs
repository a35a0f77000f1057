//! Logs of nginx with client certificates in which something happens that somebody should be told of,
//! among ordinary traffic and all the noise that should wake nobody. What happened is written beside
//! them, so that whatever watches such logs can be judged.
//!
//! The same seed gives the same bytes. It knows nothing of gatelog and of its rules: an incident
//! is a change of the world (a certificate ends, a root is removed, a client is deployed without its
//! certificate), and [`gate`] decides as nginx does what becomes of each request. The names of the
//! rules stand in the labels alone.

pub mod almost;
pub mod certificate;
pub mod client;
pub mod connections;
pub mod expected;
pub mod gate;
pub mod incidents;
pub mod noise;
pub mod ordinary;
pub mod play;
pub mod request;
pub mod server;
pub mod time;
pub mod world;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use generate_log::random::Random;

pub use incidents::{INCIDENTS, Incident, PACKS, Pack};
use server::LogFile;
use time::{DAY, HISTORY_END, HOUR, MINUTE};
use world::World;

/// What a log is about.
#[derive(Clone, Copy, Debug)]
pub enum Scenario {
    /// Nothing happens.
    Clean,
    /// Nothing happens, but an hour of the log comes a second time, hours later.
    Backfilled,
    /// One incident, at an hour that the seed chooses.
    One(Incident),
    /// Several, at hours that are fixed to half an hour.
    Many(Pack),
}

impl Scenario {
    /// The one of this name: `clean`, `backfilled`, that of an incident or of a pack.
    pub fn by_name(name: &str) -> Option<Scenario> {
        match name {
            "clean" => Some(Scenario::Clean),
            "backfilled" => Some(Scenario::Backfilled),
            _ => incidents::by_name(name)
                .map(Scenario::One)
                .or_else(|| PACKS.into_iter().find(|pack| pack.name == name).map(Scenario::Many)),
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Scenario::Clean => "clean",
            Scenario::Backfilled => "backfilled",
            Scenario::One(incident) => incident.name,
            Scenario::Many(pack) => pack.name,
        }
    }
}

/// The world of a scenario: 26 hours of history, then those in which it happens: a day, or as many
/// as its incident needs.
pub fn world(seed: u64, scenario: Scenario) -> World {
    let mut random = Random::new(own_seed(seed, scenario));
    let (incidents, end) = beginnings(&mut random, scenario);
    let mut world = World::new(seed, end);
    ordinary::add(&mut world);
    noise::add(&mut world);
    almost::add(&mut world);
    world.random = random;
    for (incident, at) in incidents {
        (incident.add)(&mut world, at);
    }
    if let Scenario::Backfilled = scenario {
        noise::add_replay(&mut world);
    }
    world
}

/// What fixes a scenario's own numbers, so that those of one seed differ, their ordinary traffic apart.
fn own_seed(seed: u64, scenario: Scenario) -> u64 {
    let step = |seed: u64, byte: u8| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    scenario.name().bytes().fold(!seed, step)
}

/// When each incident begins, and when the log ends.
fn beginnings(random: &mut Random, scenario: Scenario) -> (Vec<(Incident, u64)>, u64) {
    let day = HISTORY_END + DAY;
    match scenario {
        Scenario::Clean | Scenario::Backfilled => (Vec::new(), day),
        Scenario::One(incident) => {
            let (first, last) = incident.hours;
            let at = HISTORY_END + first * HOUR + random.below((last - first + 1) * HOUR);
            (vec![(incident, at)], at + incident.lasts_hours * HOUR)
        }
        Scenario::Many(pack) => {
            let known = pack.incidents.iter().filter_map(|&(name, hour)| {
                let at = HISTORY_END + hour * HOUR + random.below(30 * MINUTE);
                incidents::by_name(name).map(|incident| (incident, at))
            });
            (known.collect(), day)
        }
    }
}

/// Writes a world into a directory: its logs, `nginx.conf`, `labels.tsv` and, where the operator has
/// something to declare, `gatelog.toml`. Returns the number of lines.
///
/// # Errors
/// When a file cannot be written.
pub fn write(world: World, directory: &Path) -> io::Result<u64> {
    fs::write(directory.join("nginx.conf"), server::nginx_conf())?;
    fs::write(directory.join("labels.tsv"), expected::labels_tsv(&world.expected))?;
    if !world.retired.is_empty() {
        fs::write(directory.join("gatelog.toml"), declarations(&world.retired))?;
    }
    let create = |file: LogFile| File::create(directory.join(file.name())).map(BufWriter::new);
    let mut edge = create(LogFile::Edge)?;
    let mut partner = create(LogFile::Partner)?;
    let mut lines = 0;
    play::play(world, |file, line| {
        lines += 1;
        match file {
            LogFile::Edge => edge.write_all(line),
            LogFile::Partner => partner.write_all(line),
        }
    })?;
    edge.flush()?;
    partner.flush()?;
    Ok(lines)
}

/// The identities that the operator has declared retired.
fn declarations(retired: &[String]) -> String {
    let table =
        |subject: &String| format!("[[identity]]\nsubject = \"{subject}\"\nretired = true\n\n");
    retired.iter().map(table).collect()
}
