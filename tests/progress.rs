//! What a person sees while something runs: on terminals of all sizes, in logs, and when the terminal goes away.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "the screens are shown with --nocapture")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use llmhost_emulator::testing::{Fault, RecordingProxy};
use support::terminal::{Seen, on_terminal};
use support::{ACCESS_KEY, SECRET_KEY, Scene, emulator};

const FILE: &str = "pipeline.toml";

/// A cluster that takes so many seconds.
fn cluster(seconds: u32) -> String {
    format!(
        r#"
[steps.net]
uses = "vpc"
with = {{ name = "w", cluster = "w", security_groups = {{}} }}
[steps.roles]
uses = "iam"
with = {{ cluster_role = "w-cluster", node_role = "w-node" }}
[steps.cluster]
uses = "eks"
with = {{ name = "w", role_arn = "${{roles.cluster_role_arn}}", subnet_ids = "${{net.subnet_ids}}", endpoint = "public", public_access_cidrs = ["203.0.113.0/24"], addons = {{ vpc-cni = {{}} }}, tags = {{ "llmhost-test:slow" = "{seconds}" }} }}
"#
    )
}

/// Whether a line is the header of the live rows: `3 of 46, 12s`.
fn is_header(line: &str) -> bool {
    let mut words = line.split(' ');
    let number = |word: Option<&str>| word.is_some_and(|word| word.trim_end_matches(',').parse::<u32>().is_ok());
    number(words.next()) && words.next() == Some("of") && number(words.next())
}

/// Nothing of earlier rows is ever left, and nothing stays at the end.
#[track_caller]
fn assert_clean(seen: &Seen) {
    for lines in &seen.screens {
        let screen = lines.join("\n");
        assert!(lines.iter().filter(|line| is_header(line)).count() <= 1, "two headers:\n{screen}");
        for live in ["Ctrl-C: ", "usually 8 to 12 m"] {
            assert!(lines.iter().filter(|line| line.contains(live)).count() <= 1, "'{live}' twice:\n{screen}");
        }
    }
    let last = seen.last();
    assert!(!last.contains("Ctrl-C: ") && !last.lines().any(is_header) && !last.contains("usually"), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn live_rows_fit_terminals_of_all_widths_and_leave_nothing_behind() {
    for (size, row, footer) in [
        ("40x12", "  creating eks.cluster/main ", "Ctrl-C: finish the calls in flight, th…"),
        ("80x24", "usually 8 to 12 min: waiting for the clu", "Ctrl-C: finish the calls in flight, then stop."),
        ("160x50", "usually 8 to 12 min: waiting for the cluster (creating)", "Twice: exit at once."),
    ] {
        let (scene, emulator) = (Scene::new(), emulator().await);
        scene.pipeline(&cluster(8));
        let seen = on_terminal(&scene, size, &[], &[], &["run", FILE, "--yes", "--endpoint-url", emulator.url()]);
        assert_eq!(seen.status, 0, "{}", seen.last());
        assert_clean(&seen);
        let waiting = seen.with(row);
        println!("--- {size}, waiting\n{waiting}\n");
        let live: Vec<&str> = waiting.lines().skip_while(|line| !is_header(line)).collect();
        assert!(live[1].starts_with("cluster "), "{waiting}");
        assert!(live.last().unwrap().contains(footer), "{waiting}");
        let last = seen.last();
        println!("--- {size}, finished\n{last}\n");
        assert!(last.contains("llmhost destroy pipeline.toml"), "{last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_becomes_narrower_and_wider_again_shows_no_old_rows() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(&cluster(8));
    let happens = ["resize:usually:50x20", "resize:usually 8:120x30"];
    let seen = on_terminal(&scene, "160x24", &happens, &[], &["run", FILE, "--yes", "--endpoint-url", emulator.url()]);
    assert_eq!(seen.status, 0, "{}", seen.last());
    assert_clean(&seen);
    // What was finished is still to be read.
    assert!(seen.last().contains("created cluster/eks.cluster/main"), "{}", seen.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_is_explained_and_ends_the_run_with_what_exists_and_how_to_continue() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(&cluster(600));
    let run = ["run", FILE, "--yes", "--endpoint-url", emulator.url()];
    let seen = on_terminal(&scene, "80x40", &["press:waiting for the cluster"], &[], &run);
    assert_eq!(seen.status, 130, "{}", seen.last());
    assert_clean(&seen);
    let last = seen.last();
    println!("--- stopped\n{last}\n");
    for words in ["Interrupted", "still billed", "cluster/eks.cluster/main", "Continue:", "llmhost run pipeline.toml"] {
        assert!(last.contains(words), "{words}: {last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_goes_away_stops_the_run_and_the_next_one_continues() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(&cluster(600));
    let run = ["run", FILE, "--yes", "--endpoint-url", emulator.url()];
    let began = Instant::now();
    let seen = on_terminal(&scene, "80x24", &["hangup:waiting for the cluster"], &[], &run);
    assert_eq!(seen.status, 130);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    let plan = scene.at(emulator.url(), &["run", FILE, "--dry-run"]).status(0);
    plan.says(&["eks.cluster/main", "started, not finished"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_shall_outlive_its_terminal_does() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(&cluster(3));
    let run = ["run", FILE, "--yes", "--endpoint-url", emulator.url()];
    let seen = on_terminal(&scene, "80x24", &["nohup", "hangup:waiting for the cluster"], &[], &run);
    assert_eq!(seen.status, 0);
    scene.at(emulator.url(), &["run", FILE, "--dry-run"]).status(0).says(&["No changes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_pipes_do_not_end_a_run() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(&cluster(2));
    for json in [false, true] {
        let mut command = scene.command(&["run", FILE, "--yes", "--endpoint-url", emulator.url()]);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        command.args(json.then_some("--json"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(0));
        scene.at(emulator.url(), &["run", FILE, "--dry-run"]).status(0).says(&["No changes"]);
        scene.at(emulator.url(), &["destroy", FILE, "--yes"]).status(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_never_silent_for_long_and_has_no_control_characters() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(&cluster(34));
    let mut command = scene.command(&["run", FILE, "--yes", "--endpoint-url", emulator.url()]);
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut said, mut last, mut longest) = (Vec::new(), Instant::now(), Duration::ZERO);
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        longest = longest.max(last.elapsed());
        last = Instant::now();
        said.push(line.unwrap());
    }
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said:?}");
    assert!(longest < Duration::from_secs(25), "{longest:?}: {said:?}");
    for time in ["10s", "30s"] {
        let expected = format!(
            "… cluster: creating eks.cluster/main {time}, usually 8 to 12 min: waiting for the cluster (creating)"
        );
        assert!(said.contains(&expected), "{expected}: {said:#?}");
    }
    assert!(said.iter().all(|line| !line.contains(['\r', '\u{1b}'])), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_colours_and_on_a_terminal_that_knows_no_control_characters_there_are_none() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline("[steps.m]\nuses = \"s3\"\nwith = { bucket = \"models-1\" }\n");
    let run = ["run", FILE, "--yes", "--endpoint-url", emulator.url()];
    // On a machine of a CI service too.
    let dumb = on_terminal(&scene, "80x24", &[], &[("TERM", "dumb"), ("CI", "true")], &run);
    assert_eq!(dumb.status, 0);
    assert!(!dumb.written.contains('\u{1b}') && dumb.written.contains("created m/s3.bucket"), "{}", dumb.written);
    let destroy = ["destroy", FILE, "--yes", "--endpoint-url", emulator.url()];
    let plain = on_terminal(&scene, "80x24", &[], &[("NO_COLOR", "1")], &destroy);
    assert_eq!(plain.status, 0);
    // Live rows, and no colour in them.
    assert!(plain.written.contains("\u{1b}[J"), "{:?}", plain.written);
    let colour = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
    assert!(!colour.is_match(&plain.written), "{:?}", plain.written);
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_shows_results_and_errors_alone() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline("[steps.m]\nuses = \"s3\"\nwith = { bucket = \"models-1\" }\n");
    let quiet = scene.at(emulator.url(), &["run", FILE, "--yes", "--quiet"]).status(0);
    assert_eq!(quiet.stderr, "");
    assert!(quiet.stdout.contains("Done: ") && !quiet.stdout.contains("to create"), "{}", quiet.stdout);
    // A question has to be understood, and an error is one.
    scene.edit(FILE, "models-1", "models-2");
    let asked = scene.at(emulator.url(), &["run", FILE, "-q"]).status(1);
    asked.says(&["1 to replace", "--yes"]);
    let dry = scene.at(emulator.url(), &["run", FILE, "-q", "--dry-run"]).status(0);
    assert!(dry.stdout.contains("to replace") && dry.stderr.is_empty(), "{dry:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_printed_once_and_the_end_says_what_exists_and_how_to_go_on() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    proxy.inject(|request| request.method == "PUT" && request.path.starts_with("/refused-1"), 9, Fault::Status(403));
    scene.pipeline(
        "[steps.net]\nuses = \"vpc\"\nwith = { name = \"w\", cluster = \"w\", nat = \"single\", security_groups = {} }\n\
         [steps.m]\nuses = \"s3\"\nwith = { bucket = \"refused-1\" }\n",
    );
    let run = ["run", FILE, "--yes", "--skip-preflight", "--endpoint-url", proxy.url()];
    let seen = on_terminal(&scene, "80x60", &[], &[], &run);
    let last = seen.last();
    println!("--- failed\n{last}\n");
    assert_eq!(seen.status, 1, "{last}");
    assert_clean(&seen);
    assert_eq!(last.matches("help:").count(), 1, "{last}");
    for words in ["Failed: ", "still billed", "net/ec2.nat-gateway/", "Continue:", "llmhost run pipeline.toml"] {
        assert!(last.contains(words), "{words}: {last}");
    }
}
