"""The notebook guard: what nbval does not see.

``python -m tools.guard [02 ...]`` prints one line for each thing that breaks a rule, naming
notebook, cell and rule, and fails when there is any.  The rules are plain functions, listed in the
`RULES` of `shape`, `outputs` and `exercises`.
"""

from __future__ import annotations

from pathlib import Path

from ..course_files import CourseError, read
from . import exercises, outputs, shape
from .finding import Finding

__all__ = ["RULES", "Finding", "guard"]

RULES = (*shape.RULES, *outputs.RULES, *exercises.RULES)


def guard(path: Path) -> list[str]:
    """Return the lines that say what is wrong with the notebook at `path`; none when it is well."""
    try:
        notebook = read(path)
    except CourseError as error:
        return [str(error)]
    return [finding.shown(notebook) for rule in RULES for finding in rule(notebook)]
