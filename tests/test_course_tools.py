"""Regeneration, the solved course, and the mutations of a notebook that must fail ``make test``."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_output

import tools.guard.__main__
import tools.regenerate
import tools.solved
from tests.sample_course import SOLUTIONS, write_course
from tests.test_notebook_guard import (
    CHECK,
    FIGURE,
    LAST,
    PREDICT,
    RAISES,
    SILENT,
    alt,
    at,
    stripped,
    swapped_counts,
    to_text,
)
from tools.clean_room import clean_room
from tools.commands import TEST_STEPS
from tools.course_files import FOLDER, CourseError, digests
from tools.environment import ROOT
from tools.guard import guard
from tools.regenerate import regenerate, settled
from tools.solved import run_solved


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the sample course with its outputs made; not to be changed."""
    path = write_course(tmp_path_factory.mktemp("made"))
    with clean_room():
        regenerate(path)
    return path


@pytest.fixture
def course(made: Path, tmp_path: Path) -> Path:
    """Return a copy of the sample course, to be changed."""
    shutil.copytree(made.parent, tmp_path / "notebooks")
    return tmp_path / "notebooks" / made.name


def change(path: Path, how: Callable[[Any], None], *, restamp: bool = False) -> None:
    content = nbformat.read(path, as_version=4)
    how(content)
    if restamp:  # as somebody would who wants to get past the guard
        content.metadata["mesh_lab"] = digests(content)
    path.write_text(nbformat.v4.writes_json(content))


def step(tool: str, folder: Path) -> int:
    """Run the step of ``make test`` that is `tool` on another folder; return its exit code."""
    assert any(step.runs == (tool,) for step in TEST_STEPS)
    main = MAINS[tool]
    return main(["--folder", str(folder)])


MAINS: dict[str, Callable[[list[str]], int]] = {
    "tools.guard": tools.guard.__main__.main,
    "tools.solved": tools.solved.main,
}


# --- regeneration -----------------------------------------------------------------------------


def test_a_second_regeneration_changes_nothing_whatever_the_ledger_holds(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = course.read_bytes()
    ledger = course.with_name("predictions.json")
    ledger.write_text('{"02.last": {"value": 3}}')
    monkeypatch.setenv("MESH_LAB_LEDGER", str(ledger))
    monkeypatch.setenv("MESH_LAB_STRICT", "1")
    assert tools.regenerate.main(["--folder", str(course.parent)]) == 0
    assert "no change" in capsys.readouterr().out
    assert course.read_bytes() == before
    assert ledger.read_text() == '{"02.last": {"value": 3}}'


def test_outputs_keep_words_and_errors_but_no_paths(made: Path) -> None:
    cells = nbformat.read(made, as_version=4).cells
    words = "A line that rises from 1 to 9."
    picture = cells[FIGURE].outputs[1]
    assert picture.metadata["image/png"]["alt"] == words
    assert picture.data["text/plain"] == words
    assert cells[RAISES].outputs[0].traceback == ["IndexError: list index out of range"]
    assert "execution" not in cells[FIGURE].metadata


def test_print_in_pieces_is_joined_and_stays_in_place() -> None:
    def printed(text: str, stream: str = "stdout") -> Any:
        return new_output("stream", name=stream, text=text)

    figure = new_output("display_data", data={"text/plain": "a figure"})
    pieces = [
        printed("a"),
        printed("b\n"),
        printed("w", "stderr"),
        figure,
        printed("c"),
        printed("d"),
    ]
    assert settled(pieces) == [printed("ab\n"), printed("w", "stderr"), figure, printed("cd")]


def test_a_widget_leaves_its_text_and_not_its_number() -> None:
    view = {"model_id": "3f2a", "version_major": 2, "version_minor": 0}
    data = {"text/plain": "IntSlider(value=1)", "application/vnd.jupyter.widget-view+json": view}
    (kept,) = settled([new_output("display_data", data)])
    assert kept.data == {"text/plain": "IntSlider(value=1)"}


def test_a_failing_cell_fails_loudly_and_leaves_the_file(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(course, at(SILENT, source="values = [SEED / 0]"))
    before = course.read_bytes()
    with clean_room(), pytest.raises(CourseError, match=r"cell 4 .*ZeroDivisionError: division"):
        regenerate(course)
    assert course.read_bytes() == before
    assert [path.name for path in course.parent.glob(".*")] == []


# --- the solved course ------------------------------------------------------------------------


def test_the_solved_course_passes_with_its_data_and_leaves_the_course_alone(course: Path) -> None:
    (course.parent.parent / "data").mkdir()
    (course.parent.parent / "data" / "numbers.txt").write_text("1 3 9")
    read = 'values = [int(n) for n in open("../data/numbers.txt").read().split()]'
    change(course, at(SILENT, source=read))
    before = course.read_bytes()
    assert run_solved(course) == 1
    assert course.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("math.sqrt(half_of(value))", "...", "not attempted yet"),
        ("def root_half", "def root_of_half", "must hold its solution"),
        ('"02.root_half"', '"02.half_of"', "has no exercise 02.root_half"),
        ("import math\n", "", "NameError"),
    ],
)
def test_a_broken_solution_fails_the_solved_course(
    course: Path, old: str, new: str, told: str
) -> None:
    assert old in SOLUTIONS
    (course.parent / "solutions" / "nb02.py").write_text(SOLUTIONS.replace(old, new))
    with pytest.raises(CourseError, match=told):
        run_solved(course)


# --- mutations that must fail `make test` ------------------------------------------------------


def test_the_unchanged_course_passes_every_step(course: Path) -> None:
    assert step("tools.guard", course.parent) == 0
    assert step("tools.solved", course.parent) == 0


def count_blank(content: Any) -> None:
    content.cells[SILENT].execution_count = None


@pytest.mark.parametrize(
    ("mutation", "rule"),
    [
        (stripped, "outputs"),
        (swapped_counts, "counts"),
        (count_blank, "counts"),
        (to_text(SILENT), "counts"),
        (to_text(LAST), "stale"),  # counts are still 1..n, and it printed nothing
        (alt(None), "alt"),
        (at(PREDICT, source='predict("02.last", value=9)'), "predictions"),
    ],
)
def test_the_guard_step_fails(
    course: Path, capsys: pytest.CaptureFixture[str], mutation: Callable[[Any], None], rule: str
) -> None:
    change(course, mutation)
    assert step("tools.guard", course.parent) == 1
    assert f"[{rule}]" in capsys.readouterr().out


def test_the_solved_step_fails_on_a_broken_solution(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = SOLUTIONS.replace("HALF = 0.5", "HALF = 0.4")
    (course.parent / "solutions" / "nb02.py").write_text(broken)
    assert step("tools.solved", course.parent) == 1
    assert "02_sample.ipynb: FAILED" in capsys.readouterr().out


def other_number(content: Any) -> None:
    content.cells[FIGURE].outputs[0].text = "from 1 to 8\n"


def other_words(content: Any) -> None:
    content.cells[FIGURE].outputs[1].data["text/plain"] = "A line that rises from 1 to 8."


def one_output_stripped(content: Any) -> None:
    content.cells[CHECK].outputs = []


def test_the_nbval_step_fails_on_every_changed_number(course: Path) -> None:
    """All in one run, because a kernel takes seconds: which notebook fails in which code cell."""
    mutations: dict[str, tuple[Callable[[Any], None], ...]] = {
        "03_outputs": (other_number, one_output_stripped),
        "04_words": (other_words,),
        "05_code": (at(SILENT, source="values = [SEED, 3, 8]"),),
    }
    for name, several in mutations.items():
        changed = course.with_name(f"{name}.ipynb")
        shutil.copy(course, changed)
        for mutation in several:
            change(changed, mutation, restamp=True)
    runs = next(step.runs for step in TEST_STEPS if "--nbval" in step.runs)
    runs = tuple(str(course.parent) if word == "notebooks" else word for word in runs)
    done = subprocess.run(
        [sys.executable, "-m", *runs], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    failed = re.findall(r"^FAILED .*?(\w+)\.ipynb::Cell (\d+)", done.stdout, re.MULTILINE)
    assert failed == [
        ("03_outputs", "3"),
        ("03_outputs", "6"),
        ("04_words", "3"),
        ("05_code", "3"),
        ("05_code", "4"),
    ], done.stdout


# --- the same mutations on the real course -----------------------------------------------------


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_guard_finds_the_mutations_of_every_notebook_of_the_course(
    path: Path, tmp_path: Path
) -> None:
    shutil.copytree(path.parent / "solutions", tmp_path / "solutions")
    original = nbformat.read(path, as_version=4)
    code = [n for n, cell in enumerate(original.cells) if cell.cell_type == "code"]

    def removed_alts(content: Any) -> None:
        for cell in content.cells:
            for output in cell.get("outputs", []):
                output.get("metadata", {}).pop("image/png", None)

    def swapped(content: Any) -> None:
        content.cells[code[0]].execution_count, content.cells[code[1]].execution_count = 2, 1

    mutations = [stripped, swapped, removed_alts, *(to_text(n) for n in code)]
    for mutation in mutations:
        content = copy.deepcopy(original)
        mutation(content)
        changed = tmp_path / path.name
        changed.write_text(nbformat.v4.writes_json(content))
        assert guard(changed)
    changed.write_text(nbformat.v4.writes_json(original))
    assert guard(changed) == []
