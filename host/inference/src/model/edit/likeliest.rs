//! The likeliest tokens, found where the logits are.
//!
//! A vocabulary has a hundred thousand tokens or more, and most requests choose among a few. So a graph that gives
//! logits of some positions alone gets two more outputs: the likeliest tokens of each, and their logits. Only these
//! have to come from a GPU, and nobody has to look for them on the host.

use super::editor::Editor;
use super::message::{Dim, FLOAT, INT64};
use crate::model::{LIKELIEST, LIKELIEST_LOGITS, LIKELIEST_TOKENS};

/// Has a language model find them. Fails with the reason where it cannot be done.
pub(super) fn find_likeliest(editor: &mut Editor) -> Result<(), String> {
    const COUNT: &str = "llmhost.likeliest.count";
    const WIDE: &str = "llmhost.likeliest.wide";
    let logits = editor.outputs().iter().find(|output| output.name == "logits").ok_or("it has no logits")?;
    let element = logits.element;
    match logits.dims.as_slice() {
        [_, _, Some(Dim::Size(vocabulary))] if usize::try_from(*vocabulary).is_ok_and(|size| size > LIKELIEST) => {}
        _ => return Err(format!("its logits are not those of a known number of more than {LIKELIEST} tokens")),
    }
    if [LIKELIEST_LOGITS, LIKELIEST_TOKENS, COUNT, WIDE].iter().any(|name| editor.has(name)) {
        return Err(format!("it has a value '{LIKELIEST_TOKENS}' already"));
    }
    let count = i64::try_from(LIKELIEST).expect("it is small");
    editor.add_constant(COUNT, &[count]);
    // 16-bit floats are exact in 32, and not every device sorts them.
    let source = if element == FLOAT { "logits" } else { WIDE };
    if element != FLOAT {
        editor.append("Cast", &["logits"], &[WIDE], &[("to", FLOAT)]);
    }
    editor.append("TopK", &[source, COUNT], &[LIKELIEST_LOGITS, LIKELIEST_TOKENS], &[]);
    let dims = [Dim::Size(1), Dim::Name("llmhost.rows".to_owned()), Dim::Size(count)];
    editor.add_output(LIKELIEST_LOGITS, FLOAT, &dims);
    editor.add_output(LIKELIEST_TOKENS, INT64, &dims);
    Ok(())
}
