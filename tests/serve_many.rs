//! A server in company: thousands of requests, a thousand clients at once, clients that do not read.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::{BufReader, Read};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use llmhost_example_models::Example;
use serde_json::{Value, json};
use support::Scene;
use support::served::{Served, again, folder, serve};

fn completion(number: usize, more: &Value) -> String {
    let mut body = json!({ "prompt": format!("request {number}"), "max_tokens": 2, "temperature": 0 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

/// The sum over all models.
fn metric(served: &Served, name: &str) -> u64 {
    let (_, metrics) = served.ask("GET", "/metrics", "");
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix('{')?.split_once("} ")?.1.parse::<f64>().ok();
    let values: Vec<f64> = metrics.lines().filter_map(value).collect();
    assert!(!values.is_empty(), "no {name} in {metrics}");
    values.into_iter().sum::<f64>() as u64
}

/// Until nothing runs and nothing waits.
fn settle(served: &Served) {
    let began = Instant::now();
    while metric(served, "llmhost_batch_size") + metric(served, "llmhost_queue_depth") > 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "requests are left over");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn ten_thousand_requests_good_bad_and_broken_off_leave_memory_as_it_was() {
    let scene = Scene::new();
    let served = serve(&scene, &["--model", &folder(Example::Tiny), "--context", "256", "--threads", "1"]);
    let answered = AtomicUsize::new(0);
    let some = |from: usize, to: usize| {
        let connect = || BufReader::new(TcpStream::connect(&served.address).unwrap());
        let mut connection = connect();
        for number in from..to {
            let (body, expected) = match number % 10 {
                0 => ("{\"prompt\": ".to_owned(), 400),
                1 => (completion(number, &json!({ "max_tokens": -1 })), 400),
                2 => (completion(number, &json!({ "prompt": "x ".repeat(2_000) })), 400),
                3 => {
                    // Gone before the end, or before the beginning.
                    let body = completion(number, &json!({ "max_tokens": 200, "ignore_eos": true, "stream": true }));
                    let mut stream = served.send("POST", "/v1/completions", &body);
                    if number % 20 == 3 {
                        stream.read_exact(&mut [0; 64]).unwrap();
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                4 => (completion(number, &json!({ "logprobs": 5, "max_tokens": 3 })), 200),
                _ => (completion(number, &json!({})), 200),
            };
            let (status, answer) = again(&mut connection, "/v1/completions", &body);
            assert_eq!(status, expected, "{answer}");
            answered.fetch_add(1, Ordering::Relaxed);
            if number % 100 == 99 {
                connection = connect();
            }
        }
    };
    let all = |from: usize, to: usize| {
        let each = (to - from) / 8;
        std::thread::scope(|scope| {
            (0..8).for_each(|part| {
                scope.spawn(move || some(from + part * each, from + (part + 1) * each));
            });
        });
        settle(&served);
    };
    let all = &all;
    all(0, 2_000);
    let before = served.resident();
    all(2_000, 10_000);
    let grown = served.resident().saturating_sub(before);
    assert_eq!(answered.load(Ordering::Relaxed), 10_000);
    assert!(grown < 8 << 20, "8,000 requests took {grown} bytes more");
}

#[test]
fn a_thousand_clients_at_once_get_an_answer_or_are_told_to_come_back() {
    let scene = Scene::new();
    let args = ["--model", &folder(Example::Tiny), "--context", "128", "--queue", "64", "--threads", "1"];
    let served = serve(&scene, &args);
    let (good, busy) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..1_000 {
            let (served, good, busy) = (&served, &good, &busy);
            let client = move || {
                let body = completion(number, &json!({ "max_tokens": 16, "ignore_eos": true }));
                let (status, answer) = served.ask("POST", "/v1/completions", &body);
                match status {
                    200 => good.fetch_add(1, Ordering::Relaxed),
                    429 => busy.fetch_add(1, Ordering::Relaxed),
                    _ => panic!("{status}: {answer}"),
                };
            };
            std::thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, client).unwrap();
        }
    });
    let (good, busy) = (good.into_inner(), busy.into_inner());
    assert_eq!(good + busy, 1_000);
    assert!(good >= 64, "{good} answered");
    settle(&served);
    assert_eq!(served.ask("POST", "/v1/completions", &completion(1, &json!({}))).0, 200);
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    let scene = Scene::new();
    let args = ["--model", &folder(Example::Tiny), "--context", "512", "--max-batch", "2", "--threads", "1"];
    let served = serve(&scene, &args);
    let long = json!({ "max_tokens": 480, "ignore_eos": true, "stream": true, "stream_options": { "include_usage": true }, "logprobs": 5 });
    // More than the slots, and more bytes than the connections hold.
    let mut silent: Vec<TcpStream> =
        (0..4).map(|number| served.send("POST", "/v1/completions", &completion(number, &long))).collect();
    let began = Instant::now();
    let (status, answer) = served.ask("POST", "/v1/completions", &completion(9, &json!({})));
    assert_eq!(status, 200, "{answer}");
    assert!(began.elapsed() < Duration::from_secs(30), "it waited {:?}", began.elapsed());
    settle(&served);
    // Whoever comes back to read finds all of it.
    let mut whole = String::new();
    silent[0].read_to_string(&mut whole).unwrap();
    assert!(whole.contains("data: [DONE]"), "it ends with {}", &whole[whole.len().saturating_sub(200)..]);
    assert!(whole.contains("\"completion_tokens\":480"), "events are missing: {whole}");
}
