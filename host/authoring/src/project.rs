//! A project's own file.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{AuthoringError, Language, Uses, names};

/// Its name.
const FILE: &str = "llmhost-plugin.toml";

/// What a project's component exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum World {
    /// A plugin: a step of pipelines, with what it uses of llmhost's interfaces.
    Step(Uses),
    /// A provider: kinds of resources.
    Provider,
}

impl World {
    /// As the project file has it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Step(_) => "step",
            Self::Provider => "provider",
        }
    }
}

/// A plugin's project, as its `llmhost-plugin.toml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Project {
    /// Where it is.
    pub folder: PathBuf,
    /// What it is called.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// What it exports.
    pub world: World,
    /// The component that it is built to, from the folder.
    pub output: String,
}

/// The file's text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    name: String,
    language: String,
    world: Option<String>,
    uses: Option<Vec<String>>,
    output: Option<String>,
}

const KEYS: &str = "The keys are name, language, world, uses and output.";

impl Project {
    /// Reads the project in a folder.
    pub fn open(folder: &Path) -> Result<Self, AuthoringError> {
        let path = folder.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(AuthoringError::NoProject { folder: folder.display().to_string() });
            }
            Err(error) => return Err(AuthoringError::io(&path, &error)),
            Ok(text) => text,
        };
        let wrong = |reason: String, help: String| AuthoringError::Project {
            path: path.display().to_string(),
            reason: reason.trim_end().to_owned(),
            help,
        };
        let Text { name, language, world, uses, output } =
            toml::from_str(&text).map_err(|error| wrong(error.to_string(), KEYS.to_owned()))?;
        names::check(&name).map_err(|error| wrong(error.to_string(), error.advice()))?;
        let Some(language) = Language::named(&language) else {
            let all: Vec<_> = Language::ALL.iter().map(|language| language.name()).collect();
            let help = format!("The languages are {}.", all.join(", "));
            return Err(wrong(format!("there is no language '{language}'"), help));
        };
        let world = match (world.as_deref().unwrap_or("step"), uses) {
            ("step", uses) => {
                let uses = Uses::parse(&uses.unwrap_or_default());
                World::Step(uses.map_err(|error| wrong(error.to_string(), error.advice()))?)
            }
            ("provider", None) => World::Provider,
            ("provider", Some(_)) => {
                let help = "Remove uses: every provider has the same interfaces, and the pipeline file grants what it reaches.";
                return Err(wrong("a provider has no uses".to_owned(), help.to_owned()));
            }
            (other, _) => {
                let help = "Write \"step\" for a plugin or \"provider\" for kinds of resources.";
                return Err(wrong(format!("there is no world '{other}'"), help.to_owned()));
            }
        };
        let output = output.unwrap_or_else(|| format!("{name}.wasm"));
        let is_inside = Path::new(&output).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if output.is_empty() || !is_inside {
            let help = format!("Name a file in the project's folder, such as \"{name}.wasm\".");
            return Err(wrong(format!("output is '{output}'"), help));
        }
        let folder = std::path::absolute(folder).map_err(|error| AuthoringError::io(folder, &error))?;
        Ok(Self { folder, name, language, world, output })
    }

    /// The text of the file of a new project.
    pub(crate) fn text(&self) -> String {
        let world = match &self.world {
            World::Step(uses) => format!(
                "# What of llmhost's interfaces the plugin may use; after a change: llmhost plugin wit\n{}",
                uses_line(uses)
            ),
            World::Provider => "# It brings kinds of resources.\nworld = \"provider\"".to_owned(),
        };
        format!(
            "# What llmhost builds from this folder: llmhost plugin build\n\
             name = \"{}\"\n\
             language = \"{}\"\n\
             {world}\n\
             output = \"{}\"\n",
            self.name,
            self.language.name(),
            self.output
        )
    }

    /// Writes another `uses` into the file; everything else in it stays.
    pub(crate) fn write_uses(&mut self, uses: Uses) -> Result<(), AuthoringError> {
        let path = self.folder.join(FILE);
        if self.world == World::Provider {
            return Err(AuthoringError::Project {
                path: path.display().to_string(),
                reason: "a provider has no uses".to_owned(),
                help: "Remove --uses: every provider has the same interfaces.".to_owned(),
            });
        }
        let text = std::fs::read_to_string(&path).map_err(|error| AuthoringError::io(&path, &error))?;
        let spanned: Spanned = toml::from_str(&text).map_err(|error| AuthoringError::Project {
            path: path.display().to_string(),
            reason: error.to_string(),
            help: KEYS.to_owned(),
        })?;
        let line = uses_line(&uses);
        let new = match spanned.uses {
            Some(old) => {
                let value = line.strip_prefix("uses = ").unwrap_or(&line);
                format!("{}{value}{}", &text[..old.span().start], &text[old.span().end..])
            }
            // Before everything else, where it belongs to no table.
            None => format!("{line}\n{text}"),
        };
        std::fs::write(&path, new).map_err(|error| AuthoringError::io(&path, &error))?;
        self.world = World::Step(uses);
        Ok(())
    }

    /// The component.
    #[must_use]
    pub fn component(&self) -> PathBuf {
        self.folder.join(&self.output)
    }

    /// Whether a changed file is the author's, and not made by a build. Files elsewhere are.
    #[must_use]
    pub fn is_source(&self, path: &Path) -> bool {
        let Ok(inside) = path.strip_prefix(&self.folder) else { return true };
        let mut parts = inside.components().map(|part| part.as_os_str());
        let made = ["build", "bindings", "target", "node_modules"];
        let is_made = parts
            .clone()
            .next()
            .is_none_or(|first| made.iter().any(|made| first == *made) || first.as_encoded_bytes().starts_with(b"."));
        let output = self.component();
        !is_made
            && !parts.any(|part| part == "__pycache__")
            && path != output
            && path != output.with_extension("wasm.new")
    }

    /// For what is made on the way to it.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.join("build")
    }
}

#[derive(Deserialize)]
struct Spanned {
    uses: Option<toml::Spanned<Vec<String>>>,
}

fn uses_line(uses: &Uses) -> String {
    let quoted: Vec<String> = uses.names().map(|name| format!("{name:?}")).collect();
    format!("uses = [{}]", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Result<Project, AuthoringError> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(FILE), text).expect("it can be written");
        Project::open(folder.path())
    }

    #[test]
    fn a_damaged_file_says_what_is_wrong_and_what_to_do() {
        for (text, reason, help) in [
            ("name = ", "line 1", "The keys are"),
            ("name = \"a\"\nlanguage = \"rust\"\nuse = []\n", "unknown field `use`", "The keys are"),
            ("language = \"rust\"\n", "missing field `name`", "The keys are"),
            ("name = \"a\"\nlanguage = \"cobol\"\n", "no language 'cobol'", "rust, javascript"),
            ("name = \"A/b\"\nlanguage = \"rust\"\n", "'A/b' cannot be the name", "lower-case"),
            ("name = \"a\"\nlanguage = \"rust\"\nuses = [\"s3:buckets\"]\n", "'s3:buckets'", "s3:bucket"),
            ("name = \"a\"\nlanguage = \"go\"\nworld = \"kinds\"\n", "no world 'kinds'", "\"provider\""),
            ("name = \"a\"\nlanguage = \"go\"\nworld = \"provider\"\nuses = []\n", "has no uses", "Remove uses"),
            ("name = \"a\"\nlanguage = \"rust\"\noutput = \"../a.wasm\"\n", "output is '../a.wasm'", "a.wasm"),
        ] {
            let error = open(text).expect_err(text);
            assert!(error.is_usage(), "{error}");
            assert!(error.to_string().contains(reason) && error.advice().contains(help), "{error}\n{}", error.advice());
        }
    }

    #[test]
    fn what_a_build_makes_is_no_source() {
        let (folder, name, output) = (PathBuf::from("/p"), "a".to_owned(), "a.wasm".to_owned());
        let project = Project { folder, name, language: Language::C, world: World::Provider, output };
        for source in
            ["/p/src/lib.rs", "/p/Cargo.toml", "/p/pipeline.toml", "/elsewhere/pipeline.toml", "/p/src/build/x.rs"]
        {
            assert!(project.is_source(Path::new(source)), "{source}");
        }
        for made in [
            "/p/a.wasm",
            "/p/a.wasm.new",
            "/p/build/x",
            "/p/target/debug/y",
            "/p/.llmhost/state",
            "/p/src/__pycache__/z",
            "/p",
        ] {
            assert!(!project.is_source(Path::new(made)), "{made}");
        }
    }

    #[test]
    fn another_uses_leaves_the_rest_of_the_file_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        std::fs::write(&path, "name = \"a\" # mine\nuses = [\n  \"s3\",\n]\nlanguage = \"c\"\n")
            .expect("it can be written");
        let mut project = Project::open(folder.path()).expect("a project");
        project.write_uses(Uses::parse(&["sts", "ec2:vpc"]).expect("they are there")).expect("it can be written");
        let text = std::fs::read_to_string(&path).expect("it is there");
        assert_eq!(text, "name = \"a\" # mine\nuses = [\"ec2:vpc\", \"sts\"]\nlanguage = \"c\"\n");
        assert_eq!(Project::open(folder.path()).expect("a project"), project);
    }
}
