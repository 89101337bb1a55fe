//! Logits of the positions that are asked for.
//!
//! A language model gives logits of every token that it reads, and of a prompt only those of the last one are of use.
//! The projection onto the vocabulary is a fifth of the work of a small model. So what goes into the last nodes is
//! gathered at the positions of a new input; for the nodes behind, a run has one row with just those tokens.

use super::editor::Editor;
use super::message::Dim;
use super::tail::Tail;

/// The new input: `[rows, 2]`, each a row of the run and a place in it. The logits are `[1, rows, vocabulary]`, in this order.
pub(crate) const POSITIONS: &str = "llmhost.positions";

/// How far back from the logits positions are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Behind the last attention.
    Layer,
    /// In front of the projection onto the vocabulary.
    Head,
}

/// Has a language model take [`POSITIONS`]. Fails with the reason where it cannot be done, or has been done otherwise.
pub(crate) fn at_positions(editor: &mut Editor, depth: Depth) -> Result<(), String> {
    const AXES: &str = "llmhost.axes";
    /// Unsqueeze takes its axes as an input from here on.
    const OLDEST: i64 = 13;
    let named = |name: &str| editor.inputs().iter().any(|input| input.name == name);
    if !named("input_ids") || !editor.inputs().iter().any(|input| input.name.starts_with("past_key")) {
        return Err("it is no language model with a key/value cache".to_owned());
    }
    if named("num_logits_to_keep") {
        return Err("it has num_logits_to_keep".to_owned());
    }
    if editor.opset() < OLDEST {
        return Err(format!("its operator set is {}, and {OLDEST} or a later one is needed", editor.opset()));
    }
    if [POSITIONS, AXES].iter().any(|name| editor.has(name)) {
        return Err(format!("it has a value '{POSITIONS}' or '{AXES}' already"));
    }
    let found = editor.outputs().iter().position(|output| output.name == "logits").ok_or("it has no logits")?;
    let vocabulary = match editor.outputs()[found].dims.as_slice() {
        [_, Some(Dim::Size(1)), _] => return Err("it gives logits of the last position alone".to_owned()),
        [_, _, Some(vocabulary)] => vocabulary.clone(),
        dims => return Err(format!("its logits have {} dimensions, and must have three", dims.len())),
    };
    let tail = Tail::of(editor, "logits", depth)?;
    let rows = Dim::Name("llmhost.rows".to_owned());
    editor.add_input(POSITIONS, &[rows.clone(), Dim::Size(2)]);
    editor.add_constant(AXES, &[0]);
    for (number, (name, first)) in tail.inputs.iter().enumerate() {
        let (gathered, chosen) = (format!("llmhost.gathered.{number}"), format!("llmhost.chosen.{number}"));
        editor.insert(*first, "GatherND", &[name, POSITIONS], &gathered);
        editor.insert(*first, "Unsqueeze", &[&gathered, AXES], &chosen);
        tail.nodes.iter().for_each(|node| editor.replace_input(*node, name, &chosen));
    }
    let made: Vec<String> = tail.nodes.iter().flat_map(|node| editor.nodes()[*node].outputs.clone()).collect();
    made.iter().for_each(|name| editor.forget_shape(name));
    editor.describe_output(found, &[Dim::Size(1), rows, vocabulary]);
    Ok(())
}
