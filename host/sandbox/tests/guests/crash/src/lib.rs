//! A plugin made with the SDK that crashes after it did something.

use llmhost_plugin::{Failure, Options, Output, Outputs, Plugin, ec2, log, outputs};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Config {
    /// How it crashes.
    how: String,
    /// What it says.
    #[serde(default)]
    say: String,
}

struct Crash;

impl Plugin for Crash {
    type Config = Config;
    const SUMMARY: &'static str = "Crashes.";
    const OUTPUTS: &'static [Output] = &[Output::text("done", "What it did")];

    fn run(config: Config) -> Result<Outputs, Failure> {
        log::write(log::Level::Info, "measuring the flux");
        let ip = ec2::ElasticIp::declare("ip", &ec2::ElasticIpSpec { tags: vec![] }, &Options::default())?;
        ip.public_ip()?;
        match config.how.as_str() {
            "panic" => measure(&config.say),
            "index" => drop(pick(&[], config.say.len())),
            "log" => (0..3000).for_each(|n| log::write(log::Level::Info, &format!("{} {n}", config.say))),
            "flood" => {
                (0..3000).for_each(|n| log::write(log::Level::Info, &format!("{} {n}", config.say)));
                measure("drowned");
            }
            _ => {}
        }
        Ok(outputs! { "done": config.how })
    }
}

#[inline(never)]
fn measure(flux: &str) {
    panic!("the flux is {flux}");
}

#[inline(never)]
fn pick(subnets: &[u8], at: usize) -> u8 {
    subnets[at]
}

llmhost_plugin::export!(Crash);
