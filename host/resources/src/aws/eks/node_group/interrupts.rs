//! What a change of a node group interrupts.

use llmhost_engine::kind::{ChangeKind, ReplaceOrder};

use super::spec::{Share, Spec};

/// In one sentence about the group.
pub(super) fn interrupts(old: &Spec, new: &Spec, how: ChangeKind) -> Option<String> {
    let group = &old.node_group_name;
    match how {
        ChangeKind::Replace(ReplaceOrder::DeleteFirst) => Some(format!(
            "the nodes of group '{group}' are deleted before the new ones are ready, usually 3 to 5 minutes: pods that \
             need them do not run until then"
        )),
        ChangeKind::Replace(ReplaceOrder::CreateFirst) => Some(match old.drain_timeout_minutes {
            0 => {
                format!(
                    "the pods on the nodes of group '{group}' move: EKS drains the nodes for 5 minutes, then \
                        terminates them"
                )
            }
            minutes => format!(
                "the pods on the nodes of group '{group}' move: the nodes are cordoned and drained, for at most {minutes} \
                 minutes, before they are deleted"
            ),
        }),
        ChangeKind::Update => {
            let all: Vec<String> =
                [rolls(old, new), shrinks(old, new), evicts(old, new)].into_iter().flatten().collect();
            (!all.is_empty()).then(|| all.join("; "))
        }
    }
}

/// Another launch template version (disk, tags, metadata, image), Kubernetes version or AMI release is for new nodes.
fn rolls(old: &Spec, new: &Spec) -> Option<String> {
    // A release that is no longer stated stays until the nodes are rolled for another reason.
    let same_release = new.release_version.is_none() || old.release_version == new.release_version;
    let same = old.launch_template_version == new.launch_template_version && old.version == new.version && same_release;
    let at_a_time = match new.max_unavailable {
        Share::Count(1) => "1 node at a time".to_owned(),
        Share::Count(count) => format!("at most {count} nodes at a time"),
        Share::Percentage(share) => format!("at most {share}% of them at a time"),
    };
    (!same).then(|| format!("rolls its nodes: each node is drained and replaced, {at_a_time}"))
}

fn shrinks(old: &Spec, new: &Spec) -> Option<String> {
    let fewer = old.desired_size.checked_sub(new.desired_size).filter(|fewer| *fewer > 0)?;
    let nodes = if fewer == 1 { "1 node".to_owned() } else { format!("{fewer} nodes") };
    Some(format!("removes {nodes}: their pods move to the others"))
}

fn evicts(old: &Spec, new: &Spec) -> Option<String> {
    let keys = new.taints.iter().filter(|taint| taint.effect == "NO_EXECUTE" && !old.taints.contains(taint));
    let keys: Vec<&str> = keys.map(|taint| taint.key.as_str()).collect();
    (!keys.is_empty()).then(|| format!("evicts the pods that do not tolerate the taint {}", keys.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::spec::tests::spec;
    use super::*;

    #[test]
    fn what_rolls_shrinks_or_evicts_is_said_and_what_does_not_is_not() {
        let old = spec(2, 9, false);
        let change = |edit: &dyn Fn(&mut Spec)| {
            let mut new = old.clone();
            edit(&mut new);
            interrupts(&old, &new, ChangeKind::Update)
        };
        let rolls = "rolls its nodes: each node is drained and replaced, ";
        for (said, expected) in [
            (change(&|_| ()), None),
            (change(&|new| new.max_size = 12), None),
            (change(&|new| new.desired_size = 3), None),
            (change(&|new| new.launch_template_version = "2".into()), Some(format!("{rolls}1 node at a time"))),
            // Known only when the template has its new version.
            (
                change(&|new| new.launch_template_version = "<<n/ec2.launch-template/main#version>>".into()),
                Some(format!("{rolls}1 node at a time")),
            ),
            (
                change(&|new| {
                    new.version = Some("1.35".into());
                    new.max_unavailable = Share::Percentage(33);
                }),
                Some(format!("{rolls}at most 33% of them at a time")),
            ),
            (
                change(&|new| new.release_version = Some("1.35.1-20261101".into())),
                Some(format!("{rolls}1 node at a time")),
            ),
            (change(&|new| new.desired_size = 1), Some("removes 1 node: their pods move to the others".into())),
        ] {
            assert_eq!(said, expected);
        }
        let gone = interrupts(&old, &old, ChangeKind::Replace(ReplaceOrder::DeleteFirst)).unwrap();
        assert!(gone.contains("nodes of group 'n' are deleted before") && gone.contains("3 to 5 minutes"), "{gone}");
        let moved = interrupts(&old, &old, ChangeKind::Replace(ReplaceOrder::CreateFirst)).unwrap();
        assert!(moved.contains("cordoned and drained, for at most 15 minutes"), "{moved}");
    }
}
