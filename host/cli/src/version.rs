//! `llmhost --version`: what this program is made of.

use std::sync::LazyLock;

/// The version with the commit, the target and the built-in plugins, as far as they are known.
pub(crate) fn long() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let mut text = env!("CARGO_PKG_VERSION").to_owned();
        if let Some(commit) = option_env!("LLMHOST_COMMIT") {
            text += &format!("\ncommit:  {commit}");
        }
        text += &format!("\ntarget:  {}-{}", std::env::consts::ARCH, std::env::consts::OS);
        let names: Vec<_> = llmhost_builtin::ALL.iter().map(|plugin| plugin.name).collect();
        text += &format!("\nplugins: {}", names.join(", "));
        if !names.contains(&"helm") {
            text += "\nwithout: helm (build with 'cargo xtask release')";
        }
        text
    });
    &TEXT
}
