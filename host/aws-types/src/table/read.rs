//! A type from its block.

use super::{Cursor, Table, TableError};
use crate::handlers::{Handlers, Operation};
use crate::model::{
    Choice, Definition, JsonRule, ListRule, NumberRule, Property, Reference, ReplacementOrder, Replaces, Shape,
    TagForm, Tags, TextRule, Type,
};
use crate::pattern::Pattern;

/// Deeper than any type is; a table that says more is damaged.
const DEPTH: usize = 16;

impl Table {
    pub(super) fn read(&self, name: &'static str, block: &'static [u8]) -> Result<Type, TableError> {
        let mut cursor = Cursor::new(block);
        let from = &mut cursor;
        let flags = from.byte()?;
        let read = Type {
            name,
            properties: self.properties(from)?,
            definitions: from.list(|from| {
                Ok(Definition {
                    name: self.text(from)?,
                    properties: self.properties(from)?,
                    choices: self.choices(from)?,
                })
            })?,
            attributes: from.list(|from| Ok((self.text(from)?, self.shape(from, DEPTH)?)))?,
            identifier: self.texts(from)?,
            reference: self.texts(from)?,
            arn: self.text_if(from, flags & 1 != 0)?,
            tags: self.tags(from, flags & 2 != 0)?,
            read_only: self.texts(from)?,
            write_only: self.texts(from)?,
            choices: self.choices(from)?,
            order: match (flags & 4 != 0, flags & 8 != 0) {
                (true, _) => Some(ReplacementOrder::CreateThenDelete),
                (_, true) => Some(ReplacementOrder::DeleteThenCreate),
                _ => None,
            },
            transform: self.text_if(from, flags & 16 != 0)?,
            sunset: self.text_if(from, flags & 32 != 0)?,
            stateful: flags & 64 != 0,
            regions: self.regions(from.number()?),
            handlers: self.handlers(from)?,
        };
        let fits = |shape: &Shape| fits(shape, read.definitions.len());
        let objects = read.definitions.iter().map(|definition| &definition.properties);
        let properties = objects.chain([&read.properties]).flatten().all(|property| fits(&property.shape));
        let whole = cursor.is_at_end() && properties && read.attributes.iter().all(|(_, shape)| fits(shape));
        if whole { Ok(read) } else { Err(TableError::Malformed("a type")) }
    }

    fn text(&self, from: &mut Cursor) -> Result<&'static str, TableError> {
        self.texts.get(from.size()?)
    }

    fn texts(&self, from: &mut Cursor) -> Result<Vec<&'static str>, TableError> {
        from.list(|from| self.text(from))
    }

    fn text_if(&self, from: &mut Cursor, given: bool) -> Result<Option<&'static str>, TableError> {
        given.then(|| self.text(from)).transpose()
    }

    fn choices(&self, from: &mut Cursor) -> Result<Vec<Choice>, TableError> {
        from.list(|from| from.list(|from| self.texts(from)))
    }

    fn tags(&self, from: &mut Cursor, given: bool) -> Result<Option<Tags>, TableError> {
        if !given {
            return Ok(None);
        }
        let property = self.text(from)?;
        let form = match from.byte()? {
            0 => TagForm::List,
            1 => TagForm::ListThatPropagates,
            2 => TagForm::Map,
            _ => return Err(TableError::Malformed("tags")),
        };
        Ok(Some(Tags { property, form }))
    }

    fn handlers(&self, from: &mut Cursor) -> Result<Handlers, TableError> {
        Ok(match from.byte()? {
            0 => Handlers::Unknown,
            1 => Handlers::None,
            2 => {
                let has = from.byte()?;
                let there = Operation::ALL.into_iter().enumerate().filter(|(place, _)| has >> place & 1 == 1);
                let known = there.map(|(_, operation)| Ok((operation, self.texts(from)?)));
                Handlers::Known(known.collect::<Result<_, TableError>>()?)
            }
            _ => return Err(TableError::Malformed("handlers")),
        })
    }

    fn regions(&self, mask: u64) -> Vec<&'static str> {
        let has =
            |place: usize| u32::try_from(place).ok().and_then(|place| mask.checked_shr(place)).unwrap_or(0) & 1 == 1;
        self.regions.iter().enumerate().filter(|(place, _)| has(*place)).map(|(_, region)| *region).collect()
    }

    fn properties(&self, from: &mut Cursor) -> Result<Vec<Property>, TableError> {
        let properties = from.list(|from| {
            let name = self.text(from)?;
            let flags = from.byte()?;
            Ok(Property {
                name,
                shape: self.shape(from, DEPTH)?,
                required: flags & 1 != 0,
                deprecated: flags & 2 != 0,
                replaces: match (flags & 4 != 0, flags & 8 != 0) {
                    (true, _) => Replaces::Yes,
                    (_, true) => Replaces::Maybe,
                    _ => Replaces::No,
                },
                references: if flags & 16 == 0 {
                    Vec::new()
                } else {
                    from.list(|from| Ok(Reference { type_name: self.text(from)?, attribute: self.text(from)? }))?
                },
            })
        })?;
        let sorted = properties.is_sorted_by(|one: &Property, next| one.name < next.name);
        if sorted { Ok(properties) } else { Err(TableError::Malformed("the order of properties")) }
    }

    fn shape(&self, from: &mut Cursor, depth: usize) -> Result<Shape, TableError> {
        let deeper = depth.checked_sub(1).ok_or(TableError::Malformed("a property"))?;
        Ok(match from.byte()? {
            0 => Shape::Text(self.text_rule(from)?),
            1 => Shape::Integer(number_rule(from)?),
            2 => Shape::Number(number_rule(from)?),
            3 => Shape::Boolean,
            4 => Shape::Json(match from.byte()? {
                0 => JsonRule::Any,
                1 => JsonRule::Object,
                2 => JsonRule::ObjectOrText,
                _ => return Err(TableError::Malformed("a property")),
            }),
            5 => {
                let flags = from.byte()?;
                Shape::List(Box::new(ListRule {
                    ordered: flags & 1 != 0,
                    unique: flags & 2 != 0,
                    min_items: small_if(from, flags & 4 != 0)?,
                    max_items: small_if(from, flags & 8 != 0)?,
                    element: self.shape(from, deeper)?,
                }))
            }
            6 => Shape::Map(Box::new(self.shape(from, deeper)?)),
            7 => Shape::Object(from.size()?),
            8 => Shape::OneOf(from.list(|from| self.shape(from, deeper))?),
            _ => return Err(TableError::Malformed("a property")),
        })
    }

    fn text_rule(&self, from: &mut Cursor) -> Result<TextRule, TableError> {
        let flags = from.byte()?;
        Ok(TextRule {
            allowed: if flags & 1 == 0 { Vec::new() } else { self.texts(from)? },
            any_case: flags & 2 != 0,
            pattern: self.text_if(from, flags & 4 != 0)?.map(Pattern::new),
            min_length: small_if(from, flags & 8 != 0)?,
            max_length: small_if(from, flags & 16 != 0)?,
            format: self.text_if(from, flags & 32 != 0)?,
        })
    }
}

fn small_if(from: &mut Cursor, given: bool) -> Result<Option<u32>, TableError> {
    given.then(|| from.small()).transpose()
}

fn number_rule(from: &mut Cursor) -> Result<NumberRule, TableError> {
    let flags = from.byte()?;
    let allowed = if flags & 1 == 0 { Vec::new() } else { from.list(Cursor::signed)? };
    let mut limit = |given: bool, whole: bool| {
        Ok(match (given, whole) {
            (false, _) => None,
            (_, true) => Some(from.signed()? as f64),
            _ => {
                let bytes = from.take(8)?.try_into().map_err(|_| TableError::Short)?;
                Some(f64::from_le_bytes(bytes))
            }
        })
    };
    Ok(NumberRule {
        allowed,
        minimum: limit(flags & 2 != 0, flags & 4 != 0)?,
        maximum: limit(flags & 8 != 0, flags & 16 != 0)?,
    })
}

/// Whether every object is there.
fn fits(shape: &Shape, definitions: usize) -> bool {
    match shape {
        Shape::Object(index) => *index < definitions,
        Shape::List(list) => fits(&list.element, definitions),
        Shape::Map(element) => fits(element, definitions),
        Shape::OneOf(shapes) => shapes.iter().all(|shape| fits(shape, definitions)),
        _ => true,
    }
}
