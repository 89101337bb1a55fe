//! What ids and ARNs look like: what is none is said when it is declared, and not minutes later by AWS.

use llmhost_engine::unknown;

/// Checks the ARN of a role.
pub(super) fn role(what: &str, arn: &str) -> Result<(), String> {
    let is_role = || {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        matches!(parts[..], ["arn", _, "iam", _, _, name] if name.starts_with("role/"))
    };
    if unknown::is_opaque(arn) || is_role() {
        return Ok(());
    }
    Err(format!("{what} '{arn}' is not the ARN of a role, such as arn:aws:iam::123456789012:role/NAME"))
}

/// Checks ids of one kind of resource of EC2: `subnet-…`.
pub(super) fn ids<'a>(what: &str, prefix: &str, ids: impl IntoIterator<Item = &'a String>) -> Result<(), String> {
    let is_id = |id: &str| id.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
    match ids.into_iter().find(|id| !unknown::is_opaque(id) && !is_id(id)) {
        Some(other) => Err(format!("{what} '{other}' is not an id: one looks like {prefix}0123456789abcdef0")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_arn_and_no_id_is_told_from_what_is_one_or_may_become_one() {
        for (arn, good) in [
            ("arn:aws-cn:iam::123456789012:role/path/name", true),
            ("<<roles/iam.role/cluster#arn>>", true),
            ("EKSClusterRole", false),
            ("arn:aws:iam::123456789012:user/me", false),
            ("", false),
        ] {
            assert_eq!(role("role_arn", arn).is_ok(), good, "{arn}");
        }
        let all = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(ids("subnet_ids", "subnet-", &all(&["subnet-0abc", "<<net/ec2.subnet/a#id>>"])), Ok(()));
        let error = ids("subnet_ids", "subnet-", &all(&["subnet-0abc", "vpc-0abc"])).unwrap_err();
        assert!(error.contains("subnet_ids 'vpc-0abc' is not an id"), "{error}");
    }
}
