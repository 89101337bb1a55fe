//! The server's life: listening, answering, draining.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::connections::{Connections, Limits};
use crate::error::ApiError;
use crate::models::{Models, Served};
use crate::{Backend, Failure, admin, health, limits, oip, openai, openapi, origins, page};

/// How the server behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who sends it is let in; everybody where there is none.
    pub api_key: Option<String>,
    /// Who sends it may load and unload models; without one, nothing of that is to be had.
    pub admin_key: Option<String>,
    /// Origins of web pages that may ask, such as `https://chat.example`; `*` is any.
    pub allowed_origins: Vec<String>,
    /// Connections at a time.
    pub max_connections: u32,
    /// How long a request's head may take to come.
    pub head_timeout: Duration,
    /// How long a connection is kept without a request.
    pub idle_timeout: Duration,
    /// Largest request.
    pub max_body_bytes: usize,
    /// How long a request's body may take to come.
    pub body_timeout: Duration,
    /// How long an answer may take.
    pub request_timeout: Duration,
    /// How long requests are still taken, and only `/readyz` says no, when the server is to end.
    pub drain_delay: Duration,
    /// How long running requests may take to end after that.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api_key: None,
            admin_key: None,
            allowed_origins: Vec::new(),
            max_connections: 4096,
            head_timeout: Duration::from_secs(10),
            // Longer than load balancers keep theirs: who closes first loses no request.
            idle_timeout: Duration::from_secs(75),
            max_body_bytes: 2 << 20,
            body_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(600),
            drain_delay: Duration::from_secs(5),
            drain: Duration::from_secs(30),
        }
    }
}

/// How a server is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Requests may still come until it is known everywhere that it ends: after [`Settings::drain_delay`].
    Delayed,
    /// No further request is taken.
    AtOnce,
}

/// How long clients may take to hear that their answer was cut off.
const LAST_WORDS: Duration = Duration::from_secs(1);

pub(crate) struct Shared {
    pub(crate) models: Arc<Models>,
    pub(crate) settings: Settings,
    /// Responses that later requests go on from.
    pub(crate) responses: openai::responses::Responses,
    /// Whether only this machine can reach the server.
    pub(crate) is_local: bool,
    leaving: AtomicBool,
    draining: AtomicBool,
    /// Answers that are not done by now end where they are.
    pub(crate) cut: watch::Sender<bool>,
}

impl Shared {
    /// The model that a request names; the default one where it names none. Where it is not loaded, this
    /// waits until it is.
    pub(crate) async fn model(&self, asked: Option<&str>) -> Result<Served, ApiError> {
        let mut cut = self.cut.subscribe();
        let served = tokio::select! {
            served = self.models.get(asked) => served?,
            _ = cut.wait_for(|cut| *cut) => return Err(Failure::Draining.into()),
            () = tokio::time::sleep(self.settings.request_timeout) => return Err(ApiError::timeout()),
        };
        served.figures().asked();
        Ok(served)
    }

    /// Every model that is loaded, the default one first.
    pub(crate) fn models(&self) -> Vec<Served> {
        self.models.loaded()
    }

    /// The server is about to end; requests are still taken.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// No requests are taken any more.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

/// Every path of the server of one model.
pub fn router(backend: Arc<dyn Backend>, settings: Settings) -> Router {
    router_of(Arc::new(Models::of(backend)), settings)
}

/// Every path of the server of several.
pub fn router_of(models: Arc<Models>, settings: Settings) -> Router {
    build(share(models, settings, false))
}

fn share(models: Arc<Models>, settings: Settings, is_local: bool) -> Arc<Shared> {
    let (leaving, draining, cut) = (AtomicBool::new(false), AtomicBool::new(false), watch::Sender::new(false));
    let responses = openai::responses::Responses::new();
    Arc::new(Shared { models, settings, responses, is_local, leaving, draining, cut })
}

fn build(shared: Arc<Shared>) -> Router {
    let api = Router::new()
        .route("/v1/chat/completions", post(openai::chat))
        .route("/v1/completions", post(openai::completions))
        .route("/v1/responses", post(openai::responses::create))
        .route("/v1/responses/{id}", get(openai::responses::retrieve).delete(openai::responses::delete))
        .route("/v1/responses/{id}/input_items", get(openai::responses::input_items))
        .route("/v1/embeddings", post(openai::embeddings))
        .route("/v1/rerank", post(openai::rerank))
        .route("/v1/score", post(openai::score))
        .route("/v1/models", get(openai::models))
        .route("/v1/models/{*name}", get(openai::model))
        .route("/tokenize", post(openai::tokenize))
        .route("/detokenize", post(openai::detokenize))
        .layer(from_fn_with_state(Arc::clone(&shared), limits::admit));
    let tensors = Router::new()
        .route("/v2", get(oip::server))
        .route("/v2/models/{name}", get(oip::model))
        .route("/v2/models/{name}/ready", get(oip::model_ready))
        .route("/v2/models/{name}/infer", post(oip::infer))
        .route("/v2/models/{name}/versions/{version}", get(oip::model))
        .route("/v2/models/{name}/versions/{version}/ready", get(oip::model_ready))
        .route("/v2/models/{name}/versions/{version}/infer", post(oip::infer))
        .layer(from_fn_with_state(Arc::clone(&shared), limits::admit))
        .layer(from_fn(oip::errors));
    let open = Router::new()
        .route("/", get(page::page))
        .route("/livez", get(health::live))
        .route("/health", get(health::live))
        .route("/version", get(health::version))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::document))
        .route("/v2/health/live", get(oip::live))
        .route("/v2/health/ready", get(oip::ready));
    let nowhere = |uri: axum::http::Uri| async move {
        ApiError::not_found(format!("there is no {} here", uri.path()), "unknown_url")
    };
    let mut all = api.merge(tensors).merge(open);
    if shared.settings.admin_key.is_some() {
        all = all.merge(admin::routes().layer(from_fn_with_state(Arc::clone(&shared), limits::admit_admin)));
    }
    all.fallback(nowhere)
        .method_not_allowed_fallback(async |method: axum::http::Method| ApiError::method(&method))
        .layer(from_fn_with_state(Arc::clone(&shared), origins::check))
        .layer(from_fn_with_state(Arc::clone(&shared), limits::observe))
        .with_state(shared)
}

/// Serves one model; see [`serve_models`].
pub async fn serve(
    listener: TcpListener,
    backend: Arc<dyn Backend>,
    settings: Settings,
    stop: impl Future<Output = Ending> + Send + 'static,
) -> std::io::Result<bool> {
    serve_models(listener, Arc::new(Models::of(backend)), settings, stop).await
}

/// Answers requests until `stop` says so; then takes no new ones and gives the running ones time.
/// Whether all of them ended in it. Who has the models loads those that are to be there from the start
/// ([`Models::start`]); requests for them wait.
pub async fn serve_models(
    listener: TcpListener,
    models: Arc<Models>,
    settings: Settings,
    stop: impl Future<Output = Ending> + Send + 'static,
) -> std::io::Result<bool> {
    let (delay, drain) = (settings.drain_delay, settings.drain);
    let limits = Limits { most: settings.max_connections, head: settings.head_timeout, idle: settings.idle_timeout };
    let shared = share(models, settings, listener.local_addr()?.ip().is_loopback());
    let closing = watch::Sender::new(false);
    let connections = Connections::new(limits);
    let stopped = async {
        let how = stop.await;
        shared.leaving.store(true, Ordering::Release);
        if how == Ending::Delayed {
            // Whoever routes requests here learns only now that it is not to.
            tokio::time::sleep(delay).await;
        }
        shared.draining.store(true, Ordering::Release);
        closing.send_replace(true);
    };
    tokio::join!(connections.accept(listener, build(Arc::clone(&shared)), closing.subscribe()), stopped);
    if tokio::time::timeout(drain, connections.ended()).await.is_ok() {
        return Ok(true);
    }
    // What is still running is told, and its clients are.
    shared.cut.send_replace(true);
    _ = tokio::time::timeout(LAST_WORDS, connections.ended()).await;
    Ok(false)
}
