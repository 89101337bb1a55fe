//! The chat page in headless Chromium, in front of a scripted assistant.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "common/assistant.rs"]
mod assistant;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use assistant::Assistant;
use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use llmhost_python_env::Environment;
use llmhost_server::{
    Backend, EmbedRequest, Ending, Event, Failure, GenerateRequest, ModelInfo, Pair, Prompt, Settings, Stats, Tools,
    serve,
};
use tokio::process::Command;

const BROWSER: Environment = Environment {
    name: "playwright",
    requirements: include_str!("page/requirements.txt"),
    variable: "LLMHOST_PLAYWRIGHT_VENV",
};

/// The assistant, which takes its time where it is told so.
struct Slow(Assistant);

#[async_trait]
impl Backend for Slow {
    fn info(&self) -> &ModelInfo {
        self.0.info()
    }

    fn stats(&self) -> Stats {
        self.0.stats()
    }

    async fn generate(&self, request: GenerateRequest) -> Result<BoxStream<'static, Result<Event, Failure>>, Failure> {
        let is_slow = match &request.prompt {
            Prompt::Messages { messages, .. } => {
                messages.last().and_then(|last| last.content.as_deref()).is_some_and(|text| text.contains("slow"))
            }
            _ => false,
        };
        let pause = if is_slow { Duration::from_millis(80) } else { Duration::ZERO };
        let events = self.0.generate(request).await?;
        let slowly = events.then(move |event| async move {
            tokio::time::sleep(pause).await;
            event
        });
        Ok(slowly.boxed())
    }

    async fn embed(&self, request: EmbedRequest) -> Result<(Vec<Vec<f32>>, usize), Failure> {
        self.0.embed(request).await
    }

    async fn score(&self, pairs: Vec<Pair>) -> Result<(Vec<f32>, usize), Failure> {
        self.0.score(pairs).await
    }

    async fn tokenize(&self, prompt: Prompt, tools: Option<Tools>, special: bool) -> Result<Vec<u32>, Failure> {
        self.0.tokenize(prompt, tools, special).await
    }

    async fn detokenize(&self, tokens: Vec<u32>) -> Result<String, Failure> {
        self.0.detokenize(tokens).await
    }
}

/// Chromium, as Debian and others install it.
fn chromium() -> String {
    let stated = std::env::var("LLMHOST_CHROMIUM").ok();
    let places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let found = places.into_iter().find(|path| Path::new(path).is_file()).map(str::to_owned);
    stated.or(found).expect("Chromium is there; cargo xtask setup installs it, as apt-get install chromium does")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chat_page_works_in_a_browser() {
    let python = tokio::task::spawn_blocking(|| BROWSER.python(&|_| ()).unwrap()).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (end, ended) = tokio::sync::oneshot::channel::<Ending>();
    let stop = async move { ended.await.unwrap_or(Ending::AtOnce) };
    let backend = Arc::new(Slow(Assistant::new()));
    let server = tokio::spawn(async move { serve(listener, backend, Settings::default(), stop).await });
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/chat.py");
    let mut command = Command::new(python);
    command.arg(program).args([&address, &chromium()]).args(std::env::var_os("LLMHOST_PICTURES")).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{failed}");
    assert_eq!(said.lines().count(), 10, "{said}");
    end.send(Ending::AtOnce).unwrap();
    server.await.unwrap().unwrap();
}
