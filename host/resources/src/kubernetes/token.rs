//! The token that an EKS cluster takes: a signed request for the caller's identity, which the
//! cluster sends to STS itself. No AWS command line is needed for it.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use base64::Engine;
use llmhost_engine::kind::{ErrorClass, OpError};

use crate::aws::Aws;

/// EKS takes a token for fifteen minutes from its signing, whatever it says of itself; AWS's own
/// tools ask for one.
const VALID: Duration = Duration::from_secs(60);

/// How long EKS takes a token, less the minute by which clocks may differ. `aws eks get-token` says the same.
const TAKEN: Duration = Duration::from_secs(14 * 60);

/// A token for a cluster, as a client of it needs it. `Debug` leaves the token out.
pub struct ClusterToken {
    /// What the cluster takes for a password.
    pub token: String,
    /// When the cluster stops taking it, as RFC 3339 has it.
    pub expires: String,
}

impl std::fmt::Debug for ClusterToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterToken").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// A token for the cluster of this name, signed with these credentials. Nothing is asked for it but the
/// credentials.
pub async fn cluster_token(aws: &Aws, cluster: &str) -> Result<ClusterToken, OpError> {
    let now = SystemTime::now();
    let expires = aws_smithy_types::DateTime::from(now + TAKEN);
    let expires = expires.fmt(aws_smithy_types::date_time::Format::DateTime);
    let expires = expires.map_err(|error| OpError::local("sts:GetCallerIdentity", error.to_string()))?;
    Ok(ClusterToken { token: signed(aws, cluster, now).await?, expires })
}

/// A token for a cluster.
pub(super) async fn token(aws: &Aws, cluster: &str) -> Result<String, OpError> {
    signed(aws, cluster, SystemTime::now()).await
}

async fn signed(aws: &Aws, cluster: &str, now: SystemTime) -> Result<String, OpError> {
    let operation = "sts:GetCallerIdentity";
    let credentials = aws.credentials(operation).await?;
    let url = presigned(&aws.settings.region, cluster, credentials, now).map_err(|reason| {
        let mut error = OpError::local(operation, format!("cannot sign the token: {reason}"));
        error.class = ErrorClass::Denied;
        error
    })?;
    Ok(format!("k8s-aws-v1.{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(url)))
}

fn presigned(
    region: &str,
    cluster: &str,
    credentials: aws_credential_types::Credentials,
    time: SystemTime,
) -> Result<String, String> {
    let host = llmhost_partitions::of(region).host("sts", region);
    let url = format!("https://{host}/?Action=GetCallerIdentity&Version=2011-06-15");
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(VALID);
    let identity = credentials.into();
    let params =
        v4::SigningParams::builder().identity(&identity).region(region).name("sts").time(time).settings(settings);
    let params = params.build().map_err(|error| error.to_string())?.into();
    // The cluster's name is signed too: a token for one cluster is none for another.
    let headers = [("host", host.as_str()), ("x-k8s-aws-id", cluster)];
    let request = SignableRequest::new("GET", url.as_str(), headers.into_iter(), SignableBody::Bytes(b""));
    let signed = request.and_then(|request| sign(request, &params)).map_err(|error| error.to_string())?;
    let (instructions, _) = signed.into_parts();
    let mut request = http::Request::builder().uri(&url).body(()).map_err(|error| error.to_string())?;
    instructions.apply_to_request_http1x(&mut request);
    Ok(request.uri().to_string())
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;

    use super::*;

    #[test]
    fn a_token_is_a_signed_question_for_one_cluster() {
        let credentials = || Credentials::new("AKID", "secret", Some("session".to_owned()), None, "test");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let url = presigned("eu-west-1", "llm", credentials(), time).expect("a signature");
        assert!(
            url.starts_with("https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15"),
            "{url}"
        );
        for part in [
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "X-Amz-Credential=AKID%2F20231114%2Feu-west-1%2Fsts%2Faws4_request",
            "X-Amz-Date=20231114T221320Z",
            "X-Amz-Expires=60",
            "X-Amz-SignedHeaders=host%3Bx-k8s-aws-id",
            "X-Amz-Security-Token=session",
        ] {
            assert!(url.contains(part), "{part} in {url}");
        }
        assert!(!url.contains("secret"), "{url}");
        assert_ne!(url, presigned("eu-west-1", "other", credentials(), time).expect("a signature"));
    }
}
