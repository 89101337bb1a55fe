//! Outputs for other programs: JSON, lines for a shell, variables for Terraform.

use std::collections::BTreeMap;
use std::fmt::Write;

use llmhost_engine::names::StepName;
use llmhost_engine::plan::plain;
use serde_json::{Map, Value};

use crate::failure::Failure;

/// An output of a step, or of the file itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output<'a> {
    pub(crate) step: Option<&'a StepName>,
    pub(crate) name: &'a str,
    pub(crate) value: &'a Value,
}

impl Output<'_> {
    /// As users name it: `network.vpc_id`, and `vpc_id` of the file itself.
    pub(crate) fn address(&self) -> String {
        self.step.map_or_else(|| self.name.to_owned(), |step| format!("{step}.{}", self.name))
    }
}

/// The value alone: a text as it is, anything else as JSON.
pub(crate) fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A line for each, for people.
pub(crate) fn lines(outputs: &[Output<'_>]) -> String {
    let line = |output: &Output<'_>| {
        let (address, value) = (output.address(), output.value.to_string());
        format!("{} = {}\n", plain(&address), plain(&value))
    };
    outputs.iter().map(line).collect()
}

/// One object, with an object for each step. What the file itself gives stands beside these.
pub(crate) fn json(outputs: &[Output<'_>]) -> String {
    let mut steps = Map::new();
    for output in outputs {
        let Some(step) = output.step else {
            steps.insert(output.name.to_owned(), output.value.clone());
            continue;
        };
        let step = steps.entry(step.to_string()).or_insert_with(|| Value::Object(Map::new()));
        step[output.name] = output.value.clone();
    }
    serde_json::to_string_pretty(&steps).expect("it is JSON") + "\n"
}

/// `NETWORK_VPC_ID='vpc-1'`: lines that a shell reads, whatever is in the values.
pub(crate) fn env(outputs: &[Output<'_>]) -> Result<String, Failure> {
    let mut text = String::new();
    for (name, output) in named(outputs, |name| name.to_ascii_uppercase())? {
        let value = bare(output.value);
        if value.contains('\0') {
            let message =
                format!("{} contains a NUL character, which a shell variable cannot contain", output.address());
            return Err(Failure::Other { message, help: "Use --json.".to_owned(), status: 1 });
        }
        // Between single quotes nothing has a meaning but the quote that ends them.
        let _ = writeln!(text, "{name}='{}'", value.replace('\'', r"'\''"));
    }
    Ok(text)
}

/// `network_vpc_id = "vpc-1"`: assignments of HCL.
pub(crate) fn tfvars(outputs: &[Output<'_>]) -> Result<String, Failure> {
    let mut text = String::new();
    for (name, output) in named(outputs, str::to_owned)? {
        let _ = writeln!(text, "{name} = {}", hcl(output.value));
    }
    Ok(text)
}

/// Each output with the name of its variable: letters and digits of `step.output`, and `_` for every other character.
fn named<'a, 'b>(
    outputs: &'b [Output<'a>],
    letters: fn(&str) -> String,
) -> Result<Vec<(String, &'b Output<'a>)>, Failure> {
    let mut taken: BTreeMap<String, &Output<'_>> = BTreeMap::new();
    let mut all = Vec::new();
    for output in outputs {
        let name =
            output.address().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect::<String>();
        let name = letters(&name);
        if let Some(other) = taken.insert(name.clone(), output) {
            let message = format!("{} and {} would both be {name}", other.address(), output.address());
            let help = format!("Ask for each by its name, such as {}, or use --json.", output.address());
            return Err(Failure::Other { message, help, status: 1 });
        }
        all.push((name, output));
    }
    Ok(all)
}

/// A value as HCL writes it.
fn hcl(value: &Value) -> String {
    match value {
        Value::String(text) => hcl_text(text),
        Value::Array(items) => format!("[{}]", items.iter().map(hcl).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(key, value)| format!("{} = {}", hcl_text(key), hcl(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// A quoted template of HCL that stands for this text alone: `${` and `%{` would begin an expression.
fn hcl_text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '$' | '%' => {
                let rest = &text[at + 1..];
                match rest.trim_start_matches(c).starts_with('{') {
                    true if rest.starts_with('{') => quoted.extend([c, c]),
                    // `$$${` could be read in two ways.
                    true => _ = write!(quoted, "\\u{:04x}", u32::from(c)),
                    false => quoted.push(c),
                }
            }
            c if c.is_control() => _ = write!(quoted, "\\u{:04x}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Pieces that mean something to a shell or to HCL, and some that do not.
    const PIECES: [&str; 30] = [
        "'",
        "\"",
        "\\",
        "\n",
        "\r",
        "\t",
        "$",
        "%",
        "{",
        "}",
        "`",
        "$(id)",
        "${x}",
        "%{if",
        "$$",
        "!",
        "*",
        "~",
        "#",
        ";",
        "&",
        "|",
        " ",
        "=",
        "-n",
        "a",
        "ä",
        "€",
        "🦀",
        "\u{1b}[31m",
    ];

    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            prop::sample::select(PIECES.to_vec()).prop_map(str::to_owned),
            any::<char>().prop_filter("no shell can hold it", |c| *c != '\0').prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
    }

    fn step(name: &str) -> StepName {
        name.parse().expect("a name")
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_shell_reads_any_text_as_it_is(texts in prop::collection::vec(text(), 1..24)) {
            let values: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
            let names: Vec<String> = (0..values.len()).map(|index| format!("value-{index}")).collect();
            let step = step("my-step");
            let outputs: Vec<_> =
                values.iter().zip(&names).map(|(value, name)| Output { step: Some(&step), name, value }).collect();
            let shown: String = (0..values.len()).map(|index| format!(" \"$MY_STEP_VALUE_{index}\"")).collect();
            let script = format!("eval \"$1\" && printf '%s\\0'{shown}");
            let lines = env(&outputs).expect("no NUL");
            let ran = Command::new("sh").args(["-c", &script, "sh", &lines]).output().expect("a shell");
            prop_assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
            let read = String::from_utf8(ran.stdout).expect("text");
            prop_assert_eq!(read.split_terminator('\0').collect::<Vec<_>>(), texts);
        }
    }

    proptest! {
        #[test]
        fn terraform_reads_any_text_as_it_is(text in text()) {
            prop_assert_eq!(read_hcl(&hcl_text(&text)), Ok(text));
        }
    }

    /// A quoted template as the specification of HCL's native syntax reads it: escapes, doubled introductions, and no
    /// expressions.
    fn read_hcl(quoted: &str) -> Result<String, String> {
        let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).ok_or("no quotes")?;
        let mut text = String::new();
        let mut rest = inner;
        while let Some(c) = rest.chars().next() {
            let mut length = c.len_utf8();
            match c {
                '\\' => {
                    let escape = rest[1..].chars().next().ok_or("an escape without end")?;
                    length += escape.len_utf8();
                    match escape {
                        'n' => text.push('\n'),
                        'r' => text.push('\r'),
                        't' => text.push('\t'),
                        '"' | '\\' => text.push(escape),
                        'u' => {
                            let code =
                                u32::from_str_radix(rest.get(2..6).ok_or("too short")?, 16).map_err(|_| "no number")?;
                            text.push(char::from_u32(code).ok_or("no character")?);
                            length += 4;
                        }
                        _ => return Err(format!("unknown escape {escape}")),
                    }
                }
                '$' | '%' if rest[1..].starts_with('{') => return Err(format!("an expression begins: {rest}")),
                '$' | '%' if rest[1..].starts_with(&format!("{c}{{")) => {
                    text.extend([c, '{']);
                    length = 3;
                }
                '"' | '\n' | '\r' => return Err(format!("{c:?} ends it")),
                c => text.push(c),
            }
            rest = &rest[length..];
        }
        Ok(text)
    }

    #[test]
    fn each_format_writes_each_kind_of_value() {
        let (network, db) = (step("network"), step("my-db"));
        let values = [json!("vpc-1"), json!(["a", "${b}"]), json!({"k.1": 1.5, "on": true}), json!(null), json!({})];
        let names = ["vpc_id", "ids", "map", "none", "empty"];
        let mut outputs: Vec<_> =
            names.iter().zip(&values).map(|(name, value)| Output { step: Some(&network), name, value }).collect();
        let password = json!("it's\n%{x} $${y}");
        outputs.push(Output { step: Some(&db), name: "passWord", value: &password });
        assert_eq!(
            env(&outputs).expect("good"),
            "NETWORK_VPC_ID='vpc-1'\nNETWORK_IDS='[\"a\",\"${b}\"]'\nNETWORK_MAP='{\"k.1\":1.5,\"on\":true}'\n\
             NETWORK_NONE='null'\nNETWORK_EMPTY='{}'\nMY_DB_PASSWORD='it'\\''s\n%{x} $${y}'\n"
        );
        assert_eq!(
            tfvars(&outputs).expect("good"),
            "network_vpc_id = \"vpc-1\"\nnetwork_ids = [\"a\", \"$${b}\"]\n\
             network_map = { \"k.1\" = 1.5, \"on\" = true }\nnetwork_none = null\nnetwork_empty = {}\n\
             my_db_passWord = \"it's\\n%%{x} \\u0024$${y}\"\n"
        );
        let read: Value = serde_json::from_str(&json(&outputs)).expect("JSON");
        assert_eq!(read["my-db"], json!({ "passWord": password }));
        assert_eq!(read["network"]["map"], values[2]);
        assert_eq!(lines(&outputs[..1]), "network.vpc_id = \"vpc-1\"\n");
        assert_eq!((bare(&values[0]).as_str(), bare(&values[1]).as_str()), ("vpc-1", "[\"a\",\"${b}\"]"));
    }

    #[test]
    fn two_outputs_with_one_name_are_refused_by_both_names() {
        let (one, other) = (step("a-b"), step("a"));
        let value = json!(1);
        let outputs = [
            Output { step: Some(&one), name: "c", value: &value },
            Output { step: Some(&other), name: "b_c", value: &value },
        ];
        for made in [env(&outputs), tfvars(&outputs)] {
            let message = made.expect_err("one name").to_string();
            assert!(message.starts_with("a-b.c and a.b_c would both be "), "{message}");
        }
        let nul = json!("a\0b");
        let message = env(&[Output { step: Some(&one), name: "c", value: &nul }]).expect_err("NUL").to_string();
        assert!(message.starts_with("a-b.c contains a NUL character"), "{message}");
    }
}
