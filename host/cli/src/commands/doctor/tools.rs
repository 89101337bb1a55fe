//! Programs that some commands use.

use llmhost_authoring::Language;
use llmhost_registry::Credentials;

use super::Finding;
use super::program::{Said, ask, version};

/// Python, for emulators and for installing ONNX Runtime.
pub(super) fn python() -> Vec<Finding> {
    const WHAT: &str = "Python";
    let fix = "Install Python 3.10 or newer with venv: apt-get install python3 python3-venv. Rehearsals and emulators need it.";
    vec![match ask("python3", &["--version"]) {
        Said::Line(text) => match version(&text) {
            Some((3, minor, _)) if minor < 10 => Finding::broken(WHAT, format!("{text} is too old"), fix),
            _ => Finding::ok(WHAT, text),
        },
        Said::Nowhere => Finding::missing(WHAT, "there is no python3", fix),
        Said::Failed(how) => Finding::broken(WHAT, format!("python3: {how}"), fix),
    }]
}

/// The emulators' packages.
pub(super) fn emulator() -> Vec<Finding> {
    const WHAT: &str = "emulator";
    vec![match llmhost_emulator::is_installed() {
        true => Finding::ok(WHAT, "installed; llmhost rehearse FILE uses it"),
        false => {
            Finding::missing(WHAT, "not installed yet", "The first llmhost rehearse installs it, in about a minute.")
        }
    }]
}

/// Whose credentials are there, and none of them.
pub(super) fn registries() -> Vec<Finding> {
    const WHAT: &str = "registries";
    vec![match llmhost_registry::credentials() {
        Ok(Credentials { file: Some(file), registries }) if !registries.is_empty() => {
            Finding::ok(WHAT, format!("credentials for {} in {}", registries.join(", "), file.display()))
        }
        Ok(_) => Finding::ok(WHAT, "no credentials from docker login; public plugins need none"),
        Err(error) => Finding::broken(WHAT, error, "Sign in again: docker login HOST."),
    }]
}

/// kubectl is for the user; llmhost itself never runs it.
pub(super) fn kubectl() -> Vec<Finding> {
    const WHAT: &str = "kubectl";
    vec![match ask("kubectl", &["version", "--client"]) {
        Said::Line(text) => Finding::ok(WHAT, version(&text).map_or(text, |(.., version)| version)),
        _ => Finding::ok(WHAT, "not found; llmhost does not need it. llmhost kubeconfig FILE writes a file for it"),
    }]
}

/// Charts are rendered by the plugin helm, without the program.
pub(super) fn helm() -> Vec<Finding> {
    const WHAT: &str = "helm";
    let has_plugin = llmhost_builtin::ALL.iter().any(|builtin| builtin.name == "helm");
    vec![match has_plugin {
        true => Finding::ok(WHAT, "the plugin is built in; the program is not needed"),
        false => Finding::missing(
            WHAT,
            "this build has no plugin helm; the program is not needed",
            "Build it with: cargo xtask release (needs Go 1.26).",
        ),
    }]
}

/// What plugins are written with. Nobody needs them who writes none; Zig, which builds those in C, C++ and Zig, is
/// installed by llmhost plugin build.
pub(super) fn languages() -> Vec<Finding> {
    let tools: [(&'static str, &str, &[&str], &str); 3] = [
        ("Rust", "rustc", &["--version"], "rustup, with rustup target add wasm32-unknown-unknown"),
        ("Go", "go", &["version"], Language::GO_PROGRAM),
        ("Node.js", "node", &["--version"], "Node.js 20 or newer"),
    ];
    let asked: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = tools
            .iter()
            .map(|(what, program, args, fix)| scope.spawn(move || (*what, ask(program, args), *fix)))
            .collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let finding = |(what, said, fix): (&'static str, Said, &str)| match said {
        Said::Line(text) => Finding::ok(what, version(&text).map_or(text, |(.., version)| version)),
        Said::Nowhere => Finding::missing(what, "not found; only for writing plugins", format!("Install {fix}.")),
        Said::Failed(how) => Finding::broken(what, how, format!("Install {fix}.")),
    };
    let mut found: Vec<Finding> = asked.into_iter().map(finding).collect();
    found.extend(wasm_target());
    found
}

/// Rust's own target for plugins, where there is Rust.
fn wasm_target() -> Option<Finding> {
    const WHAT: &str = "wasm target";
    let Said::Line(root) = ask("rustc", &["--print", "sysroot"]) else { return None };
    let folder = std::path::Path::new(&root).join("lib/rustlib/wasm32-unknown-unknown");
    Some(match folder.is_dir() {
        true => Finding::ok(WHAT, "wasm32-unknown-unknown"),
        false => Finding::missing(
            WHAT,
            "Rust has no wasm32-unknown-unknown; only for plugins in Rust",
            "rustup target add wasm32-unknown-unknown",
        ),
    })
}
