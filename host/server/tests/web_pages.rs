//! Web pages in a browser on this machine, and who else may not ask a server that listens here.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{Script, all, started};
use llmhost_server::Settings;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What the server answers; `HOST` in the head is its own address.
async fn told(address: &str, head: &str, body: &str) -> String {
    let head = head.replace("HOST", address).replace('\n', "\r\n");
    let mut client = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let text = format!("{head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    client.write_all(text.as_bytes()).await.unwrap();
    all(&mut client).await
}

const BODY: &str = r#"{"prompt":"a b"}"#;

#[tokio::test]
async fn on_loopback_only_this_machine_and_its_own_page_are_answered() {
    let (address, _end, _server) = started(Script::new(), Settings::default()).await;
    let port = address.rsplit(':').next().unwrap();
    for (headers, status, words) in [
        ("Host: HOST".to_owned(), 200, "b a"),
        (format!("Host: localhost:{port}"), 200, "b a"),
        (format!("Host: [::1]:{port}"), 200, "b a"),
        ("Host: HOST\nOrigin: http://HOST".to_owned(), 200, "b a"),
        // A name that its owner points at 127.0.0.1 once the page is loaded.
        ("Host: rebound.example".to_owned(), 403, "--allow-origin http://rebound.example"),
        ("Host: rebound.example\nOrigin: http://rebound.example".to_owned(), 403, "host_not_allowed"),
        ("Host: HOST\nOrigin: https://evil.example".to_owned(), 403, "--allow-origin https://evil.example"),
        // Another server of this machine, and a page from a file.
        ("Host: HOST\nOrigin: http://localhost:3000".to_owned(), 403, "origin_not_allowed"),
        ("Host: HOST\nOrigin: null".to_owned(), 403, "origin_not_allowed"),
    ] {
        let head = format!("POST /v1/completions HTTP/1.1\n{headers}\nContent-Type: application/json");
        let answer = told(&address, &head, BODY).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(words), "{headers}: {answer}");
        assert!(!answer.contains("access-control"), "{answer}");
    }
    // Not the figures and the page either.
    for path in ["/", "/metrics", "/v1/models", "/readyz"] {
        let answer = told(&address, &format!("GET {path} HTTP/1.1\nHost: rebound.example"), "").await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn an_allowed_origin_may_ask_and_its_browser_is_told_so() {
    let origins = vec!["https://chat.example".to_owned(), "http://proxied.example:8443/".to_owned()];
    let settings = Settings { allowed_origins: origins, ..Settings::default() };
    let (address, _end, _server) = started(Script::new(), settings).await;
    let post = |headers: &str| format!("POST /v1/completions HTTP/1.1\n{headers}\nContent-Type: application/json");
    let answer = told(&address, &post("Host: HOST\nOrigin: https://chat.example"), BODY).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("access-control-allow-origin: https://chat.example\r\n"), "{answer}");
    let first = "OPTIONS /v1/completions HTTP/1.1\nHost: HOST\nOrigin: https://chat.example\n\
                 Access-Control-Request-Method: POST\nAccess-Control-Request-Headers: authorization,content-type";
    let answer = told(&address, first, "").await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert!(answer.contains("access-control-allow-headers: authorization,content-type\r\n"), "{answer}");
    let answer = told(&address, &post("Host: proxied.example:8443"), BODY).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for foreign in ["Host: HOST\nOrigin: https://chat.example.evil.example", "Host: proxied.example"] {
        let answer = told(&address, &post(foreign), BODY).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{foreign}: {answer}");
    }
}

#[tokio::test]
async fn a_server_for_others_takes_any_host_and_pages_read_nothing() {
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let address = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
    let stop = std::future::pending();
    let backend = std::sync::Arc::new(Script::new());
    tokio::spawn(llmhost_server::serve(listener, backend, Settings::default(), stop));
    let head =
        "POST /v1/completions HTTP/1.1\nHost: model.example\nOrigin: https://a.example\nContent-Type: application/json";
    let answer = told(&address, head, BODY).await;
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("access-control"), "{answer}");
}

#[tokio::test]
async fn requests_are_json_and_say_so() {
    let (address, _end, _server) = started(Script::new(), Settings::default()).await;
    for (kind, status) in [
        ("Content-Type: application/json", 200),
        ("Content-Type: Application/JSON; charset=utf-8", 200),
        // What pages may send to any server without asking first.
        ("Content-Type: text/plain", 415),
        ("Content-Type: application/x-www-form-urlencoded", 415),
        ("Content-Type: application/jsonp", 415),
        ("X-Nothing: 1", 415),
    ] {
        let answer = told(&address, &format!("POST /v1/completions HTTP/1.1\nHost: HOST\n{kind}"), BODY).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{kind}: {answer}");
        let is_told = answer.contains("send 'Content-Type: application/json'") && answer.contains("\"error\"");
        assert_eq!(is_told, status == 415, "{answer}");
    }
}
