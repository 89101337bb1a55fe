#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::names::{ResourceAddress, StepName};
use crate::plan::example::{add, hostile, plan, step, without_colours};
use crate::plan::{Action, PlannedResource};

const ALL: [Format; 5] = [Format::Dot, Format::Mermaid, Format::Svg, Format::Json, Format::Html];

#[test]
fn each_format_draws_the_same_plan() {
    insta::assert_snapshot!("dot", draw(&plan(), &Notes::default(), Format::Dot));
    insta::assert_snapshot!("mermaid", draw(&plan(), &Notes::default(), Format::Mermaid));
    insta::assert_snapshot!("json", draw(&plan(), &Notes::default(), Format::Json));
    insta::assert_snapshot!("text", text(&plan(), TextStyle::default()));
    let svg = draw(&plan(), &Notes::default(), Format::Svg);
    let (style, end) = (svg.find("<style>").unwrap(), svg.find("</style>").unwrap());
    insta::assert_snapshot!("svg", format!("{}{}", &svg[..style], &svg[end + 9..]));
}

#[test]
fn the_page_holds_the_picture_and_the_plan_and_loads_nothing() {
    let page = draw(&plan(), &Notes::default(), Format::Html);
    // An image by itself, and on the page a group of buttons.
    assert!(page.contains(&draw(&plan(), &Notes::default(), Format::Svg).replacen(
        "role=\"img\"",
        "role=\"group\"",
        1
    )));
    assert_eq!(embedded(&page)["resources"][1]["changes"][0]["path"], "tags.team");
    assert_eq!(embedded(&page)["resources"][1]["spec"]["vpc_id"], "network/ec2.vpc/main.id (known after apply)");
    assert!(!page.contains("src=") && !page.contains("href=") && !page.contains("url(http"));
}

#[test]
fn the_page_shows_what_is_noted_and_the_graph_does_not() {
    let mut notes = Notes::default();
    let address: ResourceAddress = plan().resources.keys().nth(1).unwrap().clone();
    notes.grants.insert(address.step().clone(), Some(vec!["ec2:subnet".to_owned()]));
    notes.actions.insert(address.clone(), vec!["ec2:CreateSubnet".to_owned()]);
    let cost = Cost {
        what: "</script>".to_owned(),
        hourly: Some(Amount { least: 0.5, most: 1.0 }),
        monthly: Some(Amount { least: 365.0, most: 730.0 }),
        by_use: Vec::new(),
        unknown: Vec::new(),
        spot: false,
    };
    notes.bill = Some(Costs { about: "List prices.".to_owned(), of: [(address.clone(), cost)].into() });
    let pages = [
        draw(&plan(), &notes, Format::Html),
        run_page(&plan(), &notes, Follow::Live("events")),
        run_page(&plan(), &notes, Follow::Recorded(&[])),
    ];
    for page in pages {
        let graph = embedded(&page);
        let resource = &graph["resources"][1];
        assert_eq!(resource["actions"], json!(["ec2:CreateSubnet"]));
        assert_eq!(resource["cost"]["hourly"], json!({"least": 0.5, "most": 1.0}));
        assert_eq!(graph["costs"], "List prices.");
        let step = graph["steps"].as_array().unwrap().iter().find(|step| step["name"] == address.step().as_str());
        assert_eq!(step.unwrap()["grants"], json!(["ec2:subnet"]));
    }
    // What a note repeats of a spec may be secret.
    crate::secret::hide("noted-secret-value");
    notes.actions.insert(address, vec!["of noted-secret-value".to_owned()]);
    assert!(!draw(&plan(), &notes, Format::Html).contains("noted-secret-value"));
    let json = draw(&plan(), &notes, Format::Json);
    assert!(!json.contains("ec2:CreateSubnet") && !json.contains("List prices") && !json.contains("grants"), "{json}");
}

fn embedded(page: &str) -> serde_json::Value {
    let (_, rest) = page.split_once("id=\"plan\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn the_format_follows_from_the_ending() {
    for (path, format) in [
        ("a.dot", Format::Dot),
        ("b/a.mmd", Format::Mermaid),
        ("a.SVG", Format::Svg),
        ("a.json", Format::Json),
        ("a.b.html", Format::Html),
    ] {
        assert_eq!(Format::of_path(Path::new(path)), Ok(format), "{path}");
    }
    for path in ["graph", "graph.png", ".svg", ""] {
        let error = Format::of_path(Path::new(path)).unwrap_err().to_string();
        assert!(error.contains(".html, .svg, .dot, .mmd or .json"), "{error}");
    }
}

#[test]
fn no_text_of_a_plan_can_act_on_what_shows_it() {
    let plan = hostile();
    for format in ALL {
        let drawn = draw(&plan, &Notes::default(), format);
        assert!(!drawn.replace('\n', "").contains(|c: char| c.is_control()), "{format:?}: {drawn:?}");
        assert!(format == Format::Json || !drawn.contains("<script>alert"), "{format:?}: {drawn}");
    }
    let page = draw(&plan, &Notes::default(), Format::Html);
    assert_eq!(page.matches("</script>").count(), 2, "the plan and the script, each ended once");
    assert_eq!(embedded(&page)["pipeline"], plan.pipeline.as_str());
    roxmltree::Document::parse(&draw(&plan, &Notes::default(), Format::Svg)).unwrap();
    let shown = text(&plan, TextStyle::default());
    assert!(!shown.replace('\n', "").contains(|c: char| c.is_control()), "{shown:?}");
    for line in draw(&plan, &Notes::default(), Format::Mermaid).lines().filter(|line| line.contains('[')) {
        assert_eq!(line.matches('"').count(), 2, "{line}");
    }
}

#[test]
fn terminal_lines_fit_and_colours_change_no_word() {
    for width in [60, 80, 120] {
        for unicode in [true, false] {
            let style = TextStyle { color: false, unicode, width };
            let bare = text(&network(), style);
            assert!(bare.lines().all(|line| line.chars().count() <= width), "{bare}");
            assert!(unicode || bare.is_ascii(), "{bare}");
            assert_eq!(without_colours(&text(&network(), TextStyle { color: true, ..style })), bare);
        }
    }
    insta::assert_snapshot!("text_network", text(&network(), TextStyle::default()));
}

#[test]
fn boxes_do_not_overlap_and_stay_in_their_steps() {
    let plan = stack();
    let drawing = model::Drawing::new(&plan);
    let scene = place::place(&drawing, 0.0);
    for (a, one) in scene.resources.iter().enumerate() {
        let frame = scene.steps[drawing.resources[a].step];
        assert!(one.x >= frame.x && one.x + one.width <= frame.x + frame.width, "{a}");
        assert!(one.y >= frame.y + place::HEADING - 0.1 && one.y + one.height <= frame.y + frame.height, "{a}");
        for (b, two) in scene.resources.iter().enumerate().take(a) {
            let apart = one.x >= two.x + two.width || two.x >= one.x + one.width;
            assert!(apart || one.y >= two.y + two.height || two.y >= one.y + one.height, "{a} over {b}");
        }
    }
}

#[test]
fn edges_that_close_a_cycle_are_drawn_all_the_same() {
    let steps = vec![step("a", "x", &["b"]), step("b", "x", &["a"]), step("c", "x", &["d"]), step("d", "x", &["c"])];
    let mut plan = Plan { steps, ..Plan::default() };
    add(&mut plan, "a/k.k/one", Action::Keep, &["b/k.k/two", "a/k.k/own"], json!({}));
    add(&mut plan, "a/k.k/own", Action::Keep, &["a/k.k/one"], json!({}));
    add(&mut plan, "b/k.k/two", Action::Keep, &["a/k.k/one", "b/k.k/absent"], json!({}));
    let svg = draw(&plan, &Notes::default(), Format::Svg);
    let document = roxmltree::Document::parse(&svg).unwrap();
    for pair in [("r1", "r0"), ("r0", "r1"), ("s2", "s3"), ("s3", "s2")] {
        let found = document
            .descendants()
            .any(|n| (n.attribute("data-a"), n.attribute("data-b")) == (Some(pair.0), Some(pair.1)));
        assert!(found, "{pair:?}: {svg}");
    }
    assert!(text(&plan, TextStyle::default()).matches("k.k/").count() >= 3);
}

#[test]
fn the_same_plan_is_drawn_the_same_each_time() {
    for format in ALL {
        assert_eq!(
            draw(&network(), &Notes::default(), format),
            draw(&network(), &Notes::default(), format),
            "{format:?}"
        );
    }
}

/// Wide, long and dense: nothing may grow with the square of the plan.
#[test]
fn thousands_of_steps_are_drawn_in_a_moment() {
    let names: Vec<String> = (0..2_500).map(|n| format!("step-{n}")).collect();
    for before in [
        |_: usize| None,
        |n: usize| n.checked_sub(1),
        |n: usize| (n > 0).then_some(n / 10),
        |n: usize| (n > 0).then_some(0),
    ] {
        let mut plan = Plan { pipeline: "large".to_owned(), ..Plan::default() };
        for (n, name) in names.iter().enumerate() {
            let other = before(n).map(|other| names[other].as_str());
            plan.steps.push(step(name, "noop", other.as_slice()));
            let depends = other.map(|other| format!("{other}/test.thing/main"));
            let depends: Vec<&str> = depends.as_deref().into_iter().collect();
            add(&mut plan, &format!("{name}/test.thing/main"), Action::Create, &depends, json!({"n": n}));
        }
        for format in ALL {
            let start = Instant::now();
            assert!(draw(&plan, &Notes::default(), format).len() > 100_000);
            // Some ten times what it takes, for machines that are busy with other things.
            assert!(start.elapsed() < Duration::from_secs(10), "{format:?}: {:?}", start.elapsed());
        }
        let start = Instant::now();
        assert!(text(&plan, TextStyle::default()).lines().count() > 5_000);
        assert!(start.elapsed() < Duration::from_secs(10), "text: {:?}", start.elapsed());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_the_names_the_picture_is_well_formed_and_every_id_its_own(
        kinds in prop::collection::vec("\\PC{0,12}|[\\x00-\\x7f]{1,12}", 1..12),
        uses in "[\\s\\S]{0,20}",
        edges in prop::collection::vec((0_usize..12, 0_usize..12), 0..30),
    ) {
        let mut plan = Plan { pipeline: uses.clone(), ..Plan::default() };
        plan.steps = vec![step("a", &uses, &[]), step("a_b", &uses, &["a"]), step("a-b", "", &["a", "a_b"])];
        let steps: Vec<StepName> = ["a", "a_b", "a-b", "gone"].iter().map(|name| name.parse().unwrap()).collect();
        let addresses: Vec<_> = kinds.iter().enumerate()
            .map(|(n, kind)| ResourceAddress::new(&steps[n % 4], kind, "x").unwrap()).collect();
        for (n, at) in addresses.iter().enumerate() {
            let depends_on = edges.iter().filter(|edge| edge.1 == n).filter_map(|edge| addresses.get(edge.0).cloned()).collect();
            let spec = json!({ uses.clone(): uses.clone() });
            plan.resources.insert(at.clone(), PlannedResource { depends_on, ..PlannedResource::new(Action::Create, spec) });
        }
        let svg = draw(&plan, &Notes::default(), Format::Svg);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let ids: Vec<_> = document.descendants().filter_map(|node| node.attribute("id")).collect();
        prop_assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        prop_assert!(!svg.contains("NaN") && !svg.contains("inf "));
        for (format, mark) in [(Format::Dot, " [label="), (Format::Mermaid, "[\"")] {
            let drawn = draw(&plan, &Notes::default(), format);
            let ids: Vec<_> = drawn.lines().filter(|line| !line.contains("graph")).filter_map(|line| line.split_once(mark)).map(|(id, _)| id.trim()).collect();
            prop_assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
            prop_assert!(ids.len() >= plan.resources.len());
        }
        let page = draw(&plan, &Notes::default(), Format::Html);
        prop_assert_eq!(&embedded(&page)["pipeline"], &json!(uses));
        let escapes = text(&plan, TextStyle::default()).contains('\u{1b}');
        prop_assert!(!escapes);
    }
}

#[test]
fn a_step_of_thousands_and_a_dense_one_are_drawn_in_a_moment() {
    let mut wide = Plan { steps: vec![step("one", "noop", &[])], ..Plan::default() };
    add(&mut wide, "one/k.k/root", Action::Create, &[], json!({}));
    for n in 0..2_500 {
        add(&mut wide, &format!("one/k.k/n{n}"), Action::Create, &["one/k.k/root"], json!({}));
    }
    let mut dense = Plan { steps: wide.steps.clone(), ..Plan::default() };
    let names: Vec<String> = (0..400).map(|n| format!("one/k.k/n{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (n, name) in names.iter().enumerate() {
        add(&mut dense, name, Action::Create, if n < 200 { &[] } else { &names[..200] }, json!({}));
    }
    for plan in [wide, dense] {
        for format in ALL {
            let start = Instant::now();
            draw(&plan, &Notes::default(), format);
            assert!(start.elapsed() < Duration::from_secs(10), "{format:?}: {:?}", start.elapsed());
        }
    }
}

/// The network and storage steps as they come: what the picture is made for.
fn network() -> Plan {
    let mut plan = Plan { pipeline: "llm".to_owned(), ..Plan::default() };
    plan.steps = vec![step("network", "vpc", &[]), step("storage", "s3", &[])];
    let mut put = |kind: &str, name: &str, action: Action, before: &[&str]| {
        let before: Vec<String> = before.iter().map(|other| format!("network/ec2.{other}")).collect();
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        add(&mut plan, &format!("network/ec2.{kind}/{name}"), action, &before, json!({"name": name}));
    };
    use Action::{Create, Delete, Keep, Update};
    let replace = Action::Replace { order: crate::kind::ReplaceOrder::DeleteFirst };
    put("vpc", "main", Keep, &[]);
    put("internet-gateway", "main", Keep, &["vpc/main"]);
    for (name, action) in [("public-a", Update), ("public-b", Keep), ("private-a", replace), ("private-b", Keep)] {
        put("subnet", name, action, &["vpc/main"]);
    }
    put("eip", "nat", Create, &[]);
    put("nat-gateway", "nat", Create, &["eip/nat", "subnet/public-a", "internet-gateway/main"]);
    put("route-table", "public", Keep, &["vpc/main"]);
    put("route", "public-out", Keep, &["route-table/public", "internet-gateway/main", "vpc/main"]);
    for zone in ["a", "b"] {
        let (table, route) = (format!("route-table/private-{zone}"), format!("private-{zone}-out"));
        put("route-table", &format!("private-{zone}"), Keep, &["vpc/main"]);
        put("route", &route, Create, &[&table, "nat-gateway/nat", "vpc/main"]);
        for side in ["public", "private"] {
            let table = if side == "public" { "route-table/public" } else { &table };
            let subnet = format!("subnet/{side}-{zone}");
            let action = if side == "private" && zone == "a" { replace } else { Keep };
            put("route-table-association", &format!("{side}-{zone}"), action, &[table, &subnet]);
        }
    }
    put(
        "vpc-endpoint",
        "s3",
        Update,
        &["vpc/main", "route-table/public", "route-table/private-a", "route-table/private-b"],
    );
    put("security-group", "main", Keep, &["vpc/main"]);
    for port in ["ssh", "http", "https", "grafana", "registry"] {
        put("security-group-rule", port, Keep, &["security-group/main"]);
    }
    put("security-group-rule", "api", Delete, &["security-group/main"]);
    for (kind, action) in [
        ("bucket", Create),
        ("public-access-block", Create),
        ("encryption", Create),
        ("versioning", Create),
        ("lifecycle", Create),
        ("upload", Create),
    ] {
        let before: &[&str] = if kind == "bucket" { &[] } else { &["storage/s3.bucket/models"] };
        add(&mut plan, &format!("storage/s3.{kind}/models"), action, before, json!({"bucket": "llm-models"}));
    }
    plan
}

/// A whole stack: lines from step to step, some past others.
fn stack() -> Plan {
    let mut plan = network();
    let steps = [
        ("roles", "iam", &[][..]),
        ("cluster", "eks", &["network", "roles"]),
        ("nodes", "nodegroup", &["cluster", "network", "roles"]),
        ("access", "pod-identity", &["cluster", "storage"]),
        ("inference", "inference", &["nodes", "access", "storage"]),
    ];
    plan.steps.extend(steps.map(|(name, uses, before)| step(name, uses, before)));
    let subnet = |side: &str| ["a", "b"].map(|zone| format!("network/ec2.subnet/{side}-{zone}"));
    let (public, private) = (subnet("public"), subnet("private"));
    for (at, before) in [
        ("roles/iam.role/cluster", vec![]),
        ("roles/iam.role/node", vec![]),
        ("roles/iam.role-policy/cluster-eks", vec!["roles/iam.role/cluster"]),
        ("roles/iam.role-policy/node-worker", vec!["roles/iam.role/node"]),
        ("roles/iam.role-policy/node-registry", vec!["roles/iam.role/node"]),
        ("roles/iam.role-policy/node-cni", vec!["roles/iam.role/node"]),
        (
            "cluster/eks.cluster/main",
            vec!["roles/iam.role-policy/cluster-eks", &public[0], &public[1], &private[0], &private[1]],
        ),
        ("cluster/eks.addon/vpc-cni", vec!["cluster/eks.cluster/main"]),
        ("cluster/eks.addon/coredns", vec!["cluster/eks.cluster/main"]),
        ("cluster/iam.oidc-provider/main", vec!["cluster/eks.cluster/main"]),
        ("nodes/ec2.launch-template/gpu", vec!["cluster/eks.cluster/main"]),
        (
            "nodes/eks.nodegroup/gpu",
            vec![
                "nodes/ec2.launch-template/gpu",
                "roles/iam.role-policy/node-worker",
                "roles/iam.role-policy/node-registry",
                "roles/iam.role-policy/node-cni",
                &private[0],
                &private[1],
            ],
        ),
        ("access/iam.policy/read-models", vec!["storage/s3.bucket/models"]),
        ("access/iam.role/reader", vec!["access/iam.policy/read-models"]),
        ("access/eks.pod-identity/reader", vec!["access/iam.role/reader", "cluster/eks.cluster/main"]),
        (
            "inference/kubernetes.object/server",
            vec!["nodes/eks.nodegroup/gpu", "access/eks.pod-identity/reader", "storage/s3.upload/models"],
        ),
        ("retired/ec2.eip/spare", vec!["network/ec2.vpc/main"]),
    ] {
        let action = if at.starts_with("retired") { Action::Delete } else { Action::Create };
        add(&mut plan, at, action, &before, json!({}));
    }
    plan
}
