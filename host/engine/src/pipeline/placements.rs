//! `region`, `profile` and `assume_role` of a step or a look-up.

use std::ops::Range;

use super::head;
use super::reader::{Item, Problems, Table};
use super::values::Scope;
use crate::placement::Placement;

/// The keys.
pub(super) const KEYS: [&str; 3] = ["region", "profile", "assume_role"];

/// Reads them. The place of the region is needed where nobody knows it.
pub(super) fn read(found: &Table<'_>, scope: &Scope<'_>, problems: &mut Problems) -> (Placement, Option<Range<usize>>) {
    let mut read = |key: &str| -> Option<(String, Range<usize>)> {
        let (at, item) = found.get(key)?;
        if scope.is_published && key != "region" {
            let message = format!("{}: a published pipeline does not choose credentials", found.called(key));
            problems.add("outside", at.span.clone(), message, "not known here");
            problems.help(format!("write {key} in the step that uses the pipeline"));
            return None;
        }
        let (text, span) = scope.setting(&found.called(key), item, problems)?;
        is_good(key, &text, &span, item, scope, problems).then_some((text, span))
    };
    let [region, profile, role] = KEYS.map(&mut read);
    let span = region.as_ref().map(|(_, span)| span.clone());
    let [region, profile, assume_role] = [region, profile, role].map(|value| value.map(|(text, _)| text));
    (Placement { region, profile, assume_role }, span)
}

fn is_good(
    key: &str,
    text: &str,
    span: &Range<usize>,
    item: Item<'_>,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> bool {
    match key {
        "region" => return head::check_region(scope, text, span, problems),
        "profile" if text.is_empty() || text.chars().any(char::is_control) => {
            problems.add(
                "bad-profile",
                item.span(),
                format!("'{}' is not a profile", text.escape_debug()),
                "not a name",
            );
            problems.help("write the name that the profile has in ~/.aws/config");
        }
        "assume_role" if !is_role(text) => {
            problems.add("bad-role", item.span(), format!("'{text}' is not the ARN of a role"), "not a role");
            problems.help("a role looks like arn:aws:iam::123456789012:role/deploy");
        }
        _ => return true,
    }
    false
}

/// `arn:aws:iam::123456789012:role/path/name`
fn is_role(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts[..] else { return false };
    let is_name =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@_-/".contains(c));
    partition.starts_with("aws")
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && resource.strip_prefix("role/").is_some_and(|name| is_name(name) && !name.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_an_arn_of_one() {
        for good in ["arn:aws:iam::123456789012:role/deploy", "arn:aws-cn:iam::123456789012:role/a/b.c@d"] {
            assert!(is_role(good), "{good}");
        }
        for bad in [
            "deploy",
            "arn:aws:iam::123456789012:user/deploy",
            "arn:aws:iam::1234:role/deploy",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:sts::123456789012:assumed-role/a/b",
            "arn:aws:iam::123456789012:role/a b",
        ] {
            assert!(!is_role(bad), "{bad}");
        }
    }
}
