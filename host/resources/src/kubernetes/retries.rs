//! Calls that an API server has no time for, tried again: each retry is said as it happens, and they end.
//!
//! The client of the `kube` crate tries such calls up to fifteen times, says nothing meanwhile, and waits as
//! long as the server tells it to, each time. So it is built without its retries, and these stand around it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use llmhost_engine::wait::{self, Retry};
use tower::{BoxError, service_fn};

use crate::aws::jittered;

/// How long calls are tried again.
#[derive(Clone, Copy)]
struct Patience {
    /// The longest for all tries of a call together.
    all: Duration,
    /// The first pause; they double.
    first: Duration,
    /// The longest pause that the server did not ask for.
    longest: Duration,
    /// How often a longer pause says that it goes on.
    beat: Duration,
}

const PATIENCE: Patience = Patience {
    all: Duration::from_secs(120),
    first: Duration::from_millis(100),
    longest: Duration::from_secs(10),
    beat: Duration::from_secs(20),
};

/// A client whose calls are tried again while the server has no time for them. The last refusal is the
/// call's own answer; an error that says so where the run was stopped meanwhile.
pub(super) fn patient(client: Client) -> Client {
    with(client, PATIENCE)
}

fn with(client: Client, patience: Patience) -> Client {
    let namespace = client.default_namespace().to_owned();
    Client::new(service_fn(move |request| send(client.clone(), request, patience)), namespace)
}

async fn send(client: Client, request: Request<Body>, patience: Patience) -> Result<Response<Body>, BoxError> {
    let (head, body) = request.into_parts();
    let body = body.collect_bytes().await?;
    let call = format!("kube:{} {}", head.method, head.uri.path());
    let (began, mut pause, mut attempt) = (Instant::now(), patience.first, 1);
    loop {
        let request = Request::from_parts(head.clone(), Body::from(body.clone()));
        let response = client.send(request).await?;
        // A refused eviction is an answer: a budget says that the pod is needed.
        if !is_busy(response.status()) || head.uri.path().ends_with("/eviction") {
            return Ok(response);
        }
        let (head, said) = response.into_parts();
        let said = said.collect_bytes().await?;
        let asked = asked(&head.headers).unwrap_or_default();
        let now = jittered(pause).max(asked);
        if began.elapsed() + now > patience.all {
            let said = refusal(head.status, &said, asked);
            return Ok(Response::from_parts(head, Body::from(said)));
        }
        rest(&call, attempt, &reason(head.status, &said), now, patience.beat).await?;
        (pause, attempt) = ((pause * 2).min(patience.longest), attempt + 1);
    }
}

/// The answers of a server that has too much to do, that starts or ends, or that did not answer whoever asked
/// it for us.
fn is_busy(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

/// How long the server asks to wait.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u32 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

/// Says that a call is tried again, and waits; a long wait says so again and again.
async fn rest(call: &str, attempt: u32, reason: &str, long: Duration, beat: Duration) -> Result<(), BoxError> {
    let until = Instant::now() + long;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let when = if left > beat { format!(" (in {} s)", left.as_secs()) } else { String::new() };
        let reason = format!("{reason}{when}");
        wait::retrying(Retry { call: call.to_owned(), attempt: Some(attempt), reason });
        wait::pause(call, left.min(beat)).await?;
        if Instant::now() >= until {
            return Ok(());
        }
    }
}

/// `429 Too Many Requests: Too many requests, please try again later.`
fn reason(status: StatusCode, body: &Bytes) -> String {
    match message(body) {
        said if said.is_empty() => status.to_string(),
        said => format!("{status}: {said}"),
    }
}

/// What the body of a refusal says: the message of a `Status`, or the first line of a text that somebody on
/// the way wrote.
fn message(body: &Bytes) -> String {
    match serde_json::from_slice::<Status>(body) {
        Ok(status) => status.message,
        Err(_) => String::from_utf8_lossy(body).trim().lines().next().unwrap_or_default().to_owned(),
    }
}

/// The refusal that is not waited for any longer, as a `Status` that says how long the server wants to be left
/// alone.
fn refusal(status: StatusCode, body: &Bytes, asked: Duration) -> Vec<u8> {
    let mut message = reason(status, body);
    if !asked.is_zero() {
        message = format!("{message} (it asks to retry after {} seconds)", asked.as_secs());
    }
    let known = serde_json::from_slice::<Status>(body).map(|status| status.reason).unwrap_or_default();
    let name = status.canonical_reason().unwrap_or_default().replace(' ', "");
    let reason = if known.is_empty() { name } else { known };
    let status = Status::failure(&message, &reason).with_code(status.as_u16());
    serde_json::to_vec(&status).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::{Arc, Mutex};

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::{Api, EvictParams, Patch, PatchParams};
    use llmhost_engine::kind::{ErrorClass, OpError};
    use llmhost_engine::run::Cancel;
    use llmhost_engine::wait::{Scope, is_interrupted};
    use serde_json::json;

    use super::super::errors::Described;
    use super::*;

    const QUICK: Patience = Patience {
        all: Duration::from_millis(2500),
        first: Duration::from_millis(2),
        longest: Duration::from_millis(20),
        beat: Duration::from_millis(300),
    };

    /// A server that refuses so many calls in this way, and then does what it is asked; and how often it was asked.
    fn server(
        refusals: usize,
        status: u16,
        wait: Option<&'static str>,
        said: &'static str,
    ) -> (Client, Arc<AtomicUsize>) {
        let asked: Arc<AtomicUsize> = Arc::default();
        let count = Arc::clone(&asked);
        let answer = move |request: Request<Body>| {
            let is_refused = count.fetch_add(1, SeqCst) < refusals;
            async move {
                let body = request.into_body().collect_bytes().await?;
                let mut response = Response::builder().status(if is_refused { status } else { 200 });
                if let Some(wait) = wait {
                    response = response.header(RETRY_AFTER, wait);
                }
                let text = if is_refused { Bytes::from(said) } else { body };
                Ok::<_, BoxError>(response.body(Body::from(text))?)
            }
        };
        (with(Client::new(service_fn(answer), "default"), QUICK), asked)
    }

    async fn applied(client: &Client) -> Result<ConfigMap, OpError> {
        let api: Api<ConfigMap> = Api::default_namespaced(client.clone());
        let wanted = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } });
        api.patch("a", &PatchParams::apply("llmhost"), &Patch::Apply(&wanted)).await.described("kube:apply ConfigMap a")
    }

    /// What came of it, and what was said meanwhile and when.
    async fn heard<T>(cancel: Cancel, work: impl Future<Output = T>) -> (T, Vec<(Duration, String)>) {
        let (said, began): (Arc<Mutex<Vec<_>>>, _) = (Arc::default(), Instant::now());
        let sink = Arc::clone(&said);
        let scope = Scope::new(cancel, move |retry| sink.lock().unwrap().push((began.elapsed(), retry.to_string())));
        let done = scope.run(work).await;
        let said = said.lock().unwrap().clone();
        (done, said)
    }

    #[tokio::test]
    async fn a_busy_server_is_asked_again_with_the_same_body_and_each_retry_is_said() {
        let text = "Too many requests, please try again later.";
        for status in [429, 503, 504] {
            let (client, asked) = server(3, status, None, text);
            let (applied, said) = heard(Cancel::default(), applied(&client)).await;
            assert_eq!(applied.expect("it is applied in the end").metadata.name.as_deref(), Some("a"));
            assert_eq!((asked.load(SeqCst), said.len()), (4, 3), "{said:?}");
            let start = format!("kube:PATCH /api/v1/namespaces/default/configmaps/a: attempt 1 failed: {status} ");
            assert!(said[0].1.starts_with(&start) && said[0].1.contains(text), "{said:?}");
        }
        let (client, asked) = server(1, 500, None, "etcd is gone");
        assert_eq!(applied(&client).await.unwrap_err().class, ErrorClass::Service);
        assert_eq!(asked.load(SeqCst), 1, "a failure is no lack of time");
    }

    #[tokio::test]
    async fn what_the_server_asks_for_is_waited_and_a_long_wait_goes_on_speaking() {
        let (client, asked) = server(1, 429, Some("1"), "");
        let (applied, said) = heard(Cancel::default(), applied(&client)).await;
        assert!(applied.is_ok() && asked.load(SeqCst) == 2);
        // One second, and a word after each beat of it.
        assert!(said.len() >= 3, "{said:?}");
        assert!(said.windows(2).all(|two| two[1].0 - two[0].0 < QUICK.beat * 2), "{said:?}");
    }

    #[tokio::test]
    async fn tries_end_and_the_error_says_what_the_server_asks_for_and_what_to_do() {
        let (client, asked) = server(usize::MAX, 429, Some("3600"), "Too many requests, please try again later.");
        let began = Instant::now();
        let error = applied(&client).await.unwrap_err();
        assert!(asked.load(SeqCst) == 1 && began.elapsed() < Duration::from_secs(1));
        assert_eq!((error.class, error.code.as_deref()), (ErrorClass::Throttled, Some("TooManyRequests")));
        for words in ["429 Too Many Requests: Too many requests, please", "retry after 3600 seconds"] {
            assert!(error.message.contains(words), "{error}");
        }
        assert!(error.advice.is_some_and(|advice| advice.contains("run again")));

        let (client, asked) = server(usize::MAX, 503, None, "<html>\n<body>no backend</body></html>");
        let error = applied(&client).await.unwrap_err();
        assert!(asked.load(SeqCst) > 5 && began.elapsed() < QUICK.all * 3);
        assert_eq!((error.class, error.message.as_str()), (ErrorClass::Service, "503 Service Unavailable: <html>"));
    }

    #[tokio::test]
    async fn a_stopped_run_waits_no_longer_and_says_what_it_waited_for() {
        let (client, asked) = server(usize::MAX, 429, Some("2"), "busy");
        let cancel = Cancel::default();
        cancel.cancel();
        let (applied, _) = heard(cancel, applied(&client)).await;
        let error = applied.unwrap_err();
        assert!(is_interrupted(&error) && error.message.contains("429 Too Many Requests: busy"), "{error}");
        assert_eq!(asked.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn a_refused_eviction_is_an_answer() {
        let (client, asked) = server(usize::MAX, 429, Some("10"), "the budget is used up");
        let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::default_namespaced(client);
        assert!(pods.evict("a", &EvictParams::default()).await.is_err());
        assert_eq!(asked.load(SeqCst), 1);
    }
}
