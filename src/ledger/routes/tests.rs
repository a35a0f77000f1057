use std::hash::BuildHasher;

use super::*;
use crate::limits::{ROUTE_BYTES_MAX, ROUTE_LABEL_BYTES_MEAN_MAX};

#[test]
fn a_borrowed_name_hashes_like_its_key() {
    let state = RandomState::default();
    let key = NameKey { server: ServerId(1), route: (*b"/b").into() };
    let name = NameRef { server: ServerId(1), route: b"/b" };
    assert_eq!(state.hash_one(&key), state.hash_one(&name));
    assert!(name.equivalent(&key));
}

#[test]
fn names_take_no_more_than_their_share_of_the_page() {
    let mut taken = Taken::default();
    let name = [b'"'; ROUTE_LABEL_BYTES_MEAN_MAX];
    while taken.has_room(&name, 100) {
        taken.add(&name);
    }
    assert_eq!(taken.routes, 50, "each takes twice its length");
    assert!(!taken.has_room(b"/x", 100) && taken.has_room(b"", 100));
    taken.take_off(&name);
    assert!(taken.has_room(b"/x", 100));
    assert!(!Taken { routes: 100, label_bytes: 0 }.has_room(b"/x", 100));
    // However few there may be, one of the greatest length has room.
    assert!(Taken::default().has_room(&[b'x'; ROUTE_BYTES_MAX], 1));
}

#[test]
fn reasons_and_upstreams_are_bounded_over_all_routes() {
    let (mut route, mut limits) = (RouteUse::default(), LimitHits::default());
    let mut reasons = 0;
    for reason in [Reason::CertHasExpired, Reason::CertRevoked, Reason::CertHasExpired] {
        let reason = route.bounded(reason, &mut reasons, 1, &mut limits);
        route.reasons.add(reason, 1);
    }
    let policy = route.bounded(Reason::Policy, &mut reasons, 1, &mut limits);
    assert_eq!(policy, Reason::Policy);
    let found: Vec<_> = route.reasons.iter().collect();
    assert_eq!(found, [(Reason::CertHasExpired, 2), (Reason::Other, 1)]);

    let mut upstreams = UPSTREAMS_MAX - 1;
    for name in ["a", "b", "a", "c"] {
        let count = |counts: &mut VerdictCounts| counts.add(Verdict::Verified);
        change_upstream(&mut route, name.as_bytes(), &mut upstreams, count, &mut limits);
    }
    let found: Vec<_> = route.upstreams.iter().map(|(name, c)| (name, c.requests())).collect();
    assert_eq!(found, [(&b"a"[..], 2), (b"other", 2)]);
    let hits = |limit| limits.iter().find(|(known, _)| *known == limit).map(|(_, hits)| hits);
    assert_eq!((hits(Limit::Reasons), hits(Limit::Upstreams)), (Some(1), Some(2)));
}
