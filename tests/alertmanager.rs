//! Silences of a real Alertmanager, by the provider `alertmanager`.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use llmhost_emulator::Emulator;
use llmhost_emulator::testing::{Fault, RecordingProxy};
use serde_json::Value;
use support::alertmanager::{AUTHORIZATION, Alertmanager, PASSWORD, USER};
use support::{Ran, Scene, emulator, ran};

const RUN: &[&str] = &["run", "pipeline.toml", "--yes"];
const REFRESH: &[&str] = &["run", "pipeline.toml", "--yes", "--refresh"];
const DRY: &[&str] = &["run", "pipeline.toml", "--dry-run", "--verbose"];
const DESTROY: &[&str] = &["destroy", "pipeline.toml", "--yes"];

/// A pipeline with one silence.
struct Quiet {
    scene: Scene,
    emulator: Emulator,
}

impl Quiet {
    /// At an Alertmanager, or at what stands before it.
    async fn at(url: &str, with: &str) -> Self {
        let (scene, emulator) = (Scene::new(), emulator().await);
        scene.pipeline(&format!(
            r#"[secrets.alerts]
env = "ALERTS"

[providers.alerts]
uses = "alertmanager"
allow = ["http:GET,POST,DELETE {url}/api/v2/**"]
with = {{ url = "{url}"{with} }}

[steps.quiet]
uses = "resources"
[steps.quiet.with.resources.maintenance]
kind = "alerts.silence"
outputs = ["link"]
[steps.quiet.with.resources.maintenance.spec]
matchers = [{{ name = "job", value = "db" }}, {{ name = "alertname", value = "Disk.*", regex = true }}]
ends_at = "2099-01-01T00:00:00+02:00"
comment = "Maintenance"
"#
        ));
        Self { scene, emulator }
    }

    fn edit(&self, from: &str, to: &str) {
        self.scene.edit("pipeline.toml", from, to);
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.scene.command(args);
        command.args(["--endpoint-url", self.emulator.url()]).env("ALERTS", AUTHORIZATION);
        command.env("AWS_ACCESS_KEY_ID", support::ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", support::SECRET_KEY);
        command
    }

    fn llmhost(&self, args: &[&str]) -> Ran {
        ran(self.command(args).output())
    }
}

fn only(mut silences: Vec<Value>) -> Value {
    assert_eq!(silences.len(), 1, "{silences:#?}");
    silences.remove(0)
}

fn text<'a>(silence: &'a Value, field: &str) -> &'a str {
    silence[field].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_is_planned_made_changed_in_place_and_ended() {
    let alertmanager = Alertmanager::open();
    let quiet = Quiet::at(&alertmanager.url(), "").await;
    quiet.llmhost(DRY).status(0).says(&["+ alerts.silence/maintenance", "created_by: \"llmhost\"", "1 to create"]);
    assert!(alertmanager.silences().is_empty(), "a plan makes nothing");

    let made = quiet.llmhost(RUN).status(0);
    let silence = only(alertmanager.active());
    let id = text(&silence, "id").to_owned();
    made.says(&["1 created"]);
    let address = format!("{}/#/silences/{id}", alertmanager.url());
    quiet.llmhost(&["outputs", "pipeline.toml"]).status(0).says(&[&address]);
    assert!(text(&silence, "comment").starts_with("Maintenance ["), "{silence}");
    assert_eq!((text(&silence, "createdBy"), text(&silence["matchers"][1], "value")), ("llmhost", "Disk.*"));
    quiet.llmhost(REFRESH).status(0).says(&["0 changes"]);

    quiet.edit("\"Maintenance\"", "\"It takes longer\"");
    quiet.edit("2099-01-01", "2099-06-01");
    quiet.llmhost(RUN).status(0).says(&["~ comment: \"Maintenance\" -> \"It takes longer\"", "1 updated"]);
    let longer = only(alertmanager.active());
    assert_eq!((text(&longer, "id"), text(&longer, "endsAt")), (id.as_str(), "2099-06-01T00:00:00.000+02:00"));
    assert!(text(&longer, "comment").starts_with("It takes longer ["), "{longer}");
    quiet.llmhost(REFRESH).status(0).says(&["0 changes"]);

    quiet.edit("value = \"db\"", "value = \"cache\"");
    let replaced = quiet.llmhost(RUN).status(0);
    replaced.says(&["the new one is created first, then the old one is deleted", "1 replaced"]);
    let another = only(alertmanager.active());
    assert_ne!(text(&another, "id"), id);
    quiet.llmhost(REFRESH).status(0).says(&["0 changes"]);

    quiet.llmhost(DESTROY).status(0).says(&["1 deleted"]);
    assert!(alertmanager.active().is_empty());
    assert_eq!(alertmanager.silences().len(), 2, "they stay as expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_do_to_a_silence_is_drift() {
    let alertmanager = Alertmanager::open();
    let quiet = Quiet::at(&alertmanager.url(), "").await;
    quiet.llmhost(RUN).status(0);
    let mut silence = only(alertmanager.active());
    silence["endsAt"] = "2098-01-01T00:00:00Z".into();
    alertmanager.post(&silence);
    quiet.llmhost(&["drift", "pipeline.toml"]).says(&["changed quiet/alerts.silence/maintenance", "2098-01-01"]);
    quiet.llmhost(REFRESH).status(0).says(&["1 updated"]);
    let there = only(alertmanager.active());
    assert_eq!((text(&there, "id"), text(&there, "endsAt")), (text(&silence, "id"), "2099-01-01T00:00:00.000+02:00"));

    alertmanager.expire(text(&silence, "id"));
    quiet.llmhost(&["drift", "pipeline.toml"]).says(&["gone quiet/alerts.silence/maintenance"]);
    quiet.llmhost(REFRESH).status(0).says(&["1 created"]);
    let again = only(alertmanager.active());
    assert_ne!(text(&again, "id"), text(&silence, "id"));

    // What somebody else ended needs no deletion.
    alertmanager.expire(text(&again, "id"));
    quiet.llmhost(DESTROY).status(0).says(&["1 deleted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_whose_time_has_passed_is_as_declared() {
    let alertmanager = Alertmanager::open();
    let quiet = Quiet::at(&alertmanager.url(), "").await;
    let end = in_rfc3339(Duration::from_secs(20));
    quiet.edit("2099-01-01T00:00:00+02:00", &end);
    quiet.llmhost(RUN).status(0);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !alertmanager.active().is_empty() {
        assert!(Instant::now() < deadline, "it does not end: {:#?}", alertmanager.silences());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    quiet.llmhost(REFRESH).status(0).says(&["0 changes"]);
    assert_eq!(alertmanager.silences().len(), 1);

    quiet.edit(&end, "2099-01-01T00:00:00Z");
    quiet.llmhost(RUN).status(1).says(&["cannot change an expired silence", "Change starts_at too"]);
    quiet.edit("ends_at", "starts_at = \"2020-01-01T00:00:00Z\"\nends_at");
    quiet.llmhost(RUN).status(0).says(&["1 replaced"]);
    only(alertmanager.active());
    // It begins when it is made; that is no drift.
    quiet.llmhost(REFRESH).status(0).says(&["0 changes"]);
}

/// The time so long from now, as RFC 3339 has it.
fn in_rfc3339(later: Duration) -> String {
    let at = format!("+{} seconds", later.as_secs());
    let output = Command::new("date").args(["-u", "-d", &at, "+%Y-%m-%dT%H:%M:%SZ"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_whose_answer_was_lost_is_made_once() {
    let alertmanager = Alertmanager::open();
    let proxy = RecordingProxy::start(&alertmanager.url()).await.unwrap();
    let quiet = Quiet::at(proxy.url(), "").await;
    for fault in [Fault::ResetAfter, Fault::Truncate, Fault::Status(500)] {
        proxy.inject(|request| request.method == "POST", 1, fault);
        quiet.llmhost(RUN).status(0).says(&["1 created"]);
        only(alertmanager.active());
        quiet.llmhost(DESTROY).status(0).says(&["1 deleted"]);
        assert!(alertmanager.active().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_of_a_run_that_was_killed_is_found_by_its_token() {
    let alertmanager = Alertmanager::open();
    // Somebody else's, with the same matchers.
    alertmanager.post(&serde_json::json!({
        "matchers": [{ "name": "job", "value": "db", "isRegex": false }],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z", "createdBy": "x", "comment": "Maintenance",
    }));
    let proxy = RecordingProxy::start(&alertmanager.url()).await.unwrap();
    let quiet = Quiet::at(proxy.url(), "").await;
    proxy.inject(|request| request.method == "POST", 1, Fault::HangAfter);
    let mut run = quiet.command(RUN).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while alertmanager.active().len() < 2 {
        assert!(Instant::now() < deadline, "the run does not get that far");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    run.kill().unwrap();
    run.wait().unwrap();

    let next = quiet.llmhost(RUN).status(0);
    let ours = alertmanager.active().into_iter().find(|silence| text(silence, "comment").starts_with("Maintenance ["));
    next.says(&["adopted", text(&ours.unwrap(), "id")]);
    assert_eq!(alertmanager.silences().len(), 2, "{:#?}", alertmanager.silences());
    quiet.llmhost(DESTROY).status(0).says(&["1 deleted"]);
    assert_eq!(text(&only(alertmanager.active()), "comment"), "Maintenance");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_work_is_said() {
    let alertmanager = Alertmanager::open();
    let proxy = RecordingProxy::start(&alertmanager.url()).await.unwrap();
    let quiet = Quiet::at(proxy.url(), "").await;
    // Something else listens there.
    proxy.inject(|_| true, 1, Fault::Status(404));
    let url = format!("there is no Alertmanager at {}", proxy.url());
    quiet.llmhost(RUN).status(1).says(&[&url, "without /api/v2"]);
    for (from, to, words) in [
        ("Disk.*", "Disk(", ["HTTP 400", "invalid regular expression"]),
        ("2099-01-01", "2001-01-01", ["is in the past", "Set a later ends_at"]),
    ] {
        quiet.edit(from, to);
        quiet.llmhost(RUN).status(1).says(&words);
        quiet.edit(to, from);
    }
    quiet.edit("2099-01-01T00:00:00+02:00", "tomorrow");
    quiet.llmhost(DRY).status(2).says(&["ends_at", "2030-02-01T04:00:00Z"]);
    quiet.edit("tomorrow", "2099-01-01T00:00:00+02:00");
    assert!(alertmanager.silences().is_empty());

    // A 404 of something else is no silence that is gone.
    quiet.llmhost(RUN).status(0);
    proxy.inject(|_| true, 1000, Fault::Status(404));
    quiet.llmhost(REFRESH).status(1).says(&[&url]);
    quiet.llmhost(DESTROY).status(1).says(&[&url]);
    proxy.clear();
    only(alertmanager.active());

    let other = Quiet::at(&alertmanager.url(), "").await;
    other.edit("/api/v2/**", "/elsewhere/**");
    other.llmhost(RUN).status(1).says(&["the grant does not cover POST", "/api/v2/silences"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_is_a_secret() {
    let alertmanager = Alertmanager::guarded();
    let header = Quiet::at(&alertmanager.url(), ", authorization = \"${secrets.alerts}\"").await;
    let basic = format!(", basic = {{ user = \"{USER}\", password = \"${{secrets.alerts}}\" }}");
    let basic = Quiet::at(&alertmanager.url(), &basic).await;
    for (quiet, value) in [(&header, AUTHORIZATION), (&basic, PASSWORD)] {
        let run = |args: &[&str], value: &str| ran(quiet.command(args).env("ALERTS", value).output());
        run(RUN, "another-password").status(1).says(&["HTTP 401", "Check the credentials"]);
        let made = run(&["run", "pipeline.toml", "--yes", "--verbose", "--trace", "trace.jsonl"], value).status(0);
        made.does_not_say(&[value]);
        only(alertmanager.active());
        nowhere(quiet.scene.folder.path(), value);
        run(DESTROY, value).status(0).does_not_say(&[value]);
        nowhere(quiet.scene.folder.path(), value);
    }
}

/// Fails where a file below a folder holds a text.
fn nowhere(folder: &Path, secret: &str) {
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for path in std::fs::read_dir(&next).unwrap().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                left.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
                assert!(!found, "{} holds the secret", path.display());
            }
        }
    }
}
