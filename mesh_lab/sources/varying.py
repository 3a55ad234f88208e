"""Real-time sources whose rate changes: bursts, and the cycle of a day.

``Bursts`` is a Markov-modulated Poisson process: the rate jumps between states, each held for an
exponential time.  It is made from unit exponentials: an arrival comes when the rate, added up over
time, has used one of them up (a time change), which is exact across any number of jumps.

``TimeVarying`` follows a given profile by thinning (Lewis and Shedler 1979): candidates come at
the highest rate, and one at time t is kept with probability rate(t) / highest rate.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator

import numpy as np

from ..distributions import Exponential
from ..draws import Draws
from ..errors import PartError
from ..parts import NonNegative, Positive, part
from .base import OpenSource

__all__ = ["Bursts", "Profile", "TimeVarying", "daily"]

DAY = 86_400.0


@part
class Bursts(OpenSource):
    """Arrivals whose rate jumps between states (a Markov-modulated Poisson process).

    The states follow one another in the given order and begin again after the last; the first
    begins at time 0.

    Parameters
    ----------
    name, to, priority, deadline, key, subject
        As for `Poisson`.
    rates : tuple of float
        Requests per second in each state; 0 is silence.
    holds : tuple of float
        Mean seconds that each state lasts; the times themselves are exponential.

    Examples
    --------
    >>> Bursts("flash", rates=(10.0, 100.0), holds=(8.0, 2.0), to="shop").long_run_rate()
    28.0
    """

    rates: tuple[NonNegative, ...]
    holds: tuple[Positive, ...]

    def __post_init__(self) -> None:
        OpenSource.__post_init__(self)
        if len(self.rates) != len(self.holds) or len(self.rates) < 2:
            raise ValueError(
                f"rates has {len(self.rates)} states and holds has {len(self.holds)}; they must "
                "have the same number, at least 2"
            )
        if max(self.rates) <= 0.0:
            raise ValueError("rates are all 0, so nothing would ever arrive")

    def gaps(self, draws: Draws) -> Iterator[float]:
        """Yield the gaps: column ``gap`` holds unit exponentials, column ``hold`` the stays."""
        units = iter(draws.column(Exponential(mean=1.0), self.name, "gap", self.name))
        stays = iter(draws.column(Exponential(mean=1.0), self.name, "hold", self.name))
        state, left = 0, next(stays) * self.holds[0]
        for unit in units:
            gap = 0.0
            while unit > self.rates[state] * left:
                unit = unit - self.rates[state] * left
                gap = gap + left
                state = (state + 1) % len(self.rates)
                left = next(stays) * self.holds[state]
            step = unit / self.rates[state]
            left = left - step
            yield gap + step

    def long_run_rate(self) -> float:
        """Return the requests per second in the long run."""
        expected = sum(r * h for r, h in zip(self.rates, self.holds, strict=True))
        return expected / sum(self.holds)


@part
class Profile:
    """A rate over time: straight lines between given points, repeated if it has a period.

    Parameters
    ----------
    times : tuple of float
        Seconds, increasing, the first 0.
    rates : tuple of float
        Requests per second at those times.
    period : float, optional
        Seconds after which the profile begins again (the last point is joined to the first);
        without one, the last rate goes on for ever.

    Examples
    --------
    >>> ramp = Profile(times=(0.0, 60.0), rates=(10.0, 40.0))
    >>> ramp.at(30.0), ramp.at(600.0)
    (25.0, 40.0)
    """

    times: tuple[NonNegative, ...]
    rates: tuple[NonNegative, ...]
    period: Positive | None = None

    def __post_init__(self) -> None:
        if len(self.times) != len(self.rates) or not self.times:
            raise ValueError(
                f"times has {len(self.times)} points and rates has {len(self.rates)}; they must "
                "have the same number, at least 1"
            )
        if self.times[0] != 0.0 or any(
            b <= a for a, b in zip(self.times, self.times[1:], strict=False)
        ):
            raise ValueError(f"times is {self.times!r}; they must begin at 0 and increase")
        if max(self.rates) <= 0.0:
            raise ValueError("rates are all 0, so nothing would ever arrive")
        if self.period is not None and self.period <= self.times[-1]:
            raise ValueError(
                f"period is {self.period!r}, but must be after the last of times, "
                f"{self.times[-1]!r}"
            )
        if self.period is None and self.rates[-1] == 0.0:
            raise ValueError(
                "rates ends with 0 and there is no period, so arrivals would stop for ever; "
                "end with a positive rate or give a period"
            )

    @property
    def highest(self) -> float:
        """The highest rate, requests per second."""
        return max(self.rates)

    def at(self, time: float) -> float:
        """Return the rate at `time`, requests per second."""
        if self.period is not None:
            time = time - math.floor(time / self.period) * self.period
        i = bisect_right(self.times, time) - 1
        last = i + 1 == len(self.times)
        if last and self.period is None:
            return self.rates[i]
        until = self.period if last and self.period is not None else self.times[(i + 1)]
        to = self.rates[0] if last else self.rates[i + 1]
        share = (time - self.times[i]) / (until - self.times[i])
        return self.rates[i] + share * (to - self.rates[i])

    @property
    def mean(self) -> float:
        """The mean rate over a period; without a period, the last rate."""
        if self.period is None:
            return self.rates[-1]
        times = (*self.times, self.period)
        rates = (*self.rates, self.rates[0])
        pieces = zip(times, times[1:], rates, rates[1:], strict=False)
        return sum((b - a) * (r + s) / 2.0 for a, b, r, s in pieces) / self.period


def daily(*, low: float, high: float, peak_hour: float = 14.0) -> Profile:
    """Return the cycle of a day: a cosine between `low` and `high`, in 48 straight pieces.

    Parameters
    ----------
    low, high : float
        Requests per second at the quietest and at the busiest time.
    peak_hour : float
        Hours after the start of the run at which it is busiest.

    Examples
    --------
    >>> cycle = daily(low=10.0, high=110.0, peak_hour=14.0)
    >>> cycle.at(14 * 3600.0), round(cycle.at(2 * 3600.0), 6), round(cycle.mean, 6)
    (110.0, 10.0, 60.0)
    """
    allowed = "a finite number, 0 or more"
    for field, value in (("low", low), ("high", high), ("peak_hour", peak_hour)):
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or not 0.0 <= value < math.inf:
            raise PartError("daily", field, f"is {value!r}, but must be {allowed}")
    if low > high:
        raise PartError("daily", "low", f"is {low!r}, but must not be above high, {high!r}")
    steps = 48
    times = tuple(DAY * i / steps for i in range(steps))
    middle, half = (low + high) / 2.0, (high - low) / 2.0
    rates = tuple(
        middle + half * math.cos(2.0 * math.pi * (t / 3600.0 - peak_hour) / 24.0) for t in times
    )
    return Profile(times=times, rates=tuple(max(r, 0.0) for r in rates), period=DAY)


@part
class TimeVarying(OpenSource):
    """A Poisson process whose rate follows a profile.

    Parameters
    ----------
    name, to, priority, deadline, key, subject
        As for `Poisson`.
    profile : Profile
        The rate over time.

    Examples
    --------
    >>> day = TimeVarying("shop", profile=daily(low=10.0, high=110.0), to="orders")
    >>> round(day.long_run_rate(), 6)
    60.0
    """

    profile: Profile

    def gaps(self, draws: Draws) -> Iterator[float]:
        """Yield the gaps: column ``gap`` holds the candidates', column ``keep`` the choices."""
        highest = self.profile.highest
        steps = iter(draws.column(Exponential(mean=1.0 / highest), self.name, "gap", self.name))
        chances = iter(draws.column("uniform", self.name, "keep", self.name))
        now = before = 0.0
        for step, chance in zip(steps, chances, strict=False):
            now = now + step
            if chance * highest < self.profile.at(now):
                yield now - before
                before = now

    def long_run_rate(self) -> float:
        """Return the requests per second over a period."""
        return self.profile.mean
