//! Changes of a graph, and the bytes of the changed one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::message::{Dim, INT64, Message, head};
use super::outline::{Node, Outer, Outline, Part, Span};
use crate::model::wire::Wire;

/// Fields of a GraphProto.
const NODE: u64 = 1;
const INITIALIZER: u64 = 5;
const INPUT: u64 = 11;
const OUTPUT: u64 = 12;
/// Bytes of a message, at most, as protobuf has it.
const LARGEST: u64 = i32::MAX as u64;

/// A graph, and what is to be changed of it.
pub(crate) struct Editor {
    file: File,
    outline: Outline,
    /// Names that a node takes in place of others.
    renamed: HashMap<usize, HashMap<String, String>>,
    /// New nodes, by the node that they stand in front of.
    inserted: BTreeMap<usize, Vec<Message>>,
    /// Outputs that are described anew.
    described: HashMap<usize, Message>,
    /// Values whose shapes are not what they were.
    reshaped: HashSet<String>,
    /// Inputs and constants that are new, with their fields.
    added: Vec<(u64, Message)>,
}

/// Where a part of the changed file comes from.
enum Piece {
    File(Span),
    New(Vec<u8>),
}

impl Editor {
    /// Reads a file but for its weights.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let words = |error: std::io::Error| error.to_string();
        let file = File::open(path).map_err(words)?;
        let mut wire = file.try_clone().and_then(Wire::new).map_err(words)?;
        Ok(Self {
            file,
            outline: Outline::read(&mut wire)?,
            renamed: HashMap::new(),
            inserted: BTreeMap::new(),
            described: HashMap::new(),
            reshaped: HashSet::new(),
            added: Vec::new(),
        })
    }

    /// The nodes at the top level, in the order in which they run.
    pub(super) fn nodes(&self) -> &[Node] {
        &self.outline.nodes
    }

    pub(super) fn inputs(&self) -> &[Outer] {
        &self.outline.inputs
    }

    pub(super) fn outputs(&self) -> &[Outer] {
        &self.outline.outputs
    }

    /// The version of the standard operators.
    pub(super) fn opset(&self) -> i64 {
        self.outline.opset
    }

    /// Whether a value is a weight, or computed of weights alone.
    pub(super) fn is_constant(&self, name: &str) -> bool {
        self.outline.constants.contains(name)
    }

    /// Whether there is a value of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.outline.names.contains(name)
    }

    /// An input of whole numbers.
    pub(super) fn add_input(&mut self, name: &str, dims: &[Dim]) {
        self.added.push((INPUT, Message::value(name, INT64, dims)));
    }

    /// A constant of whole numbers.
    pub(super) fn add_constant(&mut self, name: &str, numbers: &[i64]) {
        self.added.push((INITIALIZER, Message::numbers(name, numbers)));
    }

    /// A node of the standard operators in front of another; behind all of them where there is none of that number.
    pub(super) fn insert(&mut self, before: usize, operator: &str, inputs: &[&str], output: &str) {
        let node = Message::node(operator, inputs, &[output]);
        self.inserted.entry(before).or_default().push(node);
    }

    /// Has a node take another value.
    pub(super) fn replace_input(&mut self, node: usize, old: &str, new: &str) {
        self.renamed.entry(node).or_default().insert(old.to_owned(), new.to_owned());
    }

    /// Has an output say other dimensions.
    pub(super) fn describe_output(&mut self, output: usize, dims: &[Dim]) {
        let of = &self.outline.outputs[output];
        self.described.insert(output, Message::value(&of.name, of.element, dims));
    }

    /// Forgets what the file says of a value's shape.
    pub(super) fn forget_shape(&mut self, name: &str) {
        self.reshaped.insert(name.to_owned());
    }

    /// The changed file.
    pub(crate) fn write(self) -> Result<Vec<u8>, String> {
        let mut graph = Vec::new();
        for (part, span) in &self.outline.parts {
            match part {
                Part::Node(at) => {
                    self.insert_new(*at, &mut graph);
                    self.node(*at, span, &mut graph);
                }
                Part::Output(at) => match self.described.get(at) {
                    Some(message) => graph.push(new(OUTPUT, message)),
                    None => graph.push(Piece::File(span.clone())),
                },
                Part::Shape(name) if self.reshaped.contains(name) => {}
                Part::Shape(_) | Part::Other => graph.push(Piece::File(span.clone())),
            }
        }
        self.insert_new(self.outline.nodes.len(), &mut graph);
        graph.extend(self.added.iter().map(|(field, message)| new(*field, message)));
        let length = graph.iter().map(Piece::length).sum();
        let mut all: Vec<Piece> = self.outline.around.iter().cloned().map(Piece::File).collect();
        all.push(Piece::New(head(7, length)));
        all.extend(graph);
        let total: u64 = all.iter().map(Piece::length).sum();
        if total > LARGEST {
            return Err(format!("changed, it has {total} bytes, and ONNX allows {LARGEST}"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(total).map_err(|error| error.to_string())?);
        for piece in all {
            piece.append(&self.file, &mut bytes).map_err(|error| error.to_string())?;
        }
        Ok(bytes)
    }

    fn insert_new(&self, before: usize, graph: &mut Vec<Piece>) {
        graph.extend(self.inserted.get(&before).into_iter().flatten().map(|node| new(NODE, node)));
    }

    fn node(&self, at: usize, span: &Span, graph: &mut Vec<Piece>) {
        let Some(names) = self.renamed.get(&at) else { return graph.push(Piece::File(span.clone())) };
        let node = &self.outline.nodes[at];
        let name = |old: &String| names.get(old).unwrap_or(old).clone();
        let inputs = node.inputs.iter().fold(Message::default(), |all, old| all.text(1, &name(old))).into_bytes();
        let rest: u64 = node.rest.iter().map(|span| span.end - span.start).sum();
        graph.push(Piece::New([head(NODE, inputs.len() as u64 + rest), inputs].concat()));
        graph.extend(node.rest.iter().cloned().map(Piece::File));
    }
}

fn new(field: u64, message: &Message) -> Piece {
    Piece::New(Message::default().message(field, message).into_bytes())
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Self::File(span) => span.end - span.start,
            Self::New(bytes) => bytes.len() as u64,
        }
    }

    fn append(self, file: &File, bytes: &mut Vec<u8>) -> std::io::Result<()> {
        match self {
            Self::New(new) => bytes.extend(new),
            Self::File(span) => {
                let start = bytes.len();
                bytes.resize(start + (span.end - span.start) as usize, 0);
                file.read_exact_at(&mut bytes[start..], span.start)?;
            }
        }
        Ok(())
    }
}
