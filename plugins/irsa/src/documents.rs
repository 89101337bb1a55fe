//! The role's two policies: who may assume it, and what it may do.

use llmhost_plugin::{Failure, invalid, sts};
use serde_json::{Value, json};

use crate::config::{Config, Mode};

/// Who may assume the role: the pods of this very service account, and nobody else.
pub(crate) fn trust(config: &Config) -> Result<Value, Failure> {
    let statement = match config.mode {
        Mode::PodIdentity => json!({
            "Effect": "Allow",
            "Principal": { "Service": "pods.eks.amazonaws.com" },
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }),
        Mode::Irsa => {
            let provider = config.oidc_provider_arn.as_ref().ok_or_else(|| {
                invalid(
                    "oidc_provider_arn is missing: write \"${cluster.oidc_provider_arn}\" (the eks step makes the provider \
                     unless oidc_provider = false), or use mode = \"pod-identity\"",
                )
            })?;
            let issuer = config.oidc_issuer.as_ref();
            let issuer = issuer.ok_or_else(|| invalid("oidc_issuer is missing: write \"${cluster.oidc_issuer}\""))?;
            // IAM names the issuer without its scheme.
            let issuer = issuer.strip_prefix("https://").unwrap_or(issuer);
            let account = format!("system:serviceaccount:{}:{}", config.namespace, config.service_account);
            let (audience, subject) = (format!("{issuer}:aud"), format!("{issuer}:sub"));
            let audiences = match &*sts::web_identity_audiences() {
                [one] => json!(one),
                any_of => json!(any_of),
            };
            json!({
                "Effect": "Allow",
                "Principal": { "Federated": provider },
                "Action": "sts:AssumeRoleWithWebIdentity",
                // Equal, not like: a pattern would let other accounts in.
                "Condition": { "StringEquals": { audience: audiences, subject: account } },
            })
        }
    };
    Ok(json!({ "Version": "2012-10-17", "Statement": [statement] }))
}

/// A pattern in a name would reach further than it says.
fn check_plain(option: &str, text: &str) -> Result<(), Failure> {
    match text.contains(['*', '?', '$']) {
        true => Err(invalid(format!(
            "{option} '{text}' is a pattern, which matches more than one name; use statements for patterns"
        ))),
        false => Ok(()),
    }
}

/// What the role may do; nothing where nothing is stated.
pub(crate) fn permissions(config: &Config) -> Result<Option<Value>, Failure> {
    check_plain("bucket", config.bucket.as_deref().unwrap_or_default())?;
    check_plain("prefix", &config.prefix)?;
    check_plain("cloudwatch_log_group", config.cloudwatch_log_group.as_deref().unwrap_or_default())?;
    for table in &config.dynamodb_tables {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if !(3..=255).contains(&table.len()) || !(table.contains("<<") || table.chars().all(allowed)) {
            return Err(invalid(format!("dynamodb_tables: '{table}' is not the name of a table")));
        }
    }
    let (partition, region) = (sts::partition(), sts::region());
    let mut statements = Vec::new();
    if let Some(bucket) = &config.bucket {
        let arn = format!("arn:{partition}:s3:::{bucket}");
        let prefix = config.prefix.trim_matches('/');
        let (objects, listed) = match prefix {
            "" => (format!("{arn}/*"), None),
            prefix => {
                (format!("{arn}/{prefix}/*"), Some([format!("{prefix}/*"), format!("{prefix}/"), prefix.to_owned()]))
            }
        };
        let mut list = json!({ "Sid": "ListModels", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn });
        if let Some(listed) = listed {
            list["Condition"] = json!({ "StringLike": { "s3:prefix": listed } });
        }
        statements.push(list);
        statements
            .push(json!({ "Sid": "ReadModels", "Effect": "Allow", "Action": "s3:GetObject", "Resource": objects }));
    } else if !config.prefix.is_empty() {
        return Err(invalid("prefix is set without a bucket"));
    }
    if let Some(key) = &config.bucket_key_arn {
        statements.push(json!({ "Sid": "DecryptModels", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": key }));
    }
    if let Some(group) = &config.cloudwatch_log_group {
        let account = sts::account_id()?;
        let logs = format!("arn:{partition}:logs:{region}:{account}:log-group:{group}*");
        statements.push(json!({
            "Sid": "WriteLogs", "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            "Resource": [logs.clone(), format!("{logs}:*")],
        }));
        statements.push(json!({
            "Sid": "PutMetrics", "Effect": "Allow", "Action": "cloudwatch:PutMetricData", "Resource": "*",
        }));
    }
    if !config.dynamodb_tables.is_empty() {
        let account = sts::account_id()?;
        let table = |name: &String| format!("arn:{partition}:dynamodb:{region}:{account}:table/{name}");
        let tables: Vec<String> =
            config.dynamodb_tables.iter().flat_map(|name| [table(name), table(name) + "/index/*"]).collect();
        let actions = [
            "GetItem",
            "PutItem",
            "UpdateItem",
            "DeleteItem",
            "Query",
            "BatchGetItem",
            "BatchWriteItem",
            "DescribeTable",
        ];
        let actions = actions.map(|action| format!("dynamodb:{action}"));
        statements.push(json!({ "Sid": "UseTables", "Effect": "Allow", "Action": actions, "Resource": tables }));
    }
    statements.extend(config.statements.iter().cloned());
    Ok((!statements.is_empty()).then(|| json!({ "Version": "2012-10-17", "Statement": statements })))
}
