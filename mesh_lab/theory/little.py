"""Little's law: number = rate * time.

**The law** (Little 1961).  Draw a line around any part of a system.  Over a long time the mean
number of requests inside the line is the rate at which they cross it, times the mean time that one
stays inside:

    L = lambda W.

Nothing is assumed about distributions, order of service or independence; only that what goes in
comes out and that the means exist.  It also holds for every finished run, exactly, when the run
began and ended empty: add up the time that each request was there, once by request and once by
instant, and the two sums are the same area.

Around the queue alone it ties `in_queue` and `wait`, around the whole `in_system` and `response`,
and around the servers: the mean number of busy ones is the rate times the mean service time.

Source: Little, Operations Research 9 (1961).
"""

from __future__ import annotations

from ..errors import PartError
from . import _arguments as check

__all__ = ["littles_law"]


def littles_law(
    *, number: float | None = None, rate: float | None = None, time: float | None = None
) -> float:
    """Return the third of mean number, rate and mean time from the other two.

    Parameters
    ----------
    number : float, optional
        Mean number of requests inside, 0 or more.
    rate : float, optional
        Requests per second that pass through, above 0.
    time : float, optional
        Mean seconds that one stays inside, 0 or more (above 0 when the rate is asked for).

    Raises
    ------
    PartError
        When not exactly two are given, or one is not what is said above.

    Examples
    --------
    350 requests per second that stay 40 ms each:

    >>> littles_law(rate=350.0, time=0.040)
    14.0
    >>> littles_law(number=14.0, time=0.040)
    350.0
    >>> littles_law(number=14.0, rate=350.0)
    0.04
    """
    given = [k for k, v in (("number", number), ("rate", rate), ("time", time)) if v is not None]
    if len(given) != 2:
        problem = (
            f"needs exactly two of number, rate and time, but got {', '.join(given) or 'none'}"
        )
        raise PartError("theory.littles_law", "", problem)
    if number is None:
        return check.positive("littles_law", "rate", rate) * check.at_least_zero(
            "littles_law", "time", time
        )
    inside = check.at_least_zero("littles_law", "number", number)
    if time is None:
        return inside / check.positive("littles_law", "rate", rate)
    return inside / check.positive("littles_law", "time", time)
