"""What a request needs at a part: the function from the request to its number, by its address.

A user's function gets a generator that is addressed in the same way, by part, source, visit and
number: so it too meets the same request with the same chance, whatever the policy is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..distributions import Distribution
from ..draws import Drawable, Draws
from ..errors import MeshLabError
from ..ledger import Request
from ..sources.base import OpenSource
from ..stations.handler import Failing, Work

__all__ = ["Need", "drawn", "work_in_order", "work_of"]

Need = Callable[[Request], float]

_KEPT = 1000  # columns of later visits at a time, 32 kB each
LONGEST = 1e100  # seconds; far beyond it times would add up to infinity


def drawn(draws: Draws, of: Drawable | str, part: str, purpose: str, names: list[str]) -> Need:
    """Return the function from a request to its draw for one purpose of one part.

    Parameters
    ----------
    of : Distribution (or what draws like one) or "uniform"
        What is drawn.
    part, purpose : str
        Of the address; the request gives source, visit and number.
    names : list of str
        The names of the sources, by their index.
    """
    first: dict[int, Callable[[int], float]] = {}
    later: dict[tuple[int, int], Callable[[int], float]] = {}

    def draw(request: Request) -> float:
        source, visit = request.source, request.visit
        try:
            if visit:
                return later[source, visit](request.number)
            return first[source](request.number)
        except KeyError:
            at = draws.column(of, part, purpose, names[source], visit).at
            if visit:
                if len(later) >= _KEPT:
                    later.clear()  # a column that is made again has the same numbers
                later[source, visit] = at
            else:
                first[source] = at
            return at(request.number)

    return draw


def work_of(draws: Draws, work: Work, part: str, names: list[str]) -> Need:
    """Return the function from a request to the seconds of work that it needs at `part`.

    Raises
    ------
    MeshLabError
        By that function, when a user's own returns what cannot be seconds.
    """
    if isinstance(work, Distribution):
        return drawn(draws, work, part, "service", names)
    if work is None:

        def carried(request: Request) -> float:
            if request.carried is None:  # what a process has put in, in a user's own program
                raise MeshLabError(
                    f"{part!r} does not say how long its work takes, so every request must carry "
                    f"its own, but {request} does not; give it a distribution or a function"
                )
            return request.carried

        return carried

    def asked(request: Request) -> float:
        source = names[request.source]
        rng = draws.generator(part, "user", source, request.visit, request.number)
        try:
            seconds = work(request, rng)
        except Exception as error:
            error.add_note(f"This came from the function for the work of {part!r}, at {request}.")
            raise
        if isinstance(seconds, np.floating | np.integer):
            seconds = seconds.item()
        if (
            isinstance(seconds, bool)
            or not isinstance(seconds, int | float)
            or not 0.0 <= seconds <= LONGEST
        ):
            raise MeshLabError(
                f"{part!r}: the function for its work returned {seconds!r} for {request}; it must "
                f"return seconds, a finite number that is not negative (and {LONGEST:g} at most)"
            )
        request.fails = isinstance(seconds, Failing)
        return float(seconds)

    return asked


def work_in_order(draws: Draws, work: object, part: str, source: OpenSource) -> Iterator[float]:
    """Yield the seconds of work at `part` of a source's requests, where none is skipped.

    `work` is a distribution, or None where requests carry their own.
    """
    if isinstance(work, Distribution):
        return iter(draws.column(work, part, "service", source.name))
    carried = source.carried()
    assert carried is not None  # the scenario was checked
    return iter(carried)
