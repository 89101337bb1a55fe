//! Connections: how many there are, how long a request's head may take, and their end.
//!
//! hyper's own time limit of heads also counts the time in which a kept connection is idle. Load
//! balancers keep connections for a minute and more, so the two limits are apart here: hyper's closes
//! idle connections, [`Timed`] those on which a head has begun and does not end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::serve::Listener;
use hyper::body::{Body, Frame, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Sleep};
use tower::ServiceExt;

/// What a client reads where there are too many connections.
const FULL: &str = concat!(
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n",
    "Content-Length: 124\r\n\r\n",
    r#"{"error":{"message":"the server has too many connections","type":"server_error","param":null,"code":"too_many_connections"}}"#
);
/// Connections that are told so at a time; those beyond are closed without a word.
const REFUSALS: usize = 256;
/// How long a client may take to read it.
const REFUSAL: Duration = Duration::from_secs(1);

/// Limits of connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// At a time.
    pub(crate) most: u32,
    /// From the first byte of a head to its last; from the connection on for the first head.
    pub(crate) head: Duration,
    /// Without a request.
    pub(crate) idle: Duration,
}

/// The connections that there are.
pub(crate) struct Connections {
    limits: Limits,
    slots: Arc<Semaphore>,
}

impl Connections {
    pub(crate) fn new(limits: Limits) -> Self {
        // tokio's semaphores have a limit, which no machine's connections reach.
        let limits = Limits { most: limits.most.clamp(1, 1 << 20), ..limits };
        Self { limits, slots: Arc::new(Semaphore::new(limits.most as usize)) }
    }

    /// Takes connections until `closing`; after that nobody listens any more.
    pub(crate) async fn accept(&self, mut listener: TcpListener, app: Router, mut closing: watch::Receiver<bool>) {
        let refusals = Arc::new(Semaphore::new(REFUSALS));
        let closed = closing.clone();
        loop {
            let stream = tokio::select! {
                (stream, _) = Listener::accept(&mut listener) => stream,
                _ = closing.wait_for(|closing| *closing) => return,
            };
            if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                let connection = connection(stream, app.clone(), self.limits, closed.clone());
                tokio::spawn(async move {
                    connection.await;
                    drop(slot);
                });
            } else if let Ok(slot) = Arc::clone(&refusals).try_acquire_owned() {
                tokio::spawn(async move {
                    // Who does not read it has no connection either.
                    _ = tokio::time::timeout(REFUSAL, refuse(stream)).await;
                    drop(slot);
                });
            }
        }
    }

    /// Waits until all are closed.
    pub(crate) async fn ended(&self) {
        // It fails where the semaphore is closed, and nobody closes it.
        _ = self.slots.acquire_many(self.limits.most).await;
    }
}

/// Reads on after the answer: a connection that is closed on unread bytes is reset, and the answer lost.
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(FULL.as_bytes()).await?;
    stream.shutdown().await?;
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

/// Answers the requests of one connection.
async fn connection(stream: TcpStream, app: Router, limits: Limits, mut closing: watch::Receiver<bool>) {
    // Tokens are small, and each is to go at once. Without it they come later, and still come.
    _ = stream.set_nodelay(true);
    let requests = Arc::new(Requests::default());
    let timed = Timed::new(stream, Arc::clone(&requests), limits.head);
    let service = service_fn(move |request| {
        let (app, answering) = (app.clone(), Answering::begin(&requests));
        async move { app.oneshot(request).await.map(|response| response.map(|body| Answer { body, _answering: answering })) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(limits.idle);
    let served = server.serve_connection(TokioIo::new(timed), service);
    tokio::pin!(served);
    // What goes wrong with a connection is the client's to see: it is closed.
    tokio::select! {
        _ = served.as_mut() => return,
        _ = closing.wait_for(|closing| *closing) => served.as_mut().graceful_shutdown(),
    }
    _ = served.await;
}

/// The requests of a connection.
#[derive(Default)]
struct Requests {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

/// A request whose head has come and whose answer has not ended.
struct Answering(Arc<Requests>);

impl Answering {
    fn begin(requests: &Arc<Requests>) -> Self {
        requests.begun.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(requests))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::AcqRel);
    }
}

/// An answer's body, which knows when it ends.
struct Answer {
    body: axum::body::Body,
    /// Counts when it is dropped.
    _answering: Answering,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream on which a head that has begun has to end in time.
struct Timed {
    stream: TcpStream,
    requests: Arc<Requests>,
    limit: Duration,
    /// Of the head that comes now, with the number of the request that it begins.
    deadline: Option<(usize, Pin<Box<Sleep>>)>,
}

impl Timed {
    fn new(stream: TcpStream, requests: Arc<Requests>, limit: Duration) -> Self {
        let deadline = Some((0, Box::pin(tokio::time::sleep(limit))));
        Self { stream, requests, limit, deadline }
    }
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let begun = self.requests.begun.load(Ordering::Acquire);
        let is_answering = begun != self.requests.ended.load(Ordering::Acquire);
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if is_answering {
            // These bytes are the request's body.
            return read;
        }
        if self.deadline.as_ref().is_some_and(|(request, _)| *request != begun) {
            self.deadline = None;
        }
        if read.is_ready() {
            ready!(read)?;
            if buffer.filled().len() > before && self.deadline.is_none() {
                self.deadline = Some((begun, Box::pin(tokio::time::sleep_until(Instant::now() + self.limit))));
            }
            return Poll::Ready(Ok(()));
        }
        if let Some((_, deadline)) = &mut self.deadline {
            ready!(deadline.as_mut().poll(context));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the request's head took too long")));
        }
        Poll::Pending
    }
}

impl AsyncWrite for Timed {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::FULL;

    #[test]
    fn the_refusal_has_the_length_that_it_says() {
        let (head, body) = FULL.split_once("\r\n\r\n").expect("a head");
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }
}
