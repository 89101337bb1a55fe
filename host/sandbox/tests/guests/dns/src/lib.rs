//! A provider of DNS records, kept by a service that speaks JSON over HTTP. Told so in its options, it talks nonsense.

use serde_json::{Map, Value, json};

wit_bindgen::generate!({
    inline: "
        package test:dns;
        world dns {
            include llmhost:provider/provider@0.2.0;
        }
    ",
    path: [
        "../../../../../wit/plugin/0.2.0",
        "../../../../../wit/http/0.2.0",
        "../../../../../wit/tcp/0.2.0",
        "../../../../../wit/provider/0.2.0",
    ],
    world: "test:dns/dns",
    generate_all,
});

use exports::llmhost::provider::kinds::{Created, Description, Error, ErrorClass, Guest, Kind, Observed, Output};
use llmhost::http::http::{self, Request};
use llmhost::plugin::log;
use llmhost::provider::{scram, wait};
use llmhost::tcp::tcp::Connection;

struct Dns;

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("the host gives JSON")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn error(class: ErrorClass, message: impl Into<String>) -> Error {
    Error { class, code: None, message: message.into(), advice: None }
}

/// Asks the service. The answer's body, and nothing where it says that there is no such thing.
fn ask(config: &Value, method: &str, path: &str, body: Option<Value>) -> Result<Option<Value>, Error> {
    let request = Request {
        method: method.to_owned(),
        url: format!("{}{path}", text(&config["url"])),
        headers: vec![
            ("authorization".to_owned(), format!("Bearer {}", text(&config["key"]))),
            ("content-type".to_owned(), "application/json".to_owned()),
        ],
        basic: None,
        body: body.map(|body| body.to_string()),
        follow: false,
    };
    let answer = http::send(&request).map_err(|failed| {
        let class = match failed.class {
            http::ErrorClass::NotGranted | http::ErrorClass::Secret => ErrorClass::Denied,
            http::ErrorClass::Unreachable | http::ErrorClass::Timeout | http::ErrorClass::Protocol => {
                ErrorClass::Unreachable
            }
            _ => ErrorClass::Invalid,
        };
        Error { class, code: None, message: failed.message, advice: Some(failed.advice) }
    })?;
    let class = match answer.status {
        200..=299 => return Ok(Some(serde_json::from_str(&answer.body).unwrap_or(Value::Null))),
        404 => return Ok(None),
        409 => ErrorClass::Conflict,
        401 | 403 => ErrorClass::Denied,
        429 => ErrorClass::Throttled,
        400..=499 => ErrorClass::Invalid,
        _ => ErrorClass::Service,
    };
    Err(Error { class, code: Some(format!("HTTP {}", answer.status)), message: answer.body, advice: None })
}

fn outputs(there: &Value) -> String {
    json!({
        "fqdn": format!("{}.{}", text(&there["name"]), text(&there["zone"])),
        "serial": there["serial"],
        "key": format!("key-of-{}", text(&there["id"])),
    })
    .to_string()
}

/// In the form of a spec. The service keeps the password to itself.
fn spec(there: &Value, known: &Value) -> String {
    let fields = ["name", "zone", "value", "ttl"].iter().map(|field| ((*field).to_owned(), there[*field].clone()));
    let mut spec: Map<String, Value> = fields.collect();
    if let Some(password) = known.get("password") {
        spec.insert("password".to_owned(), password.clone());
    }
    Value::Object(spec).to_string()
}

fn created(there: &Value) -> Created {
    Created { id: text(&there["id"]), outputs: outputs(there) }
}

/// What it says in place of the truth.
fn nonsense(config: &Value, function: &str) -> Option<String> {
    text(&config["nonsense"]).strip_prefix(function).map(|rest| rest.trim_start_matches(' ').to_owned())
}

/// Tries what it may not, and says what came of it.
fn steal() -> Error {
    let connected = |host: &str, port: u16| match Connection::connect(host, port) {
        Ok(_) => format!("{host}:{port} was connected to"),
        Err(failed) => format!("{:?}: {}", failed.class, failed.message),
    };
    let mut told =
        vec![connected("169.254.169.254", 80), connected("localhost", 22), connected("db.example.com", 5432)];
    let proved = |password: &str| match scram::verifier(password) {
        Ok(verifier) => format!("{password} was given: {verifier}"),
        Err(failed) => format!("{:?}: {}", failed.class, failed.message),
    };
    told.extend(["<<secret:password>>", "a<<secret:gone>>", ""].map(proved));
    told.push(match scram::Exchange::begin("", "<<secret:password>>") {
        Ok(_) => "an exchange was begun".to_owned(),
        Err(failed) => format!("{:?}: {}", failed.class, failed.message),
    });
    let exchange = scram::Exchange::begin("", "<<secret:key>>").expect("its own secret");
    told.push(format!("{:?}", exchange.client_final("r=x,s=eA==,i=1").map_err(|failed| failed.class)));
    exchange.client_first().expect("the first");
    told.push(format!("{:?}", exchange.client_final("r=x,s=eA==,i=4096").map_err(|failed| failed.message)));
    error(ErrorClass::Denied, told.join("\n"))
}

impl Guest for Dns {
    fn describe() -> Description {
        let output = |name: &str, identity, sensitive| Output {
            name: name.to_owned(),
            description: String::new(),
            identity,
            sensitive,
        };
        let spec_schema = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["name", "zone", "value"],
            "properties": {
                "name": { "type": "string", "minLength": 1 },
                "zone": { "type": "string" },
                "value": { "type": "string" },
                "ttl": { "type": "integer", "minimum": 60, "default": 300 },
                "password": { "type": "string", "writeOnly": true },
            },
        });
        let config_schema = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["url"],
            "properties": {
                "url": { "type": "string", "description": "The address of the service." },
                "key": { "type": "string" },
                "nonsense": { "type": "string" },
            },
        });
        Description {
            summary: "DNS records.".into(),
            config_schema: config_schema.to_string(),
            kinds: vec![Kind {
                name: "record".into(),
                summary: "A record.".into(),
                spec_schema: spec_schema.to_string(),
                immutable: vec!["name".into(), "zone".into()],
                unique: vec!["name".into()],
                outputs: vec![output("fqdn", true, false), output("serial", false, false), output("key", false, true)],
            }],
        }
    }

    fn create(config: String, _: String, spec: String, token: String) -> Result<Created, Error> {
        let (config, mut body) = (parsed(&config), parsed(&spec));
        log::write(log::Level::Info, &format!("making {}", text(&body["name"])));
        match nonsense(&config, "create").as_deref() {
            Some("no json") => return Ok(Created { id: "1".into(), outputs: "{".into() }),
            Some("a list") => return Ok(Created { id: "1".into(), outputs: "[]".into() }),
            Some("no id") => return Ok(Created { id: String::new(), outputs: "{}".into() }),
            Some("an output") => {
                return Ok(Created {
                    id: "1".into(),
                    outputs: json!({ "fqdn": "", "serial": 1, "key": "", "more": 1 }).to_string(),
                });
            }
            Some("too few") => return Ok(Created { id: "1".into(), outputs: "{}".into() }),
            Some("panic") => panic!("no such thing"),
            Some("never") => loop {
                std::hint::spin_loop();
            },
            Some("steal") => return Err(steal()),
            Some("wait") => loop {
                wait::pause(60_000);
            },
            _ => {}
        }
        body["token"] = token.into();
        let there = ask(&config, "POST", "/records", Some(body))?;
        Ok(created(&there.ok_or_else(|| error(ErrorClass::NotFound, "there is no such service"))?))
    }

    fn find(config: String, _: String, _: String, token: String) -> Result<Option<Created>, Error> {
        let found = ask(&parsed(&config), "GET", &format!("/records?token={token}"), None)?.unwrap_or_default();
        Ok(found.get(0).map(created))
    }

    fn read(config: String, _: String, id: String, known: String) -> Result<Option<Observed>, Error> {
        let config = parsed(&config);
        let Some(there) = ask(&config, "GET", &format!("/records/{id}"), None)? else { return Ok(None) };
        let mut seen = Observed { id, spec: spec(&there, &parsed(&known)), outputs: outputs(&there) };
        match nonsense(&config, "read").as_deref() {
            Some("another id") => seen.id = "another".into(),
            Some("a bad spec") => seen.spec = json!({ "name": 7 }).to_string(),
            _ => {}
        }
        Ok(Some(seen))
    }

    fn update(config: String, _: String, id: String, _: String, new: String) -> Result<String, Error> {
        match ask(&parsed(&config), "PUT", &format!("/records/{id}"), Some(parsed(&new)))? {
            Some(there) => Ok(outputs(&there)),
            None => Err(error(ErrorClass::NotFound, format!("there is no record {id}"))),
        }
    }

    fn delete(config: String, _: String, id: String, _: String) -> Result<(), Error> {
        ask(&parsed(&config), "DELETE", &format!("/records/{id}"), None).map(|_| ())
    }
}

export!(Dns);
