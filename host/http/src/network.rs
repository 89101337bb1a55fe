//! Names, addresses and connections: the system's, or a test's.

use std::io;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use tokio::net::TcpStream;

/// What finds addresses and connects to them. A request asks for its host once, and connects to what was found then.
#[async_trait]
pub trait Network: Send + Sync {
    /// The addresses of a name, the best first.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;

    /// A connection to an address.
    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream>;
}

/// The system's resolver and its network. Proxies of the environment are not used: the host would hand every decision
/// on addresses to them.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNetwork;

#[async_trait]
impl Network for SystemNetwork {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        // The port has no part in it.
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|found| found.ip()).collect())
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(to).await
    }
}
