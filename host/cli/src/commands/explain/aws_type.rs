//! A type of AWS's resources, as the built-in plugin `aws` takes it.

use llmhost_aws_types as aws_types;

use super::schema;
use crate::app;
use crate::failure::Failure;

/// How many types are listed before the rest is counted.
const MOST_LISTED: usize = 60;

/// Whether a type's name holds this.
pub(super) fn has_part(name: &str) -> bool {
    let wanted = name.to_lowercase();
    wanted.len() >= 3 && aws_types::names().any(|name| name.to_lowercase().contains(&wanted))
}

/// Prints a type, a property of it, or the types whose names hold what was asked for.
pub(super) fn explain(name: &str) -> Result<(), Failure> {
    if let Some(found) = aws_types::find(name) {
        app::print(&(found.describe().trim_end().to_owned() + "\n"));
        return Ok(());
    }
    if let Some((of, path)) = name.split_once('.')
        && let Some(found) = aws_types::find(of)
    {
        let path: Vec<&str> = path.split('.').collect();
        let replaces = found.immutable().any(|property| property == path[0]);
        let how = match replaces {
            true => "A change forces replacement: the resource is created again.",
            false => "A change is made in place, where AWS supports it.",
        };
        let text = schema::describe(of, &found.json_schema(), &path)?;
        app::print(&format!("{text}\n{how}\n"));
        return Ok(());
    }
    let wanted = name.to_lowercase();
    let named: Vec<&str> = aws_types::names().filter(|name| name.to_lowercase().contains(&wanted)).collect();
    match named[..] {
        [] => Err(unknown(name)),
        [only] => explain(only),
        _ => {
            let mut text: String = named.iter().take(MOST_LISTED).map(|name| format!("{name}\n")).collect();
            if named.len() > MOST_LISTED {
                text += &format!("and {} more: give more of the name\n", named.len() - MOST_LISTED);
            }
            app::print(&text);
            Ok(())
        }
    }
}

fn unknown(name: &str) -> Failure {
    Failure::usage(
        format!("AWS has no resource type '{name}'"),
        match aws_types::suggest(name) {
            Some(near) => format!("Did you mean {near}? llmhost explain AWS::DynamoDB lists the types of a service."),
            None => "llmhost explain AWS::DynamoDB lists the types of a service.".to_owned(),
        },
    )
}
