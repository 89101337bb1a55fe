//! The table of AWS's types, made of packages whose versions are pinned here.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{repository, run, run_quietly, target};

/// From npm: the types, and what reads them.
const NPM: [(&str, &str); 3] =
    [("@aws-cdk/aws-service-spec", "0.1.216"), ("@aws-cdk/service-spec-types", "0.0.282"), ("@cdklabs/tskb", "0.0.4")];
/// From PyPI: the schemas of CloudFormation's registry.
const CFN_LINT: &str = "1.51.0";
/// From PyPI: the same schemas with the permissions of their handlers.
const C7N: &str = "0.1.38";

/// Makes the table anew; with `--check`, says whether the committed one is what comes out.
pub(crate) fn make(args: &[String]) -> Result<(), String> {
    let check = match args {
        [] => false,
        [only] if only == "--check" => true,
        _ => return Err("cargo xtask aws-types takes --check, or nothing".to_owned()),
    };
    let versions = format!("{} {}, cfn-lint {CFN_LINT}, c7n-awscc {C7N}", NPM[0].0, NPM[0].1);
    let folder = target().join("aws-types").join(format!("{}-{CFN_LINT}-{C7N}", NPM[0].1));
    std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let spec = spec(&folder)?;
    let schemas = python(&folder, "cfn-lint", CFN_LINT, "cfnlint", "data/schemas/providers")?;
    let handlers = python(&folder, "c7n-awscc", C7N, "c7n_awscc", "data")?;
    let committed = repository().join("host/aws-types/types.bin");
    let out = if check { folder.join("types.bin") } else { committed.clone() };
    let [spec, schemas, handlers, out_text] = [&spec, &schemas, &handlers, &out].map(|path| path.to_string_lossy());
    let make =
        ["run", "--quiet", "--package", "llmhost-aws-types", "--features", "make", "--bin", "make-aws-types", "--"];
    run("cargo", &[&make[..], &[&versions, &spec, &schemas, &handlers, &out_text]].concat())?;
    if check && read(&out)? != read(&committed)? {
        let committed = committed.display();
        return Err(format!("{committed} is not what the sources give; run `cargo xtask aws-types` and commit it"));
    }
    Ok(())
}

/// A file with the types as JSON.
fn spec(folder: &Path) -> Result<PathBuf, String> {
    let packages = NPM.map(|(name, version)| format!("{name}@{version}"));
    let mut install = Command::new("npm");
    install.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", "--silent", "--prefix"]);
    run_quietly(install.arg(folder).args(packages).stdout(Stdio::null()))?;
    let script = repository().join("xtask/aws-types/read.mjs");
    let printed = Command::new("node").arg(script).arg(folder).stderr(Stdio::inherit()).output();
    let printed = printed.map_err(|error| format!("cannot start node: {error}"))?;
    if !printed.status.success() {
        return Err(format!("node cannot read the types: {}", printed.status));
    }
    let spec = folder.join("spec.json");
    std::fs::write(&spec, printed.stdout).map_err(|error| format!("cannot write {}: {error}", spec.display()))?;
    Ok(spec)
}

/// The folder of a package of PyPI that has files in `data`: its code is not run.
fn python(folder: &Path, name: &str, version: &str, module: &str, data: &str) -> Result<PathBuf, String> {
    let python = folder.join(name);
    let package = python.join(module);
    if !package.join(data).is_dir() {
        let mut install = Command::new("python3");
        install.args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--disable-pip-version-check"]);
        install.args(["--root-user-action", "ignore", "--target"]);
        run_quietly(install.arg(&python).arg(format!("{name}=={version}")))?;
    }
    Ok(package)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}
