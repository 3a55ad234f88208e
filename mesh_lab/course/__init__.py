"""What the notebooks use to teach: predictions, exercises, figures with words.

>>> from mesh_lab.course import check, predict, reveal, score, show, solution

`predict` keeps the reader's guess before a run, `reveal` puts the outcome beside it, `score` sums
up; `check` judges an exercise and `solution` shows ours; `show` displays a figure with its
alternative text.  `exercise`, `case` and `passes` are for the files in notebooks/solutions.
"""

from __future__ import annotations

from .checking import check, solution
from .exercises import Case, Exercise, case, exercise, passes
from .figures import show
from .predictions import predict, reveal, score

__all__ = [
    "Case",
    "Exercise",
    "case",
    "check",
    "exercise",
    "passes",
    "predict",
    "reveal",
    "score",
    "show",
    "solution",
]
