//! A line whose values are all known allocates nothing: not in the reading, the splitting, the
//! verdict, nor the counting.

use allocation_counter::measure;
use gatelog_parsers::line::Spans;
use gatelog_stages::{Counting, FORMATS, parser};
use generate_log::{Format, Generator, Sizes};

const LINES: usize = 20_000;

fn corpus(format: Format) -> &'static [u8] {
    match format {
        Format::Extended => include_bytes!("../../../tests/corpus/nginx-mtls-extended.log"),
        Format::Json => include_bytes!("../../../tests/corpus/nginx-mtls.json.log"),
        Format::Tsv => include_bytes!("../../../tests/corpus/nginx-mtls.tsv.log"),
    }
}

/// The lines that allocate when they are counted again, each with how often.
fn allocating(counting: &mut Counting, log: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for line in log.split_inclusive(|&byte| byte == b'\n') {
        counting.count(line);
        let count = measure(|| {
            counting.count(line);
        });
        if count.count_total > 0 {
            let line = line.trim_ascii_end().escape_ascii();
            found.push(format!("{} times, {} bytes: {line}", count.count_total, count.bytes_total));
        }
    }
    found
}

/// Counts a log twice; the second time nothing may be allocated.
fn check(name: &str, format: Format, log: &[u8]) {
    let mut counting = Counting::new(format);
    counting.count(log);
    let count = measure(|| {
        counting.count(log);
    });
    let found = if count.count_total > 0 { allocating(&mut counting, log) } else { Vec::new() };
    let (first, lines) = (found.get(..5).unwrap_or(&found).join("\n"), found.len());
    assert_eq!(count.count_total, 0, "{name}: allocations by {lines} lines:\n{first}");
}

#[test]
fn known_values_of_a_generated_log() {
    for (format, name) in FORMATS {
        let log = Generator::new(1, Sizes::default(), format).lines(LINES);
        check(name, format, &log);
    }
}

#[test]
fn known_values_of_the_corpus() {
    for (format, name) in FORMATS {
        // A path with bytes that the log escapes is worked out each time, which takes memory.
        let lines = corpus(format).split_inclusive(|&byte| byte == b'\n');
        let has_escaped_path = |line: &[u8]| line.windows(3).any(|bytes| bytes == br"/q\");
        let kept: Vec<_> = lines.clone().filter(|line| !has_escaped_path(line)).collect();
        assert!(kept.len() + 1 >= lines.count());
        check(name, format, &kept.concat());
    }
}

#[test]
fn new_values_do_allocate() {
    let mut counting = Counting::new(Format::Extended);
    let count = measure(|| {
        counting.count(corpus(Format::Extended));
    });
    assert!(count.count_total > 100, "else nothing is being counted here");
}

#[test]
fn splitting_a_line() {
    for (format, name) in FORMATS {
        let (parser, mut spans) = (parser(format), Spans::default());
        let lines = corpus(format).split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        // The longest line decides how much room the spans take.
        lines.clone().for_each(|line| assert!(parser.parse(line, &mut spans).is_ok()));
        for line in lines {
            let count = measure(|| assert!(parser.parse(line, &mut spans).is_ok()));
            assert_eq!(count.count_total, 0, "{name}: {}", line.escape_ascii());
        }
    }
}
