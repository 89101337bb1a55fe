//! The model servers of a rehearsal: the very program that the image would run, with the container's arguments, on a
//! loopback port of this machine. It fetches the model from the emulated bucket, and is asked once.

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use llmhost_engine::run::Cancel;
use llmhost_inference::runtime::{Runtime, Search};
use llmhost_resources::{AwsSettings, ModelServer};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::failure::Failure;

/// How often a server is asked whether it is ready.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(120);
/// Tokens of an answer.
const TOKENS: u32 = 32;
/// Lines of a server's own words that a failure shows.
const LAST_LINES: usize = 12;
/// Options of the container that mean something else here, each with a value.
const REPLACED: [&str; 5] = ["--host", "--port", "--cache", "--device", "--drain-delay"];

/// What came of one server.
pub(crate) enum Served {
    /// It answered.
    Answered(String),
    /// It could not be run here, and why; that is no fault of the pipeline.
    Skipped(String),
}

/// Starts a server, waits until it is ready, asks it, and stops it.
pub(crate) async fn serve(
    server: &ModelServer,
    settings: &AwsSettings,
    question: &str,
    cancel: &Cancel,
) -> Result<Served, Failure> {
    let model = server.option("--model").unwrap_or_default();
    if !model.starts_with("s3://") {
        return Ok(Served::Skipped(format!("{} reads its model from {model}, which only a node has", server.name)));
    }
    let library = tokio::task::spawn_blocking(|| Runtime::load(&Search::usual(None)).map(drop)).await;
    if let Ok(Err(error)) = library {
        let reason = format!("{error}. llmhost doctor --install installs ONNX Runtime");
        return Ok(Served::Skipped(reason));
    }
    let folder = tempfile::tempdir().map_err(|error| failed(server, format!("no temporary folder: {error}"), &[]))?;
    let port = free_port().map_err(|error| failed(server, format!("no free port: {error}"), &[]))?;
    let mut running = Running::start(server, settings, folder.path(), port)?;
    let limit = Duration::from_secs(server.startup_seconds);
    let work = async {
        let began = Instant::now();
        let model = running.ready(server, began, limit).await?;
        let seconds = began.elapsed().as_secs_f64();
        let said = running.ask(server, &model, question).await?;
        let provider = model["provider"].as_str().unwrap_or("unknown");
        Ok(format!("{} was ready after {seconds:.1} s on {provider}; {said}", server.name))
    };
    let result = tokio::select! {
        result = work => result.map(Served::Answered),
        () = cancel.cancelled() => Err(Failure::Interrupted),
    };
    running.stop().await;
    result
}

/// A server on this machine. It ends when this is dropped, and when this process dies.
struct Running {
    child: Child,
    port: u16,
    said: Arc<Mutex<VecDeque<String>>>,
}

impl Running {
    fn start(
        server: &ModelServer,
        settings: &AwsSettings,
        cache: &std::path::Path,
        port: u16,
    ) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(|error| failed(server, error.to_string(), &[]))?;
        let mut command = Command::new(program);
        command.args(arguments(server)).args(["--host", "127.0.0.1", "--device", "auto", "--drain-delay", "0"]);
        command.arg("--port").arg(port.to_string()).arg("--cache").arg(cache).args(["--region", &settings.region]);
        if let Some(url) = &settings.endpoint_url {
            command.args(["--endpoint-url", url]);
        }
        command.envs(server.env.iter().map(|(name, value)| (name, value)));
        // Its secrets are the emulator's, which are worth nothing.
        command.envs(server.secret_env.iter().map(|name| (name, KEY)));
        if let Some((key, secret)) = &settings.access_key {
            command.env("AWS_ACCESS_KEY_ID", key).env("AWS_SECRET_ACCESS_KEY", secret).env_remove("AWS_SESSION_TOKEN");
        }
        command.env_remove("AWS_PROFILE").env("NO_COLOR", "1");
        // A group of its own: Ctrl-C in the terminal is for this process, which stops the server.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        ends_with_this_process(&mut command);
        let mut child = command.spawn().map_err(|error| failed(server, error.to_string(), &[]))?;
        let said = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(stderr) = child.stderr.take() {
            let said = Arc::clone(&said);
            tokio::spawn(async move {
                let mut lines = BufReader::new(stderr).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let mut said = said.lock().unwrap_or_else(|broken| broken.into_inner());
                    said.push_back(line);
                    if said.len() > LAST_LINES {
                        said.pop_front();
                    }
                }
            });
        }
        Ok(Self { child, port, said })
    }

    /// Waits until it says that it is ready, and gives what it says of its model.
    async fn ready(&mut self, server: &ModelServer, began: Instant, limit: Duration) -> Result<Value, Failure> {
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                // What it said last may still be on its way.
                tokio::time::sleep(PAUSE).await;
                return Err(failed(server, format!("the server ended before it was ready ({status})"), &self.words()));
            }
            // One that accepts and never answers is not waited for longer than the probe would.
            let left = limit.saturating_sub(began.elapsed()).max(PAUSE);
            let answer = tokio::time::timeout(left, self.request("GET", "/readyz", None)).await;
            if let Ok(Ok((200, body))) = answer {
                return Ok(body["model"].clone());
            }
            if began.elapsed() > limit {
                let reason = format!("the server was not ready after {} s, as its probe demands", limit.as_secs());
                return Err(failed(server, reason, &self.words()));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks what a model of its kind can be asked.
    async fn ask(&self, server: &ModelServer, model: &Value, question: &str) -> Result<String, Failure> {
        let is = |what: &str| model[what] == true;
        let generated = json!({ "max_tokens": TOKENS, "temperature": 0 });
        let (path, mut body) = if is("chats") {
            ("/v1/chat/completions", json!({ "messages": [{ "role": "user", "content": question }] }))
        } else if is("generates") {
            ("/v1/completions", json!({ "prompt": question }))
        } else if is("embeds") {
            ("/v1/embeddings", json!({ "input": question }))
        } else {
            return Ok("it generates no text, and was asked nothing".to_owned());
        };
        if let (Some(body), Some(more), false) = (body.as_object_mut(), generated.as_object(), is("embeds")) {
            body.extend(more.clone());
        }
        let began = Instant::now();
        let answer = tokio::time::timeout(ANSWER, self.request("POST", path, Some(&body))).await;
        let answer = match answer {
            Ok(Ok((200, answer))) => answer,
            Ok(Ok((status, answer))) => {
                let message = answer["error"]["message"].as_str().unwrap_or("no message").to_owned();
                return Err(failed(
                    server,
                    format!("POST {path} was answered with {status}: {message}"),
                    &self.words(),
                ));
            }
            Ok(Err(error)) => return Err(failed(server, format!("POST {path} got no answer: {error}"), &self.words())),
            Err(_) => {
                let reason = format!("POST {path} got no answer within {} s", ANSWER.as_secs());
                return Err(failed(server, reason, &self.words()));
            }
        };
        let seconds = began.elapsed().as_secs_f64();
        let choice = &answer["choices"][0];
        let text = choice["message"]["content"].as_str().or(choice["text"].as_str());
        let tokens = answer["usage"]["completion_tokens"].as_u64().unwrap_or(0);
        Ok(match text {
            Some(text) => format!("asked {question:?}, it answered {text:?} ({tokens} tokens in {seconds:.1} s)"),
            None => {
                let size = answer["data"][0]["embedding"].as_array().map_or(0, Vec::len);
                format!("it made an embedding of {size} numbers in {seconds:.1} s")
            }
        })
    }

    /// A request over plain HTTP, and the JSON of its answer.
    async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> std::io::Result<(u16, Value)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nAuthorization: Bearer {KEY}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
    }

    fn words(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(|broken| broken.into_inner()).iter().cloned().collect()
    }

    async fn stop(mut self) {
        // One that has ended is not there to be stopped.
        let _ = self.child.kill().await;
    }
}

/// Stands for every secret of a server that is rehearsed.
const KEY: &str = "rehearsal";

/// The container's arguments, without those that mean something else here.
fn arguments(server: &ModelServer) -> Vec<&str> {
    let mut kept = Vec::new();
    let mut all = server.args.iter().map(String::as_str);
    while let Some(arg) = all.next() {
        let is_one_word =
            REPLACED.iter().any(|option| arg.strip_prefix(option).is_some_and(|rest| rest.starts_with('=')));
        if REPLACED.contains(&arg) {
            all.next();
        } else if !is_one_word {
            kept.push(arg);
        }
    }
    kept
}

/// A port of the loopback address that nobody has in this moment.
fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A second Ctrl-C ends this process at once, and nobody is left to stop the server.
fn ends_with_this_process(command: &mut Command) {
    #[cfg(target_os = "linux")]
    // SAFETY: between fork and exec, one system call that takes plain numbers.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

fn failed(server: &ModelServer, reason: String, said: &[String]) -> Failure {
    let said = if said.is_empty() { String::new() } else { format!("\nIts last words:\n  {}", said.join("\n  ")) };
    Failure::Other {
        message: format!("rehearsal, serve: {}: {reason}{said}", server.name),
        help: "The image would run the same program with the same model. Correct what it says, or leave this out with --no-serve."
            .to_owned(),
        status: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(args: &str) -> ModelServer {
        ModelServer {
            address: "server/kube.object/deployment".parse().expect("an address"),
            name: "server".to_owned(),
            image: "llmhost:1".to_owned(),
            args: args.split_whitespace().map(str::to_owned).collect(),
            env: Vec::new(),
            secret_env: Vec::new(),
            limits: Value::Null,
            node_selector: Value::Null,
            startup_seconds: 1,
        }
    }

    #[tokio::test]
    async fn a_server_that_accepts_and_never_answers_is_not_waited_for_longer_than_its_limit() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let child = Command::new("sleep").arg("60").kill_on_drop(true).spawn().expect("it starts");
        let mut running = Running { child, port, said: Arc::default() };
        let server = server("");
        let ready = running.ready(&server, Instant::now(), Duration::from_millis(200));
        let ended = tokio::time::timeout(Duration::from_secs(30), ready).await.expect("it ends");
        let failure = ended.expect_err("it never answers").to_string();
        assert!(failure.contains("was not ready"), "{failure}");
    }

    #[test]
    fn the_containers_arguments_are_kept_but_for_what_is_of_the_container() {
        let server = server(
            "serve --model s3://b/m --device cuda --host 0.0.0.0 --port 8000 --cache /var/cache/llmhost \
             --drain-delay 5 --drain-seconds 30 --max-batch 4 --port=9",
        );
        assert_eq!(arguments(&server).join(" "), "serve --model s3://b/m --drain-seconds 30 --max-batch 4");
    }
}
