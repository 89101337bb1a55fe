//! The languages that a plugin can be written in.

use serde::{Deserialize, Serialize};

/// A language that projects are made in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Language {
    /// cargo, and the SDK that the project carries.
    Rust,
    /// QuickJS, by componentize-qjs.
    JavaScript,
    /// As JavaScript, its types checked by tsc.
    TypeScript,
    /// asc.
    AssemblyScript,
    /// CPython, by componentize-py.
    Python,
    /// Go's own compiler.
    Go,
    /// `zig cc`.
    C,
    /// `zig c++`.
    Cpp,
    /// Zig.
    Zig,
}

impl Language {
    /// Every one, in the order in which they are offered.
    pub const ALL: &[Self] = &[
        Self::Rust,
        Self::JavaScript,
        Self::TypeScript,
        Self::AssemblyScript,
        Self::Python,
        Self::Go,
        Self::C,
        Self::Cpp,
        Self::Zig,
    ];

    /// As `--lang` and the project file have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::JavaScript => "javascript",
            Self::TypeScript => "typescript",
            Self::AssemblyScript => "assemblyscript",
            Self::Python => "python",
            Self::Go => "go",
            Self::C => "c",
            Self::Cpp => "cpp",
            Self::Zig => "zig",
        }
    }

    /// The language with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|language| language.name() == name)
    }
}
