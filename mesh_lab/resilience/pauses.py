"""How long to wait before something is tried again.

The formulas are those of AWS's simulator of back-off (aws-arch-backoff-simulator): the n-th pause
grows as v = min(cap, base * 2**(n - 1)), and jitter spreads it, so that those who failed together
do not come back together:

================  ==================================================
jitter            the n-th pause
================  ==================================================
``none``          v
``full``          uniform between 0 and v
``equal``         v / 2, plus uniform between 0 and v / 2
``decorrelated``  min(cap, uniform between base and 3 times the last)
================  ==================================================

Where retries are counted from 0 there, they are from 1 here: the first pause is `base`.
"""

from __future__ import annotations

from typing import Literal

from ..parts import Count, SomeSeconds, part

__all__ = ["Backoff"]


@part
class Backoff:
    """Pauses before the first, second, third, ... retry.

    Parameters
    ----------
    base : float
        Seconds of the first pause, before jitter.
    cap : float, optional
        Seconds at most; needed where pauses grow.
    jitter : str
        ``"none"``; ``"full"``: uniform between 0 and the pause; ``"equal"``: half of the pause,
        and uniform up to the other half; ``"decorrelated"``: uniform between `base` and 3 times
        the last pause, `cap` at most.
    growth : str
        ``"exponential"``: twice as long each time; ``"fixed"``: always `base`.
    limit : int, optional
        How many retries at most, where a publisher retries; without it, it never gives up.

    Examples
    --------
    >>> [Backoff(base=1.0, cap=5.0).pause(n, 0.0, 0.0) for n in (1, 2, 3, 4)]
    [1.0, 2.0, 4.0, 5.0]
    >>> Backoff(base=1.0, cap=5.0, jitter="equal").pause(2, 0.5, 0.0)
    1.5
    """

    base: SomeSeconds
    cap: SomeSeconds | None = None
    jitter: Literal["none", "full", "equal", "decorrelated"] = "none"
    growth: Literal["fixed", "exponential"] = "exponential"
    limit: Count | None = None

    def __post_init__(self) -> None:
        if self.cap is None and self.growth == "exponential":
            raise ValueError(
                "growth 'exponential' has no end without cap=; give the longest pause in "
                "seconds, or growth='fixed'"
            )
        if self.cap is not None and self.cap < self.base:
            raise ValueError(f"cap is {self.cap!r}, but must be at least base, {self.base!r}")
        if self.jitter == "decorrelated" and self.growth == "fixed":
            raise ValueError("jitter 'decorrelated' grows by itself; leave growth='fixed' out")

    def pause(self, retry: int, uniform: float, last: float) -> float:
        """Return the seconds before retry number `retry` (1, 2, ...).

        Parameters
        ----------
        uniform : float
            A draw of at least 0 and below 1; what the jitter makes of it.
        last : float
            The pause before this one, which `decorrelated` needs; 0 before the first.
        """
        cap = self.base if self.cap is None else self.cap
        if self.jitter == "decorrelated":
            before = last if last > 0.0 else self.base
            return min(cap, self.base + uniform * (3.0 * before - self.base))
        # beyond 2**60 every cap that is a time has been reached
        grown = self.base if self.growth == "fixed" else self.base * 2.0 ** min(retry - 1, 60)
        v = grown if self.growth == "fixed" else min(cap, grown)
        if self.jitter == "full":
            return uniform * v
        if self.jitter == "equal":
            return v / 2.0 + uniform * (v / 2.0)
        return v
