//! `llmhost init`: a pipeline file to begin with, from questions or flags.

mod questions;
mod template;

use std::path::PathBuf;

use crate::app;
use crate::args::Init;
use crate::failure::Failure;
use crate::input;

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    name: String,
    region: String,
    /// The instance type of the nodes with a GPU.
    gpu: Option<String>,
    model: Model,
    /// A VPC that exists.
    vpc: Option<String>,
}

/// The model that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Model {
    None,
    /// A folder, which the pipeline uploads.
    Folder(PathBuf),
    /// Bucket and prefix.
    Bucket(String, String),
}

/// Writes the file.
pub(crate) fn init(args: &Init) -> Result<(), Failure> {
    // Before anybody answers a question in vain.
    if args.path.is_dir() {
        return Err(Failure::usage(format!("{} is a folder", args.path.display()), "Name a file: pipeline.toml."));
    }
    if args.path.symlink_metadata().is_ok() && !args.force {
        let help = "Name another file, or overwrite it with --force.";
        return Err(Failure::usage(format!("{} exists", args.path.display()), help));
    }
    let mut wanted = if args.yes { from_flags(args)? } else { questions::ask(args)? };
    // Paths of a pipeline start at its folder, and those of the command line here.
    let is_elsewhere = args.path.parent().is_some_and(|parent| !parent.as_os_str().is_empty());
    if let Model::Folder(folder) = &mut wanted.model
        && is_elsewhere
        && let Ok(whole) = std::path::absolute(&*folder)
    {
        *folder = whole;
    }
    input::write_new(&args.path, &template::text(&wanted), args.force)?;
    app::print(&next(&args.path.display().to_string(), &wanted));
    Ok(())
}

fn from_flags(args: &Init) -> Result<Wanted, Failure> {
    let usage =
        |flag: &str, message: String| Failure::usage(format!("{flag}: {message}"), format!("Give another {flag}."));
    let name = args.name.clone().unwrap_or_else(|| DEFAULT_NAME.to_owned());
    check_name(&name).map_err(|message| usage("--name", message))?;
    let region = args.region.clone().unwrap_or_else(|| DEFAULT_REGION.to_owned());
    check_region(&region).map_err(|message| usage("--region", message))?;
    if let Some(gpu) = &args.gpu {
        check_type(gpu).map_err(|message| usage("--gpu", message))?;
    }
    let model = args.model.as_deref().map_or(Ok(Model::None), model).map_err(|message| usage("--model", message))?;
    if let Some(vpc) = &args.existing_vpc {
        check_vpc(vpc).map_err(|message| usage("--existing-vpc", message))?;
    }
    let gpu = match (&args.gpu, args.cpu) {
        (Some(gpu), _) => Some(gpu.clone()),
        (None, true) => None,
        // Without a word: a model wants a GPU, and a bare cluster does not.
        (None, false) => (model != Model::None).then(|| DEFAULT_GPU.to_owned()),
    };
    Ok(Wanted { name, region, gpu, model, vpc: args.existing_vpc.clone() })
}

const DEFAULT_NAME: &str = "llm";
const DEFAULT_REGION: &str = "us-east-1";
const DEFAULT_GPU: &str = "g6.xlarge";

/// A name that serves as that of a pipeline, a cluster and a bucket's beginning.
fn check_name(name: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(good) && name.len() <= 40 {
        true if !name.ends_with('-') => Ok(()),
        _ => Err(
            "a name starts with a lower-case letter, continues with lower-case letters, digits and hyphens, and does \
                  not end with a hyphen; at most 40 characters"
                .to_owned(),
        ),
    }
}

fn check_region(region: &str) -> Result<(), String> {
    match llmhost_resources::unknown_region(region) {
        Some((message, help)) => Err(format!("{message}; {help}")),
        None => Ok(()),
    }
}

fn check_type(text: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match text.split_once('.') {
        Some((family, size))
            if !family.is_empty() && !size.is_empty() && family.chars().all(good) && size.chars().all(good) =>
        {
            Ok(())
        }
        _ => Err(format!("'{text}' is not an instance type, such as g6.xlarge")),
    }
}

fn check_vpc(text: &str) -> Result<(), String> {
    let is_id = text
        .strip_prefix("vpc-")
        .is_some_and(|rest| !rest.is_empty() && rest.len() <= 32 && rest.chars().all(|c| c.is_ascii_alphanumeric()));
    if is_id { Ok(()) } else { Err(format!("'{text}' is not the id of a VPC, such as vpc-0abc1234")) }
}

/// A model, as it is written: a folder that is there, or s3://bucket/prefix.
fn model(text: &str) -> Result<Model, String> {
    if text.is_empty() || text == "none" {
        return Ok(Model::None);
    }
    if let Some(rest) = text.strip_prefix("s3://") {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(good) {
            return Err(format!("'{bucket}' is not the name of a bucket"));
        }
        if prefix.chars().any(|c| c.is_control() || c == '"' || c == '\\') {
            return Err("the prefix has characters that no address of a model has".to_owned());
        }
        return Ok(Model::Bucket(bucket.to_owned(), prefix.trim_matches('/').to_owned()));
    }
    if text.contains("://") {
        return Err(format!("'{text}' is neither a folder nor s3://bucket/prefix"));
    }
    let path = PathBuf::from(text);
    match path.is_dir() {
        true => Ok(Model::Folder(path)),
        false => Err(format!("there is no folder '{text}'")),
    }
}

fn next(path: &str, wanted: &Wanted) -> String {
    let policy = match wanted.model {
        Model::None => "Add a model later: llmhost explain inference.\n",
        _ => "",
    };
    format!(
        "Wrote {path}.\n{policy}\nNext:\n  llmhost run {path} --dry-run      what it would create; needs no credentials\n  \
         llmhost rehearse {path}           create, change and delete it on an emulator\n  \
         llmhost run {path}                create it in AWS\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_checked_where_it_is_said() {
        for name in ["", "Big", "1st", "a b", "ends-", &"x".repeat(41)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        for region in ["us-east-9", "", "US-EAST-1"] {
            assert!(check_region(region).is_err(), "{region}");
        }
        for text in ["g6", "g6.", ".xlarge", "g6.xl\"arge", "g6 .large"] {
            assert!(check_type(text).is_err(), "{text}");
        }
        for text in ["vpc-", "subnet-1", "vpc-0a\"b"] {
            assert!(check_vpc(text).is_err(), "{text}");
        }
        for text in ["/no/such/folder", "https://a/b", "s3://A/b", "s3://bucket/a\"b"] {
            assert!(model(text).is_err(), "{text}");
        }
        assert_eq!(model("s3://models/llm/"), Ok(Model::Bucket("models".into(), "llm".into())));
        assert_eq!(model("none"), Ok(Model::None));
    }
}
