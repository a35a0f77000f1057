//! One connection's task: hyper drives HTTP/1, and beside it stand the deadline of the present
//! phase, the order to make room, and the order to stop.
//!
//! hyper's own `header_read_timeout` is off. Dripping does not reset it (hyper 1.12 starts it with
//! the first attempt to read a head and stops it at the head's end), but the time between two
//! requests counts into it, so an idle connection could live no longer than an unfinished head.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{Sleep, sleep},
};

use super::{
    connections::{Answering, Connection, Phase},
    limit_hits::LimitHits,
    pages::Pages,
    service::Service,
    settings::Limits,
    stream::Watched,
};
use crate::limits::HTTP_HEAD_BYTES_MAX;

/// The connection was told to close before its request came; nothing is answered.
#[derive(Debug, thiserror::Error)]
#[error("the connection was closed for a newer one")]
struct ClosedForRoom;

/// How a connection ended.
enum End {
    /// By HTTP or by the client, perhaps with an error.
    Served(hyper::Result<()>),
    /// The phase it was in took too long.
    Late(Phase),
    /// Closed to make room.
    ForRoom,
    /// The server stops and no answer was running.
    Stopped,
}

/// Serves one connection to its end.
pub(super) async fn run<P: Pages>(
    stream: TcpStream,
    service: Arc<Service<P>>,
    connection: Arc<Connection>,
    mut stop: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&connection)));
    let served = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(HTTP_HEAD_BYTES_MAX)
        .max_header_size(HTTP_HEAD_BYTES_MAX)
        // `begin` runs as soon as the head is complete, the rest when hyper polls for the answer.
        .serve_connection(io, service_fn(|request| answer(request, &service, connection.begin())));
    let mut served = pin!(served);
    let mut closed = pin!(connection.told_to_close());
    let mut stopped = pin!(stop.wait_for(|stop| *stop));
    let mut deadline = Deadline::new(&connection, &service.settings.limits);
    let mut stopping = false;

    let end = poll_fn(|cx| {
        // An error means that the server is gone, which is a reason to stop as well.
        let told_to_stop = !stopping && stopped.as_mut().poll(cx).is_ready();
        // A running answer shall say that it is the last. A connection that waits is looked at
        // once more: its request may already be with the kernel.
        if told_to_stop && !connection.phase().0.is_waiting() {
            served.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(result) = served.as_mut().poll(cx) {
            return Poll::Ready(End::Served(result));
        }
        if told_to_stop {
            stopping = true;
            served.as_mut().graceful_shutdown();
            cx.waker().wake_by_ref();
        }
        if stopping && connection.phase().0.is_waiting() {
            return Poll::Ready(End::Stopped);
        }
        if closed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(End::ForRoom);
        }
        deadline.poll(cx).map(End::Late)
    });
    count(&end.await, &service.hits);
}

/// Answers one request; the guard that marks the answer as running goes with the body.
async fn answer<P: Pages>(
    request: Request<Incoming>,
    service: &Service<P>,
    answering: Option<Answering>,
) -> Result<Response<Guarded>, ClosedForRoom> {
    let answering = answering.ok_or(ClosedForRoom)?;
    let answer = service.answer(request, &answering.connection).await;
    Ok(answer.map(|bytes| Guarded { body: Full::new(bytes), _answering: answering }))
}

fn count(end: &End, hits: &LimitHits) {
    match end {
        End::Served(Err(error)) => {
            if error.is_parse_too_large() {
                hits.heads_too_large.add();
            }
            tracing::debug!(%error, "connection ended");
        }
        End::Late(Phase::Head) => hits.head_timeouts.add(),
        End::Late(Phase::Idle) => hits.idle_timeouts.add(),
        End::Late(Phase::Answering | Phase::Flushing) => hits.answer_timeouts.add(),
        // Counted where it was decided.
        End::ForRoom | End::Served(Ok(())) | End::Stopped => {}
    }
}

/// The deadline of the phase a connection is in; it starts anew with each turn.
struct Deadline<'a> {
    connection: &'a Connection,
    limits: &'a Limits,
    turn: u64,
    sleep: Pin<Box<Sleep>>,
}

impl<'a> Deadline<'a> {
    fn new(connection: &'a Connection, limits: &'a Limits) -> Self {
        let (phase, turn) = connection.phase();
        Self { connection, limits, turn, sleep: Box::pin(sleep(allowed(phase, limits))) }
    }

    /// Ready when the phase has taken too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Phase> {
        let (phase, turn) = self.connection.phase();
        if turn != self.turn {
            self.turn = turn;
            self.sleep.set(sleep(allowed(phase, self.limits)));
        }
        self.sleep.as_mut().poll(cx).map(|()| phase)
    }
}

fn allowed(phase: Phase, limits: &Limits) -> Duration {
    match phase {
        Phase::Head => limits.head_timeout,
        Phase::Idle => limits.idle_timeout,
        Phase::Answering | Phase::Flushing => limits.answer_timeout,
    }
}

/// A body that keeps the answer marked as running until hyper has all of it.
struct Guarded {
    body: Full<Bytes>,
    _answering: Answering,
}

impl Body for Guarded {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
