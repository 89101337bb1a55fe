//! What is known of one type.

use crate::handlers::Handlers;
use crate::pattern::Pattern;

/// A type of resource, such as `AWS::DynamoDB::Table`.
#[derive(Debug, Clone, PartialEq)]
pub struct Type {
    pub(crate) name: &'static str,
    /// Sorted by name, as all properties are.
    pub(crate) properties: Vec<Property>,
    pub(crate) definitions: Vec<Definition>,
    /// Sorted by name. Parts of an attribute follow it: `Endpoint`, `Endpoint.Port`.
    pub(crate) attributes: Vec<(&'static str, Shape)>,
    pub(crate) identifier: Vec<&'static str>,
    pub(crate) reference: Vec<&'static str>,
    pub(crate) arn: Option<&'static str>,
    pub(crate) tags: Option<Tags>,
    /// `/Rules/*/Status`: parts of properties that AWS sets.
    pub(crate) read_only: Vec<&'static str>,
    pub(crate) write_only: Vec<&'static str>,
    pub(crate) choices: Vec<Choice>,
    pub(crate) order: Option<ReplacementOrder>,
    pub(crate) transform: Option<&'static str>,
    pub(crate) sunset: Option<&'static str>,
    pub(crate) stateful: bool,
    pub(crate) regions: Vec<&'static str>,
    pub(crate) handlers: Handlers,
}

/// Sets of properties, one of which has to be stated as a whole.
pub type Choice = Vec<Vec<&'static str>>;

/// A property of a type, or of an object within one.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// `TableName`.
    pub name: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// Whether it has to be stated.
    pub required: bool,
    /// Whether another value makes another resource.
    pub replaces: Replaces,
    /// Whether AWS advises against it.
    pub deprecated: bool,
    /// Which types' values it takes.
    pub references: Vec<Reference>,
}

/// Whether another value of a property makes another resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaces {
    /// AWS changes it in place.
    No,
    /// It depends on the values, or on other properties.
    Maybe,
    /// It can be stated only when the resource is made.
    Yes,
}

/// A value of another resource that a property takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `AWS::IAM::Role`.
    pub type_name: &'static str,
    /// `Arn`: an attribute or a property of that type.
    pub attribute: &'static str,
}

/// An object that properties are made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// `KeySchema`; unique within a type.
    pub name: &'static str,
    /// Sorted by name.
    pub properties: Vec<Property>,
    /// One of each has to be stated.
    pub choices: Vec<Choice>,
}

impl Definition {
    /// Of some objects the source knows no properties.
    pub(crate) fn is_open(&self) -> bool {
        self.properties.is_empty()
    }
}

/// What a property takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A JSON string.
    Text(TextRule),
    /// A whole number.
    Integer(NumberRule),
    /// A number.
    Number(NumberRule),
    /// `true` or `false`.
    Boolean,
    /// JSON of any form.
    Json(JsonRule),
    /// A JSON array.
    List(Box<ListRule>),
    /// A JSON object with keys of the user's choice.
    Map(Box<Shape>),
    /// A JSON object with the properties of a definition, by its index.
    Object(usize),
    /// Any of these.
    OneOf(Vec<Shape>),
}

/// What a text has to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TextRule {
    /// Every value that is allowed; none where any is.
    pub allowed: Vec<&'static str>,
    /// Whether upper and lower case are the same.
    pub any_case: bool,
    /// The regular expression that it has to match.
    pub pattern: Option<Pattern>,
    /// Counted in characters.
    pub min_length: Option<u32>,
    /// Counted in characters.
    pub max_length: Option<u32>,
    /// What it is: `date-time`, `ipv4-network`, `AWS::EC2::Subnet.Id`. A hint that is not checked.
    pub format: Option<&'static str>,
}

/// What a number has to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NumberRule {
    /// Every value that is allowed; none where any is.
    pub allowed: Vec<i64>,
    /// The smallest that is allowed.
    pub minimum: Option<f64>,
    /// The largest that is allowed.
    pub maximum: Option<f64>,
}

/// Which JSON is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonRule {
    /// The source does not say.
    Any,
    /// An object.
    Object,
    /// An object, or a text that holds one.
    ObjectOrText,
}

/// What a list has to be.
#[derive(Debug, Clone, PartialEq)]
pub struct ListRule {
    /// Each of its elements.
    pub element: Shape,
    /// Whether another order is another value.
    pub ordered: bool,
    /// Whether no element may occur twice.
    pub unique: bool,
    /// The fewest elements that are allowed.
    pub min_items: Option<u32>,
    /// The most elements that are allowed.
    pub max_items: Option<u32>,
}

/// How a type takes tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// The property that holds them.
    pub property: &'static str,
    /// What it looks like.
    pub form: TagForm,
}

/// What tags look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagForm {
    /// `[{ "Key": "team", "Value": "search" }]`
    List,
    /// `[{ "Key": "team", "Value": "search", "PropagateAtLaunch": true }]`
    ListThatPropagates,
    /// `{ "team": "search" }`
    Map,
}

/// Which of two comes first where a resource is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplacementOrder {
    /// The new one is created first.
    CreateThenDelete,
    /// The old one is deleted first.
    DeleteThenCreate,
}

impl Type {
    /// `AWS::DynamoDB::Table`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What can be stated, sorted by name.
    #[must_use]
    pub fn properties(&self) -> &[Property] {
        &self.properties
    }

    /// The property of that name.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Property> {
        find(&self.properties, name)
    }

    /// The object that [`Shape::Object`] names.
    #[must_use]
    pub fn definition(&self, index: usize) -> Option<&Definition> {
        self.definitions.get(index)
    }

    /// What AWS tells of a resource once it is there, sorted by name. Parts have their own names:
    /// `Endpoint.Port`.
    pub fn attributes(&self) -> impl Iterator<Item = (&'static str, &Shape)> {
        self.attributes.iter().map(|(name, shape)| (*name, shape))
    }

    /// The properties or attributes that make the identifier of Cloud Control, in its order. Cloud
    /// Control joins several with `|`. Empty where the source does not know.
    #[must_use]
    pub fn primary_identifier(&self) -> &[&'static str] {
        &self.identifier
    }

    /// What CloudFormation's `Ref` gives; the primary identifier where the source says nothing else.
    #[must_use]
    pub fn reference(&self) -> &[&'static str] {
        if self.reference.is_empty() { &self.identifier } else { &self.reference }
    }

    /// `arn:${Partition}:dynamodb:${Region}:${Account}:table/${TableName}`.
    #[must_use]
    pub fn arn_template(&self) -> Option<&'static str> {
        self.arn
    }

    /// How it takes tags.
    #[must_use]
    pub fn tags(&self) -> Option<&Tags> {
        self.tags.as_ref()
    }

    /// What AWS takes and never tells, as JSON pointers in which `*` is any element: `/Code/ZipFile`.
    #[must_use]
    pub fn write_only(&self) -> &[&'static str] {
        &self.write_only
    }

    /// The parts of properties that only AWS sets, as JSON pointers in which `*` is any element.
    #[must_use]
    pub fn read_only(&self) -> &[&'static str] {
        &self.read_only
    }

    /// The properties that can be stated only when the resource is made: another value replaces it.
    pub fn immutable(&self) -> impl Iterator<Item = &'static str> {
        self.properties.iter().filter(|property| property.replaces == Replaces::Yes).map(|property| property.name)
    }

    /// The order that the type's schema asks for in a replacement.
    #[must_use]
    pub fn replacement_order(&self) -> Option<ReplacementOrder> {
        self.order
    }

    /// The CloudFormation transform that it is a part of. Cloud Control knows no such type.
    #[must_use]
    pub fn transform(&self) -> Option<&'static str> {
        self.transform
    }

    /// The day on which AWS ends the type (`2026-09-30`), where it ends; empty where the day is not
    /// known.
    #[must_use]
    pub fn sunset(&self) -> Option<&'static str> {
        self.sunset
    }

    /// Whether a deletion loses data, as far as the source knows.
    #[must_use]
    pub fn is_stateful(&self) -> bool {
        self.stateful
    }

    /// The regions that have the type, sorted; empty where the source does not know.
    #[must_use]
    pub fn regions(&self) -> &[&'static str] {
        &self.regions
    }
}

/// The property of that name.
pub(crate) fn find<'a>(properties: &'a [Property], name: &str) -> Option<&'a Property> {
    let place = properties.binary_search_by(|property| property.name.cmp(name)).ok()?;
    properties.get(place)
}
