"""What an exercise is: a solution, a few cases that judge an answer, and answers known to be wrong.

An exercise ``02.littles_law`` belongs to notebook 02 and asks for something called
``littles_law``.  The solution is the object of that name in ``notebooks/solutions/nb02.py``; the
check stands beside it: a generator function that yields cases one by one.  Each case is a call,
what it should give, and how near that has to be.  The first case that fails is what the learner
gets to see, so cases go from simple to hard.

A blank is Python's ``...``: it can stand wherever a value can, needs no import, and no honest
answer contains it.
"""

from __future__ import annotations

import copy
import functools
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np

from .showing import rounded, shown, told

__all__ = [
    "Case",
    "Exercise",
    "Passes",
    "Verdict",
    "case",
    "exercise",
    "is_blank",
    "judge",
    "passes",
]

Cases = Callable[[Any], Iterable["Case"]]


@dataclass(frozen=True)
class Passes:
    """An expectation that is a condition, told in words."""

    says: str
    condition: Callable[[Any], bool]


@dataclass(frozen=True)
class Case:
    """One thing that is asked of an answer."""

    says: str
    compute: Callable[[], object]
    expected: object
    within: float


@dataclass(frozen=True)
class Exercise:
    """A check under its name, with answers that it must reject."""

    name: str
    cases: Cases
    wrong: tuple[Any, ...]


@dataclass(frozen=True)
class Verdict:
    """What an answer is, and the words that say so."""

    kind: Literal["blank", "correct", "wrong"]
    text: str


def exercise(name: str, *, wrong: Sequence[Any]) -> Callable[[Cases], Exercise]:
    """Declare the decorated generator function as the check of the exercise `name`.

    Parameters
    ----------
    name : str
        Notebook and object, as in ``"02.littles_law"``.
    wrong : sequence
        At least one plausible wrong answer; a test shows that each is rejected.

    Examples
    --------
    >>> @exercise("02.littles_law", wrong=[lambda rate, response: response / rate])
    ... def check_littles_law(answer):
    ...     yield case(answer, 350.0, 0.040, expected=14.0)
    >>> print(judge(check_littles_law, lambda rate, response: rate * response).text)
    02.littles_law: correct.
    >>> print(judge(check_littles_law, lambda rate, response: ...).kind)
    blank
    """
    if not wrong:
        raise ValueError(f"exercise {name}: give at least one wrong answer")
    return lambda cases: Exercise(name, cases, tuple(wrong))


def case(
    function: Callable[..., Any],
    *args: Any,
    expected: object,
    within: float = 1e-9,
    says: str | None = None,
    **kwargs: Any,
) -> Case:
    """Return the case that `function`, called with copies of the arguments, gives `expected`.

    Parameters
    ----------
    function : callable
        The answer, or a function that makes something of the answer.
    *args, **kwargs
        What it is called with.
    expected : object
        A number, text, truth value, sequence or mapping of these; or `passes(...)`.
    within : float
        How far a number may be off, as a fraction of the expected one (of 1 when that is 0).
    says : str, optional
        What to call this case; by default the call as one would write it.
    """
    return Case(
        says=says if says is not None else _call(function, args, kwargs),
        compute=lambda: function(*copy.deepcopy(args), **copy.deepcopy(kwargs)),
        expected=expected,
        within=within,
    )


def passes(says: str, condition: Callable[[Any], bool]) -> Passes:
    """Return the expectation that `condition` holds; `says` completes "expected ..."."""
    return Passes(says, condition)


def judge(judged: Exercise, answer: object) -> Verdict:
    """Return what `answer` is to the exercise; whatever the answer does, nothing is raised."""
    blank = Verdict(
        "blank",
        f"{judged.name}: not attempted yet. Put your answer where the ... is, and run both cells"
        f' again. solution("{judged.name}") shows ours.',
    )
    if is_blank(answer):
        return blank
    case_now: Case | None = None
    try:
        for case_now in judged.cases(_noticing(answer)):
            got = case_now.compute()
            if is_blank(got):
                return blank
            if not _meets(got, case_now.expected, case_now.within):
                return Verdict("wrong", _unmet(judged.name, case_now, got))
    except BlankAnswer:
        return blank
    except (Exception, SystemExit) as error:
        # A blank that was computed with: "unsupported operand type(s) for +: 'int' and 'ellipsis'".
        if "ellipsis" in told(error).lower():
            return blank
        return Verdict("wrong", _failure(judged.name, case_now, "raised", told(error)))
    if case_now is None:
        return Verdict("wrong", f"{judged.name}: this check has no case; nothing was checked.")
    return Verdict("correct", f"{judged.name}: correct.")


class BlankAnswer(BaseException):
    """The answer gave a blank, somewhere inside of a case."""


def _noticing(answer: Any) -> Any:
    """Return `answer` so that a blank it gives is noticed, whatever a case makes of it."""
    if not inspect.isfunction(answer):
        return answer

    @functools.wraps(answer)
    def noticed(*args: Any, **kwargs: Any) -> Any:
        given = answer(*args, **kwargs)
        if is_blank(given):
            raise BlankAnswer
        return given

    return noticed


def _unmet(name: str, failed: Case, got: object) -> str:
    """Tell what was expected and what came; as rounded numbers if that still tells them apart."""
    if _is_rough(failed):
        brief = shown(rounded(got))
        if brief != shown(rounded(failed.expected)):
            return _failure(name, failed, "got", brief)
    return _failure(name, failed, "got", shown(got), briefly=False)


def _failure(
    name: str, failed: Case | None, verb: str, outcome: str, *, briefly: bool = True
) -> str:
    if failed is None:
        return f"{name}: not yet. Your answer could not be checked:\n  {verb:9} {outcome}"
    wanted = failed.expected
    expected = wanted.says if isinstance(wanted, Passes) else shown(wanted)
    if _is_rough(failed):
        number = shown(rounded(wanted)) if briefly else expected
        expected = f"{number} (within {100 * failed.within:.3g} %)"
    return (
        f"{name}: not yet.\n  case      {failed.says}\n  expected  {expected}\n  {verb:9} {outcome}"
    )


def _is_rough(asked: Case) -> bool:
    """Tell whether a case leaves room in which the last of 16 digits say nothing."""
    return asked.within > 1e-6 and _has_number(asked.expected)


def _has_number(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_has_number(part) for part in value.values())
    if _is_sequence(value):
        return any(_has_number(part) for part in _items(value))
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def is_blank(value: object) -> bool:
    """Tell whether `value` is ``...``, or a list, tuple or mapping with one in it."""
    if isinstance(value, Mapping):
        return any(is_blank(part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(is_blank(part) for part in value)
    return value is ...


def _meets(got: Any, expected: object, within: float) -> bool:
    if isinstance(expected, Passes):
        return bool(expected.condition(got))
    if isinstance(expected, bool | np.bool_):
        return isinstance(got, bool | np.bool_) and bool(got) == bool(expected)
    if isinstance(expected, Real):
        return _near(got, float(expected), within)
    if isinstance(expected, Mapping):
        return (
            isinstance(got, Mapping)
            and set(got) == set(expected)
            and all(_meets(got[key], value, within) for key, value in expected.items())
        )
    if _is_sequence(expected):
        wanted: Any = expected
        return (
            _is_sequence(got)
            and len(got) == len(wanted)
            and all(_meets(g, w, within) for g, w in zip(_items(got), _items(wanted), strict=True))
        )
    return bool(got == expected)


def _near(got: object, expected: float, within: float) -> bool:
    if not isinstance(got, Real) or isinstance(got, bool | np.bool_):
        return False
    value = float(got)
    if math.isnan(expected) or math.isinf(expected):
        return value == expected or (math.isnan(expected) and math.isnan(value))
    return abs(value - expected) <= within * (abs(expected) or 1.0)


def _is_sequence(value: object) -> bool:
    """Tell whether `value` is a list-like of values: a list, tuple, array, or pandas Series."""
    if isinstance(value, str | bytes | Mapping):
        return False
    return hasattr(value, "__len__") and hasattr(value, "__getitem__")


def _items(values: Any) -> Iterator[Any]:
    return iter(values)


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    name = getattr(function, "__name__", "your answer")
    given = [shown(arg) for arg in args]
    given += [f"{key}={shown(value)}" for key, value in kwargs.items()]
    return f"{name}({', '.join(given)})"
