//! Credentials and region of AWS. Reports where credentials come from, never their values.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use llmhost_resources::{Aws, AwsSettings};

use super::Finding;

const WHAT: &str = "credentials";
/// How long AWS may take to answer.
const ONLINE: Duration = Duration::from_secs(10);

fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The profile that counts.
fn profile() -> String {
    set("AWS_PROFILE").unwrap_or_else(|| "default".to_owned())
}

fn file(variable: &str, name: &str) -> Option<PathBuf> {
    set(variable).map(PathBuf::from).or_else(|| Some(PathBuf::from(set("HOME")?).join(".aws").join(name)))
}

/// Keys of a profile in a file of AWS's form, with their values; nothing where it has no such profile, an error where it cannot be read.
fn keys(path: &PathBuf, section: &str) -> Result<Option<Vec<(String, String)>>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    let mut here = false;
    let mut found = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            here = name.trim().trim_start_matches("profile ").trim() == section;
            if here {
                found.get_or_insert_with(Vec::new);
            }
        } else if let (true, Some((key, value))) = (here, line.split_once('=')) {
            found.get_or_insert_with(Vec::new).push((key.trim().to_lowercase(), value.trim().to_owned()));
        }
    }
    Ok(found)
}

/// Where the standard chain would take credentials from, without asking anybody.
pub(super) fn credentials() -> Vec<Finding> {
    vec![source()]
}

fn source() -> Finding {
    match (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY")) {
        (Some(_), Some(_)) => {
            let kind = if set("AWS_SESSION_TOKEN").is_some() { "a session" } else { "an access key" };
            return Finding::ok(WHAT, format!("{kind} in the environment (AWS_ACCESS_KEY_ID)"));
        }
        (Some(_), None) => {
            let fix = "Set AWS_SECRET_ACCESS_KEY as well, or unset AWS_ACCESS_KEY_ID.";
            return Finding::broken(WHAT, "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not", fix).needed();
        }
        _ => {}
    }
    let profile = profile();
    let places = [file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), file("AWS_CONFIG_FILE", "config")];
    let mut is_known = false;
    for path in places.iter().flatten() {
        match keys(path, &profile) {
            Err(error) => return Finding::broken(WHAT, error, "Check the permissions of the file.").needed(),
            Ok(None) => {}
            Ok(Some(keys)) => {
                is_known = true;
                if let Some(how) = how(&keys) {
                    return Finding::ok(WHAT, format!("{how} of the profile {profile} in {}", path.display()));
                }
            }
        }
    }
    if set("AWS_PROFILE").is_some() && !is_known {
        let fix = "Name a profile that ~/.aws/config has, or unset AWS_PROFILE.";
        return Finding::broken(WHAT, format!("AWS_PROFILE names '{profile}', and no file has it"), fix).needed();
    }
    if set("AWS_WEB_IDENTITY_TOKEN_FILE").is_some() && set("AWS_ROLE_ARN").is_some() {
        return Finding::ok(WHAT, "a role by a web identity token (AWS_ROLE_ARN)");
    }
    for name in ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"] {
        if set(name).is_some() {
            return Finding::ok(WHAT, format!("the role of the container ({name})"));
        }
    }
    let fix = "aws configure sso, or set AWS_PROFILE. On an EC2 instance its role serves: llmhost doctor --online asks. \
               Dry runs and rehearsals need none.";
    Finding::missing(WHAT, "none in the environment and in ~/.aws", fix)
}

/// What a profile's keys make it, in words.
fn how(keys: &[(String, String)]) -> Option<&'static str> {
    let has = |name: &str| keys.iter().any(|(key, value)| key == name && !value.is_empty());
    Some(match () {
        () if has("aws_access_key_id") && has("aws_secret_access_key") => "an access key",
        () if has("sso_session") || has("sso_start_url") => "a sign-in by IAM Identity Center (SSO)",
        () if has("credential_process") => "a program (credential_process)",
        () if has("role_arn") => "a role",
        () => return None,
    })
}

/// The region that commands without a pipeline file take.
pub(super) fn region() -> Vec<Finding> {
    const WHAT: &str = "region";
    let named = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| Some((format!("by {name}"), set(name)?)));
    let of_profile = || {
        let path = file("AWS_CONFIG_FILE", "config")?;
        let keys = keys(&path, &profile()).ok()??;
        let (_, region) = keys.into_iter().find(|(key, value)| key == "region" && !value.is_empty())?;
        Some((format!("of the profile {}", profile()), region))
    };
    vec![match named.or_else(of_profile) {
        Some((how, region)) => match llmhost_resources::unknown_region(&region) {
            None => Finding::ok(WHAT, format!("{region} {how}; a pipeline states its own")),
            Some((message, help)) => Finding::broken(WHAT, format!("{message} ({how})"), help),
        },
        None => Finding::ok(WHAT, "not set; a pipeline states its own"),
    }]
}

/// Quotas are asked for by pipelines, which know what they need.
pub(super) fn quotas() -> Vec<Finding> {
    let found = "checked for a pipeline: llmhost validate FILE --online. New accounts often have 0 vCPUs for GPUs";
    vec![Finding::ok("quotas", found)]
}

/// Whether credentials are found; on an EC2 instance, for example, they have to be asked for.
pub(super) async fn online() -> Finding {
    const WHAT: &str = "AWS";
    let settings =
        AwsSettings { region: set("AWS_REGION").unwrap_or_else(|| "us-east-1".to_owned()), ..AwsSettings::default() };
    let aws = Arc::new(Aws::new(settings));
    match tokio::time::timeout(ONLINE, aws.has_credentials()).await {
        Ok(true) => Finding::ok(WHAT, "credentials were found"),
        Ok(false) => {
            let fix = "Sign in again: aws sso login, or set AWS_PROFILE.";
            Finding::broken(WHAT, "no credentials were found", fix).needed()
        }
        Err(_) => Finding::broken(WHAT, "no answer within 10 seconds", "Check the network and the proxy.").needed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_told_by_what_it_has_and_values_stay_where_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config");
        let text = "[default]\nregion = eu-west-1\n[profile dev]\nsso_session = s\n[profile keys]\naws_access_key_id = A\n\
                    aws_secret_access_key = very-secret\n[profile empty]\n";
        std::fs::write(&path, text).expect("it is written");
        let of = |profile: &str| keys(&path, profile).expect("it can be read").map(|keys| how(&keys));
        assert_eq!(of("dev"), Some(Some("a sign-in by IAM Identity Center (SSO)")));
        assert_eq!(of("keys"), Some(Some("an access key")));
        assert_eq!(of("empty"), Some(None));
        assert_eq!(of("other"), None);
        assert_eq!(keys(&folder.path().join("none"), "default"), Ok(None));
        assert!(keys(&folder.path().to_owned(), "default").is_err());
    }
}
