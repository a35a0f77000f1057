//! The servers behind this nginx, their routes, and the configuration that says what each demands.

use generate_log::population;

/// A log that nginx writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogFile {
    /// That of nearly all servers.
    Edge,
    /// That of the partners' server, which is quiet at night.
    Partner,
}

impl LogFile {
    /// All of them.
    pub const ALL: [LogFile; 2] = [LogFile::Edge, LogFile::Partner];

    /// The name of the file.
    pub const fn name(self) -> &'static str {
        match self {
            LogFile::Edge => "edge.log",
            LogFile::Partner => "partner.log",
        }
    }
}

/// One `server` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    /// The services' interfaces.
    Api,
    /// Where people administer.
    Admin,
    /// Bookkeeping.
    Ledger,
    /// Takes documents, also from those whose chain nginx cannot verify.
    Uploads,
    /// The public pages.
    Portal,
    /// Other companies.
    Partner,
    /// Plain HTTP, which is sent on to HTTPS.
    Plain,
}

/// `ssl_verify_client`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyClient {
    /// No certificate, no entry.
    On,
    /// A rule of the server refuses those without.
    Optional,
    /// Whatever fails for want of a known CA gets in.
    OptionalNoCa,
    /// None is asked for.
    Off,
}

impl Server {
    /// All of them.
    pub const ALL: [Server; 7] = [
        Server::Api,
        Server::Admin,
        Server::Ledger,
        Server::Uploads,
        Server::Portal,
        Server::Partner,
        Server::Plain,
    ];

    /// `$server_name` and `$server_port`.
    pub const fn facts(self) -> &'static population::Server {
        match self {
            Server::Api => &population::Server { name: "api.example.com", port: 443 },
            Server::Admin => &population::Server { name: "admin.example.com", port: 443 },
            Server::Ledger => &population::Server { name: "ledger.example.com", port: 9443 },
            Server::Uploads => &population::Server { name: "uploads.example.com", port: 443 },
            Server::Portal => &population::Server { name: "portal.example.com", port: 443 },
            Server::Partner => &population::Server { name: "partner.example.com", port: 8443 },
            Server::Plain => &population::Server { name: "www.example.com", port: 80 },
        }
    }

    /// `$server_name`.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// Where it logs.
    pub const fn log_file(self) -> LogFile {
        match self {
            Server::Partner => LogFile::Partner,
            Server::Api
            | Server::Admin
            | Server::Ledger
            | Server::Uploads
            | Server::Portal
            | Server::Plain => LogFile::Edge,
        }
    }

    /// What it demands; `None` without TLS.
    pub const fn verify_client(self) -> Option<VerifyClient> {
        match self {
            Server::Api | Server::Admin | Server::Ledger => Some(VerifyClient::On),
            Server::Partner => Some(VerifyClient::Optional),
            Server::Uploads => Some(VerifyClient::OptionalNoCa),
            Server::Portal => Some(VerifyClient::Off),
            Server::Plain => None,
        }
    }

    /// The two upstreams that answer.
    pub fn upstreams(self) -> [String; 2] {
        [11, 12].map(|host| format!("10.20.{}.{host}:8080", self as u8))
    }
}

/// What is called: `{n}` stands for a number, `{u}` for a UUID.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Who serves it.
    pub server: Server,
    /// With which method.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
}

const fn route(server: Server, method: &'static str, path: &'static str) -> Route {
    Route { server, method, path }
}

/// Routes of everyday use.
pub const ROUTES: [Route; 21] = [
    route(Server::Api, "GET", "/payments/{n}"),
    route(Server::Api, "POST", "/payments/{n}/capture"),
    route(Server::Api, "GET", "/invoices/{n}"),
    route(Server::Api, "GET", "/customers/{u}"),
    route(Server::Api, "POST", "/orders"),
    route(Server::Api, "GET", "/orders/{n}"),
    route(Server::Api, "POST", "/refunds/{n}"),
    route(Server::Api, "GET", "/rates"),
    route(Server::Api, "GET", "/webhooks/{u}/deliveries"),
    route(Server::Admin, "GET", "/admin/users/{n}"),
    route(Server::Admin, "GET", "/admin/reports"),
    route(Server::Admin, "PUT", "/admin/flags/{u}"),
    route(Server::Ledger, "POST", "/ledger/entries"),
    route(Server::Ledger, "GET", "/ledger/entries/{n}"),
    route(Server::Ledger, "GET", "/ledger/accounts/{u}/balance"),
    route(Server::Uploads, "POST", "/uploads"),
    route(Server::Uploads, "GET", "/uploads/{u}"),
    route(Server::Portal, "GET", "/"),
    route(Server::Portal, "GET", "/assets/app.js"),
    route(Server::Partner, "POST", "/partner/orders"),
    route(Server::Partner, "GET", "/partner/stock/{n}"),
];

/// The configuration of this nginx, as far as a reader of its logs needs it.
pub fn nginx_conf() -> String {
    let mut conf = String::from(HTTP);
    for server in Server::ALL {
        let population::Server { name, port } = server.facts();
        let (tls, demand) = match server.verify_client() {
            Some(VerifyClient::On) => (" ssl", "ssl_verify_client on;"),
            Some(VerifyClient::Optional) => (
                " ssl",
                "ssl_verify_client optional; if ($ssl_client_verify != SUCCESS) { return 403; }",
            ),
            Some(VerifyClient::OptionalNoCa) => (" ssl", "ssl_verify_client optional_no_ca;"),
            Some(VerifyClient::Off) => (" ssl", "ssl_verify_client off;"),
            None => ("", "return 301 https://$host$request_uri;"),
        };
        let log = server.log_file().name();
        conf.push_str(&format!(
            "  server {{\n    listen {port}{tls};\n    server_name {name};\n    {demand}\n    \
             access_log /var/log/nginx/{log} mtls_extended;\n    \
             location / {{ proxy_pass http://{name}; }}\n  }}\n"
        ));
    }
    conf.push_str("}\n");
    conf
}

/// What stands before the servers. The format is the one of config/nginx-mtls.conf.
const HTTP: &str = r#"events { }
http {
  ssl_certificate /etc/nginx/server.pem; ssl_certificate_key /etc/nginx/server.key;
  ssl_client_certificate /etc/nginx/clients.pem; ssl_crl /etc/nginx/clients.crl;
  log_format mtls_extended
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" client_verify=$ssl_client_verify client_dn="$ssl_client_s_dn" client_fp=$ssl_client_fingerprint '
    'upstream_addr="$upstream_addr" upstream_status="$upstream_status" request_time=$request_time upstream_response_time="$upstream_response_time" ssl_protocol=$ssl_protocol ssl_cipher=$ssl_cipher '
    'issuer_dn="$ssl_client_i_dn" serial=$ssl_client_serial v_start="$ssl_client_v_start" v_end="$ssl_client_v_end" v_remain=$ssl_client_v_remain session_reused=$ssl_session_reused '
    'server_name=$server_name server_port=$server_port sni="$ssl_server_name" host="$host" request_id=$request_id connection=$connection connection_requests=$connection_requests msec=$msec';
"#;
