"""Each rule of the notebook guard finds what it is there for, and finds nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output, writes_json

from tests.sample_course import write_course
from tools.clean_room import clean_room
from tools.course_files import CourseError, digests, notebooks
from tools.guard import guard
from tools.guard.shape import code_lines
from tools.regenerate import regenerate

# The sample's cells by what they are.
TITLE, IMPORTS, PREDICT, SILENT, FIGURE, REVEAL, EXERCISE, CHECK, RAISES, SCORE, TEXT, LAST = range(
    12
)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_course(tmp_path_factory.mktemp("course"))
    with clean_room():
        regenerate(path)
    return path


@pytest.fixture
def found(course: Path) -> Callable[..., list[str]]:
    """Return a function that changes the notebook and returns what the guard then finds."""
    original = nbformat.read(course, as_version=4)

    def found(change: Callable[[Any], None], *, restamp: bool = True, name: str = "") -> list[str]:
        content = copy.deepcopy(original)
        change(content)
        if restamp:  # as if the change had been there when the outputs were made
            content.metadata["mesh_lab"] = digests(content)
        path = course.with_name(name or course.name)
        before = course.read_bytes()
        try:
            path.write_text(writes_json(content))
            return guard(path)
        finally:
            if path != course:
                path.unlink()
            course.write_bytes(before)

    return found


def test_the_sample_is_well(course: Path) -> None:
    assert guard(course) == []


def at(index: int, **changes: Any) -> Callable[[Any], None]:
    """Return the change that sets fields of one cell."""

    def change(content: Any) -> None:
        content.cells[index].update(changes)

    return change


def tagged(index: int, *names: str) -> Callable[[Any], None]:
    return at(index, metadata=nbformat.from_dict({"tags": list(names)}))


def prints(index: int, text: str, stream: str = "stdout") -> Callable[[Any], None]:
    return at(index, outputs=[new_output("stream", name=stream, text=text)])


def counted(content: Any) -> None:
    """Count the code cells anew, as running them would."""
    code = [cell for cell in content.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        cell.execution_count = number


def with_cells(*cells: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for number, cell in enumerate(cells):
            cell.id = f"more-{number}"
            cell.metadata["tags"] = ["more"]
        content.cells.extend(cells)
        counted(content)

    return change


def picture_alone(content: Any) -> None:
    content.cells[FIGURE].outputs = content.cells[FIGURE].outputs[1:]


def alt(text: str | None) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        metadata = content.cells[FIGURE].outputs[1].metadata
        if text is None:
            del metadata["image/png"]
        else:
            metadata["image/png"]["alt"] = text

    return change


def to_text(index: int) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        cell = content.cells[index]
        cell.cell_type = "markdown"
        del cell["outputs"], cell["execution_count"]

    return change


def stripped(content: Any) -> None:
    for cell in content.cells:
        if cell.cell_type == "code":
            cell.outputs = []


def kernel(name: str) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        content.metadata.kernelspec["name"] = name

    return change


def swapped_counts(content: Any) -> None:
    first, second = content.cells[SILENT], content.cells[FIGURE]
    first.execution_count, second.execution_count = 4, 3


def same_id(content: Any) -> None:
    content.cells[LAST].id = content.cells[TITLE].id


def add_solution(content: Any) -> None:
    content.cells[EXERCISE].source = "def root_half(value):\n    return (value / 2) ** 0.5"


def no_exercise(content: Any) -> None:
    del content.cells[EXERCISE : CHECK + 1]
    counted(content)


LONG = "\n".join(f"x{n} = {n}" for n in range(13))
EXERCISE_TEXT = '"""Return it."""\n    return ...'

CASES = [
    (at(TITLE, source="A sample"), "title", "cell 1"),
    (kernel("conda-env-x"), "kernel", "'conda-env-x', must be 'python3'"),
    (same_id, "ids", "'cell-0'"),
    (lambda content: content.cells[TEXT].pop("id"), "ids", "without ids"),
    (at(TEXT, cell_type="raw"), "kind", "cell 11"),
    (tagged(SILENT), "tags", "cell 4"),
    (tagged(SILENT, "core", "more"), "tags", "core and more"),
    (at(LAST, execution_count=None), "counts", "1, 2, 3, 4, 5, 6, 7, 8, 9, blank"),
    (swapped_counts, "counts", "1, 2, 4, 3"),
    (with_cells(*(new_markdown_cell("x") for _ in range(50))), "size", "62 cells, at most 60"),
    (prints(SILENT, "x" * 520_000), "size", "KiB, at most 500"),
    (with_cells(*(new_code_cell(LONG[:34]) for _ in range(11))), "lines", "median of 5"),
    (with_cells(*(new_code_cell(LONG) for _ in range(2))), "lines", "percentile of 13"),
    (at(SILENT, source="import os\nvalues = [SEED, 3, 9]"), "imports", "cell 4"),
    (at(SILENT, source="SEED = 2\nvalues = [SEED, 3, 9]"), "seed", "exactly once"),
    (at(IMPORTS, source="import os"), "seed", "exactly once"),
    (stripped, "outputs", "no output that nbval could compare"),
    (tagged(SILENT, "core", "nbval-skip"), "skips", "remove the tag nbval-skip"),
    (at(SILENT, source="# NBVAL_IGNORE_OUTPUT\nvalues = 3"), "skips", "NBVAL comment"),
    (
        lambda content: [tagged(n, "core", "nbval-ignore-output")(content) for n in (1, 2, 3)],
        "ignored",
        "3 outputs are ignored",
    ),
    (at(SILENT, source="%precision 3\nvalues = 3"), "python", "magic"),
    (at(SILENT, source="!ls"), "python", "magic"),
    (at(SILENT, source="values = ("), "python", "not Python"),
    (at(SILENT, source=" \n"), "python", "empty"),
    (at(SILENT, source="values = 3;"), "python", "remove the ;"),
    (prints(SILENT, "a warning", "stderr"), "stderr", "'a warning'"),
    (prints(SILENT, "<object at 0x7f3a>"), "address", "at 0x7f3a"),
    (prints(SILENT, "see /home/ann/x.csv"), "path", "this machine"),
    (prints(SILENT, r"C:\Users\ann"), "path", "this machine"),
    (prints(SILENT, "lib/site-packages/numpy"), "path", "site-packages"),
    (at(TEXT, source="In /Users/ann/mesh_lab"), "path", "one machine"),
    (tagged(RAISES, "core"), "errors", "holds an error"),
    (tagged(SILENT, "core", "raises-exception"), "errors", "holds no error"),
    (alt(None), "alt", "without alternative text"),
    (alt("   "), "alt", "cell 5"),
    (alt("a figure"), "alt", "show(figure"),
    (at(TEXT, source="![](picture.png)"), "alt", "between the [ ]"),
    (picture_alone, "numbers", "prints no number"),
    (prints(CHECK, "02.root_half: correct."), "exercises", "'not attempted yet'"),
    (add_solution, "exercises", "no blank"),
    (no_exercise, "exercises", "no cell is tagged exercise"),
    (no_exercise, "exercises", "checks 02.root_half, which no exercise cell asks for"),
    (at(EXERCISE, source="root_half = ...\nx = 1"), "exercises", "and nothing else"),
    (at(EXERCISE, source=f"def other(value):\n    {EXERCISE_TEXT}"), "exercises", "has no check"),
    (at(EXERCISE, source=f"def root_half(x):\n    {EXERCISE_TEXT}"), "exercises", "['value']"),
    (at(CHECK, source='check("02.root", root_half)'), "exercises", "the next code cell must be"),
    (tagged(CHECK, "core"), "exercises", "without the tag check"),
    (at(PREDICT, source='predict("02.last", value=3)'), "predictions", "is not blank"),
    (at(PREDICT, source='predict("03.last", value=...)'), "predictions", "begin with '02.'"),
    (at(REVEAL, source='reveal("02.last", other=3)'), "predictions", "reveal what it was (value)"),
    (at(PREDICT, source="1 + 1"), "predictions", "revealed, but never predicted"),
    (at(SCORE, source="1 + 1"), "predictions", 'call score("02") once'),
    (
        with_cells(new_code_cell('predict("02.last", value=...)')),
        "predictions",
        "predicted twice",
    ),
]


@pytest.mark.parametrize(
    ("change", "rule", "told"), CASES, ids=lambda v: v if isinstance(v, str) else ""
)
def test_each_rule_finds_what_breaks_it(
    found: Callable[..., list[str]], change: Callable[[Any], None], rule: str, told: str
) -> None:
    lines = found(change)
    assert [line for line in lines if f"[{rule}]" in line and told in line], lines
    assert all(line.startswith("02_sample.ipynb") for line in lines)


def test_only_the_broken_rule_speaks(found: Callable[..., list[str]]) -> None:
    # Otherwise a rule that always complains would pass the test above.
    assert len(found(kernel("other"))) == 1
    assert len(found(alt(None))) == 1
    assert len(found(tagged(SILENT))) == 1
    assert len(found(prints(SILENT, "lib/site-packages/numpy"))) == 1


def test_a_name_that_is_not_numbered_is_told(found: Callable[..., list[str]]) -> None:
    assert any("[name]" in line for line in found(lambda content: None, name="2_Sample.ipynb"))


def test_web_addresses_and_ratios_are_no_paths(found: Callable[..., list[str]]) -> None:
    text = "https://example.org/home/page and /orders/17 and 3/4 and a/b/tmp/c"
    assert found(prints(SILENT, text)) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (at(SILENT, source="values = [SEED, 3, 8]"), "code cells changed"),
        (to_text(LAST), "code cells changed"),
        (prints(SILENT, "3"), "outputs are not as make notebooks wrote them"),
        (alt("A line that falls from 9 to 1."), "outputs are not as make notebooks wrote them"),
    ],
)
def test_what_changed_after_the_outputs_were_made_is_stale(
    found: Callable[..., list[str]], change: Callable[[Any], None], told: str
) -> None:
    lines = found(change, restamp=False)
    assert any("[stale]" in line and told in line for line in lines), lines


def test_a_missing_solutions_file_is_told(course: Path) -> None:
    solutions = course.parent / "solutions" / "nb02.py"
    text = solutions.read_text()
    solutions.unlink()
    try:
        assert any("[exercises] solutions/nb02.py" in line for line in guard(course))
    finally:
        solutions.write_text(text)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "{}", '{"cells": 3}', '{"nbformat": 4}'])
def test_what_is_no_notebook_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "02_sample.ipynb"
    path.write_text(content)
    assert len(guard(path)) == 1
    assert guard(path)[0].startswith("02_sample.ipynb is not a ")


def test_an_older_notebook_is_told_to_be_run_again_and_then_is_well(tmp_path: Path) -> None:
    path = write_course(tmp_path)
    content = nbformat.read(path, as_version=4)
    content.nbformat_minor = 4
    for cell in content.cells:
        del cell["id"]
    path.write_text(writes_json(content))
    assert any("[ids]" in line for line in guard(path))
    with clean_room():
        regenerate(path)
    assert guard(path) == []


def test_no_notebook_at_all_is_no_success(tmp_path: Path, course: Path) -> None:
    with pytest.raises(CourseError, match="there is no notebook in"):
        notebooks(tmp_path)
    assert notebooks(course.parent, ["02"]) == [course]
    with pytest.raises(CourseError, match="no notebook '03'; there are: 02"):
        notebooks(course.parent, ["03"])


def test_code_lines_are_neither_blank_nor_comment_nor_docstring() -> None:
    source = '''def f(x):
    """Return it.

    At length.
    """
    # why

    return (
        x
    )  # so
text = """
two lines
"""
'''
    assert code_lines(new_code_cell(source)) == 4 + 3
