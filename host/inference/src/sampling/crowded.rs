//! How many rules apply to one string of a JSON schema at once.
//!
//! The compiler intersects them, and looks through the states of the intersection for a string that fits. Their number
//! doubles with each rule and no limit of the compiler counts them: thirty patterns take all memory.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::schema::target;

/// Rules for one string, at most. Twelve take seconds.
const MOST: usize = 6;
/// Steps of the search; a schema that needs more is refused.
const MOST_STEPS: usize = 500_000;
/// Schemas within one another, at most: each takes a part of the stack.
const DEEPEST: usize = 200;

/// A part of a schema that is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Crowded {
    /// JSON pointer of the part.
    pub(super) place: String,
    /// What is wrong with it.
    pub(super) reason: String,
}

/// Rules for the string that a value may be, and for its items and properties.
#[derive(Default)]
struct Rules {
    own: usize,
    parts: BTreeMap<Part, Rc<Rules>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Items,
    /// Properties without rules of their own.
    Others,
    Named(String),
}

/// Refuses a schema of which too many rules apply to one string.
pub(super) fn check(schema: &Value) -> Result<(), Crowded> {
    let search = Search { root: schema, steps: Cell::new(0), known: RefCell::default() };
    search.rules(schema, "#", 0).map(|_| ())
}

struct Search<'a> {
    root: &'a Value,
    steps: Cell<usize>,
    /// By reference. Nothing while it is looked at: a definition within itself adds what it adds.
    known: RefCell<BTreeMap<&'a str, Option<Rc<Rules>>>>,
}

impl<'a> Search<'a> {
    fn rules(&self, schema: &'a Value, at: &str, depth: usize) -> Result<Rc<Rules>, Crowded> {
        self.step(at)?;
        let Value::Object(map) = schema else { return Ok(Rc::default()) };
        if depth > DEEPEST {
            return Err(refused(at, format!("it is nested deeper than {DEEPEST} levels")));
        }
        let list = |key: &'static str| {
            let all = map.get(key).and_then(Value::as_array).into_iter().flatten().enumerate();
            all.map(move |(index, one)| (format!("{at}/{key}/{index}"), one))
        };
        let mut rules = self.own(map, at, depth)?;
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            rules = self.both(&rules, &self.referred(reference, depth)?, at)?;
        }
        for (at, one) in list("allOf") {
            rules = self.both(&rules, &self.rules(one, &at, depth + 1)?, &at)?;
        }
        for key in ["anyOf", "oneOf"] {
            let mut larger = Rc::default();
            for (at, one) in list(key) {
                larger = self.larger(&larger, &self.rules(one, &at, depth + 1)?, &at)?;
            }
            rules = self.both(&rules, &larger, at)?;
        }
        Ok(rules)
    }

    /// Without what `$ref`, `allOf`, `anyOf` and `oneOf` add.
    fn own(&self, map: &'a Map<String, Value>, at: &str, depth: usize) -> Result<Rc<Rules>, Crowded> {
        let has = |key| usize::from(map.contains_key(key));
        let own = has("pattern") + has("format") + (has("minLength") | has("maxLength"));
        let mut parts: BTreeMap<Part, Rc<Rules>> = BTreeMap::new();
        let mut add = |part: Part, at: String, one: &'a Value| -> Result<(), Crowded> {
            let rules = self.rules(one, &at, depth + 1)?;
            let rules = match parts.get(&part) {
                Some(known) => self.larger(known, &rules, &at)?,
                None => rules,
            };
            parts.insert(part, rules);
            Ok(())
        };
        for key in ["properties", "patternProperties"] {
            for (name, one) in map.get(key).and_then(Value::as_object).into_iter().flatten() {
                let part = if key == "properties" { Part::Named(name.clone()) } else { Part::Others };
                // As JSON pointers are written.
                add(part, format!("{at}/{key}/{}", name.replace('~', "~0").replace('/', "~1")), one)?;
            }
        }
        for (key, part) in
            [("additionalProperties", Part::Others), ("items", Part::Items), ("prefixItems", Part::Items)]
        {
            match map.get(key) {
                Some(Value::Array(all)) => {
                    for (index, one) in all.iter().enumerate() {
                        add(part.clone(), format!("{at}/{key}/{index}"), one)?;
                    }
                }
                Some(one) => add(part, format!("{at}/{key}"), one)?,
                None => {}
            }
        }
        Ok(Rc::new(Rules { own, parts }))
    }

    fn referred(&self, reference: &'a str, depth: usize) -> Result<Rc<Rules>, Crowded> {
        if let Some(known) = self.known.borrow().get(reference) {
            return Ok(known.clone().unwrap_or_default());
        }
        let Some(target) = target(self.root, reference) else { return Ok(Rc::default()) };
        self.known.borrow_mut().insert(reference, None);
        let rules = self.rules(target, reference, depth + 1)?;
        self.known.borrow_mut().insert(reference, Some(Rc::clone(&rules)));
        Ok(rules)
    }

    /// Where both apply.
    fn both(&self, one: &Rc<Rules>, other: &Rc<Rules>, at: &str) -> Result<Rc<Rules>, Crowded> {
        let own = one.own + other.own;
        if own > MOST {
            return Err(refused(at, format!("{own} rules apply to one string; at most {MOST} are supported")));
        }
        self.merged(own, one, other, |one, other| self.both(one, other, at), at)
    }

    /// Where one of them applies.
    fn larger(&self, one: &Rc<Rules>, other: &Rc<Rules>, at: &str) -> Result<Rc<Rules>, Crowded> {
        self.merged(one.own.max(other.own), one, other, |one, other| self.larger(one, other, at), at)
    }

    fn merged(
        &self,
        own: usize,
        one: &Rc<Rules>,
        other: &Rc<Rules>,
        merge: impl Fn(&Rc<Rules>, &Rc<Rules>) -> Result<Rc<Rules>, Crowded>,
        at: &str,
    ) -> Result<Rc<Rules>, Crowded> {
        match (one.parts.is_empty(), other.parts.is_empty()) {
            (_, true) if own == one.own => return Ok(Rc::clone(one)),
            (true, _) if own == other.own => return Ok(Rc::clone(other)),
            _ => {}
        }
        let others = |rules: &Rules, part: &Part| match part {
            Part::Named(_) => rules.parts.get(part).or_else(|| rules.parts.get(&Part::Others)).cloned(),
            _ => rules.parts.get(part).cloned(),
        };
        let mut parts = BTreeMap::new();
        for part in one.parts.keys().chain(other.parts.keys()) {
            self.step(at)?;
            if parts.contains_key(part) {
                continue;
            }
            let rules = match (others(one, part), others(other, part)) {
                (Some(one), Some(other)) => merge(&one, &other)?,
                (one, other) => one.or(other).unwrap_or_default(),
            };
            parts.insert(part.clone(), rules);
        }
        Ok(Rc::new(Rules { own, parts }))
    }

    fn step(&self, at: &str) -> Result<(), Crowded> {
        self.steps.set(self.steps.get() + 1);
        match self.steps.get() > MOST_STEPS {
            true => Err(refused(at, "the schema has too many parts".to_owned())),
            false => Ok(()),
        }
    }
}

fn refused(place: &str, reason: String) -> Crowded {
    Crowded { place: place.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;

    fn patterns(count: usize) -> Vec<Value> {
        (0..count).map(|n| json!({ "type": "string", "pattern": format!("(.*x{n}.*)") })).collect()
    }

    fn in_property(inner: Value) -> Value {
        json!({ "type": "object", "properties": { "a": inner } })
    }

    #[test]
    fn rules_for_one_string_are_counted_however_they_come_together() {
        let definitions: Map<String, Value> =
            patterns(7).into_iter().enumerate().map(|(n, one)| (format!("p{n}"), one)).collect();
        let references: Vec<Value> = (0..7).map(|n| json!({ "$ref": format!("#/$defs/p{n}") })).collect();
        for (schema, place) in [
            (json!({ "allOf": patterns(7) }), "#/allOf/6"),
            (json!({ "minLength": 1, "allOf": patterns(6) }), "#/allOf/5"),
            (json!({ "$defs": definitions, "allOf": references }), "#/allOf/6"),
            (json!({ "allOf": patterns(7).into_iter().map(in_property).collect::<Vec<_>>() }), "#/allOf/6"),
            (
                json!({ "allOf": [{ "items": { "allOf": patterns(4) } }, { "items": { "allOf": patterns(3) } }] }),
                "#/allOf/1",
            ),
            (json!({ "allOf": patterns(5), "anyOf": [{ "type": "null" }, { "allOf": patterns(2) }] }), "#"),
            (
                json!({ "allOf": [in_property(json!({ "allOf": patterns(5) })), { "additionalProperties": { "allOf": patterns(2) } }] }),
                "#/allOf/1",
            ),
            (in_property(json!({ "allOf": patterns(7) })), "#/properties/a/allOf/6"),
        ] {
            let refused = check(&schema).expect_err(&schema.to_string());
            assert_eq!(
                (refused.place.as_str(), refused.reason.as_str()),
                (place, "7 rules apply to one string; at most 6 are supported")
            );
        }
    }

    #[test]
    fn rules_for_other_strings_and_other_cases_do_not_add_up() {
        let named = |n: usize| json!({ "type": "object", "properties": { format!("p{n}"): { "pattern": "x" } } });
        for schema in [
            json!(true),
            json!({ "allOf": patterns(6) }),
            json!({ "anyOf": patterns(50) }),
            json!({ "anyOf": patterns(50).into_iter().map(in_property).collect::<Vec<_>>() }),
            json!({ "allOf": (0..50).map(named).collect::<Vec<_>>() }),
            json!({ "prefixItems": patterns(50) }),
            json!({ "patternProperties": { "^a": { "allOf": patterns(6) }, "^b": { "allOf": patterns(6) } } }),
            json!({ "$defs": { "tree": { "properties": { "v": { "pattern": "x" }, "left": { "$ref": "#/$defs/tree" }, "right": { "$ref": "#/$defs/tree" } } } }, "$ref": "#/$defs/tree" }),
        ] {
            assert_eq!(check(&schema), Ok(()), "{schema}");
        }
    }

    #[test]
    fn schemas_made_to_take_long_are_refused_soon() {
        // Each definition refers twice to the next: its parts double.
        let doubled = |n: usize| {
            let next = json!({ "$ref": format!("#/$defs/d{}", n + 1) });
            json!({ "allOf": [{ "properties": { "l": next, "r": next } }, { "properties": { "l": next, "r": next } }] })
        };
        let many: Map<String, Value> = (0..60).map(|n| (format!("d{n}"), doubled(n))).collect();
        let mut deep = json!({ "pattern": "x" });
        for _ in 0..100 {
            deep = json!({ "items": deep });
        }
        let began = Instant::now();
        let _ = check(&json!({ "$defs": many, "$ref": "#/$defs/d0" }));
        assert_eq!(check(&deep), Ok(()));
        for _ in 0..1_000 {
            deep = json!({ "items": deep });
        }
        assert!(check(&deep).is_err_and(|refused| refused.reason.contains("nested deeper")));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}
