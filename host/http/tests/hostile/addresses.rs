//! Addresses that are never asked, or only where the grant says so, in every spelling and by every name.

use std::time::Duration;

use llmhost_http::{Class, Client, Grant, Options, Request};

use crate::support::{DEAD, PUBLIC, SILENT, Say, Setting, World};

/// Granted is everything that a grant can name here.
const GRANT: [&str; 3] =
    ["http://api.example.com/*", "http://*.wild.example.com/*", "http://metadata.google.internal/*"];

#[tokio::test]
async fn metadata_services_are_refused_in_every_spelling() {
    let world = World::new(&GRANT, |_| Say::ok("credentials")).await;
    for host in [
        "169.254.169.254",
        "2852039166",
        "0xA9FEA9FE",
        "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "025177524776",
        "169.254.43518",
        "169.16689662",
        "0xa9.254.0251.254",
        "%31%36%39.254.169.254",
        "１６９.254.169.254",
        "169。254。169。254",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[0:0:0:0:0:ffff:a9fe:a9fe]",
        "[::169.254.169.254]",
        "[::a9fe:a9fe]",
        "[::ffff:0:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b::169.254.169.254]",
        "[2002:a9fe:a9fe::]",
        "[2002:a9fe:a9fe::1]",
        "[fd00:ec2::254]",
        "[fd00:0ec2:0:0:0:0:0:254]",
        "[fd00:ec2::23]",
        "169.254.170.2",
        "169.254.170.23",
        "100.100.100.200",
        "0x646464c8",
        "168.63.129.16",
    ] {
        let url = format!("http://{host}/latest/meta-data/iam/security-credentials/");
        let error = world.refused(&Request::new("GET", &url)).await;
        assert_eq!((error.class(), error.may_have_reached), (Class::Address, false), "{host}: {error}");
        assert!(error.message().contains("a metadata service"), "{host}: {error}");
        assert_eq!(error.advice(), "no grant can allow it", "{host}");
    }
    world.assert_quiet();
}

#[tokio::test]
async fn other_addresses_that_nobody_asks_are_refused() {
    let world = World::new(&GRANT, |_| Say::ok("")).await;
    for (host, problem) in [
        ("0", "an unspecified address"),
        ("0.0.0.0", "an unspecified address"),
        ("0.1.2.3", "an unspecified address"),
        ("[::]", "an unspecified address"),
        ("169.254.1.1", "a link-local address"),
        ("[fe80::1]", "a link-local address"),
        ("[febf::1]", "a link-local address"),
        ("224.0.0.1", "a multicast or broadcast address"),
        ("255.255.255.255", "a multicast or broadcast address"),
        ("[ff02::1]", "a multicast or broadcast address"),
        ("240.0.0.1", "a reserved address"),
        ("[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "contains an IPv4 address"),
        ("[2002:7f00:1::]", "contains an IPv4 address"),
        ("[64:ff9b::127.0.0.1]", "contains an IPv4 address"),
        ("[64:ff9b::10.0.0.1]", "contains an IPv4 address"),
        ("[::127.0.0.1]", "contains an IPv4 address"),
        ("[64:ff9b:1::7f00:1]", "a reserved address"),
    ] {
        let error = world.refused(&Request::new("GET", &format!("http://{host}/"))).await;
        assert_eq!(error.class(), Class::Address, "{host}: {error}");
        assert!(error.message().contains(problem), "{host}: {error}");
    }
    // A name for a link-local address with a zone is no URL.
    let zone = world.refused(&Request::new("GET", "http://[fe80::1%25eth0]/")).await;
    assert_eq!(zone.class(), Class::Invalid, "{zone}");
    world.assert_quiet();
}

#[tokio::test]
async fn a_name_is_asked_for_once_and_every_address_of_it_counts() {
    let cases: [(&str, &[&str], &str); 12] = [
        ("api.example.com", &["169.254.169.254"], "a metadata service"),
        ("api.example.com", &[PUBLIC, "169.254.169.254"], "a metadata service"),
        ("api.example.com", &[PUBLIC, "::ffff:169.254.169.254"], "a metadata service"),
        ("api.example.com", &["fd00:ec2::254"], "a metadata service"),
        ("api.example.com", &["64:ff9b::a9fe:a9fe"], "a metadata service"),
        ("metadata.google.internal", &["169.254.169.254"], "a metadata service"),
        ("api.example.com", &["127.0.0.1"], "it is this machine"),
        ("api.example.com", &[PUBLIC, "::1"], "it is this machine"),
        ("api.example.com", &["::ffff:127.0.0.1"], "it is this machine"),
        ("a.wild.example.com", &["10.0.0.1"], "it is a private address"),
        ("a.wild.example.com", &[PUBLIC, "fd12::1"], "it is a private address"),
        ("api.example.com", &["0.0.0.0"], "an unspecified address"),
    ];
    for (name, addresses, problem) in cases {
        let world = World::with(&GRANT, |_| Say::ok(""), |setting| setting.name(name, &[addresses])).await;
        let error = world.refused(&Request::new("GET", &format!("http://{name}/x"))).await;
        assert_eq!((error.class(), error.may_have_reached), (Class::Address, false), "{name} {addresses:?}: {error}");
        assert!(error.message().contains(problem), "{name} {addresses:?}: {error}");
        world.assert_quiet();
    }
}

#[tokio::test]
async fn dns_that_changes_its_mind_changes_nothing() {
    let answers: [&[&str]; 2] = [&[PUBLIC], &["169.254.169.254"]];
    let world = World::with(&GRANT, |_| Say::ok("hello"), |setting| setting.name("api.example.com", &answers)).await;
    assert_eq!(world.get("http://api.example.com/x").await.unwrap().body, "hello");
    // The connection went to what was checked, and nobody asked again.
    assert_eq!(world.play.asked(), ["api.example.com"]);
    assert_eq!(world.play.dialled(), [format!("{PUBLIC}:80")]);
    // The next request looks again, and is held to what it finds.
    let error = world.refused(&Request::new("GET", "http://api.example.com/x")).await;
    assert_eq!(error.class(), Class::Address, "{error}");
    assert_eq!(world.play.dialled().len(), 1);
}

#[tokio::test]
async fn private_addresses_are_for_those_that_name_the_host() {
    let grant = ["http://alerts.internal:9093/*", "http://*.internal.example.com/*", "http://10.1.2.3/*"];
    let set = |setting: &mut Setting| {
        setting.name("alerts.internal", &[&["10.0.0.7"]]);
        setting.name("a.internal.example.com", &[&["10.0.0.8"]]);
    };
    let world = World::with(&grant, |_| Say::ok("hello"), set).await;
    assert_eq!(world.get("http://alerts.internal:9093/x").await.unwrap().status, 200);
    assert_eq!(world.get("http://10.1.2.3/x").await.unwrap().status, 200);
    assert_eq!(world.play.dialled(), ["10.0.0.7:9093", "10.1.2.3:80"]);
    let error = world.refused(&Request::new("GET", "http://a.internal.example.com/x")).await;
    assert_eq!(
        error.to_string(),
        "a.internal.example.com at 10.0.0.8 is not contacted: it is a private address, which needs an entry with the \
         exact host; to allow it, grant \"GET http://a.internal.example.com/x\""
    );
}

#[tokio::test]
async fn this_machine_is_for_those_that_name_it() {
    let grant =
        ["http://localhost:9093/*", "http://127.0.0.1:9094/*", "http://[::1]:9095/*", "http://here.example.com/*"];
    let world =
        World::with(&grant, |_| Say::ok("hello"), |setting| setting.name("here.example.com", &[&["127.0.0.1"]])).await;
    for url in ["http://localhost:9093/", "http://127.0.0.1:9094/", "http://127.1:9094/", "http://[::1]:9095/"] {
        assert_eq!(world.get(url).await.unwrap().status, 200, "{url}");
    }
    assert_eq!(world.play.dialled(), ["127.0.0.1:9093", "127.0.0.1:9094", "127.0.0.1:9094", "[::1]:9095"]);
    assert_eq!(world.play.asked(), [""; 0], "localhost is not looked up");
    for url in ["http://127.0.0.1:9093/", "http://127.0.0.2:9094/", "http://[::ffff:127.0.0.1]:9094/", "http://0:9094/"]
    {
        assert!(world.get(url).await.is_err(), "{url}");
    }
    let error = world.refused(&Request::new("GET", "http://here.example.com/x")).await;
    assert_eq!(
        error.to_string(),
        "here.example.com at 127.0.0.1 is not contacted: it is this machine, which needs an entry for localhost or for \
         the address itself; to allow it, grant \"GET http://localhost/x\""
    );
    assert_eq!(world.play.dialled().len(), 4);
}

#[tokio::test]
async fn a_name_without_addresses_says_so() {
    let grant = ["http://x.missing.example.com/*", "http://empty.example.com/*"];
    let world = World::with(&grant, |_| Say::ok(""), |setting| setting.name("empty.example.com", &[&[]])).await;
    for host in ["x.missing.example.com", "empty.example.com"] {
        let error = world.refused(&Request::new("GET", &format!("http://{host}/"))).await;
        assert_eq!((error.class(), error.may_have_reached), (Class::NameNotFound, false), "{error}");
        assert!(error.message().contains(host), "{error}");
    }
}

#[tokio::test]
async fn the_next_address_is_asked_where_one_does_not_answer() {
    let addresses: [&[&str]; 1] = [&[DEAD, SILENT, PUBLIC]];
    let set = |setting: &mut Setting| {
        setting.name("api.example.com", &addresses);
        setting.limits(|limits| limits.connect = Duration::from_millis(600));
    };
    let world = World::with(&GRANT, |_| Say::ok("hello"), set).await;
    assert_eq!(world.get("http://api.example.com/x").await.unwrap().body, "hello");
    assert_eq!(world.play.dialled(), [DEAD, SILENT, PUBLIC].map(|address| format!("{address}:80")));
    let world = World::with(&GRANT, |_| Say::ok(""), |setting| setting.name("api.example.com", &[&[DEAD]])).await;
    let error = world.refused(&Request::new("GET", "http://api.example.com/x")).await;
    assert_eq!((error.class(), error.may_have_reached), (Class::Connect, false), "{error}");
    assert!(error.message().starts_with(&format!("cannot connect to api.example.com:80: {DEAD}: ")), "{error}");
}

#[tokio::test]
async fn the_systems_network_serves_as_well() {
    let server = crate::support::Server::start(|_| Say::ok("hello")).await;
    let url = format!("http://localhost:{}/x", server.port);
    let client = Client::new(Grant::parse(&[&url]).unwrap(), Options::default()).unwrap();
    let answer = client.send(&Request::new("GET", &url)).await.unwrap();
    assert_eq!((answer.status, answer.body.as_ref(), answer.url), (200, b"hello".as_ref(), url));
}
