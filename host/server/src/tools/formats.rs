//! The ways in which families of models write calls and reasoning.

/// How calls are written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// As `--tool-format` has it.
    pub(crate) name: &'static str,
    /// Texts that a chat template of this format has, all of them.
    signs: &'static [&'static str],
    /// Marks that may be special tokens of the tokenizer.
    pub(super) marks: &'static [&'static str],
    pub(super) kind: Kind,
    /// Marks that begin one or more calls; any of them.
    pub(super) begin: &'static [&'static str],
    /// Begins a call within.
    pub(super) open: &'static str,
    /// Stands behind a call's name.
    pub(super) name_end: &'static str,
    /// Ends a call.
    pub(super) close: &'static str,
    /// Ends the calls.
    pub(super) end: &'static str,
    /// How calls are written where the grammar writes them.
    pub(super) wire: Wire,
    /// Whether the template takes no identifier but one of nine letters and digits.
    pub(super) short_ids: bool,
}

/// How a call's name and arguments are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A JSON object with both.
    Object,
    /// The same, and nothing marks it: an answer that begins with a call's object is a call.
    Bare,
    /// The name, then the arguments as JSON.
    Named,
    /// The name, then keys and values between tags.
    Tagged(Tags),
    /// The name, then an object whose strings stand between marks.
    Gemma,
    /// A list of calls in Python.
    Python,
    /// A message to a function, in a channel.
    Harmony,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tags {
    pub(super) key_open: &'static str,
    pub(super) key_close: &'static str,
    pub(super) value_open: &'static str,
    pub(super) value_close: &'static str,
}

/// A call as text, with `{name}`, `{arguments}` and `{number}` (digits) in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wire {
    pub(super) before: &'static str,
    pub(super) call: &'static str,
    pub(super) between: &'static str,
    pub(super) after: &'static str,
}

impl Format {
    /// The mark with which the calls that a grammar writes begin; empty where nothing marks them.
    pub(super) fn first_mark(&self) -> &'static str {
        let head = if self.wire.before.is_empty() { self.wire.call } else { self.wire.before };
        let marks = self.begin.iter().chain([&self.open]);
        marks.copied().find(|mark| !mark.is_empty() && head.starts_with(mark)).unwrap_or_default()
    }
}

impl Wire {
    /// What a grammar writes of the first call before its arguments.
    pub(super) fn head(&self, name: &str) -> String {
        let (head, _) = self.call.split_once("{arguments}").unwrap_or((self.call, ""));
        format!("{}{}", self.before, head.replace("{name}", name))
    }

    /// A text without the blanks before and behind an object's first key, where that is a call's: a grammar may write
    /// them there where an answer by a schema is as good.
    pub(super) fn without_blanks(&self, text: &str) -> String {
        const BLANKS: [char; 4] = [' ', '\n', '\r', '\t'];
        let key = self.call.split(':').next().unwrap_or_default().trim_start_matches('{');
        let inner = text.strip_prefix('{').unwrap_or(text).trim_start_matches(BLANKS);
        match inner.strip_prefix(key) {
            Some(rest) => format!("{{{key}{}", rest.trim_start_matches(BLANKS)),
            None => format!("{{{inner}"),
        }
    }
}

const NONE: Format = Format {
    name: "",
    signs: &[],
    marks: &[],
    kind: Kind::Object,
    begin: &[],
    open: "",
    name_end: "",
    close: "",
    end: "",
    wire: Wire { before: "", call: "", between: "", after: "" },
    short_ids: false,
};

const HERMES_WIRE: Wire = Wire {
    before: "",
    call: "<tool_call>\n{\"name\": \"{name}\", \"arguments\": {arguments}}\n</tool_call>",
    between: "\n",
    after: "",
};

/// The first whose signs are in the template counts.
pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "harmony",
        signs: &["<|start|>", "<|channel|>", "<|message|>"],
        marks: &["<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|call|>", "<|return|>"],
        kind: Kind::Harmony,
        ..NONE
    },
    Format {
        name: "kimi",
        signs: &["<|tool_calls_section_begin|>"],
        marks: &[
            "<|tool_calls_section_begin|>",
            "<|tool_calls_section_end|>",
            "<|tool_call_begin|>",
            "<|tool_call_argument_begin|>",
            "<|tool_call_end|>",
        ],
        kind: Kind::Named,
        begin: &["<|tool_calls_section_begin|>"],
        open: "<|tool_call_begin|>",
        name_end: "<|tool_call_argument_begin|>",
        close: "<|tool_call_end|>",
        end: "<|tool_calls_section_end|>",
        wire: Wire {
            before: "<|tool_calls_section_begin|>",
            call: "<|tool_call_begin|>functions.{name}:{number}<|tool_call_argument_begin|>{arguments}<|tool_call_end|>",
            between: "",
            after: "<|tool_calls_section_end|>",
        },
        ..NONE
    },
    Format {
        name: "deepseek-v3",
        signs: &["<｜tool▁calls▁begin｜>", "```json"],
        marks: DEEPSEEK,
        kind: Kind::Named,
        begin: &["<｜tool▁calls▁begin｜>"],
        open: "<｜tool▁call▁begin｜>",
        name_end: "\n```json\n",
        close: "<｜tool▁call▁end｜>",
        end: "<｜tool▁calls▁end｜>",
        wire: Wire {
            before: "<｜tool▁calls▁begin｜>",
            call: "<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n{arguments}\n```<｜tool▁call▁end｜>",
            between: "\n",
            after: "<｜tool▁calls▁end｜>",
        },
        ..NONE
    },
    Format {
        name: "deepseek-v3.1",
        signs: &["<｜tool▁calls▁begin｜>"],
        marks: DEEPSEEK,
        kind: Kind::Named,
        begin: &["<｜tool▁calls▁begin｜>"],
        open: "<｜tool▁call▁begin｜>",
        name_end: "<｜tool▁sep｜>",
        close: "<｜tool▁call▁end｜>",
        end: "<｜tool▁calls▁end｜>",
        wire: Wire {
            before: "<｜tool▁calls▁begin｜>",
            call: "<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{arguments}<｜tool▁call▁end｜>",
            between: "",
            after: "<｜tool▁calls▁end｜>",
        },
        ..NONE
    },
    Format {
        name: "deepseek-v3.2",
        signs: &["｜DSML｜", "function_calls"],
        marks: &["｜DSML｜"],
        kind: DSML_TAGS,
        begin: &["<｜DSML｜function_calls>"],
        open: "<｜DSML｜invoke name=\"",
        name_end: "\">",
        close: "</｜DSML｜invoke>",
        end: "</｜DSML｜function_calls>",
        wire: Wire {
            before: "<｜DSML｜function_calls>\n",
            call: "{\"name\": \"{name}\", \"arguments\": {arguments}}",
            between: "\n",
            after: "\n</｜DSML｜function_calls>",
        },
        ..NONE
    },
    Format {
        name: "deepseek-v4",
        signs: &["｜DSML｜"],
        marks: &["｜DSML｜"],
        kind: DSML_TAGS,
        begin: &["<｜DSML｜tool_calls>"],
        open: "<｜DSML｜invoke name=\"",
        name_end: "\">",
        close: "</｜DSML｜invoke>",
        end: "</｜DSML｜tool_calls>",
        wire: Wire {
            before: "<｜DSML｜tool_calls>\n",
            call: "{\"name\": \"{name}\", \"arguments\": {arguments}}",
            between: "\n",
            after: "\n</｜DSML｜tool_calls>",
        },
        ..NONE
    },
    Format {
        name: "seed",
        signs: &["<seed:tool_call>"],
        marks: &["<seed:tool_call>", "</seed:tool_call>"],
        kind: FUNCTION_TAGS,
        begin: &["<seed:tool_call>"],
        open: "<function=",
        name_end: ">",
        close: "</function>",
        end: "</seed:tool_call>",
        wire: Wire {
            before: "",
            call: "<seed:tool_call>\n{\"name\": \"{name}\", \"arguments\": {arguments}}\n</seed:tool_call>",
            between: "\n",
            after: "",
        },
        ..NONE
    },
    Format {
        name: "qwen3-coder",
        signs: &["<tool_call>", "<function="],
        marks: &["<tool_call>", "</tool_call>"],
        kind: FUNCTION_TAGS,
        begin: &["<tool_call>"],
        open: "<function=",
        name_end: ">",
        close: "</function>",
        end: "</tool_call>",
        wire: HERMES_WIRE,
        ..NONE
    },
    Format {
        name: "glm",
        signs: &["<tool_call>", "<arg_key>"],
        marks: &["<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"],
        kind: Kind::Tagged(Tags {
            key_open: "<arg_key>",
            key_close: "</arg_key>",
            value_open: "<arg_value>",
            value_close: "</arg_value>",
        }),
        open: "<tool_call>",
        close: "</tool_call>",
        wire: HERMES_WIRE,
        ..NONE
    },
    Format {
        name: "minimax",
        signs: &["minimax:tool_call", "<invoke name="],
        marks: &["<minimax:tool_call>", "</minimax:tool_call>"],
        kind: Kind::Tagged(Tags {
            key_open: "<parameter name=\"",
            key_close: "\">",
            value_open: "",
            value_close: "</parameter>",
        }),
        begin: &["<minimax:tool_call>"],
        open: "<invoke name=\"",
        name_end: "\">",
        close: "</invoke>",
        end: "</minimax:tool_call>",
        wire: Wire {
            before: "<minimax:tool_call>\n",
            call: "{\"name\": \"{name}\", \"arguments\": {arguments}}",
            between: "\n",
            after: "\n</minimax:tool_call>",
        },
        ..NONE
    },
    Format {
        name: "hermes",
        signs: &["<tool_call>"],
        marks: &["<tool_call>", "</tool_call>"],
        begin: &["<tool_call>"],
        end: "</tool_call>",
        wire: HERMES_WIRE,
        ..NONE
    },
    Format {
        name: "mistral-args",
        signs: &["[TOOL_CALLS]", "[ARGS]"],
        marks: &["[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"],
        kind: Kind::Named,
        open: "[TOOL_CALLS]",
        name_end: "[ARGS]",
        wire: Wire { before: "", call: "[TOOL_CALLS]{name}[ARGS]{arguments}", between: "", after: "" },
        short_ids: true,
        ..NONE
    },
    Format {
        name: "mistral",
        signs: &["[TOOL_CALLS]"],
        marks: &["[TOOL_CALLS]"],
        begin: &["[TOOL_CALLS]"],
        wire: Wire {
            before: "[TOOL_CALLS][",
            call: "{\"name\": \"{name}\", \"arguments\": {arguments}}",
            between: ", ",
            after: "]",
        },
        short_ids: true,
        ..NONE
    },
    Format {
        name: "cohere",
        signs: &["<|START_ACTION|>"],
        marks: &["<|START_ACTION|>", "<|END_ACTION|>"],
        begin: &["<|START_ACTION|>"],
        end: "<|END_ACTION|>",
        wire: Wire {
            before: "<|START_ACTION|>[\n",
            call: "    {\"tool_call_id\": \"{number}\", \"tool_name\": \"{name}\", \"parameters\": {arguments}}",
            between: ",\n",
            after: "\n]<|END_ACTION|>",
        },
        ..NONE
    },
    Format {
        name: "gemma",
        signs: &["<|tool_call>", "<tool_call|>"],
        marks: &["<|tool_call>", "<tool_call|>", "<|\"|>"],
        kind: Kind::Gemma,
        open: "<|tool_call>call:",
        name_end: "{",
        close: "<tool_call|>",
        wire: Wire { before: "", call: "<|tool_call>call:{name}{arguments}<tool_call|>", between: "", after: "" },
        ..NONE
    },
    Format {
        name: "function-gemma",
        signs: &["<start_function_call>"],
        marks: &["<start_function_call>", "<end_function_call>", "<escape>"],
        kind: Kind::Gemma,
        open: "<start_function_call>call:",
        name_end: "{",
        close: "<end_function_call>",
        wire: Wire {
            before: "",
            call: "<start_function_call>call:{name}{arguments}<end_function_call>",
            between: "",
            after: "",
        },
        ..NONE
    },
    Format {
        name: "phi-4",
        signs: &["<|tool|>"],
        marks: &["<|tool_call|>", "<|/tool_call|>"],
        begin: &["<|tool_call|>", "functools["],
        end: "<|/tool_call|>",
        wire: Wire {
            before: "<|tool_call|>[",
            call: "{\"name\": \"{name}\", \"arguments\": {arguments}}",
            between: ", ",
            after: "]<|/tool_call|>",
        },
        ..NONE
    },
    Format {
        name: "granite",
        signs: &["<|tool_call|>"],
        marks: &["<|tool_call|>"],
        begin: &["<|tool_call|>"],
        wire: Wire {
            before: "<|tool_call|>[",
            call: "{\"name\": \"{name}\", \"arguments\": {arguments}}",
            between: ", ",
            after: "]",
        },
        ..NONE
    },
    Format {
        name: "nemotron",
        signs: &["<TOOLCALL>"],
        marks: &["<TOOLCALL>", "</TOOLCALL>"],
        begin: &["<TOOLCALL>"],
        end: "</TOOLCALL>",
        wire: Wire {
            before: "<TOOLCALL>[",
            call: "{\"name\": \"{name}\", \"arguments\": {arguments}}",
            between: ", ",
            after: "]</TOOLCALL>",
        },
        ..NONE
    },
    Format { name: "lfm2", signs: &["<|tool_list_start|>"], ..LFM2 },
    LFM2,
    LLAMA,
    Format { signs: &["Environment: ipython"], ..LLAMA },
    // What templates ask for that name no mark of their own.
    Format {
        name: "json",
        signs: &["tools"],
        kind: Kind::Bare,
        wire: Wire { before: "", call: "{\"name\": \"{name}\", \"arguments\": {arguments}}", between: "\n", after: "" },
        ..NONE
    },
];

const LLAMA: Format = Format {
    name: "llama-3",
    signs: &["<|python_tag|>"],
    marks: &["<|python_tag|>"],
    kind: Kind::Bare,
    begin: &["<|python_tag|>"],
    wire: Wire { before: "", call: "{\"name\": \"{name}\", \"parameters\": {arguments}}", between: "; ", after: "" },
    ..NONE
};

const LFM2: Format = Format {
    name: "lfm2",
    signs: &["<|tool_call_start|>"],
    marks: &["<|tool_call_start|>", "<|tool_call_end|>"],
    kind: Kind::Python,
    begin: &["<|tool_call_start|>"],
    end: "<|tool_call_end|>",
    wire: Wire {
        before: "<|tool_call_start|>[",
        call: "{\"name\": \"{name}\", \"arguments\": {arguments}}",
        between: ", ",
        after: "]<|tool_call_end|>",
    },
    ..NONE
};

const FUNCTION_TAGS: Kind =
    Kind::Tagged(Tags { key_open: "<parameter=", key_close: ">", value_open: "", value_close: "</parameter>" });

/// Behind a key stands whether its value is a text, which its schema says too.
const DSML_TAGS: Kind = Kind::Tagged(Tags {
    key_open: "<｜DSML｜parameter name=\"",
    key_close: ">",
    value_open: "",
    value_close: "</｜DSML｜parameter>",
});

const DEEPSEEK: &[&str] = &[
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁sep｜>",
];

/// How reasoning is written: between two marks, before the answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reasoning {
    /// As `--reasoning-format` has it.
    pub(crate) name: &'static str,
    /// Marks that may be special tokens of the tokenizer.
    pub(super) marks: &'static [&'static str],
    pub(super) open: &'static str,
    pub(super) close: &'static str,
    /// Marks around the answer, which are no part of it.
    pub(super) around: &'static [&'static str],
}

pub(super) const REASONING: &[Reasoning] = &[
    Reasoning {
        name: "cohere",
        marks: &["<|START_THINKING|>", "<|END_THINKING|>"],
        open: "<|START_THINKING|>",
        close: "<|END_THINKING|>",
        around: &["<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"],
    },
    Reasoning { name: "mistral", marks: &["[THINK]", "[/THINK]"], open: "[THINK]", close: "[/THINK]", around: &[] },
    Reasoning {
        name: "seed",
        marks: &["<seed:think>", "</seed:think>"],
        open: "<seed:think>",
        close: "</seed:think>",
        around: &[],
    },
    Reasoning {
        name: "gemma",
        marks: &["<|channel>", "<channel|>"],
        open: "<|channel>thought\n",
        close: "<channel|>",
        around: &[],
    },
    Reasoning { name: "think", marks: &["<think>", "</think>"], open: "<think>", close: "</think>", around: &[] },
];

pub(super) fn tools_of(template: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.signs.iter().all(|sign| template.contains(sign)))
}

pub(super) fn reasoning_of(template: &str) -> Option<&'static Reasoning> {
    REASONING.iter().find(|format| template.contains(format.open.trim_end()) || template.contains(format.close))
}

pub(super) fn tools_by_name(name: &str) -> Result<Option<&'static Format>, String> {
    by_name("tool", name, FORMATS, |format| format.name)
}

pub(super) fn reasoning_by_name(name: &str) -> Result<Option<&'static Reasoning>, String> {
    by_name("reasoning", name, REASONING, |format| format.name)
}

fn by_name<T>(
    what: &str,
    name: &str,
    all: &'static [T],
    named: fn(&T) -> &'static str,
) -> Result<Option<&'static T>, String> {
    let mut names: Vec<&str> = all.iter().map(named).collect();
    names.dedup();
    match all.iter().find(|one| named(one) == name) {
        Some(found) => Ok(Some(found)),
        None if name == "none" => Ok(None),
        None => Err(format!("there is no {what} format '{name}'; it must be one of {}, none", names.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Templates of public models, by what their files' names end with.
    #[test]
    fn the_formats_of_public_models_are_found_by_their_templates() {
        let folder = llmhost_example_models::chat_templates().expect("templates");
        for (name, tools, reasoning) in [
            ("openai-gpt-oss-120b", "harmony", ""),
            ("Qwen-Qwen2.5-7B-Instruct", "hermes", ""),
            ("Qwen-Qwen3-0.6B", "hermes", "think"),
            ("NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "hermes", ""),
            ("ibm-granite-granite-4.0", "hermes", ""),
            ("Qwen3-Coder", "qwen3-coder", ""),
            ("Qwen3.5-4B", "qwen3-coder", "think"),
            ("meta-llama-Llama-3.1-8B-Instruct", "llama-3", ""),
            ("meta-llama-Llama-3.2-3B-Instruct", "llama-3", ""),
            ("meta-llama-Llama-3.3-70B-Instruct", "llama-3", ""),
            ("mistralai-Mistral-Nemo-Instruct-2407", "mistral", ""),
            ("Mistral-Small-3.2-24B-Instruct-2506", "mistral-args", ""),
            ("mistralai-Ministral-3-14B-Reasoning-2512", "mistral-args", "mistral"),
            ("deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "deepseek-v3", "think"),
            ("deepseek-ai-DeepSeek-V3.1", "deepseek-v3.1", "think"),
            ("deepseek-ai-DeepSeek-V4", "deepseek-v4", "think"),
            ("Kimi-K2-Instruct", "kimi", ""),
            ("Kimi-K2-Thinking", "kimi", "think"),
            ("GLM-4.6", "glm", "think"),
            ("ibm-granite-granite-3.3-2B-Instruct", "granite", "think"),
            ("CohereForAI-c4ai-command-r7b-12-2024-tool_use", "cohere", "cohere"),
            ("google-gemma-4-31B-it", "gemma", "gemma"),
            ("NVIDIA-Nemotron-Nano-v2", "nemotron", "think"),
            ("MiniMax-M2", "minimax", "think"),
            ("ByteDance-Seed-OSS", "seed", "seed"),
            ("LFM2-8B-A1B", "lfm2", ""),
            ("LFM2.5-8B-A1B", "lfm2", "think"),
            ("microsoft-Phi-3.5-mini-instruct", "", ""),
        ] {
            let file = folder.join(format!("llama-cpp-python.{name}.jinja"));
            let template = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
            let found = tools_of(&template).map_or("", |format| format.name);
            assert_eq!((found, reasoning_of(&template).map_or("", |format| format.name)), (tools, reasoning), "{name}");
        }
    }

    #[test]
    fn a_format_is_found_by_its_name_and_another_name_is_refused_with_the_list() {
        assert_eq!(tools_by_name("hermes").map(|format| format.map(|format| format.name)), Ok(Some("hermes")));
        assert_eq!(tools_by_name("none"), Ok(None));
        let refused = reasoning_by_name("thnk").expect_err("no format");
        assert!(refused.contains("'thnk'") && refused.contains("mistral, seed, gemma, think, none"), "{refused}");
    }
}
