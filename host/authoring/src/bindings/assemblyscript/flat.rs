//! Values as parameters and results of functions, in the flat form of the component model's canonical ABI.

use wit_parser::abi::{FlatTypes, WasmType};
use wit_parser::{Resolve, Type, TypeDefKind};

use super::memory::{At, bits, field, taken};
use super::names;
use super::source::{Body, Module};

/// A parameter or result in WebAssembly, and what it is.
#[derive(Debug, Clone)]
pub(super) struct Flat {
    pub(super) value: String,
    pub(super) of: &'static str,
}

/// A type of WebAssembly. Addresses have 32 bits.
pub(super) fn core(ty: WasmType) -> &'static str {
    match ty {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
    }
}

/// The types of WebAssembly that stand for a type.
fn flattened(resolve: &Resolve, ty: &Type) -> Vec<&'static str> {
    let mut storage = [WasmType::I32; Resolve::MAX_FLAT_PARAMS + 1];
    let mut types = FlatTypes::new(&mut storage);
    resolve.push_flat(ty, &mut types);
    types.to_vec().into_iter().map(core).collect()
}

/// A value in the place of one of another case, which may be wider.
fn widened(Flat { value, of }: &Flat, to: &str) -> String {
    match (*of, to) {
        ("f32", "i32") => format!("reinterpret<i32>({value})"),
        ("i32", "i64") => format!("<i64><u32>({value})"),
        ("f32", "i64") => format!("<i64>reinterpret<u32>({value})"),
        ("f64", "i64") => format!("reinterpret<i64>({value})"),
        _ => value.clone(),
    }
}

/// The other way.
fn narrowed(Flat { value, of }: &Flat, to: &'static str) -> Flat {
    let value = match (*of, to) {
        ("i32", "f32") => format!("reinterpret<f32>({value})"),
        ("i64", "i32") => format!("<i32>{value}"),
        ("i64", "f32") => format!("reinterpret<f32>(<i32>{value})"),
        ("i64", "f64") => format!("reinterpret<f64>({value})"),
        _ => value.clone(),
    };
    Flat { value, of: to }
}

impl Module<'_> {
    /// Takes a value apart.
    pub(super) fn lower(&self, body: &mut Body, ty: &Type, value: &str) -> Vec<Flat> {
        let i32 = |value: String| vec![Flat { value, of: "i32" }];
        let Some((id, definition)) = self.definition(ty) else {
            return match self.plain(ty) {
                Type::String => {
                    let bytes = body.named(&format!("rt.byteLength({value})"));
                    let at = body.named(&format!("rt.lowerString({value}, {bytes})"));
                    [at, bytes].map(|value| Flat { value, of: "i32" }).to_vec()
                }
                Type::U64 | Type::S64 => vec![Flat { value: format!("<i64>{value}"), of: "i64" }],
                Type::F32 => vec![Flat { value: value.to_owned(), of: "f32" }],
                Type::F64 => vec![Flat { value: value.to_owned(), of: "f64" }],
                _ => i32(format!("<i32>{value}")),
            };
        };
        match &definition.kind {
            TypeDefKind::Record(of) => {
                let value = body.named(value);
                let parts = of.fields.iter().map(|part| (names::member(&part.name), part.ty));
                parts.flat_map(|(name, ty)| self.lower(body, &ty, &format!("{value}.{name}"))).collect()
            }
            TypeDefKind::Tuple(of) => {
                let value = body.named(value);
                let parts = of.types.iter().enumerate();
                parts.flat_map(|(place, ty)| self.lower(body, ty, &format!("{value}.f{place}"))).collect()
            }
            TypeDefKind::Flags(of) if bits(of).is_none() => Vec::new(),
            TypeDefKind::Enum(_) | TypeDefKind::Flags(_) => i32(format!("<i32>{value}")),
            TypeDefKind::Handle(handle) => i32(taken(handle, value)),
            TypeDefKind::List(of) => {
                let value = body.named(value);
                let elements = self.store_elements(body, of, &value);
                [elements, format!("{value}.length")].map(|value| Flat { value, of: "i32" }).to_vec()
            }
            TypeDefKind::Option(of) => {
                let value = body.named(value);
                let tag = format!("<i32>{value}.isSome");
                let cases = [(format!("{value}.isSome"), Some(*of), format!("{value}.value"))];
                self.lower_cases(body, ty, tag, &cases)
            }
            TypeDefKind::Result(of) => {
                let value = body.named(value);
                let tag = format!("<i32>!{value}.isOk");
                let cases = [("", of.ok, "value"), ("!", of.err, "error")];
                let cases =
                    cases.map(|(not, ty, field)| (format!("{not}{value}.isOk"), ty, format!("{value}.{field}")));
                self.lower_cases(body, ty, tag, &cases)
            }
            TypeDefKind::Variant(of) => {
                let value = body.named(value);
                let case = |(tag, case): (usize, &wit_parser::Case)| {
                    (format!("{value}.tag == {tag}"), case.ty, format!("{value}.{}", field(&case.name)))
                };
                let cases: Vec<_> = of.cases.iter().enumerate().map(case).collect();
                self.lower_cases(body, &Type::Id(id), format!("{value}.tag"), &cases)
            }
            _ => Vec::new(),
        }
    }

    /// A tag, and the value of one of the cases: when it is that one, its type, and its value.
    fn lower_cases(
        &self,
        body: &mut Body,
        ty: &Type,
        tag: String,
        cases: &[(String, Option<Type>, String)],
    ) -> Vec<Flat> {
        let mut all = vec![Flat { value: tag, of: "i32" }];
        for of in flattened(self.resolve, ty).into_iter().skip(1) {
            let value = body.fresh();
            body.line(&format!("let {value}: {of} = 0"));
            all.push(Flat { value, of });
        }
        for (test, ty, value) in cases {
            let Some(ty) = ty else { continue };
            body.block(&format!("if ({test})"), |body| {
                for (from, to) in self.lower(body, ty, value).iter().zip(&all[1..]) {
                    body.line(&format!("{} = {}", to.value, widened(from, to.of)));
                }
            });
        }
        all
    }

    /// Puts a value together.
    pub(super) fn lift(&self, body: &mut Body, ty: &Type, flat: &[Flat]) -> String {
        let at = |place: usize| flat.get(place).map_or("0", |flat| flat.value.as_str());
        let Some((_, definition)) = self.definition(ty) else {
            return match self.plain(ty) {
                Type::Bool => format!("{} != 0", at(0)),
                Type::String => format!("rt.liftString({}, {})", at(0), at(1)),
                plain => format!("<{}>{}", self.name(&plain), at(0)),
            };
        };
        match &definition.kind {
            TypeDefKind::Record(of) => {
                let parts = self.lift_parts(body, of.fields.iter().map(|part| &part.ty), flat);
                let part =
                    |(part, value): (&wit_parser::Field, String)| format!("{}: {value}", names::member(&part.name));
                let parts: Vec<_> = of.fields.iter().zip(parts).map(part).collect();
                let value = body.fresh();
                body.line(&format!("const {value}: {} = {{ {} }}", self.name(ty), parts.join(", ")));
                value
            }
            TypeDefKind::Tuple(of) => {
                let parts = self.lift_parts(body, &of.types, flat);
                format!("new {}({})", self.name(ty), parts.join(", "))
            }
            TypeDefKind::Flags(of) if bits(of).is_none() => "0".to_owned(),
            TypeDefKind::Enum(_) | TypeDefKind::Flags(_) => format!("<{}>{}", self.name(ty), at(0)),
            TypeDefKind::Handle(_) => format!("{}.$of({})", self.name(ty), at(0)),
            TypeDefKind::List(of) => self.load_elements(body, of, at(0), at(1)),
            TypeDefKind::Option(of) => {
                let value = body.fresh();
                body.line(&format!("let {value} = rt.none<{}>()", self.name(of)));
                body.block(&format!("if ({} != 0)", at(0)), |body| {
                    let inner = self.lift_case(body, of, flat);
                    body.line(&format!("{value} = rt.some<{}>({inner})", self.name(of)));
                });
                value
            }
            TypeDefKind::Result(_) => self.result(body, ty, at(0), |body, ty| self.lift_case(body, ty, flat)),
            TypeDefKind::Variant(of) => {
                let (value, class) = (body.fresh(), self.name(ty));
                body.line(&format!("let {value} = rt.unset<{class}>()"));
                for (tag, case) in of.cases.iter().enumerate() {
                    body.block(&format!("if ({} == {tag})", at(0)), |body| {
                        let inner = case.ty.map_or_else(String::new, |ty| self.lift_case(body, &ty, flat));
                        body.line(&format!("{value} = {class}.{}({inner})", names::method(&case.name)));
                    });
                }
                value
            }
            _ => "0".to_owned(),
        }
    }

    /// The value of a case, behind its tag.
    fn lift_case(&self, body: &mut Body, ty: &Type, flat: &[Flat]) -> String {
        let types = flattened(self.resolve, ty);
        let inner: Vec<Flat> = flat.iter().skip(1).zip(types).map(|(from, to)| narrowed(from, to)).collect();
        self.lift(body, ty, &inner)
    }

    pub(super) fn lift_parts<'t>(
        &self,
        body: &mut Body,
        types: impl IntoIterator<Item = &'t Type>,
        flat: &[Flat],
    ) -> Vec<String> {
        let mut rest = flat;
        let part = |ty: &Type| {
            let (own, others) = rest.split_at(flattened(self.resolve, ty).len().min(rest.len()));
            rest = others;
            let value = self.lift(body, ty, own);
            body.named(&value)
        };
        types.into_iter().map(part).collect()
    }

    /// Several values behind each other in memory of their own, whose address this is.
    pub(super) fn store_all(&self, body: &mut Body, values: &[(String, Type)]) -> String {
        let types: Vec<Type> = values.iter().map(|(_, ty)| *ty).collect();
        let size = self.sizes.params(&types).size.size_wasm32();
        let base = body.named(&format!("rt.alloc({size})"));
        for ((value, _), (offset, ty)) in values.iter().zip(self.offsets(&types)) {
            self.store(body, ty, value, At { base: &base, offset });
        }
        base
    }
}
