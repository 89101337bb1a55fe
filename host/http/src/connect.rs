//! From a target to a connection: one look-up, every address checked, a connection to one of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
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

/// Refuses a host that is an address which no entry ever reaches: whatever the grant says, this is what is wrong.
pub(crate) fn check_never(target: &Target) -> Result<(), Failure> {
    match literal(target).map(|address| (address, reach(address))) {
        Some((address, Reach::Never(_))) => check("", target, address, &[]),
        _ => Ok(()),
    }
}

fn literal(target: &Target) -> Option<IpAddr> {
    match target.host() {
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
        Host::Domain(_) => None,
    }
}

fn check(method: &str, target: &Target, address: IpAddr, entries: &[&Entry]) -> Result<(), Failure> {
    let reach = reach(address);
    if entries.iter().any(|entry| entry.admits(reach)) {
        return Ok(());
    }
    let refused = |problem: String, entry| {
        Err(Failure::Address { host: target.host().to_string(), address: plain_address(address), problem, entry })
    };
    match reach {
        Reach::Never(why) => refused(format!("it is {why}"), None),
        Reach::Loopback => {
            let mut local = target.url().clone();
            // No entry for a name reaches this machine, so the one that does is another URL's.
            let entry = local.set_host(Some(LOCALHOST)).ok().and_then(|()| Entry::exactly(method, &local));
            let problem = "it is this machine, which only an entry for localhost or for the address itself reaches";
            refused(problem.to_owned(), entry)
        }
        Reach::Private | Reach::Public => {
            let problem = "it is a private address, which only an entry that names the host exactly reaches";
            refused(problem.to_owned(), Entry::exactly(method, target.url()))
        }
    }
}

/// The addresses of a target, each of which may be asked.
async fn addresses(
    network: &dyn Network,
    method: &str,
    target: &Target,
    entries: &[&Entry],
    deadline: Deadline,
) -> Result<Vec<IpAddr>, Failure> {
    let found = match target.host() {
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
        check(method, target, *address, entries)?;
    }
    let mut addresses = Vec::new();
    for address in found.into_iter().map(plain_address) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    match addresses.is_empty() {
        false => Ok(addresses),
        true => Err(Failure::NameNotFound { host: target.host().to_string(), reason: "it has none".to_owned() }),
    }
}

/// Connects to a target.
pub(crate) async fn open(
    network: &dyn Network,
    tls: Option<&TlsConnector>,
    method: &str,
    target: &Target,
    entries: &[&Entry],
    deadline: Deadline,
) -> Result<Box<dyn Stream>, Failure> {
    let addresses = addresses(network, method, target, entries, deadline).await?;
    let stream = dial(network, target, &addresses, deadline).await?;
    // Without it a request waits for the server's acknowledgement of its head.
    let _ = stream.set_nodelay(true);
    if !target.is_https() {
        return Ok(Box::new(stream));
    }
    let server = target.server();
    let name = tls::server_name(target)?;
    let Some(connector) = tls else {
        let reason = "the client was made without TLS".to_owned();
        return Err(Failure::Tls { server, problem: crate::TlsProblem::Other, reason });
    };
    let agreed = deadline.hold(Phase::Tls, &server, connector.connect(name, stream)).await?;
    Ok(Box::new(agreed.map_err(|error| tls::failed(target, &error))?))
}

/// One address after the other, each with its part of the time.
async fn dial(
    network: &dyn Network,
    target: &Target,
    addresses: &[IpAddr],
    deadline: Deadline,
) -> Result<tokio::net::TcpStream, Failure> {
    let server = target.server();
    let tried = &addresses[..addresses.len().min(MOST_ADDRESSES)];
    let mut last = Failure::Connect { server: server.clone(), reason: "it has no address".to_owned() };
    for (index, address) in tried.iter().enumerate() {
        let left = deadline.at.saturating_duration_since(Instant::now());
        let part = left / u32::try_from(tried.len() - index).unwrap_or(1);
        let attempt = network.connect(SocketAddr::new(*address, target.port()));
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
