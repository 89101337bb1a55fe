//! Redirects out of the grant, in circles, away from TLS, and with what belongs to another origin.

use llmhost_http::{Class, HttpError, Request};

use crate::support::{Say, Setting, World};

const GRANT: [&str; 4] = [
    "GET,HEAD,POST,PUT http://api.example.com/v1/*",
    "http://files.example.com/*",
    "PUT http://store.example.com/*",
    "http://rebound.example.com/*",
];
const FROM: &str = "http://api.example.com/v1/from";

async fn redirected(to: &str, status: u16, request: Request) -> (World, Result<u16, HttpError>) {
    let to = to.to_owned();
    let say = move |request: &str| match request.contains("/v1/from") {
        true => Say::redirect(status, &to),
        false => Say::ok("there"),
    };
    let answers: [&[&str]; 1] = [&["169.254.169.254"]];
    let set = |setting: &mut Setting| setting.name("rebound.example.com", &answers);
    let world = World::with(&GRANT, say, set).await;
    let answer = world.client.send(&request).await.map(|answer| answer.status);
    (world, answer)
}

#[tokio::test]
async fn a_redirect_is_held_against_the_grant_anew() {
    for (to, why) in [
        ("http://evil.example/v1/x", "no entry covers the host evil.example"),
        ("//evil.example/v1/x", "no entry covers the host evil.example"),
        ("http://api.example.com:8080/v1/x", "has only the port 80"),
        ("https://api.example.com/v1/x", "has only the scheme http"),
        ("/admin", "has only the path /v1/*"),
        ("../admin", "has only the path /v1/*"),
        ("http://169.254.169.254/latest/meta-data/", "a metadata service"),
        ("http://2852039166/latest/meta-data/", "a metadata service"),
        ("http://[::ffff:169.254.169.254]/", "a metadata service"),
        ("http://rebound.example.com/", "a metadata service"),
        ("http://localhost/", "no entry covers the host localhost"),
        ("http://127.0.0.1/", "no entry covers the host 127.0.0.1"),
        ("ftp://api.example.com/v1/x", "its scheme is not http or https"),
        ("file:///etc/passwd", "its scheme is not http or https"),
        ("http://u:p@api.example.com/v1/x", "a user or a password"),
        ("http:\\\\evil.example", "a backslash"),
        ("/v1//admin", "an empty segment"),
        ("/v1/..;/admin", "a semicolon"),
        ("http://[/", "cannot be read"),
    ] {
        let (world, answer) = redirected(to, 302, Request::new("GET", FROM)).await;
        let error = answer.expect_err(to);
        assert_eq!((error.class(), error.may_have_reached), (Class::Redirect, true), "{to}: {error}");
        assert!(error.message().starts_with(&format!("{FROM} redirects to ")), "{to}: {error}");
        assert!(error.message().contains(why), "{to}: {error}");
        assert_eq!(world.server.seen().len(), 1, "{to}");
    }
    let (_, answer) = redirected("http://evil.example/v1/x?key=1", 302, Request::new("GET", FROM)).await;
    assert_eq!(
        answer.unwrap_err().to_string(),
        "http://api.example.com/v1/from redirects to http://evil.example/v1/x?…, and that is refused: the grant does not \
         cover GET http://evil.example/v1/x?…: no entry covers the host evil.example; to allow it, grant \"GET \
         http://evil.example/v1/x\""
    );
}

#[tokio::test]
async fn the_method_follows_the_rules_and_has_to_be_granted_there() {
    let there = "/v1/there";
    for (method, status, then) in [
        ("GET", 301, "GET"),
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("PUT", 302, "PUT"),
        ("PUT", 303, "GET"),
        ("HEAD", 303, "HEAD"),
        ("POST", 307, "POST"),
        ("PUT", 308, "PUT"),
    ] {
        let request = Request::new(method, FROM).header("Content-Type", "text/plain").body("a body");
        let (world, answer) = redirected(there, status, request).await;
        assert_eq!(answer.unwrap(), 200);
        let seen = world.server.last();
        assert!(seen.starts_with(&format!("{then} /v1/there ")), "{method} {status}: {seen}");
        let keeps = then == method && status != 303;
        assert_eq!(seen.ends_with("a body"), keeps, "{method} {status}: {seen}");
        assert_eq!(seen.contains("content-type"), keeps, "{method} {status}: {seen}");
    }
    // A method that is granted here and not there.
    for (to, method, status) in [("http://files.example.com/", "POST", 307), ("http://store.example.com/", "POST", 303)]
    {
        let (world, answer) = redirected(to, status, Request::new(method, FROM)).await;
        assert!(answer.unwrap_err().message().contains("has only the method"));
        assert_eq!(world.server.seen().len(), 1);
    }
}

#[tokio::test]
async fn to_another_origin_go_harmless_headers_alone() {
    let request = Request { basic: Some(("me".into(), "password".into())), ..Request::new("GET", FROM) }
        .header("X-Api-Key", "key")
        .header("Cookie", "session")
        .header("Accept", "text/csv");
    let (world, answer) = redirected("http://files.example.com/x", 302, request.clone()).await;
    assert_eq!(answer.unwrap(), 200);
    assert!(world.server.seen()[0].contains("authorization: Basic bWU6cGFzc3dvcmQ="));
    let seen = world.server.last();
    assert!(seen.contains("host: files.example.com\r\n") && seen.contains("accept: text/csv"), "{seen}");
    for gone in ["authorization", "x-api-key", "cookie"] {
        assert!(!seen.contains(gone), "{seen}");
    }
    let (world, answer) = redirected("/v1/there", 302, request).await;
    assert_eq!(answer.unwrap(), 200);
    assert!(world.server.last().contains("authorization") && world.server.last().contains("x-api-key: key"));
}

#[tokio::test]
async fn redirects_come_to_an_end() {
    let (world, answer) = redirected(FROM, 302, Request::new("GET", FROM)).await;
    assert_eq!(
        answer.unwrap_err().to_string(),
        "http://api.example.com/v1/from redirects to http://api.example.com/v1/from, and that is refused: it exceeds the limit of 5 redirects; request the final URL directly; if there is none, the server redirects \
         in a loop"
    );
    assert_eq!(world.server.seen().len(), 6);
    // No more than five, whatever the limit says.
    let many = |setting: &mut Setting| setting.limits(|limits| limits.redirects = 1000);
    let world = World::with(&GRANT[..1], |_| Say::redirect(302, "/v1/from"), many).await;
    assert_eq!(world.refused(&Request::new("GET", FROM)).await.class(), Class::Redirect);
    assert_eq!(world.server.seen().len(), 6);
}

#[tokio::test]
async fn a_redirect_that_is_not_followed_is_an_answer() {
    let request = Request { follow: false, ..Request::new("GET", FROM) };
    let (world, answer) = redirected("http://evil.example/", 302, request).await;
    assert_eq!(answer.unwrap(), 302);
    assert_eq!(world.server.seen().len(), 1);
    for said in ["HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nLocation: /x\r\n\r\n"]
    {
        let world = World::new(&GRANT[..1], move |_| Say::Whole(said.to_owned())).await;
        assert!(matches!(world.get(FROM).await.unwrap().status, 302 | 304));
    }
}

#[tokio::test]
async fn two_places_are_none() {
    let said = "HTTP/1.1 302 Found\r\nLocation: /v1/a\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n";
    let world = World::new(&GRANT[..1], move |_| Say::Whole(said.to_owned())).await;
    let error = world.refused(&Request::new("GET", FROM)).await;
    assert!(error.message().contains("it is not clear which one applies"), "{error}");
}

#[tokio::test]
async fn after_a_redirect_the_request_may_have_been_there() {
    let set = |setting: &mut Setting| setting.name("files.example.com", &[&[crate::support::DEAD]]);
    let world = World::with(&GRANT[..2], |_| Say::redirect(302, "http://files.example.com/"), set).await;
    let error = world.refused(&Request::new("POST", FROM)).await;
    assert_eq!((error.class(), error.may_have_reached), (Class::Connect, true), "{error}");
}
