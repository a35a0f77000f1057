//! What somebody asks of nginx, before nginx has looked at it.

use std::rc::Rc;

use crate::certificate::CertificateId;
use crate::server::Server;

/// What comes along with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// All that nginx needs.
    Whole,
    /// The certificate alone, without the intermediate that issued it.
    Leaf,
}

/// How somebody calls.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// `$http_user_agent`.
    pub user_agent: &'static str,
    /// TLS version and cipher.
    pub tls: (&'static str, &'static str),
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub protocol: &'static str,
}

/// Ordinary TLS.
pub const TLS_1_3: (&str, &str) = ("TLSv1.3", "TLS_AES_256_GCM_SHA384");

impl Manner {
    /// A program that speaks HTTP/1.1 over TLS 1.3.
    pub const fn program(user_agent: &'static str) -> Manner {
        Manner { user_agent, tls: TLS_1_3, protocol: "HTTP/1.1" }
    }
}

/// How a request would end if nginx's verification lets it pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// An upstream answers with this status.
    Answered(u16),
    /// A rule of nginx refuses this client here.
    Forbidden,
    /// The TLS name and the host name belong to different servers.
    Misdirected,
    /// An old TLS session is resumed, and with it its verification; an upstream answers.
    Resumed,
    /// The client opens a connection and sends no request.
    Preconnected,
    /// Something other than TLS arrives where TLS is expected, or the reverse.
    NotTls,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// When, in milliseconds.
    pub at: u64,
    /// Whom.
    pub server: Server,
    /// From where.
    pub remote_addr: Rc<str>,
    /// How.
    pub manner: Manner,
    /// `$request_method`; without a path all that the client sent.
    pub method: &'static str,
    /// The path; empty where the client sent no request.
    pub path: String,
    /// What the client shows.
    pub certificate: Option<CertificateId>,
    /// And what with it.
    pub chain: Chain,
    /// The connections that may serve it; none: one of its own.
    pub pool: Option<u64>,
    /// How it would end.
    pub fate: Fate,
}
