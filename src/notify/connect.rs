//! The way to a server: its name, the rule for addresses, a proxy, TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::address::is_link_local;
use super::client::SendError;
use super::proxy::{Proxies, Proxy};
use crate::config::receiver::Url;
use crate::limits::{PROXY_HEAD_BYTES_MAX, RECEIVER_ADDRESSES_MAX};

/// A way for bytes, plain or encrypted.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What a connection depends on beside its server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) proxies: &'a Proxies,
    pub(super) allow_link_local: bool,
}

/// Connects; `tls` is there for a URL that wants it.
pub(super) async fn connect(
    url: &Url,
    way: Way<'_>,
    tls: Option<ClientConfig>,
) -> Result<Box<dyn Stream>, SendError> {
    let tcp = match way.proxies.of(url) {
        None => tcp(url, way.allow_link_local).await?,
        Some(proxy) => {
            // Where the proxy's own look-up of a name leads is not for us to see.
            let address = url.host().parse::<IpAddr>().ok();
            refuse_link_local(address, way.allow_link_local)?;
            tunnel(tcp(&proxy.url, way.allow_link_local).await?, proxy, url).await?
        }
    };
    let Some(config) = tls else { return Ok(Box::new(tcp)) };
    let name = ServerName::try_from(url.host().to_owned());
    let name = name.map_err(|_| SendError::ServerName { host: url.host().to_owned() })?;
    let connected = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
    Ok(Box::new(connected.map_err(SendError::Handshake)?))
}

fn refuse_link_local(address: Option<IpAddr>, is_allowed: bool) -> Result<(), SendError> {
    match address.filter(|address| !is_allowed && is_link_local(*address)) {
        Some(address) => Err(SendError::LinkLocal { address }),
        None => Ok(()),
    }
}

/// To the first address of the server that takes a connection. The rule is about the very address
/// that is connected to: a name that is looked up twice can lead to two.
async fn tcp(url: &Url, allow_link_local: bool) -> Result<TcpStream, SendError> {
    let host = || url.host().to_owned();
    let found = tokio::net::lookup_host((url.host(), url.port())).await;
    let found = found.map_err(|source| SendError::Resolve { host: host(), source })?;
    let mut failure = SendError::NoAddress { host: host() };
    for address in found.take(RECEIVER_ADDRESSES_MAX) {
        match to_address(address, allow_link_local).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn to_address(address: SocketAddr, allow_link_local: bool) -> Result<TcpStream, SendError> {
    refuse_link_local(Some(address.ip()), allow_link_local)?;
    let connected = TcpStream::connect(address).await;
    connected.map_err(|source| SendError::Connect { address, source })
}

/// Asks the proxy to connect to the server.
async fn tunnel(mut stream: TcpStream, proxy: &Proxy, url: &Url) -> Result<TcpStream, SendError> {
    let failed = |source| SendError::Proxy { proxy: proxy.to_string(), source };
    let refused = |what: &str| failed(io::Error::other(what.to_owned()));
    // `url` may leave its port out; here it must be said.
    let host = url.host();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let target = format!("{host}:{}", url.port());
    let authorization = proxy
        .authorization
        .as_ref()
        .map_or_else(String::new, |secret| format!("Proxy-Authorization: {}\r\n", secret.reveal()));
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut head = Vec::new();
    // Byte by byte: behind the head are bytes that are no longer the proxy's.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= PROXY_HEAD_BYTES_MAX {
            return Err(refused("its answer is too long"));
        }
        head.push(stream.read_u8().await.map_err(failed)?);
    }
    let status: Option<&[u8]> = head.split(|byte| *byte == b' ').nth(1);
    match status {
        Some([b'2', _, _]) => Ok(stream),
        Some([b'4', b'0', b'7']) => Err(refused("it asks for a password (407)")),
        Some(status) => {
            let status = crate::escape::escape_text(status.get(..3).unwrap_or(status));
            Err(refused(&format!("it refuses to connect ({status})")))
        }
        None => Err(refused("it does not speak HTTP")),
    }
}
