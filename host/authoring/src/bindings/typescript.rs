//! Declarations for TypeScript, and for editors of JavaScript, in the form in which QuickJS's bindings pass values.

use std::fmt::Write;

use wit_parser::{Docs, Function, FunctionKind, Handle, InterfaceId, Resolve, Type, TypeDef, TypeDefKind, TypeOwner};

/// The module of an interface. What `src/check.js` of the SDK fills in may be left out.
pub(super) fn declarations(resolve: &Resolve, interface: InterfaceId) -> String {
    Module { resolve, interface }.body()
}

struct Module<'a> {
    resolve: &'a Resolve,
    interface: InterfaceId,
}

impl Module<'_> {
    fn body(&self) -> String {
        let mut text = String::new();
        let interface = &self.resolve.interfaces[self.interface];
        for (name, id) in &interface.types {
            self.define(&mut text, name, &self.resolve.types[*id]);
            if matches!(self.resolve.types[*id].kind, TypeDefKind::Resource) {
                let own = |function: &&Function| function.kind.resource() == Some(*id);
                let name = upper(name);
                docs(&mut text, &self.resolve.types[*id].docs, "");
                let _ = writeln!(text, "export class {name} {{\n  private constructor()");
                for function in interface.functions.values().filter(own) {
                    docs(&mut text, &function.docs, "  ");
                    let keyword = if matches!(function.kind, FunctionKind::Static(_)) { "static " } else { "" };
                    let member = function.name.rsplit('.').next().unwrap_or(&function.name);
                    let _ = writeln!(text, "  {keyword}{}{}", lower(member), self.signature(function));
                }
                text.push_str("}\n");
            }
        }
        for function in interface.functions.values().filter(|function| function.kind.resource().is_none()) {
            docs(&mut text, &function.docs, "");
            let _ = writeln!(text, "export function {}{}", lower(&function.name), self.signature(function));
        }
        text
    }

    fn define(&self, text: &mut String, name: &str, ty: &TypeDef) {
        let name = upper(name);
        match &ty.kind {
            TypeDefKind::Type(Type::Id(other))
                if self.resolve.types[*other].owner != TypeOwner::Interface(self.interface) =>
            {
                let other = &self.resolve.types[*other];
                if let (Some(of), TypeOwner::Interface(id)) = (&other.name, other.owner) {
                    let module = self.resolve.interfaces[id].name.as_deref().unwrap_or_default();
                    let _ = writeln!(text, "export type {name} = import('./{module}.js').{}", upper(of));
                }
            }
            TypeDefKind::Record(record) => {
                docs(text, &ty.docs, "");
                let _ = writeln!(text, "export interface {name} {{");
                for field in &record.fields {
                    docs(text, &field.docs, "  ");
                    let (mark, of) = match self.optional(&field.ty) {
                        Some(of) => ("?", format!("{} | null", self.name(&of))),
                        None if self.may_be_absent(&field.ty) => ("?", self.name(&field.ty)),
                        None => ("", self.name(&field.ty)),
                    };
                    let _ = writeln!(text, "  {}{mark}: {of}", lower(&field.name));
                }
                text.push_str("}\n");
            }
            TypeDefKind::Variant(variant) => {
                docs(text, &ty.docs, "");
                let _ = write!(text, "export type {name} =");
                for case in &variant.cases {
                    text.push('\n');
                    docs(text, &case.docs, "  ");
                    let value = case.ty.map(|of| format!("; val: {}", self.name(&of))).unwrap_or_default();
                    let _ = write!(text, "  | {{ tag: '{}'{value} }}", case.name);
                }
                text.push('\n');
            }
            TypeDefKind::Enum(of) => {
                docs(text, &ty.docs, "");
                let _ = write!(text, "export type {name} =");
                for case in &of.cases {
                    text.push('\n');
                    docs(text, &case.docs, "  ");
                    let _ = write!(text, "  | '{}'", case.name);
                }
                text.push('\n');
            }
            TypeDefKind::Flags(flags) => {
                docs(text, &ty.docs, "");
                let names = flags.flags.iter().map(|flag| format!("{}?: boolean", lower(&flag.name)));
                let _ = writeln!(text, "export type {name} = {{ {} }}", names.collect::<Vec<_>>().join("; "));
            }
            TypeDefKind::Resource => {}
            _ => {
                docs(text, &ty.docs, "");
                let _ = writeln!(text, "export type {name} = {}", self.shape(&ty.kind));
            }
        }
    }

    /// What is in an option.
    fn optional(&self, ty: &Type) -> Option<Type> {
        let Type::Id(id) = ty else { return None };
        match self.resolve.types[*id].kind {
            TypeDefKind::Option(of) => Some(of),
            _ => None,
        }
    }

    /// A list that is left out is empty, and a boolean is false.
    fn may_be_absent(&self, ty: &Type) -> bool {
        let Type::Id(id) = ty else { return *ty == Type::Bool };
        match &self.resolve.types[*id].kind {
            TypeDefKind::List(_) => true,
            TypeDefKind::Type(of) => self.may_be_absent(of),
            _ => false,
        }
    }

    fn signature(&self, function: &Function) -> String {
        let is_method = matches!(function.kind, FunctionKind::Method(_));
        let params = function.params.iter().skip(usize::from(is_method));
        let mark = |name: &str| if name == "options" { "?" } else { "" };
        let params: Vec<_> =
            params.map(|p| format!("{}{}: {}", lower(&p.name), mark(&p.name), self.name(&p.ty))).collect();
        // An error is thrown.
        let result = function.result.map_or_else(
            || "void".to_owned(),
            |ty| match ty {
                Type::Id(id) => match &self.resolve.types[id].kind {
                    TypeDefKind::Result(result) => result.ok.map_or_else(|| "void".to_owned(), |ok| self.name(&ok)),
                    _ => self.name(&ty),
                },
                _ => self.name(&ty),
            },
        );
        format!("({}): {result}", params.join(", "))
    }

    fn name(&self, ty: &Type) -> String {
        match ty {
            Type::Bool => "boolean".to_owned(),
            Type::Char | Type::String | Type::ErrorContext => "string".to_owned(),
            Type::Id(id) => match &self.resolve.types[*id] {
                TypeDef { name: Some(name), .. } => upper(name),
                of => self.shape(&of.kind),
            },
            _ => "number".to_owned(),
        }
    }

    fn shape(&self, kind: &TypeDefKind) -> String {
        let list = |of: &Type| match self.name(of) {
            plain if plain.chars().all(char::is_alphanumeric) => format!("{plain}[]"),
            other => format!("Array<{other}>"),
        };
        match kind {
            TypeDefKind::Option(of) => format!("{} | null", self.name(of)),
            TypeDefKind::List(of) | TypeDefKind::FixedLengthList(of, _) => list(of),
            TypeDefKind::Tuple(tuple) => {
                let types: Vec<_> = tuple.types.iter().map(|of| self.name(of)).collect();
                format!("[{}]", types.join(", "))
            }
            TypeDefKind::Handle(Handle::Own(id) | Handle::Borrow(id)) => self.name(&Type::Id(*id)),
            TypeDefKind::Result(result) => {
                let of = |ty: &Option<Type>| ty.map(|ty| format!("; val: {}", self.name(&ty))).unwrap_or_default();
                format!("{{ tag: 'ok'{} }} | {{ tag: 'err'{} }}", of(&result.ok), of(&result.err))
            }
            TypeDefKind::Map(key, value) => format!("Map<{}, {}>", self.name(key), self.name(value)),
            TypeDefKind::Type(of) => self.name(of),
            _ => "unknown".to_owned(),
        }
    }
}

/// A comment, where there is one to write.
pub(super) fn docs(text: &mut String, docs: &Docs, indent: &str) {
    let Some(contents) = docs.contents.as_deref().map(str::trim).filter(|contents| !contents.is_empty()) else {
        return;
    };
    let contents = contents.replace("*/", "*∕");
    let lines: Vec<&str> = contents.lines().collect();
    match lines[..] {
        [line] => _ = writeln!(text, "{indent}/** {line} */"),
        _ => {
            let _ = writeln!(text, "{indent}/**");
            lines.iter().for_each(|line| _ = writeln!(text, "{}", format!("{indent} * {line}").trim_end()));
            let _ = writeln!(text, "{indent} */");
        }
    }
}

/// `bucket-spec` as `BucketSpec`.
pub(super) fn upper(name: &str) -> String {
    let capital = |word: &str| {
        let mut characters = word.chars();
        characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect::<String>()
    };
    name.split('-').map(capital).collect()
}

/// `bucket-name` as `bucketName`.
pub(super) fn lower(name: &str) -> String {
    let name = upper(name);
    let mut characters = name.chars();
    characters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(characters).collect()
}

#[cfg(test)]
mod tests {
    use crate::wit::Catalog;
    use crate::{Uses, World};

    #[test]
    fn declarations_have_the_types_and_the_comments_of_the_wit() {
        let uses = Uses::parse(&["s3:bucket"]).expect("they are there");
        let cut = Catalog::read().expect("good WIT").cut(&World::Step(uses)).expect("it can be cut");
        let (resolve, _) = cut.parse().expect("good WIT");
        let of = |name: &str| {
            let found = resolve.interfaces.iter().find(|(_, interface)| interface.name.as_deref() == Some(name));
            super::declarations(&resolve, found.expect("it is there").0)
        };
        let (s3, values) = (of("s3"), of("values"));
        for part in [
            "export type Options = import('./types.js').Options\n",
            "  bucket: string\n",
            "  blockPublicAccess?: boolean\n",
            "  expireAfterDays?: number | null\n",
            "  lifecycle?: LifecycleRule[]\n",
            "  tags?: Tags\n",
            "  | { tag: 'kms'; val: string }",
            "  static declare(name: string, spec: BucketSpec, options?: Options): Bucket\n",
            "  /** The bucket's name. */\n  bucketName(): string\n",
        ] {
            assert!(s3.contains(part), "{part} in\n{s3}");
        }
        assert!(!s3.contains("Folder"), "{s3}");
        assert!(values.contains("export function isKnown(text: string): boolean\n"), "{values}");
    }
}
