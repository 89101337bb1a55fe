//! The bindings for AssemblyScript, which are llmhost's own: every type goes to the plugin and on to the host, and
//! comes back as it was.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::sync::OnceLock;

use support::{Scene, repository};
use wasmtime::component::{Component, Instance, Linker, Resource, ResourceAny, ResourceType, Val};
use wasmtime::{Config, Engine, Store};

/// What the host has heard.
#[derive(Default)]
struct Heard {
    names: Vec<String>,
    dropped: Vec<u32>,
    log: Vec<String>,
}

/// A resource of the host; its number is its place in the names.
struct Thing;

/// The component, built by the binary from a template whose WIT and source are other ones.
fn component() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let scene = Scene::new();
        let fixture =
            |name: &str| std::fs::read_to_string(repository().join("tests/assemblyscript").join(name)).unwrap();
        scene.llmhost(&["plugin", "new", "all", "--lang", "assemblyscript"]).status(0);
        scene.write("all/wit/deps/test-all/all.wit", fixture("all.wit"));
        let import = "    import llmhost:aws-s3/s3@0.2.0;\n";
        scene.edit("all/wit/world.wit", import, &format!("{import}{}", fixture("world.wit")));
        scene.write("all/assembly/plugin.ts", fixture("plugin.ts"));
        // It is no plugin, since no host has these imports; the module was made all the same.
        scene.llmhost(&["plugin", "build", "all"]).says(&["is not a plugin: it imports 'test:all/"]);
        let module = std::fs::read(scene.path("all/build/plugin.wasm")).unwrap();
        llmhost_sandbox::component(&module).unwrap().into_owned()
    })
}

struct Plugin {
    store: Store<Heard>,
    instance: Instance,
}

impl Plugin {
    fn start() -> Self {
        let engine = Engine::new(&Config::new()).unwrap();
        let component = Component::new(&engine, component()).unwrap();
        let mut linker = Linker::<Heard>::new(&engine);
        let mut echo = linker.instance("test:all/echo@0.1.0").unwrap();
        let same = [
            "color", "access", "wide", "point", "numbers", "shape", "places", "nested", "word", "flag", "letter",
            "real", "large", "maybe", "outcome", "bare",
        ];
        for name in same {
            echo.func_new(&format!("same-{name}"), |_, _, params, results| {
                results[0] = params[0].clone();
                Ok(())
            })
            .unwrap();
        }
        echo.func_new("joined", |_, _, params, results| {
            let words = params.iter().map(|param| match param {
                Val::String(word) => word.clone(),
                other => format!("{other:?}"),
            });
            results[0] = Val::String(words.collect::<Vec<_>>().join(" "));
            Ok(())
        })
        .unwrap();
        let of_host = ResourceType::host::<Thing>();
        echo.resource("thing", of_host, |mut store, number| {
            store.data_mut().dropped.push(number);
            Ok(())
        })
        .unwrap();
        let number = |resource: &Val, store: &mut wasmtime::StoreContextMut<'_, Heard>| match resource {
            Val::Resource(thing) => thing.try_into_resource::<Thing>(store).unwrap().rep(),
            other => panic!("{other:?} is no resource"),
        };
        let made = |name: String, store: &mut wasmtime::StoreContextMut<'_, Heard>| {
            store.data_mut().names.push(name);
            let thing = Resource::<Thing>::new_own(store.data().names.len() as u32 - 1);
            Val::Resource(ResourceAny::try_from_resource(thing, store).unwrap())
        };
        echo.func_new("[constructor]thing", move |mut store, _, params, results| {
            let Val::String(name) = &params[0] else { panic!("{params:?}") };
            results[0] = made(name.clone(), &mut store);
            Ok(())
        })
        .unwrap();
        echo.func_new("[method]thing.name", move |mut store, _, params, results| {
            let number = number(&params[0], &mut store);
            results[0] = Val::String(store.data().names[number as usize].clone());
            Ok(())
        })
        .unwrap();
        echo.func_new("[method]thing.drop", move |mut store, _, params, results| {
            number(&params[0], &mut store);
            results[0] = Val::Bool(true);
            Ok(())
        })
        .unwrap();
        echo.func_new("[static]thing.merge", move |mut store, _, params, results| {
            let both = [&params[0], &params[1]].map(|param| number(param, &mut store) as usize);
            let name = both.map(|number| store.data().names[number].clone()).join("+");
            results[0] = Val::Result(Ok(Some(Box::new(made(name, &mut store)))));
            Ok(())
        })
        .unwrap();
        let mut log = linker.instance("llmhost:plugin/log@0.2.0").unwrap();
        log.func_new("write", |mut store, _, params, _| {
            let Val::String(line) = &params[1] else { panic!("{params:?}") };
            store.data_mut().log.push(line.clone());
            Ok(())
        })
        .unwrap();
        linker.define_unknown_imports_as_traps(&component).unwrap();
        let mut store = Store::new(&engine, Heard::default());
        let instance = linker.instantiate(&mut store, &component).unwrap();
        Self { store, instance }
    }

    fn call(&mut self, function: &str, params: &[Val]) -> wasmtime::Result<Val> {
        let function = self.instance.get_func(&mut self.store, function).expect(function);
        let mut results = [Val::Bool(false)];
        function.call(&mut self.store, params, &mut results)?;
        Ok(results.into_iter().next().unwrap())
    }

    #[track_caller]
    fn gives_back(&mut self, function: &str, value: Val) {
        assert_eq!(self.call(function, std::slice::from_ref(&value)).unwrap(), value, "{function}");
    }
}

fn text(text: &str) -> Val {
    Val::String(text.to_owned())
}

fn record(fields: Vec<(&str, Val)>) -> Val {
    Val::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn case(name: &str, value: Option<Val>) -> Val {
    Val::Variant(name.to_owned(), value.map(Box::new))
}

fn some(value: Val) -> Val {
    Val::Option(Some(Box::new(value)))
}

fn flags(names: &[&str]) -> Val {
    Val::Flags(names.iter().map(|&name| name.to_owned()).collect())
}

fn point(x: i8, y: u8, z: i16, w: u16) -> Val {
    record(vec![("x", Val::S8(x)), ("y", Val::U8(y)), ("z", Val::S16(z)), ("w", Val::U16(w))])
}

fn shapes() -> Vec<Val> {
    vec![
        case("none", None),
        case("circle", Some(Val::Float32(-1.5))),
        case("word", Some(text("größer 𝄞 als"))),
        case("big", Some(Val::U64(u64::MAX))),
        case("far", Some(Val::Float64(f64::MIN_POSITIVE))),
        case("both", Some(point(i8::MIN, u8::MAX, i16::MIN, u16::MAX))),
        case("many", Some(Val::List(vec![text(""), text("two")]))),
        case("default", Some(Val::S32(i32::MIN))),
    ]
}

#[test]
fn every_type_comes_back_as_it_was() {
    let mut plugin = Plugin::start();
    for color in ["red", "green", "deep-blue"] {
        plugin.gives_back("color", Val::Enum(color.to_owned()));
    }
    plugin.gives_back("access", flags(&["read", "run-it"]));
    plugin.gives_back("access", flags(&[]));
    plugin.gives_back("wide", flags(&["b0", "b7", "b8", "b16", "b19"]));
    plugin.gives_back("point", point(-1, 200, -300, 60_000));
    for (e, f) in [(f32::MIN, f64::MAX), (f32::INFINITY, -0.0), (0.1, 0.1)] {
        plugin.gives_back(
            "numbers",
            record(vec![
                ("a", Val::S32(i32::MIN)),
                ("b", Val::U32(u32::MAX)),
                ("c", Val::S64(i64::MIN)),
                ("d", Val::U64(u64::MAX)),
                ("e", Val::Float32(e)),
                ("f", Val::Float64(f)),
                ("g", Val::Char('𝄞')),
                ("h", Val::Bool(true)),
            ]),
        );
    }
    for shape in shapes() {
        plugin.gives_back("shape", shape);
    }
    for word in ["", "plain", "größer 𝄞", "\0"] {
        plugin.gives_back("word", text(word));
    }
    for value in [true, false] {
        plugin.gives_back("flag", Val::Bool(value));
    }
    plugin.gives_back("letter", Val::Char('\u{10ffff}'));
    plugin.gives_back("real", Val::Float32(0.1));
    plugin.gives_back("large", Val::S64(-1));
    for value in [Val::Option(None), some(Val::U32(0)), some(Val::U32(u32::MAX))] {
        plugin.gives_back("maybe", value);
    }
    for value in [Ok(Some(Box::new(Val::Float64(2.5)))), Err(Some(Box::new(Val::U32(u32::MAX))))] {
        plugin.gives_back("outcome", Val::Result(value));
    }
    for value in [Ok(None), Err(None)] {
        plugin.gives_back("bare", Val::Result(value));
    }
    plugin.gives_back("places", Val::List(vec![]));
    let places = (0..50).map(|at| Val::Tuple(vec![text(&"x".repeat(at)), point(at as i8, 1, -2, 3)]));
    plugin.gives_back("places", Val::List(places.collect()));

    // Many times, so that what a call takes is given back or the memory ends.
    let twice = [Val::Option(None), some(Val::Option(None)), some(some(Val::U8(255)))];
    for round in 0..2000 {
        let shapes = shapes();
        let shape = |at: usize| shapes[at % shapes.len()].clone();
        let places = Val::List((0..20).map(|_| Val::Tuple(vec![text(&"y".repeat(200)), point(1, 2, 3, 4)])).collect());
        plugin.gives_back(
            "nested",
            record(vec![
                ("name", text(&format!("round {round}"))),
                ("places", places),
                ("shape", shape(round)),
                ("other", if round % 2 == 0 { some(shape(round / 2)) } else { Val::Option(None) }),
                ("twice", twice[round % 3].clone()),
                ("pair", Val::Tuple(vec![text("a"), Val::U64(1 << 40), Val::Enum("green".to_owned())])),
                ("colors", Val::List(vec![Val::Enum("red".to_owned()), Val::Enum("deep-blue".to_owned())])),
                ("lists", Val::List(vec![Val::List(vec![]), Val::List(vec![Val::U64(1), Val::U64(u64::MAX)])])),
                ("access", flags(&["write"])),
                ("wide", flags(&["b19"])),
                (
                    "went",
                    Val::Result(if round % 2 == 0 {
                        Ok(Some(Box::new(Val::U16(7))))
                    } else {
                        Err(Some(Box::new(text("no"))))
                    }),
                ),
                ("nothing", Val::Result(if round % 3 == 0 { Ok(None) } else { Err(None) })),
                ("error", Val::Result(if round % 5 == 0 { Ok(None) } else { Err(Some(Box::new(Val::Float32(0.5)))) })),
                ("default", Val::Bool(round % 2 == 0)),
            ]),
        );
    }
}

#[test]
fn more_parameters_than_are_passed_flat_go_through_memory() {
    let mut params: Vec<Val> = ["a", "", "c", "d", "e", "f", "g", "hé"].map(text).into();
    params.push(Val::U8(200));
    let joined = Plugin::start().call("joined", &params).unwrap();
    assert_eq!(joined, text("a  c d e f g hé U8(200)"));
}

#[test]
fn resources_are_given_away_lent_and_dropped() {
    let mut plugin = Plugin::start();
    assert_eq!(plugin.call("things", &[text("one"), text("other")]).unwrap(), text("one+other!"));
    assert_eq!(plugin.store.data().names, ["one", "other", "one+other"]);
    // The first was given away, and the host never gave it back; the second was dropped.
    assert_eq!(plugin.store.data().dropped, [1]);
}

#[test]
fn a_text_is_always_one_in_utf_8_and_the_start_may_call_the_host() {
    let mut plugin = Plugin::start();
    assert_eq!(plugin.call("half", &[]).unwrap(), text("a\u{fffd}b"));
    assert_eq!(plugin.call("started", &[]).unwrap(), Val::U32(42));
}

#[test]
fn a_crash_writes_its_message_and_its_place_in_one_line() {
    let source = std::fs::read_to_string(repository().join("tests/assemblyscript/plugin.ts")).unwrap();
    let line = source.lines().position(|line| line.contains("throw new")).unwrap() + 1;
    for (at, words) in [
        (7, format!("abort: no rule has 7 days (assembly/plugin.ts:{line}:")),
        (3, "abort: Index out of range (~lib/array.ts:".to_owned()),
    ] {
        let mut plugin = Plugin::start();
        assert_eq!(plugin.call("crash", &[Val::U32(1)]).unwrap(), Val::U32(2));
        plugin.call("crash", &[Val::U32(at)]).unwrap_err();
        let log = &plugin.store.data().log;
        assert!(log.len() == 1 && log[0].starts_with(&words), "{words} in {log:?}");
    }
}
