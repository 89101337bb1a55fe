//! Credentials of registries, where docker, podman, oras and wkg look for them too: in docker's configuration.

use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use llmhost_engine::secret;
use oci_client::secrets::RegistryAuth;

use crate::RegistryError;

/// A helper asks a keychain, perhaps a person.
const HELPER: Duration = Duration::from_secs(60);

/// Where docker's configuration is: `$DOCKER_CONFIG/config.json`, or `~/.docker/config.json`.
fn file() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("DOCKER_CONFIG").or_else(|| Some(set("HOME")?.join(".docker")));
    folder.map(|folder| folder.join("config.json"))
}

/// What is known about the credentials of this user, without any of them.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The file, where there is one.
    pub file: Option<PathBuf>,
    /// Registries that it names.
    pub registries: Vec<String>,
}

/// Looks into docker's configuration; an error says what is wrong with it.
pub fn credentials() -> Result<Credentials, String> {
    let Some(path) = file().filter(|path| path.exists()) else {
        return Ok(Credentials { file: None, registries: Vec::new() });
    };
    let told = |reason: String| format!("{}: {reason}", path.display());
    let text = std::fs::read_to_string(&path).map_err(|error| told(error.to_string()))?;
    let config: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| told(format!("line {}: not JSON", error.line())))?;
    let keys = |name: &str| config[name].as_object().into_iter().flatten().map(|(key, _)| key.clone());
    let mut registries: Vec<String> = keys("auths").chain(keys("credHelpers")).collect();
    registries.sort();
    registries.dedup();
    Ok(Credentials { file: Some(path), registries })
}

/// The credentials for a registry, and the user that they are of.
pub(crate) async fn of(host: &str) -> Result<(RegistryAuth, Option<String>), RegistryError> {
    let unusable = |reason: String| RegistryError::Credentials { host: host.to_owned(), reason };
    let Some(path) = file() else { return Ok((RegistryAuth::Anonymous, None)) };
    let config = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((RegistryAuth::Anonymous, None)),
        other => other.map_err(|error| unusable(format!("{}: {error}", path.display())))?,
    };
    // Docker's own name for its hub.
    let server = if host == "docker.io" { "https://index.docker.io/v1/" } else { host }.to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        docker_credential::get_credential_from_reader(BufReader::new(config), &server)
    });
    let found = match tokio::time::timeout(HELPER, asked).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(unusable(format!("asking for them was interrupted: {error}"))),
        Err(_) => return Err(unusable(format!("the credential helper took over {} seconds", HELPER.as_secs()))),
    };
    match found {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            secret::hide(&password);
            secret::hide(&format!("{user}:{password}"));
            Ok((RegistryAuth::Basic(user.clone(), password), Some(user)))
        }
        Ok(DockerCredential::IdentityToken(token)) => {
            secret::hide(&token);
            Err(unusable(
                "they are an identity token, which is not supported; log in with a password or an access token"
                    .to_owned(),
            ))
        }
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok((RegistryAuth::Anonymous, None)),
        // What helpers say where they have none.
        Err(CredentialRetrievalError::HelperFailure { stdout, stderr, .. })
            if format!("{stdout}{stderr}").to_lowercase().contains("credentials not found") =>
        {
            Ok((RegistryAuth::Anonymous, None))
        }
        // Without what it printed: that may be anything.
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => Err(unusable(format!("{helper} failed"))),
        Err(CredentialRetrievalError::HelperCommunicationError) => {
            Err(unusable("the credential helper in the configuration does not start, or exited early".to_owned()))
        }
        Err(CredentialRetrievalError::ConfigReadError) => Err(unusable(format!("{} is not valid", path.display()))),
        Err(other) => Err(unusable(other.to_string().to_lowercase())),
    }
}
