//! What nodes run when they start.

use toml::Value;

use super::Work;
use crate::at::At;
use crate::document::{Step, literal};

/// Scripts of Amazon Linux, settings of the kubelet, settings of Bottlerocket.
pub(crate) fn user_data(work: &mut Work<'_>, at: &At<'_>, step: &mut Step, is_bottlerocket: bool) {
    if is_bottlerocket {
        bottlerocket(work, at, step);
        return;
    }
    if let Some(commands) = at.get("preBootstrapCommands") {
        match commands.texts() {
            Some(lines) => {
                let to = format!(
                    "steps.{}.with.user_data, a script that runs when a node starts. Check it: nodes run Amazon Linux 2023 with \
                     containerd, and no Docker",
                    step.name
                );
                work.differs(&commands, to);
                step.set("user_data", literal(&format!("#!/bin/bash\nset -e\n{}\n", lines.join("\n"))));
            }
            None => work.wrong(&commands, "a list of commands"),
        }
    }
    if let Some(settings) = at.get("kubeletExtraConfig") {
        match settings.toml() {
            table @ Value::Table(_) => {
                work.same(&settings, format!("steps.{}.with.kubelet", step.name));
                step.set("kubelet", table);
            }
            _ => work.wrong(&settings, "a map"),
        }
    }
}

fn bottlerocket(work: &mut Work<'_>, at: &At<'_>, step: &mut Step) {
    let mut settings = toml::Table::new();
    let to = format!("steps.{}.with.user_data", step.name);
    if let Some(own) = at.find("bottlerocket.settings") {
        match own.toml() {
            Value::Table(own_settings) => {
                work.same(&own, to.clone());
                settings.extend(own_settings);
            }
            _ => work.wrong(&own, "a map"),
        }
    }
    if let Some(admin) = at.find("bottlerocket.enableAdminContainer") {
        work.same(&admin, to);
        if admin.flag() == Some(true) {
            let containers = settings.entry("host-containers").or_insert_with(|| Value::Table(toml::Table::new()));
            if let Some(containers) = containers.as_table_mut() {
                containers.insert("admin".into(), super::table([("enabled", true.into())]));
            }
        }
    }
    if !settings.is_empty() {
        let mut all = toml::Table::new();
        all.insert("settings".into(), Value::Table(settings));
        step.set("user_data", all.to_string());
    }
}
