//! Where state is kept: as the configuration or `--state-dir` says, or where the system keeps such
//! things.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::environment::Lookup;

/// `state_dir`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StateDir {
    /// Not said: see [`StateDir::path`].
    #[default]
    Default,
    /// `"none"`: everything is kept in memory.
    None,
    /// This directory.
    At(PathBuf),
}

impl StateDir {
    /// Of what is written: `none` or a path.
    pub fn parse(text: &str) -> StateDir {
        if text == "none" { StateDir::None } else { StateDir::At(text.into()) }
    }

    /// The directory, if state is to be kept. By default the one that systemd gives the service
    /// (`$STATE_DIRECTORY`, the first of several, systemd.exec(5)), else `gatelog` in
    /// `$XDG_STATE_HOME`, else in `~/.local/state` (XDG Base Directory Specification 0.8).
    ///
    /// # Errors
    /// When none of the variables is set.
    pub fn path(&self, lookup: Lookup<'_>) -> Result<Option<PathBuf>, NoStateDir> {
        match self {
            StateDir::None => return Ok(None),
            StateDir::At(path) => return Ok(Some(path.clone())),
            StateDir::Default => {}
        }
        let absolute = |name| lookup(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let given = lookup("STATE_DIRECTORY").and_then(|list| {
            let first = list.as_bytes().split(|byte| *byte == b':').next()?;
            (!first.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(first)))
        });
        let path = given
            .or_else(|| absolute("XDG_STATE_HOME").map(|home| home.join("gatelog")))
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state/gatelog")));
        path.map(Some).ok_or(NoStateDir)
    }
}

/// Nothing says where state could be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no state directory: none of STATE_DIRECTORY, XDG_STATE_HOME and HOME is set; name one with \
     --state-dir"
)]
pub struct NoStateDir;

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn the_first_that_is_set() {
        let check = |variables: &[(&str, &str)], expected: Option<&str>| {
            let lookup = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            };
            let path = StateDir::Default.path(&lookup);
            assert_eq!(path.ok().flatten(), expected.map(PathBuf::from), "{variables:?}");
        };
        let home = ("HOME", "/home/a");
        check(&[home], Some("/home/a/.local/state/gatelog"));
        check(&[home, ("XDG_STATE_HOME", "/s")], Some("/s/gatelog"));
        check(&[home, ("XDG_STATE_HOME", "relative")], Some("/home/a/.local/state/gatelog"));
        check(&[home, ("STATE_DIRECTORY", "/var/lib/gatelog")], Some("/var/lib/gatelog"));
        check(&[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")], Some("/var/lib/a"));
        check(&[home, ("STATE_DIRECTORY", "")], Some("/home/a/.local/state/gatelog"));
        check(&[], None);
    }

    #[test]
    fn what_is_said_counts() {
        let nothing = |_: &str| None;
        assert_eq!(StateDir::parse("none").path(&nothing), Ok(None));
        assert_eq!(StateDir::parse("/a").path(&nothing), Ok(Some("/a".into())));
        assert_eq!(StateDir::Default.path(&nothing), Err(NoStateDir));
    }
}
