use super::*;
use crate::check::in_cluster;

fn config(options: &str) -> Config {
    serde_json::from_str(&format!(r#"{{ "image": "llmhost:1", "model": "s3://b/m", {options} }}"#)).expect("options")
}

fn keda(more: &str) -> String {
    format!(
        r#""scaling": {{ "engine": "keda", "metric": "requests_waiting", "target": 4, "max": 8, "prometheus": "http://p:9090" {more} }}"#
    )
}

#[test]
fn what_cannot_scale_is_refused_with_what_to_state() {
    let hpa = |more: &str| {
        format!(r#""scaling": {{ "engine": "hpa", "target": 0.8, "metric": "cache_used", "max": 8 {more} }}"#)
    };
    let custom = r#""server": "custom", "model": null"#;
    for (options, words) in [
        (keda(""), None),
        (hpa(""), None),
        (keda(r#", "min": 0, "wake": { "hosts": ["m.example.com"] }"#), None),
        (keda(r#", "min": 0, "wake": { "query": "sum(rate(asked[1m]))" }"#), None),
        (keda(r#", "min": 0"#), Some("scaling.wake is missing")),
        (keda(r#", "min": 0, "wake": {}"#), Some("one of hosts and query")),
        (keda(r#", "wake": { "query": "q" }"#), Some("only for scaling.min = 0")),
        (keda(r#", "min": 9"#), Some("scaling.max is 8, fewer")),
        (keda(r#", "metric_name": "m""#), Some("for server = \\\"custom\\\"")),
        (keda("").replace("http://p:9090", "p:9090"), Some("scaling.prometheus is missing")),
        (keda("").replace("\"target\": 4", "\"target\": 0"), Some("above 0")),
        (hpa("").replace("0.8", "80"), Some("such as 0.8")),
        (hpa(r#", "min": 0"#), Some("keeps at least 1")),
        (hpa(r#", "prometheus": "http://p""#), Some("prometheus-adapter gets")),
        (format!(r#"{}, "replicas": {{ "min": 1, "max": 2 }}"#, keda("")), Some("keep one of them")),
        (
            format!(r#"{}, "gateway": {{ "name": "g" }}"#, keda(r#", "min": 0, "wake": { "hosts": ["m"] }"#)),
            Some("do not pass it"),
        ),
        (format!(r#"{}, "name": "{}""#, keda(""), "n".repeat(47)), Some("longer than 46")),
        (keda("") + r#", "server": "custom""#, Some("model is for llmhost")),
    ] {
        let checked = in_cluster(&config(&options)).map_err(|failure| format!("{failure:?}"));
        match words {
            None => assert_eq!(checked, Ok(()), "{options}"),
            Some(words) => {
                assert!(checked.as_ref().is_err_and(|error| error.contains(words)), "{options}: {checked:?}")
            }
        }
    }
    let options = format!(r#"{{ "image": "vllm:1", {custom}, {} }}"#, keda(""));
    let other: Config = serde_json::from_str(&options).expect("options");
    assert!(in_cluster(&other).is_err_and(|failure| format!("{failure:?}").contains("scaling.metric_name is missing")));
}

#[test]
fn words_that_there_are_not_are_refused_with_those_that_there_are() {
    for (options, words) in [
        (keda("").replace("keda", "karpenter"), "`keda` or `hpa`"),
        (keda("").replace("requests_waiting", "cpu"), "`requests_waiting`, `cache_used`, `tokens_per_second`"),
        (r#""model_cache": "disk""#.to_owned(), "`none`, `node`, `mountpoint`"),
        (r#""rollout": "fast""#.to_owned(), "`surge` or `replace`"),
        (r#""topology_spread": "always""#.to_owned(), "`prefer`, `require`, `none`"),
        (r#""monitor": "service""#.to_owned(), "`none` or `pod`"),
        (r#""gateway": { "name": "g", "engine_type": "triton" }"#.to_owned(), "`vllm` or `sglang`"),
    ] {
        let text = format!(r#"{{ "image": "llmhost:1", {options} }}"#);
        let error = serde_json::from_str::<Config>(&text).err().expect("an error").to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_query_is_the_load_of_this_servers_pods_alone() {
    let named = |metric: &str| {
        let config = config(&format!(
            "{}, \"name\": \"chat.v2\", \"namespace\": \"ml\"",
            keda("").replace("requests_waiting", metric)
        ));
        objects(&config)[0].1["spec"]["triggers"][0]["metadata"]["query"].clone()
    };
    let of = r#"{namespace="ml",pod=~"chat[.]v2-[a-z0-9]+-[a-z0-9]{5}"}"#;
    assert_eq!(named("requests_waiting"), format!("sum(llmhost_queue_depth{of})"));
    assert_eq!(named("cache_used"), format!("sum(max by (pod) (llmhost_kv_cache_used_ratio{of}))"));
    assert_eq!(named("tokens_per_second"), format!("sum(avg_over_time(llmhost_tokens_per_second{of}[1m]))"));
}

#[test]
fn numbers_are_written_as_kubernetes_writes_them() {
    for (number, text) in [(4.0, "4"), (0.8, "800m"), (1500.0, "1500"), (2.5, "2500m")] {
        assert_eq!(quantity(number), text);
    }
}

#[test]
fn what_wakes_a_server_does_not_size_it() {
    let config = config(&keda(r#", "min": 0, "wake": { "query": "sum(rate(asked[1m]))" }"#));
    let spec = &objects(&config)[0].1["spec"];
    assert_eq!(spec["minReplicaCount"], 0);
    let wake = &spec["triggers"][1]["metadata"];
    assert_eq!((&wake["threshold"], &wake["activationThreshold"]), (&json!(NEVER), &json!("0")));
}
