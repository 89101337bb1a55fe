//! Amazon ECR: who may pull and push images there.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llmhost_engine::kind::{ErrorClass, OpError};
use llmhost_engine::secret;
use llmhost_registry::Login;
use serde_json::Value;

use super::clients::{Aws, AwsSettings};
use super::signed::{self, Signed};

const OPERATION: &str = "ecr:GetAuthorizationToken";
const TARGET: &str = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
/// Longest answer.
const LONGEST: usize = 64 << 10;
const TIMEOUT: Duration = Duration::from_secs(30);

/// The region of a private registry of ECR: `ACCOUNT.dkr.ecr.REGION.amazonaws.com`.
pub fn ecr_region(host: &str) -> Option<&str> {
    let (account, rest) = host.split_once(".dkr.ecr.")?;
    let (region, suffix) = rest.split_once('.')?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (is_account && suffix == llmhost_partitions::of(region).dns_suffix).then_some(region)
}

/// A login to the registries of a region, made with these credentials; it holds for twelve hours.
pub async fn ecr_login(settings: &AwsSettings, region: &str) -> Result<Login, OpError> {
    let aws = Aws::new(AwsSettings { region: region.to_owned(), ..settings.clone() });
    let signed = Signed {
        operation: OPERATION,
        service: "ecr",
        prefix: "api.ecr",
        method: "POST",
        path: "/",
        headers: vec![("content-type", "application/x-amz-json-1.1".to_owned()), ("x-amz-target", TARGET.to_owned())],
        body: b"{}".to_vec(),
        repeatable: true,
        longest: LONGEST,
        timeout: TIMEOUT,
    };
    read(&signed::call(&aws, &signed).await?).ok_or_else(|| {
        let message = "the answer holds no login".to_owned();
        OpError { class: ErrorClass::Service, ..OpError::local(OPERATION, message) }
    })
}

fn read(answer: &str) -> Option<Login> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let token = answer["authorizationData"][0]["authorizationToken"].as_str()?;
    let text = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    secret::hide(token);
    secret::hide(password);
    Some(Login { user: user.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_stands_in_the_host() {
        for (host, region) in [
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com", Some("eu-central-1")),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com.evil.example", None),
            ("evil.dkr.ecr.eu-central-1.amazonaws.com", None),
            ("public.ecr.aws", None),
            ("docker.io", None),
        ] {
            assert_eq!(ecr_region(host), region, "{host}");
        }
    }

    #[test]
    fn a_login_is_read_and_its_password_hidden() {
        let token = STANDARD.encode("AWS:a-very-secret-password");
        let login = read(&format!(r#"{{"authorizationData":[{{"authorizationToken":"{token}"}}]}}"#)).expect("a login");
        assert_eq!((login.user.as_str(), login.password.as_str()), ("AWS", "a-very-secret-password"));
        assert!(!secret::mask("it is a-very-secret-password").contains("a-very"));
        assert!(read("{}").is_none() && read("no JSON").is_none());
    }
}
