use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::ledger::Ledger;
use crate::ledger::distinct::Seed;

const NOW: UnixMilliseconds = UnixMilliseconds(1_795_348_277_123);

fn open(directory: &Path) -> (Store, Saved) {
    Store::open(directory, NOW, &Arc::default()).unwrap()
}

fn ledger(routes_max: usize) -> Ledger {
    Ledger::new(Seed::new(1), routes_max)
}

fn put_image(store: &mut Store, ledger: &Ledger) {
    ledger
        .image(|part| {
            store.put_image_part(&part).unwrap();
            Ok(())
        })
        .unwrap();
}

fn changes(sources: &[(&str, &[u8])]) -> Changes {
    let sources = sources.iter().map(|(name, state)| ((*name).to_owned(), state.to_vec()));
    Changes { journal: Vec::new(), sources: sources.collect(), notices: Vec::new() }
}

fn names(saved: &Saved) -> Vec<&str> {
    saved.sources.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn what_was_saved_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b");
    let (mut store, saved) = open(&path);
    assert!(saved.watch.is_none() && saved.sources.is_empty() && !saved.size.has_image);
    put_image(&mut store, &ledger(7));
    store.finish_image(&[("edge".to_owned(), vec![1])], &[]).unwrap();
    store.commit(&changes(&[("edge", &[2]), ("other", &[3])])).unwrap();
    drop(store);
    let (_store, saved) = open(&path);
    assert_eq!(saved.watch.as_ref().unwrap().ledger.routes.max(), 7);
    assert_eq!(saved.sources, [("edge".to_owned(), vec![2]), ("other".to_owned(), vec![3])]);
    assert!(saved.size.has_image && saved.size.image_bytes > 0 && saved.size.pieces == 0);
    for name in [FILE_NAME, "lock"] {
        let mode = fs::metadata(path.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn an_image_that_is_not_finished_leaves_no_trace() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = open(directory.path());
    put_image(&mut store, &ledger(7));
    store.finish_image(&[], &[]).unwrap();
    put_image(&mut store, &ledger(8));
    store.give_up_image();
    store.commit(&changes(&[("edge", &[2])])).unwrap();
    put_image(&mut store, &ledger(9));
    drop(store);
    let (_store, saved) = open(directory.path());
    assert_eq!(saved.watch.as_ref().unwrap().ledger.routes.max(), 7);
    assert_eq!(names(&saved), ["edge"]);
}

#[test]
fn one_agent_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let held = open(directory.path());
    let error = Store::open(directory.path(), NOW, &Arc::default()).unwrap_err();
    let expected = format!(
        "{}: another gatelog holds this state directory (process {})",
        directory.path().display(),
        std::process::id()
    );
    assert_eq!(error.to_string(), expected);
    drop(held);
    open(directory.path());
}

#[test]
fn a_newer_schema_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let path = directory.path().join(FILE_NAME);
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 1000).unwrap();
    drop(connection);
    let error = Store::open(directory.path(), NOW, &Arc::default()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 1000, .. }), "{error}");
    assert!(path.exists());
}

/// Whatever is wrong with it, the file is kept under another name and a new one begun.
#[test]
fn what_is_damaged_is_set_aside() {
    let check = |name: &str, damage: &dyn Fn(&Path), expected: &str| {
        let directory = tempfile::tempdir().unwrap();
        let (mut store, _) = open(directory.path());
        put_image(&mut store, &ledger(7));
        store.finish_image(&[], &[]).unwrap();
        drop(store);
        let path = directory.path().join(FILE_NAME);
        damage(&path);
        let before = fs::read(&path).unwrap();
        let (mut store, saved) = open(directory.path());
        let (aside, reason) = saved.set_aside.unwrap();
        assert!(reason.contains(expected), "{name}: {reason}");
        assert_eq!(aside, directory.path().join("state.db.damaged-1795348277"), "{name}");
        // SQLite may have written to its header when it was opened.
        assert_eq!(fs::read(&aside).unwrap().len(), before.len(), "{name}");
        assert!(saved.watch.is_none(), "{name}");
        store.commit(&changes(&[("edge", &[2])])).unwrap();
    };
    let execute = |path: &Path, sql: &str| {
        Connection::open(path).unwrap().execute_batch(sql).unwrap();
    };
    check("text", &|path| fs::write(path, "x".repeat(9000)).unwrap(), "not a database");
    check(
        "another program's",
        &|path| execute(path, "PRAGMA application_id = 5"),
        "a database of another program",
    );
    check(
        "a row",
        &|path| execute(path, "UPDATE image SET bytes = x'00'"),
        "a row is not what was written",
    );
    check(
        "no end",
        &|path| {
            execute(path, &format!("UPDATE image SET bytes = x'', hash = {}", stored_hash(b"")))
        },
        "its beginning is missing",
    );
    check(
        "a page",
        &|path| {
            let mut bytes = fs::read(path).unwrap();
            bytes[4096..].fill(0xff);
            fs::write(path, bytes).unwrap();
        },
        "malformed",
    );
}

#[test]
fn several_that_are_damaged_in_one_second_are_all_kept() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..3 {
        fs::write(directory.path().join(FILE_NAME), format!("{number:9000}")).unwrap();
        let (_store, saved) = open(directory.path());
        assert!(saved.set_aside.is_some());
    }
    let names = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let kept = names.filter(|name| name.to_string_lossy().contains("damaged")).count();
    assert_eq!(kept, 3);
}

#[test]
fn a_file_that_was_removed_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = open(directory.path());
    fs::remove_file(directory.path().join(FILE_NAME)).unwrap();
    let error = store.commit(&changes(&[("edge", &[2])])).unwrap_err();
    assert!(matches!(error, StoreError::Gone(_)), "{error}");
    assert!(matches!(store.put_image_part(b"x"), Err(StoreError::Gone(_))));
    drop(store);
    // What has come in its place is somebody's: it is set aside, unless it is empty.
    let (mut store, aside) = Store::open_anew(directory.path(), NOW, &[]).unwrap();
    assert_eq!(aside, None);
    put_image(&mut store, &ledger(7));
    store.finish_image(&[], &[]).unwrap();
    drop(store);
    let (_store, aside) = Store::open_anew(directory.path(), NOW, &[]).unwrap();
    assert!(aside.unwrap().exists());
}

/// What can be read only is read, whatever characters its path has, and left as it is; later the same
/// ledger goes on in it.
#[test]
fn what_cannot_be_written_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("50% of a?b#c d");
    assert!(Store::read(&path, &Arc::default()).is_err());
    let (mut store, _) = open(&path);
    put_image(&mut store, &ledger(7));
    store.finish_image(&[("edge".to_owned(), vec![1])], &[]).unwrap();
    store.commit(&changes(&[("other", &[2])])).unwrap();
    drop(store);
    // What SQLite needs beside the file cannot be made.
    fs::create_dir(path.join("state.db-shm")).unwrap();
    let saved = Store::read(&path, &Arc::default()).unwrap();
    assert_eq!(saved.watch.as_ref().unwrap().ledger.routes.max(), 7);
    assert_eq!(names(&saved), ["edge", "other"]);
    fs::remove_dir(path.join("state.db-shm")).unwrap();
    let (mut store, aside) = Store::open_anew(&path, NOW, &saved.sources).unwrap();
    assert_eq!(aside, None);
    store.commit(&changes(&[("other", &[3])])).unwrap();
    drop(store);
    assert_eq!(open(&path).1.watch.unwrap().ledger.routes.max(), 7);
    let (_store, aside) = Store::open_anew(&path, NOW, &saved.sources).unwrap();
    assert!(aside.is_some(), "somebody has gone on in it");
}

#[test]
fn the_sources_saved_last_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = open(directory.path());
    for number in 0..SAVED_SOURCES_MAX + 10 {
        store.commit(&changes(&[("edge", &[1]), (&format!("{number:04}"), &[2])])).unwrap();
    }
    drop(store);
    let (_store, saved) = open(directory.path());
    assert_eq!(saved.sources.len(), SAVED_SOURCES_MAX);
    assert!(names(&saved).contains(&"edge"));
    assert!(!names(&saved).contains(&"0000"));
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Store::open(&file.join("state"), NOW, &Arc::default()).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    fs::create_dir_all(directory.path().join("state").join(FILE_NAME)).unwrap();
    let error = Store::open(&directory.path().join("state"), NOW, &Arc::default()).unwrap_err();
    assert!(error.to_string().contains("state.db"), "{error}");
}
