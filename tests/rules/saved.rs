//! Rules that were saved, as an image and the journal after it, go on as if nothing had happened.

use std::sync::Arc;

use gatelog::ledger::image::ImageReader;
use gatelog::ledger::replay::Replay;
use gatelog::rules::RuleSet;
use gatelog::rules::watch::Watch;

use crate::scene::{GOOD, HOUR, MINUTE, Request, Scene, shown};

fn image(watch: &Watch) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let taken = watch.image(|part| {
        parts.push(part);
        Ok(())
    });
    taken.unwrap();
    parts
}

fn restored(image: &[Vec<u8>], journal: &[Vec<u8>]) -> Watch {
    let mut reader = ImageReader::default();
    image.iter().for_each(|part| reader.take(part).unwrap());
    let beside = reader.take_beside();
    let set = Arc::new(RuleSet::builtin(HOUR, 5000));
    let mut watch = Watch::restore(reader.finish().unwrap(), &beside, set).unwrap();
    let mut replay = Replay::default();
    journal.iter().for_each(|piece| replay.take(piece, &mut watch).unwrap());
    drop(watch.take_changes());
    watch
}

/// What happens in a day with a bit of everything.
fn play(scene: &mut Scene, mut between: impl FnMut(&mut Scene, usize)) {
    let other = Request { subject: "CN=ledger,O=core", fingerprint: 2, from: "10.0.1.1", ..GOOD };
    let renewed = Request { fingerprint: 9, issuer: "CN=Other CA", ..GOOD };
    let stranger = Request { subject: "CN=x", fingerprint: 77, from: "203.0.113.9", ..GOOD };
    for step in 0..600_i64 {
        let time = step * MINUTE;
        let index = usize::try_from(step).unwrap();
        match step {
            0..90 => scene.at(time, &GOOD),
            90..100 => scene.at(time, &GOOD.refused("certificate has expired")),
            100..110 => scene.at(time, &other.clone().refused("CRL has expired")),
            110 => scene.at(time, &GOOD),
            111..150 => scene.at(time, &stranger.clone().refused("self-signed certificate")),
            150..160 => scene.at(time, &renewed),
            160..170 => scene.raw("garbage"),
            200..260 => scene.quiet_until(time),
            _ => scene.at(time, &other),
        }
        between(scene, index);
    }
}

#[test]
fn a_kill_at_any_time_changes_nothing() {
    let mut whole = Scene::new();
    play(&mut whole, |_, _| {});
    let expected: Vec<_> = whole.changes.iter().map(|it| (it.time, it.state, shown(it))).collect();
    assert!(expected.len() > 6, "{expected:?}");
    for (image_every, kill_every) in [(50, 7), (13, 3), (1000, 11)] {
        let mut scene = Scene::new();
        scene.watch.ledger.keep_journal(true);
        let (mut saved, mut journal) = (image(&scene.watch), Vec::new());
        play(&mut scene, |scene, step| {
            journal.push(scene.watch.ledger.journal().unwrap().take(Vec::new()));
            if step % image_every == image_every - 1 {
                saved = image(&scene.watch);
                journal.clear();
                scene.watch.ledger.keep_journal(true);
            }
            if step % kill_every == 0 {
                scene.watch = restored(&saved, &journal);
                saved = image(&scene.watch);
                journal.clear();
                scene.watch.ledger.keep_journal(true);
            }
        });
        let found: Vec<_> = scene.changes.iter().map(|it| (it.time, it.state, shown(it))).collect();
        assert_eq!(found, expected, "an image every {image_every}, a kill every {kill_every}");
        assert!(image(&scene.watch) == image(&whole.watch), "the same bytes are saved");
    }
}

#[test]
fn what_a_rule_had_firing_ends_with_it() {
    let mut scene = Scene::new();
    scene.every(MINUTE, 0, 90 * MINUTE, &GOOD);
    scene.every(MINUTE, 90 * MINUTE, 95 * MINUTE, &GOOD.refused("certificate has expired"));
    scene.expect_firing(&["known_client_locked_out CN=checkout,O=payments"]);
    scene.watch.set_rules(Arc::new(RuleSet::default()));
    scene.changes.extend(scene.watch.take_changes());
    scene.expect_changes(&["5640 resolved known_client_locked_out CN=checkout,O=payments"]);
}
