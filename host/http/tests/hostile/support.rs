//! A server on this machine that says what a test wants it to, and a network in which every name is that server.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use llmhost_http::{Client, Grant, HttpError, Limits, Network, Options, Request, Response, Secrets};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a server does with a request.
#[derive(Clone)]
pub(crate) enum Say {
    /// This, and then it closes the connection.
    Whole(String),
    /// The first, and then the second again and again, with a pause before each.
    Endless(String, String, Duration),
    /// The first, and then nothing.
    Silence(String),
}

impl Say {
    pub(crate) fn ok(body: &str) -> Self {
        Self::Whole(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }

    pub(crate) fn redirect(status: u16, to: &str) -> Self {
        Self::Whole(format!("HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
    }
}

type Handler = Arc<dyn Fn(&str) -> Say + Send + Sync>;

/// A server on a free port. It ends with the test.
pub(crate) struct Server {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    _running: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(handler: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        Self::start_with(None, handler).await
    }

    /// The same with TLS.
    pub(crate) async fn start_with(
        tls: Option<tokio_rustls::TlsAcceptor>,
        handler: impl Fn(&str) -> Say + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, handler): (Arc<Mutex<Vec<String>>>, Handler) = (Arc::default(), Arc::new(handler));
        let mut running = JoinSet::new();
        let log = Arc::clone(&seen);
        running.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (log, handler, tls) = (Arc::clone(&log), Arc::clone(&handler), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, &log, &handler).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, &log, &handler).await,
                            Err(_) => Ok(()),
                        },
                    }
                });
            }
        });
        Self { port, seen, _running: running }
    }

    /// Every request, as it came.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> String {
        self.seen().pop().expect("a request")
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    log: &Mutex<Vec<String>>,
    handler: &Handler,
) -> io::Result<()> {
    let mut read = Vec::new();
    let head = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    };
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    while read.len() < head + length && stream.read_buf(&mut read).await? != 0 {}
    let request = String::from_utf8_lossy(&read).into_owned();
    log.lock().unwrap().push(request.clone());
    match handler(&request) {
        Say::Whole(text) => stream.write_all(text.as_bytes()).await?,
        Say::Silence(text) => {
            stream.write_all(text.as_bytes()).await?;
            stream.flush().await?;
            std::future::pending::<()>().await;
        }
        Say::Endless(first, again, pause) => {
            stream.write_all(first.as_bytes()).await?;
            loop {
                stream.write_all(again.as_bytes()).await?;
                stream.flush().await?;
                tokio::time::sleep(pause).await;
            }
        }
    }
    stream.shutdown().await
}

/// A network in which names have the addresses that a test gives them, and every address is the test's server.
#[derive(Default)]
pub(crate) struct Play {
    /// The answers to each question, one after the other; the last one again and again.
    names: Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>,
    port: u16,
    pub(crate) asked: Mutex<Vec<String>>,
    pub(crate) dialled: Mutex<Vec<SocketAddr>>,
}

/// An address that is nobody's in particular.
pub(crate) const PUBLIC: &str = "93.184.215.14";
/// One that refuses connections.
pub(crate) const DEAD: &str = "93.184.215.15";
/// One that never answers.
pub(crate) const SILENT: &str = "93.184.215.16";

impl Play {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, ..Self::default() }
    }

    pub(crate) fn with(self, name: &str, answers: &[&[&str]]) -> Self {
        let address = |text: &&str| text.parse().expect("an address");
        let answers = answers.iter().map(|answer| answer.iter().map(address).collect()).collect();
        self.names.lock().unwrap().insert(name.to_owned(), answers);
        self
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn dialled(&self) -> Vec<String> {
        self.dialled.lock().unwrap().iter().map(ToString::to_string).collect()
    }
}

#[async_trait]
impl Network for Play {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(host.to_owned());
        if host == "slow.example.com" {
            std::future::pending::<()>().await;
        }
        let mut names = self.names.lock().unwrap();
        match names.get_mut(host) {
            Some(answers) if answers.len() > 1 => Ok(answers.remove(0)),
            Some(answers) => Ok(answers[0].clone()),
            None if host.ends_with(".missing.example.com") => {
                Err(io::Error::other("failed to lookup address information: Name or service not known"))
            }
            None => Ok(vec![PUBLIC.parse().unwrap()]),
        }
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        self.dialled.lock().unwrap().push(to);
        match to.ip().to_string().as_str() {
            DEAD => Err(io::ErrorKind::ConnectionRefused.into()),
            SILENT => std::future::pending().await,
            _ => TcpStream::connect(("127.0.0.1", self.port)).await,
        }
    }
}

/// A client, its network and its server.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) play: Arc<Play>,
    pub(crate) client: Client,
}

pub(crate) struct Setting {
    pub(crate) grant: Vec<String>,
    pub(crate) options: Options,
    pub(crate) play: Play,
}

impl World {
    pub(crate) async fn new(grant: &[&str], handler: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        Self::with(grant, handler, |_| ()).await
    }

    /// The setting may be changed before anything begins.
    pub(crate) async fn with(
        grant: &[&str],
        handler: impl Fn(&str) -> Say + Send + Sync + 'static,
        change: impl FnOnce(&mut Setting),
    ) -> Self {
        Self::on(Server::start(handler).await, grant, change)
    }

    pub(crate) fn on(server: Server, grant: &[&str], change: impl FnOnce(&mut Setting)) -> Self {
        let grant = grant.iter().map(|entry| (*entry).to_owned()).collect();
        let play = Play::new(server.port);
        let mut setting = Setting { grant, options: Options::default(), play };
        change(&mut setting);
        let play = Arc::new(setting.play);
        let network: Arc<dyn Network> = Arc::clone(&play) as _;
        let options = Options { network, ..setting.options };
        let grant = Grant::parse(&setting.grant).unwrap_or_else(|error| panic!("{error}"));
        let client = Client::new(grant, options).unwrap();
        Self { server, play, client }
    }

    pub(crate) async fn get(&self, url: &str) -> Result<Response, HttpError> {
        self.client.send(&Request::new("GET", url)).await
    }

    pub(crate) async fn refused(&self, request: &Request) -> HttpError {
        match self.client.send(request).await {
            Ok(answer) => panic!("{} was asked and said {}", request.url, answer.status),
            Err(error) => error,
        }
    }

    /// Nobody was asked, and no connection was made.
    pub(crate) fn assert_quiet(&self) {
        assert_eq!(self.play.dialled(), [""; 0]);
        assert_eq!(self.server.seen(), [""; 0]);
    }
}

impl Setting {
    pub(crate) fn name(&mut self, name: &str, answers: &[&[&str]]) {
        self.play = std::mem::take(&mut self.play).with(name, answers);
    }

    pub(crate) fn limits(&mut self, change: impl FnOnce(&mut Limits)) {
        change(&mut self.options.limits);
    }

    pub(crate) fn secrets(&mut self, secrets: impl Secrets + 'static) {
        self.options.secrets = Arc::new(secrets);
    }
}
