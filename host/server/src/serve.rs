//! The server's life: listening, answering, draining.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::{Backend, health, limits, openai, page};

/// How the server behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who sends it is let in; everybody where there is none.
    pub api_key: Option<String>,
    /// Largest request.
    pub max_body_bytes: usize,
    /// How long a request's body may take to come.
    pub body_timeout: Duration,
    /// How long an answer may take.
    pub request_timeout: Duration,
    /// How long running requests may take to end when the server is to.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api_key: None,
            max_body_bytes: 2 << 20,
            body_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(600),
            drain: Duration::from_secs(30),
        }
    }
}

/// How long clients may take to hear that their answer was cut off.
const LAST_WORDS: Duration = Duration::from_secs(1);

pub(crate) struct Shared {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    draining: AtomicBool,
    /// Answers that are not done by now end where they are.
    pub(crate) cut: watch::Sender<bool>,
}

impl Shared {
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

/// Every path of the server.
pub fn router(backend: Arc<dyn Backend>, settings: Settings) -> Router {
    build(share(backend, settings))
}

fn share(backend: Arc<dyn Backend>, settings: Settings) -> Arc<Shared> {
    let metrics = Metrics::new(backend.info());
    Arc::new(Shared { backend, settings, metrics, draining: AtomicBool::new(false), cut: watch::Sender::new(false) })
}

fn build(shared: Arc<Shared>) -> Router {
    let api = Router::new()
        .route("/v1/chat/completions", post(openai::chat))
        .route("/v1/completions", post(openai::completions))
        .route("/v1/embeddings", post(openai::embeddings))
        .route("/v1/rerank", post(openai::rerank))
        .route("/v1/score", post(openai::score))
        .route("/v1/models", get(openai::models))
        .route("/v1/models/{*name}", get(openai::model))
        .layer(from_fn_with_state(Arc::clone(&shared), limits::admit));
    let open = Router::new()
        .route("/", get(page::page))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics));
    let nowhere = |uri: axum::http::Uri| async move {
        ApiError::not_found(format!("there is nothing at {}", uri.path()), "unknown_url")
    };
    api.merge(open)
        .fallback(nowhere)
        .method_not_allowed_fallback(async |method: axum::http::Method| ApiError::method(&method))
        .layer(from_fn_with_state(Arc::clone(&shared), limits::observe))
        .with_state(shared)
}

/// Answers requests until `stop` says so; then takes no new ones and gives the running ones time.
/// Whether all of them ended in it.
pub async fn serve(
    listener: TcpListener,
    backend: Arc<dyn Backend>,
    settings: Settings,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<bool> {
    let drain = settings.drain;
    let shared = share(backend, settings);
    let (tell, mut told) = watch::channel(false);
    tokio::spawn({
        let shared = Arc::clone(&shared);
        async move {
            stop.await;
            shared.draining.store(true, Ordering::Release);
            // Nobody listens any more where the server failed.
            _ = tell.send(true);
        }
    });
    let stopped = {
        let mut told = told.clone();
        async move {
            _ = told.wait_for(|stopped| *stopped).await;
        }
    };
    let server = axum::serve(listener, build(Arc::clone(&shared))).with_graceful_shutdown(stopped);
    let server = server.into_future();
    tokio::pin!(server);
    let deadline = async move {
        _ = told.wait_for(|stopped| *stopped).await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        ended = &mut server => return ended.map(|()| true),
        () = deadline => {}
    }
    // What is still running is told, and its clients are.
    shared.cut.send_replace(true);
    match tokio::time::timeout(LAST_WORDS, server).await {
        Ok(ended) => ended.map(|()| false),
        Err(_) => Ok(false),
    }
}
