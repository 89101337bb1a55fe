//! `llmhost explain`: a type of AWS's resources, as the built-in plugin `aws` takes it.

use llmhost_aws_types as aws_types;

use crate::app;
use crate::args::Explain;
use crate::failure::Failure;

/// How many types are listed before the rest is counted.
const MOST_LISTED: usize = 60;

/// Prints a type, or the types whose names hold what was asked for.
pub(crate) fn explain(args: &Explain) -> Result<(), Failure> {
    if let Some(found) = aws_types::find(&args.name) {
        app::print(&(found.describe().trim_end().to_owned() + "\n"));
        return Ok(());
    }
    let wanted = args.name.to_lowercase();
    let named: Vec<&str> = aws_types::names().filter(|name| name.to_lowercase().contains(&wanted)).collect();
    match named[..] {
        [] => Err(unknown(&args.name)),
        [only] => explain(&Explain { name: only.to_owned() }),
        _ => {
            let mut text: String = named.iter().take(MOST_LISTED).map(|name| format!("{name}\n")).collect();
            if named.len() > MOST_LISTED {
                text += &format!("and {} more: write more of the type\n", named.len() - MOST_LISTED);
            }
            app::print(&text);
            Ok(())
        }
    }
}

fn unknown(name: &str) -> Failure {
    let message = format!("AWS has no resource type '{name}'");
    if llmhost_builtin::ALL.iter().any(|builtin| builtin.name == name) {
        return Failure::usage(message, format!("It is a built-in plugin: llmhost plugin inspect {name}"));
    }
    Failure::usage(
        message,
        match aws_types::suggest(name) {
            Some(near) => format!("Did you mean {near}? llmhost explain AWS::DynamoDB lists the types of a service."),
            None => "llmhost explain AWS::DynamoDB lists the types of a service.".to_owned(),
        },
    )
}
