//! The table of what EC2's instances cost, made of packages whose versions are pinned here.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{repository, run_quietly, target};

/// A module of Go: us-east-1 and GovCloud.
const KARPENTER: (&str, &str) = ("github.com/aws/karpenter-provider-aws", "v1.15.2");
/// From PyPI: every region, and an older version that newer ones are compared with.
const LIBCLOUD: [&str; 2] = ["3.9.1", "3.5.1"];

/// Makes the table anew.
pub(crate) fn make() -> Result<(), String> {
    let folder = target().join("prices");
    std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let archive = module(&folder)?;
    let mut make = Command::new("python3");
    make.arg(repository().join("xtask/prices/make.py")).arg(archive).arg(KARPENTER.1);
    for version in LIBCLOUD {
        make.arg(libcloud(&folder, version)?);
    }
    run_quietly(make.arg(repository().join("host/prices/data/ec2.json")))
}

/// The archive of the module. Nothing of it is built.
fn module(folder: &Path) -> Result<PathBuf, String> {
    let (name, version) = KARPENTER;
    let mut download = Command::new("go");
    download
        .args(["mod", "download", "-json", &format!("{name}@{version}")])
        .current_dir(folder)
        .env("GOFLAGS", "-mod=mod");
    let printed = download.stderr(Stdio::inherit()).output().map_err(|error| format!("cannot start go: {error}"))?;
    let told: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap_or_default();
    // It is there as well where this Go is too old to build it.
    let archive = told["Zip"].as_str().map(PathBuf::from).filter(|path| path.is_file());
    archive.ok_or_else(|| format!("go cannot download {name}: {}", told["Error"]))
}

/// The prices in a version of the package: its code is not run.
fn libcloud(folder: &Path, version: &str) -> Result<PathBuf, String> {
    let package = folder.join(version);
    let prices = package.join("libcloud/data/pricing.json");
    if !prices.is_file() {
        let mut install = Command::new("python3");
        install.args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--disable-pip-version-check"]);
        install.args(["--root-user-action", "ignore", "--target"]);
        run_quietly(install.arg(&package).arg(format!("apache-libcloud=={version}")))?;
    }
    Ok(prices)
}
