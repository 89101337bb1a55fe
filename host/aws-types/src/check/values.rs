//! Limits of values.

use serde_json::{Number, Value};

use super::{Checker, Rule, words};
use crate::model::{ListRule, NumberRule, TextRule};
use crate::{sample, suggest};

impl TextRule {
    /// The rule that the text breaks.
    pub(crate) fn broken(&self, text: &str) -> Option<Rule> {
        let same = |allowed: &&str| *allowed == text || (self.any_case && allowed.eq_ignore_ascii_case(text));
        if !self.allowed.is_empty() && !self.allowed.iter().any(same) {
            return Some(Rule::Allowed);
        }
        if self.min_length.is_some() || self.max_length.is_some() {
            let length = text.chars().count();
            let short = self.min_length.is_some_and(|least| length < least as usize);
            if short || self.max_length.is_some_and(|most| length > most as usize) {
                return Some(Rule::Length);
            }
        }
        self.pattern.as_ref().is_some_and(|pattern| !pattern.matches(text)).then_some(Rule::Pattern)
    }
}

impl Checker<'_> {
    pub(super) fn text(&mut self, rule: &TextRule, text: &str) {
        let Some(broken) = rule.broken(text) else { return };
        let here = self.here();
        let found = words::found(&Value::from(text));
        let (message, help) = match broken {
            Rule::Allowed => {
                let help = match suggest::nearest(text, rule.allowed.iter().copied()) {
                    Some(meant) => format!("Did you mean '{meant}'?"),
                    None if rule.allowed.len() > words::MANY => format!("Use {}.", words::some_of(&rule.allowed)),
                    None => "Use one of these values.".to_owned(),
                };
                let allowed = if rule.allowed.len() > words::MANY {
                    format!("one of {} values", rule.allowed.len())
                } else {
                    words::either(&words::quoted(&rule.allowed))
                };
                (format!("{here} must be {allowed}, but it is {found}."), help)
            }
            Rule::Length => {
                let length = text.chars().count();
                let limits = words::limits(rule.min_length, rule.max_length, "character");
                let longer = rule.min_length.is_some_and(|least| length < least as usize);
                let message = format!("{here} must have {limits}, but it has {length}.");
                (message, if longer { "Write a longer string." } else { "Write a shorter string." }.to_owned())
            }
            _ => {
                let pattern = rule.pattern.as_ref().map_or("", |pattern| pattern.as_str());
                let name = self.pointer.rsplit('/').next().unwrap_or_default();
                let help = match sample::text(rule, name, 0) {
                    Some(sample) if sample.len() <= 100 => format!("Write a string such as '{sample}'."),
                    _ => "Write a string that matches it.".to_owned(),
                };
                (format!("{here} must match the pattern {pattern}, but it is {found}."), help)
            }
        };
        self.problem(broken, message, help);
    }

    pub(super) fn number(&mut self, rule: &NumberRule, number: &Number) {
        let here = self.here();
        if !rule.allowed.is_empty() && !number.as_i64().is_some_and(|number| rule.allowed.contains(&number)) {
            let allowed: Vec<String> = rule.allowed.iter().map(i64::to_string).collect();
            let message = format!("{here} must be {}, but it is {number}.", words::either(&allowed));
            return self.problem(Rule::Allowed, message, "Use one of these values.".to_owned());
        }
        let Some(value) = number.as_f64() else { return };
        let (help, limit) = match (rule.minimum, rule.maximum) {
            (Some(least), _) if value < least => ("Use a larger number.", format!("at least {least}")),
            (_, Some(most)) if value > most => ("Use a smaller number.", format!("at most {most}")),
            _ => return,
        };
        self.problem(Rule::Range, format!("{here} must be {limit}, but it is {number}."), help.to_owned());
    }

    pub(super) fn items(&mut self, list: &ListRule, all: &[Value]) {
        let here = self.here();
        let few = list.min_items.is_some_and(|least| all.len() < least as usize);
        let many = list.max_items.is_some_and(|most| all.len() > most as usize);
        if few || many {
            let limits = words::limits(list.min_items, list.max_items, "element");
            let message = format!("{here} must have {limits}, but it has {}.", all.len());
            self.problem(Rule::Items, message, if few { "Add an element." } else { "Remove an element." }.to_owned());
        }
        let is_open = self.is_open;
        let known = |value: &Value| value.as_str().is_none_or(|text| !is_open(text));
        let twice =
            |(place, value): (usize, &Value)| known(value) && all.iter().skip(place + 1).any(|other| other == value);
        if list.unique && all.iter().enumerate().any(twice) {
            let message = format!("{here} has the same element twice.");
            self.problem(Rule::Items, message, "Remove one of them.".to_owned());
        }
    }
}
