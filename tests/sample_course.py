"""A small course of one notebook, built for the tests of the course's tools.

It has one of everything that the tools look at: text, a silent cell, a figure with words, a
prediction, an exercise with its check and solution, and a last cell that prints nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

SOLUTIONS = '''"""Solutions and checks of the sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from mesh_lab.course import Case, case, exercise

HALF = 0.5


def half_of(value: float) -> float:
    return HALF * value


def root_half(value: float) -> float:
    """Return the square root of half of `value`."""
    return math.sqrt(half_of(value))


@exercise("02.root_half", wrong=[lambda value: value / 4])
def check_root_half(answer: Callable[[float], float]) -> Iterator[Case]:
    """Square roots known by heart."""
    yield case(answer, 8.0, expected=2.0)
    yield case(answer, 50.0, expected=5.0)
'''

IMPORTS = """import matplotlib.pyplot as plt

from mesh_lab.course import check, predict, reveal, score, show

SEED = 1"""

FIGURE = """figure, axes = plt.subplots(figsize=(3, 2))
axes.plot(values)
print(f"from {values[0]} to {values[-1]}")
show(figure, f"A line that rises from {values[0]} to {values[-1]}.")"""

EXERCISE = '''def root_half(value):
    """Return the square root of half of `value`."""
    return ...  # your answer'''


def _text(source: str) -> Any:
    return new_markdown_cell(source, metadata={"tags": ["core"]})


def _code(source: str, *tags: str) -> Any:
    return new_code_cell(source, metadata={"tags": ["core", *tags]})


def sample_notebook() -> Any:
    """Return the notebook, without outputs."""
    cells = [
        _text("# A sample\n\nWhat can go wrong with a notebook?"),
        _code(IMPORTS),
        _code('predict("02.last", value=...)'),
        _code("values = [SEED, 3, 9]"),
        _code(FIGURE),
        _code('reveal("02.last", value=values[-1])'),
        _code(EXERCISE, "exercise"),
        _code('check("02.root_half", root_half)', "check"),
        _code("values[5]", "raises-exception"),
        _code('score("02")'),
        _text("Key points: none."),
        _code("done = True"),
    ]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    return new_notebook(cells=cells)


def write_course(folder: Path) -> Path:
    """Write the sample course, without outputs, into `folder`; return the notebook's path."""
    (folder / "notebooks" / "solutions").mkdir(parents=True)
    (folder / "notebooks" / "solutions" / "nb02.py").write_text(SOLUTIONS)
    path = folder / "notebooks" / "02_sample.ipynb"
    nbformat.write(sample_notebook(), path)
    return path
