//! A socket that nginx sends its syslog messages to: made, and taken away again.
//!
//! - A unix socket is left behind by an agent that was killed: one that nobody listens on is replaced.
//!   Whatever else has the name is left alone. Everybody may write to it (0666), as to `/dev/log`: nginx's
//!   workers run as a user of their own. Who may reach it is for its directory to say.
//! - What the kernel drops for want of room in the receive buffer is counted by it for each UDP socket, and
//!   read from `/proc/self/net/udp`. A unix socket drops nothing: where its queue is full
//!   (`net.unix.max_dgram_qlen`), nginx gives the message up and says so in its error log.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use rustix::fs::fstat;
use rustix::net::sockopt::{
    set_socket_recv_buffer_size, set_socket_recv_buffer_size_force, socket_recv_buffer_size,
};

use crate::limits::{PROC_NET_BYTES_MAX, SOCKET_BUFFER_BYTES};
use crate::source::Listen;

/// Who may write to a unix socket.
const SOCKET_MODE: u32 = 0o666;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Something else has the name of the socket.
    #[error("{}: is there already and is no socket; remove it or name another path", .0.display())]
    NotSocket(PathBuf),
    /// Somebody listens there.
    #[error("{}: another process listens on it", .0.display())]
    InUse(PathBuf),
    /// The system refuses.
    #[error("cannot listen on {listen}: {source}")]
    Io {
        /// Where.
        listen: String,
        /// What the system says.
        source: io::Error,
    },
}

/// A bound socket. A unix socket's name is removed with it.
#[derive(Debug)]
pub(super) enum Socket {
    Udp(UdpSocket),
    Unix { socket: UnixDatagram, name: SocketName },
}

/// The name of a unix socket, removed when it goes, if it is still ours.
#[derive(Debug)]
pub(super) struct SocketName {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketName {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| found.ino() == self.inode) {
            // A directory that may not be written to any more keeps it; the next start replaces it.
            let _kept = fs::remove_file(&self.path);
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Udp(socket) => socket.as_fd(),
            Socket::Unix { socket, .. } => socket.as_fd(),
        }
    }
}

impl Socket {
    pub(super) fn bind(listen: &Listen) -> Result<Socket, SocketError> {
        let fail = |source| SocketError::Io { listen: listen.to_string(), source };
        let socket = match listen {
            Listen::Udp(address) => Socket::Udp(UdpSocket::bind(address).map_err(fail)?),
            Listen::Unix(path) => {
                let socket = bind_unix(path, fail)?;
                let inode = fs::symlink_metadata(path).map_err(fail)?.ino();
                let name = SocketName { path: path.clone(), inode };
                let mode = fs::Permissions::from_mode(SOCKET_MODE);
                fs::set_permissions(path, mode).map_err(fail)?;
                Socket::Unix { socket, name }
            }
        };
        // Beyond `net.core.rmem_max` only with CAP_NET_ADMIN; without, the kernel gives what it allows.
        let forced = set_socket_recv_buffer_size_force(&socket, SOCKET_BUFFER_BYTES);
        if forced.is_err() {
            let set = set_socket_recv_buffer_size(&socket, SOCKET_BUFFER_BYTES);
            set.map_err(|error| fail(error.into()))?;
        }
        Ok(socket)
    }

    /// Where it listens: with the port that the system has chosen.
    pub(super) fn listen(&self) -> Option<Listen> {
        match self {
            Socket::Udp(socket) => socket.local_addr().ok().map(Listen::Udp),
            Socket::Unix { name, .. } => Some(Listen::Unix(name.path.clone())),
        }
    }

    /// The size of its receive buffer, as the kernel counts: with what it needs for itself.
    pub(super) fn receive_buffer_bytes(&self) -> usize {
        socket_recv_buffer_size(self).unwrap_or_default()
    }

    /// What tells the datagrams that the kernel drops.
    ///
    /// # Errors
    /// When there is no `/proc`.
    pub(super) fn kernel_drops(&self) -> io::Result<Option<KernelDrops>> {
        let table = match self {
            Socket::Unix { .. } => return Ok(None),
            Socket::Udp(socket) if socket.local_addr()?.is_ipv4() => "/proc/self/net/udp",
            Socket::Udp(_) => "/proc/self/net/udp6",
        };
        let mut drops =
            KernelDrops { table: File::open(table)?, inode: fstat(self)?.st_ino, seen: 0 };
        drops.take_new()?;
        Ok(Some(drops))
    }
}

fn bind_unix(
    path: &Path,
    fail: impl Fn(io::Error) -> SocketError,
) -> Result<UnixDatagram, SocketError> {
    match UnixDatagram::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let found = fs::symlink_metadata(path).map_err(&fail)?;
            if !found.file_type().is_socket() {
                return Err(SocketError::NotSocket(path.to_owned()));
            }
            match UnixDatagram::unbound().map_err(&fail)?.connect(path) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                _ => return Err(SocketError::InUse(path.to_owned())),
            }
            fs::remove_file(path).map_err(&fail)?;
            UnixDatagram::bind(path).map_err(fail)
        }
        bound => bound.map_err(fail),
    }
}

/// The kernel's count of what it has dropped for one UDP socket. The table stays open: a sandbox may not
/// let it be opened again.
#[derive(Debug)]
pub(super) struct KernelDrops {
    table: File,
    inode: u64,
    /// It counts up to 2^32 and begins anew.
    seen: u32,
}

impl KernelDrops {
    /// Datagrams dropped since the last call.
    pub(super) fn take_new(&mut self) -> io::Result<u64> {
        let mut text = String::new();
        self.table.seek(SeekFrom::Start(0))?;
        (&self.table).take(PROC_NET_BYTES_MAX).read_to_string(&mut text)?;
        let Some(drops) = drops_of(&text, self.inode) else { return Ok(0) };
        let new = drops.wrapping_sub(self.seen);
        self.seen = drops;
        Ok(new.into())
    }
}

/// The last column of the socket's row; the tenth is its inode (proc_pid_net(5)).
fn drops_of(table: &str, inode: u64) -> Option<u32> {
    let row = table
        .lines()
        .skip(1)
        .map(str::split_whitespace)
        .find(|row| row.clone().nth(9).and_then(|column| column.parse().ok()) == Some(inode));
    row?.last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_stand_in_the_last_column() {
        let table = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 4321: 0100007F:158A 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 18797 2 000000003bbddb5d 0
 4322: 0100007F:158B 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 18798 2 000000003bbddb5e 4294967295
";
        assert_eq!(drops_of(table, 18_797), Some(0));
        assert_eq!(drops_of(table, 18_798), Some(u32::MAX));
        assert_eq!(drops_of(table, 1), None);
        assert_eq!(drops_of("", 1), None);
    }

    #[test]
    fn the_kernel_tells_what_it_drops() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(udp) = UdpSocket::bind(address) else {
                // No IPv6 here.
                continue;
            };
            set_socket_recv_buffer_size(&udp, 4096).unwrap();
            let sender = UdpSocket::bind(address).unwrap();
            sender.connect(udp.local_addr().unwrap()).unwrap();
            udp.set_nonblocking(true).unwrap();
            let socket = Socket::Udp(udp.try_clone().unwrap());
            let mut drops = socket.kernel_drops().unwrap().unwrap();
            for round in 0..3 {
                let sent = 100;
                (0..sent).for_each(|_| assert_eq!(sender.send(&[b'x'; 512]).unwrap(), 512));
                let received = (0..).take_while(|_| udp.recv(&mut [0; 512]).is_ok()).count();
                assert!(received < sent, "{address} {round}");
                assert_eq!(
                    drops.take_new().unwrap(),
                    (sent - received) as u64,
                    "{address} {round}"
                );
                assert_eq!(drops.take_new().unwrap(), 0);
            }
        }
    }

    #[test]
    fn what_has_the_name_already() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listen = Listen::Unix(path.clone());
        let refused = |expected: &str| {
            let error = Socket::bind(&listen).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("/s"), "{error}");
        };
        fs::write(&path, "").unwrap();
        refused("is no socket");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        refused("is no socket");
        fs::remove_file(&path).unwrap();

        let socket = Socket::bind(&listen).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o777, SOCKET_MODE);
        refused("another process listens");
        drop(socket);
        assert!(!path.exists(), "a clean end removes it");

        // As after a kill: the name stays and nobody listens.
        drop(UnixDatagram::bind(&path).unwrap());
        let socket = Socket::bind(&listen).unwrap();
        // Another one has taken the name since.
        fs::remove_file(&path).unwrap();
        let other = UnixDatagram::bind(&path).unwrap();
        drop(socket);
        assert!(path.exists());
        drop(other);
        let stream = directory.path().join("stream");
        let _listener = std::os::unix::net::UnixListener::bind(&stream).unwrap();
        let error = Socket::bind(&Listen::Unix(stream)).unwrap_err().to_string();
        assert!(error.contains("another process listens"), "{error}");
        let nowhere = Listen::Unix("/nowhere/at/all".into());
        let error = Socket::bind(&nowhere).unwrap_err().to_string();
        assert!(error.starts_with("cannot listen on unix:/nowhere/at/all: "), "{error}");
    }
}
