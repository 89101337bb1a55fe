//! The layer of an image: a tar archive that is the same whenever it is packed from the same files.

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::{LIBRARIES, wrong};
use crate::args::Computes;
use crate::failure::Failure;

/// What files of ONNX Runtime are called.
const LIBRARY: &str = "libonnxruntime";
/// What runs graphs on GPUs of NVIDIA.
const CUDA: &str = "libonnxruntime_providers_cuda.so";
/// Where systems keep the authorities that TLS trusts.
const AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];
/// Where they lie in an image.
const TRUSTED: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The files of ONNX Runtime beside a library, or in a folder.
pub(super) fn libraries(library: &Path, device: Computes) -> Result<Vec<PathBuf>, Failure> {
    let folder = if library.is_dir() { library } else { library.parent().unwrap_or(Path::new(".")) };
    let entries = std::fs::read_dir(folder).map_err(|error| {
        wrong(format!("cannot read {}: {error}", folder.display()), "Name the folder with --onnxruntime.")
    })?;
    let is_wanted = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let is_for = match device {
            Computes::Cuda => !name.contains("tensorrt"),
            Computes::Cpu => !name.contains("providers_cuda") && !name.contains("tensorrt"),
        };
        name.starts_with(LIBRARY) && name.contains(".so") && is_for
    };
    let mut all: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_wanted).collect();
    all.sort();
    let has = |begins: &str| {
        all.iter().any(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begins)))
    };
    if !has("libonnxruntime.so") {
        let message = format!("there is no libonnxruntime.so in {}", folder.display());
        return Err(wrong(
            message,
            "Name the folder of ONNX Runtime with --onnxruntime; llmhost doctor --install gets one.",
        ));
    }
    if device == Computes::Cuda && !has(CUDA) {
        let message = format!("the ONNX Runtime in {} is for processors: there is no {CUDA}", folder.display());
        let help = "pip install --no-deps --target DIR onnxruntime-gpu gets one for GPUs; name DIR/onnxruntime/capi with --onnxruntime.";
        return Err(wrong(message, help));
    }
    Ok(all)
}

/// Packs the layer: as it is, and compressed.
pub(super) fn pack(program: &[u8], libraries: &[PathBuf]) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let mut archive = Builder::new(Vec::new());
    add(&mut archive, "/usr/local/bin/llmhost", program, 0o755)?;
    folder(&mut archive, LIBRARIES)?;
    for path in libraries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A link to a versioned file becomes a copy of it.
        add(&mut archive, &format!("{LIBRARIES}/{name}"), &std::fs::read(path)?, 0o644)?;
    }
    if let Some(authorities) = AUTHORITIES.iter().find_map(|path| std::fs::read(path).ok()) {
        add(&mut archive, TRUSTED, &authorities, 0o644)?;
    }
    let tar = archive.into_inner()?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&tar)?;
    let gzip = gzip.finish()?;
    Ok((tar, gzip))
}

fn add(archive: &mut Builder<Vec<u8>>, path: &str, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let mut header = header(EntryType::Regular, mode);
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, path.trim_start_matches('/'), bytes)
}

fn folder(archive: &mut Builder<Vec<u8>>, path: &str) -> std::io::Result<()> {
    let mut header = header(EntryType::Directory, 0o755);
    header.set_size(0);
    archive.append_data(&mut header, format!("{}/", path.trim_start_matches('/')), std::io::empty())
}

fn header(kind: EntryType, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_are_those_of_the_device() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = [
            "libonnxruntime.so.1.32.0",
            "libonnxruntime_providers_shared.so",
            "libonnxruntime_providers_tensorrt.so",
            "x.so",
        ];
        let write = |name: &str| std::fs::write(folder.path().join(name), name).expect("written");
        names.into_iter().for_each(write);
        let found = |device| libraries(folder.path(), device).map(|all| all.len()).map_err(|error| error.to_string());
        assert_eq!(found(Computes::Cpu), Ok(2));
        assert!(found(Computes::Cuda).expect_err("no CUDA").contains("is for processors"));
        write(CUDA);
        assert_eq!((found(Computes::Cpu), found(Computes::Cuda)), (Ok(2), Ok(3)));
        let empty = tempfile::tempdir().expect("a folder");
        let error = libraries(&empty.path().join("libonnxruntime.so"), Computes::Cpu).expect_err("none").to_string();
        assert!(error.contains("there is no libonnxruntime.so in"), "{error}");
    }

    #[test]
    fn the_same_files_make_the_same_layer() {
        let folder = tempfile::tempdir().expect("a folder");
        let library = folder.path().join("libonnxruntime.so");
        std::fs::write(&library, "library").expect("written");
        let pack = || pack(b"program", std::slice::from_ref(&library)).expect("packed");
        let (tar, gzip) = pack();
        assert_eq!((tar.clone(), gzip), pack());
        let mut archive = tar::Archive::new(&tar[..]);
        let names: Vec<String> = archive
            .entries()
            .expect("an archive")
            .map(|entry| entry.expect("whole").path().expect("a path").display().to_string())
            .collect();
        assert_eq!(
            names[..3],
            ["usr/local/bin/llmhost", "usr/local/lib/onnxruntime/", "usr/local/lib/onnxruntime/libonnxruntime.so"]
        );
    }
}
