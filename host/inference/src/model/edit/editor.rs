//! Changes of a graph, and the bytes of the changed one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::message::{Dim, INT64, Message, head};
use super::outline::{Node, Outer, Outline, Part, Place, Span, Tensor};
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
    /// The folder that files of weights are in.
    folder: PathBuf,
    outline: Outline,
    /// Names that a node takes in place of others.
    renamed: HashMap<usize, HashMap<String, String>>,
    /// New nodes, by the node that they stand in front of.
    inserted: BTreeMap<usize, Vec<Message>>,
    /// Outputs that are described anew.
    described: HashMap<usize, Message>,
    /// Values whose shapes are not what they were.
    reshaped: HashSet<String>,
    /// Nodes and weights that are left out.
    removed: HashSet<usize>,
    unused: HashSet<String>,
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
            folder: path.parent().unwrap_or(Path::new(".")).to_owned(),
            outline: Outline::read(&mut wire)?,
            renamed: HashMap::new(),
            inserted: BTreeMap::new(),
            described: HashMap::new(),
            reshaped: HashSet::new(),
            removed: HashSet::new(),
            unused: HashSet::new(),
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

    /// The nodes that take each value, those with graphs inside that take it as well.
    pub(super) fn takers(&self) -> HashMap<&str, Vec<usize>> {
        let mut takers: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, node) in self.nodes().iter().enumerate() {
            for name in node.inputs.iter().chain(&node.inner).filter(|name| !name.is_empty()) {
                takers.entry(name).or_default().push(at);
            }
        }
        takers
    }

    /// Whether a value is an output of the graph.
    pub(super) fn is_output(&self, name: &str) -> bool {
        self.outputs().iter().any(|output| output.name == name)
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
        self.insert_with(before, operator, (inputs, &[output]), &[]);
    }

    /// As `insert`, with several outputs, and whole numbers as attributes.
    pub(super) fn insert_with(
        &mut self,
        before: usize,
        operator: &str,
        (inputs, outputs): (&[&str], &[&str]),
        attributes: &[(&str, i64)],
    ) {
        let node = attributes
            .iter()
            .fold(Message::node(operator, inputs, outputs), |node, (name, number)| node.attribute(name, *number));
        self.inserted.entry(before).or_default().push(node);
    }

    /// A node of the standard operators behind all others, with whole numbers as attributes.
    pub(super) fn append(&mut self, operator: &str, inputs: &[&str], outputs: &[&str], attributes: &[(&str, i64)]) {
        self.insert_with(self.outline.nodes.len(), operator, (inputs, outputs), attributes);
    }

    /// A weight, where it is stored whole.
    pub(super) fn weight(&self, name: &str) -> Option<&Tensor> {
        self.outline.tensors.get(name).filter(|tensor| !matches!(tensor.bytes, Place::Elsewhere))
    }

    /// The bytes of a weight, behind what is there already.
    pub(super) fn append_bytes(&self, tensor: &Tensor, bytes: &mut Vec<u8>) -> Result<(), String> {
        let words = |error: std::io::Error| error.to_string();
        let mut read = |file: &File, span: Span| {
            let (start, length) = (bytes.len(), usize::try_from(span.end - span.start).unwrap_or(usize::MAX));
            bytes.resize(start + length, 0);
            file.read_exact_at(&mut bytes[start..], span.start).map_err(words)
        };
        match &tensor.bytes {
            Place::Inside(span) => read(&self.file, span.clone()),
            Place::Beside { file, offset, length } => {
                let file = File::open(self.folder.join(file)).map_err(words)?;
                let size = file.metadata().map_err(words)?.len();
                let end = length.map_or(size, |length| offset.saturating_add(length));
                if *offset > end || end > size {
                    return Err("a weight reaches beyond its file".to_owned());
                }
                read(&file, *offset..end)
            }
            Place::Elsewhere => Err("a weight is not stored whole".to_owned()),
        }
    }

    /// A new weight.
    pub(super) fn add_weight(&mut self, name: &str, element: i64, dims: &[i64], bytes: &[u8]) {
        self.added.push((INITIALIZER, Message::tensor(name, element, dims, bytes)));
    }

    /// Leaves out a node.
    pub(super) fn remove(&mut self, node: usize) {
        self.removed.insert(node);
    }

    /// Leaves out a weight that no node takes any more.
    pub(super) fn remove_weight(&mut self, name: &str) {
        self.unused.insert(name.to_owned());
    }

    /// Whether a node takes other values than those of the file.
    pub(super) fn is_renamed(&self, node: usize) -> bool {
        self.renamed.contains_key(&node)
    }

    /// A node as the file has it, with other inputs, output and one number in place of its own, in front of another.
    pub(super) fn insert_like(
        &mut self,
        before: usize,
        node: usize,
        inputs: &[&str],
        output: &str,
        (name, number): (&str, i64),
    ) {
        let old = &self.outline.nodes[node];
        let new = Message::node(&old.operator, inputs, &[output]).text(7, &old.domain);
        let numbers = old.numbers.iter().map(|(key, old)| (key, if key == name { number } else { *old }));
        let new = numbers.fold(new, |new, (key, number)| new.attribute(key, number));
        self.inserted.entry(before).or_default().push(new);
    }

    /// An output.
    pub(super) fn add_output(&mut self, name: &str, element: i64, dims: &[Dim]) {
        self.added.push((OUTPUT, Message::value(name, element, dims)));
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
                    if !self.removed.contains(at) {
                        self.node(*at, span, &mut graph);
                    }
                }
                Part::Output(at) => match self.described.get(at) {
                    Some(message) => graph.push(new(OUTPUT, message)),
                    None => graph.push(Piece::File(span.clone())),
                },
                Part::Shape(name) if self.reshaped.contains(name) => {}
                Part::Weight(name) if self.unused.contains(name) => {}
                Part::Shape(_) | Part::Weight(_) | Part::Other => graph.push(Piece::File(span.clone())),
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
