//! The client: what was granted is sent, within limits, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use crate::connect::{self, Covered, Deadline};
use crate::error::{Class, Failure, HttpError, Phase};
use crate::grant::{Entry, Grant};
use crate::network::{Network, SystemNetwork};
use crate::request::{Checked, Request, Response};
use crate::secrets::{self, NoSecrets, Revealed, Secrets};
use crate::target::Target;
use crate::tls::{self, Roots, SetupError};
use crate::{exchange, redirect};

/// How much a request may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body, with values in the places of secrets' tokens.
    pub request_body: u64,
    /// Bytes of an answer's body.
    pub response_body: u64,
    /// How many headers a request or an answer has.
    pub headers: usize,
    /// Bytes of them all together.
    pub header_bytes: usize,
    /// All in all: the wait for other requests, redirects and bodies included.
    pub total: Duration,
    /// Until a connection stands: name, connection, TLS.
    pub connect: Duration,
    /// How many redirects are followed; more than [`MOST_REDIRECTS`] never are.
    pub redirects: usize,
    /// How many requests of the client are under way at a time. Others wait.
    pub at_a_time: usize,
}

/// Nobody needs more.
pub const MOST_REDIRECTS: usize = 5;

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_body: 8 << 20,
            response_body: 8 << 20,
            headers: 100,
            header_bytes: 32 << 10,
            total: Duration::from_secs(60),
            connect: Duration::from_secs(10),
            redirects: MOST_REDIRECTS,
            at_a_time: 8,
        }
    }
}

impl Limits {
    pub(crate) fn of_headers(&self) -> String {
        format!("{} headers or {} bytes", self.headers, self.header_bytes)
    }
}

/// What a client is made with besides its grant.
#[derive(Clone)]
pub struct Options {
    /// Whom TLS trusts.
    pub roots: Roots,
    /// How much a request may take.
    pub limits: Limits,
    /// Who knows the secrets.
    pub secrets: Arc<dyn Secrets>,
    /// What finds addresses and connects to them.
    pub network: Arc<dyn Network>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            roots: Roots::default(),
            limits: Limits::default(),
            secrets: Arc::new(NoSecrets),
            network: Arc::new(SystemNetwork),
        }
    }
}

/// Sends what its grant covers. It keeps no cookies and no connections, and it tries nothing twice.
pub struct Client {
    grant: Grant,
    options: Options,
    /// None where nothing with TLS is granted.
    tls: Option<TlsConnector>,
    turns: Semaphore,
}

impl Client {
    /// A client. It asks nobody yet.
    pub fn new(grant: Grant, options: Options) -> Result<Self, SetupError> {
        let needs_tls = grant.entries().iter().any(Entry::is_https);
        let tls = needs_tls.then(|| tls::connector(&options.roots, Some(tls::HTTP_ALPN))).transpose()?;
        let turns = Semaphore::new(options.limits.at_a_time.clamp(1, Semaphore::MAX_PERMITS));
        Ok(Self { grant, options, tls, turns })
    }

    /// What it may send.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Whether a request would be sent, as far as that can be told without asking anybody: for plans. Addresses of names
    /// and values of secrets are not looked at.
    pub fn check(&self, request: &Request) -> Result<(), HttpError> {
        let checked = self.begin(request).map_err(Failure::unsent)?;
        self.covered(&checked.request, &checked.target).map(|_| ()).map_err(Failure::unsent)
    }

    /// Sends a request, and follows redirects as far as the grant goes. Any status is an answer.
    ///
    /// The future may be dropped at any time: the connection ends with it, and the server may have got the request.
    pub async fn send(&self, request: &Request) -> Result<Response, HttpError> {
        let mut revealed = Revealed::default();
        let answer = self.follow(request, &mut revealed).await;
        answer.map_err(|HttpError { failure, may_have_reached }| HttpError {
            failure: failure.map(|text| revealed.mask(text)),
            may_have_reached,
        })
    }

    async fn follow(&self, request: &Request, revealed: &mut Revealed) -> Result<Response, HttpError> {
        let limits = &self.options.limits;
        let deadline = Deadline::after(limits.total);
        let follow = request.follow;
        let Hop { mut request, mut target } = self.begin(request).map_err(Failure::unsent)?;
        let mut covered = self.covered(&request, &target).map_err(Failure::unsent)?;
        let turn = deadline.hold(Phase::Turn, &target.server(), self.turns.acquire()).await;
        let _turn = turn.map_err(Failure::unsent)?;
        let most = limits.redirects.min(MOST_REDIRECTS);
        let (mut followed, mut from) = (0, None);
        loop {
            let answer = self.ask(&request, &target, &covered, revealed, deadline).await;
            // A server that redirected has got the request, whatever became of it since.
            let answer = answer.map_err(|error| match &from {
                Some(from) if error.class() == Class::Address => redirect::because(from, &target, &error.failure),
                _ => HttpError { may_have_reached: error.may_have_reached || followed > 0, ..error },
            })?;
            let to = match follow {
                true => redirect::location(answer.status, &answer.headers, &target).map_err(Failure::sent)?,
                false => None,
            };
            let Some(to) = to else {
                let (status, headers) = (answer.status.as_u16(), shown(&answer.headers));
                let body = exchange::body(answer, &target, limits, deadline).await.map_err(Failure::sent)?;
                return Ok(Response { status, headers, body, url: target.url().to_string() });
            };
            if followed == most {
                return Err(redirect::too_many(&target, &to, most).sent());
            }
            if let Some(name) = revealed.found_in(to.url().as_str()) {
                let (name, problem) = (name.to_owned(), "the server put its value into a URL".to_owned());
                let advice = "ask the administrator of the server".to_owned();
                return Err(redirect::because(&target, &to, &Failure::Secret { name, problem, advice }));
            }
            let next = redirect::next(&request, answer.status, &target, &to, &*self.options.secrets);
            let next = next.map_err(Failure::sent)?;
            covered = self.covered(&next, &to).map_err(|failure| redirect::because(&target, &to, &failure))?;
            from = Some(std::mem::replace(&mut target, to));
            request = next;
            followed += 1;
        }
    }

    fn begin(&self, request: &Request) -> Result<Hop, Failure> {
        let checked = Checked::new(request, &self.options.limits, &*self.options.secrets)?;
        Ok(Hop { request: checked, target: Target::parse(&request.url)? })
    }

    /// The entries that cover a request, whose secrets may be part of it.
    fn covered(&self, request: &Checked, target: &Target) -> Result<Vec<&Entry>, Failure> {
        let (method, secrets) = (request.method.as_str(), &*self.options.secrets);
        connect::check_never(&Covered { method, target, entries: &[] })?;
        let covering = self.grant.covering(method, target.url()).map_err(|problem| Failure::NotGranted {
            request: format!("{method} {}", target.shown()),
            problem,
            entry: Entry::exactly(method, target.url()),
        })?;
        secrets::check(secrets, &secrets::named(secrets, request), method, target)?;
        Ok(covering)
    }

    async fn ask(
        &self,
        request: &Checked,
        target: &Target,
        covered: &[&Entry],
        revealed: &mut Revealed,
        deadline: Deadline,
    ) -> Result<exchange::Answer, HttpError> {
        let Options { limits, secrets, network, .. } = &self.options;
        let until = deadline.or_earlier(limits.connect);
        let covered = Covered { method: request.method.as_str(), target, entries: covered };
        let stream = connect::open(&**network, self.tls.as_ref(), &covered, until).await;
        let stream = stream.map_err(Failure::unsent)?;
        // Values are read last of all: what is refused before needs none.
        let names = secrets::named(&**secrets, request);
        let filled = secrets::fill(&**secrets, &names, request, revealed);
        let filled = deadline.hold(Phase::Secret, &target.server(), filled).await.map_err(Failure::unsent)?;
        let (headers, body) = filled.map_err(Failure::unsent)?;
        limits.hold(target, &headers, &body).map_err(Failure::unsent)?;
        exchange::send(stream, &request.method, target, headers, body, limits, deadline).await.map_err(Failure::sent)
    }
}

/// A request on its way.
struct Hop {
    request: Checked,
    target: Target,
}

impl Limits {
    /// Values may be longer than their tokens.
    fn hold(&self, target: &Target, headers: &http::HeaderMap, body: &[u8]) -> Result<(), Failure> {
        let too_large = |part, allowed| Err(Failure::TooLarge { url: target.shown(), part, allowed });
        let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if size > self.header_bytes {
            return too_large(crate::Part::RequestHeaders, self.of_headers());
        }
        if body.len() as u64 > self.request_body {
            return too_large(crate::Part::RequestBody, format!("{} bytes", self.request_body));
        }
        Ok(())
    }
}

fn shown(headers: &http::HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}
