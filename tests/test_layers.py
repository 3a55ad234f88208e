"""Imports run downwards only, and ``import mesh_lab`` stays light.

`ORDER` is the package from the bottom to the top.  A file may import, at any place in it, what
stands below its own line, or on it.  What stands above may be named where nothing is imported
when the program runs (``if TYPE_CHECKING``), or is listed in `LATER`: methods that call something
above their class, for the user's convenience, and import it when they are called.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mesh_lab

HERE = Path(mesh_lab.__file__).parent

ORDER = (
    ("errors",),
    ("frozen", "allowed", "atomic", "data"),
    ("refusal",),
    ("parts",),
    ("distributions", "draws", "events", "statistics", "theory", "yaml_subset"),
    ("experiments",),
    ("store",),
    ("clock",),
    ("ledger",),
    ("balancing",),
    ("resilience", "shedding"),
    ("stations",),
    ("sources",),
    ("mesh",),
    ("messaging",),
    ("replicated",),
    ("files",),
    ("fitting_calls",),
    ("fitting",),
    ("scenario",),
    ("offered", "columns"),
    ("timeline",),
    ("run",),
    ("saving", "summary", "invariants", "traces"),
    ("tally",),
    ("engines",),
    ("simulate", "takers"),
    ("explain", "live"),
    ("study",),
    ("plots",),
    ("course",),
    ("__init__",),
)
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}

LATER = {
    ("scenario", "offered"),
    ("scenario", "plots"),
    ("run", "saving"),
    ("run", "summary"),
    ("run", "invariants"),
    ("run", "traces"),
}

# these know nothing of scenarios, runs and engines: they can be used, and read, by themselves
ALONE = {
    "theory": {"errors"},
    "statistics": {"errors"},
    "distributions": {"errors", "parts"},
    "events": {"errors", "frozen"},
    "experiments": {"errors", "theory"},
    "store": {"atomic", "errors", "events"},
}


def room(path: Path) -> str:
    """Return the file, or the folder at the top of the package, that `path` belongs to."""
    return path.relative_to(HERE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Yield the rooms that a file imports when it runs, wherever in it that stands."""
    package = path.relative_to(HERE).parent.parts
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            todo.extend(node.orelse)
            continue
        todo.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            yield from (name.split(".")[1] for name in names if name.startswith("mesh_lab."))
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            if node.level:
                target = (*package[: len(package) - node.level + 1], *module)
            elif module[0] == "mesh_lab":
                target = module[1:]
            else:
                continue
            yield from [target[0]] if target else [alias.name for alias in node.names]


def upwards(path: Path) -> set[tuple[str, str]]:
    """Return the (room, imported room) that are not below one another."""
    here = room(path)
    return {(here, there) for there in imported(path) if there != here and not below(there, here)}


def below(there: str, here: str) -> bool:
    return LEVEL[there] < LEVEL[here]


FILES = sorted(HERE.rglob("*.py"))


def test_every_file_has_its_place() -> None:
    assert {room(path) for path in FILES} == set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HERE)))
def test_imports_run_downwards(path: Path) -> None:
    assert upwards(path) <= LATER


def test_every_exception_is_needed() -> None:
    assert set().union(*map(upwards, FILES)) == LATER


@pytest.mark.parametrize("alone", ALONE)
def test_some_rooms_know_nothing_of_the_simulator(alone: str) -> None:
    found = {there for path in (HERE / alone).rglob("*.py") for there in imported(path)}
    assert found - {alone} == ALONE[alone]


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = {"pandas", "scipy", "matplotlib", "joblib", "pyarrow", "pydantic", "yaml", "IPython"}
    heavy |= {"sqlalchemy"}
    code = "import sys, mesh_lab; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "numpy" in done.stdout.split()
    assert heavy & set(done.stdout.split()) == set()
