//! What the interfaces say of the kinds of resources: fields and outputs, with their types and comments.

/// The interfaces by which plugins declare resources.
const INTERFACES: [&str; 8] = [
    include_str!("../../../../../wit/aws-cloud-control/0.2.0/cloud-control.wit"),
    include_str!("../../../../../wit/aws-ec2/0.2.0/ec2.wit"),
    include_str!("../../../../../wit/aws-eks/0.2.0/eks.wit"),
    include_str!("../../../../../wit/aws-iam/0.2.0/iam.wit"),
    include_str!("../../../../../wit/aws-request/0.2.0/request.wit"),
    include_str!("../../../../../wit/aws-s3/0.2.0/s3.wit"),
    include_str!("../../../../../wit/inference/0.2.0/inference.wit"),
    include_str!("../../../../../wit/kubernetes/0.2.0/kube.wit"),
];

/// What a type is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Fields.
    Record,
    /// Cases, of which a value is one.
    Cases,
    /// A resource: its parts are its outputs.
    Resource,
}

/// A type of an interface.
#[derive(Debug)]
pub(super) struct Type {
    /// `subnet-spec`
    pub(super) name: String,
    pub(super) shape: Shape,
    /// Its comment; an empty line between paragraphs.
    pub(super) words: String,
    pub(super) parts: Vec<Part>,
}

/// A field, a case, or an output.
#[derive(Debug)]
pub(super) struct Part {
    /// With hyphens, as in WIT.
    pub(super) name: String,
    /// Its type in a word or two; empty for a case without a value.
    pub(super) of: String,
    pub(super) words: String,
}

impl Part {
    /// Its name in specs and states.
    pub(super) fn key(&self) -> String {
        self.name.replace('-', "_")
    }
}

/// The types of the interface that a kind is of: `ec2` of `ec2.subnet`.
pub(super) fn types(kind: &str) -> Vec<Type> {
    let head = format!("interface {} {{", kind.split('.').next().unwrap_or_default());
    let text = INTERFACES.iter().find_map(|text| Some(&text[text.find(&head)? + head.len()..]));
    read(text.unwrap_or_default())
}

/// The fields of a kind's spec.
pub(super) fn fields(kind: &str) -> Vec<Part> {
    let Some((_, resource)) = kind.split_once('.') else { return Vec::new() };
    let spec = format!("{resource}-spec");
    types(kind).into_iter().find(|known| known.name == spec).map(|spec| spec.parts).unwrap_or_default()
}

/// The types of an interface's text. Its lines are as `wasm-tools` formats them: a type, a part or a comment each.
fn read(text: &str) -> Vec<Type> {
    let (mut types, mut words): (Vec<Type>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut open: Option<Type> = None;
    for line in text.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("///") {
            words.push(comment.trim());
            continue;
        }
        match (&mut open, line) {
            (Some(_), "}") => types.extend(open.take()),
            (Some(of), _) => of.parts.extend(part(line, of.shape, &paragraphs(&words))),
            (None, _) => open = begin(line, &paragraphs(&words)),
        }
        // All on one line: `enum direction { ingress, egress }`.
        if open.is_some() && line.ends_with('}') {
            types.extend(open.take());
        }
        words.clear();
    }
    types
}

/// The type that a line begins.
fn begin(line: &str, words: &str) -> Option<Type> {
    let (head, rest) = line.split_once('{')?;
    let (keyword, name) = head.trim().split_once(' ')?;
    let shape = match keyword {
        "record" => Shape::Record,
        "variant" | "enum" | "flags" => Shape::Cases,
        "resource" => Shape::Resource,
        _ => return None,
    };
    let cases = rest.trim_end_matches('}').split(',').filter_map(|case| part(case.trim(), shape, ""));
    Some(Type { name: name.trim().to_owned(), shape, words: words.to_owned(), parts: cases.collect() })
}

/// The part that a line is.
fn part(line: &str, shape: Shape, words: &str) -> Option<Part> {
    let line = line.trim_end_matches([',', ';']);
    let (name, of) = match shape {
        Shape::Record => line.split_once(':')?,
        Shape::Cases => line.split_once('(').map_or((line, ""), |(name, of)| (name, of.trim_end_matches(')'))),
        Shape::Resource => {
            // What can be read; `declare` is static, and every resource has an address.
            let (name, function) = line.split_once(':').filter(|(name, _)| *name != "address")?;
            (name, function.trim().strip_prefix("func(")?.split_once("result<")?.1.split_once(", failure")?.0)
        }
    };
    let part = || Part { name: name.trim().to_owned(), of: in_words(of.trim()), words: words.to_owned() };
    (!name.is_empty()).then(part)
}

/// Comments as paragraphs.
fn paragraphs(lines: &[&str]) -> String {
    lines.split(|line| line.is_empty()).map(|lines| lines.join(" ")).collect::<Vec<_>>().join("\n\n")
}

/// A type of WIT in words.
fn in_words(of: &str) -> String {
    let inside = |head: &str| of.strip_prefix(head).and_then(|rest| rest.strip_suffix('>'));
    if let Some(of) = inside("option<") {
        return format!("optional {}", in_words(of));
    }
    if let Some(of) = inside("list<") {
        return format!("list of {}", in_words(of));
    }
    if let Some(of) = inside("tuple<") {
        return format!("({})", of.split(", ").map(in_words).collect::<Vec<_>>().join(", "));
    }
    match of {
        "bool" => "boolean",
        "u8" | "u16" | "u32" | "u64" | "s32" | "s64" => "integer",
        "f32" | "f64" => "number",
        "tags" => "map of string",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_the_comments_of_the_interface() {
        let subnet = fields("ec2.subnet");
        let range = subnet.iter().find(|field| field.key() == "cidr_block").expect("a subnet has a range");
        assert!(range.words.len() > 10, "{subnet:?}");
        assert!(!fields("eks.cluster").is_empty());
        assert!(fields("no.such").is_empty());
    }

    #[test]
    fn types_have_their_parts() {
        let types = types("ec2.subnet");
        let parts = |name: &str, shape: Shape| -> Vec<(String, String)> {
            let found = types.iter().find(|known| known.name == name && known.shape == shape).expect(name);
            found.parts.iter().map(|part| (part.name.clone(), part.of.clone())).collect()
        };
        let pair = |name: &str, of: &str| (name.to_owned(), of.to_owned());
        assert_eq!(parts("direction", Shape::Cases), [pair("ingress", ""), pair("egress", "")]);
        assert_eq!(parts("vpc-range", Shape::Cases), [pair("ipv4", "string"), pair("amazon-ipv6", "")]);
        assert_eq!(parts("subnet-ipv6", Shape::Record), [pair("vpc-range", "string"), pair("index", "integer")]);
        assert_eq!(parts("subnet", Shape::Resource), [pair("id", "string")]);
    }

    #[test]
    fn types_are_in_words() {
        assert_eq!(in_words("list<tuple<string, u32>>"), "list of (string, integer)");
        assert_eq!(in_words("option<tags>"), "optional map of string");
    }
}
