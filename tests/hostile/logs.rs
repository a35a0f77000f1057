//! Every hostile value in every field of every format, through the commands.

use std::fs;
use std::path::Path;

use gatelog::escape::utf8_text;
use serde_json::{Map, Value};

use crate::lines::{FIELDS, FORMATS, Field, line};
use crate::program::{objects, run};
use crate::safe::{check_coloured, check_text};
use crate::values;

/// A hostile line of a log.
#[derive(Debug)]
pub(crate) struct Hostile {
    pub(crate) name: String,
    pub(crate) field: &'static Field,
    pub(crate) value: Vec<u8>,
}

/// Every value in every field that the format has.
pub(crate) fn all(format: &str) -> Vec<Hostile> {
    let values = values::all();
    let fields = FIELDS.iter().filter(|field| field.is_in(format));
    let hostile = |field: &'static Field| {
        values.clone().into_iter().map(move |(name, value)| Hostile {
            name: format!("{name} in ${}", field.variable),
            field,
            value,
        })
    };
    fields.flat_map(hostile).collect()
}

/// A log with two lines as they should be, then the hostile ones.
pub(crate) fn log(format: &str, hostile: &[Hostile]) -> Vec<u8> {
    let mut log = Vec::new();
    let good = [true, false].map(|is_verified| line(format, is_verified, None));
    let bad = hostile.iter().map(|hostile| {
        line(format, hostile.field.is_verified, Some((hostile.field, &hostile.value)))
    });
    for line in good.into_iter().chain(bad) {
        assert!(!line.contains(&b'\n'));
        log.extend(line);
        log.push(b'\n');
    }
    log
}

/// Which of the lines were understood: verified, rejected, not at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) verified: u64,
    pub(crate) rejected: u64,
    pub(crate) unparsed: u64,
}

/// Looks at what `parse` prints of the log in `directory`: each line is what it would be without the
/// hostile value, but for that.
pub(crate) fn check_parse(directory: &Path, format: &str, hostile: &[Hostile]) -> Counts {
    let ended = run(directory, &["parse", "a.log"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    check_text("parse", &ended.out);
    check_text("parse, what it says", &ended.err);
    let objects = objects(&ended.out);
    assert_eq!(objects.len(), hostile.len() + 2, "{format}");
    let (verified, rejected) = (&objects[0], &objects[1]);
    assert_eq!(verified["verdict"], "verified", "{format}");
    assert_eq!(rejected["verdict"], "rejected", "{format}");
    let mut counts = Counts { verified: 1, rejected: 1, unparsed: 0 };
    for (hostile, object) in hostile.iter().zip(&objects[2..]) {
        let Hostile { name, field, value } = hostile;
        if object.contains_key("error") {
            assert!(field.may_be_refused(format), "{format}, {name}: {object:?}");
            counts.unparsed += 1;
            continue;
        }
        let like = if field.is_verified { verified } else { rejected };
        *(if field.is_verified { &mut counts.verified } else { &mut counts.rejected }) += 1;
        let others = |object: &Map<String, Value>| {
            let mut object = object.clone();
            object.retain(|key, _| !field.keys.contains(&key.as_str()));
            object
        };
        assert_eq!(others(object), others(like), "{format}, {name}");
        if field.is_shown {
            let whole = [field.before.as_bytes(), value].concat();
            assert_eq!(object[field.keys[0]], *utf8_text(&whole), "{format}, {name}");
        }
    }
    counts
}

/// Looks at what the other commands print of it.
pub(crate) fn check_reports(directory: &Path, counts: &Counts) {
    let ended = run(directory, &["report", "a.log"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    check_text("report", &ended.out);
    check_text("report, what it says", &ended.err);
    let ended = run(directory, &["report", "--color", "always", "a.log"]);
    check_coloured("report in colour", &ended.out);
    let ended = run(directory, &["report", "--format", "json", "a.log"]);
    check_text("report as JSON", &ended.out);
    let report = &objects(&ended.out)[0];
    let verdicts = serde_json::json!({"verified": counts.verified, "rejected": counts.rejected});
    assert_eq!(report["verdicts"], verdicts);
    assert_eq!(report["lines"]["unparsed"], counts.unparsed);
    let ended = run(directory, &["check", "a.log"]);
    assert_eq!(ended.code, i32::from(counts.unparsed > 0), "{}", ended.err);
    check_text("check", &ended.out);
    check_text("check, what it says", &ended.err);
    let ended = run(directory, &["check", "--color", "always", "a.log"]);
    check_coloured("check in colour", &ended.out);
}

#[test]
fn a_hostile_value_changes_its_own_field_alone() {
    for format in FORMATS {
        let hostile = all(format);
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.log"), log(format, &hostile)).unwrap();
        let counts = check_parse(directory.path(), format, &hostile);
        assert!(counts.rejected > 100, "{format}: {counts:?}");
        check_reports(directory.path(), &counts);
    }
}

/// Cut, doubled and shifted lines are shown with what is wrong about them.
#[test]
fn lines_that_do_not_fit_are_shown_safely() {
    for format in FORMATS {
        let hostile = all(format);
        let directory = tempfile::tempdir().unwrap();
        let log = log(format, &hostile);
        let lines: Vec<&[u8]> = log.split(|byte| *byte == b'\n').collect();
        let mut damaged = lines[..2].join(&b'\n');
        for (number, line) in lines[2..].iter().enumerate() {
            damaged.push(b'\n');
            // As nginx would never write it: the escapes are undone.
            let raw = hostile.get(number).map_or(&b""[..], |hostile| &hostile.value);
            let raw = raw.iter().filter(|byte| **byte != b'\n');
            damaged.extend(line[..line.len() * 2 / 3].iter().chain(raw));
        }
        damaged.push(b'\n');
        fs::write(directory.path().join("a.log"), damaged).unwrap();
        for arguments in [&["parse"][..], &["report"], &["report", "--format", "json"], &["check"]]
        {
            let ended = run(directory.path(), &[arguments, &["a.log"]].concat());
            assert_eq!(ended.code, i32::from(arguments == ["check"]), "{}", ended.err);
            check_text(&format!("{arguments:?}"), &ended.out);
            check_text(&format!("{arguments:?}"), &ended.err);
        }
        let errors = objects(&run(directory.path(), &["parse", "a.log"]).out);
        let errors = errors.iter().filter(|object| object.contains_key("error")).count();
        assert!(errors > 50, "{format}: {errors}");
        let ended = run(directory.path(), &["check", "--color", "always", "a.log"]);
        check_coloured("check in colour", &ended.out);
    }
}
