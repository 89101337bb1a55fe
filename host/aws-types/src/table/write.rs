//! The bytes of a table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::bytes::{put_number, put_signed};
use super::{MAGIC, VERSION};
use crate::handlers::{Handlers, Operation};
use crate::model::{
    Choice, JsonRule, NumberRule, Property, ReplacementOrder, Replaces, Shape, TagForm, TextRule, Type,
};

/// The bytes of a table of these types.
pub(crate) fn table(source: &str, types: &[Type]) -> Result<Vec<u8>, String> {
    let mut types: Vec<&Type> = types.iter().collect();
    types.sort_by_key(|one| one.name);
    let regions: BTreeSet<&str> = types.iter().flat_map(|one| one.regions.iter().copied()).collect();
    let regions: Vec<&str> = regions.into_iter().collect();
    if regions.len() > 64 {
        return Err(format!("the format holds 64 regions, but there are {}", regions.len()));
    }
    // Counted first, so that what occurs often has a short number.
    let mut counter = Writer { regions: &regions, ..Writer::default() };
    body(&mut counter, source, &types);
    let mut texts: Vec<(&str, usize)> = counter.counts.iter().map(|(text, count)| (text.as_str(), *count)).collect();
    texts.sort_by(|(one, often), (other, rarely)| rarely.cmp(often).then(one.cmp(other)));
    let numbers = texts.iter().enumerate().map(|(number, (text, _))| ((*text).to_owned(), number as u64)).collect();

    let mut rest = Vec::new();
    put_number(&mut rest, texts.len() as u64);
    texts.iter().for_each(|(text, _)| put_number(&mut rest, text.len() as u64));
    texts.iter().for_each(|(text, _)| rest.extend(text.as_bytes()));
    let mut writer = Writer { regions: &regions, numbers, ..Writer::default() };
    rest.extend(body(&mut writer, source, &types));
    let mut out = [MAGIC, &[VERSION]].concat();
    out.extend(crc32fast::hash(&rest).to_le_bytes());
    out.extend(rest);
    Ok(out)
}

fn body(writer: &mut Writer<'_>, source: &str, types: &[&Type]) -> Vec<u8> {
    let blocks: Vec<Vec<u8>> = types
        .iter()
        .map(|one| {
            writer.one_type(one);
            std::mem::take(&mut writer.out)
        })
        .collect();
    writer.text(source);
    writer.list(writer.regions, |writer, region| writer.text(region));
    put_number(&mut writer.out, types.len() as u64);
    for (one, block) in types.iter().zip(&blocks) {
        writer.text(one.name);
        put_number(&mut writer.out, block.len() as u64);
    }
    let mut out = std::mem::take(&mut writer.out);
    out.extend(blocks.concat());
    out
}

#[derive(Default)]
struct Writer<'a> {
    out: Vec<u8>,
    regions: &'a [&'a str],
    counts: BTreeMap<String, usize>,
    numbers: HashMap<String, u64>,
}

impl Writer<'_> {
    fn text(&mut self, text: &str) {
        match self.numbers.get(text) {
            Some(number) => put_number(&mut self.out, *number),
            None => *self.counts.entry(text.to_owned()).or_default() += 1,
        }
    }

    fn texts(&mut self, texts: &[&str]) {
        self.list(texts, |writer, text| writer.text(text));
    }

    fn list<T>(&mut self, all: &[T], mut write: impl FnMut(&mut Self, &T)) {
        put_number(&mut self.out, all.len() as u64);
        all.iter().for_each(|one| write(self, one));
    }

    fn choices(&mut self, choices: &[Choice]) {
        self.list(choices, |writer, choice| writer.list(choice, |writer, all| writer.texts(all)));
    }

    fn one_type(&mut self, one: &Type) {
        let order = |order| one.order == Some(order);
        self.out.push(flags(&[
            one.arn.is_some(),
            one.tags.is_some(),
            order(ReplacementOrder::CreateThenDelete),
            order(ReplacementOrder::DeleteThenCreate),
            one.transform.is_some(),
            one.sunset.is_some(),
            one.stateful,
        ]));
        self.properties(&one.properties);
        self.list(&one.definitions, |writer, definition| {
            writer.text(definition.name);
            writer.properties(&definition.properties);
            writer.choices(&definition.choices);
        });
        self.list(&one.attributes, |writer, (name, shape)| {
            writer.text(name);
            writer.shape(shape);
        });
        self.texts(&one.identifier);
        self.texts(&one.reference);
        one.arn.iter().for_each(|text| self.text(text));
        if let Some(tags) = &one.tags {
            self.text(tags.property);
            self.out.push(match tags.form {
                TagForm::List => 0,
                TagForm::ListThatPropagates => 1,
                TagForm::Map => 2,
            });
        }
        self.texts(&one.read_only);
        self.texts(&one.write_only);
        self.choices(&one.choices);
        one.transform.iter().for_each(|text| self.text(text));
        one.sunset.iter().for_each(|text| self.text(text));
        let places = one.regions.iter().filter_map(|region| self.regions.binary_search(region).ok());
        let mask = places.fold(0u64, |mask, place| mask | 1 << place);
        put_number(&mut self.out, mask);
        self.handlers(&one.handlers);
    }

    fn handlers(&mut self, handlers: &Handlers) {
        match handlers {
            Handlers::Unknown => self.out.push(0),
            Handlers::None => self.out.push(1),
            Handlers::Known(known) => {
                self.out.push(2);
                self.out.push(flags(&Operation::ALL.map(|operation| known.contains_key(&operation))));
                known.values().for_each(|actions| self.texts(actions));
            }
        }
    }

    fn properties(&mut self, properties: &[Property]) {
        self.list(properties, |writer, property| {
            writer.text(property.name);
            writer.out.push(flags(&[
                property.required,
                property.deprecated,
                property.replaces == Replaces::Yes,
                property.replaces == Replaces::Maybe,
                !property.references.is_empty(),
            ]));
            writer.shape(&property.shape);
            if !property.references.is_empty() {
                writer.list(&property.references, |writer, reference| {
                    writer.text(reference.type_name);
                    writer.text(reference.attribute);
                });
            }
        });
    }

    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Text(rule) => {
                self.out.push(0);
                self.text_rule(rule);
            }
            Shape::Integer(rule) => {
                self.out.push(1);
                self.number_rule(rule);
            }
            Shape::Number(rule) => {
                self.out.push(2);
                self.number_rule(rule);
            }
            Shape::Boolean => self.out.push(3),
            Shape::Json(rule) => self.out.extend([
                4,
                match rule {
                    JsonRule::Any => 0,
                    JsonRule::Object => 1,
                    JsonRule::ObjectOrText => 2,
                },
            ]),
            Shape::List(list) => {
                self.out.push(5);
                self.out.push(flags(&[list.ordered, list.unique, list.min_items.is_some(), list.max_items.is_some()]));
                self.sizes([list.min_items, list.max_items]);
                self.shape(&list.element);
            }
            Shape::Map(element) => {
                self.out.push(6);
                self.shape(element);
            }
            Shape::Object(index) => {
                self.out.push(7);
                put_number(&mut self.out, *index as u64);
            }
            Shape::OneOf(shapes) => {
                self.out.push(8);
                self.list(shapes, |writer, shape| writer.shape(shape));
            }
        }
    }

    fn text_rule(&mut self, rule: &TextRule) {
        self.out.push(flags(&[
            !rule.allowed.is_empty(),
            rule.any_case,
            rule.pattern.is_some(),
            rule.min_length.is_some(),
            rule.max_length.is_some(),
            rule.format.is_some(),
        ]));
        if !rule.allowed.is_empty() {
            self.texts(&rule.allowed);
        }
        rule.pattern.iter().for_each(|pattern| self.text(pattern.as_str()));
        self.sizes([rule.min_length, rule.max_length]);
        rule.format.iter().for_each(|format| self.text(format));
    }

    fn number_rule(&mut self, rule: &NumberRule) {
        let whole = |limit: Option<f64>| limit.is_some_and(|limit| limit.fract() == 0.0 && limit.abs() < 1e15);
        self.out.push(flags(&[
            !rule.allowed.is_empty(),
            rule.minimum.is_some(),
            whole(rule.minimum),
            rule.maximum.is_some(),
            whole(rule.maximum),
        ]));
        if !rule.allowed.is_empty() {
            self.list(&rule.allowed, |writer, number| put_signed(&mut writer.out, *number));
        }
        for limit in [rule.minimum, rule.maximum] {
            match limit {
                Some(limit) if whole(Some(limit)) => put_signed(&mut self.out, limit as i64),
                Some(limit) => self.out.extend(limit.to_le_bytes()),
                None => {}
            }
        }
    }

    fn sizes(&mut self, sizes: [Option<u32>; 2]) {
        sizes.into_iter().flatten().for_each(|size| put_number(&mut self.out, size.into()));
    }
}

/// The first in the lowest bit.
fn flags(flags: &[bool]) -> u8 {
    flags.iter().enumerate().fold(0, |byte, (place, flag)| byte | u8::from(*flag) << place)
}
