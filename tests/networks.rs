//! Networks as users of EKS have them: a VPC and addresses that others own, zones by id, more ranges, private clusters,
//! sources of rules, IPv6. Each is applied, applied again without a change, read back, and taken away.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use llmhost_emulator::Emulator;
use serde_json::{Value, json};
use support::{Scene, emulator, look, look_after};

const FILE: &str = "pipeline.toml";

/// A pipeline in a world of its own.
struct Place {
    scene: Scene,
    emulator: Emulator,
}

impl Place {
    async fn new() -> Self {
        Self { scene: Scene::new(), emulator: emulator().await }
    }

    fn url(&self) -> &str {
        self.emulator.url()
    }

    fn inventory(&self) -> BTreeSet<String> {
        self.emulator.inventory("us-east-1").unwrap()
    }

    fn at(&self, args: &[&str]) -> support::Ran {
        self.scene.at(self.url(), args)
    }

    /// The network step with these options.
    fn net(&self, with: &str) {
        self.scene.pipeline(&format!("[steps.net]\nuses = \"vpc\"\nwith = {{ name = \"net\", {with} }}\n"));
    }

    /// Applies, and sees that what AWS has is what the file says; gives the network that another client finds.
    fn apply(&self) -> Value {
        self.at(&["run", FILE, "--yes"]).status(0);
        self.at(&["run", FILE, "--refresh", "--dry-run", "--exit-code"]).status(0);
        look(self.url())["network"].clone()
    }

    /// The counts of a plan: to create, update, replace, delete.
    fn planned(&self) -> Vec<u32> {
        let plan = self.at(&["run", FILE, "--dry-run"]).status(0);
        let line = plan.stdout.lines().find(|line| line.starts_with("Plan:")).unwrap_or_default().to_owned();
        line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).take(4).collect()
    }

    /// The state is rebuilt from what exists, and says the same.
    fn is_found_again(&self) {
        std::fs::remove_dir_all(self.scene.path(".llmhost")).unwrap();
        self.at(&["import", FILE, "--all", "--yes"]).status(0);
        self.at(&["run", FILE, "--dry-run", "--exit-code"]).status(0);
    }

    fn destroyed_leaves(&self, before: &BTreeSet<String>) {
        self.at(&["destroy", FILE, "--yes"]).status(0);
        let after = self.inventory();
        let (left, taken): (Vec<_>, Vec<_>) = (after.difference(before).collect(), before.difference(&after).collect());
        assert!(left.is_empty() && taken.is_empty(), "still there: {left:?}; taken away: {taken:?}");
    }
}

fn list<'a>(world: &'a Value, what: &str) -> &'a Vec<Value> {
    world[what].as_array().unwrap_or_else(|| panic!("{what}"))
}

fn named<'a>(world: &'a Value, what: &str, name: &str) -> &'a Value {
    list(world, what).iter().find(|one| one["tags"]["Name"] == name).unwrap_or_else(|| panic!("no {name} in {what}"))
}

fn id(one: &Value) -> &str {
    one["id"].as_str().unwrap()
}

/// The route table of a subnet.
fn table<'a>(world: &'a Value, subnet: &Value) -> &'a Value {
    let of = |table: &&Value| table["subnets"].as_array().unwrap().contains(&subnet["id"]);
    list(world, "route_tables").iter().find(of).expect("a route table")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vpc_and_addresses_that_others_own_are_used_and_left_alone() {
    let place = Place::new().await;
    let given = look_after(place.url(), &["give-network", "given", "10.20.0.0/16"])["network"].clone();
    let before = place.inventory();
    let (vpc, gateway) = (id(named(&given, "vpcs", "given")), id(named(&given, "internet_gateways", "given")));
    let addresses: Vec<&str> = list(&given, "addresses").iter().map(id).collect();
    let zones = "zones = [\"us-east-1b\", \"us-east-1c\"], cidr = \"10.20.0.0/16\", security_groups = {}";
    let net = |more: &str| place.net(&format!("vpc_id = \"{vpc}\", {zones}, {more}"));

    // What AWS alone can tell is said before.
    let with_gateway = format!("internet_gateway_id = \"{gateway}\"");
    for (more, words) in [
        ("azs = 2".to_owned(), vec!["leave azs out"]),
        (String::new(), vec!["gateway-attached", gateway, "Use it: internet_gateway_id ="]),
        (
            "internet_gateway_id = \"igw-0123456789abcdef0\"".to_owned(),
            vec!["there is no internet gateway igw-0123456789abcdef0"],
        ),
        (
            format!("{with_gateway}, public_subnets = [\"10.20.0.0/26\", \"10.20.9.0/24\"]"),
            vec!["range-taken", "overlaps 10.20.0.0/24 of subnet-"],
        ),
        (
            format!("{with_gateway}, public_subnets = [\"10.30.0.0/24\", \"10.20.9.0/24\"]"),
            vec!["outside-vpc", "is outside the ranges of vpc-"],
        ),
        (format!("{with_gateway}, nat_elastic_ips = []"), vec!["has 0 addresses, and 1 is needed", "zone b"]),
        (
            format!("{with_gateway}, nat_elastic_ips = [\"eipalloc-0123456789abcdef0\"]"),
            vec!["there is no elastic IP address"],
        ),
    ] {
        net(&more);
        let ran = place.at(&["validate", FILE, "--online"]);
        assert_eq!(ran.status, 1, "{more}: {ran:?}");
        ran.says(&words);
    }

    let one = format!("{with_gateway}, nat_elastic_ips = [\"{}\"]", addresses[0]);
    net(&one);
    place.at(&["validate", FILE, "--online"]).status(0);
    let world = place.apply();
    assert_eq!(named(&world, "vpcs", "given"), named(&given, "vpcs", "given"), "nobody changed it");
    assert_eq!(list(&world, "vpcs").len(), 2, "the default one and the given one");
    assert_eq!(list(&world, "internet_gateways").len(), list(&given, "internet_gateways").len());
    assert_eq!(list(&world, "addresses"), list(&given, "addresses"));
    let public = named(&world, "subnets", "net-public-b");
    assert_eq!((&public["vpc"], &public["cidr"]), (&json!(vpc), &json!("10.20.3.0/24")));
    assert_eq!(table(&world, public)["routes"]["0.0.0.0/0"], gateway);
    let nat = named(&world, "nat_gateways", "net-nat-b");
    assert_eq!(nat["allocations"], json!([addresses[0]]));
    let outputs = place.scene.llmhost(&["outputs", FILE, "--json"]).status(0).stdout;
    let outputs: Value = serde_json::from_str(&outputs).unwrap();
    let told = outputs.to_string();
    let ip = list(&given, "addresses")[0]["ip"].as_str().unwrap();
    assert!(told.contains(ip) && told.contains(vpc), "{told}");

    // One gateway for each zone: the first one and its address stay.
    net(&format!("{with_gateway}, nat = \"per-az\", nat_elastic_ips = [\"{}\"]", addresses[0]));
    place.at(&["validate", FILE]).status(1).says(&["has 1 addresses, and 2 are needed"]);
    net(&format!("{with_gateway}, nat = \"per-az\", nat_elastic_ips = [\"{}\", \"{}\"]", addresses[0], addresses[1]));
    let more = place.apply();
    assert_eq!(named(&more, "nat_gateways", "net-nat-b"), nat);
    assert_eq!(named(&more, "nat_gateways", "net-nat-c")["allocations"], json!([addresses[1]]));

    // An address that is in use elsewhere.
    place.scene.write(
        "other.toml",
        format!(
            "[pipeline]\nname = \"other\"\nregion = \"us-east-1\"\n[steps.net]\nuses = \"vpc\"\n\
             with = {{ name = \"other\", cidr = \"10.9.0.0/16\", azs = 1, nat_elastic_ips = [\"{}\"] }}\n",
            addresses[0]
        ),
    );
    place.at(&["validate", "other.toml", "--online"]).status(1).says(&[
        "address-in-use",
        addresses[0],
        "in use by nat-",
    ]);
    place.destroyed_leaves(&before);
    assert_eq!(look(place.url())["network"], given);
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_are_stated_by_name_or_id_and_one_more_moves_none() {
    let place = Place::new().await;
    let before = place.inventory();
    place.net("zones = [\"us-east-1d\", \"us-east-1a\"], nat = \"none\", security_groups = {}");
    let world = place.apply();
    let zone_of = |world: &Value, name: &str| named(world, "subnets", name)["zone"].clone();
    assert_eq!(
        (zone_of(&world, "net-public-a"), zone_of(&world, "net-private-d")),
        (json!("us-east-1a"), json!("us-east-1d"))
    );
    place.net("zones = [\"us-east-1b\", \"us-east-1d\", \"us-east-1a\"], nat = \"none\", security_groups = {}");
    assert_eq!(place.planned()[2..], [0, 0], "nothing is replaced or deleted");
    place.apply();
    place.net("zones = [\"us-east-1a\", \"us-east-1z\"], nat = \"none\"");
    place.at(&["validate", FILE, "--online"]).status(1).says(&["no-zone", "there is no zone us-east-1z", "us-east-1f"]);
    place.net("zones = [\"us-east-1b\", \"us-east-1d\", \"us-east-1a\"], nat = \"none\", security_groups = {}");
    place.destroyed_leaves(&before);

    // What an id is called, the account tells.
    let ids = |zones: &str| place.net(&format!("zones = [{zones}], nat = \"none\", security_groups = {{}}"));
    ids("\"use1-az4\", \"use1-az1\"");
    let offline = place.scene.llmhost(&["run", FILE, "--dry-run", "--verbose"]).status(0);
    offline.says(&["ec2.zone-name/use1-az4 (known after apply)"]);
    let world = place.apply();
    assert_eq!(zone_of(&world, "net-public-use1-az1"), "us-east-1b");
    assert_eq!(named(&world, "subnets", "net-public-use1-az4")["cidr"], "10.0.7.0/24");
    ids("\"use1-az1\", \"use1-az2\", \"use1-az4\"");
    assert_eq!(place.planned()[2..], [0, 0]);
    place.apply();
    ids("\"use1-az9\"");
    place.at(&["validate", FILE, "--online"]).status(1).says(&["there is no zone with the id use1-az9 in us-east-1"]);
    for (wrong, words) in [("\"euw1-az1\"", "by its id use1-az1"), ("\"use1-az1\", \"us-east-1a\"", "only ids")] {
        ids(wrong);
        place.scene.llmhost(&["validate", FILE]).status(1).says(&[words]);
    }
    ids("\"use1-az1\", \"use1-az2\", \"use1-az4\"");
    place.destroyed_leaves(&before);
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_have_subnets_in_ranges_of_their_own() {
    let place = Place::new().await;
    let before = place.inventory();
    let groups = "security_groups = { web = { rules = [{ name = \"https\", port = 443 }] } }";
    place.net(&format!("secondary_cidrs = [\"100.64.0.0/16\", \"100.65.0.0/16\"], {groups}"));
    let world = place.apply();
    assert_eq!(named(&world, "vpcs", "net")["more"], json!(["100.64.0.0/16", "100.65.0.0/16"]));
    let pods = named(&world, "subnets", "net-pods-b");
    assert_eq!((&pods["cidr"], &pods["public"]), (&json!("100.64.32.0/19"), &json!(false)));
    assert_eq!(pods["tags"].get("kubernetes.io/role/internal-elb"), None, "no load balancers there");
    assert_eq!(table(&world, pods), table(&world, named(&world, "subnets", "net-private-b")));
    let sources: Vec<&Value> =
        list(named(&world, "security_groups", "net-web"), "ingress").iter().map(|rule| &rule[3]).collect();
    assert_eq!(sources, ["10.0.0.0/16", "100.64.0.0/16", "100.65.0.0/16"]);
    place.is_found_again();
    let list_of = place.scene.llmhost(&["outputs", FILE, "--json"]).status(0).stdout;
    assert!(list_of.contains(id(pods)), "{list_of}");

    // Ranges of one's own, beside those that are there.
    place.net(&format!(
        "secondary_cidrs = [\"100.64.0.0/16\"], pod_subnets = [\"100.64.0.0/19\", \"100.64.128.0/18\"], {groups}"
    ));
    let world = place.apply();
    assert_eq!(named(&world, "subnets", "net-pods-b")["cidr"], "100.64.128.0/18");
    assert_eq!(named(&world, "vpcs", "net")["more"], json!(["100.64.0.0/16"]));
    for (with, words) in [
        ("secondary_cidrs = [\"10.0.128.0/17\"]", "10.0.128.0/17 overlaps 10.0.0.0/16 of net/ec2.vpc/main"),
        ("pod_subnets = [\"100.64.0.0/19\", \"100.64.32.0/19\"]", "is outside 10.0.0.0/16"),
        ("secondary_cidrs = [\"100.0.0.0/8\"]", "/16 to /28"),
        (
            "secondary_cidrs = [\"100.64.0.0/16\"], pod_subnets = [\"100.64.0.0/19\"]",
            "pod_subnets has 1 ranges for 2 zones",
        ),
    ] {
        place.net(with);
        place.scene.llmhost(&["validate", FILE]).status(1).says(&[words]);
    }
    place.net(&format!("secondary_cidrs = [], {groups}"));
    let world = place.apply();
    assert_eq!(named(&world, "vpcs", "net")["more"], json!([]));
    place.destroyed_leaves(&before);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_join_a_private_cluster_through_interface_endpoints() {
    let place = Place::new().await;
    let before = place.inventory();
    let steps = |endpoints: &str| {
        place.scene.pipeline(&format!(
            r#"[steps.net]
uses = "vpc"
with = {{ name = "net", cluster = "pc", nat = "none", public_subnets = [], security_groups = {{}}, endpoints = [{endpoints}] }}
[steps.roles]
uses = "iam"
with = {{ cluster_role = "pc-c", node_role = "pc-n" }}
[steps.cluster]
uses = "eks"
with = {{ name = "pc", role_arn = "${{roles.cluster_role_arn}}", subnet_ids = "${{net.subnet_ids}}", endpoint = "private" }}
[steps.nodes]
uses = "nodegroup"
with = {{ name = "ng", cluster = "${{cluster.name}}", role_arn = "${{roles.node_role_arn}}", subnet_ids = "${{net.private_subnet_ids}}", instance_types = ["t3.large"], max = 2 }}
"#
        ));
    };
    let all = "\"ecr.api\", \"ecr.dkr\", \"ec2\", \"sts\", \"eks\", \"eks-auth\", \"logs\"";
    steps("\"ecr.api\", \"ecr.dkr\", \"ec2\"");
    place.scene.llmhost(&["validate", FILE]).status(1).says(&["no-route-out", "some services that nodes need"]);
    steps(&format!("{all}, \"no-such-service\""));
    place.at(&["validate", FILE, "--online"]).status(1).says(&["no-service", "'no-such-service' in us-east-1"]);
    steps("\"s3\"");
    place.scene.llmhost(&["validate", FILE]).status(1).says(&["use s3_endpoint = true"]);

    steps(all);
    place.at(&["validate", FILE, "--online"]).status(0);
    let world = place.apply();
    assert_eq!(list(&world, "nat_gateways").len(), 0);
    assert!(list(&world, "internet_gateways").iter().all(|gateway| gateway["tags"]["Name"] != "net-internet"));
    let private: BTreeSet<&str> =
        ["net-private-a", "net-private-b"].map(|name| id(named(&world, "subnets", name))).into();
    let endpoint = named(&world, "endpoints", "net-ecr.api");
    assert_eq!((&endpoint["type"], &endpoint["private_dns"]), (&json!("Interface"), &json!(true)));
    assert_eq!(endpoint["service"], "com.amazonaws.us-east-1.ecr.api");
    let subnets: BTreeSet<&str> = list(endpoint, "subnets").iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(subnets, private);
    let group = named(&world, "security_groups", "net-interface-endpoints");
    assert_eq!(endpoint["groups"], json!([group["id"]]));
    assert_eq!(group["ingress"], json!([[443, 443, "tcp", "10.0.0.0/16"]]));
    let outputs = place.scene.llmhost(&["outputs", FILE, "--json"]).status(0).stdout;
    assert!(outputs.contains(id(endpoint)), "{outputs}");

    place.is_found_again();

    steps(&all.replace(", \"logs\"", ""));
    assert_eq!(place.planned(), [0, 0, 0, 1]);
    let world = place.apply();
    assert!(list(&world, "endpoints").iter().all(|endpoint| endpoint["tags"]["Name"] != "net-logs"));
    place.destroyed_leaves(&before);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_lists_and_ipv6_ranges_are_sources_of_rules() {
    let place = Place::new().await;
    let given = look_after(place.url(), &["give-network", "given", "10.20.0.0/16"])["network"].clone();
    let before = place.inventory();
    let list_id = list(&given, "prefix_lists")[0]["id"].as_str().unwrap();
    let (vpc, group) = (id(named(&given, "vpcs", "given")), id(named(&given, "security_groups", "given")));
    let gateway = id(named(&given, "internet_gateways", "given"));
    let net = |groups: &str| {
        place.net(&format!(
            "vpc_id = \"{vpc}\", internet_gateway_id = \"{gateway}\", cidr = \"10.20.0.0/16\", nat = \"none\", security_groups = {groups}"
        ));
    };
    let web = |sources: &str| {
        net(&format!(
            "{{ db = {{ rules = [{{ name = \"sql\", port = 5432, sources = [\"web\"] }}] }}, web = {{ rules = [{{ name = \"https\", port = 443, sources = [{sources}] }}] }} }}"
        ));
    };
    web(&format!("\"self\", \"{group}\", \"{list_id}\", \"2001:DB8::/32\", \"198.51.100.0/24\""));
    let world = place.apply();
    let (db, made) = (named(&world, "security_groups", "net-db"), named(&world, "security_groups", "net-web"));
    assert_eq!(db["sources"], json!([[5432, 5432, "tcp", made["id"]]]));
    let sources: BTreeSet<&str> = list(made, "sources").iter().map(|rule| rule[3].as_str().unwrap()).collect();
    assert_eq!(sources, BTreeSet::from(["2001:db8::/32", group, id(made), list_id]));
    assert_eq!(made["ingress"], json!([[443, 443, "tcp", "198.51.100.0/24"]]));

    // One more, in another order: one rule is made, and none is touched.
    web(&format!("\"db\", \"198.51.100.0/24\", \"{list_id}\", \"2001:db8::/32\", \"{group}\", \"self\""));
    assert_eq!(place.planned(), [1, 0, 0, 0]);
    place.apply();
    for (sources, words) in [
        ("\"webb\"", "is not a range such as 10.0.0.0/8, an sg-… or pl-… id, self, or a group of this step (db, web)"),
        ("\"2001:db8::1/32\"", "write 2001:db8::/32"),
        ("\"::/0\"", "port 443 is open to the internet (::/0)"),
    ] {
        web(sources);
        place.scene.llmhost(&["validate", FILE]).says(&[words]);
    }
    web("\"pl-0123456789abcdef0\"");
    place.at(&["validate", FILE, "--online"]).status(1).says(&["there is no managed prefix list pl-0123456789abcdef0"]);
    // What another step makes.
    place.scene.pipeline(&format!(
        r#"[steps.net]
uses = "vpc"
with = {{ name = "net", vpc_id = "{vpc}", internet_gateway_id = "{gateway}", cidr = "10.20.0.0/16", nat = "none", security_groups = {{ front = {{}} }} }}
[steps.more]
uses = "vpc"
[steps.more.with]
name = "more"
vpc_id = "{vpc}"
internet_gateway_id = "{gateway}"
cidr = "10.20.0.0/16"
nat = "none"
public_subnets = ["10.20.64.0/24", "10.20.65.0/24"]
private_subnets = []
security_groups.back.rules = [{{ name = "api", port = 8000, source_groups = ["${{net.security_group_ids.front}}"] }}]
"#
    ));
    let world = place.apply();
    let front = named(&world, "security_groups", "net-front");
    assert_eq!(named(&world, "security_groups", "more-back")["sources"], json!([[8000, 8000, "tcp", front["id"]]]));
    place.destroyed_leaves(&before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_has_ipv6_and_loses_it_again() {
    let place = Place::new().await;
    let before = place.inventory();
    let net = |ipv6: bool, zones: &str| {
        place.net(&format!("ipv6 = {ipv6}, zones = [{zones}], nat = \"none\", security_groups = {{ web = {{}} }}"));
    };
    net(true, "\"us-east-1a\", \"us-east-1c\"");
    let world = place.apply();
    let range = named(&world, "vpcs", "net")["ipv6"][0].as_str().unwrap().to_owned();
    let of = |world: &Value, name: &str| named(world, "subnets", name)["ipv6"][0].as_str().unwrap().to_owned();
    let address: Ipv6Addr = range.strip_suffix("/56").unwrap().parse().unwrap();
    let mut ninth = address.segments();
    ninth[3] |= 9;
    assert_eq!(of(&world, "net-public-a"), range.replace("/56", "/64"));
    assert_eq!(of(&world, "net-private-c"), format!("{}/64", Ipv6Addr::from(ninth)), "zone c, its second range");
    let (public, private) = (named(&world, "subnets", "net-public-c"), named(&world, "subnets", "net-private-c"));
    assert_eq!(private["assigns_ipv6"], true);
    let gateway = named(&world, "internet_gateways", "net-internet");
    assert_eq!(table(&world, public)["routes"]["::/0"], gateway["id"]);
    let egress = named(&world, "egress_gateways", "net-egress");
    assert_eq!(egress["vpcs"], json!([named(&world, "vpcs", "net")["id"]]));
    assert_eq!(table(&world, private)["routes"]["::/0"], egress["id"]);
    let outputs = place.scene.llmhost(&["outputs", FILE, "--json"]).status(0).stdout;
    assert!(outputs.contains(&range), "{outputs}");

    place.is_found_again();

    // One more zone moves no range.
    net(true, "\"us-east-1a\", \"us-east-1b\", \"us-east-1c\"");
    let more = place.apply();
    for name in ["net-public-a", "net-private-a", "net-public-c", "net-private-c"] {
        assert_eq!(of(&more, name), of(&world, name), "{name}");
    }
    net(false, "\"us-east-1a\", \"us-east-1b\", \"us-east-1c\"");
    assert_eq!(place.planned()[2], 0, "subnets stay");
    let without = place.apply();
    assert_eq!(named(&without, "vpcs", "net")["ipv6"], json!([]));
    assert_eq!(named(&without, "subnets", "net-public-a")["id"], named(&world, "subnets", "net-public-a")["id"]);
    net(true, "\"us-east-1a\"");
    place.apply();
    place.net("ipv6 = true, nat = \"none\", vpc_id = \"vpc-0123456789abcdef0\", cidr = \"10.0.0.0/16\"");
    place.scene.llmhost(&["validate", FILE]).status(1).says(&["ipv6 would change vpc-0123456789abcdef0"]);
    net(true, "\"us-east-1a\"");
    place.destroyed_leaves(&before);
}

#[test]
fn every_example_of_the_document_is_a_pipeline() {
    let text = std::fs::read_to_string(support::repository().join("docs/networks.md")).unwrap();
    let blocks: Vec<&str> = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 7, "{}", blocks.len());
    for block in blocks {
        let scene = Scene::new();
        scene.pipeline(block);
        let ran = scene.llmhost(&["validate", FILE]);
        assert_eq!(ran.status, 0, "{block}\n{ran:?}");
    }
}
