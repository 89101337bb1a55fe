//! What things of the WIT are called in AssemblyScript.

use wit_parser::{InterfaceId, Resolve, TypeDefKind, TypeId, TypeOwner};

use crate::bindings::typescript;

/// Words that cannot be the name of a variable or a member, and functions of the compiler that the bindings call.
const RESERVED: &[&str] = &[
    "abstract",
    "as",
    "await",
    "break",
    "case",
    "catch",
    "changetype",
    "class",
    "const",
    "constructor",
    "continue",
    "debugger",
    "declare",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "get",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "is",
    "keyof",
    "let",
    "load",
    "namespace",
    "new",
    "null",
    "override",
    "package",
    "private",
    "protected",
    "public",
    "readonly",
    "reinterpret",
    "return",
    "rt",
    "set",
    "static",
    "store",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "type",
    "typeof",
    "unreachable",
    "var",
    "void",
    "while",
    "with",
    "yield",
];
/// Classes that the compiler looks up by these names.
const CLASSES: &[&str] = &["Array", "Error", "Map", "Math", "Set", "String"];

/// A class or an enum: `BucketSpec`.
pub(super) fn class(name: &str) -> String {
    free(typescript::upper(name), CLASSES)
}

/// A field, a function or a parameter: `bucketName`.
pub(super) fn member(name: &str) -> String {
    free(typescript::lower(name), RESERVED)
}

/// A method, which may be called as any word but these.
pub(super) fn method(name: &str) -> String {
    free(typescript::lower(name), &["constructor", "get", "set", "static"])
}

fn free(name: String, taken: &[&str]) -> String {
    if taken.contains(&name.as_str()) { name + "_" } else { name }
}

/// The file of an interface from the folder of the bindings, without its ending: `llmhost/aws-s3/s3`.
pub(super) fn of_interface(resolve: &Resolve, id: InterfaceId) -> String {
    let interface = &resolve.interfaces[id];
    let name = interface.name.clone().unwrap_or_default();
    match interface.package {
        Some(package) => {
            let package = &resolve.packages[package].name;
            format!("{}/{}/{name}", package.namespace, package.name)
        }
        None => format!("world/{name}"),
    }
}

/// The name under which a module is imported: `llmhost_aws_s3_s3`.
pub(super) fn alias(module: &str) -> String {
    module.replace(['/', '-'], "_")
}

/// The type that others are names of.
pub(super) fn root(resolve: &Resolve, mut id: TypeId) -> TypeId {
    while let TypeDefKind::Type(wit_parser::Type::Id(other)) = resolve.types[id].kind {
        id = other;
    }
    id
}

/// The module that a type is written in.
pub(super) fn home(resolve: &Resolve, owner: TypeOwner) -> String {
    match owner {
        TypeOwner::Interface(id) => of_interface(resolve, id),
        TypeOwner::World(_) | TypeOwner::None => "world".to_owned(),
    }
}
