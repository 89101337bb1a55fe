use wit_parser::Resolve;

use super::generate;
use crate::Uses;
use crate::wit::Catalog;

fn written(uses: &[&str]) -> Vec<(String, String)> {
    let uses = Uses::parse(uses).expect("they are there");
    let cut = Catalog::read().expect("good WIT").cut(&crate::World::Step(uses)).expect("it can be cut");
    let (resolve, world) = cut.parse().expect("good WIT");
    generate(&resolve, world).expect("it can be written")
}

fn of_wit(wit: &str) -> Result<Vec<(String, String)>, String> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", wit).expect("good WIT");
    let world = resolve.select_world(&[package], None).expect("a world");
    generate(&resolve, world).map_err(|error| error.to_string())
}

#[track_caller]
fn has(files: &[(String, String)], path: &str, parts: &[&str]) {
    let (_, text) = files.iter().find(|(at, _)| at == path).unwrap_or_else(|| panic!("no {path}"));
    for part in parts {
        assert!(text.contains(part), "{part} in {path}:\n{text}");
    }
}

#[test]
fn a_module_has_the_types_the_functions_and_the_comments_of_its_interface() {
    let files = written(&["s3:bucket", "sts"]);
    let s3 = [
        "import * as rt from '../../runtime'\nimport * as llmhost_plugin_types from '../../llmhost/plugin/types'\n",
        "export { Options } from '../../llmhost/plugin/types'\n",
        "  /** A KMS key: id, ARN or alias. */\n  static kms(value: string): Encryption {\n",
        "  expireAfterDays: rt.Option<u32> = rt.none<u32>()\n",
        "  blockPublicAccess: bool\n",
        "  tags: llmhost_plugin_types.Tags = []\n",
        "@external(\"llmhost:aws-s3/s3@0.2.0\", \"[method]bucket.bucket-name\")\n",
        "@external(\"llmhost:aws-s3/s3@0.2.0\", \"[resource-drop]bucket\")\n",
        "  static declare(name: string, spec: BucketSpec, options: llmhost_plugin_types.Options): \
         rt.Result<Bucket, llmhost_plugin_types.Failure> {\n",
        "  /** The bucket's name. */\n  bucketName(): rt.Result<string, llmhost_plugin_types.Failure> {\n",
    ];
    has(&files, "llmhost/aws-s3/s3.ts", &s3);
    has(&files, "llmhost/plugin/types.ts", &["export enum FailureCode {\n", "  NotFound,\n"]);
    has(&files, "llmhost/plugin/values.ts", &["export function isKnown(text: string): bool {\n"]);
    has(&files, "llmhost/aws-sts/sts.ts", &["export function webIdentityAudiences(): Array<string> {\n"]);
    has(&files, "world.ts", &["export { Description } from './llmhost/plugin/types'\n"]);
    has(&files, "entry.ts", &["export function run(p0: i32, p1: i32): i32 {\n", "plugin.run($1)"]);
    has(&files, "runtime.ts", &["@external(\"llmhost:plugin/log@0.2.0\", \"write\")", "export class Tuple2<T0, T1> {"]);
    assert!(files.iter().all(|(path, text)| !text.contains("{{") && !path.contains("ec2")));
    assert!(files.iter().all(|(_, text)| !text.contains("Folder")));
}

#[test]
fn every_interface_of_llmhost_can_be_written() {
    for name in Catalog::read().expect("good WIT").names() {
        let files = written(&[&name]);
        assert!(files.iter().any(|(path, _)| path == "entry.ts"), "{name}");
    }
}

#[test]
fn what_has_no_form_in_assemblyscript_is_said() {
    let head = "package test:all;\n interface i {";
    let tail = "}\n world w { import i; }";
    for (inside, what) in [
        ("f: async func();", "async function ('f')"),
        ("f: func(of: list<u8, 4>);", "list of a fixed length"),
        ("f: func(of: future<u8>);", "future"),
    ] {
        let error = of_wit(&format!("{head}{inside}{tail}")).expect_err(inside);
        assert!(error.contains(what), "{error}");
    }
    for (world, what) in [
        ("export a-b: func();", "export of 'a-b'"),
        ("import inner: interface { f: func(); }", "interface that the world itself has ('inner')"),
    ] {
        let error = of_wit(&format!("package test:all;\n world w {{ {world} }}")).expect_err(world);
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn words_of_the_language_are_no_names() {
    let wit = "package test:all;
        interface i {
            record r { %default: string, %new: u8, load: bool }
            resource array { get: func(%in: u32) -> u32; %delete: func(); }
            %delete: func(%class: r);
        }
        world w { import i; }";
    let files = of_wit(wit).expect("it can be written");
    let parts = [
        "  default_: string\n  new_: u8\n  load_: bool\n",
        "export class Array_ {",
        "  get_(in_: u32): u32 {",
        "  delete(): void {",
        "export function delete_(class_: R): void {",
        "\"[method]array.delete\"",
    ];
    has(&files, "test/all/i.ts", &parts);
}

#[test]
fn parameters_that_are_too_many_go_through_memory_and_one_plain_result_comes_without_it() {
    let many = |count: usize| (0..count).map(|at| format!("p{at}: u64")).collect::<Vec<_>>().join(", ");
    let wit = format!(
        "package test:all;
        interface i {{
            few: func({}) -> f32;
            many: func({}) -> option<f32>;
        }}
        world w {{ import i; }}",
        many(16),
        many(17)
    );
    let files = of_wit(&wit).expect("it can be written");
    let few: Vec<_> = (0..16).map(|at| format!("p{at}: i64")).collect();
    let few = format!("declare function $Few({}): f32\n", few.join(", "));
    has(&files, "test/all/i.ts", &[&few, "declare function $Many(p0: i32, p1: i32): void\n", "rt.alloc(136)"]);
}
