//! The emulator starts, answers, and ends when it should.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr)]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use llmhost_emulator::testing::{Fault, RecordingProxy};
use llmhost_emulator::{Emulator, Kept};

fn answers(url: &str) -> bool {
    TcpStream::connect(url.trim_start_matches("http://")).is_ok()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn two_at_once_listen_on_ports_of_their_own_and_end_when_dropped() {
    let (one, two) = tokio::join!(Emulator::start(&|_| ()), Emulator::start(&|_| ()));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.url(), two.url());
    let url = one.url().to_owned();
    assert!(answers(&url) && answers(two.url()));
    drop(one);
    wait_until("the first is gone", || !answers(&url));
    assert!(answers(two.url()));
    two.stop().unwrap();
}

#[tokio::test]
async fn a_kept_one_is_found_again_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/emulator.json");
    assert_eq!(Kept::load(&file), None);
    let kept = Emulator::start(&|_| ()).await.unwrap().keep();
    kept.save(&file).unwrap();
    let found = Kept::load(&file).unwrap();
    assert!(found.is_alive());
    let url = found.url().to_owned();
    found.stop().unwrap();
    assert!(!answers(&url) && !kept.is_alive());
    kept.stop().unwrap();
}

/// Starts an emulator and says where; not a test of its own but the process that the next one kills.
#[test]
fn a_killed_parent_leaves_no_orphan() {
    if std::env::var_os("EMULATOR_TEST_CHILD").is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let emulator = runtime.block_on(Emulator::start(&|_| ())).unwrap();
        eprintln!("at {}", emulator.url());
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "a_killed_parent_leaves_no_orphan", "--nocapture"]).env("EMULATOR_TEST_CHILD", "1");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let url = lines.map_while(Result::ok).find_map(|line| Some(line.split_once("at http://")?.1.to_owned())).unwrap();
    assert!(answers(&url));
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the orphan is gone", || !answers(&url));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_passes_on_writes_down_and_spoils() {
    let emulator = Emulator::start(&|_| ()).await.unwrap();
    let proxy = RecordingProxy::start(emulator.url()).await.unwrap();
    let url = proxy.url().to_owned();
    let status = move || {
        let address = url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        std::io::Write::write_all(&mut stream, b"GET /moto-api/data.json HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.split(' ').nth(1).map(str::to_owned)
    };
    assert_eq!(status().as_deref(), Some("200"));
    proxy.inject(|request| request.path.starts_with("/moto-api"), 1, Fault::Status(500));
    assert_eq!(status().as_deref(), Some("500"));
    assert_eq!(status().as_deref(), Some("200"));
    assert_eq!((proxy.requests().len(), proxy.mutating()), (3, 0));
}
