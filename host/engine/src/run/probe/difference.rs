//! The differences between two runs of a plugin, and their words.

use std::fmt;

use indexmap::IndexMap;
use serde_json::Value;

use super::session::Seen;
use crate::crash::Crash;
use crate::names::ResourceAddress;
use crate::plan::{FieldChange, departing, departing_outputs};
use crate::plugin::PluginError;
use crate::run::decide::Known;
use crate::unknown::{self, Source};

/// A step that would do something else once a value is known.
#[derive(Debug, Clone)]
pub struct DecidesByUnknown {
    /// The value that decides, in words; where no single one does, all that the step was given.
    pub unknown: Vec<String>,
    /// What the step does otherwise.
    pub differences: Vec<Difference>,
}

/// Something that a plugin does otherwise once a value is known.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Difference {
    /// It declares a resource that the plan lacks.
    Declares(ResourceAddress),
    /// It does not declare a resource of the plan.
    Omits(ResourceAddress),
    /// It declares a resource otherwise.
    Spec {
        /// The resource.
        address: ResourceAddress,
        /// Planned values, and those of the second run.
        changes: Vec<FieldChange>,
    },
    /// A resource depends on others.
    Dependencies {
        /// The resource.
        address: ResourceAddress,
        /// Those of the plan that it no longer depends on.
        lost: Vec<ResourceAddress>,
        /// Those that it depends on besides.
        gained: Vec<ResourceAddress>,
    },
    /// It returns other outputs.
    Outputs(Vec<FieldChange>),
    /// A declaration is refused.
    Refused(String),
    /// The plugin fails.
    Fails(PluginError),
}

impl Difference {
    /// Whether it says no more than that something did not work.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Fails(_))
    }
}

/// Everything in which the second run of a plugin departs from what was planned.
pub(super) fn differences(
    planned: &IndexMap<ResourceAddress, Known>,
    outputs: &Value,
    seen: Seen,
    result: Result<Value, PluginError>,
) -> Vec<Difference> {
    let Seen { declared, refused } = seen;
    let mut found: Vec<Difference> = Vec::new();
    for (address, now) in &declared {
        let Some(Known { planned, .. }) = planned.get(address) else {
            found.push(Difference::Declares(address.clone()));
            continue;
        };
        if !unknown::matches(&planned.spec, &now.spec) {
            let changes = departing(&planned.spec, &now.spec);
            found.push(Difference::Spec { address: address.clone(), changes });
            continue;
        }
        // A token makes a dependency by itself, whatever the value is then.
        let mut by_token = Vec::new();
        unknown::each_token(&planned.spec, &mut |source| {
            if let Source::Output(address, _) = source {
                by_token.push(address);
            }
        });
        let lost = planned.depends_on.iter().filter(|one| !now.depends_on.contains(one) && !by_token.contains(one));
        let gained = now.depends_on.iter().filter(|one| !planned.depends_on.contains(one));
        let (lost, gained): (Vec<_>, Vec<_>) = (lost.cloned().collect(), gained.cloned().collect());
        if !lost.is_empty() || !gained.is_empty() {
            found.push(Difference::Dependencies { address: address.clone(), lost, gained });
        }
    }
    let is_whole = result.is_ok();
    match result {
        Ok(now) => {
            let changes = departing_outputs(outputs, &now);
            found.extend((!changes.is_empty()).then_some(Difference::Outputs(changes)));
        }
        // It passes on why a declaration was refused.
        Err(PluginError::Returned(_)) if !refused.is_empty() => {}
        Err(error) => found.push(Difference::Fails(error)),
    }
    found.extend(refused.into_iter().map(Difference::Refused));
    if is_whole {
        let missing = planned.keys().filter(|address| !declared.contains_key(*address));
        found.extend(missing.cloned().map(Difference::Omits));
    }
    found
}

impl DecidesByUnknown {
    /// What is known of the crash, where the plugin crashes once the value is known.
    pub fn crash(&self) -> Option<&Crash> {
        self.differences.iter().find_map(|difference| match difference {
            Difference::Fails(error) => error.crash(),
            _ => None,
        })
    }
}

/// More would drown what is to be done.
const MOST_SHOWN: usize = 5;

impl fmt::Display for DecidesByUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unknown[..] {
            [one] => write!(f, "the plugin looks into a value that is not known while planning: {one}. ")?,
            some => {
                let (shown, rest) = some.split_at(some.len().min(MOST_SHOWN));
                write!(f, "the plugin looks into values that are not known while planning: {}", shown.join(", "))?;
                match rest.len() {
                    0 => f.write_str(". ")?,
                    more => write!(f, " and {more} more. ")?,
                }
            }
        }
        let is_failure = self.differences.iter().all(Difference::is_failure);
        f.write_str(match (is_failure, self.unknown.len()) {
            (true, 1) => "It fails when the value is known:",
            (true, _) => "It fails when they are known:",
            (false, 1) => "It behaves differently when the value is known:",
            (false, _) => "It behaves differently when they are known:",
        })?;
        self.differences.iter().take(MOST_SHOWN).try_for_each(|difference| write!(f, "\n{difference}"))?;
        match self.differences.len().saturating_sub(MOST_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declares(address) => write!(f, "it declares {address}, which is not in the plan"),
            Self::Omits(address) => write!(f, "it does not declare {address}, which is in the plan"),
            Self::Spec { address, changes } => write!(f, "{address}: {}", fields(changes)),
            Self::Dependencies { address, lost, gained } => {
                write!(f, "{address}:")?;
                lost.iter().try_for_each(|one| write!(f, " it no longer depends on {one};"))?;
                gained.iter().try_for_each(|one| write!(f, " it depends on {one};"))?;
                f.write_str(" the plan says otherwise")
            }
            Self::Outputs(changes) => write!(f, "outputs: {}", fields(changes)),
            Self::Refused(reason) => f.write_str(reason),
            Self::Fails(error) => write!(f, "{error}"),
        }
    }
}

/// `cidr: planned "10.0.0.0/16", then "10.1.0.0/16"`.
pub(in crate::run) fn fields(changes: &[FieldChange]) -> String {
    let words = |change: &FieldChange| {
        let path = if change.path.is_empty() { "all of it" } else { &change.path };
        match (&change.old, &change.new) {
            (Some(old), Some(new)) => format!("{path}: planned {}, then {}", short(old), short(new)),
            (Some(old), None) => format!("{path}: planned {}, then nothing", short(old)),
            (None, Some(new)) => format!("{path}: not planned, then {}", short(new)),
            (None, None) => path.to_owned(),
        }
    };
    let mut all: Vec<_> = changes.iter().take(MOST_SHOWN).map(words).collect();
    if changes.len() > MOST_SHOWN {
        all.push(format!("and {} more", changes.len() - MOST_SHOWN));
    }
    all.join("; ")
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(160) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
