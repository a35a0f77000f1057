//! Real files, a real full disk, a real socket.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::*;

const NOW: UnixMilliseconds = UnixMilliseconds(1_795_089_077_777);

fn file(path: &Path) -> JsonlSink {
    JsonlSink::new(Sink::File(path.to_owned()))
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_file_that_is_rotated_away_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("denials.jsonl");
    let mut sink = file(&path);
    sink.write(b"{\"a\":1}\n{\"a\":2}\n", NOW);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    fs::rename(&path, directory.path().join("denials.jsonl.1")).unwrap();
    sink.write(b"{\"a\":3}\n", NOW);
    fs::remove_file(&path).unwrap();
    sink.write(b"{\"a\":4}\n", NOW);
    assert_eq!(text(&directory.path().join("denials.jsonl.1")), "{\"a\":1}\n{\"a\":2}\n");
    assert_eq!(text(&path), "{\"a\":4}\n");
    fs::File::create(&path).unwrap();
    sink.write(b"{\"a\":5}\n", NOW);
    assert_eq!(text(&path), "{\"a\":5}\n", "copytruncate");
    let expected = JsonlFigures { written: 5, ..JsonlFigures::default() };
    assert_eq!(sink.figures(), expected);
}

#[test]
fn a_line_that_somebody_left_is_ended_first() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    fs::write(&path, "{\"a\":").unwrap();
    file(&path).write(b"{\"a\":1}\n", NOW);
    assert_eq!(text(&path), "{\"a\":\n{\"a\":1}\n");
}

#[test]
fn the_last_batch_is_completed_and_not_written_twice() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let batch = b"{\"a\":1}\n{\"a\":1}\n{\"a\":2}\n";
    for written in 0..=batch.len() {
        let before = b"{\"a\":0}\n";
        fs::write(&path, [&before[..], &batch[..written]].concat()).unwrap();
        let mut sink = file(&path);
        sink.resume(batch, NOW);
        sink.write(b"{\"a\":3}\n", NOW);
        let expected = [&before[..], &batch[..], b"{\"a\":3}\n"].concat();
        assert_eq!(fs::read(&path).unwrap(), expected, "{written}");
    }
    fs::remove_file(&path).unwrap();
    let mut sink = file(&path);
    sink.resume(batch, NOW);
    assert_eq!(fs::read(&path).unwrap(), batch);
}

/// `/dev/full` is a disk without room.
#[test]
fn a_full_disk_is_said_and_counted_and_what_is_too_much_is_dropped() {
    let mut sink = file(Path::new("/dev/full"));
    let line = format!("{}\n", "x".repeat(1023));
    let lines = LINES_WAITING_BYTES_MAX / line.len();
    for _ in 0..lines + 3 {
        sink.write(line.as_bytes(), NOW);
    }
    let full = sink.failure().unwrap().kind();
    assert_eq!(full, io::ErrorKind::StorageFull);
    let figures = sink.figures();
    assert_eq!((figures.written, figures.dropped), (0, 3));
    assert_eq!(figures.waiting, lines as u64);
    assert_eq!(figures.failed, lines as u64 + 3);
}

#[test]
fn what_could_not_be_written_is_written_later() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("late/a");
    let mut sink = file(&path);
    sink.write(b"{\"a\":1}\n", NOW);
    assert_eq!(sink.failure().unwrap().kind(), io::ErrorKind::NotFound);
    fs::create_dir(directory.path().join("late")).unwrap();
    sink.flush(NOW);
    assert!(sink.failure().is_none());
    sink.write(b"{\"a\":2}\n", NOW);
    assert_eq!(text(&path), "{\"a\":1}\n{\"a\":2}\n");
    assert_eq!(sink.figures(), JsonlFigures { written: 2, failed: 1, ..JsonlFigures::default() });
}

#[test]
fn syslog_gets_a_datagram_for_each_line_also_after_its_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut sink = JsonlSink::new(Sink::Syslog(path.clone()));
    sink.write(b"{\"a\":0}\n", NOW);
    assert!(sink.failure().is_some());
    let receive = |daemon: &UnixDatagram| {
        let mut message = [0; 1000];
        let length = daemon.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    for round in 1..3 {
        let daemon = UnixDatagram::bind(&path).unwrap();
        sink.write(format!("{{\"a\":{round}}}\n").as_bytes(), NOW);
        let id = std::process::id();
        if round == 1 {
            assert_eq!(receive(&daemon), format!("<37>Nov 19 11:51:17 gatelog[{id}]: {{\"a\":0}}"));
        }
        let expected = format!("<37>Nov 19 11:51:17 gatelog[{id}]: {{\"a\":{round}}}");
        assert_eq!(receive(&daemon), expected);
        drop(daemon);
        fs::remove_file(&path).unwrap();
    }
    assert_eq!(sink.figures().written, 3);
}
