//! What templates find: Jinja2's sandbox with the settings and functions of Hugging Face's transformers.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Rest;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Value};

use super::{filters, methods, python, source};

/// Begins the message of a template's own refusal.
pub(super) const REFUSAL: &str = "refused: ";

pub(super) fn new() -> Result<Environment<'static>, String> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.map_err(|error| error.to_string())?);
    // Whatever a template's name ends with.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(|out, _, value| Ok(out.write_str(&python::str(value)?)?));
    environment.set_unknown_method_callback(methods::call);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("cycler", |items: Rest<Value>| minijinja_contrib::globals::cycler(items.0));
    environment.add_function("joiner", minijinja_contrib::globals::joiner);
    // Jinja2 has none, and it writes all that a template is given.
    environment.remove_global("debug");
    environment.add_filter("list", filters::list);
    environment.add_filter("sort", filters::sort);
    environment.add_filter("tojson", filters::tojson);
    environment.add_filter("string", filters::string);
    environment.add_filter("join", filters::join);
    environment.add_filter("length", filters::length);
    environment.add_filter("count", filters::length);
    environment.add_filter("escape", filters::escape);
    environment.add_filter("e", filters::escape);
    environment.add_filter("indent", filters::indent);
    environment.add_filter(source::PERCENT, filters::percent);
    environment.add_filter(source::ITERABLE, filters::iterable);
    environment.add_test("iterable", filters::is_iterable);
    environment.add_test("sequence", filters::is_sequence);
    environment.add_test("number", filters::is_number);
    environment.add_test("callable", filters::is_callable);
    Ok(environment)
}

fn raise_exception(message: &Value) -> Result<String, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, format!("{REFUSAL}{}", python::str(message)?)))
}
