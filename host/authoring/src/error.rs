//! Why there is no project, or no plugin, and what to do about it.

use llmhost_python_env::PythonError;

/// Why a command for authors did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthoringError {
    /// A name that cannot be a project's.
    #[error("'{name}' cannot be the name of a plugin: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// There is something in the folder.
    #[error("{folder} is not empty: it has {entry}")]
    NotEmpty {
        /// The folder.
        folder: String,
        /// One of its entries.
        entry: String,
    },
    /// There is no project.
    #[error("{folder} is not a plugin project: it has no llmhost-plugin.toml")]
    NoProject {
        /// The folder.
        folder: String,
    },
    /// The project file is wrong.
    #[error("{path}: {reason}")]
    Project {
        /// The file.
        path: String,
        /// What is wrong, and where.
        reason: String,
        /// What to do.
        help: String,
    },
    /// Nothing that can be used has this name.
    #[error("there is no interface '{name}' for plugins")]
    UnknownUse {
        /// The name.
        name: String,
        /// What there is.
        help: String,
    },
    /// Providers are not written in this language.
    #[error("there is no SDK for providers in {language}")]
    NoProvider {
        /// The language.
        language: &'static str,
        /// Those that there are.
        languages: String,
    },
    /// A program is missing, or too old.
    #[error("a plugin in {language} needs {program}, and {found}")]
    Tool {
        /// The language.
        language: &'static str,
        /// What is needed.
        program: &'static str,
        /// What there is instead.
        found: String,
        /// Where it is from.
        help: String,
    },
    /// Python, or packages of it.
    #[error(transparent)]
    Python(#[from] PythonError),
    /// Nothing compiles Rust to WebAssembly.
    #[error(transparent)]
    Rust(#[from] llmhost_plugin_build::BuildError),
    /// A registry does not answer.
    #[error("cannot get {what}: {reason}")]
    Registry {
        /// What was asked for.
        what: String,
        /// The tool's last words.
        reason: String,
    },
    /// The project does not compile.
    #[error("the plugin does not compile: {program} says\n{output}")]
    Compile {
        /// The compiler.
        program: String,
        /// What it wrote.
        output: String,
    },
    /// What was compiled uses more than the project says.
    #[error("the plugin calls {called}, and `uses` in llmhost-plugin.toml does not have it")]
    Unused {
        /// The grants.
        called: String,
        /// What `uses` would have to be.
        uses: String,
    },
    /// A file cannot be read or written.
    #[error("cannot use {path}: {reason}")]
    Io {
        /// The file.
        path: String,
        /// The system's word.
        reason: String,
    },
    /// An own table is wrong.
    #[error("the interfaces cannot be written: {0}")]
    Wit(String),
}

impl AuthoringError {
    pub(crate) fn io(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), reason: error.to_string() }
    }

    /// Whether what was asked for is wrong, rather than what was found while it was done.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Name { .. }
                | Self::NotEmpty { .. }
                | Self::NoProject { .. }
                | Self::Project { .. }
                | Self::UnknownUse { .. }
                | Self::NoProvider { .. }
        )
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Name { .. } => {
                "Use lower-case letters, digits and single hyphens, starting with a letter, such as access-logs."
                    .to_owned()
            }
            Self::NotEmpty { .. } => "Choose another folder with --dir, or empty this one.".to_owned(),
            Self::NoProject { .. } => {
                "Give the folder of a project, or create one with 'llmhost plugin new NAME --lang LANGUAGE'.".to_owned()
            }
            Self::NoProvider { languages, .. } => format!("Use --lang with one of {languages}."),
            Self::Project { help, .. } | Self::UnknownUse { help, .. } | Self::Tool { help, .. } => help.clone(),
            Self::Rust(_) => "Install Rust and rustup from https://rustup.rs.".to_owned(),
            Self::Registry { .. } | Self::Python(PythonError::Pip { .. }) => {
                "Check the connection, and HTTPS_PROXY if you use a proxy; then run the command again: fetched \
                 files are kept."
                    .to_owned()
            }
            Self::Python(PythonError::NoPython | PythonError::OldPython { .. } | PythonError::NoVenv { .. }) => {
                "Install Python from https://www.python.org, or the packages python3 and python3-venv.".to_owned()
            }
            Self::Python(_) => "Check that the cache folder is writable.".to_owned(),
            Self::Compile { .. } => "Correct the source and build again. The plugin has the interfaces in `uses` of \
                 llmhost-plugin.toml."
                .to_owned(),
            Self::Unused { uses, .. } => {
                format!("Remove the call, or allow it: llmhost plugin wit --uses {uses}")
            }
            Self::Io { .. } => "Check that the path is correct and writable.".to_owned(),
            Self::Wit(_) => "This is an error in llmhost; report it with the command.".to_owned(),
        }
    }
}
