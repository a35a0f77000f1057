//! The waker on real directories: whatever happens to a log, somebody is told to look. A wake-up
//! may come late on a busy machine, so only its coming is asserted, within a generous time.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gatelog::limits::WATCHED_DIRECTORIES_MAX;
use gatelog::source::watch::{Watched, watch};
use tokio::task::JoinHandle;

const WAIT_MAX: Duration = Duration::from_secs(10);

struct Scene {
    directory: tempfile::TempDir,
    wakes: Arc<AtomicU64>,
    watched: Watched,
    task: JoinHandle<()>,
}

impl Scene {
    fn new() -> Self {
        let wakes = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&wakes);
        let (watched, task) = watch(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let directory = tempfile::tempdir().unwrap();
        Self { directory, wakes, watched, task: tokio::spawn(task) }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Waits until nothing wakes any more, does something, and waits for the wake-up.
    async fn wakes_on(&self, what: &str, action: impl FnOnce()) {
        let mut quiet = 0;
        while quiet < 3 {
            let before = self.count();
            tokio::time::sleep(Duration::from_millis(50)).await;
            quiet = if self.count() == before { quiet + 1 } else { 0 };
        }
        let before = self.count();
        action();
        let woken = tokio::time::timeout(WAIT_MAX, async {
            while self.count() == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(woken.await.is_ok(), "no wake-up: {what}");
    }

    fn count(&self) -> u64 {
        self.wakes.load(Ordering::Relaxed)
    }

    async fn stop(self) {
        drop(self.watched);
        tokio::time::timeout(WAIT_MAX, self.task).await.unwrap().unwrap();
    }
}

fn append(path: &Path) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(b"line\n").unwrap();
}

#[tokio::test]
async fn everything_that_happens_to_a_log_wakes() {
    let scene = Scene::new();
    assert_eq!(scene.watched.set([scene.directory.path().to_owned()]), 0);
    let log = scene.at("a.log");
    scene.wakes_on("creation", || append(&log)).await;
    scene.wakes_on("a line", || append(&log)).await;
    scene.wakes_on("a rename", || fs::rename(&log, scene.at("a.log.1")).unwrap()).await;
    scene.wakes_on("a late line", || append(&scene.at("a.log.1"))).await;
    scene.wakes_on("the next file", || append(&log)).await;
    scene.wakes_on("its lines", || append(&log)).await;
    scene.wakes_on("truncation", || fs::write(&log, "").unwrap()).await;
    scene.wakes_on("deletion", || fs::remove_file(&log).unwrap()).await;
    scene.wakes_on("another name", || append(&scene.at("b.log"))).await;
    scene.stop().await;
}

#[tokio::test]
async fn directories_may_come_late_and_come_back() {
    let scene = Scene::new();
    let directory = scene.at("var/log");
    scene.watched.set([directory.clone()]);
    let log = directory.join("a.log");
    scene.wakes_on("the directory", || fs::create_dir_all(&directory).unwrap()).await;
    scene.wakes_on("its first file", || append(&log)).await;
    scene.wakes_on("removal of all", || fs::remove_dir_all(&directory).unwrap()).await;
    scene.wakes_on("the directory again", || fs::create_dir_all(&directory).unwrap()).await;
    scene.wakes_on("its file again", || append(&log)).await;
    scene.wakes_on("a line", || append(&log)).await;
    scene.stop().await;
}

#[tokio::test]
async fn directories_are_added_while_running_and_through_links() {
    let scene = Scene::new();
    let (first, second) = (scene.at("first"), scene.at("second"));
    for directory in [&first, &second] {
        fs::create_dir(directory).unwrap();
    }
    scene.watched.set([first.clone()]);
    scene.wakes_on("a line", || append(&first.join("a.log"))).await;
    std::os::unix::fs::symlink("second", scene.at("link")).unwrap();
    scene.watched.set([first.clone(), scene.at("link")]);
    scene.wakes_on("a line behind the link", || append(&second.join("a.log"))).await;
    scene.wakes_on("a line beside it", || append(&first.join("a.log"))).await;
    scene.stop().await;
}

#[tokio::test]
async fn nothing_to_watch_neither_spins_nor_stops() {
    let scene = Scene::new();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(scene.count() < 20, "{} wake-ups with nothing to watch", scene.count());
    let many = (0..WATCHED_DIRECTORIES_MAX + 2).map(|index| scene.at(&format!("{index}")));
    assert_eq!(scene.watched.set(many), 2);
    scene.wakes_on("a directory appears", || fs::create_dir(scene.at("7")).unwrap()).await;
    scene.stop().await;
}

#[tokio::test]
async fn a_pause_is_silent_and_its_end_wakes() {
    let scene = Scene::new();
    scene.watched.set([scene.directory.path().to_owned()]);
    let log = scene.at("a.log");
    scene.wakes_on("creation", || append(&log)).await;
    for _ in 0..3 {
        scene.watched.pause(true);
        let silent = tokio::time::timeout(WAIT_MAX, async {
            loop {
                let before = scene.count();
                append(&log);
                tokio::time::sleep(Duration::from_millis(50)).await;
                if scene.count() == before {
                    return;
                }
            }
        });
        assert!(silent.await.is_ok(), "lines wake in the pause");
        scene.wakes_on("the end of the pause", || scene.watched.pause(false)).await;
        scene.wakes_on("a line", || append(&log)).await;
    }
    let other = scene.at("other");
    fs::create_dir(&other).unwrap();
    scene.watched.pause(true);
    scene.watched.set([other.clone()]);
    scene.wakes_on("the end of the pause", || scene.watched.pause(false)).await;
    scene.wakes_on("a line in the other directory", || append(&other.join("b.log"))).await;
    scene.watched.pause(true);
    scene.stop().await;
}

#[tokio::test]
async fn a_flood_of_events_is_drained() {
    let scene = Scene::new();
    scene.watched.set([scene.directory.path().to_owned()]);
    let log = scene.at("a.log");
    scene.wakes_on("creation", || append(&log)).await;
    tokio::task::spawn_blocking(move || (0..5_000).for_each(|_| append(&log))).await.unwrap();
    scene.wakes_on("a line after the flood", || append(&scene.at("b.log"))).await;
    scene.stop().await;
}
