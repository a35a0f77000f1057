//! The agent is killed and started again, with what it had stored: each line comes once, or it is
//! said that some are lost.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use gatelog::limits::{CHUNK_BYTES, OPEN_FILES_MAX};
use gatelog::source::change::GapReason;
use gatelog::source::file::{Progress, StartAt};

use crate::scene::Scene;

/// Lines that no two files have in common.
fn lines(name: &str, count: usize) -> String {
    (0..count).map(|number| format!("{name} {number}\n")).collect()
}

/// A log of which ten lines were read, then the agent was killed; ten more were written since.
fn killed() -> (Scene, Vec<u8>) {
    let mut scene = Scene::new(&["a.log"], StartAt::End);
    scene.append("a.log", "before the first start\n");
    scene.round();
    scene.append("a.log", &lines("read", 10));
    scene.round();
    scene.lines.clear();
    let state = scene.state();
    scene.append("a.log", &lines("unread", 10));
    (scene, state)
}

fn truncate(scene: &Scene, name: &str) {
    File::options().write(true).truncate(true).open(scene.at(name)).unwrap();
}

fn copy(scene: &Scene, from: &str, to: &str) {
    fs::copy(scene.at(from), scene.at(to)).unwrap();
}

impl Scene {
    /// What came since is these, by name and count, and no gap was counted.
    #[track_caller]
    fn expect_all(&mut self, files: &[(&str, usize)]) {
        let expected: String = files.iter().map(|(name, count)| lines(name, *count)).collect();
        let expected: Vec<&str> = expected.lines().collect();
        self.expect(&expected);
        self.expect_gaps([(0, 0); 3]);
    }

    #[track_caller]
    fn expect_gaps(&self, gaps: [(u64, u64); 3]) {
        let of_files = [GapReason::Truncated, GapReason::Unreadable, GapReason::Deleted];
        assert_eq!(of_files.map(|reason| self.gap(reason)), gaps);
    }

    /// Started again, looked and read.
    fn restart(&mut self, state: &[u8]) {
        self.resume(state);
        self.round();
    }
}

#[test]
fn under_its_own_name() {
    let (mut scene, state) = killed();
    scene.restart(&state);
    scene.expect_all(&[("unread", 10)]);
    scene.expect_changes(&["a.log: appeared at 93"]);
    scene.append("a.log", &lines("more", 2));
    scene.round();
    scene.expect_all(&[("more", 2)]);
    // The bytes read were counted on.
    let size = scene.at("a.log").metadata().unwrap().len();
    let read_bytes = scene.follower.counters().read_bytes;
    assert_eq!(read_bytes, size - "before the first start\n".len() as u64);
}

#[test]
fn a_half_line_is_counted_once() {
    let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
    scene.append("a.log", "1\nhalf");
    scene.round();
    let state = scene.state();
    scene.restart(&state);
    scene.append("a.log", " a line\n");
    scene.round();
    scene.expect(&["1", "half a line"]);
    let size = scene.at("a.log").metadata().unwrap().len();
    assert_eq!(scene.follower.counters().read_bytes, size);
}

#[test]
fn a_state_of_nothing_is_a_first_start() {
    let mut scene = Scene::new(&["a.log"], StartAt::End);
    let state = scene.state();
    scene.append("a.log", "old\n");
    scene.restart(&state);
    scene.append("a.log", "new\n");
    scene.round();
    scene.expect(&["new"]);
    // Once it was looked for, a file that appears is new, also after a restart.
    let mut scene = Scene::new(&["a.log"], StartAt::End);
    scene.round();
    let state = scene.state();
    scene.append("a.log", "first\n");
    scene.resume(&state);
    let again = scene.state();
    scene.restart(&again);
    scene.expect(&["first"]);
}

#[test]
fn renamed_meanwhile() {
    let names = ["a.log.1", "a.log-20261122", "a.log.old"];
    for name in names {
        let (mut scene, state) = killed();
        scene.rename("a.log", name);
        scene.append("a.log", &lines("new", 3));
        scene.restart(&state);
        scene.expect_all(&[("unread", 10), ("new", 3)]);
        // nginx has not reopened its log yet.
        scene.append(name, &lines("late", 2));
        scene.round();
        scene.expect_all(&[("late", 2)]);
        assert_eq!(scene.follower.counters().rotations, 1);
        // Killed again while it is kept open.
        let state = scene.state();
        scene.append(name, &lines("later", 2));
        scene.restart(&state);
        scene.expect_all(&[("later", 2)]);
        assert_eq!(scene.follower.counters().rotations, 1);
        scene.pass_grace();
        assert_eq!(scene.open_files(), 1);
    }
}

#[test]
fn renamed_and_nothing_has_the_name() {
    let (mut scene, state) = killed();
    scene.rename("a.log", "a.log.1");
    scene.restart(&state);
    scene.expect_all(&[("unread", 10)]);
    scene.append("a.log", &lines("new", 1));
    scene.round();
    scene.expect_all(&[("new", 1)]);
}

#[test]
fn rotated_several_times_meanwhile() {
    let (mut scene, state) = killed();
    scene.append("a.log.4", "older, never read\n");
    fs::rename(scene.at("a.log"), scene.at("a.log.3")).unwrap();
    scene.append("a.log.2", &lines("second", 3));
    scene.append("a.log.1", &lines("third", 3));
    scene.append("a.log", &lines("live", 3));
    // The older one is older by its name, whatever its times say.
    scene.restart(&state);
    scene.expect_all(&[("unread", 10), ("second", 3), ("third", 3), ("live", 3)]);
    scene.pass_grace();
    let state = scene.state();
    scene.restart(&state);
    scene.expect_all(&[]);
}

#[test]
fn compressed_meanwhile() {
    let (mut scene, state) = killed();
    scene.rename("a.log", "a.log.2");
    scene.gzip("a.log.2");
    scene.append("a.log.1", &lines("second", 3));
    scene.append("a.log", &lines("live", 3));
    scene.restart(&state);
    scene.expect_all(&[("unread", 10), ("second", 3), ("live", 3)]);
    scene.rename("a.log.2.gz", "a.log.3.gz");
    let state = scene.state();
    scene.restart(&state);
    scene.expect_all(&[]);

    let (mut scene, state) = killed();
    scene.rename("a.log", "a.log.1");
    let packed = zstd::encode_all(&*fs::read(scene.at("a.log.1")).unwrap(), 3).unwrap();
    fs::write(scene.at("a.log.1.zst"), packed).unwrap();
    fs::remove_file(scene.at("a.log.1")).unwrap();
    scene.restart(&state);
    scene.expect_all(&[("unread", 10)]);
}

#[test]
fn an_archive_is_read_in_chunks_and_taken_up_again() {
    let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
    scene.append("a.log", &lines("read", 20_000));
    scene.round();
    assert_eq!(scene.lines.len(), 20_000);
    scene.lines.clear();
    let mut state = scene.state();
    scene.append("a.log", &lines("unread", 60_000));
    scene.rename("a.log", "a.log.1");
    scene.gzip("a.log.1");
    let mut restarts = 0;
    loop {
        scene.resume(&state);
        scene.look();
        let kept = scene.lines.len();
        let mut reads = 0;
        let mut progress = Progress::Read;
        // Up to the place, then a little more each time.
        while progress == Progress::Read && (scene.lines.len() == kept || reads < 12) {
            let before = scene.lines.len();
            let lines = &mut scene.lines;
            progress = scene.follower.read(&mut |_, line| {
                lines.push(String::from_utf8(line.bytes.to_vec()).unwrap());
            });
            let bytes: usize = scene.lines[before..].iter().map(|line| line.len() + 1).sum();
            assert!(bytes <= 2 * CHUNK_BYTES, "{bytes}");
            reads += 1;
        }
        restarts += 1;
        if progress == Progress::Idle {
            break;
        }
        state = scene.state();
    }
    assert!(restarts > 1, "{restarts}");
    scene.expect_all(&[("unread", 60_000)]);
    let unpacked = lines("read", 20_000).len() + lines("unread", 60_000).len();
    assert_eq!(scene.follower.counters().read_bytes, unpacked as u64);
}

#[test]
fn copied_and_truncated_meanwhile() {
    for packed in [false, true] {
        for regrown in [1, 40] {
            let (mut scene, state) = killed();
            copy(&scene, "a.log", "a.log.1");
            truncate(&scene, "a.log");
            if packed {
                scene.gzip("a.log.1");
            }
            scene.append("a.log", &lines("new", regrown));
            scene.restart(&state);
            scene.expect_all(&[("unread", 10), ("new", regrown)]);
            assert_eq!(scene.follower.counters().truncations, 1);
            scene.pass_grace();
            let state = scene.state();
            scene.restart(&state);
            scene.expect_all(&[]);
        }
    }
}

#[test]
fn copied_and_truncated_several_times_meanwhile() {
    let (mut scene, state) = killed();
    copy(&scene, "a.log", "a.log.3");
    for name in ["a.log.2", "a.log.1"] {
        truncate(&scene, "a.log");
        scene.append("a.log", &lines(name, 5));
        copy(&scene, "a.log", name);
    }
    truncate(&scene, "a.log");
    scene.gzip("a.log.3");
    scene.gzip("a.log.2");
    scene.restart(&state);
    scene.expect_all(&[("unread", 10), ("a.log.2", 5), ("a.log.1", 5)]);
}

#[test]
fn killed_between_the_copy_and_the_truncation() {
    let (mut scene, state) = killed();
    copy(&scene, "a.log", "a.log.1");
    scene.restart(&state);
    scene.expect_all(&[("unread", 10)]);
    truncate(&scene, "a.log");
    scene.append("a.log", &lines("new", 2));
    scene.round();
    scene.expect_all(&[("new", 2)]);
    // A copy that is older than what was read in the end.
    copy(&scene, "a.log", "a.log.2");
    scene.append("a.log", &lines("after the copy", 1));
    scene.round();
    scene.expect_all(&[("after the copy", 1)]);
    truncate(&scene, "a.log");
    scene.round();
    scene.expect_all(&[]);
}

#[test]
fn restored_from_a_backup() {
    let (mut scene, state) = killed();
    copy(&scene, "a.log", "backup");
    fs::remove_file(scene.at("a.log")).unwrap();
    scene.rename("backup", "a.log");
    scene.restart(&state);
    scene.expect_all(&[("unread", 10)]);

    let (mut scene, state) = killed();
    for (name, text) in [("a.log.3", "older"), ("a.log.2", "old")] {
        scene.append(name, &lines(text, 4));
    }
    copy(&scene, "a.log", "a.log.1");
    fs::remove_file(scene.at("a.log")).unwrap();
    scene.append("a.log", &lines("new", 2));
    scene.restart(&state);
    scene.expect_all(&[("unread", 10), ("new", 2)]);
}

#[test]
fn deleted_meanwhile() {
    // Nothing unread was known.
    let (mut scene, state) = killed();
    fs::remove_file(scene.at("a.log")).unwrap();
    scene.append("a.log", &lines("new", 2));
    scene.restart(&state);
    scene.expect_all(&[("new", 2)]);

    // Known and not read.
    let (mut scene, _) = killed();
    scene.look();
    let state = scene.state();
    fs::remove_file(scene.at("a.log")).unwrap();
    scene.restart(&state);
    let bytes = lines("unread", 10).len() as u64;
    scene.expect_gaps([(0, 0), (0, 0), (1, bytes)]);
    scene.expect(&[]);
    scene.changes.retain(|change| change.contains("lost"));
    scene.expect_changes(&[&format!("a.log: lost deleted, Some({bytes})")]);
    let state = scene.state();
    scene.restart(&state);
    scene.expect_gaps([(0, 0), (0, 0), (1, bytes)]);
}

#[test]
fn rotated_out_of_the_series_meanwhile() {
    let (mut scene, state) = killed();
    fs::remove_file(scene.at("a.log")).unwrap();
    scene.append("a.log.2", &lines("second", 2));
    scene.append("a.log.1", &lines("third", 2));
    scene.append("a.log", &lines("live", 2));
    scene.restart(&state);
    scene.expect_gaps([(0, 0), (0, 0), (1, 0)]);
    scene.changes.retain(|change| change.contains("lost"));
    scene.expect_changes(&["a.log: lost deleted, None"]);
    scene.expect(&["second 0", "second 1", "third 0", "third 1", "live 0", "live 1"]);
}

#[test]
fn truncated_without_a_copy_meanwhile() {
    let (mut scene, _) = killed();
    scene.look();
    let state = scene.state();
    truncate(&scene, "a.log");
    scene.append("a.log", &lines("new", 2));
    scene.restart(&state);
    let bytes = lines("unread", 10).len() as u64;
    scene.expect_gaps([(1, bytes), (0, 0), (0, 0)]);
    scene.expect(&["new 0", "new 1"]);
}

#[test]
fn an_archive_of_other_lines_is_a_gap() {
    let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
    let head = lines("the same", 200);
    scene.append("a.log", &format!("{head}{}", lines("read", 100)));
    scene.round();
    scene.lines.clear();
    let state = scene.state();
    fs::remove_file(scene.at("a.log")).unwrap();
    scene.append("a.log.1", &format!("{head}{}", lines("other", 200)));
    scene.gzip("a.log.1");
    scene.restart(&state);
    scene.expect(&[]);
    assert_eq!(scene.gap(GapReason::Unreadable), (1, 0));
}

#[test]
fn a_link_switched_meanwhile() {
    let mut scene = Scene::new(&["current.log"], StartAt::Beginning);
    scene.append("day1.log", &lines("day1", 2));
    symlink(scene.at("day1.log"), scene.at("current.log")).unwrap();
    scene.round();
    scene.expect_all(&[("day1", 2)]);
    let state = scene.state();
    scene.append("day1.log", &lines("late", 2));
    scene.append("day2.log", &lines("day2", 2));
    symlink(scene.at("day2.log"), scene.at("next")).unwrap();
    scene.rename("next", "current.log");
    scene.restart(&state);
    scene.expect_all(&[("late", 2), ("day2", 2)]);

    // What it leads to is rotated beside it.
    let state = scene.state();
    scene.append("day2.log", &lines("more", 2));
    scene.rename("day2.log", "day2.log.1");
    scene.gzip("day2.log.1");
    scene.append("day2.log", &lines("new", 2));
    scene.restart(&state);
    scene.expect_all(&[("more", 2), ("new", 2)]);
}

#[test]
fn a_directory_gone_and_back_meanwhile() {
    let mut scene = Scene::new(&["logs/a.log"], StartAt::End);
    fs::create_dir(scene.at("logs")).unwrap();
    scene.append("logs/a.log", "old\n");
    scene.round();
    scene.append("logs/a.log", "1\n");
    scene.round();
    let state = scene.state();
    scene.rename("logs", "away");
    scene.restart(&state);
    let state = scene.state();
    scene.rename("away", "logs");
    scene.append("logs/a.log", "2\n");
    scene.restart(&state);
    scene.expect(&["1", "2"]);
    scene.expect_gaps([(0, 0); 3]);
}

#[test]
fn what_comes_back_is_known_after_a_restart() {
    let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
    scene.append("a.log", "1\n");
    scene.round();
    let revision = scene.follower.closed_revision();
    scene.rename("a.log", "elsewhere");
    scene.pass_grace();
    assert_ne!(scene.follower.closed_revision(), revision);
    let state = scene.state();
    scene.append("elsewhere", "2\n");
    scene.rename("elsewhere", "a.log");
    scene.restart(&state);
    scene.expect(&["1", "2"]);
}

#[test]
fn a_pattern_that_is_new_begins_where_it_is_told() {
    use gatelog::source::Follower;
    use gatelog::source::pattern::Pattern;
    let mut scene = Scene::new(&["a.log"], StartAt::End);
    scene.append("a.log", "old\n");
    scene.round();
    scene.append("b.log", "old, and never looked for\n");
    scene.append("a.log", "new\n");
    let patterns = ["a.log", "b.log"].map(|name| Pattern::new(scene.at(name)).unwrap());
    let state = scene.follower.state();
    scene.follower = Follower::resume(patterns.into(), StartAt::End, state);
    scene.round();
    scene.append("b.log", "b\n");
    scene.round();
    scene.expect(&["new", "b"]);
}

#[test]
fn a_pattern_that_is_no_more_takes_its_files_with_it() {
    let (scene, state) = killed();
    scene.rename("a.log", "b.log");
    let mut other = Scene::in_directory(scene.directory, &["b.log"], StartAt::Beginning);
    other.restart(&state);
    other.append("b.log", &lines("new", 1));
    other.round();
    other.expect_all(&[("new", 1)]);
}

#[test]
fn truncated_and_renamed_meanwhile() {
    // What stood in the file is in a copy, and what stands in it now was never seen.
    let (mut scene, state) = killed();
    copy(&scene, "a.log", "a.log.2");
    truncate(&scene, "a.log");
    scene.append("a.log", &lines("second", 2));
    scene.rename("a.log", "a.log.1");
    scene.append("a.log", &lines("live", 2));
    scene.restart(&state);
    scene.expect_all(&[("unread", 10), ("second", 2), ("live", 2)]);

    // The same, without a copy, and with one of what stands in it now.
    let (mut scene, state) = killed();
    truncate(&scene, "a.log");
    scene.append("a.log", &lines("second", 2));
    copy(&scene, "a.log", "a.log.2");
    scene.rename("a.log", "a.log.1");
    scene.restart(&state);
    scene.expect(&["second 0", "second 1"]);
}

#[test]
fn killed_again_before_anything_is_stored() {
    let (mut scene, state) = killed();
    copy(&scene, "a.log", "a.log.1");
    truncate(&scene, "a.log");
    for _ in 0..3 {
        scene.lines.clear();
        scene.restart(&state);
        scene.expect_all(&[("unread", 10)]);
    }
    // As late as after the copy was compressed and became older.
    scene.rename("a.log.1", "a.log.2");
    scene.gzip("a.log.2");
    scene.restart(&state);
    scene.expect_all(&[("unread", 10)]);
}

#[test]
fn what_cannot_be_opened_is_waited_for() {
    let (mut scene, _) = killed();
    scene.look();
    let state = scene.state();
    // Nobody can look into a loop of links, not even root.
    scene.rename("a.log", "away");
    symlink(scene.at("a.log"), scene.at("a.log")).unwrap();
    scene.restart(&state);
    scene.expect_all(&[]);
    let state = scene.state();
    scene.restart(&state);
    scene.expect_all(&[]);
    scene.rename("away", "a.log");
    scene.round();
    scene.expect_all(&[("unread", 10)]);
}

#[test]
fn more_files_rotated_meanwhile_than_may_be_open() {
    let (mut scene, state) = killed();
    let count = 3 * OPEN_FILES_MAX;
    scene.rename("a.log", &format!("a.log.{}", count + 1));
    for number in (1..=count).rev() {
        scene.append(&format!("a.log.{number}"), &lines(&format!("file {number}"), 1));
    }
    scene.append("a.log", &lines("live", 1));
    scene.restart(&state);
    for _ in 0..10 {
        assert!(scene.open_files() <= 2 * OPEN_FILES_MAX);
        scene.round();
    }
    let numbers = (1..=count).rev().map(|number| format!("file {number} 0"));
    let unread = lines("unread", 10);
    let expected: Vec<String> = unread.lines().map(str::to_owned).chain(numbers).collect();
    assert_eq!(scene.lines.get(..expected.len()), Some(&*expected));
    assert_eq!(scene.lines.get(expected.len()..), Some(&["live 0".to_owned()][..]));
    scene.expect_gaps([(0, 0); 3]);
}

#[test]
fn written_late_and_compressed_meanwhile() {
    let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
    scene.append("a.log", "1\n");
    scene.look();
    scene.rename("a.log", "a.log.2");
    scene.append("a.log.1", "");
    scene.append("a.log", "");
    scene.look();
    scene.append("a.log", "2\n");
    scene.rename("a.log.2", "a.log.3");
    scene.rename("a.log.1", "a.log.2");
    copy(&scene, "a.log", "a.log.1");
    truncate(&scene, "a.log");
    scene.round();
    let state = scene.state();
    scene.append("a.log.2", "late\n");
    scene.gzip("a.log.2");
    scene.append("a.log", "last\n");
    scene.restart(&state);
    scene.lines.sort();
    scene.expect(&["1", "2", "last", "late"]);
}

#[test]
fn an_empty_file_written_late_and_compressed_meanwhile() {
    let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
    scene.append("a.log", "");
    scene.look();
    scene.rename("a.log", "a.log.2");
    scene.append("a.log", "2\n");
    scene.round();
    let state = scene.state();
    scene.append("a.log.2", "late\n");
    scene.gzip("a.log.2");
    scene.rename("a.log", "a.log.1");
    scene.append("a.log", "last\n");
    scene.restart(&state);
    scene.lines.sort();
    scene.expect(&["2", "last", "late"]);
}

/// A log that was empty leads to what came after it; what its successor holds by now, and the copies of
/// that, are not among it.
#[test]
fn written_anew_and_copied_meanwhile_behind_an_empty_file() {
    let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
    scene.append("a.log", "");
    scene.look();
    scene.rename("a.log", "a.log.3");
    scene.append("a.log", "1\n");
    scene.round();
    let state = scene.state();
    truncate(&scene, "a.log");
    scene.append("a.log", "longer\n");
    scene.gzip("a.log.3");
    copy(&scene, "a.log", "a.log.2");
    scene.rename("a.log", "a.log.1");
    scene.expect(&["1"]);
    scene.append("a.log", "last\n");
    scene.restart(&state);
    scene.pass_grace();
    scene.expect(&["longer", "last"]);
}

/// A log that was empty leads to what came after it; an old copy of what was read of its successor is
/// not among it, although it is shorter than what is marked of that.
#[test]
fn an_old_copy_of_the_live_log_behind_an_empty_one_that_is_compressed_meanwhile() {
    let mut scene = Scene::new(&["a.log"], StartAt::Beginning);
    scene.append("a.log", "");
    scene.look();
    scene.rename("a.log", "a.log.2");
    scene.append("a.log", "1\n");
    scene.look();
    copy(&scene, "a.log", "a.log.1");
    scene.append("a.log", "2\n");
    scene.round();
    truncate(&scene, "a.log");
    scene.append("a.log", "longer\n");
    let state = scene.state();
    scene.gzip("a.log.2");
    scene.restart(&state);
    scene.pass_grace();
    scene.expect(&["1", "2", "longer"]);
}
