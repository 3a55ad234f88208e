"""Guard the notebooks of the course: ``python -m tools.guard [--folder notebooks] [02 03]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..course_files import FOLDER, CourseError, notebooks
from . import guard


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what breaks a rule; return 1 if anything does."""
    parser = argparse.ArgumentParser(prog="tools.guard", description=__doc__)
    parser.add_argument("numbers", nargs="*", help="which notebooks; all by default")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    chosen = parser.parse_args(arguments)
    try:
        paths = notebooks(chosen.folder, chosen.numbers)
    except CourseError as error:
        print(error)
        return 1
    lines = [line for path in paths for line in guard(path)]
    for line in lines:
        print(line)
    print(f"guard: {len(paths)} notebooks, {len(lines)} findings")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
