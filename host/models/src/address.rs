//! The address of a model.

use std::path::PathBuf;

use crate::ModelError;

/// Where a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A folder on this machine.
    Folder(PathBuf),
    /// Objects of a bucket whose keys begin with `prefix/`; with the empty prefix, all of them.
    S3 {
        /// The bucket.
        bucket: String,
        /// Without slashes at its ends.
        prefix: String,
    },
}

impl Address {
    /// Reads `s3://bucket/prefix`, or takes the text for a path.
    pub fn parse(text: &str) -> Result<Self, ModelError> {
        let wrong = |reason| ModelError::Address { address: text.to_owned(), reason };
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text {
                "" => Err(wrong("it is empty")),
                path => Ok(Self::Folder(PathBuf::from(path))),
            };
        };
        if scheme != "s3" {
            return Err(wrong("only s3:// addresses and folders are known"));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/');
        match () {
            () if bucket.is_empty() => Err(wrong("it names no bucket")),
            () if prefix.split('/').any(|part| part == "..") => Err(wrong("its prefix has '..' in it")),
            () => Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_buckets_are_told_apart() {
        let s3 = |bucket: &str, prefix: &str| Address::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() };
        for (text, address) in [
            ("s3://models/a/b/", s3("models", "a/b")),
            ("s3://models", s3("models", "")),
            ("models/tiny", Address::Folder("models/tiny".into())),
        ] {
            assert_eq!(Address::parse(text).expect(text), address);
        }
        for text in ["", "s3://", "s3:///x", "https://example.com/x", "s3://b/../x"] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
