//! A new server takes the place of an old one under traffic, as a Deployment does it: the signals, delays and grace are those
//! that the `inference` plugin writes into its manifests.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use llmhost_example_models::Example;
use serde_json::json;
use support::Scene;
use support::served::{Served, folder, serve};

/// `--drain-delay` and `--drain-seconds` of the plugin, and the grace of its pods.
const DRAIN_DELAY: &str = "5";
const DRAIN: &str = "30";
const GRACE: Duration = Duration::from_secs(45);
/// From a change of a pod's readiness until no node sends it new connections.
const SPREADS_IN: Duration = Duration::from_secs(2);
const CLIENTS: usize = 8;

/// A Service: new connections go to pods that were ready a while ago, in turn.
#[derive(Default)]
struct Service {
    ready: Mutex<Vec<String>>,
    next: AtomicUsize,
    is_over: AtomicBool,
}

impl Service {
    /// Listens on a free port until the test ends.
    fn start(self: &Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let service = Arc::clone(self);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let pod = service.pick();
                std::thread::spawn(move || {
                    if let Some(server) = pod.and_then(|pod| TcpStream::connect(pod).ok()) {
                        relay(client, server);
                    }
                });
            }
        });
        address
    }

    fn pick(&self) -> Option<String> {
        let ready = self.ready.lock().unwrap();
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        (!ready.is_empty()).then(|| ready[turn % ready.len()].clone())
    }

    /// Asks a pod whether it is ready, for as long as the test runs. What it says is known everywhere a while later.
    fn probe(self: &Arc<Self>, pod: &str) {
        let (service, pod) = (Arc::clone(self), pod.to_owned());
        std::thread::spawn(move || {
            let mut was_ready = false;
            while !service.is_over.load(Ordering::Relaxed) {
                let is_ready = request(&pod, "GET", "/readyz", "").is_ok_and(|(status, _)| status == 200);
                if is_ready != was_ready {
                    was_ready = is_ready;
                    std::thread::sleep(SPREADS_IN);
                    let mut ready = service.ready.lock().unwrap();
                    ready.retain(|other| *other != pod);
                    ready.extend(is_ready.then(|| pod.clone()));
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
    }

    fn wait_for(&self, pods: &[&str]) {
        let began = Instant::now();
        let are = || {
            let mut ready = self.ready.lock().unwrap().clone();
            ready.sort();
            ready
        };
        let mut wanted: Vec<String> = pods.iter().map(|pod| (*pod).to_owned()).collect();
        wanted.sort();
        while are() != wanted {
            assert!(began.elapsed() < Duration::from_secs(60), "{:?} are ready", are());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Copies both ways until either end closes.
fn relay(client: TcpStream, server: TcpStream) {
    let (mut up, mut down) = ((client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client));
    let upward = std::thread::spawn(move || {
        _ = std::io::copy(&mut up.0, &mut up.1);
        _ = up.1.shutdown(Shutdown::Write);
    });
    _ = std::io::copy(&mut down.0, &mut down.1);
    _ = down.1.shutdown(Shutdown::Both);
    _ = upward.join();
}

/// Status and body of a request on a connection of its own; an error where the connection is lost.
fn request(address: &str, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(GRACE))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or(std::io::ErrorKind::InvalidData)?, body.to_owned()))
}

/// One client's request, and what is wrong with its answer.
fn ask(address: &str, client: usize, number: usize) -> Result<(), String> {
    let is_streamed = client.is_multiple_of(2);
    let body = json!({ "prompt": format!("client {client} asks {number}"), "max_tokens": 20 + 30 * (client % 4),
        "temperature": 0, "ignore_eos": true, "stream": is_streamed });
    let (status, answer) =
        request(address, "POST", "/v1/completions", &body.to_string()).map_err(|error| error.to_string())?;
    let is_whole =
        if is_streamed { answer.contains("data: [DONE]") } else { answer.contains("\"finish_reason\":\"length\"") };
    if status == 200 && is_whole { Ok(()) } else { Err(format!("{status}: {answer}")) }
}

fn pod(scene: &Scene) -> Served {
    let args = ["--model", &folder(Example::Tiny), "--threads", "1", "--context", "256"];
    serve(scene, &[&args[..], &["--drain-delay", DRAIN_DELAY, "--drain-seconds", DRAIN]].concat())
}

/// Ends the clients, also where the test fails: the scope waits for them.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_rollout_under_traffic_fails_no_request() {
    let scene = Scene::new();
    let service = Arc::new(Service::default());
    let address = service.start();
    let mut old = pod(&scene);
    service.probe(&old.address);
    service.wait_for(&[&old.address]);
    let (answered, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let _probes = Ending(&service.is_over);
    std::thread::scope(|scope| {
        let ending = Ending(&is_over);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (address, answered, is_over) = (&address, &answered, &is_over);
                scope.spawn(move || {
                    let mut failed = Vec::new();
                    for number in 0.. {
                        if is_over.load(Ordering::Relaxed) {
                            break;
                        }
                        match ask(address, client, number) {
                            Ok(()) => _ = answered.fetch_add(1, Ordering::Relaxed),
                            Err(error) => failed.push(error),
                        }
                    }
                    failed
                })
            })
            .collect();
        let more = |count: usize| {
            let (before, began) = (answered.load(Ordering::Relaxed), Instant::now());
            while answered.load(Ordering::Relaxed) < before + count {
                assert!(began.elapsed() < Duration::from_secs(60), "nobody is answered");
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        more(3 * CLIENTS);
        // One more than before, then one less: maxSurge 1, maxUnavailable 0.
        let new = pod(&scene);
        service.probe(&new.address);
        service.wait_for(&[&old.address, &new.address]);
        more(3 * CLIENTS);
        let pid = i32::try_from(old.child.id()).unwrap();
        // SAFETY: `kill` takes plain numbers; the process is this test's own child.
        assert_eq!(unsafe { libc::kill(pid, libc::SIGTERM) }, 0);
        let told = Instant::now();
        let status = loop {
            if let Some(status) = old.child.try_wait().unwrap() {
                break status;
            }
            assert!(told.elapsed() < GRACE, "it would be killed now");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{status}");
        assert!(told.elapsed() >= Duration::from_secs(5), "it takes requests that are on their way");
        service.wait_for(&[&new.address]);
        more(3 * CLIENTS);
        drop(ending);
        let failed: Vec<String> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        assert!(failed.is_empty(), "{} of {} failed: {failed:?}", failed.len(), answered.load(Ordering::Relaxed));
    });
}
