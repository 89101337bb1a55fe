//! Examples of each command, which its help ends with. A test runs each of them through the parser.

use clap::{Command, CommandFactory};

use super::Cli;

/// The words of a command, and lines that a user types.
const EXAMPLES: [(&str, &[&str]); 50] = [
    ("run", &["llmhost run pipeline.toml --dry-run", "llmhost run pipeline.toml --env prod --yes"]),
    ("destroy", &["llmhost destroy pipeline.toml --dry-run", "llmhost destroy pipeline.toml --only server"]),
    ("lock", &["llmhost lock pipeline.toml --accept"]),
    ("graph", &["llmhost graph pipeline.toml --output plan.html"]),
    ("validate", &["llmhost validate pipeline.toml", "llmhost validate pipeline.toml --online"]),
    ("status", &["llmhost status pipeline.toml"]),
    ("outputs", &["llmhost outputs pipeline.toml network.vpc_id", "llmhost outputs pipeline.toml --json"]),
    (
        "import",
        &["llmhost import pipeline.toml network/ec2.vpc/main vpc-0abc1234", "llmhost import pipeline.toml --all"],
    ),
    ("adopt", &["llmhost adopt pipeline.toml"]),
    ("state list", &["llmhost state list pipeline.toml"]),
    ("state show", &["llmhost state show pipeline.toml network/ec2.vpc/main"]),
    ("state rm", &["llmhost state rm pipeline.toml network/ec2.vpc/main"]),
    (
        "state mv",
        &["llmhost state mv pipeline.toml network net", "llmhost state mv pipeline.toml --to s3://my-states/llm"],
    ),
    ("state pin", &["llmhost state pin pipeline.toml --endpoint-url http://127.0.0.1:5000"]),
    ("state unlock", &["llmhost state unlock pipeline.toml"]),
    ("drift", &["llmhost drift pipeline.toml --exit-code"]),
    ("rehearse", &["llmhost rehearse pipeline.toml"]),
    ("policy", &["llmhost policy pipeline.toml --account 123456789012"]),
    ("kubeconfig", &["llmhost kubeconfig pipeline.toml -o kubeconfig"]),
    ("token", &["llmhost token --cluster llm --region us-east-1"]),
    ("serve", &["llmhost serve --model ./smollm2", "llmhost serve --model s3://bucket/model --device cuda"]),
    ("fetch", &["llmhost fetch --model s3://bucket/model"]),
    ("generate", &["llmhost generate --model ./smollm2 'What is the capital of France?'"]),
    ("bench", &["llmhost bench --model ./smollm2 --batch 1,4,8", "llmhost bench --model ./smollm2 --clients 8"]),
    ("doctor", &["llmhost doctor", "llmhost doctor --install"]),
    ("schema", &["llmhost schema", "llmhost schema pipeline.toml"]),
    (
        "explain",
        &[
            "llmhost explain",
            "llmhost explain nodegroup.taints",
            "llmhost explain AWS::SQS::Queue",
            "llmhost explain --markdown reference",
        ],
    ),
    (
        "init",
        &["llmhost init", "llmhost init --yes --name llm --region us-east-1 --gpu g6.xlarge --model s3://bucket/model"],
    ),
    (
        "convert",
        &[
            "llmhost convert cluster.yaml --output pipeline.toml",
            "llmhost convert terraform.tfstate --output pipeline.toml --imports import.sh",
        ],
    ),
    ("image", &["llmhost image --device cuda --push 123456789012.dkr.ecr.us-east-1.amazonaws.com/llmhost:0.1.0"]),
    ("fmt", &["llmhost fmt pipeline.toml", "llmhost fmt --check pipeline.toml prod.toml"]),
    ("cache list", &["llmhost cache list"]),
    ("cache clean", &["llmhost cache clean --dry-run", "llmhost cache clean --only models --older-than 30d"]),
    ("completions", &["llmhost completions bash", "llmhost completions zsh"]),
    ("man", &["llmhost man ./man"]),
    ("plugin new", &["llmhost plugin new queues --lang rust"]),
    ("plugin wit", &["llmhost plugin wit ./queues --uses s3:bucket,sts"]),
    ("plugin build", &["llmhost plugin build ./queues"]),
    ("plugin dev", &["llmhost plugin dev ./queues --pipeline pipeline.toml"]),
    ("plugin inspect", &["llmhost plugin inspect vpc"]),
    ("plugin test", &["llmhost plugin test ./queues"]),
    ("plugin run", &["llmhost plugin run vpc --with '{\"name\":\"demo\"}'"]),
    ("plugin replay", &["llmhost plugin replay trace.bin --step network"]),
    ("plugin push", &["llmhost plugin push queues.wasm oci://ghcr.io/acme/queues:1.0.0"]),
    ("plugin pull", &["llmhost plugin pull oci://ghcr.io/acme/queues:1.0.0"]),
    ("pipeline push", &["llmhost pipeline push platform.toml oci://ghcr.io/acme/platform:1.0.0"]),
    ("plugin", &["llmhost plugin inspect vpc"]),
    ("state", &["llmhost state list pipeline.toml"]),
    ("cache", &["llmhost cache list"]),
    ("pipeline", &["llmhost pipeline push platform.toml oci://ghcr.io/acme/platform:1.0.0"]),
];

/// The command line, with the examples.
pub(crate) fn command() -> Command {
    EXAMPLES.iter().fold(Cli::command(), |command, (words, lines)| {
        let title = if lines.len() == 1 { "Example:" } else { "Examples:" };
        let text = format!("{title}\n{}", lines.iter().map(|line| format!("  {line}\n")).collect::<String>());
        with_help(command, &words.split(' ').collect::<Vec<_>>(), text.trim_end().to_owned())
    })
}

fn with_help(command: Command, words: &[&str], text: String) -> Command {
    match words {
        [] => command.after_help(text),
        [first, rest @ ..] if command.find_subcommand(first).is_some() => {
            command.mut_subcommand(*first, |inner| with_help(inner, rest, text))
        }
        // A build without the command.
        _ => command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a line, as a shell splits it: spaces, and single quotes.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (at, part) in line.split('\'').enumerate() {
            if at % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        words
    }

    fn leaves(command: &Command, path: &str, all: &mut Vec<String>) {
        let inner: Vec<&Command> = command.get_subcommands().filter(|one| one.get_name() != "help").collect();
        if inner.is_empty() {
            all.push(path.trim().to_owned());
        }
        for one in inner {
            leaves(one, &format!("{path} {}", one.get_name()), all);
        }
    }

    #[test]
    fn every_example_is_a_command_line_that_parses() {
        for (path, lines) in EXAMPLES {
            for line in lines {
                let parsed = command().try_get_matches_from(words(line));
                assert!(parsed.is_ok(), "{path}: {line}: {}", parsed.unwrap_err());
            }
        }
    }

    #[test]
    fn every_command_has_an_example_of_itself_in_its_help() {
        let mut all = Vec::new();
        leaves(&Cli::command(), "", &mut all);
        assert!(all.len() > 40, "{all:?}");
        for path in all {
            let lines = EXAMPLES.iter().find(|(words, _)| *words == path).map(|(_, lines)| *lines).unwrap_or_default();
            assert!(!lines.is_empty(), "{path} has no example");
            for line in lines {
                assert!(line.starts_with(&format!("llmhost {path}")), "{path}: {line}");
            }
            let mut found = command();
            let mut at = &mut found;
            for word in path.split(' ') {
                at = at.find_subcommand_mut(word).expect("it is a command");
            }
            assert!(at.render_help().to_string().contains("Example"), "{path}");
        }
    }
}
