//! Texts to vectors.

mod common;

use common::{engine, options};
use llmhost_inference::RequestError;

fn likeness(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_the_same_alone_and_in_company() {
    let engine = engine("tiny-embeddings", &options());
    let texts: Vec<String> = (0..40).map(|i| "a word and more ".repeat(1 + i * 7 % 6) + &i.to_string()).collect();
    let mut alone = Vec::new();
    for text in &texts {
        let embeddings = engine.embed(std::slice::from_ref(text), true).await.expect("embedded");
        alone.extend(embeddings.vectors);
    }
    let together = engine.embed(&texts, true).await.expect("embedded");
    assert_eq!(together.vectors.len(), texts.len());
    for (a, b) in alone.iter().zip(&together.vectors) {
        assert!((likeness(a, a) - 1.0).abs() < 1e-4, "of length one");
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4), "padding changes nothing");
    }
    let tasks: Vec<_> = texts
        .iter()
        .cloned()
        .map(|text| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.embed(&[text], true).await })
        })
        .collect();
    for (task, expected) in tasks.into_iter().zip(&alone) {
        let got = task.await.expect("no panic").expect("embedded");
        assert!(got.vectors[0].iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4));
    }
}

#[tokio::test]
async fn long_texts_are_cut_or_refused() {
    let engine = engine("tiny-embeddings", &options());
    let long = ["word ".repeat(2000)];
    assert_eq!(engine.embed(&long, true).await.expect("cut").tokens, engine.stats().context);
    assert!(matches!(engine.embed(&long, false).await, Err(RequestError::TooLong { .. })));
    assert!(matches!(engine.embed(&[String::new()], false).await, Err(RequestError::Invalid(_))));
    assert!(engine.embed(&[], false).await.expect("nothing").vectors.is_empty());
    let error = engine.generate(common::request(vec![1], 1)).expect_err("an encoder").to_string();
    assert_eq!(error, "this model cannot generate text: it is a encoder model");
}
