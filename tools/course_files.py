"""The course's notebooks as files: which there are, reading, writing whole or not at all.

A notebook carries, in its metadata, digests of its code cells and of its outputs as they were when
`tools.regenerate` wrote them.  So the guard can tell that a code cell was edited, moved, or turned
into text after its outputs were made, and that an output was touched by hand: also in what nbval
does not compare, such as pictures.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import reads_json

from .environment import ROOT

__all__ = [
    "FOLDER",
    "CourseError",
    "Notebook",
    "copy_course",
    "digests",
    "notebooks",
    "read",
    "tags",
    "write",
]

FOLDER = ROOT / "notebooks"


class CourseError(Exception):
    """The course's files are not as they must be; the message is one line."""


@dataclass(frozen=True)
class Notebook:
    """A notebook, read: its path and its content."""

    path: Path
    content: Any

    @property
    def number(self) -> str:
        """The number that its file name begins with: ``"02"``."""
        return self.path.name.partition("_")[0]

    @property
    def code(self) -> list[Any]:
        """Its code cells, in order."""
        return [cell for cell in self.content.cells if cell.cell_type == "code"]


def read(path: Path) -> Notebook:
    """Read a notebook just as it is written; raise `CourseError` when it is not a valid one.

    ``nbformat.read`` is not used because it mends what it reads, cells of one id for example.
    """
    try:
        content = reads_json(path.read_text(encoding="utf-8"))
        with warnings.catch_warnings(action="ignore"):
            nbformat.validate(copy.deepcopy(content))
    except nbformat.ValidationError as error:
        raise CourseError(f"{path.name} is not a valid notebook: {error.message}") from None
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise CourseError(f"{path.name} is not a notebook: {error}") from None
    if content.nbformat != 4:
        raise CourseError(f"{path.name} is in notebook format {content.nbformat}, must be 4")
    return Notebook(path, content)


def notebooks(folder: Path = FOLDER, numbers: Sequence[str] = ()) -> list[Path]:
    """Return the notebooks of `folder`, or those with the given numbers, in order.

    Raises
    ------
    CourseError
        When there is none, or a number has none: nothing to check must not look like a success.
    """
    every = sorted(folder.glob("*.ipynb"))
    if not every:
        raise CourseError(f"there is no notebook in {folder.name}/")
    for number in numbers:
        if not re.fullmatch(r"\d\d", number) or not list(folder.glob(f"{number}_*.ipynb")):
            there = ", ".join(path.name.partition("_")[0] for path in every)
            raise CourseError(f"there is no notebook {number!r}; there are: {there}")
    return [path for path in every if not numbers or path.name.partition("_")[0] in numbers]


def tags(cell: Any) -> list[str]:
    """Return a cell's tags."""
    return list(cell.metadata.get("tags", []))


def digests(content: Any) -> dict[str, str]:
    """Return the digests of a notebook's code cells and of their outputs."""
    code = [cell for cell in content.cells if cell.cell_type == "code"]
    return {
        "code": _digest([[cell.get("id", ""), cell.source] for cell in code]),
        "outputs": _digest([[cell.get("id", ""), cell.outputs] for cell in code]),
    }


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def write(path: Path, content: Any) -> None:
    """Put `content` into `path`: beside it first, then in its place, so that it is whole."""
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".partial")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            nbformat.write(content, file)
        os.chmod(beside, path.stat().st_mode if path.exists() else 0o644)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise


def copy_course(folder: Path, scratch: Path) -> Path:
    """Copy the notebooks of `folder`, and the data beside it, into `scratch`; return the copy.

    What runs there cannot change the course, and finds everything at the same relative paths.
    """
    ignored = shutil.ignore_patterns(".*", "__pycache__")
    copied = shutil.copytree(folder, scratch / "notebooks", ignore=ignored)
    if (folder.parent / "data").is_dir():
        shutil.copytree(folder.parent / "data", scratch / "data", ignore=ignored)
    return Path(copied)
