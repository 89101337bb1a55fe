//! `llmhost image`: an image of the model server, made without a container engine. It is another image with one layer
//! on top: this program, ONNX Runtime, and the authorities that TLS trusts.

mod layer;
mod program;

use std::collections::BTreeMap;
use std::path::PathBuf;

use llmhost_inference::runtime::{Runtime, Search};
use llmhost_registry::{Addition, Login, OciAddress, credentials, push_image};
use llmhost_resources::{AwsSettings, IMAGE_LABEL, ecr_login, ecr_region};

use self::program::Program;
use crate::app::{self, Console};
use crate::args::{Computes, Image};
use crate::failure::Failure;
use crate::view::style;

/// What images are put on, with the minor version of the glibc in it.
const CPU_BASE: (&str, u32) = ("debian:bookworm-slim", 36);
/// CUDA 13 and cuDNN 9 are what onnxruntime-gpu is built for.
const CUDA_BASE: (&str, u32) = ("nvidia/cuda:13.0.2-cudnn-runtime-ubuntu24.04", 39);
/// Where the library lies in an image.
const LIBRARIES: &str = "/usr/local/lib/onnxruntime";
/// Numbers, and no name: Kubernetes checks runAsNonRoot by number. The inference plugin's pods run as the same.
const USER: &str = "10001:10001";
const PORT: u16 = 8000;

/// Makes and pushes an image.
pub(crate) async fn image(args: Image) -> Result<(), Failure> {
    let console = Console::new(args.json);
    let address = OciAddress::of_image(&args.push)?;
    let (usual, glibc) = if args.device == Computes::Cuda { CUDA_BASE } else { CPU_BASE };
    let base = OciAddress::of_image(args.base.as_deref().unwrap_or(usual))?;
    let program = Program::read(&program_path(&args)?)?;
    if args.base.is_none() {
        program.runs_on(usual, glibc)?;
    }
    let libraries = layer::libraries(&library(&args).await?, args.device)?;
    let (tar, gzip) = tokio::task::spawn_blocking({
        let bytes = program.bytes;
        move || layer::pack(&bytes, &libraries)
    })
    .await
    .map_err(|error| wrong(format!("the layer could not be packed: {error}"), "Report it as a fault of llmhost."))?
    .map_err(|error| wrong(format!("the layer could not be packed: {error}"), "Check that the files can be read."))?;
    let device = if args.device == Computes::Cuda { "cuda" } else { "cpu" };
    let labels = [
        (IMAGE_LABEL, env!("CARGO_PKG_VERSION")),
        ("dev.llmhost.device", device),
        ("org.opencontainers.image.title", "llmhost"),
        ("org.opencontainers.image.version", env!("CARGO_PKG_VERSION")),
    ];
    let addition = Addition {
        tar,
        gzip,
        architecture: program.architecture.to_owned(),
        entrypoint: vec!["/usr/local/bin/llmhost".to_owned()],
        env: environment(args.device),
        user: USER.to_owned(),
        port: PORT,
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    };
    let login = login(&address, args.profile.clone()).await?;
    let tell = |text: &str| console.note(text);
    let digest = console.hear(push_image(&address, &base, addition, login, &tell)).await?;
    if args.json {
        let line = serde_json::json!({ "image": args.push, "digest": digest.to_string(), "device": device });
        app::print(&format!("{line}\n"));
        return Ok(());
    }
    let (good, faint, image) = (style::GOOD, style::FAINT, &args.push);
    app::print(&format!(
        "{good}Pushed{good:#} {image} {faint}({digest}){faint:#}\nGive it to the pipeline: --var image={image}\n"
    ));
    Ok(())
}

fn environment(device: Computes) -> BTreeMap<String, String> {
    let mut all = vec![("ORT_DYLIB_PATH", LIBRARIES.to_owned())];
    if device == Computes::Cuda {
        // What the libraries of NVIDIA's own images stand in, too.
        let cuda = "/usr/local/nvidia/lib:/usr/local/nvidia/lib64:/usr/local/cuda/lib64";
        all.push(("LD_LIBRARY_PATH", format!("{LIBRARIES}:{cuda}")));
        all.push(("NVIDIA_VISIBLE_DEVICES", "all".to_owned()));
        all.push(("NVIDIA_DRIVER_CAPABILITIES", "compute,utility".to_owned()));
    }
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn program_path(args: &Image) -> Result<PathBuf, Failure> {
    match &args.program {
        Some(path) => Ok(path.clone()),
        None => std::env::current_exe()
            .map_err(|error| wrong(format!("this program does not find itself: {error}"), "Name it with --program.")),
    }
}

/// The library's file, or the folder that was named.
async fn library(args: &Image) -> Result<PathBuf, Failure> {
    if let Some(path) = &args.onnxruntime {
        return Ok(path.clone());
    }
    let loaded = tokio::task::spawn_blocking(|| Runtime::load(&Search::usual(None))).await;
    match loaded {
        Ok(Ok(runtime)) => Ok(runtime.info().path.clone()),
        Ok(Err(error)) => {
            Err(wrong(error.to_string(), "llmhost doctor --install installs it; or name it with --onnxruntime."))
        }
        Err(error) => Err(wrong(error.to_string(), "Name the library with --onnxruntime.")),
    }
}

/// For ECR, made with the AWS credentials, where docker has none; for others, docker's.
async fn login(address: &OciAddress, profile: Option<String>) -> Result<Option<Login>, Failure> {
    let Some(region) = ecr_region(address.host()) else { return Ok(None) };
    let is_known = credentials().is_ok_and(|known| known.registries.iter().any(|one| one == address.host()));
    if is_known {
        return Ok(None);
    }
    let settings = AwsSettings { profile, ..AwsSettings::default() };
    let login = ecr_login(&settings, region).await;
    login.map(Some).map_err(|error| Failure::Other {
        message: format!("cannot log in to {}: {error}", address.host()),
        help: error.advice().to_owned(),
        status: 1,
    })
}

fn wrong(message: String, help: &str) -> Failure {
    Failure::Other { message, help: help.to_owned(), status: 1 }
}
