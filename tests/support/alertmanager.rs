//! An Alertmanager of the test's own: Debian's prometheus-alertmanager, on a free port of this machine.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::registry::ask;

/// The user of an Alertmanager that asks for one.
pub const USER: &str = "ops";
/// The user's password: planted, so that it can be looked for where it must not be.
pub const PASSWORD: &str = "planted-alertmanager-password";
/// Both, as a header has them.
pub const AUTHORIZATION: &str = "Basic b3BzOnBsYW50ZWQtYWxlcnRtYW5hZ2VyLXBhc3N3b3Jk";
/// As bcrypt has the password, with the fewest rounds.
const HASH: &str = "$2b$04$pEFvbQlwAyjhUxc89itQH.GFGQvfRLr5VxMMj5S3rUY2vqFuN7XY.";
/// It notifies nobody.
const CONFIG: &str = "route: { receiver: none }\nreceivers: [{ name: none }]\n";

/// An Alertmanager that ends with the test.
pub struct Alertmanager {
    child: Child,
    host: String,
    _folder: tempfile::TempDir,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Alertmanager {
    /// One that lets everybody do everything.
    pub fn open() -> Self {
        Self::start("")
    }

    /// One that lets only [`USER`] in.
    pub fn guarded() -> Self {
        Self::start(&format!("basic_auth_users: {{ {USER}: '{HASH}' }}\n"))
    }

    fn start(web: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("alertmanager.yml"), CONFIG).expect("ours");
        std::fs::write(folder.path().join("web.yml"), web).expect("ours");
        // Somebody else may take the port in the moment in which nobody has it.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
            let host = format!("127.0.0.1:{port}");
            if let Some(child) = begin(folder.path(), &host) {
                return Self { child, host, _folder: folder };
            }
        }
        panic!(
            "prometheus-alertmanager ended five times; prometheus-alertmanager --config.file=alertmanager.yml says why"
        );
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    /// Its silences, those that ended among them, as somebody sees them who has nothing of llmhost.
    pub fn silences(&self) -> Vec<Value> {
        serde_json::from_slice(&self.asked("GET", "/api/v2/silences", b"")).expect("JSON")
    }

    /// Those that have not ended.
    pub fn active(&self) -> Vec<Value> {
        self.silences().into_iter().filter(|silence| silence["status"]["state"] != "expired").collect()
    }

    /// Ends a silence, as somebody does who has nothing of llmhost.
    pub fn expire(&self, id: &str) {
        self.asked("DELETE", &format!("/api/v2/silence/{id}"), b"");
    }

    /// Makes or changes a silence, as somebody does who has nothing of llmhost.
    pub fn post(&self, silence: &Value) {
        self.asked("POST", "/api/v2/silences", silence.to_string().as_bytes());
    }

    fn asked(&self, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        let headers = format!("Authorization: {AUTHORIZATION}\r\nContent-Type: application/json\r\n");
        let (status, head, body) = ask(&self.host, method, path, &headers, body);
        assert_eq!(status, 200, "{method} {path}: {head}\n{}", String::from_utf8_lossy(&body));
        body
    }
}

/// Starts it and waits until it answers; nothing where it ends.
fn begin(folder: &Path, host: &str) -> Option<Child> {
    let mut command = Command::new("prometheus-alertmanager");
    command.arg("--cluster.listen-address=").arg(format!("--web.listen-address={host}"));
    for (option, name) in
        [("config.file", "alertmanager.yml"), ("web.config.file", "web.yml"), ("storage.path", "data")]
    {
        command.arg(format!("--{option}={}", folder.join(name).display()));
    }
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap_or_else(|error| {
        panic!(
            "prometheus-alertmanager does not start ({error}); cargo xtask setup installs it, as apt-get install \
             prometheus-alertmanager does"
        )
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(host).is_err() {
        if child.try_wait().expect("it is ours").is_some() {
            return None;
        }
        assert!(Instant::now() < deadline, "prometheus-alertmanager does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(child)
}
