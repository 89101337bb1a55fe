//! Every error code has a page in `docs/errors`, every page a code, and the example of a page gives its code.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;
use support::{Scene, flat, repository};

/// Where codes are: the pipeline file, the checks before a run, and what the binary itself says of a file.
const SOURCES: [&str; 3] = ["host/engine/src/pipeline", "host/resources/src/aws/preflight", "host/cli/src"];

/// How a code is written there: as a field, as the variable that goes into the field, or as an argument of what makes a
/// problem.
const FORMS: [&str; 5] = [
    r#"\bcode: (?:if [^{]+\{ )?"([a-z0-9-]+)""#,
    r#"\} else \{ "([a-z0-9-]+-to-world)""#,
    r#"\.(?:problem|add|add_unseen)\(\s*"([a-z0-9-]+)","#,
    r#"\b(?:fail|bad|finding|error|refused|push)\(\s*(?:&?\w+(?:::\w+)?,\s*)*"([a-z0-9-]+)","#,
    r#"(?m)^\s*\(?"([a-z]+(?:-[a-z]+)+)",\s*format!"#,
];

/// Pages whose example cannot be loaded alone.
const NOT_ALONE: [(&str, &[&str]); 8] = [
    (
        "AWS or a registry answers",
        &[
            "add-on-service-account",
            "add-on-version",
            "address-in-use",
            "gateway-attached",
            "gateway-elsewhere",
            "gpu-memory",
            "image-architecture",
            "image-missing",
            "image-server",
            "image-unchecked",
            "name-taken",
            "no-cluster",
            "no-efa",
            "no-local-disks",
            "no-oidc-provider",
            "no-policy",
            "no-private-dns",
            "no-role",
            "no-service",
            "no-zone",
            "not-in-state",
            "not-offered",
            "not-there",
            "outside-vpc",
            "range-taken",
            "reservation-over",
            "reservation-size",
            "reservation-type",
            "reservation-zone",
            "several-vpcs",
            "unknown-add-on",
            "unknown-instance-type",
            "version-not-offered",
            "zone-closed",
            "zone-not-for-clusters",
        ],
    ),
    ("a model is beside the file", &["model-folder", "model-memory", "model-precision", "model-random"]),
    (
        "the file itself is the problem, or is too long for a page",
        &["many-tags", "not-utf8", "too-large", "unreadable"],
    ),
    ("a file beside it is needed", &["var-file"]),
    ("the state has the placement group", &["placement-zones"]),
    ("only plugins of other authors declare it", &["same-rule-twice"]),
    ("the day decides", &["extended-support"]),
    ("a plugin or a pipeline that was fetched is needed", &["locked-plugin", "outside", "unfetched"]),
];

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let pages = pages();
    let found = codes();
    assert!(found.contains("no-route-out") && found.contains("unknown-key"), "{found:?}");
    assert_eq!(found.difference(&pages).collect::<Vec<_>>(), Vec::<&String>::new(), "without a page");
    assert_eq!(pages.difference(&found).collect::<Vec<_>>(), Vec::<&String>::new(), "pages without a code");
}

#[test]
fn the_binary_and_the_table_have_every_page() {
    let scene = Scene::new();
    let table = std::fs::read_to_string(repository().join("docs/errors/index.md")).unwrap();
    for code in pages() {
        let page = page(&code);
        assert!(page.starts_with(&format!("# {code}\n")), "{code}");
        assert!(table.contains(&format!("| [{code}]({code}.md) | ")), "{code} is not in docs/errors/index.md");
        assert_eq!(scene.llmhost(&["explain", &code]).status(0).stdout.trim_end(), page.trim_end());
    }
    scene.llmhost(&["explain"]).status(0).says(&["the code of an error"]);
    scene.llmhost(&["explain", "no-rout-out"]).status(2).says(&["Did you mean no-route-out?"]);
}

#[test]
fn the_example_of_a_page_gives_its_code() {
    let listed: BTreeSet<&str> = NOT_ALONE.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
    let all = pages();
    assert!(listed.iter().all(|code| all.contains(*code)), "{listed:?}");
    let scene = Scene::new();
    for code in all.iter().filter(|code| !listed.contains(code.as_str())) {
        let page = page(code);
        let example = page.split("```toml\n").nth(1).unwrap_or_else(|| panic!("{code} has no example"));
        scene.write("pipeline.toml", example.split("```").next().unwrap());
        let command = page.split('`').find(|text| text.starts_with("llmhost ")).unwrap();
        let args: Vec<&str> = command.split(' ').skip(1).collect();
        let ran = scene.llmhost(&args);
        let said = ran.said(&scene).replace("[folder]/", "");
        assert!(said.lines().any(|line| line == code), "{code} is not in:\n{said}");
        let shown = page.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
        assert!(flat(&said).contains(&flat(shown)), "{code}: the page shows another message than\n{said}");
        assert!(said.contains("To read more: llmhost explain "), "{said}");
    }
}

#[test]
fn json_has_the_code() {
    let scene = Scene::new();
    scene.write("pipeline.toml", "[pipeline]\nname = \"shop\"\nregion = \"us-east-1\"\nregoin = \"us-east-1\"\n");
    let ran = scene.llmhost(&["run", "pipeline.toml", "--dry-run", "--json"]).status(2);
    let line: serde_json::Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((&line["event"], &line["code"]), (&"error".into(), &"unknown-key".into()), "{line}");
}

/// The codes that have a page.
fn pages() -> BTreeSet<String> {
    let files = std::fs::read_dir(repository().join("docs/errors")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "index.md").map(|name| name.strip_suffix(".md").unwrap().to_owned()).collect()
}

fn page(code: &str) -> String {
    std::fs::read_to_string(repository().join(format!("docs/errors/{code}.md"))).unwrap()
}

/// The codes that the sources have.
fn codes() -> BTreeSet<String> {
    let forms = FORMS.map(|form| Regex::new(form).unwrap());
    let mut found = BTreeSet::new();
    for folder in SOURCES {
        scan(&repository().join(folder), &forms, &mut found);
    }
    found
}

fn scan(folder: &Path, forms: &[Regex], found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scan(&path, forms, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let all = forms.iter().flat_map(|form| form.captures_iter(text));
            found.extend(all.map(|captures| captures[1].to_owned()));
        }
    }
}
