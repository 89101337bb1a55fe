//! What one call of a provider may reach: requests and connections to what was granted, the passwords that it was given,
//! and time.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use llmhost_engine::kind::OpError;
use llmhost_engine::secret::{self, mask};
use llmhost_engine::{unknown, wait};
use llmhost_http::{
    Class, Client, Grant, Limits, Options, Secrets, SetupError, TcpClient, TcpLimits, TcpOptions, Token,
};
use llmhost_provider::{AwsCalls, SecretValues};
use tokio::sync::OnceCell;

use super::{Grants, Own};
use crate::limits::{self, Hit};
use crate::state::Run;

/// A request as a guest wants it.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) basic: Option<(String, String)>,
    pub(crate) body: String,
    pub(crate) follow: bool,
}

/// The answer, without values of secrets.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) url: String,
}

/// Why there is none.
pub(crate) struct Unanswered {
    /// As WIT calls it.
    pub(crate) class: &'static str,
    pub(crate) message: String,
    pub(crate) advice: String,
    pub(crate) may_have_reached: bool,
}

/// Why a connection or a proof is none.
pub(crate) struct Unusable {
    /// As WIT calls it.
    pub(crate) class: &'static str,
    pub(crate) message: String,
    pub(crate) advice: String,
}

impl Unusable {
    pub(super) fn from_describe() -> Self {
        Self {
            class: "invalid",
            message: "'describe' cannot call the host".to_owned(),
            advice: "this is an error in the provider".to_owned(),
        }
    }
}

/// What one call may reach.
pub(crate) struct Outside {
    pub(super) grants: Arc<Grants>,
    pub(super) handles: Arc<Handles>,
    pub(super) aws: Arc<dyn AwsCalls>,
    /// Of one request.
    timeout: Duration,
    /// Made with the first request: it reads whom the system trusts.
    client: OnceCell<Client>,
    /// Made with the first connection.
    connections: OnceCell<TcpClient>,
    requests: AtomicU32,
    paused: Mutex<Duration>,
    stopped: Mutex<Option<OpError>>,
}

impl Outside {
    /// `given` are the secrets that the call was given.
    pub(crate) fn new(terms: &Own, given: BTreeSet<String>) -> Self {
        let grants = Arc::clone(&terms.grants);
        let handles = Arc::new(Handles { grants: Arc::clone(&grants), given, values: Arc::clone(&terms.secrets) });
        Self {
            grants,
            handles,
            aws: Arc::clone(&terms.aws),
            timeout: terms.timeout,
            client: OnceCell::new(),
            connections: OnceCell::new(),
            requests: AtomicU32::new(0),
            paused: Mutex::default(),
            stopped: Mutex::default(),
        }
    }

    /// Why the call was ended while it waited, where the run was stopped.
    pub(crate) fn stopped(&self) -> Option<OpError> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn client(&self) -> Result<&Client, SetupError> {
        let secrets: Arc<dyn Secrets> = Arc::clone(&self.handles) as _;
        let Grants { http, roots, .. } = &*self.grants;
        let limits = Limits { total: self.timeout, ..Limits::default() };
        let make = || async {
            Client::new(http.clone(), Options { secrets, roots: roots.clone(), limits, ..Options::default() })
        };
        self.client.get_or_try_init(make).await
    }

    pub(super) async fn connections(&self) -> Result<&TcpClient, SetupError> {
        let Grants { tcp, roots, .. } = &*self.grants;
        let limits = TcpLimits { exchange: self.timeout, ..TcpLimits::default() };
        let make = || async {
            TcpClient::new(tcp.clone(), TcpOptions { roots: roots.clone(), limits, ..TcpOptions::default() })
        };
        self.connections.get_or_try_init(make).await
    }

    /// Does what can be dropped. Where the run is stopped meanwhile, the call ends.
    pub(super) async fn unless_stopped<T>(&self, what: &str, work: impl Future<Output = T>) -> wasmtime::Result<T> {
        wait::unless_stopped(what, async { Ok(work.await) }).await.map_err(|stopped| {
            *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(stopped);
            wasmtime::format_err!("the run was stopped")
        })
    }

    /// Counts a request; ends a call that sends too many.
    pub(super) fn count_request(&self) -> wasmtime::Result<()> {
        match self.requests.fetch_add(1, Ordering::Relaxed) < limits::REQUESTS {
            true => Ok(()),
            false => Err(Hit::requests().into()),
        }
    }

    async fn send(&self, request: Request) -> Result<Answer, Unanswered> {
        let Request { method, url, headers, basic, body, follow } = request;
        let request = llmhost_http::Request { method, url, headers, basic, body: body.into(), follow };
        let client = self.client().await.map_err(|error| Unanswered {
            class: "unreachable",
            message: error.to_string(),
            advice: "correct this machine's certificates".to_owned(),
            may_have_reached: false,
        })?;
        let answer = client.send(&request).await.map_err(|error| Unanswered {
            class: class(error.class()),
            message: error.message(),
            advice: error.advice(),
            may_have_reached: error.may_have_reached,
        })?;
        let Ok(body) = String::from_utf8(answer.body.to_vec()) else {
            return Err(Unanswered {
                class: "protocol",
                message: "the answer is not UTF-8 text".to_owned(),
                advice: "request JSON or another text format".to_owned(),
                may_have_reached: true,
            });
        };
        // A server may repeat what it got.
        let masked = |text: &str| mask(text).into_owned();
        Ok(Answer {
            status: answer.status,
            headers: answer.headers.iter().map(|(name, value)| (name.clone(), masked(value))).collect(),
            body: masked(&body),
            url: masked(&answer.url),
        })
    }
}

/// Sends a request of a guest.
pub(crate) async fn send(run: &Run, request: Request) -> wasmtime::Result<Result<Answer, Unanswered>> {
    // Queries may hold what is nobody's business.
    let shown = request.url.split('?').next().unwrap_or_default();
    run.called(format_args!("send {} {}", limits::cut(&request.method, 20), mask(limits::cut(shown, 120))));
    let Some(outside) = &run.outside else {
        return Ok(Err(Unanswered {
            class: "not-granted",
            message: "'describe' cannot call the host".to_owned(),
            advice: "this is an error in the provider".to_owned(),
            may_have_reached: false,
        }));
    };
    outside.count_request()?;
    let answer = {
        let _host = run.meter.in_host();
        outside.send(request).await
    };
    if let Err(error) = &answer {
        run.failed(&error.message);
    }
    Ok(answer)
}

/// Waits, or ends the call where the run is stopped.
pub(crate) async fn pause(run: &Run, time: Duration) -> wasmtime::Result<()> {
    run.called(format_args!("wait for {} ms", time.as_millis()));
    let Some(outside) = &run.outside else { return Ok(()) };
    let time = time.min(limits::PAUSE);
    {
        let mut paused = outside.paused.lock().unwrap_or_else(PoisonError::into_inner);
        *paused += time;
        if *paused > limits::PAUSES {
            return Err(Hit::pauses().into());
        }
    }
    let _host = run.meter.in_host();
    outside.unless_stopped("wait for the service", tokio::time::sleep(time)).await
}

/// The class as WIT calls it.
pub(super) fn class(class: Class) -> &'static str {
    match class {
        Class::NotGranted | Class::Address => "not-granted",
        Class::Secret => "secret",
        Class::NameNotFound | Class::Connect | Class::Tls => "unreachable",
        Class::Timeout => "timeout",
        Class::TooLarge => "too-large",
        Class::Redirect => "redirect",
        Class::Protocol => "protocol",
        _ => "invalid",
    }
}

/// The secrets that one call was given. They may go wherever the provider may send anything.
pub(super) struct Handles {
    grants: Arc<Grants>,
    pub(super) given: BTreeSet<String>,
    values: Arc<dyn SecretValues>,
}

#[async_trait]
impl Secrets for Handles {
    fn tokens(&self, text: &str) -> Vec<Token> {
        let places = unknown::secret_places(text).into_iter();
        places.map(|(at, name)| Token { at, name: name.to_owned() }).collect()
    }

    fn audience(&self, name: &str) -> Option<&Grant> {
        self.given.contains(name).then_some(&self.grants.http)
    }

    async fn value(&self, name: &str) -> Result<String, String> {
        self.values.value(name).await
    }

    fn hide(&self, form: &str) {
        secret::hide(form);
    }
}
