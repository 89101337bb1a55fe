//! The nodes of a graph and of the graphs inside of it, and its small constants.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use crate::model::error::ModelError;
use crate::model::wire::{Value, Wire};

/// One operator.
#[derive(Debug, Default, Clone)]
pub(super) struct Node {
    pub(super) operator: String,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    /// `start` and `end` of Shape.
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
    /// The element type that Cast gives.
    pub(super) to: Option<i64>,
}

/// All of them, those of a branch before the operator that it belongs to.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    pub(super) nodes: Vec<Node>,
    /// Constants of one element, which may be whole or not.
    pub(super) constants: HashMap<String, f64>,
    /// Whether there are functions, whose bodies are not among the nodes.
    pub(super) functions: bool,
}

/// Bytes of the longest number as it is written.
const LONGEST: u64 = 10;

#[derive(Default)]
struct Tensor {
    name: String,
    elements: Option<u64>,
    kind: u64,
    number: Option<u64>,
}

impl Nodes {
    pub(super) fn read(path: &Path) -> Result<Self, ModelError> {
        let unreadable =
            |error: std::io::Error| ModelError::Unreadable { path: path.to_owned(), reason: error.to_string() };
        let mut wire = File::open(path).and_then(Wire::new).map_err(unreadable)?;
        let mut all = Self::default();
        let end = wire.length();
        all.model(&mut wire, end).map_err(|reason| ModelError::NotOnnx { path: path.to_owned(), reason })?;
        Ok(all)
    }

    fn model(&mut self, wire: &mut Wire, end: u64) -> Result<(), String> {
        while let Some((number, value)) = wire.field(end)? {
            match (number, value) {
                (7, Value::Bytes { end }) => self.graph(wire, end, 0)?,
                (25, Value::Bytes { end }) => {
                    self.functions = true;
                    wire.leave(end)?;
                }
                (_, Value::Bytes { end }) => wire.leave(end)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn graph(&mut self, wire: &mut Wire, end: u64, depth: usize) -> Result<(), String> {
        const DEEPEST: usize = 16;
        if depth > DEEPEST {
            return Err(format!("its graphs lie in each other more than {DEEPEST} deep"));
        }
        while let Some((number, value)) = wire.field(end)? {
            match (number, value) {
                (1, Value::Bytes { end }) => self.node(wire, end, depth)?,
                (5, Value::Bytes { end }) => {
                    let constant = tensor(wire, end)?;
                    if let Some(number) = constant.scalar() {
                        self.constants.insert(constant.name, number);
                    }
                }
                (_, Value::Bytes { end }) => wire.leave(end)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn node(&mut self, wire: &mut Wire, end: u64, depth: usize) -> Result<(), String> {
        let (mut node, mut constant) = (Node::default(), None);
        while let Some((number, value)) = wire.field(end)? {
            match (number, value) {
                (1, Value::Bytes { end }) => node.inputs.push(wire.text(end)?),
                (2, Value::Bytes { end }) => node.outputs.push(wire.text(end)?),
                (4, Value::Bytes { end }) => node.operator = wire.text(end)?,
                (5, Value::Bytes { end }) => {
                    if let Some(number) = self.attribute(wire, end, &mut node, depth)? {
                        constant = Some(number);
                    }
                }
                (_, Value::Bytes { end }) => wire.leave(end)?,
                _ => {}
            }
        }
        match (node.operator.as_str(), constant, node.outputs.first()) {
            ("Constant", Some(number), Some(name)) => _ = self.constants.insert(name.clone(), number),
            ("Constant", ..) => {}
            _ => self.nodes.push(node),
        }
        Ok(())
    }

    /// Notes what is of interest; gives the value where it is a constant's.
    fn attribute(&mut self, wire: &mut Wire, end: u64, node: &mut Node, depth: usize) -> Result<Option<f64>, String> {
        let (mut name, mut number, mut several, mut found) = (String::new(), None, Vec::new(), None);
        while let Some((field, value)) = wire.field(end)? {
            match (field, value) {
                (1, Value::Bytes { end }) => name = wire.text(end)?,
                (3, Value::Number(value)) => number = Some(value.cast_signed()),
                (5, Value::Bytes { end }) => found = tensor(wire, end)?.scalar(),
                (6 | 11, Value::Bytes { end }) => self.graph(wire, end, depth + 1)?,
                (8, Value::Number(value)) => several.push(value.cast_signed()),
                (8, Value::Bytes { end }) => {
                    while let Some(value) = wire.packed(end)? {
                        several.push(value.cast_signed());
                    }
                }
                (_, Value::Bytes { end }) => wire.leave(end)?,
                _ => {}
            }
        }
        match name.as_str() {
            "start" => node.start = number,
            "end" => node.end = number,
            "to" => node.to = number,
            "value_int" => found = number.map(|number| number as f64),
            "value_ints" if several.len() == 1 => found = several.first().map(|number| *number as f64),
            _ => {}
        }
        Ok(found)
    }
}

fn tensor(wire: &mut Wire, end: u64) -> Result<Tensor, String> {
    let mut read = Tensor { elements: Some(1), ..Tensor::default() };
    while let Some((number, value)) = wire.field(end)? {
        match (number, value) {
            (1, Value::Number(size)) => read.times(size),
            // Dimensions are packed in files of newer writers.
            (1, Value::Bytes { end }) => {
                while let Some(size) = wire.packed(end)? {
                    read.times(size);
                }
            }
            (2, Value::Number(kind)) => read.kind = kind,
            (5 | 7, Value::Number(number)) => read.number = Some(number),
            (5 | 7, Value::Bytes { end }) if end - wire.position() <= LONGEST => {
                read.number = wire.packed(end)?;
                wire.leave(end)?;
            }
            (8, Value::Bytes { end }) => read.name = wire.text(end)?,
            (4 | 9 | 10, Value::Bytes { end }) if end - wire.position() <= 8 => read.number = Some(wire.bytes(end)?),
            (_, Value::Bytes { end }) => wire.leave(end)?,
            _ => {}
        }
    }
    Ok(read)
}

impl Tensor {
    fn times(&mut self, size: u64) {
        self.elements = self.elements.and_then(|elements| elements.checked_mul(size));
    }

    /// Its number, where it is one number.
    fn scalar(&self) -> Option<f64> {
        let number = self.number.filter(|_| self.elements == Some(1))?;
        match self.kind {
            1 => Some(f64::from(f32::from_bits(u32::try_from(number).ok()?))),
            6 => Some(f64::from(number as u32 as i32)),
            7 => Some(number.cast_signed() as f64),
            10 => Some(half::f16::from_bits(u16::try_from(number).ok()?).to_f64()),
            11 => Some(f64::from_bits(number)),
            _ => None,
        }
    }
}
