"""Every exercise of the course: its check accepts the solution, and rejects blank and wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_lab.course.exercises import Exercise, judge
from mesh_lab.course.lessons import Lesson, load
from tools.course_files import FOLDER

LESSONS = [load(path) for path in sorted((FOLDER / "solutions").glob("nb*.py"))]
EXERCISES = [
    pytest.param(lesson, exercise, id=name)
    for lesson in LESSONS
    for name, exercise in lesson.exercises.items()
]


@pytest.mark.parametrize(("lesson", "exercise"), EXERCISES)
def test_the_solution_is_correct(lesson: Lesson, exercise: Exercise) -> None:
    verdict = judge(exercise, lesson.solution(exercise.name))
    assert verdict.kind == "correct", verdict.text


@pytest.mark.parametrize(("lesson", "exercise"), EXERCISES)
def test_the_blank_is_not_attempted(lesson: Lesson, exercise: Exercise) -> None:
    answer = (lambda *args, **kwargs: ...) if callable(lesson.solution(exercise.name)) else ...
    assert judge(exercise, answer).kind == "blank"


@pytest.mark.parametrize(("lesson", "exercise"), EXERCISES)
def test_every_wrong_answer_is_rejected(lesson: Lesson, exercise: Exercise) -> None:
    for number, answer in enumerate(exercise.wrong):
        verdict = judge(exercise, answer)
        assert verdict.kind == "wrong", f"wrong answer {number} passes {exercise.name}"
        # A wrong answer that cannot even be called shows nothing about the check.
        assert "raised    TypeError" not in verdict.text, verdict.text


def test_every_notebook_has_its_solutions_and_the_other_way_round() -> None:
    notebooks = {path.name.partition("_")[0] for path in Path(FOLDER).glob("*.ipynb")}
    assert {lesson.number for lesson in LESSONS} == notebooks
