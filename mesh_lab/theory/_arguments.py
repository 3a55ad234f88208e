"""Arguments of the closed forms, checked before anything is computed.

A formula answers whatever it is asked: a negative rate gives a negative wait, a load above one a
number without meaning.  So every argument is checked here first, and the error names the function,
the argument, the value and what is allowed.  Numbers are taken as they are: NumPy's scalars count
as the numbers they stand for, a string or a truth value never does.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import PartError, UnstableError

__all__ = [
    "at_least_zero",
    "by_name",
    "count",
    "per_class",
    "positive",
    "probabilities",
    "probability",
    "refuse_unstable",
    "wrong",
]


MOST = 10**15  # beyond it floats skip whole numbers
ONE_BY_ONE = 10_000_000  # servers, where a formula goes through all of them: a second


def wrong(function: str, argument: str, value: object, allowed: str) -> PartError:
    """Return the error for one bad argument: who was asked, what was given, what is allowed."""
    return PartError(f"theory.{function}", argument, f"is {value!r}, but must be {allowed}")


def _number(function: str, argument: str, value: object, allowed: str) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise wrong(function, argument, value, allowed)
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond 1.8e308
        raise wrong(function, argument, value, allowed) from None
    if not math.isfinite(number):
        raise wrong(function, argument, number, allowed)
    return number


def positive(function: str, argument: str, value: object) -> float:
    """Return `value` as a float above 0, or raise the error that names it."""
    number = _number(function, argument, value, "a finite number above 0")
    if number <= 0.0:
        raise wrong(function, argument, value, "a finite number above 0")
    return number


def at_least_zero(function: str, argument: str, value: object) -> float:
    """Return `value` as a float of 0 or more, or raise the error that names it."""
    number = _number(function, argument, value, "a finite number, 0 or more")
    if number < 0.0:
        raise wrong(function, argument, value, "a finite number, 0 or more")
    return number


def probability(function: str, argument: str, value: object) -> float:
    """Return `value` as a float between 0 and 1, or raise the error that names it."""
    number = _number(function, argument, value, "a probability, from 0 to 1")
    if not 0.0 <= number <= 1.0:
        raise wrong(function, argument, value, "a probability, from 0 to 1")
    return number


def count(function: str, argument: str, value: object, least: int = 1, most: int = MOST) -> int:
    """Return `value` as a whole number from `least` on, or raise the error that names it."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < least:
        raise wrong(function, argument, value, f"a whole number, {least} or more")
    if int(value) > most:
        raise wrong(function, argument, value, f"a whole number from {least} to {most}")
    return int(value)


def by_name(function: str, argument: str, value: object) -> dict[str, object]:
    """Return a mapping from names as a plain dict, or raise the error that names it."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise wrong(function, argument, value, "a mapping from names")
    return dict(value)


def per_class(
    function: str, argument: str, value: object, length: int | None = None
) -> tuple[object, ...]:
    """Return one entry a class as a tuple; `length`, when given, is how many there must be."""
    allowed = "a sequence with one number a class, the most urgent class first"
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise wrong(function, argument, value, allowed)
    entries: tuple[object, ...] = tuple(value)
    if not entries:
        raise wrong(function, argument, value, allowed)
    if length is not None and len(entries) != length:
        raise PartError(
            f"theory.{function}",
            argument,
            f"has {len(entries)} entries, but must have {length}, one a class as arrival_rates",
        )
    return entries


def probabilities(function: str, argument: str, value: object) -> dict[int, float]:
    """Return a distribution over whole numbers, 1 or more, as a dict without its zeros.

    A plain whole number stands for itself with probability 1.
    """
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return {count(function, argument, value): 1.0}
    allowed = "a whole number, 1 or more, or a mapping {size: probability}"
    if not isinstance(value, Mapping) or not value:
        raise wrong(function, argument, value, allowed)
    chosen: dict[int, float] = {}
    for size, share in value.items():
        key = count(function, argument, size)
        if (p := probability(function, f"{argument}[{key}]", share)) > 0.0:
            chosen[key] = p
    total = math.fsum(chosen.values())
    if abs(total - 1.0) > 1e-9:
        problem = f"has probabilities that sum to {total:.10g}, but they must sum to 1"
        raise PartError(f"theory.{function}", argument, problem)
    return {size: p / total for size, p in chosen.items()}


def refuse_unstable(system: str, utilisation: float, remedy: str) -> None:
    """Raise `UnstableError` unless `utilisation` is below 1.

    Parameters
    ----------
    system : str
        The system by its name and parameters: ``"M/M/2 with arrival rate 3 and ..."``.
    utilisation : float
        Offered work per second and server.
    remedy : str
        What would make it stable.
    """
    if utilisation < 1.0:
        return
    # A load of 0.99999999999 never comes here; one of 1.0000000001 should not be shown as 1.
    shown = f"{utilisation:.6g}" if f"{utilisation:.6g}" != "1" else f"{utilisation!r}"
    raise UnstableError(
        f"{system} is unstable: utilisation {shown} is not below 1, so its queue grows without "
        f"limit and it has no mean wait; {remedy}"
    )
