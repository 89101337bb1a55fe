//! `llmhost explain`: plugins with their options, kinds of resources with their fields, types of AWS's resources,
//! and the codes of errors.

mod aws_type;
mod codes;
mod kinds;
mod pages;
mod plugins;
mod schema;
mod wit;

use llmhost_aws_types as aws_types;

use crate::app;
use crate::args::Explain;
use crate::failure::Failure;

/// How near a name has to be to be meant.
const NEAR: f64 = 0.75;

/// Explains what is named, or lists what can be.
pub(crate) async fn explain(args: &Explain) -> Result<(), Failure> {
    if let Some(folder) = &args.markdown {
        return pages::write(folder).await;
    }
    let Some(name) = &args.name else {
        app::print(&list());
        return Ok(());
    };
    if name.contains("::") {
        return aws_type::explain(name);
    }
    let kinds = kinds::all();
    if let Some((kind, path)) = kinds::find(&kinds, name) {
        return kinds::explain(kind, &path);
    }
    let mut parts = name.split('.');
    let plugin = parts.next().unwrap_or_default();
    let path: Vec<&str> = parts.collect();
    if plugins::is_one(plugin) {
        return plugins::explain(plugin, &path).await;
    }
    if let Some(page) = codes::page(name) {
        app::print(page);
        return Ok(());
    }
    if path.is_empty() && aws_type::has_part(name) {
        return aws_type::explain(name);
    }
    Err(unknown(name, &kinds))
}

/// Everything that can be explained.
fn list() -> String {
    let mut text = String::from("Built-in plugins (uses = \"…\"):\n");
    for (name, what) in plugins::all() {
        text += &format!("  {name:14} {what}\n");
    }
    text += "\nKinds of resources that plugins declare:\n";
    let whole_words = textwrap::Options::new(96).word_splitter(textwrap::WordSplitter::NoHyphenation);
    let names: Vec<String> = kinds::all().iter().map(|kind| kind.name().to_owned()).collect();
    text += &textwrap::indent(&textwrap::fill(&names.join("  "), &whole_words), "  ");
    text += &format!(
        "\n\nTypes of AWS for the plugin aws: {} of them; llmhost explain AWS::DynamoDB lists those of a service.\n\n\
         llmhost explain nodegroup            a plugin and its options\n\
         llmhost explain nodegroup.taints     an option; parts of it follow after another dot\n\
         llmhost explain ec2.subnet           a kind, and which changes replace it\n\
         llmhost explain AWS::SQS::Queue      a type of AWS\n\
         llmhost explain no-route-out         the code of an error, as messages show it\n",
        aws_types::names().count()
    );
    text
}

fn unknown(name: &str, kinds: &[kinds::Kind]) -> Failure {
    let wanted = name.to_lowercase();
    let first = wanted.split('.').next().unwrap_or_default();
    let plugins = plugins::all().map(|(plugin, _)| (plugin, first));
    let kinds = kinds.iter().map(|kind| (kind.name(), wanted.as_str()));
    let codes = codes::all().map(|code| (code, wanted.as_str()));
    let help = match likest(plugins.chain(kinds).chain(codes)) {
        Some(known) => format!("Did you mean {known}? llmhost explain lists all of them."),
        None => "llmhost explain lists all of them.".to_owned(),
    };
    Failure::usage(format!("no plugin, kind, AWS type or error code has the name '{name}'"), help)
}

/// The nearest of some names to one that is not known.
fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    likest(names.map(|name| (name, wanted)))
}

/// The name that is most like what it is compared with, where one is near enough.
fn likest<'a, 'w>(pairs: impl Iterator<Item = (&'a str, &'w str)>) -> Option<&'a str> {
    pairs
        .map(|(name, wanted)| (strsim::jaro_winkler(name, wanted), name))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}
