//! The reference chapters are what `llmhost explain --markdown` writes.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use support::{Scene, repository};

/// The pages in a folder, by their names.
fn pages(folder: &Path) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for part in ["plugins", "kinds"] {
        for entry in std::fs::read_dir(folder.join(part)).unwrap().flatten() {
            let name = format!("{part}/{}", entry.file_name().to_string_lossy());
            pages.insert(name, std::fs::read_to_string(entry.path()).unwrap());
        }
    }
    pages
}

#[test]
fn the_reference_is_up_to_date() {
    let scene = Scene::new();
    scene.llmhost(&["explain", "--markdown", "made"]).status(0).says(&["pages to made"]);
    let made = pages(&scene.path("made"));
    let mut kept = pages(&repository().join("docs/reference"));
    // Only a build with the plugin writes its page.
    for (plugin, _) in llmhost_builtin::ABSENT {
        assert!(kept.remove(&format!("plugins/{plugin}.md")).is_some(), "docs/reference has no page of {plugin}");
    }
    let all = made.keys().chain(kept.keys());
    let old: Vec<&String> = all.filter(|name| made.get(*name) != kept.get(*name)).collect();
    assert!(
        old.is_empty(),
        "docs/reference is not up to date: {old:?}\n\
         Run: cargo run -p llmhost -- explain --markdown docs/reference\n\
         Delete pages of plugins and kinds that llmhost no longer has."
    );
}

#[test]
fn pages_say_what_a_user_of_a_plugin_needs() {
    let scene = Scene::new();
    scene.llmhost(&["explain", "--markdown", "made"]).status(0);
    let made = pages(&scene.path("made"));
    for (page, words) in [
        (
            "plugins/nodegroup.md",
            &[
                "### `disk_gib`\n\nInteger. Default: `100`. At least: 20.",
                "uses = \"nodegroup\"",
                "| `taints.effect` |",
                "| `auto_scaling_group` |",
                "(../kinds/eks.node-group.md)",
                "needs no `allow`",
            ][..],
        ),
        ("plugins/vpc.md", &["| `subnets.NAME.private` |", "`ec2:describe`"]),
        ("plugins/aws.md", &["(../kinds/cloud-control.entity.md)"]),
        (
            "plugins/postgres.md",
            &["allow = [\"tcp:HOST:PORT\"]", "## Kind `role`", "| `login` |", "forces replacement"],
        ),
        (
            "kinds/ec2.subnet.md",
            &[
                "| `cidr_block` | string | forces replacement |",
                "(#subnet-ipv6)",
                "ec2:CreateSubnet",
                "(../plugins/vpc.md)",
            ],
        ),
        ("kinds/kube.object.md", &["[helm](../plugins/helm.md)", "`manifest.stringData`", "(#kubeconfig)"]),
        ("kinds/request.call.md", &["(#message)", "### rest-path"]),
        ("kinds/index.md", &["| [s3.bucket](s3.bucket.md) |"]),
    ] {
        for words in words {
            assert!(made[page].contains(words), "{page} does not say {words:?}:\n{}", made[page]);
        }
    }
    scene.llmhost(&["explain", "vpc", "--markdown", "made"]).status(2);
    scene.write("file", "");
    scene.llmhost(&["explain", "--markdown", "file"]).status(1).says(&["cannot write", "may write to"]);
}
