//! `[providers]`: components that bring kinds of resources of their own.

use std::ops::Range;
use std::path::Path;

use serde_json::Value;

use super::reader::{Item, Key, Problems, Table, entries, table};
use super::schema::{BadSchema, ConfigSchema};
use super::step::{Uses, load_problem, lock_problem};
use super::steps;
use super::targets::WORDS;
use super::template::{Node, Template};
use super::values::{Scope, plain_key};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::lock::PluginChange;
use crate::names::StepName;
use crate::plugin::{Limits, LoadError};

/// The word that grants of a provider's kinds begin with: `resource:dns.record`.
pub(super) const GRANT: &str = "resource";

/// A provider as the file declares it.
#[derive(Debug)]
pub struct Provider {
    /// Its name, the first part of its kinds': `dns` of `dns.record`.
    pub name: StepName,
    /// The component: `./dns.wasm`, `oci://ghcr.io/acme/dns:1.0`.
    pub uses: String,
    /// Grants: `http:https://api.example.com/v1/*`.
    pub allow: Vec<String>,
    /// Limits of its sandbox, for each call.
    pub limits: Limits,
    /// The CAs whose servers it speaks to, in PEM, in place of the system's. Whether they can be used is not looked at yet.
    pub ca: Option<String>,
    with: Template,
    name_span: Range<usize>,
    uses_span: Range<usize>,
    allow_spans: Vec<Range<usize>>,
    ca_span: Option<Range<usize>>,
}

/// Files with certificates are smaller.
const MOST_CA_BYTES: u64 = 1 << 20;

impl Provider {
    /// Its `with` table: variables and the environment in place, secrets as handles.
    pub fn config(&self) -> Value {
        self.with.outline()
    }

    /// Checks its `with` table against its schema, and gives it with the schema's defaults.
    pub fn checked(&self, schema: &ConfigSchema) -> Result<Value, Vec<Diagnostic>> {
        let config = self.config();
        let problems = schema.check_provider(&self.what(), &self.with, &config);
        if problems.is_empty() { Ok(schema.filled(&config).unwrap_or(config)) } else { Err(problems) }
    }

    /// What it means for the file that its component could not be loaded.
    pub fn load_problem(&self, error: &LoadError) -> Diagnostic {
        if let LoadError::BadCa { reason } = error {
            return Diagnostic {
                code: "bad-ca",
                message: format!("{}: {reason}", self.what()),
                span: self.ca_span.clone(),
                label: "no certificates".to_owned(),
                help: Some(CA_HELP.to_owned()),
            };
        }
        load_problem(&self.used(), error)
    }

    /// What it means for the file that its component is not the one that the lock file pins.
    pub(crate) fn lock_problem(&self, change: &PluginChange, file: &Path) -> Diagnostic {
        lock_problem(&self.used(), change, file)
    }

    /// What a broken schema of its options means for the file.
    pub fn schema_problem(&self, error: &BadSchema) -> Diagnostic {
        let reason = error.to_string();
        self.load_problem(&LoadError::BadDescription { uses: self.uses.clone(), reason, crash: None })
    }

    /// What it means for the file that the provider has a name that the host uses itself.
    pub fn name_problem(&self, kind: &str) -> Diagnostic {
        let name = &self.name;
        Diagnostic {
            code: "bad-name",
            message: format!("a provider cannot be called '{name}': the host has kinds of that name, such as {kind}"),
            span: Some(self.name_span.clone()),
            label: "taken".to_owned(),
            help: Some(format!("give it another name, such as my-{name}")),
        }
    }

    fn what(&self) -> String {
        format!("provider {}", self.name)
    }

    fn used(&self) -> Uses<'_> {
        Uses { uses: &self.uses, allow: &self.allow, uses_span: &self.uses_span, allow_spans: &self.allow_spans }
    }
}

/// Reads `[providers]`. Files are looked for from `base`.
pub(super) fn read(item: Option<Item<'_>>, base: &Path, scope: &Scope<'_>, problems: &mut Problems) -> Vec<Provider> {
    let declared = item.and_then(|item| table("[providers]", item, problems)).map(entries).unwrap_or_default();
    declared.iter().filter_map(|(key, item)| provider(key, item, base, scope, problems)).collect()
}

fn provider(
    key: &Key<'_>,
    item: Item<'_>,
    base: &Path,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Option<Provider> {
    let what = format!("[providers.{}]", key.name);
    let found = table(&what, item, problems)?;
    let known = ["uses", "with", "allow", "limits", "ca", "description"];
    let found = Table::new(&what, key.span.clone(), found, &known, problems);
    found.description(problems);
    let name = name(key, problems);
    let uses = found.need("uses", "\"./dns.wasm\"", problems);
    let uses =
        uses.and_then(|_| found.literal("uses", "write the component here; it cannot come from a variable", problems));
    let with = match found.get("with") {
        Some((_, item)) if table("with", item, problems).is_some() => {
            scope.settled(&found.called("with"), item, problems)
        }
        _ => Template { span: key.span.clone(), node: Node::Table(Vec::new()) },
    };
    let why = "write the grants here; they cannot come from variables";
    let (allow, allow_spans) = found.literals("allow", why, problems).into_iter().unzip();
    let limits = found.get("limits").map(|(key, item)| steps::limits(key, item, problems)).unwrap_or_default();
    let (ca, ca_span) = ca(&found, base, scope, problems).unzip();
    let (uses, uses_span) = uses?;
    if steps::is_pipeline(&uses) {
        problems.add("bad-provider", uses_span.clone(), format!("{uses} is a pipeline"), "not a component");
        problems.help("a provider is a component: ./dns.wasm, oci://… or https://…; a pipeline is a step");
        return None;
    }
    let name_span = key.span.clone();
    Some(Provider { name: name?, uses, allow, limits, ca, with, name_span, uses_span, allow_spans, ca_span })
}

const CA_HELP: &str =
    "give the certificate of the CA in PEM, from -----BEGIN CERTIFICATE----- on, in a file beside this one";

/// The text of the file that `ca` names.
fn ca(found: &Table<'_>, base: &Path, scope: &Scope<'_>, problems: &mut Problems) -> Option<(String, Range<usize>)> {
    let (_, item) = found.get("ca")?;
    let (path, span) = scope.setting(&found.called("ca"), item, problems)?;
    let read = || {
        let file = std::fs::File::open(base.join(&path))?;
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::io::Read::take(file, MOST_CA_BYTES + 1), &mut text)?;
        Ok::<_, std::io::Error>(text)
    };
    match read() {
        Ok(text) if text.len() as u64 <= MOST_CA_BYTES => Some((text, span)),
        Ok(_) => {
            let message = format!("{} has more than {MOST_CA_BYTES} bytes", found.called("ca"));
            problems.add("bad-ca", span, message, "no file of certificates");
            problems.help(CA_HELP);
            None
        }
        Err(error) => {
            let message = format!("cannot read {path}, the {}: {error}", found.called("ca"));
            problems.add("bad-ca", span, message, "cannot be read");
            problems.help(CA_HELP);
            None
        }
    }
}

fn name(key: &Key<'_>, problems: &mut Problems) -> Option<StepName> {
    let before = problems.0.len();
    plain_key(key, "the name of a provider", problems);
    if problems.0.len() > before {
        return None;
    }
    let name = match key.name {
        word if WORDS.contains(&word) || word == "pipeline" => Err(format!("a provider cannot be called '{word}'")),
        name => StepName::single(name).map_err(|error| error.to_string().replacen("step name", "provider name", 1)),
    };
    name.map_err(|error| _ = problems.add("bad-name", key.span.clone(), error, "not a provider's name")).ok()
}

/// What is wrong with the grants of kinds: `known` are the names of all kinds there are.
pub(super) fn unknown_grants(
    allow: &[String],
    spans: &[Range<usize>],
    providers: &[Provider],
    known: &[&str],
) -> Vec<Diagnostic> {
    let of_providers: Vec<&str> = known
        .iter()
        .copied()
        .filter(|kind| kind.split_once('.').is_some_and(|(of, _)| providers.iter().any(|one| one.name.as_str() == of)))
        .collect();
    let names = || providers.iter().map(|one| one.name.as_str());
    let grants = allow.iter().zip(spans);
    let granted = grants.filter_map(|(grant, span)| Some((grant, grant.strip_prefix(GRANT)?.strip_prefix(':')?, span)));
    let bad = granted.filter(|(_, kind, _)| !of_providers.contains(kind) && !names().any(|name| name == *kind));
    bad.map(|(grant, kind, span)| Diagnostic {
        code: "unknown-grant",
        message: format!("'{grant}' grants nothing: no provider of this file has such a kind"),
        span: Some(span.clone()),
        label: "grants nothing".to_owned(),
        help: Some(match did_you_mean(kind, of_providers.iter().copied().chain(names())) {
            Some(near) => format!("did you mean '{GRANT}:{near}'?"),
            None if providers.is_empty() => "declare the provider: [providers.NAME] with uses = \"…\"".to_owned(),
            None => format!("kinds of providers are {}", of_providers.join(", ")),
        }),
    })
    .collect()
}
