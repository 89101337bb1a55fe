//! A WASI with nothing behind it, for languages whose runtimes want one.
//!
//! No files, no environment, no arguments, no network and no names of hosts; clocks that count how often
//! they are read; random numbers that are the same in every run; standard input at its end; standard
//! output and error line by line to the log, for the plugin's author.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
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

use crate::state::Run;
use crate::{last, limits};

/// What the wall clock shows at first: the start of 2025, so that nothing looks like 1970 by mistake.
pub(crate) const NOW: Duration = Duration::from_secs(1_735_689_600);
/// What the monotonic clock shows at first. Some runtimes take zero for a clock that does not work.
pub(crate) const START: Duration = Duration::from_secs(1);
/// How much later each reading of a clock is than the one before.
pub(crate) const TICK: Duration = Duration::from_micros(1);
/// Seeds of the random numbers. Any would do, as long as they never change.
const SECURE_SEED: u64 = 0x6c6c_6d68_6f73_7401;
const INSECURE_SEED: u64 = 0x6c6c_6d68_6f73_7402;
/// Random bytes that a guest may ask for in one call.
const RANDOM_BYTES: u64 = 1 << 20;

/// The context of one run.
pub(crate) fn nothing(run: &Arc<Run>) -> WasiCtx {
    let lines = |to| Lines { buffer: Arc::new(Mutex::new(Buffer { run: run.clone(), to, line: Vec::new() })) };
    WasiCtxBuilder::new()
        .stdout(lines("stdout"))
        .stderr(lines("stderr"))
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .socket_addr_check(|_: SocketAddr, _: SocketAddrUse| Box::pin(async { false }))
        .wall_clock(Readings::default())
        .monotonic_clock(Readings::default())
        .secure_random(StdRng::seed_from_u64(SECURE_SEED))
        .insecure_random(StdRng::seed_from_u64(INSECURE_SEED))
        .insecure_random_seed(u128::from(SECURE_SEED) << 64 | u128::from(INSECURE_SEED))
        .max_random_size(RANDOM_BYTES)
        .build()
}

/// Clocks that count how often they are read: they always go forward, and show the same in every run.
#[derive(Default)]
struct Readings(AtomicU64);

impl Readings {
    fn next(&self) -> Duration {
        TICK.saturating_mul(u32::try_from(self.0.fetch_add(1, Relaxed) + 1).unwrap_or(u32::MAX))
    }
}

impl HostWallClock for Readings {
    fn resolution(&self) -> Duration {
        TICK
    }

    fn now(&self) -> Duration {
        NOW + self.next()
    }
}

impl HostMonotonicClock for Readings {
    fn resolution(&self) -> u64 {
        u64::try_from(TICK.as_nanos()).unwrap_or(u64::MAX)
    }

    fn now(&self) -> u64 {
        u64::try_from((START + self.next()).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Standard output or error.
#[derive(Clone)]
struct Lines {
    buffer: Arc<Mutex<Buffer>>,
}

struct Buffer {
    run: Arc<Run>,
    to: &'static str,
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
            // Programs colour what they print.
            self.run.wrote(self.to, LogLevel::Debug, &last::clean(line));
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
