//! A server of a model, and what a client without any library asks it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use llmhost_example_models::{Example, onnxruntime};

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
    Served { child, address }
}

/// The folder of an example model.
pub fn folder(example: Example) -> String {
    example.folder().expect("the model is made").display().to_string()
}

impl Served {
    /// Status and body of a request.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = self.send(method, path, body);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0), body.to_owned())
    }

    /// Sends a request; its answer is still to be read.
    pub fn send(&self, method: &str, path: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a time");
        let (address, length) = (&self.address, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
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
