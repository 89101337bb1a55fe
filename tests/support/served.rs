//! A server of a model, and what a client without any library asks it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use llmhost_example_models::{Example, onnxruntime, python};

use super::Scene;

/// A server that ends with the test.
pub struct Served {
    pub child: Child,
    pub address: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Starts a server on a free port and waits until it listens.
pub fn serve(scene: &Scene, args: &[&str]) -> Served {
    serve_and_hear(scene, args).0
}

/// The same, with what it says before it listens.
pub fn serve_and_hear(scene: &Scene, args: &[&str]) -> (Served, String) {
    let library = onnxruntime().expect("the library is there");
    let mut command = scene.command(&["serve", "--port", "0", "--device", "cpu", "--onnxruntime"]);
    command.arg(library).args(args).stderr(Stdio::piped());
    let mut child = command.spawn().expect("llmhost starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut said = String::new();
    let address = loop {
        let mut line = String::new();
        assert!(stderr.read_line(&mut line).expect("it is text") > 0, "it ended: {said}");
        if let Some((_, rest)) = line.split_once("http://") {
            break rest.split_whitespace().next().expect("an address").to_owned();
        }
        said += &line;
    };
    // Nobody reads on, and nobody is to wait for that.
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    (Served { child, address }, said)
}

/// A connection that is kept open: status and body of a request.
pub fn again(stream: &mut BufReader<TcpStream>, path: &str, body: &str) -> (u16, String) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.get_mut().write_all(format!("{head}{body}").as_bytes()).expect("it reads");
    let (mut status, mut length, mut line) = (0, 0, String::new());
    while line != "\r\n" {
        line.clear();
        assert!(stream.read_line(&mut line).expect("it is text") > 0, "the connection was closed");
        if status == 0 {
            status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).expect("it is whole");
    (status, String::from_utf8(answer).expect("it is text"))
}

/// The tiny encoder with a head of one label, in this folder: a reranker.
pub fn cross_encoder(folder: &Path) {
    let whole = Example::TinyEmbeddings.folder().expect("the model is made");
    std::fs::create_dir_all(folder).expect("a folder");
    for name in ["model.onnx", "tokenizer.json"] {
        std::fs::copy(whole.join(name), folder.join(name)).expect("copied");
    }
    let config = std::fs::read(whole.join("config.json")).expect("read");
    let mut config: serde_json::Value = serde_json::from_slice(&config).expect("JSON");
    config["architectures"] = serde_json::json!(["BertForSequenceClassification"]);
    std::fs::write(folder.join("config.json"), config.to_string()).expect("written");
    let program = super::repository().join("host/inference/tests/reference/cross_encoder.py");
    let mut child =
        Command::new(python().expect("Python")).arg(program).stdin(Stdio::piped()).spawn().expect("it starts");
    let task = serde_json::json!({ "make": { "folder": folder, "labels": 1 } });
    child.stdin.take().expect("it is piped").write_all(task.to_string().as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success());
}

/// The folder of an example model.
pub fn folder(example: Example) -> String {
    example.folder().expect("the model is made").display().to_string()
}

impl Served {
    /// Status and body of a request.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.ask_with(method, path, "", body)
    }

    /// As above, with a key.
    pub fn ask_with(&self, method: &str, path: &str, key: &str, body: &str) -> (u16, String) {
        let mut stream = self.send_with(method, path, key, body);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0), body.to_owned())
    }

    /// Sends a request; its answer is still to be read.
    pub fn send(&self, method: &str, path: &str, body: &str) -> TcpStream {
        self.send_with(method, path, "", body)
    }

    fn send_with(&self, method: &str, path: &str, key: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a time");
        let (address, length) = (&self.address, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Authorization: Bearer {key}\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).expect("it reads");
        stream
    }

    /// Bytes of the server in memory.
    pub fn resident(&self) -> usize {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).expect("Linux");
        let pages: usize = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
        pages * 4096
    }
}
