//! One connection, without TLS or with it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::Terms;
use super::error::TcpFailure;
use super::grant::Asked;
use crate::connect::{self, Deadline, Place, Stream};
use crate::error::{Phase, plain};

/// So many bytes are read at a time.
const MOST_AT_A_TIME: usize = 256 << 10;

/// A connection to a place that was granted. It closes when it is dropped.
pub struct Connection {
    place: Asked,
    channel: Channel,
    terms: Arc<Terms>,
}

enum Channel {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// TLS failed, or something else did that leaves open what was sent.
    Gone,
}

impl Connection {
    pub(super) fn new(place: Asked, stream: TcpStream, terms: Arc<Terms>) -> Self {
        Self { place, channel: Channel::Plain(stream), terms }
    }

    /// Goes on with TLS. The certificate has to be valid for the host that was connected to. After a failure the
    /// connection is closed.
    pub async fn start_tls(&mut self) -> Result<(), TcpFailure> {
        let stream = match std::mem::replace(&mut self.channel, Channel::Gone) {
            Channel::Plain(stream) => stream,
            other => {
                let is_tls = matches!(other, Channel::Tls(_));
                self.channel = other;
                return match is_tls {
                    true => Err(invalid("it has TLS already")),
                    false => Err(gone()),
                };
            }
        };
        // Nothing was read ahead, so nothing that came before TLS can pass for what comes with it.
        let deadline = Deadline::after(self.terms.limits.connect);
        let encrypted = connect::encrypted(&self.terms.tls, &self.place, stream, deadline).await?;
        self.channel = Channel::Tls(Box::new(encrypted));
        Ok(())
    }

    /// Writes all of the bytes. Where that fails, the connection is closed.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), TcpFailure> {
        let most = self.terms.limits.bytes;
        let count = bytes.len() as u64;
        if self.terms.moved.fetch_add(count, Ordering::Relaxed).saturating_add(count) > most {
            return Err(too_many_bytes(most));
        }
        // A write that is dropped half-way leaves nothing that could be gone on with.
        let mut channel = std::mem::replace(&mut self.channel, Channel::Gone);
        let stream = channel.stream()?;
        let deadline = Deadline::after(self.terms.limits.exchange);
        let server = self.place.server();
        let written = deadline.hold(Phase::Write, &server, async {
            stream.write_all(bytes).await?;
            stream.flush().await
        });
        written.await?.map_err(|error| self.broken(&error))?;
        self.channel = channel;
        Ok(())
    }

    /// Reads what is there, or waits until something is: at most so many bytes. None at all are the end.
    pub async fn read(&mut self, most: usize) -> Result<BytesMut, TcpFailure> {
        let limit = self.terms.limits.bytes;
        let left = limit.saturating_sub(self.terms.moved.load(Ordering::Relaxed));
        let most = most.min(MOST_AT_A_TIME);
        if most == 0 {
            return Err(invalid("a read of zero bytes has no meaning"));
        }
        if left == 0 {
            return Err(too_many_bytes(limit));
        }
        let most = most.min(usize::try_from(left).unwrap_or(usize::MAX));
        let deadline = Deadline::after(self.terms.limits.exchange);
        let server = self.place.server();
        let mut bytes = BytesMut::zeroed(most);
        let read = deadline.hold(Phase::Read, &server, self.channel.stream()?.read(&mut bytes)).await?;
        let count = read.map_err(|error| self.broken(&error))?;
        self.terms.moved.fetch_add(count as u64, Ordering::Relaxed);
        bytes.truncate(count);
        Ok(bytes)
    }

    fn broken(&self, error: &io::Error) -> TcpFailure {
        TcpFailure::Broken { server: self.place.server(), reason: plain(&error.to_string()) }
    }
}

impl Channel {
    fn stream(&mut self) -> Result<&mut dyn Stream, TcpFailure> {
        match self {
            Self::Plain(stream) => Ok(stream),
            Self::Tls(stream) => Ok(&mut **stream),
            Self::Gone => Err(gone()),
        }
    }
}

fn gone() -> TcpFailure {
    invalid("it was closed after an error")
}

fn invalid(problem: &str) -> TcpFailure {
    TcpFailure::Invalid { problem: problem.to_owned(), advice: "this is an error in the provider" }
}

fn too_many_bytes(most: u64) -> TcpFailure {
    TcpFailure::TooMuch { what: format!("{most} bytes over the connections of one call") }
}
