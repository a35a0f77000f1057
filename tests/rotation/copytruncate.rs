//! Copies that `copytruncate` makes, while the log is followed: what was not read in time is read in
//! the copy.

use std::fs::{self, File};
use std::time::Duration;

use gatelog::source::change::GapReason;
use gatelog::source::file::StartAt;

use crate::scene::Scene;

fn copy(scene: &Scene, to: &str) {
    fs::copy(scene.at("a.log"), scene.at(to)).unwrap();
}

fn truncate(scene: &Scene) {
    File::options().write(true).truncate(true).open(scene.at("a.log")).unwrap();
}

#[test]
fn what_was_not_read_is_in_the_copy() {
    for packed in [false, true] {
        let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
        scene.append("a.log", "1\n");
        scene.round();
        scene.append("a.log", "2\nhalf");
        copy(&scene, "a.log.1");
        truncate(&scene);
        if packed {
            scene.gzip("a.log.1");
        }
        scene.append("a.log", "3\n");
        scene.round();
        scene.pass_grace();
        scene.lines.sort();
        scene.expect(&["1", "2", "3", "half"]);
        assert_eq!(scene.gap(GapReason::Truncated), (0, 0));
        scene.changes.retain(|it| it.contains("lost") || it.contains("missed"));
        let name = if packed { "a.log.1.gz" } else { "a.log.1" };
        scene.expect_changes(&[&format!("{name}: missed, from 2"), "a.log: truncated, lost 0"]);
        assert_eq!(scene.follower.counters().rotations, 0);
    }
}

#[test]
fn seen_and_not_read_is_in_the_copy() {
    let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
    scene.append("a.log", "1\n2\n3\n");
    scene.look();
    copy(&scene, "a.log.1");
    scene.append("a.log", "after the copy\n");
    scene.look();
    truncate(&scene);
    scene.round();
    scene.expect(&["1", "2", "3"]);
    assert_eq!(scene.gap(GapReason::Truncated), (1, 15), "what was written after the copy");
}

#[test]
fn an_empty_log_that_is_filled_copied_and_emptied_between_two_looks() {
    let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
    scene.append("a.log", "");
    scene.round();
    for round in 1..4 {
        // Longer than the clock of the file system takes for a tick.
        std::thread::sleep(Duration::from_millis(10));
        scene.append("a.log", &format!("line of round {round}\n"));
        copy(&scene, &format!("a.log.{}", 4 - round));
        truncate(&scene);
        scene.round();
        scene.expect(&[&format!("line of round {round}")]);
    }
    assert_eq!(scene.gap(GapReason::Truncated), (0, 0));
}

#[test]
fn copied_twice_between_two_looks() {
    let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
    scene.append("a.log", "1\n");
    scene.round();
    scene.append("a.log", "2\n");
    copy(&scene, "a.log.2");
    truncate(&scene);
    scene.append("a.log", "3\n");
    copy(&scene, "a.log.1");
    truncate(&scene);
    scene.append("a.log", "4\n");
    scene.round();
    scene.expect(&["1", "2", "3", "4"]);
    scene.pass_grace();
    // Long afterwards the log is rotated by another means: the copies are not read again.
    scene.rename("a.log", "a.log.0");
    scene.append("a.log", "5\n");
    scene.round();
    scene.expect(&["5"]);
}

#[test]
fn copies_of_old_are_never_read() {
    let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
    scene.append("a.log", "0\n");
    // Copies from before the agent was started.
    for name in ["a.log.3", "a.log.2"] {
        scene.append(name, &format!("{name}\n"));
    }
    scene.round();
    for round in 0..100 {
        scene.append("a.log", &format!("line {round}\n"));
        scene.round();
        copy(&scene, "a.log.1");
        truncate(&scene);
        scene.round();
        fs::rename(scene.at("a.log.1"), scene.at(&format!("a.log.{}", 1000 - round))).unwrap();
    }
    assert_eq!(scene.lines.len(), 101);
    // More copies than are remembered.
    scene.rename("a.log", "a.log.1");
    scene.append("a.log", "new\n");
    scene.round();
    assert_eq!(scene.lines.len(), 102);
    let state = scene.state();
    scene.resume(&state);
    scene.round();
    assert_eq!(scene.lines.len(), 102);
    assert_eq!(scene.gap(GapReason::Truncated), (0, 0));
}

/// A log that was not there at the first look, copied and emptied several times before it was seen:
/// what stands beside it then is old, also once it is compressed.
#[test]
fn copies_made_before_the_log_was_first_seen_are_old() {
    let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
    scene.round();
    scene.append("a.log", "1\n");
    copy(&scene, "a.log.3");
    scene.append("a.log", "2\n");
    copy(&scene, "a.log.2");
    truncate(&scene);
    copy(&scene, "a.log.1");
    scene.round();
    scene.gzip("a.log.2");
    scene.append("a.log", "3\n");
    scene.pass_grace();
    scene.pass_grace();
    fs::remove_file(scene.at("a.log")).unwrap();
    scene.pass_grace();
    scene.expect(&["3"]);
}

/// What the model of `tests/rotation_model.rs` found: each is a story of a log and what must come.
#[test]
fn copies_and_renames_between_two_looks() {
    let check = |name: &str, before: &dyn Fn(&mut Scene), after: &dyn Fn(&Scene), all: &[&str]| {
        let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
        before(&mut scene);
        after(&scene);
        scene.append("a.log", "last\n");
        scene.round();
        scene.pass_grace();
        scene.lines.sort();
        assert_eq!(scene.lines, all, "{name}");
        for reason in GapReason::ALL {
            assert_eq!(scene.gap(reason), (0, 0), "{name}");
        }
    };
    let line = |text: &'static str| move |scene: &Scene| scene.append("a.log", text);
    let one_read = |scene: &mut Scene| {
        scene.append("a.log", "1\n");
        scene.round();
    };

    check(
        "copied twice before it is emptied",
        &one_read,
        &|scene| {
            fs::remove_file(scene.at("a.log")).unwrap();
            line("2\n")(scene);
            copy(scene, "a.log.2");
            line("3\n")(scene);
            copy(scene, "a.log.1");
            truncate(scene);
        },
        &["1", "2", "3", "last"],
    );
    check(
        "a new file is copied before it is looked at",
        &one_read,
        &|scene| {
            fs::remove_file(scene.at("a.log")).unwrap();
            line("2\n")(scene);
            copy(scene, "a.log.1");
        },
        &["1", "2", "last"],
    );
    check(
        "a copy from before the first look",
        &|scene| {
            line("1\n")(scene);
            copy(scene, "a.log.1");
            scene.look();
        },
        &truncate,
        &["1", "last"],
    );
    check(
        "an older copy beside the one that was compressed",
        &|scene| {
            line("1\n")(scene);
            copy(scene, "a.log.3");
            scene.look();
        },
        &|scene| {
            line("2\n")(scene);
            copy(scene, "a.log.2");
            truncate(scene);
            scene.gzip("a.log.2");
            scene.rename("a.log", "a.log.1");
        },
        &["1", "2", "last"],
    );
    check(
        "an empty log is filled, copied, emptied and renamed",
        &|scene| {
            line("")(scene);
            scene.look();
            std::thread::sleep(Duration::from_millis(10));
        },
        &|scene| {
            line("1\n")(scene);
            copy(scene, "a.log.2");
            truncate(scene);
            scene.rename("a.log", "a.log.1");
        },
        &["1", "last"],
    );
    check(
        "emptied twice and renamed",
        &one_read,
        &|scene| {
            copy(scene, "a.log.3");
            truncate(scene);
            line("2\n")(scene);
            copy(scene, "a.log.2");
            truncate(scene);
            line("3\n")(scene);
            scene.rename("a.log", "a.log.1");
        },
        &["1", "2", "3", "last"],
    );
    check(
        "a copy that is shorter than what was seen, emptied and renamed",
        &|scene| {
            line("1\n")(scene);
            copy(scene, "a.log.2");
            line("2\n")(scene);
            scene.round();
        },
        &|scene| {
            truncate(scene);
            scene.rename("a.log", "a.log.1");
        },
        &["1", "2", "last"],
    );
    check(
        "an unseen copy while the log was renamed and written late",
        &|scene| {
            line("")(scene);
            scene.look();
            scene.rename("a.log", "a.log.2");
            line("")(scene);
            scene.look();
            std::thread::sleep(Duration::from_millis(10));
        },
        &|scene| {
            scene.append("a.log.2", "late\n");
            line("1\n")(scene);
            copy(scene, "a.log.1");
        },
        &["1", "last", "late"],
    );
}

/// The copy is younger than the file of which it is one.
#[test]
fn renamed_after_an_empty_copy_between_two_looks() {
    let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
    scene.append("a.log", "1\n");
    scene.look();
    truncate(&scene);
    scene.rename("a.log", "a.log.3");
    scene.append("a.log", "");
    // Longer than a tick of the clock that files are dated by.
    std::thread::sleep(Duration::from_millis(20));
    copy(&scene, "a.log.2");
    scene.append("a.log", "2\n");
    scene.read_all();
    scene.rename("a.log", "a.log.1");
    scene.append("a.log", "3\n");
    scene.pass_grace();
    scene.pass_grace();
    scene.expect(&["2", "3"]);
}

/// The younger copy holds all that the older one does, which stays known when it is compressed: not by
/// what the log began with, for it is shorter.
#[test]
fn an_older_copy_of_what_was_read_is_compressed_later() {
    let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
    scene.append("a.log", "1\n");
    scene.round();
    truncate(&scene);
    scene.append("a.log", "longer\n");
    copy(&scene, "a.log.4");
    truncate(&scene);
    scene.append("a.log", "2\n");
    scene.round();
    copy(&scene, "a.log.3");
    scene.append("a.log", "3\n");
    scene.round();
    copy(&scene, "a.log.2");
    truncate(&scene);
    scene.look();
    scene.gzip("a.log.3");
    scene.rename("a.log", "a.log.1");
    scene.append("a.log", "4\n");
    scene.pass_grace();
    scene.lines.sort();
    scene.expect(&["1", "2", "3", "4", "longer"]);
}

/// The log was deleted and made again, copied, and emptied before it was looked at for the first time:
/// that a read of the old one has met the copy does not count as a look.
#[test]
fn a_copy_that_a_read_meets_before_the_log_is_looked_at() {
    let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
    scene.append("a.log", "1\n");
    scene.look();
    truncate(&scene);
    fs::remove_file(scene.at("a.log")).unwrap();
    scene.append("a.log", "2\n");
    copy(&scene, "a.log.1");
    scene.read_all();
    truncate(&scene);
    scene.append("a.log", "3\n");
    scene.pass_grace();
    scene.expect(&["2", "3"]);
}

/// What is written late to a log that has lost its name since the last look says nothing about what
/// came after it, although it is read before the next one.
#[test]
fn written_late_and_read_before_the_rotation_is_seen() {
    // Longer than a tick of the clock that files are dated by.
    let tick = || std::thread::sleep(Duration::from_millis(20));
    for is_emptied in [true, false] {
        let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
        scene.append("a.log", "1\n");
        scene.look();
        if is_emptied {
            copy(&scene, "a.log.4");
            truncate(&scene);
        }
        scene.rename("a.log", "a.log.3");
        scene.append("a.log", "3\n");
        tick();
        scene.append("a.log.3", "2\n");
        scene.read_all();
        scene.rename("a.log", "a.log.2");
        if !is_emptied {
            scene.gzip("a.log.2");
        }
        scene.append("a.log", "4\n");
        scene.pass_grace();
        scene.expect(&["1", "2", "3", "4"]);
    }
}
