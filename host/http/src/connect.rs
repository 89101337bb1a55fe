//! From a place to a connection: one look-up, every address checked, a connection to one of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use crate::address::{Reach, plain as plain_address, reach};
use crate::error::{Failure, Phase, plain};
use crate::grant::{Entry, LOCALHOST};
use crate::network::Network;
use crate::target::Target;
use crate::tls;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// So many addresses of a host are tried.
const MOST_ADDRESSES: usize = 8;

/// When something has to be done, and how long that was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    pub(crate) limit: Duration,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        // What no clock can hold is no limit that anybody waits for.
        let far = Duration::from_secs(365 * 24 * 3600);
        Self { at: Instant::now() + limit.min(far), limit }
    }

    pub(crate) fn or_earlier(self, limit: Duration) -> Self {
        let other = Self::after(limit);
        if other.at < self.at { other } else { self }
    }

    pub(crate) async fn hold<T>(
        self,
        phase: Phase,
        server: &str,
        work: impl Future<Output = T> + Send,
    ) -> Result<T, Failure> {
        let late = |_| Failure::Timeout { server: server.to_owned(), phase, limit: self.limit };
        timeout_at(self.at, work).await.map_err(late)
    }
}

/// Where a connection goes, and which addresses it may have there.
pub(crate) trait Place: Sync {
    fn host(&self) -> Host<&str>;

    fn port(&self) -> u16;

    /// Whether an address of this kind may be connected to.
    fn admits(&self, reach: Reach) -> bool;

    /// The entry of a grant that is for this place, and for nothing else. None where no entry can be.
    fn entry(&self) -> Option<String>;

    /// The same where the place is this machine.
    fn local_entry(&self) -> Option<String>;

    /// Host and port, for messages.
    fn server(&self) -> String {
        format!("{}:{}", self.host(), self.port())
    }
}

/// Where a request goes, and the entries that cover it.
pub(crate) struct Covered<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a Target,
    pub(crate) entries: &'a [&'a Entry],
}

impl Place for Covered<'_> {
    fn host(&self) -> Host<&str> {
        self.target.host()
    }

    fn port(&self) -> u16 {
        self.target.port()
    }

    fn admits(&self, reach: Reach) -> bool {
        self.entries.iter().any(|entry| entry.admits(reach))
    }

    fn entry(&self) -> Option<String> {
        Entry::exactly(self.method, self.target.url())
    }

    fn local_entry(&self) -> Option<String> {
        let mut local = self.target.url().clone();
        local.set_host(Some(LOCALHOST)).ok()?;
        Entry::exactly(self.method, &local)
    }
}

/// Refuses a host that is an address which no entry ever reaches: whatever the grant says, this is what is wrong.
pub(crate) fn check_never(place: &dyn Place) -> Result<(), Failure> {
    match literal(place.host()).map(|address| (address, reach(address))) {
        Some((address, reach @ Reach::Never(_))) => Err(refused(place, address, reach)),
        _ => Ok(()),
    }
}

fn literal(host: Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
        Host::Domain(_) => None,
    }
}

fn refused(place: &dyn Place, address: IpAddr, reach: Reach) -> Failure {
    let (problem, entry) = match reach {
        Reach::Never(why) => (format!("it is {why}"), None),
        Reach::Loopback => {
            let problem = "it is this machine, which needs an entry for localhost or for the address itself";
            // No entry for a name reaches this machine, so the one that does is another place's.
            (problem.to_owned(), place.local_entry())
        }
        Reach::Private | Reach::Public => {
            let problem = "it is a private address, which needs an entry with the exact host";
            (problem.to_owned(), place.entry())
        }
    };
    Failure::Address { host: place.host().to_string(), address: plain_address(address), problem, entry }
}

/// The addresses of a place, each of which may be connected to.
async fn addresses(network: &dyn Network, place: &dyn Place, deadline: Deadline) -> Result<Vec<IpAddr>, Failure> {
    let found = match place.host() {
        Host::Ipv4(address) => vec![IpAddr::V4(address)],
        Host::Ipv6(address) => vec![IpAddr::V6(address)],
        Host::Domain(LOCALHOST) => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        Host::Domain(name) => {
            let not_found = |reason: String| Failure::NameNotFound { host: name.to_owned(), reason: plain(&reason) };
            let found = deadline.hold(Phase::Name, name, network.resolve(name)).await?;
            found.map_err(|error| not_found(error.to_string()))?
        }
    };
    // One bad address among good ones is an attempt, or a mistake that nobody should depend on.
    for address in &found {
        let reach = reach(*address);
        if !place.admits(reach) {
            return Err(refused(place, *address, reach));
        }
    }
    let mut addresses = Vec::new();
    for address in found.into_iter().map(plain_address) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    match addresses.is_empty() {
        false => Ok(addresses),
        true => Err(Failure::NameNotFound { host: place.host().to_string(), reason: "it has none".to_owned() }),
    }
}

/// Connects to where a request goes.
pub(crate) async fn open(
    network: &dyn Network,
    tls: Option<&TlsConnector>,
    covered: &Covered<'_>,
    deadline: Deadline,
) -> Result<Box<dyn Stream>, Failure> {
    let stream = plainly(network, covered, deadline).await?;
    if !covered.target.is_https() {
        return Ok(Box::new(stream));
    }
    let Some(connector) = tls else {
        let reason = "the client was made without TLS".to_owned();
        return Err(Failure::Tls { server: covered.server(), problem: crate::TlsProblem::Other, reason });
    };
    Ok(Box::new(encrypted(connector, covered, stream, deadline).await?))
}

/// Connects to a place, without TLS.
pub(crate) async fn plainly(
    network: &dyn Network,
    place: &dyn Place,
    deadline: Deadline,
) -> Result<TcpStream, Failure> {
    let addresses = addresses(network, place, deadline).await?;
    let stream = dial(network, place, &addresses, deadline).await?;
    // Without it a request waits for the server's acknowledgement of its head.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Goes on with TLS on a connection.
pub(crate) async fn encrypted(
    connector: &TlsConnector,
    place: &dyn Place,
    stream: TcpStream,
    deadline: Deadline,
) -> Result<TlsStream<TcpStream>, Failure> {
    let server = place.server();
    let name = tls::server_name(place)?;
    let agreed = deadline.hold(Phase::Tls, &server, connector.connect(name, stream)).await?;
    agreed.map_err(|error| tls::failed(server, &error))
}

/// One address after the other, each with its part of the time.
async fn dial(
    network: &dyn Network,
    place: &dyn Place,
    addresses: &[IpAddr],
    deadline: Deadline,
) -> Result<TcpStream, Failure> {
    let server = place.server();
    let tried = &addresses[..addresses.len().min(MOST_ADDRESSES)];
    let mut last = Failure::Connect { server: server.clone(), reason: "it has no address".to_owned() };
    for (index, address) in tried.iter().enumerate() {
        let left = deadline.at.saturating_duration_since(Instant::now());
        let part = left / u32::try_from(tried.len() - index).unwrap_or(1);
        let attempt = network.connect(SocketAddr::new(*address, place.port()));
        let held = Deadline { at: Instant::now() + part, limit: deadline.limit };
        last = match held.hold(Phase::Connect, &server, attempt).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => {
                Failure::Connect { server: server.clone(), reason: plain(&format!("{address}: {error}")) }
            }
            Err(late) => late,
        };
    }
    Err(last)
}
