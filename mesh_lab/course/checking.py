"""What a learner calls: `check` an answer, look at the `solution`.

A check prints and never raises, whatever the answer does, because "Run All" must reach the end of
a notebook whose exercises are still blank.  In strict mode (``MESH_LAB_STRICT=1``), where the
course runs with every solution put in, anything but a correct answer raises.
"""

from __future__ import annotations

import os

from ..errors import ExerciseError
from .exercises import Exercise, Verdict, is_blank, judge
from .lessons import Lesson, find
from .showing import shown

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
        there, judged = find(name)
        verdict = _not_a_function(there, judged, answer) or judge(judged, answer)
    except ExerciseError as error:
        if _strict():
            raise
        print(f"{_called(name, 'check')}: cannot be checked: {error}")
        return
    if _strict() and verdict.kind != "correct":
        raise ExerciseError(verdict.text)
    print(verdict.text)


def solution(name: str) -> None:
    """Print our solution of the exercise `name`; it runs when pasted into the exercise's cell."""
    try:
        print(find(name)[0].source(name), end="")
    except ExerciseError as error:
        print(f"{_called(name, 'solution')}: {error}")


def _not_a_function(there: Lesson, judged: Exercise, answer: object) -> Verdict | None:
    """Return the verdict on a value where the exercise asks for a function, else None."""
    if callable(answer) or is_blank(answer) or not callable(there.solution(judged.name)):
        return None
    wanted = judged.name.partition(".")[2]
    return Verdict(
        "wrong",
        f"{judged.name}: not yet. The answer is {shown(answer)}, but this exercise wants the "
        f'function {wanted}: check("{judged.name}", {wanted}).',
    )


def _called(name: object, otherwise: str) -> str:
    """Return what a message begins with: the name, unless it is something else than a name."""
    return name if isinstance(name, str) else otherwise


def _strict() -> bool:
    return os.environ.get("MESH_LAB_STRICT", "") not in {"", "0"}
