//! `llmhost pipeline push`.

use std::collections::BTreeMap;
use std::path::Path;

use llmhost_engine::pipeline::used_files;
use llmhost_registry::{Address, MOST_BYTES, MOST_FILES, PipelinePackage};

use super::publish::text;
use crate::app::Console;
use crate::args::PipelinePush;
use crate::failure::Failure;
use crate::view::JsonLine;

/// Publishes a pipeline; what is none is refused before anything is sent.
pub(crate) async fn push(args: PipelinePush) -> Result<(), Failure> {
    let console = Console::new(args.json);
    let Address::Oci(address) = Address::parse(&args.address)? else {
        let help = "Write it like oci://ghcr.io/acme/network:1.0.";
        return Err(Failure::usage("pipelines can be pushed only to OCI registries", help));
    };
    let shown = args.file.display();
    let Some(file) = args.file.file_name().and_then(|name| name.to_str()).filter(|name| name.ends_with(".toml")) else {
        return Err(Failure::usage(
            format!("{shown} is not a pipeline file"),
            "Give the path of a file such as network.toml.",
        ));
    };
    let refused = |message: String| Failure::Other {
        message,
        help:
            "Nothing was published. A pipeline is published with the files that it uses, which must be in its folder."
                .to_owned(),
        status: 2,
    };
    let found = used_files(&args.file).map_err(refused)?;
    if found.len() > MOST_FILES {
        return Err(refused(format!("{shown} uses {} files; at most {MOST_FILES} are published", found.len())));
    }
    let mut files = BTreeMap::new();
    let mut total = 0;
    for (name, path) in found {
        let bytes = read(&path).map_err(|error| refused(format!("cannot read {name}: {error}")))?;
        total += bytes.len() as u64;
        if total > MOST_BYTES {
            return Err(refused(format!("the files that {shown} uses are larger than {} MiB", MOST_BYTES >> 20)));
        }
        files.insert(name, bytes);
    }
    let names: Vec<String> = files.keys().cloned().collect();
    let package = PipelinePackage { file: file.to_owned(), files, key: args.sign };
    let pushed = console.hear(llmhost_registry::push_pipeline(&address, package)).await?;
    let uses = address.pinned(&pushed.digest);
    let (digest, sha256) = (pushed.digest.to_string(), pushed.component.hex());
    let signed_by = pushed.signed_by.as_deref();
    let line = JsonLine::PushedPipeline { uses: &uses, digest: &digest, sha256: &sha256, signed_by, files: &names };
    let told = || names.iter().map(|name| format!("  {name}\n")).collect::<String>();
    console.result(|| told() + &text("Pushed", address.text(), &digest, signed_by, &uses), &line);
    Ok(())
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
