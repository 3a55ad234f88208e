"""Exercises: a check says blank, correct, or the first failing case, and never raises."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mesh_lab.course import Case, case, check, exercise, passes, solution
from mesh_lab.course.exercises import judge
from mesh_lab.course.lessons import load
from mesh_lab.errors import ExerciseError
from tests.sample_course import SOLUTIONS


@exercise("02.mean", wrong=[max])
def check_mean(answer: Any) -> Iterator[Case]:
    yield case(answer, [1.0, 3.0], expected=2.0)
    yield case(answer, [0.0, 0.0, 9.0], expected=3.0)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_a_right_answer_is_correct() -> None:
    assert judge(check_mean, mean).text == "02.mean: correct."


@pytest.mark.parametrize(
    "answer",
    [
        ...,
        lambda values: ...,
        lambda values: (..., 1),
        lambda values: {"mean": ...},
        lambda values: sum(values) / ...,  # type: ignore[operator]
        lambda values: 0 if len(values) < ... else 1,  # type: ignore[operator]
    ],
)
def test_a_blank_is_not_attempted(answer: Any) -> None:
    verdict = judge(check_mean, answer)
    assert verdict.kind == "blank"
    assert "02.mean: not attempted yet" in verdict.text


def test_a_blank_is_noticed_inside_of_a_case() -> None:
    @exercise("02.any", wrong=[max])
    def checked(answer: Any) -> Iterator[Case]:
        yield case(lambda: isinstance(answer(), float), says="its type", expected=True)

    assert judge(checked, lambda: ...).kind == "blank"
    assert judge(checked, lambda: "a").kind == "wrong"
    assert judge(checked, lambda: 0.5).kind == "correct"


def test_the_first_failing_case_is_shown_with_expected_and_got() -> None:
    verdict = judge(check_mean, lambda values: values[0] + 1)
    assert verdict.kind == "wrong"
    assert verdict.text.splitlines()[1:] == [
        "  case      <lambda>([0.0, 0.0, 9.0])",
        "  expected  3.0",
        "  got       1.0",
    ]


@pytest.mark.parametrize(
    ("got", "expected", "within", "shown"),
    [
        (1 / 3, 2 / 3, 0.05, ["0.666667 (within 5 %)", "0.333333"]),
        (np.float64(1 / 3), 2, 0.1, ["2 (within 10 %)", "0.333333"]),
        ([1 / 3, 1], (2 / 3, 1), 0.05, ["(0.666667, 1) (within 5 %)", "[0.333333, 1]"]),
        ({"a": 1 / 3}, {"a": 2 / 3}, 0.005, ["{'a': 0.666667} (within 0.5 %)", "{'a': 0.333333}"]),
        ("a", 2 / 3, 0.05, ["0.666667 (within 5 %)", "'a'"]),
        # Six digits would show the same number twice.
        (1.000003, 1.0, 2e-6, ["1.0 (within 0.0002 %)", "1.000003"]),
        (1 / 3, 2 / 3, 1e-9, ["0.6666666666666666", "0.3333333333333333"]),
        ("a", "b", 0.05, ["'b'", "'a'"]),
        (1 / 3, True, 0.05, ["True", "0.3333333333333333"]),
        (1 / 3, passes("more than 0.5", lambda x: x > 0.5), 0.05, ["more than 0.5", str(1 / 3)]),
    ],
)
def test_a_case_with_room_shows_its_room_and_6_digits(
    got: Any, expected: Any, within: float, shown: list[str]
) -> None:
    @exercise("02.any", wrong=[max])
    def checked(answer: Any) -> Iterator[Case]:
        yield case(lambda: answer, says="it", expected=expected, within=within)

    lines = judge(checked, got).text.splitlines()[2:]
    assert lines == [f"  expected  {shown[0]}", f"  got       {shown[1]}"]


def test_a_case_with_room_shows_it_when_the_answer_raises() -> None:
    @exercise("02.any", wrong=[max])
    def checked(answer: Any) -> Iterator[Case]:
        yield case(answer, says="it", expected=2 / 3, within=0.05)

    assert "expected  0.666667 (within 5 %)\n  raised" in judge(checked, lambda: 1 / 0).text


class Hostile:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparing")

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        raise RuntimeError("no showing")


def forever(values: list[float]) -> float:
    return forever(values)


def leave(values: list[float]) -> float:
    raise SystemExit(3)


def empty_message(values: list[float]) -> float:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    "answer",
    [
        None,
        7,
        "mean",
        lambda: 2.0,
        lambda values: None,
        lambda values: math.nan,
        lambda values: math.inf,
        lambda values: "2.0",
        lambda values: True,
        lambda values: [2.0],
        lambda values: np.array([2.0, 3.0]),
        lambda values: Hostile(),
        lambda values: values.clear(),
        Hostile(),
        forever,
        leave,
        empty_message,
    ],
)
@pytest.mark.parametrize(
    "expected", [2.0, "two", [2.0, 3.0], {"mean": 2.0}, passes("p", lambda x: x)]
)
def test_nothing_that_a_learner_writes_raises(answer: Any, expected: Any) -> None:
    @exercise("02.any", wrong=[max])
    def checked(given: Any) -> Iterator[Case]:
        yield case(given, [1.0, 4.0], expected=expected)

    # What `passes` accepts is its own affair; everything else must be told to be wrong.
    told = judge(checked, answer)
    assert told.kind in {"wrong", "correct"}
    assert told.kind == "wrong" or not isinstance(expected, float)


def test_a_forgotten_return_is_told() -> None:
    assert "does the function return its result?" in judge(check_mean, lambda values: None).text


def test_an_error_of_the_answer_is_shown_with_its_case() -> None:
    verdict = judge(check_mean, lambda values: values[2])
    assert "case      <lambda>([1.0, 3.0])" in verdict.text
    assert "raised    IndexError: list index out of range" in verdict.text


def test_an_answer_cannot_spoil_the_cases() -> None:
    given = [1.0, 3.0]

    @exercise("02.any", wrong=[max])
    def checked(answer: Any) -> Iterator[Case]:
        yield case(answer, given, expected=None)
        yield case(mean, given, expected=2.0)

    assert judge(checked, lambda values: values.clear()).kind == "correct"
    assert given == [1.0, 3.0]


@pytest.mark.parametrize(
    ("got", "expected", "within", "meets"),
    [
        (2.0, 2.0, 1e-9, True),
        (2, 2.0, 1e-9, True),
        (np.float64(2.0), 2.0, 1e-9, True),
        (2.019, 2.0, 0.01, True),
        (2.021, 2.0, 0.01, False),
        (0.0005, 0.0004, 0.05, False),  # relative, however small the number
        (0.04, 0.0, 0.05, True),
        (math.nan, 2.0, 0.5, False),
        (math.nan, math.nan, 1e-9, True),
        (math.inf, math.inf, 1e-9, True),
        (math.inf, 1e300, 0.5, False),
        (True, 1.0, 0.5, False),
        (1, True, 1e-9, False),
        (np.bool_(True), True, 1e-9, True),
        ("a", "a", 1e-9, True),
        ("b", "a", 1e-9, False),
        ((1.0, 2.0), [1.0, 2.0], 1e-9, True),
        (np.array([1.0, 2.0]), [1.0, 2.0], 1e-9, True),
        ([1.0, 2.1], [1.0, 2.0], 1e-9, False),
        ([1.0], [1.0, 2.0], 1e-9, False),
        ({"a": 1.0}, {"a": 1.0}, 1e-9, True),
        ({"a": 1.0, "b": 2.0}, {"a": 1.0}, 1e-9, False),
        (0.3, passes("a share", lambda x: 0 <= x <= 1), 1e-9, True),
        (1.3, passes("a share", lambda x: 0 <= x <= 1), 1e-9, False),
    ],
)
def test_what_meets_an_expectation(got: Any, expected: Any, within: float, meets: bool) -> None:
    @exercise("02.any", wrong=[max])
    def checked(answer: Any) -> Iterator[Case]:
        yield case(lambda: answer, says="it", expected=expected, within=within)

    assert (judge(checked, got).kind == "correct") is meets


def test_a_check_without_cases_is_never_correct() -> None:
    @exercise("02.any", wrong=[max])
    def checked(answer: Any) -> Iterator[Case]:
        return iter(())

    assert judge(checked, mean).kind == "wrong"


def test_an_exercise_needs_a_wrong_answer() -> None:
    with pytest.raises(ValueError, match="at least one wrong answer"):
        exercise("02.any", wrong=[])


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a copy of the course that holds the sample's solutions."""
    folder = tmp_path / "notebooks" / "solutions"
    folder.mkdir(parents=True)
    (folder / "nb02.py").write_text(SOLUTIONS)
    monkeypatch.chdir(folder.parent)
    return folder


def test_check_prints_and_raises_only_in_strict_mode(
    course: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[tuple[Any, str]] = [
        (lambda value: math.sqrt(value / 2), "correct"),
        (lambda value: ..., "not attempted yet"),
        (lambda value: value / 4, "expected  5.0"),
    ]
    for answer, told in answers:
        check("02.root_half", answer)
        assert told in capsys.readouterr().out
    monkeypatch.setenv("MESH_LAB_STRICT", "1")
    check("02.root_half", answers[0][0])
    for answer, told in answers[1:]:
        with pytest.raises(ExerciseError, match=told):
            check("02.root_half", answer)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("02.other", "no exercise '02.other'; notebook 02 has: 02.root_half"),
        ("93.other", "nb93.py is not there"),
        ("other", "it looks like '02.littles_law'"),
        ("root_half", "'root_half' is no exercise's name: did you mean '02.root_half'?"),
    ],
)
def test_an_unknown_exercise_is_told_to_a_learner_and_raised_in_strict_mode(
    course: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    told: str,
) -> None:
    check(name, mean)
    solution(name)
    assert capsys.readouterr().out.count(told) == 2
    monkeypatch.setenv("MESH_LAB_STRICT", "1")
    with pytest.raises(ExerciseError):
        check(name, mean)


def test_a_broken_solutions_file_is_told(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (course / "nb02.py").write_text("1 / 0")
    check("02.root_half", mean)
    assert "nb02.py does not load: ZeroDivisionError" in capsys.readouterr().out


def test_an_exercise_without_its_solution_is_refused(course: Path) -> None:
    text = SOLUTIONS.replace("def root_half", "def root_of_half")
    (course / "nb02.py").write_text(text)
    with pytest.raises(ExerciseError, match="must hold its solution"):
        load(course / "nb02.py")


def test_the_solution_shown_runs_on_its_own_and_holds_no_check(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    solution("02.root_half")
    shown = capsys.readouterr().out
    assert shown.startswith("import math\n\nHALF = 0.5")
    assert "check_root_half" not in shown
    assert "exercise" not in shown
    namespace: dict[str, Any] = {}
    exec(shown, namespace)
    assert namespace["root_half"](8.0) == 2.0


def test_a_name_without_quotes_is_told(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def root_half(value: float) -> float:
        return value

    solution(root_half)  # type: ignore[arg-type]
    check(root_half, root_half)  # type: ignore[arg-type]
    solution(3)  # type: ignore[arg-type]
    assert capsys.readouterr().out.splitlines() == [
        "solution: give the exercise's name in quotes, like '02.root_half'",
        "check: cannot be checked: give the exercise's name in quotes, like '02.root_half'",
        "solution: give the exercise's name in quotes, like '02.littles_law'",
    ]


@pytest.mark.parametrize("answer", [5, None, "root_half", [1.0], Hostile()])
def test_a_value_for_a_function_is_told(
    course: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: Any,
) -> None:
    told = 'this exercise wants the function root_half: check("02.root_half", root_half).'
    check("02.root_half", answer)
    assert told in capsys.readouterr().out
    check("02.root_half", ...)
    assert "not attempted yet" in capsys.readouterr().out
    monkeypatch.setenv("MESH_LAB_STRICT", "1")
    with pytest.raises(ExerciseError, match="wants the function root_half"):
        check("02.root_half", answer)
