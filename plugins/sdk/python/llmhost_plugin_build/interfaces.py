"""What `llmhost_plugin` has of the host's interfaces: a module for each that a world imports, with its types."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

WIT = Path(__file__).parent / "wit"
GENERATED = "# Generated from the WIT.\n"
# It has no module to start.
COMPONENTIZE_PY = [sys.executable, "-c", "import sys, componentize_py; sys.exit(componentize_py.script())"]


def found(wit: Path, what: str) -> dict[str, str]:
    """The interfaces or the worlds in a folder with a folder for each package: their names as modules, and as imports."""
    all_there = {}
    for text in (file.read_text() for file in sorted(wit.glob("*/*.wit"))):
        package, version = re.search(r"^package (\S+)@(\S+);", text, re.M).groups()
        for name in re.findall(rf"^{what} (\S+) \{{", text, re.M):
            all_there[name.replace("-", "_")] = f"{package}/{name}@{version}"
    return all_there


INTERFACES = found(WIT, "interface")
# Providers export it, and nobody imports it.
INTERFACES.pop("kinds", None)
WORLDS = found(WIT, "world")


def write_world(wit: Path, worlds: Iterable[str], used: Iterable[str] = ()) -> None:
    """The world `plugin` of a component that is of these worlds and imports these interfaces besides."""
    shutil.copytree(WIT, wit / "deps")
    lines = [f"    include {WORLDS[name]};\n" for name in worlds]
    lines += [f"    import {path};\n" for path in used if not path.startswith("llmhost:plugin/")]
    wit.joinpath("plugin.wit").write_text(f"package llmhost:guest;\n\nworld plugin {{\n{''.join(lines)}}}\n")


def write_modules(wit: Path, world: str, package: Path) -> None:
    """Writes the modules of a world's interfaces into the package, and takes away those of before. Where the package has a
    module of its own for an interface, that one stays."""
    for file in package.glob("*.py*"):
        if file.read_text().startswith(GENERATED):
            file.unlink()
    with tempfile.TemporaryDirectory() as bindings:
        command = [*COMPONENTIZE_PY, "-d", wit, "-w", world, "bindings", bindings]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for file in Path(bindings, "wit_world", "imports").glob("[!_]*.py"):
            if package.joinpath(file.name).exists():
                continue
            package.joinpath(file.name).write_text(module_of(file.stem))
            package.joinpath(f"{file.stem}.pyi").write_text(stub_of(file.read_text()))


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


def write_all(package: Path) -> None:
    """Writes the modules of every interface, for the package as it is packed."""
    with tempfile.TemporaryDirectory() as wit:
        write_world(Path(wit, "wit"), ["step", "provider"], INTERFACES.values())
        write_modules(Path(wit, "wit"), "plugin", package)
