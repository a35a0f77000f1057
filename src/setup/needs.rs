//! The directories that the agent reads from: what a sandbox has to leave open for it.
//!
//! Worked out from the configuration, the command line and the links that are there; nothing is
//! opened. Files are read from directories rather than one by one, since logs are rotated and
//! configurations are replaced by new files of the same name.

mod receivers;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::source::{Options, Setup, SourceSetup};
use crate::config::{Config, Format, Source};
use crate::limits::FILES_MATCHED_MAX;
use crate::nginx::NginxConf;
use crate::source::Listen;
use crate::source::pattern::Pattern;

pub use receivers::{connected, of_receivers};

/// Links that are followed from one path; what leads further leads nowhere (Linux: `MAXSYMLINKS`).
const LINKS_MAX: usize = 40;

/// A directory that is read from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// It may be relative to the working directory, and need not exist.
    pub directory: PathBuf,
    /// What is read there, as the operator or nginx.conf names it.
    pub path: PathBuf,
    /// When it is read.
    pub when: When,
}

/// When something is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// At a reload. What is not there then is not read.
    Reload,
    /// As long as a glob finds it there: a link that leads elsewhere. One that comes later is told
    /// when it is found.
    Found,
    /// Again and again: a log, which may appear at any time.
    Always,
}

/// What the configuration and the command line name: the logs, the configuration itself, nginx.conf
/// without its includes, and files with a format.
pub fn of_config(config: &Config, options: &Options) -> BTreeSet<Need> {
    let mut needs = BTreeSet::new();
    let file = |path: &PathBuf| of_file(path, path, When::Reload);
    needs.extend(config.path.iter().flat_map(file));
    for source in &config.sources {
        needs.extend(source.paths.iter().flat_map(|path| of_log(path)));
        let conf = options.nginx_conf.as_ref().or(source.nginx_conf.as_ref());
        needs.extend(conf.into_iter().flat_map(file));
        if let Format::File(path) = options.format.as_ref().unwrap_or(&source.format) {
            needs.extend(file(path));
        }
    }
    needs
}

/// The directories that are written to beside that of the state: those of sockets, and of files with
/// denials.
pub fn written(config: &Config) -> Vec<PathBuf> {
    let directory = |source: &Source| match &source.listen {
        Some(Listen::Unix(path)) => Some(or_here(path.parent()?)),
        Some(Listen::Udp(_)) | None => None,
    };
    let sockets = config.sources.iter().filter_map(directory);
    sockets.chain(receivers::written(config)).collect()
}

/// What nginx's configurations include, those that a source goes by.
pub fn of_includes(setup: &Setup) -> BTreeSet<Need> {
    setup.sources.iter().filter_map(SourceSetup::conf).flat_map(of_conf).collect()
}

/// The files of one configuration of nginx.
pub fn of_conf(conf: &NginxConf) -> impl Iterator<Item = Need> {
    conf.directories.iter().map(|directory| Need {
        directory: or_here(directory),
        path: conf.path.clone(),
        when: When::Reload,
    })
}

/// Where a log is looked for, and where the links that have its name lead.
fn of_log(path: &str) -> BTreeSet<Need> {
    let Ok(mut pattern) = Pattern::new(path) else { return BTreeSet::new() };
    let as_written = Path::new(path);
    let need = |directory| Need { directory, path: as_written.to_owned(), when: When::Always };
    let when = if pattern.is_glob() { When::Found } else { When::Always };
    let mut needs = BTreeSet::from([need(pattern.directory())]);
    for found in pattern.paths(|_, _| {}).take(FILES_MATCHED_MAX) {
        needs.extend(of_file(&found, as_written, when));
    }
    needs
}

/// The directory of a file, and that of the file to which a link of this name leads.
fn of_file(file: &Path, path: &Path, when: When) -> [Need; 2] {
    let need = |file: &Path| Need { directory: parent(file), path: path.to_owned(), when };
    [need(file), need(&target(file))]
}

/// Where a link leads, whether something is there or not; another path leads to itself. Links in the
/// directories on the way are left to the system.
pub fn target(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(target) = fs::read_link(&path) else { break };
        path = parent(&path).join(target);
    }
    path
}

fn parent(path: &Path) -> PathBuf {
    path.parent().map_or_else(|| PathBuf::from("/"), or_here)
}

fn or_here(directory: &Path) -> PathBuf {
    PathBuf::from(if directory.as_os_str().is_empty() { Path::new(".") } else { directory })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn logs_are_needed_where_they_are_and_where_links_lead() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["logs", "data", "far"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("far/a.log"), "").unwrap();
        symlink(at("far/a.log"), at("data/a.log")).unwrap();
        symlink("../data/a.log", at("logs/link.log")).unwrap();
        symlink("../late/a.log", at("logs/dangling.log")).unwrap();
        symlink("circle.log", at("logs/circle.log")).unwrap();
        let check = |path: &str, expected: &[&str]| {
            let needs = of_log(&at(path).display().to_string());
            let found: BTreeSet<PathBuf> = needs
                .into_iter()
                .inspect(|need| {
                    let is_found = need.when == When::Found;
                    assert!(need.path == at(path) && (!is_found || path.contains('*')), "{need:?}");
                })
                .map(|need| need.directory)
                .collect();
            let expected: BTreeSet<PathBuf> = expected.iter().map(|name| at(name)).collect();
            assert_eq!(found, expected, "{path}");
        };
        check("logs/a.log", &["logs"]);
        check("none/a.log", &["none"]);
        check("logs/*.none", &["logs"]);
        check("*/none/*.log", &[""]);
        check("logs/link.log", &["logs", "far"]);
        check("logs/link*.log", &["logs", "far"]);
        check("logs/dangling.log", &["logs", "logs/../late"]);
        check("logs/circle.log", &["logs"]);
    }

    #[test]
    fn relative_names_belong_to_the_working_directory() {
        let directories = |path: &str| of_log(path).into_iter().map(|need| need.directory);
        assert!(directories("none.log").eq([PathBuf::from(".")]));
        assert!(directories("*.none").eq([PathBuf::from(".")]));
        assert!(directories("none/a.log").eq([PathBuf::from("none")]));
        assert_eq!(parent(Path::new("/")), Path::new("/"));
    }

    #[test]
    fn what_a_reload_reads_again() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["nginx", "nginx/sites", "available", "etc"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("available/a"), "server { listen 1; }").unwrap();
        symlink(at("available/a"), at("nginx/sites/a")).unwrap();
        let text = "http { include sites/*; include /nowhere/x.conf; include none/*/x; }";
        fs::write(at("nginx/nginx.conf"), text).unwrap();
        fs::write(at("etc/format"), "$remote_addr $status $ssl_client_verify").unwrap();
        let text = format!(
            "[[source]]\npaths = [\"/nowhere/a.log\"]\nformat = \"@{0}/etc/format\"\n\
             nginx_conf = \"{0}/nginx/nginx.conf\"\n",
            directory.path().display()
        );
        fs::write(at("gatelog.toml"), text).unwrap();
        let options = Options { config: Some(at("gatelog.toml")), ..Options::default() };
        let setup = Setup::load(&options).unwrap();
        let directories = |needs: BTreeSet<Need>, when| {
            let of_it = needs.into_iter().filter(move |need| need.when == when);
            of_it.map(|need| need.directory).collect::<BTreeSet<_>>()
        };
        let config = of_config(&setup.config, &options);
        let expected = [at("").parent().unwrap().to_owned(), at("etc"), at("nginx")];
        let found = directories(config.clone(), When::Reload);
        assert!(found.is_superset(&BTreeSet::from([at("etc"), at("nginx")])), "{found:?}");
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert_eq!(directories(config, When::Always), [PathBuf::from("/nowhere")].into());
        let included = directories(of_includes(&setup), When::Reload);
        let expected = [at("nginx"), at("nginx/sites"), at("available"), at("nginx/none")];
        let nowhere = PathBuf::from("/nowhere");
        assert_eq!(included, expected.into_iter().chain([nowhere]).collect());
    }
}
