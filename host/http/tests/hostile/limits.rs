//! Servers that say too much, too slowly, or something else than they announce.

use std::time::{Duration, Instant};

use llmhost_http::{Class, Failure, Part, Phase, Request};

use crate::support::{SILENT, Say, Server, Setting, World};

const GRANT: [&str; 2] = ["GET,POST,HEAD http://api.example.com/*", "http://slow.example.com/*"];
const URL: &str = "http://api.example.com/x";
const QUICK: Duration = Duration::from_millis(1);

fn small(setting: &mut Setting) {
    setting.limits(|limits| {
        limits.request_body = 1000;
        limits.response_body = 1000;
        limits.headers = 20;
        limits.header_bytes = 4 << 10;
        limits.total = Duration::from_millis(700);
        limits.connect = Duration::from_millis(400);
    });
}

async fn told(say: Say) -> Failure {
    let world = World::with(&GRANT, move |_| say.clone(), small).await;
    let started = Instant::now();
    let error = world.refused(&Request::new("GET", URL)).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{error}");
    assert!(error.may_have_reached, "{error}");
    error.failure
}

#[tokio::test]
async fn a_body_has_an_end() {
    let kilobyte = "x".repeat(1000);
    let chunk = format!("3e8\r\n{kilobyte}\r\n");
    for say in [
        Say::Endless("HTTP/1.1 200 OK\r\n\r\n".into(), kilobyte.clone(), QUICK),
        Say::Endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".into(), chunk, QUICK),
        Say::Endless("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".into(), kilobyte.clone(), QUICK),
        Say::Silence("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n".into()),
    ] {
        let failure = told(say).await;
        let expected = "the body of the answer of http://api.example.com/x has more than 1000 bytes";
        assert_eq!((failure.class(), failure.message().as_str()), (Class::TooLarge, expected));
    }
    let world = World::with(&GRANT, move |_| Say::ok(&kilobyte), small).await;
    assert_eq!(world.get(URL).await.unwrap().body.len(), 1000, "so much it may have");
}

#[tokio::test]
async fn headers_have_an_end() {
    let many: String = (0..21).map(|number| format!("x-{number}: y\r\n")).collect();
    for say in [
        Say::Endless("HTTP/1.1 200 OK\r\n".into(), "x-more: and more\r\n".into(), Duration::ZERO),
        Say::Endless("HTTP/1.1 200 OK\r\nx-more: ".into(), "and more ".repeat(100), Duration::ZERO),
        Say::Endless(String::new(), "HTTP/1.1 200 ".repeat(100), Duration::ZERO),
        Say::Silence(format!("HTTP/1.1 200 OK\r\n{many}\r\n")),
        Say::Silence(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(4100))),
    ] {
        let failure = told(say).await;
        let expected = "the headers of the answer of http://api.example.com/x are more than 20 headers or 4096 bytes";
        assert_eq!((failure.class(), failure.message().as_str()), (Class::TooLarge, expected));
    }
    let trailer = "x-more: and more\r\n".to_owned();
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n".to_owned();
    let failure = told(Say::Endless(chunked, trailer, Duration::ZERO)).await;
    assert!(matches!(failure.class(), Class::TooLarge | Class::Protocol), "{failure:?}");
    let endless = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".to_owned();
    let failure = told(Say::Endless(String::new(), endless, QUICK)).await;
    assert!(matches!(failure, Failure::Timeout { phase: Phase::Answer, .. }), "{failure:?}");
}

#[tokio::test]
async fn time_has_an_end_and_the_phase_is_told() {
    let millis = "took longer than 700 ms";
    let failure = told(Say::Endless("HTTP/1.1 200 OK\r\n\r\n".into(), "x".into(), Duration::from_millis(50))).await;
    assert_eq!(failure.message(), format!("reading the body of the answer of api.example.com:80 {millis}"));
    let failure = told(Say::Silence(String::new())).await;
    assert_eq!(failure.message(), format!("waiting for the answer of api.example.com:80 {millis}"));
    let failure = told(Say::Endless("HTTP/1.1 200 OK\r\n".into(), "x".into(), Duration::from_millis(50))).await;
    assert!(matches!(failure, Failure::Timeout { phase: Phase::Answer, .. }), "{failure:?}");

    let world = World::with(
        &GRANT,
        |_| Say::ok(""),
        |setting| {
            small(setting);
            setting.name("api.example.com", &[&[SILENT]]);
        },
    );
    let world = world.await;
    for (url, message) in [
        (URL, "connecting to api.example.com:80 took longer than 400 ms"),
        ("http://slow.example.com/", "looking up the name of slow.example.com took longer than 400 ms"),
    ] {
        let error = world.refused(&Request::new("GET", url)).await;
        assert_eq!(
            (error.class(), error.may_have_reached, error.message()),
            (Class::Timeout, false, message.to_owned())
        );
    }
}

#[tokio::test]
async fn so_many_requests_at_a_time_and_the_others_wait() {
    let set = |setting: &mut Setting| {
        small(setting);
        setting.limits(|limits| limits.at_a_time = 1);
    };
    let say = |request: &str| match request.contains("/slow") {
        true => Say::Silence(String::new()),
        false => Say::ok(""),
    };
    let world = World::with(&GRANT, say, set).await;
    let slow = Request::new("GET", "http://api.example.com/slow");
    {
        let mut first = std::pin::pin!(world.client.send(&slow));
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut first).await.is_err());
        let error = world.refused(&Request::new("GET", URL)).await;
        assert_eq!((error.may_have_reached, error.class()), (false, Class::Timeout), "{error}");
        assert!(matches!(error.failure, Failure::Timeout { phase: Phase::Turn, .. }), "{error}");
        assert!(matches!(first.await.unwrap_err().failure, Failure::Timeout { phase: Phase::Answer, .. }));
    }
    assert_eq!(world.get(URL).await.unwrap().status, 200, "turns come back");
    // One that is dropped gives its turn back, too.
    assert!(tokio::time::timeout(Duration::from_millis(50), world.client.send(&slow)).await.is_err());
    assert_eq!(world.get(URL).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_body_is_as_long_as_it_says() {
    let whole = |text: &str| Say::Whole(format!("HTTP/1.1 200 OK\r\n{text}"));
    for say in [
        whole("Content-Length: 10\r\n\r\nshort"),
        whole("Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"),
        whole("Transfer-Encoding: chunked\r\n\r\nzz\r\nshort\r\n0\r\n\r\n"),
        whole("Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nshort"),
        whole("Content-Length: 5\r\nContent-Length: 6\r\n\r\nshort!"),
        whole("Content-Length: -5\r\n\r\nshort"),
        whole("Content-Length: +5\r\n\r\nshort"),
        whole("no colon\r\n\r\n"),
        whole("a b: c\r\n\r\n"),
        Say::Whole("HTTP/1.1 200 OK\r\nConte".to_owned()),
        Say::Whole("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_owned()),
        Say::Whole("SSH-2.0-OpenSSH_9.9\r\n".to_owned()),
        Say::Whole("hello".to_owned()),
        Say::Whole(String::new()),
        Say::Whole("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
    ] {
        let failure = told(say).await;
        assert_eq!(failure.class(), Class::Protocol, "{failure:?}");
        assert!(failure.message().starts_with("the answer of http://api.example.com/x cannot be used: "));
    }
    // What comes after the end is nobody's.
    let more = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let world = World::new(&GRANT, move |_| Say::Whole(more.to_owned())).await;
    for _ in 0..2 {
        assert_eq!(world.get(URL).await.unwrap().body, "hello");
    }
    // A HEAD announces a body that is not there.
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n";
    let world = World::new(&GRANT, move |_| Say::Whole(head.to_owned())).await;
    assert_eq!(world.client.send(&Request::new("HEAD", URL)).await.unwrap().body, "");
}

#[tokio::test]
async fn nothing_is_decompressed() {
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbomb";
    let world = World::new(&GRANT, move |_| Say::Whole(head.to_owned())).await;
    assert_eq!(world.get(URL).await.unwrap().body, "bomb");
    assert!(world.server.last().contains("accept-encoding: identity\r\n"));
}

#[tokio::test]
async fn a_request_has_limits_too() {
    let world = World::on(Server::start(|_| Say::ok("")).await, &GRANT, small);
    let long = "x".repeat(9000);
    let many = (0..21).fold(Request::new("GET", URL), |request, n| request.header(&format!("x-{n}"), "y"));
    for (request, part) in [
        (Request::new("POST", URL).body("x".repeat(1001)), Part::RequestBody),
        (Request::new("GET", URL).header("x-long", &long), Part::RequestHeaders),
        (many, Part::RequestHeaders),
        (Request::new("GET", &format!("{URL}?{long}")), Part::Url),
    ] {
        let error = world.refused(&request).await;
        assert!(!error.may_have_reached && error.to_string().len() < 400, "{error}");
        assert!(matches!(error.failure, Failure::TooLarge { part: told, .. } if told == part), "{error}");
    }
    world.assert_quiet();
}

#[tokio::test]
async fn a_server_that_ends_at_once_may_have_got_the_request() {
    let world = World::new(&GRANT, |_| Say::Whole(String::new())).await;
    let error = world.refused(&Request::new("POST", URL).body("order")).await;
    assert_eq!((error.class(), error.may_have_reached), (Class::Protocol, true));
    assert_eq!(
        error.message(),
        "the answer of http://api.example.com/x cannot be used: the connection closed before the response was complete"
    );
}
