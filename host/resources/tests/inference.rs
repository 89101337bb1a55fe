//! Models in the host: loaded, asked, and asked again only when what they are asked changes.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use llmhost_engine::kind::{DeclareContext, Intent, Progress};
use llmhost_engine::registry::Registry;
use llmhost_example_models::{Example, onnxruntime};
use llmhost_resources::{Aws, AwsSettings, registry};
use serde_json::{Value, json};

struct Quiet;

impl Progress for Quiet {
    fn report(&self, _: &str, _: u64, _: u64) {}
}

fn complete(registry: &Registry, kind: &str, raw: Value, named: &str) -> Result<Value, String> {
    let address = format!("step/{kind}/it").parse().unwrap();
    let config = json!({ "model": named });
    let base = std::path::Path::new("/");
    let context = DeclareContext {
        address: &address,
        tags: &BTreeMap::new(),
        region: "us-east-1",
        base,
        within: None,
        config: &config,
    };
    registry.kind(kind).unwrap().complete(raw, &context)
}

/// Makes it, and gives what it says.
async fn make(registry: &Registry, kind: &str, spec: &Value) -> Value {
    let found = registry.kind(kind).unwrap();
    let intent = Intent { address: format!("step/{kind}/it").parse().unwrap(), token: "token".into() };
    let made = found.create(spec, &intent, &Quiet).await.unwrap();
    let mut outputs = made.outputs;
    outputs.extend(found.configure(&made.id, spec, None, &Quiet).await.unwrap());
    assert_eq!(found.read(&made.id, spec).await.unwrap().unwrap().spec, *spec);
    assert!(found.find(spec, &intent).await.unwrap().is_none(), "nothing of it outlives the process");
    Value::Object(outputs.into_iter().collect())
}

#[test]
fn a_model_is_loaded_asked_and_taken_away() {
    // SAFETY: nothing else runs in this process yet.
    unsafe { std::env::set_var("ORT_DYLIB_PATH", onnxruntime().unwrap()) };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let registry = registry(Arc::new(Aws::new(AwsSettings::default())));
        let spec = |folder: &str, device: &str| json!({ "address": folder, "device": device, "context_length": 256 });
        let tiny = Example::Tiny.folder().unwrap().display().to_string();
        let elsewhere = complete(&registry, "inference.model", spec(&tiny, "Cpu"), "another").unwrap_err();
        assert!(elsewhere.contains("is not named in the step's 'with' table"), "{elsewhere}");
        let model = complete(&registry, "inference.model", spec(&tiny, "Cpu"), &tiny).unwrap();
        let made = make(&registry, "inference.model", &model).await;
        assert_eq!((&made["provider"], &made["sort"]), (&json!("cpu"), &json!("decoder")));

        let ask = |text: &str| {
            json!({ "model": made["id"], "messages": [{ "role": "user", "content": text }], "max_tokens": 12, "temperature": 0.0, "seed": 0, "json_schema": null })
        };
        let one = make(&registry, "inference.answer", &complete(&registry, "inference.answer", ask("Hello"), "").unwrap()).await;
        let two = make(&registry, "inference.answer", &complete(&registry, "inference.answer", ask("Hello"), "").unwrap()).await;
        assert_eq!(one["text"], two["text"]);
        assert_eq!(one["finish"], "length");
        for (field, value, words) in [
            ("messages", json!([]), "messages is empty"),
            ("max_tokens", json!(0), "max_tokens is 0"),
            ("temperature", json!(9.0), "temperature is 9"),
        ] {
            let mut wrong = ask("Hello");
            wrong[field] = value;
            let error = complete(&registry, "inference.answer", wrong, "").unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        // More than fits is an error of the request, and the model goes on.
        let long = complete(&registry, "inference.answer", ask(&"word ".repeat(500)), "").unwrap();
        let error = registry.kind("inference.answer").unwrap().configure("it", &long, None, &Quiet).await.unwrap_err();
        assert!(error.message.contains("the context has 256"), "{error}");

        let vectors = Example::TinyEmbeddings.folder().unwrap().display().to_string();
        let mut model = spec(&vectors, "Cpu");
        model["context_length"] = Value::Null;
        let model = complete(&registry, "inference.model", model, &vectors).unwrap();
        let embeds = make(&registry, "inference.model", &model).await;
        assert_eq!(embeds["sort"], "encoder");
        let texts = json!({ "model": embeds["id"], "texts": ["one text", "another"] });
        let found = make(&registry, "inference.embedding", &complete(&registry, "inference.embedding", texts, "").unwrap()).await;
        let found: Vec<Vec<f32>> = serde_json::from_str(found["vectors"].as_str().unwrap()).unwrap();
        assert_eq!((found.len(), found[0].len()), (2, 32));

        let tensor = |name: &str, shape: Value, numbers: Value| json!({ "name": name, "shape": shape, "numbers": numbers });
        let run = |inputs: Value| json!({ "model": embeds["id"], "inputs": inputs });
        let ids = |shape: Value, numbers: Value| tensor("input_ids", shape, numbers);
        let mask = || tensor("attention_mask", json!([1, 3]), json!([1, 1, 1]));
        let kind = registry.kind("inference.tensors").unwrap();
        let whole = run(json!([ids(json!([1, 3]), json!([5, 6, 7])), mask(), tensor("token_type_ids", json!([1, 3]), json!([0, 0, 0]))]));
        let made_of = make(&registry, "inference.tensors", &complete(&registry, "inference.tensors", whole, "").unwrap()).await;
        let made_of: Value = serde_json::from_str(made_of["outputs"].as_str().unwrap()).unwrap();
        let hidden = &made_of["last_hidden_state"];
        assert_eq!(hidden["shape"], json!([1, 3, 32]), "{made_of}");
        assert!(hidden["numbers"].as_array().unwrap().iter().all(|number| number.as_f64().unwrap().is_finite()));
        assert_eq!(hidden["numbers"].as_array().unwrap().len(), 96);
        for (inputs, words) in [
            (json!([ids(json!([1, 3]), json!([5, 6.5, 7])), mask()]), "6.5 is none"),
            (json!([ids(json!([1, 4]), json!([5, 6, 7])), mask()]), "'input_ids' has 3 numbers"),
            (json!([ids(json!([1, 3]), json!([5, 6, 7]))]), "is missing"),
            (json!([tensor("nothing", json!([]), json!([1]))]), "no input 'nothing'"),
        ] {
            let spec = complete(&registry, "inference.tensors", run(inputs), "").unwrap();
            let error = kind.configure("it", &spec, None, &Quiet).await.unwrap_err();
            assert!(error.message.contains(words), "{error}");
        }
        let much = run(json!([ids(json!([70_000]), json!(vec![1; 70_000]))]));
        assert!(complete(&registry, "inference.tensors", much, "").unwrap_err().contains("up to 65536 are allowed"));

        let gone = registry.kind("inference.model").unwrap();
        gone.delete(made["id"].as_str().unwrap(), &model, &Quiet).await.unwrap();
        let missing = complete(&registry, "inference.model", spec("/nowhere", "Cpu"), "/nowhere").unwrap();
        let id = format!("cpu:256:{}", missing["address"].as_str().unwrap());
        let error = gone.configure(&id, &missing, None, &Quiet).await.unwrap_err();
        assert!(error.message.contains("there is no folder /nowhere"), "{error}");
    });
}
