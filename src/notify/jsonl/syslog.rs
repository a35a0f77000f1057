//! A syslog daemon on this machine: datagrams to its socket, as syslog(3) sends them (RFC 3164 without
//! the host's name). Facility `auth`, severity `notice`, tag `gatelog`.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use gatelog_parsers::time_stamp::civil;

use crate::clock::UnixMilliseconds;
use crate::limits::SYSLOG_MESSAGE_BYTES_MAX;

/// Facility 4 times 8, and severity 5.
const PRIORITY: u8 = 4 * 8 + 5;

/// How long a daemon that does not read is waited for.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[derive(Debug)]
pub(super) struct Syslog {
    path: PathBuf,
    connected: Option<UnixDatagram>,
}

impl Syslog {
    pub(super) fn new(path: PathBuf) -> Syslog {
        Syslog { path, connected: None }
    }

    /// One line, one datagram; what is too long is cut. A daemon that was started anew has another
    /// socket of the same name.
    pub(super) fn send(&mut self, line: &[u8], now: UnixMilliseconds) -> io::Result<()> {
        let message = message(line, now, std::process::id());
        if let Some(connected) = &self.connected
            && connected.send(&message).is_ok()
        {
            return Ok(());
        }
        self.connected = None;
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        socket.connect(&self.path)?;
        socket.send(&message)?;
        self.connected = Some(socket);
        Ok(())
    }
}

/// The stamp is UTC: it carries no zone, and daemons put their own in its place for local messages.
fn message(line: &[u8], now: UnixMilliseconds, process_id: u32) -> Vec<u8> {
    let [_, month, day, hour, minute, second] = civil(now.0.div_euclid(1000));
    let month = usize::try_from(month - 1).ok().and_then(|month| MONTHS.get(month));
    let month = month.unwrap_or(&"Jan");
    let head = format!(
        "<{PRIORITY}>{month} {day:2} {hour:02}:{minute:02}:{second:02} gatelog[{process_id}]: "
    );
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let room = SYSLOG_MESSAGE_BYTES_MAX.saturating_sub(head.len());
    let mut message = head.into_bytes();
    message.extend_from_slice(line.get(..room).unwrap_or(line));
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let now = UnixMilliseconds(1_795_089_077_777);
        let found = message(b"{\"a\":1}\n", now, 7);
        assert_eq!(found, b"<37>Nov 19 11:51:17 gatelog[7]: {\"a\":1}");
        let early = message(b"", UnixMilliseconds(0), 1);
        assert_eq!(early, b"<37>Jan  1 00:00:00 gatelog[1]: ");
        let long = message(&vec![b'x'; 2 * SYSLOG_MESSAGE_BYTES_MAX], now, 7);
        assert_eq!(long.len(), SYSLOG_MESSAGE_BYTES_MAX);
    }
}
