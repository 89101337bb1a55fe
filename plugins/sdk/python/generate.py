"""Writes what the package has of the interfaces: generate.py COMPONENTIZE_PY WIT OUT adds to the packages in OUT the WIT, and a
module with its types for each interface, from the folder WIT (a folder for each package, in it one for each version)."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "0.2.0"
GENERATED = "# Generated from the WIT.\n"


def main(componentize_py: str, wit: Path, out: Path) -> None:
    package, build = out / "llmhost_plugin", out / "llmhost_plugin_build"
    interfaces = {}
    for folder in sorted(wit.glob(f"*/{VERSION}")):
        shutil.copytree(folder, build / "wit" / folder.parent.name)
        for file in folder.glob("*.wit"):
            text = file.read_text()
            namespace = re.search(r"^package (\S+)@", text, re.M)[1]
            for name in re.findall(r"^interface (\S+) \{", text, re.M):
                interfaces[name.replace("-", "_")] = f"{namespace}/{name}@{VERSION}"
    with tempfile.TemporaryDirectory() as work:
        world, bindings = Path(work, "wit"), Path(work, "bindings")
        shutil.copytree(build / "wit", world / "deps")
        lines = "".join(f"    import {path};\n" for path in interfaces.values() if not path.startswith("llmhost:plugin/"))
        step = f"    include llmhost:plugin/step@{VERSION};\n"
        world.joinpath("all.wit").write_text(f"package llmhost:all;\n\nworld all {{\n{step}{lines}}}\n")
        subprocess.run([componentize_py, "-d", world, "-w", "all", "bindings", bindings], check=True, stdout=subprocess.DEVNULL)
        for name in interfaces:
            stub = bindings.joinpath("wit_world/imports", f"{name}.py").read_text()
            package.joinpath(f"{name}.pyi").write_text(stub_of(stub))
            package.joinpath(f"{name}.py").write_text(module_of(name))
    table = "".join(f"    {name!r}: {path!r},\n" for name, path in interfaces.items())
    build.joinpath("interfaces.py").write_text(f"{GENERATED}INTERFACES = {{\n{table}}}\n")


def module_of(name: str) -> str:
    """The module of an interface: the bindings that componentize-py makes for the plugin's world."""
    return (
        f"{GENERATED}import wit_world.imports.{name} as _host\nfrom wit_world.imports.{name} import *\n\n"
        "from ._fill import fill as _fill\n\n_fill(_host)\n"
    )


def stub_of(text: str) -> str:
    """Its types. What `_fill` fills in may be absent."""
    text = re.sub(r"\A(#.*\n)*", GENERATED, text)
    text = text.replace("from componentize_py_types import Result, Ok, Err, Some\n", "")
    text = text.replace("from ..imports import", "from . import").replace("Raises: `componentize_py_types.Err(wit_world.imports.types.Failure)`", "Raises a failure: see `failure_of`.")
    # A case of a variant has its value, and nothing to leave out.
    text = re.sub(r"^@dataclass\nclass ([A-Za-z0-9]+):", r"@dataclass(kw_only=True)\nclass \1:", text, flags=re.M)
    text = re.sub(r"^(    \w+: (?:bool|List\[.*\]|Optional\[.*\]))$", r"\1 = ...", text, flags=re.M)
    return text.replace("options: types.Options)", "options: types.Options = ...)")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
