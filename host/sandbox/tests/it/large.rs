//! Components that are large, deep or endless to compile: each is refused with a reason, or loads.

use std::time::Duration;

use llmhost_engine::plugin::{Limits, LoadError};
use llmhost_sandbox::{Loader, LoaderOptions};
use wasm_encoder::{
    CodeSection, Component, ComponentTypeSection, Function, FunctionSection, Instruction, Module, ModuleSection,
    NestedComponentSection, PrimitiveValType, TypeSection,
};

use crate::fake::load;

/// Why a component is refused.
async fn refused(bytes: &[u8], compile_time: Option<Duration>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.wasm");
    std::fs::write(&file, bytes).unwrap();
    let mut options = LoaderOptions { parallelism: 1, ..LoaderOptions::default() };
    options.compile_time = compile_time.unwrap_or(options.compile_time);
    let loader = Loader::new(options).expect("a sandbox");
    match load(&loader, &file, &Limits::default()).await.err() {
        Some(LoadError::NotAPlugin { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

/// A component with one module of many functions.
fn functions(count: u32) -> Vec<u8> {
    let (mut types, mut functions, mut code) = (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([], []);
    for _ in 0..count {
        functions.function(0);
        let mut function = Function::new([]);
        function.instruction(&Instruction::End);
        code.function(&function);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    component.finish()
}

#[tokio::test]
async fn many_functions_are_compiled_or_hit_the_limit_by_name() {
    let large = functions(100_000);
    // It has nothing of a plugin.
    let reason = refused(&large, None).await;
    assert!(reason.contains("does not match the world llmhost:plugin/step"), "{reason}");
    let reason = refused(&large, Some(Duration::from_millis(50))).await;
    assert!(reason.contains("compile time limit: compiling it takes longer than 50ms"), "{reason}");
    // More than WebAssembly's own implementations agree to.
    let reason = refused(&functions(1_100_000), None).await;
    assert!(reason.contains("functions count"), "{reason}");
}

#[tokio::test]
async fn components_that_lie_deep_in_one_another_hit_the_limit_by_name() {
    for (depth, part) in [
        (100, "does not match the world llmhost:plugin/step"),
        (101, "nesting limit: its components are nested more than 100 levels deep"),
        (20_000, "nesting limit: its components are nested more than 100 levels deep"),
    ] {
        let mut deep = Component::new();
        for _ in 0..depth {
            let mut outer = Component::new();
            outer.section(&NestedComponentSection(&deep));
            deep = outer;
        }
        let reason = refused(&deep.finish(), None).await;
        assert!(reason.contains(part), "{depth}: {reason}");
    }
}

#[tokio::test]
async fn types_that_grow_exponentially_are_refused() {
    let mut types = ComponentTypeSection::new();
    types.defined_type().primitive(PrimitiveValType::U8);
    for index in 0..64 {
        let twice = wasm_encoder::ComponentValType::Type(index);
        types.defined_type().tuple([twice, twice]);
    }
    let mut component = Component::new();
    component.section(&types);
    let reason = refused(&component.finish(), None).await;
    assert!(reason.contains("type size"), "{reason}");
}
