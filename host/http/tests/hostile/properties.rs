//! Random URLs: whatever is sent is inside of the grant.

use std::net::IpAddr;

use llmhost_http::{Class, Entry, Grant, Reach, Request, reach};
use proptest::prelude::*;

use crate::support::{Say, World};

/// Pieces of URLs that mean something to somebody.
const PIECES: &[&str] = &[
    "http://",
    "https://",
    "HTTP://",
    "http:",
    "//",
    "/",
    "\\",
    "@",
    ":",
    ":80",
    ":8080",
    "?",
    "#",
    ";",
    "..",
    ".",
    "%2e",
    "%2E%2e",
    "%2f",
    "%5c",
    "%00",
    "%0d%0a",
    "%25",
    "%252f",
    "%zz",
    "\t",
    "\n",
    " ",
    "*",
    "**",
    "v1",
    "V1",
    "v1/",
    "/v1/",
    "/v1/x",
    "admin",
    "api.example.com",
    "API.example.com",
    "example.com",
    "a.wild.example.com",
    "wild.example.com",
    "evil.example",
    "api.example.com.",
    "localhost",
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "169.254.169.254",
    "2852039166",
    "0xA9FEA9FE",
    "[::ffff:169.254.169.254]",
    "[::1]",
    "[",
    "]",
    "ａpi.example.com",
    "api。example.com",
    "api%2eexample.com",
    "ü",
    "=",
    "&",
    "+",
    "~",
    "|",
    "'",
    "\"",
    "<",
    ">",
    "{",
    "^",
    "`",
    "\u{200b}",
    "\u{ad}",
];

const GRANT: [&str; 2] = ["http://api.example.com/v1/*", "GET http://*.wild.example.com:8080/a/*/b"];

fn url() -> impl Strategy<Value = String> {
    let pieces = || prop::collection::vec(prop::sample::select(PIECES), 0..4).prop_map(|pieces| pieces.concat());
    let start = prop::sample::select(vec![
        "",
        "http://",
        "http://api.example.com/v1/",
        "http://api.example.com/v1/x",
        "http://api.example.com/v1/x/",
        "http://api.example.com/",
        "http://api.example.com",
        "http://a.wild.example.com:8080/a/x/b",
        "http://a.wild.example.com:8080/a/",
    ]);
    (start, pieces(), prop::option::of("\\PC{0,6}"), pieces())
        .prop_map(|(start, first, any, last)| format!("{start}{first}{}{last}", any.unwrap_or_default()))
}

/// What the grant means, said in another way than the client does.
fn is_inside(method: &str, host: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let clean = !path.contains("//") && !path.contains(['\\', ';', '\r', '\n', ' ', '#']);
    let lower = path.to_ascii_lowercase();
    let clean = clean && !["%2e", "%2f", "%5c", "%00", "%0d", "%0a", "%3b"].iter().any(|bad| lower.contains(bad));
    let clean = clean && path.split('/').all(|segment| !matches!(segment, "." | ".."));
    let api = host == "api.example.com" && path.starts_with("/v1/");
    let is_below = host.strip_suffix(".wild.example.com:8080").is_some_and(|front| !front.is_empty());
    let segments: Vec<&str> = path.split('/').collect();
    let wild = is_below && matches!(segments[..], ["", "a", _, "b"]) && method == "GET";
    clean && (api || wild) && matches!(method, "GET" | "HEAD")
}

#[test]
fn whatever_is_sent_is_inside_of_the_grant() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::new(&GRANT, |_| Say::ok("")));
    let methods = prop::sample::select(vec!["GET", "GET", "GET", "HEAD", "POST", "get"]);
    let config = ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() };
    let mut sent = 0;
    let counted = std::cell::RefCell::new(&mut sent);
    proptest!(config, |(url in url(), method in methods)| {
        let before = world.server.seen().len();
        let request = Request::new(method, &url);
        let planned = world.client.check(&request);
        let answer = runtime.block_on(world.client.send(&request));
        let seen = world.server.seen();
        match answer {
            Ok(_) => {
                **counted.borrow_mut() += 1;
                prop_assert_eq!(seen.len(), before + 1);
                let seen = &seen[before];
                let mut line = seen.lines().next().unwrap_or_default().split(' ');
                let (told, path) = (line.next().unwrap_or_default(), line.next().unwrap_or_default());
                let host = seen.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
                prop_assert!(is_inside(told, host, path), "{:?} was sent as {} {} {}", url, told, host, path);
                prop_assert!(line.next() == Some("HTTP/1.1") && line.next().is_none());
                prop_assert!(planned.is_ok());
            }
            Err(error) => {
                prop_assert_eq!(seen.len(), before, "{:?}: {}", url, error);
                prop_assert_eq!(planned, Err(error.clone()));
                prop_assert!(!error.may_have_reached);
                prop_assert!(matches!(error.class(), Class::Invalid | Class::NotGranted | Class::Address), "{}", error);
                prop_assert!(!error.to_string().contains(char::is_control), "{:?}", error);
            }
        }
    });
    assert!(sent > 200, "only {sent} were sent: the test shows nothing");
    // Every connection went to an address that the name had.
    let dialled = world.play.dialled();
    assert!(dialled.iter().all(|to| to == "93.184.215.14:80" || to == "93.184.215.14:8080"), "{dialled:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What an error advises allows what was refused, and reading it again changes nothing.
    #[test]
    fn the_entry_that_is_advised_allows_the_request(url in url()) {
        let request = Request::new("GET", &url);
        let nothing = llmhost_http::Client::new(Grant::default(), Default::default()).unwrap();
        let Err(error) = nothing.check(&request) else { panic!("nothing is granted") };
        if let llmhost_http::Failure::NotGranted { entry: Some(entry), .. } = error.failure {
            let parsed: Entry = entry.parse().unwrap();
            prop_assert_eq!(parsed.to_string(), entry.as_str());
            // Without TLS, which takes long to set up and has no part in it.
            if entry.contains("http://") {
                let client = llmhost_http::Client::new(Grant::parse(&[&entry]).unwrap(), Default::default()).unwrap();
                prop_assert_eq!(client.check(&request), Ok(()), "{}", entry);
            }
        }
    }

    /// No text makes the reader of grants fall over, and what it reads has one form.
    #[test]
    fn an_entry_is_read_or_refused(text in "((GET|POST|,| )*(https?://)?[a-z*.:@0-9/%\\[\\]ü?#]*|\\PC*)") {
        match text.parse::<Entry>() {
            Ok(entry) => {
                let form = entry.to_string();
                prop_assert_eq!(form.parse::<Entry>(), Ok(entry), "{}", form);
            }
            Err(error) => prop_assert!(error.offset <= text.len() && text.is_char_boundary(error.offset), "{}", error),
        }
    }

    /// Every IPv6 address that stands for an IPv4 address reaches no more than that one.
    #[test]
    fn no_spelling_reaches_more(address: [u8; 4], form in 0..6_usize) {
        let [a, b, c, d] = address;
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let plain = reach(IpAddr::from(address));
        let spelled = IpAddr::from(match form {
            0 => [0, 0, 0, 0, 0, 0xffff, high, low],
            1 => [0, 0, 0, 0, 0, 0, high, low],
            2 => [0x64, 0xff9b, 0, 0, 0, 0, high, low],
            3 => [0x2002, high, low, 0, 0, 0, 0, 1],
            4 => [0, 0, 0, 0, 0xffff, 0, high, low],
            _ => [0x2606, 0x4700, 0, 0, 0, 0x5efe, high, low],
        });
        let reached = reach(spelled);
        prop_assume!(spelled != IpAddr::from([0_u16, 0, 0, 0, 0, 0, 0, 1]));
        let no_more = reached == plain || matches!(reached, Reach::Never(_));
        prop_assert!(no_more, "{} is {:?}, and {:?} is {:?}", spelled, reached, address, plain);
    }
}
