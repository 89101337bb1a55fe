//! Addresses of plugins: `oci://host/name:tag@sha256:…` and `https://host/file.wasm#sha256=…`.

use std::net::IpAddr;

use oci_client::Reference;
use reqwest::Url;

use crate::{Digest, RegistryError};

/// Where a plugin is.
#[derive(Debug, Clone)]
pub enum Address {
    /// In an OCI registry.
    Oci(OciAddress),
    /// On an HTTPS server.
    Https(HttpsAddress),
}

/// A plugin in an OCI registry, by tag, by digest, or by both: then the digest counts.
#[derive(Debug, Clone)]
pub struct OciAddress {
    text: String,
    host: String,
    repository: String,
    /// The tag, where it has one.
    pub tag: Option<String>,
    /// The digest of its manifest, where it has one.
    pub digest: Option<Digest>,
}

/// A component on an HTTPS server. Its digest is part of the address, because a server may change its files.
#[derive(Debug, Clone)]
pub struct HttpsAddress {
    text: String,
    /// Without the digest.
    pub(crate) url: Url,
    /// The component's digest.
    pub digest: Digest,
}

impl Address {
    /// Reads the `uses` of a step.
    pub fn parse(text: &str) -> Result<Self, RegistryError> {
        let refused = |reason: String| RegistryError::Address { text: shown(text), reason };
        match text.split_once("://") {
            Some(("oci", rest)) => OciAddress::read(text, rest).map(Self::Oci).map_err(refused),
            Some(("https" | "http", _)) => HttpsAddress::read(text).map(Self::Https).map_err(refused),
            _ => Err(refused("plugins come from oci://, https://, a file ./NAME.wasm, or with llmhost".to_owned())),
        }
    }

    /// Host and name or path, without tag and digest: what patterns of `[trust]` are held against.
    pub fn name(&self) -> String {
        match self {
            Self::Oci(oci) => oci.name(),
            Self::Https(https) => https.name(),
        }
    }
}

impl OciAddress {
    fn read(text: &str, rest: &str) -> Result<Self, String> {
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.contains('@') {
            return Err("an address cannot contain credentials; use docker login".to_owned());
        }
        let named = path.split_once('@').map_or(path, |(named, _)| named);
        let tag = named.rsplit_once(':').map(|(_, tag)| tag.to_owned());
        let digest = path.split_once('@').map(|(_, digest)| digest.parse::<Digest>()).transpose()?;
        if path.is_empty() || host.is_empty() {
            return Err("write it like oci://ghcr.io/acme/plugin:1.0".to_owned());
        }
        if tag.is_none() && digest.is_none() {
            return Err(format!("it has neither tag nor digest; write for example oci://{rest}:1.0"));
        }
        // The rules for names know no addresses of IPv6.
        let is_v6 = host_of(host).starts_with('[') && is_address(host_of(host));
        let checked = if is_v6 { format!("localhost/{path}") } else { rest.to_owned() };
        let reference = Reference::try_from(checked).map_err(|error| error.to_string())?;
        let is_hub = host == "docker.io" || host == "index.docker.io";
        if reference.registry() != host && !is_hub && !is_v6 {
            return Err(format!("'{host}' is not the host of a registry; write for example oci://ghcr.io/{rest}"));
        }
        let host = if is_hub { reference.registry() } else { host }.to_owned();
        let repository = reference.repository().to_owned();
        Ok(Self { text: text.to_owned(), host, repository, tag, digest })
    }

    /// Reads the name of a container image, as docker and Kubernetes write it: `debian:bookworm` is in Docker's hub, and
    /// `latest` is the tag where there is neither tag nor digest.
    pub fn of_image(text: &str) -> Result<Self, RegistryError> {
        let refused = |reason: String| RegistryError::Address { text: shown(text), reason };
        let reference = Reference::try_from(text).map_err(|error| refused(error.to_string().to_lowercase()))?;
        let digest = reference.digest().map(str::parse::<Digest>).transpose().map_err(refused)?;
        Ok(Self {
            text: text.to_owned(),
            host: reference.registry().to_owned(),
            repository: reference.repository().to_owned(),
            tag: reference.tag().map(str::to_owned),
            digest,
        })
    }

    /// Where it is: by its digest, where it has one.
    pub(crate) fn reference(&self) -> Reference {
        self.digest.as_ref().map_or_else(|| self.at_tag(), |digest| self.at(digest))
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The registry: a host, perhaps with a port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Host and name.
    pub fn name(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }

    /// The same plugin, pinned.
    pub fn pinned(&self, digest: &Digest) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        format!("oci://{}{tag}@{digest}", self.name())
    }

    pub(crate) fn at_tag(&self) -> Reference {
        let tag = self.tag.as_deref().unwrap_or("latest");
        Reference::with_tag(self.host.clone(), self.repository.clone(), tag.to_owned())
    }

    pub(crate) fn at(&self, digest: &Digest) -> Reference {
        Reference::with_digest(self.host.clone(), self.repository.clone(), digest.to_string())
    }

    /// Whether it is on this machine, where plain HTTP will do.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(host_of(&self.host))
    }
}

impl HttpsAddress {
    fn read(text: &str) -> Result<Self, String> {
        const FORM: &str = "write it like https://host/plugin.wasm#sha256=… with the 64 digits that sha256sum prints";
        let mut url = Url::parse(text).map_err(|error| format!("{error}; {FORM}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address cannot contain credentials".to_owned());
        }
        if url.scheme() == "http" && !url.host_str().is_some_and(is_loopback) {
            return Err("plain http works only for this machine; use https".to_owned());
        }
        let digest = url.fragment().and_then(|fragment| fragment.strip_prefix("sha256=")).and_then(Digest::from_hex);
        let digest = digest.ok_or_else(|| format!("it has no digest; {FORM}"))?;
        url.set_fragment(None);
        Ok(Self { text: text.to_owned(), url, digest })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn host(&self) -> String {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", self.url.host_str().unwrap_or_default())
    }

    pub(crate) fn name(&self) -> String {
        format!("{}{}", self.host(), self.url.path())
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.url.host_str().is_some_and(is_loopback)
    }
}

/// The text without what could be a password.
fn shown(text: &str) -> String {
    match (text.split_once("://"), text.rfind('@')) {
        (Some((scheme, rest)), Some(_)) => {
            let authority = rest.find('/').unwrap_or(rest.len());
            let from = rest[..authority].rfind('@').map_or(0, |at| at + 1);
            format!("{scheme}://{}", &rest[from..])
        }
        _ => text.to_owned(),
    }
}

/// `127.0.0.1` of `127.0.0.1:5000`, `[::1]` of `[::1]:5000`.
fn host_of(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => registry,
    }
}

fn address(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}

fn is_address(host: &str) -> bool {
    address(host).is_some()
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || address(host).is_some_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn images_are_named_as_docker_names_them() {
        for (text, name, tag) in [
            ("debian", "docker.io/library/debian", Some("latest")),
            ("debian:bookworm-slim", "docker.io/library/debian", Some("bookworm-slim")),
            ("nvidia/cuda:13.0.2-runtime", "docker.io/nvidia/cuda", Some("13.0.2-runtime")),
            (
                "1.dkr.ecr.us-east-1.amazonaws.com/team/llmhost:1",
                "1.dkr.ecr.us-east-1.amazonaws.com/team/llmhost",
                Some("1"),
            ),
            ("127.0.0.1:5000/llmhost:1", "127.0.0.1:5000/llmhost", Some("1")),
        ] {
            let address = OciAddress::of_image(text).expect(text);
            assert_eq!((address.name().as_str(), address.tag.as_deref()), (name, tag), "{text}");
        }
        for text in ["", "upper/CASE:1", "a b", "llmhost:", "x@sha256:12"] {
            assert!(OciAddress::of_image(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_are_read_with_tag_and_digest() {
        for (text, name, tag, pinned, local) in [
            ("oci://ghcr.io/acme/x:1.0", "ghcr.io/acme/x", Some("1.0"), false, false),
            ("oci://127.0.0.1:5000/x:1", "127.0.0.1:5000/x", Some("1"), false, true),
            ("oci://localhost:5000/a/b/c:v1@sha256:HEX", "localhost:5000/a/b/c", Some("v1"), true, true),
            ("oci://localhost/a@sha256:HEX", "localhost/a", None, true, true),
            ("oci://[::1]:5000/x:1", "[::1]:5000/x", Some("1"), false, true),
            ("oci://docker.io/acme/x:1", "docker.io/acme/x", Some("1"), false, false),
            ("oci://localhost.example.com/x:1", "localhost.example.com/x", Some("1"), false, false),
        ] {
            let Address::Oci(oci) = Address::parse(&text.replace("HEX", HEX)).expect(text) else { panic!("{text}") };
            assert_eq!((oci.name().as_str(), oci.tag.as_deref()), (name, tag), "{text}");
            assert_eq!((oci.digest.is_some(), oci.is_loopback()), (pinned, local), "{text}");
        }
        for (text, name) in [
            ("https://example.com/p/x.wasm#sha256=HEX", "example.com/p/x.wasm"),
            ("http://127.0.0.1:80/x.wasm#sha256=HEX", "127.0.0.1/x.wasm"),
            ("http://[::1]:81/x.wasm#sha256=HEX", "[::1]:81/x.wasm"),
        ] {
            let address = Address::parse(&text.replace("HEX", HEX)).expect(text);
            assert_eq!(address.name(), name);
        }
    }

    #[test]
    fn what_is_no_address_says_how_to_write_it_and_shows_no_password() {
        for (text, part) in [
            ("oci://ghcr.io/acme/x", "neither tag nor digest"),
            ("oci://acme/x:1", "not the host of a registry"),
            ("oci://ghcr.io", "write it like"),
            ("oci://[::x]:5000/x:1", "invalid reference"),
            ("oci://ghcr.io/Acme/x:1", "invalid reference"),
            ("oci://ghcr.io/x:1@sha256:zz", "64 lower-case"),
            ("oci://user:word@ghcr.io/x:1", "cannot contain credentials"),
            ("https://user:word@example.com/x.wasm", "cannot contain credentials"),
            ("https://example.com/x.wasm", "it has no digest"),
            ("https://example.com/x.wasm#sha256=zz", "it has no digest"),
            ("http://example.com/x.wasm#sha256=HEX", "plain http"),
            ("http://127.0.0.1.example.com/x.wasm#sha256=HEX", "plain http"),
            ("ftp://example.com/x.wasm", "come from oci://"),
        ] {
            let error = Address::parse(&text.replace("HEX", HEX)).expect_err(text).to_string();
            assert!(error.contains(part) && !error.contains("word@"), "{text}: {error}");
        }
    }
}
