//! `llmhost plugin push` and `llmhost plugin pull`.

use std::path::Path;

use llmhost_engine::pipeline::Trust;
use llmhost_registry::{Address, Package, Plugins};
use llmhost_sandbox::Packaged;

use crate::app::{self, Console};
use crate::args::{Pull, Push};
use crate::failure::Failure;
use crate::view::{JsonLine, style};

/// Publishes a plugin; what is no plugin is refused before anything is sent.
pub(crate) async fn push(args: Push) -> Result<(), Failure> {
    let console = Console::new(args.json);
    let Address::Oci(address) = Address::parse(&args.address)? else {
        let help = "Write it like oci://ghcr.io/acme/plugin:1.0.";
        return Err(Failure::usage("plugins can be pushed only to OCI registries", help));
    };
    let refused = |error| Failure::plugin(error, "Give the path of a component file.");
    let Packaged { bytes, interfaces } = Packaged::read(&args.plugin).map_err(refused)?;
    let loader = app::loader(&console, &Trust::default())?;
    let path = std::path::absolute(&args.plugin).unwrap_or_else(|_| args.plugin.clone());
    let inspected = loader.inspect(&path.to_string_lossy(), Path::new("/")).await.map_err(refused)?;
    let summary = inspected.description.summary.clone();
    let package = Package { path, bytes, interfaces, summary, key: args.sign };
    let pushed = console.hear(llmhost_registry::push(&address, package)).await?;
    let uses = address.pinned(&pushed.digest);
    let (digest, sha256) = (pushed.digest.to_string(), pushed.component.hex());
    let signed_by = pushed.signed_by.as_deref();
    let line = JsonLine::Pushed { uses: &uses, digest: &digest, sha256: &sha256, signed_by };
    console.result(|| text("Pushed", address.text(), &digest, signed_by, &uses), &line);
    Ok(())
}

/// Fetches a plugin into the cache, and into a file where one is named.
pub(crate) async fn pull(args: Pull) -> Result<(), Failure> {
    let console = Console::new(args.json);
    let address = Address::parse(&args.address)?;
    let plugins = Plugins::new(app::cache_dir().as_deref(), Trust::default());
    let work = async {
        let found = plugins.find(&address, None).await?;
        let (path, bytes) = plugins.component(&found).await?;
        Ok::<_, Failure>((found, path, bytes))
    };
    let (found, path, bytes) = console.hear(work).await?;
    if let Some(output) = &args.output {
        write(output, &bytes)?;
    }
    let uses = match &address {
        Address::Oci(oci) => oci.pinned(&found.pin),
        Address::Https(https) => https.text().to_owned(),
    };
    let (digest, sha256) = (found.pin.to_string(), found.component.hex());
    let signed_by = plugins.signer(&found, &bytes);
    let (signed_by, path) = (signed_by.as_deref(), args.output.as_deref().unwrap_or(&path));
    let line = JsonLine::Pulled { uses: &uses, digest: &digest, sha256: &sha256, signed_by, path };
    console.result(|| text("Pulled", &args.address, &digest, signed_by, &uses), &line);
    Ok(())
}

pub(super) fn text(done: &str, address: &str, digest: &str, signed_by: Option<&str>, uses: &str) -> String {
    let (good, faint) = (style::GOOD, style::FAINT);
    let signed = signed_by.map(|key| format!("{faint}signed by {key}{faint:#}\n")).unwrap_or_default();
    format!("{good}{done}{good:#} {address}\n{faint}digest {digest}{faint:#}\n{signed}uses = \"{uses}\"\n")
}

/// Temporary files are the user's alone; a component is for whoever may look into its folder.
#[cfg(unix)]
fn readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_file: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

/// Writes the file as a whole or not at all.
fn write(output: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = tempfile::Builder::new().prefix(".llmhost-").tempfile_in(folder).and_then(|mut file| {
        std::io::Write::write_all(&mut file, bytes)?;
        readable(file.as_file())?;
        file.persist(output).map(drop).map_err(|error| error.error)
    });
    written.map_err(|error| Failure::Other {
        message: format!("cannot write {}: {error}", output.display()),
        help: "Name another file with -o.".to_owned(),
        status: 1,
    })
}
