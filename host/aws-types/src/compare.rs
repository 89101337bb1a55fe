//! What a change does, and which differences are none.

use serde_json::{Map, Value};

use crate::model::{Property, Replaces, Shape, Type};
use crate::pointer::{escaped, unescaped};

impl Type {
    /// The properties whose values differ so that AWS makes another resource, as JSON pointers.
    #[must_use]
    pub fn replaces(&self, old: &Value, new: &Value) -> Vec<String> {
        self.causes(old, new, Replaces::Yes)
    }

    /// The same for properties of which the source says that it depends.
    #[must_use]
    pub fn may_replace(&self, old: &Value, new: &Value) -> Vec<String> {
        self.causes(old, new, Replaces::Maybe)
    }

    /// Whether two sets of properties are the same to AWS: the order in some lists means nothing.
    #[must_use]
    pub fn same(&self, one: &Value, other: &Value) -> bool {
        match (one, other) {
            (Value::Object(one), Value::Object(other)) => self.same_objects(&self.properties, one, other),
            _ => one == other,
        }
    }

    /// The same for one value, by its JSON pointer.
    #[must_use]
    pub fn same_at(&self, pointer: &str, one: &Value, other: &Value) -> bool {
        match self.shape_at(pointer) {
            _ if pointer.is_empty() => self.same(one, other),
            Some(shape) => self.same_values(shape, one, other),
            None => one == other,
        }
    }

    /// Whether another order of the list at a JSON pointer is another value. What is no list is ordered.
    #[must_use]
    pub fn is_ordered(&self, pointer: &str) -> bool {
        self.lists(pointer)
            .is_none_or(|shapes| !shapes.iter().any(|shape| matches!(shape, Shape::List(list) if !list.ordered)))
    }

    /// Whether AWS takes the value at a JSON pointer and never tells it.
    #[must_use]
    pub fn is_write_only(&self, pointer: &str) -> bool {
        self.write_only.iter().any(|path| {
            let mut parts = pointer.split('/');
            path.split('/').all(|wanted| parts.next().is_some_and(|part| wanted == "*" || wanted == part))
        })
    }

    /// What the value at a JSON pointer has to be.
    #[must_use]
    pub fn shape_at(&self, pointer: &str) -> Option<&Shape> {
        let mut parts = pointer.split('/').skip(1);
        let first = parts.next()?;
        let mut shape = &self.property(&unescaped(first))?.shape;
        for part in parts {
            shape = self.part(shape, &unescaped(part))?;
        }
        Some(shape)
    }

    fn part<'a>(&'a self, shape: &'a Shape, name: &str) -> Option<&'a Shape> {
        match shape {
            Shape::List(list) => name.parse::<usize>().is_ok().then_some(&list.element),
            Shape::Map(element) => Some(element),
            Shape::Object(index) => {
                let definition = self.definition(*index)?;
                crate::model::find(&definition.properties, name).map(|property| &property.shape)
            }
            Shape::OneOf(shapes) => shapes.iter().find_map(|shape| self.part(shape, name)),
            _ => None,
        }
    }

    /// The alternatives at a pointer.
    fn lists(&self, pointer: &str) -> Option<Vec<&Shape>> {
        Some(match self.shape_at(pointer)? {
            Shape::OneOf(shapes) => shapes.iter().collect(),
            shape => vec![shape],
        })
    }

    fn same_objects(&self, properties: &[Property], one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
        one.len() == other.len()
            && one.iter().all(|(name, value)| {
                let Some(other) = other.get(name) else { return false };
                match crate::model::find(properties, name) {
                    Some(property) => self.same_values(&property.shape, value, other),
                    None => value == other,
                }
            })
    }

    fn same_values(&self, shape: &Shape, one: &Value, other: &Value) -> bool {
        match (shape, one, other) {
            (Shape::List(list), Value::Array(one), Value::Array(other)) => {
                if one.len() != other.len() {
                    return false;
                }
                let same = |(one, other): (&Value, &Value)| self.same_values(&list.element, one, other);
                if list.ordered {
                    one.iter().zip(other).all(same)
                } else {
                    self.rest(&list.element, one, other).is_empty()
                }
            }
            (Shape::Map(element), Value::Object(one), Value::Object(other)) => {
                let same = |(name, value): (&String, &Value)| {
                    other.get(name).is_some_and(|other| self.same_values(element, value, other))
                };
                one.len() == other.len() && one.iter().all(same)
            }
            (Shape::Object(index), Value::Object(one), Value::Object(other)) => match self.definition(*index) {
                Some(definition) => self.same_objects(&definition.properties, one, other),
                None => one == other,
            },
            (Shape::OneOf(shapes), one, other) => shapes.iter().any(|shape| self.same_values(shape, one, other)),
            // 5 and 5.0 are one number.
            (_, Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
            _ => one == other,
        }
    }

    /// Of the first list, the places whose elements the second one does not have.
    fn rest(&self, element: &Shape, one: &[Value], other: &[Value]) -> Vec<usize> {
        let mut left: Vec<&Value> = other.iter().collect();
        let mut rest = Vec::new();
        for (place, value) in one.iter().enumerate() {
            match left.iter().position(|other| self.same_values(element, value, other)) {
                Some(found) => drop(left.swap_remove(found)),
                None => rest.push(place),
            }
        }
        rest
    }

    fn causes(&self, old: &Value, new: &Value, wanted: Replaces) -> Vec<String> {
        let mut causes = Causes { of: self, wanted, found: Vec::new() };
        causes.object("", &self.properties, old.as_object(), new.as_object());
        causes.found
    }
}

struct Causes<'a> {
    of: &'a Type,
    wanted: Replaces,
    found: Vec<String>,
}

impl Causes<'_> {
    fn object(
        &mut self,
        pointer: &str,
        properties: &[Property],
        old: Option<&Map<String, Value>>,
        new: Option<&Map<String, Value>>,
    ) {
        for property in properties {
            let [old, new] = [old, new].map(|all| all.and_then(|all| all.get(property.name)));
            let same = match (old, new) {
                (Some(old), Some(new)) => self.of.same_values(&property.shape, old, new),
                (None, None) => true,
                _ => false,
            };
            if same {
                continue;
            }
            let pointer = format!("{pointer}/{}", property.name);
            if property.replaces == self.wanted {
                self.found.push(pointer);
            } else if property.replaces != Replaces::Yes {
                // A part that can be stated only at the creation can neither come nor go later.
                self.value(&pointer, &property.shape, old, new);
            }
        }
    }

    fn value(&mut self, pointer: &str, shape: &Shape, old: Option<&Value>, new: Option<&Value>) {
        match shape {
            Shape::Object(index) => {
                let Some(definition) = self.of.definition(*index) else { return };
                let [old, new] = [old, new].map(|value| value.and_then(Value::as_object));
                if old.is_some() || new.is_some() {
                    self.object(pointer, &definition.properties, old, new);
                }
            }
            Shape::List(list) => self.list(pointer, &list.element, list.ordered, old, new),
            Shape::Map(element) => {
                let [old, new] = [old, new].map(|value| value.and_then(Value::as_object));
                let mut keys: Vec<&String> = [old, new].into_iter().flatten().flat_map(Map::keys).collect();
                keys.sort_unstable();
                keys.dedup();
                for key in keys {
                    let [old, new] = [old, new].map(|all| all.and_then(|all| all.get(key)));
                    let pointer = format!("{pointer}/{}", escaped(key));
                    self.value(&pointer, element, old, new);
                }
            }
            Shape::OneOf(shapes) => {
                for shape in shapes {
                    let before = self.found.len();
                    self.value(pointer, shape, old, new);
                    if self.found.len() > before {
                        return;
                    }
                }
            }
            _ => {}
        }
    }

    fn list(&mut self, pointer: &str, element: &Shape, ordered: bool, old: Option<&Value>, new: Option<&Value>) {
        let [old, new] = [old, new].map(|value| value.and_then(Value::as_array).map_or(&[][..], Vec::as_slice));
        let (mut were, mut are): (Vec<usize>, Vec<usize>) = ((0..old.len()).collect(), (0..new.len()).collect());
        if !ordered {
            were = self.of.rest(element, old, new);
            are = self.of.rest(element, new, old);
        }
        for place in 0..were.len().max(are.len()) {
            let (was, is) = (were.get(place).copied(), are.get(place).copied());
            let pointer = format!("{pointer}/{}", is.or(was).unwrap_or(place));
            let [was, is] = [was.and_then(|place| old.get(place)), is.and_then(|place| new.get(place))];
            if was != is {
                self.value(&pointer, element, was, is);
            }
        }
    }
}
