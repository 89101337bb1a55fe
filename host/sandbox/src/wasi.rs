//! A WASI with nothing behind it, for languages whose runtimes want one.
//!
//! No files, no environment, no arguments, no network and no names of hosts; clocks that stand
//! still; random numbers that are the same in every run; standard input at its end; standard
//! output and error line by line to the log, for the plugin's author.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use llmhost_engine::plugin::LogLevel;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder};

use crate::limits;
use crate::state::Run;

/// What the wall clock shows: the start of 2025, so that nothing looks like 1970 by mistake.
const NOW: Duration = Duration::from_secs(1_735_689_600);
/// Seeds of the random numbers. Any would do, as long as they never change.
const SECURE_SEED: u64 = 0x6c6c_6d68_6f73_7401;
const INSECURE_SEED: u64 = 0x6c6c_6d68_6f73_7402;
/// Random bytes that a guest may ask for in one call.
const RANDOM_BYTES: u64 = 1 << 20;

/// The context of one run.
pub(crate) fn nothing(run: &Arc<Run>) -> WasiCtx {
    let lines = Lines { buffer: Arc::new(Mutex::new(Buffer { run: run.clone(), line: Vec::new() })) };
    WasiCtxBuilder::new()
        .stdout(lines.clone())
        .stderr(lines)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .socket_addr_check(|_: SocketAddr, _: SocketAddrUse| Box::pin(async { false }))
        .wall_clock(Still)
        .monotonic_clock(Still)
        .secure_random(StdRng::seed_from_u64(SECURE_SEED))
        .insecure_random(StdRng::seed_from_u64(INSECURE_SEED))
        .insecure_random_seed(u128::from(SECURE_SEED) << 64 | u128::from(INSECURE_SEED))
        .max_random_size(RANDOM_BYTES)
        .build()
}

/// A clock that stands still.
struct Still;

impl HostWallClock for Still {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        NOW
    }
}

impl HostMonotonicClock for Still {
    fn resolution(&self) -> u64 {
        1_000_000_000
    }

    fn now(&self) -> u64 {
        0
    }
}

/// Standard output and error, which share their lines.
#[derive(Clone)]
struct Lines {
    buffer: Arc<Mutex<Buffer>>,
}

struct Buffer {
    run: Arc<Run>,
    line: Vec<u8>,
}

impl Buffer {
    /// Takes bytes in, and logs each line that they end. A line without end is logged in pieces.
    fn take(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.line.extend_from_slice(&bytes[..end]);
            self.log();
            bytes = &bytes[end + 1..];
        }
        self.line.extend_from_slice(bytes);
        if self.line.len() >= limits::MESSAGE_BYTES {
            self.log();
        }
    }

    fn log(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if !line.is_empty() {
            self.run.log(LogLevel::Debug, line);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.log();
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this one, and that is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner).take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}
