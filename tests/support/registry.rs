//! A registry of the test's own: Debian's docker-registry, on a free port of this machine.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The user of a registry that asks for one.
pub const USER: &str = "author";
/// The user's password: planted, so that it can be looked for where it must not be.
pub const PASSWORD: &str = "planted-registry-password";
/// As htpasswd writes them.
const HTPASSWD: &str = "author:$2y$05$abcdefghijklmnopqrstuu7.Rffb/e3GvgNr9ynXYVmPMI0ht.mgC\n";

/// A registry that ends with the test.
pub struct Registry {
    child: Child,
    pub host: String,
    pub folder: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Registry {
    /// One that lets everybody do everything.
    pub fn open() -> Self {
        Self::start("")
    }

    /// One that lets only [`USER`] in.
    pub fn guarded() -> Self {
        Self::start("auth:\n  htpasswd:\n    realm: test\n    path: FOLDER/htpasswd\n")
    }

    fn start(auth: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("htpasswd"), HTPASSWD).expect("ours");
        // Somebody else may take the port in the moment in which nobody has it.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
            let host = format!("127.0.0.1:{port}");
            let config = format!(
                "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: FOLDER/data\n\
                 http:\n  addr: {host}\n{auth}"
            );
            let config = config.replace("FOLDER", &folder.path().display().to_string());
            let path = folder.path().join("config.yml");
            std::fs::write(&path, config).expect("ours");
            if let Some(child) = begin(&path, &host) {
                return Self { child, host, folder };
            }
        }
        panic!("docker-registry ended five times; docker-registry serve config.yml says why");
    }

    /// Stops it; it is not to be reached any more.
    pub fn stop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }

    /// `oci://HOST/name:tag`
    pub fn address(&self, name: &str) -> String {
        format!("oci://{}/{name}", self.host)
    }

    /// Status, headers in lower case, and body of a request of somebody who has no library.
    pub fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
        ask(&self.host, method, path, headers, body)
    }
}

/// Starts it and waits until it answers; nothing where it ends.
fn begin(config: &Path, host: &str) -> Option<Child> {
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap_or_else(|error| {
        panic!("docker-registry does not start ({error}); cargo xtask setup installs it, as apt-get install docker-registry does")
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(host).is_err() {
        if child.try_wait().expect("it is ours").is_some() {
            return None;
        }
        assert!(Instant::now() < deadline, "docker-registry does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(child)
}

/// A request over plain HTTP.
pub fn ask(host: &str, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(host).expect("it listens");
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head, answer[end + 4..].to_vec())
}

/// A server that gives the same answers to everybody, by path; 404 for others. Returns its address.
pub fn files(all: Vec<(String, Vec<u8>)>) -> String {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = socket.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        for stream in socket.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
                request.push(byte[0]);
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let (status, body) = match all.iter().find(|(known, _)| known == path) {
                Some((_, body)) => ("200 OK", &body[..]),
                None => ("404 Not Found", &b""[..]),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            // Who goes away does not want it.
            _ = stream.write_all(&[head.as_bytes(), body].concat());
        }
    });
    host
}
