//! Secrets where they could be read, where they were not granted for, and where a server would like to have them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use llmhost_http::{Class, Grant, Request, Secrets, Token};

use crate::support::{Say, Setting, World};

/// Tokens are `<<secret:NAME>>`.
#[derive(Clone, Default)]
struct Safe {
    values: BTreeMap<&'static str, &'static str>,
    audiences: BTreeMap<&'static str, Grant>,
    read: Arc<Mutex<Vec<String>>>,
    hidden: Arc<Mutex<Vec<String>>>,
}

impl Safe {
    fn with(mut self, name: &'static str, value: &'static str, audience: &[&str]) -> Self {
        self.values.insert(name, value);
        self.audiences.insert(name, Grant::parse(audience).unwrap());
        self
    }

    fn read(&self) -> Vec<String> {
        self.read.lock().unwrap().clone()
    }
}

#[async_trait]
impl Secrets for Safe {
    fn tokens(&self, text: &str) -> Vec<Token> {
        let starts = text.match_indices("<<secret:").map(|(start, _)| start);
        starts
            .filter_map(|start| {
                let end = start + text[start..].find(">>")?;
                Some(Token { at: start..end + 2, name: text[start + 9..end].to_owned() })
            })
            .collect()
    }

    fn audience(&self, name: &str) -> Option<&Grant> {
        self.audiences.get(name)
    }

    async fn value(&self, name: &str) -> Result<String, String> {
        self.read.lock().unwrap().push(name.to_owned());
        self.values.get(name).map(|value| (*value).to_owned()).ok_or_else(|| "it is not there".to_owned())
    }

    fn hide(&self, form: &str) {
        self.hidden.lock().unwrap().push(form.to_owned());
    }
}

const GRANT: [&str; 4] = [
    "GET,POST http://api.example.com/*",
    "GET,POST http://other.example.com/*",
    "GET,POST http://api.example.com:8080/*",
    "http://silent.example.com/*",
];
const URL: &str = "http://api.example.com/v1/x";
const VALUE: &str = "hunter2 \"ü\" &\\";

fn safe() -> Safe {
    Safe::default()
        .with("key", VALUE, &["GET,POST http://api.example.com/v1/*"])
        .with("two-lines", "begin\r\nX-Evil: 1", &["GET,POST http://api.example.com/*"])
        .with("token", "plain-t0ken", &["GET,POST http://api.example.com/*"])
}

async fn world(handler: impl Fn(&str) -> Say + Send + Sync + 'static) -> (World, Safe) {
    let safe = safe();
    let copy = safe.clone();
    (World::with(&GRANT, handler, |setting: &mut Setting| setting.secrets(copy)).await, safe)
}

#[tokio::test]
async fn a_value_takes_the_place_of_its_token_when_it_is_sent() {
    let (world, safe) = world(|_| Say::ok("")).await;
    let send = async |request: Request| {
        world.client.send(&request).await.unwrap_or_else(|error| panic!("{error}"));
        world.server.last()
    };
    let post = || Request::new("POST", URL);
    let seen = send(post().header("Authorization", "Bearer <<secret:token>>, <<secret:token>>!")).await;
    assert!(seen.contains("authorization: Bearer plain-t0ken, plain-t0ken!\r\n"), "{seen}");

    let json = r#"{"n": 1.00, "big": 12345678901234567890, "key": "a <<secret:key>> b", "\u003c\u003csecret:token\u003e\u003e": "\\"}"#;
    let seen = send(post().header("Content-Type", "application/json; charset=utf-8").body(json)).await;
    let expected = r#"{"n": 1.00, "big": 12345678901234567890, "key": "a hunter2 \"ü\" &\\ b", "plain-t0ken": "\\"}"#;
    assert!(seen.ends_with(expected), "{seen}");

    let form = "a=%3C%3Csecret%3Akey%3E%3E&b=x+y";
    let seen = send(post().header("content-type", "application/x-www-form-urlencoded").body(form)).await;
    assert!(seen.ends_with("\r\n\r\na=hunter2+%22%C3%BC%22+%26%5C&b=x+y"), "{seen}");

    let mut bytes = b"\xff\xfe<<secret:key>>\xff".to_vec();
    bytes.extend_from_slice(b"<<secret:token>>");
    let seen = send(post().body(bytes)).await;
    assert!(seen.contains(VALUE) && seen.ends_with("plain-t0ken"), "{seen}");

    let basic = Some(("me".to_owned(), "<<secret:token>>".to_owned()));
    let seen = send(Request { basic, ..post() }).await;
    assert!(seen.contains("authorization: Basic bWU6cGxhaW4tdDBrZW4=\r\n"), "{seen}");
    // Whoever masks what comes back knows every form.
    let hidden = safe.hidden.lock().unwrap().clone();
    for form in ["bWU6cGxhaW4tdDBrZW4=", "hunter2 \\\"ü\\\" &\\\\", "hunter2+%22%C3%BC%22+%26%5C"] {
        assert!(hidden.iter().any(|hidden| hidden == form), "{form}: {hidden:?}");
    }
}

#[tokio::test]
async fn a_secret_stands_nowhere_where_it_could_be_read() {
    let (world, safe) = world(|_| Say::ok("")).await;
    let get = |url: &str| Request::new("GET", url);
    for (request, place) in [
        (get("http://api.example.com/v1/<<secret:key>>"), "the URL"),
        (get("http://api.example.com/v1/x?key=<<secret:key>>"), "the URL"),
        (get("http://api.example.com/v1/x?key=%3C%3Csecret:key%3E%3E"), "the URL"),
        (get("http://api.example.com/v1/x?key=%3c%3csecret%3akey%3e%3e&x"), "the URL"),
        (get("http://<<secret:key>>.example.com/"), "the URL"),
        (get("http://me:<<secret:key>>@api.example.com/"), "the URL"),
        (get("http://api.example.com/v1/x#<<secret:key>>"), "the URL"),
        (Request::new("<<secret:key>>", URL), "the method"),
        (get(URL).header("x-<<secret:key>>", "1"), "a header's name"),
    ] {
        let error = world.refused(&request).await;
        assert_eq!((error.class(), error.may_have_reached), (Class::Secret, false), "{error}");
        let expected = format!("the secret 'key' is not sent: it is in {place}, where it could be read");
        assert_eq!(error.message(), expected);
    }
    world.assert_quiet();
    assert_eq!(safe.read(), [""; 0], "no value was read");
}

#[tokio::test]
async fn a_secret_goes_only_to_where_it_was_given_for() {
    let (world, safe) = world(|_| Say::ok("")).await;
    for (request, problem) in [
        (Request::new("GET", "http://other.example.com/v1/x"), "no entry covers the host other.example.com"),
        (Request::new("GET", "http://api.example.com:8080/v1/x"), "has only the port 80"),
        (Request::new("GET", "http://api.example.com/v2"), "has only the path /v1/*"),
    ] {
        let in_header = request.clone().header("X-Key", "<<secret:key>>");
        let in_body = request.clone().body("<<secret:key>>");
        let in_basic = Request { basic: Some(("<<secret:key>>".into(), String::new())), ..request.clone() };
        for request in [in_header, in_body, in_basic] {
            let error = world.refused(&request).await;
            assert_eq!((error.class(), error.may_have_reached), (Class::Secret, false), "{error}");
            assert!(error.message().contains(problem), "{error}");
            let entry = format!("to allow it, pass it for \"GET {}\"", request.url);
            assert_eq!(error.advice(), entry);
        }
    }
    let error = world.refused(&Request::new("GET", URL).header("x-key", "<<secret:made-up>>")).await;
    assert_eq!(error.message(), "the secret 'made-up' is not sent: the plugin did not get it for HTTP requests");
    world.assert_quiet();
    assert_eq!(safe.read(), [""; 0], "no value was read");
}

#[tokio::test]
async fn a_secret_does_not_follow_a_redirect_to_another_origin() {
    for (to, status) in [
        ("http://other.example.com/v1/x", 302),
        ("http://other.example.com/v1/x", 307),
        ("http://api.example.com:8080/v1/x", 307),
    ] {
        let (world, _) = world(move |request| match request.contains("host: api.example.com\r\n") {
            true => Say::redirect(status, to),
            false => Say::ok(""),
        })
        .await;
        let request = Request::new("POST", URL)
            .header("Authorization", "Bearer <<secret:token>>")
            .header("Accept", "<<secret:token>>")
            .body("nothing");
        world.client.send(&request).await.unwrap();
        let seen = world.server.seen();
        assert_eq!(seen.len(), 2);
        assert!(seen[0].contains("plain-t0ken") && !seen[1].contains("plain-t0ken"), "{seen:?}");
        assert!(!seen[1].contains("<<secret"), "{seen:?}");
        if status == 307 {
            let error = world.refused(&Request::new("POST", URL).body("x <<secret:token>>")).await;
            assert_eq!((error.class(), error.may_have_reached), (Class::Redirect, true));
            let expected = "the body contains the secret 'token', which is never sent to another origin by a redirect";
            assert!(error.message().contains(expected), "{error}");
            assert_eq!(world.server.seen().len(), 3);
        }
    }
    // The same origin, but not what the secret was given for.
    let (world, _) = world(|_| Say::redirect(307, "/v2/x")).await;
    let error = world.refused(&Request::new("POST", URL).header("x-key", "<<secret:key>>")).await;
    assert!(error.class() == Class::Redirect && error.message().contains("the secret 'key' is not sent"), "{error}");
    assert_eq!(world.server.seen().len(), 1);
}

#[tokio::test]
async fn no_error_holds_a_value() {
    let leaks = |to: &'static str| move |_: &str| Say::redirect(302, to);
    for to in [
        "http://evil.example/plain-t0ken?plain-t0ken",
        "http://plain-t0ken.evil.example/",
        "http://other.example.com/plain-t0ken",
        "http://other.example.com/?key=%70lain-t0ken",
        "http://u:plain-t0ken@evil.example/",
        "ftp://evil.example/plain-t0ken",
        "http://evil.example/cGxhaW4tdDBrZW4=",
    ] {
        let (world, _) = world(leaks(to)).await;
        let error = world.refused(&Request::new("GET", URL).header("x-key", "<<secret:token>>")).await;
        assert_eq!(error.class(), Class::Redirect, "{error}");
        let told = format!("{error} {error:?}");
        assert!(!told.contains("plain-t0ken") && !told.contains("cGxhaW4tdDBrZW4"), "{told}");
        assert_eq!(world.server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_value_cannot_become_another_header() {
    let (world, _) = world(|_| Say::ok("")).await;
    let error = world.refused(&Request::new("GET", URL).header("x-key", "<<secret:two-lines>>")).await;
    assert_eq!((error.class(), error.may_have_reached), (Class::Secret, false));
    assert!(error.message().contains("'two-lines'") && !error.to_string().contains("Evil"), "{error}");
    assert_eq!(world.server.seen(), [""; 0]);
    // In the body of a form it is one field.
    let form = "a=<<secret:two-lines>>&b=1";
    let request = Request::new("POST", URL).header("content-type", "application/x-www-form-urlencoded").body(form);
    world.client.send(&request).await.unwrap();
    assert!(world.server.last().ends_with("a=begin%0D%0AX-Evil%3A+1&b=1"), "{}", world.server.last());
}

#[tokio::test]
async fn a_value_that_is_too_long_or_not_there_is_told_by_name() {
    let audience = ["GET http://api.example.com/*"];
    let long: &'static str = "x".repeat(2000).leak();
    let safe = Safe::default().with("long", long, &audience);
    let mut gone = safe.with("gone", "", &audience);
    gone.values.remove("gone");
    let set = |setting: &mut Setting| {
        setting.limits(|limits| limits.request_body = 1000);
        setting.secrets(gone);
    };
    let world = World::with(&GRANT, |_| Say::ok(""), set).await;
    let error = world.refused(&Request::new("GET", URL).body("<<secret:long>>")).await;
    assert_eq!((error.class(), error.may_have_reached), (Class::TooLarge, false), "{error}");
    let error = world.refused(&Request::new("GET", URL).body("<<secret:gone>>")).await;
    assert_eq!(error.message(), "the secret 'gone' is not sent: its value cannot be read: it is not there");
    assert_eq!(world.server.seen(), [""; 0]);
}
