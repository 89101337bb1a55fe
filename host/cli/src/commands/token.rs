//! `llmhost token`: a token for a cluster, as an exec plugin of a kubeconfig prints it.

use llmhost_engine::kind::OpError;
use llmhost_resources::{Aws, AwsSettings, cluster_token};
use serde_json::json;

use crate::app;
use crate::args::Token;
use crate::failure::Failure;
use crate::place::emulator_key;

/// What the plugin and the kubeconfig speak.
pub(crate) const API_VERSION: &str = "client.authentication.k8s.io/v1";

/// Prints an `ExecCredential`.
pub(crate) async fn token(args: Token) -> Result<(), Failure> {
    let access_key = args.emulate.then(emulator_key);
    let settings = AwsSettings { region: args.region, profile: args.profile, access_key, ..AwsSettings::default() };
    let signed = cluster_token(&Aws::new(settings), &args.cluster).await.map_err(|error| failure(&error))?;
    let credential = json!({
        "apiVersion": API_VERSION,
        "kind": "ExecCredential",
        "spec": { "interactive": false },
        "status": { "token": signed.token, "expirationTimestamp": signed.expires },
    });
    app::print(&format!("{credential}\n"));
    Ok(())
}

/// An operation that failed, with what to do about it.
pub(crate) fn failure(error: &OpError) -> Failure {
    Failure::Other { message: error.to_string(), help: error.advice().to_owned(), status: 1 }
}
