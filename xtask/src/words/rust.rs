//! The texts in a Rust file that a user may read: strings, and the comments that become help and schemas.

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprMethodCall, Lit, LitStr, Macro, Meta};

use super::Text;

/// Derives that turn comments into help or into the description of a schema.
const SHOWN: [&str; 6] = ["Parser", "Args", "Subcommand", "ValueEnum", "JsonSchema", "Config"];

/// Macros whose texts are for developers.
const INTERNAL: [&str; 8] =
    ["panic", "unreachable", "assert", "assert_eq", "assert_ne", "debug_assert", "todo", "include_str"];

/// The texts of a file, in the order in which they stand there.
pub(super) fn texts(source: &str) -> syn::Result<Vec<Text>> {
    let mut reader = Reader { found: Vec::new() };
    reader.visit_file(&syn::parse_file(source)?);
    Ok(reader.found)
}

struct Reader {
    found: Vec<Text>,
}

impl Reader {
    fn push(&mut self, line: usize, text: String) {
        if text.contains(' ') {
            self.found.push(Text { line, text });
        }
    }

    fn literals(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Literal(literal) => {
                    let line = literal.span().start().line;
                    if let Ok(text) = syn::parse_str::<LitStr>(&literal.to_string()) {
                        self.push(line, text.value());
                    }
                }
                TokenTree::Group(group) => self.literals(group.stream()),
                _ => {}
            }
        }
    }

    /// The comments on an item and below it.
    fn comments(&mut self, attributes: &[Attribute]) {
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
            if let Meta::NameValue(pair) = &attribute.meta
                && let Expr::Lit(value) = &pair.value
                && let Lit::Str(text) = &value.lit
            {
                self.push(attribute.span().start().line, text.value());
            }
        }
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && matches!(&attribute.meta, Meta::List(list) if list.tokens.to_string().contains("test"))
    })
}

fn is_shown(attributes: &[Attribute]) -> bool {
    let derives = attributes.iter().filter(|attribute| attribute.path().is_ident("derive"));
    derives
        .filter_map(|attribute| match &attribute.meta {
            Meta::List(list) => Some(list.tokens.to_string()),
            _ => None,
        })
        .any(|names| names.split(|c: char| !c.is_alphanumeric()).any(|name| SHOWN.contains(&name)))
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if is_shown(&item.attrs) {
            self.comments(&item.attrs);
            for field in &item.fields {
                self.comments(&field.attrs);
            }
        }
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        if is_shown(&item.attrs) {
            self.comments(&item.attrs);
            for variant in &item.variants {
                self.comments(&variant.attrs);
                for field in &variant.fields {
                    self.comments(&field.attrs);
                }
            }
        }
        visit::visit_item_enum(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        // The texts of errors; reasons of lints and comments are for developers.
        if attribute.path().is_ident("error")
            && let Meta::List(list) = &attribute.meta
        {
            self.literals(list.tokens.clone());
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if call.method == "expect" {
            self.visit_expr(&call.receiver);
        } else {
            visit::visit_expr_method_call(self, call);
        }
    }

    fn visit_lit_str(&mut self, literal: &'ast LitStr) {
        self.push(literal.span().start().line, literal.value());
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let name = call.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        if !INTERNAL.contains(&name.as_str()) {
            self.literals(call.tokens.clone());
        }
    }
}
