//! Over TLS: whom we trust, what we show, and by which proxy.

use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use gatelog::notify::{Earlier, Outcome};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::certificates::Certificates;
use crate::running::{Running, alert, now};
use crate::server::{OK, Server, read};
use crate::webhook::config;

/// A server with this certificate; with `asks`, it asks clients for one of our CA's.
fn server(certificates: &Certificates, name: &str, asks: bool) -> Server {
    let provider = Arc::new(default_provider());
    let chain = CertificateDer::pem_file_iter(certificates.at(&format!("{name}.pem"))).unwrap();
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(certificates.at(&format!("{name}.key"))).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificates.at("ca.pem")).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let verifier = verifier.build().unwrap();
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = if asks {
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let config = Arc::new(builder.with_single_cert(chain, key).unwrap());
    let accept = move |stream: TcpStream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        Some(Box::new(StreamOwned::new(connection, stream)) as Box<dyn crate::server::Stream>)
    };
    Server::over(accept, |_, _| OK)
}

fn url(server: &Server) -> String {
    format!("https://{}", server.address)
}

#[test]
fn whom_we_trust_and_what_we_show() {
    let certificates = Certificates::make();
    let ca = |name: &str| format!("ca_file = {:?}\n", certificates.at(&format!("{name}.pem")));
    let client = format!(
        "client_cert = {:?}\nclient_key = {:?}\n",
        certificates.at("client.pem"),
        certificates.at("client.key")
    );
    let check = |what: &str, server: &Server, more: &str, is_taken: bool| {
        let running = Running::start(&config(&url(server), more));
        running.send("hook", &alert("a", "/", now()));
        let outcome = if is_taken { Outcome::Delivered } else { Outcome::Failed };
        running.comes_to("hook", outcome, 1);
        assert_eq!(running.count("hook", Outcome::Delivered), u64::from(is_taken), "{what}");
        assert_eq!(server.got().is_empty(), !is_taken, "{what}");
    };
    let good = || self::server(&certificates, "server", false);
    check("our CA", &good(), &ca("ca"), true);
    check("another CA", &good(), &ca("other"), false);
    check("the system's CAs", &good(), "", false);
    check("another name", &self::server(&certificates, "wrong", false), &ca("ca"), false);
    let asking = || self::server(&certificates, "server", true);
    check("without a certificate", &asking(), &ca("ca"), false);
    check("with one", &asking(), &(ca("ca") + &client), true);
    let no_ca = format!(
        "ca_file = {:?}
",
        certificates.at("server.key")
    );
    check("no CAs in the file", &good(), &no_ca, false);
}

/// What was asked of a proxy, which connects to where it is told.
fn proxy(refuses: bool) -> (String, std::sync::mpsc::Receiver<crate::server::Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://me:pass%20word@{}", listener.local_addr().unwrap());
    let (asked, of_proxy) = std::sync::mpsc::sync_channel(100);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let Some(got) = read(&mut BufReader::new(client.try_clone().unwrap())) else {
                continue;
            };
            let target = got.line.split(' ').nth(1).unwrap().to_owned();
            asked.send(got).unwrap();
            if refuses {
                (&client)
                    .write_all(b"HTTP/1.1 407 X\r\nProxy-Authenticate: Basic\r\n\r\n")
                    .unwrap();
                continue;
            }
            let server = TcpStream::connect(target).unwrap();
            (&client).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
            let pairs = [(client.try_clone(), server.try_clone()), (Ok(server), Ok(client))];
            for (from, to) in pairs {
                let (mut from, mut to) = (from.unwrap(), to.unwrap());
                std::thread::spawn(move || {
                    drop(std::io::copy(&mut from, &mut to));
                    drop(to.shutdown(std::net::Shutdown::Write));
                });
            }
        }
    });
    (url, of_proxy)
}

#[test]
fn by_a_proxy_and_without() {
    let certificates = Certificates::make();
    let server = server(&certificates, "server", false);
    let ca = format!("ca_file = {:?}\n", certificates.at("ca.pem"));
    let text = config(&url(&server), &ca);
    let run = |variables: &[(&str, &str)]| {
        let running = Running::from(&text, Earlier::default(), variables);
        running.send("hook", &alert("a", "/", now()));
        running
    };
    let (url, asked) = proxy(false);
    run(&[("HTTPS_PROXY", &url)]).comes_to("hook", Outcome::Delivered, 1);
    let got = asked.try_recv().unwrap();
    assert_eq!(got.line, format!("CONNECT {} HTTP/1.1", server.address));
    // printf 'me:pass word' | base64
    assert_eq!(got.header("proxy-authorization"), "Basic bWU6cGFzcyB3b3Jk");
    let variables = [("HTTPS_PROXY", url.as_str()), ("NO_PROXY", "127.0.0.0/8")];
    run(&variables).comes_to("hook", Outcome::Delivered, 1);
    assert!(asked.try_recv().is_err());
    assert_eq!(server.got().len(), 2);

    let (url, _asked) = proxy(true);
    run(&[("HTTPS_PROXY", &url)]).comes_to("hook", Outcome::Failed, 1);
    run(&[("HTTPS_PROXY", "socks5://127.0.0.1:1")]).comes_to("hook", Outcome::Failed, 1);
    assert_eq!(server.got().len(), 2);
}
