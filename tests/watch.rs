//! A run that is followed in a browser, and the report that it leaves.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::{Scene, emulator, watched};

const TWO: &str = "[steps.one]\nuses = \"s3\"\nwith = { bucket = \"first-of-two\" }\n\n\
                   [steps.two]\nuses = \"s3\"\nafter = [\"one\"]\nwith = { bucket = \"second-of-two\" }\n";

/// What a request to the page's server is answered with.
fn asked(address: &str, path: &str, headers: &str) -> String {
    let (host, token) = address.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let path = path.replace("TOKEN/", token);
    write!(stream, "GET /{path} HTTP/1.1\r\n{}Connection: close\r\n\r\n", headers.replace("HOST", host)).unwrap();
    let mut answer = String::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        answer += &String::from_utf8_lossy(&buffer[..read]);
        if answer.contains("\"event\":\"run-ended\"") {
            break;
        }
    }
    answer
}

/// The events in a stream, each with the id that it has there.
fn events(stream: &str) -> Vec<(usize, Value)> {
    let mut id = 0;
    let mut found = Vec::new();
    for line in stream.lines() {
        if let Some(number) = line.strip_prefix("id: ") {
            id = number.parse().unwrap();
        } else if let Some(data) = line.strip_prefix("data: ") {
            found.push((id, serde_json::from_str(data).unwrap()));
        }
    }
    found
}

fn named(events: &[(usize, Value)]) -> Vec<String> {
    events.iter().map(|(_, event)| event["event"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_page_follows_the_run_from_its_start_and_a_report_keeps_it() {
    let emulator = emulator().await;
    let scene = Scene::new();
    scene.pipeline(TWO);
    let (mut run, address) = watched(&scene, emulator.url(), &["--yes", "--report", "ran.html"]);
    let page = asked(&address, "TOKEN/", "Host: HOST\r\n");
    assert!(
        page.starts_with("HTTP/1.1 200") && page.contains("id=\"timeline\"") && page.contains("connect-src 'self'"),
        "{page}"
    );
    let heard = events(&asked(&address, "TOKEN/events", "Host: HOST\r\n"));
    let names = named(&heard);
    assert_eq!(names.iter().filter(|name| *name == "operation-done").count(), 2, "{names:?}");
    assert_eq!(names.last().unwrap(), "run-ended");
    assert_eq!(heard.last().unwrap().1["ok"], true);
    assert!(heard.iter().all(|(_, event)| event["at"].is_u64()));
    assert!(run.wait().unwrap().success());
    let report = std::fs::read_to_string(scene.path("ran.html")).unwrap();
    assert!(report.contains("\"recorded\":[") && report.contains("operation-done") && !report.contains("connect-src"));
}

#[tokio::test]
async fn a_browser_that_connects_again_hears_only_what_it_missed() {
    let emulator = emulator().await;
    let scene = Scene::new();
    scene.pipeline(TWO);
    // The browser has event 1 already, so the stream starts with event 2.
    let (mut run, address) = watched(&scene, emulator.url(), &["--yes"]);
    let all = events(&asked(&address, "TOKEN/events", "Host: HOST\r\nLast-Event-ID: 1\r\n"));
    assert_eq!(all.first().unwrap().0, 2);
    assert!(run.wait().unwrap().success());
    assert!(scene.path("report.html").exists());
}

#[tokio::test]
async fn only_who_knows_the_address_can_read_the_page() {
    let emulator = emulator().await;
    let scene = Scene::new();
    scene.pipeline(TWO);
    let (mut run, address) = watched(&scene, emulator.url(), &["--yes"]);
    let refused = [
        asked(&address, "", "Host: HOST\r\n"),
        asked(&address, "00000000000000000000000000000000/", "Host: HOST\r\n"),
        asked(&address, "TOKEN/", "Host: rebound.example.com\r\n"),
        asked(&address, "TOKEN/events", "Host: rebound.example.com\r\n"),
    ];
    for (answer, status) in refused.iter().zip(["404", "404", "421", "421"]) {
        assert!(answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(!answer.contains("first-of-two"));
    }
    run.wait().unwrap();
}

#[tokio::test]
async fn a_failure_is_on_the_page_with_what_to_do() {
    let emulator = emulator().await;
    let scene = Scene::new();
    scene.pipeline(TWO);
    emulator_has_bucket(&scene, emulator.url(), "second-of-two");
    let ran =
        scene.at(emulator.url(), &["run", "pipeline.toml", "--yes", "--skip-preflight", "--report", "failed.html"]);
    ran.status(1).says(&["Wrote the report of the run to failed.html"]);
    let report = std::fs::read_to_string(scene.path("failed.html")).unwrap();
    assert!(report.contains("\"event\":\"failure\"") && report.contains("\"help\":"), "{}", report.len());
    assert!(report.contains("\"ok\":false"));
}

#[tokio::test]
async fn a_report_that_cannot_be_written_is_said_and_the_run_counts() {
    let emulator = emulator().await;
    let scene = Scene::new();
    scene.pipeline(TWO);
    let args = ["run", "pipeline.toml", "--yes", "--report", "no/such/folder/report.html"];
    scene
        .at(emulator.url(), &args)
        .status(0)
        .says(&["Cannot write the report to no/such/folder/report.html", "2 created"]);
    scene.at(emulator.url(), &["run", "pipeline.toml", "--watch", "--dry-run"]).status(2).says(&["--dry-run"]);
}

/// A bucket that the pipeline did not create.
fn emulator_has_bucket(scene: &Scene, url: &str, name: &str) {
    let other = format!(
        "[pipeline]\nname = \"other\"\nregion = \"us-east-1\"\n\n[steps.b]\nuses = \"s3\"\nwith = {{ bucket = \"{name}\" }}\n"
    );
    scene.write("other.toml", other);
    scene.at(url, &["run", "other.toml", "--yes"]).status(0);
}

#[tokio::test]
async fn the_page_works_in_a_browser() {
    let emulator = emulator().await;
    let scene = Scene::new();
    scene.pipeline(TWO);
    scene.at(emulator.url(), &["run", "pipeline.toml", "--yes", "--report", "ran.html"]).status(0);
    let mut chromium = Command::new("chromium");
    chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]);
    chromium.args(["--disable-component-update", "--disable-sync", "--virtual-time-budget=3000", "--dump-dom"]);
    chromium.arg(format!("--user-data-dir={}", scene.path("profile").display()));
    let output = chromium.arg(format!("file://{}", scene.path("ran.html").display())).output();
    let output = output.expect("Chromium is there; cargo xtask setup installs it");
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(page.contains("Done: 2 of 2"), "{page}");
    assert!(page.contains("aria-label=\"+ create s3.bucket"), "{page}");
    assert_eq!(page.matches("resource create done").count(), 2, "{page}");
}
