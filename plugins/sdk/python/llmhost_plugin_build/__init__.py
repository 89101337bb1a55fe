"""llmhost-build: makes a plugin or a provider in Python a component."""

import argparse
import ast
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .interfaces import COMPONENTIZE_PY, INTERFACES, write_modules, write_world

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(prog="llmhost-build", description="Make a plugin or a provider in Python a component.")
    parser.add_argument("entry", type=Path, help="the module with the plugin or the provider, such as plugin.py")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the component's file, such as logs.wasm")
    parser.add_argument("--wit", type=Path, help="a project's WIT, with its world 'guest'; else the world is what the plugin imports")
    parser.add_argument("--bindings", type=Path, help="a project's folder with the package llmhost_plugin, for the interfaces of its WIT")
    args = parser.parse_args()
    try:
        if args.wit:
            write_modules(args.wit, "guest", args.bindings / "llmhost_plugin")
            componentize(args.entry, args.output, args.wit, "guest", [args.bindings])
        else:
            build(args.entry, args.output)
    except (OSError, SyntaxError, ValueError) as error:
        sys.exit(f"error: {error}")


def build(entry: Path, out: Path) -> None:
    """Writes the world that the plugin or the provider imports, and wraps both."""
    if not entry.is_file():
        raise ValueError(f"there is no file {entry}")
    with tempfile.TemporaryDirectory() as work:
        wit = Path(work, "wit")
        used = uses(entry.resolve().parent, entry.stem)
        if "provider" in used:
            write_world(wit, ["provider"])
        else:
            write_world(wit, ["step"], sorted(INTERFACES[name] for name in used if name in INTERFACES))
        componentize(entry, out, wit, "plugin", dict.fromkeys([Path(sysconfig.get_path("purelib")), HERE.parent]))


def componentize(entry: Path, out: Path, wit: Path, world: str, packages: Iterable[Path]) -> None:
    """Makes a component of a module, those beside it, and packages."""
    # Not with --stub-wasi: then it has no standard error, where it says why it crashed.
    command = [*COMPONENTIZE_PY, "-d", wit, "-w", world, "componentize", entry.stem]
    for path in [entry.resolve().parent, *packages]:
        command += ["-p", path]
    made = Path(f"{out}.new")
    out.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([*command, "-o", made], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise ValueError(f"{entry} cannot be made a component: {reason(done.stdout)}")
    os.replace(made, out)


def reason(output: str) -> str:
    """What componentize-py says is wrong with the plugin, without the frames of its own that come after it."""
    said = output.split("AssertionError: ", 1)[-1].split("\n\nCaused by:")[0].split("\n\nStack backtrace:")[0].strip()
    if "has no attribute 'WitWorld'" in said:
        return "it has no step; put @step(…) before the function that declares its resources"
    if "has no attribute 'Kinds'" in said:
        return "it has no provider; call provider(…) at the end of the module"
    return said


def uses(folder: Path, module: str) -> set[str]:
    """The modules of `llmhost_plugin` that a module imports, and the modules beside it that it imports."""
    used, waiting, seen = set(), [module], set()
    while waiting:
        name = waiting.pop()
        file = next((file for file in (folder / f"{name}.py", folder / name / "__init__.py") if file.is_file()), None)
        if file is None or name in seen:
            continue
        seen.add(name)
        for imported in imports(ast.parse(file.read_text(), str(file)), name):
            first, _, rest = imported.partition(".")
            if first == "llmhost_plugin":
                used |= set(rest.split(".")[:1])
            parts = imported.split(".")
            waiting += ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return used


def imports(tree: ast.Module, module: str) -> list[str]:
    """Dotted names of all that a module may import, anywhere in it."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = module.split("/")[: -node.level] if node.level else []
            base = ".".join([*package, *filter(None, [node.module])])
            found += [base, *(f"{base}.{alias.name}".lstrip(".") for alias in node.names)]
    return [name for name in found if name]
