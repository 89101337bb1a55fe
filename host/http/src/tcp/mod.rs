//! TCP connections for protocols other than HTTP: what was granted is connected to, within limits, and nothing else.

mod connection;
mod error;
mod grant;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio_rustls::TlsConnector;

use crate::connect::{self, Deadline, Place};
use crate::error::Failure;
use crate::network::{Network, SystemNetwork};
use crate::tls::{self, Roots, SetupError};

pub use connection::Connection;
pub use error::TcpFailure;
pub use grant::{TcpEntry, TcpGrant};

use grant::Asked;

/// How much the connections of a client may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpLimits {
    /// How many are made, all in all.
    pub connections: u32,
    /// Bytes over all of them, in both directions together.
    pub bytes: u64,
    /// Until a connection stands; and as long again until TLS does.
    pub connect: Duration,
    /// Of each read and of each write.
    pub exchange: Duration,
}

impl Default for TcpLimits {
    fn default() -> Self {
        Self { connections: 32, bytes: 64 << 20, connect: Duration::from_secs(10), exchange: Duration::from_secs(60) }
    }
}

/// What a client is made with besides its grant.
#[derive(Clone)]
pub struct TcpOptions {
    /// Whom TLS trusts.
    pub roots: Roots,
    /// How much its connections may take.
    pub limits: TcpLimits,
    /// What finds addresses and connects to them.
    pub network: Arc<dyn Network>,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self { roots: Roots::default(), limits: TcpLimits::default(), network: Arc::new(SystemNetwork) }
    }
}

/// Connects to what its grant covers. It tries nothing twice.
pub struct TcpClient {
    grant: TcpGrant,
    network: Arc<dyn Network>,
    made: AtomicU32,
    terms: Arc<Terms>,
}

/// What all connections of a client share.
struct Terms {
    limits: TcpLimits,
    tls: TlsConnector,
    moved: AtomicU64,
}

impl TcpClient {
    /// A client. It asks nobody yet.
    pub fn new(grant: TcpGrant, options: TcpOptions) -> Result<Self, SetupError> {
        let TcpOptions { roots, limits, network } = options;
        let terms = Terms { limits, tls: tls::connector(&roots, None)?, moved: AtomicU64::new(0) };
        Ok(Self { grant, network, made: AtomicU32::new(0), terms: Arc::new(terms) })
    }

    /// Connects to a host, which is a name or an IP address without brackets. The future may be dropped at any time.
    pub async fn connect(&self, host: &str, port: u16) -> Result<Connection, TcpFailure> {
        let place = Asked::parse(host, port).map_err(|problem| TcpFailure::Invalid {
            problem: problem.to_owned(),
            advice: "give a host name or an IP address, and a port from 1 to 65535",
        })?;
        connect::check_never(&place)?;
        self.grant.covers(&place).map_err(|problem| Failure::NotGranted {
            request: format!("a connection to {}", place.server()),
            problem,
            entry: place.entry(),
        })?;
        let most = self.terms.limits.connections;
        if self.made.fetch_add(1, Ordering::Relaxed) >= most {
            // Stays just above, so that the count cannot run around.
            self.made.store(most, Ordering::Relaxed);
            return Err(TcpFailure::TooMuch { what: format!("{most} connections in one call") });
        }
        let deadline = Deadline::after(self.terms.limits.connect);
        let stream = connect::plainly(&*self.network, &place, deadline).await?;
        Ok(Connection::new(place, stream, Arc::clone(&self.terms)))
    }
}
