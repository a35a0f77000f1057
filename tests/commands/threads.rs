//! A large log is read by several threads, and nothing of what is printed tells how many.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::program::{corpus, objects, run, run_with_input};

/// Where the first threads' blocks meet.
const CUT: usize = 4 * 1024 * 1024;

/// The lines of the corpus but for the one whose DN is longer than is kept: beyond a bound, the hits
/// depend on the split.
fn lines() -> Vec<Vec<u8>> {
    let log = fs::read(corpus("nginx-mtls-extended.log")).unwrap();
    let lines = log.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let lines = lines.filter(|line| !line.windows(7).any(|part| part == b"dn-long"));
    lines.map(<[u8]>::to_vec).collect()
}

/// More than seven blocks: good lines, over the cuts too; lines that end with CRLF; NULs; a line that
/// is too long before, over and behind a cut; no newline at the end.
fn log() -> Vec<u8> {
    let lines = lines();
    let mut log = Vec::new();
    for (index, line) in lines.iter().cycle().enumerate() {
        let cut = log.len() / CUT;
        log.extend_from_slice(line);
        log.extend_from_slice(if index % 5 == 0 { b"\r\n" } else { b"\n" });
        if index % 97 == 0 {
            log.extend_from_slice(b"\0a line\0that does not fit\n");
        }
        if log.len() / CUT > cut {
            // The next cut is in this line, or it ends or starts there.
            let overlong = [131_073, 200_000, 300_000, 131_072, 9_000_000][cut % 5];
            log.resize((log.len() / CUT + 1) * CUT - overlong / 2 - cut % 3, b'x');
            let last = log.iter().rposition(|&byte| byte == b'\n').unwrap();
            // What was filled in is lines that do not fit.
            log[last + 1..].chunks_mut(500).for_each(|line| *line.last_mut().unwrap() = b'\n');
            log.resize(log.len() + overlong, b'y');
            log.push(b'\n');
        }
        if log.len() > 9 * CUT {
            break;
        }
    }
    log.extend_from_slice(&lines[0]);
    log
}

#[test]
fn any_number_of_threads_prints_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let log = log();
    fs::write(directory.path().join("x.log"), &log).unwrap();
    for format in ["text", "json"] {
        let report = |threads: &str| {
            let arguments = ["report", "--format", format, "--threads", threads, "x.log"];
            let ended = run(directory.path(), &arguments);
            assert_eq!((ended.code, ended.err.lines().count()), (0, 1), "{}", ended.err);
            ended.out
        };
        let alone = report("1");
        for threads in ["2", "3", "7"] {
            assert!(report(threads) == alone, "{format} {threads}");
        }
        if format == "json" {
            // A pipe has one reader, and other names for servers without one.
            let piped =
                run_with_input(directory.path(), &["report", "--format", "json", "-"], &log);
            for key in ["lines", "requests", "verdicts", "reasons", "limits", "timeline"] {
                assert_eq!(objects(&piped.out)[0][key], objects(&alone)[0][key], "{key}");
            }
        }
    }
}

/// The routes beyond the bound depend on who meets which first, but not on who is faster.
#[test]
fn the_same_threads_print_the_same_bytes_beyond_a_bound() {
    let directory = tempfile::tempdir().unwrap();
    let (lines, mut log) = (lines(), Vec::new());
    for number in 0..4 * CUT / 700 {
        let line = String::from_utf8_lossy(&lines[number % lines.len()]).into_owned();
        log.extend_from_slice(line.replacen(" /", &format!(" /p{}", number % 3000), 1).as_bytes());
        log.push(b'\n');
    }
    fs::write(directory.path().join("x.log"), &log).unwrap();
    let report = || {
        let arguments = ["report", "--format", "json", "--threads", "3", "x.log"];
        run(directory.path(), &arguments).out
    };
    let first = report();
    let limits = objects(&first)[0]["limits"].clone();
    assert!(limits["routes"].as_u64().unwrap() > 1000, "{limits}");
    assert_eq!(report(), first);
    assert_eq!(report(), first);
}

/// Whole, cut off and damaged archives, large enough for a decompressor on its own thread.
#[test]
fn archives_tell_the_same_with_a_thread_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).unwrap();
    let log: Vec<u8> = log().into_iter().take(2 * CUT).collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(&log).unwrap();
    let gzip = encoder.finish().unwrap();
    let zstd = zstd::encode_all(log.as_slice(), -50).unwrap();
    assert!(gzip.len() > 1 << 20 && zstd.len() > 1 << 19, "{} {}", gzip.len(), zstd.len());
    for (name, archive) in [("gz", gzip), ("zst", zstd)] {
        let mut damaged = archive.clone();
        damaged[archive.len() / 2..][..64].fill(0xff);
        write("cut.log", &archive[..archive.len() / 3]);
        write("damaged.log", &damaged);
        write("whole.log", &archive);
        for (log, code) in [("whole.log", 0), ("cut.log", 1), ("damaged.log", 1)] {
            let report = |threads: &str| {
                let arguments = ["report", "--format", "json", "--threads", threads, log];
                let ended = run(directory.path(), &arguments);
                assert_eq!(ended.code, code, "{name} {log}: {}", ended.err);
                (objects(&ended.out), ended.err)
            };
            let (alone, said) = report("1");
            assert!(alone[0]["requests"].as_u64().unwrap() > 1000, "{name} {log}");
            assert_eq!(report("2"), (alone, said), "{name} {log}");
        }
    }
}

#[test]
fn threads_are_a_number_from_1_to_8() {
    for threads in ["0", "9", "all"] {
        let ended = run(Path::new("/"), &["report", "--threads", threads, "x.log"]);
        assert_eq!(ended.code, 2);
        assert!(ended.err.contains("expected a number from 1 to 8"), "{}", ended.err);
    }
}
