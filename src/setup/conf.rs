//! Which nginx.conf speaks of a log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::nginx::{NginxConf, Problem};

/// nginx's configuration where Debian, and most others, keep it.
const NGINX_CONF_DEFAULT: &str = "/etc/nginx/nginx.conf";

/// The configurations of nginx that are read, each once.
#[derive(Debug, Default)]
pub struct NginxConfs {
    named: Vec<(PathBuf, Arc<NginxConf>)>,
    /// The machine's own, used for logs that it names.
    default: Option<Arc<NginxConf>>,
}

impl NginxConfs {
    /// Looks for the machine's own configuration. That there is none, or that it cannot be read, is
    /// no error: nobody named it.
    pub fn with_default() -> NginxConfs {
        let default = NginxConf::read(Path::new(NGINX_CONF_DEFAULT), None).ok().map(Arc::new);
        NginxConfs { named: Vec::new(), default }
    }

    /// The configuration at a path that somebody named.
    ///
    /// # Errors
    /// When its main file cannot be read, or is no configuration.
    pub fn named(&mut self, path: &Path) -> Result<Arc<NginxConf>, Problem> {
        if let Some((_, conf)) = self.named.iter().find(|(known, _)| known == path) {
            return Ok(Arc::clone(conf));
        }
        let conf = Arc::new(NginxConf::read(path, None)?);
        self.named.push((path.to_owned(), Arc::clone(&conf)));
        Ok(conf)
    }

    /// The machine's own, if it writes one of these very logs.
    pub fn own<'a>(&self, logs: impl IntoIterator<Item = &'a Path>) -> Option<&Arc<NginxConf>> {
        let conf = self.default.as_ref()?;
        let writes = |log: &Path| !conf.servers_for_log(log).is_empty();
        logs.into_iter().any(writes).then_some(conf)
    }

    /// The machine's own, whatever it writes; none where it cannot be read.
    pub fn machine(&self) -> Option<&Arc<NginxConf>> {
        self.default.as_ref()
    }

    /// What could not be read or followed in those that were named.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.named.iter().flat_map(|(_, conf)| &conf.problems)
    }
}
