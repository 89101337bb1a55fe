//! The classes and enums of an interface, and the functions that store and load them.

use std::fmt::Write;

use wit_parser::{Enum, Flags, Record, Type, TypeDef, TypeDefKind, TypeId, Variant};

use super::memory::{At, field, functions, tag};
use super::names;
use super::source::{Body, Module};
use crate::bindings::typescript::docs;

/// Where a value begins, in the functions that store and load it.
const AT: &str = "at";

impl Module<'_> {
    /// Writes a type where it belongs to this module, or else another name of it.
    pub(super) fn define(&self, text: &mut String, name: &str, id: TypeId) {
        let (class, definition) = (names::class(name), &self.resolve.types[id]);
        let root = names::root(self.resolve, id);
        if root != id {
            let Some(of) = self.class(root) else { return };
            let home = names::home(self.resolve, self.resolve.types[root].owner);
            let _ = match (home == self.path, of == class) {
                (true, _) => writeln!(text, "export type {class} = {of}\n"),
                (false, true) => writeln!(text, "export {{ {of} }} from '{}'\n", self.relative(&home)),
                (false, false) => writeln!(text, "export {{ {of} as {class} }} from '{}'\n", self.relative(&home)),
            };
            return;
        }
        // Those of a resource are written with its functions.
        if !matches!(definition.kind, TypeDefKind::Resource) {
            docs(text, &definition.docs, "");
        }
        match &definition.kind {
            TypeDefKind::Record(of) => self.record(text, &class, of),
            TypeDefKind::Variant(of) => self.variant(text, &class, of),
            TypeDefKind::Enum(of) => enumeration(text, &class, of),
            TypeDefKind::Flags(of) => flags(text, &class, of),
            TypeDefKind::Resource => {}
            kind => _ = writeln!(text, "export type {class} = {}\n", self.shape(kind)),
        }
    }

    fn record(&self, text: &mut String, class: &str, of: &Record) {
        let _ = writeln!(text, "export class {class} {{");
        for part in &of.fields {
            docs(text, &part.docs, "  ");
            // What has no such value must be given: the compiler sees to it.
            let default = match self.definition(&part.ty) {
                Some((_, TypeDef { kind: TypeDefKind::Option(of), .. })) => format!(" = rt.none<{}>()", self.name(of)),
                Some((_, TypeDef { kind: TypeDefKind::List(_), .. })) => " = []".to_owned(),
                _ => String::new(),
            };
            let _ = writeln!(text, "  {}: {}{default}", names::member(&part.name), self.name(&part.ty));
        }
        text.push_str("}\n\n");

        let types: Vec<Type> = of.fields.iter().map(|part| part.ty).collect();
        let (mut storing, mut loading) = (Body::at(1), Body::at(1));
        let mut parts = Vec::new();
        for (part, (offset, ty)) in of.fields.iter().zip(self.offsets(&types)) {
            let (name, at) = (names::member(&part.name), At { base: AT, offset });
            self.store(&mut storing, ty, &format!("value.{name}"), at);
            parts.push(format!("{name}: {}", self.load(&mut loading, ty, at)));
        }
        loading.line(&format!("const value: {class} = {{ {} }}", parts.join(", ")));
        loading.line("return value");
        self.write_functions(text, class, &storing, &loading);
    }

    fn variant(&self, text: &mut String, class: &str, of: &Variant) {
        let _ = writeln!(text, "export class {class} {{\n  private constructor(");
        let _ = writeln!(text, "    /** Which case it is, counted from 0. */\n    readonly tag: i32,\n  ) {{}}");
        for (number, case) in of.cases.iter().enumerate() {
            let (method, upper) = (names::method(&case.name), names::class(&case.name));
            docs(text, &case.docs, "  ");
            let Some(ty) = &case.ty else {
                let _ = writeln!(text, "  static {method}(): {class} {{\n    return new {class}({number})\n  }}");
                let _ = writeln!(text, "  get is{upper}(): bool {{\n    return this.tag == {number}\n  }}");
                continue;
            };
            let (ty, field) = (self.name(ty), field(&case.name));
            let _ = writeln!(
                text,
                "  static {method}(value: {ty}): {class} {{\n    const made = new {class}({number})\n    \
                 made.{field} = value\n    return made\n  }}\n  \
                 get is{upper}(): bool {{\n    return this.tag == {number}\n  }}\n  \
                 /** The value of this case. In another one this is a crash. */\n  \
                 get as{upper}(): {ty} {{\n    if (this.tag != {number}) throw new Error('it is not {}')\n    \
                 return this.{field}\n  }}\n  \
                 {field}: {ty} = rt.unset<{ty}>()",
                case.name
            );
        }
        text.push_str("}\n\n");

        let (mut storing, mut loading) = (Body::at(1), Body::at(1));
        let (number, payload) = (tag(of.tag()), self.payload(of));
        storing.line(&format!("store<{number}>({AT}, <{number}>value.tag)"));
        loading.line(&format!("const tag = load<{number}>({AT})"));
        for (number, case) in of.cases.iter().enumerate() {
            let (method, at) = (names::method(&case.name), At { base: AT, offset: payload });
            if let Some(ty) = &case.ty {
                storing.block(&format!("if (value.tag == {number})"), |body| {
                    self.store(body, ty, &format!("value.{}", field(&case.name)), at);
                });
            }
            loading.block(&format!("if (tag == {number})"), |body| {
                let inner = case.ty.map_or_else(String::new, |ty| self.load(body, &ty, at));
                body.line(&format!("return {class}.{method}({inner})"));
            });
        }
        loading.line("throw new Error('no case has this number')");
        self.write_functions(text, class, &storing, &loading);
    }

    fn write_functions(&self, text: &mut String, class: &str, storing: &Body, loading: &Body) {
        let (store, load) = functions(class);
        let _ = writeln!(text, "export function {store}({AT}: usize, value: {class}): void {{\n{}}}\n", storing.text);
        let _ = writeln!(text, "export function {load}({AT}: usize): {class} {{\n{}}}\n", loading.text);
    }
}

fn enumeration(text: &mut String, class: &str, of: &Enum) {
    let _ = writeln!(text, "export enum {class} {{");
    for case in &of.cases {
        docs(text, &case.docs, "  ");
        let _ = writeln!(text, "  {},", names::class(&case.name));
    }
    text.push_str("}\n\n");
}

fn flags(text: &mut String, class: &str, of: &Flags) {
    let _ = writeln!(text, "export enum {class} {{\n  None = 0,");
    for (bit, flag) in of.flags.iter().enumerate() {
        docs(text, &flag.docs, "  ");
        let _ = writeln!(text, "  {} = 1 << {bit},", names::class(&flag.name));
    }
    text.push_str("}\n\n");
}

/// The classes of tuples with these lengths.
pub(super) fn tuples(lengths: impl IntoIterator<Item = usize>) -> String {
    let mut text = String::new();
    for length in lengths {
        let all = |part: fn(usize) -> String| (0..length).map(part).collect::<Vec<_>>();
        let types = all(|place| format!("T{place}")).join(", ");
        let fields = all(|place| format!("public f{place}: T{place}")).join(", ");
        let _ = writeln!(text, "\n/** {length} values. */\nexport class Tuple{length}<{types}> {{");
        let _ = writeln!(text, "  constructor({fields}) {{}}\n}}");
    }
    text
}
