//! What somebody should be told of: each incident brings clients of its own, adds what happens, and
//! says which message must come, and when.

mod admitted;
mod authorities;
mod gates;
mod logs;
mod refused;
mod strangers;

use crate::certificate::Authority;
use crate::client::{Client, Pace};
use crate::server::Route;
use crate::time::{HOUR, MINUTE, Rhythm, SECOND};
use crate::world::World;

/// A kind of incident.
#[derive(Clone, Copy, Debug)]
pub struct Incident {
    /// Its name.
    pub name: &'static str,
    /// The hours of the day at which it may begin, the last one included.
    pub hours: (u64, u64),
    /// After so many hours it is over, and all messages have come.
    pub lasts_hours: u64,
    /// Adds it to the world, as beginning at this moment.
    pub add: fn(&mut World, u64),
}

const fn incident(
    name: &'static str,
    hours: (u64, u64),
    lasts_hours: u64,
    add: fn(&mut World, u64),
) -> Incident {
    Incident { name, hours, lasts_hours, add }
}

/// Hours of the day at which it does not matter whether others are awake.
const ANY: (u64, u64) = (0, 21);
/// Working hours.
const DAY: (u64, u64) = (9, 15);

/// All of them, in the order of the built-in rules that should find them.
pub const INCIDENTS: [Incident; 30] = [
    incident("failed_open", ANY, 3, admitted::failed_open),
    incident("retired_identity", ANY, 3, admitted::retired_identity),
    incident("revoked_let_in", (0, 18), 4, admitted::revoked_let_in),
    incident("resumed_past_its_end", ANY, 3, admitted::resumed_past_its_end),
    incident("expired", ANY, 3, refused::expired),
    incident("chain_lost_by_job", (0, 15), 7, refused::chain_lost_by_job),
    incident("renewed_without_intermediate", ANY, 3, refused::renewed_without_intermediate),
    incident("certificates_of_one_day", ANY, 3, refused::certificates_of_one_day),
    incident("fleet_without_certificates", ANY, 3, refused::fleet_without_certificates),
    incident("crl_expired", (7, 19), 3, gates::crl_expired),
    incident("root_removed", DAY, 3, gates::root_removed),
    incident("intermediate_expired", DAY, 3, gates::intermediate_expired),
    incident("clock_skew", ANY, 3, gates::clock_skew),
    incident("revoked_laptop", (0, 12), 12, refused::revoked_laptop),
    incident("stranger_retrying", ANY, 3, strangers::stranger_retrying),
    incident("stranger_retrying_slowly", (0, 14), 10, strangers::stranger_retrying_slowly),
    incident("impostor", ANY, 3, strangers::impostor),
    incident("wrong_map", ANY, 3, gates::wrong_map),
    incident("certificate_stuffing", ANY, 3, strangers::certificate_stuffing),
    incident("stuffing_from_the_office", DAY, 3, strangers::stuffing_from_the_office),
    incident("knocking_without_certificate", ANY, 3, strangers::knocking_without_certificate),
    incident("new_issuer", ANY, 3, authorities::new_issuer),
    incident("public_authority", ANY, 3, authorities::public_authority),
    incident("changed_issuer", ANY, 3, authorities::changed_issuer),
    incident("shared_certificate", ANY, 3, admitted::shared_certificate),
    incident("wrong_coalescing", ANY, 3, gates::wrong_coalescing),
    incident("certificate_ends_soon", (2, 20), 3, refused::certificate_ends_soon),
    incident("log_stops", DAY, 4, logs::log_stops),
    incident("log_with_garbage", ANY, 3, logs::log_with_garbage),
    incident("log_format_changed", ANY, 3, logs::log_format_changed),
];

/// Several in one day that cannot disturb one another, each with the hour at which it begins.
#[derive(Clone, Copy, Debug)]
pub struct Pack {
    /// Its name.
    pub name: &'static str,
    /// Names of incidents.
    pub incidents: &'static [(&'static str, u64)],
}

/// Together they hold every incident. At most one in each has certificates that are soon to end, since
/// there is one digest of these a day.
pub const PACKS: [Pack; 3] = [
    Pack {
        name: "day-1",
        incidents: &[
            ("revoked_laptop", 0),
            ("failed_open", 1),
            ("new_issuer", 3),
            ("stranger_retrying", 5),
            ("crl_expired", 8),
            ("stuffing_from_the_office", 10),
            ("expired", 12),
            ("renewed_without_intermediate", 14),
            ("certificate_stuffing", 16),
            ("wrong_coalescing", 18),
            ("log_with_garbage", 20),
        ],
    },
    Pack {
        name: "day-2",
        incidents: &[
            ("stranger_retrying_slowly", 0),
            ("revoked_let_in", 1),
            ("retired_identity", 3),
            ("changed_issuer", 5),
            ("clock_skew", 7),
            ("root_removed", 10),
            ("log_stops", 12),
            ("certificates_of_one_day", 16),
            ("knocking_without_certificate", 19),
            ("log_format_changed", 21),
        ],
    },
    Pack {
        name: "day-3",
        incidents: &[
            ("chain_lost_by_job", 0),
            ("public_authority", 2),
            ("certificate_ends_soon", 4),
            ("resumed_past_its_end", 6),
            ("intermediate_expired", 9),
            ("wrong_map", 12),
            ("fleet_without_certificates", 15),
            ("impostor", 18),
            ("shared_certificate", 20),
        ],
    },
];

/// The incident of a name.
pub fn by_name(name: &str) -> Option<Incident> {
    INCIDENTS.into_iter().find(|incident| incident.name == name)
}

impl World {
    /// A client for an incident: it calls one route at any hour, every `gap_seconds` on average.
    fn subject_of_incident(
        &mut self,
        name: &str,
        authority: Authority,
        route: Route,
        gap_seconds: u64,
    ) -> Client {
        let mut client = self.client(name, authority, &[route]);
        client.pace = Pace::Steady { gap: gap_seconds * SECOND, rhythm: Rhythm::Even };
        client
    }
}

/// The template of a path as a route's name has it.
fn template(route: Route) -> String {
    route.path.replace("{n}", "{id}").replace("{u}", "{id}")
}

/// From a moment on, so many minutes.
fn minutes(at: u64, count: u64) -> std::ops::Range<u64> {
    at..at + count * MINUTE
}

/// From a moment on, so many hours.
fn hours(at: u64, count: u64) -> std::ops::Range<u64> {
    at..at + count * HOUR
}
