"""Make the outputs of the notebooks anew: ``python -m tools.regenerate [02 ...]``.

Each notebook is run from top to bottom in a fresh kernel, in its folder, and written back whole
or not at all.  Nothing that depends on the machine or the moment is kept: no timings, no version
numbers, no traceback (its last line says what matters, the rest is full of paths).  So a second
run changes nothing.  Any error outside a cell that is tagged for one fails, and leaves that
notebook as it was.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.v4 import upgrade

from .clean_room import clean_room
from .course_files import FOLDER, CourseError, digests, notebooks, read, tags, write

__all__ = ["execute", "main", "regenerate"]

CELL_TIMEOUT = 120  # seconds; a whole notebook should need less than 20
WIDGET = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def execute(content: Any, folder: Path) -> None:
    """Run the notebook `content` in `folder`, putting outputs and counts into it.

    Raises
    ------
    CourseError
        When a cell fails that is not tagged for it, or does not end; it says which cell.
    """
    client = NotebookClient(
        content,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise CourseError(f"{_failed(content)}: {error.ename}: {error.evalue}") from None
    except (CellTimeoutError, DeadKernelError) as error:
        raise CourseError(f"{type(error).__name__}: {str(error).splitlines()[0]}") from None


def regenerate(path: Path) -> bool:
    """Make the outputs of the notebook at `path` anew; tell whether that changed the file.

    Raises
    ------
    CourseError
        When it cannot be read or run; the file is as it was.
    """
    before = path.read_bytes()
    content = upgrade(read(path).content)
    for cell in content.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    execute(content, path.parent)
    for cell in content.cells:
        if cell.cell_type == "code":
            cell.outputs = settled(cell.outputs)
    content.metadata = {
        "kernelspec": KERNEL,
        "language_info": {"file_extension": ".py", "name": "python"},
        "mesh_lab": digests(content),
    }
    write(path, content)
    return path.read_bytes() != before


def settled(outputs: list[Any]) -> list[Any]:
    """Return the outputs of a cell without what depends on the machine or the moment.

    A kernel that is busy sends what is printed in several pieces: pieces that follow each other
    are joined.  Of an error the traceback goes, which is full of paths; name and message stay.  Of
    a widget its number goes, which is another in every run; its text stays.
    """
    kept: list[Any] = []
    for output in outputs:
        last = kept[-1] if kept else None
        if output.output_type == "error":
            output.traceback = [f"{output.ename}: {output.evalue}"]
        output.get("data", {}).pop(WIDGET, None)
        if (
            last is not None
            and last.output_type == output.output_type == "stream"
            and last.name == output.name
        ):
            last.text += output.text
        else:
            kept.append(output)
    return kept


def _failed(content: Any) -> str:
    """Return which cell failed, counted from 1 as on the page."""
    for index, cell in enumerate(content.cells):
        failed = any(output.output_type == "error" for output in cell.get("outputs", []))
        if failed and "raises-exception" not in tags(cell):
            return f"cell {index + 1} ({cell.source.strip().splitlines()[0][:40]!r})"
    return "a cell"


def main(arguments: Sequence[str] | None = None) -> int:
    """Regenerate the notebooks; return 1 if any failed."""
    parser = argparse.ArgumentParser(prog="tools.regenerate", description=__doc__)
    parser.add_argument("numbers", nargs="*", help="which notebooks; all by default")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    chosen = parser.parse_args(arguments)
    failed = 0
    try:
        paths = notebooks(chosen.folder, chosen.numbers)
    except CourseError as error:
        print(error)
        return 1
    for path in paths:
        started = time.monotonic()
        try:
            with clean_room():
                changed = regenerate(path)
        except CourseError as error:
            failed += 1
            print(f"{path.name}: FAILED, left as it was: {error}", flush=True)
        else:
            told = "outputs changed" if changed else "no change"
            print(f"{path.name}: {told}, {time.monotonic() - started:.1f} s", flush=True)
    if failed:
        print(f"{failed} of {len(paths)} notebooks failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
