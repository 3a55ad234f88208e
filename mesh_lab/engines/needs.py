"""What a request needs at a part: the function from the request to its draw, by its address."""

from __future__ import annotations

from collections.abc import Callable

from ..distributions import Distribution
from ..draws import Draws
from ..ledger import Request

__all__ = ["Need", "drawn"]

Need = Callable[[Request], float]


def drawn(draws: Draws, of: Distribution | str, part: str, purpose: str, names: list[str]) -> Need:
    """Return the function from a request to its draw for one purpose of one part.

    Parameters
    ----------
    of : Distribution or "uniform"
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
                later[source, visit] = at
            else:
                first[source] = at
            return at(request.number)

    return draw
