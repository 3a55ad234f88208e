"""How long a proxy waits before it retries: the rules of Envoy and gRPC, and all rules compiled.

Envoy (``retry_state_impl.cc``, ``backoff_strategy.cc``) has had two rules, and its documentation
still describes the first.  With base B and maximum M, the pause before retry N is

* ``"code"``: uniform from 0 to min(M, B * 2**(N - 1)).  With the defaults below 25, 50, 100, 200,
  then 250 ms.  This is what it does now.
* ``"documentation"``: uniform from 0 to (2**N - 1) * B, and M if that is less, as in older code.
  That is below 25, 75, 175 ms, and from the fourth retry on it is drawn from below 375 ms, so that
  a third of the pauses is exactly M = 250 ms.

gRPC (proposal A6): min(initial * multiplier**(N - 1), max), times a number from 0.8 to 1.2.

A retry policy takes any object with ``pause(retry, uniform, last)``, also the rules of AWS in
`mesh_lab.resilience.pauses`.  Compiled code takes the numbers of one (`backoff_numbers`), and
`pause` makes of them, bit by bit, what the object's method makes.  Times are not cut off to whole
milliseconds, as Envoy's timers are.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, NamedTuple

from annotated_types import Gt, Le

from ..balancing.rule import kernel
from ..errors import PartError
from ..parts import SomeSeconds, part
from .pauses import Backoff

__all__ = ["BackoffNumbers", "EnvoyBackoff", "GrpcBackoff", "backoff_numbers", "pause"]

NONE, FULL, EQUAL, DECORRELATED, ENVOY_CODE, ENVOY_DOCUMENTATION, GRPC = 0, 1, 2, 3, 4, 5, 6
JITTERS = {"none": NONE, "full": FULL, "equal": EQUAL, "decorrelated": DECORRELATED}


class BackoffNumbers(NamedTuple):
    """What a rule is, in numbers.

    Attributes
    ----------
    kind : int
        Which of the rules.
    base, longest : float
        Seconds of the first pause and of the longest, before jitter.
    growth : float
        By what each pause is longer than the last; 1 for those that do not grow.
    """

    kind: int
    base: float
    longest: float
    growth: float


@kernel
def grown(s: BackoffNumbers, retry: int) -> float:
    """Return base * growth**(retry - 1), at most the longest."""
    span = s.base
    steps = retry - 1
    if s.kind < ENVOY_CODE and steps > 60:
        steps = 60  # as `Backoff`: by then every cap that is a time has been reached
    while steps > 0 and span < s.longest and s.growth != 1.0:
        span *= s.growth
        steps -= 1
    return min(span, s.longest)


@kernel
def pause(s: BackoffNumbers, retry: int, uniform: float, last: float) -> float:
    """Return the seconds before retry number `retry` (1, 2, ...).

    Parameters
    ----------
    uniform : float
        A draw of at least 0 and below 1.
    last : float
        The pause before this one, which the decorrelated rule needs; 0 before the first.
    """
    if s.kind == DECORRELATED:
        before = last if last > 0.0 else s.base
        return min(s.longest, s.base + uniform * (3.0 * before - s.base))
    if s.kind == ENVOY_DOCUMENTATION:
        times = 1.0
        steps = retry - 1
        while steps > 0 and times * s.base <= s.longest:
            times = 2.0 * times + 1.0
            steps -= 1
        return min(uniform * (times * s.base), s.longest)
    v = grown(s, retry)
    if s.kind in (FULL, ENVOY_CODE):
        return uniform * v
    if s.kind == EQUAL:
        return v / 2.0 + uniform * (v / 2.0)
    if s.kind == GRPC:
        return v * (0.8 + 0.4 * uniform)
    return v


@part
class EnvoyBackoff:
    """Envoy's pauses before retries.

    Parameters
    ----------
    base : float
        Seconds.
    max : float, optional
        Seconds; without it, 10 times `base`.
    rule : str
        ``"code"`` or ``"documentation"``, see `mesh_lab.resilience.backoff`.

    Examples
    --------
    >>> [round(EnvoyBackoff().pause(n, 0.999, 0.0), 3) for n in (1, 2, 3, 4, 5)]
    [0.025, 0.05, 0.1, 0.2, 0.25]
    >>> [round(EnvoyBackoff(rule="documentation").pause(n, 0.999, 0.0), 3) for n in (1, 2, 3, 4, 5)]
    [0.025, 0.075, 0.175, 0.25, 0.25]
    """

    base: SomeSeconds = 0.025
    max: SomeSeconds | None = None
    rule: Literal["code", "documentation"] = "code"

    def __post_init__(self) -> None:
        if self.max is not None and self.max < self.base:
            raise PartError("", "max", f"is {self.max!r}, but must be at least base, {self.base!r}")

    def pause(self, retry: int, uniform: float, last: float) -> float:
        """Return the seconds before retry number `retry`; `uniform` is a draw from 0 to below 1."""
        return pause(backoff_numbers(self), retry, uniform, last)


@part
class GrpcBackoff:
    """gRPC's pauses before retries (proposal A6).

    Parameters
    ----------
    initial, max : float
        Seconds.
    multiplier : float
        Above 0; gRPC has no defaults.

    Examples
    --------
    >>> backoff = GrpcBackoff(initial=0.1, multiplier=2.0, max=1.0)
    >>> [round(backoff.pause(n, 0.5, 0.0), 3) for n in (1, 2, 3, 4, 5)]
    [0.1, 0.2, 0.4, 0.8, 1.0]
    """

    initial: SomeSeconds
    multiplier: Annotated[float, Gt(0), Le(1000)]
    max: SomeSeconds

    def pause(self, retry: int, uniform: float, last: float) -> float:
        """Return the seconds before retry number `retry`; `uniform` is a draw from 0 to below 1."""
        return pause(backoff_numbers(self), retry, uniform, last)


def backoff_numbers(backoff: Any) -> BackoffNumbers:
    """Return a rule as the numbers from which `pause` works it out.

    Parameters
    ----------
    backoff : Backoff, EnvoyBackoff or GrpcBackoff
        A declared rule.

    Raises
    ------
    TypeError
        For anything else: an object with a method of its own runs on the SimPy engine only.
    """
    if isinstance(backoff, EnvoyBackoff):
        kind = ENVOY_CODE if backoff.rule == "code" else ENVOY_DOCUMENTATION
        longest = 10.0 * backoff.base if backoff.max is None else backoff.max
        return BackoffNumbers(kind, backoff.base, longest, 2.0)
    if isinstance(backoff, GrpcBackoff):
        return BackoffNumbers(GRPC, backoff.initial, backoff.max, backoff.multiplier)
    if isinstance(backoff, Backoff):
        if backoff.growth == "fixed":  # its cap is not looked at
            return BackoffNumbers(JITTERS[backoff.jitter], backoff.base, math.inf, 1.0)
        longest = backoff.base if backoff.cap is None else backoff.cap
        return BackoffNumbers(JITTERS[backoff.jitter], backoff.base, longest, 2.0)
    raise TypeError(
        f"{backoff!r} is not Backoff, EnvoyBackoff or GrpcBackoff; the SimPy engine runs anything "
        "with pause(retry, uniform, last), the compiled engine only these"
    )
