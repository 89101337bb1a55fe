//! A type in words, for a terminal.

use std::collections::HashSet;

use textwrap::Options;

use crate::check::words;
use crate::handlers::Handlers;
use crate::model::{Property, ReplacementOrder, Replaces, Shape, TagForm, TextRule, Type};

/// The width that the text keeps to.
const WIDTH: usize = 100;
/// Where what is said of a property begins.
const COLUMN: usize = 36;
/// More values than these are counted.
const VALUES: usize = 24;

impl Type {
    /// Properties with what they take, attributes, identifier, permissions: a text of at most 100 columns, but for
    /// names and patterns that are longer.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = Text { of: self, out: format!("{}\n\n", self.name), told: HashSet::new() };
        text.facts();
        text.out.push_str("Properties (* required)\n");
        text.properties(&self.properties, 1, "");
        text.choices(&self.choices, 1);
        text.attributes();
        text.permissions();
        text.out
    }
}

struct Text<'a> {
    of: &'a Type,
    out: String,
    /// Definitions whose properties stand above.
    told: HashSet<usize>,
}

impl Text<'_> {
    fn facts(&mut self) {
        let of = self.of;
        if !of.identifier.is_empty() {
            self.fact("Identifier", &of.identifier.join(", "));
        }
        if let Some(arn) = of.arn {
            self.fact("ARN", arn);
        }
        if let Some(tags) = &of.tags {
            let form = match tags.form {
                TagForm::List => "a list of Key and Value",
                TagForm::ListThatPropagates => "a list of Key, Value and PropagateAtLaunch",
                TagForm::Map => "a map",
            };
            self.fact("Tags", &format!("{}, {form}", tags.property));
        }
        match of.order {
            Some(ReplacementOrder::CreateThenDelete) => self.fact("Replacement", "the new one is created first"),
            Some(ReplacementOrder::DeleteThenCreate) => self.fact("Replacement", "the old one is deleted first"),
            None => {}
        }
        match of.sunset {
            Some("") => self.fact("Support", "AWS ends the support of this type"),
            Some(day) => self.fact("Support", &format!("AWS ends the support of this type on {day}")),
            None => {}
        }
        if of.handlers == Handlers::None {
            self.fact("Support", "Cloud Control cannot create this type");
        }
        if let Some(transform) = of.transform {
            self.fact("Transform", &format!("{transform}; Cloud Control does not have this type"));
        }
        if !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    fn fact(&mut self, name: &str, value: &str) {
        self.line(&format!("{name:<12} "), value, 13);
    }

    /// The first words, then the rest in a column of its own.
    fn line(&mut self, first: &str, rest: &str, column: usize) {
        let indent = " ".repeat(column);
        let start = format!("{first:<column$}");
        let (start, rest) = if start.len() > column && !rest.is_empty() {
            self.out.push_str(&format!("{}\n", start.trim_end()));
            (indent.clone(), rest)
        } else {
            (start, rest)
        };
        let options = Options::new(WIDTH).initial_indent(&start).subsequent_indent(&indent).break_words(false);
        self.out.push_str(textwrap::fill(rest, options).trim_end());
        self.out.push('\n');
    }

    fn properties(&mut self, properties: &[Property], depth: usize, path: &str) {
        for property in properties {
            let path = format!("{path}/{}", property.name);
            if self.of.read_only.contains(&path.as_str()) {
                continue;
            }
            let star = if property.required { " *" } else { "" };
            let first = format!("{}{}{star} ", "  ".repeat(depth), property.name);
            let mut facts = vec![self.shape(&property.shape)];
            match property.replaces {
                Replaces::Yes => facts.push("replaces".to_owned()),
                Replaces::Maybe => facts.push("may replace".to_owned()),
                Replaces::No => {}
            }
            if self.of.write_only.contains(&path.as_str()) {
                facts.push("write-only".to_owned());
            }
            if property.deprecated {
                facts.push("deprecated".to_owned());
            }
            let references: Vec<String> = property
                .references
                .iter()
                .map(|reference| format!("{}.{}", reference.type_name, reference.attribute))
                .collect();
            if !references.is_empty() {
                facts.push(format!("from {}", words::either(&references)));
            }
            let object = object(&property.shape);
            let told = object.filter(|object| self.told.contains(object) && self.has_properties(*object));
            if told.is_some() {
                facts.push("as above".to_owned());
            }
            self.line(&first, &facts.join("; "), COLUMN.max(2 * depth + 20));
            if let Some((index, definition)) = object.and_then(|index| Some((index, self.of.definition(index)?)))
                && self.told.insert(index)
            {
                let stars = stars(&property.shape);
                self.properties(&definition.properties, depth + 1, &format!("{path}{stars}"));
                self.choices(&definition.choices, depth + 1);
            }
        }
    }

    fn has_properties(&self, object: usize) -> bool {
        self.of.definition(object).is_some_and(|definition| !definition.is_open())
    }

    fn choices(&mut self, choices: &[crate::model::Choice], depth: usize) {
        for choice in choices {
            let sets: Vec<String> = choice.iter().map(|names| names.join(" and ")).collect();
            let first = "  ".repeat(depth);
            self.line(&first, &format!("One of these is required: {}.", sets.join("; ")), first.len());
        }
    }

    fn attributes(&mut self) {
        if self.of.attributes.is_empty() {
            return;
        }
        self.out.push_str("\nAttributes\n");
        let longest = self.of.attributes.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, shape) in &self.of.attributes {
            let shape = self.shape(shape);
            self.line(&format!("  {name} "), &shape, (longest + 4).clamp(COLUMN, 70));
        }
    }

    fn permissions(&mut self) {
        let of = self.of;
        let Handlers::Known(known) = &of.handlers else { return };
        self.out.push_str("\nPermissions (IAM actions that Cloud Control needs)\n");
        for (operation, actions) in known {
            let actions = if actions.is_empty() { "none".to_owned() } else { actions.join(", ") };
            self.line(&format!("  {} ", operation.name()), &actions, 10);
        }
    }

    fn shape(&self, shape: &Shape) -> String {
        match shape {
            Shape::Text(rule) => text(rule),
            Shape::Integer(rule) | Shape::Number(rule) => {
                let kind = if matches!(shape, Shape::Integer(_)) { "integer" } else { "number" };
                let allowed: Vec<String> = rule.allowed.iter().map(i64::to_string).collect();
                match (allowed.is_empty(), rule.minimum, rule.maximum) {
                    (false, ..) => format!("{kind}: {}", allowed.join(", ")),
                    (_, Some(least), Some(most)) => format!("{kind} ({least} to {most})"),
                    (_, Some(least), None) => format!("{kind} (at least {least})"),
                    (_, None, Some(most)) => format!("{kind} (at most {most})"),
                    _ => kind.to_owned(),
                }
            }
            Shape::Boolean => "true or false".to_owned(),
            Shape::Json(_) => words::wanted(self.of, shape).trim_start_matches("a ").to_owned(),
            Shape::List(list) => {
                let kind = if list.ordered { "list" } else { "set" };
                let of = format!("{kind} of {}", self.shape(&list.element));
                match (list.min_items, list.max_items) {
                    (None, None) => of,
                    (least, most) => format!("{of}; {}", words::limits(least, most, "element")),
                }
            }
            Shape::Map(element) => format!("map of {}", self.shape(element)),
            Shape::Object(index) => {
                self.of.definition(*index).map_or_else(String::new, |definition| definition.name.to_owned())
            }
            Shape::OneOf(shapes) => {
                let all: Vec<String> = shapes.iter().map(|shape| self.shape(shape)).collect();
                words::either(&all)
            }
        }
    }
}

fn text(rule: &TextRule) -> String {
    if rule.allowed.len() > VALUES {
        let first = rule.allowed.get(..VALUES).unwrap_or_default().join(", ");
        return format!("string: {first} and {} more", rule.allowed.len() - VALUES);
    }
    if !rule.allowed.is_empty() {
        return format!("string: {}", rule.allowed.join(", "));
    }
    match (rule.min_length, rule.max_length) {
        (None, None) => "string".to_owned(),
        (Some(least), Some(most)) if least < most => format!("string ({least} to {most} characters)"),
        (least, most) => format!("string ({})", words::limits(least, most, "character")),
    }
}

/// The object that a shape is made of.
fn object(shape: &Shape) -> Option<usize> {
    match shape {
        Shape::Object(index) => Some(*index),
        Shape::List(list) => object(&list.element),
        Shape::Map(element) => object(element),
        Shape::OneOf(shapes) => shapes.iter().find_map(object),
        _ => None,
    }
}

/// The parts of a path that lead to that object.
fn stars(shape: &Shape) -> String {
    match shape {
        Shape::List(list) => format!("/*{}", stars(&list.element)),
        Shape::Map(element) => format!("/*{}", stars(element)),
        _ => String::new(),
    }
}
