//! SSH to nodes.

use toml::{Table, Value};

use super::network::Network;
use super::{Work, list};
use crate::at::At;
use crate::document::{Step, literal};

/// The option `remote_access` of a node group.
pub(super) fn access(work: &mut Work<'_>, at: &At<'_>, step: &mut Step, network: &Network, here: &str) {
    let Some(ssh) = at.get("ssh") else { return };
    let sources = ssh.get("sourceSecurityGroupIds");
    let allows = ssh.get("allow").and_then(|at| at.flag()).unwrap_or(ssh.get("publicKeyName").is_some());
    if !allows {
        for key in ["allow", "publicKeyName", "publicKey", "publicKeyPath"] {
            if let Some(at) = ssh.get(key) {
                work.differs(&at, "no SSH: llmhost gives a key only together with who may use it");
            }
        }
        return;
    }
    let name = ssh.get("publicKeyName").and_then(|at| Some((at.clone(), at.text()?)));
    let (Some((name_at, name)), Some(vpc)) = (name, network.vpc()) else {
        let why = "key pairs are not imported: the group has no SSH";
        let todo = "Import the key by aws ec2 import-key-pair, name it by publicKeyName, and convert again.";
        return work.missing(&ssh, why, todo);
    };
    work.same(&name_at, format!("{here}.remote_access.key_name"));
    if let Some(at) = ssh.get("allow") {
        work.same(&at, format!("{here}.remote_access"));
    }
    let mut options = Table::new();
    options.insert("key_name".into(), literal(name).into());
    options.insert("vpc_id".into(), vpc.into());
    options.insert("cluster_security_group_id".into(), "${cluster.security_group_id}".into());
    match sources.and_then(|at| Some((at.clone(), at.texts()?))) {
        Some((at, groups)) => {
            let keys = |id| [("kind", "ec2.security-group"), ("id", id)];
            let ids: Vec<String> =
                groups.into_iter().map(|id| work.document.existing(id, "group", &keys(id), "id")).collect();
            work.same(&at, format!("{here}.remote_access.source_security_group_ids"));
            options.insert("source_security_group_ids".into(), list(ids));
            step.set("remote_access", Value::Table(options));
        }
        None => {
            options.insert("sources".into(), list(["0.0.0.0/0".to_owned()]));
            let comment = "eksctl lets the whole world in: narrow it";
            step.set_with("remote_access", Value::Table(options), comment);
        }
    }
}
