"""Run the course with every solution put in, strictly: ``python -m tools.solved [02 ...]``.

Each notebook runs in a temporary directory, beside copies of what it uses.  The cell of each
exercise is replaced by its solution (just the text that a reader who asks for it is shown), and
with ``MESH_LAB_STRICT=1`` a check raises unless the answer is correct.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from mesh_lab.course.lessons import load
from mesh_lab.errors import ExerciseError

from .clean_room import clean_room
from .course_files import FOLDER, CourseError, copy_course, notebooks, read, tags
from .guard.exercises import defined
from .regenerate import execute

__all__ = ["main", "run_solved"]


def run_solved(path: Path) -> int:
    """Run the notebook at `path` with its solutions put in; return how many there were.

    Raises
    ------
    CourseError
        When a solution is missing or wrong, or anything else in the notebook fails.
    """
    notebook = read(path)
    try:
        lesson = load(path.parent / "solutions" / f"nb{notebook.number}.py")
    except (ExerciseError, FileNotFoundError) as error:
        raise CourseError(f"no solutions: {error}") from None
    solved = 0
    for cell in notebook.code:
        if "exercise" in tags(cell):
            name = f"{notebook.number}.{defined(cell)}"
            if name not in lesson.exercises:
                raise CourseError(f"{lesson.path.name} has no exercise {name}")
            cell.source = lesson.source(name)
            solved += 1
    with tempfile.TemporaryDirectory(prefix="mesh_lab-solved-") as scratch:
        folder = copy_course(path.parent, Path(scratch))
        with clean_room(strict=True):
            execute(notebook.content, folder)
    return solved


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the solved notebooks; return 1 if any failed."""
    parser = argparse.ArgumentParser(prog="tools.solved", description=__doc__)
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
            solved = run_solved(path)
        except CourseError as error:
            failed += 1
            print(f"{path.name}: FAILED: {error}", flush=True)
        else:
            took = time.monotonic() - started
            print(f"{path.name}: {solved} exercises solved, {took:.1f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
