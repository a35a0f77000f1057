//! On simulated time: outages of hours in no time, with a server that is a function.

use std::collections::BTreeMap;

use super::*;
use crate::notify::{alertmanager, webhook};
use crate::rules::Severity;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// What a member was sent.
#[derive(Clone, Debug)]
struct Got {
    at: Duration,
    member: usize,
    /// Alert and state.
    alerts: Vec<(String, State)>,
    ids: Vec<String>,
    meaning: Meaning,
}

/// A delivery, its servers and the time.
struct Scene<F> {
    delivery: Delivery,
    at: Duration,
    /// What a server makes of a request, and after which time.
    server: F,
    got: Vec<Got>,
    done: Vec<Done>,
    chance: u32,
    /// Requests on their way, by the time of their answer.
    sending: BTreeMap<(Duration, usize), (Batch, Meaning)>,
}

fn policy(members: usize) -> Policy {
    Policy {
        members,
        batch_alerts_max: 10,
        batch_bytes_max: 100_000,
        resend: MINUTE,
        resolved_resend: 15 * MINUTE,
        backoff_max: MINUTE,
        key: alertmanager::key,
    }
}

fn webhook_policy() -> Policy {
    Policy {
        members: 1,
        batch_alerts_max: 1,
        resend: 4 * HOUR,
        resolved_resend: Duration::ZERO,
        backoff_max: 10 * MINUTE,
        key: webhook::key,
        ..policy(1)
    }
}

fn alert(route: &str, state: State) -> Alert {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Alert {
        rule: "rule".into(),
        severity: Severity::Page,
        state,
        time: 0,
        starts_at: 0,
        ends_at: (state == State::Resolved).then_some(1),
        labels: vec![pair("alertname", "rule"), pair("route", route)],
        group: vec![pair("route", route)],
        annotations: Vec::new(),
        value: 1.0,
        reason: String::new(),
    }
}

fn notification(route: &str, state: State) -> Notification {
    Notification { id: format!("{route}-{}", state.as_str()), alert: alert(route, state) }
}

impl<F: FnMut(Duration, usize, &Batch) -> (Meaning, Duration)> Scene<F> {
    fn new(policy: Policy, server: F) -> Scene<F> {
        Scene {
            delivery: Delivery::new(policy),
            at: Duration::ZERO,
            server,
            got: Vec::new(),
            done: Vec::new(),
            chance: 1,
            sending: BTreeMap::new(),
        }
    }

    fn now(&self) -> Now {
        let millis = i64::try_from(self.at.as_millis()).unwrap();
        Now { monotonic: Monotonic::from_start(self.at), unix: UnixMilliseconds(millis) }
    }

    fn push(&mut self, route: &str, state: State) {
        self.delivery.push(notification(route, state));
    }

    /// Lets the time pass until then.
    fn until(&mut self, end: Duration) {
        loop {
            for member in 0..self.delivery.members.len() {
                if let Some(batch) = self.delivery.request(member, self.now()) {
                    let (meaning, after) = (self.server)(self.at, member, &batch);
                    self.sending.insert((self.at + after, member), (batch, meaning));
                }
            }
            while let Some(done) = self.delivery.next_done() {
                self.done.push(done);
            }
            let answer = self.sending.keys().next().map(|(at, _)| *at);
            let wake = self.delivery.wake().map(|wake| wake.since_start().max(self.at));
            let next = [answer, wake].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next < end) else {
                self.at = end;
                return;
            };
            assert!(self.got.len() < 100_000, "it asks without end");
            self.at = next;
            self.take_answers();
        }
    }

    fn take_answers(&mut self) {
        while let Some(entry) = self.sending.first_entry().filter(|it| it.key().0 <= self.at) {
            let ((_, member), (batch, meaning)) = entry.remove_entry();
            let alerts = batch.items.iter().map(|item| {
                let alert = &item.notification.alert;
                (alert.label("route").unwrap().to_owned(), alert.state)
            });
            self.got.push(Got {
                at: self.at,
                member,
                alerts: alerts.collect(),
                ids: batch.items.iter().map(|item| item.id.clone()).collect(),
                meaning,
            });
            // A generator of Lehmer's: the same on each run.
            let next = u64::from(self.chance) * 48_271 % 2_147_483_647;
            self.chance = u32::try_from(next).unwrap();
            let random = f64::from(self.chance) / 2_147_483_647.0;
            self.delivery.answered(member, batch, meaning, self.now(), random);
        }
    }

    /// What was taken of a route, in order.
    fn taken(&self, member: usize, route: &str) -> Vec<State> {
        let taken = self.got.iter().filter(|got| got.member == member);
        let taken = taken.filter(|got| got.meaning == Meaning::Taken);
        let alerts = taken.flat_map(|got| got.alerts.iter().filter(|(name, _)| name == route));
        alerts.map(|(_, state)| *state).collect()
    }

    fn count(&self, outcome: Outcome) -> u64 {
        let place = Outcome::ALL.iter().position(|known| *known == outcome).unwrap();
        self.delivery.counts()[place]
    }

    fn done_ids(&self) -> Vec<&str> {
        self.done.iter().map(|done| done.id.as_str()).collect()
    }
}

fn always(meaning: Meaning) -> impl FnMut(Duration, usize, &Batch) -> (Meaning, Duration) {
    move |_, _, _| (meaning, Duration::from_millis(10))
}

/// Away for so long, each request answered after a while.
fn away(
    until: Duration,
    after: Duration,
) -> impl FnMut(Duration, usize, &Batch) -> (Meaning, Duration) {
    move |at, _, _| (if at < until { Meaning::Retry(None) } else { Meaning::Taken }, after)
}

#[test]
fn six_hours_away() {
    for (what, policy, back_within) in
        [("alertmanager", policy(1), MINUTE), ("webhook", webhook_policy(), 20 * MINUTE)]
    {
        for after in [Duration::from_millis(10), 30 * SECOND] {
            let mut scene = Scene::new(policy, away(6 * HOUR, after));
            for number in 0..30_u32 {
                scene.until(number * 10 * MINUTE);
                scene.push(&format!("/{number}"), State::Firing);
                if number >= 10 {
                    scene.push(&format!("/{}", number - 10), State::Resolved);
                }
            }
            scene.until(6 * HOUR);
            assert_eq!(scene.done, [], "{what}");
            let tries = scene.got.len();
            // Full jitter: half of the longest wait on average, when it has been reached.
            let mean = policy.backoff_max / 2;
            let expected = (6 * HOUR).as_secs() / mean.as_secs();
            assert!((tries as u64) < 2 * expected, "{what}: {tries} tries");
            scene.until(6 * HOUR + back_within + 60 * after);
            assert_eq!(scene.count(Outcome::Delivered), 50, "{what} {after:?}");
            for number in 0..30 {
                let mut taken = scene.taken(0, &format!("/{number}"));
                taken.dedup();
                let both = [State::Firing, State::Resolved];
                let expected = if number < 20 { &both[..] } else { &both[..1] };
                assert_eq!(taken, expected, "{what} /{number}");
            }
            assert_eq!(scene.delivery.queue_length(), 0);
        }
    }
}

#[test]
fn each_has_one_id_and_a_repeat_another() {
    let mut requests = 0;
    let mut scene = Scene::new(webhook_policy(), move |_, _, _: &Batch| {
        requests += 1;
        let meaning = if requests % 3 == 0 { Meaning::Taken } else { Meaning::Retry(None) };
        (meaning, SECOND)
    });
    scene.push("/", State::Firing);
    scene.until(13 * HOUR);
    let ids: Vec<&String> = scene.got.iter().flat_map(|got| &got.ids).collect();
    assert_eq!(ids.len(), 12);
    let mut different = ids.clone();
    different.dedup();
    assert_eq!(different.len(), 4, "{ids:?}");
    assert_eq!(different[0], "/-firing");
    assert!(different[1..].iter().all(|id| id.starts_with("/-firing-")), "{different:?}");
    assert_eq!(scene.done_ids(), ["/-firing"]);
}

#[test]
fn firing_alerts_are_told_again_and_resolved_ones_for_a_while() {
    let mut scene = Scene::new(policy(1), always(Meaning::Taken));
    scene.push("/", State::Firing);
    scene.until(HOUR);
    let firing = scene.taken(0, "/").len();
    assert!((59..=62).contains(&firing), "{firing}");
    scene.push("/", State::Resolved);
    scene.until(HOUR + 14 * MINUTE);
    assert_eq!(scene.done_ids(), ["/-firing"]);
    scene.until(HOUR + 15 * MINUTE + SECOND);
    assert_eq!(scene.done_ids(), ["/-firing", "/-resolved"]);
    let all = scene.taken(0, "/").len();
    scene.until(3 * HOUR);
    assert_eq!(scene.taken(0, "/").len(), all, "and then no more");
    assert!((14..=16).contains(&(all - firing)), "{}", all - firing);
    assert_eq!(scene.delivery.wake(), None);
    assert!(scene.delivery.entries.is_empty());
}

/// An alert that comes again while its end is still being told.
#[test]
fn it_fires_again() {
    let mut scene = Scene::new(policy(1), always(Meaning::Taken));
    scene.push("/", State::Firing);
    scene.push("/", State::Resolved);
    scene.until(5 * MINUTE);
    let again = Notification { id: "again".to_owned(), alert: alert("/", State::Firing) };
    scene.delivery.push(again);
    scene.until(10 * MINUTE);
    assert_eq!(scene.done_ids(), ["/-firing", "/-resolved", "again"]);
    let mut taken = scene.taken(0, "/");
    taken.dedup();
    assert_eq!(taken, [State::Firing, State::Resolved, State::Firing]);
}

#[test]
fn a_member_that_is_away_gets_the_latest() {
    let mut scene = Scene::new(policy(2), |at: Duration, member, _: &Batch| match member {
        1 if at < HOUR => (Meaning::Retry(None), 30 * SECOND),
        _ => (Meaning::Taken, Duration::from_millis(10)),
    });
    scene.push("/on", State::Firing);
    scene.push("/short", State::Firing);
    scene.until(MINUTE);
    scene.push("/short", State::Resolved);
    scene.until(HOUR - MINUTE);
    assert_eq!(scene.count(Outcome::Delivered), 3, "one member is enough");
    assert!((59..=60).contains(&scene.taken(0, "/on").len()));
    scene.push("/late", State::Firing);
    scene.until(HOUR - 30 * SECOND);
    scene.push("/late", State::Resolved);
    scene.until(HOUR + 3 * MINUTE);
    assert_eq!(scene.taken(1, "/on")[0], State::Firing);
    assert_eq!(scene.taken(1, "/late")[0], State::Resolved);
    assert_eq!(scene.taken(1, "/short"), [], "over for long");
    assert_eq!(scene.taken(0, "/late")[..2], [State::Firing, State::Resolved]);
}

#[test]
fn a_bad_one_in_a_batch_is_found() {
    let mut scene = Scene::new(policy(1), |_, _, batch: &Batch| {
        let is_bad = |item: &Item| item.notification.alert.label("route") == Some("/3");
        let meaning =
            if batch.items.iter().any(is_bad) { Meaning::Refused } else { Meaning::Taken };
        (meaning, Duration::from_millis(10))
    });
    (0..10).for_each(|number| scene.push(&format!("/{number}"), State::Firing));
    scene.push("/3", State::Resolved);
    scene.until(30 * SECOND);
    assert_eq!((scene.count(Outcome::Delivered), scene.count(Outcome::Refused)), (9, 2));
    // All; 0-4; 0, 1; 2-4; 2; 3, 4; 3; 4; 5-9.
    assert!(scene.got.len() <= 9, "{:#?}", scene.got);
    let refused: Vec<&Done> =
        scene.done.iter().filter(|done| done.outcome == Outcome::Refused).collect();
    assert_eq!((refused[0].id.as_str(), refused[1].id.as_str()), ("/3-firing", "/3-resolved"));
    let requests = scene.got.len();
    scene.until(10 * MINUTE);
    assert!(scene.got[requests..].iter().all(|got| got.meaning == Meaning::Taken));
}

/// One member does not take it, the other does: it is delivered, and the first is left alone with it.
#[test]
fn what_one_member_refuses_another_may_take() {
    let mut scene = Scene::new(policy(2), |_, member, _: &Batch| {
        if member == 0 { (Meaning::Refused, SECOND) } else { (Meaning::Taken, 2 * SECOND) }
    });
    scene.push("/", State::Firing);
    scene.until(10 * MINUTE);
    assert_eq!(scene.done_ids(), ["/-firing"]);
    assert_eq!(scene.count(Outcome::Delivered), 1);
    assert_eq!(scene.got.iter().filter(|got| got.member == 0).count(), 1);
    assert!(scene.taken(1, "/").len() >= 10);
}

/// A server that breaks at one alert gets the others all the same.
#[test]
fn one_that_breaks_the_server_holds_up_no_other() {
    let mut scene = Scene::new(webhook_policy(), |_, _, batch: &Batch| {
        let is_bad = batch.items[0].notification.alert.label("route") == Some("/bad");
        (if is_bad { Meaning::Retry(None) } else { Meaning::Taken }, SECOND)
    });
    scene.push("/bad", State::Firing);
    (0..20).for_each(|number| scene.push(&format!("/{number}"), State::Firing));
    scene.until(5 * MINUTE);
    assert_eq!(scene.count(Outcome::Delivered), 20);
    assert_eq!(scene.delivery.queue_length(), 1);
    let failed = scene.count(Outcome::Failed);
    scene.until(10 * HOUR);
    assert!(scene.count(Outcome::Failed) - failed < 200, "it is tried ever more rarely");
}

#[test]
fn the_wait_that_is_asked_for_is_honoured_and_bounded() {
    let check = |asked: Duration, waited: Duration| {
        let mut scene = Scene::new(webhook_policy(), move |at: Duration, _, _: &Batch| {
            let is_first = at.is_zero();
            (if is_first { Meaning::Retry(Some(asked)) } else { Meaning::Taken }, Duration::ZERO)
        });
        scene.push("/", State::Firing);
        scene.until(3 * HOUR);
        assert_eq!(scene.got[1].at, waited);
    };
    check(20 * MINUTE, 20 * MINUTE);
    check(24 * HOUR, HOUR);
}

#[test]
fn gone_until_the_next_start() {
    let mut scene = Scene::new(webhook_policy(), always(Meaning::Gone));
    scene.push("/1", State::Firing);
    scene.push("/2", State::Firing);
    scene.until(24 * HOUR);
    assert_eq!((scene.got.len(), scene.delivery.queue_length()), (1, 2));
    assert_eq!((scene.count(Outcome::Disabled), scene.done.len()), (1, 0));
}

/// What is over leaves first, then what fires; a resolved stays with its firing.
#[test]
fn a_full_queue_drops_the_oldest_pair() {
    let mut scene = Scene::new(webhook_policy(), always(Meaning::Gone));
    scene.push("/fires", State::Firing);
    for number in 0..RECEIVER_QUEUE_MAX / 2 {
        scene.push(&format!("/{number}"), State::Firing);
        scene.push(&format!("/{number}"), State::Resolved);
    }
    scene.until(SECOND);
    assert_eq!(scene.done_ids(), ["/0-firing", "/0-resolved"]);
    assert_eq!(scene.count(Outcome::Dropped), 2);
    assert_eq!(scene.delivery.queue_length(), RECEIVER_QUEUE_MAX - 1);
    scene.done.clear();
    let mut scene = Scene::new(webhook_policy(), always(Meaning::Gone));
    (0..=RECEIVER_QUEUE_MAX).for_each(|number| scene.push(&format!("/{number}"), State::Firing));
    scene.push("/0", State::Resolved);
    scene.until(SECOND);
    assert_eq!(scene.done_ids(), ["/0-firing", "/0-resolved"], "its resolved goes with it");
    assert_eq!(scene.delivery.queue_length(), RECEIVER_QUEUE_MAX);
    scene.push("/1", State::Resolved);
    scene.until(2 * SECOND);
    assert_eq!(scene.done_ids()[2..], ["/1-firing", "/1-resolved"]);
}

#[test]
fn bytes_are_bounded_too() {
    let mut delivery = Delivery::new(webhook_policy());
    for number in 0..100 {
        let mut large = notification(&format!("/{number}"), State::Firing);
        large.alert.reason = "x".repeat(RECEIVER_QUEUE_BYTES_MAX / 10);
        delivery.push(large);
        assert!(delivery.waiting_bytes <= RECEIVER_QUEUE_BYTES_MAX);
    }
    assert_eq!(delivery.queue_length(), 9);
    let mut scene = Scene::new(policy(1), always(Meaning::Taken));
    for number in 0..=RECEIVER_TOLD_MAX {
        scene.push(&format!("/{number}"), State::Firing);
        scene.until(scene.at + SECOND / 10);
    }
    assert!(scene.delivery.told <= RECEIVER_TOLD_MAX);
    assert_eq!(scene.count(Outcome::Dropped), 1);
    assert_eq!(scene.delivery.entries.len(), scene.delivery.told);
}

/// The next run goes on where the last one was: no alert is told twice to a webhook, and none is lost.
#[test]
fn over_a_restart() {
    let start = |policy: Policy| {
        let mut scene = Scene::new(policy, always(Meaning::Taken));
        let now = scene.now();
        scene.delivery.restore(alert("/told", State::Firing), now);
        scene.delivery.restore_waiting(notification("/new", State::Firing));
        scene.delivery.restore_waiting(notification("/over", State::Resolved));
        scene.push("/told", State::Resolved);
        scene.push("/new", State::Resolved);
        scene.until(MINUTE);
        scene
    };
    for policy in [policy(1), webhook_policy()] {
        let scene = start(policy);
        let both = [State::Firing, State::Resolved];
        assert_eq!(scene.taken(0, "/new")[..2], both);
        assert_eq!(scene.taken(0, "/over")[0], State::Resolved);
        assert_eq!(scene.taken(0, "/told")[0], State::Resolved);
        assert_eq!(scene.count(Outcome::Delivered), 4);
    }
    let mut scene = Scene::new(webhook_policy(), always(Meaning::Taken));
    let now = scene.now();
    scene.delivery.restore(alert("/told", State::Firing), now);
    scene.until(4 * HOUR - SECOND);
    assert_eq!(scene.got.len(), 0);
    scene.until(4 * HOUR + SECOND);
    assert_eq!(scene.taken(0, "/told"), [State::Firing]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Whatever servers do, in the end each change was taken by one member at least, under its id, and no
    /// member heard of an alert's changes in another order than that in which they came.
    #[test]
    fn nothing_is_lost_and_nothing_overtakes(
        steps in proptest::collection::vec((0..4_u8, 0..900_u32), 1..60),
        answers in proptest::collection::vec((0..4_u8, 0..40_u32), 1..50),
        kind in 0..3_usize,
    ) {
        let policy = [policy(1), policy(3), webhook_policy()][kind];
        let end: Duration = steps.iter().map(|(_, seconds)| *seconds * SECOND).sum();
        let mut asked = 0;
        let mut scene = Scene::new(policy, move |at: Duration, _, _: &Batch| {
            asked += 1;
            let (answer, seconds) = answers[asked % answers.len()];
            let is_taken = answer == 0 || at > end;
            let wait = (answer == 1).then_some(MINUTE);
            let meaning = if is_taken { Meaning::Taken } else { Meaning::Retry(wait) };
            (meaning, Duration::from_millis(10) + seconds * SECOND)
        });
        let mut pushed = [0_usize; 4];
        for (route, seconds) in &steps {
            let number = &mut pushed[usize::from(*route)];
            let state = [State::Firing, State::Resolved][*number % 2];
            let id = format!("{route}/{number}");
            *number += 1;
            scene.delivery.push(Notification { id, alert: alert(&route.to_string(), state) });
            scene.until(scene.at + *seconds * SECOND);
        }
        scene.until(end + 2 * HOUR);
        assert_eq!(scene.delivery.queue_length(), 0);
        assert_eq!(scene.count(Outcome::Delivered), steps.len() as u64);
        for (route, count) in pushed.into_iter().enumerate() {
            let mut taken = vec![false; count];
            let mut latest = vec![0; scene.delivery.members.len()];
            let requests = scene.got.iter().filter(|got| got.meaning == Meaning::Taken);
            for (id, member) in requests.flat_map(|got| got.ids.iter().map(|id| (id, got.member))) {
                let (of, number) = id.split_once('/').unwrap();
                let number: usize = number.split('-').next().unwrap().parse().unwrap();
                if of == route.to_string() {
                    assert!(number >= latest[member], "{id} at {member}: {:#?}", scene.got);
                    latest[member] = number;
                    taken[number] = true;
                }
            }
            assert!(taken.iter().all(|taken| *taken), "{route}: {taken:?}");
        }
        let mut settled: Vec<&str> = scene.done_ids();
        settled.sort_unstable();
        settled.dedup();
        assert_eq!(settled.len(), scene.done.len(), "each is settled once");
        assert_eq!(settled.len(), steps.len());
    }
}
