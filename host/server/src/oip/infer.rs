//! `/v2/models/{name}/infer`

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{JSON_LENGTH, Named, dimensions, elements};
use crate::error::ApiError;
use crate::openai::parse;
use crate::serve::Shared;
use crate::{Datatype, Signature, Tensor, TensorInfo};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    id: Option<String>,
    #[serde(default)]
    parameters: Parameters,
    inputs: Vec<Input>,
    #[serde(default)]
    outputs: Vec<Output>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// Whether outputs that say nothing are sent as they are.
    #[serde(default)]
    binary_data_output: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    #[serde(default)]
    parameters: InputParameters,
    data: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct InputParameters {
    binary_data_size: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    name: String,
    #[serde(default)]
    parameters: OutputParameters,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct OutputParameters {
    binary_data: Option<bool>,
}

fn invalid(message: String) -> ApiError {
    ApiError::invalid(message, None)
}

/// The JSON of a body, and the tensors behind it.
fn split<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), ApiError> {
    let Some(length) = headers.get(JSON_LENGTH) else { return Ok((body, &[])) };
    let length = length.to_str().ok().and_then(|length| length.parse().ok());
    length
        .and_then(|length| body.split_at_checked(length))
        .ok_or_else(|| invalid(format!("the header {JSON_LENGTH} is not valid for a body of {} bytes", body.len())))
}

/// The inputs, of JSON and of the bytes behind it, as the model takes them.
fn inputs(asked: Vec<Input>, mut bytes: &[u8], signature: &Signature) -> Result<Vec<Tensor>, ApiError> {
    let mut all: Vec<Tensor> = Vec::with_capacity(asked.len());
    for input in asked {
        let name = &input.name;
        if all.iter().any(|before| before.name == *name) {
            return Err(invalid(format!("the input '{name}' is there twice")));
        }
        let datatype = check(&input, signature).map_err(invalid)?;
        let count = input.shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
        let count = count.ok_or_else(|| invalid(format!("the shape of the input '{name}' is too large")))?;
        let data = match (&input.data, input.parameters.binary_data_size) {
            (Some(data), None) => elements::read(name, datatype, count, data).map_err(invalid)?,
            (None, Some(size)) => {
                let (own, rest) = bytes.split_at_checked(size).ok_or_else(|| {
                    invalid(format!("the input '{name}' has {size} bytes, and the body has {} left", bytes.len()))
                })?;
                if count.checked_mul(datatype.bytes()) != Some(size) {
                    let text = format!("the input '{name}' has {size} bytes, which do not match its shape");
                    return Err(invalid(text));
                }
                bytes = rest;
                own.to_vec()
            }
            _ => return Err(invalid(format!("the input '{name}' needs either data or a binary_data_size"))),
        };
        all.push(Tensor { name: input.name, datatype, shape: input.shape, data });
    }
    match bytes.len() {
        0 => Ok(all),
        left => Err(invalid(format!("{left} bytes of the body belong to no input"))),
    }
}

/// The datatype of an input that fits the model.
fn check(input: &Input, signature: &Signature) -> Result<Datatype, String> {
    let name = &input.name;
    let Some(own) = signature.inputs.iter().find(|own| own.name == *name) else {
        return Err(format!("the model has no input '{name}'; it has {}", names(&signature.inputs)));
    };
    let Some(wanted) = own.datatype else {
        return Err(format!("the input '{name}' has a type that cannot be sent"));
    };
    if wanted.name() != input.datatype {
        return Err(format!("the input '{name}' has the datatype {}, not '{}'", wanted.name(), input.datatype));
    }
    let fits = |(own, given): (&Option<usize>, &usize)| own.is_none_or(|own| own == *given);
    match own.shape.len() == input.shape.len() && own.shape.iter().zip(&input.shape).all(fits) {
        true => Ok(wanted),
        false => {
            let takes = dimensions(&own.shape);
            Err(format!(
                "the input '{name}' has the shape {:?}, and the model expects {takes:?} (-1 is any)",
                input.shape
            ))
        }
    }
}

fn names(all: &[TensorInfo]) -> String {
    all.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// The outputs that are wanted, and whether each is sent as it is.
fn wanted(request: &Request, signature: &Signature) -> Result<Vec<(String, bool)>, ApiError> {
    let all = request.parameters.binary_data_output;
    if request.outputs.is_empty() {
        return Ok(signature.outputs.iter().map(|output| (output.name.clone(), all)).collect());
    }
    let one = |output: &Output| match signature.outputs.iter().any(|own| own.name == output.name) {
        true => Ok((output.name.clone(), output.parameters.binary_data.unwrap_or(all))),
        false => {
            let known = names(&signature.outputs);
            Err(invalid(format!("the model has no output '{}'; it has {known}", output.name)))
        }
    };
    request.outputs.iter().map(one).collect()
}

pub(crate) async fn infer(
    State(shared): State<Arc<Shared>>,
    Named(name): Named,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let (json, bytes) = split(&headers, &body)?;
    let request: Request = parse(json)?;
    let model = shared.model(Some(&name)).await?;
    let signature = model.backend().signature()?;
    let wanted = wanted(&request, &signature)?;
    let inputs = inputs(request.inputs, bytes, &signature)?;
    let running = tokio::time::timeout(shared.settings.request_timeout, model.backend().infer(inputs));
    let outputs = running.await.map_err(|_| ApiError::timeout())??;
    let (mut described, mut behind) = (Vec::new(), Vec::new());
    for (name, is_binary) in &wanted {
        // A model may leave an output of its own out.
        let Some(tensor) = outputs.iter().find(|output| output.name == *name) else { continue };
        let mut one = json!({ "name": name, "datatype": tensor.datatype.name(), "shape": tensor.shape });
        match is_binary {
            true => {
                one["parameters"] = json!({ "binary_data_size": tensor.data.len() });
                behind.extend_from_slice(&tensor.data);
            }
            false => one["data"] = Value::Array(elements::list(tensor).map_err(invalid)?),
        }
        described.push(one);
    }
    let mut answer = Map::from_iter([("model_name".to_owned(), json!(model.info().name))]);
    answer.extend(request.id.map(|id| ("id".to_owned(), json!(id))));
    answer.insert("outputs".to_owned(), Value::Array(described));
    let answer = Value::Object(answer);
    if !wanted.iter().any(|(_, is_binary)| *is_binary) {
        return Ok(Json(answer).into_response());
    }
    let mut whole = answer.to_string().into_bytes();
    let length = whole.len().to_string();
    whole.extend(behind);
    let kind = (header::CONTENT_TYPE, "application/octet-stream".to_owned());
    Ok(([kind, (JSON_LENGTH, length)], whole).into_response())
}
