//! The built-in rules, one by one: their case, and the neighbours that must stay quiet.

use crate::scene::{DAY, GOOD, HOUR, MIDNIGHT, MINUTE, Request, Scene};

const SECOND: i64 = 1000;

/// A known client, and an hour of log before anything happens.
fn learnt() -> Scene {
    let mut scene = Scene::new();
    scene.every(MINUTE, 0, 90 * MINUTE, &GOOD);
    scene
}

fn client(number: u32) -> Request<'static> {
    const SUBJECTS: [&str; 8] =
        ["CN=c0", "CN=c1", "CN=c2", "CN=c3", "CN=c4", "CN=c5", "CN=c6", "CN=c7"];
    const ADDRESSES: [&str; 8] = [
        "10.0.2.10",
        "10.0.2.11",
        "10.0.2.12",
        "10.0.2.13",
        "10.0.2.14",
        "10.0.2.15",
        "10.0.2.16",
        "10.0.2.17",
    ];
    let place = usize::try_from(number).unwrap() % 8;
    Request {
        subject: SUBJECTS.get(place).unwrap(),
        from: ADDRESSES.get(place).unwrap(),
        fingerprint: 100 + number,
        ..GOOD
    }
}

/// Eight known clients on one server, for an hour and a half.
fn eight() -> Scene {
    let mut scene = Scene::new();
    for minute in 0..90 {
        for number in 0..8 {
            scene.at(minute * MINUTE + i64::from(number) * SECOND, &client(number));
        }
    }
    scene
}

#[test]
fn a_known_client_is_locked_out_until_it_is_verified_again() {
    let mut scene = learnt();
    let at = 90 * MINUTE;
    scene.every(10 * SECOND, at, at + 5 * MINUTE, &GOOD.refused("certificate has expired"));
    let renewed = Request { fingerprint: 2, ..GOOD };
    scene.at(at + 5 * MINUTE, &renewed);
    scene.quiet_until(at + 10 * MINUTE);
    scene.expect_changes(&[
        "5420 pending known_client_locked_out CN=checkout,O=payments",
        "5480 firing known_client_locked_out CN=checkout,O=payments",
        "5700 resolved known_client_locked_out CN=checkout,O=payments",
    ]);
}

#[test]
fn a_client_that_is_let_in_in_between_is_not_locked_out() {
    let mut scene = learnt();
    for minute in 90..120 {
        scene.at(minute * MINUTE, &GOOD.refused("certificate has expired"));
        scene.at(minute * MINUTE + 30 * SECOND, &GOOD);
    }
    let first = "fingerprint_denied_repeatedly 0000000000000000000000000000000000000001";
    scene.expect_firing(&[first]);
}

#[test]
fn claims_count_from_the_usual_address_only() {
    for (from, fires) in [("10.0.0.7", true), ("203.0.113.9", false)] {
        let mut scene = learnt();
        let at = 90 * MINUTE;
        let claim = Request { fingerprint: 50, from, ..GOOD };
        let claim = claim.refused("unable to verify the first certificate");
        scene.every(MINUTE, at, at + 2 * MINUTE, &claim);
        scene.quiet_until(at + 8 * MINUTE);
        scene.expect_firing(&[]);
        scene.every(MINUTE, at + 8 * MINUTE, at + 11 * MINUTE, &claim);
        scene.quiet_until(at + 15 * MINUTE);
        let expected: &[&str] = match fires {
            true => &["known_client_locked_out CN=checkout,O=payments"],
            false => &[],
        };
        scene.expect_firing(expected);
    }
}

#[test]
fn a_broken_crl_is_one_message() {
    let mut scene = eight();
    for minute in 90..120 {
        for number in 0..8 {
            let refused = client(number).refused("CRL has expired");
            scene.at(minute * MINUTE + i64::from(number) * SECOND, &refused);
        }
    }
    scene.expect_changes(&["5410 firing verification_infrastructure api.example.com"]);
    // It is over: those who come again do, the others are not locked out by what is over.
    scene.every(MINUTE, 120 * MINUTE, 135 * MINUTE, &client(0));
    scene.expect_changes(&["7740 resolved verification_infrastructure api.example.com"]);
}

#[test]
fn clients_that_fail_together_are_one_message() {
    let mut scene = eight();
    let weak = |number| client(number).refused("EE certificate key too weak");
    for step in 0..360 {
        for number in 0..8 {
            let time = 90 * MINUTE + step * 10 * SECOND + i64::from(number) * 100;
            let request = if number < 4 { weak(number) } else { client(number) };
            scene.at(time, &request);
        }
    }
    scene.expect_firing(&["route_failure_ratio /payments/{id} api.example.com"]);
    // They come less often by and by; that they are refused is known.
    scene.every(5 * MINUTE, 150 * MINUTE, 6 * HOUR, &weak(1));
    scene.expect_firing(&[]);
    // Something else would be news.
    let other = client(1).refused("unsuitable certificate purpose");
    scene.every(MINUTE, 6 * HOUR, 6 * HOUR + 5 * MINUTE, &other);
    scene.expect_firing(&["known_client_locked_out CN=c1"]);
}

#[test]
fn strangers_with_a_broken_crl_are_strangers() {
    let mut scene = learnt();
    let at = 90 * MINUTE;
    for number in 0..4 {
        let stranger = Request { subject: "CN=s", ..client(number) };
        scene.every(
            MINUTE,
            at,
            at + 4 * MINUTE,
            &stranger.refused("unable to get certificate CRL"),
        );
    }
    scene.quiet_until(at + HOUR);
    scene.expect_firing(&[]);
}

#[test]
fn a_clock_is_off() {
    let mut scene = eight();
    for number in 0..3 {
        let renewed = Request { fingerprint: 200 + number, ..client(number) };
        let refused = renewed.refused("certificate is not yet valid");
        scene.every(MINUTE, 90 * MINUTE, 93 * MINUTE, &refused);
    }
    scene.quiet_until(100 * MINUTE);
    scene.expect_firing(&["clock_skew api.example.com"]);
}

#[test]
fn everyone_is_refused_on_a_route() {
    let mut scene = eight();
    for minute in 90..100 {
        for number in 0..8 {
            let forbidden = Request { status: 403, upstream: "", ..client(number) };
            scene.at(minute * MINUTE + i64::from(number) * SECOND, &forbidden);
        }
    }
    scene.expect_firing(&["route_lockout /payments/{id} api.example.com"]);
}

#[test]
fn a_wrong_map_forbids_a_known_client() {
    let mut scene = eight();
    let at = 90 * MINUTE;
    let forbidden = Request { status: 403, upstream: "", ..client(3) };
    for minute in 90..105 {
        scene.at(minute * MINUTE, &forbidden);
        scene.at(minute * MINUTE, &client(4));
    }
    scene.expect_firing(&["policy_denied_known /payments/{id} api.example.com CN=c3"]);
    // One that the route never admitted.
    let admin = Request { path: "/admin", ..forbidden };
    scene.every(MINUTE, at + 2 * HOUR, at + 2 * HOUR + 8 * MINUTE, &admin);
    scene.quiet_until(at + 3 * HOUR);
    scene.expect_firing(&[]);
}

#[test]
fn a_share_of_the_connections_fails_in_between() {
    let mut scene = eight();
    for step in 0..90 {
        for number in 0..8 {
            let time = 90 * MINUTE + step * 10 * SECOND + i64::from(number) * 100;
            let fails = (step + i64::from(number)) % 3 == 0;
            match fails {
                true => scene.at(time, &client(number).refused("certificate signature failure")),
                false => scene.at(time, &client(number)),
            }
        }
    }
    scene.expect_firing(&["route_failure_ratio /payments/{id} api.example.com"]);
}

#[test]
fn a_revoked_certificate_knocks_for_hours() {
    let mut scene = learnt();
    let revoked = GOOD.refused("certificate revoked");
    scene.every(5 * MINUTE, 2 * HOUR, 12 * HOUR, &revoked);
    let fingerprint = "revoked_certificate_used 0000000000000000000000000000000000000001";
    scene.expect_firing(&[fingerprint]);
    scene.quiet_until(2 * DAY);
    scene.changes.retain(|it| &*it.rule == "revoked_certificate_used");
    scene.expect_changes(&[
        "129600 resolved revoked_certificate_used 0000000000000000000000000000000000000001",
    ]);
}

#[test]
fn what_got_in_and_should_not_have() {
    let mut scene = learnt();
    let at = 90 * MINUTE;
    // Revoked, and let in again: the CRL was not loaded.
    scene.at(at, &GOOD.refused("certificate revoked"));
    scene.at(at + MINUTE, &GOOD);
    scene.quiet_until(at + 5 * MINUTE);
    let first = "0000000000000000000000000000000000000001";
    scene.expect_firing(&[
        &format!("revoked_certificate_used {first}"),
        &format!("retired_admitted {first}"),
    ]);
    let ended = Request { fingerprint: 3, subject: "CN=old", valid: (-100, 1), ..GOOD };
    scene.at(at + 10 * MINUTE, &ended);
    scene.quiet_until(at + 15 * MINUTE);
    scene.expect_firing(&["expired_admitted 0000000000000000000000000000000000000003"]);
}

#[test]
fn issuers_and_networks() {
    let mut scene = learnt();
    let at = 90 * MINUTE;
    let second = Request { subject: "CN=x", fingerprint: 7, issuer: "CN=Issuing CA 2", ..GOOD };
    scene.at(10 * MINUTE, &second);
    let other = Request { subject: "CN=new", fingerprint: 4, issuer: "CN=Shadow CA", ..GOOD };
    scene.at(at, &other);
    scene.quiet_until(at + 5 * MINUTE);
    scene.expect_firing(&["issuer_first_admitted CN=Shadow CA"]);
    // A known subject, by an issuer that is known by now.
    scene.at(at + 10 * MINUTE, &Request { fingerprint: 5, issuer: "CN=Issuing CA 2", ..GOOD });
    // A renewal by the same.
    scene.at(at + 10 * MINUTE, &Request { fingerprint: 6, ..other.clone() });
    scene.quiet_until(at + 15 * MINUTE);
    scene.expect_firing(&["subject_changed_issuer CN=checkout,O=payments"]);
    let networks = ["10.5.1.1", "10.5.2.1", "10.5.3.1", "10.5.4.1", "10.5.5.1", "10.5.6.1"];
    for (minute, from) in (20..).zip(networks) {
        scene.at(at + minute * MINUTE, &Request { from, ..GOOD });
    }
    scene.quiet_until(at + 30 * MINUTE);
    scene.expect_firing(&["certificate_shared 0000000000000000000000000000000000000001"]);
}

#[test]
fn strangers() {
    let mut scene = learnt();
    let at = 90 * MINUTE;
    for number in 0..6 {
        let try_one =
            Request { subject: "CN=t", fingerprint: 300 + number, from: "198.51.100.4", ..GOOD };
        scene.at(at + i64::from(number) * MINUTE, &try_one.refused("self-signed certificate"));
    }
    scene.quiet_until(at + 10 * MINUTE);
    scene.expect_firing(&["address_tries_certificates 198.51.100.4"]);
    let stranger = Request { subject: "CN=u", fingerprint: 400, from: "198.51.100.5", ..GOOD };
    let stranger = stranger.refused("unable to verify the first certificate");
    scene.every(MINUTE, at + 20 * MINUTE, at + 32 * MINUTE, &stranger);
    scene.quiet_until(at + 40 * MINUTE);
    scene
        .expect_firing(&["fingerprint_denied_repeatedly 0000000000000000000000000000000000000190"]);
    // One that tries slowly.
    let slow = Request { fingerprint: 401, ..stranger };
    scene.every(40 * MINUTE, 10 * HOUR, 20 * HOUR, &slow);
    let nobody =
        Request { verify: "NONE", status: 400, upstream: "", from: "198.51.100.6", ..GOOD };
    scene.every(2 * SECOND, 21 * HOUR, 21 * HOUR + 5 * MINUTE, &nobody);
    scene.quiet_until(22 * HOUR);
    scene.expect_firing(&["address_refused_repeatedly 198.51.100.6"]);
    // Scanners of what nobody needs a certificate for.
    let scanner = Request { path: "/robots.txt", ..nobody };
    scene.every(2 * SECOND, 23 * HOUR, 23 * HOUR + 5 * MINUTE, &scanner);
    scene.quiet_until(24 * HOUR);
    scene.expect_firing(&[]);
}

#[test]
fn certificates_that_end_are_one_digest() {
    let mut scene = Scene::new();
    let ends = Request { valid: (-24 * 300, 24 * 10), ..client(1) };
    let renewed = Request { fingerprint: 900, ..client(2) };
    let replaced = Request { valid: (-24 * 300, 24 * 10), ..client(2) };
    for minute in 0..90 {
        scene.at(minute * MINUTE, &ends);
        scene.at(minute * MINUTE, &replaced);
        scene.at(minute * MINUTE, &renewed);
    }
    scene.expect_firing(&["certificate_expiring"]);
    let alerts = scene.watch.alerts();
    assert_eq!(alerts.len(), 1);
    assert!((alerts[0].value - 1.0).abs() < 1e-9, "{alerts:?}");
}

#[test]
fn a_log_falls_silent_by_day_and_not_by_night() {
    let mut scene = Scene::new();
    for hour in 0..34 {
        let step = if (6..22).contains(&(hour % 24)) { 10 * SECOND } else { 25 * MINUTE };
        scene.every(step, hour * HOUR, (hour + 1) * HOUR, &GOOD);
    }
    scene.expect_firing(&[]);
    scene.quiet_until(35 * HOUR);
    scene.expect_firing(&["log_silent edge"]);
    scene.at(36 * HOUR, &GOOD);
    scene.quiet_until(36 * HOUR + 10 * MINUTE);
    scene.changes.retain(|it| &*it.rule == "log_silent");
    scene.expect_changes(&["129600 resolved log_silent edge"]);
}

#[test]
fn a_socket_that_nobody_listened_to_was_not_silent() {
    for is_heard in [false, true] {
        let mut scene = Scene::new();
        scene.every(10 * SECOND, 0, 34 * HOUR, &GOOD);
        if is_heard {
            scene.watch.wake("edge", MIDNIGHT + 36 * HOUR);
        }
        scene.quiet_until(36 * HOUR + 10 * MINUTE);
        let expected: &[&str] = if is_heard { &[] } else { &["log_silent edge"] };
        scene.expect_firing(expected);
        scene.quiet_until(36 * HOUR + 20 * MINUTE);
        let expected: &[&str] = if is_heard { &["log_silent edge"] } else { &[] };
        scene.expect_firing(expected);
    }
}

#[test]
fn lines_do_not_fit() {
    let mut scene = learnt();
    for second in 0..120 {
        scene.raw("garbage");
        scene.at(90 * MINUTE + second * SECOND, &GOOD);
    }
    scene.expect_firing(&["log_unparsed edge"]);
}

#[test]
fn a_day_of_one_client_is_quiet() {
    let mut scene = Scene::new();
    scene.every(MINUTE, 0, DAY, &GOOD);
    scene.quiet_until(DAY + MINUTE);
    scene.expect_changes(&[]);
}
