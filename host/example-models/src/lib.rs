//! Models to try and to test with: folders in the layout of the public ONNX exports, made by the
//! Python program beside this crate. For developers: the program is run from the sources.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use llmhost_python_env::{Environment, PythonError, cache_folder, folder_of, last_lines, once};

/// ONNX, ONNX Runtime, and what reads the formats that models come in.
const PACKAGES: Environment = Environment {
    name: "example-models",
    requirements: include_str!("../python/requirements.txt"),
    variable: "LLMHOST_EXAMPLE_MODELS_VENV",
};

/// A model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Example {
    /// A random decoder with GroupQueryAttention, under 1 MB.
    Tiny,
    /// The same weights in standard operators, with `position_ids` and a concatenated past.
    TinyPlain,
    /// The first one's weights in 16-bit floats.
    TinyFp16,
    /// The same in bfloat16, for which a processor has no kernels.
    TinyBf16,
    /// The first one with two sets of rotary factors, chosen by whether a run's longest row has more than 32 tokens.
    TinyLongRope,
    /// A random decoder whose tokens take 4 KiB each of the cache.
    TinyWide,
    /// A random encoder.
    TinyEmbeddings,
    /// SmolLM2-135M-Instruct in 32-bit floats.
    SmolLm2Fp32,
    /// SmolLM2-135M-Instruct in 16-bit floats, which is what GPUs have kernels for.
    SmolLm2Fp16,
    /// SmolLM2-135M-Instruct in bfloat16, which newer GPUs have kernels for.
    SmolLm2Bf16,
    /// SmolLM2-135M-Instruct in blocks of 4 bits.
    SmolLm2Int4,
    /// all-MiniLM-L6-v2, for embeddings.
    MiniLm,
}

impl Example {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Tiny,
        Self::TinyPlain,
        Self::TinyFp16,
        Self::TinyBf16,
        Self::TinyLongRope,
        Self::TinyWide,
        Self::TinyEmbeddings,
        Self::SmolLm2Fp32,
        Self::SmolLm2Fp16,
        Self::SmolLm2Bf16,
        Self::SmolLm2Int4,
        Self::MiniLm,
    ];

    /// Name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::TinyPlain => "tiny-plain",
            Self::TinyFp16 => "tiny-fp16",
            Self::TinyBf16 => "tiny-bf16",
            Self::TinyLongRope => "tiny-longrope",
            Self::TinyWide => "tiny-wide",
            Self::TinyEmbeddings => "tiny-embeddings",
            Self::SmolLm2Fp32 => "smollm2-135m-instruct-fp32",
            Self::SmolLm2Fp16 => "smollm2-135m-instruct-fp16",
            Self::SmolLm2Bf16 => "smollm2-135m-instruct-bf16",
            Self::SmolLm2Int4 => "smollm2-135m-instruct-int4",
            Self::MiniLm => "all-minilm-l6-v2",
        }
    }

    /// The model's folder, which is made where it is missing.
    pub fn folder(self) -> Result<PathBuf, ExampleError> {
        let folder = home()?;
        fs::create_dir_all(&folder).map_err(|error| ExampleError::io(&folder, &error))?;
        // Several tests want it at the same time; one makes it.
        let lock = folder.join(format!("{}.lock", self.name()));
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&lock);
        let _file =
            file.and_then(|file| file.lock().map(|()| file)).map_err(|error| ExampleError::io(&lock, &error))?;
        let mut command = Command::new(python()?);
        command.args(["-m", "export"]).arg(&folder).arg(folder.join("packages")).arg(self.name());
        command.env("PYTHONPATH", program()).env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
        let output = command.output().map_err(|error| ExampleError::Export { reason: error.to_string() })?;
        match output.status.success() {
            true => Ok(folder.join(self.name())),
            false => Err(ExampleError::Export { reason: last_lines(&String::from_utf8_lossy(&output.stderr)) }),
        }
    }
}

/// Where the models are kept: one folder for each state of the program that makes them.
fn home() -> Result<PathBuf, ExampleError> {
    let mut texts: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    let folder = program().join("export");
    let entries = fs::read_dir(&folder).map_err(|error| ExampleError::io(&folder, &error))?;
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|of| of == "py"))
    {
        let text = fs::read(&path).map_err(|error| ExampleError::io(&path, &error))?;
        texts.push((path, text));
    }
    texts.sort();
    let sum = texts.iter().flat_map(|(_, text)| text).fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        // FNV-1a: enough to tell one program from the next.
        (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    Ok(cache_folder()?.join(format!("example-models-{sum:016x}")))
}

/// The interpreter with the packages that the program needs.
pub fn python() -> Result<PathBuf, ExampleError> {
    Ok(PACKAGES.python(&|_| ())?)
}

/// ONNX Runtime's library, out of the Python package.
pub fn onnxruntime() -> Result<PathBuf, ExampleError> {
    python()?;
    let folder = PACKAGES.folder()?.join("lib");
    let find = |folder: &Path, begins: &str| -> Option<PathBuf> {
        let mut all: Vec<PathBuf> = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
        all.sort();
        all.into_iter().find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begins)))
    };
    let capi = find(&folder, "python3").map(|folder| folder.join("site-packages/onnxruntime/capi"));
    capi.and_then(|capi| find(&capi, "libonnxruntime.so")).ok_or_else(|| ExampleError::Export {
        reason: format!("there is no libonnxruntime.so under {}", folder.display()),
    })
}

/// A folder with the chat templates of some hundred public models, fetched where it is missing: `PACKAGE.NAME.jinja`.
pub fn chat_templates() -> Result<PathBuf, ExampleError> {
    let source = program().join("templates/__main__.py");
    let text = fs::read_to_string(&source).map_err(|error| ExampleError::io(&source, &error))?;
    let folder = folder_of("chat-templates", &text)?;
    let python = python()?;
    once(&folder, &|| true, || {
        let mut command = Command::new(python);
        command.args(["-m", "templates"]).arg(&folder);
        command.env("PYTHONPATH", program()).env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
        let output = command.output().map_err(|error| ExampleError::Templates { reason: error.to_string() })?;
        match output.status.success() {
            true => Ok(()),
            false => Err(ExampleError::Templates { reason: last_lines(&String::from_utf8_lossy(&output.stderr)) }),
        }
    })?;
    Ok(folder)
}

/// The program's folder.
pub fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExampleError {
    /// There is no Python to make it.
    #[error(transparent)]
    Python(#[from] PythonError),
    /// The program failed.
    #[error("the model could not be made: {reason}")]
    Export {
        /// The last lines that it wrote.
        reason: String,
    },
    /// The program that fetches templates failed.
    #[error("the chat templates could not be fetched: {reason}")]
    Templates {
        /// The last lines that it wrote.
        reason: String,
    },
    /// A file or folder cannot be used.
    #[error("cannot use {path}: {reason}")]
    Io {
        /// The file or folder.
        path: String,
        /// The system's word.
        reason: String,
    },
}

impl ExampleError {
    fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), reason: error.to_string() }
    }
}
