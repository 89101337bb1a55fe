//! An AWS that refuses, hangs, fails or throttles: a clear error, and nothing lost.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use llmhost_emulator::testing::{Fault, RecordingProxy, Request};
use support::{Scene, emulator, look};

const FILE: &str = "network-and-storage.toml";

#[test]
fn an_endpoint_that_refuses_is_named() {
    let scene = Scene::with_examples();
    // A port that was free a moment ago, with nobody behind it.
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    scene.at(&format!("http://{free}"), &["run", FILE]).status(1).says(&["help"]);
}

#[test]
fn missing_credentials_are_said_with_what_to_do() {
    let scene = Scene::with_examples();
    let ran = scene.llmhost(&["run", FILE, "--endpoint-url", "http://127.0.0.1:9"]).status(1);
    ran.says(&["no AWS credentials were found", "help"]).does_not_say(&["IMDS"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_fails_is_reported_once_and_a_later_run_goes_on_without_making_anything_twice() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let before = look(emulator.url());
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    for fault in [Fault::Status(500), Fault::Throttle] {
        proxy.inject(|request| request.action == "CreateSubnet", usize::MAX, fault);
        let ran = scene.at(proxy.url(), &["run", FILE]).status(1);
        ran.says(&["step network", "ec2:CreateSubnet", "help"]);
        proxy.clear();
    }
    proxy.inject(|request| request.action == "CreateSubnet", 2, Fault::Throttle);
    scene.at(proxy.url(), &["run", FILE]).status(0);
    let world = look(emulator.url());
    let subnets = world["network"]["subnets"].as_array().expect("subnets").len();
    assert_eq!(subnets - before["network"]["subnets"].as_array().expect("subnets").len(), 4);
    scene.at(proxy.url(), &["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(emulator.url()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_hangs_ends_in_an_error_and_what_it_made_is_found_again() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    proxy.inject(|request| request.action == "CreateVpc", usize::MAX, Fault::HangAfter);
    let began = Instant::now();
    let mut command = scene.command(&["run", FILE, "--call-timeout", "1", "--endpoint-url", proxy.url()]);
    command.env("AWS_ACCESS_KEY_ID", "testing").env("AWS_SECRET_ACCESS_KEY", "testing");
    let output = command.output().expect("llmhost starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    proxy.clear();
    scene.at(proxy.url(), &["run", FILE]).status(0);
    let world = look(emulator.url());
    let vpcs = world["network"]["vpcs"].as_array().expect("VPCs");
    let named = vpcs.iter().filter(|vpc| vpc["tags"]["Name"] == "llm-vpc").count();
    assert_eq!(named, 1, "made once, found again: {vpcs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_whose_creation_got_no_answer_is_not_called_somebody_elses() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    // It carries the pipeline's tags only after the next call.
    let is_creation = |request: &Request| {
        request.method == "PUT" && request.path.trim_end_matches('/').trim_end_matches('?') == "/begun-models"
    };
    proxy.inject(is_creation, 1, Fault::ResetAfter);
    scene.pipeline("[steps.models]\nuses = \"s3\"\nwith = { bucket = \"begun-models\" }\n");
    scene.at(proxy.url(), &["run", "pipeline.toml"]).status(1).says(&["models/s3.bucket/main"]);
    assert!(look(emulator.url()).to_string().contains("begun-models"), "it was made");
    scene.at(proxy.url(), &["run", "pipeline.toml"]).status(0).says(&["Done: 1 created"]);
}
