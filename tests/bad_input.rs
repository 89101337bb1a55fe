//! Everything that can be wrong with what a user hands in: a clear error, and nothing happened.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use support::Scene;

const HEAD: &str = "[pipeline]\nname = \"test\"\nregion = \"us-east-1\"\n";

#[test]
fn a_wrong_file_is_said_with_its_place() {
    let vpc = |with: &str| format!("{HEAD}[steps.network]\nuses = \"vpc\"\nwith = {{ name = \"n\", {with} }}\n");
    let s3 = |with: &str| format!("{HEAD}[steps.models]\nuses = \"s3\"\nwith = {{ {with} }}\n");
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("an empty file", b"".to_vec(), &["[pipeline]"]),
        ("not UTF-8", b"[pipeline]\nname = \"\xff\xfe\"".to_vec(), &["UTF-8"]),
        ("not TOML", b"[pipeline\nname = 1".to_vec(), &["pipeline.toml:1"]),
        ("an unknown key", format!("{HEAD}colour = \"red\"\n").into(), &["unknown key 'colour'"]),
        ("a misspelt key", HEAD.replace("region", "regoin").into(), &["regoin", "did you mean", "region"]),
        ("a wrong type", HEAD.replace("\"test\"", "7").into(), &["name", "string"]),
        ("an unknown plugin", vpc("").replace("\"vpc\"", "\"vcp\"").into(), &["no built-in plugin 'vcp'", "vpc"]),
        ("an unknown step", vpc("cidr = \"${netwrk.cidr}\"").into(), &["netwrk"]),
        ("an unknown variable", vpc("cidr = \"${vars.cdir}\"").into(), &["cdir"]),
        ("an unset environment variable", vpc("cidr = \"${env.NOT_SET_ANYWHERE}\"").into(), &["NOT_SET_ANYWHERE"]),
        (
            "an unknown output",
            format!("{}\n[steps.b]\nuses = \"s3\"\nwith = {{ bucket = \"${{network.vcp_id}}\" }}\n", vpc("")).into(),
            &["vcp_id", "vpc_id"],
        ),
        ("two steps of one name", format!("{}{}", vpc(""), vpc("").replace(HEAD, "")).into(), &["network"]),
        ("a misspelt option", vpc("nta = \"none\"").into(), &["nta", "nat"]),
        ("an option of a wrong type", vpc("azs = \"two\"").into(), &["azs"]),
        ("an option out of range", vpc("azs = 70").into(), &["azs", "6"]),
        ("a choice that there is not", vpc("nat = \"maybe\"").into(), &["maybe", "single"]),
        ("a choice that reads like one", vpc("nat = \"per_az\"").into(), &["did you mean \"per-az\"?"]),
        ("a choice of a wrong type", vpc("nat = true").into(), &["must be one of", "1 problem in"]),
        ("a missing option", s3("").into(), &["bucket"]),
        (
            "a text instead of a list",
            s3("bucket = \"a-b-c\", upload = \"m\"").into(),
            &["must be a list", "write [\"m\"]"],
        ),
        (
            "a text instead of a flag",
            s3("bucket = \"a-b-c\", versioning = \"on\"").into(),
            &["true or false", "write true"],
        ),
        ("a number instead of a text", s3("bucket = 5").into(), &["must be a string", "write \"5\""]),
        ("a fraction", vpc("azs = 2.5").into(), &["azs of step network", "must be a whole number, not the number 2.5"]),
        ("a text instead of a number", vpc("azs = \"2\"").into(), &["must be a whole number", "write 2"]),
        ("a number beyond 64 bits", vpc("azs = 99999999999999999999").into(), &["99999999999999999999 is too large"]),
        (
            "a date",
            vpc("cidr = 2026-01-01").into(),
            &["a date cannot be passed", "write it as a string: \"2026-01-01\""],
        ),
        ("a huge number", vpc("azs = 9223372036854775807").into(), &["must be at most 6"]),
        ("JSON", b"{\"pipeline\": {}}".to_vec(), &["this reads like JSON", "a pipeline file is TOML", "1 problem in"]),
        ("YAML", b"# head\npipeline:\n  name: x\n".to_vec(), &["this reads like YAML", "1 problem in"]),
        ("a binary", (0..=255_u8).collect(), &["is not UTF-8", "save it as UTF-8 text"]),
        ("a zone instead of a region", HEAD.replace("us-east-1", "us-east-1a").into(), &["did you mean 'us-east-1'?"]),
        ("a region in capitals", HEAD.replace("us-east-1", "US-EAST-1").into(), &["did you mean 'us-east-1'?"]),
        ("a name that is no ASCII", HEAD.replace("test", "größe").into(), &["the pipeline name 'größe'", "'ö'"]),
        (
            "a step that is no ASCII",
            vpc("").replace("steps.network", "steps.\"größe\"").into(),
            &["the step name 'größe'", "'ö'"],
        ),
        ("a calculation", vpc("cidr = \"${vars.x + 1}\"").into(), &["it cannot compute"]),
        (
            "a step of another name",
            vpc("cidr = \"${each.value}\"").into(),
            &["${each.…} works only in steps with for_each", "add for_each"],
        ),
        (
            "a step after one that is not there",
            vpc("").replace("uses", "after = [\"q\"]\nuses").into(),
            &["there is no step 'q'", "the steps of this file are network"],
        ),
        ("after one step, as a text", vpc("").replace("uses", "after = \"q\"\nuses").into(), &["write [\"q\"]"]),
        ("a name that is a number", HEAD.replace("\"test\"", "5").into(), &["write \"5\""]),
        ("a CIDR that is none", vpc("cidr = \"10.0.0.0/160\"").into(), &["10.0.0.0/160"]),
        ("a CIDR with host bits", vpc("cidr = \"10.0.0.5/16\"").into(), &["10.0.0.0/16"]),
        (
            "overlapping subnets",
            vpc("public_subnets = [\"10.0.1.0/24\", \"10.0.1.128/25\"]").into(),
            &["overlap", "10.0.1.128/25"],
        ),
        (
            "a subnet outside its VPC",
            vpc("public_subnets = [\"10.0.1.0/24\", \"10.9.3.0/24\"]").into(),
            &["10.9.3.0/24", "10.0.0.0/16"],
        ),
        ("a bucket name with capitals", s3("bucket = \"My-Models\"").into(), &["My-Models", "lower-case"]),
        ("a bucket name like an address", s3("bucket = \"10.0.0.1\"").into(), &["10.0.0.1"]),
        (
            "a folder that is not there",
            s3("bucket = \"models\", upload = [{ source = \"nowhere\", prefix = \"m\" }]").into(),
            &["nowhere"],
        ),
        ("a plugin file that is not there", vpc("").replace("\"vpc\"", "\"./none.wasm\"").into(), &["none.wasm"]),
        (
            "a grant that there is not",
            vpc("").replace("uses = \"vpc\"", "uses = \"vpc\"\nallow = [\"ec3\"]").into(),
            &["ec3"],
        ),
    ];
    for (what, text, words) in cases {
        let scene = Scene::new();
        scene.write("pipeline.toml", text);
        for command in
            [&["run", "pipeline.toml", "--dry-run"][..], &["validate", "pipeline.toml"], &["graph", "pipeline.toml"]]
        {
            let ran = scene.llmhost(command);
            assert!(ran.status == 2 || ran.status == 1, "{what}: {ran:?}");
            ran.says(words);
        }
        assert!(!scene.path(".llmhost").exists(), "{what}");
    }
}

#[test]
fn what_aws_or_kubernetes_would_refuse_later_is_refused_at_once() {
    let eks = |role: &str, subnet: &str| {
        format!(
            "{HEAD}[steps.c]\nuses = \"eks\"\nwith = {{ name = \"c\", role_arn = \"{role}\", subnet_ids = [\"{subnet}\", \
             \"subnet-0123456789abcdef1\"], endpoint = \"private\" }}\n"
        )
    };
    let role = "arn:aws:iam::123456789012:role/r";
    let iam = |with: &str| format!("{HEAD}[steps.r]\nuses = \"iam\"\nwith = {{ {with} }}\n");
    let irsa = |namespace: &str| {
        format!(
            "{HEAD}[steps.i]\nuses = \"irsa\"\nwith = {{ cluster = \"c\", namespace = \"{namespace}\", service_account = \"s\", mode = \
             \"pod-identity\", bucket = \"a-b-c\" }}\n"
        )
    };
    let server = |with: &str| {
        format!(
            "{HEAD}[steps.i]\nuses = \"inference\"\nwith = {{ cluster = \"c\", namespace = \"n\", image = \"x/llmhost:1\", model = \
             \"s3://b/m\", {with} }}\n"
        )
    };
    for (text, words) in [
        (eks("r", "subnet-0123456789abcdef0"), "role_arn 'r' is not the ARN of a role, such as arn:aws:iam::"),
        (eks(role, "net-1"), "subnet_ids 'net-1' is not an id: one looks like subnet-0123456789abcdef0"),
        (
            iam("roles = { a = { services = [\"ec2\"] } }"),
            "'ec2' is not a service name in IAM; write ec2.amazonaws.com",
        ),
        (irsa("My NS"), "namespace 'My NS' is not a valid name for Kubernetes"),
        (
            server("memory = \"8 gigs\""),
            "memory of containers[0] is '8 gigs', which is not a Kubernetes quantity: write memory like 8Gi",
        ),
        (server("cpu = \"two\""), "cpu of containers[0] is 'two'"),
    ] {
        let scene = Scene::new();
        scene.write("pipeline.toml", text);
        scene.llmhost(&["validate", "pipeline.toml"]).status(1).says(&[words]);
    }
}

#[test]
fn commands_in_a_message_can_be_copied() {
    let scene = Scene::new();
    let step = |name: &str| {
        format!(
            "[steps.{name}]\nuses = \"vpc\"\nwith = {{ name = \"{name}\", nat = \"per-az\", security_groups = {{}} }}\n"
        )
    };
    scene.pipeline(&["a", "b", "c"].map(step).concat());
    let ran = scene.llmhost(&["validate", "pipeline.toml"]);
    let all = format!("{}{}", ran.stdout, ran.stderr);
    // Both stand on one line each, whatever the terminal's width.
    for whole in [
        "aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-0263D0A3 --desired-value 6",
        "'llmhost validate --online'",
    ] {
        assert!(all.lines().any(|line| line.contains(whole)), "{all}");
    }
    assert!(all.lines().all(|line| !line.ends_with('-') && !line.ends_with('/')), "{all}");
}

#[test]
fn every_problem_is_reported_in_one_go_with_line_and_caret() {
    let scene = Scene::new();
    scene.pipeline(
        r#"[steps.network]
uses = "vpc"
wiht = { name = "n" }

[steps.models]
uses  = "s3"
after = ["netwrok"]
with  = { bucket = "${network.vpc_idd}" }
"#,
    );
    let ran = scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(2);
    insta::assert_snapshot!(ran.said(&scene));
}

#[test]
fn a_cycle_is_shown_as_the_path_that_closes_it() {
    let scene = Scene::new();
    scene.pipeline(
        "[steps.a]\nuses = \"s3\"\nwith = { bucket = \"${c.bucket}\" }\n\
         [steps.b]\nuses = \"s3\"\nwith = { bucket = \"${a.bucket}\" }\n\
         [steps.c]\nuses = \"s3\"\nafter = [\"b\"]\nwith = { bucket = \"x-y-z\" }\n",
    );
    scene.llmhost(&["validate", "pipeline.toml"]).status(2).says(&["->"]);
}

#[test]
fn a_wrong_command_line_says_what_to_write() {
    let scene = Scene::with_examples();
    let file = "network-and-storage.toml";
    for (args, words) in [
        (&["run", "nowhere.toml"][..], &["nowhere.toml"][..]),
        (&["run", "."], &["folder"]),
        (&["run", file, "--dry-run", "--graph", "plan.bmp"], &[".svg"]),
        (&["run", file, "--dry-run", "--var", "bukket=x"], &["bukket", "bucket"]),
        (&["run", file, "--emulate", "--endpoint-url", "http://127.0.0.1:1"], &["cannot be used with"]),
        (&["run", file, "--dry-run", "--exit-cod"], &["--exit-code"]),
        (&["plugin", "inspect", "vcp"], &["no built-in plugin 'vcp'"]),
    ] {
        scene.llmhost(args).status(2).says(words);
    }
}

#[test]
fn a_file_that_is_no_plugin_is_refused_before_anything_runs() {
    let scene = Scene::new();
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("text", b"#!/bin/sh\necho hello\n"),
        ("core", b"\0asm\x01\0\0\0"),
        ("cut", b"\0asm\x0d\0\x01\0\x07\x80"),
    ] {
        scene.write(&format!("{name}.wasm"), bytes);
        scene.pipeline(&format!("[steps.s]\nuses = \"./{name}.wasm\"\n"));
        scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(2).says(&["is not a plugin", name]);
    }
}
