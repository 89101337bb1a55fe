//! What only a machine with an NVIDIA GPU can show: that a model runs on it, that the engine's tests
//! pass on it, and how fast it is with and without what it does there, beside onnxruntime-genai's CUDA build and
//! transformers on torch. `check` goes the same way on a processor, with tiny models.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use llmhost_example_models::Example;
use llmhost_python_env::Environment;
use serde_json::Value;

use super::peer::Target;
use super::{devices, figures};

/// ONNX Runtime for CUDA 13 with the libraries that it needs, and the peer.
const PACKAGES: Environment =
    Environment { name: "cuda", requirements: include_str!("../../python/cuda.txt"), variable: "LLMHOST_CUDA_VENV" };
/// In the numbers that CUDA has kernels for; the first is the one that is looked at closely.
const MODELS: [Example; 2] = [Example::SmolLm2Fp16, Example::SmolLm2Bf16];
const BATCHES: [&str; 3] = ["1", "8", "64"];
/// Each program is measured so often, in turn, and the median is taken: other programs run, too.
const ROUNDS: usize = 5;
const DRIVERS: [&str; 2] = ["/usr/lib/x86_64-linux-gnu/libcuda.so.1", "/usr/lib64/libcuda.so.1"];

/// All of it, in one go.
pub(crate) fn run() -> Result<(), String> {
    has_driver()?;
    let target = target()?;
    crate::run("cargo", &["build", "--release", "--workspace", "--bin", "llmhost"])?;
    proof(&target)?;
    tests(&target)?;
    devices::table(&target, &MODELS, &BATCHES, ROUNDS)
}

/// What of it needs no GPU: that the programs run and the table comes out. Its figures say nothing.
pub(crate) fn check() -> Result<(), String> {
    let target = Target { profile: "debug", ..Target::processor()? };
    crate::run("cargo", &["build", "--bin", "llmhost"])?;
    let refused = has_driver().err().unwrap_or_else(|| "this machine has an NVIDIA driver".to_owned());
    println!("{refused}");
    devices::table(&target, &[Example::Tiny], &["1", "2"], 1)
}

/// Before gigabytes are fetched.
fn has_driver() -> Result<(), String> {
    let listed = Command::new("ldconfig").arg("-p").output();
    let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).contains("libcuda.so.1")).unwrap_or(false);
    let searched = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let there = std::env::split_paths(&searched).any(|folder| folder.join("libcuda.so.1").is_file());
    match listed || there || DRIVERS.iter().any(|path| Path::new(path).is_file()) {
        true => Ok(()),
        false => {
            Err("this machine has no NVIDIA driver: there is no libcuda.so.1. Run this where there is a GPU."
                .to_owned())
        }
    }
}

/// The library, and where what it needs lies.
fn target() -> Result<Target, String> {
    let python = PACKAGES.python(&|text| println!("{text}")).map_err(|error| error.to_string())?;
    let folder = PACKAGES.folder().map_err(|error| error.to_string())?.join("lib");
    let within = |folder: &Path| -> Vec<PathBuf> {
        let mut all: Vec<_> =
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        all.sort();
        all
    };
    let packages =
        within(&folder).into_iter().map(|python| python.join("site-packages")).find(|folder| folder.is_dir());
    let packages = packages.ok_or_else(|| format!("there are no packages in {}", folder.display()))?;
    let capi = packages.join("onnxruntime/capi");
    let named =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libonnxruntime.so"));
    let library = within(&capi).into_iter().find(named);
    let library = library.ok_or_else(|| format!("there is no libonnxruntime.so in {}", capi.display()))?;
    // Each of NVIDIA's packages has its libraries in a folder `lib`, one or two levels down.
    let deeper = |folder: PathBuf| within(&folder).into_iter().chain([folder]);
    let mut folders: Vec<PathBuf> = within(&packages.join("nvidia"))
        .into_iter()
        .flat_map(deeper)
        .map(|folder| folder.join("lib"))
        .filter(|folder| folder.is_dir())
        .collect();
    folders.push(capi);
    folders.extend(std::env::split_paths(&std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default()));
    let libraries: OsString = std::env::join_paths(folders).map_err(|error| error.to_string())?;
    Ok(Target { python, library, device: "cuda", profile: "release", libraries })
}

/// The model's nodes ran on CUDA, and its weights lie on the GPU; or an error.
fn proof(target: &Target) -> Result<(), String> {
    let mut command = target.llmhost("bench", MODELS[0])?;
    let found = figures(command.args(["--prompt-tokens", "32", "--answer-tokens", "8", "--batch", "1", "--json"]))?;
    let runtime = &found["runtime"];
    println!("\n{}", serde_json::to_string_pretty(runtime).unwrap_or_default());
    let on_gpu = runtime["nodes"]["CUDAExecutionProvider"].as_u64().unwrap_or(0);
    let all: u64 =
        runtime["nodes"].as_object().into_iter().flat_map(|nodes| nodes.values()).filter_map(Value::as_u64).sum();
    let bytes = |field: &str| runtime["gpu"][field].as_u64().unwrap_or(0);
    let taken = bytes("free_before").saturating_sub(bytes("free_after"));
    let weights =
        std::fs::metadata(super::peer::folder(MODELS[0])?.join("model.onnx.data")).map_or(0, |found| found.len());
    println!("{on_gpu} of {all} nodes on CUDA; {taken} bytes of the GPU taken, {weights} bytes of weights");
    match on_gpu * 10 >= all * 9 && on_gpu > 0 && taken >= weights {
        true => Ok(()),
        false => Err("the model does not run on the GPU".to_owned()),
    }
}

/// The engine's tests, on the GPU.
fn tests(target: &Target) -> Result<(), String> {
    println!("\n$ cargo test --package llmhost-inference");
    let mut command = Command::new("cargo");
    command.args(["test", "--package", "llmhost-inference", "--no-fail-fast"]).current_dir(crate::repository());
    command.env("LLMHOST_TEST_CUDA", &target.library).env("LD_LIBRARY_PATH", &target.libraries);
    crate::run_quietly(&mut command)
}
