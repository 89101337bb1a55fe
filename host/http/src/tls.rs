//! Whom TLS trusts.

use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, RootCertStore};
use url::Host;

use crate::connect::Place;
use crate::error::{Failure, TlsProblem, plain};

/// The CAs whose servers are trusted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Roots {
    /// Those of the system.
    #[default]
    System,
    /// Those of the system, and these (PEM, one certificate or more).
    SystemAnd(String),
    /// These (PEM) and no others.
    Only(String),
}

/// A client that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// What was given holds no certificate that can be used.
    #[error(
        "'ca' contains no usable certificates: {reason}; it must be PEM, starting with -----BEGIN CERTIFICATE-----"
    )]
    Ca {
        /// Why.
        reason: String,
    },
    /// The system trusts nobody.
    #[error("this system has no CA certificates: {reason}; install them (ca-certificates), or set them as 'ca'")]
    NoRoots {
        /// What was looked for.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {reason}")]
    Tls {
        /// Why.
        reason: String,
    },
}

impl Roots {
    /// Whether the certificates that were given can be used.
    pub fn check(&self) -> Result<(), SetupError> {
        match self {
            Self::System => Ok(()),
            Self::SystemAnd(pem) | Self::Only(pem) => add(&mut RootCertStore::empty(), pem),
        }
    }
}

/// HTTP over TLS says so in its handshake; nothing else here does.
pub(crate) const HTTP_ALPN: &[u8] = b"http/1.1";

pub(crate) fn connector(trusted: &Roots, alpn: Option<&[u8]>) -> Result<TlsConnector, SetupError> {
    let mut roots = RootCertStore::empty();
    if !matches!(trusted, Roots::Only(_)) {
        let found = rustls_native_certs::load_native_certs();
        // Systems have roots that no verifier takes; the others count.
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 && matches!(trusted, Roots::System) {
            let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            let reason = if reasons.is_empty() { "none were found".to_owned() } else { reasons.join(", ") };
            return Err(SetupError::NoRoots { reason });
        }
    }
    if let Roots::SystemAnd(pem) | Roots::Only(pem) = trusted {
        add(&mut roots, pem)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::Tls { reason: error.to_string() })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.into_iter().map(<[u8]>::to_vec).collect();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn add(roots: &mut RootCertStore, pem: &str) -> Result<(), SetupError> {
    let unusable = |reason: String| SetupError::Ca { reason };
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        count += 1;
    }
    if count == 0 {
        return Err(unusable("there is none in it".to_owned()));
    }
    Ok(())
}

/// The name that the server's certificate has to have.
pub(crate) fn server_name(place: &dyn Place) -> Result<ServerName<'static>, Failure> {
    match place.host() {
        Host::Ipv4(address) => Ok(ServerName::IpAddress(std::net::IpAddr::V4(address).into())),
        Host::Ipv6(address) => Ok(ServerName::IpAddress(std::net::IpAddr::V6(address).into())),
        Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(|_| Failure::Tls {
            server: place.server(),
            problem: TlsProblem::WrongName,
            reason: "no certificate can have this name".to_owned(),
        }),
    }
}

/// Why there was no TLS.
pub(crate) fn failed(server: String, error: &std::io::Error) -> Failure {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let problem = match inner {
        Some(rustls::Error::InvalidCertificate(error)) => match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsProblem::UnknownCa,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsProblem::WrongName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TlsProblem::Expired,
            _ => TlsProblem::Other,
        },
        Some(rustls::Error::InvalidMessage(_)) => TlsProblem::NotTls,
        _ => TlsProblem::Other,
    };
    Failure::Tls { server, problem, reason: plain(&error.to_string()) }
}
