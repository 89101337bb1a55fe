//! A plugin that misbehaves as its configuration tells it, for the tests of the sandbox.

use serde_json::Value;

wit_bindgen::generate!({
    inline: "
        package test:hostile;
        world hostile {
            include llmhost:plugin/step@0.1.0;
            import llmhost:aws/ec2@0.1.0;
            import llmhost:aws/sts@0.1.0;
        }
    ",
    path: ["../../../../../wit/plugin/0.1.0", "../../../../../wit/aws/0.1.0"],
    world: "test:hostile/hostile",
    generate_all,
});

use llmhost::aws::{ec2, sts};
use llmhost::plugin::log;
use llmhost::plugin::types::Options;

struct Hostile;

impl Guest for Hostile {
    fn describe() -> Description {
        Description {
            summary: "Misbehaves.".into(),
            config_schema: r#"{"type": "object", "properties": {"do": {"type": "string"}}}"#.into(),
            outputs: vec![OutputDoc { name: "done".into(), description: "What it did.".into() }],
        }
    }

    fn run(config: String) -> Result<String, Failure> {
        let config: Value = serde_json::from_str(&config).map_err(|error| Failure::Invalid(error.to_string()))?;
        let deed = config["do"].as_str().unwrap_or_default();
        let count = config["count"].as_u64().unwrap_or(1);
        match deed {
            "nop" => {}
            "trap" => fall_over(),
            "spin" => spin(),
            "eat-memory" => eat_memory(),
            "huge-string" => return Ok("x".repeat(count as usize)),
            "huge-name" => drop(vpc(&"x".repeat(count as usize))?),
            "recurse" => return Ok(serde_json::json!({"done": recurse(count)}).to_string()),
            "recurse-in-memory" => return Ok(serde_json::json!({"done": recurse_in_memory(count)}).to_string()),
            "log" => (0..count).for_each(|n| log::write(log::Level::Info, &format!("message {n}"))),
            "log-long" => log::write(log::Level::Warn, &"é".repeat(count as usize)),
            "declare" => {
                for n in 0..count {
                    vpc(&format!("vpc-{n}"))?;
                }
            }
            "declare-large" => {
                for n in 0..count {
                    tagged(&format!("vpc-{n}"), vec![("key".into(), "x".repeat(4 << 20))])?;
                }
            }
            "address" => {
                let ip = ec2::ElasticIp::declare("ip", &ec2::ElasticIpSpec { tags: vec![] }, &no_options())?;
                return Ok(
                    serde_json::json!({"done": [ip.address(), ip.allocation_id()?, ip.public_ip()?]}).to_string()
                );
            }
            "hold" => {
                let all = (0..count).map(|n| vpc(&format!("vpc-{n}"))).collect::<Result<Vec<_>, _>>()?;
                return Ok(serde_json::json!({"done": all.iter().map(|vpc| vpc.id()).collect::<Result<Vec<_>, _>>()?})
                    .to_string());
            }
            "facts" => {
                let facts = [sts::account_id()?, sts::partition(), sts::region(), ec2::availability_zone(1)?];
                return Ok(serde_json::json!({"done": facts}).to_string());
            }
            "float" => {
                let zero: f64 = std::hint::black_box(0.0);
                return Ok(serde_json::json!({"done": format!("{:x}", (-(zero / zero)).to_bits())}).to_string());
            }
            "not-json" => return Ok("{".into()),
            "not-an-object" => return Ok("[1]".into()),
            "no-output" => return Ok("{}".into()),
            "extra-output" => return Ok(r#"{"done": 1, "more": 2}"#.into()),
            "fail" => return Err(Failure::Refused("I would rather not".into())),
            other => return Err(Failure::Invalid(format!("no such deed: {other}"))),
        }
        Ok(serde_json::json!({"done": deed}).to_string())
    }
}

fn no_options() -> Options {
    Options { after: vec![] }
}

fn vpc(name: &str) -> Result<ec2::Vpc, Failure> {
    tagged(name, vec![])
}

fn tagged(name: &str, tags: Vec<(String, String)>) -> Result<ec2::Vpc, Failure> {
    let spec = ec2::VpcSpec { cidr_block: "10.0.0.0/16".into(), dns_support: true, dns_hostnames: true, tags };
    ec2::Vpc::declare(name, &spec, &no_options())
}

#[inline(never)]
fn fall_over() {
    panic!("I fell over");
}

#[inline(never)]
fn spin() {
    let mut n = 0u64;
    while std::hint::black_box(n) != u64::MAX {
        n += 1;
    }
}

#[inline(never)]
fn eat_memory() {
    let mut eaten = Vec::new();
    loop {
        eaten.push(std::hint::black_box(vec![1u8; 1 << 20]));
    }
}

/// Keeps nothing in memory, so it is the machine's stack that it fills.
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    if depth == 0 { 1 } else { recurse(depth - 1).rotate_left(3) ^ depth }
}

/// Keeps an array in each call: that lies on the stack that the compiler keeps in memory.
#[inline(never)]
fn recurse_in_memory(depth: u64) -> u64 {
    let here = std::hint::black_box([depth; 16]);
    if depth == 0 { here[3] } else { recurse_in_memory(depth - 1) + here[5] }
}

export!(Hostile);
