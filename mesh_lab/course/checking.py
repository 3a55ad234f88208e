"""What a learner calls: `check` an answer, look at the `solution`.

A check prints and never raises, whatever the answer does, because "Run All" must reach the end of
a notebook whose exercises are still blank.  In strict mode (``MESH_LAB_STRICT=1``), where the
course runs with every solution put in, anything but a correct answer raises.
"""

from __future__ import annotations

import os

from ..errors import ExerciseError
from .exercises import judge
from .lessons import find

__all__ = ["check", "solution"]


def check(name: str, answer: object) -> None:
    """Print whether `answer` solves the exercise `name`, and if not, the first case that fails.

    Parameters
    ----------
    name : str
        The exercise, as in ``"02.littles_law"``.
    answer : object
        What the learner wrote: a function, or a value.

    Raises
    ------
    ExerciseError
        Only in strict mode: the answer is blank or wrong, or there is no such exercise.
    """
    try:
        _, judged = find(name)
        verdict = judge(judged, answer)
    except ExerciseError as error:
        if _strict():
            raise
        print(f"{name}: cannot be checked: {error}")
        return
    if _strict() and verdict.kind != "correct":
        raise ExerciseError(verdict.text)
    print(verdict.text)


def solution(name: str) -> None:
    """Print our solution of the exercise `name`; it runs when pasted into the exercise's cell."""
    try:
        print(find(name)[0].source(name), end="")
    except ExerciseError as error:
        print(f"{name}: {error}")


def _strict() -> bool:
    return os.environ.get("MESH_LAB_STRICT", "") not in {"", "0"}
