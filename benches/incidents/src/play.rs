//! Lets nginx handle what happens in a world and log it.

use std::ops::Range;

use generate_log::event::Event;
use generate_log::format::{Format, Writer};
use generate_log::random::Random;

use crate::connections::Connections;
use crate::gate::{Decision, decide, verify};
use crate::request::{Fate, Request};
use crate::server::{LogFile, Server};
use crate::world::{Mark, World};

/// Bytes of the answer that refuses.
const REFUSAL_BYTES: u64 = 215;

/// A time, and the lines that were logged in it.
#[derive(Default)]
struct Replay {
    during: Range<u64>,
    lines: Vec<(LogFile, Vec<u8>)>,
}

/// nginx at work.
struct Nginx<'a> {
    world: &'a World,
    random: Random,
    connections: Connections,
    writer: Writer,
    upstreams: Vec<[String; 2]>,
    /// What will come once more, and the lines of that time.
    replayed: Option<Replay>,
}

/// Hands over the lines of a world in the order in which nginx writes them.
///
/// # Errors
/// Those of `out`.
pub fn play<E>(
    mut world: World,
    mut out: impl FnMut(LogFile, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut requests = std::mem::take(&mut world.requests);
    requests.retain(|request| request.at < world.end);
    requests.sort_by_key(|request| request.at);
    let mut marks = std::mem::take(&mut world.marks);
    marks.sort_by_key(|mark| mark.0);
    let replays = marks.iter().find_map(|(_, mark)| match mark {
        Mark::Replay(during) => Some(during.clone()),
        Mark::Reload | Mark::Restart | Mark::Scrap(..) => None,
    });
    let mut nginx = Nginx {
        random: world.random.clone(),
        world: &world,
        connections: Connections::default(),
        writer: Writer::new(Format::Extended),
        upstreams: Server::ALL.map(Server::upstreams).to_vec(),
        replayed: replays.map(|during| Replay { during, ..Replay::default() }),
    };
    let mut marks = marks.into_iter().peekable();
    let mut line = Vec::new();
    for request in &requests {
        while let Some((_, mark)) = marks.next_if(|(at, _)| *at <= request.at) {
            nginx.mark(&mark, &mut out)?;
        }
        let file = request.server.log_file();
        let is_silent = |it: &(LogFile, Range<u64>)| it.0 == file && it.1.contains(&request.at);
        line.clear();
        nginx.log(request, &mut line);
        if !world.silences.iter().any(is_silent) {
            nginx.keep(request.at, file, &line);
            out(file, &line)?;
        }
    }
    Ok(())
}

impl Nginx<'_> {
    fn mark<E>(
        &mut self,
        mark: &Mark,
        out: &mut impl FnMut(LogFile, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match mark {
            Mark::Reload => self.connections.close_all(),
            Mark::Restart => self.connections.restart(),
            Mark::Scrap(file, bytes) => out(*file, bytes)?,
            Mark::Replay(_) => {
                let lines = self.replayed.take().map(|it| it.lines).unwrap_or_default();
                for (file, line) in &lines {
                    out(*file, line)?;
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, at: u64, file: LogFile, line: &[u8]) {
        if let Some(Replay { during, lines }) = &mut self.replayed
            && during.contains(&at)
        {
            lines.push((file, line.to_vec()));
        }
    }

    fn log(&mut self, request: &Request, line: &mut Vec<u8>) {
        let world = self.world;
        let certificate = request.certificate.map(|id| world.certificate(id));
        let is_resumed = request.fate == Fate::Resumed;
        let pool = request.pool.filter(|_| !is_resumed);
        let ended = certificate.map(|it| it.not_after).filter(|ended| *ended <= request.at);
        let random = &mut self.random;
        let connection =
            self.connections.serve(random, pool, request.certificate, ended, request.at);
        let failure = certificate.and_then(|it| {
            verify(it, request.chain, request.server, &world.faults, connection.began)
        });
        let decision = decide(request.server, certificate.is_some(), failure, request.fate);
        let Decision { verify, status, is_passed_on } = decision;
        if !is_passed_on && status != 403 {
            self.connections.close(pool);
        }
        let both = self.upstreams.get(request.server as usize);
        let upstreams = both.filter(|_| is_passed_on).map_or(&[][..], |both| {
            let nth = random.index(2);
            both.get(nth..=nth).unwrap_or_default()
        });
        let is_tls = verify.is_some();
        let event = Event {
            remote_addr: &request.remote_addr,
            time_millis: request.at,
            method: request.method,
            path: &request.path,
            query: "",
            protocol: request.manner.protocol,
            status,
            body_bytes: if is_passed_on { 20 + random.below(4000) } else { REFUSAL_BYTES },
            referer: None,
            user_agent: request.manner.user_agent,
            verify,
            certificate: certificate.filter(|_| is_tls).map(|it| &it.logged),
            upstreams,
            request_millis: if is_passed_on { 1 + random.below(300) } else { 0 },
            tls: is_tls.then_some(request.manner.tls),
            is_resumed: connection.is_resumed || is_resumed,
            server: request.server.facts(),
            request_id: [random.number(), random.number()],
            connection: connection.number,
            connection_requests: connection.requests,
        };
        self.writer.write(&event, line);
    }
}
