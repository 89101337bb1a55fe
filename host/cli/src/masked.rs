//! Logs without the values of secrets.

use std::io::{self, Write};

use llmhost_engine::secret::shown;

/// Writes lines with the values of secrets masked. What is written at once is looked at as a whole,
/// which is how events are logged.
pub(crate) struct Masked<W>(W);

impl<W: Write> Masked<W> {
    pub(crate) fn new(out: W) -> Self {
        Self(out)
    }
}

impl<W: Write> Write for Masked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(shown(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
