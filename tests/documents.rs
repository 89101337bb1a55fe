//! The plugins that the documents show are plugins: each chapter's files and commands, as a reader would copy them.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::PathBuf;
use std::process::Command;

use support::{Scene, repository};

/// A chapter of the documents.
struct Chapter {
    name: &'static str,
    text: String,
}

impl Chapter {
    fn read(name: &'static str) -> Self {
        let text = std::fs::read_to_string(repository().join("docs/plugins").join(name)).unwrap();
        Self { name, text }
    }

    /// The first block of code in this language.
    fn block(&self, language: &str) -> &str {
        let fence = format!("```{language}\n");
        let begin = self.text.find(&fence).unwrap_or_else(|| panic!("{}: no block of {language:?}", self.name));
        let block = &self.text[begin + fence.len()..];
        &block[..block.find("```").unwrap()]
    }

    /// The chapter from this heading on.
    fn from(&self, heading: &str) -> Self {
        let begin = self.text.find(heading).unwrap_or_else(|| panic!("{}: no {heading:?}", self.name));
        Self { name: self.name, text: self.text[begin..].to_owned() }
    }

    /// The commands, which are indented.
    fn commands(&self) -> Vec<&str> {
        let mut is_code = false;
        let mut found = Vec::new();
        for line in self.text.lines() {
            is_code ^= line.starts_with("```");
            found.extend(line.strip_prefix("    ").filter(|_| !is_code && !line.starts_with("     ")));
        }
        found
    }
}

/// The packed SDK of a language, made where it is not up to date.
fn packed(language: &str) -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned();
    let script = repository().join("plugins/sdk").join(language).join("pack.sh");
    let mut pack = Command::new("bash");
    pack.arg(script).arg(target.join("sdks")).env("CARGO_TARGET_DIR", &target);
    let output = pack.output().expect("bash starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join("sdks")
}

/// Runs a chapter's commands in a folder that has these files, and the packed SDK where the chapter expects it.
fn follow(scene: &Scene, chapter: &Chapter, language: &str) {
    let packages = packed(language);
    for entry in std::fs::read_dir(&packages).unwrap().flatten() {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), scene.path(&entry.file_name().to_string_lossy())).unwrap();
        }
    }
    let commands = chapter.commands();
    assert!(!commands.is_empty(), "{} has no commands", chapter.name);
    for line in commands {
        if let Some(args) = line.strip_prefix("llmhost ") {
            scene.llmhost(&args.split(' ').collect::<Vec<_>>()).status(0);
            continue;
        }
        let mut bash = Command::new("bash");
        bash.args(["-euc", line]).current_dir(scene.folder.path());
        let output = bash.output().expect("bash starts");
        assert!(output.status.success(), "{}: {line}\n{}", chapter.name, String::from_utf8_lossy(&output.stderr));
    }
}

/// Whether the project that the chapter makes has its block of code, and has been built.
fn has(scene: &Scene, file: &str, block: &str) {
    assert_eq!(std::fs::read_to_string(scene.path(&format!("logs/{file}"))).unwrap(), block, "{file}");
    assert!(scene.path("logs/logs.wasm").exists());
}

/// Whether there is a plugin that a pipeline can use.
fn plans(scene: &Scene) {
    scene.pipeline("[steps.logs]\nuses = \"./logs.wasm\"\nallow = [\"s3\"]\nwith = { bucket = \"my-logs\" }\n");
    let ran = scene.llmhost(&["run", "pipeline.toml", "--dry-run", "--verbose"]).status(0);
    ran.says(&["+ s3.bucket/logs", "bucket: \"my-logs\"", "1 to create"]);
    scene.llmhost(&["plugin", "run", "logs.wasm", "--with", r#"{"bukcet": "x"}"#]).status(2).says(&["bukcet"]);
}

#[test]
fn the_chapter_on_javascript_makes_a_plugin() {
    let (scene, chapter) = (Scene::new(), Chapter::read("javascript.md"));
    scene.write("package.json", chapter.block("json"));
    scene.write("plugin.js", chapter.block("javascript"));
    follow(&scene, &chapter, "javascript");
    has(&scene, "plugin.js", chapter.block("javascript"));
    scene.llmhost(&["plugin", "new", "typed", "--lang", "typescript"]).status(0);
    assert_eq!(std::fs::read_to_string(scene.path("typed/src/plugin.ts")).unwrap(), chapter.block("javascript"));
    plans(&scene);
    let (of_providers, typed) = (chapter.from("## A provider"), "kinds/src/provider.ts");
    scene.llmhost(&["plugin", "new", "kinds", "--lang", "typescript", "--provider"]).status(0);
    for file in ["notes/provider.js", typed] {
        assert_eq!(std::fs::read_to_string(scene.path(file)).unwrap(), of_providers.block("javascript"), "{file}");
    }
    scene.llmhost(&["plugin", "build", "kinds"]).status(0);
    for built in ["notes/notes.wasm", "kinds/kinds.wasm"] {
        scene
            .llmhost(&["plugin", "inspect", built])
            .status(0)
            .says(&["kind note", "cannot be changed in place: title"]);
    }
}

#[test]
fn the_chapter_on_python_makes_a_plugin() {
    let (scene, chapter) = (Scene::new(), Chapter::read("python.md"));
    scene.write("plugin.py", chapter.block("python"));
    follow(&scene, &chapter, "python");
    has(&scene, "plugin.py", chapter.block("python"));
    plans(&scene);
}

#[test]
fn the_chapter_on_go_makes_a_plugin() {
    let (scene, chapter) = (Scene::new(), Chapter::read("go.md"));
    scene.write("go.mod", chapter.block("go.mod"));
    scene.write("plugin.go", chapter.block("go"));
    follow(&scene, &chapter, "go");
    has(&scene, "plugin.go", chapter.block("go"));
    plans(&scene);
}

#[test]
fn the_chapter_on_rust_makes_a_plugin() {
    let (scene, chapter) = (Scene::new(), Chapter::read("rust.md"));
    let head = "[package]\nname = \"logs\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n";
    scene.write("Cargo.toml", format!("{head}{}", chapter.block("toml")));
    scene.write("src/lib.rs", chapter.block("rust"));
    let packages = packed("rust");
    let unpacked = Command::new("bash")
        .args(["-euc", "tar -xzf \"$0\"/llmhost-plugin-*.crate"])
        .arg(&packages)
        .current_dir(scene.folder.path())
        .status();
    assert!(unpacked.expect("bash starts").success());
    // As its commands do, wherever the target is from.
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("plugins");
    let built = llmhost_plugin_build::build(scene.folder.path(), &["logs"], &out).expect("it compiles").remove(0);
    scene.write("logs.wasm", built);
    plans(&scene);
}

/// Its commands are llmhost's own.
#[test]
fn the_chapter_on_assemblyscript_makes_a_plugin() {
    let (scene, chapter) = (Scene::new(), Chapter::read("assemblyscript.md"));
    let commands = chapter.commands();
    let [new, build] = commands[..] else { panic!("{commands:?}") };
    let run = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], "llmhost", "{line}");
        scene.llmhost(&words[1..]).status(0);
    };
    run(new);
    scene.write("logs/assembly/plugin.ts", chapter.block("typescript"));
    run(build);
    std::fs::copy(scene.path("logs/logs.wasm"), scene.path("logs.wasm")).unwrap();
    plans(&scene);
}

#[test]
fn the_chapter_on_c_cpp_and_zig_makes_a_plugin_in_each() {
    let chapter = Chapter::read("c.md");
    assert_eq!(chapter.commands(), ["llmhost plugin new logs --lang c", "llmhost plugin build logs"]);
    for (language, file) in [("c", "plugin.c"), ("cpp", "plugin.cpp"), ("zig", "plugin.zig")] {
        let scene = Scene::new();
        scene.llmhost(&["plugin", "new", "logs", "--lang", language]).status(0);
        scene.write(&format!("logs/src/{file}"), chapter.block(language));
        scene.llmhost(&["plugin", "build", "logs"]).status(0);
        std::fs::copy(scene.path("logs/logs.wasm"), scene.path("logs.wasm")).unwrap();
        plans(&scene);
    }
}

#[test]
fn the_chapters_on_testing_grants_and_limits_show_what_works() {
    let scene = Scene::new();
    scene.llmhost(&["plugin", "new", "logs", "--lang", "c"]).status(0);
    scene.llmhost(&["plugin", "build", "logs"]).status(0);
    std::fs::copy(scene.path("logs/logs.wasm"), scene.path("logs.wasm")).unwrap();
    scene.write("logs/cases/shown.toml", Chapter::read("testing.md").block("toml"));
    scene.llmhost(&["plugin", "test", "logs"]).status(0).says(&["shown: A bucket of this name", "2 cases passed"]);

    let [grants, limits] = ["grants.md", "limits.md"].map(Chapter::read);
    scene.pipeline(&format!("{}\n{}", grants.block("toml"), limits.block("toml")));
    let trace = &["run", "pipeline.toml", "--dry-run", "--verbose", "--trace", "trace.jsonl"];
    scene.llmhost(trace).status(0).says(&["+ s3.bucket/logs", "bucket: \"my-logs\""]);
    scene.llmhost(&["plugin", "replay", "trace.jsonl"]).status(0);
    scene.pipeline(&grants.block("toml").replace("\"s3:bucket\"", ""));
    scene.llmhost(&["run", "pipeline.toml", "--dry-run", "--accept-plugins"]).status(2).says(&["s3:bucket"]);
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let mut pages = vec![repository().join("README.md"), repository().join("ARCHITECTURE.md")];
    for folder in ["docs", "docs/plugins"] {
        let entries = std::fs::read_dir(repository().join(folder)).unwrap().flatten().map(|entry| entry.path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    assert!(pages.len() > 10, "{pages:?}");
    let link = regex::Regex::new(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)").unwrap();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for found in link.captures_iter(&text).filter(|found| !found[1].starts_with("http")) {
            let to = if found[1].is_empty() { page.clone() } else { page.parent().unwrap().join(&found[1]) };
            assert!(to.exists(), "{}: there is no {}", page.display(), &found[1]);
            if let Some(section) = found.get(2) {
                let there = std::fs::read_to_string(&to).unwrap();
                let sections = there.lines().filter(|line| line.starts_with('#')).map(anchor);
                assert!(
                    sections.into_iter().any(|known| known == section.as_str()),
                    "{}: no section {} in {}",
                    page.display(),
                    section.as_str(),
                    to.display()
                );
            }
        }
    }
}

/// What a section is called in links.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().replace(' ', "-")
}
