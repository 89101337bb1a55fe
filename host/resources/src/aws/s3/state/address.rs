//! The address of a state in a bucket: `s3://bucket/prefix`, and `?region=…` where the bucket is in
//! another region than the pipeline.

use std::fmt;
use std::str::FromStr;

use llmhost_engine::kind::Permission;

use crate::aws::policy::partition_of;
use crate::aws::s3::names;

/// Where in S3 a state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateAddress {
    bucket: String,
    /// Without slashes at its ends.
    prefix: String,
    region: Option<String>,
}

impl StateAddress {
    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The bucket's region, where it is another than the pipeline's.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// What the state of a pipeline of this region needs to be allowed there.
    pub fn permissions(&self, region: &str) -> Vec<Permission> {
        let partition = partition_of(self.region().unwrap_or(region));
        let objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"];
        vec![
            Permission::new(&objects, [self.objects_arn(partition)]),
            Permission::new(&["s3:ListBucket"], [self.bucket_arn(partition)]),
        ]
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn bucket_arn(&self, partition: &str) -> String {
        format!("arn:{partition}:s3:::{}", self.bucket)
    }

    pub(super) fn objects_arn(&self, partition: &str) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("{}/{}{slash}*", self.bucket_arn(partition), self.prefix)
    }

    pub(super) fn without_region(&self) -> Self {
        Self { region: None, ..self.clone() }
    }
}

impl fmt::Display for StateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        self.region.iter().try_for_each(|region| write!(f, "?region={region}"))
    }
}

impl FromStr for StateAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("s3://").ok_or_else(|| format!("'{text}' does not start with s3://"))?;
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        if bucket.is_empty() {
            return Err(format!("'{text}' names no bucket; write it like s3://bucket/prefix"));
        }
        names::check(bucket)?;
        let prefix = prefix.trim_matches('/');
        if prefix.split('/').any(|part| matches!(part, "." | ".."))
            || prefix.contains("//")
            || prefix.chars().any(char::is_control)
        {
            return Err(format!("the prefix '{}' has a part that means something else to S3", prefix.escape_debug()));
        }
        if prefix.len() > 900 {
            return Err(format!("the prefix has {} bytes; at most 900 leave room for names", prefix.len()));
        }
        let region = match query.map(|query| query.strip_prefix("region=")) {
            None => None,
            Some(Some(region)) if is_region(region) => Some(region.to_owned()),
            Some(_) => return Err(format!("'?{}' is not understood; only ?region=… is", query.unwrap_or_default())),
        };
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned(), region })
    }
}

fn is_region(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for (text, shown, objects) in [
            ("s3://states/llm/prod/", "s3://states/llm/prod", "arn:aws:s3:::states/llm/prod/*"),
            ("s3://states", "s3://states", "arn:aws:s3:::states/*"),
            ("s3://states/a?region=eu-west-1", "s3://states/a?region=eu-west-1", "arn:aws:s3:::states/a/*"),
        ] {
            let address: StateAddress = text.parse().expect(text);
            assert_eq!((address.to_string().as_str(), address.objects_arn("aws").as_str()), (shown, objects));
        }
    }

    #[test]
    fn what_is_no_address_is_said() {
        for (text, words) in [
            ("s3://", "names no bucket"),
            ("s3:///x", "names no bucket"),
            ("s3://B/x", "3 to 63"),
            ("s3://My_Bucket/x", "'M' is not allowed"),
            ("s3://states/../x", "means something else"),
            ("s3://states/a//b", "means something else"),
            ("s3://states/a\nb", "means something else"),
            ("s3://states/a?regoin=x", "only ?region="),
            ("s3://states/a?region=", "only ?region="),
            ("gs://states/a", "s3://"),
        ] {
            let error = text.parse::<StateAddress>().expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(format!("s3://states/{}", "x".repeat(901)).parse::<StateAddress>().is_err());
    }
}
