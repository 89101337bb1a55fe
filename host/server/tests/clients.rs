//! Client libraries, as they are published, against a server of a scripted assistant.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "common/assistant.rs"]
mod assistant;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use assistant::Assistant;
use llmhost_example_models::python;
use llmhost_python_env::Environment;
use llmhost_server::{Ending, Settings, serve};
use tokio::process::Command;

/// Libraries that want another version of OpenAI's client than the one that is tested alone.
const LIBRARIES: Environment = Environment {
    name: "api-clients",
    requirements: include_str!("clients/requirements.txt"),
    variable: "LLMHOST_API_CLIENTS_VENV",
};

/// Runs a program of a client against a server of its own.
async fn run(python: PathBuf, program: &str) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (end, ended) = tokio::sync::oneshot::channel::<Ending>();
    let stop = async move { ended.await.unwrap_or(Ending::AtOnce) };
    let server =
        tokio::spawn(async move { serve(listener, Arc::new(Assistant::new()), Settings::default(), stop).await });
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(program);
    let output = Command::new(python).arg(program).arg(address).kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    end.send(Ending::AtOnce).unwrap();
    assert!(server.await.unwrap().unwrap(), "no request is left running");
}

#[tokio::test(flavor = "multi_thread")]
async fn openais_client_makes_responses() {
    run(python().unwrap(), "openai_responses.py").await;
}

async fn with_libraries(program: &str) {
    let python = tokio::task::spawn_blocking(|| LIBRARIES.python(&|_| ()).unwrap()).await.unwrap();
    run(python, program).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_run_on_responses() {
    with_libraries("openai_agents.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn langchain_makes_responses() {
    with_libraries("langchain_openai_responses.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn litellm_makes_responses() {
    with_libraries("litellm_responses.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instructor_fills_classes_by_responses() {
    with_libraries("instructor_responses.py").await;
}
