//! Signatures of components, in OpenSSH's format (PROTOCOL.sshsig).
//!
//! Everybody who uses git over SSH has a key and the tools: `ssh-keygen -Y sign -n llmhost-plugin -f KEY x.wasm`
//! makes a signature, `ssh-keygen -Y verify` checks one. What is signed is the component itself, so a signature
//! holds in every registry that the plugin is copied to.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use llmhost_engine::pipeline::Trusted;
use ssh_key::{HashAlg, PublicKey, SshSig};
use tokio::process::Command;

use crate::RegistryError;
use crate::error::plain;

/// What keeps a signature of a plugin apart from one of a commit or a login.
pub(crate) const NAMESPACE: &str = "llmhost-plugin";

/// A person may be asked for a passphrase, or to touch a hardware key.
const SIGNING: Duration = Duration::from_secs(120);

/// Refuses a component that none of the trusted keys signed.
pub(crate) fn check(
    name: &str,
    trusted: &Trusted<'_>,
    signature: Option<&str>,
    component: &[u8],
) -> Result<(), RegistryError> {
    let (name, pattern) = (name.to_owned(), trusted.pattern.to_owned());
    let Some(text) = signature else { return Err(RegistryError::Unsigned { name, pattern }) };
    let bad = |reason: String| RegistryError::BadSignature { name: name.clone(), reason };
    let signature: SshSig = text.parse().map_err(|error: ssh_key::Error| bad(plain(&error.to_string())))?;
    let is_it = |key: &PublicKey| key.key_data() == signature.public_key();
    let keys = trusted.keys.iter().filter_map(|key| PublicKey::from_openssh(key).ok());
    let Some(key) = keys.into_iter().find(is_it) else {
        let fingerprint = signature.public_key().fingerprint(HashAlg::Sha256).to_string();
        return Err(RegistryError::WrongKey { name, pattern, fingerprint });
    };
    key.verify(NAMESPACE, component, &signature).map_err(|error| {
        bad(match error {
            ssh_key::Error::Namespace => {
                format!("it is for '{}', and not for '{NAMESPACE}'", plain(signature.namespace()))
            }
            ssh_key::Error::Crypto => "it is for another component".to_owned(),
            other => plain(&other.to_string()),
        })
    })
}

/// The fingerprint of the key that signed this, if the signature is of this component.
pub(crate) fn signer(signature: &str, component: &[u8]) -> Option<String> {
    let signature: SshSig = signature.parse().ok()?;
    let key = PublicKey::from(signature.public_key().clone());
    key.verify(NAMESPACE, component, &signature).ok()?;
    Some(key.fingerprint(HashAlg::Sha256).to_string())
}

/// Signs a component with ssh-keygen, as git does: it knows passphrases, agents and hardware keys.
pub(crate) async fn sign(key: &Path, component: &Path) -> Result<String, RegistryError> {
    let failed = |reason: String| RegistryError::Signing { key: key.to_owned(), reason };
    let file = std::fs::File::open(component).map_err(|error| failed(format!("{}: {error}", component.display())))?;
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", "sign", "-n", NAMESPACE, "-f"]).arg(key).kill_on_drop(true);
    // Standard output has the signature; a passphrase is asked for on the terminal.
    let output = command.stdin(Stdio::from(file)).output();
    let output = match tokio::time::timeout(SIGNING, output).await {
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(failed("there is no ssh-keygen; install OpenSSH's client".to_owned()));
        }
        Ok(output) => output.map_err(|error| failed(error.to_string()))?,
        Err(_) => return Err(failed(format!("ssh-keygen took over {} seconds", SIGNING.as_secs()))),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("ssh-keygen failed");
        return Err(failed(plain(last)));
    }
    let signature: SshSig = text.parse().map_err(|error: ssh_key::Error| failed(error.to_string()))?;
    // Other keys make signatures, but not ones that are checked here.
    match signature.algorithm() {
        ssh_key::Algorithm::Ed25519 | ssh_key::Algorithm::SkEd25519 => Ok(text),
        other => Err(failed(format!("it is a key of type {other}, and plugins are signed with ed25519"))),
    }
}
