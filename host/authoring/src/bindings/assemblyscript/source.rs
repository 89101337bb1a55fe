//! A file that is being written.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write;

use wit_parser::{Handle, Resolve, SizeAlign, Type, TypeDef, TypeDefKind, TypeId};

use super::names;

/// A module of the bindings: what its types are called there, and where a value lies in memory.
pub(super) struct Module<'a> {
    pub(super) resolve: &'a Resolve,
    pub(super) sizes: &'a SizeAlign,
    /// Its file without the ending, from the folder of the bindings: `llmhost/aws-s3/s3`.
    pub(super) path: String,
    /// The others that it names types of.
    uses: RefCell<BTreeSet<String>>,
}

impl<'a> Module<'a> {
    pub(super) fn new(resolve: &'a Resolve, sizes: &'a SizeAlign, path: String) -> Self {
        Self { resolve, sizes, path, uses: RefCell::default() }
    }

    /// The whole file: its imports, which are known when the rest is written, and the rest.
    pub(super) fn file(&self, rest: &str) -> String {
        let mut text = String::from("// Written by 'llmhost plugin wit' and 'llmhost plugin build'.\n\n");
        let mut import = |module: &str, alias: &str| {
            let _ = writeln!(text, "import * as {alias} from '{}'", self.relative(module));
        };
        import("runtime", "rt");
        self.uses.borrow().iter().for_each(|module| import(module, &names::alias(module)));
        text + "\n" + rest
    }

    /// Another module as it is imported here.
    pub(super) fn relative(&self, module: &str) -> String {
        match self.path.matches('/').count() {
            0 => format!("./{module}"),
            depth => "../".repeat(depth) + module,
        }
    }

    /// Something of the module in which a type is written: a class, or a function that stores one.
    pub(super) fn of_home(&self, id: TypeId, what: &str) -> String {
        let home = names::home(self.resolve, self.resolve.types[id].owner);
        if home == self.path {
            return what.to_owned();
        }
        let name = format!("{}.{what}", names::alias(&home));
        self.uses.borrow_mut().insert(home);
        name
    }

    /// The class of a type that has a name.
    pub(super) fn class(&self, id: TypeId) -> Option<String> {
        self.resolve.types[id].name.as_deref().map(names::class)
    }

    /// A type as AssemblyScript has it.
    pub(super) fn name(&self, ty: &Type) -> String {
        match ty {
            Type::Bool => "bool".to_owned(),
            Type::U8 => "u8".to_owned(),
            Type::U16 => "u16".to_owned(),
            Type::U32 | Type::Char => "u32".to_owned(),
            Type::U64 => "u64".to_owned(),
            Type::S8 => "i8".to_owned(),
            Type::S16 => "i16".to_owned(),
            Type::S32 | Type::ErrorContext => "i32".to_owned(),
            Type::S64 => "i64".to_owned(),
            Type::F32 => "f32".to_owned(),
            Type::F64 => "f64".to_owned(),
            Type::String => "string".to_owned(),
            Type::Id(id) => {
                let id = names::root(self.resolve, *id);
                match self.class(id) {
                    Some(class) => self.of_home(id, &class),
                    None => self.shape(&self.resolve.types[id].kind),
                }
            }
        }
    }

    /// A type that has no name.
    pub(super) fn shape(&self, kind: &TypeDefKind) -> String {
        let or_unit = |ty: &Option<Type>| ty.map_or_else(|| "rt.Unit".to_owned(), |ty| self.name(&ty));
        match kind {
            TypeDefKind::Type(of) => self.name(of),
            TypeDefKind::Option(of) => format!("rt.Option<{}>", self.name(of)),
            TypeDefKind::Result(of) => format!("rt.Result<{}, {}>", or_unit(&of.ok), or_unit(&of.err)),
            // Not with brackets, which would be a part of the type before them.
            TypeDefKind::List(of) => format!("Array<{}>", self.name(of)),
            TypeDefKind::Tuple(of) => {
                let types: Vec<_> = of.types.iter().map(|ty| self.name(ty)).collect();
                format!("rt.Tuple{}<{}>", types.len(), types.join(", "))
            }
            TypeDefKind::Handle(Handle::Own(id) | Handle::Borrow(id)) => self.name(&Type::Id(*id)),
            _ => "i32".to_owned(),
        }
    }

    /// What a type is, where it is none of the plain ones.
    pub(super) fn definition(&self, ty: &Type) -> Option<(TypeId, &'a TypeDef)> {
        let Type::Id(id) = ty else { return None };
        let id = names::root(self.resolve, *id);
        match &self.resolve.types[id] {
            // A name of a plain type.
            TypeDef { kind: TypeDefKind::Type(_), .. } => None,
            definition => Some((id, definition)),
        }
    }

    /// A plain type, also where it has a name.
    pub(super) fn plain(&self, ty: &Type) -> Type {
        match ty {
            Type::Id(id) => match &self.resolve.types[names::root(self.resolve, *id)].kind {
                TypeDefKind::Type(of) => *of,
                _ => *ty,
            },
            _ => *ty,
        }
    }

    /// How many bytes a value takes in memory.
    pub(super) fn size(&self, ty: &Type) -> usize {
        self.sizes.size(ty).size_wasm32()
    }

    /// Where each of several values begins that lie behind each other, and their types.
    pub(super) fn offsets<'t>(&self, types: impl IntoIterator<Item = &'t Type>) -> Vec<(usize, &'t Type)> {
        let offsets = self.sizes.field_offsets(types);
        offsets.into_iter().map(|(offset, ty)| (offset.size_wasm32(), ty)).collect()
    }
}

/// The statements of a function.
#[derive(Default)]
pub(super) struct Body {
    pub(super) text: String,
    depth: usize,
    names: usize,
}

impl Body {
    /// At this depth of braces.
    pub(super) fn at(depth: usize) -> Self {
        Self { depth, ..Self::default() }
    }

    pub(super) fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{}{line}", "  ".repeat(self.depth));
    }

    /// A line with a brace, what is in it, and its end.
    pub(super) fn block(&mut self, head: &str, write: impl FnOnce(&mut Self)) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
        write(self);
        self.depth -= 1;
        self.line("}");
    }

    /// A new name, which no name of the WIT can be.
    pub(super) fn fresh(&mut self) -> String {
        self.names += 1;
        format!("${}", self.names)
    }

    /// Gives an expression a name, so that it is worked out once.
    pub(super) fn named(&mut self, expression: &str) -> String {
        let name = self.fresh();
        self.line(&format!("const {name} = {expression}"));
        name
    }
}
