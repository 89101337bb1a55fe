//! Other hosts, ports, schemes, methods and paths than those that were granted.

use llmhost_http::{Class, Entry, Grant, Request};

use crate::support::{Say, World};

const GRANT: [&str; 4] = [
    "http://api.example.com/v1/*",
    "GET,POST http://alerts.example.com:9093/api/v2/silences*",
    "http://*.wild.example.com/*",
    "https://secure.example.com/*",
];

#[tokio::test]
async fn what_was_granted_is_sent_as_it_was_checked() {
    let world = World::new(&GRANT, |_| Say::ok("hello")).await;
    for (method, url, line, host) in [
        ("GET", "http://api.example.com/v1/x?a=b&c#d", "GET /v1/x?a=b&c HTTP/1.1", "api.example.com"),
        ("HEAD", "http://API.EXAMPLE.COM:80/v1/%7ex", "HEAD /v1/~x HTTP/1.1", "api.example.com"),
        (
            "POST",
            "http://alerts.example.com:9093/api/v2/silences",
            "POST /api/v2/silences HTTP/1.1",
            "alerts.example.com:9093",
        ),
        ("GET", "http://a.b.wild.example.com/", "GET / HTTP/1.1", "a.b.wild.example.com"),
        ("GET", "http://api.example.com/v2/../v1/x", "GET /v1/x HTTP/1.1", "api.example.com"),
    ] {
        let answer = world.client.send(&Request::new(method, url)).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(answer.status, 200, "{url}");
        let seen = world.server.last();
        assert_eq!(seen.lines().next(), Some(line));
        let hosts: Vec<&str> = seen.lines().filter_map(|line| line.strip_prefix("host: ")).collect();
        assert_eq!(hosts, [host]);
    }
}

#[tokio::test]
async fn what_was_not_granted_is_refused_with_the_entry_that_would_allow_it() {
    let world = World::new(&GRANT, |_| Say::ok("")).await;
    for (method, url, problem, entry) in [
        ("GET", "http://evil.example/v1/x", "no entry covers the host evil.example", "GET http://evil.example/v1/x"),
        (
            "GET",
            "http://api.example.com.evil.example/v1/x",
            "no entry covers the host",
            "GET http://api.example.com.evil.example/v1/x",
        ),
        ("GET", "http://xapi.example.com/v1/x", "no entry covers the host", "GET http://xapi.example.com/v1/x"),
        ("GET", "http://wild.example.com/", "no entry covers the host", "GET http://wild.example.com/"),
        ("GET", "http://evilwild.example.com/", "no entry covers the host", "GET http://evilwild.example.com/"),
        ("GET", "https://api.example.com/v1/x", "has only the scheme http", "GET https://api.example.com/v1/x"),
        ("GET", "http://secure.example.com/v1/x", "has only the scheme https", "GET http://secure.example.com/v1/x"),
        ("GET", "http://api.example.com:8080/v1/x", "has only the port 80", "GET http://api.example.com:8080/v1/x"),
        (
            "GET",
            "http://alerts.example.com/api/v2/silences",
            "has only the port 9093",
            "GET http://alerts.example.com/api/v2/silences",
        ),
        ("POST", "http://api.example.com/v1/x", "has only the method GET, HEAD", "POST http://api.example.com/v1/x"),
        (
            "HEAD",
            "http://alerts.example.com:9093/api/v2/silences",
            "has only the method GET, POST",
            "HEAD http://alerts.example.com:9093/api/v2/silences",
        ),
        (
            "DELETE",
            "http://alerts.example.com:9093/api/v2/silences/1",
            "has only the method",
            "DELETE http://alerts.example.com:9093/api/v2/silences/1",
        ),
        ("GET", "http://api.example.com/v1", "has only the path /v1/*", "GET http://api.example.com/v1"),
        ("GET", "http://api.example.com/v1/../admin", "has only the path", "GET http://api.example.com/admin"),
        ("GET", "http://api.example.com/v1/%2e%2e/admin", "has only the path", "GET http://api.example.com/admin"),
        ("GET", "http://api.example.com/v1/.%2E/admin", "has only the path", "GET http://api.example.com/admin"),
        ("GET", "http://api.example.com/v1;/../admin", "has only the path", "GET http://api.example.com/admin"),
        ("GET", "http://api.example.com/V1/x", "has only the path", "GET http://api.example.com/V1/x"),
        ("GET", "http://api.example.com/v1%2fx", "has only the path", "GET http://api.example.com/v1%2Fx"),
        ("GET", "http://api.example.com/v1/a%2Fb", "has only the path", "GET http://api.example.com/v1/a%2Fb"),
        ("GET", "http://api.example.com/v2/*", "has only the path", "GET http://api.example.com/v2/%2A"),
        ("GET", "http://api.example.com/?/v1/x", "has only the path", "GET http://api.example.com/"),
        ("GET", "http://api.example.com/#/v1/x", "has only the path", "GET http://api.example.com/"),
    ] {
        let request = Request::new(method, url);
        let error = world.client.check(&request).expect_err(url);
        assert_eq!(world.refused(&request).await, error, "{url}");
        assert_eq!((error.class(), error.may_have_reached), (Class::NotGranted, false), "{url}: {error}");
        assert!(error.message().contains(problem), "{url}: {error}");
        assert_eq!(error.advice(), format!("to allow it, grant \"{entry}\""), "{url}");
        // What the advice says is true, and goes no further.
        let granted = Grant::parse(&[entry]).unwrap_or_else(|error| panic!("{error}"));
        let client = llmhost_http::Client::new(granted, Default::default()).unwrap();
        assert_eq!(client.check(&request), Ok(()), "{entry}");
    }
    world.assert_quiet();
    assert_eq!(world.play.asked(), [""; 0], "no name was looked up");
}

#[tokio::test]
async fn what_readers_disagree_on_is_not_sent_at_all() {
    let world = World::new(&GRANT, |_| Say::ok("")).await;
    for (url, problem) in [
        ("http://api.example.com/v1//admin", "an empty segment"),
        ("http://api.example.com//v1/x", "an empty segment"),
        ("http://api.example.com/v1/..%2fadmin", "a segment of dots"),
        ("http://api.example.com/v1/%2e%2e%2fadmin", "a segment of dots"),
        ("http://api.example.com/v1/..%5cadmin", "a backslash"),
        ("http://api.example.com/v1/..\\admin", "a backslash"),
        ("http://api.example.com/v1/..;/admin", "a semicolon"),
        ("http://api.example.com/v1/x;a=b", "a semicolon"),
        ("http://api.example.com/v1/%252e%252e/admin", "encoded twice"),
        ("http://api.example.com/v1/%c0%ae%c0%ae/admin", "not UTF-8"),
        ("http://api.example.com/v1/x%00.json", "a control character"),
        ("http://api.example.com/v1/x%0d%0aHost:%20evil", "a control character"),
        ("http://api.example.com/v1/%x", "a % without two hexadecimal digits"),
        ("http://api.example.com\\@evil.example/v1/x", "a backslash"),
        ("http://api.example.com@evil.example/v1/x", "a user or a password"),
        ("http://evil.example@api.example.com/v1/x", "a user or a password"),
        ("http://api.example.com./v1/x", "ends with a dot"),
        ("http://.wild.example.com/", "two dots in a row"),
        ("http://a..wild.example.com/", "two dots in a row"),
        ("http:api.example.com/v1/x", "not a whole URL"),
        ("http:///api.example.com/v1/x", "not a whole URL"),
        ("http://api.example.com/v1/x HTTP/1.1\r\nHost: evil", "a space"),
        ("http://api.example.com/v1/\r\nHost: evil", "a line break"),
        ("http://api.exa\tmple.com/v1/", "a control character"),
        ("gopher://api.example.com/v1/x", "scheme is not http"),
        ("", "not a whole URL"),
    ] {
        let error = world.refused(&Request::new("GET", url)).await;
        assert_eq!((error.class(), error.may_have_reached), (Class::Invalid, false), "{url}: {error}");
        assert!(error.message().contains(problem), "{url}: {error}");
    }
    world.assert_quiet();
}

#[test]
fn a_grant_says_itself_and_nothing_is_granted_by_nothing() {
    let grant = Grant::parse(&["POST,GET https://a.example.com:443/x/**", "http://localhost:9093/*"]).unwrap();
    assert_eq!(grant.to_string(), r#"["GET,POST https://a.example.com/x/*", "http://localhost:9093/*"]"#);
    assert_eq!(grant.entries()[0], "GET,POST https://a.example.com/x/*".parse::<Entry>().unwrap());
    let client = llmhost_http::Client::new(Grant::default(), Default::default()).unwrap();
    assert!(client.check(&Request::new("GET", "http://localhost/")).is_err());
}
