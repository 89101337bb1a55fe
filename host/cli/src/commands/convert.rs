//! `llmhost convert`: files of eksctl and Terraform as pipelines.

use llmhost_convert::{Converted, LARGEST, Source};

use crate::app;
use crate::args::Convert;
use crate::failure::Failure;
use crate::input;
use crate::quoted::quoted;

/// What can be converted.
const HELP: &str = "Give a ClusterConfig of eksctl (YAML), or the state of a Terraform configuration that uses the modules \
                    terraform-aws-modules/vpc and /eks: terraform state pull prints it.";

/// Converts a file.
pub(crate) fn convert(args: &Convert) -> Result<(), Failure> {
    let bytes = input::read(&args.path, LARGEST, HELP)?;
    let converted = llmhost_convert::convert(&bytes)
        .map_err(|error| Failure::usage(format!("{}: {error}", args.path.display()), HELP))?;
    if args.json {
        app::print(&(serde_json::to_string(&converted).expect("plain data") + "\n"));
    }
    let Some(pipeline) = &converted.pipeline else {
        if !args.json {
            app::print(&converted.report.text());
        }
        return Err(Failure::Other {
            message: format!("{} has no counterpart as a pipeline", args.path.display()),
            help: "The report says what is missing, and where. Nothing was written.".to_owned(),
            status: 1,
        });
    };
    let name = args.output.as_ref().map_or("pipeline.toml".to_owned(), |path| path.display().to_string());
    if let Some(path) = &args.imports {
        input::write_new(path, &script(&converted, &name), args.force)?;
    }
    match &args.output {
        Some(path) => {
            input::write_new(path, pipeline, args.force)?;
            if !args.json {
                app::print(&format!("{}\n{}", converted.report.text(), next(&converted, &name, args)));
            }
        }
        None if args.json => {}
        None => {
            app::print(pipeline);
            anstream::eprintln!("{}", converted.report.text());
        }
    }
    Ok(())
}

/// What to do with the pipeline that was written.
fn next(converted: &Converted, name: &str, args: &Convert) -> String {
    let imports = match (converted.source, &args.imports) {
        (Source::Eksctl, _) => String::new(),
        (Source::Terraform, Some(path)) => format!("  sh {}\n", path.display()),
        (Source::Terraform, None) => {
            converted.imports.iter().map(|import| format!("  {}\n", command(import, name))).collect()
        }
    };
    let adopt = match converted.source {
        Source::Eksctl => format!("  llmhost rehearse {name}           # try it on an emulator\n"),
        Source::Terraform if args.imports.is_some() => String::new(),
        Source::Terraform => format!("  llmhost adopt {name}\n"),
    };
    let missing = match converted.report.missing().count() {
        0 => "everything in the file has a counterpart".to_owned(),
        1 => "1 field has no counterpart: see above".to_owned(),
        many => format!("{many} fields have no counterpart: see above"),
    };
    format!(
        "Wrote {name}; {missing}.\n\nNext:\n  llmhost validate {name}\n{imports}{adopt}  llmhost run {name} --dry-run\n"
    )
}

fn command(import: &llmhost_convert::Import, name: &str) -> String {
    format!("llmhost import {} {} {}", quoted(name), quoted(&import.address), quoted(&import.id))
}

/// The commands that import what exists, as a script.
fn script(converted: &Converted, name: &str) -> String {
    let commands: String = converted.imports.iter().map(|import| command(import, name) + "\n").collect();
    format!(
        "#!/bin/sh\n# Imports what Terraform made into the state of {}. Imports change nothing in AWS.\nset -eu\n{commands}\
         # The rest has names, by which it is found: roles, cluster, node groups, add-ons, routes. It asks first.\n\
         llmhost adopt {}\n",
        name.replace('\n', " "),
        quoted(name)
    )
}
