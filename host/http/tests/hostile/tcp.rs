//! What a hostile provider, server or DNS would try with TCP connections.

use std::sync::Arc;
use std::time::Duration;

use llmhost_http::{Class, Connection, Network, Roots, TcpClient, TcpFailure, TcpGrant, TcpLimits, TcpOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::support::{Play, SILENT};
use crate::tls::Authority;

/// A server that says what it hears, after `upgrade\n` and its own `S` with TLS. It ends with the test.
struct Echo {
    port: u16,
    _running: JoinSet<()>,
}

impl Echo {
    async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut running = JoinSet::new();
        running.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, tls.clone()));
            }
        });
        Self { port, _running: running }
    }
}

async fn serve(mut stream: TcpStream, tls: Option<TlsAcceptor>) {
    let mut heard = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut heard).await {
        match (&heard[..count], &tls) {
            (b"upgrade\n", Some(tls)) => {
                stream.write_all(b"S").await.unwrap();
                let Ok(mut stream) = tls.accept(stream).await else { return };
                while let Ok(count @ 1..) = stream.read(&mut heard).await {
                    stream.write_all(&heard[..count]).await.unwrap();
                }
                return;
            }
            (b"be silent\n", _) => std::future::pending().await,
            (b"end\n", _) => return,
            (heard, _) => stream.write_all(heard).await.unwrap(),
        }
    }
}

struct World {
    _echo: Echo,
    play: Arc<Play>,
    client: TcpClient,
}

async fn world(grant: &[&str], change: impl FnOnce(&mut TcpOptions, &mut Play)) -> World {
    world_with(Echo::start(None).await, grant, change)
}

fn world_with(echo: Echo, grant: &[&str], change: impl FnOnce(&mut TcpOptions, &mut Play)) -> World {
    let (mut options, mut play) = (TcpOptions::default(), Play::new(echo.port));
    change(&mut options, &mut play);
    let play = Arc::new(play);
    options.network = Arc::clone(&play) as Arc<dyn Network>;
    let client = TcpClient::new(TcpGrant::parse(grant).unwrap(), options).unwrap();
    World { _echo: echo, play, client }
}

async fn refused(world: &World, host: &str, port: u16) -> TcpFailure {
    match world.client.connect(host, port).await {
        Ok(_) => panic!("{host}:{port} was connected to"),
        Err(failure) => failure,
    }
}

async fn said(connection: &mut Connection, text: &str) -> String {
    connection.write(text.as_bytes()).await.unwrap();
    String::from_utf8(connection.read(1000).await.unwrap().to_vec()).unwrap()
}

const GRANT: &str = "db.example.com:5432";

#[tokio::test]
async fn what_is_granted_is_connected_to_and_looked_up_once() {
    let world = world(&[GRANT], |_, _| ()).await;
    let mut connection = world.client.connect("DB.example.com", 5432).await.unwrap();
    assert_eq!(said(&mut connection, "hello").await, "hello");
    assert_eq!(world.play.asked(), ["db.example.com"]);
    assert_eq!(world.play.dialled(), ["93.184.215.14:5432"]);
    connection.write(b"end\n").await.unwrap();
    assert!(connection.read(1000).await.unwrap().is_empty(), "the end is an empty read");
}

#[tokio::test]
async fn what_is_not_granted_is_not_connected_to() {
    let world = world(&[GRANT, "[2606:4700::1111]:5432"], |_, _| ()).await;
    for (host, port, part) in [
        ("db.example.com", 5433, "for the host db.example.com it has only the port 5432"),
        ("evil.example", 5432, "no entry covers the host evil.example"),
        ("x.db.example.com", 5432, "no entry covers the host"),
        ("db.example.com.evil.example", 5432, "no entry covers the host"),
        ("93.184.215.14", 5432, "no entry covers the host 93.184.215.14"),
    ] {
        let failure = refused(&world, host, port).await;
        assert_eq!(failure.class(), Class::NotGranted, "{failure}");
        assert!(failure.message().contains(part), "{failure}");
        assert_eq!(failure.advice(), format!("to allow it, grant \"tcp:{host}:{port}\""));
    }
    for (host, port) in [
        ("", 5432),
        ("db.example.com", 0),
        ("db.example.com.", 5432),
        ("db..example.com", 5432),
        ("db.example.com:80", 5432),
        ("u@db.example.com", 5432),
        ("db.example.com/x", 5432),
        ("db.example.com\0", 5432),
        ("db.exam\nple.com", 5432),
        ("[2606:4700::1111]", 5432),
        ("d%62.example.com", 5432),
        ("*", 5432),
    ] {
        let failure = refused(&world, host, port).await;
        assert_eq!(failure.class(), Class::Invalid, "{host:?}: {failure}");
    }
    assert_eq!(world.play.dialled(), [""; 0]);
    assert_eq!(world.play.asked(), [""; 0]);
    world.client.connect("2606:4700::1111", 5432).await.unwrap();
    assert_eq!(world.play.dialled(), ["[2606:4700::1111]:5432"]);
}

#[tokio::test]
async fn addresses_are_refused_in_every_spelling() {
    // No entry reaches them, whatever it says; and none can be written.
    for host in [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "::ffff:169.254.169.254",
        "fd00:ec2::254",
        "0.0.0.0",
        "::",
        "fe80::1",
        "64:ff9b::7f00:1",
    ] {
        let world = world(&[GRANT, "127.0.0.1:5432", "localhost:5432"], |_, _| ()).await;
        let failure = refused(&world, host, 5432).await;
        assert_eq!(failure.class(), Class::Address, "{host}: {failure}");
        assert!(failure.advice().contains("no grant can allow it"), "{failure}");
        assert_eq!(world.play.dialled(), [""; 0]);
    }
    // A name that means this machine, or a metadata service, or one of several addresses that does.
    for (answer, advice) in [
        (&["127.0.0.1"][..], "grant \"tcp:localhost:5432\""),
        (&["::1"], "grant \"tcp:localhost:5432\""),
        (&["::ffff:127.0.0.1"], "grant \"tcp:localhost:5432\""),
        (&["169.254.169.254"], "no grant can allow it"),
        (&["93.184.215.14", "169.254.169.254"], "no grant can allow it"),
        (&["93.184.215.14", "127.0.0.1"], "grant \"tcp:localhost:5432\""),
    ] {
        let world = world(&[GRANT], |_, play| *play = std::mem::take(play).with("db.example.com", &[answer])).await;
        let failure = refused(&world, "db.example.com", 5432).await;
        assert_eq!(failure.class(), Class::Address, "{answer:?}: {failure}");
        assert!(failure.advice().contains(advice), "{answer:?}: {failure}");
        assert_eq!(world.play.dialled(), [""; 0]);
    }
    // The address is that of this machine only where the entry says so itself.
    for (grant, host) in [("127.0.0.1:5432", "127.0.0.1"), ("[::1]:5432", "::1"), ("localhost:5432", "localhost")] {
        let world = world(&[grant], |_, _| ()).await;
        world.client.connect(host, 5432).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(world.play.asked(), [""; 0], "localhost is not looked up");
    }
    // An entry names its host exactly: it may be a private one.
    let private: &[&[&str]] = &[&["10.1.2.3"]];
    let world = world(&[GRANT], |_, play| *play = std::mem::take(play).with("db.example.com", private)).await;
    world.client.connect("db.example.com", 5432).await.unwrap();
    assert_eq!(world.play.dialled(), ["10.1.2.3:5432"]);
}

#[tokio::test]
async fn a_second_answer_of_the_dns_changes_nothing() {
    let answers: &[&[&str]] = &[&["93.184.215.14"], &["127.0.0.1"]];
    let world = world(&[GRANT], |_, play| *play = std::mem::take(play).with("db.example.com", answers)).await;
    world.client.connect("db.example.com", 5432).await.unwrap();
    assert_eq!((world.play.asked().len(), world.play.dialled()), (1, vec!["93.184.215.14:5432".to_owned()]));
    assert_eq!(refused(&world, "db.example.com", 5432).await.class(), Class::Address);
}

#[tokio::test]
async fn tls_needs_a_certificate_of_the_ca_for_the_host() {
    let ca = Authority::new();
    let tls = |roots: Roots| async {
        let echo = Echo::start(Some(ca.server(|_| ()))).await;
        world_with(echo, &["api.example.com:5432", "other.example.com:5432"], |options, _| options.roots = roots)
    };
    let world = tls(Roots::Only(ca.pem())).await;
    let mut connection = world.client.connect("api.example.com", 5432).await.unwrap();
    assert_eq!(said(&mut connection, "upgrade\n").await, "S");
    connection.start_tls().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(said(&mut connection, "a secret").await, "a secret");
    assert_eq!(connection.start_tls().await.unwrap_err().class(), Class::Invalid, "twice");
    assert_eq!(said(&mut connection, "still here").await, "still here");
    for (roots, host, part) in [
        (Roots::Only(ca.pem()), "other.example.com", "for another host"),
        (Roots::Only(Authority::new().pem()), "api.example.com", "not signed by a trusted CA"),
        (Roots::System, "api.example.com", "not signed by a trusted CA"),
    ] {
        let world = tls(roots).await;
        let mut connection = world.client.connect(host, 5432).await.unwrap();
        assert_eq!(said(&mut connection, "upgrade\n").await, "S");
        let failure = connection.start_tls().await.unwrap_err();
        assert_eq!(failure.class(), Class::Tls, "{failure}");
        assert!(failure.message().contains(part), "{failure}");
        // It does not go on without TLS.
        for ended in
            [connection.write(b"a secret").await, connection.read(1).await.map(drop), connection.start_tls().await]
        {
            assert_eq!(ended.unwrap_err().class(), Class::Invalid);
        }
    }
    // A server without TLS.
    let world = world_with(Echo::start(None).await, &[GRANT], |options, _| options.roots = Roots::Only(ca.pem()));
    let mut connection = world.client.connect("db.example.com", 5432).await.unwrap();
    connection.write(b"whatever is no TLS").await.unwrap();
    let failure = connection.start_tls().await.unwrap_err();
    assert!(failure.class() == Class::Tls && failure.advice().contains("TLS is enabled on"), "{failure}");
}

#[tokio::test]
async fn what_stands_before_tls_is_read_before_it_and_never_after() {
    let ca = Authority::new();
    let echo = Echo::start(Some(ca.server(|_| ()))).await;
    let world = world_with(echo, &["api.example.com:5432"], |options, _| options.roots = Roots::Only(ca.pem()));
    let mut connection = world.client.connect("api.example.com", 5432).await.unwrap();
    // The server sends more than is read: the rest is no TLS, and no answer under TLS either.
    connection.write(b"S and an answer that was slipped in").await.unwrap();
    assert_eq!(connection.read(1).await.unwrap()[..], b"S"[..]);
    assert_eq!(connection.start_tls().await.unwrap_err().class(), Class::Tls);
}

#[tokio::test]
async fn limits_end_what_takes_too_much() {
    let limits = |change: fn(&mut TcpLimits)| world(&[GRANT], move |options, _| change(&mut options.limits));
    let few = limits(|limits| limits.connections = 2).await;
    for _ in 0..2 {
        few.client.connect("db.example.com", 5432).await.unwrap();
    }
    for _ in 0..2 {
        assert_eq!(refused(&few, "db.example.com", 5432).await.class(), Class::TooLarge);
    }
    assert_eq!(few.play.dialled().len(), 2);

    let small = limits(|limits| limits.bytes = 10).await;
    let mut connection = small.client.connect("db.example.com", 5432).await.unwrap();
    connection.write(b"123456").await.unwrap();
    // Over all connections of the client, in both directions.
    let mut second = small.client.connect("db.example.com", 5432).await.unwrap();
    assert_eq!(second.write(b"12345").await.unwrap_err().class(), Class::TooLarge);
    assert_eq!(connection.read(1000).await.unwrap_err().class(), Class::TooLarge);

    let quick = limits(|limits| {
        limits.exchange = Duration::from_millis(50);
        limits.connect = Duration::from_millis(50);
    })
    .await;
    let mut connection = quick.client.connect("db.example.com", 5432).await.unwrap();
    connection.write(b"be silent\n").await.unwrap();
    let failure = connection.read(1000).await.unwrap_err();
    assert_eq!(failure.class(), Class::Timeout, "{failure}");
    assert!(failure.message().contains("waiting for an answer of db.example.com:5432 took longer than 50 ms"));
    assert_eq!(connection.read(0).await.unwrap_err().class(), Class::Invalid);

    let silent: &[&[&str]] = &[&[SILENT]];
    let silent = world(&[GRANT], |options, play| {
        options.limits.connect = Duration::from_millis(50);
        *play = std::mem::take(play).with("db.example.com", silent);
    })
    .await;
    assert_eq!(refused(&silent, "db.example.com", 5432).await.class(), Class::Timeout);
}
