//! Certificates of nobody known, of others, and none at all.

use std::sync::Arc;

use llmhost_http::{Class, Client, Grant, Options, Request, Roots, SetupError, TlsProblem};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::support::{Say, Server, Setting, World};

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn server(&self, change: impl FnOnce(&mut CertificateParams)) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let names = ["api.example.com", "localhost", "127.0.0.1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

const GRANT: [&str; 2] = ["https://api.example.com/*", "https://other.example.com/*"];
const URL: &str = "https://api.example.com/x";

async fn world(acceptor: Option<TlsAcceptor>, roots: Roots) -> World {
    let server = Server::start_with(acceptor, |_| Say::ok("hello")).await;
    World::on(server, &GRANT, |setting: &mut Setting| setting.options.roots = roots)
}

#[tokio::test]
async fn a_server_is_trusted_where_its_ca_is_given() {
    let ca = Authority::new();
    for roots in [Roots::Only(ca.pem()), Roots::SystemAnd(format!("a comment\n{}{}", Authority::new().pem(), ca.pem()))]
    {
        let world = world(Some(ca.server(|_| ())), roots).await;
        let answer = world.get(URL).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((answer.status, answer.body.as_ref()), (200, b"hello".as_ref()));
        assert_eq!(world.play.dialled(), ["93.184.215.14:443"]);
        assert!(world.server.last().contains("host: api.example.com\r\n"));
    }
    // An address is a name as well.
    let server = Server::start_with(Some(ca.server(|_| ())), |_| Say::ok("")).await;
    let urls = ["127.0.0.1", "localhost"].map(|host| format!("https://{host}:{}/", server.port));
    let options = Options { roots: Roots::Only(ca.pem()), ..Options::default() };
    let client = Client::new(Grant::parse(&urls).unwrap(), options).unwrap();
    for url in urls {
        assert_eq!(client.send(&Request::new("GET", &url)).await.unwrap().status, 200, "{url}");
    }
}

#[tokio::test]
async fn other_certificates_are_refused_and_the_reason_is_told() {
    let ca = Authority::new();
    let past = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    };
    for (acceptor, roots, url, problem, advice) in [
        (Some(ca.server(|_| ())), Roots::SystemAnd(Authority::new().pem()), URL, TlsProblem::UnknownCa, "as 'ca'"),
        (Some(ca.server(|_| ())), Roots::Only(Authority::new().pem()), URL, TlsProblem::UnknownCa, "as 'ca'"),
        (Some(ca.server(past)), Roots::Only(ca.pem()), URL, TlsProblem::Expired, "renew"),
        (
            Some(ca.server(|_| ())),
            Roots::Only(ca.pem()),
            "https://other.example.com/x",
            TlsProblem::WrongName,
            "a host name that its certificate has",
        ),
        (None, Roots::Only(ca.pem()), URL, TlsProblem::NotTls, "http://"),
    ] {
        // What speaks no TLS says something at once.
        let world = match acceptor {
            Some(acceptor) => world(Some(acceptor), roots).await,
            None => {
                let port = plain_server().await;
                let mut server = Server::start(|_| Say::ok("")).await;
                server.port = port;
                World::on(server, &GRANT, |setting: &mut Setting| setting.options.roots = roots)
            }
        };
        let error = world.refused(&Request::new("GET", url)).await;
        assert_eq!((error.class(), error.may_have_reached), (Class::Tls, false), "{error}");
        match error.failure {
            llmhost_http::Failure::Tls { problem: told, .. } => assert_eq!(told, problem, "{error}"),
            _ => panic!("{error}"),
        }
        assert!(error.advice().contains(advice), "{error}");
        assert_eq!(world.server.seen(), [""; 0], "nothing was sent");
    }
}

/// A server that talks before it is asked, as mail servers do.
async fn plain_server() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"220 mail.example.com ESMTP\r\n").await;
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 64]).await;
        }
    });
    port
}

#[tokio::test]
async fn nothing_leaves_tls_by_a_redirect() {
    let ca = Authority::new();
    let server = Server::start_with(Some(ca.server(|_| ())), |_| Say::redirect(302, "http://api.example.com/x")).await;
    let grant = ["https://api.example.com/*", "http://api.example.com/*"];
    let world = World::on(server, &grant, |setting: &mut Setting| setting.options.roots = Roots::Only(ca.pem()));
    let error = world.refused(&Request::new("GET", URL)).await;
    assert_eq!(
        error.message(),
        "https://api.example.com/x redirects to http://api.example.com/x, and that is refused: it leaves TLS, so anyone \
         on the network could read and change the traffic"
    );
    assert_eq!(world.play.dialled().len(), 1);
}

#[tokio::test]
async fn a_ca_that_is_none_is_told_before_anything_is_sent() {
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for pem in ["", "not a certificate", broken, "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
        let grant = Grant::parse(&GRANT).unwrap();
        let options = Options { roots: Roots::Only(pem.to_owned()), ..Options::default() };
        match Client::new(grant, options) {
            Err(error @ SetupError::Ca { .. }) => assert!(error.to_string().contains("it must be PEM"), "{error}"),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("{pem:?} is a CA"),
        }
    }
}
