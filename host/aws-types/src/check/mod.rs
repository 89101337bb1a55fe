//! Whether properties are what a type takes.
//!
//! Cloud Control holds them to the type's schema as it is: it takes no text for a number and no number
//! for a text, other than templates of CloudFormation. So does this check.

mod problem;
mod values;
pub(crate) mod words;

use serde_json::{Map, Value};

pub use problem::{Problem, Rule};

use crate::model::{self, Choice, Property, Shape, Type};
use crate::suggest;

impl Type {
    /// Everything that is wrong with these properties. A text for which `is_open` holds is not known
    /// yet, and may stand for a value of any type: it counts as there, and nothing else is asked of it.
    #[must_use]
    pub fn check(&self, properties: &Value, is_open: &dyn Fn(&str) -> bool) -> Vec<Problem> {
        let mut checker =
            Checker { of: self, is_open, pointer: String::new(), path: String::new(), problems: Vec::new() };
        match properties {
            Value::Object(given) => {
                let wanted = Wanted { properties: &self.properties, choices: &self.choices, is_open: false };
                checker.object(&wanted, given);
            }
            Value::String(text) if is_open(text) => {}
            other => checker.wrong_type("an object", "Write an object with the properties of the type.", other),
        }
        checker.problems
    }
}

/// What an object is held to.
struct Wanted<'a> {
    properties: &'a [Property],
    choices: &'a [Choice],
    /// Whether it may have properties that are not known.
    is_open: bool,
}

struct Checker<'a> {
    of: &'a Type,
    is_open: &'a dyn Fn(&str) -> bool,
    pointer: String,
    /// The pointer with `*` for every place in a list, as the type's paths have it.
    path: String,
    problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    fn problem(&mut self, rule: Rule, message: String, help: String) {
        self.problems.push(Problem { pointer: self.pointer.clone(), rule, message, help });
    }

    /// Does something at a part of the value.
    fn within(&mut self, part: &str, path: &str, check: impl FnOnce(&mut Self)) {
        let lengths = (self.pointer.len(), self.path.len());
        self.pointer.push('/');
        if part.contains(['~', '/']) {
            self.pointer.push_str(&crate::pointer::escaped(part));
        } else {
            self.pointer.push_str(part);
        }
        self.path.push('/');
        self.path.push_str(path);
        check(self);
        self.pointer.truncate(lengths.0);
        self.path.truncate(lengths.1);
    }

    /// What the place is called in a message: `Code.ZipFile`, or the type at the top.
    fn here(&self) -> String {
        words::place(&self.pointer).map_or_else(|| self.of.name.to_owned(), |place| format!("'{place}'"))
    }

    fn object(&mut self, wanted: &Wanted<'a>, given: &Map<String, Value>) {
        for (name, value) in given {
            match model::find(wanted.properties, name) {
                Some(property) => self.within(name, name, |checker| checker.property(property, value)),
                None if wanted.is_open => {}
                None => self.unknown(wanted, name, given),
            }
        }
        for property in wanted.properties {
            if property.required && !given.contains_key(property.name) && !self.is_read_only(property.name) {
                let message = format!("{} requires the property '{}'.", self.here(), property.name);
                let help = format!("Add '{}': {}.", property.name, words::wanted(self.of, &property.shape));
                self.problem(Rule::Missing, message, help);
            }
        }
        for choice in wanted.choices {
            let stated = |names: &Vec<&str>| names.iter().all(|name| given.contains_key(*name));
            if !choice.iter().any(stated) {
                let sets: Vec<String> = choice.iter().map(|names| words::all_of(names)).collect();
                let message = format!("{} requires {}.", self.here(), words::either(&sets));
                self.problem(Rule::OneOf, message, "Add one of them.".to_owned());
            }
        }
    }

    fn is_read_only(&self, name: &str) -> bool {
        let under = |path: &&str| path.strip_prefix(&self.path).and_then(|rest| rest.strip_prefix('/')) == Some(name);
        !self.of.read_only.is_empty() && self.of.read_only.iter().any(under)
    }

    fn property(&mut self, property: &'a Property, value: &Value) {
        if !self.of.read_only.is_empty() && self.of.read_only.contains(&self.path.as_str()) {
            self.set_by_aws();
        } else {
            self.value(&property.shape, value);
        }
    }

    fn set_by_aws(&mut self) {
        let message = format!("{} is read-only: AWS sets it.", self.here());
        let help = "Remove it. You can read it when the resource exists.".to_owned();
        self.problem(Rule::ReadOnly, message, help);
    }

    fn unknown(&mut self, wanted: &Wanted<'a>, name: &str, given: &Map<String, Value>) {
        let is_attribute = |own: &(&str, Shape)| own.0.split('.').next() == Some(name);
        if self.pointer.is_empty() && self.of.attributes.iter().any(is_attribute) {
            self.within(name, name, Self::set_by_aws);
            return;
        }
        let message = format!("{} has no property '{name}'.", self.here());
        let free = wanted.properties.iter().map(|property| property.name).filter(|name| !given.contains_key(*name));
        let help = match suggest::nearest(name, free) {
            Some(meant) => format!("Did you mean '{meant}'?"),
            None => format!("Remove it. {}", words::names(wanted.properties)),
        };
        self.within(name, name, |checker| checker.problem(Rule::Unknown, message, help));
    }

    fn value(&mut self, shape: &'a Shape, value: &Value) {
        match (shape, value) {
            (_, Value::String(text)) if (self.is_open)(text) => {}
            (Shape::Text(rule), Value::String(text)) => self.text(rule, text),
            (Shape::Integer(rule), Value::Number(number)) if is_whole(number) => self.number(rule, number),
            (Shape::Number(rule), Value::Number(number)) => self.number(rule, number),
            (Shape::Boolean, Value::Bool(_)) => {}
            (Shape::Json(rule), value) if words::is_json(*rule, value) => {}
            (Shape::List(list), Value::Array(all)) => {
                self.items(list, all);
                for (place, element) in all.iter().enumerate() {
                    self.within(&place.to_string(), "*", |checker| checker.value(&list.element, element));
                }
            }
            (Shape::Map(element), Value::Object(all)) => {
                for (key, value) in all {
                    self.within(key, "*", |checker| checker.value(element, value));
                }
            }
            (Shape::Object(index), Value::Object(given)) => {
                let Some(definition) = self.of.definition(*index) else { return };
                let wanted = Wanted {
                    properties: &definition.properties,
                    choices: &definition.choices,
                    is_open: definition.is_open(),
                };
                self.object(&wanted, given);
            }
            (Shape::OneOf(shapes), value) => self.one_of(shapes, value),
            (shape, value) => {
                let help = words::instead(self.of, shape, value);
                self.wrong_type(&words::wanted(self.of, shape), &help, value);
            }
        }
    }

    /// Says what is wrong with the alternative that comes nearest.
    fn one_of(&mut self, shapes: &'a [Shape], value: &Value) {
        let mut best: Option<Vec<Problem>> = None;
        for shape in shapes.iter().filter(|shape| words::is_of(shape, value)) {
            let before = std::mem::take(&mut self.problems);
            self.value(shape, value);
            let found = std::mem::replace(&mut self.problems, before);
            if found.is_empty() {
                return;
            }
            if best.as_ref().is_none_or(|best| found.len() < best.len()) {
                best = Some(found);
            }
        }
        match best {
            Some(found) => self.problems.extend(found),
            None => {
                let mut wanted: Vec<String> = shapes.iter().map(|shape| words::wanted(self.of, shape)).collect();
                wanted.dedup();
                let help = shapes.first().map(|shape| words::instead(self.of, shape, value)).unwrap_or_default();
                self.wrong_type(&words::either(&wanted), &help, value);
            }
        }
    }

    fn wrong_type(&mut self, wanted: &str, help: &str, value: &Value) {
        let message = match words::place(&self.pointer) {
            Some(place) => format!("'{place}' must be {wanted}, but it is {}.", words::found(value)),
            None => {
                format!("The properties of {} must be {wanted}, but they are {}.", self.of.name, words::found(value))
            }
        };
        self.problem(Rule::Type, message, help.to_owned());
    }
}

/// 5 is whole, and so is 5.0.
fn is_whole(number: &serde_json::Number) -> bool {
    !number.is_f64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
}
