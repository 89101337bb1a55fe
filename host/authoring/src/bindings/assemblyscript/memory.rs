//! Values in memory, in the layout of the component model's canonical ABI.

use wit_parser::{Flags, FlagsRepr, Handle, Int, Type, TypeDefKind, Variant};

use super::names;
use super::source::{Body, Module};

/// An address with a constant beside it, as `load` and `store` take it.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) base: &'a str,
    pub(super) offset: usize,
}

impl At<'_> {
    fn plus(self, more: usize) -> Self {
        Self { offset: self.offset + more, ..self }
    }

    fn address(self) -> String {
        match self.offset {
            0 => self.base.to_owned(),
            offset => format!("{} + {offset}", self.base),
        }
    }

    fn load(self, of: &str) -> String {
        match self.offset {
            0 => format!("load<{of}>({})", self.base),
            offset => format!("load<{of}>({}, {offset})", self.base),
        }
    }

    fn store(self, of: &str, value: &str) -> String {
        match self.offset {
            0 => format!("store<{of}>({}, {value})", self.base),
            offset => format!("store<{of}>({}, {value}, {offset})", self.base),
        }
    }
}

/// The number that tells the cases of a variant apart.
pub(super) fn tag(of: Int) -> &'static str {
    match of {
        Int::U8 => "u8",
        Int::U16 => "u16",
        Int::U32 | Int::U64 => "u32",
    }
}

/// The number in which flags are; nothing where there are none.
pub(super) fn bits(of: &Flags) -> Option<&'static str> {
    match of.repr() {
        FlagsRepr::U8 => Some("u8"),
        FlagsRepr::U16 => Some("u16"),
        FlagsRepr::U32(0) => None,
        FlagsRepr::U32(_) => Some("u32"),
    }
}

/// The functions that store and load a type with a name.
pub(super) fn functions(class: &str) -> (String, String) {
    (format!("$store{class}"), format!("$load{class}"))
}

impl Module<'_> {
    /// Writes a value into memory.
    pub(super) fn store(&self, body: &mut Body, ty: &Type, value: &str, at: At<'_>) {
        let Some((id, definition)) = self.definition(ty) else {
            return match self.plain(ty) {
                Type::Bool => body.line(&at.store("u8", &format!("<u8>{value}"))),
                Type::String => body.line(&format!("rt.storeString({}, {value})", at.address())),
                plain => body.line(&at.store(&self.name(&plain), value)),
            };
        };
        match &definition.kind {
            TypeDefKind::Record(_) | TypeDefKind::Variant(_) => {
                let (store, _) = functions(&self.class(id).unwrap_or_default());
                body.line(&format!("{}({}, {value})", self.of_home(id, &store), at.address()));
            }
            TypeDefKind::Tuple(of) => {
                let value = body.named(value);
                for (place, (offset, ty)) in self.offsets(&of.types).into_iter().enumerate() {
                    self.store(body, ty, &format!("{value}.f{place}"), at.plus(offset));
                }
            }
            TypeDefKind::Enum(of) => body.line(&at.store(tag(of.tag()), &format!("<{}>{value}", tag(of.tag())))),
            TypeDefKind::Flags(of) => {
                if let Some(bits) = bits(of) {
                    body.line(&at.store(bits, &format!("<{bits}>{value}")));
                }
            }
            TypeDefKind::Handle(handle) => body.line(&at.store("i32", &taken(handle, value))),
            TypeDefKind::List(of) => {
                let value = body.named(value);
                let elements = self.store_elements(body, of, &value);
                body.line(&at.store("i32", &elements));
                body.line(&at.plus(4).store("i32", &format!("{value}.length")));
            }
            TypeDefKind::Option(of) => {
                let value = body.named(value);
                body.line(&at.store("u8", &format!("<u8>{value}.isSome")));
                let payload = self.sizes.payload_offset(Int::U8, [None, Some(of)]).size_wasm32();
                body.block(&format!("if ({value}.isSome)"), |body| {
                    self.store(body, of, &format!("{value}.value"), at.plus(payload));
                });
            }
            TypeDefKind::Result(of) => {
                let value = body.named(value);
                body.line(&at.store("u8", &format!("<u8>!{value}.isOk")));
                let payload = self.sizes.payload_offset(Int::U8, [of.ok.as_ref(), of.err.as_ref()]).size_wasm32();
                for (test, ty, field) in [("", of.ok, "value"), ("!", of.err, "error")] {
                    let Some(ty) = ty else { continue };
                    body.block(&format!("if ({test}{value}.isOk)"), |body| {
                        self.store(body, &ty, &format!("{value}.{field}"), at.plus(payload));
                    });
                }
            }
            _ => {}
        }
    }

    /// Writes what is in a list to memory of its own, whose address this is.
    pub(super) fn store_elements(&self, body: &mut Body, of: &Type, list: &str) -> String {
        let size = self.size(of);
        let elements = body.named(&format!("rt.alloc({list}.length * {size})"));
        let (index, to) = (body.fresh(), body.fresh());
        body.block(&format!("for (let {index} = 0; {index} < {list}.length; {index}++)"), |body| {
            body.line(&format!("const {to} = {elements} + {index} * {size}"));
            self.store(body, of, &format!("{list}[{index}]"), At { base: &to, offset: 0 });
        });
        format!("<i32>{elements}")
    }

    /// Reads a value from memory. Texts and lists are freed there.
    pub(super) fn load(&self, body: &mut Body, ty: &Type, at: At<'_>) -> String {
        let Some((id, definition)) = self.definition(ty) else {
            return match self.plain(ty) {
                Type::Bool => format!("{} != 0", at.load("u8")),
                Type::String => format!("rt.loadString({})", at.address()),
                plain => at.load(&self.name(&plain)),
            };
        };
        match &definition.kind {
            TypeDefKind::Record(_) | TypeDefKind::Variant(_) => {
                let (_, load) = functions(&self.class(id).unwrap_or_default());
                format!("{}({})", self.of_home(id, &load), at.address())
            }
            TypeDefKind::Tuple(of) => {
                let offsets = self.offsets(&of.types);
                let mut part = |(offset, ty): (usize, &Type)| {
                    let value = self.load(body, ty, at.plus(offset));
                    body.named(&value)
                };
                let parts: Vec<_> = offsets.into_iter().map(&mut part).collect();
                format!("new {}({})", self.name(ty), parts.join(", "))
            }
            TypeDefKind::Enum(of) => format!("<{}>{}", self.name(ty), at.load(tag(of.tag()))),
            TypeDefKind::Flags(of) => match bits(of) {
                Some(bits) => format!("<{}>{}", self.name(ty), at.load(bits)),
                None => "0".to_owned(),
            },
            TypeDefKind::Handle(_) => format!("{}.$of({})", self.name(ty), at.load("i32")),
            TypeDefKind::List(of) => self.load_elements(body, of, &at.load("usize"), &at.plus(4).load("i32")),
            TypeDefKind::Option(of) => {
                let value = body.fresh();
                body.line(&format!("let {value} = rt.none<{}>()", self.name(of)));
                let payload = self.sizes.payload_offset(Int::U8, [None, Some(of)]).size_wasm32();
                body.block(&format!("if ({} != 0)", at.load("u8")), |body| {
                    let inner = self.load(body, of, at.plus(payload));
                    body.line(&format!("{value} = rt.some<{}>({inner})", self.name(of)));
                });
                value
            }
            TypeDefKind::Result(of) => {
                let payload = self.sizes.payload_offset(Int::U8, [of.ok.as_ref(), of.err.as_ref()]).size_wasm32();
                let tag = at.load("u8");
                self.result(body, ty, &tag, |body, ty| self.load(body, ty, at.plus(payload)))
            }
            _ => "0".to_owned(),
        }
    }

    /// A result by its tag; `inner` reads the value, or the error.
    pub(super) fn result(
        &self,
        body: &mut Body,
        ty: &Type,
        tag: &str,
        mut inner: impl FnMut(&mut Body, &Type) -> String,
    ) -> String {
        let Some((_, wit_parser::TypeDef { kind: TypeDefKind::Result(of), .. })) = self.definition(ty) else {
            return "0".to_owned();
        };
        let (value, name) = (body.fresh(), self.name(ty));
        body.line(&format!("let {value} = rt.unset<{name}>()"));
        for (head, make, ty) in [(format!("if ({tag} == 0)"), "ok", of.ok), ("else".to_owned(), "err", of.err)] {
            body.block(&head, |body| {
                let inner = ty.map_or_else(|| "new rt.Unit()".to_owned(), |ty| inner(body, &ty));
                let types = name.trim_start_matches("rt.Result");
                body.line(&format!("{value} = rt.{make}{types}({inner})"));
            });
        }
        value
    }

    /// Reads a list, and frees it.
    pub(super) fn load_elements(&self, body: &mut Body, of: &Type, address: &str, length: &str) -> String {
        let (address, length) = (body.named(address), body.named(length));
        let list = body.named(&format!("new Array<{}>()", self.name(of)));
        let (index, from) = (body.fresh(), body.fresh());
        body.block(&format!("for (let {index} = 0; {index} < {length}; {index}++)"), |body| {
            body.line(&format!("const {from} = {address} + {index} * {}", self.size(of)));
            let element = self.load(body, of, At { base: &from, offset: 0 });
            body.line(&format!("{list}.push({element})"));
        });
        body.line(&format!("rt.free({address}, {length})"));
        list
    }

    /// Where the value of a variant's case lies.
    pub(super) fn payload(&self, of: &Variant) -> usize {
        self.sizes.payload_offset(of.tag(), of.cases.iter().map(|case| case.ty.as_ref())).size_wasm32()
    }
}

/// The number of a handle that is passed on. One that is given away cannot be used again.
pub(super) fn taken(handle: &Handle, value: &str) -> String {
    match handle {
        Handle::Own(_) => format!("{value}.$take()"),
        Handle::Borrow(_) => format!("{value}.$handle"),
    }
}

/// The field in which a variant has the value of a case.
pub(super) fn field(case: &str) -> String {
    format!("${}", names::member(case))
}
