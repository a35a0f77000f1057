//! A server on loopback that keeps what it is sent, and answers as the test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::running::wait_for;

/// What it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    /// `POST /x HTTP/1.1`
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What it does with a request.
pub(crate) enum Reply {
    /// An answer: the status, further headers, the body.
    Answer(u16, &'static str, &'static str),
    /// Headers that promise a body, and the end.
    CloseAfterHeaders(u16),
    /// An answer of 200 whose body has no end.
    Endless,
    /// The end, without a word.
    Close,
    /// An answer of 200, much later.
    Late(Duration),
}

pub(crate) const OK: Reply = Reply::Answer(200, "", "");

/// Runs until the test process ends.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

/// Anything that a request can come over.
pub(crate) trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

impl Server {
    /// Answers each request as `reply` says of it and of how many came before.
    pub(crate) fn start(reply: impl Fn(&Got, usize) -> Reply + Send + Sync + 'static) -> Server {
        Server::over(|stream| Some(Box::new(stream)), reply)
    }

    /// The same over what `accept` makes of a connection.
    pub(crate) fn over(
        accept: impl Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + Sync + 'static,
        reply: impl Fn(&Got, usize) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server =
            Server { address: listener.local_addr().unwrap(), got: Arc::new(Mutex::default()) };
        let (got, shared) = (Arc::clone(&server.got), Arc::new((accept, reply)));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (got, shared) = (Arc::clone(&got), Arc::clone(&shared));
                std::thread::spawn(move || {
                    let (accept, reply) = &*shared;
                    if let Some(stream) = accept(stream.unwrap()) {
                        serve(stream, &got, reply);
                    }
                });
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Waits until it has got so many requests, and returns them.
    #[track_caller]
    pub(crate) fn gets(&self, count: usize) -> Vec<Got> {
        let got = wait_for(|| Some(self.got()).filter(|got| got.len() >= count));
        got.unwrap_or_else(|| panic!("expected {count} requests, got {:?}", self.got()))
    }
}

fn serve(stream: Box<dyn Stream>, got: &Mutex<Vec<Got>>, reply: &impl Fn(&Got, usize) -> Reply) {
    let mut stream = BufReader::new(stream);
    let Some(request) = read(&mut stream) else { return };
    let before = {
        let mut got = got.lock().unwrap();
        got.push(request.clone());
        got.len() - 1
    };
    let answer = |status: u16, headers: &str, body: &str| {
        format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
            body.len()
        )
    };
    let text = match reply(&request, before) {
        Reply::Answer(status, headers, body) => answer(status, headers, body),
        Reply::CloseAfterHeaders(status) => {
            format!("HTTP/1.1 {status} X\r\nContent-Length: 100\r\n\r\n")
        }
        Reply::Close => return,
        Reply::Endless => {
            let head = "HTTP/1.1 200 X\r\n\r\n";
            let mut sent = stream.get_mut().write_all(head.as_bytes());
            while sent.is_ok() {
                sent = stream.get_mut().write_all(&[b'x'; 8192]);
            }
            return;
        }
        Reply::Late(pause) => {
            std::thread::sleep(pause);
            answer(200, "", "")
        }
    };
    // The other side may have gone.
    drop(stream.get_mut().write_all(text.as_bytes()));
    drop(stream.get_mut().flush());
}

/// One request; `None` when the connection ends before.
pub(crate) fn read(stream: &mut impl BufRead) -> Option<Got> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut got = Got { line: line.trim_end().to_owned(), headers, body: Vec::new() };
    let length = got.header("content-length").parse().unwrap_or(0);
    got.body = vec![0; length];
    stream.read_exact(&mut got.body).ok()?;
    Some(got)
}
