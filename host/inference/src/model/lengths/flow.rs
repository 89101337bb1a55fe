//! Where the length of a run goes.

use std::collections::HashMap;

use super::Lengths;
use super::nodes::{Node, Nodes};
use crate::model::graph::QUANTIZE_RUNS;

/// What is known of a value. Values that are not listed are tensors as any other.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Known {
    Mask,
    Positions,
    Past,
    /// Something with a row for each row of the run.
    Rows,
    /// The dimensions of these.
    MaskShape,
    PastShape,
    RowsShape,
    /// Tokens that are in the cache.
    Cached,
    /// New tokens.
    Width,
    /// Both together and so many more: for the longest row, or for each.
    Total(f64),
    Constant(f64),
    /// Some other number made of these.
    Mixed,
    /// The same, as a fraction.
    Fraction,
}

use Known::{
    Cached, Constant, Fraction, Mask, MaskShape, Mixed, Past, PastShape, Positions, Rows, RowsShape, Total, Width,
};

/// Element types that have fractions.
const FRACTIONS: [i64; 4] = [1, 10, 11, 16];

/// Follows the length through all nodes.
pub(super) fn lengths(nodes: &Nodes) -> Lengths {
    let mut flow = Flow { known: HashMap::new(), constants: &nodes.constants, found: Lengths::Any };
    for node in &nodes.nodes {
        if let (Some(known), Some(output)) = (flow.step(node), node.outputs.first()) {
            flow.known.insert(output, known);
        }
    }
    flow.found
}

struct Flow<'a> {
    known: HashMap<&'a str, Known>,
    constants: &'a HashMap<String, f64>,
    found: Lengths,
}

impl<'a> Flow<'a> {
    fn input(&self, node: &Node, place: usize) -> Option<Known> {
        let name = node.inputs.get(place)?.as_str();
        if let Some(number) = self.constants.get(name) {
            return Some(Constant(*number));
        }
        self.known.get(name).copied().or(match name {
            "attention_mask" => Some(Mask),
            "position_ids" => Some(Positions),
            "input_ids" | "inputs_embeds" => Some(Rows),
            name if name.starts_with("past_key") => Some(Past),
            _ => None,
        })
    }

    /// What a node's first output is.
    fn step(&mut self, node: &'a Node) -> Option<Known> {
        let (first, second) = (self.input(node, 0), self.input(node, 1));
        match node.operator.as_str() {
            "Shape" => Some(match (first, node.start, node.end) {
                (Some(Mask), Some(1 | -1), _) => Total(0.0),
                (Some(Past), Some(2 | -2), Some(3 | -1)) => Cached,
                (_, Some(1), Some(2)) => Width,
                (Some(Mask), ..) => MaskShape,
                (Some(Past), ..) => PastShape,
                _ => RowsShape,
            }),
            "Gather" | "Slice" => match (first?, second?) {
                (MaskShape, Constant(1.0 | -1.0)) => Some(Total(0.0)),
                (PastShape, Constant(2.0 | -2.0)) => Some(Cached),
                (RowsShape, Constant(1.0 | -2.0)) => Some(Width),
                (MaskShape | PastShape | RowsShape, Constant(_)) => None,
                (MaskShape | PastShape | RowsShape, _) => Some(Mixed),
                (known @ (Mask | Positions), _) => Some(known),
                _ => None,
            },
            "Cast" if node.to.is_some_and(|kind| FRACTIONS.contains(&kind)) => match first? {
                Mask | Rows | MaskShape | PastShape | RowsShape | Past => None,
                // Positions are turned into angles, each by its own.
                Positions => Some(Positions),
                Constant(number) => Some(Constant(number)),
                Total(more) => Some(Total(more)),
                _ => Some(Fraction),
            },
            "Cast" | "Squeeze" | "Unsqueeze" | "Identity" | "Reshape" | "Flatten" => first,
            "ReduceSum" | "ReduceMax" => match first? {
                Mask => Some(Total(0.0)),
                Positions => Some(Total(-1.0)),
                known @ (Total(_) | Mixed | Fraction) => Some(known),
                _ => None,
            },
            "Add" => match (first?, second?) {
                (Cached, Width) | (Width, Cached) => Some(Total(0.0)),
                (Total(more), Constant(number)) | (Constant(number), Total(more)) => Some(Total(more + number)),
                pair => mixed(pair),
            },
            "Sub" => match (first?, second?) {
                (Total(more), Constant(number)) => Some(Total(more - number)),
                (Total(_), Cached) => Some(Width),
                (Total(_), Width) => Some(Cached),
                pair => mixed(pair),
            },
            "Max" | "Min" | "Mul" | "Div" | "Mod" => {
                let both = mixed((first?, second?))?;
                self.computed(both, first, second, node)
            }
            "Pow" | "Exp" | "Log" | "Sqrt" | "Reciprocal" => {
                let known = first.filter(is_length).or_else(|| second.filter(is_length))?;
                self.not_followed(node, known)
            }
            "Neg" | "Floor" | "Ceil" | "Abs" => first.filter(is_length).map(|_| Mixed),
            "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Equal" => self.compared(node, first?, second?),
            operator if QUANTIZE_RUNS.contains(&operator) => self.of_all_tokens(node),
            "Loop" | "Scan" => first.filter(is_length).and_then(|known| self.not_followed(node, known)),
            _ => None,
        }
    }

    /// Products and the like: of whole numbers they are sizes; of fractions they may be factors.
    fn computed(&mut self, both: Known, first: Option<Known>, second: Option<Known>, node: &Node) -> Option<Known> {
        match both {
            Fraction => self.not_followed(node, Fraction),
            // The longest of the length and a constant is how factors that grow begin.
            _ if matches!(node.operator.as_str(), "Max" | "Min") => match (first, second) {
                (Some(Total(_)), Some(Constant(number))) | (Some(Constant(number)), Some(Total(_))) if number > 1.0 => {
                    self.not_followed(node, Mixed)
                }
                _ => Some(both),
            },
            _ => Some(both),
        }
    }

    fn compared(&mut self, node: &Node, first: Known, second: Known) -> Option<Known> {
        let operator = node.operator.as_str();
        let (known, number, turned) = match (first, second) {
            (known, Constant(number)) => (known, number, false),
            (Constant(number), known) => (known, number, true),
            _ => return None,
        };
        match known {
            // Whether there is anything at all, or one new token: of masks, and the same for all rows.
            _ if number <= 1.0 => None,
            Total(more) => {
                let most = match (operator, turned) {
                    ("Greater" | "LessOrEqual", false) | ("Less" | "GreaterOrEqual", true) => number.floor() - more,
                    ("GreaterOrEqual" | "Less", false) | ("LessOrEqual" | "Greater", true) => {
                        number.ceil() - 1.0 - more
                    }
                    _ => return self.not_followed(node, known),
                };
                self.find(Lengths::Threshold(most.max(0.0) as usize));
                None
            }
            Cached | Width | Mixed | Fraction => self.not_followed(node, known),
            _ => None,
        }
    }

    fn not_followed(&mut self, node: &Node, known: Known) -> Option<Known> {
        let what = match known {
            Width => "the number of new tokens",
            Cached => "the number of cached tokens",
            _ => "the length of the run",
        };
        let output = node.outputs.first().map_or("", String::as_str);
        self.find(Lengths::Unknown(format!("{} makes '{output}' of {what}", node.operator)));
        None
    }

    /// One scale for a whole tensor, taken from its largest number: each token's numbers depend on what runs with it.
    fn of_all_tokens(&mut self, node: &Node) -> Option<Known> {
        let what = node.outputs.first().map_or("", String::as_str);
        self.find(Lengths::Unknown(format!(
            "{} makes '{what}' with one scale for all tokens of the run",
            node.operator
        )));
        None
    }

    fn find(&mut self, found: Lengths) {
        self.found = match (std::mem::replace(&mut self.found, Lengths::Any), found) {
            (Lengths::Any, found) => found,
            (Lengths::Threshold(one), Lengths::Threshold(other)) if one != other => {
                Lengths::Unknown(format!("it changes at {one} and at {other} tokens"))
            }
            (Lengths::Threshold(_), found) => found,
            (found, _) => found,
        };
    }
}

fn is_length(known: &Known) -> bool {
    matches!(known, Cached | Width | Total(_) | Mixed | Fraction)
}

/// What comes of two numbers.
fn mixed(pair: (Known, Known)) -> Option<Known> {
    match pair {
        (Constant(_), Constant(_)) => None,
        (one, other) if [one, other].contains(&Fraction) && scalar(&one) && scalar(&other) => Some(Fraction),
        (one, other) if scalar(&one) && scalar(&other) => Some(Mixed),
        _ => None,
    }
}

fn scalar(known: &Known) -> bool {
    is_length(known) || matches!(known, Constant(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Operator in in > out`, one a line; names that are numbers are constants.
    fn found(text: &str) -> Lengths {
        let mut nodes = Nodes::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (from, to) = words[1..].split_at(words.len() - 3);
            let inputs: Vec<String> = from.iter().map(|name| (*name).to_owned()).collect();
            for name in &inputs {
                nodes.constants.extend(name.parse().ok().map(|number: f64| (name.clone(), number)));
            }
            let (operator, to_kind) = words[0].split_once(':').unwrap_or((words[0], ""));
            nodes.nodes.push(Node {
                operator: operator.to_owned(),
                inputs,
                outputs: vec![to[1].to_owned()],
                to: to_kind.parse().ok(),
                ..Node::default()
            });
        }
        lengths(&nodes)
    }

    #[test]
    fn thresholds_are_found_wherever_the_length_comes_from() {
        for text in [
            "Shape attention_mask > shape
             Gather shape 1 > total
             Greater total 4096 > long",
            "ReduceSum attention_mask 1 > each
             ReduceMax each > total
             LessOrEqual total 4096 > short",
            "ReduceMax position_ids > last
             Add last 1 > total
             Less 4096 total > long",
            "ReduceMax position_ids > last
             Cast:1 last > fraction
             Greater fraction 4095 > long",
            "Shape past_key_values.0.key > past
             Gather past 2 > cached
             Shape input_ids > ids
             Gather ids 1 > width
             Add width cached > total
             Unsqueeze total 0 > row
             GreaterOrEqual row 4097 > long",
        ] {
            assert_eq!(found(text), Lengths::Threshold(4096), "{text}");
        }
    }

    #[test]
    fn cutting_and_masking_by_the_length_is_harmless() {
        let text = "Shape attention_mask > shape
             Gather shape 1 > total
             Shape input_ids > ids
             Gather ids 1 > width
             Sub total width > cached
             Range cached total 1 > places
             Range 0 total 1 > columns
             Greater columns places > late
             Less columns 4096 > within
             Where late -10000 0 > bias
             Slice table 0 total > cos
             Cast:1 position_ids > turned
             Mul turned inverse > angles
             Equal width 1 > one
             Mul total 2 > double
             Add double 1 > more
             Cast:6 total > short";
        assert_eq!(found(text), Lengths::Any);
    }

    #[test]
    fn what_is_not_followed_is_named() {
        for (text, part) in [
            (
                "ReduceMax position_ids > last
                 Add last 1 > total
                 Max total 4096 > longest",
                "Max makes 'longest' of the length of the run",
            ),
            (
                "Shape attention_mask > shape
                 Gather shape 1 > total
                 Div total 4096 > share
                 Cast:1 share > fraction
                 Pow fraction 1.1 > base",
                "Pow makes 'base' of the length of the run",
            ),
            (
                "DynamicQuantizeLinear hidden > bytes",
                "DynamicQuantizeLinear makes 'bytes' with one scale for all tokens of the run",
            ),
            (
                "Shape input_ids > shape
                 Gather shape 1 > width
                 Greater width 64 > many",
                "the number of new tokens",
            ),
            (
                "Shape attention_mask > shape
                 Gather shape 1 > total
                 Greater total 4096 > long
                 Greater total 8192 > longer",
                "it changes at 4096 and at 8192 tokens",
            ),
        ] {
            assert!(
                matches!(found(text), Lengths::Unknown(reason) if reason.contains(part)),
                "{text}: {:?}",
                found(text)
            );
        }
    }
}
