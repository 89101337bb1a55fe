//! Packages for Go.

use std::path::Path;

use wit_bindgen_core::Files;

use crate::{AuthoringError, Project, create, wit};

/// The module `go.bytecodealliance.org/pkg` 0.2.2 as wit-bindgen-go carries it, without what is for async calls. It is
/// under the license beside it.
const RUNTIME: &[(&str, &str)] = &[
    ("go.mod", "module go.bytecodealliance.org/pkg\n\ngo 1.25\n"),
    ("LICENSE", include_str!("go/LICENSE")),
    ("wit/runtime/runtime.go", include_str!("go/runtime.go")),
    ("wit/types/option.go", include_str!("go/option.go")),
    ("wit/types/result.go", include_str!("go/result.go")),
    ("wit/types/tuple.go", include_str!("go/tuple.go")),
    ("wit/types/unit.go", include_str!("go/unit.go")),
];

/// The module of a project is named after it; the bindings are a package in it.
pub(crate) fn write(folder: &Path, project: &Project, wit: &wit::Folder) -> Result<(), AuthoringError> {
    let opts = wit_bindgen_go::Opts {
        // What the generator makes can be read; where gofmt is, it is another's version.
        format: wit_bindgen_go::Format::False,
        pkg_name: Some(format!("{}/bindings", project.name)),
        export_pkg_name: Some(format!("{}/bindings", project.name)),
        ..wit_bindgen_go::Opts::default()
    };
    let mut files = Files::default();
    let generated = opts.build().generate(&mut wit.resolve.clone(), wit.world, &mut files);
    generated.map_err(|error| AuthoringError::Wit(format!("{error:#}")))?;
    for (name, bytes) in files.iter() {
        create::write(&folder.join(name), bytes)?;
    }
    let main = format!("package main\n\nimport _ \"{}/bindings/wit_exports\"\n\nfunc main() {{}}\n", project.name);
    create::write(&folder.join("main.go"), main)?;
    // What the bindings call, which is the author's package.
    let exports = format!(
        "package export_wit_world\n\nimport \"{}/plugin\"\n\nvar (\n\tDescribe = plugin.Describe\n\tRun      = plugin.Run\n)\n",
        project.name
    );
    create::write(&folder.join("export_wit_world/exports.go"), exports)?;
    for (path, text) in RUNTIME {
        create::write(&folder.join("pkg").join(path), text)?;
    }
    Ok(())
}
