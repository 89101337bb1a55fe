//! What a plan costs is said before anybody is asked, and nothing is made before somebody agreed.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::{ACCESS_KEY, Ran, SECRET_KEY, Scene, emulator, look, ran, repository};

const FILE: &str = "pipeline.toml";
const NETWORK: &str = "
[steps.net]
uses = \"vpc\"
with = { name = \"priced\", nat = \"single\", security_groups = {} }
";
const NODES: &str = "
[steps.nodes]
uses = \"nodegroup\"
with = { name = \"gpu\", cluster = \"c\", role_arn = \"arn:aws:iam::123456789012:role/n\", subnet_ids = [\"subnet-1\", \"subnet-2\"], instance_types = [\"g5.xlarge\"], min = 1, max = 3, disk_gib = 100 }
";

#[test]
fn a_plan_is_short_and_ends_with_its_cost_and_the_next_command() {
    let scene = Scene::with_examples();
    let file = repository().join("pipelines/llm-on-eks.toml").display().to_string();
    let plan = scene.llmhost(&["run", &file, "--dry-run"]).status(0);
    plan.says(&[
        "network (vpc): 24 to create",
        "+ ec2.subnet/public-a 10.0.1.0/24, public, zone known after apply",
        "+ eks.node-group/main 1-2 x g4dn.xlarge",
        "Plan: 46 to create, 0 to update, 0 to replace, 0 to delete.",
        "Cost: about $0.73 an hour,",
        "gpu/eks.node-group/main",
        "NAT gateway $0.045 a GB",
        "Run `llmhost run ",
        "llm-on-eks.toml` to apply.",
    ]);
    let lines = plan.stdout.lines().count();
    assert!(lines < 85, "{lines} lines:\n{}", plan.stdout);
    let all = scene.llmhost(&["run", &file, "--dry-run", "--verbose"]).status(0);
    all.says(&["dns_hostnames: true", "team: \"ml\""]);
    assert!(all.stdout.lines().count() > 700);
    let saved = scene.llmhost(&["run", &file, "--dry-run", "--out", "plan.bin"]).status(0);
    saved.says(&["Run `llmhost run plan.bin` to apply this plan."]);
}

#[test]
fn programs_read_the_bill_as_an_event() {
    let scene = Scene::new();
    scene.pipeline(NODES);
    let plan = scene.llmhost(&["run", FILE, "--dry-run", "--json"]).status(0);
    let cost = event(&plan, "cost");
    let disk = 100.0 * 0.08 / 730.0;
    let hourly = cost["hourly"]["least"].as_f64().unwrap();
    assert!((hourly - 1.006 - disk).abs() < 1e-9, "{cost}");
    assert_eq!(cost["items"][0]["resource"], "nodes/eks.node-group/main");
    assert!(cost["hourly"]["most"].as_f64().unwrap() > 3.0 && cost["as_of"].is_string(), "{cost}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_in_an_account_before_somebody_says_yes() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(NETWORK);
    // The same emulator by an address that is not this machine's own: llmhost takes it for an account that bills.
    let url = emulator.url().replace("127.0.0.1", "0.0.0.0");
    let at = |args: &[&str]| scene.at(&url, args);
    let refused = at(&["run", FILE]).status(1);
    refused.says(&[
        "resources in account 123456789012, region us-east-1, about $0.050 an hour?",
        "There is no terminal to ask on, so this needs --yes.",
        "Nothing was changed.",
    ]);
    assert!(!look(emulator.url()).to_string().contains("priced"), "nothing was made");

    let typed = |answer: &str, args: &[&str]| -> Ran {
        let command = scene.command(&[args, &["--endpoint-url", &url]].concat());
        let mut terminal = Command::new("python3");
        terminal.arg(repository().join("tests/support/answer.py")).arg(answer).arg(command.get_program());
        terminal.args(command.get_args()).current_dir(scene.folder.path());
        terminal.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        terminal.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        ran(terminal.output())
    };
    typed("no", &["run", FILE]).status(1).says(&["not confirmed", "Nothing was changed."]);
    assert!(!look(emulator.url()).to_string().contains("priced"), "nothing was made");
    typed("yes", &["run", FILE]).status(0).says(&["Type 'yes':", "created"]);
    assert!(look(emulator.url()).to_string().contains("priced"));
    // Nothing to do is nothing to ask.
    at(&["run", FILE]).status(0).says(&["No changes"]);
    // A change in place is asked about as well, and says what it adds to what is billed now.
    scene.edit(FILE, "name = \"priced\"", "name = \"priced\", tags = { team = \"ml\" }");
    at(&["run", FILE]).status(1).says(&["Update ", "(as now)", "needs --yes"]);
    at(&["destroy", FILE]).status(1).says(&["this stops about $0.050 an hour", "Delete ", "needs --yes"]);
    at(&["destroy", FILE, "--yes"]).status(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emulator_on_this_machine_bills_nobody_and_is_not_asked_about() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(NETWORK);
    scene.at(emulator.url(), &["run", FILE]).status(0).says(&["Cost: about $0.050 an hour", "created"]);
    let emulated = scene.llmhost(&["run", FILE, "--dry-run", "--emulate"]).status(0);
    emulated.does_not_say(&["Cost:"]);
}

#[test]
fn prices_of_today_are_asked_for_and_where_they_cannot_be_the_table_has_to_do() {
    let scene = Scene::new();
    scene.pipeline(NODES);
    let product = json!({"terms": {"OnDemand": {"a": {"priceDimensions": {"b": {"unit": "Hrs", "pricePerUnit": {"USD": "9.5"}}}}}}});
    let server = PriceServer::start("200 OK", &json!({"PriceList": [product.to_string()]}));
    let plan = scene.at(&server.url, &["run", FILE, "--dry-run", "--online-prices", "--json"]).status(0);
    let hourly = event(&plan, "cost")["hourly"]["least"].as_f64().unwrap();
    assert!((9.5..9.6).contains(&hourly), "{hourly}");
    let asked = server.asked.lock().unwrap().join("\n");
    for word in ["AWSPriceListService.GetProducts", "/us-east-1/pricing/aws4_request", "g5.xlarge", "regionCode"] {
        assert!(asked.contains(word), "{word} is not in {asked}");
    }
    let none = PriceServer::start("200 OK", &json!({"PriceList": []}));
    let plan = scene.at(&none.url, &["run", FILE, "--dry-run", "--online-prices"]).status(0);
    plan.says(&["AWS's price list has no g5.xlarge in us-east-1.", "Cost: about $1.02 an hour"]);
    let denied = json!({"__type": "AccessDeniedException", "message": "not authorized to perform pricing:GetProducts"});
    let server = PriceServer::start("400 Bad Request", &denied);
    let plan = scene.at(&server.url, &["run", FILE, "--dry-run", "--online-prices"]).status(0);
    plan.says(&["AWS could not be asked for prices", "pricing:GetProducts", "The table of this llmhost is used."]);
    plan.says(&["Cost: about $1.02 an hour"]);
}

fn event(ran: &Ran, name: &str) -> Value {
    let mut events = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.find(|event| event["event"] == name).unwrap_or_else(|| panic!("no {name} in {}", ran.stdout))
}

/// Answers every request alike, and keeps what was asked.
struct PriceServer {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl PriceServer {
    fn start(status: &str, answer: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (kept, body) = (Arc::clone(&asked), answer.to_string());
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut request = Vec::new();
                let mut part = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut part) {
                    request.extend_from_slice(&part[..count]);
                    let text = String::from_utf8_lossy(&request);
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length = head
                        .to_lowercase()
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                    if body.len() >= length.unwrap_or(0) {
                        break;
                    }
                }
                kept.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
        });
        Self { url, asked }
    }
}
