//! The pictures of the documents, made of what the binary writes. `cargo xtask pictures` puts them into docs/pictures/;
//! without that they are made all the same, and thrown away.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::PathBuf;

use serde_json::{Value, json};
use support::browser::browse;
use support::screenshot::screenshot;
use support::terminal::{Seen, on_terminal};
use support::{Scene, emulator, repository, thousand, watched};

const FILE: &str = "pipeline.toml";
/// Pages, with the width and height of their pictures.
const PAGES: [(&str, [u32; 2]); 6] = [
    ("plan-page-light", [1440, 720]),
    ("plan-page-dark", [1440, 720]),
    ("replacement", [1440, 720]),
    ("live-page", [1280, 800]),
    ("report-timeline", [1280, 800]),
    ("thousand-resources", [1280, 800]),
];
/// Screens of terminals, each at both widths.
const TERMINALS: [&str; 5] = ["plan", "replacement", "quota", "wait", "finished"];
/// Pictures of the chat page, which the test of that page makes.
const CHAT_PAGE: [(&str, [u32; 2]); 2] = [("chat-page-light", [900, 640]), ("chat-page-dark", [900, 640])];
/// The lines of a terminal that shows all that a command writes, and of one that scrolls as those of people do.
const ALL: u16 = 250;
/// As above.
const WINDOW: u16 = 40;
/// The columns of a terminal and the width of its picture.
const WIDTHS: [(u16, u32); 2] = [(80, 720), (160, 1400)];
const MOST_BYTES: usize = 200_000;

/// A cluster with nodes of one type, that is created in some seconds.
const CLUSTER: &str = r#"
[steps.network]
uses = "vpc"
with = { name = "demo", cluster = "demo", security_groups = {} }
[steps.roles]
uses = "iam"
with = { cluster_role = "demo-cluster", node_role = "demo-node" }
[steps.cluster]
uses = "eks"
with = { name = "demo", role_arn = "${roles.cluster_role_arn}", subnet_ids = "${network.subnet_ids}", endpoint = "public", public_access_cidrs = ["203.0.113.0/24"], tags = { "llmhost-test:slow" = "8" } }
[steps.gpu]
uses = "nodegroup"
with = { name = "gpu", cluster = "${cluster.name}", role_arn = "${roles.node_role_arn}", subnet_ids = "${network.private_subnet_ids}", instance_types = ["g4dn.xlarge"], disk_gib = 100 }
"#;

/// Where pictures and what they are made of go.
struct Album {
    scene: Scene,
    folder: PathBuf,
    jobs: Vec<Value>,
}

impl Album {
    fn new(scene: Scene) -> Self {
        let stated = std::env::var_os("LLMHOST_PICTURES").map(PathBuf::from);
        let folder = stated.unwrap_or_else(|| scene.path("pictures"));
        std::fs::create_dir_all(&folder).unwrap();
        Self { scene, folder, jobs: Vec::new() }
    }

    fn picture(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.png"))
    }

    /// A picture of a page, after what `more` says.
    fn page(&mut self, name: &str, page: &str, more: Value) {
        let (_, size) = PAGES.into_iter().find(|(known, _)| *known == name).unwrap();
        let mut job = json!({ "page": page, "size": size, "picture": self.picture(name) });
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.jobs.push(job);
    }

    /// A picture of the screen of a command, when this text was last on it.
    fn terminal(&mut self, name: &str, size: (u16, u16), seen: &Seen, text: &str, args: &[&str]) {
        let name = format!("terminal-{name}-{}", size.0);
        let page = screenshot(seen, size, text, &format!("llmhost {}", args.join(" ")));
        let page = self.scene.write(&format!("{name}.html"), page);
        self.jobs.push(json!({ "page": page, "size": [1440, 800], "of": "main", "picture": self.picture(&name) }));
    }

    /// Makes the pictures, and looks at them.
    fn finish(self) {
        browse(&self.jobs);
        let made: Vec<PathBuf> = self.jobs.iter().map(|job| job["picture"].as_str().unwrap().into()).collect();
        check(&made);
    }
}

/// The width that a picture must have, and its height where that is stated as well.
fn stated(name: &str) -> (u32, Option<u32>) {
    let page = PAGES.iter().chain(&CHAT_PAGE).find(|(known, _)| *known == name);
    let page = page.map(|(_, [width, height])| (*width, Some(*height)));
    let columns = name.rsplit_once('-').and_then(|(_, columns)| columns.parse::<u16>().ok());
    let terminal = WIDTHS.iter().find(|(known, _)| Some(*known) == columns).map(|(_, width)| (*width, None));
    page.or(terminal).unwrap()
}

/// Each is of its size, not too large, and shows something.
#[track_caller]
fn check(pictures: &[PathBuf]) {
    let look = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_else(|_| panic!("{}: cargo xtask pictures makes it", path.display()));
        assert!(bytes.len() < MOST_BYTES, "{} has {} bytes", path.display(), bytes.len());
        json!({ "page": "about:blank", "size": [100, 100], "image": path })
    };
    let jobs: Vec<Value> = pictures.iter().map(look).collect();
    for (path, found) in pictures.iter().zip(browse(&jobs)) {
        let (width, height) = stated(&path.file_stem().unwrap().to_string_lossy());
        assert_eq!(found["width"], width, "{}: {found}", path.display());
        assert!(height.is_none_or(|height| found["height"] == height), "{}: {found}", path.display());
        assert!(
            found["colours"].as_u64() > Some(16) && found["ink"].as_f64() > Some(0.01),
            "{} is blank: {found}",
            path.display()
        );
    }
}

#[test]
fn plans_are_pictured() {
    let mut album = Album::new(Scene::with_examples());
    let file = "llm-on-eks.toml";
    album.scene.llmhost(&["run", file, "--dry-run", "--graph", "plan.html"]).status(0);
    let page = album.scene.path("plan.html").display().to_string();
    album.page("plan-page-light", &page, json!({}));
    let gpu = "[aria-label='+ create eks.node-group main, step gpu']";
    album.page("plan-page-dark", &page, json!({ "dark": true, "click": [gpu] }));
    album.scene.pipeline(&thousand());
    album.scene.llmhost(&["run", FILE, "--dry-run", "--skip-preflight", "--graph", "thousand.html"]).status(0);
    let thousand = album.scene.path("thousand.html").display().to_string();
    album.page("thousand-resources", &thousand, json!({}));
    for (columns, _) in WIDTHS {
        let args = ["run", file, "--dry-run"];
        let seen = on_terminal(&album.scene, &format!("{columns}x{ALL}"), &[], &[], &args);
        album.terminal("plan", (columns, ALL), &seen, "to apply", &args);
    }
    album.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_and_replacements_are_pictured_on_terminals() {
    for (columns, _) in WIDTHS {
        let (mut album, emulator) = (Album::new(Scene::new()), emulator().await);
        let at = [("AWS_ENDPOINT_URL", emulator.url())];
        album.scene.write(FILE, format!("[pipeline]\nname = \"demo\"\nregion = \"us-east-1\"\n{CLUSTER}"));
        let run = ["run", FILE, "--yes"];
        let seen = on_terminal(&album.scene, &format!("{columns}x{WINDOW}"), &[], &at, &run);
        assert_eq!(seen.status, 0, "{}", seen.last());
        album.terminal("wait", (columns, WINDOW), &seen, "usually 8 to 12 min", &run);
        let last = seen.last();
        album.terminal("finished", (columns, WINDOW), &seen, last.lines().last().unwrap(), &run);
        album.scene.edit(FILE, "g4dn.xlarge", "g5.xlarge");
        let plan = ["run", FILE, "--dry-run"];
        let seen = on_terminal(&album.scene, &format!("{columns}x{ALL}"), &[], &at, &plan);
        album.terminal("replacement", (columns, ALL), &seen, "to apply", &plan);
        let more = ["--graph", "replaced.html"];
        album.scene.at(emulator.url(), &[&plan[..], &more].concat()).status(0);
        let page = album.scene.path("replaced.html").display().to_string();
        album.page(
            "replacement",
            &page,
            json!({ "click": ["[aria-label='± replace eks.node-group main, step gpu']"] }),
        );
        album.finish();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_pictured_on_terminals() {
    let (mut album, emulator) = (Album::new(Scene::with_examples()), emulator().await);
    let file = "llm-on-eks.toml";
    album.scene.edit(file, "disk_gib = 100\nmin = 1\nmax = 2\n", "disk_gib = 100\nmin = 20\nmax = 30\n");
    for (columns, _) in WIDTHS {
        let args = ["run", file, "--yes", "--quiet"];
        let at = [("AWS_ENDPOINT_URL", emulator.url())];
        let seen = on_terminal(&album.scene, &format!("{columns}x{ALL}"), &[], &at, &args);
        assert_eq!(seen.status, 1, "{}", seen.last());
        album.terminal("quota", (columns, ALL), &seen, "quota", &args);
    }
    album.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_pictured_on_its_page_and_in_its_report() {
    let (mut album, emulator) = (Album::new(Scene::new()), emulator().await);
    album.scene.write(FILE, format!("[pipeline]\nname = \"demo\"\nregion = \"us-east-1\"\n{CLUSTER}"));
    let (mut run, address) = watched(&album.scene, emulator.url(), &["--yes"]);
    let address = format!("http://{}", address.trim());
    let click = "#run button[title='cluster/eks.cluster/main']";
    album.page("live-page", &address, json!({ "until": "waiting for the cluster", "click": [click] }));
    browse(&std::mem::take(&mut album.jobs));
    check(&[album.picture("live-page")]);
    assert!(run.wait().unwrap().success());
    let report = album.scene.path("report.html").display().to_string();
    album.page("report-timeline", &report, json!({ "click": ["#show-timeline"] }));
    album.finish();
}

#[test]
fn the_pictures_of_the_documents_are_there() {
    let folder = repository().join("docs/pictures");
    let pages = PAGES.into_iter().chain(CHAT_PAGE).map(|(name, _)| name.to_owned());
    let terminals =
        TERMINALS.into_iter().flat_map(|name| WIDTHS.map(|(columns, _)| format!("terminal-{name}-{columns}")));
    let all: Vec<PathBuf> = pages.chain(terminals).map(|name| folder.join(name + ".png")).collect();
    check(&all);
    let found = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .filter(|one| one.path().extension().is_some_and(|end| end == "png"));
    assert_eq!(found.count(), all.len(), "no picture is left that nothing makes");
}
