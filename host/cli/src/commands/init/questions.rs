//! The questions, for what no flag answers.

use std::io::IsTerminal;

use dialoguer::{Input, Select};

use super::{
    DEFAULT_GPU, DEFAULT_NAME, DEFAULT_REGION, Model, Wanted, check_name, check_region, check_type, check_vpc,
};
use crate::args::Init;
use crate::failure::Failure;

/// Asks on the terminal.
pub(super) fn ask(args: &Init) -> Result<Wanted, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::usage(
            "there is no terminal to ask on",
            "Say it by flags: llmhost init --yes --name llm --region us-east-1 --gpu g6.xlarge --model s3://bucket/model",
        ));
    }
    // What flags say is checked first, before anything is asked.
    let flags = super::from_flags(args)?;
    let name = match args.name {
        Some(_) => flags.name,
        None => text("Name of the pipeline and its cluster", DEFAULT_NAME, check_name)?,
    };
    let region = match args.region {
        Some(_) => flags.region,
        None => text("AWS region", &usual_region(), check_region)?,
    };
    let gpu = match (&args.gpu, args.cpu) {
        (Some(_), _) | (_, true) => flags.gpu,
        _ => match choose("Nodes", &["with a GPU", "without a GPU"])? {
            0 => Some(text("Instance type", DEFAULT_GPU, check_type)?),
            _ => None,
        },
    };
    let model = match args.model {
        Some(_) => flags.model,
        None => {
            let question = "Model: a folder, s3://bucket/prefix, or none";
            let answer = text(question, "none", |answer| super::model(answer).map(drop))?;
            super::model(&answer).unwrap_or(Model::None)
        }
    };
    let vpc = match args.existing_vpc {
        Some(_) => flags.vpc,
        None => match choose("Network", &["a new VPC", "a VPC that exists"])? {
            0 => None,
            _ => Some(text("Id of the VPC", "", check_vpc)?),
        },
    };
    Ok(Wanted { name, region, gpu, model, vpc })
}

/// The region of the shell, where it is one.
fn usual_region() -> String {
    let set = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok());
    set.filter(|region| check_region(region).is_ok()).unwrap_or_else(|| DEFAULT_REGION.to_owned())
}

fn text(question: &str, usual: &str, check: impl Fn(&str) -> Result<(), String>) -> Result<String, Failure> {
    let input = Input::<String>::new().with_prompt(question).validate_with(|text: &String| check(text));
    let input = if usual.is_empty() { input } else { input.default(usual.to_owned()) };
    input.interact_text().map_err(stopped)
}

fn choose(question: &str, choices: &[&str]) -> Result<usize, Failure> {
    Select::new().with_prompt(question).items(choices).default(0).interact().map_err(stopped)
}

/// The terminal is gone, or its user.
fn stopped(error: dialoguer::Error) -> Failure {
    Failure::Other {
        message: format!("no answer: {error}"),
        help: "Nothing was written. Flags and --yes answer without questions.".to_owned(),
        status: 1,
    }
}
