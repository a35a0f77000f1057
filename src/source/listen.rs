//! Where a source listens for nginx's syslog messages: `udp:ADDRESS:PORT` or `unix:PATH`.
//!
//! UDP says nothing of who sent a datagram, so that it is taken on loopback alone: whoever can reach the
//! port can write lines of the log. A unix socket is guarded by its directory.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Longest path of a unix socket, in bytes (`sun_path` has 108, the last of them 0).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// A socket for datagrams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// On loopback; port 0 lets the system choose one.
    Udp(SocketAddr),
    /// The path of a socket that is made there.
    Unix(PathBuf),
}

/// Why a text is no [`Listen`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// It begins with neither `udp:` nor `unix:`.
    #[error("expected `udp:127.0.0.1:5514` or `unix:/run/gatelog/syslog.sock`")]
    Kind,
    /// No address after `udp:`.
    #[error("expected an IP address and a port after `udp:`, such as `udp:127.0.0.1:5514`")]
    Address,
    /// An address that other machines can reach.
    #[error("expected a loopback address: over UDP anybody who can reach it can forge lines")]
    NotLoopback,
    /// No path after `unix:`, or one with NUL in it.
    #[error("expected a path after `unix:`")]
    Path,
    /// The path is longer than the system allows.
    #[error("expected a path of at most {SOCKET_PATH_BYTES_MAX} bytes after `unix:`")]
    PathTooLong,
}

impl Listen {
    /// Reads the value of `listen`.
    ///
    /// # Errors
    /// [`ListenError`]. Whether the socket can be made is left to who makes it.
    pub fn parse(text: &str) -> Result<Listen, ListenError> {
        if let Some(address) = text.strip_prefix("udp:") {
            let address: SocketAddr = address.parse().map_err(|_| ListenError::Address)?;
            let is_loopback = address.ip().to_canonical().is_loopback();
            return if is_loopback {
                Ok(Listen::Udp(address))
            } else {
                Err(ListenError::NotLoopback)
            };
        }
        let path = text.strip_prefix("unix:").ok_or(ListenError::Kind)?;
        match path.len() {
            0 => Err(ListenError::Path),
            _ if path.contains('\0') => Err(ListenError::Path),
            length if length > SOCKET_PATH_BYTES_MAX => Err(ListenError::PathTooLong),
            _ => Ok(Listen::Unix(path.into())),
        }
    }

    /// What a source is called that has no name: the file name of a unix socket, else all of it.
    pub fn name(&self) -> String {
        match self {
            Listen::Udp(_) => self.to_string(),
            Listen::Unix(path) => {
                path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into()
            }
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Udp(address) => write!(f, "udp:{address}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets() {
        let check = |text: &str, expected: Result<&str, ListenError>| {
            let found = Listen::parse(text).map(|listen| (listen.to_string(), listen.name()));
            let expected = expected.map(|name| (text.to_owned(), name.to_owned()));
            assert_eq!(found, expected, "{text}");
        };
        check("udp:127.0.0.1:5514", Ok("udp:127.0.0.1:5514"));
        check("udp:127.9.9.9:0", Ok("udp:127.9.9.9:0"));
        check("udp:[::1]:5514", Ok("udp:[::1]:5514"));
        check("unix:/run/gatelog/syslog.sock", Ok("syslog.sock"));
        check("unix:a", Ok("a"));
        check(&format!("unix:/{}", "a".repeat(106)), Ok(&"a".repeat(106)));
        check(&format!("unix:/{}", "a".repeat(107)), Err(ListenError::PathTooLong));
        check("unix:", Err(ListenError::Path));
        check("unix:a\0b", Err(ListenError::Path));
        check("udp:0.0.0.0:5514", Err(ListenError::NotLoopback));
        check("udp:[::]:5514", Err(ListenError::NotLoopback));
        check("udp:10.0.0.1:5514", Err(ListenError::NotLoopback));
        check("udp:localhost:5514", Err(ListenError::Address));
        check("udp:127.0.0.1", Err(ListenError::Address));
        check("127.0.0.1:5514", Err(ListenError::Kind));
        check("/run/syslog.sock", Err(ListenError::Kind));
        check("", Err(ListenError::Kind));
    }
}
