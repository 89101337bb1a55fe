//! The plugins that the documents show are plugins: each chapter's files and commands, as a reader would copy them.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/commands.rs"]
mod commands;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use support::{Scene, copy, repository};

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

/// The addresses of a document's links and pictures, and the names of its sections.
fn links_and_sections(text: &str) -> (Vec<String>, BTreeSet<String>) {
    let (mut links, mut sections, mut heading) = (Vec::new(), BTreeSet::new(), None::<String>);
    for event in Parser::new_ext(text, commands::options()) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => links.push(dest_url.to_string()),
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(text) | Event::Code(text) => _ = heading.as_mut().map(|heading| heading.push_str(&text)),
            Event::End(TagEnd::Heading(_)) => {
                let name = anchor(&heading.take().unwrap_or_default());
                let again = (1..).map(|number| format!("{name}-{number}"));
                let free = [name.clone()].into_iter().chain(again).find(|name| !sections.contains(name));
                sections.extend(free);
            }
            _ => {}
        }
    }
    (links, sections)
}

/// What a section is called in links.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let mut pages = commands::documents(&repository());
    pages.extend(["ARCHITECTURE.md", "CONTRIBUTING.md", "wit/README.md"].map(|page| repository().join(page)));
    assert!(pages.len() > 20, "{pages:?}");
    let mut wrong = Vec::new();
    for page in pages {
        let shown = page.strip_prefix(repository()).unwrap().display().to_string();
        let (links, sections) = links_and_sections(&std::fs::read_to_string(&page).unwrap());
        for link in links.iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, section) = link.split_once('#').map_or((&link[..], None), |(file, name)| (file, Some(name)));
            let to = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            if !to.exists() {
                wrong.push(format!("{shown}: there is no {file}"));
            } else if let Some(section) = section.filter(|_| to.extension().is_some_and(|of| of == "md")) {
                let there = match file.is_empty() {
                    true => sections.contains(section),
                    false => links_and_sections(&std::fs::read_to_string(&to).unwrap()).1.contains(section),
                };
                if !there {
                    wrong.push(format!(
                        "{shown}: no section {section} in {}",
                        if file.is_empty() { &shown } else { file }
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_book_has_every_document_once() {
    let docs = repository().join("docs");
    let (entries, _) = links_and_sections(&std::fs::read_to_string(docs.join("SUMMARY.md")).unwrap());
    let mut wrong = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        if !docs.join(entry).exists() {
            wrong.push(format!("docs/SUMMARY.md: there is no {entry}"));
        }
        if entries[..at].contains(entry) {
            wrong.push(format!("docs/SUMMARY.md has {entry} twice"));
        }
    }
    let of_book = |page: &Path| page.strip_prefix(&docs).ok().map(|page| page.to_string_lossy().into_owned());
    for page in commands::documents(&repository()) {
        let Some(name) = of_book(&page).filter(|name| name != "SUMMARY.md" && !entries.contains(name)) else {
            continue;
        };
        let text = std::fs::read_to_string(&page).unwrap();
        let title = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or("its title");
        wrong.push(format!("docs/SUMMARY.md lacks a line: - [{title}]({name})"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a command needs nothing but a pipeline file: no account, no emulator, no project, and nobody's answer.
fn runs_alone(words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut options = words.iter().filter(|word| word.starts_with('-'));
    let known = ["--dry-run", "--verbose", "--json", "--graph", "--check", "--events", "--output", "--out", "-o"];
    let is_there = |word: &&str| {
        let is_file = word.contains('/') || word.ends_with(".toml");
        !is_file || *word == "pipeline.toml" || repository().join(word).exists()
    };
    let is_placeholder = |word: &&str| word.contains('…') || (word.len() > 1 && **word == word.to_uppercase());
    if !options.all(|option| known.contains(option)) || words.iter().any(is_placeholder) {
        return false;
    }
    let is_dry = words.contains(&"--dry-run");
    // A file that a plan or a drawing is written to does not exist before.
    let parts = words.split(|word| ["--graph", "--output", "--out", "-o"].contains(word)).enumerate();
    let mut read = parts.flat_map(|(at, words)| words.iter().skip(usize::from(at > 0)));
    read.all(is_there)
        && match words[..] {
            ["explain" | "schema" | "completions" | "validate" | "graph" | "policy" | "fmt", ..] => true,
            ["plugin", "inspect", name] => llmhost_builtin::ALL.iter().any(|builtin| builtin.name == name),
            ["run", ..] => is_dry,
            _ => false,
        }
}

/// All others are parsed only: `args/documents.rs`. `--nocapture` lists them.
#[test]
#[allow(clippy::print_stdout, reason = "the list is for a person")]
fn commands_of_the_documents_that_need_no_account_run() {
    let scene = Scene::new();
    copy(&repository().join("pipelines"), &scene.path("pipelines"));
    scene.llmhost(&["init", "--yes"]).status(0);
    let mut shown: Vec<commands::Shown> = commands::shown(&repository());
    shown.retain(|shown| !shown.is_inline);
    for shown in &mut shown {
        for word in shown.words.iter_mut().filter(|word| *word == "FILE") {
            "pipeline.toml".clone_into(word);
        }
    }
    let (alone, others): (Vec<_>, Vec<_>) = shown.iter().partition(|shown| runs_alone(&shown.words));
    let (mut ran, mut wrong) = (BTreeSet::new(), Vec::new());
    for shown in alone {
        if !ran.insert(&shown.words) {
            continue;
        }
        let output = scene.command(&shown.words.iter().map(String::as_str).collect::<Vec<_>>()).output().unwrap();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            wrong.push(format!("{}: llmhost {}\n{said}", shown.page.display(), shown.words.join(" ")));
        }
    }
    let parsed: BTreeSet<String> = others.iter().map(|shown| shown.words.join(" ")).collect();
    println!("{} commands ran; parsed only:\n{}", ran.len(), parsed.into_iter().collect::<Vec<_>>().join("\n"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ran.len() >= 10, "{ran:?}");
}
