use serde::Deserialize;
use serde_json::json;

use super::super::{ErrorClass, Observed};
use super::wit::Guest;
use super::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Address of the service.
    url: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    user: String,
    #[schemars(extend("writeOnly" = true))]
    password: Option<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Spec {
    name: String,
    #[serde(default = "hour")]
    ttl: u32,
    note: Option<String>,
    login: Login,
}

fn hour() -> u32 {
    3600
}

#[derive(Serialize, JsonSchema)]
struct Told {
    /// The whole name.
    fqdn: String,
    key: String,
}

struct Record;

impl Kind for Record {
    type Config = Options;
    type Spec = Spec;
    type Outputs = Told;
    const NAME: &'static str = "record";
    const SUMMARY: &'static str = "A record.";
    const IMMUTABLE: &'static [&'static str] = &["name"];
    const IDENTITIES: &'static [&'static str] = &["fqdn"];
    const SENSITIVE: &'static [&'static str] = &["key"];

    fn create(config: &Options, spec: &Spec, token: &str) -> Result<Created<Told>, Error> {
        let fqdn = format!("{}.{}", spec.name, config.url);
        Ok(Created { id: token.to_owned(), outputs: Told { fqdn, key: spec.ttl.to_string() } })
    }

    fn find(_: &Options, _: &Spec, _: &str) -> Result<Option<Created<Told>>, Error> {
        Ok(None)
    }

    fn read(_: &Options, id: &str, known: &Spec) -> Result<Option<Observed<Spec, Told>>, Error> {
        let login = Login { user: known.login.user.clone(), password: None };
        let spec = Spec { name: id.to_owned(), ttl: 7, note: None, login };
        Ok(Some(Observed { spec, outputs: Told { fqdn: String::new(), key: String::new() } }))
    }

    fn update(_: &Options, _: &str, old: &Spec, new: &Spec) -> Result<Told, Error> {
        Ok(Told { fqdn: old.name.clone(), key: new.name.clone() })
    }

    fn delete(_: &Options, id: &str, _: &Spec) -> Result<(), Error> {
        Err(Error::not_found(format!("there is no {id}")))
    }
}

/// Tells nothing but its id.
struct Zone;

impl Kind for Zone {
    type Config = Options;
    type Spec = Login;
    type Outputs = ();
    const NAME: &'static str = "zone";
    const SUMMARY: &'static str = "A zone.";

    fn create(_: &Options, _: &Login, token: &str) -> Result<Created<()>, Error> {
        Ok(Created { id: token.to_owned(), outputs: () })
    }

    fn find(_: &Options, _: &Login, token: &str) -> Result<Option<Created<()>>, Error> {
        Ok(Some(Created { id: token.to_owned(), outputs: () }))
    }

    fn read(_: &Options, _: &str, _: &Login) -> Result<Option<Observed<Login, ()>>, Error> {
        Ok(None)
    }

    fn update(_: &Options, _: &str, _: &Login, _: &Login) -> Result<(), Error> {
        Ok(())
    }

    fn delete(_: &Options, _: &str, _: &Login) -> Result<(), Error> {
        Ok(())
    }
}

struct Dns;

impl Provider for Dns {
    type Config = Options;
    const SUMMARY: &'static str = "Records and zones.";
    const KINDS: &'static [&'static dyn AnyKind] = &[&of::<Options, Record>(), &of::<Options, Zone>()];
}

const OPTIONS: &str = r#"{ "url": "example.com" }"#;
const SPEC: &str = r#"{ "name": "www", "login": { "user": "a" } }"#;

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn a_provider_describes_its_options_kinds_and_outputs() {
    let wit::Description { summary, config_schema, kinds } = Dns::describe();
    assert_eq!(summary, "Records and zones.");
    assert_eq!(parsed(&config_schema)["properties"]["url"]["description"], "Address of the service.");
    let [record, zone] = &kinds[..] else { panic!("two kinds") };
    assert_eq!(
        (record.name.as_str(), &record.immutable[..], &record.unique[..]),
        ("record", &["name".to_owned()][..], &[][..])
    );
    let outputs: Vec<_> =
        record.outputs.iter().map(|o| (o.name.as_str(), o.description.as_str(), o.identity, o.sensitive)).collect();
    assert_eq!(outputs, [("fqdn", "The whole name.", true, false), ("key", "", false, true)]);
    let schema = parsed(&record.spec_schema);
    assert_eq!(schema["properties"]["ttl"]["default"], 3600);
    // The host reads it where the field stands.
    assert_eq!(schema["properties"]["login"]["properties"]["password"]["writeOnly"], true, "{schema}");
    assert_eq!((zone.name.as_str(), zone.outputs.len()), ("zone", 0));
}

#[test]
fn calls_reach_the_kind_with_decoded_values() {
    let call = || (OPTIONS.to_owned(), "record".to_owned());
    let (config, kind) = call();
    let made = Dns::create(config, kind, SPEC.to_owned(), "t".to_owned()).expect("it is made");
    assert_eq!((made.id.as_str(), parsed(&made.outputs)), ("t", json!({ "fqdn": "www.example.com", "key": "3600" })));
    let (config, kind) = call();
    let new = SPEC.replace("www", "new");
    let updated = Dns::update(config, kind, "1".to_owned(), SPEC.to_owned(), new).expect("it is changed");
    assert_eq!(parsed(&updated), json!({ "fqdn": "www", "key": "new" }));
    let (config, kind) = call();
    let gone = Dns::delete(config, kind, "1".to_owned(), SPEC.to_owned()).expect_err("it is gone");
    assert_eq!((gone.class, gone.message.as_str()), (ErrorClass::NotFound, "there is no 1"));
    let found = Dns::find(OPTIONS.to_owned(), "zone".to_owned(), r#"{ "user": "a" }"#.to_owned(), "t".to_owned());
    assert_eq!(found.expect("no error").expect("it is found").outputs, "{}");
}

#[test]
fn what_cannot_be_decoded_is_an_error_that_says_what() {
    let text = |text: &str| text.to_owned();
    for (config, kind, spec, part) in [
        (OPTIONS, "host", SPEC, "this provider has no kind 'host'"),
        ("{}", "record", SPEC, "the options of the provider: missing field `url`"),
        (OPTIONS, "record", "{}", "the spec: missing field `name`"),
    ] {
        let error = Dns::create(text(config), text(kind), text(spec), text("t")).expect_err(part);
        assert_eq!(error.class, ErrorClass::Invalid);
        assert!(error.message.contains(part), "{}", error.message);
    }
    let old = Dns::read(text(OPTIONS), text("record"), text("1"), text("{}")).expect_err("no spec");
    assert!(old.message.contains("the spec that the state has") && old.advice.is_some(), "{}", old.message);
}

#[test]
fn an_option_that_nobody_set_is_no_drift() {
    let read = |known: &str| {
        let seen = Dns::read(OPTIONS.to_owned(), "record".to_owned(), "www".to_owned(), known.to_owned());
        parsed(&seen.expect("no error").expect("it is there").spec)
    };
    assert_eq!(read(SPEC), json!({ "name": "www", "ttl": 7, "login": { "user": "a" } }));
    // What was declared and is no longer there is one.
    let known = r#"{ "name": "www", "note": "x", "login": { "user": "a", "password": "b" } }"#;
    let seen = json!({ "name": "www", "ttl": 7, "note": null, "login": { "user": "a", "password": null } });
    assert_eq!(read(known), seen);
    let mut lists = json!([{ "a": null }, { "a": null }]);
    leave_out(&mut lists, Some(&json!([{ "a": 1 }])));
    assert_eq!(lists, json!([{ "a": null }, {}]));
}

#[test]
#[should_panic(expected = "kind zone: it has no output 'secret'")]
fn a_misspelt_sensitive_output_is_not_shown_in_silence() {
    struct Wrong;
    impl Kind for Wrong {
        type Config = Options;
        type Spec = Login;
        type Outputs = ();
        const NAME: &'static str = "zone";
        const SUMMARY: &'static str = "";
        const SENSITIVE: &'static [&'static str] = &["secret"];
        fn create(config: &Options, spec: &Login, token: &str) -> Result<Created<()>, Error> {
            Zone::create(config, spec, token)
        }
        fn find(config: &Options, spec: &Login, token: &str) -> Result<Option<Created<()>>, Error> {
            Zone::find(config, spec, token)
        }
        fn read(config: &Options, id: &str, known: &Login) -> Result<Option<Observed<Login, ()>>, Error> {
            Zone::read(config, id, known)
        }
        fn update(config: &Options, id: &str, old: &Login, new: &Login) -> Result<(), Error> {
            Zone::update(config, id, old, new)
        }
        fn delete(config: &Options, id: &str, spec: &Login) -> Result<(), Error> {
            Zone::delete(config, id, spec)
        }
    }
    of::<Options, Wrong>().describe();
}
