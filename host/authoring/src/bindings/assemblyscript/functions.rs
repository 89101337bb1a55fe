//! Functions that the plugin calls, and those that the host calls.

use std::fmt::Write;

use wit_parser::abi::{AbiVariant, WasmSignature};
use wit_parser::{Function, FunctionKind, Type, TypeId};

use super::flat::{Flat, core};
use super::memory::At;
use super::names;
use super::source::{Body, Module};
use crate::bindings::typescript::docs;

impl Module<'_> {
    /// A resource: what is called of it, and its handle.
    pub(super) fn resource(&self, text: &mut String, import: &str, id: TypeId, functions: &[&Function]) {
        let of = &self.resolve.types[id];
        let name = of.name.as_deref().unwrap_or_default();
        let class = names::class(name);
        let mut raw = String::new();
        let mut members = String::new();
        for function in functions {
            self.import(&mut raw, &mut members, import, function);
        }
        let drop = format!("$drop{class}");
        external(&mut raw, import, &format!("[resource-drop]{name}"), &drop, "handle: i32", "void");
        text.push_str(&raw);
        docs(text, &of.docs, "");
        // The plugin may have a function of the WIT with this name.
        let own = if functions.iter().any(|function| function.item_name() == "drop") { "drop_" } else { "drop" };
        let _ = writeln!(
            text,
            "export class {class} {{\n  private constructor(public $handle: i32) {{}}\n  \
             static $of(handle: i32): {class} {{\n    return new {class}(handle)\n  }}\n  \
             $take(): i32 {{\n    const handle = this.$handle\n    this.$handle = 0\n    return handle\n  }}\n  \
             /** Gives the handle back; what it represents stays. There is no need to: the plugin's end does it. */\n  \
             {own}(): void {{\n    {drop}(this.$take())\n  }}\n{members}}}\n"
        );
    }

    /// A function of the interface itself.
    pub(super) fn free(&self, text: &mut String, import: &str, function: &Function) {
        let mut written = String::new();
        self.import(text, &mut written, import, function);
        text.push_str(&written);
        text.push('\n');
    }

    /// The declaration of what the host gives, and the function that the plugin calls.
    fn import(&self, raw: &mut String, text: &mut String, import: &str, function: &Function) {
        let signature = self.resolve.wasm_signature(AbiVariant::GuestImport, function);
        let item = function.item_name();
        let resource = function.kind.resource().and_then(|id| self.class(id));
        let core_name = format!("${}{}", resource.as_deref().unwrap_or_default(), names::class(item));
        let params: Vec<_> =
            signature.params.iter().enumerate().map(|(at, ty)| format!("p{at}: {}", core(*ty))).collect();
        let result = signature.results.first().map_or("void", |ty| core(*ty));
        external(raw, import, &function.name, &core_name, &params.join(", "), result);

        let (is_method, head) = match function.kind {
            FunctionKind::Method(_) | FunctionKind::AsyncMethod(_) => (true, names::method(item)),
            FunctionKind::Static(_) | FunctionKind::AsyncStatic(_) => {
                (false, format!("static {}", names::method(item)))
            }
            FunctionKind::Constructor(_) => (false, "static create".to_owned()),
            FunctionKind::Freestanding | FunctionKind::AsyncFreestanding => {
                (false, format!("export function {}", names::member(item)))
            }
        };
        let mut values: Vec<(String, Type)> =
            function.params.iter().map(|param| (names::member(&param.name), param.ty)).collect();
        let typed = values.iter().skip(usize::from(is_method));
        let typed: Vec<_> = typed.map(|(name, ty)| format!("{name}: {}", self.name(ty))).collect();
        if let Some((this, _)) = values.first_mut().filter(|_| is_method) {
            "this".clone_into(this);
        }
        let result = function.result.map_or_else(|| "void".to_owned(), |ty| self.name(&ty));
        let depth = usize::from(resource.is_some());
        docs(text, &function.docs, &"  ".repeat(depth));
        let mut body = Body::at(depth);
        body.block(&format!("{head}({}): {result}", typed.join(", ")), |body| {
            self.call(body, &core_name, &signature, &values, function.result);
        });
        text.push_str(&body.text);
    }

    fn call(
        &self,
        body: &mut Body,
        core_name: &str,
        signature: &WasmSignature,
        values: &[(String, Type)],
        result: Option<Type>,
    ) {
        let mut arguments: Vec<String> = if signature.indirect_params {
            vec![format!("<i32>{}", self.store_all(body, values))]
        } else {
            let lowered = values.iter().flat_map(|(value, ty)| self.lower(body, ty, value));
            lowered.map(|flat| flat.value).collect()
        };
        let Some(ty) = result else {
            body.line(&format!("{core_name}({})", arguments.join(", ")));
            return body.line("rt.release()");
        };
        let value = if signature.retptr {
            let base = body.named(&format!("rt.alloc({})", self.size(&ty)));
            arguments.push(format!("<i32>{base}"));
            body.line(&format!("{core_name}({})", arguments.join(", ")));
            self.load(body, &ty, At { base: &base, offset: 0 })
        } else {
            let call = format!("{core_name}({})", arguments.join(", "));
            let flat: Vec<Flat> = match signature.results.first() {
                Some(of) => vec![Flat { value: body.named(&call), of: core(*of) }],
                None => {
                    body.line(&call);
                    Vec::new()
                }
            };
            self.lift(body, &ty, &flat)
        };
        let value = body.named(&value);
        body.line("rt.release()");
        body.line(&format!("return {value}"));
    }

    /// What the host calls: it gives the plugin's function its parameters, and takes apart what that returns.
    pub(super) fn export(&self, text: &mut String, function: &Function) {
        let signature = self.resolve.wasm_signature(AbiVariant::GuestExport, function);
        let flat: Vec<Flat> = signature
            .params
            .iter()
            .enumerate()
            .map(|(at, ty)| Flat { value: format!("p{at}"), of: core(*ty) })
            .collect();
        let params: Vec<_> = flat.iter().map(|flat| format!("{}: {}", flat.value, flat.of)).collect();
        let result = signature.results.first().map_or("void", |ty| core(*ty));
        let mut body = Body::default();
        let head = format!("export function {}({}): {result}", function.name, params.join(", "));
        body.block(&head, |body| {
            // What the call before returned has been read by now.
            body.line("rt.release()");
            let types: Vec<Type> = function.params.iter().map(|param| param.ty).collect();
            let values: Vec<String> = if signature.indirect_params {
                let base = body.named("<usize>p0");
                let load = |(offset, ty): (usize, &Type)| {
                    let value = self.load(body, ty, At { base: &base, offset });
                    body.named(&value)
                };
                self.offsets(&types).into_iter().map(load).collect()
            } else {
                self.lift_parts(body, &types, &flat)
            };
            let call = format!("plugin.{}({})", names::member(&function.name), values.join(", "));
            let Some(ty) = function.result else { return body.line(&call) };
            let value = body.fresh();
            body.line(&format!("const {value}: {} = {call}", self.name(&ty)));
            if signature.retptr {
                let base = self.store_all(body, &[(value, ty)]);
                body.line(&format!("return <i32>{base}"));
            } else if let Some(flat) = self.lower(body, &ty, &value).first() {
                body.line(&format!("return {}", flat.value));
            }
        });
        text.push_str(&body.text);
        text.push('\n');
    }
}

fn external(text: &mut String, module: &str, name: &str, function: &str, params: &str, result: &str) {
    let _ = writeln!(
        text,
        "// @ts-ignore: decorator\n@external(\"{module}\", \"{name}\")\ndeclare function {function}({params}): {result}\n"
    );
}
