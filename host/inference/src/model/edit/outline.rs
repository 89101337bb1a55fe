//! What an editor knows of a graph: its nodes, what goes in and out, and where in the file each of them stands.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::message::Dim;
use crate::model::graph::entry;
use crate::model::wire::{Value, Wire};

/// Bytes of the file.
pub(super) type Span = Range<u64>;

/// One operator at the top level.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(super) operator: String,
    pub(super) domain: String,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    /// Attributes that are whole numbers.
    pub(super) numbers: HashMap<String, i64>,
    /// Names that the graphs inside of it use.
    pub(super) inner: Vec<String>,
    /// Its fields, but for the names of its inputs.
    pub(super) rest: Vec<Span>,
}

/// A weight: its element type, dimensions, and where its bytes are, in the order of its elements.
#[derive(Debug, Default, Clone)]
pub(super) struct Tensor {
    pub(super) element: i64,
    pub(super) dims: Vec<i64>,
    pub(super) bytes: Place,
}

/// Where the bytes of a weight are.
#[derive(Debug, Default, Clone)]
pub(super) enum Place {
    /// In the file.
    Inside(Span),
    /// In a file beside it. Nothing of a length means up to its end.
    Beside { file: String, offset: u64, length: Option<u64> },
    /// Spelled out number by number, or nowhere.
    #[default]
    Elsewhere,
}

/// An input or output of the graph.
#[derive(Debug, Default)]
pub(crate) struct Outer {
    pub(super) name: String,
    pub(super) element: i64,
    pub(super) dims: Vec<Option<Dim>>,
}

/// A field of the graph.
#[derive(Debug)]
pub(super) enum Part {
    Node(usize),
    Output(usize),
    /// What is known of a value's shape.
    Shape(String),
    Weight(String),
    Other,
}

/// A whole file.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Fields of the model in front of the graph and behind it.
    pub(super) around: Vec<Span>,
    /// Fields of the graph.
    pub(super) parts: Vec<(Part, Span)>,
    pub(super) nodes: Vec<Node>,
    pub(super) inputs: Vec<Outer>,
    pub(super) outputs: Vec<Outer>,
    /// Weights, and what is computed of nothing else.
    pub(super) constants: HashSet<String>,
    /// Weights, by name.
    pub(super) tensors: HashMap<String, Tensor>,
    /// Every name of a value.
    pub(super) names: HashSet<String>,
    /// The standard operators' set.
    pub(super) opset: i64,
}

impl Outline {
    pub(super) fn read(wire: &mut Wire) -> Result<Self, String> {
        let (mut all, end) = (Self::default(), wire.length());
        loop {
            let start = wire.position();
            match wire.field(end)? {
                None => break,
                Some((7, Value::Bytes { end })) => all.graph(wire, end)?,
                Some((number, Value::Bytes { end })) => {
                    match number {
                        8 => all.opset_import(wire, end)?,
                        _ => wire.leave(end)?,
                    }
                    all.around.push(start..end);
                }
                Some(_) => all.around.push(start..wire.position()),
            }
        }
        all.fold_constants();
        Ok(all)
    }

    fn opset_import(&mut self, wire: &mut Wire, end: u64) -> Result<(), String> {
        let (mut domain, mut version) = (String::new(), 0);
        while let Some((number, value)) = wire.field(end)? {
            match (number, value) {
                (1, Value::Bytes { end }) => domain = wire.text(end)?,
                (2, Value::Number(number)) => version = number.cast_signed(),
                (_, Value::Bytes { end }) => wire.leave(end)?,
                _ => {}
            }
        }
        if is_standard(&domain) {
            self.opset = version;
        }
        Ok(())
    }

    fn graph(&mut self, wire: &mut Wire, end: u64) -> Result<(), String> {
        loop {
            let start = wire.position();
            let part = match wire.field(end)? {
                None => return Ok(()),
                Some((1, Value::Bytes { end })) => {
                    let node = node(wire, end)?;
                    self.names.extend(node.inputs.iter().chain(&node.outputs).cloned());
                    self.nodes.push(node);
                    Part::Node(self.nodes.len() - 1)
                }
                Some((5, Value::Bytes { end })) => {
                    let (name, weight) = weight(wire, end)?;
                    self.names.insert(name.clone());
                    self.constants.insert(name.clone());
                    self.tensors.insert(name.clone(), weight);
                    Part::Weight(name)
                }
                Some((11, Value::Bytes { end })) => {
                    let input = outer(wire, end)?;
                    self.names.insert(input.name.clone());
                    self.inputs.push(input);
                    Part::Other
                }
                Some((12, Value::Bytes { end })) => {
                    self.outputs.push(outer(wire, end)?);
                    Part::Output(self.outputs.len() - 1)
                }
                Some((13, Value::Bytes { end })) => Part::Shape(name(wire, end, 1)?),
                Some((_, Value::Bytes { end })) => {
                    wire.leave(end)?;
                    Part::Other
                }
                Some(_) => Part::Other,
            };
            self.parts.push((part, start..wire.position()));
        }
    }

    /// Weights may be unpacked or turned by nodes in front of what multiplies by them.
    fn fold_constants(&mut self) {
        for node in &self.nodes {
            let known = |name: &String| name.is_empty() || self.constants.contains(name);
            let draws = node.operator.starts_with("Random");
            if node.inner.is_empty() && !draws && node.inputs.iter().all(known) {
                self.constants.extend(node.outputs.iter().cloned());
            }
        }
    }
}

/// Whether a name is that of the standard operators' domain.
pub(super) fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

fn node(wire: &mut Wire, end: u64) -> Result<Node, String> {
    let mut node = Node::default();
    loop {
        let start = wire.position();
        match wire.field(end)? {
            None => return Ok(node),
            Some((1, Value::Bytes { end })) => {
                node.inputs.push(wire.text(end)?);
                continue;
            }
            Some((2, Value::Bytes { end })) => node.outputs.push(wire.text(end)?),
            Some((4, Value::Bytes { end })) => node.operator = wire.text(end)?,
            Some((7, Value::Bytes { end })) => node.domain = wire.text(end)?,
            Some((5, Value::Bytes { end })) => {
                let number = attribute(wire, end, &mut node.inner, 0)?;
                node.numbers.extend(number);
            }
            Some((_, Value::Bytes { end })) => wire.leave(end)?,
            Some(_) => {}
        }
        node.rest.push(start..wire.position());
    }
}

/// The name and number of an attribute that is a whole number; of another one, the names that its graphs use are added.
fn attribute(
    wire: &mut Wire,
    end: u64,
    names: &mut Vec<String>,
    depth: usize,
) -> Result<Option<(String, i64)>, String> {
    let (mut name, mut found) = (String::new(), None);
    const DEEPEST: usize = 16;
    if depth > DEEPEST {
        return Err(format!("its graphs lie in each other more than {DEEPEST} deep"));
    }
    while let Some((number, value)) = wire.field(end)? {
        match (number, value) {
            (1, Value::Bytes { end }) => name = wire.text(end)?,
            (3, Value::Number(number)) => found = Some(number.cast_signed()),
            (6 | 11, Value::Bytes { end }) => inner_of_graph(wire, end, names, depth)?,
            (_, Value::Bytes { end }) => wire.leave(end)?,
            _ => {}
        }
    }
    Ok(found.map(|number| (name, number)))
}

/// A weight, with its name.
fn weight(wire: &mut Wire, end: u64) -> Result<(String, Tensor), String> {
    let (mut name, mut tensor, mut beside) = (String::new(), Tensor::default(), HashMap::new());
    while let Some((number, value)) = wire.field(end)? {
        match (number, value) {
            (1, Value::Number(size)) => tensor.dims.push(size.cast_signed()),
            (1, Value::Bytes { end }) => {
                while let Some(size) = wire.packed(end)? {
                    tensor.dims.push(size.cast_signed());
                }
            }
            (2, Value::Number(kind)) => tensor.element = kind.cast_signed(),
            (8, Value::Bytes { end }) => name = wire.text(end)?,
            (9, Value::Bytes { end }) => {
                tensor.bytes = Place::Inside(wire.position()..end);
                wire.leave(end)?;
            }
            (13, Value::Bytes { end }) => beside.extend([entry(wire, end)?]),
            (_, Value::Bytes { end }) => wire.leave(end)?,
            _ => {}
        }
    }
    if let Some(file) = beside.remove("location") {
        let number = |key: &str| beside.get(key).and_then(|text| text.parse().ok());
        tensor.bytes = Place::Beside { file, offset: number("offset").unwrap_or(0), length: number("length") };
    }
    Ok((name, tensor))
}

fn inner_of_graph(wire: &mut Wire, end: u64, names: &mut Vec<String>, depth: usize) -> Result<(), String> {
    while let Some((number, value)) = wire.field(end)? {
        match (number, value) {
            (1, Value::Bytes { end }) => {
                while let Some((number, value)) = wire.field(end)? {
                    match (number, value) {
                        (1, Value::Bytes { end }) => names.push(wire.text(end)?),
                        (5, Value::Bytes { end }) => drop(attribute(wire, end, names, depth + 1)?),
                        (_, Value::Bytes { end }) => wire.leave(end)?,
                        _ => {}
                    }
                }
            }
            (12, Value::Bytes { end }) => names.push(name(wire, end, 1)?),
            (_, Value::Bytes { end }) => wire.leave(end)?,
            _ => {}
        }
    }
    Ok(())
}

/// The name in a message, which is this field of it.
fn name(wire: &mut Wire, end: u64, field: u64) -> Result<String, String> {
    let mut found = String::new();
    while let Some((number, value)) = wire.field(end)? {
        match (number, value) {
            (number, Value::Bytes { end }) if number == field => found = wire.text(end)?,
            (_, Value::Bytes { end }) => wire.leave(end)?,
            _ => {}
        }
    }
    Ok(found)
}

fn outer(wire: &mut Wire, end: u64) -> Result<Outer, String> {
    let mut outer = Outer::default();
    while let Some((number, value)) = wire.field(end)? {
        match (number, value) {
            (1, Value::Bytes { end }) => outer.name = wire.text(end)?,
            (2, Value::Bytes { end }) => tensor_type(wire, end, &mut outer)?,
            (_, Value::Bytes { end }) => wire.leave(end)?,
            _ => {}
        }
    }
    Ok(outer)
}

/// TypeProto, its tensor, its shape and its dimensions, each within the one before.
fn tensor_type(wire: &mut Wire, end: u64, outer: &mut Outer) -> Result<(), String> {
    while let Some((number, value)) = wire.field(end)? {
        match (number, value) {
            // The tensor's field in the type, and the dimension's in the shape.
            (1, Value::Bytes { end }) => tensor(wire, end, outer)?,
            (_, Value::Bytes { end }) => wire.leave(end)?,
            _ => {}
        }
    }
    Ok(())
}

fn tensor(wire: &mut Wire, end: u64, outer: &mut Outer) -> Result<(), String> {
    while let Some((number, value)) = wire.field(end)? {
        match (number, value) {
            (1, Value::Number(kind)) => outer.element = kind.cast_signed(),
            (2, Value::Bytes { end }) => {
                while let Some((number, value)) = wire.field(end)? {
                    match (number, value) {
                        (1, Value::Bytes { end }) => {
                            let size = dim(wire, end)?;
                            outer.dims.push(size);
                        }
                        (_, Value::Bytes { end }) => wire.leave(end)?,
                        _ => {}
                    }
                }
            }
            (_, Value::Bytes { end }) => wire.leave(end)?,
            _ => {}
        }
    }
    Ok(())
}

fn dim(wire: &mut Wire, end: u64) -> Result<Option<Dim>, String> {
    let mut found = None;
    while let Some((number, value)) = wire.field(end)? {
        match (number, value) {
            (1, Value::Number(size)) => found = Some(Dim::Size(size.cast_signed())),
            (2, Value::Bytes { end }) => found = Some(Dim::Name(wire.text(end)?)),
            (_, Value::Bytes { end }) => wire.leave(end)?,
            _ => {}
        }
    }
    Ok(found)
}
