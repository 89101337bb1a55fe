//! A model that is a script, servers of it, and clients.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use futures::stream::{BoxStream, StreamExt};
use llmhost_server::{
    Backend, EmbedRequest, Ending, Event, Failure, Finish, GenerateRequest, LogProb, ModelInfo, Pair, Prompt, Settings,
    Stats, TokenEvent, Tools, Usage, router, serve,
};
use serde_json::{Value, json};
use tower::ServiceExt;

/// Says its prompt backwards, a word a token.
pub(crate) struct Script {
    pub(crate) info: ModelInfo,
    pub(crate) running: Arc<AtomicUsize>,
    pub(crate) busy: bool,
    pub(crate) pause: Duration,
    /// What it was asked last.
    pub(crate) asked: Arc<Mutex<Option<Prompt>>>,
}

impl Script {
    pub(crate) fn new() -> Self {
        let info = ModelInfo {
            name: "script".into(),
            provider: "CPUExecutionProvider".into(),
            context: 64,
            generates: true,
            chats: true,
            embeds: true,
            ..ModelInfo::default()
        };
        Self { info, running: Arc::default(), busy: false, pause: Duration::ZERO, asked: Arc::default() }
    }
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Backend for Script {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn stats(&self) -> Stats {
        let running = self.running.load(Ordering::SeqCst);
        let guessed = Stats { proposed_tokens: 7, accepted_tokens: 5, ..Stats::default() };
        Stats { running, draft_proposed_tokens: 9, draft_accepted_tokens: 8, ..guessed }
    }

    async fn generate(&self, request: GenerateRequest) -> Result<BoxStream<'static, Result<Event, Failure>>, Failure> {
        *self.asked.lock().unwrap() = Some(request.prompt.clone());
        let text = match &request.prompt {
            Prompt::Text(text) => text.clone(),
            Prompt::Tokens(tokens) => tokens.iter().map(|token| format!("{token} ")).collect(),
            Prompt::Messages { messages, .. } => messages.last().unwrap().content.clone().unwrap_or_default(),
        };
        let words: Vec<String> = text.split_whitespace().rev().map(str::to_owned).collect();
        let prompt_tokens = words.len();
        match () {
            () if self.busy => return Err(Failure::Busy),
            () if prompt_tokens > self.info.context => {
                return Err(Failure::invalid("the prompt is longer than the context of 64 tokens", Some("messages")));
            }
            () => {}
        }
        self.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(Arc::clone(&self.running));
        let most = request.max_tokens.unwrap_or(usize::MAX);
        let finish = if words.len() > most { Finish::Length } else { Finish::Stop };
        let (pause, top) = (self.pause, request.top_logprobs);
        let explode = text.contains("explode");
        let usage = Usage { prompt_tokens, cached_tokens: 0, completion_tokens: words.len().min(most) };
        let events = words.into_iter().take(most).map(move |word| {
            if explode {
                return Err(Failure::Internal("it exploded".into()));
            }
            let one = |token: &str| LogProb { token: token.into(), bytes: token.into(), logprob: -0.5, top: vec![] };
            let logprob = top.map(|top| LogProb { top: vec![one("other"); top], ..one(&word) });
            Ok(Event::Token(TokenEvent { text: format!("{word} "), logprob }))
        });
        let events = events.chain([Ok(Event::Done { finish, usage })]).collect::<Vec<_>>();
        let events = futures::stream::iter(events).then(move |event| {
            _ = &running;
            async move {
                tokio::time::sleep(pause).await;
                event
            }
        });
        Ok(events.boxed())
    }

    async fn embed(&self, request: EmbedRequest) -> Result<(Vec<Vec<f32>>, usize), Failure> {
        Ok((vec![vec![1.0, 0.0]; request.inputs.len()], request.inputs.len()))
    }

    async fn score(&self, _: Vec<Pair>) -> Result<(Vec<f32>, usize), Failure> {
        Err(Failure::Internal("it only generates".into()))
    }

    /// A token a word, which is its length; a 0 in front where special tokens are wanted.
    async fn tokenize(&self, prompt: Prompt, _: Option<Tools>, special: bool) -> Result<Vec<u32>, Failure> {
        let text = match prompt {
            Prompt::Text(text) => text,
            Prompt::Messages { messages, .. } => {
                messages.into_iter().map(|message| message.content.unwrap_or_default() + " ").collect()
            }
            Prompt::Tokens(tokens) => return Ok(tokens),
        };
        let words = text.split_whitespace().map(|word| word.len() as u32);
        Ok(special.then_some(0).into_iter().chain(words).collect())
    }

    async fn detokenize(&self, tokens: Vec<u32>) -> Result<String, Failure> {
        Ok(tokens.iter().map(|token| format!("{token} ")).collect())
    }
}

pub(crate) async fn ask(script: Script, settings: Settings, path: &str, body: impl Into<Body>) -> (StatusCode, String) {
    let request = Request::post(path).header("content-type", "application/json").body(body.into()).unwrap();
    let response = router(Arc::new(script), settings).oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

pub(crate) fn says(text: &str) -> Value {
    json!([{ "role": "system", "content": "short" }, { "role": "user", "content": text }])
}

/// A server on a port of its own, and how to end it.
pub(crate) async fn started(
    script: Script,
    settings: Settings,
) -> (String, tokio::sync::oneshot::Sender<Ending>, tokio::task::JoinHandle<bool>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (end, ended) = tokio::sync::oneshot::channel::<Ending>();
    let stop = async move { ended.await.unwrap_or(Ending::AtOnce) };
    let server = tokio::spawn(async move { serve(listener, Arc::new(script), settings, stop).await.unwrap() });
    (address, end, server)
}

pub(crate) async fn send(address: &str, body: &Value) -> tokio::net::TcpStream {
    use tokio::io::AsyncWriteExt;
    let body = body.to_string();
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    client
}

pub(crate) async fn all(client: &mut tokio::net::TcpStream) -> String {
    use tokio::io::AsyncReadExt;
    let mut text = String::new();
    // A connection that is cut has said what it had to say.
    _ = client.read_to_string(&mut text).await;
    text
}
