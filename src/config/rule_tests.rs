//! Tests of rules, in a file beside the configuration: `gatelog.test.toml` for `gatelog.toml`. A few lines of
//! a log, and which alerts there are to be at which times. Running them is left to the caller.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gatelog_parsers::time_stamp::UnixMillis;

use super::checked::{Config, Format};
use super::problem::{Problem, Problems};
use super::raw::rule_tests::RawRuleTests;
use super::sections::TESTS_TOP;
use super::{LoadError, check, read, text_and_document};
use crate::rules::State;

/// All tests of a file.
#[derive(Debug)]
pub struct RuleTests {
    /// The file.
    pub path: PathBuf,
    text: Vec<u8>,
    /// In the order of the file, their names unique.
    pub tests: Vec<RuleTest>,
}

/// `[[test]]`
#[derive(Debug, Clone, PartialEq)]
pub struct RuleTest {
    /// What it is called; also the name of the source of its lines.
    pub name: String,
    /// How its lines are read.
    pub format: Format,
    /// Its lines.
    pub log: TestLog,
    /// How much of the log must have passed before anything is compared with the past; `None`: as in the
    /// configuration.
    pub learning: Option<Duration>,
    /// What there is to be.
    pub expect: Vec<Expect>,
    /// Where its table stands in the file.
    pub span_bytes: Range<usize>,
}

/// Where the lines of a test are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestLog {
    /// In the test itself.
    Lines(String),
    /// In a file, named from the directory of the tests.
    File(PathBuf),
}

/// `[[test.expect]]`
#[derive(Debug, Clone, PartialEq)]
pub struct Expect {
    /// When.
    pub at: At,
    /// A rule by its name.
    pub rule: String,
    /// What state an alert of it is in; `None`: there is none that is pending or firing.
    pub state: Option<State>,
    /// Labels that the alert has among others.
    pub labels: Vec<(String, String)>,
    /// Where its table stands in the file.
    pub span_bytes: Range<usize>,
}

/// A time in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// So many milliseconds after the first line.
    After(i64),
    /// This.
    Time(UnixMillis),
}

impl RuleTests {
    /// Reads the tests beside a configuration; `None` when there are none.
    ///
    /// # Errors
    /// When the file is there but cannot be read or is too large; else all of its problems.
    pub fn load(config: &Config) -> Result<Option<RuleTests>, LoadError> {
        let Some(path) = config.path.as_deref().map(beside) else { return Ok(None) };
        match read(&path) {
            Ok(text) => RuleTests::parse(path, text, config).map(Some).map_err(LoadError::Invalid),
            Err(LoadError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Checks the text of such a file.
    ///
    /// # Errors
    /// All problems together, as [`super::parse`].
    pub fn parse(path: PathBuf, bytes: Vec<u8>, config: &Config) -> Result<RuleTests, Problems> {
        let shown = path.to_string_lossy().into_owned();
        let (text, document) = text_and_document::<RawRuleTests>(&shown, &bytes, &TESTS_TOP)?;
        let (tests, problems) = check::rule_tests(text, document, config);
        if problems.is_empty() {
            Ok(RuleTests { path, text: bytes, tests })
        } else {
            Err(Problems::new(shown.into(), &bytes, problems))
        }
    }

    /// What did not come out as expected, to be shown with its place.
    pub fn failures(&self, failures: Vec<Problem>) -> Problems {
        Problems::new(self.path.to_string_lossy(), &self.text, failures)
    }
}

/// The file of tests that belongs to a configuration.
fn beside(config: &Path) -> PathBuf {
    config.with_extension("test.toml")
}
