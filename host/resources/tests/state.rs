//! The state in S3, by the real client on a real API: two operators, dead ones, late ones, and a
//! bucket that fails, lies or is not there.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use llmhost_emulator::Emulator;
use llmhost_emulator::testing::{Fault, RecordingProxy, Request};
use llmhost_engine::state::{
    Bucket, BucketStore, Change, LeaseSettings, Only, Recovered, State, StateError, StateStore,
};
use llmhost_resources::{Aws, AwsSettings, state_bucket};
use serde_json::json;

/// The bucket's folder that most of these tests use.
const ADDRESS: &str = "s3://states/team/llm";

fn at(url: &str, address: &str) -> Arc<dyn Bucket> {
    let settings = AwsSettings {
        region: "us-east-1".into(),
        endpoint_url: Some(url.into()),
        access_key: Some(("testing".into(), "testing".into())),
        attempt_timeout: Duration::from_secs(5),
        ..AwsSettings::default()
    };
    state_bucket(Arc::new(Aws::new(settings)), address.parse().unwrap())
}

async fn emulator() -> Emulator {
    let emulator = Emulator::start(&|_| ()).await.unwrap();
    client(emulator.url()).create_bucket().bucket("states").send().await.unwrap();
    emulator
}

/// Another client than llmhost's own.
fn client(url: &str) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder().behavior_version(BehaviorVersion::latest());
    let config = config.region(Region::new("us-east-1")).endpoint_url(url).force_path_style(true);
    let config = config.credentials_provider(Credentials::new("testing", "testing", None, None, "test"));
    aws_sdk_s3::Client::from_conf(config.build())
}

fn lease(seconds: u64) -> LeaseSettings {
    LeaseSettings { command: "run".into(), ttl: Duration::from_secs(seconds), by_force: false }
}

async fn open(url: &str) -> (BucketStore, Vec<Recovered>) {
    BucketStore::open(at(url, ADDRESS), "test", lease(30)).await.unwrap()
}

async fn refused(url: &str, address: &str) -> StateError {
    BucketStore::open(at(url, address), "test", lease(30)).await.err().expect("it is refused")
}

async fn read(url: &str) -> State {
    BucketStore::read(&*at(url, ADDRESS), "test").await.unwrap()
}

fn step(n: usize) -> Change {
    Change::StepDone {
        step: format!("s{n}").parse().unwrap(),
        outputs: json!({ "n": n }),
        sensitive: Default::default(),
    }
}

fn puts(request: &Request, what: &str) -> bool {
    request.method == "PUT" && request.path.contains(what)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_operators_one_goes_on_and_the_other_is_told_who_holds_it() {
    let emulator = emulator().await;
    let url = emulator.url();
    let attempts = (0..4).map(|_| BucketStore::open(at(url, ADDRESS), "test", lease(30)));
    let (opened, refused): (Vec<_>, Vec<_>) =
        futures::future::join_all(attempts).await.into_iter().partition(Result::is_ok);
    assert_eq!((opened.len(), refused.len()), (1, 3));
    for error in refused.into_iter().filter_map(Result::err) {
        let said = error.to_string();
        let process = std::process::id().to_string();
        for words in ["s3://states/team/llm", "llmhost run", &process, "unless it is renewed"] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(error.advice().unwrap().contains("state unlock"), "{error}");
    }
    let (store, _) = opened.into_iter().next().unwrap().unwrap();
    store.record(step(1)).await.unwrap();
    store.close().await.unwrap();
    let (store, notes) = open(url).await;
    assert_eq!(notes, []);
    store.close().await.unwrap();
    assert_eq!(read(url).await.outputs.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_holders_lease_ends_and_the_next_one_goes_on_with_what_they_recorded() {
    let emulator = emulator().await;
    let url = emulator.url();
    let (dead, _) = BucketStore::open(at(url, ADDRESS), "test", lease(2)).await.unwrap();
    dead.record(step(1)).await.unwrap();
    dead.record(step(2)).await.unwrap();
    // It renews no more, and ends nothing in order.
    drop(dead);
    let began = Instant::now();
    let (store, notes) = loop {
        match BucketStore::open(at(url, ADDRESS), "test", lease(30)).await {
            Ok(opened) => break opened,
            Err(StateError::Held { .. }) => tokio::time::sleep(Duration::from_millis(200)).await,
            Err(error) => panic!("{error}"),
        }
        assert!(began.elapsed() < Duration::from_secs(30), "the lease never ends");
    };
    assert!(began.elapsed() > Duration::from_secs(1), "a lease in force was taken");
    assert!(matches!(&notes[..], [Recovered::TakenOver { .. }, Recovered::Unended { changes: 2 }]), "{notes:?}");
    store.record(step(3)).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(read(url).await.outputs.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_outlives_its_time_by_being_renewed() {
    let emulator = emulator().await;
    let (store, _) = BucketStore::open(at(emulator.url(), ADDRESS), "test", lease(1)).await.unwrap();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        assert!(matches!(refused(emulator.url(), ADDRESS).await, StateError::Held { .. }));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    store.check().unwrap();
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_broken_in_upon_is_told_by_whom_and_overwrites_nothing() {
    let emulator = emulator().await;
    let url = emulator.url();
    let (late, _) = open(url).await;
    late.record(step(1)).await.unwrap();
    let force = LeaseSettings { command: "state unlock".into(), by_force: true, ..lease(30) };
    let (store, notes) = BucketStore::open(at(url, ADDRESS), "test", force).await.unwrap();
    assert!(matches!(&notes[..], [Recovered::TakenOver { .. }, Recovered::Unended { changes: 1 }]), "{notes:?}");
    store.close().await.unwrap();
    let (store, _) = open(url).await;
    store.record(step(2)).await.unwrap();
    let error = late.record(step(3)).await.unwrap_err().to_string();
    assert!(error.contains("was taken over by llmhost state unlock"), "{error}");
    assert!(matches!(late.close().await, Err(StateError::TakenOver { .. })));
    store.close().await.unwrap();
    let steps: Vec<_> = read(url).await.outputs.into_keys().map(|step| step.to_string()).collect();
    assert_eq!(steps, ["s1", "s2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_never_answered_is_known_again() {
    let emulator = emulator().await;
    let proxy = RecordingProxy::start(emulator.url()).await.unwrap();
    for key in ["lease.json", "/journal/", "state.json"] {
        proxy.inject(move |request| puts(request, key), 1, Fault::HangAfter);
    }
    let (store, _) = open(proxy.url()).await;
    store.record(step(1)).await.unwrap();
    store.record(step(2)).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(read(emulator.url()).await.outputs.len(), 2);
    let (_, notes) = open(emulator.url()).await;
    assert_eq!(notes, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_fails_for_a_while_is_asked_again_and_one_that_fails_for_good_is_said() {
    let emulator = emulator().await;
    let proxy = RecordingProxy::start(emulator.url()).await.unwrap();
    for fault in [Fault::Status(500), Fault::Status(503), Fault::Throttle, Fault::Reset] {
        proxy.inject(|request| puts(request, "/journal/"), 1, fault);
        proxy.inject(|request| request.method == "GET", 1, fault);
    }
    let (store, _) = open(proxy.url()).await;
    store.record(step(1)).await.unwrap();
    proxy.clear();
    proxy.inject(|request| puts(request, "/journal/"), usize::MAX, Fault::Status(500));
    let error = store.record(step(2)).await.unwrap_err();
    let said = format!("{error} {}", error.advice().unwrap_or_default());
    assert!(said.contains("cannot write s3://states/team/llm/journal/") && said.contains("run again"), "{said}");
    store.close().await.unwrap();
    assert_eq!(read(emulator.url()).await.outputs.len(), 2, "the end saved what the journal could not take");
    for (fault, words) in
        [(Fault::Status(403), "s3:ListBucket on arn:aws:s3:::states"), (Fault::Status(500), "run again")]
    {
        proxy.clear();
        proxy.inject(|_| true, usize::MAX, fault);
        let error = refused(proxy.url(), ADDRESS).await;
        let said = format!("{error} {}", error.advice().unwrap_or_default());
        assert!(said.contains("cannot read s3://states/team/llm/lease.json") && said.contains(words), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_cannot_be_renewed_stops_what_would_begin() {
    let emulator = emulator().await;
    let proxy = RecordingProxy::start(emulator.url()).await.unwrap();
    let (store, _) = BucketStore::open(at(proxy.url(), ADDRESS), "test", lease(2)).await.unwrap();
    proxy.inject(|request| puts(request, "lease.json"), usize::MAX, Fault::Reset);
    let began = Instant::now();
    while store.check().is_ok() {
        assert!(began.elapsed() < Duration::from_secs(30), "it never runs out");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let error = store.check().unwrap_err();
    assert!(matches!(error, StateError::Expired { .. }), "{error}");
    store.record(step(1)).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(read(emulator.url()).await.outputs.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_not_a_state_is_said_with_its_place() {
    let emulator = emulator().await;
    let url = emulator.url();
    let error = refused(url, "s3://no-such-bucket/x").await;
    let said = format!("{error} {}", error.advice().unwrap_or_default());
    assert!(said.contains("s3://no-such-bucket/x/lease.json") && said.contains("Create the bucket"), "{said}");
    let other = BucketStore::open(at(url, "s3://states/other"), "other", lease(30)).await.unwrap().0;
    other.record(step(1)).await.unwrap();
    other.close().await.unwrap();
    let error = refused(url, "s3://states/other").await.to_string();
    assert!(error.contains("s3://states/other/state.json belongs to the pipeline 'other'"), "{error}");
    // And who it belongs to is not held up by whoever asked.
    drop(BucketStore::open(at(url, "s3://states/other"), "other", lease(30)).await.unwrap());
    for (text, words) in [("", "it is empty"), ("{", "line 1"), ("{\"llmhost_state\": 9}", "version 9")] {
        let put = client(url).put_object().bucket("states").key("spoilt/state.json");
        put.body(text.as_bytes().to_vec().into()).send().await.unwrap();
        let error = refused(url, "s3://states/spoilt").await.to_string();
        assert!(error.contains("s3://states/spoilt/state.json") && error.contains(words), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_wait_together_are_one_object() {
    let emulator = emulator().await;
    let proxy = RecordingProxy::start(emulator.url()).await.unwrap();
    let store = Arc::new(open(proxy.url()).await.0);
    let records: Vec<_> = (0..200)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.record(step(n)).await })
        })
        .collect();
    for record in records {
        record.await.unwrap().unwrap();
    }
    let segments = proxy.requests().iter().filter(|request| puts(request, "/journal/")).count();
    assert!(segments <= 20, "{segments} objects for 200 changes");
    assert_eq!(segments as u64, store.cost().syncs.load(Ordering::Relaxed));
    assert_eq!(read(emulator.url()).await.outputs.len(), 200, "from the journal");
    store.close().await.unwrap();
    assert_eq!(read(emulator.url()).await.outputs.len(), 200, "from the snapshot");
    let left = at(emulator.url(), ADDRESS).keys("journal/").await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_with_versions_is_as_good_as_one_without() {
    let emulator = emulator().await;
    let versions = aws_sdk_s3::types::VersioningConfiguration::builder();
    let versions = versions.status(aws_sdk_s3::types::BucketVersioningStatus::Enabled).build();
    let s3 = client(emulator.url());
    s3.put_bucket_versioning().bucket("states").versioning_configuration(versions).send().await.unwrap();
    for n in 0..3 {
        let (store, notes) = open(emulator.url()).await;
        assert_eq!(notes, []);
        store.record(step(n)).await.unwrap();
        store.close().await.unwrap();
    }
    assert_eq!(read(emulator.url()).await.outputs.len(), 3);
    // What was deleted is as if it had never been, to a condition too.
    let bucket = at(emulator.url(), ADDRESS);
    let key = ["journal/x".to_owned()];
    assert!(bucket.put(&key[0], b"1", Only::New).await.unwrap().is_some());
    bucket.delete(&key).await.unwrap();
    assert!(bucket.put(&key[0], b"2", Only::New).await.unwrap().is_some());
    assert!(bucket.put(&key[0], b"3", Only::New).await.unwrap().is_none());
    assert!(bucket.put("nothing", b"4", Only::Over("\"etag\"")).await.unwrap().is_none());
}
