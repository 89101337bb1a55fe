//! Servers on ports of their own: their clients come and go, stall, and see them end.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::{Script, all, says, send, started};
use llmhost_server::{Ending, Settings};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What a server answers to these bytes, until it closes the connection.
async fn told(address: &str, bytes: &str) -> String {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(bytes.replace("HOST", address).as_bytes()).await.unwrap();
    all(&mut client).await
}

async fn get(address: &str, path: &str) -> String {
    told(address, &format!("GET {path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n")).await
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_request() {
    let script = Script { pause: Duration::from_millis(20), ..Script::new() };
    let running = Arc::clone(&script.running);
    let (address, _end, _server) = started(script, Settings::default()).await;
    let long = "word ".repeat(60);
    let client = send(&address, &json!({ "messages": says(&long), "stream": true })).await;
    while running.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(client);
    let began = std::time::Instant::now();
    while running.load(Ordering::SeqCst) > 0 {
        assert!(began.elapsed() < Duration::from_millis(900), "it goes on without its client");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_server_that_ends_finishes_what_it_is_at_within_its_deadline() {
    for (words, drain, whole) in [(5, 5_000, true), (60, 100, false)] {
        let script = Script { pause: Duration::from_millis(20), ..Script::new() };
        let settings = Settings { drain: Duration::from_millis(drain), ..Settings::default() };
        let (address, end, server) = started(script, settings).await;
        let mut client = send(&address, &json!({ "messages": says(&"word ".repeat(words)), "stream": true })).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        end.send(Ending::AtOnce).unwrap();
        assert_eq!(server.await.unwrap(), whole);
        assert_eq!(all(&mut client).await.contains("[DONE]"), whole);
        assert!(tokio::net::TcpStream::connect(&address).await.is_err(), "nobody listens any more");
    }
}

#[tokio::test]
async fn a_streamed_response_that_is_cut_off_says_that_it_failed() {
    let body = json!({ "input": "word ".repeat(60), "stream": true }).to_string();
    let head = "POST /v1/responses HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nContent-Type: application/json";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for (drain, limit, words) in [(100, 60_000, "the server is shutting down"), (60_000, 200, "took too long")] {
        let script = Script { pause: Duration::from_millis(20), ..Script::new() };
        let running = Arc::clone(&script.running);
        let (drain, request_timeout) = (Duration::from_millis(drain), Duration::from_millis(limit));
        let (address, end, _server) = started(script, Settings { drain, request_timeout, ..Settings::default() }).await;
        let client = tokio::spawn({
            let (address, request) = (address.clone(), request.clone());
            async move { told(&address, &request).await }
        });
        while running.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        end.send(Ending::AtOnce).unwrap();
        let said = client.await.unwrap();
        let last = said.rsplit_once("event: response.failed").map(|(_, last)| last).unwrap_or_default();
        assert!(last.contains("\"code\":\"server_error\"") && last.contains(words), "{said}");
    }
}

#[tokio::test]
async fn a_thousand_clients_at_once_are_all_answered() {
    let (address, _end, _server) = started(Script::new(), Settings::default()).await;
    let one = |_| async {
        let mut client = send(&address, &json!({ "messages": says("a b") })).await;
        all(&mut client).await.starts_with("HTTP/1.1 200")
    };
    let answered = futures::future::join_all((0..1000).map(one)).await;
    assert_eq!(answered.into_iter().filter(|good| *good).count(), 1000);
}

#[tokio::test]
async fn a_server_that_is_to_end_says_so_and_still_answers_for_a_while() {
    let settings = Settings { drain_delay: Duration::from_millis(1500), ..Settings::default() };
    let (address, end, server) = started(Script::new(), settings).await;
    assert!(get(&address, "/readyz").await.starts_with("HTTP/1.1 200"));
    let began = Instant::now();
    end.send(Ending::Delayed).unwrap();
    let ready = loop {
        let ready = get(&address, "/readyz").await;
        if !ready.starts_with("HTTP/1.1 200") {
            break ready;
        }
    };
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("shutting down"), "{ready}");
    assert!(get(&address, "/livez").await.starts_with("HTTP/1.1 200"), "it lives");
    // A request that was routed here before anybody knew.
    let mut client = send(&address, &json!({ "messages": says("a b") })).await;
    let answer = all(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    assert!(server.await.unwrap());
    assert!(began.elapsed() >= Duration::from_millis(1500));
    assert!(TcpStream::connect(&address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_head_that_never_ends_is_closed_and_an_idle_connection_is_kept() {
    let settings = Settings {
        head_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_secs(20),
        ..Settings::default()
    };
    let (address, _end, _server) = started(Script::new(), settings).await;
    for begun in ["", "GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        let began = Instant::now();
        assert_eq!(told(&address, begun).await, "", "{begun}");
        assert!((200..5000).contains(&began.elapsed().as_millis()), "{:?} {begun}", began.elapsed());
    }
    // A drop now and then does not help.
    let mut client = TcpStream::connect(&address).await.unwrap();
    let (mut reader, mut writer) = client.split();
    let drip = async {
        writer.write_all(b"GET /livez HTTP/1.1\r\nX-Slow: ").await.unwrap();
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if writer.write_all(b"a").await.is_err() {
                return;
            }
        }
    };
    let closed = async {
        let mut byte = [0];
        tokio::io::AsyncReadExt::read(&mut reader, &mut byte).await.unwrap_or(0)
    };
    tokio::select! {
        () = drip => {}
        read = closed => assert_eq!(read, 0),
        () = tokio::time::sleep(Duration::from_secs(5)) => panic!("it waits for ever"),
    }
    // A second request on a connection that was idle for longer than a head may take; then a head that stalls.
    let mut client = TcpStream::connect(&address).await.unwrap();
    for _ in 0..2 {
        let request = format!("GET /livez HTTP/1.1\r\nHost: {address}\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 512];
        let length = tokio::io::AsyncReadExt::read(&mut client, &mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..length]));
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    let began = Instant::now();
    client.write_all(b"GET /livez HT").await.unwrap();
    assert_eq!(all(&mut client).await, "");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_body_that_stalls_is_answered_and_a_slow_answer_is_not_cut() {
    let limit = Duration::from_millis(150);
    let settings = || Settings { body_timeout: limit, head_timeout: limit, ..Settings::default() };
    let (address, _end, _server) = started(Script::new(), settings()).await;
    let head =
        "POST /v1/completions HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n";
    let answer = told(&address, &format!("{head}{{\"prompt\"")).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("did not arrive within 150ms"), "{answer}");
    // An answer takes as long as it takes.
    let slow = Script { pause: Duration::from_millis(30), ..Script::new() };
    let (address, _end, _server) = started(slow, settings()).await;
    let mut client = send(&address, &json!({ "messages": says(&"word ".repeat(20)), "stream": true })).await;
    assert!(all(&mut client).await.contains("[DONE]"));
}

#[tokio::test]
async fn connections_beyond_the_limit_are_told_so() {
    let settings = Settings { max_connections: 2, ..Settings::default() };
    let (address, _end, _server) = started(Script::new(), settings).await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        kept.push(TcpStream::connect(&address).await.unwrap());
    }
    let answer = get(&address, "/livez").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["error"]["code"], "too_many_connections");
    drop(kept.pop());
    let began = Instant::now();
    while !get(&address, "/livez").await.starts_with("HTTP/1.1 200") {
        assert!(began.elapsed() < Duration::from_secs(5), "a connection that was closed still counts");
    }
}
