//! Projections of one value, made in one product.
//!
//! An exporter writes queries, keys and values as three products of the same hidden state, and a gated layer as two. Of a
//! small model each of these takes some microseconds, a good part of them for starting it on all threads and for quantizing
//! the state, which every one does anew. Their weights are rows one below the other, so one product gives the same
//! numbers side by side. Attention takes queries, keys and values so; for a gate they are split.
//!
//! The new weights are in memory and in no file, so this is done where they are small: of a large model the products
//! themselves take the time.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::editor::Editor;

const PRODUCT: &str = "MatMulNBits";
const ATTENTION: &str = "GroupQueryAttention";
/// Inputs of a product: the value, weights, scales, zero points, an order of columns, and a bias.
const VALUE: usize = 0;
const ORDER: usize = 4;
/// How many results one product is split into.
const SPLIT: RangeInclusive<usize> = 2..=4;
/// Bytes of new weights, at most.
const MOST_BYTES: u64 = 256 << 20;

/// Products that are to become one.
#[derive(Debug)]
struct Group {
    /// In the order in which their results stand side by side.
    products: Vec<usize>,
    /// The attention that takes all of them; nothing where they are split.
    attention: Option<usize>,
}

/// Joins what can be joined, unless it is large; says how many products there are less. After an error the graph is of no
/// use.
pub(super) fn join_projections(editor: &mut Editor) -> Result<usize, String> {
    let groups = groups(editor);
    let bytes: u64 = groups.iter().flat_map(|group| &group.products).map(|product| bytes(editor, *product)).sum();
    if bytes > MOST_BYTES {
        tracing::debug!(bytes, "the projections are large, and stay apart");
        return Ok(0);
    }
    let unused = weights_of(editor, &groups);
    groups.iter().enumerate().try_for_each(|(number, group)| join(editor, number, group))?;
    unused.iter().for_each(|name| editor.remove_weight(name));
    Ok(groups.iter().map(|group| group.products.len() - 1).sum())
}

/// The weights that nothing but these products takes.
fn weights_of(editor: &Editor, groups: &[Group]) -> Vec<String> {
    let takers = editor.takers();
    let products = groups.iter().flat_map(|group| &group.products);
    let names = products.flat_map(|product| &editor.nodes()[*product].inputs[VALUE + 1..]);
    names.filter(|name| takers.get(name.as_str()).is_some_and(|taken| taken.len() == 1)).cloned().collect()
}

/// Every group, and no product in two of them.
fn groups(editor: &Editor) -> Vec<Group> {
    let nodes = editor.nodes();
    let takers = editor.takers();
    let mut makers = HashMap::new();
    for (at, node) in nodes.iter().enumerate() {
        makers.extend(node.outputs.iter().map(|name| (name.as_str(), at)));
    }
    let mut groups = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        // Packed queries, keys and values are one input; what else attention takes stays where it is.
        if node.operator != ATTENTION || node.inputs.len() < 3 || editor.is_renamed(at) {
            continue;
        }
        let products: Option<Vec<usize>> =
            node.inputs[..3].iter().map(|name| makers.get(name.as_str()).copied()).collect();
        let Some(products) = products else { continue };
        let only_here =
            |name: &String| takers.get(name.as_str()).is_some_and(|taken| *taken == [at]) && !editor.is_output(name);
        if node.inputs[..3].iter().all(only_here) && are_alike(editor, &products) {
            groups.push(Group { products, attention: Some(at) });
        }
    }
    for taken in takers.values() {
        let is_free = |at: &usize| !groups.iter().any(|group: &Group| group.products.contains(at));
        let is_one = |at: &usize| nodes[*at].operator == PRODUCT && is_free(at);
        let products: Vec<usize> = taken.iter().copied().filter(is_one).collect();
        if SPLIT.contains(&products.len()) && are_alike(editor, &products) {
            groups.push(Group { products, attention: None });
        }
    }
    groups.sort_by_key(|group| group.products.iter().min().copied());
    groups
}

/// Whether they are products of one value by weights that are stored in the same way.
fn are_alike(editor: &Editor, products: &[usize]) -> bool {
    let nodes = editor.nodes();
    let first = &nodes[products[0]];
    products.iter().enumerate().all(|(at, product)| {
        let node = &nodes[*product];
        let same = |key: &str| node.numbers.get(key) == first.numbers.get(key);
        let parts = |index: usize| match (part(editor, *product, index), part(editor, products[0], index)) {
            (None, None) => true,
            (Some(one), Some(other)) => one.element == other.element && one.dims.get(1..) == other.dims.get(1..),
            _ => false,
        };
        let is_whole = |index: usize| {
            let name = node.inputs.get(index).map_or("", String::as_str);
            name.is_empty() || part(editor, *product, index).is_some_and(|tensor| !tensor.dims.is_empty())
        };
        node.operator == PRODUCT
            && node.domain == first.domain
            && node.outputs.len() == 1
            && node.inputs.first() == first.inputs.first()
            && node.inputs.len() == first.inputs.len()
            && node.inputs.get(ORDER).is_none_or(String::is_empty)
            && ["K", "bits", "block_size", "accuracy_level"].iter().all(|key| same(key))
            && node.numbers.contains_key("N")
            && (VALUE + 1..node.inputs.len()).all(|index| parts(index) && is_whole(index))
            && !editor.is_renamed(*product)
            && !products[..at].contains(product)
    })
}

/// A weight that a product takes.
fn part(editor: &Editor, product: usize, index: usize) -> Option<&super::outline::Tensor> {
    editor.weight(editor.nodes()[product].inputs.get(index)?)
}

/// What the weights of a product take, about.
fn bytes(editor: &Editor, product: usize) -> u64 {
    let numbers = &editor.nodes()[product].numbers;
    let of = |key: &str| numbers.get(key).and_then(|number| u64::try_from(*number).ok()).unwrap_or(0);
    of("K").saturating_mul(of("N")).saturating_mul(of("bits").max(4)) / 8
}

fn join(editor: &mut Editor, number: usize, group: &Group) -> Result<(), String> {
    let nodes = editor.nodes();
    let first = group.products[0];
    let place = *group.products.iter().min().ok_or("a group is empty")?;
    let (value, count) = (nodes[first].inputs[VALUE].clone(), nodes[first].inputs.len());
    let outputs: Vec<String> = group.products.iter().map(|product| nodes[*product].outputs[0].clone()).collect();
    let columns: Vec<i64> = group.products.iter().map(|product| nodes[*product].numbers["N"]).collect();
    let joined = format!("llmhost.joined.{number}");
    if editor.has(&joined) {
        return Err(format!("it has a value '{joined}' already"));
    }
    let mut inputs = vec![value];
    for index in VALUE + 1..count {
        let names: Vec<String> =
            group.products.iter().map(|product| editor.nodes()[*product].inputs[index].clone()).collect();
        if names[0].is_empty() {
            inputs.push(String::new());
            continue;
        }
        let (mut raw, mut dims, mut element) = (Vec::new(), Vec::new(), 0);
        for name in &names {
            let tensor = editor.weight(name).ok_or("a weight is not stored whole")?.clone();
            editor.append_bytes(&tensor, &mut raw)?;
            let rows = dims.first().copied().unwrap_or(0) + tensor.dims[0];
            (dims, element) = (tensor.dims, tensor.element);
            dims[0] = rows;
        }
        let name = format!("{joined}.{index}");
        editor.add_weight(&name, element, &dims, &raw);
        inputs.push(name);
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    editor.insert_like(place, first, &inputs, &joined, ("N", columns.iter().sum()));
    match group.attention {
        Some(attention) => {
            for (old, new) in outputs.iter().zip([joined.as_str(), "", ""]) {
                editor.replace_input(attention, old, new);
                editor.forget_shape(old);
            }
        }
        None => {
            let sizes = format!("{joined}.sizes");
            editor.add_constant(&sizes, &columns);
            let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
            editor.insert_with(place, "Split", (&[&joined, &sizes], &outputs), &[("axis", -1)]);
        }
    }
    group.products.iter().for_each(|product| editor.remove(*product));
    Ok(())
}
