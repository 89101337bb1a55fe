//! Resources that were there before the pipeline: taken in, brought in line, and its own then.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{Scene, emulator, look, look_after};

const FILE: &str = "pipeline.toml";
const STEPS: &str = r#"
[steps.network]
uses = "vpc"
with = { name = "net", cidr = "10.0.0.0/16", azs = 1, nat = "none" }

[steps.roles]
uses = "iam"
with = { cluster_role = "ClusterRole", node_role = "NodeRole" }

[steps.models]
uses = "s3"
with = { bucket = "old-bucket" }
"#;

fn vpcs(world: &Value) -> Vec<&Value> {
    let all = world["network"]["vpcs"].as_array().unwrap();
    all.iter().filter(|vpc| vpc["default"] == false).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exists_is_taken_in_brought_in_line_and_destroyed_with_the_rest() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(STEPS);
    let at = |args: &[&str]| scene.at(emulator.url(), args);
    // Another pipeline's network, which the first one leaves to this one.
    at(&["run", FILE]).status(0);
    let made = look(emulator.url());
    let (vpc, subnet) = (vpcs(&made)[0]["id"].as_str().unwrap().to_owned(), {
        let all = made["network"]["subnets"].as_array().unwrap();
        let public = all.iter().find(|subnet| subnet["tags"]["Name"] == "net-public-a").unwrap();
        public["id"].as_str().unwrap().to_owned()
    });
    let default_vpc =
        made["network"]["vpcs"].as_array().unwrap().iter().find(|vpc| vpc["default"] == true).unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned();
    let forget = |address: &str| at(&["state", "rm", FILE, address, "--force", "--yes"]).status(0);
    let (vpc_at, subnet_at) = ("network/ec2.vpc/main", "network/ec2.subnet/public-a");
    for address in [vpc_at, subnet_at, "roles/iam.role/node", "models/s3.bucket/main"] {
        forget(address);
    }
    look_after(emulator.url(), &["tag-vpc", &vpc, "Name", "grown-old"]);

    let import = |address: &str, id: &str| at(&["import", FILE, address, id]);
    import(subnet_at, &subnet)
        .status(1)
        .says(&["cannot be changed", "Import what it depends on first: network/ec2.vpc/main"]);
    import(vpc_at, "vpc-00000000").status(1).says(&["there is no ec2.vpc with the id vpc-00000000", "the region"]);
    import("network/ec2.vpc/mian", &vpc)
        .status(1)
        .says(&["declares no network/ec2.vpc/mian", "did you mean 'network/ec2.vpc/main'"]);
    import("mian", &vpc).status(2).says(&["'mian' is not an address"]);
    let by_tags = |address: &str, tags: &[&str]| {
        at(&[&["import", FILE, address], &*tags.iter().flat_map(|tag| ["--tag", tag]).collect::<Vec<_>>()].concat())
    };
    look_after(emulator.url(), &["tag-vpc", &default_vpc, "Name", "grown-old"]);
    by_tags(vpc_at, &["Name=grown-old"]).status(1).says(&[
        "there are 2 ec2.vpc: vpc-",
        &vpc,
        "with the tags Name=grown-old",
        "Give another --tag",
    ]);
    by_tags(vpc_at, &["Name=grown-*"]).status(1).says(&["there is no ec2.vpc with the tags Name=grown-*"]);
    by_tags("roles/iam.role/node", &["Name=x"]).status(1).says(&["iam.role is not looked for by tags", "Use its id"]);
    by_tags(vpc_at, &["Name"]).status(2).says(&["a tag is KEY=VALUE"]);
    at(&["import", FILE, vpc_at]).status(2).says(&["<ID>"]);
    by_tags(vpc_at, &["Name=grown-old", "llmhost:pipeline=test"]).status(0).says(&[
        "Imported vpc-",
        "tags.Name: \"grown-old\" there, \"net\" declared",
        "updates it to match the file",
    ]);
    import(vpc_at, &vpc).status(1).says(&["is already in the state, as vpc-"]);
    import(subnet_at, &subnet).status(0).says(&["as declared"]);
    import("roles/iam.role/node", "NodeRole").status(0);
    import("roles/iam.role/cluster", "NodeRole").status(1).says(&["is already in the state"]);
    import("models/s3.bucket/main", "old-bucket").status(0);

    at(&["run", FILE]).status(0).says(&["0 replaced, 0 deleted"]);
    at(&["run", FILE]).status(0).says(&["0 changes"]);
    let world = look(emulator.url());
    assert_eq!(vpcs(&world).len(), 1);
    assert_eq!((vpcs(&world)[0]["id"].as_str(), &vpcs(&world)[0]["tags"]["Name"]), (Some(&*vpc), &"net".into()));
    at(&["destroy", FILE, "--yes"]).status(0);
    let world = look(emulator.url());
    assert!(vpcs(&world).is_empty() && world["storage"].as_array().unwrap().is_empty());
    assert!(world["identity"]["roles"].as_object().unwrap().is_empty());
}
