//! A plugin that does next to nothing, for measuring what surrounds it. Configured with a number
//! it writes so many messages of 64 bytes; with a negative one it asks for so many facts.

wit_bindgen::generate!({
    inline: "
        package test:quick;
        world quick {
            include llmhost:plugin/step@0.1.0;
            import llmhost:aws/ec2@0.1.0;
        }
    ",
    path: ["../../../../../wit/plugin/0.1.0", "../../../../../wit/aws/0.1.0"],
    world: "test:quick/quick",
    generate_all,
});

use llmhost::aws::ec2;
use llmhost::plugin::log;

struct Quick;

impl Guest for Quick {
    fn describe() -> Description {
        Description { summary: "Is quick.".into(), config_schema: "{}".into(), outputs: vec![] }
    }

    fn run(config: String) -> Result<String, Failure> {
        let count: i64 = config.parse().unwrap_or(0);
        let message = "x".repeat(64);
        for _ in 0..count {
            log::write(log::Level::Info, &message);
        }
        for _ in count..0 {
            ec2::availability_zone(0)?;
        }
        Ok("{}".into())
    }
}

export!(Quick);
