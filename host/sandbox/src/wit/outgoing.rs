//! `http`, `aws` and `wait`: what a provider may reach while it makes a call.

use std::time::Duration;

use serde::Deserialize;
use wasmtime::component::types::{ComponentFunc, Type};
use wasmtime::component::{LinkerInstance, Val};
use wasmtime::{StoreContextMut, bail};

use super::values;
use crate::provider::{Answer, Refused, Request, Unanswered, Unusable};
use crate::state::State;

/// A request in the form of [`values::json`].
#[derive(Deserialize)]
struct Lifted {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    basic: Option<(String, String)>,
    body: Option<String>,
    follow: bool,
}

/// Defines `http.send`.
pub(super) fn send(at: &mut LinkerInstance<'_, State>, export: &str) -> wasmtime::Result<()> {
    at.func_new_async(export, |store: StoreContextMut<'_, State>, ty, params, results| {
        Box::new(async move {
            let [request] = params else { bail!("it takes a request") };
            let Lifted { method, url, headers, basic, body, follow } = serde_json::from_value(values::json(request)?)?;
            let request = Request { method, url, headers, basic, body: body.unwrap_or_default(), follow };
            let run = store.data().run.clone();
            let answer = crate::provider::send(&run, request).await?;
            super::link::give(results, lower(answer, &ty)?)
        })
    })
}

/// Defines `aws.call`.
pub(super) fn call_aws(at: &mut LinkerInstance<'_, State>, export: &str) -> wasmtime::Result<()> {
    at.func_new_async(export, |store: StoreContextMut<'_, State>, ty, params, results| {
        Box::new(async move {
            let [message] = params else { bail!("it takes a message") };
            let message = values::json(message)?;
            let run = store.data().run.clone();
            let answer = crate::provider::call(&run, message).await?;
            super::link::give(results, lower_call(answer, &ty)?)
        })
    })
}

fn lower_call(answer: Result<String, Refused>, ty: &ComponentFunc) -> wasmtime::Result<Val> {
    let Some(Type::Result(of)) = ty.results().next() else { bail!("it gives a result") };
    let Some(err) = of.err() else { bail!("its result has an error") };
    let optional = |text: &Option<String>| Val::Option(text.clone().map(|text| Box::new(Val::String(text))));
    Ok(Val::Result(match answer {
        Ok(answer) => Ok(Some(Box::new(Val::String(answer)))),
        Err(error) => Err(Some(Box::new(record(&err, |field, ty| match field {
            "class" => class(error.class, ty),
            "code" => Some(optional(&error.code)),
            "message" => Some(Val::String(error.message.clone())),
            "advice" => Some(optional(&error.advice)),
            _ => None,
        })?))),
    }))
}

/// Defines `wait.pause`.
pub(super) fn pause(at: &mut LinkerInstance<'_, State>, export: &str) -> wasmtime::Result<()> {
    at.func_new_async(export, |store: StoreContextMut<'_, State>, _, params, _| {
        Box::new(async move {
            let [Val::U32(millis)] = params else { bail!("it takes a number of milliseconds") };
            let run = store.data().run.clone();
            crate::provider::pause(&run, Duration::from_millis((*millis).into())).await
        })
    })
}

fn lower(answer: Result<Answer, Unanswered>, ty: &ComponentFunc) -> wasmtime::Result<Val> {
    let Some(Type::Result(of)) = ty.results().next() else { bail!("it gives a result") };
    let (Some(ok), Some(err)) = (of.ok(), of.err()) else { bail!("its result has an answer and an error") };
    let text = |text: &str| Val::String(text.to_owned());
    let pair = |(name, value): &(String, String)| Val::Tuple(vec![text(name), text(value)]);
    Ok(Val::Result(match answer {
        Ok(answer) => Ok(Some(Box::new(record(&ok, |field, _| match field {
            "status" => Some(Val::U16(answer.status)),
            "headers" => Some(Val::List(answer.headers.iter().map(pair).collect())),
            "body" => Some(text(&answer.body)),
            "url" => Some(text(&answer.url)),
            _ => None,
        })?))),
        Err(error) => Err(Some(Box::new(record(&err, |field, ty| match (field, ty) {
            ("class", ty) => class(error.class, ty),
            ("message", _) => Some(text(&error.message)),
            ("advice", _) => Some(text(&error.advice)),
            ("may-have-reached", _) => Some(Val::Bool(error.may_have_reached)),
            _ => None,
        })?))),
    }))
}

/// A class of errors. A provider may have been compiled before it was added.
fn class(class: &str, ty: &Type) -> Option<Val> {
    let Type::Enum(classes) = ty else { return None };
    let known = classes.names().any(|name| name == class);
    Some(Val::Enum(if known { class } else { "invalid" }.to_owned()))
}

/// A result whose error is a class, a message and an advice.
pub(super) fn result(given: Result<Option<Val>, Unusable>, ty: &ComponentFunc) -> wasmtime::Result<Val> {
    let Some(Type::Result(of)) = ty.results().next() else { bail!("it gives a result") };
    Ok(Val::Result(match given {
        Ok(value) => Ok(value.map(Box::new)),
        Err(refused) => {
            let Some(err) = of.err() else { bail!("its result has an error") };
            Err(Some(Box::new(record(&err, |field, ty| match field {
                "class" => class(refused.class, ty),
                "message" => Some(Val::String(refused.message.clone())),
                "advice" => Some(Val::String(refused.advice.clone())),
                _ => None,
            })?)))
        }
    }))
}

/// A record of a component's own type.
fn record(ty: &Type, value: impl Fn(&str, &Type) -> Option<Val>) -> wasmtime::Result<Val> {
    let Type::Record(record) = ty else { bail!("it is not a record") };
    let mut fields = Vec::with_capacity(record.fields().len());
    for field in record.fields() {
        match value(field.name, &field.ty) {
            Some(value) => fields.push((field.name.to_owned(), value)),
            None => bail!("it has '{}', which this host does not know", field.name),
        }
    }
    Ok(Val::Record(fields))
}
