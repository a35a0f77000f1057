//! The same seed gives the same bytes for ever, and the log is as its documentation says.

use generate_log::{Format, Generator, Sizes};

const LINES: usize = 20_000;

fn log(seed: u64, sizes: Sizes, format: Format) -> Vec<u8> {
    Generator::new(seed, sizes, format).lines(LINES)
}

/// FNV-1a, 64 bits.
fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, step)
}

/// Lines with this text, of 10,000.
fn share(log: &str, text: &str) -> usize {
    log.lines().filter(|line| line.contains(text)).count() * 10_000 / LINES
}

#[test]
fn the_bytes_never_change() {
    let few = Sizes { routes: 3, paths: 10, certificates: 2 };
    let many = Sizes { routes: 500, paths: 10_000, certificates: 100_000 };
    let check = |sizes, format, expected: u64| {
        let found = hash(&log(1, sizes, format));
        assert_eq!(found, expected, "{sizes:?} {format:?}: {found:#018x}");
    };
    check(Sizes::default(), Format::Extended, 0x33AB_EC97_0955_5DCB);
    check(Sizes::default(), Format::Json, 0x88B3_D6A8_218F_45B0);
    check(Sizes::default(), Format::Tsv, 0x523A_2614_BE16_CB3D);
    check(few, Format::Extended, 0x8B67_C705_769D_7573);
    check(many, Format::Extended, 0xC8C4_54D1_C37B_842C);
    let extended = |seed| log(seed, Sizes::default(), Format::Extended);
    assert_ne!(extended(1), extended(2));
}

#[test]
fn one_to_three_of_a_hundred_fail() {
    for seed in 1..=3 {
        let log = String::from_utf8(log(seed, Sizes::default(), Format::Extended)).unwrap();
        let failed = share(&log, "client_verify=FAILED:");
        let missing =
            log.lines().filter(|line| line.contains("=NONE") && line.contains("\" 400 ")).count();
        let failures = failed + missing * 10_000 / LINES;
        assert!((100..=300).contains(&failures), "seed {seed}: {failures} of 10,000");
        assert!(share(&log, "client_verify=SUCCESS") > 9_500);
        assert!(share(&log, "\" 403 ") > 10, "some are forbidden");
    }
}

#[test]
fn lines_are_as_long_as_real_ones() {
    let bytes = log(1, Sizes::default(), Format::Extended).len() / LINES;
    assert!((760..=820).contains(&bytes), "{bytes} bytes a line");
}

#[test]
fn time_never_goes_back() {
    let log = String::from_utf8(log(1, Sizes::default(), Format::Extended)).unwrap();
    let times: Vec<_> = log.lines().filter_map(|line| line.split_once(" msec=")).collect();
    assert_eq!(times.len(), LINES);
    assert!(times.is_sorted_by_key(|(_, time)| time), "all have as many digits");
}

#[test]
fn there_are_as_many_paths_as_asked_for() {
    let sizes = Sizes { routes: 4, paths: 30, certificates: 20 };
    let log = String::from_utf8(log(1, sizes, Format::Extended)).unwrap();
    let target = |line: &str| line.split(' ').nth(6).map(|target| target.to_owned());
    let mut paths: Vec<_> = log.lines().filter_map(target).collect();
    paths.iter_mut().for_each(|path| path.truncate(path.find('?').unwrap_or(path.len())));
    paths.retain(|path| path != "/health");
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), sizes.paths);
}
