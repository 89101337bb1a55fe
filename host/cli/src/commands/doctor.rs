//! `llmhost doctor`: what of this machine llmhost can use.

use std::process::Command;

use llmhost_inference::Runtime;
use llmhost_inference::runtime::{OWN, Search};
use llmhost_python_env::cache_folder;
use llmhost_registry::{Credentials, Store};
use serde::Serialize;

use crate::app::{self, Console};
use crate::args::Doctor;
use crate::failure::Failure;
use crate::view::style;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    good: bool,
    found: String,
}

/// Looks around.
pub(crate) fn doctor(args: Doctor) -> Result<(), Failure> {
    let console = Console::new(args.json);
    if args.install {
        OWN.python(&|text| console.note(text)).map_err(|error| Failure::Other {
            message: error.to_string(),
            help: "Or install onnxruntime yourself, and set its library with --onnxruntime.".to_owned(),
            status: 1,
        })?;
    }
    let mut all = runtime(&args);
    all.push(gpus());
    all.push(python());
    all.push(registries());
    all.push(plugins());
    all.push(match cache_folder() {
        Ok(folder) => Finding { what: "cache", good: true, found: folder.display().to_string() },
        Err(error) => Finding { what: "cache", good: false, found: error.to_string() },
    });
    if args.json {
        let text = serde_json::to_string(&all).expect("plain data");
        app::print(&(text + "\n"));
    } else {
        let line = |one: &Finding| {
            let style = if one.good { style::GOOD } else { style::BAD };
            format!("{style}{:13}{style:#} {}\n", one.what, one.found)
        };
        app::print(&all.iter().map(line).collect::<String>());
    }
    // A machine without a GPU is none the worse; one without the library runs no model.
    match all.iter().any(|one| one.what == "ONNX Runtime" && !one.good) {
        true => Err(Failure::Other {
            message: "models cannot be run here".to_owned(),
            help: "llmhost doctor --install installs ONNX Runtime; pipelines do not need it.".to_owned(),
            status: 1,
        }),
        false => Ok(()),
    }
}

fn runtime(args: &Doctor) -> Vec<Finding> {
    match Runtime::load(&Search::usual(args.onnxruntime.clone())) {
        Ok(runtime) => {
            let info = runtime.info();
            let found = format!("{} at {}", info.version, info.path.display());
            let providers = info.providers.join(", ");
            vec![
                Finding { what: "ONNX Runtime", good: true, found },
                Finding { what: "providers", good: true, found: providers },
            ]
        }
        Err(error) => vec![Finding { what: "ONNX Runtime", good: false, found: error.to_string() }],
    }
}

fn gpus() -> Finding {
    let asked = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"];
    let output = Command::new("nvidia-smi").args(asked).output();
    match output.ok().filter(|output| output.status.success()) {
        Some(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let found = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
            Finding { what: "GPU", good: true, found }
        }
        None => {
            Finding { what: "GPU", good: true, found: "none found by nvidia-smi; models run on the CPU".to_owned() }
        }
    }
}

/// Whose credentials are there, and none of them.
fn registries() -> Finding {
    match llmhost_registry::credentials() {
        Ok(Credentials { file: Some(file), registries }) if !registries.is_empty() => {
            let found = format!("credentials for {} in {}", registries.join(", "), file.display());
            Finding { what: "registries", good: true, found }
        }
        Ok(_) => {
            let found = "no credentials from docker login; public plugins need none".to_owned();
            Finding { what: "registries", good: true, found }
        }
        Err(found) => Finding { what: "registries", good: false, found },
    }
}

fn plugins() -> Finding {
    let (files, bytes) = Store::in_cache(app::cache_dir().as_deref()).usage();
    let found = format!("{files} files of fetched plugins, {:.1} MiB", bytes as f64 / f64::from(1 << 20));
    Finding { what: "plugins", good: true, found }
}

fn python() -> Finding {
    let output = Command::new("python3").arg("--version").output().ok().filter(|output| output.status.success());
    match output {
        Some(output) => {
            Finding { what: "Python", good: true, found: String::from_utf8_lossy(&output.stdout).trim().to_owned() }
        }
        None => {
            let found = "python3 was not found; the emulators and doctor --install need it".to_owned();
            Finding { what: "Python", good: false, found }
        }
    }
}
