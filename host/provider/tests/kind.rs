//! Kinds of a provider that is scripted.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use llmhost_engine::crash::Crash;
use llmhost_engine::kind::{ErrorClass, Intent, OpError, Progress};
use llmhost_engine::plugin::PluginError;
use llmhost_engine::registry::DynKind;
use llmhost_provider::{
    Call, CallError, CallErrorClass, Described, KindDoc, Made, OutputDoc, Pace, Provider, ProviderError, ProviderKind,
    Seen, check,
};
use serde_json::{Value, json};

/// What each call gives, in order, and the calls.
#[derive(Default)]
struct Scripted {
    gives: Mutex<VecDeque<Result<Option<&'static str>, CallError>>>,
    calls: Mutex<Vec<String>>,
    described: Described,
}

impl Scripted {
    fn next(&self, call: &str) -> Result<Option<&'static str>, CallError> {
        self.calls.lock().unwrap().push(call.to_owned());
        self.gives.lock().unwrap().pop_front().unwrap_or(Ok(Some("a")))
    }
}

fn made(id: &str) -> Made {
    Made { id: id.to_owned(), outputs: r#"{"url": "there"}"#.to_owned() }
}

#[async_trait]
impl Provider for Scripted {
    fn description(&self) -> &Described {
        &self.described
    }

    async fn create(&self, _: Call<'_>, _: &Value, token: &str) -> Result<Made, CallError> {
        Ok(made(self.next(&format!("create {token}"))?.unwrap_or_default()))
    }

    async fn find(&self, _: Call<'_>, _: &Value, _: &str) -> Result<Option<Made>, CallError> {
        Ok(self.next("find")?.map(made))
    }

    async fn read(&self, _: Call<'_>, id: &str, spec: &Value) -> Result<Option<Seen>, CallError> {
        let seen = |_| Seen { id: id.to_owned(), spec: spec.to_string(), outputs: made(id).outputs };
        Ok(self.next("read")?.map(seen))
    }

    async fn update(&self, _: Call<'_>, _: &str, _: &Value, _: &Value) -> Result<String, CallError> {
        self.next("update").map(|_| made("").outputs)
    }

    async fn delete(&self, _: Call<'_>, _: &str, _: &Value) -> Result<(), CallError> {
        self.next("delete").map(|_| ())
    }
}

struct Silent;

impl Progress for Silent {
    fn report(&self, _: &str, _: u64, _: u64) {}
}

fn returned(class: CallErrorClass) -> Result<Option<&'static str>, CallError> {
    Err(CallError::Returned(ProviderError { class, code: None, message: "no".into(), advice: None }))
}

fn crashed() -> Result<Option<&'static str>, CallError> {
    Err(CallError::Ended(PluginError::Trapped(Box::new(Crash::new("it panicked")))))
}

/// A kind whose calls give these, and its provider.
fn kind(gives: Vec<Result<Option<&'static str>, CallError>>) -> (ProviderKind, Arc<Scripted>) {
    let doc = KindDoc {
        name: "thing".into(),
        spec_schema: r#"{"properties": {"name": {"type": "string"}, "size": {"type": "integer", "default": 1}}}"#
            .into(),
        immutable: vec!["name".into()],
        unique: vec!["name".into()],
        outputs: vec![OutputDoc { name: "url".into(), ..OutputDoc::default() }],
        ..KindDoc::default()
    };
    let described = Described { config_schema: "{}".into(), kinds: vec![doc], ..Described::default() };
    let checked = check(&described).ok().unwrap().kinds.remove("thing").unwrap();
    let provider = Arc::new(Scripted { gives: Mutex::new(gives.into()), described, ..Scripted::default() });
    let shared: Arc<dyn Provider> = provider.clone();
    let kind = ProviderKind::new(&"p".parse().unwrap(), &shared, &Arc::new(json!({})), checked);
    (kind.at_pace(Pace { attempts: 3, first: Duration::ZERO }), provider)
}

async fn create(gives: Vec<Result<Option<&'static str>, CallError>>) -> (Result<String, OpError>, Vec<String>) {
    let (kind, provider) = kind(gives);
    let intent = Intent { address: "s/p.thing/x".parse().unwrap(), token: "t".into() };
    let created = kind.create(&json!({ "name": "x" }), &intent, &Silent).await;
    let calls = std::mem::take(&mut *provider.calls.lock().unwrap());
    (created.map(|created| created.id), calls)
}

#[tokio::test]
async fn a_create_is_repeated_only_where_nothing_can_have_been_made() {
    use CallErrorClass::{Conflict, Denied, Invalid, Service, Throttled, Unreachable};
    let none = || Ok(None);
    for (gives, id, calls) in [
        (vec![], Ok("a"), &["create t"][..]),
        (vec![returned(Throttled), Ok(Some("b"))], Ok("b"), &["create t", "create t"]),
        // It was made, and the answer was lost.
        (vec![returned(Unreachable), Ok(Some("c"))], Ok("c"), &["create t", "find"]),
        // It was not, and is made with the same token.
        (vec![returned(Service), none(), Ok(Some("d"))], Ok("d"), &["create t", "find", "create t"]),
        // The first one made it after all.
        (
            vec![returned(Service), none(), returned(Conflict), Ok(Some("e"))],
            Ok("e"),
            &["create t", "find", "create t", "find"],
        ),
        (vec![returned(Invalid)], Err(ErrorClass::Invalid), &["create t"]),
        (vec![returned(Conflict)], Err(ErrorClass::Conflict), &["create t"]),
        // What cannot be asked stays open, whatever kept it from being asked.
        (vec![returned(Service), returned(Denied)], Err(ErrorClass::Service), &["create t", "find"]),
        // A refusal after an open failure is no proof that nothing was made.
        (
            vec![returned(Service), none(), returned(Denied), none()],
            Err(ErrorClass::Service),
            &["create t", "find", "create t", "find"],
        ),
        // A crash is an answer that was lost, and the same again would crash again.
        (vec![crashed(), none()], Err(ErrorClass::Service), &["create t", "find"]),
        (
            vec![returned(Throttled), returned(Throttled), returned(Throttled)],
            Err(ErrorClass::Throttled),
            &["create t", "create t", "create t"],
        ),
    ] {
        let (created, asked) = create(gives).await;
        assert_eq!(
            (created.as_deref().map_err(|error| error.class), asked),
            (id, calls.iter().map(ToString::to_string).collect())
        );
    }
}

#[tokio::test]
async fn other_calls_are_repeated_and_what_is_gone_is_no_error() {
    use CallErrorClass::{Invalid, NotFound, Service};
    let spec = json!({ "name": "x", "size": 1 });
    let (kind, provider) = kind(vec![
        returned(Service),
        Ok(Some("a")),
        returned(NotFound),
        returned(NotFound),
        returned(Service),
        Ok(None),
        returned(Invalid),
    ]);
    assert_eq!(
        kind.read("a", &spec).await.unwrap().unwrap().outputs,
        *json!({ "url": "there", "id": "a" }).as_object().unwrap()
    );
    assert!(kind.read("a", &spec).await.unwrap().is_none());
    kind.delete("a", &spec, &Silent).await.unwrap();
    kind.delete("a", &spec, &Silent).await.unwrap();
    let refused = kind.configure("a", &spec, Some(&json!({ "name": "x" })), &Silent).await.unwrap_err();
    assert_eq!((refused.class, refused.to_string().as_str()), (ErrorClass::Invalid, "p.thing:update: no"));
    assert_eq!(
        *provider.calls.lock().unwrap(),
        ["read", "read", "read", "delete", "delete", "delete", "update"].map(str::to_owned)
    );
}

#[test]
fn fields_that_cannot_change_replace_and_names_that_clash_go_first() {
    let (kind, _) = kind(vec![]);
    let (one, other) = (json!({ "name": "x", "size": 1 }), json!({ "name": "y", "size": 1 }));
    assert!(kind.compare(&one, &other).replaces() && !kind.clashes(&one, &other));
    assert!(kind.clashes(&one, &json!({ "name": "x", "size": 2 })));
    let changed = kind.compare(&one, &json!({ "name": "x", "size": 2 }));
    assert!(!changed.replaces() && changed.fields.len() == 1);
    assert!(kind.compare(&one, &one.clone()).fields.is_empty());
    assert_eq!(kind.name(), "p.thing");
    assert!(kind.is_identity("id") && !kind.is_identity("url"));
    assert!(kind.is_volatile("url") && !kind.is_volatile("id"));
}
