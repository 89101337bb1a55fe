//! TCP connections, for services that do not speak HTTP. Granted by `allow = ["tcp:db.example.com:5432"]`.

use super::bindings::llmhost::tcp::tcp as wit;
use super::{Error, ErrorClass};

/// A connection. It is closed when it is dropped.
#[derive(Debug)]
pub struct Connection {
    inner: wit::Connection,
    read: Vec<u8>,
    at: usize,
}

/// So many bytes are asked for at a time.
const READ_AHEAD: u32 = 32 << 10;

impl Connection {
    /// Connects to a host, which is a name or an IP address without brackets.
    pub fn open(host: &str, port: u16) -> Result<Self, Error> {
        Ok(Self { inner: wit::Connection::connect(host, port)?, read: Vec::new(), at: 0 })
    }

    /// Goes on with TLS: the certificate has to be valid for the host. Bytes that were read before and that nobody took
    /// came without it, so they are an error.
    pub fn start_tls(&mut self) -> Result<(), Error> {
        if self.at < self.read.len() {
            return Err(Error::new(
                ErrorClass::Unreachable,
                "the server sent something before TLS that belongs behind it",
            ));
        }
        Ok(self.inner.start_tls()?)
    }

    /// Writes all of the bytes.
    pub fn write(&self, bytes: &[u8]) -> Result<(), Error> {
        Ok(self.inner.write(bytes)?)
    }

    /// Reads exactly so many bytes. That the server closes the connection before is an error.
    pub fn read(&mut self, count: usize) -> Result<Vec<u8>, Error> {
        let mut whole = Vec::with_capacity(count.min(READ_AHEAD as usize));
        while whole.len() < count {
            if self.at == self.read.len() {
                self.read = self.inner.read(READ_AHEAD)?;
                self.at = 0;
                if self.read.is_empty() {
                    return Err(Error::new(ErrorClass::Unreachable, "the server closed the connection"));
                }
            }
            let end = self.read.len().min(self.at + count - whole.len());
            whole.extend_from_slice(&self.read[self.at..end]);
            self.at = end;
        }
        Ok(whole)
    }
}

impl From<wit::Error> for Error {
    fn from(wit::Error { class, message, advice }: wit::Error) -> Self {
        let class = match class {
            wit::ErrorClass::NotGranted => ErrorClass::Denied,
            wit::ErrorClass::Unreachable | wit::ErrorClass::Timeout | wit::ErrorClass::Protocol => {
                ErrorClass::Unreachable
            }
            wit::ErrorClass::Invalid | wit::ErrorClass::TooLarge => ErrorClass::Invalid,
        };
        Self::new(class, message).with_advice(advice)
    }
}
