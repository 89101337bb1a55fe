//! The page of a run that goes on, on a loopback address that only this run's user is told.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use futures::Stream;
use futures::stream;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Recorder;
use crate::failure::Failure;

/// How long pages get to read the end of the run.
const LAST: Duration = Duration::from_secs(2);

pub(super) struct Server {
    address: SocketAddr,
    token: String,
    task: JoinHandle<()>,
    /// One receiver for each page that listens.
    listening: watch::Sender<()>,
}

struct Shared {
    recorder: Arc<Recorder>,
    page: String,
    address: SocketAddr,
    listening: watch::Sender<()>,
}

impl Server {
    pub(super) async fn start(recorder: Arc<Recorder>, page: String) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            let message = format!("cannot serve the page of the run: {error}");
            Failure::Other { message, help: "Nothing was changed. Run again without --watch.".to_owned(), status: 1 }
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        // Other users of the machine can reach the port, and do not know the path.
        let token = uuid::Uuid::new_v4().simple().to_string();
        let listening = watch::Sender::new(());
        let shared = Arc::new(Shared { recorder, page, address, listening: listening.clone() });
        let router = Router::new()
            .route(&format!("/{token}/"), get(show))
            .route(&format!("/{token}/events"), get(events))
            .with_state(shared);
        let task = tokio::spawn(async move {
            // It ends with the program.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, token, task, listening })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/{}/", self.address, self.token)
    }

    /// Waits until every page has read the end, for a moment at most.
    pub(super) async fn finish(self) {
        let _ = tokio::time::timeout(LAST, self.listening.closed()).await;
        self.task.abort();
    }
}

impl Shared {
    /// Whether the request was made to this very address: another name for it may belong to a page from elsewhere.
    fn is_for_us(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let port = self.address.port();
        host == format!("127.0.0.1:{port}") || host == format!("localhost:{port}")
    }
}

fn guarded(response: impl IntoResponse) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    (headers, response).into_response()
}

async fn show(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    match shared.is_for_us(&headers) {
        true => guarded(Html(shared.page.clone())),
        false => StatusCode::MISDIRECTED_REQUEST.into_response(),
    }
}

async fn events(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if !shared.is_for_us(&headers) {
        return StatusCode::MISDIRECTED_REQUEST.into_response();
    }
    // A browser that connects again says which event it heard last.
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse::<usize>().ok());
    guarded(Sse::new(said(&shared, last.map_or(0, |last| last + 1))).keep_alive(KeepAlive::default()))
}

/// The events from this one on: those that there are, then each as it happens, until the run ends.
fn said(shared: &Arc<Shared>, first: usize) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    let recorder = Arc::clone(&shared.recorder);
    let (count, here) = (recorder.subscribe(), shared.listening.subscribe());
    let start = (recorder, count, here, first, Vec::new().into_iter());
    stream::unfold(start, |(recorder, mut count, here, mut next, mut lines)| async move {
        loop {
            if let Some(line) = lines.next() {
                let event = Event::default().id(next.to_string()).data(&line);
                next += 1;
                return Some((Ok(event), (recorder, count, here, next, lines)));
            }
            lines = recorder.from(next).into_iter();
            if lines.len() == 0 {
                count.changed().await.ok()?;
            }
        }
    })
}
