//! Headers that would make another request of one, or two.

use llmhost_http::{Class, Request};

use crate::support::{Say, World};

const GRANT: [&str; 1] = ["GET,POST http://api.example.com/*"];
const URL: &str = "http://api.example.com/x";

#[tokio::test]
async fn a_header_cannot_become_another_one() {
    let world = World::new(&GRANT, |_| Say::ok("")).await;
    for (name, value) in [
        ("x-a", "b\r\nHost: evil"),
        ("x-a", "b\nX-Evil: c"),
        ("x-a", "b\rX-Evil: c"),
        ("x-a", "b\0c"),
        ("x-a", "b\r\n\r\nGET /evil HTTP/1.1\r\n\r\n"),
        ("x-a", "\u{85}evil"),
        ("x-a\r\nHost", "evil"),
        ("x-a\nb", "evil"),
        ("x-a\0", "evil"),
        ("x-a: b", "evil"),
        ("x a", "evil"),
        ("", "evil"),
        (":authority", "evil"),
        ("x-ä", "evil"),
    ] {
        let error = world.refused(&Request::new("GET", URL).header(name, value)).await;
        assert_eq!((error.class(), error.may_have_reached), (Class::Invalid, false), "{name:?}: {value:?}: {error}");
        assert!(error.message().contains("header"), "{name:?}: {error}");
        assert!(!error.to_string().contains(['\r', '\n', '\0']), "{error:?}");
    }
    world.assert_quiet();
}

#[tokio::test]
async fn headers_of_the_connection_are_the_hosts() {
    let world = World::new(&GRANT, |_| Say::ok("")).await;
    for name in [
        "Host",
        "HOST",
        "Content-Length",
        "content_length",
        "Transfer-Encoding",
        "transfer_encoding",
        "Connection",
        "Keep-Alive",
        "Upgrade",
        "HTTP2-Settings",
        "Proxy-Authorization",
        "Proxy-Connection",
        "proxy_anything",
        "TE",
        "Trailer",
        "Expect",
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Original-URL",
        "X_Rewrite_URL",
    ] {
        let error = world.refused(&Request::new("POST", URL).header(name, "1")).await;
        assert_eq!(error.class(), Class::Invalid, "{error}");
        assert!(error.message().contains(&format!("'{name}'")), "{error}");
    }
    world.assert_quiet();
}

#[tokio::test]
async fn a_method_is_one_word_in_capitals() {
    let world = World::new(&GRANT, |_| Say::ok("")).await;
    for method in ["", "get", "GET ", "GET /evil HTTP/1.1\r\n", "G\0T", "CONNECT", "TRACE", "GÉT"] {
        let error = world.refused(&Request::new(method, URL)).await;
        assert_eq!(error.class(), Class::Invalid, "{method:?}: {error}");
    }
    world.assert_quiet();
}

#[tokio::test]
async fn what_may_be_said_arrives_as_it_was_said() {
    let world = World::new(&GRANT, |_| Say::ok("")).await;
    let request = Request::new("POST", URL)
        .header("Content-Type", "text/plain")
        .header("X-Tag", "one")
        .header("X-Tag", "zwei ü\t3")
        .header("Accept", "text/csv")
        .body("a body");
    world.client.send(&request).await.unwrap();
    let seen = world.server.last();
    let (head, body) = seen.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "a body");
    let mut lines: Vec<&str> = head.lines().collect();
    lines.sort();
    let version = concat!("user-agent: llmhost/", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        lines,
        [
            "POST /x HTTP/1.1",
            "accept-encoding: identity",
            "accept: text/csv",
            "connection: close",
            "content-length: 6",
            "content-type: text/plain",
            "host: api.example.com",
            version,
            "x-tag: one",
            "x-tag: zwei ü\t3",
        ]
    );
}

#[tokio::test]
async fn nothing_is_kept_between_requests() {
    let cookie = "HTTP/1.1 200 OK\r\nSet-Cookie: session=1\r\nContent-Length: 0\r\n\r\n";
    let world = World::new(&GRANT, move |_| Say::Whole(cookie.to_owned())).await;
    for _ in 0..2 {
        let answer = world.get(URL).await.unwrap();
        assert_eq!(answer.headers[0], ("set-cookie".to_owned(), "session=1".to_owned()));
        assert!(!world.server.last().contains("session"));
    }
    assert_eq!(world.play.dialled().len(), 2, "a connection for each");
}

#[tokio::test]
async fn an_error_of_the_server_is_an_answer() {
    let world = World::new(&GRANT, |_| Say::Whole("HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy".to_owned())).await;
    let answer = world.get(URL).await.unwrap();
    assert_eq!((answer.status, answer.body.as_ref()), (503, b"busy".as_ref()));
}
