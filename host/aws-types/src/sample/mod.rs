//! Made-up properties and attributes of the right form: for plans of resources that are not there, and
//! for examples.

mod pattern;
mod policy;
mod texts;

use serde_json::{Map, Value, json};

use crate::model::{Choice, NumberRule, Property, Shape, TextRule, Type};

/// Deeper than this, nothing is made that is not required.
const DEPTH: usize = 8;

impl Type {
    /// A smallest set of properties that passes [`Type::check`]. It is the same every time.
    #[must_use]
    pub fn sample(&self) -> Value {
        let sampler = Sampler { of: self };
        Value::Object(sampler.object("", &self.properties, &self.choices, 0, 0))
    }

    /// A made-up value of an attribute, or of a property that is part of the identifier.
    #[must_use]
    pub fn sample_attribute(&self, name: &str) -> Option<Value> {
        let sampler = Sampler { of: self };
        if let Ok(place) = self.attributes.binary_search_by(|(own, _)| (*own).cmp(name)) {
            let (_, shape) = self.attributes.get(place)?;
            if let (Some(template), true, Shape::Text(rule)) = (self.arn, names_arn(self, name), shape) {
                let arn = texts::arn(template);
                if rule.broken(&arn).is_none() {
                    return Some(arn.into());
                }
            }
            let last = name.rsplit('.').next().unwrap_or(name);
            // `Id` of AWS::EC2::VPC is a VpcId.
            let last = if last == "Id" { format!("{}Id", short(self.name)) } else { last.to_owned() };
            return Some(sampler.value("", &last, shape, 0, 0));
        }
        let property = self.property(name)?;
        Some(sampler.value("", name, &property.shape, 0, 0))
    }
}

/// `VPC` of `AWS::EC2::VPC`.
fn short(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name)
}

/// `Arn` and `TableArn` of a table, not its `StreamArn`.
fn names_arn(of: &Type, name: &str) -> bool {
    let own = name.strip_suffix("Arn").or_else(|| name.strip_suffix("ARN"));
    own.is_some_and(|own| own.is_empty() || own == short(of.name))
}

/// A text that keeps the rule, if one is found. Each variant gives another one where it can.
pub(crate) fn text(rule: &TextRule, name: &str, variant: usize) -> Option<String> {
    if !rule.allowed.is_empty() {
        return rule.allowed.get(variant % rule.allowed.len()).map(|value| (*value).to_owned());
    }
    texts::text(rule, name, variant)
}

struct Sampler<'a> {
    of: &'a Type,
}

impl Sampler<'_> {
    fn object(
        &self,
        path: &str,
        properties: &[Property],
        choices: &[Choice],
        depth: usize,
        variant: usize,
    ) -> Map<String, Value> {
        let mut made = Map::new();
        let mut add = |property: &Property| {
            let path = format!("{path}/{}", property.name);
            if !self.of.read_only.contains(&path.as_str()) && !made.contains_key(property.name) {
                made.insert(property.name.to_owned(), self.property(&path, property, depth, variant));
            }
        };
        properties.iter().filter(|property| property.required).for_each(&mut add);
        for choice in choices {
            let has = |name: &str| crate::model::find(properties, name).is_some_and(|property| property.required);
            let Some(first) = choice.first() else { continue };
            if !choice.iter().any(|names| names.iter().all(|name| has(name))) {
                first.iter().filter_map(|name| crate::model::find(properties, name)).for_each(&mut add);
            }
        }
        made
    }

    /// Gives objects that are the same another property each: nothing of them is required.
    fn tell_apart(&self, element: &Shape, all: &mut [Value]) {
        let Shape::Object(index) = element else { return };
        let Some(definition) = self.of.definition(*index) else { return };
        let mut free = definition.properties.iter().filter(|property| !property.required);
        for place in 1..all.len() {
            let (before, rest) = all.split_at_mut(place);
            if let Some(one) = rest.first_mut()
                && before.contains(one)
                && let (Some(one), Some(property)) = (one.as_object_mut(), free.next())
            {
                let value = self.value("", property.name, &property.shape, DEPTH, place);
                one.insert(property.name.to_owned(), value);
            }
        }
    }

    fn property(&self, path: &str, property: &Property, depth: usize, variant: usize) -> Value {
        if let (Some(reference), Shape::Text(rule)) = (property.references.first(), &property.shape)
            && let Some(text) = referred(reference.type_name, reference.attribute)
            && rule.broken(&text).is_none()
        {
            return text.into();
        }
        self.value(path, property.name, &property.shape, depth, variant)
    }

    fn value(&self, path: &str, name: &str, shape: &Shape, depth: usize, variant: usize) -> Value {
        match shape {
            Shape::Text(rule) => text(rule, name, variant).unwrap_or_else(|| "sample".to_owned()).into(),
            Shape::Integer(rule) => (number(rule, name, variant) as i64).into(),
            Shape::Number(rule) => {
                let number = number(rule, name, variant);
                if number.fract() == 0.0 { (number as i64).into() } else { number.into() }
            }
            Shape::Boolean => false.into(),
            Shape::Json(_) => policy::of(name).unwrap_or_else(|| json!({})),
            Shape::List(list) => {
                let least = list.min_items.map_or(0, |least| least as usize);
                let count = if depth < DEPTH { least.max(1) } else { least };
                let path = format!("{path}/*");
                // `SubnetIds` holds a SubnetId each.
                let one = name.strip_suffix('s').unwrap_or(name);
                let element = |place| self.value(&path, one, &list.element, depth + 1, variant + place);
                let mut all: Vec<Value> = (0..count).map(element).collect();
                if list.unique {
                    self.tell_apart(&list.element, &mut all);
                }
                all.into()
            }
            Shape::Map(element) => {
                if depth >= DEPTH {
                    return json!({});
                }
                let path = format!("{path}/*");
                json!({ "sample": self.value(&path, name, element, depth + 1, variant) })
            }
            Shape::Object(index) => match self.of.definition(*index) {
                Some(definition) if depth < 2 * DEPTH => {
                    self.object(path, &definition.properties, &definition.choices, depth + 1, variant).into()
                }
                _ => json!({}),
            },
            // An object before a list before a text: the most exact of what is allowed.
            Shape::OneOf(shapes) => {
                let rank = |shape: &&Shape| match shape {
                    Shape::Object(_) => 0,
                    Shape::List(_) => 1,
                    Shape::Json(_) => 3,
                    _ => 2,
                };
                let shape = shapes.iter().min_by_key(rank);
                shape.map_or(Value::Null, |shape| self.value(path, name, shape, depth, variant))
            }
        }
    }
}

fn number(rule: &NumberRule, name: &str, variant: usize) -> f64 {
    if let Some(allowed) = rule.allowed.get(variant % rule.allowed.len().max(1)) {
        return *allowed as f64;
    }
    let usual = if name.ends_with("Port") { 443.0 } else { 1.0 + variant as f64 };
    usual.max(rule.minimum.unwrap_or(f64::MIN).ceil()).min(rule.maximum.unwrap_or(f64::MAX))
}

/// What another type's attribute looks like.
fn referred(type_name: &str, attribute: &str) -> Option<String> {
    let other = crate::find(type_name)?;
    if names_arn(&other, attribute) {
        return other.arn_template().map(texts::arn);
    }
    None
}
