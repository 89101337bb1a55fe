//! Kinds of resources that a provider brings, in each language that has an SDK for providers: made from the template, built,
//! and disturbed as the built-in kinds are. Killed at each call and at each line of the journal, and with calls that fail in
//! every way, a run comes to the same end as if nothing had happened.
//!
//! A sample of all cases each time; with `LLMHOST_TORTURE=long` all.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use llmhost_emulator::testing::RecordingProxy;
use serde_json::{Value, json};
use support::torture::journal::Watch;
use support::torture::process::{kill, said, succeed, wait};
use support::{Scene, repository};

const JOURNAL: &str = ".llmhost/notes/journal.jsonl";
const KEY: &str = "the-key-of-the-notes";

/// Makes a project of the template and builds it.
fn built(scene: &Scene, language: &str) -> PathBuf {
    let project = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("own-kinds").join(language);
    let folder = project.to_str().unwrap();
    // What its compiler made in the last run of this test spares it time.
    let kept = ["target", "build"].map(|name| (project.join(name), project.with_extension(name)));
    kept.iter().for_each(|(from, to)| drop(std::fs::rename(from, to)));
    drop(std::fs::remove_dir_all(&project));
    scene.llmhost(&["plugin", "new", "notes", "--provider", "--lang", language, "--dir", folder]).status(0);
    kept.iter().for_each(|(to, from)| drop(std::fs::rename(from, to)));
    scene.llmhost(&["plugin", "build", folder]).status(0);
    scene.llmhost(&["plugin", "inspect", &format!("{folder}/notes.wasm")]).status(0).says(&["note", "revision"]);
    project.join("notes.wasm")
}

/// The service of the template.
struct Service {
    child: Child,
    host: String,
}

impl Service {
    async fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let script = repository().join("host/authoring/templates/provider/common/service.py");
        let mut command = Command::new(llmhost_emulator::python().unwrap());
        let child = command.arg(script).args([&port.to_string(), KEY]).stdin(Stdio::null()).spawn().unwrap();
        let service = Self { child, host: format!("127.0.0.1:{port}") };
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return service;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the service does not start");
    }

    /// Every note, by its title. Who made it and when does not matter.
    fn notes(&self) -> BTreeMap<String, Vec<String>> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for note in self.ask("GET", "/notes", &Value::Null).as_array().unwrap() {
            let text = note["text"].as_str().unwrap().to_owned();
            found.entry(note["title"].as_str().unwrap().to_owned()).or_default().push(text);
        }
        found
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let headers = format!("Authorization: Bearer {KEY}\r\n");
        let (status, _, body) = support::registry::ask(&self.host, method, path, &headers, body.to_string().as_bytes());
        assert!(status < 300, "{method} {path}: {status}");
        serde_json::from_slice(&body).unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Run,
    Destroy,
}

enum Disturbance {
    KillAt { call: usize, after: bool },
    KillAtLine(usize),
    Faults(u64),
}

/// A place where the notes' lives are lived, one after another.
struct Chamber {
    service: Service,
    proxy: RecordingProxy,
    scene: Scene,
    /// After an undisturbed run.
    whole: BTreeMap<String, Vec<String>>,
    /// Calls that change something, of an undisturbed run and destroy.
    calls: [usize; 2],
    /// Lines of the journal.
    lines: [usize; 2],
}

impl Chamber {
    async fn open(scene: Scene) -> Self {
        let service = Service::start().await;
        let proxy = RecordingProxy::start(&format!("http://{}", service.host)).await.unwrap();
        scene.write("pipeline.toml", pipeline(proxy.url(), "what it says"));
        let (whole, calls, lines) = (BTreeMap::new(), [0; 2], [0; 2]);
        let mut chamber = Self { service, proxy, scene, whole, calls, lines };
        for (at, doing) in [Doing::Run, Doing::Destroy].into_iter().enumerate() {
            chamber.proxy.forget();
            let watch = Watch::start(chamber.scene.path(JOURNAL), usize::MAX, || ());
            chamber.undisturbed(doing).await.unwrap();
            (chamber.lines[at], chamber.calls[at]) = (watch.end(), chamber.proxy.mutating());
            if doing == Doing::Run {
                chamber.whole = chamber.service.notes();
            }
        }
        assert_eq!(chamber.whole.len(), 4, "{:?}", chamber.whole);
        assert_eq!(chamber.calls, [4, 4]);
        assert!(chamber.service.notes().is_empty());
        chamber
    }

    fn command(&self, doing: Doing) -> Command {
        let verb = if doing == Doing::Run { "run" } else { "destroy" };
        let mut command = self.scene.command(&[verb, "pipeline.toml", "--yes"]);
        command.env("NOTES_KEY", KEY).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn undisturbed(&self, doing: Doing) -> Result<String, String> {
        succeed(&format!("the undisturbed {doing:?}"), self.command(doing)).await
    }

    /// Lives a life with this disturbance. The undisturbed commands after it have to bring the service to where it belongs.
    async fn live(&self, doing: Doing, disturbance: Disturbance) -> Result<(), String> {
        if doing == Doing::Destroy {
            self.undisturbed(Doing::Run).await?;
        }
        self.disturbed(doing, disturbance).await?;
        self.undisturbed(doing).await?;
        if doing == Doing::Run {
            self.compare(&self.whole)?;
            // What was found again is known: nothing is left to do.
            let words = self.undisturbed(Doing::Run).await?;
            if !words.contains("0 changes") {
                return Err(format!("the next run changes something: {words}"));
            }
            self.undisturbed(Doing::Destroy).await?;
        }
        self.compare(&BTreeMap::new())
    }

    fn compare(&self, wanted: &BTreeMap<String, Vec<String>>) -> Result<(), String> {
        let found = self.service.notes();
        if found == *wanted { Ok(()) } else { Err(format!("there are {found:?}, and should be {wanted:?}")) }
    }

    async fn disturbed(&self, doing: Doing, disturbance: Disturbance) -> Result<(), String> {
        let mut child = self.command(doing);
        if let Disturbance::Faults(seed) = disturbance {
            self.proxy.mix(seed, 4);
            // Some requests are never answered.
            child.args(["--call-timeout", "2"]);
        }
        let child = child.spawn().unwrap();
        let id = child.id();
        let _watch = match disturbance {
            Disturbance::KillAt { call, after } => {
                self.proxy.at(call, after, move || kill(id));
                None
            }
            Disturbance::KillAtLine(lines) => Some(Watch::start(self.scene.path(JOURNAL), lines, move || kill(id))),
            Disturbance::Faults(_) => None,
        };
        let output = wait(child).await;
        self.proxy.clear();
        let output = output?;
        let words = said(&output);
        match output.status.code() {
            _ if words.contains("panicked at") => Err(words),
            Some(0) | None => Ok(()),
            Some(_) if words.contains("error") => Ok(()),
            Some(status) => Err(format!("it ended with {status} and no reason: {words}")),
        }
    }
}

/// Two steps: what the second one makes holds an id of the first one's.
fn pipeline(url: &str, text: &str) -> String {
    format!(
        r#"[pipeline]
name = "notes"
region = "us-east-1"

[secrets.key]
env = "NOTES_KEY"

[providers.notes]
uses  = "./notes.wasm"
allow = ["http:GET,POST,PUT,DELETE {url}/*"]
with  = {{ url = "{url}", key = "${{secrets.key}}" }}

[steps.first]
uses = "resources"
[steps.first.with.resources]
one   = {{ kind = "notes.note", spec = {{ title = "one", text = "{text}" }}, outputs = ["revision"] }}
two   = {{ kind = "notes.note", spec = {{ title = "two" }} }}
three = {{ kind = "notes.note", spec = {{ title = "three", text = "3" }} }}

[steps.last]
uses = "resources"
with = {{ kind = "notes.note", spec = {{ title = "last", text = "after ${{first.resources.one.outputs.revision}}" }} }}
"#
    )
}

async fn torture(language: &str) {
    let scene = Scene::new();
    std::fs::copy(built(&scene, language), scene.path("notes.wasm")).unwrap();
    let is_long = std::env::var("LLMHOST_TORTURE").is_ok_and(|extent| extent == "long");
    let (every, mixes) = if is_long { (1, 100) } else { (3, 4) };
    let chamber = Chamber::open(scene).await;
    let mut wrong = Vec::new();
    let mut lives = 0;
    for (at, doing) in [Doing::Run, Doing::Destroy].into_iter().enumerate() {
        let calls =
            (0..chamber.calls[at]).flat_map(|call| [false, true].map(|after| Disturbance::KillAt { call, after }));
        let lines = (1..=chamber.lines[at]).step_by(every).map(Disturbance::KillAtLine);
        let faults = (0..mixes).map(|seed| Disturbance::Faults(seed * 2 + at as u64));
        for disturbance in calls.chain(lines).chain(faults) {
            let case = match &disturbance {
                Disturbance::KillAt { call, after } => {
                    format!("killed {} call {call}", if *after { "after" } else { "before" })
                }
                Disturbance::KillAtLine(line) => format!("killed at line {line}"),
                Disturbance::Faults(seed) => format!("failing calls, seed {seed}"),
            };
            lives += 1;
            if let Err(reason) = chamber.live(doing, disturbance).await {
                eprintln!("WRONG: {language}: {doing:?}, {case}: {reason}");
                wrong.push(format!("{doing:?}, {case}: {reason}"));
                break;
            }
        }
    }
    eprintln!("{language}: {lives} lives; 0 duplicates, orphans and losses in all but {}", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    the_rest_of_its_life(&chamber).await;
}

/// Update, replacement, drift, and what somebody else deleted; then what a wrong key says.
async fn the_rest_of_its_life(chamber: &Chamber) {
    let llmhost = |args: &[&str]| {
        let mut command = chamber.scene.command(args);
        command.env("NOTES_KEY", KEY);
        support::ran(command.output())
    };
    let run = || llmhost(&["run", "pipeline.toml", "--yes"]);
    // A rehearsal asks nobody: what it makes is kept in memory.
    llmhost(&["rehearse", "pipeline.toml"]).status(0).says(&["4 resources made", "0 changes", "4 resources deleted"]);
    assert!(chamber.service.notes().is_empty());
    run().status(0).says(&["last.id"]);
    // In place.
    chamber.scene.write("pipeline.toml", pipeline(chamber.proxy.url(), "something else"));
    run().status(0).says(&["2 updated"]);
    // Another title is another note; its revision is known when it is there.
    chamber.scene.edit("pipeline.toml", "title = \"two\"", "title = \"zwei\"");
    run().status(0).says(&["1 replaced"]);
    assert_eq!(chamber.service.notes()["one"], ["something else"]);
    assert!(!chamber.service.notes().contains_key("two"));
    // What somebody else changed and deleted.
    let all = chamber.service.ask("GET", "/notes", &Value::Null);
    let id = |title: &str| all.as_array().unwrap().iter().find(|note| note["title"] == title).unwrap()["id"].clone();
    chamber.service.ask("PUT", &format!("/notes/{}", id("three").as_str().unwrap()), &json!({ "text": "theirs" }));
    chamber.service.ask("DELETE", &format!("/notes/{}", id("zwei").as_str().unwrap()), &Value::Null);
    llmhost(&["run", "pipeline.toml", "--dry-run", "--refresh"]).says(&["theirs"]);
    llmhost(&["run", "pipeline.toml", "--yes", "--refresh"]).status(0);
    assert_eq!(chamber.service.notes()["three"], ["3"]);
    assert_eq!(chamber.service.notes()["zwei"].len(), 1);
    // The key is in nothing that is kept or said.
    let state = std::fs::read_to_string(chamber.scene.path(".llmhost/notes/state.json")).unwrap();
    assert!(state.contains("zwei") && !state.contains(KEY));
    let mut wrong = chamber.scene.command(&["destroy", "pipeline.toml", "--yes"]);
    let refused = support::ran(wrong.env("NOTES_KEY", "another-key").output()).status(1);
    refused.says(&["the key is wrong"]).does_not_say(&["another-key"]);
    chamber.undisturbed(Doing::Destroy).await.unwrap();
    assert!(chamber.service.notes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_in_rust_survives_what_a_built_in_one_does() {
    torture("rust").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_in_typescript_survives_what_a_built_in_one_does() {
    torture("typescript").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_in_python_survives_what_a_built_in_one_does() {
    torture("python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_in_go_survives_what_a_built_in_one_does() {
    torture("go").await;
}

/// The example of a provider, as a component.
fn example() -> Vec<u8> {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("plugins");
    llmhost_plugin_build::build(&repository().join("plugins"), &["parameters"], &target).unwrap().remove(0)
}

/// A pipeline that uses it, for parameters of AWS Systems Manager.
fn parameters(allow: &str, spec: &str) -> String {
    format!(
        "[secrets.token]\nenv = \"TOKEN\"\n\n[providers.ssm]\nuses = \"./parameters.wasm\"\nallow = [{allow}]\n\n\
         [steps.settings]\nuses = \"resources\"\n[steps.settings.with.resources]\n{spec}\n"
    )
}

const ALLOW: &str = "\"request:ssm:*Parameter Name=/jobs/*\", \"request:ssm:ListTagsForResource ResourceId=/jobs/*\"";
const PLAIN: &str =
    "queue = { kind = \"ssm.parameter\", spec = { name = \"/jobs/queue\", value = \"one\" }, outputs = [\"version\"] }";
const SECRET: &str =
    "token = { kind = \"ssm.parameter\", spec = { name = \"/jobs/token\", secret = \"${secrets.token}\" } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_calls_aws_with_what_it_is_granted_and_never_has_the_credentials() {
    let (scene, emulator) = (Scene::new(), support::emulator().await);
    scene.write("parameters.wasm", example());
    let value = "the-value-of-the-token";
    let llmhost = |args: &[&str]| {
        let mut command = scene.command(args);
        command.args(["--endpoint-url", emulator.url()]).env("TOKEN", value);
        command.env("AWS_ACCESS_KEY_ID", support::ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", support::SECRET_KEY);
        support::ran(command.output())
    };
    let run = || llmhost(&["run", "pipeline.toml", "--yes"]);
    let before = emulator.inventory("us-east-1").unwrap();

    scene.pipeline(&parameters(ALLOW, &format!("{PLAIN}\n{SECRET}")));
    run().status(0).says(&["2 created"]);
    let after = emulator.inventory("us-east-1").unwrap();
    let made: Vec<&String> = after.difference(&before).collect();
    assert_eq!(made, ["ssm us-east-1 /jobs/queue", "ssm us-east-1 /jobs/token"]);
    llmhost(&["run", "pipeline.toml", "--yes", "--refresh"]).status(0).says(&["0 changes"]);
    scene.edit("pipeline.toml", "\"one\"", "\"two\"");
    run().status(0).says(&["1 updated"]);
    scene.edit("pipeline.toml", "/jobs/queue", "/jobs/line");
    run().status(0).says(&["1 replaced"]);
    // Neither the secret nor a credential is in anything that is kept.
    for entry in std::fs::read_dir(scene.path(".llmhost/test")).unwrap().flatten() {
        let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap_or_default()).into_owned();
        assert!(!text.contains(value) && !text.contains(support::SECRET_KEY), "{}", entry.path().display());
    }
    // What IAM has to allow is what was granted.
    scene.llmhost(&["policy", "pipeline.toml"]).status(0).says(&["ssm:*Parameter", "ssm:ListTagsForResource"]);
    llmhost(&["destroy", "pipeline.toml", "--yes"]).status(0);
    assert_eq!(emulator.inventory("us-east-1").unwrap(), before);

    for (allow, spec, words) in [
        ("\"request:ssm:PutParameter Name=/other/*\"", PLAIN, "calls ssm:PutParameter, which is not granted"),
        ("\"request:sqs:*\"", PLAIN, "allow = [\"request:ssm:PutParameter\"]"),
    ] {
        scene.pipeline(&parameters(allow, spec));
        // Other grants are another use of the provider.
        std::fs::remove_file(scene.path("llmhost.lock")).unwrap();
        run().status(1).says(&[words]);
    }
    scene.pipeline(&parameters("\"request:*\"", PLAIN));
    std::fs::remove_file(scene.path("llmhost.lock")).unwrap();
    llmhost(&["run", "pipeline.toml", "--dry-run"]).status(2).says(&["request:ssm:GetParameter Name=/prod/*"]);
    assert_eq!(emulator.inventory("us-east-1").unwrap(), before);
}

#[test]
fn what_is_wrong_with_a_resource_of_a_provider_is_told_where_it_stands() {
    let scene = Scene::new();
    scene.write("parameters.wasm", example());
    for (spec, words) in [
        (
            PLAIN.replace("ssm.parameter", "ssm.parametr"),
            &["no provider has the kind 'ssm.parametr'", "Did you mean 'ssm.parameter'?"][..],
        ),
        (PLAIN.replace("value =", "valu ="), &["unknown option 'valu'", "did you mean 'value'?"]),
        (PLAIN.replace("name = \"/jobs/queue\", ", ""), &["has no 'name'"]),
        (PLAIN.replace("\"one\"", "1"), &["write \"1\""]),
        (PLAIN.replace("version", "verison"), &["verison"]),
    ] {
        scene.pipeline(&parameters(ALLOW, &spec));
        let refused = scene.llmhost(&["run", "pipeline.toml", "--dry-run"]);
        assert_ne!(refused.status, 0);
        refused.says(words);
    }
}
