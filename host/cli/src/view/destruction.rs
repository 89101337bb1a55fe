//! What deletions take along, and what they leave, in words.

use std::fmt::Write;

use indexmap::IndexMap;
use llmhost_engine::byproduct::Byproduct;
use llmhost_engine::kind::OpError;
use llmhost_engine::names::{ResourceAddress, StepName};
use llmhost_engine::plan::{TextStyle, plain};
use llmhost_engine::run::{Destruction, Doomed, Foresight};

use super::{coloured, style};

/// Everything that a destroy would delete, step by step, users before what they use.
pub(crate) fn destruction(found: &Destruction, text: TextStyle) -> String {
    let mut steps: IndexMap<&StepName, Vec<&Doomed>> = IndexMap::new();
    for doomed in &found.resources {
        steps.entry(doomed.address.step()).or_default().push(doomed);
    }
    let mut out = Page { text, out: String::new() };
    for (step, resources) in steps {
        out.line(0, &format!("{0}{step}{0:#}", style::NAME));
        for doomed in resources {
            out.doomed(doomed, &found.foresight);
        }
        out.line(0, "");
    }
    out.line(0, &sum_up(found));
    out.finish()
}

/// What the deletions and replacements of a plan would meet.
pub(crate) fn foresight(found: &Foresight, text: TextStyle) -> String {
    let mut addresses: Vec<&ResourceAddress> = found.byproducts.iter().map(|(address, _)| address).collect();
    for list in [&found.refusals, &found.protected, &found.unseen] {
        addresses.extend(list.iter().map(|(address, _)| address));
    }
    addresses.sort();
    addresses.dedup();
    let mut out = Page { text, out: String::new() };
    out.line(0, "Before you delete:");
    for address in addresses {
        out.line(2, &format!("{0}- {address}{0:#}", style::BAD));
        out.met(address, found);
    }
    out.finish()
}

/// What was left on purpose.
pub(crate) fn kept(kept: &[(ResourceAddress, Byproduct)]) -> String {
    let warn = style::WARN;
    let mut text = String::new();
    for (address, byproduct) in kept {
        let why = byproduct.kept.as_deref().unwrap_or_default();
        let _ = writeln!(text, "{warn}kept{warn:#}: {}, made by {address}: {}", name(byproduct), plain(why));
    }
    text
}

/// `volume vol-1 (20 GiB)`
pub(super) fn name(byproduct: &Byproduct) -> String {
    let id = plain(&byproduct.id);
    match byproduct.note.as_str() {
        "" => format!("{} {id}", byproduct.what),
        note => format!("{} {id} ({})", byproduct.what, plain(note)),
    }
}

fn sum_up(found: &Destruction) -> String {
    let bold = style::NAME;
    let (kept, swept): (Vec<_>, Vec<_>) =
        found.foresight.byproducts.iter().partition(|(_, byproduct)| byproduct.kept.is_some());
    let mut text = format!("{bold}Destroy:{bold:#} {} to delete", found.resources.len());
    if !swept.is_empty() {
        let _ = write!(text, ", and {} that they created themselves", swept.len());
    }
    match kept.len() + found.foresight.refusals.len() {
        0 => {}
        1 => text.push_str("; 1 stays"),
        many => {
            let _ = write!(text, "; {many} stay");
        }
    }
    text + "."
}

struct Page {
    text: TextStyle,
    out: String,
}

impl Page {
    fn line(&mut self, indent: usize, line: &str) {
        self.out.push_str(&" ".repeat(indent));
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn finish(self) -> String {
        coloured(self.out, self.text)
    }

    fn doomed(&mut self, doomed: &Doomed, foresight: &Foresight) {
        let (bad, faint) = (style::BAD, style::FAINT);
        let ids = match doomed.ids.as_slice() {
            [] => "may exist; llmhost searches for it first".to_owned(),
            ids => ids.iter().map(|id| plain(id).into_owned()).collect::<Vec<_>>().join(", "),
        };
        let address = &doomed.address;
        let kind = plain(address.kind()).into_owned();
        self.line(2, &format!("{bad}- {kind}/{}{bad:#} {faint}{ids}{faint:#}", address.name()));
        self.met(address, foresight);
    }

    /// What the deletion of one resource meets.
    fn met(&mut self, address: &ResourceAddress, found: &Foresight) {
        let (bad, warn, faint) = (style::BAD, style::WARN, style::FAINT);
        for (_, byproduct) in found.byproducts.iter().filter(|(of, _)| of == address) {
            match &byproduct.kept {
                None => self.line(6, &format!("{bad}-{bad:#} also deletes {}", name(byproduct))),
                Some(why) => {
                    self.line(6, &format!("{warn}!{warn:#} keeps {}: {}", name(byproduct), plain(why)));
                }
            }
        }
        let of = |list: &[(ResourceAddress, OpError)]| -> Vec<OpError> {
            list.iter().filter(|(of, _)| of == address).map(|(_, error)| error.clone()).collect()
        };
        for error in of(&found.refusals).into_iter().chain(of(&found.protected)) {
            self.line(6, &format!("{warn}!{warn:#} kept: {}", plain(&error.message)));
            self.line(8, &format!("{faint}{}{faint:#}", error.advice()));
        }
        for error in of(&found.unseen) {
            let why = plain(&error.to_string()).into_owned();
            self.line(6, &format!("{warn}?{warn:#} resources that it created itself could not be listed: {why}"));
        }
    }
}
