r"""Join the shortest queue, for a few servers: a Markov chain, solved.

**The model.** n servers with a queue each, Poisson arrivals of rate lambda over all, exponential
service of rate mu.  A request joins a shortest queue, or the shortest of d random ones; ties are
broken at random.  There is no simple formula, not even for two servers (Kingman 1961; Flatto and
McKean 1977): the solution is an infinite sum of products (Adan, Wessels and Zijm 1990).  But the
chain can be solved as precisely as one likes.

**The chain.** Servers are alike, so a state is the length m of the shortest queue together with
how much longer the others are, in rising order: (m; 0 <= a <= b <= ...).  One event changes m by
at most one and, as long as m > 0, in a way that does not depend on m: a quasi-birth-and-death
process with m as its level.  Its steady state is matrix-geometric (Neuts 1981),

    p[m+1] = p[m] R,      R = U (-(L + U G))**-1,      D + L G + U G**2 = 0,

with U, L, D the rates to the level above, within, and below; G is found by logarithmic reduction
(Latouche and Ramaswami 1993), p[0] from the balance at level 0.

**Cutting it off.** Differences above a threshold are left out, which can be done in two ways
(Adan, van Houtum and van der Wal 1994).  Where a departure from a shortest queue would make the
difference too large, either one of a longest queue leaves in its place (*jockeying*, which helps)
or nobody does (*blocking*, which harms).  For two servers the two systems are proven to bound the
one that is wanted from below and from above.  The same two are used for more servers, and for
d < n (where an arrival that would pass the threshold joins a shortest queue in both), without
that proof.  The threshold is raised until they agree; half of what is left between them is said
as `uncertainty`.

The number of states on a level, (threshold + n - 1 choose n - 1), is why this is for a few
servers; at high load, differences stay small and queues long, which costs nothing here.

Sources: Adan, van Houtum and van der Wal, Annals of Operations Research 48 (1994), its abstract
and a review; the others as recalled.  The tests hold the result against chains solved without any
of this.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..errors import PartError
from . import _arguments as check
from ._results import Measures
from .splitting import checked

__all__ = ["ShortestQueue", "join_shortest_queue"]

Matrix = NDArray[np.float64]
Shares = Callable[[int], float]

MOST_SERVERS = 4
MOST_STATES = 500  # on a level: a second of linear algebra
CLOSE, ENOUGH = 1e-7, 1e-5  # how far the two systems may be apart: aimed at, accepted; relative


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class ShortestQueue(Measures):
    """What `join_shortest_queue` returns: the common measures.

    Parameters
    ----------
    wait_probability : float
        Share of the requests that wait at all.
    uncertainty : float
        How far `response` may be off, in seconds, because long differences were left out.
    """

    wait_probability: float
    uncertainty: float


def join_shortest_queue(
    *,
    arrival_rate: float,
    service_rate: float,
    servers: int,
    choices: int | None = None,
    replacement: bool = False,
) -> ShortestQueue:
    """Return the steady state of two to four servers, of which requests join the shortest queue.

    Parameters
    ----------
    arrival_rate : float
        Requests per second, over all servers.
    service_rate : float
        Requests that one busy server finishes per second.
    servers : int
        From 1 to 4.
    choices : int, optional
        Of how many random queues a request joins the shortest, 2 or more; all by default.
    replacement : bool
        Whether one queue may be drawn twice.

    Raises
    ------
    PartError
        When an argument is not what is said above, or when so many servers at such a load need
        more states than are reasonable.
    UnstableError
        When the arrival rate is not below servers * service_rate.

    Examples
    --------
    Two queues of which the shorter is joined are nearly as good as one queue for both servers:

    >>> shorter = join_shortest_queue(arrival_rate=1.8, service_rate=1.0, servers=2)
    >>> from mesh_lab.theory import mmc, random_split
    >>> one = mmc(arrival_rate=1.8, service_rate=1.0, servers=2)
    >>> blind = random_split(arrival_rate=1.8, service_rate=1.0, servers=2)
    >>> [round(system.response, 4) for system in (one, shorter, blind)]
    [5.2632, 5.4749, 10.0]
    """
    where = "join_shortest_queue"
    arrival, service, n, rho = checked(
        where, arrival_rate, service_rate, servers, most=MOST_SERVERS
    )
    drawn = n if choices is None else check.count(where, "choices", choices, least=min(2, n))
    if not isinstance(replacement, bool | np.bool_):
        raise check.wrong(where, "replacement", replacement, "True or False")
    reach = _reach(n, drawn, bool(replacement) and choices is not None)
    threshold = 8
    while True:
        low, waits = _solve(n, rho * n, reach, threshold, blocking=False)
        high, waits_too = _solve(n, rho * n, reach, threshold, blocking=True)
        apart = abs(high - low)
        larger = threshold + max(2, threshold // 4)
        if apart <= CLOSE * low or math.comb(larger + n - 1, n - 1) > MOST_STATES:
            break
        threshold = larger
    if apart > ENOUGH * low:
        problem = f"is {n}, but at this load that can be solved to {apart / low:.1g} only; simulate"
        raise PartError(f"theory.{where}", "servers", problem)
    response = 0.5 * (low + high) / service
    wait = max(0.0, response - 1.0 / service)
    return ShortestQueue(
        utilisation=rho,
        wait=wait,
        response=response,
        in_queue=arrival * wait,
        in_system=arrival * response,
        throughput=arrival,
        wait_probability=0.5 * (waits + waits_too),
        uncertainty=0.5 * apart / service,
    )


def _reach(n: int, drawn: int, replacement: bool) -> Shares:
    """Return k -> the probability that all queues drawn are among k given ones."""
    if replacement:
        return lambda k: float((k / n) ** drawn)
    d = min(drawn, n)
    return lambda k: math.comb(k, d) / math.comb(n, d)


def _solve(
    n: int, arrival: float, reach: Shares, threshold: int, *, blocking: bool
) -> tuple[float, float]:
    """Return mean response and share that waits, in mean services, of the system cut off."""
    shapes = list(itertools.combinations_with_replacement(range(threshold + 1), n - 1))
    up, level, down, bottom = _rates(n, arrival, reach, shapes, blocking)
    identity = np.eye(len(shapes))
    local = level - np.diag((up + level + down).sum(axis=1))
    first = bottom - np.diag((up + bottom).sum(axis=1))
    g = _first_passage(up, local, down)
    r = up @ np.linalg.inv(-(local + up @ g))
    total = np.linalg.inv(identity - r)  # sum of the powers of R
    # balance at level 0; one equation too many gives way to probabilities that sum to 1
    balance = (first + r @ down).T.copy()
    balance[0] = total.sum(axis=1)
    p = np.linalg.solve(balance, identity[0])
    longer = np.array([float(sum(shape)) for shape in shapes])
    requests = p @ total @ longer + n * float((p @ r @ total @ total).sum())
    at_once = np.array([1.0 - reach(sum(extra > 0 for extra in shape)) for shape in shapes])
    return float(requests) / arrival, 1.0 - float(p @ at_once)


def _rates(
    n: int, arrival: float, reach: Shares, shapes: list[tuple[int, ...]], blocking: bool
) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    """Return the rates to the level above, within, and below; and within level 0."""
    index = {shape: i for i, shape in enumerate(shapes)}
    up, level, down, bottom = (np.zeros((len(shapes), len(shapes))) for _ in range(4))

    def after(lengths: list[int], which: int, change: int) -> tuple[int, int | None]:
        """Return how the level changes, and the state there, or None beyond the threshold."""
        changed = sorted([*lengths[:which], lengths[which] + change, *lengths[which + 1 :]])
        return changed[0], index.get(tuple(x - changed[0] for x in changed[1:]))

    for i, shape in enumerate(shapes):
        lengths = [0, *shape]
        for length in sorted(set(lengths)):
            which, others = lengths.index(length), sum(x > length for x in lengths)
            equal = lengths.count(length)
            joins = arrival * (reach(others + equal) - reach(others))
            step, j = after(lengths, which, 1)
            if j is None:
                step, j = after(lengths, 0, 1)
            assert j is not None
            for rates in (up,) if step else (level, bottom):
                rates[i, j] += joins
            step, j = after(lengths, which, -1)
            if j is None:  # only from a shortest queue; at level 0 there is nobody in it
                if blocking:
                    continue
                step, j = after(lengths, n - 1, -1)
                assert j is not None
            # a queue as short as the level is empty at level 0, and nobody leaves it
            for rates in (down,) if step else (level,) if length == 0 else (level, bottom):
                rates[i, j] += equal
    return up, level, down, bottom


def _first_passage(up: Matrix, local: Matrix, down: Matrix) -> Matrix:
    """Return G: where the chain enters the level below, by logarithmic reduction."""
    identity = np.eye(len(local))
    inverse = np.linalg.inv(-local)
    rise, fall = inverse @ up, inverse @ down
    g, weight = fall.copy(), rise.copy()
    for _ in range(64):
        both = np.linalg.inv(identity - rise @ fall - fall @ rise)
        rise, fall = both @ rise @ rise, both @ fall @ fall
        step = weight @ fall
        g += step
        weight = weight @ rise
        if float(np.abs(step).max()) < 1e-16:
            break
    return np.asarray(g)
